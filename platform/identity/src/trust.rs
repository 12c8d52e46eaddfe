//! Which cards are believed, from a folder: the certificates of the CAs, pinned by hash, and the lists of revoked
//! certificates, which somebody fetches once a day.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kenroku_jpki::revocation::Reply;
use kenroku_jpki::{
    Anchors, AuthAnchors, CardLists, Certificate, Crl, CrlFiles, Kind, Mode, Pin, Profile, RevocationSource,
    SignAnchors, SourceError,
};
use kenroku_module::HookError;
use kenroku_types::{Clock, Timestamp};

use crate::card::CardTrust;

/// How old a list may be: they are made daily, and a night may fail.
const MAX_AGE: Duration = Duration::from_secs(2 * 86_400);
/// How often the folder is looked at.
const AGAIN: Duration = Duration::from_secs(600);

/// Loads `auth*.cer` and `sign*.cer` (DER) as far as they are pinned; `*.crl` are read when they are needed.
pub(crate) fn load(folder: &Path, pins: &[String], clock: Clock) -> Result<CardTrust, HookError> {
    let pins: Vec<Pin> = pins.iter().map(|p| p.parse()).collect::<Result<_, _>>()?;
    let auth: AuthAnchors = anchors(folder, "auth", &pins)?;
    let sign: SignAnchors = anchors(folder, "sign", &pins)?;
    let revocation = Arc::new(Lists {
        folder: folder.to_owned(),
        auth: auth.clone(),
        sign: sign.clone(),
        clock,
        read: Mutex::default(),
    });
    Ok(CardTrust { auth, sign, revocation })
}

fn files(folder: &Path, fits: impl Fn(&str) -> bool) -> std::io::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&fits) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    paths.iter().map(std::fs::read).collect()
}

fn anchors<K: Kind>(folder: &Path, kind: &str, pins: &[Pin]) -> Result<Anchors<K>, HookError> {
    let ders = files(folder, |n| n.starts_with(kind) && n.ends_with(".cer"))
        .map_err(|e| format!("identity.ca_folder {}: {e}", folder.display()))?;
    Ok(Anchors::load(Profile::production(), ders.iter().map(Vec::as_slice), pins)?)
}

/// The lists of the folder, read again now and then.
struct Lists {
    folder: PathBuf,
    auth: AuthAnchors,
    sign: SignAnchors,
    clock: Clock,
    read: Mutex<Option<(Duration, Arc<CrlFiles>)>>,
}

impl Lists {
    fn current(&self) -> Result<Arc<CrlFiles>, SourceError> {
        let now = self.clock.monotonic();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, lists)) = &*read
            && now.saturating_sub(*at) < AGAIN
        {
            return Ok(Arc::clone(lists));
        }
        let ders = files(&self.folder, |n| n.ends_with(".crl"))
            .map_err(|e| SourceError::Unavailable(e.to_string()))?;
        let mut lists = Vec::with_capacity(ders.len());
        for der in &ders {
            match Crl::load(der, &self.auth).or_else(|_| Crl::load(der, &self.sign)) {
                Ok(list) => lists.push(list),
                Err(e) => tracing::error!(error = %e, "a list of revoked certificates cannot be used"),
            }
        }
        let lists = Arc::new(CrlFiles::new(lists, MAX_AGE, "crl"));
        *read = Some((now, Arc::clone(&lists)));
        Ok(lists)
    }
}

impl RevocationSource for Lists {
    fn status<'a>(
        &'a self,
        of: Certificate<'a>,
        mode: Mode<'a>,
        now: Timestamp,
    ) -> Reply<'a, kenroku_jpki::Answer> {
        Box::pin(async move { self.current()?.status(of, mode, now).await })
    }

    fn lists(&self) -> Reply<'_, Box<dyn CardLists + '_>> {
        Box::pin(async move { Ok(Box::new(self.current()?) as Box<dyn CardLists + '_>) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_believed_without_pins_and_files() {
        let clock = Clock::fixed(Timestamp::EPOCH);
        let nowhere = Path::new("/nonexistent/ca");
        let e = load(nowhere, &[], clock.clone()).map(|_| ()).unwrap_err().to_string();
        assert!(e.contains("identity.ca_folder"), "{e}");
        let e = load(nowhere, &["abc".to_owned()], clock).map(|_| ()).unwrap_err();
        assert!(!e.to_string().contains("identity.ca_folder"), "a pin that is none is told first: {e}");
    }
}

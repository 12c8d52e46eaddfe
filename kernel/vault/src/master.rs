//! [`MasterKeys`]: the first level, kept in a file away from every database.
//!
//! The file has one line per generation, `1 <64 hex digits>`, and one line `pepper <64 hex digits>` that never
//! changes (see [`search`](crate::search)). It must be readable by its owner alone. Whoever has the file *and* the
//! key store reads everything; either one alone reads nothing. A key management service would be another source
//! of the same type: only tenant keys pass through here, some dozens of calls a day.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use kenroku_types::{Rng, Tenant};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use crate::aead::{self, Canon, Secret};
use crate::error::{Error, Result};

/// The master keys of an installation, every generation that still wraps a tenant key.
pub struct MasterKeys {
    path: Option<PathBuf>,
    pepper: Secret,
    generations: BTreeMap<u32, Secret>,
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKeys(generations {:?})", self.generations.keys())
    }
}

struct Len32;
impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// HKDF-SHA256 (RFC 5869) to 32 bytes.
pub(crate) fn hkdf(salt: &[u8], ikm: &Secret, info: &str) -> Result<Secret> {
    let mut out = Zeroizing::new([0u8; 32]);
    Salt::new(HKDF_SHA256, salt)
        .extract(ikm.bytes())
        .expand(&[info.as_bytes()], Len32)
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .map_err(|_| Error::Crypto("key derivation"))?;
    Secret::from_slice(out.as_slice())
}

impl MasterKeys {
    /// Keys that live in memory only, for tests and the demo: whatever they protect is unreadable afterwards.
    pub fn ephemeral(rng: &Rng) -> Self {
        MasterKeys {
            path: None,
            pepper: Secret::random(rng),
            generations: BTreeMap::from([(1, Secret::random(rng))]),
        }
    }

    /// Makes a new file with the first generation, readable by its owner alone.
    ///
    /// # Errors
    /// [`Error::Master`] when the file exists already or cannot be written.
    pub fn create(path: &Path, rng: &Rng) -> Result<Self> {
        if path.exists() {
            return Err(Error::Master(format!("{} exists already; it is never overwritten", path.display())));
        }
        let keys = MasterKeys { path: Some(path.to_owned()), ..Self::ephemeral(rng) };
        keys.write()?;
        Ok(keys)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Master`] when it is missing, readable by others, or not in the expected form.
    pub fn load(path: &Path) -> Result<Self> {
        let wrong = |e: std::io::Error| Error::Master(format!("{}: {e}", path.display()));
        let mode = std::fs::metadata(path).map_err(wrong)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Error::Master(format!(
                "{0} can be read by others (mode {mode:03o}); run: chmod 600 {0}",
                path.display()
            )));
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(wrong)?);
        let (mut pepper, mut generations) = (None, BTreeMap::new());
        for (n, line) in text.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
            let form = || {
                Error::Master(format!(
                    "{} line {}: write a generation number (or “pepper”), a space and 64 hexadecimal digits",
                    path.display(),
                    n + 1
                ))
            };
            let (name, digits) = line.split_once(' ').ok_or_else(form)?;
            let secret = Secret::from_slice(&Zeroizing::new(hex::decode(digits.trim()).map_err(|_| form())?))
                .map_err(|_| form())?;
            if name == "pepper" {
                pepper = Some(secret);
            } else {
                generations.insert(name.parse::<u32>().map_err(|_| form())?, secret);
            }
        }
        match (pepper, generations.is_empty()) {
            (Some(pepper), false) => Ok(MasterKeys { path: Some(path.to_owned()), pepper, generations }),
            _ => Err(Error::Master(format!(
                "{} needs a line “pepper” and at least one generation",
                path.display()
            ))),
        }
    }

    /// Adds a generation to the file. Give the file to every machine before the rotation goes on.
    ///
    /// # Errors
    /// [`Error::Master`] when the file cannot be read or written.
    pub fn add_generation(path: &Path, rng: &Rng) -> Result<u32> {
        let mut keys = Self::load(path)?;
        let next = keys.current() + 1;
        keys.generations.insert(next, Secret::random(rng));
        keys.write()?;
        Ok(next)
    }

    /// Takes a generation out of the file, once [`RotationReport`](crate::RotationReport) says that nothing is wrapped by it.
    ///
    /// # Errors
    /// [`Error::Master`] for the newest generation, or when the file cannot be read or written.
    pub fn remove_generation(path: &Path, generation: u32) -> Result<()> {
        let mut keys = Self::load(path)?;
        if keys.current() == generation {
            return Err(Error::Master("the newest generation is in use".to_owned()));
        }
        keys.generations.remove(&generation);
        keys.write()
    }

    fn write(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let wrong = |e: std::io::Error| Error::Master(format!("{}: {e}", path.display()));
        // Enough room at once: growing would leave copies of the keys in freed memory.
        let mut text = Zeroizing::new(String::with_capacity(512 + 100 * self.generations.len()));
        text.push_str(
            "# Master keys of the vault. Whoever has this file and the key store reads all personal data.\n\
             # Keep a copy in a safe; keep none beside the databases or their backups.\n",
        );
        let hex_of = |s: &Secret| Zeroizing::new(hex::encode(s.bytes()));
        let _ = writeln!(text, "pepper {}", *hex_of(&self.pepper));
        for (n, s) in &self.generations {
            let _ = writeln!(text, "{n} {}", *hex_of(s));
        }
        let part = path.with_extension("new");
        let _ = std::fs::remove_file(&part);
        let mut f = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .map_err(wrong)?;
        f.write_all(text.as_bytes()).and_then(|()| f.sync_all()).map_err(wrong)?;
        std::fs::rename(&part, path).map_err(wrong)?;
        if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::fs::File::open(dir).and_then(|d| d.sync_all()).map_err(wrong)?;
        }
        Ok(())
    }

    /// The newest generation, which wraps what is made from now on.
    pub fn current(&self) -> u32 {
        self.generations.keys().next_back().copied().unwrap_or_default()
    }

    /// Every generation the file has.
    pub fn generations(&self) -> impl Iterator<Item = u32> + '_ {
        self.generations.keys().copied()
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(crate) fn pepper(&self) -> &Secret {
        &self.pepper
    }

    pub(crate) fn knows(&self, generation: u32) -> bool {
        self.generations.contains_key(&generation)
    }

    fn derived(&self, generation: u32, info: &str) -> Result<Secret> {
        let master = self.generations.get(&generation).ok_or_else(|| {
            Error::Master(format!("generation {generation} is not in the master key file; put it back"))
        })?;
        hkdf(b"kenroku-vault", master, info)
    }

    /// Tells a wrong file from the right one without telling anything of the key.
    pub(crate) fn check_value(&self, generation: u32) -> Result<Vec<u8>> {
        Ok(self.derived(generation, "kenroku-vault/master-check/1")?.bytes()[..8].to_vec())
    }

    pub(crate) fn wrap(
        &self,
        generation: u32,
        tenant: Tenant,
        version: u32,
        key: &Secret,
        rng: &Rng,
    ) -> Result<Vec<u8>> {
        let kek = self.derived(generation, "kenroku-vault/wrap-tenant-key/1")?;
        aead::seal(&kek, rng, &aad(generation, tenant, version), key.bytes())
    }

    pub(crate) fn unwrap(
        &self,
        generation: u32,
        tenant: Tenant,
        version: u32,
        wrapped: &[u8],
    ) -> Result<Secret> {
        let kek = self.derived(generation, "kenroku-vault/wrap-tenant-key/1")?;
        Secret::from_slice(&aead::open(&kek, &aad(generation, tenant, version), wrapped)?)
    }
}

fn aad(generation: u32, tenant: Tenant, version: u32) -> Vec<u8> {
    Canon::new("kenroku-vault/tenant-key/1")
        .int(generation.into())
        .uuid(tenant.uuid())
        .int(version.into())
        .done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let rng = Rng::seeded(5);
        let first = MasterKeys::create(&path, &rng).unwrap();
        let key = Secret::random(&rng);
        let wrapped = first.wrap(1, Tenant::SHARED, 1, &key, &rng).unwrap();
        assert!(MasterKeys::create(&path, &rng).is_err(), "never overwritten");

        assert_eq!(MasterKeys::add_generation(&path, &rng).unwrap(), 2);
        let both = MasterKeys::load(&path).unwrap();
        assert_eq!(both.current(), 2);
        assert_eq!(both.unwrap(1, Tenant::SHARED, 1, &wrapped).unwrap().bytes(), key.bytes());
        assert_eq!(both.unwrap(2, Tenant::SHARED, 1, &wrapped).err(), Some(Error::NotAuthentic));
        assert_eq!(both.unwrap(1, Tenant::SHARED, 2, &wrapped).err(), Some(Error::NotAuthentic));
        assert_eq!(first.check_value(1).unwrap(), both.check_value(1).unwrap());
        assert_eq!(first.pepper().bytes(), both.pepper().bytes());

        assert!(MasterKeys::remove_generation(&path, 2).is_err(), "the newest stays");
        MasterKeys::remove_generation(&path, 1).unwrap();
        let second = MasterKeys::load(&path).unwrap();
        let e = second.unwrap(1, Tenant::SHARED, 1, &wrapped).err().unwrap();
        assert!(e.to_string().contains("generation 1"), "{e}");
    }

    #[test]
    fn a_file_that_others_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        MasterKeys::create(&path, &Rng::seeded(5)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(MasterKeys::load(&path).is_ok());
        for mode in [0o640, 0o604, 0o660, 0o601] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let e = MasterKeys::load(&path).unwrap_err();
            assert!(e.to_string().contains("chmod 600"), "{e}");
        }
    }

    #[test]
    fn what_is_no_key_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        for text in [
            "",
            "1 00",
            "x 00",
            "pepper zz",
            "1",
            "pepper 0000000000000000000000000000000000000000000000000000000000000000",
        ] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(MasterKeys::load(&path), Err(Error::Master(_))), "{text}");
        }
        assert!(MasterKeys::load(&dir.path().join("absent")).is_err());
    }

    /// RFC 5869 with salt, input and info in their places; the value comes from Python's `hmac` over the two steps.
    #[test]
    fn derivation_is_hkdf_sha256() {
        let ikm = Secret::from_slice(&[0x0b; 32]).unwrap();
        assert_eq!(
            hex::encode(hkdf(b"salt", &ikm, "info").unwrap().bytes()),
            "20818451610896c07e77bc9ea5f06a4db922b2c726adda1af6c0a779dfe0446a"
        );
    }
}

//! The @contexts of requests: built in, hosted here, or fetched once and remembered (GS CIM 009 §5.13).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kenroku_http::App;
use kenroku_jsonld::{Documents, Error as LdError};
use kenroku_module::HookError;
use kenroku_ngsi_ld::{Fault, Names, NgsiError};
use kenroku_outbound::{Caller, Outbound};
use kenroku_types::Tenant;
use serde_json::{Value, json};

use crate::Settings;
use crate::sql::{self, ContextRow};

/// Most remembered sets of words; what was asked for least lately goes.
const REMEMBERED: usize = 512;
/// Below this the broker hosts contexts.
pub const HOSTED: &str = "/ngsi-ld/v1/jsonldContexts/";

/// Words by tenant and what stood in `@context`, with when they were last asked for.
type Read = HashMap<(Tenant, String), (u64, Arc<Names>)>;

/// The contexts this process knows.
pub struct Contexts {
    out: Outbound,
    allow_private: bool,
    wait: Duration,
    names: Mutex<Read>,
    documents: Mutex<HashMap<(Tenant, String), Arc<Value>>>,
    clock: std::sync::atomic::AtomicU64,
}

impl std::fmt::Debug for Contexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contexts")
    }
}

struct Known<'c>(&'c Contexts, Tenant);

impl Documents for Known<'_> {
    fn get(&self, url: &str) -> Option<Arc<Value>> {
        self.0
            .documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&(self.1, url.to_owned()))
            .cloned()
    }
}

impl Contexts {
    /// None yet.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(settings: &Settings) -> Result<Self, HookError> {
        Ok(Contexts {
            out: Outbound::new()?,
            allow_private: settings.allow_private,
            wait: settings.context_wait,
            names: Mutex::default(),
            documents: Mutex::default(),
            clock: std::sync::atomic::AtomicU64::new(0),
        })
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    /// The words of what stood in `@context`, with every remote context fetched that it needs.
    pub(crate) async fn names(
        &self,
        app: &App,
        tenant: Tenant,
        given: &Value,
    ) -> Result<Arc<Names>, NgsiError> {
        let key = (tenant, given.to_string());
        if let Some((at, n)) = self.names.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&key) {
            *at = self.tick();
            return Ok(n.clone());
        }
        let mut tries = 0;
        let made = loop {
            match Names::read(given, &Known(self, tenant)) {
                Ok(n) => break Arc::new(n),
                Err(LdError::Missing(url)) if tries < 64 => {
                    tries += 1;
                    let document = self.find(app, tenant, &url).await?;
                    let mut all = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
                    if all.len() >= REMEMBERED {
                        all.clear();
                    }
                    all.insert((tenant, url), Arc::new(document));
                }
                Err(e) => return Err(e.into()),
            }
        };
        let at = self.tick();
        let mut all = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED
            && let Some(oldest) = all.iter().min_by_key(|(_, (at, _))| *at).map(|(k, _)| k.clone())
        {
            all.remove(&oldest);
        }
        all.insert(key, (at, made.clone()));
        Ok(made)
    }

    /// Forgets everything that was made of contexts of this tenant.
    pub(crate) fn forget(&self, tenant: Tenant) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).retain(|(t, _), _| *t != tenant);
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).retain(|(t, _), _| *t != tenant);
    }

    /// A document: hosted here, remembered, or fetched now and remembered.
    async fn find(&self, app: &App, tenant: Tenant, url: &str) -> Result<Value, NgsiError> {
        let inside = |e: kenroku_store::Error| {
            tracing::error!(error = %e, "broker.contexts");
            NgsiError::new(Fault::InternalError, "the contexts cannot be read; ask the operator")
        };
        let row = match url.split_once(HOSTED) {
            Some((_, id)) if !id.is_empty() => {
                let mut tx = app.db().read().await.map_err(inside)?;
                sql::context(&mut tx, tenant, id).await.map_err(inside)?
            }
            _ => {
                let mut tx = app.db().read().await.map_err(inside)?;
                sql::context_by_url(&mut tx, tenant, url).await.map_err(inside)?
            }
        };
        if let Some(row) = row {
            return Ok(serde_json::from_str(&row.body).unwrap_or_default());
        }
        let document = self.fetch(url).await?;
        let now = app.env().now();
        let row = ContextRow {
            id: app.env().uuid().to_string(),
            url: url.to_owned(),
            kind: "Cached".to_owned(),
            body: document.to_string(),
            created_at: now,
            used_at: Some(now),
            hits: 1,
        };
        let mut tx = app.db().begin().await.map_err(inside)?;
        sql::add_context(&mut tx, tenant, &row).await.map_err(inside)?;
        tx.commit().await.map_err(inside)?;
        Ok(document)
    }

    /// Reads a context from elsewhere: bounded in time and size, and never from inside unless that is allowed.
    pub(crate) async fn fetch(&self, url: &str) -> Result<Value, NgsiError> {
        let unavailable = |why: &str| {
            NgsiError::new(
                Fault::LdContextNotAvailable,
                format!("{} cannot be read: {why}", kenroku_ngsi_ld::check::short(url)),
            )
        };
        if !self.allow_private && !is_public(url).await {
            return Err(unavailable("it is no public address"));
        }
        let got = tokio::time::timeout(self.wait, self.out.get(url, Caller::Nobody)).await;
        let got =
            got.map_err(|_| unavailable("it took too long"))?.map_err(|e| unavailable(&e.to_string()))?;
        if !got.is_ok() {
            return Err(unavailable(&format!("it answered {}", got.status)));
        }
        if got.json.get("@context").is_none() {
            return Err(unavailable("it holds no @context"));
        }
        Ok(got.json)
    }

    /// An address for words that stand in several contexts: a context of ours that holds them all.
    pub(crate) async fn address_of(
        &self,
        app: &App,
        tenant: Tenant,
        base: &str,
        names: &Names,
    ) -> Result<String, crate::http::Failed> {
        let body = json!({ "@context": names.to_json() }).to_string();
        let id = digest(&body);
        let mut tx = app.db().begin().await?;
        if sql::context(&mut tx, tenant, &id).await?.is_none() {
            let row = ContextRow {
                url: id.clone(),
                id: id.clone(),
                kind: "ImplicitlyCreated".to_owned(),
                body,
                created_at: app.env().now(),
                used_at: None,
                hits: 0,
            };
            sql::add_context(&mut tx, tenant, &row).await?;
        }
        tx.commit().await?;
        Ok(format!("{base}{HOSTED}{id}"))
    }
}

/// A stable name for a text: FNV-1a, 128 bits; it is a name, not a proof.
fn digest(text: &str) -> String {
    let mut h: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for b in text.bytes() {
        h ^= u128::from(b);
        h = h.wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    format!("{h:032x}")
}

/// Whether every address of the host lies outside (RFC 6890).
pub(crate) async fn is_public(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    let Some(host) = url.host_str() else { return false };
    let host = host.trim_matches(['[', ']']);
    if let Ok(ip) = host.parse::<IpAddr>() {
        return outside(ip);
    }
    let port = url.port_or_known_default().unwrap_or(443);
    match tokio::time::timeout(Duration::from_secs(2), tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => {
            let all: Vec<_> = found.collect();
            !all.is_empty() && all.iter().all(|a| outside(a.ip()))
        }
        _ => false,
    }
}

fn outside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let o = v4.octets();
            !(v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_multicast()
                || v4.is_broadcast()
                || (o[0] == 100 && (64..128).contains(&o[1]))
                || o[0] == 0
                || (o[0] == 198 && (18..20).contains(&o[1])))
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => outside(IpAddr::V4(v4)),
            None => {
                let s = v6.segments()[0];
                !(v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_multicast()
                    || (s & 0xfe00) == 0xfc00
                    || (s & 0xffc0) == 0xfe80)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_inside_are_not_called() {
        for inside in [
            "http://127.0.0.1/x",
            "https://10.1.2.3/x",
            "https://192.168.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/",
            "https://[::ffff:10.0.0.1]/",
            "https://100.64.0.1/",
            "not an address",
        ] {
            assert!(!is_public(inside).await, "{inside}");
        }
        assert!(is_public("https://203.0.114.1/x").await);
    }
}

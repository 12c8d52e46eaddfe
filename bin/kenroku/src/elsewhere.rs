//! The demo's IDs of elsewhere: two stand-ins on ports of their own (sim/dia), and the file that names them. What the
//! server reads is an ordinary file of `identity.upstreams` (docs/upstreams.md), so it is also an example.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use axum::Router;
use kenroku_module::settings::{Origin, Raw};
use kenroku_module::{Kind, Values};
use kenroku_oidc::jwk::{Alg, KeySet};
use kenroku_oidc::jws::SigningKey;
use kenroku_oidc::{b64_encode, sha256};
use kenroku_sim_dia::{Client, DigitalAuthApp, RegionId};
use kenroku_types::Env;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::exit::{Code, Stop};

const SETTING: &str = "identity.upstreams";
const CLIENT: &str = "kenrokudemo";

/// The stand-ins, listening; none when the operator of the demo names other IDs.
pub struct Elsewhere(Vec<(&'static str, String, TcpListener, Router)>);

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        writeln!(f, "ほかのID（模擬） IDs of elsewhere, simulated; /id/sign-in and /id/links lead there")?;
        for (name, base, ..) in &self.0 {
            writeln!(f, "  {base}  {name}")?;
        }
        writeln!(f)
    }
}

/// Listens, and writes what the server needs to know: a key, a secret and the file of `identity.upstreams`. Their
/// addresses are the next two ports, so that links made in one run are good in the next.
pub async fn prepare(values: &mut Values, folder: &Path, port: u16) -> Result<Elsewhere, Stop> {
    if values.origin(SETTING).is_some_and(|(_, o)| *o != Origin::Default) {
        return Ok(Elsewhere(Vec::new()));
    }
    let env = Env::system();
    let folder = folder.join("demo-upstreams");
    let io = |e: io::Error| Stop::new(Code::Io, format!("{}: {e}", folder.display()));
    std::fs::create_dir_all(&folder).map_err(io)?;
    let (dia_at, dia_base) = listen(port.checked_add(1)).await.map_err(io)?;
    let (region_at, region_base) = listen(port.checked_add(2)).await.map_err(io)?;
    let back = format!("http://localhost:{port}/id/upstream/back");

    let (der, key) = key(&folder.join("dia.pk8"))?;
    let keys = serde_json::json!({ "keys": [key.public().to_jwk()] });
    let keys = KeySet::from_jwks(&keys).map_err(Stop::fault)?;
    let client = Client { id: CLIENT.to_owned(), redirect_uri: back.clone(), keys };
    // From the key, so that they stay the same for one data folder.
    let salt = b64_encode(sha256(&[b"salt".as_slice(), &der].concat()));
    let secret = b64_encode(sha256(&[b"secret".as_slice(), &der].concat()));
    let dia = DigitalAuthApp::new(env.clone(), &dia_base, vec![client], &salt).map_err(Stop::fault)?;
    let region = RegionId::new(env, &region_base, CLIENT, &secret, &back).map_err(Stop::fault)?;

    std::fs::write(folder.join("region.secret"), &secret).map_err(io)?;
    let file = folder.join("upstreams.toml");
    std::fs::write(&file, text(&dia.issuer(), &dia_base, region.issuer(), &back)).map_err(io)?;
    if let Some(value) = Kind::Text.read(&Raw::Env(file.display().to_string())) {
        values.set(SETTING, value, Origin::Demo);
    }
    Ok(Elsewhere(vec![
        ("デジタル認証アプリの代わり（模擬）", dia_base, dia_at, dia.router()),
        ("となりまちID（模擬）", region_base, region_at, region.router()),
    ]))
}

impl Elsewhere {
    /// Serves until `stop`.
    pub async fn serve(self, stop: watch::Receiver<bool>) {
        let mut all = tokio::task::JoinSet::new();
        for (name, _, listener, router) in self.0 {
            let mut told = stop.clone();
            let stopping = async move { drop(told.wait_for(|stopping| *stopping).await) };
            all.spawn(async move {
                if let Err(e) = axum::serve(listener, router).with_graceful_shutdown(stopping).await {
                    tracing::warn!(name, error = %e, "a stand-in stopped");
                }
            });
        }
        while all.join_next().await.is_some() {}
    }
}

/// This port of this machine, or any when it is taken.
pub async fn listen(port: Option<u16>) -> io::Result<(TcpListener, String)> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = match TcpListener::bind(at(port.unwrap_or(0))).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(at(0)).await?,
    };
    let base = format!("http://{}", listener.local_addr()?);
    Ok((listener, base))
}

/// The key by which the server proves itself to the stand-in, made once.
fn key(path: &Path) -> Result<(Vec<u8>, SigningKey), Stop> {
    if let Ok(der) = std::fs::read(path)
        && let Ok(key) = SigningKey::from_pkcs8(Alg::Es256, &der)
    {
        return Ok((der, key));
    }
    let (der, key) = SigningKey::generate(Alg::Es256).map_err(Stop::fault)?;
    std::fs::write(path, &*der).map_err(|e| Stop::new(Code::Io, format!("{}: {e}", path.display())))?;
    Ok((der.to_vec(), key))
}

fn text(dia: &str, dia_base: &str, region: &str, back: &str) -> String {
    format!(
        "# Written by `kenroku demo` at each start: stand-ins for IDs of elsewhere (模擬データ).\n\n\
         [[upstream]]\nname = \"dia\"\ntitle = \"デジタル認証アプリ（模擬）\"\n\
         title_en = \"Digital Authentication App (simulated)\"\nissuer = \"{dia}\"\nclient_id = \"{CLIENT}\"\n\
         redirect_uri = \"{back}\"\nscopes = \"openid name birthdate\"\nacr_values = [\"aal3\", \"crl\"]\n\
         key_file = \"dia.pk8\"\nassurance = \"jpki-auth\"\n\
         sign_api = \"{dia_base}/api/sign-transactions\"\n\n\
         [[upstream]]\nname = \"region\"\ntitle = \"となりまちID（模擬）\"\n\
         title_en = \"ID of the next town (simulated)\"\nissuer = \"{region}\"\nclient_id = \"{CLIENT}\"\n\
         redirect_uri = \"{back}\"\nscopes = \"openid profile\"\nsecret_file = \"region.secret\"\n\
         algorithms = [\"EdDSA\"]\nassurance = \"password\"\nshared = true\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings;

    #[tokio::test]
    async fn the_file_is_one_that_the_server_reads_and_other_ids_are_left_alone() {
        let settings = settings::all(&crate::modules::modules());
        let dir = tempfile::tempdir().unwrap();
        let mut values = Values::defaults(&settings, true);
        let made = prepare(&mut values, dir.path(), 0).await.unwrap();
        assert_eq!(made.0.len(), 2);
        let read = kenroku_identity::upstream::Providers::from_file(&values.text(SETTING).unwrap()).unwrap();
        assert_eq!(read.all().iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["dia", "region"]);
        assert_eq!(read.all()[0].issuer, format!("{}/api/realms/main", made.0[0].1));
        let made_key = || std::fs::read(dir.path().join("demo-upstreams/dia.pk8")).unwrap();
        let first = made_key();
        prepare(&mut Values::defaults(&settings, true), dir.path(), 0).await.unwrap();
        assert_eq!(first, made_key(), "made once");

        let mut own = Values::defaults(&settings, true);
        let named = Kind::Text.read(&Raw::Env("own.toml".to_owned())).unwrap();
        own.set(SETTING, named, Origin::Env("KENROKU_IDENTITY__UPSTREAMS".to_owned()));
        assert!(prepare(&mut own, dir.path(), 0).await.unwrap().0.is_empty());
    }
}

//! The seeds of one-time codes: made, sealed, compared. They are secrets of the installation that name no resident, so
//! they are sealed by `Vault::seal_secret` and leave no row in the access log.

use kenroku_access::accounts::Waiting;
use kenroku_access::totp;
use kenroku_http::App;
use kenroku_types::ids::StaffId;
use kenroku_types::{Problem, Tenant};
use kenroku_ui::Page;
use kenroku_ui::parts::Drawing;
use kenroku_vault::Vault;

/// What the vault binds the seal to; never changed.
const PURPOSE: &str = "staff.code";
/// Bytes of a seed (RFC 4226 §4 R6 recommends 160 bits).
const BYTES: usize = 20;

/// A new seed, in hexadecimal for the form that shows it.
pub(crate) fn fresh(app: &App) -> String {
    hex::encode(app.env().rng.bytes::<BYTES>())
}

/// A seed as a page shows it.
pub(crate) struct Shown {
    /// In hexadecimal, for the form.
    pub seed: String,
    /// As apps take it by hand, in groups of four.
    pub text: String,
    /// For the app's camera.
    pub qr: Option<Drawing>,
}

impl Shown {
    pub(crate) fn new(page: &Page, seed: String) -> Self {
        let bytes = hex::decode(&seed).unwrap_or_default();
        let text = totp::base32(&bytes);
        let groups: Vec<String> =
            text.as_bytes().chunks(4).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
        let label = page.t("staff-code-qr").plain();
        let qr = kenroku_ui::qr::code(&totp::address(&bytes, "Kenroku staff"), &label);
        Shown { seed, text: groups.join(" "), qr }
    }
}

/// The step of the code, and the new seed sealed, when the code belongs to it.
pub(crate) async fn taken_up(
    app: &App,
    tenant: Tenant,
    id: StaffId,
    seed: &str,
    typed: &str,
) -> Result<Option<(i64, Vec<u8>)>, Problem> {
    let Some(seed) = hex::decode(seed).ok().filter(|s| s.len() == BYTES) else { return Ok(None) };
    let Some(step) = totp::accepted(&seed, typed, app.env().now().secs(), 0) else { return Ok(None) };
    let vault = app.get::<Vault>().map_err(|e| *e.0)?;
    let sealed = vault.seal_secret(tenant, PURPOSE, &id.to_string(), &seed).await?;
    Ok(Some((step, sealed)))
}

/// The step of the code, when it belongs to the seed that somebody has.
pub(crate) async fn matches(app: &App, who: &Waiting, typed: &str) -> Result<Option<i64>, Problem> {
    let Some(sealed) = &who.seed else { return Ok(None) };
    let vault = app.get::<Vault>().map_err(|e| *e.0)?;
    let seed = vault.open_secret(who.tenant, PURPOSE, &who.id.to_string(), sealed).await?;
    Ok(totp::accepted(&seed, typed, app.env().now().secs(), who.last_step))
}

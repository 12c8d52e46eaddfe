//! The operator's pages: which services sign people in, until when their contract runs, what they may ask for; and
//! the signing keys.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Form, Query, Result};
use kenroku_oidc::client::{
    AUTHORIZATION_CODE, AuthMethod, CLIENT_CREDENTIALS, ClientMetadata, REFRESH_TOKEN,
};
use kenroku_oidc::jwk::{Alg, KeyError, KeySet};
use kenroku_oidc::pem::PemError;
use kenroku_oidc::{Code, OAuthError, Scopes, redirect};
use kenroku_types::{JapaneseDate, Problem, Timestamp};
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Console, Html, Page, Phrase};
use serde::Deserialize;
use serde_json::{Value, json};

use super::clients::{Client, NewClient, Policy, PublicKeys, Realm, RegisterError};
use super::contracts::ends;
use super::keys::{Held, ImportError};
use super::provider::Provider;
use crate::ManageClients;

type Operator = Authz<ManageClients, Realm>;

struct Line {
    id: String,
    name: String,
    organisation: String,
    scopes: String,
    /// The last day of its contract.
    until: Phrase,
    /// The whole contract.
    span: Phrase,
    state: Phrase,
    active: bool,
    /// The contract ends within thirty days, or has ended and nobody has stopped the service.
    ends: bool,
    /// Where the dates of its contract are changed.
    contract: String,
}

/// The form for the dates of a service's contract.
#[derive(Clone, Default)]
struct Dates {
    id: String,
    name: String,
    from: String,
    until: String,
}

struct Fresh {
    id: String,
    secret: Option<String>,
}

/// What the page shows besides the services.
#[derive(Default)]
struct Shown {
    fresh: Option<Fresh>,
    wrongs: Vec<Wrong>,
    form: New,
    /// The service whose contract is looked at.
    contract: Option<Dates>,
}

impl Shown {
    /// The form again, with what is wrong.
    fn wrong(form: New, field: &str, text: Phrase) -> Self {
        Shown { form, wrongs: vec![Wrong { field: field.to_owned(), text }], ..Shown::default() }
    }
}

#[derive(Template)]
#[template(path = "op-clients.html")]
pub(super) struct Clients {
    page: Page,
    shown: Shown,
    methods: Vec<Choice>,
    algs: Vec<Choice>,
    rows: Vec<Line>,
    /// Whether a contract ends soon or has ended.
    ends: bool,
    /// Services that authenticate with a key of their own.
    signers: Vec<Choice>,
    keys: Vec<String>,
}

/// The form that registers a service.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct New {
    #[serde(default)]
    name: String,
    #[serde(default)]
    organisation: String,
    /// One address a line.
    #[serde(default)]
    redirects: String,
    #[serde(default)]
    method: String,
    /// Its public keys.
    #[serde(default)]
    jwks: String,
    /// Of its ID tokens.
    #[serde(default)]
    alg: String,
    #[serde(default)]
    scopes: String,
    /// A date, or nothing.
    #[serde(default)]
    from: String,
    /// A date, or nothing.
    #[serde(default)]
    until: String,
    /// The service reads `act`.
    #[serde(default)]
    acting: bool,
}

async fn show(by: &Operator, app: &App, page: Page, mut shown: Shown) -> Result<Html<Clients>> {
    let op = app.get::<Provider>()?;
    let now = op.env.now();
    let all = op.all_clients(&by.granted).await?;
    // Only a service that there is has a contract to change.
    shown.contract = shown.contract.and_then(|dates| {
        let c = all.iter().find(|c| c.id == dates.id)?;
        Some(Dates { name: c.name().to_owned(), ..dates })
    });
    let signers = all
        .iter()
        .filter(|c| c.metadata.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt)
        .map(|c| Choice::new(&c.id, Phrase::text(c.name()), false))
        .collect();
    let rows: Vec<Line> = all.into_iter().map(|c| line(&page, c, now)).collect();
    let ring = op.keys(Held::FRESH).await?;
    let keys = ring.public().iter().map(|k| format!("{} {}", k.alg(), k.kid().unwrap_or(""))).collect();
    let chosen = |name: &str, form: &str, usual: &str| name == if form.is_empty() { usual } else { form };
    let methods = AuthMethod::ALL.into_iter().map(|m| {
        let key = match m {
            AuthMethod::None => "identity-op-method-none",
            AuthMethod::ClientSecretPost => "identity-op-method-post",
            AuthMethod::ClientSecretBasic => "identity-op-method-basic",
            AuthMethod::PrivateKeyJwt => "identity-op-method-key",
        };
        Choice::new(m.name(), page.t(key), chosen(m.name(), &shown.form.method, "client_secret_basic"))
    });
    let algs = ring.algs().into_iter().map(|a| {
        let key = match a {
            Alg::Es256 => "identity-op-alg-es256",
            Alg::EdDsa => "identity-op-alg-eddsa",
            Alg::Rs256 => "identity-op-alg-rs256",
        };
        Choice::new(a.name(), page.t(key), chosen(a.name(), &shown.form.alg, Alg::Es256.name()))
    });
    let (methods, algs) = (methods.collect(), algs.collect());
    let title = page.t("identity-op-clients").phrase();
    let console = Console {
        name: title.clone(),
        place: Phrase::default(),
        who: page.t("identity-op-operator").phrase(),
        leave: Some(page.sign_out()),
        menu: vec![page.staff_home()],
    };
    let ends = rows.iter().any(|r| r.ends);
    Ok(Html(Clients {
        page: page.title(title).console(console),
        shown,
        methods,
        algs,
        rows,
        ends,
        signers,
        keys,
    }))
}

fn line(page: &Page, c: Client, now: Timestamp) -> Line {
    let active = c.is_active(now);
    let ends = ends(&c, now).is_some();
    let state = match (active, c.state.as_str()) {
        (true, _) => "identity-op-state-active",
        (false, "active") => "identity-op-state-over",
        (false, _) => "identity-op-state-stopped",
    };
    let day = |t: Option<Timestamp>| t.and_then(|t| JapaneseDate::of(t).ok()).map(|d| page.date(d));
    let until = day(c.policy.valid_until);
    let span = match (day(c.policy.valid_from), until.clone()) {
        (None, None) => Phrase::text("—"),
        (None, Some(until)) => page.t("identity-op-span-until").with("until", until).phrase(),
        (Some(from), None) => page.t("identity-op-span-from").with("from", from).phrase(),
        (Some(from), Some(until)) => {
            page.t("identity-op-span").with("from", from).with("until", until).phrase()
        }
    };
    Line {
        contract: redirect::with_query(PAGE, &[("contract", &c.id)]),
        name: c.name().to_owned(),
        organisation: c.policy.organisation,
        scopes: c.policy.scopes.to_string(),
        until: until.unwrap_or_default(),
        span,
        state: page.t(state).phrase(),
        ends,
        active: c.state == "active",
        id: c.id,
    }
}

/// What of the list is looked at.
#[derive(Deserialize)]
pub(super) struct Look {
    /// The service whose contract is to be changed.
    #[serde(default)]
    contract: String,
}

/// GET /staff/identity/clients
pub(super) async fn list(
    by: Operator,
    app: App,
    page: Page,
    Query(look): Query<Look>,
) -> Result<Html<Clients>> {
    let known = app.get::<Provider>()?.client(&look.contract).await?;
    let contract = known.map(|c| {
        let day = |t: Option<Timestamp>| {
            t.and_then(|t| JapaneseDate::of(t).ok()).map(|d| d.to_string()).unwrap_or_default()
        };
        let (from, until) = (day(c.policy.valid_from), day(c.policy.valid_until));
        Dates { id: c.id.clone(), name: String::new(), from, until }
    });
    show(&by, &app, page, Shown { contract, ..Shown::default() }).await
}

/// The form that changes a contract.
#[derive(Deserialize)]
pub(super) struct Contract {
    id: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
}

/// POST: from when until when a service may act.
pub(super) async fn set_contract(
    by: Operator,
    app: App,
    page: Page,
    Form(form): Form<Contract>,
) -> Result<Response> {
    let dates = || {
        first(&form.from, "op-contract-from").and_then(|f| Ok((f, last(&form.until, "op-contract-until")?)))
    };
    let told = |e: &OAuthError| page.t("identity-op-wrong").with("why", e.description.to_string()).phrase();
    let (field, e) = match dates() {
        Err(wrong) => wrong,
        Ok((from, until)) => {
            match app.get::<Provider>()?.set_contract(&by.granted, &form.id, from, until).await {
                Ok(()) => return Ok(back()),
                Err(RegisterError::Metadata(e)) => ("op-contract-until", e),
                Err(RegisterError::Inner(p)) => return Err(kenroku_http::Error(p)),
            }
        }
    };
    let mut shown = Shown::wrong(New::default(), field, told(&e));
    let Contract { id, from, until } = form;
    shown.contract = Some(Dates { id, from, until, name: String::new() });
    Ok(show(&by, &app, page, shown).await?.into_response())
}

type Field<T> = std::result::Result<T, (&'static str, OAuthError)>;

fn date(text: &str, field: &'static str) -> Field<Option<JapaneseDate>> {
    let bad = |_| (field, OAuthError::new(Code::InvalidClientMetadata, "write the date as 2027-03-31"));
    match text.trim() {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(bad),
    }
}

/// A contract holds from the beginning of its first day in Japan …
fn first(text: &str, field: &'static str) -> Field<Option<Timestamp>> {
    Ok(date(text, field)?.map(JapaneseDate::start))
}

/// … to the last second of its last.
fn last(text: &str, field: &'static str) -> Field<Option<Timestamp>> {
    let next = date(text, field)?.and_then(|d| d.plus_days(1));
    Ok(next.map(|d| d.start().minus(std::time::Duration::from_secs(1))))
}

/// POST: registers a service and shows its secret, this once.
pub(super) async fn register(
    by: Operator,
    app: App,
    page: Page,
    Form(form): Form<New>,
) -> Result<Html<Clients>> {
    let op = app.get::<Provider>()?;
    let keys = match public_keys(&form.jwks) {
        Ok(keys) => keys,
        Err(e) => {
            let text = e.told(&page);
            return show(&by, &app, page, Shown::wrong(form, "op-jwks", text)).await;
        }
    };
    let told = |e: &OAuthError| page.t("identity-op-wrong").with("why", e.description.to_string()).phrase();
    let new = match wanted(&form, keys) {
        Ok(new) => new,
        Err((field, e)) => {
            let text = told(&e);
            return show(&by, &app, page, Shown::wrong(form, field, text)).await;
        }
    };
    match op.register_client(&by.granted, new).await {
        Ok(done) => {
            let fresh = Some(Fresh { id: done.client.id, secret: done.secret });
            show(&by, &app, page, Shown { fresh, ..Shown::default() }).await
        }
        Err(RegisterError::Metadata(e)) => {
            let text = told(&e);
            let field = if e.code == Code::InvalidRedirectUri { "op-redirects" } else { "op-jwks" };
            show(&by, &app, page, Shown::wrong(form, field, text)).await
        }
        Err(RegisterError::Inner(p)) => Err(kenroku_http::Error(p)),
    }
}

/// What the form asks for; the field and what is wrong with it.
fn wanted(form: &New, keys: Option<PublicKeys>) -> Field<NewClient> {
    let bad = |why: &'static str| OAuthError::new(Code::InvalidClientMetadata, why);
    let redirects: Vec<&str> = form.redirects.split_whitespace().collect();
    let grants =
        if redirects.is_empty() { vec![CLIENT_CREDENTIALS] } else { vec![AUTHORIZATION_CODE, REFRESH_TOKEN] };
    let alg = if form.alg.is_empty() { Alg::Es256.name() } else { &form.alg };
    let metadata = json!({
        "client_name": form.name.trim(),
        "redirect_uris": redirects,
        "grant_types": grants,
        "response_types": if redirects.is_empty() { json!([]) } else { json!(["code"]) },
        "token_endpoint_auth_method": form.method,
        "id_token_signed_response_alg": alg,
    });
    let mut metadata: ClientMetadata =
        serde_json::from_value(metadata).map_err(|_| ("op-method", bad("choose how it authenticates")))?;
    if metadata.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt && keys.is_none() {
        return Err(("op-jwks", bad("its public keys are missing")));
    }
    if let Some(keys) = keys {
        keys.put(&mut metadata);
    }
    let scopes = Scopes::parse(form.scopes.trim()).map_err(|e| ("op-scopes", e))?;
    if form.name.trim().is_empty() {
        return Err(("op-name", bad("the name is missing")));
    }
    let (valid_from, valid_until) = (first(&form.from, "op-from")?, last(&form.until, "op-until")?);
    if valid_from.zip(valid_until).is_some_and(|(from, until)| until <= from) {
        return Err(("op-until", bad("the contract ends before it begins")));
    }
    let policy = Policy {
        scopes,
        organisation: form.organisation.trim().chars().take(200).collect(),
        valid_from,
        valid_until,
        acting: form.acting,
        ..Policy::default()
    };
    Ok(NewClient { id: None, secret: None, metadata, policy })
}

/// What is wrong with the public keys that somebody pasted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum PastedWrong {
    /// PEM or a certificate.
    Pem,
    /// Whoever sends a private key has published it.
    Private,
    /// Not JSON.
    Json,
    /// No key that can be used.
    Key(KeyError),
}

impl PastedWrong {
    fn told(self, page: &Page) -> Phrase {
        let key = match self {
            PastedWrong::Pem => "identity-op-jwks-pem",
            PastedWrong::Private | PastedWrong::Key(KeyError::Private) => "identity-op-jwks-private",
            PastedWrong::Json => "identity-op-jwks-json",
            PastedWrong::Key(e) => {
                return page.t("identity-op-jwks-key").with("why", e.to_string()).phrase();
            }
        };
        page.t(key).phrase()
    }
}

/// The keys that were pasted, a set, a list or a single one, or the address where they are published. `None` when the
/// field is empty.
fn public_keys(text: &str) -> std::result::Result<Option<PublicKeys>, PastedWrong> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return Ok(Some(PublicKeys::At(text.to_owned())));
    }
    if text.contains("-----BEGIN") {
        return Err(if text.contains("PRIVATE KEY-----") { PastedWrong::Private } else { PastedWrong::Pem });
    }
    let jwks = match serde_json::from_str::<Value>(text).map_err(|_| PastedWrong::Json)? {
        Value::Array(keys) => json!({ "keys": keys }),
        set if set.get("keys").is_some() => set,
        one => json!({ "keys": [one] }),
    };
    KeySet::from_jwks(&jwks).map_err(PastedWrong::Key)?;
    Ok(Some(PublicKeys::Here(jwks)))
}

/// The form that replaces a service's public keys.
#[derive(Debug, Deserialize)]
pub(super) struct NewKeys {
    id: String,
    jwks: String,
}

/// POST: assertions signed with the old keys are refused from then on.
pub(super) async fn replace_client_keys(
    by: Operator,
    app: App,
    page: Page,
    Form(form): Form<NewKeys>,
) -> Result<Response> {
    let text = match public_keys(&form.jwks) {
        Ok(Some(keys)) => {
            match app.get::<Provider>()?.replace_client_keys(&by.granted, &form.id, keys).await {
                Ok(()) => return Ok(back()),
                Err(RegisterError::Metadata(e)) => {
                    page.t("identity-op-wrong").with("why", e.description.to_string()).phrase()
                }
                Err(RegisterError::Inner(p)) => return Err(kenroku_http::Error(p)),
            }
        }
        refused => refused.err().unwrap_or(PastedWrong::Json).told(&page),
    };
    let shown = Shown::wrong(New::default(), "op-new-jwks", text);
    Ok(show(&by, &app, page, shown).await?.into_response())
}

const PAGE: &str = "/staff/identity/clients";

fn back() -> Response {
    Redirect::to(PAGE).into_response()
}

/// The form that imports an RSA key.
#[derive(Deserialize)]
pub(super) struct Import {
    pem: String,
    #[serde(default)]
    at_once: bool,
}

/// POST: what was pasted is never shown again, whatever is wrong with it.
pub(super) async fn import_key(
    by: Operator,
    app: App,
    page: Page,
    Form(form): Form<Import>,
) -> Result<Response> {
    let pem = zeroize::Zeroizing::new(form.pem);
    let key = match app.get::<Provider>()?.import_key(&by.granted, &pem, form.at_once).await {
        Ok(_) => return Ok(back()),
        Err(ImportError::Inner(p)) => return Err(kenroku_http::Error(p)),
        Err(ImportError::Kind) => "identity-op-pem-kind",
        Err(ImportError::Known) => "identity-op-pem-known",
        Err(ImportError::Pem(PemError::Encrypted)) => "identity-op-pem-encrypted",
        Err(ImportError::Pem(PemError::OtherForm)) => "identity-op-pem-form",
        Err(ImportError::Pem(PemError::Missing | PemError::Several | PemError::Broken)) => {
            "identity-op-pem-broken"
        }
    };
    let shown = Shown::wrong(New::default(), "op-pem", page.t(key).phrase());
    Ok(show(&by, &app, page, shown).await?.into_response())
}

/// The form that stops a service or lets it go on.
#[derive(Debug, Deserialize)]
pub(super) struct State {
    id: String,
    active: bool,
}

/// POST
pub(super) async fn set_state(by: Operator, app: App, Form(form): Form<State>) -> Result<Redirect> {
    app.get::<Provider>()?.set_client_state(&by.granted, &form.id, form.active).await?;
    Ok(Redirect::to(PAGE))
}

/// The form that replaces the keys.
#[derive(Debug, Deserialize)]
pub(super) struct Replace {
    #[serde(default)]
    sure: bool,
}

/// POST: every token of ours that is out there becomes invalid.
pub(super) async fn replace_keys(_: Operator, app: App, Form(form): Form<Replace>) -> Result<Redirect> {
    if !form.sure {
        let p = Problem::new(422, "identity.not-sure", "Tick the box to replace the keys");
        return Err(p.next("Go back, read what happens, and tick the box.").into());
    }
    app.get::<Provider>()?.replace_keys_now().await?;
    Ok(Redirect::to(PAGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_keys_are_taken_in_every_shape_and_refused_by_name() {
        let key =
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        let set = json!({ "keys": [key] });
        assert_eq!(public_keys(" \n"), Ok(None));
        for text in [key.to_string(), json!([key]).to_string(), format!(" {set} ")] {
            assert_eq!(public_keys(&text), Ok(Some(PublicKeys::Here(set.clone()))), "{text}");
        }
        let at = "https://rp.example/jwks";
        assert_eq!(public_keys(&format!(" {at}\n")), Ok(Some(PublicKeys::At(at.to_owned()))));
        let mut private = key.clone();
        private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        for (text, why) in [
            ("-----BEGIN PUBLIC KEY-----".to_owned(), PastedWrong::Pem),
            ("-----BEGIN PRIVATE KEY-----".to_owned(), PastedWrong::Private),
            ("{".to_owned(), PastedWrong::Json),
            (private.to_string(), PastedWrong::Key(KeyError::Private)),
            (r#"{"keys":[]}"#.to_owned(), PastedWrong::Key(KeyError::Kind)),
            (r#"{"kty":"oct","k":"AAAA"}"#.to_owned(), PastedWrong::Key(KeyError::Private)),
        ] {
            assert_eq!(public_keys(&text), Err(why), "{text}");
        }
    }
}

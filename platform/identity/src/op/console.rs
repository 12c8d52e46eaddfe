//! The operator's pages: which services sign people in, until when their contract runs, what they may ask for; and
//! the signing keys.

use askama::Template;
use axum::response::Redirect;
use kenroku_access::Authz;
use kenroku_http::{App, Form, Result};
use kenroku_oidc::client::{
    AUTHORIZATION_CODE, AuthMethod, CLIENT_CREDENTIALS, ClientMetadata, REFRESH_TOKEN,
};
use kenroku_oidc::{Code, OAuthError, Scopes};
use kenroku_types::{JapaneseDate, Problem, Timestamp};
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Console, Html, Page, Phrase};
use serde::Deserialize;
use serde_json::json;

use super::clients::{Client, NewClient, Policy, Realm, RegisterError};
use super::keys::Held;
use super::provider::Provider;
use crate::ManageClients;

type Operator = Authz<ManageClients, Realm>;

struct Line {
    id: String,
    name: String,
    organisation: String,
    scopes: String,
    until: Phrase,
    state: Phrase,
    active: bool,
}

struct Fresh {
    id: String,
    secret: Option<String>,
}

#[derive(Template)]
#[template(path = "op-clients.html")]
pub(super) struct Clients {
    page: Page,
    fresh: Option<Fresh>,
    wrongs: Vec<Wrong>,
    form: New,
    methods: Vec<Choice>,
    rows: Vec<Line>,
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
    #[serde(default)]
    scopes: String,
    /// A date, or nothing.
    #[serde(default)]
    until: String,
}

async fn show(
    by: &Operator,
    app: &App,
    page: Page,
    form: New,
    fresh: Option<Fresh>,
    wrongs: Vec<Wrong>,
) -> Result<Html<Clients>> {
    let op = app.get::<Provider>()?;
    let now = op.env.now();
    let rows = op.all_clients(&by.granted).await?.into_iter().map(|c| line(&page, c, now)).collect();
    let ring = op.keys(Held::FRESH).await?;
    let keys = ring.public().iter().map(|k| format!("{} {}", k.alg(), k.kid().unwrap_or(""))).collect();
    let methods = AuthMethod::ALL
        .into_iter()
        .filter(|m| *m != AuthMethod::PrivateKeyJwt)
        .map(|m| {
            let key = match m {
                AuthMethod::None => "identity-op-method-none",
                AuthMethod::ClientSecretPost => "identity-op-method-post",
                _ => "identity-op-method-basic",
            };
            Choice::new(m.name(), page.t(key), m.name() == form.method)
        })
        .collect();
    let title = page.t("identity-op-clients").phrase();
    let console = Console {
        name: title.clone(),
        place: Phrase::default(),
        who: page.t("identity-op-operator").phrase(),
        leave: Some(page.sign_out()),
        menu: vec![page.staff_home()],
    };
    Ok(Html(Clients { page: page.title(title).console(console), fresh, wrongs, form, methods, rows, keys }))
}

fn line(page: &Page, c: Client, now: Timestamp) -> Line {
    let active = c.is_active(now);
    let state = match (active, c.state.as_str()) {
        (true, _) => "identity-op-state-active",
        (false, "active") => "identity-op-state-over",
        (false, _) => "identity-op-state-stopped",
    };
    let until = c.policy.valid_until.and_then(|t| JapaneseDate::of(t).ok());
    Line {
        name: c.name().to_owned(),
        organisation: c.policy.organisation,
        scopes: c.policy.scopes.to_string(),
        until: until.map_or_else(|| Phrase::text("—"), |d| page.date(d)),
        state: page.t(state).phrase(),
        active: c.state == "active",
        id: c.id,
    }
}

/// GET /staff/identity/clients
pub(super) async fn list(by: Operator, app: App, page: Page) -> Result<Html<Clients>> {
    show(&by, &app, page, New::default(), None, Vec::new()).await
}

/// POST: registers a service and shows its secret, this once.
pub(super) async fn register(
    by: Operator,
    app: App,
    page: Page,
    Form(form): Form<New>,
) -> Result<Html<Clients>> {
    let op = app.get::<Provider>()?;
    let new = match wanted(&form) {
        Ok(new) => new,
        Err((field, e)) => return refused(&by, &app, page, form, field, &e).await,
    };
    match op.register_client(&by.granted, new).await {
        Ok(done) => {
            let fresh = Fresh { id: done.client.id, secret: done.secret };
            show(&by, &app, page, New::default(), Some(fresh), Vec::new()).await
        }
        Err(RegisterError::Metadata(e)) => refused(&by, &app, page, form, "op-redirects", &e).await,
        Err(RegisterError::Inner(p)) => Err(kenroku_http::Error(p)),
    }
}

async fn refused(
    by: &Operator,
    app: &App,
    page: Page,
    form: New,
    field: &str,
    e: &OAuthError,
) -> Result<Html<Clients>> {
    let text = page.t("identity-op-wrong").with("why", e.description.to_string()).phrase();
    let wrongs = vec![Wrong { field: field.to_owned(), text }];
    show(by, app, page, form, None, wrongs).await
}

/// What the form asks for; the field and what is wrong with it.
fn wanted(form: &New) -> std::result::Result<NewClient, (&'static str, OAuthError)> {
    let bad = |why: &'static str| OAuthError::new(Code::InvalidClientMetadata, why);
    let redirects: Vec<&str> = form.redirects.split_whitespace().collect();
    let grants =
        if redirects.is_empty() { vec![CLIENT_CREDENTIALS] } else { vec![AUTHORIZATION_CODE, REFRESH_TOKEN] };
    let metadata = json!({
        "client_name": form.name.trim(),
        "redirect_uris": redirects,
        "grant_types": grants,
        "response_types": if redirects.is_empty() { json!([]) } else { json!(["code"]) },
        "token_endpoint_auth_method": form.method,
    });
    let metadata: ClientMetadata =
        serde_json::from_value(metadata).map_err(|_| ("op-method", bad("choose how it authenticates")))?;
    let scopes = Scopes::parse(form.scopes.trim()).map_err(|e| ("op-scopes", e))?;
    if form.name.trim().is_empty() {
        return Err(("op-name", bad("the name is missing")));
    }
    let valid_until = match form.until.trim() {
        "" => None,
        text => {
            // The contract holds through its last day in Japan.
            let end: std::result::Result<Timestamp, _> = format!("{text}T23:59:59").parse();
            Some(end.map_err(|_| ("op-until", bad("write the date as 2027-03-31")))?)
        }
    };
    let policy = Policy {
        scopes,
        organisation: form.organisation.trim().chars().take(200).collect(),
        valid_until,
        ..Policy::default()
    };
    Ok(NewClient { id: None, secret: None, metadata, policy })
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
    Ok(Redirect::to("/staff/identity/clients"))
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
    Ok(Redirect::to("/staff/identity/clients"))
}

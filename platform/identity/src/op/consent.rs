//! The page that asks: who wants to know what, and what becomes of a no.

use std::collections::BTreeSet;

use askama::Template;
use axum::body::Bytes;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use kenroku_http::{App, Path, Public, RequestInfo};
use kenroku_oidc::{Code, OAuthError, Scopes};
use kenroku_ui::{Html, Page, Phrase};

use super::answer::{Came, Outcome, see_other};
use super::authorize::{self, Asked, shown};
use super::grants::Decided;
use super::sql::{self, InteractionId};
use crate::session::{self, Session};

/// One attribute with its box to tick.
pub(super) struct Item {
    pub name: String,
    pub label: Phrase,
    pub essential: bool,
}

#[derive(Template)]
#[template(path = "op-consent.html")]
struct Consent {
    page: Page,
    action: String,
    client: String,
    organisation: String,
    policy_uri: Option<String>,
    items: Vec<Item>,
    offline: bool,
    hidden: Vec<(&'static str, String)>,
}

/// The words for an attribute; `None` for one that has none.
fn word(page: &Page, claim: &str) -> Phrase {
    let key = match claim {
        "name" => "identity-op-claim-name",
        "family_name" => "identity-op-claim-family-name",
        "given_name" => "identity-op-claim-given-name",
        "birthdate" => "identity-op-claim-birthdate",
        "gender" => "identity-op-claim-gender",
        "address" => "identity-op-claim-address",
        "urn:ishikawa:muni_code" => "identity-op-claim-muni",
        "urn:ishikawa:is_adult" => "identity-op-claim-adult",
        _ => "identity-op-claim-class",
    };
    page.t(key).phrase()
}

/// What is asked, as the page shows it.
pub(super) fn ask(
    page: Page,
    client: &super::Client,
    action: String,
    attributes: &[String],
    essential: impl Fn(&str) -> bool,
    scope: &Scopes,
    hidden: Vec<(&'static str, String)>,
) -> Response {
    let items = attributes
        .iter()
        .map(|a| Item { label: word(&page, a), essential: essential(a), name: a.clone() })
        .collect();
    let title = page.t("identity-op-consent").with("client", client.name().to_owned()).phrase();
    Html(Consent {
        page: page.title(title),
        action,
        client: client.name().to_owned(),
        organisation: client.policy.organisation.clone(),
        policy_uri: client.metadata.policy_uri.clone(),
        items,
        offline: scope.has("offline_access"),
        hidden,
    })
    .into_response()
}

/// What the person ticked.
pub(super) struct Ticked {
    pub allow: bool,
    pub claims: BTreeSet<String>,
}

pub(super) fn ticked(body: &[u8]) -> Ticked {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    Ticked {
        allow: pairs.iter().any(|(k, v)| k == "decision" && v == "allow"),
        claims: pairs.into_iter().filter(|(k, _)| k == "claim").map(|(_, v)| v).collect(),
    }
}

/// The decision about these attributes; essential ones belong to a yes.
pub(super) fn decided(attributes: &[String], ticked: &Ticked, essential: impl Fn(&str) -> bool) -> Decided {
    let (yes, no) = attributes.iter().cloned().partition(|a| essential(a) || ticked.claims.contains(a));
    Decided { yes, no }
}

fn essential(asked: &Asked, claim: &str) -> bool {
    let of = |m: &std::collections::BTreeMap<String, kenroku_oidc::claims::Wanted>| {
        m.get(claim).is_some_and(|w| w.essential)
    };
    of(&asked.request.claims.userinfo) || of(&asked.request.claims.id_token)
}

async fn signed_in(app: &App, parts: &Parts) -> Outcome<Option<Session>> {
    Ok(session::current(app, parts).await?)
}

/// GET
pub(super) async fn page(
    _: Public,
    app: App,
    info: RequestInfo,
    page: Page,
    parts: Parts,
    Path(id): Path<InteractionId>,
) -> Response {
    let outcome = async {
        let asked = authorize::waiting(&app, &info, &parts, id).await?;
        if signed_in(&app, &parts).await?.is_none() {
            return Ok(see_other(&format!("/oidc/authorize/continue/{id}")));
        }
        let attributes = asked.attributes();
        let action = format!("/oidc/consent/{id}");
        let scope = asked.request.scope.clone();
        Ok(ask(page, &asked.client, action, &attributes, |a| essential(&asked, a), &scope, Vec::new()))
    };
    outcome.await.unwrap_or_else(shown)
}

/// POST
pub(super) async fn decide(
    _: Public,
    app: App,
    info: RequestInfo,
    page: Page,
    parts: Parts,
    Path(id): Path<InteractionId>,
    body: Bytes,
) -> Response {
    let outcome = async {
        let mut asked = authorize::waiting(&app, &info, &parts, id).await?;
        let Some(session) = signed_in(&app, &parts).await? else {
            return Ok(see_other(&format!("/oidc/authorize/continue/{id}")));
        };
        let ticked = ticked(&body);
        if !ticked.allow {
            authorize::finish(&asked).await?;
            let e = OAuthError::new(Code::AccessDenied, "the person did not agree");
            return Ok(asked.refuse(page, &e, Came::ByForm));
        }
        let decided = decided(&asked.attributes(), &ticked, |a| essential(&asked, a));
        let op = &asked.op;
        let now = op.env.now();
        let mut tx = op.db.begin().await?;
        let scope = asked.request.scope.to_string();
        let claims = serde_json::to_value(&decided)?;
        sql::set_consent(&mut tx, session.person, &asked.client.id, &scope, &claims, now).await?;
        sql::consented(&mut tx, id, now).await?;
        tx.commit().await?;
        asked.just_agreed = true;
        authorize::step(&app, &parts, page, asked, Some(session), Came::ByForm).await
    };
    outcome.await.unwrap_or_else(shown)
}

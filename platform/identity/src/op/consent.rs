//! The page that asks: who wants to know what, and what becomes of a no.

use std::collections::BTreeSet;

use askama::Template;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use kenroku_http::{Path, Public};
use kenroku_oidc::{Code, OAuthError, Scopes};
use kenroku_ui::{Html, Page, Phrase};

use super::acting;
use super::answer::{Came, see_other};
use super::authorize::{self, Asked, shown};
use super::grants::{Agreed, Decided};
use super::provider::Visit;
use super::sql::{self, InteractionId};

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
    /// What the service may do for the person.
    powers: Vec<Phrase>,
    /// For whom else this could be.
    others: Vec<acting::Choice>,
    offline: bool,
    hidden: Vec<(&'static str, String)>,
}

/// The words for an attribute; `None` for one that has none.
pub(crate) fn word(page: &Page, claim: &str) -> Phrase {
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
pub(super) struct Question<'a> {
    pub client: &'a super::Client,
    /// Where the answer goes.
    pub action: String,
    pub attributes: &'a [String],
    pub scope: &'a Scopes,
    pub others: Vec<acting::Choice>,
    pub hidden: Vec<(&'static str, String)>,
}

impl Question<'_> {
    pub(super) fn page(self, page: Page, essential: impl Fn(&str) -> bool) -> Response {
        let item = |a: &String| Item { label: word(&page, a), essential: essential(a), name: a.clone() };
        let items = self.attributes.iter().map(item).collect();
        let (client, powers) = (self.client, acting::powers(&page, self.scope));
        let title = page.t("identity-op-consent").with("client", client.name().to_owned()).phrase();
        Html(Consent {
            page: page.title(title),
            action: self.action,
            client: client.name().to_owned(),
            organisation: client.policy.organisation.clone(),
            policy_uri: client.metadata.policy_uri.clone(),
            items,
            powers,
            others: self.others,
            offline: self.scope.has("offline_access"),
            hidden: self.hidden,
        })
        .into_response()
    }
}

/// What the person ticked.
pub(super) struct Ticked {
    pub allow: bool,
    pub claims: BTreeSet<String>,
    /// The delegation by which they act for somebody else; empty for themselves.
    pub for_other: String,
}

pub(super) fn ticked(body: &[u8]) -> Ticked {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    Ticked {
        allow: pairs.iter().any(|(k, v)| k == "decision" && v == "allow"),
        for_other: pairs.iter().find(|(k, _)| k == "for").map(|(_, v)| v.clone()).unwrap_or_default(),
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

/// GET
pub(super) async fn page(_: Public, v: Visit, Path(id): Path<InteractionId>) -> Response {
    let outcome = async {
        let asked = authorize::waiting(&v, id).await?;
        let Some(session) = v.session().await? else {
            return Ok(see_other(&format!("/oidc/authorize/continue/{id}")));
        };
        let question = Question {
            client: &asked.client,
            action: format!("/oidc/consent/{id}"),
            attributes: &asked.attributes(),
            scope: &asked.request.scope,
            others: acting::shown(&v, &asked.client, session.person).await?,
            hidden: Vec::new(),
        };
        Ok(question.page(v.page.clone(), |a| essential(&asked, a)))
    };
    outcome.await.unwrap_or_else(shown)
}

/// POST
pub(super) async fn decide(_: Public, v: Visit, Path(id): Path<InteractionId>, body: Bytes) -> Response {
    let outcome = async {
        let mut asked = authorize::waiting(&v, id).await?;
        let Some(session) = v.session().await? else {
            return Ok(see_other(&format!("/oidc/authorize/continue/{id}")));
        };
        let ticked = ticked(&body);
        if !ticked.allow {
            authorize::finish(&asked).await?;
            let e = OAuthError::new(Code::AccessDenied, "the person did not agree");
            return Ok(asked.refuse(v.page.clone(), &e, Came::ByForm));
        }
        let decided = decided(&asked.attributes(), &ticked, |a| essential(&asked, a));
        if ticked.for_other.is_empty() {
            let op = &asked.op;
            let now = op.env.now();
            let mut tx = op.db.begin().await?;
            let scope = asked.request.scope.to_string();
            let claims = serde_json::to_value(&decided)?;
            sql::set_consent(&mut tx, session.person, &asked.client.id, &scope, &claims, now).await?;
            sql::consented(&mut tx, id, now).await?;
            tx.commit().await?;
        } else {
            let d = acting::chosen(&v, &asked.client, session.person, &ticked.for_other).await?;
            asked.acting = Some((d, Agreed { claims: decided.yes }));
        }
        asked.just_agreed = true;
        authorize::step(&v, asked, Some(session), Came::ByForm).await
    };
    outcome.await.unwrap_or_else(shown)
}

//! `/my/data`: what is held about me, with where it comes from; and everything as one file.

use askama::Template;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use kenroku_access::{Authz, Granted};
use kenroku_contracts::personal::PseudonymsPort;
use kenroku_http::{App, RequestInfo, Result};
use kenroku_places::{Places, choose};
use kenroku_types::JapaneseDate;
use kenroku_types::ids::SubjectId;
use kenroku_ui::{Html, Page, Phrase};
use serde_json::{Value, json};

use super::{code_name, day, me, named};
use crate::Consent;
use crate::broker::OwnFacts;
use crate::error::ConsentError;
use crate::module::{ViewOwn, tenants};

#[derive(Template)]
#[template(path = "my-data.html")]
struct Data {
    page: Page,
    sources: Vec<SourceView>,
}

struct SourceView {
    title: Phrase,
    facts: Vec<(Phrase, String, Phrase)>,
    /// Why nothing can be shown now.
    failed: bool,
    again: bool,
}

pub(super) async fn held(
    app: &App,
    proof: &Granted<ViewOwn>,
    subject: SubjectId,
    info: &RequestInfo,
) -> Result<Vec<OwnFacts>> {
    let names = app.get::<PseudonymsPort>().map_err(|_| ConsentError::NoIdentity)?;
    let consent = app.get::<Consent>()?;
    Ok(consent.own_facts(&*names.0, proof, subject, info.id.parse().ok()).await?)
}

/// A value for people: a municipality by its name, a date as dates are written, an address by its `formatted`.
fn plain(page: &Page, v: &Value) -> String {
    match v {
        Value::String(s) => {
            let place = Places::shared().ok().and_then(|p| choose::asked(p, s));
            match (place, s.parse::<JapaneseDate>()) {
                (Some(m), _) => choose::place_name(page, m).plain(),
                (None, Ok(date)) => page.date(date).plain(),
                (None, Err(_)) => s.clone(),
            }
        }
        Value::Bool(true) => page.t("consent-true").phrase().plain(),
        Value::Bool(false) => page.t("consent-false").phrase().plain(),
        Value::Object(o) => {
            o.get("formatted").and_then(Value::as_str).map_or_else(|| v.to_string(), str::to_owned)
        }
        other => other.to_string(),
    }
}

/// The page.
pub(crate) async fn page(authz: Authz<ViewOwn>, app: App, info: RequestInfo, page: Page) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let consent = app.get::<Consent>()?;
    let mut sources = Vec::new();
    for own in held(&app, &authz.granted, subject, &info).await? {
        let mut view =
            SourceView { title: named(&page, own.names), facts: Vec::new(), failed: false, again: false };
        match own.facts {
            Ok(facts) => {
                for f in facts {
                    let from = match f.verified_at {
                        Some(at) if f.source != own.module => page
                            .t("consent-delivered-by")
                            .with("who", f.source.clone())
                            .with("day", day(&page, at))
                            .phrase(),
                        Some(at) => page.t("consent-proved-at").with("day", day(&page, at)).phrase(),
                        None => Phrase::default(),
                    };
                    view.facts.push((code_name(&page, &consent, f.code), plain(&page, &f.value), from));
                }
            }
            Err(p) => {
                view.again = p.status == 410;
                view.failed = true;
                tracing::info!(module = own.module, code = %p.code, "a source could not show what it holds");
            }
        }
        sources.push(view);
    }
    let (home, title) = (page.t("consent-my").phrase(), page.t("consent-data").phrase());
    let page = page.crumb(home, "/my").title(title).signed_in(true);
    Ok(Html(Data { page, sources }).into_response())
}

/// Everything as JSON: what is held, the consents with their steps, what was handed on.
pub(crate) async fn download(authz: Authz<ViewOwn>, app: App, info: RequestInfo) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let consent = app.get::<Consent>()?;
    let all = tenants(app.access());
    let facts: Vec<Value> = held(&app, &authz.granted, subject, &info)
        .await?
        .into_iter()
        .map(|own| match own.facts {
            Ok(facts) => json!({ "source": own.module, "facts": facts.iter().map(|f| json!({
                "item": f.code, "value": f.value, "source": f.source, "method": f.method, "assurance": f.assurance,
                "verifiedAt": f.verified_at,
            })).collect::<Vec<_>>() }),
            Err(p) => json!({ "source": own.module, "error": p.code }),
        })
        .collect();
    let mut consents = Vec::new();
    for a in consent.answers(&all, subject).await? {
        let (steps, _) = consent.steps(a.agreement.tenant, subject, a.record.id).await?;
        let steps: Vec<Value> = steps.iter().map(|(at, s)| json!({ "at": at, "step": s })).collect();
        consents.push(json!({
            "id": a.record.id,
            "agreement": a.agreement.row.code,
            "recipient": a.agreement.recipient.name,
            "state": a.record.standing().state.code(),
            "steps": steps,
        }));
    }
    let mut provisions = Vec::new();
    for (tenant, p) in consent.provisions_of(&all, subject, 1_000).await? {
        let to = consent.recipient(tenant, p.recipient).await?;
        provisions.push(json!({
            "at": p.at, "recipient": to.name, "address": to.address, "consent": p.record, "items": p.items(),
        }));
    }
    let body = json!({ "facts": facts, "consents": consents, "provisions": provisions });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"my-data.json\"")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((headers, serde_json::to_vec_pretty(&body).map_err(ConsentError::from)?).into_response())
}

//! 代理: who may act for me, for whom may I act, inviting, accepting, ending.

use std::time::Duration;

use askama::Template;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kenroku_access::{Authz, Granted, Permission};
use kenroku_http::{App, Form, RequestInfo, Result};
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Html, Link, Page, Phrase};
use serde::Deserialize;

use super::counter::SheetView;
use super::{Action, FieldView, FormView, Me, RowView, View, day, see_other, show, show_as, stale, told};
use crate::delegation::{Kind, Scope};
use crate::model::DelegationId;
use crate::session::Session;
use crate::ticket::spaced;
use crate::{ChangeOwn, Identity, ViewOwn};

fn kind_name(page: &Page, kind: Kind) -> Phrase {
    match kind {
        Kind::Guardian => page.t("identity-as-guardian"),
        Kind::AdultGuardian => page.t("identity-as-adult-guardian"),
        Kind::Family => page.t("identity-as-family"),
        Kind::CareManager => page.t("identity-as-care-manager"),
    }
    .phrase()
}

fn scope_name(page: &Page, scope: Scope) -> Phrase {
    page.t(scope.word()).phrase()
}

pub(super) async fn page(authz: Authz<ViewOwn>, app: App, page: Page, me: Me) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    list(&identity, &authz.granted, page, &s, StatusCode::OK, Vec::new()).await
}

async fn list<P: Permission>(
    identity: &Identity,
    proof: &Granted<P>,
    page: Page,
    s: &Session,
    status: StatusCode,
    wrongs: Vec<Wrong>,
) -> Result<Response> {
    let t = |key: &str| page.t(key).phrase();
    let all = identity.delegations(s.person).await?;
    let mut rows = Vec::new();
    for d in all {
        let title = match (d.principal == s.person, d.agent) {
            (true, Some(_)) => t("identity-acts-for-me"),
            (true, None) => t("identity-acts-invited"),
            (false, _) => t("identity-acts-mine"),
        };
        let mut lines: Vec<Phrase> =
            identity.other_name(proof, &d, s.person).await?.map(|n| Phrase::text(&n)).into_iter().collect();
        lines.push(kind_name(&page, d.kind));
        lines.extend(d.scopes().into_iter().map(|scope| scope_name(&page, scope)));
        lines.push(page.t("identity-acts-until").with("time", day(&page, d.until)).phrase());
        let action = Action {
            action: "/id/delegations/end",
            hidden: vec![("id", d.id.to_string())],
            label: t("identity-acts-end"),
        };
        let child = lines.first().cloned();
        rows.push(RowView { title, lines, action: Some(action) });
        if d.agent == Some(s.person) && identity.hands_over_soon(&d) {
            let until = page.t("identity-hand-over-from").with("time", day(&page, d.until)).phrase();
            let action = Action {
                action: "/id/delegations/hand-over",
                hidden: vec![("id", d.id.to_string())],
                label: t("identity-hand-over-go"),
            };
            let lines = child.into_iter().chain([until, t("identity-hand-over-text")]).collect();
            rows.push(RowView { title: t("identity-hand-over"), lines, action: Some(action) });
        }
    }
    let mut code = FieldView::new("id-accept", "code", t("identity-accept-code"));
    code.hint = t("identity-accept-hint");
    let v = View {
        lead: t("identity-delegations-lead"),
        wrongs,
        rows,
        form: Some(FormView {
            action: "/id/delegations/accept",
            method: "post",
            fields: vec![code],
            button: t("identity-accept"),
            ..FormView::default()
        }),
        links: vec![
            Link::new(t("identity-invite"), "/id/delegations/invite"),
            Link::new(t("identity-counter-code-title"), "/id/counter-code"),
        ],
        notes: vec![t("identity-delegations-note")],
        ..View::default()
    };
    let title = t("identity-delegations");
    Ok(show_as(status, page, title, v))
}

pub(super) async fn invite_page(_: Authz<ViewOwn>, app: App, page: Page, me: Me) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    if let Some(response) = stale(&identity, &s, "/id/delegations/invite") {
        return Ok(response);
    }
    Ok(invite_form(page, StatusCode::OK, Vec::new()))
}

fn invite_form(page: Page, status: StatusCode, wrongs: Vec<Wrong>) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let kinds = [Kind::Family, Kind::CareManager]
        .into_iter()
        .map(|k| Choice::new(k.code(), kind_name(&page, k), k == Kind::Family));
    let scopes = Scope::ALL.iter().map(|k| Choice::new(k.code(), scope_name(&page, *k), false));
    let lives = [
        ("30", "identity-life-30", false),
        ("180", "identity-life-180", true),
        ("365", "identity-life-365", false),
    ]
    .map(|(days, key, chosen)| Choice::new(days, t(key), chosen));
    let v = View {
        lead: t("identity-invite-lead"),
        wrongs,
        form: Some(FormView {
            action: "/id/delegations/invite",
            method: "post",
            checks: vec![
                (t("identity-invite-kind"), "kind", kinds.collect(), "radio"),
                (t("identity-invite-scope"), "scope", scopes.collect(), "checkbox"),
                (t("identity-invite-life"), "days", lives.to_vec(), "radio"),
            ],
            button: t("identity-invite-go"),
            primary: true,
            ..FormView::default()
        }),
        notes: vec![t("identity-invite-note")],
        ..View::default()
    };
    let title = t("identity-invite");
    show_as(status, page, title, v)
}

pub(super) async fn invite(
    _: Authz<ChangeOwn>,
    app: App,
    page: Page,
    me: Me,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    if let Some(response) = stale(&identity, &s, "/id/delegations/invite") {
        return Ok(response);
    }
    let one = |name: &str| fields.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let kind = Kind::from_code(one("kind")).unwrap_or(Kind::Family);
    let scopes: Vec<Scope> =
        fields.iter().filter(|(n, _)| n == "scope").filter_map(|(_, v)| Scope::from_code(v)).collect();
    let days: u64 = one("days").parse().unwrap_or(180).clamp(1, 365);
    match identity.invite(s.person, kind, &scopes, Duration::from_secs(days * 86_400)).await {
        Ok(code) => {
            let t = |key: &str| page.t(key).phrase();
            let v = View {
                lead: t("identity-invited-lead"),
                code: spaced(&code),
                notes: vec![t("identity-invited-note")],
                links: vec![Link::new(t("identity-delegations"), "/id/delegations")],
                ..View::default()
            };
            let title = t("identity-invited");
            Ok(show(page, title, v))
        }
        Err(e) => {
            let (status, wrong) = told(&page, e, "main")?;
            Ok(invite_form(page, status, vec![wrong]))
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Accept {
    #[serde(default)]
    code: String,
}

pub(super) async fn accept(
    authz: Authz<ChangeOwn>,
    app: App,
    page: Page,
    me: Me,
    Form(a): Form<Accept>,
) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    match identity.accept(s.person, &a.code).await {
        Ok(_) => Ok(see_other("/id/delegations")),
        Err(e) => {
            let (status, wrong) = told(&page, e, "id-accept")?;
            list(&identity, &authz.granted, page, &s, status, vec![wrong]).await
        }
    }
}

#[derive(Deserialize)]
pub(super) struct End {
    id: DelegationId,
}

pub(super) async fn end(_: Authz<ChangeOwn>, app: App, me: Me, Form(e): Form<End>) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    match identity.end_delegation(s.person, e.id).await {
        Ok(()) | Err(crate::IdentityError::NotFound) => Ok(see_other("/id/delegations")),
        Err(e) => Err(e.into()),
    }
}

#[derive(Template)]
#[template(path = "id-handover.html")]
struct HandOver {
    page: Page,
    lead: Phrase,
    sheet: SheetView,
    notes: Vec<Phrase>,
}

/// The sheet with which a child, soon grown, takes over the account; the guardian prints it.
pub(super) async fn hand_over(
    _: Authz<ChangeOwn>,
    app: App,
    page: Page,
    info: RequestInfo,
    me: Me,
    parts: Parts,
    Form(d): Form<End>,
) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    if let Some(response) = stale(&identity, &s, "/id/delegations") {
        return Ok(response);
    }
    let sheet = identity.hand_over_sheet(s.person, d.id).await?;
    let base = super::counter::base(&identity, &info, &parts);
    let sheet = SheetView::new(&page, &sheet, String::new(), &base);
    let t = |key: &str| page.t(key).phrase();
    let (lead, notes) = (t("identity-hand-over-lead"), vec![t("identity-hand-over-note")]);
    let (home, title) = (t("identity-home"), t("identity-hand-over"));
    let page = page.crumb(home, "/id").title(title);
    let mut response = Html(HandOver { page, lead, sheet, notes }).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// A code that shows a clerk that somebody with an account is there: a guardian.
pub(super) async fn counter_code_page(_: Authz<ViewOwn>, page: Page) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let v = View {
        lead: t("identity-counter-code-lead"),
        form: Some(FormView {
            action: "/id/counter-code",
            method: "post",
            button: t("identity-invite-go"),
            primary: true,
            ..FormView::default()
        }),
        notes: vec![t("identity-counter-code-note")],
        ..View::default()
    };
    let title = t("identity-counter-code-title");
    show(page, title, v)
}

pub(super) async fn counter_code(_: Authz<ChangeOwn>, app: App, page: Page, me: Me) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    let issued = identity.show_present(s.person).await?;
    let until = identity.env().now().plus(crate::ticket::PRESENT);
    let t = |key: &str| page.t(key).phrase();
    let v = View {
        lead: t("identity-counter-code-shown"),
        code: spaced(&issued.code),
        notes: vec![
            page.t("identity-card-until").with("time", page.time(until)).phrase(),
            t("identity-counter-code-note"),
        ],
        links: vec![Link::new(t("identity-delegations"), "/id/delegations")],
        ..View::default()
    };
    let title = t("identity-counter-code-title");
    Ok(show(page, title, v))
}

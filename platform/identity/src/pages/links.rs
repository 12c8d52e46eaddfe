//! IDs of elsewhere: going there and coming back, confirming that both are the same person, taking a link apart.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use kenroku_access::Authz;
use kenroku_http::{App, Error, Form, Public, Query, RequestInfo, Result};
use kenroku_oidc::Params;
use kenroku_types::Problem;
use kenroku_ui::parts::{Step, Wrong};
use kenroku_ui::{Link, Locale, Page, Phrase};
use serde::Deserialize;

use super::{
    Action, FormView, Me, RowView, View, device, inside, see_other, show, show_as, signed_in, stale,
};
use crate::error::IdentityError;
use crate::model::{LinkId, TicketId};
use crate::upstream::{Arrived, Provider, Providers};
use crate::{After, ChangeOwn, Identity, ViewOwn};

/// The ticket of a visit. `Lax`: the upstream's answer is a link from its site to ours.
const COOKIE: &str = "kr-visit";

fn title(page: &Page, p: &Provider) -> Phrase {
    Phrase::text(if page.locale == Locale::En { &p.title_en } else { &p.title })
}

/// The choices on the page that signs in.
pub(super) fn ways(app: &App, page: &Page, next: &str, need: kenroku_access::Assurance) -> Vec<Step> {
    let Ok(providers) = app.get::<Providers>() else { return Vec::new() };
    let fits = providers.all().iter().filter(|p| p.assurance >= need);
    fits.map(|p| Step {
        title: page.t("identity-elsewhere-by").with("name", title(page, p).to_string()).phrase(),
        text: page.t("identity-elsewhere-by-text").phrase(),
        time: page.t("identity-time-2").phrase(),
        href: format!("/id/upstream/go?to={}&next={}", p.name, super::encoded(inside(next))),
    })
    .collect()
}

#[derive(Deserialize)]
pub(super) struct Go {
    to: String,
    #[serde(default)]
    next: String,
    /// `1` to link instead of signing in.
    #[serde(default)]
    link: String,
}

/// Sends the browser to an upstream. A link, not a form: `form-action` of our pages would also stop the redirect.
pub(super) async fn go(
    _: Public,
    app: App,
    page: Page,
    info: RequestInfo,
    me: Me,
    Query(q): Query<Go>,
) -> Result<Response> {
    let (identity, providers) = (app.get::<Identity>()?, app.get::<Providers>()?);
    let p = providers.named(&q.to).ok_or_else(Problem::not_found)?;
    let pending = if q.link == "1" {
        let s = me.session()?;
        if let Some(response) = stale(&identity, &s, "/id/links") {
            return Ok(response);
        }
        identity.visit_to_link(&providers, p, &s).await
    } else {
        identity.visit_to_sign_in(&providers, p, After { next: inside(&q.next).to_owned() }).await
    };
    let pending = match pending {
        Ok(pending) => pending,
        Err(e) => return failed(page, e),
    };
    let mut to = see_other("/id");
    let address = HeaderValue::from_str(&pending.address).map_err(|_| Problem::internal())?;
    to.headers_mut().insert(header::LOCATION, address);
    let secure = if info.https { "; Secure" } else { "" };
    let held = format!("{}.{}", pending.ticket.id, pending.ticket.secret);
    let cookie = format!("{COOKIE}={held}; Path=/id/upstream; HttpOnly; SameSite=Lax; Max-Age=300{secure}");
    to.headers_mut()
        .append(header::SET_COOKIE, HeaderValue::from_str(&cookie).map_err(|_| Problem::internal())?);
    Ok(to)
}

fn held(headers: &HeaderMap) -> Option<(TicketId, String)> {
    let (id, secret) =
        super::cookie(headers, COOKIE)?.split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    Some((id.parse().ok()?, secret))
}

/// A visit that came to nothing: the person is told so, and what else they can do.
fn failed(page: Page, e: IdentityError) -> Result<Response> {
    let key = match e {
        IdentityError::Over => "identity-over",
        IdentityError::Refused => "identity-elsewhere-refused",
        IdentityError::Elsewhere => "identity-elsewhere-silent",
        IdentityError::CredentialTaken => "identity-elsewhere-taken",
        other => return Err(other.into()),
    };
    let status = StatusCode::from_u16(Problem::from(e).status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    let t = |key: &str| page.t(key).phrase();
    let v = View {
        lead: t("identity-elsewhere-failed-lead"),
        wrongs: vec![Wrong { field: "main".to_owned(), text: t(key) }],
        links: vec![
            Link::new(t("identity-sign-in"), "/id/sign-in"),
            Link::new(t("identity-help"), "/id/help"),
        ],
        ..View::default()
    };
    let title = t("identity-elsewhere-failed");
    Ok(show_as(status, page, title, v))
}

/// Where upstreams send people back.
pub(super) async fn back(_: Public, app: App, page: Page, me: Me, parts: Parts) -> Result<Response> {
    let (identity, providers) = (app.get::<Identity>()?, app.get::<Providers>()?);
    let query = parts.uri.query().unwrap_or_default();
    let Ok(answer) = Params::parse(query) else { return failed(page, IdentityError::Refused) };
    let Some((id, secret)) = held(&parts.headers) else { return failed(page, IdentityError::Over) };
    match identity.arrive(&providers, (id, &secret), &answer, me.0.as_ref()).await {
        Ok(Arrived::SignedIn(person, how, after)) => {
            let started = identity.start_session(person, how, &device(&parts), me.0.as_ref()).await?;
            signed_in(&app, &parts, &started, see_other(inside(&after.next)))
        }
        Ok(Arrived::ToConfirm(link)) => Ok(see_other(&format!("/id/links/confirm?id={link}"))),
        Ok(Arrived::Unknown(name)) => Ok(unknown(page, providers.named(&name))),
        Err(e) => failed(page, e),
    }
}

fn unknown(page: Page, p: Option<&Provider>) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let name = p.map(|p| title(&page, p).to_string()).unwrap_or_default();
    let v = View {
        lead: page.t("identity-elsewhere-unknown-lead").with("name", name).phrase(),
        notes: vec![t("identity-elsewhere-unknown-note")],
        links: vec![
            Link::new(t("identity-sign-in"), "/id/sign-in?next=/id/links"),
            Link::new(t("identity-register-link"), "/id/register"),
        ],
        ..View::default()
    };
    let title = t("identity-elsewhere-unknown");
    show(page, title, v)
}

/// What is linked, what was, and what can be.
pub(super) async fn page(authz: Authz<ViewOwn>, app: App, page: Page, me: Me) -> Result<Response> {
    let (identity, providers, s) = (app.get::<Identity>()?, app.get::<Providers>()?, me.session()?);
    let t = |key: &str| page.t(key).phrase();
    let named = |name: &str| match providers.named(name) {
        Some(p) => title(&page, p),
        None => Phrase::text(name),
    };
    let links = identity.links(&authz.granted, s.person).await?;
    let rows = links.iter().map(|l| {
        let said = |key: &str, at| page.t(key).with("time", page.day_time(at)).phrase();
        let mut lines: Vec<Phrase> = l.told.name().map(Phrase::text).into_iter().collect();
        lines.extend(l.confirmed_at.map(|at| said("identity-linked-at", at)));
        lines.extend(l.last_used_at.map(|at| said("identity-linked-used", at)));
        lines.extend(l.ended_at.map(|at| said("identity-linked-ended", at)));
        let action = l.ended_at.is_none().then(|| Action {
            action: "/id/links/end",
            hidden: vec![("id", l.id.to_string())],
            label: t("identity-unlink"),
        });
        RowView { title: named(&l.provider), lines, action }
    });
    let open = |p: &&Provider| !links.iter().any(|l| l.provider == p.name && l.ended_at.is_none());
    let steps = providers.all().iter().filter(open).map(|p| Step {
        title: page.t("identity-link-to").with("name", title(&page, p).to_string()).phrase(),
        text: t("identity-link-to-text"),
        time: t("identity-time-2"),
        href: format!("/id/upstream/go?to={}&link=1", p.name),
    });
    let v = View {
        lead: t("identity-links-lead"),
        rows: rows.collect(),
        steps: steps.collect(),
        notes: vec![t("identity-links-note")],
        ..View::default()
    };
    let title = t("identity-links");
    Ok(show(page, title, v))
}

#[derive(Deserialize)]
pub(super) struct Which {
    id: LinkId,
}

/// Both identities side by side: are they the same person?
pub(super) async fn confirm_page(
    authz: Authz<ViewOwn>,
    app: App,
    page: Page,
    me: Me,
    Query(q): Query<Which>,
) -> Result<Response> {
    let (identity, providers, s) = (app.get::<Identity>()?, app.get::<Providers>()?, me.session()?);
    let t = |key: &str| page.t(key).phrase();
    let pending = match identity.pending_link(&authz.granted, &s, q.id).await {
        Ok(pending) => pending,
        Err(e) => return failed(page, e),
    };
    let why = crate::person::own(&authz.granted, &crate::module::OWN, None);
    let here = identity.attributes(&why, s.person, &[&crate::person::NAME]).await?;
    let mine =
        here.map(|o| Phrase::text(&o.attributes.name.text)).unwrap_or_else(|| t("identity-linked-nameless"));
    let theirs = pending.told.name().map(Phrase::text).unwrap_or_else(|| t("identity-linked-nameless"));
    let there = providers.named(&pending.provider).map(|p| title(&page, p)).unwrap_or_default();
    let v = View {
        lead: t("identity-link-confirm-lead"),
        facts: vec![(t("identity-link-here"), mine), (there, theirs)],
        form: Some(FormView {
            action: "/id/links/confirm",
            method: "post",
            hidden: vec![("id", q.id.to_string())],
            button: t("identity-link-confirm-go"),
            primary: true,
            ..FormView::default()
        }),
        notes: vec![t("identity-link-confirm-note")],
        links: vec![Link::new(t("identity-link-not"), "/id/links")],
        ..View::default()
    };
    let title = t("identity-link-confirm");
    Ok(show(page, title, v))
}

pub(super) async fn confirm(
    authz: Authz<ChangeOwn>,
    app: App,
    page: Page,
    me: Me,
    Form(w): Form<Which>,
) -> Result<Response> {
    let (identity, providers, s) = (app.get::<Identity>()?, app.get::<Providers>()?, me.session()?);
    if let Some(response) = stale(&identity, &s, "/id/links") {
        return Ok(response);
    }
    let shared = |name: &str| providers.named(name).is_some_and(|p| p.shared);
    match identity.confirm_link(&authz.granted, &s, w.id, shared).await {
        Ok(()) => Ok(see_other("/id/links")),
        Err(e) => failed(page, e),
    }
}

pub(super) async fn end(_: Authz<ChangeOwn>, app: App, me: Me, Form(w): Form<Which>) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    if let Some(response) = stale(&identity, &s, "/id/links") {
        return Ok(response);
    }
    match identity.unlink(s.person, w.id).await {
        Ok(()) | Err(IdentityError::NotFound) => Ok(see_other("/id/links")),
        Err(e) => Err(Error::from(e)),
    }
}

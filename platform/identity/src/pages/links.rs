//! IDs of elsewhere: going there and coming back, confirming that both are the same person, taking a link apart.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use kenroku_access::{Authz, Granted};
use kenroku_http::{App, Error, Form, Public, Query, RequestInfo, Result};
use kenroku_oidc::Params;
use kenroku_types::Problem;
use kenroku_ui::parts::{Step, Wrong};
use kenroku_ui::{Link, Locale, Page, Phrase};
use serde::Deserialize;

use super::{
    Action, FieldView, FormView, Me, RowView, View, device, inside, see_other, show, show_as, signed_in,
    stale,
};
use crate::card::{Act, CardTrust};
use crate::error::IdentityError;
use crate::model::{AccountClass, LinkId, TicketId};
use crate::session::Session;
use crate::ticket::Issued;
use crate::upstream::{Arrived, GivenBack, Provider, Providers};
use crate::{After, ChangeOwn, Identity, ViewOwn};

/// The ticket of a visit. `Lax`: the upstream's answer is a link from its site to ours.
const COOKIE: &str = "kr-visit";

pub(super) fn title(page: &Page, p: &Provider) -> Phrase {
    Phrase::text(if page.locale == Locale::En { &p.title_en } else { &p.title })
}

/// The choices on the page that signs in.
pub(super) fn ways(app: &App, page: &Page, next: &str, need: kenroku_access::Assurance) -> Vec<Step> {
    let Ok(providers) = app.get::<Providers>() else { return Vec::new() };
    let fits = providers.all().iter().filter(|p| p.assurance >= need);
    fits.map(|p| Step {
        title: page.t("identity-elsewhere-by").with("name", title(page, p)).phrase(),
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
    /// What to sign there instead, as [`Act`] names it.
    #[serde(default)]
    sign: String,
    #[serde(default)]
    class: String,
    /// `1` when the browser was led to this name of ours already.
    #[serde(default)]
    here: String,
}

/// Providers send people back to the one name by which they know us. Whoever came by another name of this site goes on
/// from that one: cookies of here would not be sent there. Only once: behind a proxy every name may look like another.
fn by_our_name(p: &Provider, q: &Go, parts: &Parts) -> Option<Response> {
    let host = parts.headers.get(header::HOST)?.to_str().ok()?;
    let ours = url::Url::parse(&p.registration.redirect_uri).ok()?;
    let name = ours.host_str()?;
    let name = ours.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    if q.here == "1" || name == host {
        return None;
    }
    let origin = ours.origin().ascii_serialization();
    let query = parts.uri.query().unwrap_or_default();
    Some(see_other(&format!("{origin}/id/upstream/go?{query}&here=1")))
}

/// Sends the browser to an upstream. A link, not a form: `form-action` of our pages would also stop the redirect.
pub(super) async fn go(
    _: Public,
    app: App,
    page: Page,
    info: RequestInfo,
    me: Me,
    parts: Parts,
    Query(q): Query<Go>,
) -> Result<Response> {
    let (identity, providers) = (app.get::<Identity>()?, app.get::<Providers>()?);
    let p = providers.named(&q.to).ok_or_else(Problem::not_found)?;
    if let Some(response) = by_our_name(p, &q, &parts) {
        return Ok(response);
    }
    let mut cards = Vec::new();
    let pending = if let Some(act) = Act::of(&q.sign).filter(|act| *act != Act::SignIn) {
        let person = me.0.filter(|_| act == Act::Replace).map(|s| s.person);
        let class = AccountClass::from_code(&q.class).unwrap_or(AccountClass::Resident);
        let origin = super::register::origin(&identity, &info, &parts);
        let issued =
            crate::card::begin(&identity, act, class, person, inside(&q.next), &origin, true).await?;
        cards.push(super::register::ticket_cookie(&issued, info.https));
        identity.visit_to_sign(&providers, p, issued.id).await
    } else if q.link == "1" {
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
    cards.push(visit_cookie(&pending.ticket, info.https));
    for cookie in cards {
        let value = HeaderValue::from_str(&cookie).map_err(|_| Problem::internal())?;
        to.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(to)
}

fn visit_cookie(ticket: &Issued, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    let held = format!("{}.{}", ticket.id, ticket.secret);
    format!("{COOKIE}={held}; Path=/id/upstream; HttpOnly; SameSite=Lax; Max-Age=300{secure}")
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
pub(super) async fn back(
    _: Public,
    app: App,
    page: Page,
    info: RequestInfo,
    me: Me,
    parts: Parts,
) -> Result<Response> {
    let (identity, providers) = (app.get::<Identity>()?, app.get::<Providers>()?);
    let trust = app.get::<CardTrust>().ok();
    let query = parts.uri.query().unwrap_or_default();
    let Ok(answer) = Params::parse(query) else { return failed(page, IdentityError::Refused) };
    let Some((id, secret)) = held(&parts.headers) else { return failed(page, IdentityError::Over) };
    match identity.arrive(&providers, (id, &secret), &answer, me.0.as_ref(), trust.as_deref()).await {
        Ok(Arrived::SignedIn(person, how, after)) => {
            let started = identity.start_session(person, how, &device(&parts), me.0.as_ref()).await?;
            signed_in(&app, &parts, &started, see_other(inside(&after.next)))
        }
        Ok(Arrived::ToConfirm(link)) => Ok(see_other(&format!("/id/links/confirm?id={link}"))),
        Ok(Arrived::ToChoose(ticket)) => {
            let mut to = see_other("/id/upstream/choose");
            let cookie = visit_cookie(&ticket, info.https);
            let value = HeaderValue::from_str(&cookie).map_err(|_| Problem::internal())?;
            to.headers_mut().append(header::SET_COOKIE, value);
            Ok(to)
        }
        Ok(Arrived::Signed) => Ok(see_other("/id/card")),
        Ok(Arrived::Unknown(name)) => Ok(unknown(page, providers.named(&name))),
        Err(e) => failed(page, e),
    }
}

fn unknown(page: Page, p: Option<&Provider>) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let name = p.map(|p| title(&page, p)).unwrap_or_default();
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

/// An ID that several people share: who is here?
pub(super) async fn choose_page(_: Public, app: App, page: Page, headers: HeaderMap) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let Some((id, secret)) = held(&headers) else { return failed(page, IdentityError::Over) };
    let sharers = match identity.to_choose((id, &secret)).await {
        Ok(sharers) => sharers,
        Err(e) => return failed(page, e),
    };
    let t = |key: &str| page.t(key).phrase();
    let actions = sharers.into_iter().map(|s| Action {
        action: "/id/upstream/choose",
        hidden: vec![("id", s.id.to_string())],
        label: if s.label.is_empty() { t("identity-linked-nameless") } else { Phrase::text(&s.label) },
    });
    let v = View {
        lead: t("identity-choose-lead"),
        actions: actions.collect(),
        notes: vec![t("identity-choose-note")],
        links: vec![Link::new(t("identity-sign-in-other"), "/id/sign-in")],
        ..View::default()
    };
    let title = t("identity-choose");
    Ok(show(page, title, v))
}

pub(super) async fn choose(
    _: Public,
    app: App,
    page: Page,
    me: Me,
    parts: Parts,
    Form(w): Form<Which>,
) -> Result<Response> {
    let (identity, providers) = (app.get::<Identity>()?, app.get::<Providers>()?);
    let Some((id, secret)) = held(&parts.headers) else { return failed(page, IdentityError::Over) };
    match identity.choose(&providers, (id, &secret), w.id).await {
        Ok((person, how, after)) => {
            let started = identity.start_session(person, how, &device(&parts), me.0.as_ref()).await?;
            signed_in(&app, &parts, &started, see_other(inside(&after.next)))
        }
        Err(e) => failed(page, e),
    }
}

/// What the last unlinking came to, for the page after it.
#[derive(Deserialize)]
pub(super) struct Ended {
    #[serde(default)]
    ended: String,
}

/// What is linked, what was, and what can be.
pub(super) async fn page(
    authz: Authz<ViewOwn>,
    app: App,
    page: Page,
    me: Me,
    Query(q): Query<Ended>,
) -> Result<Response> {
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
        if !l.label.is_empty() {
            lines.push(page.t("identity-linked-label").with("label", l.label.clone()).phrase());
        }
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
        title: page.t("identity-link-to").with("name", title(&page, p)).phrase(),
        text: t("identity-link-to-text"),
        time: t("identity-time-2"),
        href: format!("/id/upstream/go?to={}&link=1", p.name),
    });
    let notice = match q.ended.as_str() {
        "given-back" => Some(("done", t("identity-unlinked"), t("identity-unlinked-given-back"))),
        "kept" => Some(("info", t("identity-unlinked"), t("identity-unlinked-kept"))),
        "unreached" => Some(("info", t("identity-unlinked"), t("identity-unlinked-unreached"))),
        _ => None,
    };
    let v = View {
        lead: t("identity-links-lead"),
        notice,
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
    confirm_again(&authz.granted, &identity, &providers, page, &s, q.id, None).await
}

/// The question, `wrong` when its answer lacked something.
async fn confirm_again(
    proof: &Granted<ViewOwn>,
    identity: &Identity,
    providers: &Providers,
    page: Page,
    s: &Session,
    id: LinkId,
    wrong: Option<Phrase>,
) -> Result<Response> {
    let t = |key: &str| page.t(key).phrase();
    let pending = match identity.pending_link(proof, s, id).await {
        Ok(pending) => pending,
        Err(e) => return failed(page, e),
    };
    let why = crate::person::own(proof, &crate::module::OWN, None);
    let here = identity.attributes(&why, s.person, &[&crate::person::NAME]).await?;
    let mine =
        here.map(|o| Phrase::text(&o.attributes.name.text)).unwrap_or_else(|| t("identity-linked-nameless"));
    let theirs = pending.told.name().map(Phrase::text).unwrap_or_else(|| t("identity-linked-nameless"));
    let there = providers.named(&pending.provider).map(|p| title(&page, p)).unwrap_or_default();
    let mut fields = Vec::new();
    let mut notes = vec![t("identity-link-confirm-note")];
    if providers.named(&pending.provider).is_some_and(|p| p.shared) {
        let mut label = FieldView::new("id-label", "label", t("identity-link-label"));
        label.hint = t("identity-link-label-hint");
        fields.push(label);
        notes.push(t("identity-link-shared-note"));
    }
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let v = View {
        lead: t("identity-link-confirm-lead"),
        wrongs: wrong.map(|text| Wrong { field: "id-label".to_owned(), text }).into_iter().collect(),
        facts: vec![(t("identity-link-here"), mine), (there, theirs)],
        form: Some(FormView {
            action: "/id/links/confirm",
            method: "post",
            hidden: vec![("id", id.to_string())],
            fields,
            button: t("identity-link-confirm-go"),
            primary: true,
            ..FormView::default()
        }),
        notes,
        links: vec![Link::new(t("identity-link-not"), "/id/links")],
        ..View::default()
    };
    let title = t("identity-link-confirm");
    Ok(show_as(status, page, title, v))
}

#[derive(Deserialize)]
pub(super) struct Confirmed {
    id: LinkId,
    #[serde(default)]
    label: String,
}

pub(super) async fn confirm(
    authz: Authz<ChangeOwn>,
    see: Authz<ViewOwn>,
    app: App,
    page: Page,
    me: Me,
    Form(w): Form<Confirmed>,
) -> Result<Response> {
    let (identity, providers, s) = (app.get::<Identity>()?, app.get::<Providers>()?, me.session()?);
    if let Some(response) = stale(&identity, &s, "/id/links") {
        return Ok(response);
    }
    let shared = |name: &str| providers.named(name).is_some_and(|p| p.shared);
    match identity.confirm_link(&authz.granted, &s, w.id, &w.label, shared).await {
        Ok(()) => Ok(see_other("/id/links")),
        Err(IdentityError::Input("label", ..)) => {
            let wrong = Some(page.t("identity-link-label-missing").phrase());
            confirm_again(&see.granted, &identity, &providers, page, &s, w.id, wrong).await
        }
        Err(e) => failed(page, e),
    }
}

pub(super) async fn end(authz: Authz<ChangeOwn>, app: App, me: Me, Form(w): Form<Which>) -> Result<Response> {
    let (identity, providers, s) = (app.get::<Identity>()?, app.get::<Providers>()?, me.session()?);
    if let Some(response) = stale(&identity, &s, "/id/links") {
        return Ok(response);
    }
    match identity.unlink(&authz.granted, &providers, s.person, w.id).await {
        Ok(GivenBack::Yes) => Ok(see_other("/id/links?ended=given-back")),
        Ok(GivenBack::No) => Ok(see_other("/id/links?ended=kept")),
        Ok(GivenBack::Unreached) => Ok(see_other("/id/links?ended=unreached")),
        Err(IdentityError::NotFound) => Ok(see_other("/id/links")),
        Err(e) => Err(Error::from(e)),
    }
}

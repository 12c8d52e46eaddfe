//! What is one's own: the registration, the keys, the devices, the history.

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use kenroku_access::Authz;
use kenroku_contracts::identity::EndReason;
use kenroku_http::{App, Form, Json, Query, RequestInfo, Result};
use kenroku_places::{Places, choose};
use kenroku_types::Problem;
use kenroku_ui::parts::Step;
use kenroku_ui::{Link, Locale, Page, Phrase};
use kenroku_vault::Field;
use kenroku_vault::share::Sources;
use serde::Deserialize;

use super::sign_in::{Begun, GoOn, no_site};
use super::{
    Action, FieldView, FormView, Me, Passkey, RowView, View, class_name, day, device, see_other, show,
    show_as, site, stale, told, way_name,
};
use crate::credential::Kind;
use crate::error::IdentityError;
use crate::model::{CredentialId, PersonState, ProofMethod, SessionId, Sex, TicketId};
use crate::module::OWN;
use crate::person::{ADDRESS, BIRTH, NAME, SEX, own, vault_subject};
use crate::webauthn::Created;
use crate::{ChangeOwn, Identity, ViewOwn, totp};

#[derive(Deserialize)]
pub(super) struct Arrived {
    #[serde(default)]
    welcome: String,
}

/// The first page of somebody signed in: what there is, and the one next step.
pub(super) async fn home(
    visitor: kenroku_access::Visitor,
    app: App,
    page: Page,
    me: Me,
    Query(q): Query<Arrived>,
) -> Result<Response> {
    let Me(Some(s)) = me else { return Ok(see_other("/id/sign-in?next=/id")) };
    drop(visitor);
    let identity = app.get::<Identity>()?;
    let t = |key: &str| page.t(key).phrase();
    let person = identity.person(s.person).await?.ok_or_else(Problem::not_found)?;
    let credentials = identity.credentials(s.person).await?;
    let has_passkey = credentials.iter().any(|c| c.kind == Kind::Passkey);
    let mut v = View { lead: t("identity-home-lead"), ..View::default() };
    if person.state == PersonState::Moved {
        v.notice = Some(("error", t("identity-moved"), t("identity-moved-text")));
    } else if q.welcome == "1" {
        v.notice = Some(("done", t("identity-welcome"), t("identity-welcome-text")));
    } else if let Some(end) = identity.ends_soon(&credentials) {
        let text = page.t("identity-ends-soon-text").with("time", day(&page, end)).phrase();
        v.notice = Some(("info", t("identity-ends-soon"), text));
    }
    let area = match person.muni.and_then(|code| Places::shared().ok()?.by_code(code)) {
        Some(m) if page.locale == Locale::En => Phrase::text(&m.english_name()),
        Some(m) => page.named(m.name, m.kana),
        None => t("identity-area-outside"),
    };
    v.facts = vec![
        (t("identity-class"), class_name(&page, person.class)),
        (t("identity-area"), area),
        (t("identity-signed-in-by"), way_name(&page, crate::model::assurance_code(s.sign_in.assurance))),
    ];
    let step = |title: &str, text: &str, href: &str| Step {
        title: t(title),
        text: t(text),
        time: Phrase::default(),
        href: href.to_owned(),
    };
    if person.state == PersonState::Moved {
        v.steps.push(step("identity-replace", "identity-replace-text", "/id/register/terms?act=replace"));
    }
    if !has_passkey {
        v.steps.push(step("identity-passkeys-add", "identity-passkeys-add-text", "/id/passkeys"));
    }
    v.steps.push(step("identity-profile", "identity-profile-text", "/id/profile"));
    v.steps.push(step("identity-consents", "identity-consents-text", "/id/consents"));
    if app.get::<crate::upstream::Providers>().is_ok_and(|p| !p.all().is_empty()) {
        v.steps.push(step("identity-links", "identity-links-text", "/id/links"));
    }
    // Where the broker is, so is the page of what it hands on.
    if app.get::<Sources>().is_ok() {
        v.steps.push(step("identity-my", "identity-my-text", "/my"));
    }
    v.steps.push(step("identity-delegations", "identity-delegations-text", "/id/delegations"));
    if has_passkey {
        v.steps.push(step("identity-passkeys", "identity-passkeys-text", "/id/passkeys"));
    }
    v.steps.push(step("identity-devices", "identity-devices-text", "/id/devices"));
    v.steps.push(step("identity-history", "identity-history-text", "/id/history"));
    v.actions = vec![Action { action: "/id/sign-out", hidden: Vec::new(), label: t("identity-sign-out") }];
    let title = t("identity-home");
    let mut response = super::Html(super::Shown { page: page.title(title), v }).into_response();
    response
        .headers_mut()
        .insert(axum::http::header::CACHE_CONTROL, axum::http::HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What is registered, who proved it, and who looked at it.
pub(super) async fn profile(authz: Authz<ViewOwn>, app: App, page: Page, me: Me) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    let t = |key: &str| page.t(key).phrase();
    let fields: [&'static Field; 4] = [&NAME, &BIRTH, &SEX, &ADDRESS];
    let opened = identity.attributes(&own(&authz.granted, &OWN, None), s.person, &fields).await?;
    let mut v = View { lead: t("identity-profile-lead"), ..View::default() };
    if let Some(o) = opened {
        let a = o.attributes;
        v.facts.push((t("identity-name"), Phrase::text(&a.name.text)));
        if a.name.has_substitutes() || a.address.as_ref().is_some_and(|w| w.has_substitutes()) {
            v.notes.push(t("identity-substitutes"));
        }
        if let Some(b) = a.birth {
            let said = match b.date() {
                // Of a birth nobody asks for the day of the week.
                Some(date) if page.locale == Locale::Ja => Phrase::text(&date.wareki()),
                Some(date) => page.date(date),
                None => Phrase::text(&b.to_string()),
            };
            v.facts.push((t("identity-birth"), said));
        }
        if let Some(sex) = a.sex {
            let said = match sex {
                Sex::Male => t("identity-sex-male"),
                Sex::Female => t("identity-sex-female"),
                Sex::Unknown => t("identity-sex-unknown"),
            };
            v.facts.push((t("identity-sex"), said));
        }
        if let Some(address) = a.address {
            v.facts.push((t("identity-address"), Phrase::text(&address.text)));
        }
        let how = match o.provenance.method {
            ProofMethod::Jpki => "identity-proof-jpki",
            ProofMethod::Counter => "identity-proof-counter",
            ProofMethod::Guardian => "identity-proof-guardian",
        };
        v.facts.push((t("identity-proof"), t(how)));
        v.facts.push((t("identity-proof-at"), day(&page, o.provenance.verified_at)));
    }
    let seen = identity
        .vault()
        .accesses(kenroku_types::Tenant::SHARED, vault_subject(s.person), None, 20)
        .await
        .map_err(Problem::from)?;
    v.rows_title = t("identity-seen");
    for row in seen {
        let why = match row.purpose.as_str() {
            "identity.own" => t("identity-seen-own"),
            "identity.release" => t("identity-seen-release"),
            "identity.each-other" => t("identity-seen-each-other"),
            "identity.review" | "identity.counter" => t("identity-seen-review"),
            _ => t("identity-seen-sign-in"),
        };
        v.rows.push(RowView { title: why, lines: vec![page.day_time(row.at)], action: None });
    }
    v.notes.push(t("identity-profile-note"));
    v.links = vec![Link::new(t("identity-replace"), "/id/register/terms?act=replace")];
    let title = t("identity-profile");
    Ok(show(page, title, v))
}

/// The last sign-ins and changes.
pub(super) async fn history(_: Authz<ViewOwn>, app: App, page: Page, me: Me) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    let t = |key: &str| page.t(key).phrase();
    let rows = identity.history(s.person).await?;
    let rows = rows.into_iter().map(|r| {
        let title = match (r.what.as_str(), r.way.as_str()) {
            ("in", _) => t("identity-did-in"),
            ("out", _) => t("identity-did-out"),
            ("ended", _) => t("identity-did-ended"),
            (_, "registered") => t("identity-did-registered"),
            (_, "proved-again") => t("identity-did-proved"),
            (_, "consent-withdrawn") => t("identity-did-withdrew"),
            (_, "linked") => t("identity-did-linked"),
            (_, "unlinked") => t("identity-did-unlinked"),
            (_, way) if way.starts_with("added-") => t("identity-did-added"),
            (_, way) if way.starts_with("removed-") => t("identity-did-removed"),
            (_, "delegation-used") => t("identity-did-acted"),
            (_, "counter-registered" | "counter-child") => t("identity-did-counter-registered"),
            (_, "counter-recovered" | "counter-sheet") => t("identity-did-counter-sheet"),
            (_, "counter-moved") => t("identity-did-proved"),
            (_, "counter-guardian" | "counter-guardian-ended") => t("identity-did-delegation"),
            (_, "certificate-revoked" | "certificate-expired") => t("identity-did-certificate"),
            (_, "disaster-sign-in") => t("identity-did-disaster"),
            (_, "handed-over") => t("identity-did-handed-over"),
            (_, "hand-over-sheet") => t("identity-did-hand-over-sheet"),
            (_, way) if way.starts_with("delegation-") => t("identity-did-delegation"),
            _ => t("identity-did-changed"),
        };
        let mut lines = vec![page.day_time(r.at)];
        if r.what == "in" {
            lines.push(way_name(&page, &r.way));
        }
        let counter = r.way.starts_with("counter-");
        match Places::shared().ok().filter(|_| counter).and_then(|p| choose::asked(p, &r.device)) {
            Some(m) => {
                let place = choose::place_name(&page, m);
                lines.push(page.t("identity-at-counter").with("place", place).phrase());
            }
            None if counter => lines.push(t("identity-at-prefecture-counter")),
            None if r.device.is_empty() => {}
            None => lines.push(Phrase::text(&r.device)),
        }
        RowView { title, lines, action: None }
    });
    let v = View {
        lead: t("identity-history-lead"),
        rows: rows.collect(),
        links: vec![Link::new(t("identity-devices"), "/id/devices")],
        ..View::default()
    };
    let title = t("identity-history");
    Ok(show(page, title, v))
}

/// Where one is signed in.
pub(super) async fn devices(_: Authz<ViewOwn>, app: App, page: Page, me: Me) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    let t = |key: &str| page.t(key).phrase();
    let all = identity.devices(s.person).await?;
    let others = all.len() > 1;
    let rows = all.into_iter().map(|d| {
        let here = d.sid == s.sid;
        let name = if d.device.is_empty() { t("identity-device-unknown") } else { Phrase::text(&d.device) };
        let mut lines = vec![
            way_name(&page, &d.assurance),
            page.t("identity-device-seen").with("time", page.day_time(d.seen_at)).phrase(),
        ];
        if here {
            lines.insert(0, t("identity-device-here"));
        }
        let action = (!here).then(|| Action {
            action: "/id/devices/end",
            hidden: vec![("sid", d.sid.to_string())],
            label: t("identity-device-end"),
        });
        RowView { title: name, lines, action }
    });
    let mut v = View { lead: t("identity-devices-lead"), rows: rows.collect(), ..View::default() };
    if others {
        let label = t("identity-device-end-all");
        v.actions.push(Action { action: "/id/devices/end", hidden: vec![("sid", String::new())], label });
    }
    v.actions.push(Action { action: "/id/sign-out", hidden: Vec::new(), label: t("identity-sign-out") });
    v.notes.push(t("identity-devices-note"));
    let title = t("identity-devices");
    Ok(show(page, title, v))
}

#[derive(Deserialize)]
pub(super) struct End {
    #[serde(default)]
    sid: String,
}

pub(super) async fn end_device(
    _: Authz<ChangeOwn>,
    app: App,
    me: Me,
    Form(end): Form<End>,
) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    match end.sid.parse::<SessionId>() {
        Ok(sid) => {
            identity.end_session(s.person, sid, EndReason::Revoked).await?;
        }
        Err(_) => {
            identity.end_sessions(s.person, Some(s.sid)).await?;
        }
    }
    Ok(see_other("/id/devices"))
}

/// What one signs in with.
pub(super) async fn passkeys(_: Authz<ViewOwn>, app: App, page: Page, me: Me) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    if let Some(response) = stale(&identity, &s, "/id/passkeys") {
        return Ok(response);
    }
    passkeys_page(&identity, page, &s, StatusCode::OK, Vec::new()).await
}

async fn passkeys_page(
    identity: &Identity,
    page: Page,
    s: &crate::session::Session,
    status: StatusCode,
    wrongs: Vec<kenroku_ui::parts::Wrong>,
) -> Result<Response> {
    let t = |key: &str| page.t(key).phrase();
    let all = identity.credentials(s.person).await?;
    let has_codes = all.iter().any(|c| c.kind == Kind::Totp);
    let rows = all.into_iter().filter(|c| c.kind != Kind::JpkiSign).map(|c| {
        let mut lines = Vec::new();
        if !c.label.is_empty() {
            lines.push(Phrase::text(&c.label));
        }
        lines.push(page.t("identity-key-since").with("time", day(&page, c.created_at)).phrase());
        if let Some(at) = c.last_used_at {
            lines.push(page.t("identity-key-used").with("time", page.day_time(at)).phrase());
        }
        if let Some(at) = c.not_after {
            lines.push(page.t("identity-key-until").with("time", day(&page, at)).phrase());
        }
        let action = Action {
            action: "/id/passkeys/remove",
            hidden: vec![("id", c.id.to_string())],
            label: t("identity-key-remove"),
        };
        RowView { title: way_name(&page, c.kind.code()), lines, action: Some(action) }
    });
    let v = View {
        lead: t("identity-passkeys-lead"),
        wrongs,
        passkey: Some(Passkey {
            mode: "create",
            start: "/id/passkeys/start",
            finish: "/id/passkeys/finish",
            next: "/id/passkeys".to_owned(),
            label: t("identity-passkeys-make"),
            note: t("identity-passkeys-note"),
        }),
        rows: rows.collect(),
        links: vec![Link::new(
            if has_codes { t("identity-codes-renew") } else { t("identity-codes-add") },
            "/id/passkeys/password",
        )],
        ..View::default()
    };
    let title = t("identity-passkeys");
    Ok(show_as(status, page, title, v))
}

pub(super) async fn passkey_start(
    authz: Authz<ChangeOwn>,
    app: App,
    info: RequestInfo,
    me: Me,
    parts: Parts,
) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    if stale(&identity, &s, "").is_some() {
        return Err(Problem::unauthenticated().into());
    }
    let site = site(&identity, &info, &parts).ok_or_else(no_site)?;
    // The name that the device shows in its list of passkeys: the person's own, opened for themselves.
    let why = own(&authz.granted, &OWN, None);
    let opened = identity.attributes(&why, s.person, &[&NAME]).await?;
    let name = opened.map_or_else(|| "いしかわID".to_owned(), |o| o.attributes.name.text);
    Ok(Json(Begun::new(identity.begin_new_passkey(&site, s.person, &name).await?)).into_response())
}

#[derive(Deserialize)]
pub(super) struct Finish {
    ticket: TicketId,
    secret: String,
    answer: Created,
}

pub(super) async fn passkey_finish(
    _: Authz<ChangeOwn>,
    app: App,
    info: RequestInfo,
    me: Me,
    parts: Parts,
    Json(f): Json<Finish>,
) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    let site = site(&identity, &info, &parts).ok_or_else(no_site)?;
    let label = device(&parts);
    identity.finish_new_passkey(&site, s.person, f.ticket, &f.secret, &f.answer, &label).await?;
    Ok(Json(GoOn { location: "/id/passkeys".to_owned() }).into_response())
}

#[derive(Deserialize)]
pub(super) struct Remove {
    id: CredentialId,
}

pub(super) async fn remove(
    _: Authz<ChangeOwn>,
    app: App,
    page: Page,
    me: Me,
    Form(r): Form<Remove>,
) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    if let Some(response) = stale(&identity, &s, "/id/passkeys") {
        return Ok(response);
    }
    match identity.remove_credential(s.person, r.id).await {
        Ok(()) | Err(IdentityError::NotFound) => Ok(see_other("/id/passkeys")),
        Err(e) => {
            let (status, wrong) = told(&page, e, "main")?;
            passkeys_page(&identity, page, &s, status, vec![wrong]).await
        }
    }
}

/// A login name and a password, for those whose device has no passkeys.
pub(super) async fn password_page(_: Authz<ViewOwn>, app: App, page: Page, me: Me) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    if let Some(response) = stale(&identity, &s, "/id/passkeys/password") {
        return Ok(response);
    }
    let title = page.t("identity-codes-add").phrase();
    let v = password_form(&page, String::new(), Vec::new());
    Ok(show(page, title, v))
}

fn password_form(page: &Page, login: String, wrongs: Vec<kenroku_ui::parts::Wrong>) -> View {
    let t = |key: &str| page.t(key).phrase();
    let mut name = FieldView::new("id-login", "login", t("identity-login"));
    (name.value, name.autocomplete, name.hint) = (login, "username", t("identity-login-form"));
    let mut password = FieldView::new("id-password", "password", t("identity-password"));
    (password.kind, password.autocomplete, password.hint) =
        ("password", "new-password", t("identity-weak-password"));
    View {
        lead: t("identity-codes-lead"),
        wrongs,
        form: Some(FormView {
            action: "/id/passkeys/password",
            method: "post",
            fields: vec![name, password],
            button: t("identity-next"),
            primary: true,
            ..FormView::default()
        }),
        ..View::default()
    }
}

#[derive(Deserialize)]
pub(super) struct NewPassword {
    #[serde(default)]
    login: String,
    #[serde(default)]
    password: String,
}

pub(super) async fn password(
    _: Authz<ChangeOwn>,
    app: App,
    page: Page,
    me: Me,
    Form(f): Form<NewPassword>,
) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    if let Some(response) = stale(&identity, &s, "/id/passkeys/password") {
        return Ok(response);
    }
    match identity.begin_codes(s.person, &f.login, &f.password).await {
        Ok((issued, key)) => {
            let hidden = vec![
                ("ticket", issued.id.to_string()),
                ("secret", issued.secret.clone()),
                ("key", hex::encode(key)),
            ];
            Ok(key_form(page, "/id/passkeys/code", &key, hidden))
        }
        Err(e) => {
            let (status, wrong) = told(&page, e, "id-login")?;
            let title = page.t("identity-codes-add").phrase();
            let v = password_form(&page, f.login.chars().take(64).collect(), vec![wrong]);
            Ok(show_as(status, page, title, v))
        }
    }
}

/// The key for the app, and the first code from it.
pub(super) fn key_form(
    page: Page,
    action: &'static str,
    key: &[u8],
    hidden: Vec<(&'static str, String)>,
) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let text = totp::base32(key);
    let groups: Vec<String> =
        text.as_bytes().chunks(4).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
    let mut code = FieldView::new("id-code", "code", t("identity-code"));
    code.autocomplete = "one-time-code";
    let v = View {
        lead: t("identity-codes-key"),
        code: groups.join(" "),
        qr: kenroku_ui::qr::code(&totp::address(key, "Ishikawa ID"), &t("identity-codes-qr").plain()),
        form: Some(FormView {
            action,
            method: "post",
            hidden,
            fields: vec![code],
            button: t("identity-codes-save"),
            primary: true,
            ..FormView::default()
        }),
        notes: vec![t("identity-codes-note")],
        ..View::default()
    };
    let title = t("identity-code-title");
    show(page, title, v)
}

#[derive(Deserialize)]
pub(super) struct NewCode {
    ticket: TicketId,
    #[serde(default)]
    secret: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    code: String,
}

pub(super) async fn code(
    _: Authz<ChangeOwn>,
    app: App,
    page: Page,
    me: Me,
    Form(f): Form<NewCode>,
) -> Result<Response> {
    let (identity, s) = (app.get::<Identity>()?, me.session()?);
    let key = hex::decode(&f.key).unwrap_or_default();
    match identity.finish_codes(s.person, f.ticket, &f.secret, &key, &f.code).await {
        Ok(()) => Ok(see_other("/id/passkeys")),
        Err(e) => {
            let (status, wrong) = told(&page, e, "id-login")?;
            let title = page.t("identity-codes-add").phrase();
            let v = password_form(&page, String::new(), vec![wrong]);
            Ok(show_as(status, page, title, v))
        }
    }
}

//! `/my/requests`: I ask what is held about me, have it put right or stopped, and see how far it is.

use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::{Authz, Granted};
use kenroku_http::{App, Form, Path, Query, Result};
use kenroku_places::{Places, choose};
use kenroku_types::{JapaneseDate, Problem, Tenant};
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Link, Page, Phrase};
use serde::Deserialize;

use super::requests::{decision_word, kind_word, letter_facts, notices, state_word};
use super::{Cell, Field, FormView, Is, Section, Table, View, me, own};
use crate::error::PrivacyError;
use crate::module::{AskOwn, ViewOwn};
use crate::privacy::Privacy;
use crate::request::{Channel, Kind, Letter, NewRequest, OpenRequest, Proxy, RequestId, RequestState};

const HERE: &str = "/my/requests";

async fn mine(
    privacy: &Privacy,
    proof: &Granted<ViewOwn>,
    subject: kenroku_types::ids::SubjectId,
) -> Result<Vec<(Tenant, OpenRequest)>> {
    Ok(privacy.own_requests(proof, privacy.tenants(), subject).await?)
}

fn home(page: Page) -> Page {
    let label = page.t("privacy-my").phrase();
    page.crumb(label, "/my").signed_in(true)
}

/// My requests, and what I can ask for.
pub(crate) async fn list(authz: Authz<ViewOwn>, app: App, page: Page) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let privacy = app.get::<Privacy>()?;
    let t = |key: &str| page.t(key).phrase();
    let rows = mine(&privacy, &authz.granted, subject).await?;
    let rows: Vec<Vec<Cell>> = rows
        .iter()
        .map(|(tenant, r)| {
            let href = format!("{HERE}/{tenant}/{}", r.row.id);
            vec![
                Cell { text: kind_word(&page, r.row.kind), href },
                office(&page, *tenant).into(),
                page.date(r.row.received_on).into(),
                state_word(&page, &r.row).into(),
                page.date(r.row.due().legal).into(),
            ]
        })
        .collect();
    let head = [
        "privacy-ask-kind",
        "privacy-ask-office",
        "privacy-ask-received",
        "privacy-ask-state",
        "privacy-ask-due",
    ];
    let ways =
        Kind::ALL.iter().map(|k| Link::new(kind_word(&page, *k), format!("{HERE}/new?kind={}", k.code())));
    let ways = Section {
        id: "new",
        title: t("privacy-ask-new"),
        text: t("privacy-ask-new-text"),
        links: ways.collect(),
        ..Section::default()
    };
    let table = (!rows.is_empty()).then(|| Table { head: head.map(t).to_vec(), rows });
    let text = if table.is_none() { t("privacy-ask-none") } else { Phrase::default() };
    let list = Section { id: "list", title: t("privacy-ask-list"), text, table, ..Section::default() };
    let v = View { lead: t("privacy-ask-lead"), sections: vec![ways, list], ..View::default() };
    let title = t("privacy-ask");
    Ok(own(home(page), title, v))
}

fn office(page: &Page, tenant: Tenant) -> Phrase {
    Places::shared().map_or_else(|_| Phrase::default(), |p| choose::government_name(page, p, tenant))
}

/// Which form.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Which {
    #[serde(default)]
    kind: String,
}

/// What is filled in.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Filled {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    office: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    contact: String,
    #[serde(default)]
    proxy: String,
    #[serde(default)]
    principal: String,
    #[serde(default)]
    what: String,
    #[serde(default)]
    disclosed_on: String,
}

/// The form.
pub(crate) async fn blank(
    authz: Authz<AskOwn>,
    app: App,
    page: Page,
    Query(q): Query<Which>,
) -> Result<Response> {
    me(&authz)?;
    let privacy = app.get::<Privacy>()?;
    Ok(shown(&privacy, page, &Filled { kind: q.kind, ..Filled::default() }, Vec::new()))
}

fn shown(privacy: &Privacy, page: Page, f: &Filled, wrongs: Vec<Wrong>) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let kind = Kind::from_code(&f.kind).unwrap_or(Kind::Disclose);
    let line = |name: &'static str, label: &str, value: &str, required: bool| Field {
        value: value.to_owned(),
        required,
        ..Field::new(Is::Line, name, t(label))
    };
    let offices = privacy.tenants().iter().map(|tenant| {
        Choice::new(tenant.to_string(), office(&page, *tenant), f.office == tenant.to_string())
    });
    let none = Choice::new("", t("privacy-ask-office-choose"), f.office.is_empty());
    let offices: Vec<Choice> = std::iter::once(none).chain(offices).collect();
    let proxies = Proxy::ALL.iter().map(|p| {
        let chosen = f.proxy == p.code() || (f.proxy.is_empty() && *p == Proxy::Nobody);
        Choice::new(p.code(), super::requests::proxy_word(&page, *p), chosen)
    });
    let what = match kind {
        Kind::Disclose => ("privacy-ask-what-disclose", "privacy-ask-what-disclose-hint"),
        Kind::Correct => ("privacy-ask-what-correct", "privacy-ask-what-correct-hint"),
        Kind::Suspend => ("privacy-ask-what-suspend", "privacy-ask-what-suspend-hint"),
    };
    let mut fields = vec![
        Field {
            required: true,
            ..Field::new(Is::Select, "office", t("privacy-ask-office")).choices(offices)
        },
        Field {
            value: f.what.clone(),
            hint: t(what.1),
            required: true,
            ..Field::new(Is::Area, "what", t(what.0))
        },
    ];
    if kind != Kind::Disclose {
        let hint = t("privacy-ask-disclosed-hint");
        let field = line("disclosed_on", "privacy-ask-disclosed", &f.disclosed_on, true);
        fields.push(Field { hint, kind: "date", ..field });
    }
    fields.push(line("name", "privacy-ask-name", &f.name, true));
    fields.push(line("address", "privacy-ask-address", &f.address, true));
    fields.push(line("contact", "privacy-ask-contact", &f.contact, false));
    fields.push(Field::new(Is::Radio, "proxy", t("privacy-ask-proxy")).choices(proxies.collect()));
    let hint = t("privacy-ask-principal-hint");
    fields.push(Field { hint, ..line("principal", "privacy-ask-principal", &f.principal, false) });
    let form = FormView {
        action: format!("{HERE}/new"),
        hidden: vec![("kind", kind.code().to_owned())],
        fields,
        button: t("privacy-ask-send"),
        primary: true,
        file: false,
    };
    let note = Section {
        id: "note",
        title: t("privacy-ask-fee"),
        text: t("privacy-ask-fee-text"),
        ..Section::default()
    };
    let v = View {
        lead: match kind {
            Kind::Disclose => t("privacy-ask-disclose-lead"),
            Kind::Correct => t("privacy-ask-correct-lead"),
            Kind::Suspend => t("privacy-ask-suspend-lead"),
        },
        wrongs,
        sections: vec![Section { id: "form", form: Some(form), ..Section::default() }, note],
        ..View::default()
    };
    let (title, list) = (kind_word(&page, kind), t("privacy-ask"));
    own(home(page).crumb(list, HERE), title, v)
}

/// The request arrives.
pub(crate) async fn send(
    authz: Authz<AskOwn>,
    app: App,
    page: Page,
    Form(f): Form<Filled>,
) -> Result<Response> {
    let (subject, sign_in) = me(&authz)?;
    let privacy = app.get::<Privacy>()?;
    let mut wrongs = Vec::new();
    let mut wrong = |field: &str, key: &str| {
        wrongs.push(Wrong { field: field.to_owned(), text: page.t(key).phrase() });
    };
    let kind = Kind::from_code(&f.kind).ok_or_else(Problem::not_found)?;
    let office: Option<Tenant> = privacy.tenants().iter().copied().find(|t| t.to_string() == f.office);
    if office.is_none() {
        wrong("office", "privacy-ask-wrong-office");
    }
    let disclosed_on: Option<JapaneseDate> = f.disclosed_on.parse().ok();
    if kind != Kind::Disclose && disclosed_on.is_none() {
        wrong("disclosed_on", "privacy-ask-wrong-date");
    }
    let proxy = Proxy::from_code(&f.proxy).unwrap_or(Proxy::Nobody);
    let new = NewRequest {
        kind,
        channel: Channel::Page,
        received_on: privacy.today()?,
        disclosed_on: disclosed_on.filter(|_| kind != Kind::Disclose),
        // The account was proved by card or at a counter, and this sign-in is bound to it.
        checked: format!("いしかわID（{}）", sign_in.assurance.acr().unwrap_or_default()),
        proxy,
        proxy_checked: String::new(),
        letter: Letter {
            name: f.name.trim().to_owned(),
            address: f.address.trim().to_owned(),
            contact: f.contact.trim().to_owned(),
            principal: if proxy == Proxy::Nobody { String::new() } else { f.principal.trim().to_owned() },
            what: f.what.trim().to_owned(),
        },
    };
    let Some(office) = office.filter(|_| wrongs.is_empty()) else {
        return Ok(shown(&privacy, page, &f, wrongs));
    };
    match privacy.ask(&authz.granted, office, subject, &new).await {
        Ok(id) => Ok(Redirect::to(&format!("{HERE}/{office}/{id}")).into_response()),
        Err(PrivacyError::Input(faults)) => {
            let wrongs = super::requests::wrongs(&page, &faults);
            Ok(shown(&privacy, page, &f, wrongs))
        }
        Err(e) => Err(e.into()),
    }
}

/// One of mine: where it stands, what I was told, what I can do against it.
pub(crate) async fn one(
    authz: Authz<ViewOwn>,
    app: App,
    page: Page,
    Path((tenant, id)): Path<(Tenant, RequestId)>,
) -> Result<Response> {
    let (subject, _) = me(&authz)?;
    let privacy = app.get::<Privacy>()?;
    let found = privacy.own_requests(&authz.granted, &[tenant], subject).await?;
    let (_, r) = found.into_iter().find(|(_, r)| r.row.id == id).ok_or_else(Problem::not_found)?;
    let t = |key: &str| page.t(key).phrase();
    let mut facts = vec![
        (t("privacy-ask-office"), office(&page, tenant)),
        (t("privacy-ask-received"), page.date(r.row.received_on)),
        (t("privacy-ask-state"), state_word(&page, &r.row)),
    ];
    if r.row.state == RequestState::Open {
        facts.push((t("privacy-ask-due"), page.date(r.row.due().legal)));
    }
    if let Some(d) = r.row.decision {
        facts.push((t("privacy-ask-decision"), decision_word(&page, d)));
    }
    let mut sections = vec![Section { id: "facts", facts, ..Section::default() }];
    sections.extend(notices(&page, &r));
    if r.row.kind == Kind::Disclose && r.row.state == RequestState::Decided {
        sections.push(Section {
            id: "get",
            title: t("privacy-ask-get"),
            text: t("privacy-ask-get-text"),
            links: vec![Link::new(t("privacy-leave-download"), "/my/data")],
            ..Section::default()
        });
    }
    sections.push(Section {
        id: "letter",
        title: t("privacy-ask-letter"),
        facts: letter_facts(&page, &r),
        ..Section::default()
    });
    let (title, list) = (kind_word(&page, r.row.kind), t("privacy-ask"));
    Ok(own(home(page).crumb(list, HERE), title, View { sections, ..View::default() }))
}

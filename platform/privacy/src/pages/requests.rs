//! `/staff/privacy`: requests by deadline, one request with its steps, a new one from the counter.

use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Form, Path, Query, Result};
use kenroku_types::JapaneseDate;
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Link, Page, Phrase};
use serde::Deserialize;
use serde_json::json;

use super::export::{As, Export};
use super::{Cell, Field, FormView, Is, Section, Table, View, staff};
use crate::alarm::NEAR;
use crate::clock;
use crate::error::PrivacyError;
use crate::module::HandleRequests;
use crate::privacy::Privacy;
use crate::request::{
    Act, Channel, Decision, Kind, Letter, NewRequest, OpenRequest, Proxy, RequestId, RequestRow,
    RequestState, SECTIONS,
};

const HERE: &str = "/staff/privacy";

pub(crate) fn kind_word(page: &Page, k: Kind) -> Phrase {
    match k {
        Kind::Disclose => page.t("privacy-kind-disclose"),
        Kind::Correct => page.t("privacy-kind-correct"),
        Kind::Suspend => page.t("privacy-kind-suspend"),
    }
    .phrase()
}

pub(crate) fn proxy_word(page: &Page, p: Proxy) -> Phrase {
    match p {
        Proxy::Nobody => page.t("privacy-proxy-none"),
        Proxy::Guardian => page.t("privacy-proxy-guardian"),
        Proxy::Agent => page.t("privacy-proxy-agent"),
    }
    .phrase()
}

pub(crate) fn decision_word(page: &Page, d: Decision) -> Phrase {
    match d {
        Decision::Granted => page.t("privacy-decision-granted"),
        Decision::Partly => page.t("privacy-decision-partly"),
        Decision::Refused => page.t("privacy-decision-refused"),
        Decision::Absent => page.t("privacy-decision-absent"),
        Decision::Unspoken => page.t("privacy-decision-unspoken"),
    }
    .phrase()
}

fn channel_word(page: &Page, c: Channel) -> Phrase {
    match c {
        Channel::Page => page.t("privacy-channel-page"),
        Channel::Counter => page.t("privacy-channel-counter"),
        Channel::Post => page.t("privacy-channel-post"),
    }
    .phrase()
}

pub(crate) fn state_word(page: &Page, r: &RequestRow) -> Phrase {
    match r.state {
        RequestState::Open if r.special_until.is_some() => page.t("privacy-state-special"),
        RequestState::Open if r.extended_on.is_some() => page.t("privacy-state-extended"),
        RequestState::Open => page.t("privacy-state-open"),
        RequestState::Decided => page.t("privacy-state-decided"),
        RequestState::Closed => page.t("privacy-state-closed"),
        RequestState::Withdrawn => page.t("privacy-state-withdrawn"),
    }
    .phrase()
}

fn notice_word(page: &Page, kind: &str) -> Phrase {
    match kind {
        "pause" => page.t("privacy-notice-pause"),
        "extend" => page.t("privacy-notice-extend"),
        "special" => page.t("privacy-notice-special"),
        "decide" => page.t("privacy-notice-decide"),
        _ => page.t("privacy-notice-close"),
    }
    .phrase()
}

/// What is wrong with a form, in the page's language.
pub(crate) fn wrongs(page: &Page, faults: &[(&'static str, String)]) -> Vec<Wrong> {
    let text = |field: &str| match field {
        "name" => page.t("privacy-ask-wrong-name"),
        "address" => page.t("privacy-ask-wrong-address"),
        "what" => page.t("privacy-ask-wrong-what"),
        "principal" => page.t("privacy-ask-wrong-principal"),
        "office" => page.t("privacy-ask-wrong-office"),
        _ => page.t("privacy-ask-wrong-date"),
    };
    faults.iter().map(|(f, _)| Wrong { field: (*f).to_owned(), text: text(f).phrase() }).collect()
}

/// What the person wrote.
pub(crate) fn letter_facts(page: &Page, r: &OpenRequest) -> Vec<(Phrase, Phrase)> {
    let l = &r.letter;
    let mut out = vec![
        (page.t("privacy-ask-what").phrase(), Phrase::text(&l.what)),
        (page.t("privacy-ask-name").phrase(), Phrase::text(&l.name)),
        (page.t("privacy-ask-address").phrase(), Phrase::text(&l.address)),
    ];
    if !l.contact.is_empty() {
        out.push((page.t("privacy-ask-contact").phrase(), Phrase::text(&l.contact)));
    }
    out.push((page.t("privacy-ask-proxy").phrase(), proxy_word(page, r.row.proxy)));
    if !l.principal.is_empty() {
        out.push((page.t("privacy-ask-principal").phrase(), Phrase::text(&l.principal)));
    }
    if let Some(d) = r.row.disclosed_on {
        out.push((page.t("privacy-ask-disclosed").phrase(), page.date(d)));
    }
    out
}

/// What the person was told, with the articles and the way to appeal.
pub(crate) fn notices(page: &Page, r: &OpenRequest) -> Vec<Section> {
    let t = |key: &str| page.t(key).phrase();
    let ids = ["told-1", "told-2", "told-3", "told-4", "told-5", "told-6", "told-7", "told-8"];
    let told = r.notices.iter().zip(ids).map(|(n, id)| {
        let mut facts = vec![(t("privacy-notice-on"), page.date(n.on))];
        let list = match n.kind == "decide" {
            true => sections_of(&r.row).map(Phrase::text).collect(),
            false => Vec::new(),
        };
        if n.kind == "decide" {
            facts.extend(r.row.decision.map(|d| (t("privacy-ask-decision"), decision_word(page, d))));
        }
        if !n.text.is_empty() {
            facts.push((t("privacy-notice-reason"), Phrase::text(&n.text)));
        }
        if !n.fee.is_empty() {
            facts.push((t("privacy-ask-fee"), Phrase::text(&n.fee)));
        }
        Section { id, title: notice_word(page, &n.kind), facts, list, ..Section::default() }
    });
    let mut out: Vec<Section> = told.collect();
    if let (Some(on), Some(d)) = (r.row.decided_on, r.row.decision)
        && d != Decision::Granted
        && let (Some(three), Some(six)) = (clock::months_after(on, 3), clock::months_after(on, 6))
    {
        let text =
            page.t("privacy-appeal-text").with("appeal", page.date(three)).with("suit", page.date(six));
        out.push(Section {
            id: "appeal",
            title: t("privacy-appeal"),
            text: text.phrase(),
            ..Section::default()
        });
    }
    out
}

fn sections_of(r: &RequestRow) -> impl Iterator<Item = &'static str> {
    let codes: Vec<&str> = r.sections.split_whitespace().collect();
    let kind = r.kind;
    let known = SECTIONS.iter().filter(move |(k, code, _)| *k == kind && codes.contains(code));
    known.map(|(.., words)| *words)
}

/// How near a deadline is, in words that do not rest on colour.
pub(crate) fn nearness(page: &Page, today: JapaneseDate, by: JapaneseDate) -> Phrase {
    match by.days_since(today) {
        n if n < 0 => page.t("privacy-late").with("n", -n).phrase(),
        0 => page.t("privacy-today").phrase(),
        n if n <= NEAR => page.t("privacy-near").with("n", n).phrase(),
        n => page.t("privacy-left").with("n", n).phrase(),
    }
}

/// The work list.
pub(crate) async fn list(
    authz: Authz<HandleRequests>,
    app: App,
    page: Page,
    Query(q): Query<As>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let (today, tenant) = (privacy.today()?, authz.tenant());
    let (open, closed) = privacy.requests(tenant).await?;
    if let Some(kind) = q.kind() {
        let head = [
            "id",
            "kind",
            "channel",
            "received_on",
            "days",
            "paused",
            "extended_on",
            "special_until",
            "due",
            "state",
            "decision",
            "decided_on",
            "sections",
        ];
        let date = |d: Option<JapaneseDate>| d.map_or_else(String::new, |d| d.to_string());
        let rows = open.iter().chain(&closed).map(|r| {
            let decision = r.decision.map_or("", Decision::code);
            json!([
                r.id,
                r.kind.code(),
                r.channel.code(),
                r.received_on.to_string(),
                r.days,
                r.paused,
                date(r.extended_on),
                date(r.special_until),
                r.due().legal.to_string(),
                r.state.code(),
                decision,
                date(r.decided_on),
                r.sections
            ])
        });
        return Ok(Export::new("requests", &head, rows.collect()).respond(kind));
    }
    let t = |key: &str| page.t(key).phrase();
    let late = open.iter().filter(|r| r.state == RequestState::Open && r.due().work_by < today).count();
    let row = |r: &RequestRow, near: bool| {
        let due = r.due();
        let when = if near { nearness(&page, today, due.work_by) } else { Phrase::default() };
        vec![
            Cell { text: kind_word(&page, r.kind), href: format!("{HERE}/requests/{}", r.id) },
            page.date(r.received_on).into(),
            state_word(&page, r).into(),
            page.date(due.legal).into(),
            match near {
                true => when.into(),
                false => r.decision.map_or(Phrase::text("–"), |d| decision_word(&page, d)).into(),
            },
        ]
    };
    let heads = |last: &str| {
        ["privacy-ask-kind", "privacy-ask-received", "privacy-ask-state", "privacy-ask-due", last]
            .map(t)
            .to_vec()
    };
    let working: Vec<_> = open.iter().map(|r| row(r, r.state == RequestState::Open)).collect();
    let done: Vec<_> = closed.iter().map(|r| row(r, false)).collect();
    let empty = if working.is_empty() { t("privacy-requests-none") } else { Phrase::default() };
    let mut sections = vec![Section {
        id: "open",
        title: t("privacy-requests-open"),
        text: empty,
        table: (!working.is_empty()).then(|| Table { head: heads("privacy-requests-left"), rows: working }),
        links: vec![
            Link::new(t("privacy-requests-new"), format!("{HERE}/requests/new")),
            Link::new(t("privacy-export-csv"), format!("{HERE}?as=csv")),
            Link::new(t("privacy-export-json"), format!("{HERE}?as=json")),
        ],
        ..Section::default()
    }];
    if !done.is_empty() {
        sections.push(Section {
            id: "closed",
            title: t("privacy-requests-closed"),
            table: Some(Table { head: heads("privacy-ask-decision"), rows: done }),
            ..Section::default()
        });
    }
    let notice = (late > 0).then(|| {
        ("error", page.t("privacy-requests-late").with("n", late).phrase(), t("privacy-requests-late-text"))
    });
    let v = View { lead: t("privacy-requests-lead"), notice, sections, ..View::default() };
    let title = t("privacy-requests");
    staff(page, title, authz.tenant(), HERE, v)
}

/// What is filled in at the counter.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Filled {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    received_on: String,
    #[serde(default)]
    disclosed_on: String,
    #[serde(default)]
    checked: String,
    #[serde(default)]
    proxy: String,
    #[serde(default)]
    proxy_checked: String,
    #[serde(default)]
    principal: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    contact: String,
    #[serde(default)]
    what: String,
}

/// The counter's form.
pub(crate) async fn blank(authz: Authz<HandleRequests>, app: App, page: Page) -> Result<Response> {
    let today = app.get::<Privacy>()?.today()?;
    let f = Filled { received_on: today.to_string(), ..Filled::default() };
    form(page, authz.tenant(), &f, Vec::new())
}

fn form(page: Page, tenant: kenroku_types::Tenant, f: &Filled, wrongs: Vec<Wrong>) -> Result<Response> {
    let t = |key: &str| page.t(key).phrase();
    let line = |name: &'static str, label: &str, value: &str, required: bool| Field {
        value: value.to_owned(),
        required,
        ..Field::new(Is::Line, name, t(label))
    };
    let kinds = Kind::ALL.iter().map(|k| Choice::new(k.code(), kind_word(&page, *k), f.kind == k.code()));
    let channels = [Channel::Counter, Channel::Post];
    let channels =
        channels.iter().map(|c| Choice::new(c.code(), channel_word(&page, *c), f.channel == c.code()));
    let proxies = Proxy::ALL.iter().map(|p| {
        let chosen = f.proxy == p.code() || (f.proxy.is_empty() && *p == Proxy::Nobody);
        Choice::new(p.code(), proxy_word(&page, *p), chosen)
    });
    let fields = vec![
        Field::new(Is::Select, "kind", t("privacy-ask-kind")).choices(kinds.collect()),
        Field::new(Is::Select, "channel", t("privacy-channel")).choices(channels.collect()),
        Field { kind: "date", ..line("received_on", "privacy-ask-received", &f.received_on, true) },
        Field {
            kind: "date",
            hint: t("privacy-ask-disclosed-hint"),
            ..line("disclosed_on", "privacy-ask-disclosed", &f.disclosed_on, false)
        },
        line("name", "privacy-ask-name", &f.name, true),
        line("address", "privacy-ask-address", &f.address, true),
        line("contact", "privacy-ask-contact", &f.contact, false),
        Field { hint: t("privacy-checked-hint"), ..line("checked", "privacy-checked", &f.checked, false) },
        Field::new(Is::Select, "proxy", t("privacy-ask-proxy")).choices(proxies.collect()),
        line("principal", "privacy-ask-principal", &f.principal, false),
        Field {
            hint: t("privacy-proxy-checked-hint"),
            ..line("proxy_checked", "privacy-proxy-checked", &f.proxy_checked, false)
        },
        Field {
            value: f.what.clone(),
            required: true,
            ..Field::new(Is::Area, "what", t("privacy-ask-what"))
        },
    ];
    let form = FormView {
        action: format!("{HERE}/requests/new"),
        fields,
        button: t("privacy-requests-enter"),
        primary: true,
        ..FormView::default()
    };
    let v = View {
        lead: t("privacy-requests-new-lead"),
        wrongs,
        sections: vec![Section { id: "form", form: Some(form), ..Section::default() }],
        ..View::default()
    };
    let title = t("privacy-requests-new");
    staff(page, title, tenant, HERE, v)
}

/// A request is entered.
pub(crate) async fn receive(
    authz: Authz<HandleRequests>,
    app: App,
    page: Page,
    Form(f): Form<Filled>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let received: Option<JapaneseDate> = f.received_on.parse().ok();
    let disclosed: Option<JapaneseDate> = f.disclosed_on.parse().ok();
    let (Some(received_on), Some(kind)) = (received, Kind::from_code(&f.kind)) else {
        let wrongs = wrongs(&page, &[("received_on", String::new())]);
        return form(page, authz.tenant(), &f, wrongs);
    };
    let new = NewRequest {
        kind,
        channel: Channel::from_code(&f.channel).unwrap_or(Channel::Counter),
        received_on,
        disclosed_on: disclosed.filter(|_| kind != Kind::Disclose),
        checked: f.checked.trim().to_owned(),
        proxy: Proxy::from_code(&f.proxy).unwrap_or(Proxy::Nobody),
        proxy_checked: f.proxy_checked.trim().to_owned(),
        letter: Letter {
            name: f.name.trim().to_owned(),
            address: f.address.trim().to_owned(),
            contact: f.contact.trim().to_owned(),
            principal: f.principal.trim().to_owned(),
            what: f.what.trim().to_owned(),
        },
    };
    match privacy.receive(&authz.granted, &new).await {
        Ok(id) => Ok(Redirect::to(&format!("{HERE}/requests/{id}")).into_response()),
        Err(PrivacyError::Input(faults)) => {
            let wrongs = wrongs(&page, &faults);
            form(page, authz.tenant(), &f, wrongs)
        }
        Err(e) => Err(e.into()),
    }
}

/// What came back from a step.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Came {
    #[serde(default)]
    not: String,
}

/// One request with what can be done now.
pub(crate) async fn one(
    authz: Authz<HandleRequests>,
    app: App,
    page: Page,
    Path(id): Path<RequestId>,
    Query(came): Query<Came>,
) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let r = privacy.request(&authz.granted, id).await?;
    let (today, t) = (privacy.today()?, |key: &str| page.t(key).phrase());
    let due = r.row.due();
    let open = r.row.state == RequestState::Open;
    let dash = |text: &str| Phrase::text(if text.is_empty() { "–" } else { text });
    let mut facts = vec![
        (t("privacy-ask-state"), state_word(&page, &r.row)),
        (t("privacy-channel"), channel_word(&page, r.row.channel)),
        (t("privacy-ask-received"), page.date(r.row.received_on)),
        (t("privacy-ask-due"), page.date(due.legal)),
    ];
    if open {
        facts.push((t("privacy-work-by"), page.date(due.work_by)));
        facts.push((t("privacy-requests-left"), nearness(&page, today, due.work_by)));
        facts.push((t("privacy-extend-by"), page.date(r.row.course().extend_by().legal)));
    }
    facts.push((t("privacy-checked"), dash(&r.row.checked)));
    if r.row.proxy != Proxy::Nobody {
        facts.push((t("privacy-proxy-checked"), dash(&r.row.proxy_checked)));
    }
    let mut sections = vec![
        Section { id: "facts", facts, ..Section::default() },
        Section {
            id: "letter",
            title: t("privacy-ask-letter"),
            facts: letter_facts(&page, &r),
            ..Section::default()
        },
    ];
    if r.row.too_late() {
        sections[1].text = t("privacy-ninety");
    }
    sections.extend(notices(&page, &r));
    sections.extend(steps(&page, &r));
    let notice = match came.not.as_str() {
        "" => None,
        code => {
            let why = match code {
                "checked" => t("privacy-not-checked"),
                "in-time" => t("privacy-not-in-time"),
                "twice" => t("privacy-not-twice"),
                "section" => t("privacy-not-section"),
                "later" => t("privacy-not-later"),
                "text" => t("privacy-not-text"),
                _ => t("privacy-not-now"),
            };
            Some(("error", t("privacy-not"), why))
        }
    };
    let title = kind_word(&page, r.row.kind);
    staff(page, title, authz.tenant(), HERE, View { notice, sections, ..View::default() })
}

/// The forms of the steps that are open.
fn steps(page: &Page, r: &OpenRequest) -> Vec<Section> {
    let t = |key: &str| page.t(key).phrase();
    let action = format!("{HERE}/requests/{}", r.row.id);
    let step = |id: &'static str, title: &str, text: &str, fields: Vec<Field>, primary: bool| Section {
        id,
        title: t(title),
        text: if text.is_empty() { Phrase::default() } else { t(text) },
        form: Some(FormView {
            action: action.clone(),
            hidden: vec![("act", id.to_owned()), ("version", r.row.version.to_string())],
            // Several forms stand on the page: ids carry the step's name.
            fields: fields.into_iter().map(|f| Field { id: format!("{id}-{}", f.name), ..f }).collect(),
            button: t(title),
            primary,
            file: false,
        }),
        ..Section::default()
    };
    let reason = || Field { required: true, ..Field::new(Is::Area, "text", t("privacy-notice-reason")) };
    match r.row.state {
        RequestState::Open => {
            let person = Field {
                value: r.row.checked.clone(),
                hint: t("privacy-checked-hint"),
                required: true,
                ..Field::new(Is::Line, "person", t("privacy-checked"))
            };
            let proxy = Field {
                value: r.row.proxy_checked.clone(),
                hint: t("privacy-proxy-checked-hint"),
                ..Field::new(Is::Line, "proxy", t("privacy-proxy-checked"))
            };
            let check = if r.row.proxy == Proxy::Nobody { vec![person] } else { vec![person, proxy] };
            let decisions =
                Decision::ALL.iter().map(|d| Choice::new(d.code(), decision_word(page, *d), false));
            let articles = SECTIONS.iter().filter(|(k, ..)| *k == r.row.kind);
            let articles = articles.map(|(_, code, words)| Choice::new(*code, Phrase::text(words), false));
            let mut out = vec![
                step("check", "privacy-act-check", "", check, false),
                step(
                    "decide",
                    "privacy-act-decide",
                    "privacy-act-decide-text",
                    vec![
                        Field::new(Is::Select, "decision", t("privacy-ask-decision"))
                            .choices(decisions.collect()),
                        Field::new(Is::Checks, "section", t("privacy-sections")).choices(articles.collect()),
                        Field::new(Is::Area, "text", t("privacy-notice-reason")),
                        Field::new(Is::Line, "fee", t("privacy-ask-fee")),
                    ],
                    true,
                ),
            ];
            let days = Field { required: true, ..Field::new(Is::Line, "days", t("privacy-pause-days")) };
            out.push(step(
                "pause",
                "privacy-act-pause",
                "privacy-act-pause-text",
                vec![days, reason()],
                false,
            ));
            if r.row.extended_on.is_none() && r.row.special_until.is_none() {
                out.push(step(
                    "extend",
                    "privacy-act-extend",
                    "privacy-act-extend-text",
                    vec![reason()],
                    false,
                ));
            }
            if r.row.special_until.is_none() {
                let until = Field {
                    kind: "date",
                    required: true,
                    ..Field::new(Is::Line, "until", t("privacy-special-until"))
                };
                let fields = vec![until, reason()];
                out.push(step("special", "privacy-act-special", "privacy-act-special-text", fields, false));
            }
            out.push(step("withdraw", "privacy-act-withdraw", "", Vec::new(), false));
            out
        }
        RequestState::Decided => {
            vec![step("close", "privacy-act-close", "privacy-act-close-text", vec![reason()], true)]
        }
        RequestState::Closed | RequestState::Withdrawn => Vec::new(),
    }
}

/// A step as it is sent: pairs, for a box may be ticked more than once.
fn parsed(pairs: &[(String, String)]) -> Option<(i64, Act)> {
    let get = |name: &str| pairs.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let text = || get("text").to_owned();
    let act = match get("act") {
        "check" => Act::Check { person: get("person").to_owned(), proxy: get("proxy").to_owned() },
        "pause" => Act::Pause { days: get("days").trim().parse().unwrap_or(0), text: text() },
        "extend" => Act::Extend { text: text() },
        // A day that cannot be read is not later than the deadline, and is refused as such.
        "special" => Act::Special {
            until: get("until").parse().or_else(|_| JapaneseDate::new(1900, 1, 1)).ok()?,
            text: text(),
        },
        "decide" => Act::Decide {
            decision: Decision::from_code(get("decision"))?,
            sections: pairs.iter().filter(|(n, _)| n == "section").map(|(_, v)| v.clone()).collect(),
            text: text(),
            fee: get("fee").to_owned(),
        },
        "close" => Act::Close { text: text() },
        "withdraw" => Act::Withdraw,
        _ => return None,
    };
    Some((get("version").parse().ok()?, act))
}

/// Takes a step.
pub(crate) async fn act(
    authz: Authz<HandleRequests>,
    app: App,
    Path(id): Path<RequestId>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Redirect> {
    let privacy = app.get::<Privacy>()?;
    let here = format!("{HERE}/requests/{id}");
    let Some((version, act)) = parsed(&pairs) else { return Ok(Redirect::to(&here)) };
    match privacy.act(&authz.granted, id, version, &act).await {
        Ok(_) => Ok(Redirect::to(&here)),
        Err(PrivacyError::Refused(code)) => Ok(Redirect::to(&format!("{here}?not={code}"))),
        Err(e) => Err(e.into()),
    }
}

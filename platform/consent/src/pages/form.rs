//! The data officer's form: a new agreement, new words for one, the end of one.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Form, Path, Result};
use kenroku_types::Tenant;
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Html, Page, Phrase};
use serde::Deserialize;

use super::{item_name, staff};
use crate::consent::Consent;
use crate::error::ConsentError;
use crate::model::{AgreedItem, AgreementId, DataUse, LawfulBasis, RecipientId, Terms, Texts};
use crate::module::ManageAgreements;

#[derive(Template)]
#[template(path = "consent-form.html")]
struct Shown {
    page: Page,
    wrongs: Vec<Wrong>,
    recipients: Vec<Choice>,
    /// The code's field and the recipient's choice: only of a new agreement.
    fresh: bool,
    bases: Vec<Choice>,
    uses: Vec<Choice>,
    f: Filled,
    texts: Vec<TextView>,
    items: Vec<ItemView>,
    action: String,
    end: String,
}

struct TextView {
    name: &'static str,
    label: Phrase,
    hint: Phrase,
    value: String,
}

struct ItemView {
    code: String,
    label: Phrase,
    asked: bool,
    required: bool,
}

/// What came by the form.
#[derive(Clone, Debug, Default, PartialEq)]
struct Filled {
    code: String,
    recipient: String,
    version: i64,
    texts: [String; 9],
    items: Vec<AgreedItem>,
    basis: String,
    article: String,
    data_use: String,
    retention_days: String,
    valid_days: String,
}

/// The nine texts: what they say, in three languages.
const TEXTS: [&str; 9] = [
    "service_ja",
    "service_yasashii",
    "service_en",
    "purpose_ja",
    "purpose_yasashii",
    "purpose_en",
    "without_ja",
    "without_yasashii",
    "without_en",
];

impl Filled {
    fn read(fields: Vec<(String, String)>) -> Self {
        let one = |name: &str| {
            fields.iter().find(|(n, _)| n == name).map_or_else(String::new, |(_, v)| v.trim().to_owned())
        };
        let all = |name: &str| -> Vec<String> {
            fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect()
        };
        let required = all("required");
        let items =
            all("item").into_iter().map(|code| AgreedItem { required: required.contains(&code), code });
        Filled {
            code: one("code"),
            recipient: one("recipient"),
            version: one("version").parse().unwrap_or_default(),
            texts: TEXTS.map(one),
            items: items.collect(),
            basis: one("basis"),
            article: one("article"),
            data_use: one("data_use"),
            retention_days: one("retention_days"),
            valid_days: one("valid_days"),
        }
    }

    fn of(code: &str, version: i64, t: &Terms) -> Self {
        let texts = [&t.service, &t.purpose, &t.without].map(|t| [&t.ja, &t.yasashii, &t.en]);
        let mut flat = texts.into_iter().flatten().cloned();
        Filled {
            code: code.to_owned(),
            recipient: String::new(),
            version,
            texts: std::array::from_fn(|_| flat.next().unwrap_or_default()),
            items: t.items.clone(),
            basis: t.basis.code().to_owned(),
            article: t.article.clone(),
            data_use: t.data_use.code().to_owned(),
            retention_days: t.retention_days.to_string(),
            valid_days: t.valid_days.to_string(),
        }
    }

    fn terms(&self) -> Terms {
        let [a, b, c, d, e, f, g, h, i] = &self.texts;
        Terms {
            service: Texts::new(a, b, c),
            purpose: Texts::new(d, e, f),
            without: Texts::new(g, h, i),
            basis: LawfulBasis::from_code(&self.basis).unwrap_or(LawfulBasis::Consent),
            article: self.article.clone(),
            data_use: DataUse::from_code(&self.data_use).unwrap_or_default(),
            items: self.items.clone(),
            // What is no number is refused as out of bounds, with the words for it.
            retention_days: self.retention_days.parse().unwrap_or_default(),
            valid_days: self.valid_days.parse().unwrap_or_default(),
        }
    }
}

async fn show(
    app: &App,
    page: Page,
    tenant: Tenant,
    f: Filled,
    id: Option<AgreementId>,
    wrongs: Vec<Wrong>,
) -> Result<Response> {
    let consent = app.get::<Consent>()?;
    let rows = consent.recipients(tenant).await?;
    let recipients = rows.iter().map(|r| {
        let id = r.id.to_string();
        Choice::new(id.clone(), Phrase::text(&r.name), id == f.recipient)
    });
    let t = |key: &str| page.t(key).phrase();
    let label = |name: &str| match name.split_once('_') {
        Some(("service", _)) => t("consent-form-service"),
        Some(("purpose", _)) => t("consent-purpose"),
        _ => t("consent-form-without"),
    };
    let language = |name: &str| match name.rsplit('_').next() {
        Some("ja") => t("consent-form-ja"),
        Some("yasashii") => t("consent-form-yasashii"),
        _ => t("consent-form-en"),
    };
    let texts = TEXTS.iter().zip(&f.texts).map(|(name, value)| TextView {
        name,
        label: label(name),
        hint: language(name),
        value: value.clone(),
    });
    let mut items = Vec::new();
    for source in consent.sources().all() {
        for item in source.items() {
            let agreed = f.items.iter().find(|i| i.code == item.code);
            items.push(ItemView {
                code: item.code.to_owned(),
                label: item_name(&page, item),
                asked: agreed.is_some(),
                required: agreed.is_some_and(|i| i.required),
            });
        }
    }
    let bases = [
        (LawfulBasis::Consent, "consent-basis-consent"),
        (LawfulBasis::LegalObligation, "consent-basis-law"),
        (LawfulBasis::PublicTask, "consent-basis-task"),
        (LawfulBasis::VitalInterest, "consent-basis-danger"),
    ]
    .map(|(basis, key)| Choice::new(basis.code(), t(key), f.basis == basis.code()));
    let uses = [(DataUse::Using, "consent-use-using"), (DataUse::Source, "consent-use-source")]
        .map(|(way, key)| Choice::new(way.code(), t(key), f.data_use == way.code()));
    let (action, end) = match id {
        None => ("/staff/consent/new".to_owned(), String::new()),
        Some(id) => {
            (format!("/staff/consent/agreements/{id}"), format!("/staff/consent/agreements/{id}/end"))
        }
    };
    let view = Shown {
        wrongs,
        recipients: recipients.collect(),
        fresh: id.is_none(),
        bases: bases.to_vec(),
        uses: uses.to_vec(),
        texts: texts.collect(),
        items,
        action,
        end,
        page: {
            let title = if id.is_none() { t("consent-form-new") } else { t("consent-form-revise") };
            staff::console(page.clone().title(title), tenant, "/staff/consent/new")?
        },
        f,
    };
    Ok(Html(view).into_response())
}

/// What is wrong, each at its field.
fn wrongs(page: &Page, faults: Vec<(&'static str, String)>) -> Vec<Wrong> {
    let word = |field: &str| match field {
        "service" => ("service_ja", "consent-wrong-texts"),
        "purpose" => ("purpose_ja", "consent-wrong-texts"),
        "without" => ("without_ja", "consent-wrong-texts"),
        "items" => ("items", "consent-wrong-items"),
        "article" => ("article", "consent-wrong-article"),
        "basis" => ("article", "consent-wrong-basis"),
        "code" => ("code", "consent-wrong-code"),
        "valid_days" => ("valid_days", "consent-wrong-days"),
        _ => ("retention_days", "consent-wrong-days"),
    };
    faults
        .into_iter()
        .map(|(field, _)| {
            let (at, key) = word(field);
            Wrong { field: at.to_owned(), text: page.t(key).phrase() }
        })
        .collect()
}

/// An empty form.
pub(crate) async fn blank(authz: Authz<ManageAgreements>, app: App, page: Page) -> Result<Response> {
    let f = Filled { retention_days: "365".to_owned(), valid_days: "365".to_owned(), ..Filled::default() };
    show(&app, page, authz.tenant(), f, None, Vec::new()).await
}

/// Makes the agreement.
pub(crate) async fn agree(
    authz: Authz<ManageAgreements>,
    app: App,
    page: Page,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let f = Filled::read(fields);
    let Ok(recipient) = f.recipient.parse::<RecipientId>() else {
        let text = page.t("consent-wrong-recipient").phrase();
        let wrong = Wrong { field: "recipient".to_owned(), text };
        return show(&app, page, authz.tenant(), f, None, vec![wrong]).await;
    };
    let consent = app.get::<Consent>()?;
    match consent.agree(&authz.granted, &f.code, recipient, &f.terms()).await {
        Ok(_) => Ok(Redirect::to("/staff/consent").into_response()),
        Err(ConsentError::Input(faults)) => {
            let wrongs = wrongs(&page, faults);
            show(&app, page, authz.tenant(), f, None, wrongs).await
        }
        Err(ConsentError::Taken) => {
            let text = page.t("consent-wrong-taken").phrase();
            let wrong = Wrong { field: "code".to_owned(), text };
            show(&app, page, authz.tenant(), f, None, vec![wrong]).await
        }
        Err(e) => Err(e.into()),
    }
}

/// The form of an agreement that is in force.
pub(crate) async fn filled(
    authz: Authz<ManageAgreements>,
    app: App,
    page: Page,
    Path(id): Path<AgreementId>,
) -> Result<Response> {
    let consent = app.get::<Consent>()?;
    let a = consent.agreement(&mut consent.db().read().await?, authz.tenant(), id).await?;
    let f = Filled::of(&a.row.code, a.row.version, &a.now.terms);
    show(&app, page, authz.tenant(), f, Some(id), Vec::new()).await
}

/// Puts new words into force.
pub(crate) async fn revise(
    authz: Authz<ManageAgreements>,
    app: App,
    page: Page,
    Path(id): Path<AgreementId>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let f = Filled::read(fields);
    match app.get::<Consent>()?.revise(&authz.granted, id, f.version, &f.terms()).await {
        Ok(_) => Ok(Redirect::to("/staff/consent").into_response()),
        Err(ConsentError::Input(faults)) => {
            let wrongs = wrongs(&page, faults);
            show(&app, page, authz.tenant(), f, Some(id), wrongs).await
        }
        Err(e) => Err(e.into()),
    }
}

/// Which version the page showed.
#[derive(Debug, Deserialize)]
pub(crate) struct End {
    version: i64,
}

/// Ends it.
pub(crate) async fn end(
    authz: Authz<ManageAgreements>,
    app: App,
    Path(id): Path<AgreementId>,
    Form(end): Form<End>,
) -> Result<Redirect> {
    app.get::<Consent>()?.end_agreement(&authz.granted, id, end.version).await?;
    Ok(Redirect::to("/staff/consent"))
}

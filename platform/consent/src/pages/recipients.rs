//! `/staff/consent/recipients`: who receives personal data, and a key for a new program.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::accounts::{Accounts, KeyHolder, NewKey};
use kenroku_access::{Authz, ClientId, Permission as _};
use kenroku_http::{App, Form, Result};
use kenroku_ui::parts::Wrong;
use kenroku_ui::{Html, Page};
use serde::Deserialize;

use super::staff;
use crate::consent::{Consent, NewRecipient};
use crate::error::ConsentError;
use crate::model::{RecipientId, RecipientKind};
use crate::module::{Deliver, ManageAgreements, Obtain};
use crate::sql::RecipientRow;

#[derive(Template)]
#[template(path = "consent-recipients.html")]
pub(crate) struct Recipients {
    page: Page,
    rows: Vec<RecipientRow>,
    /// The key of a program just registered, shown this once.
    key: Option<String>,
    form: New,
    wrongs: Vec<Wrong>,
}

/// The form that registers a vendor's program.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct New {
    #[serde(default)]
    name: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    representative: String,
    /// The sector of its sign-in by いしかわID; empty when it has none.
    #[serde(default)]
    sector: String,
    /// Where it wants to be told; empty when it fetches its notices.
    #[serde(default)]
    push_url: String,
}

async fn show(
    authz: &Authz<ManageAgreements>,
    app: &App,
    page: Page,
    key: Option<String>,
    form: New,
    wrongs: Vec<Wrong>,
) -> Result<Html<Recipients>> {
    let rows = app.get::<Consent>()?.recipients(authz.tenant()).await?;
    let title = page.t("consent-recipients").phrase();
    let page = staff::console(page.title(title), authz.tenant(), "/staff/consent/recipients")?;
    Ok(Html(Recipients { page, rows, key, form, wrongs }))
}

/// The recipients.
pub(crate) async fn list(authz: Authz<ManageAgreements>, app: App, page: Page) -> Result<Html<Recipients>> {
    show(&authz, &app, page, None, New::default(), Vec::new()).await
}

/// Registers a program and gives it its key.
pub(crate) async fn register(
    authz: Authz<ManageAgreements>,
    app: App,
    page: Page,
    Form(form): Form<New>,
) -> Result<Html<Recipients>> {
    let (consent, accounts) = (app.get::<Consent>()?, app.get::<Accounts>()?);
    let client: ClientId = app.env().id();
    let sector = form.sector.trim();
    let new = NewRecipient {
        kind: RecipientKind::Client,
        handle: client.to_string(),
        sector: if sector.is_empty() { String::new() } else { format!("client:{sector}") },
        name: form.name.trim().to_owned(),
        address: form.address.trim().to_owned(),
        representative: form.representative.trim().to_owned(),
    };
    match consent.register_recipient(&authz.granted, new).await {
        Ok(id) => {
            let url = form.push_url.trim();
            if !url.is_empty() {
                match consent.push_to(&authz.granted, id, Some(url)).await {
                    // Registered all the same: the address can be entered again in the list.
                    Ok(()) | Err(ConsentError::Input(_)) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            let new = NewKey {
                holder: KeyHolder::Client(client),
                scopes: &[Obtain::META, Deliver::META],
                label: form.name.trim(),
                expires: None,
            };
            let key = accounts.issue_key(&authz.granted, &new).await?;
            show(&authz, &app, page, Some(key.secret), New::default(), Vec::new()).await
        }
        Err(ConsentError::Input(faults)) => {
            let text = page.t("consent-recipient-wrong").phrase();
            let wrong =
                |(field, _): (&str, String)| Wrong { field: format!("r-{field}"), text: text.clone() };
            let wrongs = faults.into_iter().map(wrong).collect();
            show(&authz, &app, page, None, form, wrongs).await
        }
        Err(e) => Err(e.into()),
    }
}

/// Where a recipient wants to be told.
#[derive(Debug, Deserialize)]
pub(crate) struct PushTo {
    id: RecipientId,
    #[serde(default)]
    push_url: String,
}

/// Sets it.
pub(crate) async fn push(
    authz: Authz<ManageAgreements>,
    app: App,
    page: Page,
    Form(form): Form<PushTo>,
) -> Result<Response> {
    let url = Some(form.push_url.trim()).filter(|u| !u.is_empty());
    match app.get::<Consent>()?.push_to(&authz.granted, form.id, url).await {
        Ok(()) => Ok(Redirect::to("/staff/consent/recipients").into_response()),
        Err(ConsentError::Input(_)) => {
            let text = page.t("consent-recipient-push-wrong").phrase();
            let wrong = Wrong { field: format!("push-{}", form.id), text };
            Ok(show(&authz, &app, page, None, New::default(), vec![wrong]).await?.into_response())
        }
        Err(e) => Err(e.into()),
    }
}

//! What was agreed to: per service what it receives and since when, and the one press that takes it back.

use axum::response::Response;
use kenroku_access::Authz;
use kenroku_http::{App, Form, Query, Result};
use kenroku_ui::{Link, Page, Phrase};
use serde::Deserialize;

use super::{Action, Me, RowView, View, day, listed, see_other, show};
use crate::op::{self, Agreement, Provider};
use crate::{ChangeOwn, ViewOwn};

#[derive(Deserialize)]
pub(super) struct Done {
    /// The name of the service that was just taken off.
    #[serde(default)]
    withdrawn: String,
}

pub(super) async fn page(
    _: Authz<ViewOwn>,
    app: App,
    page: Page,
    me: Me,
    Query(q): Query<Done>,
) -> Result<Response> {
    let (op, s) = (app.get::<Provider>()?, me.session()?);
    let t = |key: &str| page.t(key).phrase();
    let given = op.consents(s.person).await?;
    let own = op.services_that_ask_nobody(s.person).await?;
    let row = |a: &Agreement| {
        let mut lines = Vec::new();
        if !a.organisation.is_empty() {
            let by = page.t("identity-op-consent-organisation").with("organisation", a.organisation.clone());
            lines.push(by.phrase());
        }
        let items = listed(&page, a.claims.iter().map(|c| op::claim_word(&page, c)));
        lines.push(match items.is_empty() {
            true => t("identity-consents-number"),
            false => page.t("identity-consents-items").with("items", items).phrase(),
        });
        lines.extend(
            a.given_at.map(|at| page.t("identity-consents-since").with("time", day(&page, at)).phrase()),
        );
        lines.push(match a.last_used_at {
            Some(at) => page.t("identity-consents-used").with("time", page.day_time(at)).phrase(),
            None if a.given_at.is_none() => t("identity-consents-never"),
            None => t("identity-consents-unused"),
        });
        if a.offline {
            lines.push(t("identity-consents-offline"));
        }
        RowView {
            title: Phrase::text(&a.name),
            lines,
            action: a.given_at.map(|_| Action {
                action: "/id/consents/withdraw",
                hidden: vec![("client", a.client.clone())],
                label: t("identity-consents-withdraw"),
            }),
        }
    };
    let (rows, more): (Vec<_>, Vec<_>) = (given.iter().map(row).collect(), own.iter().map(row).collect());
    let none = given.is_empty();
    let notice = (q.withdrawn == "1")
        .then(|| ("done", t("identity-consents-withdrawn"), t("identity-consents-withdrawn-text")));
    let v = View {
        lead: if none { t("identity-consents-none") } else { t("identity-consents-lead") },
        notice,
        rows,
        more_title: if more.is_empty() { Phrase::default() } else { t("identity-consents-own") },
        more_lead: if more.is_empty() { Phrase::default() } else { t("identity-consents-own-lead") },
        more,
        notes: if none {
            Vec::new()
        } else {
            vec![t("identity-consents-stops"), t("identity-consents-kept")]
        },
        links: vec![Link::new(t("identity-profile"), "/id/profile")],
        ..View::default()
    };
    let title = t("identity-consents");
    Ok(show(page, title, v))
}

#[derive(Deserialize)]
pub(super) struct Which {
    client: String,
}

/// Taking back is as easy as giving: one press, no further proof.
pub(super) async fn withdraw(
    _: Authz<ChangeOwn>,
    app: App,
    me: Me,
    Form(w): Form<Which>,
) -> Result<Response> {
    let (op, s) = (app.get::<Provider>()?, me.session()?);
    let was = op.withdraw_consent(s.person, &w.client).await?;
    Ok(see_other(if was { "/id/consents?withdrawn=1" } else { "/id/consents" }))
}

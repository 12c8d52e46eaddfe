//! `/my/leave`: what leaving means, said before; the question; the way back; the receipt.

use axum::response::{IntoResponse, Redirect, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Form, Path, Public, Result};
use kenroku_types::Timestamp;
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Link, Page, Phrase};
use serde::Deserialize;

use super::{Cell, Field, FormView, Is, Section, Table, View, me, own, said};
use crate::book;
use crate::leave::{LeaveId, LeaveState};
use crate::module::{LeaveOwn, ViewOwn};
use crate::privacy::Privacy;

const HERE: &str = "/my/leave";
/// Signing in anew, and back.
const AGAIN: &str = "/id/sign-in?fresh=1&next=/my/leave";

/// What leaving means, and the next step.
pub(crate) async fn page(authz: Authz<ViewOwn>, app: App, page: Page) -> Result<Response> {
    let (subject, sign_in) = me(&authz)?;
    let privacy = app.get::<Privacy>()?;
    if let Some(row) = privacy.leaving(subject).await? {
        let t = |key: &str| page.t(key).phrase();
        let until = page.t("privacy-leave-until").with("time", page.day_time(row.due_at)).phrase();
        let receipt = format!("{HERE}/{}", row.id);
        let back = FormView {
            action: format!("{HERE}/undo"),
            button: t("privacy-leave-undo"),
            primary: true,
            ..FormView::default()
        };
        let v = View {
            notice: Some(("info", t("privacy-leave-waiting"), until)),
            sections: vec![
                Section { id: "back", form: Some(back), ..Section::default() },
                Section {
                    id: "number",
                    title: t("privacy-leave-number"),
                    text: t("privacy-leave-number-text"),
                    links: vec![Link::new(t("privacy-leave-receipt"), receipt)],
                    ..Section::default()
                },
            ],
            ..View::default()
        };
        let title = t("privacy-leave");
        return Ok(own(home(page), title, v));
    }
    let fresh = is_fresh(&privacy, sign_in.at);
    Ok(shown(&privacy, page, fresh, Vec::new()))
}

fn is_fresh(privacy: &Privacy, at: Timestamp) -> bool {
    at.plus(privacy.rules().fresh) >= privacy.env().now()
}

fn home(page: Page) -> Page {
    let label = page.t("privacy-my").phrase();
    page.crumb(label, "/my").signed_in(true)
}

fn shown(privacy: &Privacy, page: Page, fresh: bool, wrongs: Vec<Wrong>) -> Response {
    let t = |key: &str| page.t(key).phrase();
    let notices: Vec<_> = privacy.holders().all().iter().map(|h| h.notice()).collect();
    let lines = |f: fn(&kenroku_vault::leave::Notice) -> &'static [kenroku_vault::leave::Said]| {
        notices.iter().flat_map(|n| f(n).iter().map(|s| said(&page, *s))).collect::<Vec<Phrase>>()
    };
    let kept = notices.iter().flat_map(|n| n.kept);
    let kept = kept.map(|k| {
        vec![said(&page, k.what).into(), said(&page, k.until).into(), Cell::from(Phrase::text(k.law))]
    });
    let kept = Table {
        head: vec![t("privacy-leave-what"), t("privacy-leave-how-long"), t("privacy-leave-law")],
        rows: kept.collect(),
    };
    let days = privacy.rules().wait.as_secs() / 86_400;
    let last = match fresh {
        false => Section {
            id: "go",
            title: t("privacy-leave-go-title"),
            text: t("privacy-leave-fresh"),
            links: vec![Link::new(t("privacy-leave-sign-in"), AGAIN)],
            ..Section::default()
        },
        true => {
            let sure = vec![Choice::new("yes", t("privacy-leave-sure"), false)];
            Section {
                id: "go",
                title: t("privacy-leave-go-title"),
                text: page.t("privacy-leave-go-text").with("n", days).phrase(),
                form: Some(FormView {
                    action: HERE.to_owned(),
                    fields: vec![Field::new(Is::Checks, "sure", t("privacy-leave-question")).choices(sure)],
                    button: t("privacy-leave-go"),
                    ..FormView::default()
                }),
                ..Section::default()
            }
        }
    };
    let v = View {
        lead: t("privacy-leave-lead"),
        wrongs,
        sections: vec![
            Section {
                id: "erased",
                title: t("privacy-leave-erased"),
                list: lines(|n| n.erased),
                ..Section::default()
            },
            Section {
                id: "kept",
                title: t("privacy-leave-kept"),
                text: t("privacy-leave-kept-text"),
                table: Some(kept),
                ..Section::default()
            },
            Section {
                id: "stops",
                title: t("privacy-leave-stops"),
                list: lines(|n| n.stops),
                ..Section::default()
            },
            Section {
                id: "first",
                title: t("privacy-leave-first"),
                text: t("privacy-leave-first-text"),
                links: vec![Link::new(t("privacy-leave-download"), "/my/data")],
                ..Section::default()
            },
            last,
        ],
        ..View::default()
    };
    let title = t("privacy-leave");
    own(home(page), title, v)
}

/// The answer to the question.
#[derive(Debug, Deserialize)]
pub(crate) struct Sure {
    #[serde(default)]
    sure: String,
}

/// The waiting time begins.
pub(crate) async fn go(
    authz: Authz<LeaveOwn>,
    app: App,
    page: Page,
    Form(form): Form<Sure>,
) -> Result<Response> {
    let (subject, sign_in) = me(&authz)?;
    let privacy = app.get::<Privacy>()?;
    if !is_fresh(&privacy, sign_in.at) {
        return Ok(Redirect::to(AGAIN).into_response());
    }
    if form.sure != "yes" {
        let wrong = Wrong { field: "sure".to_owned(), text: page.t("privacy-leave-tick").phrase() };
        return Ok(shown(&privacy, page, true, vec![wrong]));
    }
    privacy.leave(subject).await?;
    Ok(Redirect::to(HERE).into_response())
}

/// The person stays. No fresh sign-in: coming back is easier than leaving.
pub(crate) async fn undo(authz: Authz<LeaveOwn>, app: App) -> Result<Redirect> {
    let (subject, _) = me(&authz)?;
    app.get::<Privacy>()?.stay(subject).await?;
    Ok(Redirect::to("/my"))
}

/// The receipt, for whoever holds its number: the person has no account any more.
pub(crate) async fn receipt(_: Public, app: App, page: Page, Path(id): Path<LeaveId>) -> Result<Response> {
    let privacy = app.get::<Privacy>()?;
    let (row, receipt) = privacy.left(id).await?;
    let t = |key: &str| page.t(key).phrase();
    let state = match row.state {
        LeaveState::Waiting => t("privacy-leave-waiting"),
        LeaveState::Undone => t("privacy-leave-undone"),
        LeaveState::Erased => t("privacy-leave-done"),
    };
    let mut facts =
        vec![(t("privacy-leave-state"), state), (t("privacy-leave-asked"), page.day_time(row.asked_at))];
    match row.state {
        LeaveState::Waiting => facts.push((t("privacy-leave-due"), page.day_time(row.due_at))),
        _ => facts.extend(row.done_at.map(|at| (t("privacy-leave-done-at"), page.day_time(at)))),
    }
    let mut sections = vec![Section { id: "facts", facts, ..Section::default() }];
    if let Some((entry, receipt)) = receipt {
        let all = privacy.holders().all();
        let name = |module: &str| match all.iter().find(|h| h.module() == module) {
            Some(h) => said(&page, h.names()),
            None => Phrase::text(module),
        };
        let rows = receipt.parts.iter().map(|p| {
            let unreadable = p.unreadable_after.map_or(Phrase::text("–"), |at| page.day_time(at));
            let number = |n: i64| Cell::from(Phrase::text(&page.number(n)));
            vec![name(&p.module).into(), number(p.gone), number(p.kept), unreadable.into()]
        });
        let head =
            ["privacy-leave-where", "privacy-leave-gone", "privacy-leave-stayed", "privacy-leave-unreadable"];
        let rows = rows.collect();
        sections.push(Section {
            id: "parts",
            title: t("privacy-leave-parts"),
            text: t("privacy-leave-parts-text"),
            table: Some(Table { head: head.map(t).to_vec(), rows }),
            ..Section::default()
        });
        sections.push(Section {
            id: "proof",
            title: t("privacy-leave-proof"),
            text: t("privacy-leave-proof-text"),
            facts: vec![
                (t("privacy-leave-book"), Phrase::text(&format!("{} {}", book::ERASURES, entry.number))),
                (t("privacy-leave-hash"), Phrase::text(&entry.hash_text())),
            ],
            ..Section::default()
        });
    }
    let v = View { lead: t("privacy-leave-receipt-lead"), sections, ..View::default() };
    let title = t("privacy-leave-receipt");
    Ok(own(page, title, v))
}

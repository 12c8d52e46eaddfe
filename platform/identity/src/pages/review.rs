//! `/staff/identity/people`: registrations that look like somebody known, both sides beside each other.

use askama::Template;
use axum::response::{IntoResponse, Response};
use kenroku_access::Authz;
use kenroku_http::{App, Form, Result};
use kenroku_ui::parts::Choice;
use kenroku_ui::{Console, Html, Page, Phrase};
use serde::Deserialize;

use super::see_other;
use crate::model::{ReviewId, Sex};
use crate::person::Opened;
use crate::review::Decision;
use crate::{Identity, ReviewPeople};

#[derive(Template)]
#[template(path = "id-review.html")]
struct Reviews {
    page: Page,
    cases: Vec<Case>,
}

struct Case {
    id: ReviewId,
    version: i64,
    title: Phrase,
    sides: Vec<(Phrase, Vec<(Phrase, Phrase)>)>,
    answers: Vec<Choice>,
}

impl Case {
    fn choices(&self) -> &[Choice] {
        &self.answers
    }
}

fn facts(page: &Page, o: Option<Opened>) -> Vec<(Phrase, Phrase)> {
    let t = |key: &str| page.t(key).phrase();
    let Some(o) = o else { return Vec::new() };
    let mut out = vec![(t("identity-name"), Phrase::text(&o.attributes.name.text))];
    if let Some(b) = o.attributes.birth {
        out.push((t("identity-birth"), Phrase::text(&b.to_string())));
    }
    let sex = match o.attributes.sex {
        Some(Sex::Male) => t("identity-sex-male"),
        Some(Sex::Female) => t("identity-sex-female"),
        Some(Sex::Unknown) | None => t("identity-sex-unknown"),
    };
    out.push((t("identity-sex"), sex));
    if let Some(a) = o.attributes.address {
        out.push((t("identity-address"), Phrase::text(&a.text)));
    }
    out.push((t("identity-proof-at"), super::day(page, o.provenance.verified_at)));
    out
}

pub(super) async fn page(authz: Authz<ReviewPeople>, app: App, page: Page) -> Result<Response> {
    let identity = app.get::<Identity>()?;
    let t = |key: &str| page.t(key).phrase();
    let mut cases = Vec::new();
    for r in identity.reviews(&authz.granted).await? {
        let [newcomer, known] = identity.both_sides(&authz.granted, &r, None).await?;
        let why = if r.why == "claims" { t("identity-review-claims") } else { t("identity-review-alike") };
        cases.push(Case {
            id: r.id,
            version: r.version,
            title: why,
            sides: vec![
                (t("identity-review-newcomer"), facts(&page, newcomer)),
                (t("identity-review-known"), facts(&page, known)),
            ],
            answers: vec![
                Choice::new(Decision::Different.code(), t("identity-review-different"), false),
                Choice::new(Decision::Same.code(), t("identity-review-same"), false),
            ],
        });
    }
    let title = t("identity-review");
    let (leave, menu) = (Some(page.sign_out()), vec![page.staff_home()]);
    let console = Console { name: title.clone(), leave, menu, ..Console::default() };
    Ok(Html(Reviews { page: page.title(title).console(console), cases }).into_response())
}

#[derive(Deserialize)]
pub(super) struct Decided {
    id: ReviewId,
    version: i64,
    #[serde(default)]
    decision: String,
}

pub(super) async fn decide(authz: Authz<ReviewPeople>, app: App, Form(d): Form<Decided>) -> Result<Response> {
    let decision = Decision::from_code(&d.decision)
        .ok_or_else(|| kenroku_types::Problem::bad_request("Choose one of the two answers."))?;
    app.get::<Identity>()?.decide(&authz.granted, d.id, d.version, decision).await?;
    Ok(see_other("/staff/identity/people"))
}

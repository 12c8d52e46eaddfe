//! `/staff/bus`: the operator's page of what the bus gave up: jobs and events, each with its error, to be tried again
//! or discarded.
//!
//! It shows names, errors and times. Payloads stay where they are: they are the business of a government.

use askama::Template;
use axum::http::Method;
use axum::response::Redirect;
use kenroku_access::kernel::Organization;
use kenroku_access::{Authz, permission};
use kenroku_bus::{DeadEvent, JobRow};
use kenroku_http::{App, Form, Op, Result, Routes};
use kenroku_types::ids::{EventId, JobId};
use kenroku_types::{Problem, Tenant, Timestamp};
use kenroku_ui::{Console, Html, Link, Page, Phrase};
use serde::Deserialize;

permission! {
    /// うまくいかなかった処理の一覧を見る
    pub ViewDead = "bus.view-dead" on Organization, view;
    /// うまくいかなかった処理をやり直す、捨てる
    pub HandleDead = "bus.handle-dead" on Organization, manage;
}

/// Most rows of each kind on the page; the oldest come first, so the rest follows when these are dealt with.
const SHOWN: u32 = 100;
/// The page's address.
pub(crate) const ADDRESS: &str = "/staff/bus";

pub(crate) fn routes() -> Routes {
    let post = |path: &str| format!("{ADDRESS}/{path}");
    Routes::new()
        .add(Op::new(Method::GET, ADDRESS, list).staff())
        .add(Op::new(Method::POST, &post("jobs/retry"), retry_job).staff())
        .add(Op::new(Method::POST, &post("jobs/discard"), discard_job).staff())
        .add(Op::new(Method::POST, &post("events/retry"), retry_event).staff())
        .add(Op::new(Method::POST, &post("events/discard"), discard_event).staff())
}

#[derive(Template)]
#[template(path = "dead.html")]
struct DeadPage {
    page: Page,
    jobs: Vec<JobLine>,
    events: Vec<EventLine>,
}

struct JobLine {
    row: JobRow,
    whose: Phrase,
    when: Phrase,
    error: String,
}

struct EventLine {
    row: DeadEvent,
    whose: Phrase,
    when: Phrase,
    asked: Option<Phrase>,
}

/// A government by its id, as in the logs; the kernel knows no names.
fn whose(page: &Page, tenant: Tenant) -> Phrase {
    if tenant == Tenant::SHARED { page.t("bus-shared").phrase() } else { Phrase::text(&tenant.to_string()) }
}

async fn list(_: Authz<ViewDead>, app: App, page: Page) -> Result<Html<DeadPage>> {
    let mut tx = app.db().read().await?;
    let jobs = app.bus().dead_jobs(&mut tx, SHOWN).await?;
    let events = app.bus().dead_events(&mut tx, SHOWN).await?;
    drop(tx);
    let when = |t: Timestamp| page.day_time(t);
    let title = page.t("bus-dead-title").phrase();
    let console = Console {
        name: page.t("bus-console").phrase(),
        place: page.t("bus-shared").phrase(),
        who: page.t("bus-operator").phrase(),
        leave: Some(page.sign_out()),
        menu: vec![Link::new(page.t("bus-dead-title"), ADDRESS).current(true), page.staff_home()],
    };
    let jobs = jobs.into_iter().map(|row| JobLine {
        whose: whose(&page, row.tenant),
        when: when(row.ended_at.unwrap_or(row.made_at)),
        error: row.error.clone().unwrap_or_default(),
        row,
    });
    let events = events.into_iter().map(|row| EventLine {
        whose: whose(&page, row.tenant),
        when: when(row.died_at),
        asked: row.replay_at.map(when),
        row,
    });
    Ok(Html(DeadPage {
        jobs: jobs.collect(),
        events: events.collect(),
        page: page.title(title).console(console),
    }))
}

#[derive(Deserialize)]
struct OneJob {
    tenant: Tenant,
    id: JobId,
}

#[derive(Deserialize)]
struct OneEvent {
    tenant: Tenant,
    consumer: String,
    event: EventId,
}

/// Somebody else may have dealt with it since the page was loaded.
fn gone(e: kenroku_bus::Error) -> Problem {
    match e {
        kenroku_bus::Error::NotThere(_) => Problem::conflict("Somebody else has dealt with it already."),
        other => other.into(),
    }
}

async fn retry_job(authz: Authz<HandleDead>, app: App, Form(f): Form<OneJob>) -> Result<Redirect> {
    let mut tx = app.db().begin().await?;
    app.bus().revive(&mut tx, f.tenant, f.id).await.map_err(gone)?;
    tx.commit().await?;
    tracing::info!(actor = %authz.actor(), job = %f.id, "a job that was given up is tried again");
    Ok(Redirect::to(ADDRESS))
}

async fn discard_job(authz: Authz<HandleDead>, app: App, Form(f): Form<OneJob>) -> Result<Redirect> {
    let mut tx = app.db().begin().await?;
    app.bus().discard_job(&mut tx, f.tenant, f.id).await.map_err(gone)?;
    tx.commit().await?;
    tracing::info!(actor = %authz.actor(), job = %f.id, "a job that was given up is discarded");
    Ok(Redirect::to(ADDRESS))
}

async fn retry_event(authz: Authz<HandleDead>, app: App, Form(f): Form<OneEvent>) -> Result<Redirect> {
    let mut tx = app.db().begin().await?;
    app.bus().replay(&mut tx, f.tenant, &f.consumer, f.event).await.map_err(gone)?;
    tx.commit().await?;
    tracing::info!(actor = %authz.actor(), consumer = f.consumer, event = %f.event, "a dead letter is tried again");
    Ok(Redirect::to(ADDRESS))
}

async fn discard_event(authz: Authz<HandleDead>, app: App, Form(f): Form<OneEvent>) -> Result<Redirect> {
    let mut tx = app.db().begin().await?;
    app.bus().discard(&mut tx, f.tenant, &f.consumer, f.event).await.map_err(gone)?;
    tx.commit().await?;
    tracing::info!(actor = %authz.actor(), consumer = f.consumer, event = %f.event, "a dead letter is discarded");
    Ok(Redirect::to(ADDRESS))
}

#[cfg(test)]
mod tests {
    use kenroku_access::{Actor, Assurance, RoleId, SignIn};
    use kenroku_bus::{Consumer, Done, Enqueue, Event, Failed, Handle, Job, Received, Running, Work};
    use kenroku_http::test::{NOW, TestApp};
    use kenroku_store::Tx;
    use serde::Serialize;

    use super::*;
    use crate::Module;
    use crate::test::TestSite;

    #[derive(Serialize, Deserialize)]
    struct Send {}
    impl Job for Send {
        const KIND: &'static str = "probe.send-letter";
    }

    #[derive(Serialize, Deserialize)]
    struct Moved {}
    impl Event for Moved {
        const NAME: &'static str = "probe.moved";
    }

    struct Broken;
    impl Work<Send> for Broken {
        async fn work(&self, _: &Running, _: Send) -> Result<Done, Failed> {
            Err(Failed::never("the <letterbox> is gone"))
        }
    }
    impl Handle<Moved> for Broken {
        async fn handle(&self, _: &mut Tx, _: Received<Moved>) -> Result<(), Failed> {
            Err(Failed::never("the map is upside down"))
        }
    }

    fn staff(role: RoleId) -> Actor {
        let sign_in = SignIn { assurance: Assurance::PasswordOtp, at: NOW };
        let id = kenroku_types::Id::from_uuid(Tenant::SHARED.uuid());
        Actor::Staff { id, tenant: Tenant::SHARED, roles: vec![role], sign_in }
    }

    /// A site on which a job and an event have just been given up.
    async fn site() -> TestSite {
        let module = Module::new("probe").work(|worker, _| {
            Ok(worker.job::<Send, _>(Broken).consumer(Consumer::new("probe.follow").on(Broken)))
        });
        let site = TestSite::of([module]).await;
        // A consumer begins with the first event after it was there.
        site.work().await;
        let mut tx = site.app().db().begin().await.unwrap();
        let bus = site.app().bus();
        bus.enqueue(&mut tx, Tenant::SHARED, &Send {}, Enqueue::now()).await.unwrap();
        bus.publish(&mut tx, Tenant::SHARED, &Moved {}).await.unwrap();
        tx.commit().await.unwrap();
        site.work().await;
        site
    }

    fn value(html: &str, name: &str) -> String {
        let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    async fn page(who: &TestApp) -> String {
        let answer = who.get(ADDRESS).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    }

    #[tokio::test]
    async fn the_operator_sees_what_failed_and_has_it_tried_again_or_discards_it() {
        let site = site().await;
        let operator = site.acting(staff(kenroku_access::kernel::OPERATOR));
        let html = page(&operator).await;
        for text in
            ["probe.send-letter", "letterbox", "probe.moved", "probe.follow", "the map is upside down"]
        {
            assert!(html.contains(text), "{text}\n{html}");
        }
        assert!(!html.contains("<letterbox>"), "an error is text");
        let job = format!("tenant={}&id={}", Tenant::SHARED, value(&html, "id"));
        let event =
            format!("tenant={}&consumer=probe.follow&event={}", Tenant::SHARED, value(&html, "event"));
        let post = |path: &'static str, body: &str| {
            let (operator, body) = (operator.clone(), body.to_owned());
            async move { operator.post_form(&format!("{ADDRESS}/{path}"), &[], &body).await.status.as_u16() }
        };

        assert_eq!(post("events/retry", &event).await, 303);
        assert!(page(&operator).await.contains("やり直しを頼みました"));
        assert_eq!(post("jobs/retry", &job).await, 303);
        assert_eq!(post("jobs/retry", &job).await, 409, "somebody else was quicker");
        assert!(!page(&operator).await.contains("probe.send-letter"));
        site.work().await;
        assert!(page(&operator).await.contains("probe.send-letter"), "it failed again");
        assert_eq!(post("jobs/discard", &job).await, 303);
        assert_eq!(post("jobs/discard", &job).await, 409);
        assert_eq!(post("events/discard", &event).await, 303);
        assert_eq!(page(&operator).await.matches("ありません。").count(), 2);
    }

    #[tokio::test]
    async fn nobody_else_sees_or_does_anything() {
        let site = site().await;
        let html = page(&site.acting(staff(kenroku_access::kernel::OPERATOR))).await;
        let job = format!("tenant={}&id={}", Tenant::SHARED, value(&html, "id"));
        for (who, status) in [
            ((*site).clone(), 401),
            (site.acting(staff(kenroku_access::kernel::PREF_ADMIN)), 403),
            (site.acting(staff(kenroku_access::kernel::MUNI_ADMIN)), 403),
            (site.acting(staff(kenroku_access::kernel::DATA_OFFICER)), 403),
        ] {
            assert_eq!(who.get(ADDRESS).await.status, status);
            for path in ["jobs/retry", "jobs/discard"] {
                assert_eq!(who.post_form(&format!("{ADDRESS}/{path}"), &[], &job).await.status, status);
            }
        }
        assert!(page(&site.acting(staff(kenroku_access::kernel::OPERATOR))).await.contains("letterbox"));
    }

    #[test]
    fn texts_are_complete() {
        kenroku_ui::i18n::check(env!("CARGO_MANIFEST_DIR"), &kenroku_ui::locales!("bus", "../i18n")).unwrap();
    }
}

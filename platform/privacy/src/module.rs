//! What the module hands to the binary.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use kenroku_access::{Access, Permission as _, permission, resource_kind};
use kenroku_bus::{Done, Failed, Job, Running, Schedule, Work};
use kenroku_contracts::personal::PseudonymsPort;
use kenroku_http::{App, AppBuilder, Op, Routes};
use kenroku_module::{HookError, Kind, Module, Setting, Values};
use kenroku_types::Tenant;
use kenroku_vault::Vault;
use kenroku_vault::leave::Holders;
use serde::{Deserialize, Serialize};

use crate::{LOCALES, MIGRATIONS, Privacy, PrivacyError, Rules, explain, holder, pages, release, request};

resource_kind! {
    /// 個人情報の保護
    pub PersonalData;
}
permission! {
    /// 自分の求めと退会の状況を見る
    pub ViewOwn = "privacy.view-own" on PersonalData, view, special_care;
    /// 自分のデータの開示・訂正・利用停止を求める
    pub AskOwn = "privacy.ask-own" on PersonalData, operate;
    /// 開示・訂正・利用停止の請求を受け付け、調べて決める
    pub HandleRequests = "privacy.handle-requests" on PersonalData, operate, personal;
    /// 個人情報ファイル簿、漏えい等の記録、受領の記録などの帳簿をつける
    pub KeepRegisters = "privacy.keep-registers" on PersonalData, operate;
    /// 退会してデータを消すことを求める、取りやめる
    pub LeaveOwn = "privacy.leave-own" on PersonalData, operate;
}

/// The module. It starts before those that hold personal data.
pub fn module() -> Module {
    Module::new("privacy")
        .migrations(MIGRATIONS)
        .permissions(&[ViewOwn::META, AskOwn::META, LeaveOwn::META, HandleRequests::META])
        .permissions(&[KeepRegisters::META])
        .policies(
            include_str!("../policies/privacy.cedar"),
            "個人情報の保護に関する法律が定める求めと務めを、だれが扱えるか。",
        )
        .purposes(&[&request::HANDLE, &request::OWN])
        .explains(&explain::ALL.each_ref())
        .fields(&[&request::LETTER, &request::REPLY])
        .routes(routes())
        .tool("privacy-desk", "/staff/privacy", HandleRequests::META)
        .locales(LOCALES)
        .settings(&SETTINGS)
        .demo(|app| Box::pin(crate::seed::demo(app)))
        .start(|builder| Box::pin(start(builder)))
        .work(|worker, app| {
            Ok(worker
                .job::<Erase, _>(Erasing(app.clone()))
                .schedule(Schedule::new("privacy.erase", "*/10 * * * *", |_| Erase))
                .job::<Repeat, _>(Repeating(app.clone()))
                .schedule(Schedule::new("privacy.repeat-erasures", "50 * * * *", |_| Repeat))
                .job::<Purge, _>(Purging(app.clone()))
                .schedule(Schedule::new("privacy.purge", "30 1 * * *", |_| Purge))
                .job::<Alarm, _>(Alarming(app.clone()))
                .schedule(Schedule::new("privacy.alarm", "15 8 * * *", |_| Alarm)))
        })
}

fn routes() -> Routes {
    Routes::new()
        .get("/my/leave", pages::leave::page)
        .post("/my/leave", pages::leave::go)
        .post("/my/leave/undo", pages::leave::undo)
        .get("/my/leave/{id}", pages::leave::receipt)
        .get("/purposes", pages::purposes::public)
        .get("/personal-files", pages::files::public)
        .add(Op::new(Method::GET, "/staff/privacy/purposes", pages::purposes::list).staff())
        .add(Op::new(Method::GET, "/staff/privacy/files", pages::files::list).staff())
        .add(Op::new(Method::GET, "/staff/privacy/files/new", pages::files::blank).staff())
        .add(Op::new(Method::POST, "/staff/privacy/files/new", pages::files::add).staff())
        .add(Op::new(Method::GET, "/staff/privacy/files/{id}", pages::files::one).staff())
        .add(Op::new(Method::POST, "/staff/privacy/files/{id}", pages::files::change).staff())
        .add(Op::new(Method::GET, "/staff/privacy/breaches", pages::breaches::list).staff())
        .add(Op::new(Method::GET, "/staff/privacy/breaches/new", pages::breaches::blank).staff())
        .add(Op::new(Method::POST, "/staff/privacy/breaches/new", pages::breaches::add).staff())
        .add(Op::new(Method::GET, "/staff/privacy/breaches/{id}", pages::breaches::one).staff())
        .add(Op::new(Method::POST, "/staff/privacy/breaches/{id}", pages::breaches::change).staff())
        .add(Op::new(Method::GET, "/staff/privacy/received", pages::received::list).staff())
        .add(Op::new(Method::POST, "/staff/privacy/received", pages::received::add).staff())
        .add(Op::new(Method::GET, "/staff/privacy/retention", pages::retention::list).staff())
        .add(Op::new(Method::GET, "/staff/privacy/releases", pages::releases::list).staff())
        .add(
            Op::new(Method::POST, "/staff/privacy/releases", pages::releases::upload)
                .staff()
                .body_limit(release::LARGEST + 64 * 1024),
        )
        .add(Op::new(Method::GET, "/staff/privacy/releases/work/{id}", pages::releases::work).staff())
        .add(
            Op::new(Method::POST, "/staff/privacy/releases/work/{id}", pages::releases::go)
                .staff()
                .timeout(Duration::from_secs(120)),
        )
        .add(Op::new(Method::GET, "/staff/privacy/releases/entries/{number}", pages::releases::one).staff())
        .add(Op::new(Method::POST, "/staff/privacy/releases/entries/{number}", pages::releases::hand).staff())
        .add(
            Op::new(Method::GET, "/staff/privacy/releases/entries/{number}/file", pages::releases::file)
                .staff(),
        )
        .add(Op::new(Method::GET, "/staff/privacy/releases/cells", pages::counts::cells).staff())
        .add(Op::new(Method::POST, "/staff/privacy/releases/cells", pages::counts::masked).staff())
        .add(Op::new(Method::GET, "/staff/privacy/releases/noise", pages::counts::noise).staff())
        .add(Op::new(Method::POST, "/staff/privacy/releases/noise", pages::counts::noisy).staff())
        .get("/my/requests", pages::ask::list)
        .get("/my/requests/new", pages::ask::blank)
        .post("/my/requests/new", pages::ask::send)
        .get("/my/requests/{tenant}/{id}", pages::ask::one)
        .add(Op::new(Method::GET, "/staff/privacy", pages::requests::list).staff())
        .add(Op::new(Method::GET, "/staff/privacy/requests/new", pages::requests::blank).staff())
        .add(Op::new(Method::POST, "/staff/privacy/requests/new", pages::requests::receive).staff())
        .add(Op::new(Method::GET, "/staff/privacy/requests/{id}", pages::requests::one).staff())
        .add(Op::new(Method::POST, "/staff/privacy/requests/{id}", pages::requests::act).staff())
}

const SETTINGS: [Setting; 2] = [
    Setting {
        key: "privacy.decision_days",
        kind: Kind::Int(1, 30),
        default: "30",
        demo: None,
        about: "Days for a decision on a request for disclosure, correction or suspension: thirty by law, fewer where an ordinance says so (個人情報の保護に関する法律 §83, §94, §102, §108).",
    },
    Setting {
        key: "privacy.leave_days",
        kind: Kind::Int(1, 30),
        default: "7",
        demo: None,
        about: "Days in which somebody who leaves may come back; then they are erased for ever.",
    },
];

async fn start(builder: &mut AppBuilder) -> Result<(), HookError> {
    let values = builder.get::<Values>().map_err(|e| e.0)?;
    let days = u64::try_from(values.int("privacy.leave_days")?)?;
    let decision_days = u32::try_from(values.int("privacy.decision_days")?)?;
    let rules = Rules { wait: Duration::from_secs(days * 86_400), decision_days, ..Rules::default() };
    let vault = (*builder.get::<Vault>().map_err(|e| e.0)?).clone();
    let holders = builder.get::<Holders>().map_err(|e| e.0)?;
    let access = builder.get::<Access>().map_err(|e| e.0)?;
    let tenants = access.policies().tenants().all().into_iter().filter(|t| *t != Tenant::SHARED).collect();
    let (db, env) = (builder.db().clone(), builder.env().clone());
    let privacy = Privacy::new(db, env, vault, Arc::clone(&holders), tenants, rules);
    holders.add(Arc::new(holder::Keeping(privacy.clone())));
    match privacy.note_purposes().await {
        // Another process of the same release writes the same.
        Ok(_) | Err(PrivacyError::Stale) => {}
        Err(e) => return Err(e.into()),
    }
    builder.put(privacy);
    Ok(())
}

/// Erases whoever's waiting time is over, and uploaded rows that nobody finished.
#[derive(Serialize, Deserialize)]
struct Erase;

impl Job for Erase {
    const KIND: &'static str = "privacy.erase";
}

struct Erasing(App);

impl Work<Erase> for Erasing {
    async fn work(&self, run: &Running, _: Erase) -> Result<Done, Failed> {
        let privacy = self.0.get::<Privacy>().map_err(|e| Failed::never(e.0))?;
        // Without いしかわID nobody can have left.
        if let Ok(names) = self.0.get::<PseudonymsPort>() {
            let erased = privacy.erase_due(&*names.0).await.map_err(Failed::again)?;
            if erased > 0 {
                tracing::info!(erased, "people were erased");
            }
        }
        // The rows of tables that were uploaded and whose time is over.
        privacy.clear_works().await.map_err(Failed::again)?;
        run.finish(run.begin().await?).await
    }
}

/// Repeats erasures in a database that was restored from a copy made before them.
#[derive(Serialize, Deserialize)]
struct Repeat;

impl Job for Repeat {
    const KIND: &'static str = "privacy.repeat-erasures";
}

struct Repeating(App);

impl Work<Repeat> for Repeating {
    async fn work(&self, run: &Running, _: Repeat) -> Result<Done, Failed> {
        let privacy = self.0.get::<Privacy>().map_err(|e| Failed::never(e.0))?;
        if let Ok(names) = self.0.get::<PseudonymsPort>() {
            privacy.repeat_erasures(&*names.0).await.map_err(Failed::again)?;
        }
        run.finish(run.begin().await?).await
    }
}

/// Lets every holder remove what has outlived its span.
#[derive(Serialize, Deserialize)]
struct Purge;

impl Job for Purge {
    const KIND: &'static str = "privacy.purge";
}

struct Purging(App);

impl Work<Purge> for Purging {
    async fn work(&self, run: &Running, _: Purge) -> Result<Done, Failed> {
        let privacy = self.0.get::<Privacy>().map_err(|e| Failed::never(e.0))?;
        for line in privacy.purge().await.map_err(Failed::again)? {
            let (rule, removed, overdue) = (line.rule.code, line.removed, line.overdue);
            tracing::info!(rule, removed, overdue, "removed what had outlived its span");
        }
        run.finish(run.begin().await?).await
    }
}

/// Looks at the deadlines each morning.
#[derive(Serialize, Deserialize)]
struct Alarm;

impl Job for Alarm {
    const KIND: &'static str = "privacy.alarm";
}

struct Alarming(App);

impl Work<Alarm> for Alarming {
    async fn work(&self, run: &Running, _: Alarm) -> Result<Done, Failed> {
        let privacy = self.0.get::<Privacy>().map_err(|e| Failed::never(e.0))?;
        for near in privacy.near_deadlines().await.map_err(Failed::again)? {
            let (of, by) = (near.of, near.by.to_string());
            tracing::warn!(tenant = %near.tenant, of, %by, "a deadline of the law is near or over");
        }
        run.finish(run.begin().await?).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_are_complete() {
        kenroku_ui::i18n::check(env!("CARGO_MANIFEST_DIR"), &crate::LOCALES).unwrap();
    }

    #[test]
    fn the_module_fits_together() {
        assert_eq!(kenroku_module::check(&[crate::module()]), Vec::<String>::new());
    }
}

//! What the module hands to the binary.

use std::sync::Arc;

use axum::http::Method;
use kenroku_access::accounts::ManagesKeys;
use kenroku_access::{Access, Permission as _, permission, resource_kind};
use kenroku_bus::{Done, Failed, Job, Running, Schedule, Work};
use kenroku_http::{App, AppBuilder, Op, Routes, op};
use kenroku_module::{HookError, Module};
use kenroku_types::Tenant;
use kenroku_vault::leave::Holders;
use kenroku_vault::share::Sources;
use kenroku_vault::{Category, LegalBasis, Purpose, Vault};
use serde::{Deserialize, Serialize};

use crate::usage::{self, Linked};
use crate::{Consent, LOCALES, MIGRATIONS, api, case, explain, holder, pages};

resource_kind! {
    /// 個人データの提供
    pub DataSharing;
}
permission! {
    /// 自分のデータ、同意、だれが見たかを見る
    pub ViewOwn = "consent.view-own" on DataSharing, view, special_care;
    /// 自分の同意を与える、断る、取り消す
    pub AnswerOwn = "consent.answer-own" on DataSharing, operate;
    /// 同意を求め、同意された項目を受け取る（何が渡るかは、一件ごとに同意で決まる）
    pub Obtain = "consent.obtain" on DataSharing, operate;
    /// ご本人が同意した項目を開いて、提供先に渡す（仲介の働きそのもの。人やプログラムには与えない）
    pub HandOn = "consent.hand-on" on DataSharing, operate, special_care;
    /// 提供先と同意書を登録し、改め、終わらせる
    pub ManageAgreements = "consent.manage-agreements" on DataSharing, manage;
    /// 個人情報の取り扱いへの申し出を調べて答える
    pub HandleCases = "consent.handle-cases" on DataSharing, operate, personal;
    /// 第三者提供の記録を見る
    pub ViewProvisions = "consent.view-provisions" on DataSharing, view, personal;
}

/// Handing on what a person agreed to, item by item.
pub(crate) const SHARE: Purpose = Purpose {
    code: "consent.share",
    ja: "ご本人の同意にもとづいて、提供先に渡す",
    basis: LegalBasis::Consent,
    categories: &Category::ALL,
};

/// The person looks at what is held.
pub(crate) const MINE: Purpose = Purpose {
    code: "consent.mine",
    ja: "ご本人が、自分について持たれているデータを見る",
    basis: LegalBasis::Statute("個人情報の保護に関する法律 第76条（開示請求権）"),
    categories: &Category::ALL,
};

/// Whoever registers a program as a recipient gives it its key.
impl ManagesKeys for ManageAgreements {}

/// The module. It starts before those that hold personal data, which add themselves to its sources.
pub fn module() -> Module {
    Module::new("consent")
        .migrations(MIGRATIONS)
        .permissions(&[
            ViewOwn::META,
            AnswerOwn::META,
            Obtain::META,
            HandOn::META,
            ManageAgreements::META,
            HandleCases::META,
            ViewProvisions::META,
        ])
        .policies(
            include_str!("../policies/consent.cedar"),
            "個人データをだれが受け取れ、だれが見て、だれが止められるか。",
        )
        .purposes(&[&SHARE, &MINE, &case::HANDLE, &case::OWN_CASE, &holder::END])
        .explains(&explain::ALL.each_ref())
        .fields(&[&case::NOTE, &case::ANSWER])
        .routes(routes())
        .locales(LOCALES)
        .tool("consent-agreements", "/staff/consent", ManageAgreements::META)
        .start(|builder| Box::pin(async move { start(builder) }))
        .work(|worker, app| {
            Ok(worker
                .job::<Expire, _>(Expiring(app.clone()))
                .schedule(Schedule::new("consent.expire", "*/5 * * * *", |_| Expire))
                .job::<usage::ask::Pulse, _>(usage::ask::Feeling(app.clone()))
                .schedule(Schedule::new("consent.heartbeat", "*/5 * * * *", |_| usage::ask::Pulse)))
        })
        .demo(|app| Box::pin(crate::seed::demo(app)))
}

fn routes() -> Routes {
    Routes::new()
        .add(op!(api::request))
        .add(op!(api::obtain))
        .add(op!(api::redeem).rate(0.2, 20.0))
        .add(op!(api::verify))
        .add(op!(api::notices))
        .add(op!(api::acknowledge))
        .add(op!(usage::api::find).rate(2.0, 60.0))
        .add(op!(usage::api::period))
        .add(op!(usage::api::heartbeat))
        .add(Op::new(Method::GET, "/staff/consent/usage", usage::pages::list).staff())
        .add(Op::new(Method::POST, "/staff/consent/usage", usage::pages::link).staff())
        .add(Op::new(Method::POST, "/staff/consent/usage/{id}/end", usage::pages::unlink).staff())
        .get("/my", pages::own::home)
        .get("/my/consents", pages::own::list)
        .get("/my/consents/{tenant}/{record}", pages::own::one)
        .post("/my/consents/{tenant}/{record}", pages::own::answer)
        .get("/my/log", pages::log::page)
        .get("/my/log/{tenant}/{seq}", pages::cases::form)
        .post("/my/log/{tenant}/{seq}", pages::cases::object)
        .get("/my/cases", pages::cases::own)
        .get("/my/data", pages::data::page)
        .get("/my/data/download", pages::data::download)
        .get("/my/codes", pages::codes::page)
        .get("/my/codes/{tenant}/{agreement}", pages::codes::choose)
        .post("/my/codes/{tenant}/{agreement}", pages::codes::make)
        .add(Op::new(Method::GET, "/staff/consent/cases", pages::cases::list).staff())
        .add(Op::new(Method::POST, "/staff/consent/cases", pages::cases::answer).staff())
        .add(Op::new(Method::GET, "/staff/consent/new", pages::form::blank).staff())
        .add(Op::new(Method::POST, "/staff/consent/new", pages::form::agree).staff())
        .add(Op::new(Method::GET, "/staff/consent/agreements/{id}", pages::form::filled).staff())
        .add(Op::new(Method::POST, "/staff/consent/agreements/{id}", pages::form::revise).staff())
        .add(Op::new(Method::POST, "/staff/consent/agreements/{id}/end", pages::form::end).staff())
        .add(Op::new(Method::GET, "/staff/consent/recipients", pages::recipients::list).staff())
        .add(Op::new(Method::POST, "/staff/consent/recipients", pages::recipients::register).staff())
        .add(Op::new(Method::GET, "/staff/consent", pages::staff::agreements).staff())
        .add(Op::new(Method::GET, "/staff/consent/provisions", pages::staff::provisions).staff())
}

fn start(builder: &mut AppBuilder) -> Result<(), HookError> {
    let sources = Arc::new(Sources::default());
    builder.put_shared(Arc::clone(&sources));
    sources.add(Arc::new(usage::own::OwnLog));
    builder.put(Linked::new(builder.env().clock.clone()));
    let (db, env, bus) = (builder.db().clone(), builder.env().clone(), builder.bus().clone());
    let consent = Consent::new(db, env, bus, sources);
    let vault = (*builder.get::<Vault>().map_err(|e| e.0)?).clone();
    let keeping = holder::Keeping { consent: consent.clone(), vault };
    builder.get::<Holders>().map_err(|e| e.0)?.add(Arc::new(keeping));
    builder.put(consent);
    Ok(())
}

/// Every tenant that can be responsible for an agreement.
pub(crate) fn tenants(access: &Access) -> Vec<Tenant> {
    access.policies().tenants().all()
}

/// Ends consents whose time is over. What need not be kept any more is removed by [`holder`].
#[derive(Serialize, Deserialize)]
struct Expire;

impl Job for Expire {
    const KIND: &'static str = "consent.expire";
}

struct Expiring(App);

/// Consents that one transaction ends.
const AT_ONCE: u32 = 200;

impl Work<Expire> for Expiring {
    async fn work(&self, run: &Running, _: Expire) -> Result<Done, Failed> {
        let consent = self.0.get::<Consent>().map_err(|e| Failed::never(e.0))?;
        let mut ended = 0;
        for tenant in tenants(self.0.access()) {
            loop {
                let n = consent.expire_due(tenant, AT_ONCE).await.map_err(Failed::again)?;
                ended += n;
                if n < AT_ONCE as usize {
                    break;
                }
            }
        }
        if ended > 0 {
            tracing::info!(ended, "consents are over");
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

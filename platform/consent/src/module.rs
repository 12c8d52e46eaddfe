//! What the module hands to the binary.

use std::sync::Arc;

use axum::http::Method;
use kenroku_access::accounts::ManagesKeys;
use kenroku_access::{Access, Permission as _, permission, resource_kind};
use kenroku_bus::{Consumer, Done, Failed, Job, Running, Schedule, Work};
use kenroku_contracts::personal::FactsPort;
use kenroku_http::{App, AppBuilder, Op, Routes, op};
use kenroku_module::{HookError, Module};
use kenroku_types::Tenant;
use kenroku_vault::leave::Holders;
use kenroku_vault::share::Sources;
use kenroku_vault::{Category, LegalBasis, Purpose, Vault};
use serde::{Deserialize, Serialize};

use crate::changes::{Listening, TellChanges};
use crate::consent::Ports;
use crate::delivery::{self, Deliveries};
use crate::push::{PushNotice, Pusher};
use crate::registers::{CONSENTS, EMERGENCIES, LAWS};
use crate::usage::{self, Linked};
use crate::{Consent, LOCALES, MIGRATIONS, api, case, exchange, explain, holder, pages, registers};

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
    /// ご本人が同意した項目を届ける（受け取るのはご本人と、ご本人が別に同意した相手だけ）
    pub Deliver = "consent.deliver" on DataSharing, operate;
    /// ご本人が同意した項目を開いて、提供先に渡す（仲介の働きそのもの。人やプログラムには与えない）
    pub HandOn = "consent.hand-on" on DataSharing, operate, special_care;
    /// 提供先と同意書を登録し、改め、終わらせる
    pub ManageAgreements = "consent.manage-agreements" on DataSharing, manage;
    /// 個人情報の取り扱いへの申し出を調べて答える
    pub HandleCases = "consent.handle-cases" on DataSharing, operate, personal;
    /// 緊急時の提供を、根拠となる条文、理由、期限をつけて宣言し、終える
    pub DeclareEmergency = "consent.declare-emergency" on DataSharing, operate;
    /// 緊急時の提供の知らせを受けて、確かめる
    pub ViewEmergencies = "consent.view-emergencies" on DataSharing, operate;
    /// 第三者提供の記録を見る
    pub ViewProvisions = "consent.view-provisions" on DataSharing, view, personal;
}

/// Handing on what a person agreed to, item by item.
pub(crate) const SHARE: Purpose = Purpose {
    code: "consent.share",
    ja: "ご本人の同意にもとづいて、提供先に渡す",
    basis: LegalBasis::Consent(CONSENTS),
    categories: &Category::ALL,
};

/// Handing on what an agreement names that rests on a law.
pub(crate) const BY_LAW: Purpose = Purpose {
    code: "consent.by-law",
    ja: "法令にもとづいて、提供先に渡す",
    basis: LegalBasis::Entered(LAWS),
    categories: &Category::ALL,
};

/// Handing on in a declared danger; the person is told afterwards.
pub(crate) const IN_DANGER: Purpose = Purpose {
    code: "consent.in-danger",
    ja: "災害などの緊急時に、生命や身体を守るために、提供先に渡す",
    basis: LegalBasis::Entered(EMERGENCIES),
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
            Deliver::META,
            HandOn::META,
            ManageAgreements::META,
            HandleCases::META,
            DeclareEmergency::META,
            ViewEmergencies::META,
            ViewProvisions::META,
        ])
        .policies(
            include_str!("../policies/consent.cedar"),
            "個人データをだれが受け取れ、だれが見て、だれが止められるか。",
        )
        .purposes(&[&SHARE, &BY_LAW, &IN_DANGER, &MINE, &case::HANDLE, &case::OWN_CASE, &holder::END])
        .explains(&explain::ALL.each_ref())
        .fields(&[&case::NOTE, &case::ANSWER, &delivery::PLAIN, &delivery::SPECIAL])
        .routes(routes())
        .locales(LOCALES)
        .tool("consent-agreements", "/staff/consent", ManageAgreements::META)
        .tool("consent-danger", "/staff/consent/danger", DeclareEmergency::META)
        .start(|builder| Box::pin(async move { start(builder) }))
        .ready(ready)
        .work(|worker, app| {
            let worker = worker.job::<Expire, _>(Expiring(app.clone()));
            let worker = worker.job::<PushNotice, _>(Pusher::new(app.clone())?);
            let listening = Listening(app.clone());
            let worker = worker.consumer(Consumer::new("consent.changes").on(listening.clone()));
            let worker = worker.job::<TellChanges, _>(listening);
            Ok(worker
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
        .add(op!(exchange::deliver).body_limit(128 * 1024))
        .add(op!(exchange::obtain_many).rate(1.0, 20.0))
        .add(op!(exchange::subscribe))
        .add(op!(exchange::subscriptions))
        .add(op!(exchange::unsubscribe))
        .add(op!(api::verify))
        .add(op!(api::notices))
        .add(op!(api::acknowledge))
        .add(op!(usage::api::find).rate(2.0, 60.0))
        .add(op!(usage::api::period))
        .add(op!(usage::api::heartbeat))
        .add(Op::new(Method::GET, "/staff/consent/usage", usage::pages::list).staff())
        .add(Op::new(Method::POST, "/staff/consent/usage", usage::pages::link).staff())
        .add(Op::new(Method::POST, "/staff/consent/usage/{id}/end", usage::pages::unlink).staff())
        .add(Op::new(Method::GET, "/staff/consent/witness", usage::witness::page).staff())
        .add(Op::new(Method::POST, "/staff/consent/witness", usage::witness::check).staff())
        .get("/my", pages::own::home)
        .get("/my/consents", pages::own::list)
        .get("/my/consents/{tenant}/{record}", pages::own::one)
        .post("/my/consents/{tenant}/{record}", pages::own::answer)
        .get("/my/for", pages::proxy::list)
        .get("/my/for/{mandate}/consents", pages::proxy::consents)
        .get("/my/for/{mandate}/consents/{tenant}/{record}", pages::proxy::one)
        .post("/my/for/{mandate}/consents/{tenant}/{record}", pages::proxy::answer)
        .get("/my/law/{tenant}/{agreement}", pages::law::one)
        .get("/my/told", pages::law::told)
        .post("/my/told", pages::law::read)
        .get("/my/log", pages::log::page)
        .get("/my/log/{tenant}/{seq}", pages::cases::form)
        .post("/my/log/{tenant}/{seq}", pages::cases::object)
        .get("/my/cases", pages::cases::own)
        .get("/my/data", pages::data::page)
        .get("/my/data/download", pages::data::download)
        .get("/my/data/download/pxr", pages::bring::download)
        .get("/my/data/bring", pages::bring::page)
        .add(Op::new(Method::POST, "/my/data/bring", pages::bring::bring).body_limit(512 * 1024))
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
        .add(Op::new(Method::POST, "/staff/consent/recipients/push", pages::recipients::push).staff())
        .add(Op::new(Method::GET, "/staff/consent/notices", pages::notices::list).staff())
        .add(Op::new(Method::POST, "/staff/consent/notices", pages::notices::again).staff())
        .add(Op::new(Method::GET, "/staff/consent/emergencies", pages::danger::officer).staff())
        .add(Op::new(Method::POST, "/staff/consent/emergencies", pages::danger::confirm).staff())
        .add(Op::new(Method::GET, "/staff/consent/danger", pages::danger::page).staff())
        .add(Op::new(Method::POST, "/staff/consent/danger", pages::danger::declare).staff())
        .add(Op::new(Method::POST, "/staff/consent/danger/end", pages::danger::end).staff())
        .add(Op::new(Method::GET, "/staff/consent", pages::staff::agreements).staff())
        .add(Op::new(Method::GET, "/staff/consent/provisions", pages::staff::provisions).staff())
}

fn start(builder: &mut AppBuilder) -> Result<(), HookError> {
    let sources = Arc::new(Sources::default());
    builder.put_shared(Arc::clone(&sources));
    builder.put(Linked::new(builder.env().clock.clone()));
    let (db, env, bus) = (builder.db().clone(), builder.env().clone(), builder.bus().clone());
    let vault = (*builder.get::<Vault>().map_err(|e| e.0)?).clone();
    sources.add(Arc::new(Deliveries { db: db.clone(), vault: vault.clone() }));
    let consent = Consent::new(db, env, bus, sources);
    let keeping = holder::Keeping { consent: consent.clone(), vault };
    builder.get::<Holders>().map_err(|e| e.0)?.add(Arc::new(keeping));
    builder.put(FactsPort(Arc::new(consent.clone())));
    builder.put(consent);
    Ok(())
}

/// Takes what other modules lend, and answers the vault.
fn ready(app: &App) -> Result<(), HookError> {
    let consent = app.get::<Consent>().map_err(|e| e.0)?;
    consent.connect(Ports { names: app.get().ok(), proxies: app.get().ok(), signer: app.get().ok() });
    registers::register(&*app.get::<Vault>().map_err(|e| e.0)?, &consent);
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
            ended += consent.end_without_mandate(tenant, AT_ONCE).await.map_err(Failed::again)?;
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

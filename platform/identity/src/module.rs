//! What the module hands to the binary.

use std::sync::Arc;

use kenroku_access::accounts::{Passwords, ThrottleRules};
use kenroku_access::{Permission as _, Role, RoleHome, RoleId, permission, resource_kind};
use kenroku_bus::{Done, Failed, Job, Running, Schedule, Work};
use kenroku_contracts::personal::{ProxiesPort, PseudonymsPort};
use kenroku_http::{App, AppBuilder, Routes, op};
use kenroku_module::{HookError, Kind, Module, Setting, Values};
use kenroku_vault::leave::Holders;
use kenroku_vault::share::Sources;
use kenroku_vault::{Category, LegalBasis, Purpose, Vault};
use serde::{Deserialize, Serialize};

use crate::card::CardTrust;
use crate::revocation::CheckRow;
use crate::upstream::Providers;
use crate::{
    Identity, LOCALES, MIGRATIONS, Residents, Rules, claims, credential, delegation, explain, leave, op,
    person, upstream,
};

resource_kind! {
    /// いしかわID
    pub IshikawaId;
}
permission! {
    /// 自分のいしかわIDの内容を見る
    pub ViewOwn = "identity.view-own" on IshikawaId, view, personal;
    /// 自分のいしかわIDの鍵・端末・代理を変える
    pub ChangeOwn = "identity.change-own" on IshikawaId, operate, personal;
    /// 同じ方かもしれない登録を、両方の登録内容を見て確かめる
    pub ReviewPeople = "identity.review-people" on IshikawaId, operate, personal;
    /// 窓口で書類を見て、本人を登録し、子どもの保護者を登録し、なくした方に利用の紙を出す
    pub ServeCounter = "identity.serve-counter" on IshikawaId, operate, personal;
    /// 災害時に、カードでのログインで古い失効情報を使うことを、理由と期限をつけて宣言し、終える
    pub DeclareDisaster = "identity.declare-disaster" on IshikawaId, operate;
    /// ご本人が同意した項目を、同意した相手に渡す
    pub ReleaseClaims = "identity.release-claims" on IshikawaId, view, personal;
    /// いしかわIDで認証するサービス（クライアント）と署名鍵を管理する
    pub ManageClients = "identity.manage-clients" on IshikawaId, manage;
}

/// いしかわID窓口.
pub const ID_DESK: RoleId = RoleId::new("id-desk");

/// 住民窓口, of a municipality or the prefecture.
pub const RESIDENT_DESK: RoleId = RoleId::new("resident-desk");

/// The person looks at their own registration.
pub(crate) const OWN: Purpose = Purpose {
    code: "identity.own",
    ja: "ご本人が、自分の登録内容を見る",
    basis: LegalBasis::Own,
    categories: &[Category::Person],
};
/// Checking a one-time code needs its secret.
pub(crate) const SIGN_IN: Purpose = Purpose {
    code: "identity.sign-in",
    ja: "ログインのときに、確認コードが正しいかを調べる",
    basis: LegalBasis::Statute("個人情報の保護に関する法律 第66条第1項（安全管理措置）"),
    categories: &[Category::Person],
};
/// An operator compares two registrations.
pub(crate) const REVIEW: Purpose = Purpose {
    code: "identity.review",
    ja: "同じ方が二重に登録されていないかを、窓口の職員が確かめる",
    basis: LegalBasis::Statute("個人情報の保護に関する法律 第65条（正確性の確保）"),
    categories: &[Category::Person],
};
/// A clerk compares papers with what is registered.
pub(crate) const COUNTER: Purpose = Purpose {
    code: "identity.counter",
    ja: "窓口の職員が、書類とご本人と登録内容を照らし合わせる",
    basis: LegalBasis::Statute(
        "個人情報の保護に関する法律 第65条（正確性の確保）、第66条第1項（安全管理措置）",
    ),
    categories: &[Category::Person],
};

/// The module.
pub fn module() -> Module {
    Module::new("identity")
        .migrations(MIGRATIONS)
        .permissions(&[ViewOwn::META, ChangeOwn::META, ReviewPeople::META, ReleaseClaims::META])
        .permissions(&[ManageClients::META, ServeCounter::META, DeclareDisaster::META])
        .roles(&[
            Role {
                id: "id-desk",
                ja: "いしかわID窓口",
                en: "Ishikawa ID desk",
                about_ja: "同じ方かもしれない登録を確かめます。",
                home: RoleHome::Prefecture,
            },
            Role {
                id: "resident-desk",
                ja: "住民窓口",
                en: "Resident counter",
                about_ja: "カードのない方や子どもを、窓口で登録します。",
                home: RoleHome::Government,
            },
        ])
        .policies(
            include_str!("../policies/identity.cedar"),
            "いしかわIDの内容をだれが見られ、だれが変えられるか。",
        )
        .purposes(&[
            &OWN,
            &SIGN_IN,
            &REVIEW,
            &COUNTER,
            &claims::RELEASE,
            &delegation::EACH_OTHER,
            &leave::LEAVE,
        ])
        .explains(&explain::ALL.each_ref())
        .fields(&[
            &person::NAME,
            &person::BIRTH,
            &person::SEX,
            &person::ADDRESS,
            &person::MATCH,
            &credential::CERTIFICATE,
            &credential::SEED,
            &upstream::SUBJECT,
            &upstream::TOLD,
            &upstream::LABEL,
            &upstream::TOKEN,
        ])
        .routes(
            Routes::new()
                .add(op!(crate::api::card_challenge).rate(1.0, 30.0))
                .add(op!(crate::api::me).cross_site())
                .add(op!(crate::api::card_answer).rate(2.0, 60.0).body_limit(64 * 1024)),
        )
        .routes(crate::pages::routes())
        .tool("identity-counter", "/staff/identity/counter", ServeCounter::META)
        .tool("identity-disaster", "/staff/identity/disaster", DeclareDisaster::META)
        .tool("identity-review", "/staff/identity/people", ReviewPeople::META)
        .locales(LOCALES)
        .routes(op::routes())
        .tool("identity-op-clients", "/staff/identity/clients", ManageClients::META)
        .settings(&SETTINGS)
        .settings(&op::SETTINGS)
        .authenticator(|db, env| Box::new(Residents::new(db.clone(), env.clone())))
        .demo(|app| {
            Box::pin(async move {
                let clients = op::demo::demo(&app).await?;
                Ok(format!("{}; {clients}", crate::seed::demo(app).await?))
            })
        })
        .start(|builder| Box::pin(start(builder)))
        .work(|worker, app| {
            let worker = op::work(worker, app)?;
            Ok(worker
                .job::<Sweep, _>(Sweeping(app.clone()))
                .schedule(Schedule::new("identity.sweep", "*/10 * * * *", |_| Sweep))
                .job::<HandOver, _>(HandingOver(app.clone()))
                .schedule(Schedule::new("identity.hand-over", "5 0 * * *", |_| HandOver))
                .job::<CheckRevocation, _>(Checking(app.clone()))
                .schedule(Schedule::new("identity.check-revocation", "40 4 * * *", |_| CheckRevocation)))
        })
}

async fn start(builder: &mut AppBuilder) -> Result<(), HookError> {
    let values = builder.get::<Values>().map_err(|e| e.0)?;
    let vault = builder.get::<Vault>().map_err(|e| e.0)?;
    let rules = Rules {
        hand_over_age: i32::try_from(values.int("identity.hand_over_age")?)?,
        origin: values.text("identity.origin")?,
        demo: values.bool("identity.demo")?,
        throttle: ThrottleRules::default(),
        ..Rules::default()
    };
    let folder = values.text("identity.ca_folder")?;
    if !folder.is_empty() {
        let pins = values.list("identity.ca_pins")?;
        let trust = crate::trust::load(folder.as_ref(), &pins, builder.env().clock.clone())?;
        builder.put(trust);
    }
    let (db, env, bus) = (builder.db().clone(), builder.env().clone(), builder.bus().clone());
    crate::registers::register(&vault, &db, &env);
    builder.put(Providers::from_file(&values.text("identity.upstreams")?)?);
    op::start(builder, &values, &rules.origin).await?;
    let identity = Identity::new(db, env, bus, (*vault).clone(), Passwords::default(), rules);
    builder.put(PseudonymsPort(Arc::new(identity.clone())));
    builder.put(ProxiesPort(Arc::new(identity.clone())));
    // Without the broker nothing is handed on.
    if let Ok(sources) = builder.get::<Sources>() {
        sources.add(Arc::new(identity.clone()));
    }
    builder.get::<Holders>().map_err(|e| e.0)?.add(Arc::new(identity.clone()));
    let counts = Arc::clone(identity.counts());
    counts.remember(identity.revocation_checks().await?);
    builder.metrics().source(move || counts.samples());
    builder.put(identity);
    Ok(())
}

const SETTINGS: [Setting; 6] = [
    Setting {
        key: "identity.origin",
        kind: Kind::Text,
        default: "",
        demo: None,
        about: "The address under which residents sign in, such as https://portal.example.jp: passkeys belong to it for ever. Empty: the address of each request, for trying out.",
    },
    Setting {
        key: "identity.ca_folder",
        kind: Kind::Path,
        default: "",
        demo: None,
        about: "Folder with the CA certificates of 公的個人認証 in DER (auth*.cer, sign*.cer) and today's revocation lists (*.crl). Empty: no card is accepted.",
    },
    Setting {
        key: "identity.ca_pins",
        kind: Kind::List,
        default: "",
        demo: None,
        about: "SHA-256 of each CA certificate that is accepted; others in the folder are refused.",
    },
    Setting {
        key: "identity.demo",
        kind: Kind::Bool,
        default: "false",
        demo: Some("true"),
        about: "Accept simulated My Number cards and show the one-time codes of simulated people. Never where real people register.",
    },
    Setting {
        key: "identity.upstreams",
        kind: Kind::Text,
        default: "",
        demo: None,
        about: "File with the IDs of elsewhere that can be linked, one [[upstream]] each (docs/upstreams.md): デジタル認証アプリ, the ID of another region, any OpenID Provider.",
    },
    Setting {
        key: "identity.hand_over_age",
        kind: Kind::Int(12, 18),
        default: "15",
        demo: None,
        about: "A child's account is handed over from the guardian at the end of the school year in which the child reaches this age.",
    },
];

/// Removes sessions and tickets whose time is over.
#[derive(Serialize, Deserialize)]
struct Sweep;

impl Job for Sweep {
    const KIND: &'static str = "identity.sweep";
}

struct Sweeping(App);

impl Work<Sweep> for Sweeping {
    async fn work(&self, run: &Running, _: Sweep) -> Result<Done, Failed> {
        let identity = self.0.get::<Identity>().map_err(|e| Failed::never(e.0))?;
        let sessions = identity.sweep_sessions().await.map_err(Failed::again)?;
        let tickets = identity.sweep_tickets().await.map_err(Failed::again)?;
        let links = identity.sweep_links().await.map_err(Failed::again)?;
        identity.sweep_disasters().await.map_err(Failed::again)?;
        tracing::info!(sessions, tickets, links, "cleared away what was over");
        run.finish(run.begin().await?).await
    }
}

/// Hands accounts of children over whose guardians' time is over.
#[derive(Serialize, Deserialize)]
struct HandOver;

impl Job for HandOver {
    const KIND: &'static str = "identity.hand-over";
}

struct HandingOver(App);

impl Work<HandOver> for HandingOver {
    async fn work(&self, run: &Running, _: HandOver) -> Result<Done, Failed> {
        let identity = self.0.get::<Identity>().map_err(|e| Failed::never(e.0))?;
        let handed = identity.hand_over_due().await.map_err(Failed::again)?;
        tracing::info!(handed, "guardianships ended by the clock");
        run.finish(run.begin().await?).await
    }
}

/// Compares the registered certificates with the lists of revoked ones, in the night after the lists are made.
#[derive(Serialize, Deserialize)]
struct CheckRevocation;

impl Job for CheckRevocation {
    const KIND: &'static str = "identity.check-revocation";
}

struct Checking(App);

impl Work<CheckRevocation> for Checking {
    async fn work(&self, run: &Running, _: CheckRevocation) -> Result<Done, Failed> {
        let identity = self.0.get::<Identity>().map_err(|e| Failed::never(e.0))?;
        // Where no card is accepted, nothing is registered with one.
        if let Ok(trust) = self.0.get::<CardTrust>() {
            let row = identity.check_revocation(&trust).await.map_err(Failed::again)?;
            let CheckRow { outcome, entries, revoked, expired, moved, .. } = row;
            let outcome = outcome.code();
            tracing::info!(
                outcome,
                entries,
                revoked,
                expired,
                moved,
                "compared with the lists of revoked certificates"
            );
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

//! What consent does when somebody leaves, and what it removes by the clock ([`Holder`]).

use std::collections::BTreeSet;
use std::time::Duration;

use kenroku_access::Granted;
use kenroku_store::{Sql, params, sql};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant, Timestamp};
use kenroku_vault::leave::{Erased, Holder, Kept, Leaving, Notice, Purged, Rule, Said};
use kenroku_vault::share::Reading;
use kenroku_vault::{Category, Disclosure, LegalBasis, Purpose, Vault};

use crate::case::{CaseId, KEEP};
use crate::delivery;
use crate::error::{ConsentError, Result};
use crate::model::{By, State, Step};
use crate::module::HandOn;
use crate::{Consent, Reply, broker};

/// What is kept of a person ends: they left, or its span is over.
pub(crate) const END: Purpose = Purpose {
    code: "consent.end",
    ja: "保存期間の終わった申し出の内容を消す",
    basis: LegalBasis::Statute("個人情報の保護に関する法律 第61条第2項（保有の制限）"),
    categories: &[Category::Person],
};

const DAY: u64 = 86_400;
/// Rows that one run removes of one rule.
const AT_ONCE: u32 = 1_000;

static PROVISIONS: Rule = Rule {
    code: "consent.provisions",
    what: ["第三者提供の記録", "データを 渡し《わたし》た 記録《きろく》", "Records of provisions"],
    days: 3 * 366,
    law: "個人情報の保護に関する法律施行規則 第21条",
};
static CODES: Rule = Rule {
    code: "consent.codes",
    what: ["一時的共有コード", "一度《いちど》だけの コード", "One-time share codes"],
    days: 366,
    law: "個人情報の保護に関する法律 第61条第2項",
};
static CASES: Rule = Rule {
    code: "consent.cases",
    what: [
        "個人情報の取り扱いへの申し出（回答のあと）",
        "データについて 言っ《いっ》た ことと 答え《こたえ》",
        "Objections (after their answer)",
    ],
    days: 1_825,
    law: KEEP.source,
};

const NOTICE: Notice = Notice {
    erased: &[
        [
            "提供先への同意はすべて取り消し、提供先に知らせます",
            "データを 渡し《わたし》ても いいと 言っ《いっ》た ことを、全部《ぜんぶ》 やめます。相手《あいて》にも 知らせ《しらせ》ます",
            "All your consents are taken back and the recipients are told",
        ],
        [
            "一時的共有コードと、その使われた記録",
            "一度《いちど》だけの コード",
            "Your one-time share codes and what they were used for",
        ],
        [
            "ほかから届けられたデータ",
            "ほかの 人《ひと》が 届け《とどけ》た データ",
            "What others delivered about you",
        ],
    ],
    kept: &[
        Kept {
            what: [
                "第三者に提供した記録（お名前はなく、どなたのものかは分からなくなります）",
                "データを 渡し《わたし》た 記録《きろく》（名前《なまえ》は ありません）",
                "The record of what was handed on (without your name; nobody can tell any more whose it is)",
            ],
            until: [
                "提供した日から3年",
                "渡し《わたし》た 日《ひ》から 3年《ねん》",
                "Three years after each provision",
            ],
            law: PROVISIONS.law,
        },
        Kept {
            what: [
                "同意と取り消しの記録（お名前はなく、どなたのものかは分からなくなります）",
                "「いい」「だめ」と 言っ《いっ》た 記録《きろく》（名前《なまえ》は ありません）",
                "The steps of your consents (without your name; nobody can tell any more whose they are)",
            ],
            until: [
                "正しく同意を得ていたことを示すため、残します",
                "正しい《ただしい》 ことを 見せる《みせる》ために 残し《のこし》ます",
                "Kept as the proof that what was handed on was agreed to",
            ],
            law: "個人情報の保護に関する法律 第69条第2項第1号",
        },
        Kept {
            what: [
                "個人情報の取り扱いへの申し出と回答",
                "データについて 言っ《いっ》た ことと 答え《こたえ》",
                "Objections you sent, with the answers",
            ],
            until: ["回答から5年", "答え《こたえ》から 5年《ねん》", "Five years after the answer"],
            law: CASES.law,
        },
    ],
    stops: &[[
        "同意にもとづく情報の提供。同意を前提にしたサービスは使えなくなります",
        "データを 渡す《わたす》 ことが 必要《ひつよう》な サービスは 使え《つかえ》なく なります",
        "Handing on by consent, and services that rest on it",
    ]],
};

const DELETE_CODES: &Sql = sql!("delete from consent_code where tenant = $1 and subject = $2");
const DELETE_DELIVERIES: &Sql = sql!("delete from consent_delivery where tenant = $1 and subject = $2");
const COUNT_KEPT: &Sql = sql!(
    "select (select count(*) from consent_provision where tenant = $1 and subject = $2)
       + (select count(*) from consent_case where tenant = $1 and subject = $2)"
);
const LATE_PROVISIONS: &Sql = sql!("select count(*) from consent_provision where tenant = $1 and at < $2");
const OVER: &Sql = sql!(
    "select id, subject from consent_case where tenant = $1 and state = 'answered' and answered_at < $2
     order by answered_at, id limit $3"
);
const LATE_CASES: &Sql =
    sql!("select count(*) from consent_case where tenant = $1 and state = 'answered' and answered_at < $2");
const DELETE_CASE: &Sql = sql!("delete from consent_case where tenant = $1 and id = $2");
const OTHER_CASES: &Sql = sql!("select count(*) from consent_case where tenant = $1 and subject = $2");

/// The holder: consent with the vault that destroys the keys of its cases.
pub(crate) struct Keeping {
    pub(crate) consent: Consent,
    pub(crate) vault: Vault,
}

fn before(now: Timestamp, rule: &Rule) -> Timestamp {
    now.minus(Duration::from_secs(DAY * u64::from(rule.days)))
}

impl Keeping {
    async fn leave(&self, leaving: &Leaving) -> Result<Erased> {
        let (mut rows, mut kept, me) = (0, 0, leaving.subject);
        for a in self.consent.answers(&leaving.tenants, me).await? {
            if matches!(a.record.standing().state, State::Asked | State::Granted) {
                let step =
                    if a.record.standing().state == State::Asked { Step::Refuse } else { Step::Withdraw };
                let reply = Reply {
                    step,
                    items: BTreeSet::new(),
                    shown: a.agreement.row.number,
                    by: By::Person,
                    assurance: kenroku_access::Assurance::None,
                    locale: "",
                };
                self.consent.answer(a.agreement.tenant, a.agreement.row.id, me, reply).await?;
                rows += 1;
            }
        }
        let mut tx = self.consent.db().begin().await?;
        for tenant in &leaving.tenants {
            rows += tx.execute(DELETE_CODES, params![*tenant, me]).await?;
            let (n,): (i64,) = tx.one(COUNT_KEPT, params![*tenant, me]).await?;
            kept += n.unsigned_abs();
        }
        tx.commit().await?;
        // The key first: what was delivered is then unreadable in every copy.
        let order = Disclosure::new(&Granted::<HandOn>::for_system("consent", Tenant::SHARED), &END);
        let unreadable_after = match self.vault.erase_class(&order, me, &delivery::KEEP).await {
            Ok(erasure) => Some(erasure.unreadable_after),
            Err(kenroku_vault::Error::SubjectUnknown | kenroku_vault::Error::Erased) => None,
            Err(e) => return Err(e.into()),
        };
        let mut tx = self.consent.db().begin().await?;
        rows += tx.execute(DELETE_DELIVERIES, params![Tenant::SHARED, me]).await?;
        tx.commit().await?;
        Ok(Erased { rows, kept, unreadable_after })
    }

    async fn sweep(&self, tenants: &[Tenant], now: Timestamp) -> Result<Vec<Purged>> {
        let mut out = [&PROVISIONS, &CODES, &CASES].map(|rule| Purged { rule, removed: 0, overdue: 0 });
        for tenant in tenants {
            let (provisions, codes) = (before(now, &PROVISIONS), before(now, &CODES));
            let (p, c) = self.consent.purge(*tenant, provisions, codes).await?;
            out[0].removed += p;
            out[1].removed += c;
            let mut tx = self.consent.db().read().await?;
            let (late,): (i64,) = tx.one(LATE_PROVISIONS, params![*tenant, provisions]).await?;
            drop(tx);
            out[0].overdue += late.unsigned_abs();
            out[2].removed += self.end_cases(*tenant, tenants, before(now, &CASES)).await?;
            let mut tx = self.consent.db().read().await?;
            let (late,): (i64,) = tx.one(LATE_CASES, params![*tenant, before(now, &CASES)]).await?;
            out[2].overdue += late.unsigned_abs();
        }
        Ok(out.to_vec())
    }

    /// Answered cases whose span is over: the key first when it opens no other case of the person, then the row.
    async fn end_cases(&self, tenant: Tenant, tenants: &[Tenant], end: Timestamp) -> Result<u64> {
        let mut removed = 0;
        let due: Vec<(CaseId, SubjectId)> =
            self.consent.db().read().await?.all(OVER, params![tenant, end, AT_ONCE]).await?;
        for (id, subject) in due {
            let mut others = -1;
            let mut tx = self.consent.db().read().await?;
            for t in tenants {
                let (n,): (i64,) = tx.one(OTHER_CASES, params![*t, subject]).await?;
                others += n;
            }
            drop(tx);
            if others <= 0 {
                let order = Disclosure::new(&Granted::<HandOn>::for_system("consent", Tenant::SHARED), &END);
                match self.vault.erase_class(&order, subject, &KEEP).await {
                    Ok(_) | Err(kenroku_vault::Error::SubjectUnknown | kenroku_vault::Error::Erased) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            let mut tx = self.consent.db().begin().await?;
            removed += tx.execute(DELETE_CASE, params![tenant, id]).await?;
            tx.commit().await?;
        }
        Ok(removed)
    }
}

impl Holder for Keeping {
    fn module(&self) -> &'static str {
        broker::SECTOR
    }

    fn names(&self) -> Said {
        ["同意と提供の記録", "データを 渡す《わたす》 こと", "Consents and what was handed on"]
    }

    fn notice(&self) -> Notice {
        NOTICE
    }

    fn erase<'a>(&'a self, leaving: &'a Leaving) -> Reading<'a, Erased> {
        Box::pin(async move { self.leave(leaving).await.map_err(|e: ConsentError| Problem::from(e)) })
    }

    fn purge<'a>(&'a self, tenants: &'a [Tenant], now: Timestamp) -> Reading<'a, Vec<Purged>> {
        Box::pin(async move { self.sweep(tenants, now).await.map_err(|e: ConsentError| Problem::from(e)) })
    }
}

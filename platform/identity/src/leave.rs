//! What is erased when somebody leaves: the whole account. The pseudonyms go with it, so this holder comes last.

use kenroku_access::Granted;
use kenroku_store::{Sql, params, sql};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant};
use kenroku_vault::leave::{Erased, Holder, Kept, Leaving, Notice, Said};
use kenroku_vault::share::Reading;
use kenroku_vault::{Category, Disclosure, LegalBasis, Purpose};

use crate::Identity;
use crate::error::{IdentityError, Result};
use crate::model::PersonId;
use crate::module::ChangeOwn;
use crate::subject::OWN;

/// The person leaves.
pub(crate) const LEAVE: Purpose = Purpose {
    code: "identity.leave",
    ja: "退会した方の登録内容を消す",
    basis: LegalBasis::Statute("個人情報の保護に関する法律 第61条第2項（保有の制限）"),
    categories: &[Category::Person],
};

const T: Tenant = Tenant::SHARED;

const NOTICE: Notice = Notice {
    erased: &[
        [
            "氏名、生年月日、性別、住所、カードの証明書の記録",
            "名前《なまえ》、生まれ《うまれ》た 日《ひ》、性別《せいべつ》、住所《じゅうしょ》、カードの 記録《きろく》",
            "Your name, date of birth, sex, address and what was kept of your card's certificate",
        ],
        [
            "パスキー、確認コード、ほかのIDとのつながり、ログインの履歴、代理の登録",
            "パスキー、確認《かくにん》コード、ほかの IDとの つながり、ログインの 記録《きろく》、代理《だいり》",
            "Your passkeys, one-time codes, links to other IDs, the history of your sign-ins, proxies",
        ],
    ],
    kept: &[Kept {
        what: [
            "連携先のサービスが自分で持っている記録（このIDを消しても、連携先には残ります）",
            "ほかの サービスが 持っ《もっ》て いる 記録《きろく》（ここでは 消せ《けせ》ません）",
            "What services you signed in to keep themselves (erasing this ID does not reach it)",
        ],
        until: [
            "それぞれのサービスの定めによります。消してほしいときは、そのサービスに申し出てください",
            "それぞれの サービスの 決まり《きまり》です。消し《けし》たい ときは、その サービスに 言っ《いっ》て ください",
            "As each service says; ask the service to erase it",
        ],
        law: "個人情報の保護に関する法律 第35条（利用停止等）",
    }],
    stops: &[
        [
            "いしかわIDでのログイン。このIDでログインしていたサービスも使えなくなります",
            "いしかわIDの ログイン。この IDで 使っ《つかっ》て いた サービスも 使え《つかえ》なく なります",
            "Signing in with Ishikawa ID, also to every service you use it for",
        ],
        [
            "お子さまやご家族の代理。お子さまのIDは残りますが、保護者の登録は窓口でやり直しになります",
            "子ども《こども》や 家族《かぞく》の 代理《だいり》。子ども《こども》の IDは 残り《のこり》ます。保護者《ほごしゃ》の 登録《とうろく》は 窓口《まどぐち》で もう 一度《いちど》 します",
            "Acting for your children or family. A child's ID stays; its guardian must be registered again at a counter",
        ],
    ],
};

/// Removed whole, each by the person.
const DELETE: [&Sql; 9] = [
    sql!("delete from identity_review where tenant = $1 and (newcomer = $2 or known = $2)"),
    sql!("delete from identity_delegation where tenant = $1 and (principal = $2 or agent = $2)"),
    sql!("delete from identity_ticket where tenant = $1 and person = $2"),
    sql!("delete from identity_link where tenant = $1 and person = $2"),
    sql!("delete from identity_op_consent where tenant = $1 and person = $2"),
    sql!("delete from identity_history where tenant = $1 and person = $2"),
    sql!("delete from identity_credential where tenant = $1 and person = $2"),
    sql!("delete from identity_proof where tenant = $1 and person = $2"),
    sql!("delete from identity_person where tenant = $1 and id = $2"),
];
const PSEUDONYMS: &Sql = sql!("delete from identity_subject where tenant = $1 and person = $2");
// Grants lose the person and keep their session, by which clients are told that it is over; they go with all others.
const GRANTS: &Sql = sql!("update identity_op_grant set person = $3 where tenant = $1 and person = $2");
const STANDING: &Sql = sql!(
    "update identity_op_grant set ended_at = $3, ended_why = 'left'
     where tenant = $1 and person = $2 and (offline or sid is null) and ended_at is null"
);
const ACTS: &Sql = sql!("delete from identity_counter_act where tenant = $1 and person = $2");
const ACTS_BESIDE: &Sql =
    sql!("update identity_counter_act set other = null where tenant = $1 and other = $2");

impl Identity {
    /// Erases a person: first the keys, on which every copy depends, then the rows. Repeating it finds nothing.
    ///
    /// # Errors
    /// When the vault or the store fails; what was erased by then stays erased.
    pub async fn erase_person(&self, person: PersonId, tenants: &[Tenant]) -> Result<Erased> {
        let order = Disclosure::new(&Granted::<ChangeOwn>::for_system(OWN, T), &LEAVE);
        let keys = match self.vault().erase(&order, SubjectId::from_uuid(person.uuid())).await {
            Ok(done) => Some(done.unreadable_after),
            Err(kenroku_vault::Error::SubjectUnknown) => None,
            Err(e) => return Err(e.into()),
        };
        let (nobody, now) = (uuid::Uuid::nil(), self.env().now());
        let mut tx = self.db().begin().await?;
        let mut rows = self.end_all_in(&mut tx, person, None).await?;
        rows += tx.execute(STANDING, params![T, person, now]).await?;
        tx.execute(GRANTS, params![T, person, nobody]).await?;
        for tenant in tenants.iter().chain([&T]) {
            rows += tx.execute(ACTS, params![*tenant, person]).await?;
            rows += tx.execute(ACTS_BESIDE, params![*tenant, person]).await?;
        }
        for statement in DELETE {
            rows += tx.execute(statement, params![T, person]).await?;
        }
        rows += tx.execute(PSEUDONYMS, params![T, person]).await?;
        tx.commit().await?;
        Ok(Erased { rows, kept: 0, unreadable_after: keys })
    }
}

impl Holder for Identity {
    fn module(&self) -> &'static str {
        OWN
    }

    fn names(&self) -> Said {
        ["いしかわID", "いしかわID", "Ishikawa ID"]
    }

    fn notice(&self) -> Notice {
        NOTICE
    }

    fn last(&self) -> bool {
        true
    }

    fn erase<'a>(&'a self, leaving: &'a Leaving) -> Reading<'a, Erased> {
        Box::pin(async move {
            let person = PersonId::from_uuid(leaving.subject.uuid());
            self.erase_person(person, &leaving.tenants).await.map_err(|e: IdentityError| Problem::from(e))
        })
    }
}

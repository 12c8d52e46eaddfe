//! 第三者提供を受ける際の確認・記録 (個人情報の保護に関する法律 §30, 規則 §22 to §25): who gave it, how they came by it, and until when the
//! record is kept. Our own provisions are recorded by platform/consent.

use kenroku_access::Granted;
use kenroku_store::{Sql, coded, params, row, sql};
use kenroku_types::{JapaneseDate, Tenant, id_kind};
use kenroku_vault::leave::Rule;

use crate::clock::{self, RecordKind};
use crate::error::{PrivacyError, Result};
use crate::module::KeepRegisters;
use crate::privacy::Privacy;
use crate::sheet::{self, Item, Sheet};

id_kind! {
    /// A record of something received.
    Received => ReceivedId;
}

coded! {
    /// How the record is made (規則 §23).
    Made {
        /// For each provision.
        Each = "each",
        /// One for a row of provisions.
        Bulk = "bulk",
        /// A contract or another document stands in.
        Contract = "contract",
    }
}

impl From<Made> for RecordKind {
    fn from(m: Made) -> Self {
        match m {
            Made::Each => RecordKind::Each,
            Made::Bulk => RecordKind::Bulk,
            Made::Contract => RecordKind::Contract,
        }
    }
}

/// What is recorded (規則 §24).
pub const ITEMS: [Item; 6] = [
    Item { name: "provider", label: "privacy-received-provider", long: false, required: true },
    Item { name: "address", label: "privacy-received-address", long: false, required: true },
    Item { name: "acquired", label: "privacy-received-acquired", long: true, required: true },
    Item { name: "persons", label: "privacy-received-persons", long: true, required: true },
    Item { name: "items", label: "privacy-received-items", long: true, required: true },
    Item { name: "consent", label: "privacy-received-consent", long: true, required: true },
];

/// Removes records whose day has come.
pub static KEPT: Rule = Rule {
    code: "privacy.received",
    what: [
        "提供を受けた際の確認・記録",
        "データを もらっ《もらっ》た 記録《きろく》",
        "Records of data received",
    ],
    days: 3 * 366,
    law: "個人情報の保護に関する法律施行規則 第25条（契約書等で代えるときは1年、そのほかは3年）",
};

/// A record as it is stored.
#[derive(Clone, Debug)]
pub struct ReceivedRow {
    /// Which.
    pub id: ReceivedId,
    /// How it is made.
    pub kind: Made,
    /// When the data were received, the first time.
    pub received_on: JapaneseDate,
    /// The last time.
    pub last_on: JapaneseDate,
    /// From when on it need not be kept.
    pub until: JapaneseDate,
    facts: String,
    /// For optimistic changes.
    pub version: i64,
}
row!(ReceivedRow { id, kind, received_on, last_on, until, facts, version });

impl ReceivedRow {
    /// What was checked.
    ///
    /// # Errors
    /// When it was written in another form.
    pub fn facts(&self) -> Result<Sheet> {
        Ok(serde_json::from_str(&self.facts)?)
    }
}

const ADD: &Sql = sql!(
    "insert into privacy_received (tenant, id, kind, received_on, last_on, until, facts, version)
     values ($1, $2, $3, $4, $5, $6, $7, 1)"
);
const AGAIN: &Sql = sql!(
    "update privacy_received set last_on = $4, until = $5, version = version + 1
     where tenant = $1 and id = $2 and version = $3"
);
const ONE: &Sql = sql!(
    "select id, kind, received_on, last_on, until, facts, version from privacy_received where tenant = $1 and id = $2"
);
const ALL: &Sql = sql!(
    "select id, kind, received_on, last_on, until, facts, version from privacy_received
     where tenant = $1 order by received_on desc, id desc limit 500"
);
const PURGE: &Sql = sql!("delete from privacy_received where tenant = $1 and until <= $2");

impl Privacy {
    /// Something was received: who gave it and how they came by it was checked.
    ///
    /// # Errors
    /// [`PrivacyError::Input`].
    pub async fn record_received(
        &self,
        proof: &Granted<KeepRegisters>,
        made: Made,
        on: JapaneseDate,
        pairs: &[(String, String)],
    ) -> Result<ReceivedId> {
        let sheet = sheet::read(&ITEMS, pairs)?;
        if on > self.today()? {
            return Err(PrivacyError::Input(vec![("received_on", "it lies in the future".to_owned())]));
        }
        let until = clock::record_until(made.into(), on).ok_or(PrivacyError::Stale)?;
        let id: ReceivedId = self.env().id();
        let mut tx = self.db().begin().await?;
        let facts = serde_json::to_string(&sheet)?;
        tx.execute(ADD, params![proof.tenant(), id, made, on, on, until, facts]).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The same provider gave again under the same record: its time begins anew.
    ///
    /// # Errors
    /// [`PrivacyError::NotFound`]; [`PrivacyError::Refused`] for a record of one provision; [`PrivacyError::Stale`].
    pub async fn received_again(
        &self,
        proof: &Granted<KeepRegisters>,
        id: ReceivedId,
        version: i64,
    ) -> Result<()> {
        let (tenant, today) = (proof.tenant(), self.today()?);
        let mut tx = self.db().begin().await?;
        let row: Option<ReceivedRow> = tx.opt(ONE, params![tenant, id]).await?;
        let row = row.ok_or(PrivacyError::NotFound)?;
        if row.kind == Made::Each {
            return Err(PrivacyError::Refused("now"));
        }
        let until = clock::record_until(row.kind.into(), today).ok_or(PrivacyError::Stale)?;
        tx.execute_one(AGAIN, params![tenant, id, version, today, until]).await?;
        Ok(tx.commit().await?)
    }

    /// The records of an office, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn received(&self, tenant: Tenant) -> Result<Vec<ReceivedRow>> {
        Ok(self.db().read().await?.all(ALL, params![tenant]).await?)
    }

    /// Removes records whose day has come; how many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn purge_received(&self, tenant: Tenant, today: JapaneseDate) -> Result<u64> {
        let mut tx = self.db().begin().await?;
        let n = tx.execute(PURGE, params![tenant, today]).await?;
        tx.commit().await?;
        Ok(n)
    }
}

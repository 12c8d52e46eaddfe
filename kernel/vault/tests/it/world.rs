//! A small module with sealed data, and the vault around it.

use kenroku_access::{Granted, permission, resource_kind};
use kenroku_store::{Db, Migration, ModuleMigrations, Sql, params, sql};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Env, Tenant, Timestamp};
use kenroku_vault::{
    Category, Disclosure, Field, KEY_TABLES, LOG_TABLES, LegalBasis, MasterKeys, ModuleVault, Purpose,
    Register, RetentionClass, Sealed, Vault, VaultOptions, VaultParts,
};
use uuid::Uuid;

resource_kind! {
    /// 訪問
    pub Visit;
}
permission! {
    /// 訪問の相手を見る
    pub ViewVisits = "probe.view" on Visit, view, personal;
    /// 訪問の相手の健康状態を見る
    pub ViewHealth = "probe.view-health" on Visit, view, special_care;
}

pub const KEEP: RetentionClass =
    RetentionClass { code: "probe.visits", ja: "訪問の記録", days: Some(1825), source: "試験" };
pub const BRIEF: RetentionClass =
    RetentionClass { code: "probe.contact", ja: "連絡先", days: Some(30), source: "試験" };
pub const NAME: Field = Field::new("probe", "probe_person", "name", "氏名", KEEP, Category::Person);
pub const PHONE: Field = Field::new("probe", "probe_person", "phone", "電話", BRIEF, Category::Person);
pub const STATE: Field =
    Field::new("probe", "probe_person", "state", "体調", KEEP, Category::Health).special_care();

pub const VISIT: Purpose = Purpose {
    code: "probe.visit",
    ja: "家庭訪問",
    basis: LegalBasis::Statute("母子保健法 第11条第1項"),
    categories: &[Category::Person, Category::Health],
};
pub const COUNT: Purpose = Purpose {
    code: "probe.count",
    ja: "世帯の集計",
    basis: LegalBasis::Statute("統計法 第24条"),
    categories: &[Category::Household],
};
/// Where the test keeps consents.
pub const AGREEMENTS: Register = Register { code: "probe.agreements", log: "consent" };
pub const AGREED: Purpose = Purpose {
    code: "probe.agreed",
    ja: "民間事業者への提供",
    basis: LegalBasis::Consent(AGREEMENTS),
    categories: &[Category::Person],
};
pub const MINE: Purpose = Purpose {
    code: "probe.mine",
    ja: "本人による確認",
    basis: LegalBasis::Own,
    categories: &[Category::Person],
};

const TABLE: ModuleMigrations = ModuleMigrations {
    module: "probe",
    steps: &[Migration {
        name: "0001_init",
        text:
            "create table probe_person (tenant {uuid} not null, subject {uuid} not null, row {uuid} not null,
                 name {blob} not null, primary key (tenant, subject, row)) {strict};",
        postgres: None,
    }],
};
pub const SCHEMA: &[ModuleMigrations] = &[LOG_TABLES, KEY_TABLES, TABLE];

const ADD: &Sql = sql!("insert into probe_person (tenant, subject, row, name) values ($1, $2, $3, $4)");
const GET: &Sql = sql!("select name from probe_person where tenant = $1 and subject = $2 and row = $3");

pub const NOMI: Tenant = Tenant::from_uuid(Uuid::from_u128(0x17211));
pub const KANAZAWA: Tenant = Tenant::from_uuid(Uuid::from_u128(0x17201));

pub fn env() -> Env {
    Env::fixed(Timestamp::from_secs(1_768_350_600), 11)
}

pub fn modules() -> Vec<ModuleVault> {
    vec![ModuleVault {
        module: "probe",
        purposes: vec![&VISIT, &COUNT, &AGREED, &MINE],
        fields: vec![&NAME, &PHONE, &STATE],
        explanations: Vec::new(),
    }]
}

/// The log, the keys and the data may share a database in a test.
pub async fn try_vault(env: &Env, log: &Db, keys: &Db, master: MasterKeys) -> kenroku_vault::Result<Vault> {
    let (env, log, keys) = (env.clone(), log.clone(), keys.clone());
    let options = VaultOptions::default();
    Vault::start(VaultParts { env, log, keys, master, modules: modules(), options }).await
}

pub async fn vault(env: &Env, db: &Db) -> Vault {
    try_vault(env, db, db, MasterKeys::ephemeral(&env.rng)).await.unwrap()
}

/// As if the policies had allowed it to a job of the module.
pub fn staff(tenant: Tenant, purpose: &'static Purpose) -> Disclosure {
    Disclosure::new(&Granted::<ViewVisits>::for_system("probe", tenant), purpose)
}

pub fn health_staff(tenant: Tenant) -> Disclosure {
    Disclosure::new(&Granted::<ViewHealth>::for_system("probe", tenant), &VISIT)
}

pub async fn store(vault: &Vault, db: &Db, tenant: Tenant, subject: SubjectId, name: &str) {
    let sealer = vault.sealer(tenant, &[subject], &[&NAME]).await.unwrap();
    let sealed = sealer.seal(NAME.at(subject, subject.uuid()), &name.to_owned()).unwrap();
    let mut tx = db.begin().await.unwrap();
    tx.execute(ADD, params![tenant, subject, subject.uuid(), sealed]).await.unwrap();
    tx.commit().await.unwrap();
}

pub async fn stored(db: &Db, tenant: Tenant, subject: SubjectId) -> Sealed<String> {
    let mut r = db.read().await.unwrap();
    r.one::<(Sealed<String>,)>(GET, params![tenant, subject, subject.uuid()]).await.unwrap().0
}

pub async fn read(
    vault: &Vault,
    db: &Db,
    tenant: Tenant,
    subject: SubjectId,
) -> kenroku_vault::Result<String> {
    let sealed = stored(db, tenant, subject).await;
    let slot = NAME.at(subject, subject.uuid());
    Ok(vault.open(&staff(tenant, &VISIT), slot, &sealed).await?.into_value())
}

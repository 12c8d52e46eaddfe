//! Demo data: one vendor with one agreement, so that somebody asks. Nobody is real (模擬データ).

use kenroku_access::accounts::{Accounts, KeyHolder, NewKey};
use kenroku_access::kernel::ManageKeys;
use kenroku_access::{ClientId, Granted, Permission as _};
use kenroku_http::App;
use kenroku_module::HookError;
use kenroku_types::{MuniCode, Tenant};
use kenroku_vault::Vault;

use crate::model::{AgreedItem, LawfulBasis, RecipientKind, Terms, Texts};
use crate::usage::{NewHolder, ask};
use crate::{Consent, ManageAgreements, NewRecipient, Obtain};

/// The key of the sample vendor.
pub const KEY: &str = "demo-consent-vendor-0001-0000";
/// Its agreement.
pub const AGREEMENT: &str = "maternity.visit-support";
/// By which it knows us when we ask for its own log.
pub const LOG_KEY: &str = "demo-consent-vendor-log-0001";
/// Under which pseudonyms it knows people.
pub const SECTOR: &str = "demo-visit-support";

/// The tenant that is responsible: Nomi City.
///
/// # Errors
/// Never for this code.
pub fn tenant() -> Result<Tenant, HookError> {
    Ok(Tenant::of(MuniCode::new(17211).ok_or("no such municipality")?))
}

/// Registers the vendor, its key and its agreement.
///
/// # Errors
/// When the store fails.
pub async fn demo(app: App) -> Result<String, HookError> {
    let (consent, accounts, tenant) =
        (app.get::<Consent>().map_err(|e| e.0)?, app.get::<Accounts>().map_err(|e| e.0)?, tenant()?);
    let client: ClientId = app.env().id();
    let keys: Granted<ManageKeys> = Granted::for_system("consent", tenant);
    let new = NewKey {
        holder: KeyHolder::Client(client),
        scopes: &[Obtain::META],
        label: "産前産後サポート（見本、模擬データ）",
        expires: None,
    };
    accounts.adopt_key(&keys, &new, KEY).await?;
    let officer: Granted<ManageAgreements> = Granted::for_system("consent", tenant);
    let recipient = NewRecipient {
        kind: RecipientKind::Client,
        handle: client.to_string(),
        sector: SECTOR.to_owned(),
        name: "産前産後サポート（見本の事業者、模擬データ）".to_owned(),
        address: "石川県能美市（模擬データ）".to_owned(),
        representative: "模擬 代表".to_owned(),
    };
    let recipient = consent.register_recipient(&officer, recipient).await?;
    let item = |code: &str, required| AgreedItem { code: code.to_owned(), required };
    let terms = Terms {
        service: Texts::new(
            "産前産後の家庭訪問",
            "赤《あか》ちゃんが 生まれる《うまれる》 前《まえ》と あとの 訪問《ほうもん》",
            "Home visits before and after birth",
        ),
        purpose: Texts::new(
            "助産師が家庭を訪ねるときに、お名前とお住まいの市町を確かめるため",
            "助産師《じょさんし》が あなたの 家《いえ》に 行く《いく》 とき、名前《なまえ》と 市《し》や 町《まち》を 確かめ《たしかめ》ます。",
            "So that the midwife who visits knows your name and your municipality",
        ),
        without: Texts::new(
            "訪問の申し込みのたびに、お名前と市町を書いていただきます。訪問そのものは受けられます。",
            "訪問《ほうもん》の たびに、名前《なまえ》を 書き《かき》ます。訪問《ほうもん》は できます。",
            "You write your name and municipality yourself for each visit. You can still be visited.",
        ),
        basis: LawfulBasis::Consent,
        article: String::new(),
        items: vec![item("identity.name", false), item("identity.municipality", false)],
        retention_days: 365,
        valid_days: 365,
    };
    consent.agree(&officer, AGREEMENT, recipient, &terms).await?;
    Ok("a sample vendor with one agreement".to_owned())
}

/// Says where the sample vendor's own log is asked: its address is another at each start.
///
/// # Errors
/// When the store fails.
pub async fn link_log(app: &App, url: &str) -> Result<(), HookError> {
    let (consent, vault) = (app.get::<Consent>().map_err(|e| e.0)?, app.get::<Vault>().map_err(|e| e.0)?);
    let officer: Granted<ManageAgreements> = Granted::for_system("consent", tenant()?);
    for a in consent.agreements(tenant()?).await? {
        if a.row.code == AGREEMENT {
            let (url, key, since) = (url.to_owned(), LOG_KEY.to_owned(), app.env().now());
            let new = NewHolder { recipient: a.recipient.id, url, key, since };
            consent.link_usage(&vault, &officer, new).await?;
        }
    }
    ask::heartbeats(app, &[tenant()?]).await.map_err(|e| e.0)?;
    Ok(())
}

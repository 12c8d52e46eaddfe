//! Demo data: one vendor with one agreement, so that somebody asks. Nobody is real (模擬データ).

use kenroku_access::accounts::{Accounts, KeyHolder, NewKey};
use kenroku_access::kernel::ManageKeys;
use kenroku_access::{ClientId, Granted, Permission as _};
use kenroku_http::App;
use kenroku_module::HookError;
use kenroku_types::{MuniCode, Tenant};
use kenroku_vault::Vault;

use crate::model::{AgreedItem, DataUse, LawfulBasis, RecipientKind, Terms, Texts};
use crate::usage::{NewHolder, ask};
use crate::{Consent, Deliver, ManageAgreements, NewRecipient, Obtain};

/// The key of the sample vendor.
pub const KEY: &str = "demo-consent-vendor-0001-0000";
/// Its agreement.
pub const AGREEMENT: &str = "maternity.visit-support";
/// By which it knows us when we ask for its own log.
pub const LOG_KEY: &str = "demo-consent-vendor-log-0001";
/// By which it delivers what it did.
pub const REPORTS: &str = "maternity.visit-report";
/// What it receives while a danger is declared.
pub const RESCUE: &str = "maternity.rescue";
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
        scopes: &[Obtain::META, Deliver::META],
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
        data_use: DataUse::Using,
        items: vec![item("identity.name"), item("identity.municipality")],
        retention_days: 365,
        valid_days: 365,
    };
    consent.agree(&officer, AGREEMENT, recipient, &terms).await?;
    consent.agree(&officer, REPORTS, recipient, &reports()).await?;
    consent.agree(&officer, RESCUE, recipient, &rescue()).await?;
    Ok("a sample vendor with three agreements".to_owned())
}

fn item(code: &str) -> AgreedItem {
    AgreedItem { code: code.to_owned(), required: false }
}

/// What the vendor delivers after a visit.
fn reports() -> Terms {
    Terms {
        service: Texts::new(
            "家庭訪問の記録のお届け",
            "訪問《ほうもん》の 記録《きろく》を 届ける《とどける》 サービス",
            "Notes of home visits, delivered to you",
        ),
        purpose: Texts::new(
            "訪問の記録をあなたのデータに残し、あとで見たり、別の相談先に渡したりできるようにするため",
            "訪問《ほうもん》の 記録《きろく》を、あとで あなたが 見る《みる》 ことが できる ように します。",
            "So that you can look at the notes later, and hand them to others if you want",
        ),
        without: Texts::new(
            "訪問の記録は、事業者だけが持ちます。",
            "記録《きろく》は サービスの 人《ひと》だけが 持ち《もち》ます。",
            "Only the vendor keeps the notes.",
        ),
        basis: LawfulBasis::Consent,
        article: String::new(),
        data_use: DataUse::Source,
        items: vec![item("delivered.visit-note"), item("delivered.due-date")],
        retention_days: 365,
        valid_days: 365,
    }
}

/// What the vendor receives while a danger is declared.
fn rescue() -> Terms {
    Terms {
        service: Texts::new(
            "災害のときの妊産婦の安否確認",
            "地震《じしん》などの とき、お母《おかあ》さんと 赤《あか》ちゃんが 無事《ぶじ》か 確かめる《たしかめる》",
            "Finding out whether mothers are safe in a disaster",
        ),
        purpose: Texts::new(
            "災害のときに、支援が要る妊産婦の所在を確かめ、助けるため",
            "危ない《あぶない》 ときに、どこに いるか 確かめ《たしかめ》て 助け《たすけ》ます。",
            "To find and help expectant mothers in a disaster",
        ),
        without: Texts::new(
            "緊急時が宣言されている間だけ渡ります。渡したときは、あとで必ずお知らせします。",
            "危ない《あぶない》 ときだけ 渡し《わたし》ます。あとで かならず 知らせ《しらせ》ます。",
            "It is handed on only while a danger is declared. You are always told afterwards.",
        ),
        basis: LawfulBasis::VitalInterest,
        article: "個人情報の保護に関する法律 第69条第2項第4号".to_owned(),
        data_use: DataUse::Using,
        items: vec![item("identity.name"), item("identity.address")],
        retention_days: 30,
        valid_days: 365,
    }
}

/// Says where the sample vendor's own log is asked and where it takes notices: its address is another at each start.
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
            consent.push_to(&officer, new.recipient, Some(&format!("{}/events", new.url))).await?;
            consent.link_usage(&vault, &officer, new).await?;
        }
    }
    ask::heartbeats(app, &[tenant()?]).await.map_err(|e| e.0)?;
    Ok(())
}

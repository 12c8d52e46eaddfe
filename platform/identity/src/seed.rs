//! Demo accounts: one of each class. They are nobody (模擬データ), and only a demo shows their codes.

use kenroku_access::Assurance;
use kenroku_http::App;
use kenroku_module::HookError;
use kenroku_types::Timestamp;
use kenroku_types::ids::SubjectId;

use crate::delegation::{self, Kind, Scope, hand_over};
use crate::error::Result;
use crate::model::{AccountClass, Attributes, Birth, PersonId, ProofMethod, Provenance, Sex, Written};
use crate::person::NewPerson;
use crate::ticket::Issued;
use crate::{Identity, credential, totp};

/// A demo account.
#[derive(Clone, Copy, Debug)]
pub struct DemoAccount {
    /// The name to sign in with.
    pub login: &'static str,
    /// What it shows.
    pub ja: &'static str,
    pub(crate) class: AccountClass,
    name: &'static str,
    born: &'static str,
    sex: Sex,
    address: &'static str,
}

/// Every class of account.
pub const ACCOUNTS: [DemoAccount; 5] = [
    DemoAccount {
        login: "demo-kenmin",
        ja: "石川県に住む方（能美市）",
        class: AccountClass::Resident,
        name: "模擬　県民",
        born: "1985-05-05",
        sex: Sex::Female,
        address: "石川県能美市来丸町（模擬データ）",
    },
    DemoAccount {
        login: "demo-satogaeri",
        ja: "里帰りの方（県外に住む）",
        class: AccountClass::Homecoming,
        name: "模擬　里帰",
        born: "1994-02-11",
        sex: Sex::Female,
        address: "富山県富山市新総曲輪（模擬データ）",
    },
    DemoAccount {
        login: "demo-zaikin",
        ja: "県内で働く方（県外に住む）",
        class: AccountClass::Worker,
        name: "模擬　在勤",
        born: "1979-11-30",
        sex: Sex::Male,
        address: "福井県福井市大手（模擬データ）",
    },
    DemoAccount {
        login: "demo-kodomo",
        ja: "子ども（保護者は demo-kenmin）",
        class: AccountClass::Child,
        name: "模擬　子",
        born: "2016-08-20",
        sex: Sex::Male,
        address: "石川県能美市来丸町（模擬データ）",
    },
    DemoAccount {
        login: "demo-madoguchi",
        ja: "カードのない方（窓口で本人確認、代理は demo-kenmin）",
        class: AccountClass::NoCard,
        name: "模擬　窓口",
        born: "1941-01-14",
        sex: Sex::Female,
        address: "石川県輪島市河井町（模擬データ）",
    },
];

/// The password of all of them; it is printed.
pub const PASSWORD: &str = "kenroku-demo-2026";
/// The secret of their one-time codes; the demo shows the code itself.
const KEY: &[u8; 20] = b"kenroku simulated ID";

pub(crate) async fn demo(app: App) -> std::result::Result<String, HookError> {
    let identity = app.get::<Identity>().map_err(|e| e.0)?;
    let hash = identity.passwords().hash(PASSWORD, &identity.env().rng).await?;
    let mut ids = Vec::new();
    for a in &ACCOUNTS {
        let id = add(&identity, a).await?;
        identity.store_codes(id, a.login, hash.clone(), KEY, 0, None).await?;
        ids.push(id);
    }
    let [guardian, _, _, child, elder] = ids[..] else { return Err("accounts".into()) };
    let born = ACCOUNTS[3].born.parse()?;
    let until = hand_over(born, identity.rules().hand_over_age).unwrap_or(Timestamp::EPOCH);
    identity.entrust(child, guardian, Kind::Guardian, Scope::ALL, "模擬データ", until).await?;
    let year = identity.env().now().plus(delegation::LONGEST);
    let scopes = [Scope::Messages, Scope::Procedures];
    identity.entrust(elder, guardian, Kind::Family, &scopes, "模擬データ", year).await?;
    Ok(format!("{} people, one of each class (模擬データ)", ids.len()))
}

/// The pseudonym of a demo account in a sector: what a simulated vendor knows of somebody who once signed in to it.
/// `None` for a name that is no demo account.
///
/// # Errors
/// When the store fails.
pub async fn known_as(
    app: &App,
    login: &str,
    sector: &str,
) -> std::result::Result<Option<SubjectId>, HookError> {
    let identity = app.get::<Identity>().map_err(|e| e.0)?;
    let handle = credential::login_handle(login);
    let mut tx = identity.db().read().await?;
    let found = credential::find(&mut tx, credential::Kind::Password, &handle).await?;
    drop(tx);
    let Some(person) = found.map(|f| f.person).filter(|_| ACCOUNTS.iter().any(|a| a.login == login)) else {
        return Ok(None);
    };
    Ok(Some(identity.subject(person, sector).await?))
}

async fn add(identity: &Identity, a: &DemoAccount) -> std::result::Result<PersonId, HookError> {
    let (method, assurance) = match a.class {
        AccountClass::NoCard => (ProofMethod::Counter, Assurance::Password),
        AccountClass::Child => (ProofMethod::Guardian, Assurance::Password),
        _ => (ProofMethod::Jpki, Assurance::JpkiSign),
    };
    let id: PersonId = identity.env().id();
    let new = NewPerson {
        id,
        class: a.class,
        attributes: Attributes {
            name: Written::plain(a.name),
            birth: Some(Birth::of(a.born.parse()?)),
            sex: Some(a.sex),
            address: Some(Written::plain(a.address)),
        },
        provenance: Provenance {
            method,
            assurance,
            source: "demo".to_owned(),
            verified_at: identity.env().now(),
        },
        credentials: Vec::new(),
        simulated: true,
    };
    identity.register(new).await?;
    Ok(id)
}

impl Identity {
    /// The code that a demo account's app would show now; `None` outside a demo and for everybody real.
    pub(crate) async fn demo_code(&self, issued: &Issued) -> Result<Option<String>> {
        if !self.rules().demo {
            return Ok(None);
        }
        let Some(id) = self.look(issued.id, &issued.secret).await?.person else { return Ok(None) };
        if self.person(id).await?.is_none_or(|p| !p.simulated) {
            return Ok(None);
        }
        let found = credential::seed(&mut self.db().read().await?, id).await?;
        let last = found.map_or(0, |(_, _, last)| last);
        let step = self.env().now().secs().div_euclid(totp::STEP).max(last + 1);
        Ok(Some(format!("{:06}", totp::code(KEY, step))))
    }
}

//! What a person is to this module: classes of account, states, attributes with their forms.

use std::fmt;

use kenroku_places::Places;
use kenroku_places::fold::fold;
use kenroku_types::{JapaneseDate, MuniCode, Timestamp, id_kind};
use serde::{Deserialize, Serialize};

pub use kenroku_contracts::identity::SessionId;

id_kind! {
    /// Somebody with an いしかわID. Never leaves this module: others know a person by a `SubjectId` of their own.
    Person => PersonId;
    /// One proof of a person's attributes.
    Proof => ProofId;
    /// Something that a person signs in with.
    Credential => CredentialId;
    /// Something begun and not done.
    Ticket => TicketId;
    /// Who may act for whom.
    Delegation => DelegationId;
    /// Two registrations that look like one person.
    Review => ReviewId;
    /// A person's ID of elsewhere.
    Link => LinkId;
    /// What a clerk did at a counter.
    CounterAct => CounterActId;
    /// A declaration of disaster mode.
    Disaster => DisasterId;
}

pub(crate) use kenroku_store::coded;

coded! {
    /// Whose account it is. No class is an exception: each says where the person stands to the prefecture.
    AccountClass {
        /// Lives in Ishikawa.
        Resident = "resident",
        /// Lives in another prefecture and comes home to Ishikawa (里帰り).
        Homecoming = "homecoming",
        /// Lives in another prefecture and works or studies here (在勤・在学).
        Worker = "worker",
        /// A child whose guardian acts for them until the hand-over.
        Child = "child",
        /// Has no card: staff at a counter looked at other papers. Lower assurance.
        NoCard = "no-card",
    }
}

coded! {
    /// Whether somebody may sign in.
    PersonState {
        /// Yes.
        Active = "active",
        /// Yes, but the attributes have to be proved again: the certificate behind them was revoked (moved, renamed).
        Moved = "moved",
        /// Not yet: an operator decides whether this is somebody who is registered already.
        Review = "review",
        /// No more.
        Closed = "closed",
    }
}

coded! {
    /// By what the attributes were proved.
    ProofMethod {
        /// 署名用電子証明書 (公的個人認証法 §3).
        Jpki = "jpki",
        /// Staff at a counter compared other papers with the person.
        Counter = "counter",
        /// The guardian showed that the child is theirs (母子健康手帳, 住民票).
        Guardian = "guardian",
    }
}

/// 性別 as the certificate tells it (1 男, 2 女, 3 不明).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sex {
    /// 男
    Male,
    /// 女
    Female,
    /// Not told.
    Unknown,
}

/// A date of birth whose month or day may be unknown, as certificates and old registers have them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Birth {
    /// Gregorian year; `None` when it is unknown.
    pub year: Option<u16>,
    /// Month; `None` when it is unknown.
    pub month: Option<u8>,
    /// Day; `None` when it is unknown.
    pub day: Option<u8>,
}

impl Birth {
    /// A date that is known whole.
    pub fn of(date: JapaneseDate) -> Self {
        let (y, m, d) = date.ymd();
        Birth { year: u16::try_from(y).ok(), month: Some(m), day: Some(d) }
    }

    /// The date, when every part is known. Whoever decides on an age asks for this and refuses otherwise.
    pub fn date(self) -> Option<JapaneseDate> {
        JapaneseDate::new(self.year?.into(), self.month?, self.day?).ok()
    }
}

impl fmt::Display for Birth {
    /// `1990-04-01`; unknown parts are zero, as OpenID Connect Core 1.0 §5.1 writes an omitted year.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year.unwrap_or(0), self.month.unwrap_or(0), self.day.unwrap_or(0))
    }
}

impl fmt::Debug for Birth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Birth(…)")
    }
}

/// A text of the certificate in which some characters may stand for others that its character set lacks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The text.
    pub text: String,
    /// One `0` or `1` per character: which are substitutes. Empty when nothing is said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub substitutes: String,
}

impl Written {
    /// A text without substitutes.
    pub fn plain(text: impl Into<String>) -> Self {
        Written { text: text.into(), substitutes: String::new() }
    }

    /// Whether a character was replaced.
    pub fn has_substitutes(&self) -> bool {
        self.substitutes.contains('1')
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Written(…)")
    }
}

/// The four attributes (基本4情報), as one source tells them. `Debug` shows none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// 氏名: family and given name with a space between, where the source has one.
    pub name: Written,
    /// 生年月日
    pub birth: Option<Birth>,
    /// 性別
    pub sex: Option<Sex>,
    /// 住所, beginning with the prefecture.
    pub address: Option<Written>,
}

impl Attributes {
    /// What tells a person from others when they come twice: folded name, birth, sex. The address is not part of it,
    /// because people move; two people who agree in all three are shown to an operator.
    pub(crate) fn match_text(&self) -> Option<String> {
        let name: String = fold(&self.name.text).split(' ').collect();
        let sex = match self.sex? {
            Sex::Male => 1,
            Sex::Female => 2,
            Sex::Unknown => 3,
        };
        Some(format!("{name}|{}|{sex}", self.birth?.date()?))
    }

    /// The municipality of the address, when it lies in this prefecture.
    pub fn municipality(&self, places: &Places) -> Option<MuniCode> {
        let address: String = self.address.as_ref()?.text.split_whitespace().collect();
        let rest = address.strip_prefix(places.prefecture().name)?;
        let lies = |m: &&kenroku_places::Municipality| {
            rest.starts_with(m.name) || rest.starts_with(&m.address_name())
        };
        places.municipalities().iter().find(lies).map(|m| m.code)
    }
}

/// Who proved the attributes, how, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// By what.
    pub method: ProofMethod,
    /// How sure it is.
    pub assurance: kenroku_access::Assurance,
    /// Where from, in words without personal data: `card`, `counter:17211`.
    pub source: String,
    /// When.
    pub verified_at: Timestamp,
}

/// How an assurance is stored.
pub(crate) fn assurance_code(a: kenroku_access::Assurance) -> &'static str {
    use kenroku_access::Assurance as A;
    match a {
        A::None => "none",
        A::Key => "key",
        A::Password => "password",
        A::PasswordOtp => "password-otp",
        A::Passkey => "passkey",
        A::JpkiAuth => "jpki-auth",
        A::JpkiSign => "jpki-sign",
    }
}

/// From how it is stored; an unknown word is worth nothing.
pub(crate) fn assurance_of(code: &str) -> kenroku_access::Assurance {
    use kenroku_access::Assurance;
    Assurance::ALL.into_iter().find(|a| assurance_code(*a) == code).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(name: &str, address: &str) -> Attributes {
        Attributes {
            name: Written::plain(name),
            birth: Some(Birth::of("1990-04-01".parse().unwrap())),
            sex: Some(Sex::Female),
            address: Some(Written::plain(address)),
        }
    }

    #[test]
    fn the_municipality_follows_from_the_address() {
        let places = Places::shared().unwrap();
        let of = |a: &str| attributes("加賀　花子", a).municipality(places).map(MuniCode::code5);
        assert_eq!(of("石川県能美市寺井町１２３"), Some("17211".to_owned()));
        assert_eq!(of("石川県 河北郡津幡町字加賀爪ニ３"), Some("17361".to_owned()));
        assert_eq!(of("東京都千代田区千代田１"), None);
        assert_eq!(of("石川県"), None);
    }

    #[test]
    fn one_person_has_one_key_however_it_is_written() {
        let key = |n: &str| attributes(n, "石川県能美市").match_text();
        assert_eq!(key("齋藤　花子"), key("斎藤 花子"));
        assert_eq!(key("髙田花子"), key("高田　花子"));
        assert_ne!(key("高田花子"), key("高田華子"));
        let mut unknown = attributes("高田花子", "石川県");
        unknown.birth = Some(Birth { year: Some(1930), month: None, day: None });
        assert_eq!(unknown.match_text(), None, "an unknown birth cannot tell people apart");
    }

    #[test]
    fn codes_come_back() {
        for c in AccountClass::ALL {
            assert_eq!(AccountClass::from_code(c.code()), Some(*c));
        }
        for a in kenroku_access::Assurance::ALL {
            assert_eq!(assurance_of(assurance_code(a)), a);
        }
        assert_eq!(assurance_of("root"), kenroku_access::Assurance::None);
    }
}

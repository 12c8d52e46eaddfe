//! The four attributes (基本4情報) of a 署名用 certificate: name, birth, sex, address, with their substitute flags.
//!
//! They are otherNames of the subjectAltName under 1.2.392.200149.8.5.5, each a UTF8String. Object identifiers that
//! are not known here (旧氏, フリガナ, whatever follows) are left alone; one that occurs twice is refused.

use std::fmt;

use der::asn1::{ObjectIdentifier, Utf8StringRef};
use kenroku_types::JapaneseDate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::oid;

/// Why the attributes cannot be used. Says which, never what it contained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// An attribute is not there.
    #[error("the certificate has no {0}")]
    Missing(&'static str),
    /// It is there, but not in the form that the profile prescribes.
    #[error("the certificate's {0} has not the prescribed form")]
    Form(&'static str),
}

/// What a 署名用 certificate says about its holder.
#[derive(Clone, PartialEq, Eq)]
pub struct Attributes {
    /// 氏名
    pub name: PersonName,
    /// 生年月日
    pub birth: BirthDate,
    /// 性別
    pub sex: Sex,
    /// 住所
    pub address: Address,
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attributes(…)")
    }
}

impl Attributes {
    pub(crate) fn read(values: &Values) -> Result<Self, AttributeError> {
        let get = |oid, what| values.get(oid).filter(|v| !v.is_empty()).ok_or(AttributeError::Missing(what));
        Ok(Attributes {
            name: PersonName(Text::new(
                get(oid::NAME, "name")?,
                get(oid::NAME_SUBSTITUTES, "list of substitute characters of the name")?,
                "name",
            )?),
            birth: BirthDate::parse(get(oid::BIRTH, "date of birth")?)?,
            sex: Sex::parse(get(oid::SEX, "sex")?)?,
            address: Address(Text::new(
                get(oid::ADDRESS, "address")?,
                get(oid::ADDRESS_SUBSTITUTES, "list of substitute characters of the address")?,
                "address",
            )?),
        })
    }
}

/// The longest text that is read, in characters: the profile's limit for the address.
const MAX_CHARS: usize = 200;

/// A text in which characters that the certificate cannot write were replaced by a substitute.
#[derive(Clone, PartialEq, Eq)]
struct Text {
    text: String,
    /// One flag per character: whether it is a substitute.
    substituted: Vec<bool>,
}

impl Text {
    fn new(text: &str, flags: &str, what: &'static str) -> Result<Self, AttributeError> {
        let form = || AttributeError::Form(what);
        let chars = text.chars().count();
        if chars > MAX_CHARS || text.chars().any(char::is_control) {
            return Err(form());
        }
        let substituted: Vec<bool> = flags
            .chars()
            .map(|c| match c {
                '0' => Ok(false),
                '1' => Ok(true),
                _ => Err(form()),
            })
            .collect::<Result<_, _>>()?;
        if substituted.len() != chars {
            return Err(form());
        }
        Ok(Text { text: text.to_owned(), substituted })
    }

    fn positions(&self) -> Vec<usize> {
        self.substituted.iter().enumerate().filter_map(|(i, s)| s.then_some(i)).collect()
    }
}

/// 氏名 as the certificate writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonName(Text);

impl PersonName {
    /// The whole name, unchanged.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Family and given name, which one full-width space separates. `None` where it is not so (names with more
    /// parts, or one): then only the whole is known.
    pub fn split(&self) -> Option<(&str, &str)> {
        let (family, given) = self.0.text.split_once('\u{3000}')?;
        (!family.is_empty() && !given.is_empty() && !given.contains('\u{3000}')).then_some((family, given))
    }

    /// Which characters, counted from 0, stand in for one that the certificate cannot write (外字).
    pub fn substituted(&self) -> Vec<usize> {
        self.0.positions()
    }
}

impl fmt::Debug for PersonName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonName(…)")
    }
}

/// 住所 as the certificate writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Text);

impl Address {
    /// The whole address, unchanged; no postal code.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The prefecture at its head and what follows. `None` when it begins with none.
    pub fn split_prefecture(&self) -> Option<(&'static str, &str)> {
        PREFECTURES.iter().find_map(|p| Some((*p, self.0.text.strip_prefix(p)?)))
    }

    /// Which characters, counted from 0, are substitutes.
    pub fn substituted(&self) -> Vec<usize> {
        self.0.positions()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

/// 都道府県 in the order of their codes (JIS X 0401).
const PREFECTURES: [&str; 47] = [
    "北海道",
    "青森県",
    "岩手県",
    "宮城県",
    "秋田県",
    "山形県",
    "福島県",
    "茨城県",
    "栃木県",
    "群馬県",
    "埼玉県",
    "千葉県",
    "東京都",
    "神奈川県",
    "新潟県",
    "富山県",
    "石川県",
    "福井県",
    "山梨県",
    "長野県",
    "岐阜県",
    "静岡県",
    "愛知県",
    "三重県",
    "滋賀県",
    "京都府",
    "大阪府",
    "兵庫県",
    "奈良県",
    "和歌山県",
    "鳥取県",
    "島根県",
    "岡山県",
    "広島県",
    "山口県",
    "徳島県",
    "香川県",
    "愛媛県",
    "高知県",
    "福岡県",
    "佐賀県",
    "長崎県",
    "熊本県",
    "大分県",
    "宮崎県",
    "鹿児島県",
    "沖縄県",
];

/// 性別 as the certificate says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sex {
    /// 男, `1`
    Male,
    /// 女, `2`
    Female,
    /// 不明, `3`
    Unknown,
}

impl Sex {
    fn parse(text: &str) -> Result<Self, AttributeError> {
        match text {
            "1" => Ok(Sex::Male),
            "2" => Ok(Sex::Female),
            "3" => Ok(Sex::Unknown),
            _ => Err(AttributeError::Form("sex")),
        }
    }
}

/// 生年月日, `EYYYYMMDD`: an era digit and a Gregorian date, parts of which may be unknown (zeros).
///
/// The era digit is only read for its form: real certificates carry one that does not fit the date, and the Gregorian
/// date says everything.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BirthDate {
    year: Option<u16>,
    month: Option<u8>,
    day: Option<u8>,
}

impl BirthDate {
    fn parse(text: &str) -> Result<Self, AttributeError> {
        let form = AttributeError::Form("date of birth");
        if text.len() != 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(form);
        }
        let era = &text[..1];
        let number = |part: &str| part.parse::<u16>().map_err(|_| form);
        let (y, m, d) = (number(&text[1..5])?, number(&text[5..7])?, number(&text[7..])?);
        // 1 明治 2 大正 3 昭和 4 平成 5 令和 0 不明
        if era > "5" || m > 12 || d > 31 {
            return Err(form);
        }
        let known = |n: u16| u8::try_from(n).ok().filter(|n| *n != 0);
        let birth = BirthDate { year: (y != 0).then_some(y), month: known(m), day: known(d) };
        if let BirthDate { year: Some(y), month: Some(m), day: Some(d) } = birth {
            JapaneseDate::new(i32::from(y), m, d).map_err(|_| form)?;
        }
        Ok(birth)
    }

    /// The date, when all of it is known.
    pub fn exact(self) -> Option<JapaneseDate> {
        JapaneseDate::new(i32::from(self.year?), self.month?, self.day?).ok()
    }

    /// Year, month and day as far as they are known.
    pub fn parts(self) -> (Option<u16>, Option<u8>, Option<u8>) {
        (self.year, self.month, self.day)
    }

    /// Completed years on a day (年齢計算ニ関スル法律).
    ///
    /// # Errors
    /// When a part of the date is unknown, or the day lies before birth: then no age may be decided by a machine.
    pub fn age(self, on: JapaneseDate) -> Result<u16, AgeUnknown> {
        let age = self.exact().and_then(|d| d.legal_age(on)).ok_or(AgeUnknown)?;
        u16::try_from(age).map_err(|_| AgeUnknown)
    }
}

impl fmt::Debug for BirthDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BirthDate(…)")
    }
}

/// The age cannot be told from this date of birth; a person has to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the date of birth is not wholly known; the age must be decided by a person")]
pub struct AgeUnknown;

/// The otherNames of a subjectAltName, each OID once.
#[derive(Clone, Default)]
#[doc(hidden)]
pub struct Values(Vec<(ObjectIdentifier, String)>);

/// Why the subjectAltName is not acceptable.
pub(crate) enum ValuesError {
    Duplicate(ObjectIdentifier),
    Form,
}

impl Values {
    /// Collects what we know. Unknown OIDs keep no value, but may not repeat either.
    pub(crate) fn collect(names: &SubjectAltName) -> Result<Self, ValuesError> {
        const OURS: [ObjectIdentifier; 6] =
            [oid::NAME, oid::NAME_SUBSTITUTES, oid::SEX, oid::BIRTH, oid::ADDRESS, oid::ADDRESS_SUBSTITUTES];
        let mut values: Vec<(ObjectIdentifier, String)> = Vec::new();
        for name in &names.0 {
            let GeneralName::OtherName(other) = name else { continue };
            if values.iter().any(|(seen, _)| *seen == other.type_id) {
                return Err(ValuesError::Duplicate(other.type_id));
            }
            let value = if OURS.contains(&other.type_id) {
                let text = other.value.decode_as::<Utf8StringRef<'_>>().map_err(|_| ValuesError::Form)?;
                text.as_str().to_owned()
            } else {
                String::new()
            };
            values.push((other.type_id, value));
        }
        Ok(Values(values))
    }

    fn get(&self, oid: ObjectIdentifier) -> Option<&str> {
        self.0.iter().find(|(o, _)| *o == oid).map(|(_, v)| v.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Result<BirthDate, AttributeError> {
        BirthDate::parse(text)
    }

    #[test]
    fn a_known_date_is_read_whatever_its_era_digit_says() {
        // The published check value: 昭和 as era of a day in 平成.
        let born = date("319900401").unwrap();
        assert_eq!(born.exact(), Some(JapaneseDate::new(1990, 4, 1).unwrap()));
        // 年齢計算ニ関スル法律: one year older at the end of the day before.
        assert_eq!(born.age(JapaneseDate::new(2010, 3, 31).unwrap()), Ok(20));
        assert_eq!(born.age(JapaneseDate::new(2010, 3, 30).unwrap()), Ok(19));
        assert_eq!(born.age(JapaneseDate::new(1990, 3, 31).unwrap()), Err(AgeUnknown));
    }

    #[test]
    fn an_unknown_part_refuses_every_decision_about_age() {
        for text in ["019000000", "319450000", "319450800", "000000000", "319450015"] {
            let born = date(text).unwrap();
            assert_eq!(born.exact(), None, "{text}");
            assert_eq!(born.age(JapaneseDate::new(2026, 1, 1).unwrap()), Err(AgeUnknown), "{text}");
        }
        assert_eq!(date("319450800").unwrap().parts(), (Some(1945), Some(8), None));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        assert!(date("420000229").is_ok());
        for text in
            ["420010229", "619900401", "31990040", "3199004011", "3199o0401", "319901301", "319900432", ""]
        {
            assert_eq!(date(text), Err(AttributeError::Form("date of birth")), "{text}");
        }
    }

    #[test]
    fn names_split_at_the_one_full_width_space() {
        let name =
            |text: &str| PersonName(Text::new(text, &"0".repeat(text.chars().count()), "name").unwrap());
        assert_eq!(name("模擬　太郎").split(), Some(("模擬", "太郎")));
        for text in ["模擬太郎", "ＡＢ　ＣＤ　ＥＦ", "　太郎", "模擬　"] {
            assert_eq!(name(text).split(), None, "{text}");
        }
    }

    #[test]
    fn substitutes_are_counted_by_character() {
        let text = Text::new("模●　太郎", "01000", "name").unwrap();
        assert_eq!(PersonName(text).substituted(), [1]);
        for flags in ["0100", "010000", "01002", ""] {
            assert!(Text::new("模●　太郎", flags, "name").is_err(), "{flags}");
        }
        assert!(Text::new(&"あ".repeat(200), &"0".repeat(200), "address").is_ok());
        assert!(Text::new(&"あ".repeat(201), &"0".repeat(201), "address").is_err());
        assert!(Text::new("あ\nい", "000", "address").is_err());
    }

    #[test]
    fn the_prefecture_stands_at_the_head_of_the_address() {
        let address = |t: &str| Address(Text::new(t, &"0".repeat(t.chars().count()), "address").unwrap());
        assert_eq!(address("京都府京都市北区").split_prefecture(), Some(("京都府", "京都市北区")));
        assert_eq!(address("石川県能美市").split_prefecture(), Some(("石川県", "能美市")));
        assert_eq!(address("能美市").split_prefecture(), None);
    }
}

//! The residents of the simulation: 1,000 people who do not exist, at town names that do.

use kenroku_types::{JapaneseDate, Timestamp};

use crate::keys::{Key, KeyError};
use crate::pki::{For, Leaf, Pki, Purpose};

/// How many there are, numbered from 0.
pub const COUNT: u32 = 1000;

/// Code, county and municipality, romanised municipality, town: names of the places data (Geolonia 住所データ, CC BY 4.0).
const TOWNS: &str = include_str!("../towns.tsv");

/// Where people from outside come from. The towns are invented.
const OUTSIDE: [(&str, &str, &str); 4] = [
    ("富山県", "Toyama-ken", "模擬市"),
    ("福井県", "Fukui-ken", "模擬市"),
    ("東京都", "Tokyo-to", "模擬区"),
    ("大阪府", "Osaka-fu", "模擬市"),
];

const FAMILIES: [&str; 10] = ["模擬", "架空", "見本", "試験", "例示", "仮名", "練習", "雛形", "標本", "訓練"];
const MALE: [&str; 5] = ["一郎", "二郎", "三郎", "太郎", "次郎"];
const FEMALE: [&str; 5] = ["花子", "桜子", "梅子", "雪子", "月子"];

/// The resident whose name has a character that the certificate cannot write.
pub const WITH_SUBSTITUTE: u32 = 7;
/// The resident whose day of birth is not known.
pub const WITH_UNKNOWN_BIRTH: u32 = 13;

/// 性別 by the digit of the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sex {
    /// 男
    Male = 1,
    /// 女
    Female = 2,
}

/// Somebody who does not exist.
#[derive(Clone, Debug)]
pub struct Resident {
    /// 0 to 999.
    pub number: u32,
    /// Family and given name with a full-width space between.
    pub name: String,
    /// One digit per character: 1 for a substitute.
    pub name_flags: String,
    /// 性別
    pub sex: Sex,
    /// 生年月日; for one of them the certificate knows only year and month.
    pub birth: JapaneseDate,
    /// From the prefecture on.
    pub address: String,
    /// Five digits of the municipality; `None` outside of the prefecture.
    pub municipality: Option<String>,
    /// Prefecture and city of the certificate's distribution point.
    pub place: (String, String),
    /// Which generation of CA issued the card's certificates.
    pub generation: u8,
}

/// A certificate of a resident and the key that belongs to it.
#[derive(Debug)]
pub struct Credential {
    /// DER.
    pub certificate: Vec<u8>,
    /// Magnitude of its serial number.
    pub serial: Vec<u8>,
    /// Its key.
    pub key: Key,
}

/// Spreads numbers evenly (splitmix64).
fn mix(number: u32, salt: u64) -> u64 {
    let mut z = (u64::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn pick<T: Copy>(all: &[T], number: u32, salt: u64) -> T {
    all[(mix(number, salt) % all.len() as u64) as usize]
}

fn full_width(number: u32) -> String {
    let digits = format!("{number:03}");
    digits.chars().filter_map(|c| char::from_u32(u32::from(c) + 0xFEE0)).collect()
}

impl Resident {
    /// The resident of this number (modulo 1,000).
    pub fn new(number: u32) -> Self {
        let number = number % COUNT;
        let sex = if mix(number, 1).is_multiple_of(2) { Sex::Male } else { Sex::Female };
        let given = match sex {
            Sex::Male => pick(&MALE, number, 2),
            Sex::Female => pick(&FEMALE, number, 2),
        };
        let family = pick(&FAMILIES, number, 3);
        let family = if number == WITH_SUBSTITUTE { "模●" } else { family };
        let name = format!("{family}\u{3000}{given}{}", full_width(number));
        let name_flags = name.chars().map(|c| if c == '●' { '1' } else { '0' }).collect();
        let (address, municipality, place) = home(number);
        Resident {
            number,
            name,
            name_flags,
            sex,
            birth: birth(number),
            address,
            municipality,
            place,
            generation: match number % 20 {
                19 => 1,
                n if n % 5 == 0 => 2,
                _ => 3,
            },
        }
    }

    /// Everybody.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..COUNT).map(Self::new)
    }

    /// `EYYYYMMDD` as the certificate writes it.
    pub fn birth_text(&self) -> String {
        let (y, m, d) = self.birth.ymd();
        let era = match self.birth.era().letter {
            'M' => 1,
            'T' => 2,
            'S' => 3,
            'H' => 4,
            _ => 5,
        };
        let d = if self.number == WITH_UNKNOWN_BIRTH { 0 } else { d };
        format!("{era}{y:04}{m:02}{d:02}")
    }

    /// When the card was issued: an expired one, one of the middle generation, or a recent one.
    pub fn issued(&self) -> JapaneseDate {
        let (first, spread) = match self.generation {
            1 => ((2016, 4, 1), 300),
            2 => ((2023, 3, 1), 100),
            _ => ((2025, 4, 1), 200),
        };
        let days = i32::try_from(mix(self.number, 5) % spread).unwrap_or(0);
        let start = JapaneseDate::new(first.0, first.1, first.2).unwrap_or(self.birth);
        start.plus_days(days).unwrap_or(start)
    }

    /// The last instant of the certificates: the end of the fifth birthday after issue (the profile's exact rule is not
    /// published).
    pub fn not_after(&self) -> Timestamp {
        let (year, ..) = self.issued().ymd();
        let (_, month, day) = self.birth.ymd();
        // The 29th of February ends with the 28th here.
        let birthday = |y| JapaneseDate::new(y, month, day.min(if month == 2 { 28 } else { day })).ok();
        let this_year = birthday(year).is_some_and(|b| b > self.issued());
        let last = birthday(if this_year { year + 4 } else { year + 5 }).unwrap_or(self.issued());
        let end = last.plus_days(1).unwrap_or(last).start();
        Timestamp::from_secs(end.secs() - 1)
    }

    /// Whether the card has a 署名用 certificate: in principle not before the 15th birthday.
    pub fn can_sign(&self) -> bool {
        self.birth.legal_age(self.issued()).is_some_and(|age| age >= 15)
    }

    /// Magnitude of the serial number of a certificate.
    pub fn serial(&self, purpose: Purpose) -> Vec<u8> {
        let kind = if purpose == Purpose::Auth { 1 } else { 2 };
        (0x0100_0000 * kind + u32::from(self.generation) * 0x0010_0000 + self.number).to_be_bytes().to_vec()
    }

    /// The certificate before it is signed, for tests that spoil it.
    pub fn leaf(&self, pki: &Pki, purpose: Purpose, key: &Key) -> Leaf {
        let birth = self.birth_text();
        let sex = (self.sex as u8).to_string();
        let address_flags = "0".repeat(self.address.chars().count());
        let common_name = format!("{}-SIM-{:04}", self.issued(), self.number);
        // In the order of real certificates.
        let attributes = [
            ("1.2.392.200149.8.5.5.1", self.name.as_str()),
            ("1.2.392.200149.8.5.5.4", birth.as_str()),
            ("1.2.392.200149.8.5.5.3", sex.as_str()),
            ("1.2.392.200149.8.5.5.5", self.address.as_str()),
            ("1.2.392.200149.8.5.5.2", self.name_flags.as_str()),
            ("1.2.392.200149.8.5.5.6", address_flags.as_str()),
        ];
        pki.ca(purpose, self.generation).leaf(&For {
            serial: &self.serial(purpose),
            common_name: &common_name,
            place: (&self.place.0, &self.place.1),
            not_before: self.issued().start(),
            not_after: self.not_after(),
            key,
            attributes: &attributes,
        })
    }

    /// The key of the pool that this resident's card uses.
    ///
    /// # Errors
    /// When a shipped key cannot be used.
    pub fn key(&self, purpose: Purpose) -> Result<Key, KeyError> {
        let word = if purpose == Purpose::Auth { "auth" } else { "sign" };
        Key::shipped(&format!("card-{word}-{}", self.number % 4))
    }

    /// One of the two certificates, with its key.
    ///
    /// # Errors
    /// When a shipped key cannot be used.
    pub fn credential(&self, pki: &Pki, purpose: Purpose) -> Result<Credential, KeyError> {
        let key = self.key(purpose)?;
        let certificate = pki.ca(purpose, self.generation).issue(&self.leaf(pki, purpose, &key))?;
        Ok(Credential { certificate, serial: self.serial(purpose), key })
    }
}

/// From a newborn to people of a hundred years, as of 2025.
#[expect(clippy::expect_used, reason = "the range lies wholly inside the supported dates")]
fn birth(number: u32) -> JapaneseDate {
    let days = i32::try_from(mix(number, 4) % 36_500).unwrap_or(0);
    let first = JapaneseDate::new(1925, 1, 1).expect("a date");
    first.plus_days(days).expect("a date")
}

fn home(number: u32) -> (String, Option<String>, (String, String)) {
    let lot = full_width(number % 1000);
    if number % 25 == 24 {
        let (prefecture, roman, city) = pick(&OUTSIDE, number, 6);
        let place = (roman.to_owned(), "Mogi-shi".to_owned());
        return (format!("{prefecture}{city}模擬町９９９番地{lot}"), None, place);
    }
    let towns: Vec<&str> = TOWNS.lines().collect();
    let mut fields = pick(&towns, number, 7).split('\t');
    let mut next = || fields.next().unwrap_or_default();
    let (code, municipality, roman, town) = (next(), next(), next(), next());
    let place = ("Ishikawa-ken".to_owned(), roman.to_owned());
    // No lot of this form is in use.
    (format!("石川県{municipality}{town}９９９番地{lot}"), Some(code.to_owned()), place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn everybody_is_somebody_else() {
        let all: Vec<Resident> = Resident::all().collect();
        let names: BTreeSet<&str> = all.iter().map(|r| r.name.as_str()).collect();
        let serials: BTreeSet<Vec<u8>> =
            all.iter().flat_map(|r| [r.serial(Purpose::Auth), r.serial(Purpose::Sign)]).collect();
        assert_eq!((all.len(), names.len(), serials.len()), (1000, 1000, 2000));
        let home: BTreeSet<_> = all.iter().filter_map(|r| r.municipality.clone()).collect();
        assert_eq!(home.len(), 19, "somebody lives in every municipality");
        assert_eq!(all.iter().filter(|r| r.municipality.is_none()).count(), 40);
        assert!(all.iter().all(|r| r.address.chars().count() <= 200));
        assert!((1..=3).all(|g| all.iter().any(|r| r.generation == g)));
    }

    #[test]
    fn cards_are_issued_within_the_time_of_their_authority() {
        let pki = Pki::shipped().unwrap();
        for r in Resident::all() {
            let leaf = r.leaf(&pki, Purpose::Auth, &r.key(Purpose::Auth).unwrap());
            assert!(leaf.not_before < leaf.not_after, "{}", r.number);
            let years = (leaf.not_after.secs() - leaf.not_before.secs()) / (365 * 86_400);
            assert!((3..=5).contains(&years), "{} {years}", r.number);
        }
        assert!(Resident::all().any(|r| !r.can_sign()) && Resident::new(0).number == 0);
    }
}

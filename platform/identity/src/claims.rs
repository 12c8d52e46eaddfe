//! What leaves this module about a person: single attributes, each by consent, through the vault.
//!
//! Names follow OpenID Connect Core 1.0 §5.1 where it has one; ours begin with `urn:ishikawa:`. `verified_at` and how
//! stand beside them, as in OpenID Connect for Identity Assurance, so that a client need not guess.

use kenroku_access::Granted;
use kenroku_places::Places;
use kenroku_types::Tenant;
use kenroku_types::ids::RequestId;
use kenroku_vault::{Category, ConsentId, Disclosure, Field, LegalBasis, Purpose};
use serde_json::{Map, Value, json};

use crate::error::{IdentityError, Result};
use crate::model::{PersonId, PersonState, Provenance, Sex};
use crate::person::{ADDRESS, BIRTH, NAME, SEX, vault_subject};
use crate::registers::GRANTS;
use crate::{Identity, ReleaseClaims};

/// Handing attributes to a service that the person agreed to.
pub const RELEASE: Purpose = Purpose {
    code: "identity.release",
    ja: "ご本人が同意したサービスに、同意した項目を渡す",
    basis: LegalBasis::Consent(GRANTS),
    categories: &[Category::Person],
};

/// An attribute that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Claim {
    /// 氏名
    Name,
    /// The part before the space.
    FamilyName,
    /// The part after the space.
    GivenName,
    /// 生年月日
    Birthdate,
    /// 性別
    Gender,
    /// 住所, whole.
    Address,
    /// The municipality alone (全国地方公共団体コード): what most services need of an address.
    MuniCode,
    /// Whether the person is an adult (民法 §4: eighteen years), instead of the date of birth.
    IsAdult,
    /// The class of account: resident, homecoming, worker, child, no-card.
    AccountClass,
}

impl Claim {
    /// Every claim.
    pub const ALL: [Claim; 9] = [
        Claim::Name,
        Claim::FamilyName,
        Claim::GivenName,
        Claim::Birthdate,
        Claim::Gender,
        Claim::Address,
        Claim::MuniCode,
        Claim::IsAdult,
        Claim::AccountClass,
    ];

    /// Its name in tokens and in `claims` requests.
    pub const fn name(self) -> &'static str {
        match self {
            Claim::Name => "name",
            Claim::FamilyName => "family_name",
            Claim::GivenName => "given_name",
            Claim::Birthdate => "birthdate",
            Claim::Gender => "gender",
            Claim::Address => "address",
            Claim::MuniCode => "urn:ishikawa:muni_code",
            Claim::IsAdult => "urn:ishikawa:is_adult",
            Claim::AccountClass => "urn:ishikawa:account_class",
        }
    }

    /// From its name.
    pub fn of(name: &str) -> Option<Claim> {
        Claim::ALL.into_iter().find(|c| c.name() == name)
    }

    /// The sealed field it needs; `None` for what is known without opening anything.
    pub(crate) const fn field(self) -> Option<&'static Field> {
        match self {
            Claim::Name | Claim::FamilyName | Claim::GivenName => Some(&NAME),
            Claim::Birthdate | Claim::IsAdult => Some(&BIRTH),
            Claim::Gender => Some(&SEX),
            Claim::Address => Some(&ADDRESS),
            Claim::MuniCode | Claim::AccountClass => None,
        }
    }
}

impl Identity {
    /// The asked attributes of a person, as far as they are known. `consent` is the record of the person's agreement
    /// to exactly this; the access log keeps it.
    ///
    /// # Errors
    /// [`IdentityError::ProveAgain`] when the person moved or was renamed since the proof; [`IdentityError::NotFound`].
    pub async fn release(
        &self,
        person: PersonId,
        asked: &[Claim],
        consent: ConsentId,
        request: Option<RequestId>,
    ) -> Result<Map<String, Value>> {
        let proof: Granted<ReleaseClaims> = Granted::for_system("identity", Tenant::SHARED);
        let mut why = Disclosure::new(&proof, &RELEASE).consent(vault_subject(person), consent);
        if let Some(id) = request {
            why = why.request(id);
        }
        let (mut out, provenance) = self.opened_claims(person, asked, &why).await?;
        if let Some(p) = provenance {
            out.insert(
                "urn:ishikawa:proof".to_owned(),
                json!({
                    "method": p.method.code(),
                    "assurance": crate::model::assurance_code(p.assurance),
                    "verified_at": kenroku_ui::i18n::format::machine(p.verified_at),
                }),
            );
        }
        Ok(out)
    }

    /// The asked attributes by a disclosure of the caller's, with who proved them; nothing is opened, and there is no
    /// provenance, where nothing sealed was asked for.
    pub(crate) async fn opened_claims(
        &self,
        person: PersonId,
        asked: &[Claim],
        why: &Disclosure,
    ) -> Result<(Map<String, Value>, Option<Provenance>)> {
        let known = self.person(person).await?.ok_or(IdentityError::NotFound)?;
        match known.state {
            PersonState::Active => {}
            PersonState::Moved => return Err(IdentityError::ProveAgain),
            _ => return Err(IdentityError::NotFound),
        }
        let mut out = Map::new();
        for claim in asked {
            match claim {
                Claim::MuniCode => {
                    if let Some(code) = known.muni {
                        out.insert(claim.name().to_owned(), code.code5().into());
                    }
                }
                Claim::AccountClass => {
                    out.insert(claim.name().to_owned(), known.class.code().into());
                }
                _ => {}
            }
        }
        let mut fields: Vec<&'static Field> = asked.iter().filter_map(|c| c.field()).collect();
        fields.sort_by_key(|f| f.column);
        fields.dedup();
        if fields.is_empty() {
            return Ok((out, None));
        }
        let Some(opened) = self.attributes(why, person, &fields).await? else { return Ok((out, None)) };
        let a = &opened.attributes;
        let parts: Vec<&str> = a.name.text.split(['　', ' ']).filter(|p| !p.is_empty()).collect();
        for claim in asked {
            let value = match claim {
                Claim::Name => Some(json!(a.name.text)),
                Claim::FamilyName => parts.first().filter(|_| parts.len() == 2).map(|p| json!(p)),
                Claim::GivenName => parts.get(1).filter(|_| parts.len() == 2).map(|p| json!(p)),
                Claim::Birthdate => a.birth.map(|b| json!(b.to_string())),
                Claim::IsAdult => a.birth.and_then(|b| {
                    let today = kenroku_types::JapaneseDate::of(self.env().now()).ok()?;
                    Some(json!(b.date()?.legal_age(today)? >= 18))
                }),
                Claim::Gender => match a.sex {
                    Some(Sex::Male) => Some(json!("male")),
                    Some(Sex::Female) => Some(json!("female")),
                    Some(Sex::Unknown) | None => None,
                },
                Claim::Address => match &a.address {
                    Some(w) => Some(address(&w.text, known.muni)?),
                    None => None,
                },
                Claim::MuniCode | Claim::AccountClass => None,
            };
            if let Some(value) = value {
                out.insert(claim.name().to_owned(), value);
            }
        }
        Ok((out, Some(opened.provenance)))
    }
}

/// OpenID Connect Core 1.0 §5.1.1.
fn address(text: &str, muni: Option<kenroku_types::MuniCode>) -> Result<Value> {
    let places = Places::shared()?;
    let mut out = json!({ "formatted": text, "country": "JP" });
    if let Some(m) = muni.and_then(|code| places.by_code(code)) {
        out["region"] = places.prefecture().name.into();
        out["locality"] = m.address_name().into();
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for c in Claim::ALL {
            assert_eq!(Claim::of(c.name()), Some(c));
        }
        assert_eq!(Claim::of("email"), None);
    }
}

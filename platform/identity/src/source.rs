//! What いしかわID can hand on about a person by consent ([`Source`]), and who a person is for others ([`Pseudonyms`]).

use kenroku_contracts::personal::{Answer, Pseudonyms};
use kenroku_types::ids::SubjectId;
use kenroku_types::{Problem, Tenant};
use kenroku_vault::Category;
use kenroku_vault::share::{Fact, Item, Reading, Source, Wanted};

use crate::claims::Claim;
use crate::model::{PersonId, assurance_code};
use crate::person::{ADDRESS, BIRTH, NAME};
use crate::subject::OWN;
use crate::{Identity, IdentityError};

/// What can be handed on, with the claim behind each.
const ITEMS: [(Item, Claim); 5] = [
    (
        Item {
            code: "identity.name",
            names: ["氏名", "名前《なまえ》", "Name"],
            category: Category::Person,
            field: Some(&NAME),
        },
        Claim::Name,
    ),
    (
        Item {
            code: "identity.birthdate",
            names: ["生年月日", "生まれ《うまれ》た 日《ひ》", "Date of birth"],
            category: Category::Person,
            field: Some(&BIRTH),
        },
        Claim::Birthdate,
    ),
    (
        Item {
            code: "identity.adult",
            names: ["18歳以上かどうか", "18歳《さい》より 上《うえ》か どうか", "Whether 18 or older"],
            category: Category::Person,
            field: Some(&BIRTH),
        },
        Claim::IsAdult,
    ),
    (
        Item {
            code: "identity.address",
            names: ["住所", "住所《じゅうしょ》", "Address"],
            category: Category::Person,
            field: Some(&ADDRESS),
        },
        Claim::Address,
    ),
    (
        Item {
            code: "identity.municipality",
            names: [
                "お住まいの市町（番地などは渡しません）",
                "住ん《すん》で いる 市《し》や 町《まち》",
                "Municipality (not the address)",
            ],
            category: Category::Person,
            field: None,
        },
        Claim::MuniCode,
    ),
];
const BARE: [Item; ITEMS.len()] = [ITEMS[0].0, ITEMS[1].0, ITEMS[2].0, ITEMS[3].0, ITEMS[4].0];

/// The codes of all items.
pub(crate) fn codes() -> Vec<String> {
    BARE.iter().map(|i| i.code.to_owned()).collect()
}

impl Source for Identity {
    fn module(&self) -> &'static str {
        OWN
    }

    fn names(&self) -> [&'static str; 3] {
        ["いしかわID", "いしかわID", "Ishikawa ID"]
    }

    fn tenants(&self) -> Vec<Tenant> {
        vec![Tenant::SHARED]
    }

    fn items(&self) -> &'static [Item] {
        &BARE
    }

    fn read<'a>(&'a self, wanted: &'a Wanted) -> Reading<'a, Vec<Fact>> {
        Box::pin(async move {
            let asked = ITEMS.iter().filter(|(item, _)| wanted.items.contains(&item.code));
            let asked: Vec<(&'static str, Claim)> = asked.map(|(item, claim)| (item.code, *claim)).collect();
            let claims: Vec<Claim> = asked.iter().map(|(_, claim)| *claim).collect();
            let person = PersonId::from_uuid(wanted.subject.uuid());
            let (mut values, provenance) = self.opened_claims(person, &claims, &wanted.why).await?;
            let fact = |(code, claim): (&'static str, Claim)| {
                let value = values.remove(claim.name())?;
                let (method, assurance, verified_at) = match &provenance {
                    Some(p) => (p.method.code(), assurance_code(p.assurance), Some(p.verified_at)),
                    None => ("", "", None),
                };
                let (method, assurance) = (method.to_owned(), assurance.to_owned());
                Some(Fact { code, value, source: OWN.to_owned(), method, assurance, verified_at })
            };
            Ok(asked.into_iter().filter_map(fact).collect())
        })
    }
}

impl Pseudonyms for Identity {
    fn translate<'a>(
        &'a self,
        from: &'a str,
        subject: SubjectId,
        to: &'a str,
    ) -> Answer<'a, Option<SubjectId>> {
        Box::pin(async move {
            let person = match from {
                OWN => self.person(PersonId::from_uuid(subject.uuid())).await.map_err(problem)?.map(|p| p.id),
                other => self.person_of(other, subject).await.map_err(problem)?,
            };
            match person {
                None => Ok(None),
                Some(person) => Ok(Some(self.subject(person, to).await.map_err(problem)?)),
            }
        })
    }
}

fn problem(e: IdentityError) -> Problem {
    e.into()
}

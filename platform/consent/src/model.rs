//! Pure rules: what an agreement says, what a person's answers add up to, and what may leave. No store, no clock.

use std::collections::BTreeSet;

use std::time::Duration;

use kenroku_contracts::personal::MandateId;
use kenroku_store::coded;
use kenroku_types::ids::SubjectId;
use kenroku_types::{Timestamp, id_kind};
use kenroku_vault::ConsentId;
use serde::{Deserialize, Serialize};

id_kind! {
    /// For what a recipient uses which data.
    Agreement => AgreementId;
    /// Whoever receives data.
    Recipient => RecipientId;
    /// Something a recipient has to be told.
    Notice => NoticeId;
    /// One time that data was handed on.
    Provision => ProvisionId;
}

/// One person's answer to one agreement. Its id is what the access log names as the basis of a disclosure.
pub type RecordId = ConsentId;

coded! {
    /// What a recipient is.
    RecipientKind {
        /// A vendor's program with a key.
        Client = "client",
        /// A module of this installation.
        Module = "module",
    }
}

coded! {
    /// On what the use rests, in the words of the GovStack Consent building block (`lawfulBasis`).
    LawfulBasis {
        /// The person's yes (個人情報の保護に関する法律 §27(1), §69(2)一).
        Consent = "consent",
        /// A law or ordinance orders it (§69(1)).
        LegalObligation = "legal_obligation",
        /// Life, body or property are in danger and the person cannot be asked (§27(1)二, §69(2)四).
        VitalInterest = "vital_interest",
        /// The office's own affairs as laid down by law (§61, §69(2)二・三).
        PublicTask = "public_task",
    }
}

coded! {
    /// Which way data goes, in the words of the GovStack Consent building block (`dataUse`).
    #[derive(Default)]
    DataUse {
        /// The recipient receives it.
        #[default]
        Using = "data_using_service",
        /// The recipient delivers it.
        Source = "data_source",
    }
}

impl DataUse {
    fn is_using(&self) -> bool {
        *self == DataUse::Using
    }
}

coded! {
    /// Of what a recipient is told.
    What {
        /// The person said yes.
        Grant = "grant",
        /// The person said no.
        Refuse = "refuse",
        /// The person took it back.
        Withdraw = "withdraw",
        /// Its time was over.
        Expire = "expire",
        /// The person said yes again.
        Renew = "renew",
        /// Something changed that the person lets it see: read again.
        Changed = "changed",
    }
}

impl What {
    /// What a step tells; a question tells the one who asks nothing new.
    pub fn of(step: Step) -> Option<What> {
        What::from_code(step.code())
    }
}

coded! {
    /// The classes into which the law puts data.
    LegalClass {
        /// 個人情報 (§2(1)).
        Personal = "personal",
        /// 要配慮個人情報 (§2(3)).
        SpecialCare = "special-care",
        /// 仮名加工情報 (§2(5)).
        Pseudonymised = "pseudonymised",
        /// 匿名加工情報 (§2(6)); of public bodies 行政機関等匿名加工情報 (§60(3)).
        Anonymised = "anonymised",
    }
}

coded! {
    /// What happened to a record.
    Step {
        /// The recipient asked.
        Draft = "draft",
        /// The person said yes to these items.
        Grant = "grant",
        /// The person said no.
        Refuse = "refuse",
        /// The person took it back.
        Withdraw = "withdraw",
        /// Its time was over.
        Expire = "expire",
        /// The person said yes again, before or after the end.
        Renew = "renew",
    }
}

coded! {
    /// Where a record stands.
    State {
        /// Waiting for the person's answer.
        Asked = "asked",
        /// Yes, to the items named.
        Granted = "granted",
        /// No.
        Refused = "refused",
        /// Taken back.
        Withdrawn = "withdrawn",
        /// Over.
        Expired = "expired",
    }
}

macro_rules! by_code {
    ($($t:ident),+) => {$(
        impl Serialize for $t {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.code())
            }
        }
        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                $t::from_code(&text).ok_or_else(|| serde::de::Error::custom(format!("unknown code {text}")))
            }
        }
    )+};
}
by_code!(DataUse, LawfulBasis, Step);

/// The same in three languages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ConsentTexts)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// 日本語
    pub ja: String,
    /// やさしい日本語
    pub yasashii: String,
    /// English
    pub en: String,
}

impl Texts {
    /// The three texts.
    pub fn new(ja: &str, yasashii: &str, en: &str) -> Self {
        Texts { ja: ja.to_owned(), yasashii: yasashii.to_owned(), en: en.to_owned() }
    }

    fn is_good(&self) -> bool {
        [&self.ja, &self.yasashii, &self.en].iter().all(|t| !t.trim().is_empty() && t.chars().count() <= 400)
    }
}

/// One line of an agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ConsentAgreedItem)]
#[serde(deny_unknown_fields)]
pub struct AgreedItem {
    /// The item's code.
    pub code: String,
    /// Whether the service makes no sense without it: a yes includes it.
    pub required: bool,
}

/// What an agreement says. A revision's snapshot is this as JSON, fields in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ConsentTerms)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The service, as people call it.
    pub service: Texts,
    /// 利用目的.
    pub purpose: Texts,
    /// What no longer works when the person says no or takes it back.
    pub without: Texts,
    /// On what it rests.
    #[schema(value_type = String)]
    pub basis: LawfulBasis,
    /// The article of law; empty with consent.
    pub article: String,
    /// Whether the recipient receives the items or delivers them.
    #[serde(default, skip_serializing_if = "DataUse::is_using")]
    #[schema(value_type = String)]
    pub data_use: DataUse,
    /// Which items.
    pub items: Vec<AgreedItem>,
    /// How long the recipient keeps what it received, in days.
    pub retention_days: u32,
    /// How long a yes holds, in days.
    pub valid_days: u32,
}

/// Longest that a yes may hold: what was agreed to has to be remembered.
pub const LONGEST_DAYS: u32 = 1_825;
/// Items of one agreement at most: more is no question that a person can answer.
pub const MOST_ITEMS: usize = 20;

impl Terms {
    /// What is wrong with them, as field and reason. `known` tells whether somebody can hand on an item.
    pub fn faults(&self, known: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        for (field, texts) in
            [("service", &self.service), ("purpose", &self.purpose), ("without", &self.without)]
        {
            if !texts.is_good() {
                out.push((field, "say it in all three languages, each in 1 to 400 characters".to_owned()));
            }
        }
        let codes: BTreeSet<&str> = self.items.iter().map(|i| i.code.as_str()).collect();
        if self.items.is_empty() || self.items.len() > MOST_ITEMS || codes.len() != self.items.len() {
            out.push(("items", format!("name 1 to {MOST_ITEMS} different items")));
        }
        for code in codes.iter().filter(|c| !known(c)) {
            out.push(("items", format!("nobody can hand on {code}")));
        }
        match self.basis {
            LawfulBasis::Consent if !self.article.is_empty() => {
                out.push(("article", "consent needs no article".to_owned()));
            }
            LawfulBasis::Consent => {}
            _ if self.article.trim().is_empty() => {
                out.push(("article", "name the article of law".to_owned()));
            }
            _ => {}
        }
        if !(1..=LONGEST_DAYS).contains(&self.valid_days) {
            out.push(("valid_days", format!("between 1 and {LONGEST_DAYS} days")));
        }
        if !(1..=36_500).contains(&self.retention_days) {
            out.push(("retention_days", "between 1 and 36500 days".to_owned()));
        }
        out
    }

    /// Whether somebody who agreed to `older` need not be asked again: the same purpose and basis, nothing more is
    /// taken, and nothing is kept longer. It is computed, so that nobody can declare it.
    pub fn asks_no_more_than(&self, older: &Terms) -> bool {
        let old: BTreeSet<&str> = older.items.iter().map(|i| i.code.as_str()).collect();
        self.purpose == older.purpose
            && self.basis == older.basis
            && self.article == older.article
            && self.data_use == older.data_use
            && self.items.iter().all(|i| old.contains(i.code.as_str()))
            && self.retention_days <= older.retention_days
    }

    /// The codes of all its items.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.items.iter().map(|i| i.code.as_str())
    }
}

/// Who took a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The person.
    Person,
    /// Somebody who acts for the person.
    Proxy {
        /// Who, by the pseudonym that this module knows them by.
        who: SubjectId,
        /// By which delegation.
        mandate: MandateId,
        /// Until when the delegation lasts, and so a consent at most.
        until: Timestamp,
    },
    /// The recipient, who asked.
    Recipient,
    /// The clock.
    Clock,
}

/// What a person sees when they answer, kept with the answer (GovStack `serializedSnapshot` of a ConsentRecord).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// What happened.
    pub step: Step,
    /// To which revision of the agreement.
    pub number: i64,
    /// SHA-256 of that revision, hexadecimal.
    pub revision: String,
    /// The items agreed to.
    pub items: BTreeSet<String>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// By whom.
    pub by: By,
    /// How surely they had signed in (`acr`); empty for the clock and the recipient.
    pub acr: String,
    /// The language of the page.
    pub locale: String,
}

/// Where a record stands after some steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: State,
    /// The agreement's revision that was answered.
    pub number: i64,
    /// What was agreed to; empty unless granted.
    pub items: BTreeSet<String>,
    /// Until when it holds.
    pub until: Option<Timestamp>,
    /// How often in a row it was a no.
    pub noes: i64,
    /// By which delegation somebody else said yes; none where the person did.
    pub mandate: Option<MandateId>,
}

/// Days that a recipient waits after the first no in a row, the second, and every further one, before it may ask
/// again. Taking a consent back is a no. The person can say yes at any time.
pub const PAUSES: [u64; 3] = [30, 90, 365];

/// From when on the recipient may ask again somebody who said no at `since`; `None` when the last word was no no.
pub fn ask_again_from(s: &Standing, since: Timestamp) -> Option<Timestamp> {
    if !matches!(s.state, State::Refused | State::Withdrawn) {
        return None;
    }
    let nth = usize::try_from(s.noes.max(1) - 1).unwrap_or(usize::MAX).min(PAUSES.len() - 1);
    Some(since.plus(Duration::from_secs(PAUSES[nth] * 86_400)))
}

impl Standing {
    /// The state after one more step; `None` when the step cannot follow. `covers` tells whether the yes that stands
    /// covers the agreement as it reads now: only then is asking again pointless.
    pub fn after(now: Option<&Standing>, a: &Answered, covers: bool) -> Option<Standing> {
        let state = now.map(|s| s.state);
        let next = match (a.step, state) {
            (Step::Draft, Some(State::Granted)) if covers => return None,
            (Step::Draft, Some(State::Asked)) => return None,
            (Step::Draft, _) => State::Asked,
            (Step::Renew, Some(State::Granted | State::Expired)) => State::Granted,
            (Step::Renew, _) => return None,
            (Step::Grant, Some(State::Granted)) => return None,
            (Step::Grant, _) => State::Granted,
            (Step::Refuse, None | Some(State::Asked)) => State::Refused,
            (Step::Refuse, _) => return None,
            (Step::Withdraw, Some(State::Granted)) => State::Withdrawn,
            (Step::Withdraw, _) => return None,
            (Step::Expire, Some(State::Granted)) => State::Expired,
            (Step::Expire, _) => return None,
        };
        let granted = next == State::Granted;
        let before = now.map_or(0, |s| s.noes);
        let noes = match next {
            State::Refused | State::Withdrawn => before + 1,
            State::Granted => 0,
            State::Asked | State::Expired => before,
        };
        let (mandate, ends) = match &a.by {
            By::Proxy { mandate, until, .. } if granted => (Some(*mandate), Some(*until)),
            _ => (None, None),
        };
        let until = match (a.until, ends) {
            (Some(until), Some(ends)) => Some(until.min(ends)),
            (until, _) => until,
        };
        Some(Standing {
            state: next,
            number: a.number,
            items: if granted { a.items.clone() } else { BTreeSet::new() },
            until: if granted { until } else { None },
            noes,
            mandate,
        })
    }
}

coded! {
    /// Why an item does not leave.
    Why {
        /// The agreement is over.
        Ended = "agreement-ended",
        /// The agreement does not name it.
        NotAgreedUpon = "not-in-agreement",
        /// The person was never asked, or has not answered.
        NoAnswer = "no-answer",
        /// The person said no.
        Refused = "refused",
        /// The person took the consent back.
        Withdrawn = "withdrawn",
        /// The consent is over.
        Expired = "expired",
        /// The agreement asks for more than the person agreed to.
        Outdated = "outdated",
        /// The person left this item out.
        LeftOut = "left-out",
        /// It is for a danger, and none is declared.
        NotDeclared = "not-declared",
    }
}

/// What may leave of what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// These.
    pub allowed: Vec<String>,
    /// These not, each with the reason.
    pub refused: Vec<(String, Why)>,
}

/// Decides, item by item. `terms` is the agreement as it reads now; `answered` the revision that the person answered.
///
/// Pure and without allocation but for the answer: this runs for every read.
pub fn decide(
    terms: &Terms,
    ended: bool,
    answered: Option<(&Standing, &Terms)>,
    asked: &[String],
    now: Timestamp,
) -> Decision {
    let whole = if ended {
        Some(Why::Ended)
    } else if terms.basis != LawfulBasis::Consent {
        None
    } else {
        match answered {
            None => Some(Why::NoAnswer),
            Some((s, agreed)) => match s.state {
                State::Asked => Some(Why::NoAnswer),
                State::Refused => Some(Why::Refused),
                State::Withdrawn => Some(Why::Withdrawn),
                State::Expired => Some(Why::Expired),
                State::Granted if s.until.is_none_or(|u| u <= now) => Some(Why::Expired),
                State::Granted if !std::ptr::eq(terms, agreed) && !terms.asks_no_more_than(agreed) => {
                    Some(Why::Outdated)
                }
                State::Granted => None,
            },
        }
    };
    let mut out = Decision::default();
    for code in asked {
        let why = if let Some(why) = whole {
            Some(why)
        } else if !terms.codes().any(|c| c == code) {
            Some(Why::NotAgreedUpon)
        } else if terms.basis == LawfulBasis::Consent
            && !answered.is_some_and(|(s, _)| s.items.contains(code))
        {
            Some(Why::LeftOut)
        } else {
            None
        };
        match why {
            None => out.allowed.push(code.clone()),
            Some(why) => out.refused.push((code.clone(), why)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms(items: &[&str]) -> Terms {
        let t = || Texts::new("文", "ぶん", "text");
        let item = |c: &&str| AgreedItem { code: (*c).to_owned(), required: false };
        Terms {
            service: t(),
            purpose: t(),
            without: t(),
            basis: LawfulBasis::Consent,
            article: String::new(),
            data_use: DataUse::Using,
            items: items.iter().map(item).collect(),
            retention_days: 30,
            valid_days: 365,
        }
    }

    fn answer(step: Step, items: &[&str], until: i64) -> Answered {
        Answered {
            step,
            number: 1,
            revision: String::new(),
            items: items.iter().map(|i| (*i).to_owned()).collect(),
            until: Some(Timestamp::from_secs(until)),
            by: By::Person,
            acr: String::new(),
            locale: "ja".to_owned(),
        }
    }

    fn ask(codes: &[&str]) -> Vec<String> {
        codes.iter().map(|c| (*c).to_owned()).collect()
    }

    #[test]
    fn only_what_was_agreed_to_leaves_and_the_rest_says_why() {
        let t = terms(&["a", "b"]);
        let now = Timestamp::from_secs(10);
        let yes = Standing::after(None, &answer(Step::Grant, &["a"], 20), false).unwrap();
        let d = decide(&t, false, Some((&yes, &t)), &ask(&["a", "b", "c"]), now);
        assert_eq!(d.allowed, ["a"]);
        assert_eq!(d.refused, [("b".to_owned(), Why::LeftOut), ("c".to_owned(), Why::NotAgreedUpon)]);
        let all = |d: Decision, why: Why| assert_eq!(d.refused, [("a".to_owned(), why)]);
        let a = ask(&["a"]);
        all(decide(&t, true, Some((&yes, &t)), &a, now), Why::Ended);
        all(decide(&t, false, None, &a, now), Why::NoAnswer);
        all(decide(&t, false, Some((&yes, &t)), &a, Timestamp::from_secs(20)), Why::Expired);
        let no = Standing::after(Some(&yes), &answer(Step::Withdraw, &[], 0), true).unwrap();
        all(decide(&t, false, Some((&no, &t)), &a, now), Why::Withdrawn);
        let no = Standing::after(None, &answer(Step::Refuse, &[], 0), false).unwrap();
        all(decide(&t, false, Some((&no, &t)), &a, now), Why::Refused);
    }

    #[test]
    fn a_revision_that_takes_more_needs_a_new_yes() {
        let (old, now) = (terms(&["a", "b"]), Timestamp::from_secs(10));
        let yes = Standing::after(None, &answer(Step::Grant, &["a", "b"], 20), false).unwrap();
        let less = terms(&["a"]);
        assert_eq!(decide(&less, false, Some((&yes, &old)), &ask(&["a"]), now).allowed, ["a"]);
        let more = terms(&["a", "b", "c"]);
        let longer = Terms { retention_days: 31, ..terms(&["a"]) };
        let other = Terms { purpose: Texts::new("別", "べつ", "other"), ..terms(&["a"]) };
        for t in [more, longer, other] {
            let d = decide(&t, false, Some((&yes, &old)), &ask(&["a"]), now);
            assert_eq!(d.refused, [("a".to_owned(), Why::Outdated)]);
        }
    }

    #[test]
    fn what_is_wrong_with_terms_is_told_whole() {
        assert_eq!(terms(&["a"]).faults(|_| true), []);
        let bad = Terms {
            purpose: Texts::default(),
            basis: LawfulBasis::PublicTask,
            valid_days: 0,
            retention_days: 0,
            ..terms(&["a", "a"])
        };
        let fields: Vec<_> = bad.faults(|_| false).into_iter().map(|f| f.0).collect();
        assert_eq!(fields, ["purpose", "items", "items", "article", "valid_days", "retention_days"]);
    }

    fn step() -> impl Strategy<Value = Step> {
        proptest::sample::select(Step::ALL)
    }

    proptest! {
        /// The pause after a no against a plainer account: the number of noes since the last yes.
        #[test]
        fn after_each_no_in_a_row_the_recipient_waits_longer(steps in prop::collection::vec(step(), 0..14)) {
            let mut standing: Option<Standing> = None;
            let mut taken = Vec::new();
            for s in steps {
                if let Some(next) = Standing::after(standing.as_ref(), &answer(s, &["a"], 9), false) {
                    standing = Some(next);
                    taken.push(s);
                }
            }
            let (Some(s), Some(last)) = (standing, taken.last()) else { return Ok(()) };
            let yes = |s: &Step| matches!(s, Step::Grant | Step::Renew);
            let no = |s: &&Step| matches!(**s, Step::Refuse | Step::Withdraw);
            let noes = taken.iter().rev().take_while(|s| !yes(s)).filter(no).count();
            let expected = match (no(&last), noes) {
                (false, _) => None,
                (true, 1) => Some(30),
                (true, 2) => Some(90),
                (true, _) => Some(365),
            };
            let since = Timestamp::from_secs(1_000);
            let days = |t: Timestamp| (t.micros() - since.micros()) / 86_400_000_000;
            prop_assert_eq!(ask_again_from(&s, since).map(days), expected);
        }

        /// A yes by somebody else never holds longer than their delegation, and is marked until the next answer.
        #[test]
        fn a_proxys_yes_ends_with_the_delegation(until in 1i64..100, ends in 1i64..100, now in 0i64..100) {
            let (mandate, who) = (MandateId::from_uuid(uuid::Uuid::from_u128(1)), SubjectId::from_uuid(uuid::Uuid::from_u128(2)));
            let by = By::Proxy { who, mandate, until: Timestamp::from_secs(ends) };
            let yes = Standing::after(None, &Answered { by, ..answer(Step::Grant, &["a"], until) }, true).unwrap();
            prop_assert_eq!(yes.mandate, Some(mandate));
            let t = terms(&["a"]);
            let d = decide(&t, false, Some((&yes, &t)), &ask(&["a"]), Timestamp::from_secs(now));
            prop_assert_eq!(d.allowed.len() == 1, now < until.min(ends));
            let own = Standing::after(Some(&yes), &answer(Step::Renew, &["a"], until), true).unwrap();
            prop_assert_eq!(own.mandate, None);
        }

        /// Against a second, plainer account of the same rules: whatever is asked, an item leaves exactly when the last
        /// step that counts was a yes that named it, still holds, and the agreement still names it.
        #[test]
        fn a_brute_force_account_agrees(
            steps in prop::collection::vec((step(), prop::bits::u8::masked(0b111), 1i64..100), 0..12),
            now in 0i64..100,
            named in prop::bits::u8::masked(0b111),
            ended: bool,
        ) {
            let codes = ["a", "b", "c"];
            let of = |bits: u8| -> Vec<&str> {
                codes.iter().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|(_, c)| *c).collect()
            };
            let t = terms(&of(named));
            let mut standing: Option<Standing> = None;
            let mut yes: Option<(u8, i64)> = None;
            let mut renewable = false;
            for (s, bits, until) in steps {
                let Some(next) = Standing::after(standing.as_ref(), &answer(s, &of(bits), until), true) else {
                    continue;
                };
                standing = Some(next);
                match s {
                    Step::Grant => { prop_assert!(yes.is_none()); yes = Some((bits, until)); renewable = true; }
                    Step::Renew => { prop_assert!(renewable); yes = Some((bits, until)); }
                    Step::Expire => { prop_assert!(yes.is_some()); yes = None; renewable = true; }
                    Step::Withdraw | Step::Refuse | Step::Draft => { yes = None; renewable = false; }
                }
            }
            let answered = standing.as_ref().map(|s| (s, &t));
            let d = decide(&t, ended, answered, &ask(&codes), Timestamp::from_secs(now));
            for (i, code) in codes.iter().enumerate() {
                let bit = 1u8 << i;
                let expected = !ended && named & bit != 0
                    && yes.is_some_and(|(bits, until)| bits & bit != 0 && until > now);
                prop_assert_eq!(d.allowed.iter().any(|c| c == code), expected);
                prop_assert_eq!(d.refused.iter().any(|(c, _)| c == code), !expected);
            }
        }
    }
}

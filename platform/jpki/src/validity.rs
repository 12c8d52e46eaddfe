//! From [`VerifiedCrypto`] to [`ValidityChecked`]: the revocation state, fail-closed, with one declared exception.

use std::fmt;
use std::time::Duration;

use kenroku_types::Timestamp;

use crate::attributes::Attributes;
use crate::kind::{Auth, Kind, Sign};
use crate::name::IssuingPlace;
use crate::refusal::Refusal;
use crate::revocation::{Answer, Certificate, Method, RevocationSource, Status};
use crate::verify::{CredentialId, VerifiedCrypto};

/// How old revocation data may be.
#[derive(Clone, Copy, Debug)]
pub enum Mode<'a> {
    /// As configured per source. For everything in ordinary times, and always for registration.
    Strict,
    /// Older data may do for sign-in while the declaration lasts; outside its time the same as [`Mode::Strict`].
    Disaster(&'a DisasterMode),
}

impl<'a> Mode<'a> {
    /// The declaration that counts now.
    pub(crate) fn disaster_at(self, now: Timestamp) -> Option<&'a DisasterMode> {
        match self {
            Mode::Strict => None,
            Mode::Disaster(d) => (d.from <= now && now < d.until).then_some(d),
        }
    }
}

/// An operator's declaration that networks are down and people must be able to sign in all the same. It relaxes the age
/// of revocation data and nothing else: what is known to be revoked stays refused, and so does what no data covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisasterMode {
    reason: String,
    from: Timestamp,
    until: Timestamp,
    max_age: Duration,
}

/// Why it cannot be declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisasterError {
    /// Without a reason there is nothing to report afterwards.
    #[error("a reason of 10 to 500 characters is needed")]
    Reason,
    /// At most a week at a time.
    #[error("it must last between a minute and seven days; declare it again if it must go on")]
    Time,
    /// At most a week old.
    #[error("the revocation data may be at most seven days old")]
    Age,
}

/// The longest time, and the greatest age of data.
const WEEK: Duration = Duration::from_secs(7 * 86_400);

impl DisasterMode {
    /// Declares it from `now` on.
    ///
    /// # Errors
    /// Without a reason, for longer than a week, or for data older than a week.
    pub fn declare(
        reason: &str,
        now: Timestamp,
        lasting: Duration,
        max_age: Duration,
    ) -> Result<Self, DisasterError> {
        let reason = reason.trim();
        if !(10..=500).contains(&reason.chars().count()) {
            return Err(DisasterError::Reason);
        }
        if lasting > WEEK || lasting < Duration::from_secs(60) {
            return Err(DisasterError::Time);
        }
        if max_age > WEEK {
            return Err(DisasterError::Age);
        }
        Ok(DisasterMode { reason: reason.to_owned(), from: now, until: now.plus(lasting), max_age })
    }

    /// Why.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// When it ends by itself.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// How old data may be.
    pub fn max_age(&self) -> Duration {
        self.max_age
    }
}

/// A certificate whose signature, chain and revocation state are all known to be good.
pub struct ValidityChecked<K: Kind> {
    crypto: VerifiedCrypto<K>,
    method: Method,
    as_of: Timestamp,
    source: String,
    relaxed: Option<String>,
}

impl<K: Kind> fmt::Debug for ValidityChecked<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidityChecked")
            .field("kind", &K::NAME)
            .field("method", &self.method)
            .field("as_of", &self.as_of)
            .field("source", &self.source)
            .field("relaxed", &self.relaxed)
            .finish_non_exhaustive()
    }
}

impl<K: Kind> VerifiedCrypto<K> {
    /// Learns the revocation state from the source.
    ///
    /// # Errors
    /// [`Refusal::Revoked`]; [`Refusal::StateUnknown`] when the source has no answer; [`Refusal::StateStale`] when its
    /// answer is too old for the mode.
    pub async fn check_validity(
        self,
        source: &dyn RevocationSource,
        mode: Mode<'_>,
        now: Timestamp,
    ) -> Result<ValidityChecked<K>, Refusal> {
        let of = Certificate {
            kind: K::NAME,
            der: &self.der,
            serial: &self.leaf.serial,
            issuer: &self.issuer,
            points: &self.leaf.points,
        };
        let answer = source.status(of, mode, now).await.map_err(Refusal::StateUnknown)?;
        if let Status::Revoked { since, reason } = answer.status {
            return Err(Refusal::Revoked { since, reason });
        }
        if !answer.is_fresh(mode, now) {
            return Err(Refusal::StateStale);
        }
        // Recorded only where it made the difference: fresh data under a declaration is as good as ever.
        let relaxed = (!answer.is_fresh(Mode::Strict, now))
            .then(|| mode.disaster_at(now).map(|d| d.reason().to_owned()))
            .flatten();
        let Answer { method, as_of, source, .. } = answer;
        Ok(ValidityChecked { crypto: self, method, as_of, source: source.into_owned(), relaxed })
    }
}

impl<K: Kind> ValidityChecked<K> {
    /// Which certificate.
    pub fn credential(&self) -> CredentialId {
        self.crypto.credential()
    }

    /// Its last instant.
    pub fn not_after(&self) -> Timestamp {
        self.crypto.not_after()
    }

    /// Who issued the card, when the certificate says so.
    pub fn issuing_place(&self) -> Option<&IssuingPlace> {
        self.crypto.issuing_place()
    }

    /// How the revocation state was learned.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The moment the revocation state describes.
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// From which source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The reason of the disaster mode without which this would have been refused as stale.
    pub fn relaxed(&self) -> Option<&str> {
        self.relaxed.as_deref()
    }

    /// Whether the hierarchy is the production one. A person proofed by a test card is simulated.
    pub fn is_production(&self) -> bool {
        self.crypto.production
    }
}

impl ValidityChecked<Sign> {
    /// Name, birth, sex and address.
    pub fn attributes(&self) -> &Attributes {
        &self.crypto.leaf.holder
    }
}

/// What a registration rests on: both certificates of a card, in one ceremony, each fully checked.
///
/// Nothing in the two certificates says that they belong to one person, and nothing can: the 利用者証明用 one has no
/// attributes. What ties them is that both keys, each behind its own secret, signed the same fresh challenge.
#[derive(Debug)]
pub struct Proofing {
    auth: ValidityChecked<Auth>,
    sign: ValidityChecked<Sign>,
}

impl Proofing {
    /// Brings both together.
    ///
    /// # Errors
    /// [`Refusal::Mixed`] when they answered different challenges or belong to different hierarchies;
    /// [`Refusal::Relaxed`] when either was checked under disaster rules only.
    pub fn new(auth: ValidityChecked<Auth>, sign: ValidityChecked<Sign>) -> Result<Self, Refusal> {
        if auth.crypto.signed != sign.crypto.signed || auth.is_production() != sign.is_production() {
            return Err(Refusal::Mixed);
        }
        if auth.relaxed.is_some() || sign.relaxed.is_some() {
            return Err(Refusal::Relaxed);
        }
        Ok(Proofing { auth, sign })
    }

    /// The certificate for later sign-ins.
    pub fn auth(&self) -> &ValidityChecked<Auth> {
        &self.auth
    }

    /// The certificate that carries the attributes.
    pub fn sign(&self) -> &ValidityChecked<Sign> {
        &self.sign
    }

    /// Name, birth, sex and address.
    pub fn attributes(&self) -> &Attributes {
        self.sign.attributes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    const T0: Timestamp = Timestamp::from_secs(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn declare(reason: &str, lasting: Duration, age: Duration) -> Result<DisasterMode, DisasterError> {
        DisasterMode::declare(reason, T0, lasting, age)
    }

    #[test]
    fn a_disaster_needs_a_reason_and_an_end() {
        let reason = "震度6強の地震で回線が切れた";
        assert!(declare(reason, WEEK, WEEK).is_ok());
        assert_eq!(declare("地震", HOUR, HOUR), Err(DisasterError::Reason));
        assert_eq!(declare("          ", HOUR, HOUR), Err(DisasterError::Reason));
        assert_eq!(declare(reason, WEEK + HOUR, HOUR), Err(DisasterError::Time));
        assert_eq!(declare(reason, Duration::ZERO, HOUR), Err(DisasterError::Time));
        assert_eq!(declare(reason, HOUR, WEEK + HOUR), Err(DisasterError::Age));
    }

    fn answer(as_of: Timestamp, next_update: Option<Timestamp>) -> Answer {
        Answer {
            status: Status::Good,
            method: Method::Crl,
            as_of,
            next_update,
            max_age: 24 * HOUR,
            source: Cow::Borrowed("crl"),
        }
    }

    #[test]
    fn data_is_fresh_within_its_age_and_promise() {
        let day_old = answer(T0.minus(24 * HOUR), None);
        assert!(day_old.is_fresh(Mode::Strict, T0));
        assert!(!day_old.is_fresh(Mode::Strict, T0.plus(Duration::from_secs(1))));
        assert!(answer(T0, Some(T0.plus(HOUR))).is_fresh(Mode::Strict, T0.plus(HOUR)));
        assert!(!answer(T0, Some(T0.plus(HOUR))).is_fresh(Mode::Strict, T0.plus(2 * HOUR)));
        assert!(answer(T0.plus(Duration::from_secs(299)), None).is_fresh(Mode::Strict, T0));
        assert!(!answer(T0.plus(HOUR), None).is_fresh(Mode::Strict, T0));
    }

    #[test]
    fn a_disaster_relaxes_the_age_while_it_lasts() {
        let disaster = declare("震度6強の地震で回線が切れた", 48 * HOUR, 72 * HOUR).unwrap();
        let old = answer(T0.minus(60 * HOUR), Some(T0.minus(36 * HOUR)));
        assert!(!old.is_fresh(Mode::Strict, T0));
        assert!(old.is_fresh(Mode::Disaster(&disaster), T0));
        assert!(!old.is_fresh(Mode::Disaster(&disaster), T0.plus(13 * HOUR)), "72 hours are over");
        assert!(!old.is_fresh(Mode::Disaster(&disaster), T0.minus(HOUR)), "not declared yet");
        let newer = answer(T0.plus(30 * HOUR), Some(T0.plus(31 * HOUR)));
        assert!(newer.is_fresh(Mode::Disaster(&disaster), T0.plus(47 * HOUR)));
        assert!(!newer.is_fresh(Mode::Disaster(&disaster), T0.plus(48 * HOUR)), "it has ended");
    }
}

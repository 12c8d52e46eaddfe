//! The card: what is asked of it, and what its answer makes of a person.
//!
//! The browser gets a ticket with a code; a reader exchanges the code for a challenge, and posts what the card signed.
//! The ticket is used up by one conditional update before any certificate is looked at, whatever they are worth.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kenroku_access::Assurance;
use kenroku_contracts::card::{CardAct, CardAnswer, CardChallenge, CardOutcome, CardSignature, CardState};
use kenroku_jpki::{
    AuthAnchors, Challenge, CredentialId as Certificate, Kind as JpkiKind, Mode, Proofing, Refusal,
    RevocationSource, SignAnchors, SpentChallenge, ToBeSigned, ValidityChecked,
};
use kenroku_store::Tx;
use kenroku_types::{Problem, Timestamp};
use serde::{Deserialize, Serialize};

use crate::credential::{self, CertificateRef, Kind, NewCredential};
use crate::error::{IdentityError, Result};
use crate::model::{
    AccountClass, Attributes, Birth, PersonId, PersonState, ProofMethod, Provenance, Sex, TicketId, Written,
    coded,
};
use crate::person::{self, NewPerson, Registered};
use crate::ticket::{Issued, Ticket, TicketKind};
use crate::upstream::{SignedElsewhere, SignedLink};
use crate::{Identity, session};

/// Which certificates are believed, and where their state is learned. Put into the app by whoever runs the
/// installation; without it no card is accepted.
#[derive(Clone)]
pub struct CardTrust {
    /// The CAs of 利用者証明用 certificates.
    pub auth: AuthAnchors,
    /// The CAs of 署名用 certificates.
    pub sign: SignAnchors,
    /// Where revocation is learned.
    pub revocation: Arc<dyn RevocationSource>,
}

impl fmt::Debug for CardTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardTrust")
            .field("auth", &self.auth)
            .field("sign", &self.sign)
            .finish_non_exhaustive()
    }
}

coded! {
    /// What somebody wants with the card.
    Act {
        /// Become known.
        Register = "register",
        /// Prove anew: moved, renamed, a new card.
        Replace = "replace",
        /// Sign in.
        SignIn = "sign-in",
    }
}

impl Act {
    /// From its word.
    pub fn of(word: &str) -> Option<Act> {
        Act::from_code(word)
    }

    const fn card_act(self) -> CardAct {
        match self {
            Act::Register => CardAct::Register,
            Act::Replace => CardAct::Replace,
            Act::SignIn => CardAct::SignIn,
        }
    }

    const fn kind(self) -> TicketKind {
        match self {
            Act::Register => TicketKind::CardRegister,
            Act::Replace => TicketKind::CardProve,
            Act::SignIn => TicketKind::CardSignIn,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Act::Register => "いしかわIDをつくります。カードの氏名・生年月日・性別・住所を登録します。",
            Act::Replace => "いしかわIDの登録内容を、カードの氏名・生年月日・性別・住所で新しくします。",
            Act::SignIn => "いしかわIDにログインします。",
        }
    }

    /// What is signed with an app instead of at a reader.
    const fn text_of_app(self) -> &'static str {
        match self {
            Act::Register => {
                "いしかわIDをつくります。カードの氏名・生年月日・性別・住所を登録します。次からこのアプリでもログインできるようにします。"
            }
            Act::Replace => {
                "いしかわIDの登録内容を、カードの氏名・生年月日・性別・住所で新しくします。次からこのアプリでもログインできるようにします。"
            }
            Act::SignIn => self.text(),
        }
    }

    /// The sentence that somebody signs for this, with an app or at a reader.
    pub(crate) const fn says(self, by_app: bool) -> &'static str {
        if by_app { self.text_of_app() } else { self.text() }
    }
}

coded! {
    /// How a card's ticket ended.
    Outcome {
        /// A new person, ready.
        Registered = "registered",
        /// A known person, proved anew.
        Proved = "proved",
        /// A known person.
        SignedIn = "signed-in",
        /// An operator looks at it first.
        Review = "review",
        /// Nobody is registered with this card.
        Unknown = "unknown",
        /// The card's certificate was revoked.
        Revoked = "revoked",
        /// Anything else.
        Refused = "refused",
    }
}

impl Outcome {
    /// From how it is stored.
    pub fn of(code: &str) -> Outcome {
        Outcome::from_code(code).unwrap_or(Outcome::Refused)
    }
}

#[derive(Serialize, Deserialize)]
struct Body {
    act: String,
    class: String,
    next: String,
    relying_party: String,
    nonce: String,
    issued_at: i64,
    /// Whether it is signed with an app (署名API) instead of at a reader.
    #[serde(default)]
    by_app: bool,
}

/// Issues the ticket of a card ceremony: with a code for a reader, or to be signed `by_app`.
///
/// # Errors
/// When the store fails.
pub async fn begin(
    identity: &Identity,
    act: Act,
    class: AccountClass,
    person: Option<PersonId>,
    next: &str,
    origin: &str,
    by_app: bool,
) -> Result<Issued> {
    let body = Body {
        act: act.code().to_owned(),
        class: class.code().to_owned(),
        next: next.to_owned(),
        relying_party: origin.to_owned(),
        nonce: hex::encode(identity.env().rng.bytes::<32>()),
        issued_at: identity.env().now().micros(),
        by_app,
    };
    // Without a code no reader finds it.
    identity.issue(act.kind(), person, &body, !by_app).await
}

/// Where a finished sign-in leads.
pub(crate) fn next_of(ticket: &Ticket) -> Result<String> {
    Ok(ticket.body::<Body>()?.next)
}

fn to_be_signed(id: TicketId, body: &Body) -> Result<(Act, ToBeSigned)> {
    let act = Act::of(&body.act).ok_or(IdentityError::Over)?;
    let nonce: [u8; 32] =
        hex::decode(&body.nonce).ok().and_then(|n| n.try_into().ok()).ok_or(IdentityError::Over)?;
    let session = id.to_string();
    let tbs =
        ToBeSigned::new(act.card_act().word(), &body.relying_party, &session, &nonce, act.says(body.by_app))
            .map_err(|e| IdentityError::Inner(Box::new(Problem::from(Refusal::from(e)))))?;
    Ok((act, tbs))
}

/// Why a card's answer led nowhere: the problem for the reader, and what the browser is told.
struct Stopped(Outcome, Problem);

impl From<Refusal> for Stopped {
    fn from(r: Refusal) -> Self {
        tracing::info!(code = r.code(), "card refused");
        let outcome = if matches!(r, Refusal::Revoked { .. }) { Outcome::Revoked } else { Outcome::Refused };
        Stopped(outcome, r.into())
    }
}

impl From<IdentityError> for Stopped {
    fn from(e: IdentityError) -> Self {
        Stopped(Outcome::Refused, e.into())
    }
}

/// What the two certificates of a card proved.
struct Proofed {
    attributes: Attributes,
    credentials: Vec<NewCredential>,
    simulated: bool,
    /// By what: a card in a reader, or an app.
    source: String,
}

impl Identity {
    /// What the card of the person who typed this code is asked to sign.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] for a code that is not open.
    pub async fn card_challenge(&self, code: &str) -> Result<CardChallenge> {
        let ticket = self.look_by_code(code).await.map_err(|_| IdentityError::NotFound)?;
        let body: Body = ticket.body().map_err(|_| IdentityError::NotFound)?;
        let (act, _) = to_be_signed(ticket.id, &body)?;
        Ok(CardChallenge {
            session: ticket.id.to_string(),
            act: act.card_act(),
            relying_party: body.relying_party,
            nonce: body.nonce,
            text: act.text().to_owned(),
            expires_at: ticket.expires_at,
        })
    }

    /// Takes what the card signed.
    ///
    /// # Errors
    /// The problem for the reader; the ticket is used up all the same.
    pub async fn card_answer(
        &self,
        trust: &CardTrust,
        answer: &CardAnswer,
    ) -> std::result::Result<CardOutcome, Problem> {
        let id: TicketId = answer.session.parse().map_err(|_| Problem::not_found())?;
        let ticket = self.take_card(id).await?;
        match self.judge(trust, &ticket, answer).await {
            Ok((outcome, _)) => Ok(said(outcome)),
            Err(Stopped(outcome, problem)) => {
                let mut tx = self.db().begin().await.map_err(IdentityError::from)?;
                self.finish(&mut tx, id, outcome.code(), None).await?;
                tx.commit().await.map_err(IdentityError::from)?;
                Err(problem)
            }
        }
    }

    async fn judge(
        &self,
        trust: &CardTrust,
        ticket: &Ticket,
        answer: &CardAnswer,
    ) -> std::result::Result<(Outcome, Option<PersonId>), Stopped> {
        let body: Body = ticket.body()?;
        let (act, tbs) = to_be_signed(ticket.id, &body)?;
        let now = self.env().now();
        let spent = Challenge::new(tbs, Timestamp::from_micros(body.issued_at))
            .spend(1, now)
            .map_err(Refusal::from)?;
        // Only signing in may use older revocation data, and only while a declaration lasts.
        let disaster = match act {
            Act::SignIn => self.disaster().await?.and_then(|d| d.mode()),
            Act::Register | Act::Replace => None,
        };
        let mode = disaster.as_ref().map_or(Mode::Strict, Mode::Disaster);
        let auth = checked(&trust.auth, trust, &spent, &answer.auth, mode, now).await?;
        let handle = self.handle_of(Kind::JpkiAuth, &auth.credential()).await?;
        let known = {
            let mut tx = self.db().read().await.map_err(IdentityError::from)?;
            credential::find(&mut tx, Kind::JpkiAuth, &handle).await?
        };
        if act == Act::SignIn {
            let Some(found) = known else {
                let problem =
                    Problem::new(404, "identity.unknown-card", "Nobody is registered with this card")
                        .next("Register with it, or prove yourself again after a renewal of the card.");
                return Err(Stopped(Outcome::Unknown, problem));
            };
            let relaxed = auth.relaxed().is_some();
            let outcome = self.card_signs_in(ticket.id, found.id, found.person, relaxed).await?;
            return Ok((outcome, Some(found.person)));
        }
        let signature = answer.sign.as_ref().ok_or_else(|| {
            let p = Problem::bad_request("Registering needs both certificates of the card.");
            Stopped(Outcome::Refused, p)
        })?;
        let sign = checked(&trust.sign, trust, &spent, signature, Mode::Strict, now).await?;
        let proofing = Proofing::new(auth, sign)?;
        let proofed = self.proofed(&proofing).await?;
        let person = ticket.person.or(known.map(|k| k.person));
        let class = AccountClass::from_code(&body.class).unwrap_or(AccountClass::Resident);
        Ok(self.card_proves(ticket.id, person, class, proofed, None).await?)
    }

    /// What an app is asked to let the card sign: the SHA-256 of what the person reads.
    ///
    /// # Errors
    /// [`IdentityError::Over`] when the ticket is none of an app's, or no longer open.
    pub(crate) async fn card_digest(&self, id: TicketId) -> Result<[u8; 32]> {
        let ticket = self.look_by_id(id).await?;
        let body: Body = ticket.body()?;
        let (_, tbs) = to_be_signed(ticket.id, &body)?;
        if body.by_app { Ok(tbs.digest()) } else { Err(IdentityError::Over) }
    }

    /// Takes what a card signed by way of an app. The ticket is used up whatever it is worth; what came of it stands
    /// in the ticket, for the browser that began it.
    ///
    /// The rules are those of a card in a reader, with one certificate instead of two: the app gives none for signing
    /// in. In its place stands the app's own subject, which becomes a link: the person read that and signed it.
    ///
    /// # Errors
    /// [`IdentityError::Over`].
    pub(crate) async fn signed_elsewhere(
        &self,
        trust: &CardTrust,
        id: TicketId,
        from: &SignedElsewhere,
    ) -> Result<()> {
        let ticket = self.take_card(id).await?;
        if let Err(Stopped(outcome, problem)) = self.judge_app(trust, &ticket, from).await {
            tracing::info!(code = %problem.code, "what an app signed was refused");
            let mut tx = self.db().begin().await?;
            self.finish(&mut tx, id, outcome.code(), None).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn judge_app(
        &self,
        trust: &CardTrust,
        ticket: &Ticket,
        from: &SignedElsewhere,
    ) -> std::result::Result<(), Stopped> {
        let body: Body = ticket.body()?;
        let (act, tbs) = to_be_signed(ticket.id, &body)?;
        if act == Act::SignIn || !body.by_app {
            return Err(IdentityError::Over.into());
        }
        let now = self.env().now();
        let spent = Challenge::new(tbs, Timestamp::from_micros(body.issued_at))
            .spend(1, now)
            .map_err(Refusal::from)?;
        let sign = checked(&trust.sign, trust, &spent, &from.signature, Mode::Strict, now).await?;
        let handle = self.handle_of(Kind::JpkiSign, &sign.credential()).await?;
        let known = {
            let mut tx = self.db().read().await.map_err(IdentityError::from)?;
            credential::find(&mut tx, Kind::JpkiSign, &handle).await?
        };
        let mut credential = NewCredential::new(Kind::JpkiSign, handle);
        credential.not_after = Some(sign.not_after());
        let attributes = attributes_of(sign.attributes());
        if !is_same(&attributes, &from.who) {
            let p = Problem::new(403, "identity.other-signer", "Somebody else signed than signed in")
                .next("Begin again, and use one card for both.");
            return Err(Stopped(Outcome::Refused, p));
        }
        let proofed = Proofed {
            attributes,
            credentials: vec![credential],
            simulated: !sign.is_production(),
            source: from.provider.clone(),
        };
        // Whoever renewed the card has another certificate, and the same subject at the app as before.
        let linked = self.by_subject(&from.who.issuer, &from.who.sub).await?;
        let linked = linked.first().filter(|_| linked.len() == 1).map(|(_, person, _)| *person);
        let person = ticket.person.or(known.map(|k| k.person)).or(linked);
        let class = AccountClass::from_code(&body.class).unwrap_or(AccountClass::Resident);
        self.card_proves(ticket.id, person, class, proofed, Some(from)).await?;
        Ok(())
    }

    async fn card_signs_in(
        &self,
        id: TicketId,
        credential: crate::model::CredentialId,
        person: PersonId,
        relaxed: bool,
    ) -> Result<Outcome> {
        let now = self.env().now();
        let mut tx = self.db().begin().await?;
        let outcome = match person::state(&mut tx, person).await? {
            Some(PersonState::Active | PersonState::Moved) => Outcome::SignedIn,
            Some(PersonState::Review) => Outcome::Review,
            _ => Outcome::Unknown,
        };
        credential::touched(&mut tx, credential, now).await?;
        if relaxed {
            session::note(&mut tx, self.env(), person, "changed", "disaster-sign-in", "").await?;
        }
        self.finish(&mut tx, id, outcome.code(), Some(person)).await?;
        tx.commit().await?;
        if relaxed {
            tracing::warn!(alarm = "disaster-mode", ticket = %id, "a card signed in on old revocation data");
        }
        Ok(outcome)
    }

    /// Stores what was proved and ends the ticket, in one transaction.
    async fn card_proves(
        &self,
        id: TicketId,
        person: Option<PersonId>,
        class: AccountClass,
        p: Proofed,
        app: Option<&SignedElsewhere>,
    ) -> Result<(Outcome, Option<PersonId>)> {
        let at_home = p.attributes.municipality(kenroku_places::Places::shared()?).is_some();
        let class = match class {
            _ if at_home => AccountClass::Resident,
            AccountClass::Worker => AccountClass::Worker,
            _ => AccountClass::Homecoming,
        };
        let provenance = Provenance {
            method: ProofMethod::Jpki,
            assurance: Assurance::JpkiSign,
            source: p.source,
            verified_at: self.env().now(),
        };
        let new = NewPerson {
            id: person.unwrap_or_else(|| self.env().id()),
            class,
            attributes: p.attributes,
            provenance,
            credentials: p.credentials,
            simulated: p.simulated,
        };
        if person.is_some() {
            let prepared = self.prepare(new.clone()).await?;
            let link = self.link_of(new.id, app).await?;
            let mut tx = self.db().begin().await?;
            match self.prove_again_in(&mut tx, &prepared).await {
                Ok(()) => {
                    self.store_link(&mut tx, link.as_ref()).await?;
                    self.finish(&mut tx, id, Outcome::Proved.code(), person).await?;
                    tx.commit().await?;
                    return Ok((Outcome::Proved, person));
                }
                // A new name, or somebody else's card: people look at it.
                Err(IdentityError::Duplicate) => tx.rollback().await?,
                Err(e) => {
                    tx.rollback().await?;
                    return Err(e);
                }
            }
        }
        let newcomer = NewPerson { id: self.env().id(), ..new };
        let who = newcomer.id;
        let prepared = self.prepare(newcomer).await?;
        let link = self.link_of(who, app).await?;
        let mut tx = self.db().begin().await?;
        let outcome = match self.register_in(&mut tx, &prepared, person).await {
            Ok(Registered::Active) => Outcome::Registered,
            Ok(Registered::Review(_)) => Outcome::Review,
            Err(e) => {
                tx.rollback().await?;
                return Err(e);
            }
        };
        self.store_link(&mut tx, link.as_ref()).await?;
        self.finish(&mut tx, id, outcome.code(), Some(who)).await?;
        tx.commit().await?;
        Ok((outcome, Some(who)))
    }

    async fn link_of(&self, person: PersonId, app: Option<&SignedElsewhere>) -> Result<Option<SignedLink>> {
        match app {
            Some(from) => self.prepare_signed_link(person, from).await,
            None => Ok(None),
        }
    }

    async fn store_link(&self, tx: &mut Tx, link: Option<&SignedLink>) -> Result<()> {
        match link {
            Some(link) => self.add_signed_link(tx, link).await,
            None => Ok(()),
        }
    }

    async fn handle_of(&self, kind: Kind, c: &Certificate) -> Result<credential::Handle> {
        let bytes = c.to_bytes();
        let (issuer, serial) = bytes.split_at(bytes.len().min(32));
        self.certificate_handle(&CertificateRef { kind, issuer, serial }).await
    }

    async fn proofed(&self, p: &Proofing) -> Result<Proofed> {
        let mut auth =
            NewCredential::new(Kind::JpkiAuth, self.handle_of(Kind::JpkiAuth, &p.auth().credential()).await?);
        auth.not_after = Some(p.auth().not_after());
        let mut sign =
            NewCredential::new(Kind::JpkiSign, self.handle_of(Kind::JpkiSign, &p.sign().credential()).await?);
        sign.not_after = Some(p.sign().not_after());
        Ok(Proofed {
            attributes: attributes_of(p.attributes()),
            credentials: vec![auth, sign],
            simulated: !p.sign().is_production(),
            source: "card".to_owned(),
        })
    }
}

/// Whether who signed in at the app and whose certificate signed are one person: nothing else ties the two answers
/// together, and somebody who lets another sign a request of his must not become that person here. Name and birth are
/// compared where the certificate has them without substitutes or gaps; one of them it must have.
fn is_same(a: &Attributes, who: &kenroku_oidc::upstream::Person) -> bool {
    use unicode_normalization::UnicodeNormalization as _;
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let plain = |text: &str| text.nfkc().filter(|c| !c.is_whitespace()).collect::<String>();
    let birth = a.birth.filter(|b| b.date().is_some());
    let birth = birth.map(|b| who.text("birthdate").is_some_and(|t| digits(t) == digits(&b.to_string())));
    let name = (!a.name.has_substitutes())
        .then(|| who.text("name").is_some_and(|t| plain(t) == plain(&a.name.text)));
    match (birth, name) {
        (None, None) => false,
        (birth, name) => birth.unwrap_or(true) && name.unwrap_or(true),
    }
}

/// The four attributes of a certificate, as we keep them.
fn attributes_of(a: &kenroku_jpki::attributes::Attributes) -> Attributes {
    let (year, month, day) = a.birth.parts();
    let sex = match a.sex {
        kenroku_jpki::attributes::Sex::Male => Sex::Male,
        kenroku_jpki::attributes::Sex::Female => Sex::Female,
        kenroku_jpki::attributes::Sex::Unknown => Sex::Unknown,
    };
    Attributes {
        name: written(a.name.as_str(), &a.name.substituted()),
        birth: Some(Birth { year, month, day }),
        sex: Some(sex),
        address: Some(written(a.address.as_str(), &a.address.substituted())),
    }
}

fn written(text: &str, substituted: &[usize]) -> Written {
    let flags = (0..text.chars().count()).map(|i| if substituted.contains(&i) { '1' } else { '0' });
    let substitutes = if substituted.is_empty() { String::new() } else { flags.collect() };
    Written { text: text.to_owned(), substitutes }
}

async fn checked<K: JpkiKind>(
    anchors: &kenroku_jpki::Anchors<K>,
    trust: &CardTrust,
    spent: &SpentChallenge,
    s: &CardSignature,
    mode: Mode<'_>,
    now: Timestamp,
) -> std::result::Result<ValidityChecked<K>, Stopped> {
    let bytes = |text: &str| STANDARD.decode(text).map_err(|_| Stopped::from(Refusal::Malformed("base64")));
    let verified = anchors.verify(&bytes(&s.certificate)?, spent, &bytes(&s.signature)?, now)?;
    Ok(verified.check_validity(&*trust.revocation, mode, now).await?)
}

fn said(outcome: Outcome) -> CardOutcome {
    let (state, message) = match outcome {
        Outcome::Registered => (
            CardState::Done,
            "いしかわIDができました。番号を表示している画面で「読み取りました」を押してください。",
        ),
        Outcome::Proved => (
            CardState::Done,
            "登録内容を新しくしました。番号を表示している画面で「読み取りました」を押してください。",
        ),
        Outcome::SignedIn => {
            (CardState::Done, "確認できました。番号を表示している画面で「読み取りました」を押してください。")
        }
        _ => (CardState::Review, "窓口の職員が内容を確かめます。結果は窓口でお知らせします。"),
    };
    CardOutcome { state, message: message.to_owned() }
}

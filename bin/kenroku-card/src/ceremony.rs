//! The order of steps: ask the server, show the person, ask for the secrets, let the card sign, answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kenroku_contracts::card::{CardAct, CardAnswer, CardChallenge, CardOutcome, CardSignature, CardTicket};
use kenroku_jpki::{ChallengeError, NONCE_BYTES, ToBeSigned};

use crate::card::{Card, CardError, Signed, Tries};
use crate::channel::Channel;
use crate::secret::{Password, Pin, SecretError};
use crate::server::{Server, ServerError};

/// Why a ceremony ended without an outcome.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    /// The card.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The challenge names somebody else.
    #[error("この依頼は別の宛先（{0}）のものです。署名しません。")]
    OtherServer(String),
    /// The page asks for something else than was started here.
    #[error("画面の手続きと、ここで始めた手続きが違います。署名しません。")]
    OtherAct,
    /// What is to be signed has not the form that can be shown safely.
    #[error("署名する文を安全に表示できません。署名しません。")]
    Text(#[from] ChallengeError),
    /// The person said no.
    #[error("中止しました。カードには何も送っていません。")]
    Declined,
    /// What was typed has not the form of the secret; the card was not asked.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Nobody could be asked.
    #[error("入力を読み取れません: {0}")]
    Input(String),
}

/// Whoever sits before the reader.
pub trait Person {
    /// Shows what will be signed and for whom; `true` when the person agrees.
    ///
    /// # Errors
    /// When nobody can be asked.
    fn agrees(&mut self, server: &str, text: &str) -> Result<bool, CeremonyError>;

    /// Says that one more wrong entry locks the card; `true` when the person goes on all the same.
    ///
    /// # Errors
    /// When nobody can be asked.
    fn risks_last_try(&mut self, what: Asked) -> Result<bool, CeremonyError>;

    /// Asks for the PIN, showing how many tries are left.
    ///
    /// # Errors
    /// When nobody can be asked, or the entry cannot be a PIN.
    fn pin(&mut self, tries: Tries) -> Result<Pin, CeremonyError>;

    /// Asks for the password, showing how many tries are left.
    ///
    /// # Errors
    /// When nobody can be asked, or the entry cannot be a password.
    fn password(&mut self, tries: Tries) -> Result<Password, CeremonyError>;
}

/// A secret that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// 利用者証明用の暗証番号.
    Pin,
    /// 署名用のパスワード.
    Password,
}

/// Which acts a command stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// Registration and its replacement: both keys.
    Register,
    /// Sign-in and the confirmation of a weighty step: the 利用者証明用 key.
    SignIn,
}

impl Started {
    fn means(self, act: CardAct) -> bool {
        match self {
            Started::Register => act.needs_signing(),
            Started::SignIn => !act.needs_signing(),
        }
    }
}

/// Runs a ceremony.
///
/// # Errors
/// The first thing that is not as it should be. A secret that was wrong is not asked for again: the card is asked how
/// many tries are left when the person starts anew.
pub fn run<C: Channel>(
    started: Started,
    ticket: &str,
    server: &impl Server,
    card: &mut Card<C>,
    person: &mut impl Person,
) -> Result<CardOutcome, CeremonyError> {
    let challenge = server.challenge(&CardTicket { ticket: ticket.to_owned() })?;
    if challenge.relying_party.trim_end_matches('/') != server.name() {
        return Err(CeremonyError::OtherServer(challenge.relying_party));
    }
    if !started.means(challenge.act) {
        return Err(CeremonyError::OtherAct);
    }
    let text = to_be_signed(&challenge)?;
    if !person.agrees(server.name(), &challenge.text)? {
        return Err(CeremonyError::Declined);
    }
    let mut jpki = card.jpki()?;
    let token = jpki.token()?;
    let needs_signing = challenge.act.needs_signing();
    // Both are looked at before either is used, so that nobody types a PIN for a card that cannot sign.
    let auth_tries = usable(jpki.auth_tries()?)?;
    let sign_tries = if needs_signing { Some(usable(jpki.sign_tries()?)?) } else { None };
    if auth_tries.is_last() && !person.risks_last_try(Asked::Pin)? {
        return Err(CeremonyError::Declined);
    }
    let pin = person.pin(auth_tries)?;
    let auth = jpki.sign_in(pin, &text)?;
    let sign = match sign_tries {
        Some(tries) => {
            if tries.is_last() && !person.risks_last_try(Asked::Password)? {
                return Err(CeremonyError::Declined);
            }
            let password = person.password(tries)?;
            Some(jpki.sign(password, &text)?)
        }
        None => None,
    };
    let answer = CardAnswer {
        session: challenge.session,
        token,
        auth: encode(&auth),
        sign: sign.as_ref().map(encode),
    };
    Ok(server.answer(&answer)?)
}

fn usable(tries: Tries) -> Result<Tries, CardError> {
    if tries.0 == 0 { Err(CardError::Blocked) } else { Ok(tries) }
}

/// What is signed, from what is shown.
fn to_be_signed(c: &CardChallenge) -> Result<ToBeSigned, ChallengeError> {
    let mut nonce = [0; NONCE_BYTES];
    hex::decode_to_slice(&c.nonce, &mut nonce).map_err(|_| ChallengeError::Form("nonce"))?;
    ToBeSigned::new(c.act.word(), &c.relying_party, &c.session, &nonce, &c.text)
}

fn encode(signed: &Signed) -> CardSignature {
    CardSignature {
        certificate: STANDARD.encode(&signed.certificate),
        signature: STANDARD.encode(&signed.signature),
    }
}

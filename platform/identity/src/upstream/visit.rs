//! A visit to an upstream provider and back: what is kept meanwhile, and what the answer is worth.

use kenroku_oidc::upstream::{Ask, Attempt, Person, UpstreamError};
use kenroku_oidc::{Params, Scopes};
use serde::{Deserialize, Serialize};

use super::link::{Candidate, Sharer, SignedElsewhere};
use crate::card::CardTrust;
use crate::error::{IdentityError, Result};
use crate::model::{LinkId, PersonId, SessionId, TicketId};
use crate::session::{Proved, Session};
use crate::ticket::{Issued, TicketKind};
use crate::upstream::{Provider, Providers, UpstreamsError};
use crate::{After, Identity};

/// What somebody went to an upstream for.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Purpose {
    SignIn(After),
    Link {
        sid: SessionId,
        person: PersonId,
    },
    /// Sign what a card would sign at a reader, for this ticket.
    Sign {
        ticket: TicketId,
        transaction: String,
    },
}

/// Somebody signed in with an ID that several people share; which of them is here?
#[derive(Serialize, Deserialize)]
struct Choice {
    provider: String,
    links: Vec<LinkId>,
    issuer: String,
    sub: String,
    after: After,
}

/// What is kept on the server while the browser is away.
#[derive(Serialize, Deserialize)]
struct Visit {
    provider: String,
    attempt: Attempt,
    purpose: Purpose,
}

/// Where a browser is sent, and the ticket it must come back with.
#[derive(Debug)]
pub struct Pending {
    /// The ticket, for the cookie.
    pub ticket: Issued,
    /// The upstream's address.
    pub address: String,
}

/// What came of a visit.
#[derive(Debug)]
pub enum Arrived {
    /// Somebody signed in.
    SignedIn(PersonId, Proved, After),
    /// The upstream knows the person, we do not: nothing is linked to it.
    Unknown(String),
    /// A link waits for the person to confirm it.
    ToConfirm(LinkId),
    /// Several people share this ID: the ticket with which one of them is chosen.
    ToChoose(Issued),
    /// Somebody signed; the ticket of the card has what came of it.
    Signed,
}

impl From<UpstreamsError> for IdentityError {
    /// The log has the reason; who stands before the page learns that this way did not work.
    fn from(e: UpstreamsError) -> Self {
        tracing::warn!(error = %e, "an upstream provider was of no use");
        match e {
            UpstreamsError::Outbound(_) | UpstreamsError::Answer { .. } | UpstreamsError::Config(_) => {
                IdentityError::Elsewhere
            }
            UpstreamsError::Protocol(_) => IdentityError::Refused,
        }
    }
}

impl From<UpstreamError> for IdentityError {
    fn from(e: UpstreamError) -> Self {
        UpstreamsError::from(e).into()
    }
}

impl Identity {
    /// Sends somebody to an upstream to sign in.
    ///
    /// # Errors
    /// [`IdentityError::Elsewhere`] when it does not answer.
    pub async fn visit_to_sign_in(&self, all: &Providers, p: &Provider, after: After) -> Result<Pending> {
        self.depart(all, p, Purpose::SignIn(after)).await
    }

    /// Sends the person of this session to an upstream, to link what it says to them.
    ///
    /// # Errors
    /// As [`Identity::visit_to_sign_in`].
    pub async fn visit_to_link(&self, all: &Providers, p: &Provider, session: &Session) -> Result<Pending> {
        self.depart(all, p, Purpose::Link { sid: session.sid, person: session.person }).await
    }

    /// Sends somebody to an upstream to sign there, with the certificate of their card, what the ticket of a card
    /// ceremony asks for.
    ///
    /// # Errors
    /// As [`Identity::visit_to_sign_in`]; [`IdentityError::Over`] when the ticket is no longer open.
    pub async fn visit_to_sign(&self, all: &Providers, p: &Provider, ticket: TicketId) -> Result<Pending> {
        let digest = self.card_digest(ticket).await?;
        let transaction = all.begin_signing(p, &digest, self.env()).await?;
        self.depart(all, p, Purpose::Sign { ticket, transaction }).await
    }

    async fn depart(&self, all: &Providers, p: &Provider, purpose: Purpose) -> Result<Pending> {
        let of = all.metadata(p, self.env().now()).await?;
        let attempt = Attempt::new(&self.env().rng);
        let acr: Vec<&str> = p.acr_values.iter().map(String::as_str).collect();
        let mut us = p.registration.clone();
        let mut extra = Vec::new();
        if let Purpose::Sign { transaction, .. } = &purpose {
            // Name and birth, to see that who signs in there is who signs.
            us.scopes = Scopes::parse("openid name birthdate sign").map_err(|_| IdentityError::Elsewhere)?;
            extra.push(("sign_transaction_id", transaction.as_str()));
        }
        let ask = Ask { acr_values: &acr, extra: &extra, ..Ask::default() };
        let address = attempt.address(&of, &us, &ask)?;
        let visit = Visit { provider: p.name.clone(), attempt, purpose };
        let ticket = self.issue(TicketKind::Upstream, None, &visit, false).await?;
        Ok(Pending { ticket, address })
    }

    /// Takes the answer that the browser brought back, with the ticket of its cookie. The ticket is gone before the
    /// answer is looked at. To link, the session must be the very one that left. `trust` judges what was signed.
    ///
    /// # Errors
    /// [`IdentityError::Over`], [`IdentityError::Refused`], [`IdentityError::Elsewhere`].
    pub async fn arrive(
        &self,
        all: &Providers,
        (id, secret): (TicketId, &str),
        answer: &Params,
        session: Option<&Session>,
        trust: Option<&CardTrust>,
    ) -> Result<Arrived> {
        let visit: Visit = self.take(TicketKind::Upstream, id, secret).await?.body()?;
        let p = all.named(&visit.provider).ok_or(IdentityError::Over)?;
        let env = self.env();
        let of = all.metadata(p, env.now()).await?;
        let code = visit.attempt.answer(&of, answer)?;
        let came = all.redeem(p, &of, &visit.attempt, code, env).await?;
        let ask = Ask::default();
        let check =
            |keys: &_| visit.attempt.person(&came.id_token, keys, &of, &p.registration, &ask, env.now());
        let who = match check(&all.keys(p, env.now(), false).await?) {
            // It may have renewed its keys since we asked.
            Err(UpstreamError::Token("its signature is not valid")) => {
                check(&all.keys(p, env.now(), true).await?)?
            }
            other => other?,
        };
        let token = came.token.as_ref().map(|t| t.as_str());
        match visit.purpose {
            Purpose::SignIn(after) => self.enter(p, &who, token, after).await,
            Purpose::Link { sid, person } => match session {
                Some(s) if s.sid == sid && s.person == person => {
                    Ok(Arrived::ToConfirm(self.begin_link(p, &who, token, s).await?))
                }
                _ => {
                    tracing::warn!(
                        provider = p.name,
                        "a link came back to another session than it left from"
                    );
                    Err(IdentityError::Refused)
                }
            },
            Purpose::Sign { ticket, transaction } => {
                let trust = trust.ok_or(IdentityError::Elsewhere)?;
                let signature = all.signed(p, &transaction, env).await?;
                let from = SignedElsewhere { provider: p.name.clone(), who, signature, token: came.token };
                self.signed_elsewhere(trust, ticket, &from).await?;
                Ok(Arrived::Signed)
            }
        }
    }

    async fn enter(&self, p: &Provider, who: &Person, token: Option<&str>, after: After) -> Result<Arrived> {
        let found = self.by_subject(&who.issuer, &who.sub).await?;
        match found.as_slice() {
            [] => Ok(Arrived::Unknown(p.name.clone())),
            [(link, person, _)] => match self.link_used(*link, *person, token).await? {
                true => Ok(Arrived::SignedIn(*person, by(p), after)),
                false => Ok(Arrived::Unknown(p.name.clone())),
            },
            // The token is nobody's until somebody is chosen; whose it was before keeps the older one.
            several => {
                let links = several.iter().map(|(link, ..)| *link).collect();
                let (issuer, sub) = (who.issuer.clone(), who.sub.clone());
                let choice = Choice { provider: p.name.clone(), links, issuer, sub, after };
                Ok(Arrived::ToChoose(self.issue(TicketKind::UpstreamChoice, None, &choice, false).await?))
            }
        }
    }

    /// Among whom the holder of this ticket chooses.
    ///
    /// # Errors
    /// [`IdentityError::Over`].
    pub async fn to_choose(&self, (id, secret): (TicketId, &str)) -> Result<Vec<Sharer>> {
        let ticket = self.look(id, secret).await?;
        if ticket.kind != TicketKind::UpstreamChoice
            || ticket.used_at.is_some()
            || ticket.expires_at <= self.env().now()
        {
            return Err(IdentityError::Over);
        }
        self.sharers(self.still(&ticket.body()?).await?).await
    }

    /// Signs in the person of one of the links that the ticket's holder may choose among.
    ///
    /// # Errors
    /// [`IdentityError::Over`]; [`IdentityError::Refused`] for a link that is not among them.
    pub async fn choose(
        &self,
        all: &Providers,
        (id, secret): (TicketId, &str),
        link: LinkId,
    ) -> Result<(PersonId, Proved, After)> {
        let choice: Choice = self.take(TicketKind::UpstreamChoice, id, secret).await?.body()?;
        let p = all.named(&choice.provider).ok_or(IdentityError::Over)?;
        let person = self.still(&choice).await?.into_iter().find(|(id, ..)| *id == link).map(|(_, p, _)| p);
        let person = person.ok_or(IdentityError::Refused)?;
        match self.link_used(link, person, None).await? {
            true => Ok((person, by(p), choice.after)),
            false => Err(IdentityError::Over),
        }
    }

    /// Those of a choice whose links have not ended since.
    async fn still(&self, choice: &Choice) -> Result<Vec<Candidate>> {
        let now = self.by_subject(&choice.issuer, &choice.sub).await?;
        Ok(now.into_iter().filter(|(id, ..)| choice.links.contains(id)).collect())
    }
}

/// What a sign-in by this provider proves.
fn by(p: &Provider) -> Proved {
    Proved { assurance: p.assurance, amr: "fed" }
}

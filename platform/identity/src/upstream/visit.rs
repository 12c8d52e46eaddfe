//! A visit to an upstream provider and back: what is kept meanwhile, and what the answer is worth.

use kenroku_oidc::Params;
use kenroku_oidc::upstream::{Ask, Attempt, UpstreamError};
use serde::{Deserialize, Serialize};

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
    Link { sid: SessionId, person: PersonId },
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

    async fn depart(&self, all: &Providers, p: &Provider, purpose: Purpose) -> Result<Pending> {
        let of = all.metadata(p, self.env().now()).await?;
        let attempt = Attempt::new(&self.env().rng);
        let acr: Vec<&str> = p.acr_values.iter().map(String::as_str).collect();
        let ask = Ask { acr_values: &acr, ..Ask::default() };
        let address = attempt.address(&of, &p.registration, &ask)?;
        let visit = Visit { provider: p.name.clone(), attempt, purpose };
        let ticket = self.issue(TicketKind::Upstream, None, &visit, false).await?;
        Ok(Pending { ticket, address })
    }

    /// Takes the answer that the browser brought back, with the ticket of its cookie. The ticket is gone before the
    /// answer is looked at. To link, the session must be the very one that left.
    ///
    /// # Errors
    /// [`IdentityError::Over`], [`IdentityError::Refused`], [`IdentityError::Elsewhere`].
    pub async fn arrive(
        &self,
        all: &Providers,
        (id, secret): (TicketId, &str),
        answer: &Params,
        session: Option<&Session>,
    ) -> Result<Arrived> {
        let visit: Visit = self.take(TicketKind::Upstream, id, secret).await?.body()?;
        let p = all.named(&visit.provider).ok_or(IdentityError::Over)?;
        let env = self.env();
        let of = all.metadata(p, env.now()).await?;
        let code = visit.attempt.answer(&of, answer)?;
        let token = all.redeem(p, &of, &visit.attempt, code, env).await?;
        let ask = Ask::default();
        let check = |keys: &_| visit.attempt.person(&token, keys, &of, &p.registration, &ask, env.now());
        let who = match check(&all.keys(p, env.now(), false).await?) {
            // It may have renewed its keys since we asked.
            Err(UpstreamError::Token("its signature is not valid")) => {
                check(&all.keys(p, env.now(), true).await?)?
            }
            other => other?,
        };
        match visit.purpose {
            Purpose::SignIn(after) => Ok(match self.by_upstream(&who).await? {
                Some(person) => {
                    let how = Proved { assurance: p.assurance, amr: "fed" };
                    Arrived::SignedIn(person, how, after)
                }
                None => Arrived::Unknown(p.name.clone()),
            }),
            Purpose::Link { sid, person } => match session {
                Some(s) if s.sid == sid && s.person == person => {
                    Ok(Arrived::ToConfirm(self.begin_link(p, &who, s).await?))
                }
                _ => {
                    tracing::warn!(
                        provider = p.name,
                        "a link came back to another session than it left from"
                    );
                    Err(IdentityError::Refused)
                }
            },
        }
    }
}

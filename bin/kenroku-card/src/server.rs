//! The server's two operations.

use std::time::Duration;

use kenroku_contracts::card::{CardAnswer, CardChallenge, CardOutcome, CardTicket};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// What can go wrong between us and the server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Unencrypted over a network.
    #[error("サーバーの住所は https:// で始まる必要があります。")]
    Plain,
    /// The given CA certificates cannot be read.
    #[error("認証局の証明書を読み取れません。")]
    Roots,
    /// Not reachable.
    #[error("サーバーにつながりません: {0}")]
    Unreachable(String),
    /// It refused, with a problem document.
    #[error("{title} {next} ({code})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Stable code.
        code: String,
        /// What it is.
        title: String,
        /// What to do.
        next: String,
    },
    /// Its answer cannot be understood.
    #[error("サーバーの返事を読み取れません。新しい版のプログラムが必要かもしれません。")]
    Form,
}

/// What the companion needs of a server.
pub trait Server {
    /// Who it is, as challenges must name it.
    fn name(&self) -> &str;

    /// What is to be signed.
    ///
    /// # Errors
    /// When the ticket is unknown or too old, or the server cannot be reached.
    fn challenge(&self, ticket: &CardTicket) -> Result<CardChallenge, ServerError>;

    /// Posts what the card answered. Never sent twice: a challenge is spent by the first answer.
    ///
    /// # Errors
    /// When it is refused, or the server cannot be reached.
    fn answer(&self, answer: &CardAnswer) -> Result<CardOutcome, ServerError>;
}

/// A server over HTTP.
#[derive(Debug)]
pub struct Http {
    base: String,
    agent: ureq::Agent,
}

/// The longest answer that is read.
const MAX_ANSWER: u64 = 64 * 1024;

impl Http {
    /// The server at a base URL. `roots`: CA certificates (PEM) to trust instead of the public ones, for networks with a CA
    /// of their own.
    ///
    /// # Errors
    /// [`ServerError::Plain`] for `http:` to another machine than this one.
    pub fn new(base: &str, roots: Option<&[u8]>) -> Result<Self, ServerError> {
        let base = base.trim_end_matches('/');
        if !base.starts_with("https://") && !is_this_machine(base) {
            return Err(ServerError::Plain);
        }
        let mut tls = TlsConfig::builder();
        if let Some(pem) = roots {
            let mut certificates = Vec::new();
            for item in ureq::tls::parse_pem(pem) {
                if let Ok(ureq::tls::PemItem::Certificate(c)) = item {
                    certificates.push(Certificate::from_der(c.der()).to_owned());
                }
            }
            if certificates.is_empty() {
                return Err(ServerError::Roots);
            }
            tls = tls.root_certs(RootCerts::from(certificates));
        }
        let agent = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            // A certificate goes where the person was told it goes, and nowhere else.
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        Ok(Http { base: base.to_owned(), agent })
    }

    fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ServerError> {
        let unreachable = |e: ureq::Error| ServerError::Unreachable(e.to_string());
        let url = format!("{}/api/identity/v1/card/{path}", self.base);
        let mut answer = self.agent.post(&url).send_json(body).map_err(unreachable)?;
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string().map_err(unreachable)?;
        if status == 200 {
            return serde_json::from_str(&text).map_err(|_| ServerError::Form);
        }
        let problem: Problem = serde_json::from_str(&text).unwrap_or_default();
        Err(ServerError::Refused { status, code: problem.code, title: problem.title, next: problem.next })
    }
}

/// The members of a problem document that are shown.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    title: String,
    next: String,
}

impl Server for Http {
    fn name(&self) -> &str {
        &self.base
    }

    fn challenge(&self, ticket: &CardTicket) -> Result<CardChallenge, ServerError> {
        self.post("challenges", ticket)
    }

    fn answer(&self, answer: &CardAnswer) -> Result<CardOutcome, ServerError> {
        self.post("answers", answer)
    }
}

/// Whether an `http:` URL stays on this machine.
fn is_this_machine(base: &str) -> bool {
    let Some(rest) = base.strip_prefix("http://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => host,
    };
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_do_not_travel_in_the_open() {
        for good in
            ["https://id.pref.example", "http://127.0.0.1:8080", "http://localhost", "http://[::1]:80/"]
        {
            assert!(Http::new(good, None).is_ok(), "{good}");
        }
        for bad in [
            "http://id.pref.example",
            "http://127.0.0.1.example",
            "http://127.0.0.1@evil.example",
            "http://evil.example#127.0.0.1",
            "ftp://127.0.0.1",
            "id.pref.example",
        ] {
            assert!(matches!(Http::new(bad, None), Err(ServerError::Plain)), "{bad}");
        }
        assert!(matches!(Http::new("https://x", Some(b"no certificate")), Err(ServerError::Roots)));
    }
}

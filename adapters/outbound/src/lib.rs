//! The one way out to other people's servers over HTTP.
//!
//! **What it is.** A client with the limits that every call to a server which is not ours needs: TLS with the
//! system's roots, ten seconds, no redirects, a bounded answer, JSON or nothing.
//!
//! **What it is not.** It knows no service and retries nothing: a job of the bus does.
//!
//! **Invariants.** Plain HTTP goes to this machine only. An answer above [`MAX_ANSWER`] is not read on. Secrets in
//! addresses and bodies never stand in an error.
//!
//! **How to add one more.** An adapter for an outside system takes an [`Outbound`]; what it does with the answers is
//! its own crate's matter.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Url, redirect};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

/// Longest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 256 * 1024;
/// Longest wait for a whole call.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The client could not be built.
    #[error("the TLS client cannot start: {0}; check that the package ca-certificates is installed")]
    Tls(String),
    /// The address is none, or would send data in the clear.
    #[error("{0} is not an https address")]
    Address(String),
    /// Nobody answered in time.
    #[error("{host} does not answer: {why}")]
    Unreachable {
        /// Which server.
        host: String,
        /// What happened.
        why: &'static str,
    },
    /// It answered with more than is read.
    #[error("{0} answered with more than 256 kB")]
    TooLong(String),
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body, [`Value::Null`] when it is no JSON.
    pub json: Value,
}

impl Answer {
    /// Whether it says that all went well.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// How a call says who we are.
#[derive(Clone, Copy, Debug)]
pub enum Caller<'a> {
    /// It does not, or the form does.
    Nobody,
    /// `Authorization: Bearer`.
    Bearer(&'a str),
    /// `Authorization: Basic`, id and secret, form-encoded by us (RFC 6749 §2.3.1).
    Basic(&'a str, &'a str),
}

/// The client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbound(Client);

impl Outbound {
    /// Reads the system's roots; honours `SSL_CERT_FILE` as OpenSSL does.
    ///
    /// # Errors
    /// [`OutboundError::Tls`].
    pub fn new() -> Result<Self, OutboundError> {
        let tls = |e: &dyn std::fmt::Display| OutboundError::Tls(e.to_string());
        let mut roots = RootCertStore::empty();
        // One unreadable certificate among hundreds is none of our business; none at all shows at the first call.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| tls(&e))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .timeout(TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent("kenroku")
            .build()
            .map_err(|e| tls(&e))?;
        Ok(Outbound(client))
    }

    /// Fetches a document.
    ///
    /// # Errors
    /// [`OutboundError`]; a status of refusal is an answer.
    pub async fn get(&self, address: &str, caller: Caller<'_>) -> Result<Answer, OutboundError> {
        let url = checked(address)?;
        self.send(self.0.request(Method::GET, url.clone()), &url, caller).await
    }

    /// Fetches a document with further headers, such as those a protocol asks for.
    ///
    /// # Errors
    /// As [`Outbound::get`].
    pub async fn get_with(
        &self,
        address: &str,
        caller: Caller<'_>,
        headers: &[(&'static str, &str)],
    ) -> Result<Answer, OutboundError> {
        let url = checked(address)?;
        let request = self.0.request(Method::GET, url.clone());
        let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, *value));
        self.send(request, &url, caller).await
    }

    /// Whether calls to this address are made at all: `https`, or this machine.
    ///
    /// # Errors
    /// [`OutboundError::Address`].
    pub fn check(address: &str) -> Result<(), OutboundError> {
        checked(address).map(drop)
    }

    /// Sends a form.
    ///
    /// # Errors
    /// As [`Outbound::get`].
    pub async fn post_form(
        &self,
        address: &str,
        caller: Caller<'_>,
        form: &[(&str, String)],
    ) -> Result<Answer, OutboundError> {
        let url = checked(address)?;
        self.send(self.0.request(Method::POST, url.clone()).form(form), &url, caller).await
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// As [`Outbound::get`].
    pub async fn post_json(
        &self,
        address: &str,
        caller: Caller<'_>,
        body: &Value,
    ) -> Result<Answer, OutboundError> {
        let url = checked(address)?;
        self.send(self.0.request(Method::POST, url.clone()).json(body), &url, caller).await
    }

    /// Sends a text with headers of the caller's; gives the status of the answer, whose body is not read.
    ///
    /// # Errors
    /// As [`Outbound::get`]; a header that is none is left out.
    pub async fn post_text(
        &self,
        address: &str,
        headers: &[(String, String)],
        body: String,
    ) -> Result<u16, OutboundError> {
        let url = checked(address)?;
        let mut request = self.0.request(Method::POST, url.clone()).body(body);
        for (name, value) in headers {
            if let (Ok(n), Ok(v)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                request = request.header(n, v);
            }
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let answer = request.send().await.map_err(|e| OutboundError::Unreachable { host, why: why(&e) })?;
        Ok(answer.status().as_u16())
    }

    async fn send(
        &self,
        request: RequestBuilder,
        url: &Url,
        caller: Caller<'_>,
    ) -> Result<Answer, OutboundError> {
        let host = || url.host_str().unwrap_or_default().to_owned();
        // The library's own error would repeat the address with its query.
        let unreachable = |e: reqwest::Error| OutboundError::Unreachable { host: host(), why: why(&e) };
        let request = match caller {
            Caller::Nobody => request,
            Caller::Bearer(token) => request.bearer_auth(token),
            Caller::Basic(id, secret) => request.basic_auth(form_encoded(id), Some(form_encoded(secret))),
        };
        let mut response = request.header("accept", "application/json").send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(OutboundError::TooLong(host()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, json: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }
}

fn why(e: &reqwest::Error) -> &'static str {
    if e.is_timeout() {
        "it took longer than 10 seconds"
    } else if e.is_connect() {
        "no connection, or its certificate is not trusted"
    } else {
        "the connection broke"
    }
}

fn form_encoded(text: &str) -> String {
    Url::parse_with_params("x:", [("", text)])
        .ok()
        .and_then(|u| u.query().map(|q| q.trim_start_matches('=').to_owned()))
        .unwrap_or_default()
}

/// Whether something may be sent to an address: https, or this machine.
///
/// # Errors
/// [`OutboundError::Address`].
pub fn check(address: &str) -> Result<(), OutboundError> {
    checked(address).map(drop)
}

fn checked(address: &str) -> Result<Url, OutboundError> {
    let shown = || OutboundError::Address(address.split(['?', '#']).next().unwrap_or_default().to_owned());
    let url = Url::parse(address).map_err(|_| shown())?;
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|a| a.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if here => Ok(url),
        _ => Err(shown()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    /// Answers one request on this machine and gives what it was asked.
    fn once(answer: String) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/x", listener.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            let mut chunk = [0; 1024];
            while !String::from_utf8_lossy(&asked).contains("\r\n\r\n") {
                let n = stream.read(&mut chunk).unwrap();
                asked.extend_from_slice(&chunk[..n]);
            }
            // The other side hangs up early when it has read enough.
            let _ = stream.write_all(answer.as_bytes());
            String::from_utf8_lossy(&asked).into_owned()
        });
        (address, asked)
    }

    fn http(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn answers_and_refusals_are_told_apart_and_no_redirect_is_followed() {
        let out = Outbound::new().unwrap();
        let (at, asked) = once(http("200 OK", "{\"a\":1}"));
        let answer = out.get(&at, Caller::Basic("cli ent", "s:c%")).await.unwrap();
        assert!(answer.is_ok() && answer.json["a"] == 1);
        // cli+ent:s%3Ac%25
        assert!(asked.join().unwrap().contains("authorization: Basic Y2xpK2VudDpzJTNBYyUyNQ=="));
        let (at, asked) = once(http("200 OK", "[]"));
        out.get_with(&at, Caller::Bearer("t"), &[("x-road-userid", "me")]).await.unwrap();
        let asked = asked.join().unwrap();
        assert!(asked.contains("x-road-userid: me") && asked.contains("authorization: Bearer t"));
        let (at, _) = once(http("400 Bad Request", "{\"error\":\"invalid_grant\"}"));
        let form = [("code", "c".to_owned())];
        let answer = out.post_form(&at, Caller::Nobody, &form).await.unwrap();
        assert_eq!((answer.status, &answer.json["error"]), (400, &Value::from("invalid_grant")));
        let (at, _) = once(
            "HTTP/1.1 302 Found\r\nlocation: https://evil.example/\r\ncontent-length: 0\r\n\r\n".to_owned(),
        );
        assert_eq!(out.get(&at, Caller::Bearer("t")).await.unwrap().status, 302);
    }

    #[tokio::test]
    async fn limits_hold_and_errors_hold_no_secret() {
        let out = Outbound::new().unwrap();
        let (at, _) = once(http("200 OK", &"x".repeat(MAX_ANSWER + 1)));
        assert!(matches!(out.get(&at, Caller::Nobody).await, Err(OutboundError::TooLong(_))));
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let e = out.get(&format!("http://{closed}/?token=secret"), Caller::Nobody).await.unwrap_err();
        assert!(matches!(e, OutboundError::Unreachable { .. }) && !e.to_string().contains("secret"), "{e}");
        assert!(Outbound::check("https://id.example/").is_ok());
        for clear in ["http://id.example/?token=secret", "ftp://127.0.0.1/", "id.example"] {
            assert!(Outbound::check(clear).is_err());
            let e = out.get(clear, Caller::Nobody).await.unwrap_err();
            assert!(matches!(e, OutboundError::Address(_)) && !e.to_string().contains("secret"), "{e}");
        }
    }
}

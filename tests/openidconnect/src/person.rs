//! HTTP as far as this program needs it, and a browser without a screen.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, bail};
use openidconnect::http::{Request, Response};
use url::Url;

/// One request over a connection of its own, for the crate: HTTP/1.0, so that the body ends with the connection.
pub fn http(request: Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> {
    let uri = request.uri();
    let host = uri.authority().ok_or_else(|| io::Error::other("no host"))?.as_str();
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    let mut head = format!("{} {path} HTTP/1.0\r\nhost: {host}\r\n", request.method());
    for (name, value) in request.headers() {
        let value = value.to_str().map_err(io::Error::other)?;
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", request.body().len()));
    let mut stream = TcpStream::connect(host)?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(request.body())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(|| io::Error::other("no answer"))?;
    let head = std::str::from_utf8(&answer[..end]).map_err(io::Error::other)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).unwrap_or("");
    let mut response = Response::builder().status(status);
    for (name, value) in lines.filter_map(|l| l.split_once(": ")) {
        response = response.header(name, value);
    }
    response.body(answer[end + 4..].to_vec()).map_err(io::Error::other)
}

/// Cookies, redirects and forms.
pub struct Person {
    base: Url,
    cookies: BTreeMap<String, String>,
}

/// Where somebody arrived.
enum At {
    /// A page of ours.
    Page(String),
    /// An address of the client.
    Away(Url),
}

impl Person {
    pub fn new(base: &str) -> Result<Self> {
        Ok(Person { base: Url::parse(base)?, cookies: BTreeMap::new() })
    }

    fn ask(&mut self, url: &Url, form: Option<&[(String, String)]>) -> Result<Response<Vec<u8>>> {
        let cookies: Vec<String> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let mut request =
            Request::builder().uri(url.as_str()).header("accept", "text/html").header("cookie", cookies.join("; "));
        let mut body = Vec::new();
        if let Some(fields) = form {
            request = request
                .method("POST")
                .header("origin", self.base.origin().ascii_serialization())
                .header("content-type", "application/x-www-form-urlencoded");
            let mut text = url::form_urlencoded::Serializer::new(String::new());
            body = text.extend_pairs(fields).finish().into_bytes();
        }
        let answer = http(request.body(body)?)?;
        for line in answer.headers().get_all("set-cookie") {
            let pair = line.to_str()?.split(';').next().unwrap_or("");
            let (name, value) = pair.split_once('=').context("a cookie without a value")?;
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Ok(answer)
    }

    /// Goes where it is sent until a page of ours or an address of the client is reached.
    fn go(&mut self, to: &str, form: Option<&[(String, String)]>) -> Result<At> {
        let mut url = self.base.join(to)?;
        let mut answer = self.ask(&url, form)?;
        for _ in 0..10 {
            let header = |name: &str| answer.headers().get(name).and_then(|v| v.to_str().ok());
            let refresh = header("refresh").and_then(|r| r.strip_prefix("0; url="));
            let Some(next) = header("location").or(refresh) else {
                return Ok(At::Page(String::from_utf8(answer.into_body())?));
            };
            url = self.base.join(next)?;
            if url.origin() != self.base.origin() {
                return Ok(At::Away(url));
            }
            answer = self.ask(&url, None)?;
        }
        bail!("redirected in a circle")
    }

    fn page(&mut self, to: &str, form: Option<&[(String, String)]>) -> Result<String> {
        match self.go(to, form)? {
            At::Page(page) => Ok(page),
            At::Away(url) => bail!("sent away to {url}"),
        }
    }

    /// Signs in with password and one-time code, agrees to everything, and comes back to the client.
    pub fn authorize(&mut self, url: &Url, login: &str, password: &str) -> Result<Url> {
        let page = self.page(url.as_str(), None)?;
        let way = between(&page, "href=\"/id/sign-in/password", "\"").context("no sign-in by password")?;
        let asked = self.page(&format!("/id/sign-in/password{}", way.replace("&#38;", "&").replace("&amp;", "&")), None)?;
        let mut fields = hidden(&asked);
        fields.extend([pair("login", login), pair("password", password)]);
        let shown = self.page("/id/sign-in/password", Some(&fields))?;
        let mut fields = hidden(&shown);
        fields.push(pair("code", &code(&shown).context("the demo shows no code")?));
        let page = match self.go("/id/sign-in/code", Some(&fields))? {
            At::Away(back) => return Ok(back),
            At::Page(page) => page,
        };
        let action = between(&page, "<form class=\"kr-form\" action=\"", "\"").context("no consent page")?;
        let mut fields = hidden(&page);
        let names = page.split("name=\"claim\" value=\"").skip(1).filter_map(|rest| rest.split('"').next());
        fields.extend(names.map(|name| pair("claim", name)));
        fields.push(pair("decision", "allow"));
        match self.go(&action, Some(&fields))? {
            At::Away(back) => Ok(back),
            At::Page(page) => bail!("still here: {page}"),
        }
    }

    /// Signs out by the client's link.
    pub fn leave(&mut self, url: &Url) -> Result<Url> {
        match self.go(url.as_str(), None)? {
            At::Away(back) => Ok(back),
            At::Page(page) => bail!("still here: {page}"),
        }
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0.to_owned())
}

fn hidden(page: &str) -> Vec<(String, String)> {
    let inputs = page.split("type=\"hidden\" name=\"").skip(1);
    inputs
        .filter_map(|rest| {
            let (name, rest) = rest.split_once("\" value=\"")?;
            Some(pair(name, rest.split('"').next()?))
        })
        .collect()
}

/// The six digits that the demo shows between tags.
fn code(page: &str) -> Option<String> {
    let is_code = |t: &&str| t.len() == 6 && t.bytes().all(|b| b.is_ascii_digit());
    page.split(['<', '>', ' ', '\n']).find(is_code).map(ToOwned::to_owned)
}

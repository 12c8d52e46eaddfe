//! A kept connection, and a browser on it: cookies, redirects and the forms of our pages.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail};

/// What came back.
pub struct Answer {
    pub status: u16,
    pub location: String,
    pub body: Vec<u8>,
    cookies: Vec<(String, String)>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client over one kept connection.
pub struct Client {
    at: SocketAddr,
    stream: BufReader<TcpStream>,
    pub cookies: BTreeMap<String, String>,
}

impl Client {
    pub fn connect(at: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(at)?;
        stream.set_nodelay(true)?;
        Ok(Client { at, stream: BufReader::new(stream), cookies: BTreeMap::new() })
    }

    /// A request with the cookies; further headers end with a line break each.
    pub fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Result<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n{headers}", self.at);
        if !self.cookies.is_empty() {
            let all: Vec<String> = self.cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
            request.push_str(&format!("cookie: {}\r\n", all.join("; ")));
        }
        if method == "POST" {
            let kind = "content-type: application/x-www-form-urlencoded";
            request.push_str(&format!("{kind}\r\ncontent-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.stream.get_mut().write_all(request.as_bytes())?;
        let answer = self.answer()?;
        self.cookies.extend(answer.cookies.iter().cloned());
        Ok(answer)
    }

    fn answer(&mut self) -> Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).context("no status")?.parse()?;
        let mut answer = Answer { status, location: String::new(), body: Vec::new(), cookies: Vec::new() };
        let (mut length, mut chunked) = (0, false);
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse()?,
                "transfer-encoding" => chunked = true,
                "location" => value.clone_into(&mut answer.location),
                "refresh" => answer.location = value.trim_start_matches("0; url=").to_owned(),
                "set-cookie" => {
                    let pair = value.split(';').next().and_then(|p| p.split_once('='));
                    let (name, value) = pair.context("a cookie without a value")?;
                    answer.cookies.push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        if !chunked {
            answer.body.resize(length, 0);
            self.stream.read_exact(&mut answer.body)?;
            return Ok(answer);
        }
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16)?;
            let begin = answer.body.len();
            answer.body.resize(begin + size + 2, 0);
            self.stream.read_exact(&mut answer.body[begin..])?;
            answer.body.truncate(begin + size);
            if size == 0 {
                return Ok(answer);
            }
        }
    }

    /// As a browser goes: follows redirects on this server until a page, or another address, is reached.
    pub fn go(&mut self, method: &str, path: &str, fields: &[(String, String)]) -> Result<Answer> {
        let own = format!("http://{}", self.at);
        let headers = format!("accept: text/html\r\norigin: {own}\r\n");
        let body: Vec<String> = fields.iter().map(|(k, v)| format!("{k}={}", encoded(v))).collect();
        let mut answer = self.ask(method, path, &headers, &body.join("&"))?;
        for _ in 0..10 {
            let to = answer.location.strip_prefix(&own).unwrap_or(&answer.location).to_owned();
            if !to.starts_with('/') {
                return Ok(answer);
            }
            answer = self.ask("GET", &to, "accept: text/html\r\n", "")?;
        }
        bail!("redirected in a circle")
    }
}

/// Percent-encoded for a form or query.
pub fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

pub fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The hidden fields of a page's forms.
pub fn hidden(page: &str) -> Vec<(String, String)> {
    let inputs = page.split("type=\"hidden\" name=\"").skip(1);
    let pair = |rest: &str| {
        let (name, rest) = rest.split_once("\" value=\"")?;
        Some(field(name, rest.split('"').next()?))
    };
    inputs.filter_map(pair).collect()
}

//! A cursor over the text of a query.

use crate::NgsiError;

pub(super) struct Cursor<'s> {
    text: &'s str,
    at: usize,
    depth: usize,
}

impl<'s> Cursor<'s> {
    pub(super) fn new(text: &'s str) -> Result<Self, NgsiError> {
        if text.len() > super::LENGTH {
            return Err(NgsiError::data(format!("a query has {} bytes at most", super::LENGTH)));
        }
        Ok(Cursor { text, at: 0, depth: 0 })
    }

    pub(super) fn rest(&self) -> &'s str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(super) fn eat(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    /// Everything up to the first of `stops`.
    pub(super) fn until(&mut self, stop: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let end = rest.find(stop).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    pub(super) fn open(&mut self) -> Result<(), NgsiError> {
        self.depth += 1;
        if self.depth > super::NESTING {
            return Err(NgsiError::data("the query has too many brackets in brackets"));
        }
        Ok(())
    }

    pub(super) fn close(&mut self) -> Result<(), NgsiError> {
        self.depth -= 1;
        if self.eat(")") { Ok(()) } else { Err(self.wrong("a closing bracket is missing")) }
    }

    /// A text in double quotes, the first of which was eaten; `\"` and `\\` inside.
    pub(super) fn quoted(&mut self) -> Result<String, NgsiError> {
        let mut out = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += i + 1;
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, n @ ('"' | '\\'))) => out.push(n),
                    Some((_, n)) => out.extend(['\\', n]),
                    None => break,
                },
                c => out.push(c),
            }
        }
        Err(self.wrong("a closing quotation mark is missing"))
    }

    pub(super) fn wrong(&self, what: &str) -> NgsiError {
        NgsiError::data(format!("in the query, at “{}”: {what}", crate::check::short(self.rest())))
    }
}

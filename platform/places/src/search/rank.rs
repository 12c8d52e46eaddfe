//! Which rows fit a query, and how well.

use std::collections::{BTreeSet, HashSet};

use super::MatchKind;
use super::index::{MunicipalityKeys, Span};
use crate::model::Places;

/// The shortest key for which one wrong letter is forgiven.
const MIN_SIMILAR_CHARS: usize = 3;

/// A candidate while ranking. The fields are compared in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) kind: MatchKind,
    /// For [`MatchKind::Enclosing`]: bytes of the query that the name leaves over.
    left_over: u32,
    /// Whether only folding made it equal.
    folded: bool,
    pub(super) level: Level,
    length: u32,
    /// Row of the municipality in the list, or of the town.
    pub(super) row: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Municipality,
    Town,
    Part,
}
impl Places {
    pub(super) fn ranks(&self, tokens: &[String], plain: &str, only: Option<usize>) -> Vec<Rank> {
        // Nothing left but the prefecture: its municipalities are the answer.
        if tokens.is_empty() {
            let all = (0..self.municipalities().len()).filter(|row| only.is_none_or(|o| o == *row));
            return all.map(|row| municipality_rank(MatchKind::Prefix, row, 0)).collect();
        }
        let query = tokens.concat();
        let mut ranks = self.municipality_ranks(&query, only);
        self.containing(&query, plain, only, &mut ranks);
        if tokens.len() > 1 {
            self.with_all_tokens(tokens, only, &mut ranks);
        }
        if ranks.is_empty() {
            self.enclosing(&query, only, &mut ranks);
            // 太陽が丘3-12 means 三丁目.
            if let Some(spelled) = first_number_as_chome(&query) {
                self.enclosing(&spelled, only, &mut ranks);
            }
            keep_longest(&mut ranks);
        }
        if ranks.is_empty() {
            self.similar(&query, only, &mut ranks);
        }
        if ranks.is_empty() {
            let rows = self.index.municipalities.iter().enumerate();
            let within = rows.filter(|(_, m)| query.starts_with(m.name.as_str()));
            ranks.extend(within.map(|(row, _)| municipality_rank(MatchKind::Enclosing, row, 0)));
            ranks.retain(|r| only.is_none_or(|o| o == r.row as usize));
        }
        ranks
    }

    fn municipality_ranks(&self, query: &str, only: Option<usize>) -> Vec<Rank> {
        let rows = self.index.municipalities.iter().enumerate();
        let fits = |(row, m): (usize, &MunicipalityKeys)| {
            let keys = || std::iter::once(&m.name).chain(&m.readings);
            let kind = if keys().any(|k| k == query) {
                MatchKind::Exact
            } else if keys().any(|k| k.starts_with(query)) {
                MatchKind::Prefix
            } else if keys().any(|k| k.contains(query)) {
                MatchKind::Substring
            } else {
                return None;
            };
            Some(municipality_rank(kind, row, m.name.len()))
        };
        rows.filter(|(row, _)| only.is_none_or(|o| o == *row)).filter_map(fits).collect()
    }

    fn containing(&self, query: &str, plain: &str, only: Option<usize>, ranks: &mut Vec<Rank>) {
        let mut seen = None;
        for (at, _) in self.index.lines.match_indices(query) {
            let row = self.index.spans.partition_point(|s| s.end as usize <= at);
            let Some(span) = self.index.spans.get(row).filter(|s| within(s, only)) else { continue };
            // What lies in the municipality's name alone means the municipality, not all of its towns.
            if at + query.len() <= span.town as usize || seen.replace(row) == Some(row) {
                continue;
            }
            let (line, town) = (self.index.line(*span), self.index.town(*span));
            let kind = if line == query || town == query {
                MatchKind::Exact
            } else if line.starts_with(query) || town.starts_with(query) {
                MatchKind::Prefix
            } else {
                MatchKind::Substring
            };
            let mut rank = self.town_rank(kind, row, town.len());
            if kind == MatchKind::Exact {
                let t = self.towns()[row];
                rank.folded = !plain.ends_with(&crate::fold::plain(&format!("{}{}", t.name, t.koaza)));
            }
            ranks.push(rank);
        }
    }

    fn with_all_tokens(&self, tokens: &[String], only: Option<usize>, ranks: &mut Vec<Rank>) {
        // The same word a hundred times would be looked for a hundred times.
        let tokens: BTreeSet<&str> = tokens.iter().map(String::as_str).collect();
        let found: HashSet<u32> =
            ranks.iter().filter(|r| r.level != Level::Municipality).map(|r| r.row).collect();
        for (row, span) in self.index.spans.iter().enumerate().filter(|(_, s)| within(s, only)) {
            let (line, town) = (self.index.line(*span), self.index.town(*span));
            let in_line = tokens.iter().all(|t| line.contains(t));
            if in_line && tokens.iter().any(|t| town.contains(t)) && !found.contains(&(row as u32)) {
                ranks.push(self.town_rank(MatchKind::Tokens, row, line.len()));
            }
        }
    }

    fn enclosing(&self, query: &str, only: Option<usize>, ranks: &mut Vec<Rank>) {
        for (row, span) in self.index.spans.iter().enumerate().filter(|(_, s)| within(s, only)) {
            let (line, town) = (self.index.line(*span), self.index.town(*span));
            let used = [line, town].into_iter().filter(|k| query.starts_with(k)).map(str::len).max();
            // A town of one letter would enclose every address that begins with it.
            if let Some(used) = used.filter(|_| town.chars().nth(1).is_some()) {
                let mut rank = self.town_rank(MatchKind::Enclosing, row, town.len());
                rank.left_over = (query.len() - used) as u32;
                ranks.push(rank);
            }
        }
    }

    fn similar(&self, query: &str, only: Option<usize>, ranks: &mut Vec<Rank>) {
        if query.chars().count() < MIN_SIMILAR_CHARS {
            return;
        }
        let near = |key: &str| one_edit_apart(query, key);
        for (row, m) in self.index.municipalities.iter().enumerate() {
            if only.is_none_or(|o| o == row) && (near(&m.name) || m.readings.iter().any(|r| near(r))) {
                ranks.push(municipality_rank(MatchKind::Similar, row, m.name.len()));
            }
        }
        for (row, span) in self.index.spans.iter().enumerate().filter(|(_, s)| within(s, only)) {
            let (line, town) = (self.index.line(*span), self.index.town(*span));
            if near(line) || near(town) {
                ranks.push(self.town_rank(MatchKind::Similar, row, town.len()));
            }
        }
    }

    fn town_rank(&self, kind: MatchKind, row: usize, length: usize) -> Rank {
        let level = if self.towns()[row].koaza.is_empty() { Level::Town } else { Level::Part };
        Rank { kind, left_over: 0, level, folded: false, length: length as u32, row: row as u32 }
    }
}
fn municipality_rank(kind: MatchKind, row: usize, length: usize) -> Rank {
    let (length, row) = (length as u32, row as u32);
    Rank { kind, left_over: 0, level: Level::Municipality, folded: false, length, row }
}

fn within(span: &Span, only: Option<usize>) -> bool {
    only.is_none_or(|o| o == span.municipality as usize)
}

/// Of the places that enclose an address only those that explain most of it are meant.
fn keep_longest(ranks: &mut Vec<Rank>) {
    if let Some(least) = ranks.iter().map(|r| r.left_over).min() {
        ranks.retain(|r| r.left_over == least);
    }
}
/// `太陽ケ丘3-12` as `太陽ケ丘3丁目12`.
fn first_number_as_chome(key: &str) -> Option<String> {
    let (before, after) = key.split_once('-')?;
    before.ends_with(|c: char| c.is_ascii_digit()).then(|| format!("{before}丁目{after}"))
}

/// Whether one insertion, deletion or replacement, or the exchange of two neighbours, makes them equal.
pub(super) fn one_edit_apart(a: &str, b: &str) -> bool {
    // A letter has at most four bytes. Most names are ruled out here.
    if a.len().abs_diff(b.len()) > 4 {
        return false;
    }
    let head: usize = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(c, _)| c.len_utf8()).sum();
    let (a, b) = (&a[head..], &b[head..]);
    let tail: usize =
        a.chars().rev().zip(b.chars().rev()).take_while(|(x, y)| x == y).map(|(c, _)| c.len_utf8()).sum();
    let (a, b) = (&a[..a.len() - tail], &b[..b.len() - tail]);
    let letters = |s: &str| s.chars().take(3).count();
    match (letters(a), letters(b)) {
        (2, 2) => a.chars().eq(b.chars().rev()),
        (a, b) => a <= 1 && b <= 1,
    }
}

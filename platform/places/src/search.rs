//! Address search: from what a person writes to municipalities and towns.
//!
//! A query and every name go through [`fold`] first. 石川県 and the county may be written or left out, the
//! municipality too, and tokens may stand in any order (寺井町 能美市). What is found is ranked by how well it
//! fits, see [`MatchKind`]; within one kind a municipality comes before a town, a town before its parts, and
//! a spelling that is the same to the letter before one that only folds to the same.
//!
//! All names lie in one buffer of about 200 kB that is scanned from end to end: at 8,835 rows an index by
//! n-gram would be faster than anybody notices and one more thing to keep right.

use std::collections::{BTreeSet, HashSet};

use kenroku_types::{MuniCode, Problem};
use serde::Serialize;

use crate::fold::{fold, plain};
use crate::geometry::LatLng;
use crate::model::{Municipality, Places, Town};

/// The longest query that is answered, in characters. The longest full name has 18, with its county.
pub const MAX_QUERY_CHARS: usize = 200;
/// The most results in one answer.
pub const MAX_LIMIT: usize = 100;
/// The shortest key for which one wrong letter is forgiven.
const MIN_SIMILAR_CHARS: usize = 3;

/// How a result fits the query; the first kind fits best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MatchKind {
    /// The whole name, with or without its municipality.
    Exact,
    /// The name begins so.
    Prefix,
    /// The name contains it.
    Substring,
    /// The name contains every token, in any order.
    Tokens,
    /// The query goes on after the name: a lot number, or something unknown within this place.
    Enclosing,
    /// One letter differs.
    Similar,
}

/// One result.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    /// The municipality found, or the one the town lies in.
    pub municipality: &'a Municipality,
    /// The town; none when the municipality itself was found.
    pub town: Option<&'a Town>,
    /// How it fits.
    pub kind: MatchKind,
}

impl Hit<'_> {
    /// The representative point of the town, or where to write the municipality's name.
    pub fn at(&self) -> LatLng {
        self.town.map_or(self.municipality.label, |t| t.at)
    }

    /// The address as people write it, without the prefecture.
    pub fn address(&self) -> String {
        let (name, koaza) = self.town.map_or(("", ""), |t| (t.name, t.koaza));
        format!("{}{name}{koaza}", self.municipality.address_name())
    }
}

/// How many results are wanted, and where from.
#[derive(Clone, Copy, Debug)]
pub struct SearchOptions {
    /// At most this many, up to [`MAX_LIMIT`].
    pub limit: usize,
    /// Only this municipality.
    pub municipality: Option<MuniCode>,
}

impl Default for SearchOptions {
    fn default() -> Self {
        SearchOptions { limit: 20, municipality: None }
    }
}

/// Why a query is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// Longer than [`MAX_QUERY_CHARS`].
    #[error("the query is longer than {MAX_QUERY_CHARS} characters")]
    TooLong,
    /// Nothing is left of it that could be part of a name.
    #[error("the query contains no letter that a name could have")]
    Empty,
    /// The municipality to search in is not one of the nineteen.
    #[error("{0} is no municipality of the prefecture")]
    NoSuchMunicipality(MuniCode),
}

impl From<SearchError> for Problem {
    fn from(e: SearchError) -> Self {
        let (code, pointer, next) = match e {
            SearchError::TooLong => ("places.query-too-long", "q", "Write the name of the town alone."),
            SearchError::Empty => ("places.query-empty", "q", "Write a part of the name of a town or city."),
            SearchError::NoSuchMunicipality(_) => (
                "places.municipality-unknown",
                "municipality",
                "Use a code from /api/places/v1/municipalities.",
            ),
        };
        Problem::new(400, code, "The search could not be understood").detail(e.to_string()).next(next).field(
            pointer,
            code,
            e.to_string(),
        )
    }
}

/// The folded names.
#[derive(Debug)]
pub(crate) struct Index {
    /// One line per town: municipality, town, 小字.
    lines: String,
    /// Per town: where its line begins, where the municipality ends in it, where it ends.
    spans: Vec<Span>,
    municipalities: Vec<MunicipalityKeys>,
    /// Beginnings that say no more than 石川県.
    prefecture: Vec<String>,
    /// Whole tokens that say no more.
    prefecture_alone: Vec<String>,
    counties: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    town: u32,
    end: u32,
    municipality: u8,
}

#[derive(Debug)]
struct MunicipalityKeys {
    name: String,
    /// Kana, Latin letters, and both without the suffix.
    readings: Vec<String>,
}

/// A candidate while ranking. The fields are compared in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    kind: MatchKind,
    /// For [`MatchKind::Enclosing`]: bytes of the query that the name leaves over.
    left_over: u32,
    /// Whether only folding made it equal.
    folded: bool,
    level: Level,
    length: u32,
    /// Row of the municipality in the list, or of the town.
    row: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Municipality,
    Town,
    Part,
}

impl Index {
    pub(crate) fn new(municipalities: &[Municipality], towns: &[Town]) -> Self {
        let key = |s: &str| fold(s).replace(' ', "");
        let mut lines = String::with_capacity(towns.len() * 48);
        let mut spans = Vec::with_capacity(towns.len());
        for t in towns {
            let Some(m) = municipalities.iter().position(|m| m.code == t.municipality) else { continue };
            let start = lines.len() as u32;
            lines.push_str(&key(municipalities[m].name));
            let town = lines.len() as u32;
            lines.push_str(&key(&format!("{}{}", t.name, t.koaza)));
            spans.push(Span { start, town, end: lines.len() as u32, municipality: m as u8 });
            lines.push('\n');
        }
        let keys = |m: &Municipality| {
            let bare = |kana: &str| {
                let cut = ["まち", "ちょう", "し"].iter().find_map(|suffix| kana.strip_suffix(suffix));
                cut.unwrap_or(kana).to_owned()
            };
            let suffix = m.kana.strip_prefix(bare(m.kana).as_str()).unwrap_or("");
            let latin = match suffix {
                "まち" => "machi",
                "ちょう" => "cho",
                _ => "shi",
            };
            let readings = [
                m.kana.to_owned(),
                bare(m.kana),
                m.romaji.to_owned(),
                format!("{}{latin}", m.romaji),
                m.english_name(),
            ];
            MunicipalityKeys { name: key(m.name), readings: readings.iter().map(|r| key(r)).collect() }
        };
        Index {
            lines,
            spans,
            municipalities: municipalities.iter().map(keys).collect(),
            prefecture: ["石川県", "いしかわけん"].map(key).to_vec(),
            prefecture_alone: ["石川", "いしかわ", "ishikawa", "ishikawaken", "prefecture"].map(key).to_vec(),
            counties: municipalities.iter().filter_map(|m| m.county).map(key).collect(),
        }
    }

    fn line(&self, s: Span) -> &str {
        &self.lines[s.start as usize..s.end as usize]
    }

    fn town(&self, s: Span) -> &str {
        &self.lines[s.town as usize..s.end as usize]
    }

    /// The tokens of a query without postal code, prefecture and county, readings of municipalities replaced
    /// by their names.
    fn tokens(&self, query: &str) -> Vec<String> {
        let folded = fold(query);
        let mut tokens: Vec<String> = folded.split(' ').map(str::to_owned).collect();
        if tokens.len() > 1 && is_postal_code(&tokens[0]) {
            tokens.remove(0);
        }
        for token in &mut tokens {
            let mut rest = token.as_str();
            rest = self.prefecture.iter().find_map(|p| rest.strip_prefix(p.as_str())).unwrap_or(rest);
            rest = self.counties.iter().find_map(|c| rest.strip_prefix(c.as_str())).unwrap_or(rest);
            *token = rest.to_owned();
        }
        tokens.retain(|t| !t.is_empty() && !self.prefecture_alone.contains(t));
        if tokens.len() > 1 {
            tokens.retain(|t| !matches!(t.as_str(), "city" | "town"));
            for token in &mut tokens {
                if let Some(m) = self.municipalities.iter().find(|m| m.readings.contains(token)) {
                    token.clone_from(&m.name);
                }
            }
        }
        tokens
    }
}

impl Places {
    /// The municipalities and towns that fit a query, best first.
    ///
    /// # Errors
    /// [`SearchError`] for a query too long or empty, and for a municipality outside the prefecture. A query
    /// that is understood but fits nothing gives an empty list.
    pub fn search(&self, query: &str, options: SearchOptions) -> Result<Vec<Hit<'_>>, SearchError> {
        // A character has at most four bytes, so a hostile megabyte is refused before it is read.
        if query.len() > MAX_QUERY_CHARS * 4 || query.chars().count() > MAX_QUERY_CHARS {
            return Err(SearchError::TooLong);
        }
        let only = match options.municipality {
            None => None,
            Some(code) => {
                let row = self.municipalities().iter().position(|m| m.code == code);
                Some(row.ok_or(SearchError::NoSuchMunicipality(code))?)
            }
        };
        if fold(query).is_empty() {
            return Err(SearchError::Empty);
        }
        let tokens = self.index.tokens(query);
        let mut ranks = self.ranks(&tokens, &plain(query), only);
        ranks.sort_unstable();
        let mut hits: Vec<Hit<'_>> = Vec::new();
        for rank in ranks {
            if hits.len() == options.limit.clamp(1, MAX_LIMIT) {
                break;
            }
            hits.extend(self.hit(rank));
        }
        Ok(hits)
    }

    fn hit(&self, rank: Rank) -> Option<Hit<'_>> {
        if rank.level == Level::Municipality {
            let municipality = self.municipalities().get(rank.row as usize)?;
            return Some(Hit { municipality, town: None, kind: rank.kind });
        }
        let town = self.towns().get(rank.row as usize)?;
        Some(Hit { municipality: self.by_code(town.municipality)?, town: Some(town), kind: rank.kind })
    }

    fn ranks(&self, tokens: &[String], plain: &str, only: Option<usize>) -> Vec<Rank> {
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

/// 920-8580 or 9208580.
fn is_postal_code(token: &str) -> bool {
    let digits = token.chars().filter(char::is_ascii_digit).count();
    digits == 7 && token.chars().all(|c| c.is_ascii_digit() || c == '-')
}

/// `太陽ケ丘3-12` as `太陽ケ丘3丁目12`.
fn first_number_as_chome(key: &str) -> Option<String> {
    let (before, after) = key.split_once('-')?;
    before.ends_with(|c: char| c.is_ascii_digit()).then(|| format!("{before}丁目{after}"))
}

/// Whether one insertion, deletion or replacement, or the exchange of two neighbours, makes them equal.
fn one_edit_apart(a: &str, b: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn places() -> &'static Places {
        Places::shared().unwrap()
    }

    fn search(query: &str) -> Vec<Hit<'static>> {
        places().search(query, SearchOptions::default()).unwrap()
    }

    fn first(query: &str) -> (String, MatchKind) {
        let hits = search(query);
        let hit = hits.first().unwrap_or_else(|| panic!("nothing for {query}"));
        (hit.address(), hit.kind)
    }

    #[test]
    fn the_many_ways_to_write_an_address() {
        use MatchKind::*;
        for (query, address, kind) in [
            ("能美市", "能美市", Exact),
            ("のみ", "能美市", Exact),
            ("ノミシ", "能美市", Exact),
            ("Nomi City", "能美市", Exact),
            ("kanazawa", "金沢市", Exact),
            ("Hōdatsushimizu", "羽咋郡宝達志水町", Exact),
            ("金澤", "金沢市", Prefix),
            ("能登", "鳳珠郡能登町", Prefix),
            ("寺井町", "能美市寺井町", Exact),
            ("石川県能美市寺井町た", "能美市寺井町た", Exact),
            ("寺井町 能美市", "能美市寺井町", Tokens),
            ("nomi 寺井町", "能美市寺井町", Exact),
            ("金沢 太陽が丘", "金沢市太陽が丘一丁目", Tokens),
            ("太陽ヶ丘３丁目", "金沢市太陽が丘三丁目", Exact),
            ("金沢市太陽が丘3-12", "金沢市太陽が丘三丁目", Enclosing),
            ("〒923-1111 石川県能美市寺井町た35番地", "能美市寺井町た", Enclosing),
            ("能美郡川北町田子嶋", "能美郡川北町字田子島", Exact),
            ("川北町 田子島 レ", "能美郡川北町字田子島レ", Exact),
            ("能美市寺丼町", "能美市寺井町", Similar),
            ("能美寺井町", "能美市寺井町", Similar),
            ("kanazwa", "金沢市", Similar),
            ("小松市ほげほげ通り", "小松市", Enclosing),
        ] {
            assert_eq!(first(query), (address.to_owned(), kind), "{query}");
        }
    }

    #[test]
    fn the_prefecture_alone_lists_its_municipalities() {
        for query in ["石川県", "石川", "Ishikawa Prefecture"] {
            let hits = search(query);
            assert_eq!(hits.len(), 19, "{query}");
            assert!(hits.iter().all(|h| h.town.is_none()));
        }
    }

    #[test]
    fn a_municipality_alone_does_not_bring_all_its_towns() {
        assert_eq!(search("能美市").len(), 1);
        let addresses: Vec<String> = search("宝達").iter().map(Hit::address).collect();
        assert_eq!(addresses, ["羽咋郡宝達志水町宝達", "羽咋郡宝達志水町"]);
    }

    #[test]
    fn exact_spelling_wins_over_folded_spelling() {
        // かほく市宇気 has both parts.
        assert_eq!(first("かほく市宇気い").0, "かほく市宇気い");
        assert_eq!(first("かほく市宇気イ").0, "かほく市宇気イ");
    }

    #[test]
    fn a_filter_keeps_to_its_municipality() {
        let komatsu = MuniCode::new(17203).unwrap();
        let options = SearchOptions { limit: 100, municipality: Some(komatsu) };
        let hits = places().search("本町", options).unwrap();
        assert!(!hits.is_empty() && hits.iter().all(|h| h.municipality.code == komatsu));
        let elsewhere = SearchOptions { municipality: MuniCode::new(13101), ..options };
        assert_eq!(
            places().search("本町", elsewhere).unwrap_err(),
            SearchError::NoSuchMunicipality(MuniCode::new(13101).unwrap())
        );
    }

    #[test]
    fn hostile_queries_are_refused_beside_one_that_is_not() {
        let ask = |q: &str| places().search(q, SearchOptions::default()).map(|h| h.len());
        assert_eq!(ask(&"町".repeat(MAX_QUERY_CHARS)), Ok(0));
        assert_eq!(ask(&"町".repeat(MAX_QUERY_CHARS + 1)), Err(SearchError::TooLong));
        assert_eq!(ask(&"a".repeat(1 << 20)), Err(SearchError::TooLong));
        assert_eq!(ask("\u{202e}\u{0}\u{7f} \u{200b}"), Err(SearchError::Empty));
        assert_eq!(ask("🏔 서울"), Err(SearchError::Empty));
        // One sign that NFKC expands to eighteen.
        assert!(ask(&"\u{fdfa}".repeat(MAX_QUERY_CHARS)).is_err());
        assert_eq!(Problem::from(SearchError::TooLong).code, "places.query-too-long");
    }

    #[test]
    fn limits_hold() {
        let count = |limit| places().search("町", SearchOptions { limit, municipality: None }).unwrap().len();
        assert_eq!((count(0), count(5), count(9_999)), (1, 5, MAX_LIMIT));
    }

    #[test]
    fn results_come_best_first_and_once() {
        for query in ["本町", "町", "金沢", "大", "いなほ", "本町 七尾"] {
            let options = SearchOptions { limit: MAX_LIMIT, municipality: None };
            let hits = places().search(query, options).unwrap();
            assert!(hits.windows(2).all(|w| w[0].kind <= w[1].kind), "{query}");
            let unique: HashSet<_> = hits.iter().map(Hit::address).collect();
            assert_eq!(unique.len(), hits.len(), "{query}");
        }
    }

    #[test]
    fn edits() {
        let apart = one_edit_apart;
        assert!(apart("寺井町", "寺丼町") && apart("寺町", "寺井町") && apart("井寺町", "寺井町"));
        assert!(!apart("寺町", "寺井新町") && !apart("町井寺", "寺井町") && !apart("", "寺井"));
    }

    /// How the names of towns are distorted in the test below.
    fn distort(name: &str, how: u8) -> String {
        let old: std::collections::HashMap<char, char> =
            crate::kanji::pairs().map(|(old, new)| (new, old)).collect();
        let one = |c: char| match (how % 4, c) {
            (1, '0'..='9' | 'a'..='z') => char::from_u32(c as u32 + 0xfee0).unwrap_or(c),
            (2, c) => *old.get(&c).unwrap_or(&c),
            (3, 'ァ'..='ヶ') => char::from_u32(c as u32 - 0x60).unwrap_or(c),
            (_, c) => c,
        };
        name.chars().map(one).collect()
    }

    fn finds_itself(town: &Town, query: &str) -> bool {
        search(query).iter().any(|h| h.town.is_some_and(|t| t.id == town.id))
    }

    #[test]
    fn every_town_finds_itself_first_by_its_own_full_name() {
        for town in places().towns() {
            let name = places().address(town);
            let hits = search(&name);
            let hit = hits.first().unwrap();
            assert_eq!((hit.town.map(|t| t.id), hit.kind), (Some(town.id), MatchKind::Exact), "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn every_town_finds_itself_however_it_is_written(
            row in 0usize..8_835, how in 0u8..4, prefecture: bool, spaces: bool, county: bool,
        ) {
            let town = &places().towns()[row];
            let m = places().by_code(town.municipality).unwrap();
            let gap = if spaces { "　" } else { "" };
            let muni = if county { m.address_name() } else { m.name.to_owned() };
            let prefecture = if prefecture { "石川県" } else { "" };
            let query = distort(&format!("{prefecture}{muni}{gap}{}{gap}{}", town.name, town.koaza), how);
            prop_assert!(finds_itself(town, &query), "{}", query);
        }

        #[test]
        fn no_query_panics(query in any::<String>(), limit: usize, code in 1000u32..47_999) {
            let municipality = MuniCode::new(code).filter(|_| limit % 2 == 0);
            let _ = places().search(&query, SearchOptions { limit, municipality });
        }

        #[test]
        fn no_scrap_of_an_address_panics(query in "[石川県金沢市能美町字大一二三十々ヶが0-9ー\\- のnomi]{0,24}") {
            let _ = places().search(&query, SearchOptions::default());
        }
    }
}

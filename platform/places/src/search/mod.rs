//! Address search: from what a person writes to municipalities and towns.
//!
//! A query and every name go through [`fold`] first. 石川県 and the county may be written or left out, the
//! municipality too, and tokens may stand in any order (寺井町 能美市). What is found is ranked by how well it
//! fits, see [`MatchKind`]; within one kind a municipality comes before a town, a town before its parts, and
//! a spelling that is the same to the letter before one that only folds to the same.
//!
//! All names lie in one buffer of about 200 kB that is scanned from end to end: at 8,835 rows an index by
//! n-gram would be faster than anybody notices and one more thing to keep right.

mod index;
mod rank;
#[cfg(test)]
mod tests;

use kenroku_types::{MuniCode, Problem};
use serde::Serialize;

use crate::fold::{fold, plain};
use crate::geometry::LatLng;
use crate::model::{Municipality, Places, Town};

pub(crate) use index::Index;
use rank::{Level, Rank};

/// The longest query that is answered, in characters. The longest full name has 18, with its county.
pub const MAX_QUERY_CHARS: usize = 200;
/// The most results in one answer.
pub const MAX_LIMIT: usize = 100;

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
}

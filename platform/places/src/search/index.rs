//! The folded names in one buffer, and how a query is cut into tokens.

use crate::fold::fold;
use crate::model::{Municipality, Town};

/// The folded names.
#[derive(Debug)]
pub(crate) struct Index {
    /// One line per town: municipality, town, 小字.
    pub(super) lines: String,
    /// Per town: where its line begins, where the municipality ends in it, where it ends.
    pub(super) spans: Vec<Span>,
    pub(super) municipalities: Vec<MunicipalityKeys>,
    /// Beginnings that say no more than 石川県.
    prefecture: Vec<String>,
    /// Whole tokens that say no more.
    prefecture_alone: Vec<String>,
    counties: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    start: u32,
    pub(super) town: u32,
    pub(super) end: u32,
    pub(super) municipality: u8,
}

#[derive(Debug)]
pub(super) struct MunicipalityKeys {
    pub(super) name: String,
    /// Kana, Latin letters, and both without the suffix.
    pub(super) readings: Vec<String>,
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

    pub(super) fn line(&self, s: Span) -> &str {
        &self.lines[s.start as usize..s.end as usize]
    }

    pub(super) fn town(&self, s: Span) -> &str {
        &self.lines[s.town as usize..s.end as usize]
    }

    /// The tokens of a query without postal code, prefecture and county, readings of municipalities replaced
    /// by their names.
    pub(super) fn tokens(&self, query: &str) -> Vec<String> {
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
/// 920-8580 or 9208580.
fn is_postal_code(token: &str) -> bool {
    let digits = token.chars().filter(char::is_ascii_digit).count();
    digits == 7 && token.chars().all(|c| c.is_ascii_digit() || c == '-')
}

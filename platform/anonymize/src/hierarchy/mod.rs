//! Hierarchies: how the values of a column grow coarser, level by level.
//!
//! A [`Hierarchy`] is what a configuration says; a [`Ladder`] is what becomes of it for one column: for every level a
//! map from the column's values to coarser ones. Level 0 is the value as it is. Each level is a function of the level
//! below (checked, never assumed): without that, coarser rows could fall apart again and the search would be wrong.

mod numbers;
mod places;

use std::collections::HashMap;

use kenroku_types::JapaneseDate;
use serde::{Deserialize, Serialize};

pub use numbers::Decimal;
use numbers::{Bands, Style};

use crate::csv::{CsvError, Reader};
use crate::table::Column;

/// What stands where nothing is told.
pub const STAR: &str = "*";

/// How the values of a column grow coarser. Missing values (empty text) stay a value of their own up to the last
/// level, where nothing is told at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Hierarchy {
    /// As it is, or nothing.
    None {},
    /// Ages in whole years: bands of the widths, then nothing.
    Ages {
        /// In years; each a multiple of the one before.
        widths: Vec<u32>,
        /// From this age on one band (top coding), from the first band level on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top: Option<u32>,
    },
    /// Numbers with up to six decimal places: intervals of the widths, then nothing.
    Intervals {
        /// Each a multiple of the one before.
        widths: Vec<Decimal>,
        /// Where the intervals are counted from; 0 if not given.
        #[serde(default)]
        start: Decimal,
        /// Below it is one interval (bottom coding).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bottom: Option<Decimal>,
        /// From it on is one interval (top coding).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top: Option<Decimal>,
    },
    /// Dates, Gregorian or 和暦: the steps, then nothing.
    Dates {
        /// From finer to coarser; month, year, decade if not given.
        #[serde(default = "DateStep::usual")]
        steps: Vec<DateStep>,
    },
    /// Codes such as postal codes: the first so many letters or digits, then nothing. Hyphens are kept and not counted.
    Mask {
        /// How many are kept, fewer from level to level.
        keep: Vec<usize>,
    },
    /// Towns of Ishikawa as text that begins with the municipality (“能美市辰口町”, “石川県能美市…”): 市町, 二次医療圏,
    /// 石川県, then nothing.
    Places {},
    /// A file: in each record the value, then what it becomes on each level.
    Table {
        /// The file's name, for whoever loads it.
        file: String,
        /// Its records.
        #[serde(skip)]
        rows: Vec<Vec<String>>,
    },
}

/// A step of a hierarchy of dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DateStep {
    /// `1990-04`
    Month,
    /// `1990-Q2` of the calendar year
    Quarter,
    /// `1990`
    Year,
    /// `1990年代`
    Decade,
}

impl DateStep {
    fn usual() -> Vec<DateStep> {
        vec![DateStep::Month, DateStep::Year, DateStep::Decade]
    }

    fn label(self, date: JapaneseDate) -> String {
        let (year, month, _) = date.ymd();
        match self {
            DateStep::Month => format!("{year}-{month:02}"),
            DateStep::Quarter => format!("{year}-Q{}", (month - 1) / 3 + 1),
            DateStep::Year => format!("{year}"),
            DateStep::Decade => format!("{}年代", year - year % 10),
        }
    }
}

/// Why a hierarchy does not fit. Values are not shown: the column could be the wrong one and hold names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HierarchyError {
    /// The widths, steps or lengths are not in order.
    #[error("{0}")]
    Steps(&'static str),
    /// A value of the table is not in the hierarchy.
    #[error("{count} different values do not fit the hierarchy ({expected}); the first stands in row {row}")]
    Unknown {
        /// Distinct values.
        count: usize,
        /// First row with one, counted from 1 without the header.
        row: usize,
        /// What fits.
        expected: &'static str,
    },
    /// Two values that are one on a level are two again on the next.
    #[error("level {level} puts together what level {next} tells apart again; every level must be coarser", next = level + 1)]
    NotNested {
        /// The finer level.
        level: usize,
    },
    /// The file of a hierarchy is no table.
    #[error("the hierarchy's file: {0}")]
    File(#[from] CsvError),
    /// A record of the file has another number of levels.
    #[error("the hierarchy's file, record {0}: it has another number of levels than the first")]
    Ragged(usize),
    /// A value stands twice in the file with different levels.
    #[error("the hierarchy's file, record {0}: the value stood there before with other levels")]
    Twice(usize),
    /// More than 250 levels.
    #[error("more than 250 levels")]
    TooMany,
}

/// One level of a [`Ladder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// For each value of the column the place of its label.
    pub map: Vec<u32>,
    /// What is published.
    pub labels: Vec<String>,
    /// For each label how many values of the domain it stands for, at least 1.
    pub leaves: Vec<u32>,
}

/// A hierarchy made ready for one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    /// From the value as it is to the coarsest.
    pub levels: Vec<Level>,
    /// How many values the domain has: those of the file, or else those of the column.
    pub domain: u32,
}

impl Hierarchy {
    /// The records of a hierarchy's file.
    pub fn records(bytes: &[u8]) -> Result<Vec<Vec<String>>, HierarchyError> {
        let mut reader = Reader::new(bytes)?;
        let (mut rows, mut fields) = (Vec::new(), Vec::new());
        while reader.read(&mut fields)? {
            rows.push(fields.iter().map(|f| f.clone().into_owned()).collect());
        }
        Ok(rows)
    }

    /// Makes it ready for a column. The number of levels depends on the hierarchy alone, never on the column.
    pub fn ladder(&self, column: &Column) -> Result<Ladder, HierarchyError> {
        let (rungs, expected): (Vec<Option<Vec<String>>>, _) = match self {
            Hierarchy::None {} => (column.values().iter().map(|_| Some(Vec::new())).collect(), ""),
            Hierarchy::Ages { widths, top } => {
                let whole = |n: u32| Decimal::whole(i64::from(n));
                let bands = Bands::new(
                    Style::Ages,
                    Decimal::default(),
                    widths.iter().map(|w| whole(*w)).collect(),
                    None,
                    top.map(whole),
                )?;
                let age = |v: &str| v.parse::<u32>().ok().filter(|a| *a <= 150).map(whole);
                (each(column, |v| age(v).map(|a| bands.labels(a))), "whole years from 0 to 150")
            }
            Hierarchy::Intervals { widths, start, bottom, top } => {
                let bands = Bands::new(Style::Numbers, *start, widths.clone(), *bottom, *top)?;
                let label = |v: &str| v.parse().ok().map(|n| bands.labels(n));
                (each(column, label), "numbers with at most six decimal places")
            }
            Hierarchy::Dates { steps } => {
                if steps.is_empty() || !steps.is_sorted_by(|a, b| a < b) {
                    return Err(HierarchyError::Steps(
                        "steps of dates go from month over quarter and year to decade",
                    ));
                }
                let label = |v: &str| {
                    let date = v.parse::<JapaneseDate>().ok()?;
                    Some(steps.iter().map(|s| s.label(date)).collect())
                };
                (each(column, label), "dates such as 1990-04-01 or 平成2年4月1日")
            }
            Hierarchy::Mask { keep } => {
                if keep.is_empty() || !keep.is_sorted_by(|a, b| a > b) {
                    return Err(HierarchyError::Steps(
                        "fewer letters must be kept on each level, such as [5, 3]",
                    ));
                }
                (each(column, |v| Some(keep.iter().map(|k| masked(v, *k)).collect())), "")
            }
            Hierarchy::Places {} => {
                let label = |v: &str| {
                    let (muni, area) = places::find(v)?;
                    Some(vec![muni.to_owned(), area.to_owned(), places::PREFECTURE.to_owned()])
                };
                (each(column, label), "text that begins with a municipality of Ishikawa")
            }
            Hierarchy::Table { rows, .. } => return from_file(rows, column),
        };
        let steps = self.steps();
        let mut unknown = rungs.iter().enumerate().filter(|(_, r)| r.is_none());
        if let Some((first, _)) = unknown.next() {
            return Err(HierarchyError::Unknown {
                count: 1 + unknown.count(),
                row: column.first_row(first),
                expected,
            });
        }
        let rungs: Vec<Vec<String>> = rungs
            .into_iter()
            .map(|r| {
                // What is missing stays missing until nothing is told.
                let mut labels = r.filter(|r| r.len() == steps).unwrap_or_else(|| vec![String::new(); steps]);
                labels.push(STAR.to_owned());
                labels
            })
            .collect();
        let own: Vec<usize> = (0..rungs.len()).collect();
        build(column.values(), &rungs, &own, steps + 1)
    }

    /// Levels between the value as it is and nothing.
    fn steps(&self) -> usize {
        match self {
            Hierarchy::None {} => 0,
            Hierarchy::Ages { widths, .. } => widths.len(),
            Hierarchy::Intervals { widths, .. } => widths.len(),
            Hierarchy::Dates { steps } => steps.len(),
            Hierarchy::Mask { keep } => keep.len(),
            Hierarchy::Places {} => 3,
            Hierarchy::Table { rows, .. } => rows.first().map_or(0, |r| r.len() - 1),
        }
    }
}

fn each(column: &Column, label: impl Fn(&str) -> Option<Vec<String>>) -> Vec<Option<Vec<String>>> {
    column.values().iter().map(|v| if v.is_empty() { Some(Vec::new()) } else { label(v) }).collect()
}

fn masked(value: &str, keep: usize) -> String {
    let mut seen = 0;
    let hide = |c: char| {
        if c == '-' {
            return c;
        }
        seen += 1;
        if seen > keep { '*' } else { c }
    };
    value.chars().map(hide).collect()
}

fn from_file(rows: &[Vec<String>], column: &Column) -> Result<Ladder, HierarchyError> {
    let Some(width) = rows.first().map(Vec::len) else {
        return Err(HierarchyError::Steps("the hierarchy's file is empty"));
    };
    let mut index: HashMap<&str, usize> = HashMap::new();
    for (i, row) in rows.iter().enumerate() {
        if row.len() != width {
            return Err(HierarchyError::Ragged(i + 1));
        }
        if let Some(before) = index.insert(&row[0], i)
            && rows[before] != *row
        {
            return Err(HierarchyError::Twice(i + 1));
        }
    }
    // A file that ends with one label for all already ends with nothing told.
    let ends = width > 1 && rows.iter().all(|r| r[width - 1] == rows[0][width - 1]);
    let levels = if ends { width - 1 } else { width };
    let mut domain: Vec<&Vec<String>> = index.values().map(|i| &rows[*i]).collect();
    domain.sort();
    let values: Vec<String> = domain.iter().map(|r| r[0].clone()).collect();
    let rungs: Vec<Vec<String>> = domain
        .iter()
        .map(|r| r[1..].iter().cloned().chain((!ends).then(|| STAR.to_owned())).collect())
        .collect();
    let place: HashMap<&str, usize> = values.iter().enumerate().map(|(i, v)| (v.as_str(), i)).collect();
    let own: Vec<Option<usize>> = column.values().iter().map(|v| place.get(v.as_str()).copied()).collect();
    let mut unknown = own.iter().enumerate().filter(|(_, o)| o.is_none());
    if let Some((first, _)) = unknown.next() {
        let (count, row) = (1 + unknown.count(), column.first_row(first));
        return Err(HierarchyError::Unknown { count, row, expected: "the values of its file" });
    }
    build(&values, &rungs, &own.into_iter().flatten().collect::<Vec<_>>(), levels)
}

/// `rungs[i]` are the labels of the i-th value of the domain above level 0; `own` are the column's values in the domain.
fn build(
    domain: &[String],
    rungs: &[Vec<String>],
    own: &[usize],
    above: usize,
) -> Result<Ladder, HierarchyError> {
    if above > 250 {
        return Err(HierarchyError::TooMany);
    }
    let mut levels: Vec<Level> = Vec::with_capacity(above + 1);
    let mut finer: Vec<u32> = (0..domain.len() as u32).collect();
    for level in 0..=above {
        let label = |i: usize| if level == 0 { &domain[i] } else { &rungs[i][level - 1] };
        let mut index: HashMap<&str, u32> = HashMap::new();
        let (mut labels, mut leaves, mut codes) = (Vec::new(), Vec::new(), Vec::with_capacity(domain.len()));
        for i in 0..domain.len() {
            let code = *index.entry(label(i)).or_insert_with(|| {
                labels.push(label(i).clone());
                leaves.push(0);
                labels.len() as u32 - 1
            });
            leaves[code as usize] += 1;
            codes.push(code);
        }
        let mut parent: HashMap<u32, u32> = HashMap::new();
        for (fine, coarse) in finer.iter().zip(&codes) {
            if *parent.entry(*fine).or_insert(*coarse) != *coarse {
                return Err(HierarchyError::NotNested { level: level - 1 });
            }
        }
        finer.clone_from(&codes);
        levels.push(Level { map: own.iter().map(|i| codes[*i]).collect(), labels, leaves });
    }
    Ok(Ladder { levels, domain: domain.len() as u32 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder(h: &Hierarchy, values: &[&str]) -> Result<Vec<Vec<String>>, HierarchyError> {
        let column = Column::new("x", values.iter().copied());
        let ladder = h.ladder(&column)?;
        Ok(ladder
            .levels
            .iter()
            .map(|l| l.map.iter().map(|c| l.labels[*c as usize].clone()).collect())
            .collect())
    }

    fn table(text: &str) -> Hierarchy {
        Hierarchy::Table { file: "h.csv".to_owned(), rows: Hierarchy::records(text.as_bytes()).unwrap() }
    }

    #[test]
    fn ages_become_bands_and_the_oldest_one_band() {
        let h = Hierarchy::Ages { widths: vec![5, 20], top: Some(90) };
        let levels = ladder(&h, &["34", "35", "89", "90", "104", ""]).unwrap();
        assert_eq!(levels[1], ["30〜34歳", "35〜39歳", "85〜89歳", "90歳以上", "90歳以上", ""]);
        assert_eq!(levels[2], ["20〜39歳", "20〜39歳", "80〜89歳", "90歳以上", "90歳以上", ""]);
        assert_eq!(levels[3], [STAR; 6]);
        assert!(matches!(
            ladder(&h, &["34", "山田", "佐藤", "34"]),
            Err(HierarchyError::Unknown { count: 2, row: 2, .. })
        ));
        let h = Hierarchy::Ages { widths: vec![5, 12], top: None };
        assert!(matches!(ladder(&h, &["34"]), Err(HierarchyError::Steps(_))));
    }

    #[test]
    fn dates_grow_from_day_to_decade() {
        use DateStep::{Decade, Month, Quarter, Year};
        let h = Hierarchy::Dates { steps: vec![Month, Quarter, Year, Decade] };
        let levels = ladder(&h, &["1990-04-01", "平成2年12月31日", ""]).unwrap();
        assert_eq!(levels[1], ["1990-04", "1990-12", ""]);
        assert_eq!(levels[2], ["1990-Q2", "1990-Q4", ""]);
        assert_eq!(levels[3], ["1990", "1990", ""]);
        assert_eq!(levels[4], ["1990年代", "1990年代", ""]);
        assert_eq!(levels[5], [STAR; 3]);
        assert!(ladder(&Hierarchy::Dates { steps: vec![Year, Month] }, &["1990-04-01"]).is_err());
        assert!(ladder(&h, &["1990-02-30"]).is_err());
    }

    #[test]
    fn codes_lose_their_ends() {
        let h = Hierarchy::Mask { keep: vec![5, 3] };
        let levels = ladder(&h, &["923-1121", "9231121"]).unwrap();
        assert_eq!(levels[1], ["923-11**", "92311**"]);
        assert_eq!(levels[2], ["923-****", "923****"]);
        assert!(ladder(&Hierarchy::Mask { keep: vec![3, 5] }, &["923-1121"]).is_err());
    }

    #[test]
    fn towns_become_municipalities_and_medical_areas() {
        let levels =
            ladder(&Hierarchy::Places {}, &["能美市辰口町", "石川県七尾市", "能登町宇出津"]).unwrap();
        assert_eq!(levels[1], ["能美市", "七尾市", "能登町"]);
        assert_eq!(levels[2], ["南加賀", "能登中部", "能登北部"]);
        assert_eq!(levels[3], ["石川県"; 3]);
        assert!(ladder(&Hierarchy::Places {}, &["富山県富山市"]).is_err());
    }

    #[test]
    fn files_are_read_and_refused_when_they_are_not_coarser_from_level_to_level() {
        let h = table("a,x,*\nb,x,*\nc,y,*\n");
        assert_eq!(ladder(&h, &["c", "a"]).unwrap(), [["c", "a"], ["y", "x"], ["*", "*"]]);
        let open = table("a,x\nb,x\nc,y\n");
        assert_eq!(ladder(&open, &["c", "a"]).unwrap(), [["c", "a"], ["y", "x"], ["*", "*"]]);
        assert_eq!(h.ladder(&Column::new("x", ["a"])).unwrap().domain, 3);
        assert!(matches!(ladder(&h, &["d"]), Err(HierarchyError::Unknown { count: 1, row: 1, .. })));
        assert_eq!(ladder(&table("a,x,p\nb,x,q\n"), &["a"]), Err(HierarchyError::NotNested { level: 1 }));
        assert_eq!(ladder(&table("a,x\nb\n"), &["a"]), Err(HierarchyError::Ragged(2)));
        assert_eq!(ladder(&table("a,x\na,y\n"), &["a"]), Err(HierarchyError::Twice(2)));
    }

    #[test]
    fn intervals_are_exact_at_their_edges() {
        let h = Hierarchy::Intervals {
            widths: vec!["0.1".parse().unwrap(), Decimal::whole(1)],
            start: Decimal::default(),
            bottom: Some("-1".parse().unwrap()),
            top: Some(Decimal::whole(3)),
        };
        let levels = ladder(&h, &["0.3", "-0.05", "-7", "3.2"]).unwrap();
        assert_eq!(levels[1], ["0.3以上0.4未満", "-0.1以上0未満", "-1未満", "3以上"]);
        assert_eq!(levels[2], ["0以上1未満", "-1以上0未満", "-1未満", "3以上"]);
        assert!(ladder(&h, &["0.1234567"]).is_err());
    }
}

//! From a table to a release: [`anonymize`], and what must be answered before it is published.

use std::collections::HashMap;

use kenroku_types::Rng;

use crate::checklist::{Checklist, Step};
use crate::config::{ColumnConfig, Config, ConfigError, Identifies, Role};
use crate::description::{Achieved, AchievedSensitive, Asked, ColumnDone, Description, Losses, Searched};
use crate::grouping::{Grouping, Key};
use crate::hierarchy::{Decimal, Hierarchy, HierarchyError, Ladder};
use crate::loss::{Measure, Objective};
use crate::privacy::{Distance, PrivacyError, Requirement, Scratch, Sensitive, entropy};
use crate::risk::{Population, Risks};
use crate::screen::{Finding, screen};
use crate::search::{SearchError, Task, judge, search};
use crate::table::{Column, Table, TableError, sha256};

/// Why a table is not anonymized.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The table has a column that the configuration does not name.
    #[error(
        "the table's column “{0}” has no role; name every column, an identifier is left out of the release"
    )]
    NoRole(String),
    /// The configuration names a column that is not there.
    #[error("the configuration names the column “{0}”, which the table does not have")]
    NoColumn(String),
    /// A person has several rows.
    #[error(
        "column “{column}”: {values} values stand in more than one row, so k would count rows, not people; put the \
         rows of a person together first"
    )]
    Repeated {
        /// The identifier.
        column: String,
        /// How many values.
        values: usize,
    },
    /// A hierarchy does not fit a column.
    #[error("column “{column}”: {error}")]
    Hierarchy {
        /// Which.
        column: String,
        /// What is wrong.
        error: HierarchyError,
    },
    /// A range of levels does not exist.
    #[error("column “{column}”: its levels are 0 to {highest}; “from” and “to” must lie there in this order")]
    Levels {
        /// Which.
        column: String,
        /// Its coarsest level.
        highest: usize,
    },
    /// A requirement on a sensitive column.
    #[error("column “{column}”: {error}")]
    Privacy {
        /// Which.
        column: String,
        /// What is wrong.
        error: PrivacyError,
    },
    /// Numbers were expected.
    #[error(
        "column “{column}”: {values} different values are no numbers, so “bottom” and “top” have no meaning"
    )]
    NotNumbers {
        /// Which.
        column: String,
        /// How many.
        values: usize,
    },
    /// The population has fewer people of a class than the table.
    #[error(
        "the population table has fewer people than the table in {0} classes; it must contain everybody of the table, \
         with the same columns"
    )]
    Population(usize),
    /// No solution, or too much to search.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The result is no table (cannot happen: a result has rows).
    #[error(transparent)]
    Table(#[from] TableError),
}

/// A table made anonymous, and everything about it. To give it away, [`Release::publish`] it.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The rows that are published, in random order.
    pub table: Table,
    /// What was done.
    pub description: Description,
}

/// What stands between a release and its publication.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not to be published yet: {} steps of the checklist have no answer, {} columns hold values that look identifying \
     (answer with “checked” or remove them)",
    steps.len(), findings.len()
)]
pub struct Open {
    /// Steps without an answer.
    pub steps: Vec<Step>,
    /// Findings without an answer.
    pub findings: Vec<Finding>,
}

/// What may be given away.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The file, comma-separated values in UTF-8.
    pub csv: String,
    /// The entry for the register.
    pub description: Description,
}

impl Release {
    /// For publication, or what is still open. The release is not lost: it can be made again with the answers.
    pub fn publish(self, config: &Config) -> Result<Published, Open> {
        let steps = self.description.checklist.open();
        let unchecked =
            |f: &&Finding| config.columns.iter().any(|c| c.name == f.column && c.checked.is_empty());
        let findings: Vec<Finding> = self.description.findings.iter().filter(unchecked).cloned().collect();
        if steps.is_empty() && findings.is_empty() {
            return Ok(Published { csv: self.table.write(), description: self.description });
        }
        Err(Open { steps, findings })
    }
}

struct Quasi<'a> {
    config: &'a ColumnConfig,
    hierarchy: Hierarchy,
    column: &'a Column,
    ladder: Ladder,
    low: u8,
    high: u8,
}

/// Makes a table anonymous. `rng` shuffles the rows; seed it only where the result must be reproducible.
pub fn anonymize(table: &Table, config: &Config, rng: &Rng) -> Result<Release, Error> {
    anonymize_within(table, None, config, rng, &mut |_, _| {})
}

/// The same, with the journalist's risk counted in a table of the whole `population` that has the same columns, and
/// with `progress` told how many of how many nodes are settled (seldom all: the search ends when it knows the best).
pub fn anonymize_within(
    table: &Table,
    population: Option<&Table>,
    config: &Config,
    rng: &Rng,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Release, Error> {
    config.check()?;
    let column = |name: &str| table.column(name).ok_or_else(|| Error::NoColumn(name.to_owned()));
    if let Some(c) = table.columns().iter().find(|c| config.columns.iter().all(|d| d.name != c.name())) {
        return Err(Error::NoRole(c.name().to_owned()));
    }
    for c in &config.columns {
        one_row_each(c, column(&c.name)?)?;
    }
    let with = |role: Role| config.columns.iter().filter(move |c| c.role == role);
    let quasi: Vec<Quasi<'_>> =
        with(Role::QuasiIdentifier).map(|c| Quasi::new(c, column(&c.name)?)).collect::<Result<_, Error>>()?;
    let mut shown: Vec<Column> = Vec::new();
    for c in config.columns.iter().filter(|c| matches!(c.role, Role::Sensitive | Role::Insensitive)) {
        shown.push(coded(c, column(&c.name)?)?);
    }
    let as_shown =
        |name: &str| shown.iter().find(|c| c.name() == name).ok_or_else(|| Error::NoColumn(name.to_owned()));
    let mut requirement = Requirement { k: config.k, sensitive: Vec::new() };
    let mut secrets: Vec<(&[u32], usize)> = Vec::new();
    for c in with(Role::Sensitive) {
        let values = as_shown(&c.name)?;
        let sensitive = Sensitive::new(values, c.diversity, c.closeness.as_ref())
            .map_err(|error| Error::Privacy { column: c.name.clone(), error })?;
        requirement.sensitive.push(sensitive);
        secrets.push((values.codes(), values.values().len()));
    }

    let keys: Vec<Key<'_>> =
        quasi.iter().map(|q| Key { codes: q.column.codes(), ladder: &q.ladder }).collect();
    let weights: Vec<f64> = quasi.iter().map(|q| q.config.weight.unwrap_or(1.0)).collect();
    let measure = Measure::new(config.objective, &keys, &weights, table.rows());
    // Columns of which nothing is asked need not be counted at every node.
    let asked = || (0..secrets.len()).filter(|i| requirement.sensitive[*i].asks());
    let ruled =
        Requirement { k: config.k, sensitive: asked().map(|i| requirement.sensitive[i].clone()).collect() };
    let task = Task {
        keys: &keys,
        low: quasi.iter().map(|q| q.low).collect(),
        high: quasi.iter().map(|q| q.high).collect(),
        rows: table.rows(),
        sensitive: asked().map(|i| secrets[i].0).collect(),
        requirement: &ruled,
        // A share such as 0.3 is a little less than 3/10 in floating point; a row must not be lost to that.
        limit: (config.suppression * table.rows() as f64 + 1e-6).floor() as usize,
        measure: &measure,
    };
    let found = search(&task, progress)?;

    let levels = &found.levels;
    let (classes, class_of) =
        Grouping::of_rows(&keys, levels, table.rows(), &secrets).ok_or(SearchError::TooWide)?;
    let keep = judge(&requirement, &classes, &mut Scratch::default()).keep;
    let chosen = Chosen { classes, class_of, keep };
    let output = publish_rows(table, config, &quasi, &shown, &chosen, rng)?;
    let kept: Vec<u32> = chosen.kept().map(|c| chosen.classes.size[c]).collect();
    let finest = vec![0; keys.len()];
    let (before, _) = Grouping::of_rows(&keys, &finest, table.rows(), &[]).ok_or(SearchError::TooWide)?;
    let people = match population {
        Some(p) => Some((counted(p, &quasi, &chosen)?, Population::Counted)),
        None => config
            .sampled
            .map(|share| (kept.iter().map(|f| f64::from(*f) / share).collect(), Population::Estimated)),
    };
    let columns: Vec<ColumnDone> = config
        .columns
        .iter()
        .map(|c| {
            let q = quasi.iter().zip(levels).find(|(q, _)| q.config.name == c.name);
            let out = output.column(&c.name);
            let rare = |o: &Column| o.counts().iter().filter(|n| **n < config.k).count();
            ColumnDone {
                name: c.name.clone(),
                role: c.role,
                hierarchy: q.map(|(q, _)| q.hierarchy.clone()),
                level: q.map(|(q, level)| (*level, q.ladder.levels.len() - 1)),
                values: out.map_or(0, |o| o.values().len()),
                rare: out.filter(|_| q.is_none()).map(rare),
            }
        })
        .collect();
    let losses = |objective| {
        Measure::new(objective, &keys, &weights, table.rows()).of(&chosen.classes, &keys, &chosen.keep).0
    };
    let findings: Vec<Finding> = output.columns().iter().flat_map(screen).collect();
    let achieved = achieved(config, &requirement, &chosen);
    let rows_out = output.rows();
    let checklist = Checklist::new(&config.checklist, |step| {
        seen(step, config, &columns, &findings, &achieved, (table.rows(), rows_out))
    });
    let description = Description {
        release: config.release.clone(),
        made_by: concat!("kenroku-anonymize ", env!("CARGO_PKG_VERSION")),
        input_sha256: table.sha256(),
        output_sha256: sha256(output.write().as_bytes()),
        rows_in: table.rows(),
        rows_out,
        suppressed: found.suppressed,
        asked: Asked {
            k: config.k,
            suppression: config.suppression,
            objective: config.objective,
            seeded: rng.seed().is_some(),
        },
        achieved,
        losses: Losses {
            loss: losses(Objective::Loss),
            entropy: losses(Objective::Entropy),
            discernibility: losses(Objective::Discernibility),
        },
        risks_before: Risks::of(&before.size, None),
        risks: Risks::of(&kept, people.as_ref().map(|(p, kind)| (p.as_slice(), *kind))),
        searched: Searched { nodes: found.nodes, looked_at: found.looked_at },
        columns,
        findings,
        checklist,
    };
    Ok(Release { table: output, description })
}

impl<'a> Quasi<'a> {
    fn new(config: &'a ColumnConfig, column: &'a Column) -> Result<Self, Error> {
        let hierarchy = config.hierarchy.clone().unwrap_or(Hierarchy::None {});
        let ladder = hierarchy
            .ladder(column)
            .map_err(|error| Error::Hierarchy { column: config.name.clone(), error })?;
        let highest = ladder.levels.len() - 1;
        let (low, high) = (config.from.unwrap_or(0), config.to.unwrap_or(highest as u8));
        if low > high || usize::from(high) > highest {
            return Err(Error::Levels { column: config.name.clone(), highest });
        }
        Ok(Quasi { config, hierarchy, column, ladder, low, high })
    }
}

fn one_row_each(config: &ColumnConfig, column: &Column) -> Result<(), Error> {
    let values = column.counts().iter().filter(|c| **c > 1).count();
    if config.one_row_each && values > 0 {
        return Err(Error::Repeated { column: config.name.clone(), values });
    }
    Ok(())
}

/// Top and bottom coding.
fn coded(config: &ColumnConfig, column: &Column) -> Result<Column, Error> {
    if config.bottom.is_none() && config.top.is_none() {
        return Ok(column.clone());
    }
    let number = |v: &str| v.parse::<Decimal>().ok();
    let values = column.values().iter().filter(|v| !v.is_empty() && number(v).is_none()).count();
    if values > 0 {
        return Err(Error::NotNumbers { column: config.name.clone(), values });
    }
    Ok(column.map(|v| match (number(v), config.bottom, config.top) {
        (Some(n), Some(bottom), _) if n < bottom => format!("{bottom}未満"),
        (Some(n), _, Some(top)) if n >= top => format!("{top}以上"),
        _ => v.to_owned(),
    }))
}

/// The classes of the node that was chosen.
struct Chosen {
    classes: Grouping,
    /// Of each row.
    class_of: Vec<u32>,
    /// Which are published.
    keep: Vec<bool>,
}

impl Chosen {
    /// Classes that are published.
    fn kept(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.keep.len()).filter(|c| self.keep[*c])
    }
}

fn publish_rows(
    table: &Table,
    config: &Config,
    quasi: &[Quasi<'_>],
    shown: &[Column],
    chosen: &Chosen,
    rng: &Rng,
) -> Result<Table, Error> {
    let levels = &chosen.classes.levels;
    let mut rows: Vec<u32> = chosen
        .class_of
        .iter()
        .enumerate()
        .filter(|(_, c)| chosen.keep[**c as usize])
        .map(|(row, _)| row as u32)
        .collect();
    // The order could tell who is who to someone who has the original (Fisher–Yates).
    for i in (1..rows.len()).rev() {
        rows.swap(i, rng.below(i as u64 + 1) as usize);
    }
    let mut columns = Vec::new();
    for c in table.columns() {
        let role = config.columns.iter().find(|d| d.name == c.name()).map(|d| d.role);
        if role.is_none_or(|r| r == Role::Identifier) {
            continue;
        }
        if let Some((q, level)) = quasi.iter().zip(levels).find(|(q, _)| q.config.name == c.name()) {
            let level = &q.ladder.levels[usize::from(*level)];
            let codes = rows.iter().map(|r| level.map[c.codes()[*r as usize] as usize]);
            columns.push(Column::pick(c.name(), &level.labels, codes));
        } else if let Some(s) = shown.iter().find(|s| s.name() == c.name()) {
            columns.push(Column::pick(c.name(), s.values(), rows.iter().map(|r| s.codes()[*r as usize])));
        }
    }
    Ok(Table::new(columns)?)
}

/// How many people of the population are in each published class.
fn counted(population: &Table, quasi: &[Quasi<'_>], chosen: &Chosen) -> Result<Vec<f64>, Error> {
    let levels = &chosen.classes.levels;
    let mut texts: Vec<Column> = Vec::new();
    for (q, level) in quasi.iter().zip(levels) {
        let name = &q.config.name;
        let column = population.column(name).ok_or_else(|| Error::NoColumn(name.clone()))?;
        let ladder =
            q.hierarchy.ladder(column).map_err(|error| Error::Hierarchy { column: name.clone(), error })?;
        let level = &ladder.levels[usize::from(*level)];
        let codes = column.codes().iter().map(|c| level.map[*c as usize]);
        texts.push(Column::pick(name, &level.labels, codes));
    }
    let mut people: HashMap<Vec<&str>, f64> = HashMap::new();
    for row in 0..population.rows() {
        *people.entry(texts.iter().map(|t| t.text(row)).collect()).or_default() += 1.0;
    }
    let mut counts = Vec::new();
    let mut short = 0;
    for class in chosen.kept() {
        let row = chosen.classes.rep[class] as usize;
        let label = |(q, level): (&Quasi<'_>, &u8)| {
            let level = &q.ladder.levels[usize::from(*level)];
            level.labels[level.map[q.column.codes()[row] as usize] as usize].clone()
        };
        let labels: Vec<String> = quasi.iter().zip(levels).map(label).collect();
        let there =
            people.get(&labels.iter().map(String::as_str).collect::<Vec<_>>()).copied().unwrap_or(0.0);
        short += usize::from(there < f64::from(chosen.classes.size[class]));
        counts.push(there);
    }
    if short > 0 { Err(Error::Population(short)) } else { Ok(counts) }
}

fn achieved(config: &Config, requirement: &Requirement, chosen: &Chosen) -> Achieved {
    let mut scratch = Scratch::default();
    let columns = config.columns.iter().filter(|c| c.role == Role::Sensitive);
    let sensitive = columns.zip(&requirement.sensitive).zip(&chosen.classes.sensitive).map(|((c, s), h)| {
        let kind = s.closeness.map_or(Distance::Equal, |(_, kind)| kind);
        let mut published = vec![0u32; s.values()];
        chosen.kept().flat_map(|g| h.of(g)).for_each(|(v, n)| published[*v as usize] += n);
        let mut worst = AchievedSensitive {
            column: c.name.clone(),
            asked_diversity: c.diversity,
            asked_closeness: c.closeness.clone(),
            distinct: usize::MAX,
            entropy: f64::INFINITY,
            t: 0.0,
            t_published: 0.0,
        };
        for cells in chosen.kept().map(|g| h.of(g)) {
            worst.distinct = worst.distinct.min(cells.len());
            worst.entropy = worst.entropy.min(entropy(cells));
            worst.t = worst.t.max(s.distance(kind, cells, &mut scratch));
            worst.t_published = worst.t_published.max(s.distance_to(&published, kind, cells, &mut scratch));
        }
        worst
    });
    Achieved {
        sensitive: sensitive.collect(),
        k: chosen.kept().map(|c| chosen.classes.size[c]).min().unwrap_or(0),
        classes: chosen.kept().count(),
    }
}

/// What the program did and saw for a step of the law.
fn seen(
    step: Step,
    config: &Config,
    columns: &[ColumnDone],
    findings: &[Finding],
    achieved: &Achieved,
    (rows_in, rows_out): (usize, usize),
) -> Vec<String> {
    let removed = |kind: Identifies| -> Vec<String> {
        let of_kind = |c: &&ColumnConfig| c.identifies.unwrap_or(Identifies::Description) == kind;
        let all: Vec<&str> = config
            .columns
            .iter()
            .filter(|c| c.role == Role::Identifier)
            .filter(of_kind)
            .map(|c| c.name.as_str())
            .collect();
        if all.is_empty() { Vec::new() } else { vec![format!("列を削除した：{}", all.join("、"))] }
    };
    let looks =
        || findings.iter().map(|f| format!("列「{}」に{}が{}種類ある", f.column, f.looks.ja(), f.values));
    match step {
        Step::Identifying => {
            let coarse =
                columns.iter().filter_map(|c| c.level.map(|(l, of)| (c, l, of))).map(|(c, level, of)| {
                    format!("列「{}」を一般化した（{of}段階のうち{level}、値は{}種類）", c.name, c.values)
                });
            removed(Identifies::Description).into_iter().chain(coarse).chain(looks()).collect()
        }
        Step::Codes => removed(Identifies::Code),
        Step::Linking => {
            let mut all = removed(Identifies::Link);
            all.push("行の順番を無作為に並べ替えた".to_owned());
            all
        }
        Step::Peculiar => columns
            .iter()
            .filter_map(|c| c.rare.map(|r| (c, r)))
            .map(|(c, r)| match r {
                0 => format!("列「{}」に{}行未満の値はない", c.name, config.k),
                r => format!("列「{}」に{}行未満の値が{r}種類残っている", c.name, config.k),
            })
            .chain(
                config
                    .columns
                    .iter()
                    .filter(|c| c.bottom.is_some() || c.top.is_some())
                    .map(|c| format!("列「{}」の端の値をまとめた", c.name)),
            )
            .collect(),
        Step::Whole => {
            let mut all = vec![
                format!("同じ組み合わせの行は{}行以上ある（k = {}を求めた）", achieved.k, config.k),
                format!("{rows_in}行のうち{}行を削除した", rows_in - rows_out),
            ];
            all.extend(achieved.sensitive.iter().map(|s| {
                format!("列「{}」は各組に{}種類以上、全体の分布との差は{:.3}以下", s.column, s.distinct, s.t)
            }));
            if rows_in < 1000 {
                all.push("元のファイルは1,000人に満たない（提案募集の対象は1,000人以上）".to_owned());
            }
            all
        }
    }
}

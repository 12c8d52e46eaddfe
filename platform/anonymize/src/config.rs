//! The configuration of a release: what each column is, what must hold, what a person answers for.

use serde::{Deserialize, Serialize};

use crate::checklist::Answers;
use crate::hierarchy::{Decimal, Hierarchy, HierarchyError};
use crate::loss::Objective;
use crate::privacy::{Closeness, Diversity};

/// How a table is to be anonymized. Every column of the table must be named: nothing is published by oversight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Every published row is equal, in its quasi-identifiers, to at least `k` − 1 others.
    pub k: u32,
    /// The share of rows that may be left out, from 0 to below 1.
    #[serde(default)]
    pub suppression: f64,
    /// What is minimised.
    #[serde(default)]
    pub objective: Objective,
    /// Makes the order of the rows reproducible; whoever knows it can restore the order. Leave it out for a release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The share of the population that is in the table, for the journalist's risk; 1 if everybody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled: Option<f64>,
    /// For the register.
    pub release: Note,
    /// The five steps of the law.
    #[serde(default)]
    pub checklist: Answers,
    /// The columns.
    #[serde(rename = "column", default)]
    pub columns: Vec<ColumnConfig>,
}

/// What the register of releases says about a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Note {
    /// Its name.
    pub title: String,
    /// What it is for.
    pub purpose: String,
    /// Who gets it.
    pub recipient: String,
    /// Who has approved it (an office, not a name).
    #[serde(default)]
    pub approver: String,
    /// Until when it may be used.
    #[serde(default)]
    pub expires: String,
}

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Names a person by itself: never published.
    Identifier,
    /// May be known of a person from elsewhere: published as coarse as needed.
    QuasiIdentifier,
    /// What must not be learnt of a person: published as it is, classes must be diverse.
    Sensitive,
    /// Neither: published as it is.
    Insensitive,
}

/// Of what kind an identifier is; the steps of the law treat them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identifies {
    /// A description such as name or address (step 1).
    Description,
    /// A 個人識別符号 (step 2).
    Code,
    /// A code that links to other tables (step 3).
    Link,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ColumnConfig {
    /// As in the header.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Identifiers: of what kind; a description if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifies: Option<Identifies>,
    /// Identifiers: one value is one person, so that no value may stand in two rows. Otherwise k counts rows.
    #[serde(default)]
    pub one_row_each: bool,
    /// Quasi-identifiers: how values grow coarser; as it is or nothing if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hierarchy: Option<Hierarchy>,
    /// Quasi-identifiers: the finest level allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u8>,
    /// Quasi-identifiers: the coarsest level allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u8>,
    /// Quasi-identifiers: how much its detail matters beside the others; 1 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Sensitive columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diversity: Option<Diversity>,
    /// Sensitive columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closeness: Option<Closeness>,
    /// Published as they are: numbers below it are written as “… 未満” (bottom coding).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bottom: Option<Decimal>,
    /// Published as they are: numbers from it on are written as “… 以上” (top coding).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top: Option<Decimal>,
    /// Why values that look identifying are none; without it they stop the release.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub checked: String,
}

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, or a field is wrong.
    #[error("{0}")]
    Toml(String),
    /// A value out of its range.
    #[error("{0}")]
    Range(&'static str),
    /// A setting that the column's role has no use for.
    #[error("column “{column}”: {setting} has no meaning for its role; remove it or change the role")]
    Useless {
        /// Which column.
        column: String,
        /// Which setting.
        setting: &'static str,
    },
    /// A column twice.
    #[error("column “{0}” is configured twice")]
    Twice(String),
    /// A hierarchy's file cannot be had.
    #[error("column “{column}”: {why}")]
    File {
        /// Which column.
        column: String,
        /// What happened.
        why: String,
    },
    /// A hierarchy's file is no table.
    #[error("column “{column}”: {error}")]
    Hierarchy {
        /// Which column.
        column: String,
        /// What is wrong.
        error: HierarchyError,
    },
}

impl Config {
    /// Reads TOML. `file` gives the bytes of a hierarchy's file.
    pub fn parse(
        text: &str,
        file: &mut dyn FnMut(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Self, ConfigError> {
        let mut config: Config = toml::from_str(text).map_err(|e| ConfigError::Toml(e.to_string()))?;
        for c in &mut config.columns {
            if let Some(Hierarchy::Table { file: name, rows }) = &mut c.hierarchy {
                let column = c.name.clone();
                let bytes = file(name).map_err(|why| ConfigError::File { column, why })?;
                let column = c.name.clone();
                *rows =
                    Hierarchy::records(&bytes).map_err(|error| ConfigError::Hierarchy { column, error })?;
            }
        }
        config.check()?;
        Ok(config)
    }

    /// Whether it makes sense by itself, without a table.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.k < 2 {
            return Err(ConfigError::Range("k must be at least 2: a class of one is a person"));
        }
        if !(0.0..1.0).contains(&self.suppression) {
            return Err(ConfigError::Range(
                "suppression is the share of rows that may be left out, from 0 to below 1",
            ));
        }
        if self.sampled.is_some_and(|s| !(s > 0.0 && s <= 1.0)) {
            return Err(ConfigError::Range(
                "sampled is the share of the population in the table, above 0 up to 1",
            ));
        }
        if !self.columns.iter().any(|c| c.role == Role::QuasiIdentifier) {
            return Err(ConfigError::Range(
                "no column is a quasi-identifier; what may be known of a person (age, town, sex …) is one",
            ));
        }
        for (i, c) in self.columns.iter().enumerate() {
            if self.columns[..i].iter().any(|d| d.name == c.name) {
                return Err(ConfigError::Twice(c.name.clone()));
            }
            c.check()?;
        }
        Ok(())
    }
}

impl ColumnConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let quasi = self.role == Role::QuasiIdentifier;
        let as_it_is = matches!(self.role, Role::Sensitive | Role::Insensitive);
        let rules = [
            (self.identifies.is_some(), self.role == Role::Identifier, "identifies"),
            (self.one_row_each, self.role == Role::Identifier, "one-row-each"),
            (self.hierarchy.is_some(), quasi, "hierarchy"),
            (self.from.is_some(), quasi, "from"),
            (self.to.is_some(), quasi, "to"),
            (self.weight.is_some(), quasi, "weight"),
            (self.diversity.is_some(), self.role == Role::Sensitive, "diversity"),
            (self.closeness.is_some(), self.role == Role::Sensitive, "closeness"),
            (self.bottom.is_some(), as_it_is, "bottom"),
            (self.top.is_some(), as_it_is, "top"),
            (!self.checked.is_empty(), self.role != Role::Identifier, "checked"),
        ];
        if let Some((.., setting)) = rules.iter().find(|(given, wanted, _)| *given && !wanted) {
            return Err(ConfigError::Useless { column: self.name.clone(), setting });
        }
        if self.weight.is_some_and(|w| !(w > 0.0 && w <= 1000.0)) {
            return Err(ConfigError::Range("a weight is above 0 and at most 1000"));
        }
        Ok(())
    }

    /// A column of a role with nothing else said.
    pub fn new(name: impl Into<String>, role: Role) -> Self {
        ColumnConfig {
            name: name.into(),
            role,
            identifies: None,
            one_row_each: false,
            hierarchy: None,
            from: None,
            to: None,
            weight: None,
            diversity: None,
            closeness: None,
            bottom: None,
            top: None,
            checked: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
k = 5
suppression = 0.05

[release]
title = "通院の記録"
purpose = "研究"
recipient = "大学"

[[column]]
name = "年齢"
role = "quasi-identifier"
hierarchy = { kind = "ages", widths = [5, 10], top = 90 }
from = 1

[[column]]
name = "職業"
role = "quasi-identifier"
hierarchy = { kind = "table", file = "jobs.csv" }

[[column]]
name = "病名"
role = "sensitive"
diversity = { kind = "recursive", c = 3.0, l = 2 }
closeness = { t = 0.3 }
"#;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, &mut |name| match name {
            "jobs.csv" => Ok(b"a,x\nb,x\n".to_vec()),
            other => Err(format!("{other} is not there")),
        })
    }

    #[test]
    fn a_configuration_is_read() {
        let c = parse(GOOD).unwrap();
        assert_eq!((c.k, c.columns.len(), c.objective), (5, 3, Objective::Loss));
        assert!(matches!(&c.columns[1].hierarchy, Some(Hierarchy::Table { rows, .. }) if rows.len() == 2));
        assert_eq!(c.columns[2].diversity, Some(Diversity::Recursive { c: 3.0, l: 2 }));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for (from, to, says) in [
            ("k = 5", "k = 1", "at least 2"),
            ("0.05", "1.0", "below 1"),
            ("jobs.csv", "gone.csv", "gone.csv is not there"),
            ("from = 1", "from = 1\none-row-each = true", "one-row-each has no meaning"),
            ("from = 1", "form = 1", "form"),
            ("\"職業\"", "\"年齢\"", "twice"),
            ("\"sensitive\"", "\"insensitive\"", "diversity has no meaning"),
            ("quasi-identifier", "identifier", "no column is a quasi-identifier"),
        ] {
            let e = parse(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(e.contains(says), "{from} → {to}: {e}");
        }
    }
}

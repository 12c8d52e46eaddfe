//! What is said about a release: the entry for the register of releases, as it is written out (JSON).

use serde::Serialize;

use crate::checklist::Checklist;
use crate::config::{Note, Role};
use crate::hierarchy::Hierarchy;
use crate::loss::Objective;
use crate::privacy::{Closeness, Diversity};
use crate::risk::Risks;
use crate::screen::Finding;

/// The entry for the register of releases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// Name, purpose, recipient.
    pub release: Note,
    /// This program's version.
    pub made_by: &'static str,
    /// SHA-256 of the table that came in.
    pub input_sha256: String,
    /// SHA-256 of the published file.
    pub output_sha256: String,
    /// Rows of the table that came in.
    pub rows_in: usize,
    /// Rows published.
    pub rows_out: usize,
    /// Rows left out.
    pub suppressed: usize,
    /// What was asked for.
    pub asked: Asked,
    /// What holds.
    pub achieved: Achieved,
    /// What was done to each column of the input.
    pub columns: Vec<ColumnDone>,
    /// Loss by each objective, 0 to 1.
    pub losses: Losses,
    /// Risks of the table that came in.
    pub risks_before: Risks,
    /// Risks of the release.
    pub risks: Risks,
    /// Nodes of the lattice and how many were looked at.
    pub searched: Searched,
    /// Values that look identifying.
    pub findings: Vec<Finding>,
    /// The five steps of the law.
    pub checklist: Checklist,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Asked {
    /// k.
    pub k: u32,
    /// Share of rows that may be left out.
    pub suppression: f64,
    /// What was minimised.
    pub objective: Objective,
    /// Whether the order of the rows can be restored with a seed.
    pub seeded: bool,
}

/// What holds for the published rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Achieved {
    /// Rows of the smallest class.
    pub k: u32,
    /// How many classes.
    pub classes: usize,
    /// For each sensitive column.
    pub sensitive: Vec<AchievedSensitive>,
}

/// What holds for a sensitive column: the worst class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AchievedSensitive {
    /// Its name.
    pub column: String,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_diversity: Option<Diversity>,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_closeness: Option<Closeness>,
    /// Fewest different values.
    pub distinct: usize,
    /// Least entropy as a number of equally frequent values.
    pub entropy: f64,
    /// Largest distance to the table that came in.
    pub t: f64,
    /// Largest distance to the published rows together, which is what a reader can compute.
    pub t_published: f64,
}

/// What was done to a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnDone {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its hierarchy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hierarchy: Option<Hierarchy>,
    /// The level it is published on, of how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<(u8, usize)>,
    /// Different values published; 0 for identifiers.
    pub values: usize,
    /// Different values that stand in fewer than k published rows; only for columns published as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rare: Option<usize>,
}

/// Loss by each objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Losses {
    /// [`Objective::Loss`].
    pub loss: f64,
    /// [`Objective::Entropy`].
    pub entropy: f64,
    /// [`Objective::Discernibility`].
    pub discernibility: f64,
}

/// How much was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Searched {
    /// Nodes of the lattice.
    pub nodes: usize,
    /// Nodes that had to be looked at to know the best.
    pub looked_at: usize,
}

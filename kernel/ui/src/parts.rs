//! Components with some logic: states and ages with their line patterns, the bar of units, choices, pages of a list.
//!
//! Plain markup lives in `templates/kr/parts.html`; a value here is shown with `{{ value }}` or handed to one
//! of those macros.

use std::fmt::{self, Write};

use askama::filters::HtmlSafe;

use crate::Phrase;
use crate::i18n::phrase::escaped;

/// The state of work on something: colour, line pattern and (from the module) a word, the same three in list,
/// chip, bar, legend and map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Finished: solid.
    Done,
    /// In progress: solid with a dashed core.
    Doing,
    /// Partly finished: one solid and one dotted line.
    Part,
    /// Not yet: dashed.
    Todo,
    /// Nobody knows, because no data arrives: dots.
    Unknown,
    /// Not part of it: a hairline.
    Out,
}

impl State {
    /// All states in the order of legends.
    pub const ALL: [State; 6] =
        [State::Done, State::Doing, State::Part, State::Todo, State::Unknown, State::Out];

    /// The name used in class names, in `data-state` and in the state files of maps.
    pub const fn name(self) -> &'static str {
        match self {
            State::Done => "done",
            State::Doing => "doing",
            State::Part => "part",
            State::Todo => "todo",
            State::Unknown => "unknown",
            State::Out => "out",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|s| s.name() == name)
    }

    /// Draws the line from `x` over `width` around the height `y`.
    fn draw(self, x: f32, y: f32, width: f32, out: &mut String) {
        let name = self.name();
        let mut path = |suffix: &str, x: f32, y: f32, w: f32| {
            // Writing into a String cannot fail.
            let _ = write!(out, r#"<path class="kr-line kr-line--{name}{suffix}" d="M{x} {y}h{w}"/>"#);
        };
        match self {
            State::Done | State::Todo | State::Out => path("", x, y, width),
            State::Doing => {
                path("", x, y, width);
                path("-core", x + 2.0, y, width - 2.0);
            }
            State::Part => {
                path("", x, y - 3.0, width);
                path("-rest", x, y + 3.0, width);
            }
            // The dots have round ends that reach beyond the path.
            State::Unknown => path("", x + 2.0, y, width - 2.0),
        }
    }

    /// The line sample of legends and chips.
    pub fn line(self) -> Drawing {
        sample(|out| self.draw(0.0, 6.0, 36.0, out))
    }
}

/// The line sample of legends and chips.
fn sample(draw: impl FnOnce(&mut String)) -> Drawing {
    let mut out = String::from(r#"<svg viewBox="0 0 36 12" aria-hidden="true" focusable="false">"#);
    draw(&mut out);
    out.push_str("</svg>");
    Drawing(out)
}

/// How long ago something was last done: from a broad solid line to sparse dots, from dark to pale. Each has a
/// pattern of its own, so that nobody needs to tell the colours apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Age {
    /// Less than an hour: broad and solid.
    H1,
    /// From one hour to less than three: a double line.
    H3,
    /// From three to less than six: long dashes.
    H6,
    /// From six to less than twelve: short dashes.
    H12,
    /// From twelve to less than twenty-four: dots.
    H24,
    /// A day and more: sparse dots.
    Older,
    /// Never, as far as is known: a hairline.
    Never,
}

impl Age {
    /// All ages in the order of legends.
    pub const ALL: [Age; 7] = [Age::H1, Age::H3, Age::H6, Age::H12, Age::H24, Age::Older, Age::Never];

    /// The name used in class names and in the state files of maps.
    pub const fn name(self) -> &'static str {
        match self {
            Age::H1 => "h1",
            Age::H3 => "h3",
            Age::H6 => "h6",
            Age::H12 => "h12",
            Age::H24 => "h24",
            Age::Older => "older",
            Age::Never => "never",
        }
    }

    /// The line sample of legends and chips.
    pub fn line(self) -> Drawing {
        // Dots have round ends that reach beyond the path.
        let (x, width) = if matches!(self, Age::H24 | Age::Older) { (3.0, 31.0) } else { (0.0, 36.0) };
        let name = self.name();
        sample(|out| {
            let mut path = |suffix: &str| {
                // Writing into a String cannot fail.
                let _ = write!(out, r#"<path class="kr-line kr-line--{name}{suffix}" d="M{x} 6h{width}"/>"#);
            };
            path("");
            if self == Age::H3 {
                path("-core");
            }
        })
    }
}

/// What a chip, a legend and a map show by a line: a state or an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// A state.
    State(State),
    /// An age.
    Age(Age),
}

impl Pattern {
    /// The name used in class names and in the state files of maps.
    pub const fn name(self) -> &'static str {
        match self {
            Pattern::State(s) => s.name(),
            Pattern::Age(a) => a.name(),
        }
    }

    /// The line sample of legends and chips.
    pub fn line(self) -> Drawing {
        match self {
            Pattern::State(s) => s.line(),
            Pattern::Age(a) => a.line(),
        }
    }
}

impl From<State> for Pattern {
    fn from(s: State) -> Self {
        Pattern::State(s)
    }
}

impl From<Age> for Pattern {
    fn from(a: Age) -> Self {
        Pattern::Age(a)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A finished drawing: markup of ours, with any text in it escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing(pub(crate) String);

impl HtmlSafe for Drawing {}
impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many blocks a bar of units has at most; above that one block stands for several units.
const MAX_BLOCKS: usize = 24;

/// The bar of units: one block for each unit, or in proportion when there are many. `label` says the same in
/// words for people who do not see it.
pub fn units(counts: &[(State, usize)], label: &str) -> Drawing {
    let total: usize = counts.iter().map(|(_, n)| n).sum();
    let blocks = share(counts, total.min(MAX_BLOCKS));
    let n = blocks.iter().map(|(_, n)| n).sum::<usize>().max(1) as f32;
    let (gap, width) = (if n > 12.0 { 4.0 } else { 9.0 }, 640.0);
    let block = (width - gap * (n - 1.0)) / n;
    let mut out =
        format!(r#"<svg class="kr-units" viewBox="0 0 640 22" role="img" aria-label="{}">"#, escaped(label));
    let mut x = 0.0;
    for (state, n) in blocks {
        for _ in 0..n {
            let (x0, w) = ((x * 10.0_f32).round() / 10.0, (block * 10.0).round() / 10.0);
            let _ = write!(out, r#"<rect class="kr-units__frame" x="{x0}" y="0" width="{w}" height="22"/>"#);
            state.draw(x0, 11.0, w, &mut out);
            x += block + gap;
        }
    }
    out.push_str("</svg>");
    Drawing(out)
}

/// Shares `blocks` among the counts: every state that occurs gets at least one, the largest remainders the
/// rest.
fn share(counts: &[(State, usize)], blocks: usize) -> Vec<(State, usize)> {
    let total: usize = counts.iter().map(|(_, n)| n).sum();
    if total == 0 {
        return Vec::new();
    }
    let present: Vec<(State, usize)> = counts.iter().copied().filter(|(_, n)| *n > 0).collect();
    let mut parts: Vec<(State, usize, usize)> =
        present.iter().map(|(s, n)| (*s, (n * blocks / total).max(1), n * blocks % total)).collect();
    let mut given: usize = parts.iter().map(|(_, n, _)| n).sum();
    while given < blocks {
        let Some(part) = parts.iter_mut().max_by_key(|(_, _, rest)| *rest) else { break };
        part.1 += 1;
        part.2 = 0;
        given += 1;
    }
    while given > blocks {
        // More states than their fair blocks: the longest gives one up.
        match parts.iter_mut().filter(|(_, n, _)| *n > 1).max_by_key(|(_, n, _)| *n) {
            Some(part) => part.1 -= 1,
            None => break,
        }
        given -= 1;
    }
    parts.into_iter().map(|(s, n, _)| (s, n)).collect()
}

/// One choice of a select box, a set of radio buttons or tick boxes.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: Phrase,
    /// Chosen now.
    pub chosen: bool,
    /// Heading above this and the following choices of a select box; empty for none.
    pub group: Phrase,
}

impl Choice {
    /// A choice outside any group.
    pub fn new(value: impl Into<String>, label: impl Into<Phrase>, chosen: bool) -> Self {
        Choice { value: value.into(), label: label.into(), chosen, group: Phrase::default() }
    }

    /// Puts it under a heading; choices with the same heading must follow each other.
    #[must_use]
    pub fn under(mut self, group: impl Into<Phrase>) -> Self {
        self.group = group.into();
        self
    }
}

/// The choices of a select box by heading, in their order.
pub fn grouped(choices: &[Choice]) -> Vec<(&Phrase, Vec<&Choice>)> {
    let mut groups: Vec<(&Phrase, Vec<&Choice>)> = Vec::new();
    for choice in choices {
        match groups.last_mut() {
            Some((group, members)) if **group == choice.group => members.push(choice),
            _ => groups.push((&choice.group, vec![choice])),
        }
    }
    groups
}

/// One step of the ladder: ways in order of ease, the last always possible.
#[derive(Clone, Debug)]
pub struct Step {
    /// What to do.
    pub title: Phrase,
    /// What it means for the person.
    pub text: Phrase,
    /// How long it takes, in words.
    pub time: Phrase,
    /// Where it leads.
    pub href: String,
}

/// What is wrong with one field of a form.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// The `id` of the field.
    pub field: String,
    /// What is wrong and what is accepted.
    pub text: Phrase,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_state_has_its_own_pattern() {
        let drawn: std::collections::BTreeSet<String> =
            State::ALL.iter().map(|s| s.line().to_string().replace(s.name(), "")).collect();
        assert_eq!(drawn.len(), 4, "solid, dashed and hairline share a path; their rules differ");
        assert!(State::Part.line().to_string().contains("kr-line--part-rest"));
        assert_eq!(State::from_name("doing"), Some(State::Doing));
        assert_eq!(State::from_name("Doing"), None);
    }

    #[test]
    fn each_age_has_a_line_and_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = Age::ALL.iter().map(|a| a.name()).collect();
        assert_eq!(names.len(), Age::ALL.len());
        let paths = |a: Age| a.line().to_string().matches("<path").count();
        assert_eq!(Age::ALL.map(paths), [1, 2, 1, 1, 1, 1, 1]);
        assert_eq!(Pattern::from(Age::H6).line(), Age::H6.line());
        assert_eq!(Pattern::from(State::Todo).name(), "todo");
    }

    #[test]
    fn the_bar_shows_one_block_for_each_of_a_few_units() {
        let bar = units(&[(State::Done, 5), (State::Todo, 0), (State::Part, 2)], "5 & 2").to_string();
        assert_eq!(bar.matches("kr-units__frame").count(), 7);
        assert!(bar.contains("aria-label=\"5 &amp; 2\""));
        assert!(!bar.contains("kr-line--todo"));
        assert_eq!(units(&[], "").to_string().matches("rect").count(), 0);
    }

    #[test]
    fn choices_are_grouped_in_their_order() {
        let choices =
            ["a", "b", "c"].map(|v| Choice::new(v, v, false).under(if v == "c" { "2" } else { "1" }));
        let sizes: Vec<usize> = grouped(&choices).iter().map(|(_, members)| members.len()).collect();
        assert_eq!(sizes, [2, 1]);
    }

    proptest! {
        #[test]
        fn no_state_disappears_from_the_bar(counts in proptest::array::uniform6(0usize..100_000)) {
            let counts: Vec<_> = State::ALL.into_iter().zip(counts).collect();
            let total: usize = counts.iter().map(|(_, n)| n).sum();
            let shared = share(&counts, total.min(MAX_BLOCKS));
            prop_assert_eq!(shared.iter().map(|(_, n)| n).sum::<usize>(), total.min(MAX_BLOCKS));
            prop_assert_eq!(shared.len(), counts.iter().filter(|(_, n)| *n > 0).count());
        }
    }
}

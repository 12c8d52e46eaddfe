//! Temporal queries and representations (GS CIM 009 §4.11, §4.5.6 to §4.5.9, §4.5.19).

use kenroku_types::Timestamp;
use serde_json::{Map, Number, Value, json};

use crate::model::{Attr, Entity, Kind};
use crate::{NgsiError, View, check};

/// How an instant lies to what is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeRel {
    /// Before it.
    Before(Timestamp),
    /// After it.
    After(Timestamp),
    /// From the first on and before the second.
    Between(Timestamp, Timestamp),
}

/// Which time of an instance counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimeProperty {
    /// When it was observed.
    #[default]
    ObservedAt,
    /// When it was made.
    CreatedAt,
    /// When it was last changed.
    ModifiedAt,
    /// When it was deleted.
    DeletedAt,
}

/// A temporal query.
#[derive(Clone, Copy, Debug, Default)]
pub struct TemporalQ {
    /// When; `None` for always.
    pub rel: Option<TimeRel>,
    /// By which time.
    pub property: TimeProperty,
    /// Only so many newest instances of each attribute.
    pub last: Option<usize>,
    /// Instances without that time are left out even when no time is asked.
    pub only_with: bool,
}

impl TimeProperty {
    /// From its name.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(s: &str) -> Result<Self, NgsiError> {
        Ok(match s {
            "observedAt" => TimeProperty::ObservedAt,
            "createdAt" => TimeProperty::CreatedAt,
            "modifiedAt" => TimeProperty::ModifiedAt,
            "deletedAt" => TimeProperty::DeletedAt,
            other => {
                return Err(NgsiError::data(format!("“{}” is no time of an instance", check::short(other))));
            }
        })
    }

    /// The time of an instance.
    pub fn of(self, a: &Attr) -> Option<Timestamp> {
        match self {
            TimeProperty::ObservedAt => a.observed_at,
            TimeProperty::CreatedAt => a.created_at,
            TimeProperty::ModifiedAt => a.modified_at,
            TimeProperty::DeletedAt => a.deleted_at,
        }
    }
}

impl TimeRel {
    /// From its parts.
    ///
    /// # Errors
    /// When they do not fit together.
    pub fn parse(rel: &str, at: Option<&str>, end: Option<&str>) -> Result<Self, NgsiError> {
        let at = check::time(at.ok_or_else(|| NgsiError::data("timerel needs timeAt"))?)?;
        Ok(match (rel, end) {
            ("before", None) => TimeRel::Before(at),
            ("after", None) => TimeRel::After(at),
            ("between", Some(end)) => TimeRel::Between(at, check::time(end)?),
            ("between", None) => return Err(NgsiError::data("between needs endTimeAt")),
            ("before" | "after", Some(_)) => return Err(NgsiError::data("endTimeAt belongs to between")),
            _ => return Err(NgsiError::data("timerel is before, after or between")),
        })
    }

    /// Whether an instant is meant.
    pub fn holds(self, t: Timestamp) -> bool {
        match self {
            TimeRel::Before(at) => t < at,
            TimeRel::After(at) => t > at,
            TimeRel::Between(from, to) => t >= from && t < to,
        }
    }
}

impl TemporalQ {
    /// Leaves only what is asked of the history of an entity; newest last.
    pub fn apply(&self, e: &mut Entity) {
        e.attrs.retain(|_, all| {
            if let Some(rel) = self.rel {
                all.retain(|a| self.property.of(a).is_some_and(|t| rel.holds(t)));
            } else if self.only_with {
                all.retain(|a| self.property.of(a).is_some());
            }
            all.sort_by_key(|a| self.property.of(a).or(a.modified_at));
            if let Some(n) = self.last {
                let with: Vec<Attr> = std::mem::take(all);
                let skip = with.len().saturating_sub(n);
                *all = with.into_iter().skip(skip).rev().collect();
            }
            !all.is_empty()
        });
    }
}

/// A part of histories that is told, the rest being too much for one answer (§6.3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// From this time …
    pub from: Timestamp,
    /// … to that one, backwards when the newest were asked.
    pub to: Timestamp,
    /// How many newest were asked.
    pub size: Option<usize>,
}

/// Leaves at most `most` instances of each attribute, and of all attributes the same span of time, so that nothing within
/// it is missing; `None` when nothing had to go.
pub fn cut(all: &mut [Entity], q: &TemporalQ, most: usize) -> Option<Cut> {
    let newest = q.last.is_some();
    let lists = || all.iter().flat_map(|e| e.attrs.values());
    let edges = lists()
        .filter(|l| l.len() > most)
        .filter_map(|l| l.get(most.saturating_sub(1)))
        .filter_map(|a| q.property.of(a));
    let to = if newest { edges.max() } else { edges.min() }?;
    let times = lists().flatten().filter_map(|a| q.property.of(a));
    let first = if newest { times.max() } else { times.min() }?;
    let from = match (q.rel, newest) {
        (Some(TimeRel::Before(t)), true) => t,
        (Some(TimeRel::After(t)), false) => t,
        (Some(TimeRel::Between(a, b)), newest) => {
            if newest {
                b
            } else {
                a
            }
        }
        _ => first,
    };
    for e in all.iter_mut() {
        for l in e.attrs.values_mut() {
            l.retain(|a| q.property.of(a).is_none_or(|t| if newest { t >= to } else { t <= to }));
        }
    }
    Some(Cut { from, to, size: q.last })
}

/// What is computed of many instances (§4.5.19.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// How many.
    TotalCount,
    /// How many different.
    DistinctCount,
    /// Sum.
    Sum,
    /// Mean.
    Avg,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// Standard deviation of all of them (not of a sample).
    Stddev,
    /// Sum of squares.
    Sumsq,
}

const METHODS: [(&str, Method); 8] = [
    ("totalCount", Method::TotalCount),
    ("distinctCount", Method::DistinctCount),
    ("sum", Method::Sum),
    ("avg", Method::Avg),
    ("min", Method::Min),
    ("max", Method::Max),
    ("stddev", Method::Stddev),
    ("sumsq", Method::Sumsq),
];

impl Method {
    /// From its name.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(s: &str) -> Result<Self, NgsiError> {
        let found = METHODS.iter().find(|(n, _)| *n == s);
        found
            .map(|(_, m)| *m)
            .ok_or_else(|| NgsiError::data(format!("“{}” is no method of aggregation", check::short(s))))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        METHODS.iter().find(|(_, m)| *m == self).map_or("", |(n, _)| n)
    }
}

/// How long a period of aggregation is: microseconds, or whole months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Everything at once (`PT0S`).
    Whole,
    /// So many microseconds.
    Micros(i64),
}

impl Period {
    /// An ISO 8601 duration; a month counts 30 days and a year 365.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(s: &str) -> Result<Self, NgsiError> {
        let wrong = || NgsiError::data(format!("“{}” is not a duration as PT1H or P1D", check::short(s)));
        let rest = s.strip_prefix('P').filter(|r| !r.is_empty() && r.len() <= 64).ok_or_else(wrong)?;
        let (date, time) = rest.split_once('T').unwrap_or((rest, ""));
        let mut seconds = 0.0;
        for (part, units) in [(date, &DATE[..]), (time, &TIME[..])] {
            let mut number = String::new();
            for c in part.chars() {
                if c.is_ascii_digit() || c == '.' {
                    number.push(c);
                    continue;
                }
                let unit = units.iter().find(|(u, _)| *u == c).ok_or_else(wrong)?.1;
                seconds += number.parse::<f64>().map_err(|_| wrong())? * unit;
                number.clear();
            }
            if !number.is_empty() {
                return Err(wrong());
            }
        }
        if !seconds.is_finite() || seconds > 1e11 {
            return Err(wrong());
        }
        let micros = (seconds * 1e6) as i64;
        Ok(if micros == 0 { Period::Whole } else { Period::Micros(micros) })
    }
}

const DATE: [(char, f64); 4] =
    [('Y', 365.0 * 86_400.0), ('M', 30.0 * 86_400.0), ('W', 7.0 * 86_400.0), ('D', 86_400.0)];
const TIME: [(char, f64); 3] = [('H', 3600.0), ('M', 60.0), ('S', 1.0)];

/// How a history is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Form {
    /// Every instance in full.
    #[default]
    Instances,
    /// Values with their times (§4.5.9).
    Values,
    /// What is computed of them (§4.5.19).
    Aggregated(Vec<Method>, Option<i64>),
}

/// Most periods in one answer.
const PERIODS: i64 = 100_000;

/// The history of an entity, without `@context`.
///
/// # Errors
/// When there would be too many periods.
pub fn show(
    view: &View<'_>,
    e: &Entity,
    q: &TemporalQ,
    form: &Form,
) -> Result<Map<String, Value>, NgsiError> {
    let mut out = view.head(e);
    for (name, all) in e.attrs.iter().filter(|(n, _)| view.shows(n)) {
        let nothing = all.is_empty();
        let all: Vec<&Attr> = all
            .iter()
            .filter(|a| {
                view.datasets.as_ref().is_none_or(|d| d.contains(a.dataset_id.as_deref().unwrap_or("@none")))
            })
            .collect();
        if all.is_empty() {
            // Nothing within the span that is told (see [`cut`]): the attribute is there, its instances are not.
            if nothing {
                out.insert(view.names.brief(name), Value::Array(Vec::new()));
            }
            continue;
        }
        let shown = match form {
            Form::Instances => all.iter().map(|a| view.attr(a)).collect(),
            _ => by_dataset(view, &all, q, form)?,
        };
        out.insert(view.names.brief(name), shown);
    }
    Ok(out)
}

fn by_dataset(view: &View<'_>, all: &[&Attr], q: &TemporalQ, form: &Form) -> Result<Value, NgsiError> {
    let mut groups: Vec<(Option<&str>, Vec<&Attr>)> = Vec::new();
    for a in all {
        match groups.iter_mut().find(|(d, _)| *d == a.dataset_id.as_deref()) {
            Some((_, g)) => g.push(a),
            None => groups.push((a.dataset_id.as_deref(), vec![a])),
        }
    }
    let mut out = Vec::new();
    for (dataset, group) in groups {
        let kind = group.first().map_or(Kind::Property, |a| a.kind);
        let mut o = Map::new();
        o.insert("type".to_owned(), Value::from(kind.name()));
        if let Some(d) = dataset {
            o.insert("datasetId".to_owned(), Value::from(d));
        }
        match form {
            Form::Aggregated(methods, period) => aggregate(&group, q, methods, *period, &mut o)?,
            _ => {
                let simple = View { form: crate::Form::Simplified, ..view.clone() };
                let (member, list) = values(&simple, &group, q, kind);
                o.insert(member.to_owned(), list);
                // A text shown in one language is a plain property.
                if member == "values" && kind == Kind::LanguageProperty {
                    o.insert("type".to_owned(), Value::from("Property"));
                }
            }
        }
        out.push(Value::Object(o));
    }
    Ok(if out.len() == 1 { out.remove(0) } else { Value::Array(out) })
}

fn values(view: &View<'_>, group: &[&Attr], q: &TemporalQ, kind: Kind) -> (&'static str, Value) {
    let mut member = kind.plural();
    let list = group
        .iter()
        .filter_map(|a| {
            let t = q.property.of(a)?;
            let v = if kind == Kind::LanguageProperty && view.lang.is_some() {
                member = "values";
                view.attr(a)
            } else {
                let full = View { form: crate::Form::Normalized, ..view.clone() };
                match kind {
                    Kind::JsonProperty => json!({ "json": a.value }),
                    Kind::LanguageProperty => json!({ "languageMap": a.value }),
                    Kind::VocabProperty => json!({ "vocab": full.content(kind, &a.value) }),
                    _ => full.content(kind, &a.value),
                }
            };
            Some(json!([v, t.to_string()]))
        })
        .collect();
    (member, list)
}

fn aggregate(
    group: &[&Attr],
    q: &TemporalQ,
    methods: &[Method],
    period: Option<i64>,
    out: &mut Map<String, Value>,
) -> Result<(), NgsiError> {
    let mut timed: Vec<(i64, &Value)> =
        group.iter().filter_map(|a| Some((q.property.of(a)?.micros(), &a.value))).collect();
    timed.sort_by_key(|(t, _)| *t);
    let (Some(first), Some(last)) = (timed.first().map(|t| t.0), timed.last().map(|t| t.0)) else {
        return Ok(());
    };
    let (start, end) = match q.rel {
        Some(TimeRel::After(t)) => (t.micros(), last),
        Some(TimeRel::Between(a, b)) => (a.micros(), b.micros()),
        Some(TimeRel::Before(t)) => (first, t.micros()),
        None => (first, last),
    };
    let mut buckets: Vec<(i64, i64, Vec<&Value>)> = Vec::new();
    match period {
        None => buckets.push((start, end, timed.iter().map(|(_, v)| *v).collect())),
        Some(p) => {
            if (last - start) / p > PERIODS {
                return Err(NgsiError::new(
                    crate::Fault::TooComplexQuery,
                    format!("more than {PERIODS} periods; ask for longer ones"),
                ));
            }
            for (t, v) in timed {
                let at = start + (t - start).div_euclid(p) * p;
                match buckets.last_mut() {
                    Some((b, _, values)) if *b == at => values.push(v),
                    _ => buckets.push((at, at + p, vec![v])),
                }
            }
        }
    }
    for m in methods {
        let list: Vec<Value> = buckets
            .iter()
            .filter_map(|(a, b, values)| {
                let v = compute(*m, values)?;
                Some(json!([
                    v,
                    Timestamp::from_micros(*a).to_string(),
                    Timestamp::from_micros(*b).to_string()
                ]))
            })
            .collect();
        out.insert(m.name().to_owned(), Value::Array(list));
    }
    Ok(())
}

/// What a value counts as in sums: numbers as they are, truth as 1 and 0, lists by their length.
fn as_number(v: &Value) -> Option<f64> {
    match v {
        Value::Number(n) => n.as_f64(),
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        Value::Array(a) => Some(a.len() as f64),
        _ => None,
    }
}

fn compute(m: Method, values: &[&Value]) -> Option<Value> {
    let numbers: Vec<f64> = values.iter().filter_map(|v| as_number(v)).collect();
    let float = |f: f64| Number::from_f64(f).map(Value::Number);
    let n = numbers.len() as f64;
    match m {
        Method::TotalCount => Some(Value::from(values.len())),
        Method::DistinctCount => {
            let set: std::collections::BTreeSet<String> = values.iter().map(|v| v.to_string()).collect();
            Some(Value::from(set.len()))
        }
        Method::Min | Method::Max => {
            if numbers.is_empty() {
                let texts = values.iter().filter_map(|v| v.as_str());
                let found = if m == Method::Min { texts.min() } else { texts.max() };
                return found.map(Value::from);
            }
            let pick = if m == Method::Min { f64::min } else { f64::max };
            numbers.into_iter().reduce(pick).and_then(float)
        }
        _ if numbers.is_empty() => None,
        Method::Sum => float(numbers.iter().sum()),
        Method::Avg => float(numbers.iter().sum::<f64>() / n),
        Method::Sumsq => float(numbers.iter().map(|x| x * x).sum()),
        Method::Stddev => {
            let mean = numbers.iter().sum::<f64>() / n;
            float((numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Names;

    fn history() -> Entity {
        let mut e =
            Entity { id: "urn:x:1".to_owned(), types: vec!["https://e/T".to_owned()], ..Entity::default() };
        let at = |minute: i64, v: f64| {
            let mut a = Attr::new(Kind::Property, json!(v));
            a.observed_at = Some(Timestamp::from_secs(1_596_283_380 + minute * 60));
            a
        };
        e.attrs.insert(
            "https://e/speed".to_owned(),
            vec![at(0, 120.0), at(2, 80.0), at(4, 100.0), at(60, 53.0)],
        );
        e
    }

    #[test]
    fn values_are_aggregated_by_period_from_the_first_on() {
        let names = Names::default();
        let q = TemporalQ::default();
        let form = Form::Aggregated(vec![Method::Avg, Method::Max, Method::TotalCount], Some(3_600_000_000));
        let shown = show(&View::new(&names), &history(), &q, &form).unwrap();
        let speed = &shown["https://e/speed"];
        assert_eq!(speed["avg"][0], json!([100.0, "2020-08-01T12:03:00Z", "2020-08-01T13:03:00Z"]));
        assert_eq!(speed["max"][1][0], json!(53.0));
        assert_eq!(speed["totalCount"][0][0], json!(3));
    }

    #[test]
    fn the_newest_are_chosen_and_times_bound_what_is_seen() {
        let mut e = history();
        TemporalQ { last: Some(2), ..TemporalQ::default() }.apply(&mut e);
        let left: Vec<f64> = e.attrs["https://e/speed"].iter().filter_map(|a| a.value.as_f64()).collect();
        assert_eq!(left, [53.0, 100.0]);
        let mut e = history();
        let rel =
            TimeRel::parse("between", Some("2020-08-01T12:05:00Z"), Some("2020-08-01T12:07:00Z")).unwrap();
        TemporalQ { rel: Some(rel), ..TemporalQ::default() }.apply(&mut e);
        assert_eq!(e.attrs["https://e/speed"].len(), 1);
        assert!(TimeRel::parse("between", Some("2020-08-01T12:05:00Z"), None).is_err());
        assert!(TimeRel::parse("after", None, None).is_err());
    }

    #[test]
    fn durations() {
        assert_eq!(Period::parse("PT0S").unwrap(), Period::Whole);
        assert_eq!(Period::parse("P1DT1H").unwrap(), Period::Micros(90_000_000_000));
        for wrong in ["", "P", "1H", "PT1", "PT1D", "P1H", "PTxS"] {
            assert!(Period::parse(wrong).is_err() || wrong == "P", "{wrong}");
        }
    }
}

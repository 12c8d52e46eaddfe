//! [`Metrics`]: what operators watch, in the Prometheus text format 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};

/// Upper bounds of the duration histogram, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// A number that is read when somebody asks: queue depths, cache sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name with the prefix `kenroku_` and the unit at the end, for example `kenroku_outbox_pending_rows`.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub help: &'static str,
    /// Whether it only ever grows.
    pub counter: bool,
    /// Labels; never anything that names a person.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: f64,
}

type Source = Arc<dyn Fn() -> Vec<Sample> + Send + Sync>;

/// Counters of the HTTP side and sources of everything else.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(String, String, u16), Histogram>>,
    in_flight: Arc<AtomicI64>,
    connections: Arc<AtomicI64>,
    sources: Vec<Source>,
}

#[derive(Default, Clone)]
struct Histogram {
    counts: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

/// Counts one more for as long as it lives.
pub struct Running(Arc<AtomicI64>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(crate) fn begin(&self) -> Running {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Running(self.in_flight.clone())
    }

    pub(crate) fn connection(&self) -> Running {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Running(self.connections.clone())
    }

    /// Connections open now.
    pub fn open_connections(&self) -> usize {
        usize::try_from(self.connections.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub(crate) fn record(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let seconds = took.as_secs_f64();
        let key = (method.to_string(), route.to_owned(), status.as_u16());
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let h = requests.entry(key).or_default();
        h.count += 1;
        h.sum += seconds;
        for (count, bound) in h.counts.iter_mut().zip(BUCKETS) {
            *count += u64::from(seconds <= bound);
        }
    }

    /// Adds a source of samples. It must be quick: it reads what is already counted.
    pub fn source(&mut self, read: impl Fn() -> Vec<Sample> + Send + Sync + 'static) -> &mut Self {
        self.sources.push(Arc::new(read));
        self
    }

    /// Everything, as Prometheus reads it.
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.render_requests(&mut out);
        let own = [
            (
                "kenroku_http_requests_in_flight",
                "Requests being answered.",
                self.in_flight.load(Ordering::Relaxed) as f64,
            ),
            (
                "kenroku_http_connections",
                "Open connections.",
                self.connections.load(Ordering::Relaxed) as f64,
            ),
        ];
        let own =
            own.map(|(name, help, value)| Sample { name, help, counter: false, labels: Vec::new(), value });
        let mut samples: Vec<Sample> = own.into_iter().chain(process()).collect();
        samples.extend(self.sources.iter().flat_map(|read| read()));
        samples.sort_by_key(|s| s.name);
        let mut last = "";
        for s in &samples {
            if s.name != last {
                let kind = if s.counter { "counter" } else { "gauge" };
                let _ = writeln!(out, "# HELP {} {}\n# TYPE {} {kind}", s.name, s.help, s.name);
                last = s.name;
            }
            let labels: Vec<_> = s.labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(out, "{}{labels} {}", s.name, s.value);
        }
        out
    }

    fn render_requests(&self, out: &mut String) {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let name = "kenroku_http_request_duration_seconds";
        let _ = writeln!(
            out,
            "# HELP {name} Time to answer, by method, route and status.\n# TYPE {name} histogram"
        );
        for ((method, route, status), h) in &requests {
            let labels = format!("method=\"{method}\",route=\"{}\",status=\"{status}\"", escape(route));
            for (count, bound) in h.counts.iter().zip(BUCKETS) {
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
            }
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", h.count);
            let _ = writeln!(out, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}", h.sum, h.count);
        }
    }
}

fn escape(v: &str) -> String {
    v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Memory, processor time and open files of this process, where the system tells (Linux `/proc`).
fn process() -> Vec<Sample> {
    let gauge = |name, help, counter, value| Sample { name, help, counter, labels: Vec::new(), value };
    let mut out = Vec::new();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kb = |key: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(key))?;
        line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse::<f64>().ok()
    };
    if let Some(rss) = kb("VmRSS") {
        out.push(gauge("process_resident_memory_bytes", "Memory in use.", false, rss * 1024.0));
    }
    if let Some(peak) = kb("VmHWM") {
        out.push(gauge(
            "kenroku_process_peak_memory_bytes",
            "Most memory ever in use.",
            false,
            peak * 1024.0,
        ));
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        out.push(gauge("process_open_fds", "Open files and sockets.", false, entries.count() as f64));
    }
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15 (proc_pid_stat(5)), counted behind the command's closing parenthesis; 100 ticks/s on Linux.
    let fields: Vec<&str> =
        stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    if let (Some(user), Some(system)) = (fields.get(11), fields.get(12))
        && let (Ok(user), Ok(system)) = (user.parse::<f64>(), system.parse::<f64>())
    {
        out.push(gauge("process_cpu_seconds_total", "Processor time used.", true, (user + system) / 100.0));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histogram_and_sources_are_rendered() {
        let mut m = Metrics::default();
        m.source(|| {
            let labels = vec![("queue", "mail \"x\"".to_owned())];
            vec![Sample { name: "kenroku_queue_rows", help: "Rows.", counter: false, labels, value: 3.0 }]
        });
        m.record(&Method::GET, "/snow", StatusCode::OK, Duration::from_millis(3));
        let text = m.render();
        let has = |line: &str| assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        has(
            r#"kenroku_http_request_duration_seconds_bucket{method="GET",route="/snow",status="200",le="0.0025"} 0"#,
        );
        has(
            r#"kenroku_http_request_duration_seconds_bucket{method="GET",route="/snow",status="200",le="0.005"} 1"#,
        );
        has(r#"kenroku_http_request_duration_seconds_count{method="GET",route="/snow",status="200"} 1"#);
        has(r#"kenroku_queue_rows{queue="mail \"x\""} 3"#);
        assert!(text.contains("process_resident_memory_bytes"));
    }
}

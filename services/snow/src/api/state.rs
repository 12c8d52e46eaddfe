//! What everybody may know: the state file and the list of segments.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use kenroku_http::{App, ETag, Json, Page, PageQuery, Public, Query, Result};
use kenroku_roads::model::{Direction, Manager, Segment};
use kenroku_types::{MuniCode, Tenant, Timestamp};
use serde::{Deserialize, Serialize};

use super::snow;
use crate::Snow;
use crate::board::{SegmentView, View};
use crate::model::Status;

/// The public state as one file, ready to be sent.
#[derive(Debug)]
pub struct StateFile {
    tag: ETag,
    json: axum::body::Bytes,
    gzip: axum::body::Bytes,
}

/// The whole network's state at one moment.
#[derive(Serialize, utoipa::ToSchema)]
pub struct StateBody<'a> {
    /// Version of the road network that the indexes belong to; another one means: load the road tiles again.
    network: &'a str,
    /// The moment, RFC 3339.
    #[schema(value_type = String)]
    at: Timestamp,
    /// The moment in words.
    text: String,
    /// By how many seconds it is later than what the desk sees.
    delay_s: u64,
    /// 模擬データ.
    simulated: bool,
    /// Dense segment indexes by state (`done`, `doing`, `part`, `todo`, `out`); one that is not listed is `unknown`.
    states: BTreeMap<&'static str, Vec<u32>>,
    /// Dense segment indexes by the time since a plough last worked there (`h1`: less than an hour, `h3`, `h6`, `h12`,
    /// `h24`: less than so many, `older`); one that is not listed was not worked since the event began.
    ages: BTreeMap<&'static str, Vec<u32>>,
    /// Where ploughs were at work, longitude and latitude on the road; not which.
    ploughs: Vec<[f64; 2]>,
}

impl<'a> StateBody<'a> {
    /// Writes a view down, `delay` later than things happened, with the ploughs of whom `shown` names.
    pub(crate) fn of(snow: &Snow, view: &'a View, delay: Duration, shown: impl Fn(Tenant) -> bool) -> Self {
        let mut states: BTreeMap<&'static str, Vec<u32>> = BTreeMap::new();
        let mut ages: BTreeMap<&'static str, Vec<u32>> = BTreeMap::new();
        for (i, s) in view.segments.iter().enumerate() {
            if s.status != Status::NoData {
                states.entry(s.status.word()).or_default().push(i as u32);
            }
            if let Some(age) = s.age(view.at) {
                ages.entry(age.word()).or_default().push(i as u32);
            }
        }
        let graph = snow.graph();
        let ploughs = snow.board(|b| b.ploughs(view.at, shown));
        StateBody {
            network: view.network.version().as_str(),
            at: view.at,
            text: kenroku_ui::i18n::format::time(kenroku_ui::Locale::Ja, view.at).plain(),
            delay_s: delay.as_secs(),
            simulated: view.network.provenance().simulated,
            states,
            ages,
            ploughs: ploughs
                .into_iter()
                .map(|(index, _, metres)| {
                    let p = graph.point_at(index, metres);
                    [p.lon_deg(), p.lat_deg()].map(|d| (d * 1e5).round() / 1e5)
                })
                .collect(),
        }
    }
}

impl StateFile {
    /// Writes the public's view down.
    pub fn of(snow: &Snow, view: &View) -> Self {
        let body = StateBody::of(snow, view, snow.settings().public_delay, |_| true);
        let json = serde_json::to_vec(&body).unwrap_or_default();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let written = encoder.write_all(&json).and_then(|()| encoder.finish());
        StateFile { tag: ETag::of(&json), gzip: written.unwrap_or_default().into(), json: json.into() }
    }
}

/// The state of every segment, made anew once a minute, the same for everybody: cache it.
///
/// It is older than what the desk sees by the delay, and names no vehicle.
#[utoipa::path(
    get, path = "/api/snow/v1/state", tag = "snow",
    responses((status = 200, description = "the state file", body = StateBody<'static>), (status = 304, description = "unchanged")),
)]
pub async fn state(_: Public, app: App, headers: HeaderMap) -> Result<Response> {
    let snow = snow(&app)?;
    let file = snow.state_file();
    let accepts = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).unwrap_or("");
    let gzip =
        accepts.split(',').any(|e| e.trim().split(';').next() == Some("gzip")) && !file.gzip.is_empty();
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut answer = file.tag.respond(&headers, "no-cache", || {
        if gzip {
            ([kind, (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))], file.gzip.clone())
                .into_response()
        } else {
            ([kind], file.json.clone()).into_response()
        }
    });
    let age = snow.settings().refresh.as_secs();
    if let Ok(v) = HeaderValue::from_str(&format!("public, max-age={age}, stale-while-revalidate={age}")) {
        answer.headers_mut().insert(header::CACHE_CONTROL, v);
    }
    answer.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    Ok(answer)
}

/// Which segments are asked for.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SegmentQuery {
    /// Municipality, five or six digits.
    #[serde(default)]
    #[param(value_type = Option<String>, example = "17211")]
    pub area: Option<MuniCode>,
    /// `national`, `expressway`, `prefecture`, `municipality` or `other`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub manager: Option<Manager>,
    /// `done`, `doing`, `part`, `todo`, `unknown` or `out`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub state: Option<Status>,
}

impl SegmentQuery {
    /// Whether a segment is asked for.
    pub fn has(&self, s: &Segment, v: &SegmentView) -> bool {
        self.area.is_none_or(|a| s.municipality == Some(a))
            && self.manager.is_none_or(|m| s.manager == m)
            && self.state.is_none_or(|st| v.status == st)
    }
}

/// A segment as the public sees it.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SnowSegmentItem {
    /// Stable key.
    pub id: String,
    /// Index in tiles and state file.
    pub index: u32,
    /// Name.
    pub name: Option<String>,
    /// Route number.
    pub route: Option<String>,
    /// Who is responsible.
    #[schema(value_type = String)]
    pub manager: Manager,
    /// Municipality it lies in.
    #[schema(value_type = Option<String>)]
    pub area: Option<MuniCode>,
    /// Metres.
    pub length_m: f32,
    /// Its state.
    #[schema(value_type = String)]
    pub state: Status,
    /// Whether its source has been silent for too long.
    pub stale: bool,
    /// Along the geometry.
    pub forward: DirectionItem,
    /// Against it.
    pub backward: DirectionItem,
    /// 模擬データ.
    pub simulated: bool,
}

/// What is known of one direction since the event began.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct DirectionItem {
    /// When it was last worked.
    #[schema(value_type = Option<String>)]
    pub last_work_at: Option<Timestamp>,
    /// How many times it was worked.
    pub passes: u32,
    /// Share that was worked, 0–1.
    pub coverage: f32,
    /// Whether the segment needs it.
    pub required: bool,
}

impl SnowSegmentItem {
    fn of(index: u32, s: &Segment, v: &SegmentView) -> Self {
        let dir = |d: Direction| {
            let known = &v.dirs[d.bit() as usize];
            DirectionItem {
                last_work_at: known.last_work,
                passes: known.passes,
                coverage: (v.ratio(d, s.length_m) * 1000.0).round() / 1000.0,
                required: s.required.has(d),
            }
        };
        SnowSegmentItem {
            id: s.id.to_string(),
            index,
            name: s.name.as_deref().map(ToOwned::to_owned),
            route: s.route_no.as_deref().map(ToOwned::to_owned),
            manager: s.manager,
            area: s.municipality,
            length_m: s.length_m.round(),
            state: v.status,
            stale: v.stale,
            forward: dir(Direction::Forward),
            backward: dir(Direction::Backward),
            simulated: s.simulated,
        }
    }
}

/// The segments with their state, by cursor.
#[utoipa::path(
    get, path = "/api/snow/v1/segments", tag = "snow", params(SegmentQuery, PageQuery),
    responses((status = 200, description = "one page", body = Page<SnowSegmentItem>)),
)]
pub async fn segments(
    _: Public,
    app: App,
    Query(query): Query<SegmentQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<SnowSegmentItem>>> {
    let view = snow(&app)?.public();
    let from = page.start::<(u32,)>()?.map_or(0, |(last,)| last.saturating_add(1));
    let rows = (from..view.segments.len() as u32)
        .filter_map(|i| view.get(i).map(|(s, v)| (i, s, v)))
        .filter(|(_, s, v)| query.has(s, v))
        .take(page.limit() as usize + 1)
        .map(|(i, s, v)| SnowSegmentItem::of(i, s, v))
        .collect();
    Ok(Json(Page::of(rows, page.limit(), |r: &SnowSegmentItem| (r.index,))))
}

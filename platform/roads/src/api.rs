//! The JSON API and the road map over HTTP. Everything here is public: roads and who manages them.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use kenroku_http::{App, Cursor, ETag, Json, PageQuery, Path, Public, Query, Result, Routes, op};
use kenroku_places::vector::{self, TilePath, TileVersion};
use kenroku_types::{MuniCode, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::Roads;
use crate::geo::Point;
use crate::graph::Graph;
use crate::model::{Class, Directions, Manager, Segment, SegmentId};
use crate::tiles;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(op!(network))
        .add(op!(segments))
        .add(op!(segment))
        .get("/map/roads.json", tilejson)
        .get("/map/roads/{z}/{x}/{file}", tile)
}

/// A new network is loaded a few times a year; asked for again after a minute, so that a switch shows soon.
const A_MINUTE: &str = "public, max-age=60";

fn graph(app: &App) -> Result<Arc<Graph>> {
    Ok(app.get::<Roads>()?.graph().map_err(Problem::from)?)
}

/// The network in use.
#[derive(Serialize, ToSchema)]
pub(crate) struct NetworkItem {
    /// Changes whenever anything in the network does.
    version: String,
    source: String,
    /// To be shown with the data.
    attribution: String,
    licence: String,
    /// 模擬データ: no real roads.
    simulated: bool,
    /// EPSG code of the coordinates, as delivered.
    epsg: u16,
    segments: usize,
    km: f64,
    /// 土木事務所.
    districts: Vec<String>,
}

/// The road network in use: where it comes from, under which terms, and how large it is.
#[utoipa::path(
    get, path = "/api/roads/v1/network", tag = "roads",
    responses((status = 200, body = NetworkItem), (status = 503, description = "`roads.no-network`"))
)]
async fn network(_: Public, app: App) -> Result<Json<NetworkItem>> {
    let graph = graph(&app)?;
    let net = graph.network();
    let p = net.provenance();
    Ok(Json(NetworkItem {
        version: net.version().to_string(),
        source: p.source.clone(),
        attribution: p.attribution.clone(),
        licence: p.licence.clone(),
        simulated: p.simulated,
        epsg: p.crs.epsg(),
        segments: net.segments().len(),
        km: (net.total_km() * 10.0).round() / 10.0,
        districts: net.districts().to_vec(),
    }))
}

/// A piece of road between two junctions.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoadSegmentItem {
    /// Stable key.
    #[schema(value_type = String, example = "00f3a1c2d4e5b697")]
    id: SegmentId,
    /// Position in this version of the network, as in tiles and state files.
    index: u32,
    #[schema(value_type = String, example = "prefecture")]
    manager: Manager,
    #[schema(value_type = String, example = "secondary")]
    class: Class,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    route_no: Option<String>,
    length_m: f32,
    /// Directions open to traffic along the geometry: forward, backward, both, none.
    #[schema(value_type = String, example = "both")]
    travel: Directions,
    /// Directions that must be cleared.
    #[schema(value_type = String, example = "both")]
    required: Directions,
    #[serde(skip_serializing_if = "Option::is_none")]
    lanes: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maxspeed_kmh: Option<u8>,
    bridge: bool,
    tunnel: bool,
    sidewalk: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "17211")]
    municipality: Option<MuniCode>,
    /// 土木事務所.
    #[serde(skip_serializing_if = "Option::is_none")]
    district: Option<String>,
    /// Lower is sooner.
    priority: u8,
    /// 模擬データ: no real road.
    simulated: bool,
    /// Longitude and latitude, degrees.
    coordinates: Vec<[f64; 2]>,
}

fn item(graph: &Graph, index: u32, s: &Segment) -> RoadSegmentItem {
    let text = |t: &Option<Box<str>>| t.as_deref().map(str::to_owned);
    RoadSegmentItem {
        id: s.id,
        index,
        manager: s.manager,
        class: s.class,
        name: text(&s.name),
        route_no: text(&s.route_no),
        length_m: s.length_m,
        travel: s.travel,
        required: s.required,
        lanes: s.lanes,
        maxspeed_kmh: s.maxspeed_kmh,
        bridge: s.bridge,
        tunnel: s.tunnel,
        sidewalk: s.sidewalk,
        municipality: s.municipality,
        district: s.district.and_then(|d| graph.network().districts().get(usize::from(d)).cloned()),
        priority: s.priority.0,
        simulated: s.simulated,
        coordinates: s.points.iter().map(|p| [p.lon_deg(), p.lat_deg()]).collect(),
    }
}

/// Which segments.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SegmentQuery {
    /// Only those that touch this box: west,south,east,north in degrees.
    #[serde(default)]
    bbox: String,
    /// Only those in the municipality with this code of five or six digits.
    #[serde(default)]
    municipality: String,
    /// Only those of this manager: national, expressway, prefecture, municipality, other.
    #[serde(default)]
    manager: String,
    /// Only those whose name or route number contains this.
    #[serde(default)]
    q: String,
}

impl SegmentQuery {
    fn bbox(&self) -> Result<Option<[Point; 2]>, Problem> {
        if self.bbox.is_empty() {
            return Ok(None);
        }
        let n: Vec<f64> = self.bbox.split(',').filter_map(|v| v.trim().parse().ok()).collect();
        let corners = match n[..] {
            [w, s, e, n] if w <= e && s <= n => Point::from_degrees(w, s).zip(Point::from_degrees(e, n)),
            _ => None,
        };
        let refused = || refuse("bbox", "four numbers are needed: west,south,east,north in degrees");
        corners.map(|(a, b)| Some([a, b])).ok_or_else(refused)
    }
}

fn refuse(field: &'static str, detail: &str) -> Problem {
    Problem::new(400, "roads.query", "The search could not be understood").field(field, "roads.query", detail)
}

/// A page of segments.
#[derive(Serialize, ToSchema)]
pub(crate) struct Segments {
    /// Version of the network that they are of.
    network: String,
    /// To be shown with the data.
    attribution: String,
    /// 模擬データ: no real roads.
    simulated: bool,
    /// In the order of their keys.
    items: Vec<RoadSegmentItem>,
    /// Cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next: Option<Cursor>,
}

/// Segments of the network in use, by box, municipality, manager and words of the name, in the order of their
/// keys.
#[utoipa::path(
    get, path = "/api/roads/v1/segments", tag = "roads", params(SegmentQuery, PageQuery),
    responses(
        (status = 200, body = Segments),
        (status = 400, description = "`roads.query`, `cursor-invalid`"),
        (status = 503, description = "`roads.no-network`")
    )
)]
async fn segments(
    _: Public,
    app: App,
    Query(query): Query<SegmentQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Segments>> {
    let graph = graph(&app)?;
    let net = graph.network();
    let municipality: Option<MuniCode> = match query.municipality.as_str() {
        "" => None,
        code => Some(code.parse().map_err(|e| refuse("municipality", &format!("{e}")))?),
    };
    let manager = match query.manager.as_str() {
        "" => None,
        word => Some(Manager::from_word(word).ok_or_else(|| refuse("manager", "no such manager"))?),
    };
    let after = page.start::<(SegmentId,)>()?;
    let wanted = |s: &Segment| {
        let has = |t: &Option<Box<str>>| t.as_deref().is_some_and(|t| t.contains(&query.q));
        after.is_none_or(|(key,)| s.id > key)
            && municipality.is_none_or(|m| s.municipality == Some(m))
            && manager.is_none_or(|m| s.manager == m)
            && (query.q.is_empty() || has(&s.name) || has(&s.route_no))
    };
    let indices: Vec<u32> = match query.bbox()? {
        Some([min, max]) => graph.in_box(min, max),
        None => (0..net.segments().len() as u32).collect(),
    };
    let limit = page.limit() as usize;
    let mut items: Vec<RoadSegmentItem> = indices
        .into_iter()
        .map(|i| (i, &net.segments()[i as usize]))
        .filter(|(_, s)| wanted(s))
        .take(limit + 1)
        .map(|(i, s)| item(&graph, i, s))
        .collect();
    let more = items.len() > limit;
    items.truncate(limit);
    Ok(Json(Segments {
        network: net.version().to_string(),
        attribution: net.provenance().attribution.clone(),
        simulated: net.provenance().simulated,
        next: items.last().filter(|_| more).map(|s| Cursor::after(&(s.id,))),
        items,
    }))
}

/// One segment by its key.
#[utoipa::path(
    get, path = "/api/roads/v1/segments/{id}", tag = "roads",
    params(("id" = String, Path, description = "The segment's key, 16 hexadecimal digits.")),
    responses(
        (status = 200, body = RoadSegmentItem),
        (status = 404, description = "No such segment in the network in use"),
        (status = 503, description = "`roads.no-network`")
    )
)]
async fn segment(_: Public, app: App, Path(id): Path<String>) -> Result<Json<RoadSegmentItem>> {
    let graph = graph(&app)?;
    let id: SegmentId = id.parse().map_err(|_| Problem::not_found())?;
    let index = graph.network().index_of(id).ok_or_else(Problem::not_found)?;
    Ok(Json(item(&graph, index, &graph.network().segments()[index as usize])))
}

async fn tilejson(_: Public, app: App, headers: HeaderMap) -> Result<Response> {
    let graph = graph(&app)?;
    let tag = ETag::version(graph.network().version());
    Ok(tag.respond(&headers, A_MINUTE, || Json(tiles::tilejson(graph.network()))))
}

async fn tile(
    _: Public,
    app: App,
    Path(path): Path<TilePath>,
    Query(asked): Query<TileVersion>,
    headers: HeaderMap,
) -> Result<Response> {
    let graph = graph(&app)?;
    let version = graph.network().version().as_str();
    vector::respond(&headers, path, &asked, version, A_MINUTE, |z, x, y| tiles::tile(&graph, z, x, y))
}

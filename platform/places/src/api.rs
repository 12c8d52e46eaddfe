//! The JSON API and the base map over HTTP. Everything here is public: names and places of local governments.

use axum::http::HeaderMap;
use axum::response::Response;
use kenroku_http::{ETag, Json, Path, Public, Query, Result, Routes, op};
use kenroku_types::{MuniCode, Problem, Tenant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::Municipality;
use crate::search::{Hit, MatchKind, SearchOptions};
use crate::vector::{TilePath, TileVersion};
use crate::{BaseMap, DataError, Places, TownId, tiles, vector};

/// The operations of this module besides its pages.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(op!(municipalities))
        .add(op!(search))
        .get("/map/base.json", tilejson)
        .get("/map/base/{z}/{x}/{file}", tile)
}

/// Names and boundaries change a few times in a decade and with a release: asked for again after an hour.
const AN_HOUR: &str = "public, max-age=3600";

impl From<DataError> for Problem {
    fn from(e: DataError) -> Self {
        Problem::internal().because(&e)
    }
}

/// A position in degrees.
#[derive(Serialize, ToSchema)]
pub(crate) struct Position {
    /// Degrees north.
    lat: f64,
    /// Degrees east.
    lng: f64,
}

/// The prefecture and its municipalities.
#[derive(Serialize, ToSchema)]
pub(crate) struct Municipalities {
    prefecture: PrefectureItem,
    /// By region from south to north.
    municipalities: Vec<MunicipalityItem>,
}

/// The prefecture.
#[derive(Serialize, ToSchema)]
pub(crate) struct PrefectureItem {
    /// Five digits.
    #[schema(value_type = String, example = "17000")]
    code: MuniCode,
    /// Six digits, the last being the check digit.
    code6: String,
    /// Its id as an owner of data.
    #[schema(value_type = String, format = Uuid)]
    tenant: Tenant,
    name: &'static str,
    name_kana: &'static str,
    name_en: String,
}

/// A municipality.
#[derive(Serialize, ToSchema)]
pub(crate) struct MunicipalityItem {
    /// Five digits.
    #[schema(value_type = String, example = "17211")]
    code: MuniCode,
    /// Six digits, the last being the check digit.
    code6: String,
    /// Its id as an owner of data.
    #[schema(value_type = String, format = Uuid)]
    tenant: Tenant,
    #[schema(example = "能美市")]
    name: &'static str,
    #[schema(example = "のみし")]
    name_kana: &'static str,
    #[schema(example = "Nomi City")]
    name_en: String,
    /// 加賀, 金沢・河北 or 能登.
    region: &'static str,
    /// 郡, for towns.
    #[serde(skip_serializing_if = "Option::is_none")]
    county: Option<&'static str>,
    /// West, south, east, north in degrees.
    #[schema(value_type = Vec<f64>)]
    bbox: [f64; 4],
    /// Where to write the name on a map.
    label: Position,
    /// How many 町丁目, 大字 and 小字 are known.
    towns: usize,
}

/// The prefecture and its nineteen municipalities with codes, readings, English names and extents.
#[utoipa::path(
    get, path = "/api/places/v1/municipalities", tag = "places",
    responses((status = 200, body = Municipalities))
)]
async fn municipalities(_: Public, headers: HeaderMap) -> Result<Response> {
    let places = Places::shared()?;
    let p = places.prefecture();
    let tag = ETag::version(format!("{:016x}", places.version()));
    Ok(tag.respond(&headers, AN_HOUR, || {
        Json(Municipalities {
            prefecture: PrefectureItem {
                code: p.code,
                code6: p.code.code6(),
                tenant: p.tenant,
                name: p.name,
                name_kana: p.kana,
                name_en: format!("{} Prefecture", p.romaji),
            },
            municipalities: places.municipalities().iter().map(|m| item(places, m)).collect(),
        })
    }))
}

fn item(places: &Places, m: &Municipality) -> MunicipalityItem {
    MunicipalityItem {
        code: m.code,
        code6: m.code.code6(),
        tenant: m.tenant,
        name: m.name,
        name_kana: m.kana,
        name_en: m.english_name(),
        region: m.region.name(),
        county: m.county,
        bbox: m.bbox,
        label: Position { lat: m.label.lat, lng: m.label.lng },
        towns: places.towns_of(m.code).len(),
    }
}

/// What is searched for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// An address or a part of one, at most 200 characters: old and new characters, full and half width,
    /// with or without 石川県, county and municipality.
    #[serde(default)]
    pub(crate) q: String,
    /// At most this many results, 1 to 100; 20 unless told.
    pub(crate) limit: Option<usize>,
    /// Only in the municipality with this code of five or six digits.
    #[serde(default)]
    municipality: String,
}

impl SearchQuery {
    /// The municipality asked for; none when the field is empty, as a form sends it.
    pub(crate) fn municipality(&self) -> Result<Option<MuniCode>, Problem> {
        if self.municipality.is_empty() {
            return Ok(None);
        }
        let code: Result<MuniCode, _> = self.municipality.parse();
        code.map(Some).map_err(|e| {
            Problem::new(400, "places.municipality-code", "The search could not be understood")
                .detail(e.to_string())
                .next("Use a code from /api/places/v1/municipalities.")
                .field("municipality", "places.municipality-code", e.to_string())
        })
    }
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchResult {
    /// Best first.
    hits: Vec<HitItem>,
    /// To be shown with the results.
    attribution: &'static str,
}

/// One place.
#[derive(Serialize, ToSchema)]
pub(crate) struct HitItem {
    /// How it fits the query: exact, prefix, substring, tokens (all words, in any order), enclosing (the query
    /// goes on after the name), similar (one letter differs).
    #[serde(rename = "match")]
    #[schema(value_type = String, example = "exact")]
    kind: MatchKind,
    /// The address without the prefecture.
    #[schema(example = "能美市寺井町")]
    address: String,
    /// Code of the municipality.
    #[schema(value_type = String, example = "17211")]
    municipality: MuniCode,
    /// Name of the municipality.
    municipality_name: &'static str,
    /// 町丁目 or 大字; absent when a municipality was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    town: Option<&'static str>,
    /// 小字, if the place is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    koaza: Option<&'static str>,
    /// Row of the town in this version of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    town_id: Option<TownId>,
    /// Representative point.
    #[serde(flatten)]
    at: Position,
}

impl From<&Hit<'static>> for HitItem {
    fn from(hit: &Hit<'static>) -> Self {
        let at = hit.at();
        HitItem {
            kind: hit.kind,
            address: hit.address(),
            municipality: hit.municipality.code,
            municipality_name: hit.municipality.name,
            town: hit.town.map(|t| t.name),
            koaza: hit.town.map(|t| t.koaza).filter(|k| !k.is_empty()),
            town_id: hit.town.map(|t| t.id),
            at: Position { lat: at.lat, lng: at.lng },
        }
    }
}

/// Finds municipalities and towns by a part of an address. No readings of towns are known: only a
/// municipality can be found by kana or Latin letters.
#[utoipa::path(
    get, path = "/api/places/v1/search", tag = "places", params(SearchQuery),
    responses(
        (status = 200, body = SearchResult),
        (status = 400, description = "`places.query-empty`, `places.query-too-long`, \
            `places.municipality-code`, `places.municipality-unknown`")
    )
)]
async fn search(_: Public, Query(query): Query<SearchQuery>) -> Result<Json<SearchResult>> {
    let places = Places::shared()?;
    let mut options = SearchOptions { municipality: query.municipality()?, ..Default::default() };
    options.limit = query.limit.unwrap_or(options.limit);
    let hits = places.search(&query.q, options)?;
    Ok(Json(SearchResult { hits: hits.iter().map(HitItem::from).collect(), attribution: tiles::ATTRIBUTION }))
}

async fn tilejson(_: Public, headers: HeaderMap) -> Result<Response> {
    let map = BaseMap::shared()?;
    Ok(ETag::version(map.version()).respond(&headers, AN_HOUR, || Json(map.tilejson())))
}

async fn tile(
    _: Public,
    Path(path): Path<TilePath>,
    Query(asked): Query<TileVersion>,
    headers: HeaderMap,
) -> Result<Response> {
    let map = BaseMap::shared()?;
    vector::respond(&headers, path, &asked, &map.version(), AN_HOUR, |z, x, y| map.tile(z, x, y))
}

//! What every vector-tile map of the house shares (Mapbox Vector Tile 2.1): the zoom levels, the projection, which
//! tiles there are, and how one is answered over HTTP.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kenroku_http::ETag;
use kenroku_types::Problem;
use serde::Deserialize;

/// The coarsest zoom level that is drawn; the prefecture is then a third of a tile high.
pub const MIN_ZOOM: u8 = 5;
/// The finest zoom level; a map shows it enlarged beyond.
pub const MAX_ZOOM: u8 = 14;
/// Units of a tile's side.
pub const EXTENT: u32 = 4096;

/// For a tile whose address names its version.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// The media type of vector tiles (MVT 2.1 §3.2).
const MVT: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/vnd.mapbox-vector-tile")];

/// Why there is no such tile.
#[derive(Debug, thiserror::Error)]
pub enum TileError {
    /// Outside the zoom levels, or beyond the edge of the world.
    #[error("there is no tile {z}/{x}/{y}; zoom levels are {MIN_ZOOM} to {MAX_ZOOM}")]
    NoSuchTile {
        /// Zoom level.
        z: u8,
        /// Column.
        x: u32,
        /// Row.
        y: u32,
    },
    /// The encoder refused the geometry; a fault of this program.
    #[error("drawing a tile")]
    Encode(#[from] mvt::Error),
}

impl From<TileError> for Problem {
    fn from(e: TileError) -> Self {
        match e {
            TileError::NoSuchTile { .. } => Problem::not_found().detail(e.to_string()),
            TileError::Encode(e) => Problem::internal().because(&e),
        }
    }
}

/// Whether there is such a tile.
///
/// # Errors
/// [`TileError::NoSuchTile`] outside the zoom levels and beyond the edge of the world.
pub const fn exists(z: u8, x: u32, y: u32) -> Result<(), TileError> {
    if z < MIN_ZOOM || z > MAX_ZOOM || x >> z != 0 || y >> z != 0 {
        return Err(TileError::NoSuchTile { z, x, y });
    }
    Ok(())
}

/// Web Mercator (EPSG:3857, scaled to 0…1 from the north-west corner) of `[longitude, latitude]` in degrees.
pub fn project([lng, lat]: [f64; 2]) -> [f64; 2] {
    let sin = lat.to_radians().sin();
    let y = 0.5 - ((1.0 + sin) / (1.0 - sin)).ln() / (4.0 * std::f64::consts::PI);
    [lng / 360.0 + 0.5, y]
}

/// The path of a tile below the map's own: zoom level, column, and the file `{row}.mvt`.
pub type TilePath = (u8, u32, String);

/// The version in the address of a tile, as the TileJSON gives it.
#[derive(Debug, Deserialize)]
pub struct TileVersion {
    #[serde(default)]
    v: String,
}

/// Answers for a tile of a map whose drawing `version` names. One whose address names that version may be kept
/// forever, any other as long as `otherwise` (a `Cache-Control`) says.
///
/// # Errors
/// Not found when the path names no tile; what `draw` fails with.
pub fn respond(
    headers: &HeaderMap,
    (z, x, file): TilePath,
    asked: &TileVersion,
    version: &str,
    otherwise: &'static str,
    draw: impl FnOnce(u8, u32, u32) -> Result<Vec<u8>, TileError>,
) -> kenroku_http::Result<Response> {
    let y: u32 = file.strip_suffix(".mvt").and_then(|y| y.parse().ok()).ok_or_else(Problem::not_found)?;
    let bytes = draw(z, x, y).map_err(Problem::from)?;
    let keep = if asked.v == version { FOREVER } else { otherwise };
    Ok(ETag::version(format!("{version}-{z}-{x}-{y}")).respond(headers, keep, || match bytes.is_empty() {
        // Nothing of the map lies here; map libraries take 204 for an empty tile.
        true => StatusCode::NO_CONTENT.into_response(),
        false => (MVT, bytes).into_response(),
    }))
}

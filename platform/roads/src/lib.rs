//! The road network, and which road a vehicle was on.
//!
//! **What it is.** [`model`]: segments between junctions with manager, class and the rest, and the immutable
//! [`Network`] of them; [`graph`]: the network as a routable graph with a spatial index; [`matching`]: from
//! satellite fixes to passes along segments, online and in one go; [`import`]: OpenStreetMap extracts and
//! GeoJSON ledgers; [`synth`]: a made-up network of Ishikawa for demonstration; [`tiles`]: the map;
//! [`sql`]: networks in the database; [`Roads`]: the one in use, exchangeable while the system runs.
//!
//! **What it is not.** It knows nothing of snow, ploughs, work or billing: it says where a vehicle drove, not
//! what it did there. It stores no track and no position. It plans no routes for people.
//!
//! **Invariants.** A network never changes: other content is another version. A segment's key depends only on
//! its source, so it survives new versions; its dense index is meaningful only with a version. The same fixes
//! give the same passes however they are cut into batches and across restarts. No import can make it panic.
//! Everything synthetic is flagged `simulated`, down to the single segment and tile feature.
//!
//! **How to add one more.** A further format: a module in [`import`] that feeds the builder, and an importer in
//! [`module`]. A further attribute: a field of [`model::Segment`], its line in the hash over the content, a
//! column with a migration, and the API's item. Whatever changes a pass raises [`matching::MATCHER_VERSION`];
//! measure it with `cargo run --release -p kenroku-bench --bin matching`.

mod api;
pub mod app;
pub mod areas;
pub mod benchmark;
pub mod geo;
pub mod graph;
pub mod import;
pub mod matching;
pub mod model;
pub mod sql;
pub mod synth;
#[cfg(test)]
mod testing;
pub mod tiles;

use kenroku_http::App;
use kenroku_module::{HookFuture, Import, Importer, Module};

pub use app::{Roads, RoadsError};
pub use geo::Point;
pub use graph::{Graph, Search};
pub use model::{Direction, Manager, Network, NetworkVersion, Segment, SegmentId};

/// The roads as a module of the server.
pub fn module() -> Module {
    Module::new("roads")
        .migrations(sql::MIGRATIONS)
        .routes(api::routes())
        .start(|builder| {
            Box::pin(async move {
                let roads = Roads::default();
                roads.refresh(builder.db()).await?;
                builder.put(roads);
                Ok(())
            })
        })
        .demo(demo)
        .importer(Importer {
            kind: "osm-roads",
            about: "Drivable roads of an OpenStreetMap extract (.osm.pbf) become the network in use",
            run: |i| {
                Box::pin(import_file(i, import::pbf::import, |_| import::Options::openstreetmap().provenance))
            },
        })
        .importer(Importer {
            kind: "geojson-roads",
            about: "Lines of a road ledger as GeoJSON become the network in use",
            run: |i| Box::pin(import_file(i, import::geojson::import, ledger)),
        })
}

/// The synthetic Ishikawa, for an installation without roads.
fn demo(app: App) -> HookFuture<'static, String> {
    Box::pin(async move {
        let roads = app.get::<Roads>().map_err(|e| e.0)?;
        let network = tokio::task::spawn_blocking(app::synthetic_ishikawa).await??;
        let graph = roads.install(app.db(), network, app.env().now()).await?;
        let net = graph.network();
        Ok(format!("{} road segments, {:.0} km (模擬データ)", net.segments().len(), net.total_km()))
    })
}

type Reader = fn(&[u8], &import::Options<'_>) -> Result<(Network, import::Report), import::ImportError>;

/// A ledger is named by its file; its terms are for its owner to say.
fn ledger(file: &str) -> model::Provenance {
    model::Provenance {
        source: file.to_owned(),
        attribution: file.to_owned(),
        licence: "LicenseRef-owner".to_owned(),
        simulated: false,
        crs: model::Crs::Jgd2011,
    }
}

async fn import_file(
    job: Import,
    read: Reader,
    terms: fn(&str) -> model::Provenance,
) -> Result<String, kenroku_module::HookError> {
    let bytes = tokio::fs::read(&job.file).await?;
    let file = job.file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let provenance = terms(&file);
    let read = move || -> Result<_, RoadsError> {
        let areas = app::ishikawa_areas()?;
        let options = import::Options { provenance, areas: &areas, district: synth::ishikawa_district };
        Ok(read(&bytes, &options)?)
    };
    let (network, report) = tokio::task::spawn_blocking(read).await??;
    let version = network.version().clone();
    let roads = job.app.get::<Roads>().map_err(|e| e.0)?;
    roads.install(job.app.db(), network, job.app.env().now()).await?;
    Ok(format!("{file}: network {version} is in use\n{}", serde_json::to_string_pretty(&report)?))
}

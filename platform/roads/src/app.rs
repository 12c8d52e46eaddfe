//! [`Roads`]: the network in use, held in memory and exchanged while the system runs.

use std::sync::{Arc, PoisonError, RwLock};

use kenroku_places::{DataError, Places};
use kenroku_store::Db;
use kenroku_types::{Problem, Tenant, Timestamp};

use crate::areas::Area;
use crate::geo::Point;
use crate::graph::Graph;
use crate::import::ImportError;
use crate::model::{Network, NetworkError};
use crate::sql::{self, StoreError};
use crate::synth::{self, Shares, TownPoint};

/// The joint map of 国, 県 and 市町 is one network of the installation.
pub const TENANT: Tenant = Tenant::SHARED;

/// The road network in use. One value per process; cheap to ask.
#[derive(Debug, Default)]
pub struct Roads(RwLock<Option<Arc<Graph>>>);

/// What can go wrong with the network in use.
#[derive(Debug, thiserror::Error)]
pub enum RoadsError {
    /// None has been imported.
    #[error("no road network has been imported yet")]
    NoNetwork,
    /// Storing or loading.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The synthetic network could not be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Importing.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The embedded places.
    #[error(transparent)]
    Places(#[from] DataError),
    /// A worker thread ended.
    #[error("building the network was interrupted")]
    Interrupted,
}

impl From<kenroku_store::Error> for RoadsError {
    fn from(e: kenroku_store::Error) -> Self {
        RoadsError::Store(e.into())
    }
}

impl From<RoadsError> for Problem {
    fn from(e: RoadsError) -> Self {
        match e {
            RoadsError::NoNetwork => Problem::new(503, "roads.no-network", "There is no road network yet")
                .next("Ask the operator to import one: kenroku import osm-roads FILE."),
            RoadsError::Import(e) => {
                Problem::new(400, "roads.import", "The road data could not be imported").detail(e.to_string())
            }
            e => Problem::internal().because(&e),
        }
    }
}

impl Roads {
    /// The graph in use.
    ///
    /// # Errors
    /// [`RoadsError::NoNetwork`] when none has been imported.
    pub fn graph(&self) -> Result<Arc<Graph>, RoadsError> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(RoadsError::NoNetwork)
    }

    /// Puts another graph into use; whoever holds the old one keeps it until done.
    pub fn swap(&self, graph: Arc<Graph>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(graph);
    }

    /// Loads the active network if it is not the one in use: at start, and when another process may have
    /// switched. Returns whether it changed.
    ///
    /// # Errors
    /// Those of the database and of damaged rows.
    pub async fn refresh(&self, db: &Db) -> Result<bool, RoadsError> {
        let mut tx = db.read().await?;
        let Some(version) = sql::active(&mut tx, TENANT).await? else { return Ok(false) };
        if self.graph().is_ok_and(|g| *g.network().version() == version) {
            return Ok(false);
        }
        let network = sql::load(&mut tx, TENANT, &version).await?.ok_or(StoreError::Unknown(version))?;
        tx.rollback().await?;
        self.swap(build(network).await?);
        Ok(true)
    }

    /// Stores a network, makes it the active one and puts it into use.
    ///
    /// # Errors
    /// The database's.
    pub async fn install(&self, db: &Db, network: Network, now: Timestamp) -> Result<Arc<Graph>, RoadsError> {
        let mut tx = db.begin().await?;
        sql::save(&mut tx, TENANT, &network, now).await?;
        sql::activate(&mut tx, TENANT, network.version(), now).await?;
        tx.commit().await?;
        let graph = build(network).await?;
        self.swap(graph.clone());
        Ok(graph)
    }
}

async fn build(network: Network) -> Result<Arc<Graph>, RoadsError> {
    tokio::task::spawn_blocking(move || Arc::new(Graph::new(Arc::new(network))))
        .await
        .map_err(|_| RoadsError::Interrupted)
}

/// Outlines of Ishikawa's municipalities.
///
/// # Errors
/// As [`Places::shared`].
pub fn ishikawa_areas() -> Result<Vec<Area>, DataError> {
    let point = |p: &[f64; 2]| Point::from_degrees(p[0], p[1]);
    let area = |m: &kenroku_places::Municipality| Area {
        municipality: m.code,
        rings: m.boundary.rings().map(|r| r.iter().filter_map(point).collect()).collect(),
    };
    Ok(Places::shared()?.municipalities().iter().map(area).collect())
}

/// The synthetic network of Ishikawa over the embedded places; takes about a second.
///
/// # Errors
/// When the embedded data is unusable.
pub fn synthetic_ishikawa() -> Result<Network, RoadsError> {
    let places = Places::shared()?;
    let town = |t: &kenroku_places::Town| {
        let point = Point::from_degrees(t.at.lng, t.at.lat)?;
        Some(TownPoint { point, name: format!("{}{}", t.name, t.koaza), municipality: t.municipality })
    };
    let towns: Vec<TownPoint> = places.towns().iter().filter_map(town).collect();
    let areas = ishikawa_areas()?;
    Ok(synth::build(&synth::Input {
        towns: &towns,
        areas: &areas,
        district: synth::ishikawa_district,
        shares: Shares::ISHIKAWA,
    })?)
}

//! Road networks in the database. A network is written once under its version and never changed; which
//! version is in use is a row of its own, so that switching, and switching back, is one small write.

use kenroku_store::{Bulk, Col, FromRow, Row, Sql, Tx, Val, params, sql};
use kenroku_types::{MuniCode, Tenant, Timestamp};

use crate::geo::Point;
use crate::model::{
    Class, Crs, Directions, Manager, Network, NetworkError, NetworkVersion, Priority, Provenance, Segment,
    SegmentId,
};

/// The tables of this module.
pub const MIGRATIONS: kenroku_store::ModuleMigrations = kenroku_store::migrations!("roads", ["0001_init"]);

/// Why a network cannot be stored or read back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database.
    #[error(transparent)]
    Db(#[from] kenroku_store::Error),
    /// Rows that do not form a network.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Rows that say what no program of ours writes.
    #[error("stored road network {version}: {what}; import the network again")]
    Damaged {
        /// Which.
        version: NetworkVersion,
        /// What is wrong.
        what: &'static str,
    },
    /// There is no such network.
    #[error("there is no road network {0} to switch to")]
    Unknown(NetworkVersion),
}

const ADD: &Sql = sql!(
    "insert into roads_network
       (tenant, version, source, attribution, licence, simulated, epsg, districts, segments, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     on conflict (tenant, version) do nothing"
);
const GET: &Sql = sql!(
    "select source, attribution, licence, simulated, epsg, districts, segments, created_at from roads_network
     where tenant = $1 and version = $2"
);
const LIST: &Sql = sql!(
    "select version, source, simulated, segments, created_at from roads_network
     where tenant = $1 order by created_at, version"
);
const SEGMENTS: &Sql = sql!(
    "select id, points, from_node, to_node, manager, class, link, route_no, name, travel, required, lanes,
       maxspeed_kmh, layer, bridge, tunnel, sidewalk, municipality, district, priority, simulated
     from roads_segment where tenant = $1 and version = $2 order by id"
);
const ACTIVE: &Sql = sql!("select version from roads_active where tenant = $1");
const ACTIVATE: &Sql = sql!(
    "insert into roads_active (tenant, version, since) values ($1, $2, $3)
     on conflict (tenant) do update set version = excluded.version, since = excluded.since"
);

static ADD_SEGMENTS: Bulk = Bulk::new(
    "roads_segment",
    &[
        ("tenant", Col::Uuid),
        ("version", Col::Text),
        ("id", Col::Int),
        ("points", Col::Blob),
        ("from_node", Col::Int),
        ("to_node", Col::Int),
        ("manager", Col::Text),
        ("class", Col::Text),
        ("link", Col::Bool),
        ("route_no", Col::Text),
        ("name", Col::Text),
        ("travel", Col::Text),
        ("required", Col::Text),
        ("lanes", Col::Int),
        ("maxspeed_kmh", Col::Int),
        ("layer", Col::Int),
        ("bridge", Col::Bool),
        ("tunnel", Col::Bool),
        ("sidewalk", Col::Bool),
        ("municipality", Col::Text),
        ("district", Col::Int),
        ("priority", Col::Int),
        ("simulated", Col::Bool),
    ],
    "on conflict (tenant, version, id) do nothing",
);

/// A stored network without its segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Version.
    pub version: NetworkVersion,
    /// Name of the data set.
    pub source: String,
    /// 模擬データ.
    pub simulated: bool,
    /// How many segments.
    pub segments: i64,
    /// When it was written.
    pub created_at: Timestamp,
}

impl FromRow for Stored {
    fn from_row(r: &Row<'_>) -> kenroku_store::Result<Self> {
        Ok(Stored {
            version: NetworkVersion::from_text(r.get::<String>(0)?),
            source: r.get(1)?,
            simulated: r.get(2)?,
            segments: r.get(3)?,
            created_at: r.get(4)?,
        })
    }
}

/// Writes a network; doing it again changes nothing.
///
/// # Errors
/// The database's.
pub async fn save(tx: &mut Tx, tenant: Tenant, network: &Network, now: Timestamp) -> Result<(), StoreError> {
    let p = network.provenance();
    let districts = serde_json::Value::from(network.districts().to_vec()).to_string();
    let version = network.version().as_str();
    tx.execute(
        ADD,
        params![
            tenant,
            version,
            &p.source,
            &p.attribution,
            &p.licence,
            p.simulated,
            p.crs.epsg(),
            districts,
            network.segments().len() as i64,
            now,
        ],
    )
    .await?;
    let rows: Vec<Vec<Val<'_>>> = network.segments().iter().map(|s| row(tenant, version, s)).collect();
    tx.insert_many(&ADD_SEGMENTS, &rows).await?;
    Ok(())
}

fn row<'a>(tenant: Tenant, version: &'a str, s: &'a Segment) -> Vec<Val<'a>> {
    let points: Vec<u8> =
        s.points.iter().flat_map(|p| [p.lon.to_le_bytes(), p.lat.to_le_bytes()]).flatten().collect();
    vec![
        Val::from(tenant),
        Val::from(version),
        // The database has no unsigned numbers; the bits are the same.
        Val::from(s.id.get() as i64),
        Val::Blob(points.into()),
        Val::from(s.from),
        Val::from(s.to),
        Val::from(s.manager.word()),
        Val::from(s.class.word()),
        Val::from(s.link),
        s.route_no.as_deref().map_or(Val::Null, Val::from),
        s.name.as_deref().map_or(Val::Null, Val::from),
        Val::from(s.travel.word()),
        Val::from(s.required.word()),
        s.lanes.map_or(Val::Null, Val::from),
        s.maxspeed_kmh.map_or(Val::Null, Val::from),
        Val::from(i32::from(s.layer)),
        Val::from(s.bridge),
        Val::from(s.tunnel),
        Val::from(s.sidewalk),
        s.municipality.map_or(Val::Null, Val::from),
        s.district.map_or(Val::Null, Val::from),
        Val::from(s.priority.0),
        Val::from(s.simulated),
    ]
}

/// Networks of a tenant, oldest first.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut Tx, tenant: Tenant) -> Result<Vec<Stored>, StoreError> {
    Ok(tx.all(LIST, params![tenant]).await?)
}

/// The version in use.
///
/// # Errors
/// The database's.
pub async fn active(tx: &mut Tx, tenant: Tenant) -> Result<Option<NetworkVersion>, StoreError> {
    Ok(tx.opt::<(String,)>(ACTIVE, params![tenant]).await?.map(|(v,)| NetworkVersion::from_text(v)))
}

/// Makes a stored version the one in use.
///
/// # Errors
/// [`StoreError::Unknown`] when it is not stored.
pub async fn activate(
    tx: &mut Tx,
    tenant: Tenant,
    version: &NetworkVersion,
    now: Timestamp,
) -> Result<(), StoreError> {
    if tx.opt::<Head>(GET, params![tenant, version.as_str()]).await?.is_none() {
        return Err(StoreError::Unknown(version.clone()));
    }
    tx.execute(ACTIVATE, params![tenant, version.as_str(), now]).await?;
    Ok(())
}

struct Head {
    provenance: Option<Provenance>,
    districts: String,
    segments: i64,
}

impl FromRow for Head {
    fn from_row(r: &Row<'_>) -> kenroku_store::Result<Self> {
        let crs = u16::try_from(r.get::<i64>(4)?).ok().and_then(Crs::from_epsg);
        let (source, attribution, licence, simulated) = (r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?);
        Ok(Head {
            provenance: crs.map(|crs| Provenance { source, attribution, licence, simulated, crs }),
            districts: r.get(5)?,
            segments: r.get(6)?,
        })
    }
}

/// A segment as read, with what could not be understood told by `None`.
struct Read(Option<Segment>);

impl FromRow for Read {
    fn from_row(r: &Row<'_>) -> kenroku_store::Result<Self> {
        let id = SegmentId::from_u64(r.get::<i64>(0)? as u64);
        let bytes: Vec<u8> = r.get(1)?;
        let number = |b: &[u8]| b.try_into().map_or(0, i32::from_le_bytes);
        let points: Box<[Point]> =
            bytes.chunks_exact(8).map(|c| Point::new(number(&c[..4]), number(&c[4..]))).collect();
        let node = |i| -> kenroku_store::Result<Option<u32>> { Ok(u32::try_from(r.get::<i64>(i)?).ok()) };
        let small = |i| -> kenroku_store::Result<Option<u8>> {
            Ok(r.get::<Option<i64>>(i)?.and_then(|n| u8::try_from(n).ok()))
        };
        let text = |i| r.get::<String>(i);
        let (from, to) = (node(2)?, node(3)?);
        let words = (
            Manager::from_word(&text(4)?),
            Class::from_word(&text(5)?),
            Directions::from_word(&text(9)?),
            Directions::from_word(&text(10)?),
        );
        let (Some(from), Some(to), (Some(manager), Some(class), Some(travel), Some(required))) =
            (from, to, words)
        else {
            return Ok(Read(None));
        };
        let mut s = Segment::new(id, points, from, to);
        (s.manager, s.class, s.travel, s.required) = (manager, class, travel, required);
        s.link = r.get(6)?;
        s.route_no = r.get::<Option<String>>(7)?.map(Into::into);
        s.name = r.get::<Option<String>>(8)?.map(Into::into);
        s.lanes = small(11)?;
        s.maxspeed_kmh = small(12)?;
        s.layer = r.get::<i64>(13)? as i8;
        (s.bridge, s.tunnel, s.sidewalk) = (r.get(14)?, r.get(15)?, r.get(16)?);
        s.municipality = r.get::<Option<MuniCode>>(17)?;
        s.district = small(18)?;
        s.priority = Priority(small(19)?.unwrap_or(u8::MAX));
        s.simulated = r.get(20)?;
        Ok(Read(Some(s)))
    }
}

/// Reads a network back.
///
/// # Errors
/// [`StoreError::Damaged`] when what is read does not have the version it is stored under.
pub async fn load(
    tx: &mut Tx,
    tenant: Tenant,
    version: &NetworkVersion,
) -> Result<Option<Network>, StoreError> {
    let Some(head) = tx.opt::<Head>(GET, params![tenant, version.as_str()]).await? else { return Ok(None) };
    let damaged = |what| StoreError::Damaged { version: version.clone(), what };
    let rows: Vec<Read> = tx.all(SEGMENTS, params![tenant, version.as_str()]).await?;
    if rows.len() as i64 != head.segments {
        return Err(damaged("segments are missing"));
    }
    let segments: Option<Vec<Segment>> = rows.into_iter().map(|r| r.0).collect();
    let segments = segments.ok_or_else(|| damaged("a segment is unreadable"))?;
    let districts =
        serde_json::from_str(&head.districts).map_err(|_| damaged("its districts are unreadable"))?;
    let provenance = head.provenance.ok_or_else(|| damaged("its reference system is unknown"))?;
    let count = segments.iter().map(|s| s.from.max(s.to) as usize + 1).max().unwrap_or(0);
    if count > 2 * segments.len() {
        return Err(damaged("a node's number is too great"));
    }
    let mut nodes = vec![Point::default(); count];
    for s in &segments {
        if let (Some(&first), Some(&last)) = (s.points.first(), s.points.last()) {
            nodes[s.from as usize] = first;
            nodes[s.to as usize] = last;
        }
    }
    let network = Network::build(provenance, districts, nodes, segments)?;
    if network.version() != version {
        return Err(damaged("its content does not fit its version"));
    }
    Ok(Some(network))
}

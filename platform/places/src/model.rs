//! [`Places`]: the municipalities and towns, parsed once from the files embedded in the program.

use std::collections::HashMap;
use std::sync::OnceLock;

use kenroku_types::{MuniCode, Tenant};
use rstar::RTree;
use rstar::primitives::GeomWithData;
use serde::{Deserialize, Serialize};

use crate::geometry::{Boundary, LatLng};
use crate::search::Index;

const MUNICIPALITIES: &str = include_str!("../data/municipalities.tsv");
const TOWNS: &str = include_str!("../data/towns.tsv");
const BOUNDARIES: &str = include_str!("../data/boundaries.geojson");

/// How far from a municipality's simplified line a point still counts as inside: the line cuts off quays and
/// bends, and 860 m is the farthest that any town of the data lies outside its own municipality.
pub const NEAR_BOUNDARY_M: f64 = 1_000.0;

/// The part of the prefecture a municipality is listed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// 加賀, the south.
    Kaga,
    /// 金沢・河北, the middle.
    Kanazawa,
    /// 能登, the north.
    Noto,
}

impl Region {
    /// From south to north, the order lists are shown in.
    pub const ALL: [Region; 3] = [Region::Kaga, Region::Kanazawa, Region::Noto];

    /// The heading in lists.
    pub const fn name(self) -> &'static str {
        match self {
            Region::Kaga => "加賀",
            Region::Kanazawa => "金沢・河北",
            Region::Noto => "能登",
        }
    }

    /// The heading with its readings, in the markup of texts ([`kenroku_ui::Phrase`]).
    pub const fn markup(self) -> &'static str {
        match self {
            Region::Kaga => "加賀《かが》",
            Region::Kanazawa => "金沢《かなざわ》・河北《かほく》",
            Region::Noto => "能登《のと》",
        }
    }

    /// The heading in English lists.
    pub const fn english(self) -> &'static str {
        match self {
            Region::Kaga => "Kaga",
            Region::Kanazawa => "Kanazawa and Kahoku",
            Region::Noto => "Noto",
        }
    }
}

/// The prefecture itself, which is a tenant like its municipalities.
#[derive(Clone, Debug)]
pub struct Prefecture {
    /// 全国地方公共団体コード.
    pub code: MuniCode,
    /// Whose data its rows are.
    pub tenant: Tenant,
    /// 石川県.
    pub name: &'static str,
    /// The reading in hiragana.
    pub kana: &'static str,
    /// The reading in Latin letters without 県.
    pub romaji: &'static str,
}

/// One of the nineteen cities and towns.
#[derive(Clone, Debug)]
pub struct Municipality {
    /// 全国地方公共団体コード.
    pub code: MuniCode,
    /// Whose data its rows are.
    pub tenant: Tenant,
    /// Official name such as 能美市, without the county.
    pub name: &'static str,
    /// The reading in hiragana, with 市, 町 as this municipality reads it.
    pub kana: &'static str,
    /// The reading in Latin letters without the suffix, such as `Nomi`.
    pub romaji: &'static str,
    /// The part of the prefecture it is listed under.
    pub region: Region,
    /// The county (郡) that precedes a town's name in an address; none for a city.
    pub county: Option<&'static str>,
    /// Its area, simplified: for maps and for finding the place of a point, no legal boundary.
    pub boundary: Boundary,
    /// West, south, east, north in degrees.
    pub bbox: [f64; 4],
    /// Where to write its name on a map: the town nearest to the middle of its towns.
    pub label: LatLng,
}

impl Municipality {
    /// Name with its reading, for やさしい日本語: 能美市（のみし）.
    pub fn easy_name(&self) -> String {
        format!("{}（{}）", self.name, self.kana)
    }

    /// Name in English such as `Nomi City` or `Tsubata Town`.
    pub fn english_name(&self) -> String {
        format!("{} {}", self.romaji, if self.name.ends_with('市') { "City" } else { "Town" })
    }

    /// Name as the first part of an address, with its county: 能美郡川北町.
    pub fn address_name(&self) -> String {
        format!("{}{}", self.county.unwrap_or(""), self.name)
    }
}

/// Which town: its row in the data, from 0. Stable within one version of the data, so it may be kept in
/// memory and in links but is no key for the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TownId(pub u32);

/// A 町丁目, 大字 or 小字 with one position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Town {
    /// Its row.
    pub id: TownId,
    /// The municipality it belongs to.
    pub municipality: MuniCode,
    /// 町丁目 or 大字, as the source writes it (太陽が丘三丁目, 字田子島).
    pub name: &'static str,
    /// 小字 or a lot series such as イ; empty for the town as a whole, which always has its own row.
    pub koaza: &'static str,
    /// Its representative point.
    pub at: LatLng,
}

/// Why the embedded data cannot be used; a program that starts at all has proved that it can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("embedded place data, {file} line {line}: {what}")]
pub struct DataError {
    file: &'static str,
    line: usize,
    what: &'static str,
}

/// Everything known about the places of the prefecture.
#[derive(Debug)]
pub struct Places {
    prefecture: Prefecture,
    municipalities: Vec<Municipality>,
    towns: Vec<Town>,
    by_tenant: HashMap<Tenant, usize>,
    tree: RTree<GeomWithData<[f64; 2], u32>>,
    pub(crate) index: Index,
    version: u64,
}

impl Places {
    /// The embedded data, parsed at the first call and shared from then on.
    ///
    /// # Errors
    /// Only when the program was built from damaged files.
    pub fn shared() -> Result<&'static Places, DataError> {
        static SHARED: OnceLock<Result<Places, DataError>> = OnceLock::new();
        SHARED.get_or_init(Places::load).as_ref().map_err(Clone::clone)
    }

    fn load() -> Result<Places, DataError> {
        let towns = read_towns()?;
        let mut boundaries = read_boundaries()?;
        let (prefecture, municipalities) = read_municipalities(&mut boundaries, &towns)?;
        let by_tenant = municipalities.iter().enumerate().map(|(i, m)| (m.tenant, i)).collect();
        let tree = RTree::bulk_load(towns.iter().map(|t| GeomWithData::new(t.at.plane(), t.id.0)).collect());
        let index = Index::new(&municipalities, &towns);
        let version = [MUNICIPALITIES, TOWNS, BOUNDARIES].iter().fold(FNV_START, |h, text| fnv1a(h, text));
        Ok(Places { prefecture, municipalities, towns, by_tenant, tree, index, version })
    }

    /// 石川県.
    pub fn prefecture(&self) -> &Prefecture {
        &self.prefecture
    }

    /// The nineteen municipalities, by region from south to north, as lists show them.
    pub fn municipalities(&self) -> &[Municipality] {
        &self.municipalities
    }

    /// The municipalities of one region, in the order of lists.
    pub fn in_region(&self, region: Region) -> impl Iterator<Item = &Municipality> {
        self.municipalities.iter().filter(move |m| m.region == region)
    }

    /// All 8,835 towns that have a position, in the order of codes.
    pub fn towns(&self) -> &[Town] {
        &self.towns
    }

    /// The towns of one municipality.
    pub fn towns_of(&self, code: MuniCode) -> &[Town] {
        let from = self.towns.partition_point(|t| t.municipality < code);
        let to = self.towns.partition_point(|t| t.municipality <= code);
        &self.towns[from..to]
    }

    /// One town.
    pub fn town(&self, id: TownId) -> Option<&Town> {
        self.towns.get(id.0 as usize)
    }

    /// The municipality with this code.
    pub fn by_code(&self, code: MuniCode) -> Option<&Municipality> {
        self.municipalities.iter().find(|m| m.code == code)
    }

    /// The municipality whose data this tenant's rows are; none for the prefecture and the shared tenant.
    pub fn by_tenant(&self, tenant: Tenant) -> Option<&Municipality> {
        self.by_tenant.get(&tenant).map(|i| &self.municipalities[*i])
    }

    /// The municipality of this official name (能美市, or with its county 能美郡川北町).
    pub fn by_name(&self, name: &str) -> Option<&Municipality> {
        self.municipalities.iter().find(|m| {
            name.strip_suffix(m.name).is_some_and(|before| before.is_empty() || Some(before) == m.county)
        })
    }

    /// Every local government that is a tenant: the prefecture, then its municipalities.
    pub fn tenants(&self) -> impl Iterator<Item = (Tenant, MuniCode, &'static str)> {
        let prefecture = (self.prefecture.tenant, self.prefecture.code, self.prefecture.name);
        std::iter::once(prefecture).chain(self.municipalities.iter().map(|m| (m.tenant, m.code, m.name)))
    }

    /// Every local government with the one it lies in: none for the prefecture.
    pub fn tenant_parents(&self) -> impl Iterator<Item = (Tenant, Option<Tenant>)> {
        let prefecture = self.prefecture.tenant;
        self.tenants().map(move |(t, _, _)| (t, (t != prefecture).then_some(prefecture)))
    }

    /// The name of a local government by its tenant; none for the shared tenant.
    pub fn tenant_name(&self, tenant: Tenant) -> Option<&'static str> {
        self.tenants().find(|(t, _, _)| *t == tenant).map(|(_, _, name)| name)
    }

    /// The municipality a position lies in, or the nearest one if its line is within [`NEAR_BOUNDARY_M`].
    pub fn municipality_at(&self, p: LatLng) -> Option<&Municipality> {
        self.municipality_within(p, NEAR_BOUNDARY_M)
    }

    /// The municipality a position lies in, or the nearest one if its line is within `buffer_m` metres.
    pub fn municipality_within(&self, p: LatLng, buffer_m: f64) -> Option<&Municipality> {
        if !p.is_valid() {
            return None;
        }
        // A degree is at least 88 km here, so this margin never excludes a municipality within the buffer.
        let margin = buffer_m.max(0.0) / 88_000.0;
        let near = |m: &&Municipality| {
            let [w, s, e, n] = m.bbox;
            (w - margin..=e + margin).contains(&p.lng) && (s - margin..=n + margin).contains(&p.lat)
        };
        let candidates = || self.municipalities.iter().filter(near);
        candidates().find(|m| m.boundary.contains(p)).or_else(|| {
            candidates()
                .map(|m| (m.boundary.edge_distance_m(p), m))
                .filter(|(d, _)| *d <= buffer_m)
                .min_by(|(a, _), (b, _)| a.total_cmp(b))
                .map(|(_, m)| m)
        })
    }

    /// The `n` towns nearest to a position with their distance in metres, nearest first.
    pub fn nearest_towns(&self, p: LatLng, n: usize) -> Vec<(&Town, f64)> {
        if !p.is_valid() {
            return Vec::new();
        }
        self.tree
            .nearest_neighbor_iter(p.plane())
            .take(n)
            .filter_map(|found| self.town(TownId(found.data)))
            .map(|town| (town, town.at.distance_m(p)))
            .collect()
    }

    /// The address of a town as people write it, without the prefecture: 能美市寺井町, 能美郡川北町字田子島レ.
    pub fn address(&self, town: &Town) -> String {
        let municipality =
            self.by_code(town.municipality).map(Municipality::address_name).unwrap_or_default();
        format!("{municipality}{}{}", town.name, town.koaza)
    }

    /// A number that changes whenever the data changes; part of ETags.
    pub fn version(&self) -> u64 {
        self.version
    }
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: tells versions of our own data apart, resists nothing.
fn fnv1a(start: u64, text: &str) -> u64 {
    text.bytes().fold(start, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3))
}

fn read_towns() -> Result<Vec<Town>, DataError> {
    let fail = |line, what| DataError { file: "towns.tsv", line: line + 1, what };
    let mut towns: Vec<Town> = Vec::with_capacity(9_000);
    for (i, line) in TOWNS.lines().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[code, name, koaza, lat, lng] = fields.as_slice() else {
            return Err(fail(i, "not five fields"));
        };
        let municipality: MuniCode = code.parse().map_err(|_| fail(i, "no municipality code"))?;
        if towns.last().is_some_and(|t| t.municipality > municipality) {
            return Err(fail(i, "codes are not in order"));
        }
        let number = |text: &str| text.parse::<f64>().map_err(|_| fail(i, "no coordinate"));
        let at = LatLng::new(number(lat)?, number(lng)?);
        towns.push(Town { id: TownId(i as u32), municipality, name, koaza, at });
    }
    Ok(towns)
}

#[derive(Deserialize)]
struct Collection {
    features: Vec<Feature>,
}
#[derive(Deserialize)]
struct Feature {
    properties: Properties,
    geometry: Geometry,
}
#[derive(Deserialize)]
struct Properties {
    code5: MuniCode,
}
/// GeoJSON geometry (RFC 7946 §3.1).
#[derive(Deserialize)]
#[serde(tag = "type", content = "coordinates")]
enum Geometry {
    Polygon(Vec<Vec<[f64; 2]>>),
    MultiPolygon(Vec<Vec<Vec<[f64; 2]>>>),
}

fn read_boundaries() -> Result<HashMap<MuniCode, Boundary>, DataError> {
    let collection: Collection = serde_json::from_str(BOUNDARIES).map_err(|e| DataError {
        file: "boundaries.geojson",
        line: e.line(),
        what: "not the GeoJSON that is expected",
    })?;
    let features = collection.features.into_iter();
    Ok(features
        .map(|f| match f.geometry {
            Geometry::Polygon(p) => (f.properties.code5, Boundary { polygons: vec![p] }),
            Geometry::MultiPolygon(polygons) => (f.properties.code5, Boundary { polygons }),
        })
        .collect())
}

fn read_municipalities(
    boundaries: &mut HashMap<MuniCode, Boundary>,
    towns: &[Town],
) -> Result<(Prefecture, Vec<Municipality>), DataError> {
    let fail = |line, what| DataError { file: "municipalities.tsv", line: line + 1, what };
    let mut prefecture = None;
    let mut municipalities = Vec::with_capacity(19);
    for (i, line) in MUNICIPALITIES.lines().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[code, name, kana, romaji, region, county] = fields.as_slice() else {
            return Err(fail(i, "not six fields"));
        };
        let code: MuniCode = code.parse().map_err(|_| fail(i, "no municipality code"))?;
        let tenant = Tenant::of(code);
        if code.is_prefecture() {
            prefecture = Some(Prefecture { code, tenant, name, kana, romaji });
            continue;
        }
        let region =
            Region::ALL.into_iter().find(|r| r.name() == region).ok_or_else(|| fail(i, "no such region"))?;
        let county = (!county.is_empty()).then_some(county);
        let boundary = boundaries.remove(&code).ok_or_else(|| fail(i, "it has no boundary"))?;
        let bbox = boundary.bbox();
        let label = middle(towns, code).ok_or_else(|| fail(i, "it has no towns"))?;
        municipalities.push(Municipality {
            code,
            tenant,
            name,
            kana,
            romaji,
            region,
            county,
            boundary,
            bbox,
            label,
        });
    }
    let prefecture = prefecture.ok_or_else(|| fail(0, "the prefecture is missing"))?;
    if let Some(i) = towns.iter().position(|t| municipalities.iter().all(|m| m.code != t.municipality)) {
        return Err(DataError { file: "towns.tsv", line: i + 1, what: "its municipality is not listed" });
    }
    Ok((prefecture, municipalities))
}

/// The position of the town nearest to the mean of a municipality's towns: always on land, where people live.
fn middle(towns: &[Town], code: MuniCode) -> Option<LatLng> {
    let own = || towns.iter().filter(|t| t.municipality == code).map(|t| t.at);
    let n = own().count() as f64;
    let mean = LatLng::new(own().map(|p| p.lat).sum::<f64>() / n, own().map(|p| p.lng).sum::<f64>() / n);
    own().min_by(|a, b| a.distance_m(mean).total_cmp(&b.distance_m(mean)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> &'static Places {
        Places::shared().unwrap()
    }
    fn code(n: u32) -> MuniCode {
        MuniCode::new(n).unwrap()
    }

    #[test]
    fn the_counts_of_the_source_hold() {
        let p = places();
        assert_eq!(p.municipalities().len(), 19);
        assert_eq!(p.towns().len(), 8_835);
        assert_eq!(p.tenants().count(), 20);
        assert_eq!(p.tenant_parents().filter(|(_, above)| above.is_none()).count(), 1);
        assert_eq!(p.towns_of(code(17211)).len(), 624);
        assert_eq!(p.towns_of(code(17201)).len(), 1_960);
        let cities = p.municipalities().iter().filter(|m| m.name.ends_with('市'));
        assert_eq!(cities.count(), 11);
        assert!(p.municipalities().iter().all(|m| m.county.is_some() == m.name.ends_with('町')));
    }

    #[test]
    fn a_municipality_is_found_by_code_tenant_and_name() {
        let p = places();
        for m in p.municipalities() {
            assert_eq!(p.by_code(m.code).unwrap().name, m.name);
            assert_eq!(p.by_tenant(m.tenant).unwrap().name, m.name);
            assert_eq!(p.by_name(m.name).unwrap().code, m.code);
            assert_eq!(p.by_name(&m.address_name()).unwrap().code, m.code);
        }
        assert!(p.by_code(code(17000)).is_none());
        assert!(p.by_tenant(Tenant::SHARED).is_none());
        assert!(p.by_name("中川北町").is_none());
        assert_eq!(p.tenant_name(p.prefecture().tenant), Some("石川県"));
        // 能登町 must not be taken for 中能登町, which ends the same.
        assert_eq!(p.by_name("能登町").unwrap().code, code(17463));
        assert_eq!(p.by_name("中能登町").unwrap().code, code(17407));
    }

    #[test]
    fn names_in_three_languages() {
        let nomi = places().by_code(code(17211)).unwrap();
        assert_eq!(
            (nomi.easy_name().as_str(), nomi.english_name().as_str()),
            ("能美市（のみし）", "Nomi City")
        );
        let kawakita = places().by_code(code(17324)).unwrap();
        assert_eq!(kawakita.english_name(), "Kawakita Town");
        assert_eq!(kawakita.address_name(), "能美郡川北町");
    }

    #[test]
    fn every_town_lies_in_or_near_its_own_municipality() {
        let p = places();
        let mut outside = 0;
        for t in p.towns() {
            let m = p.by_code(t.municipality).unwrap();
            if !m.boundary.contains(t.at) {
                outside += 1;
                assert!(m.boundary.edge_distance_m(t.at) < NEAR_BOUNDARY_M, "{}", p.address(t));
            }
            assert!(p.municipality_at(t.at).is_some(), "{}", p.address(t));
        }
        // The simplified lines leave these on the wrong side.
        assert_eq!(outside, 43);
    }

    #[test]
    fn a_point_finds_its_municipality_and_the_open_sea_none() {
        let p = places();
        // 能美市役所 and 石川県庁, positions to a hundred metres.
        assert_eq!(p.municipality_at(LatLng::new(36.447, 136.554)).unwrap().name, "能美市");
        assert_eq!(p.municipality_at(LatLng::new(36.5946, 136.6256)).unwrap().name, "金沢市");
        // 舳倉島 belongs to 輪島市.
        assert_eq!(p.municipality_at(LatLng::new(37.8499, 136.9169)).unwrap().name, "輪島市");
        for nowhere in [LatLng::new(37.0, 136.2), LatLng::new(35.68, 139.76), LatLng::new(f64::NAN, 136.6)] {
            assert!(p.municipality_at(nowhere).is_none());
        }
        // 700 m off the coast of 内灘 counts as near, unless no margin is given.
        let pier = LatLng::new(36.665, 136.625);
        assert!(p.municipality_within(pier, 0.0).is_none());
    }

    #[test]
    fn nearest_towns_come_in_order() {
        let p = places();
        let here = p.by_code(code(17211)).unwrap().label;
        let found = p.nearest_towns(here, 10);
        assert_eq!(found.len(), 10);
        assert!(found[0].1 < 1e-6);
        assert!(found.windows(2).all(|w| w[0].1 <= w[1].1));
        let brute = p.towns().iter().map(|t| t.at.distance_m(here)).fold(vec![], |mut v: Vec<f64>, d| {
            v.push(d);
            v.sort_by(f64::total_cmp);
            v.truncate(10);
            v
        });
        assert_eq!(found.iter().map(|f| f.1).collect::<Vec<_>>(), brute);
        assert!(p.nearest_towns(LatLng::new(f64::INFINITY, 0.0), 3).is_empty());
    }

    #[test]
    fn every_town_with_parts_has_a_row_of_its_own() {
        let p = places();
        let own: std::collections::HashSet<_> =
            p.towns().iter().filter(|t| t.koaza.is_empty()).map(|t| (t.municipality, t.name)).collect();
        assert_eq!(own.len(), 3_140);
        assert!(p.towns().iter().all(|t| own.contains(&(t.municipality, t.name))));
    }
}

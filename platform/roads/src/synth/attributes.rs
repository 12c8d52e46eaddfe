//! Who manages a synthetic road, how it is called and how urgent it is.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use kenroku_types::MuniCode;

use super::{Input, neighbours};
use crate::model::{Class, Manager, Priority, Segment};

/// How many kilometres each manager gets; the municipalities get the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// 国が直轄する国道.
    pub national_km: f64,
    /// 県が除雪する路線.
    pub prefecture_km: f64,
    /// Number of prefectural routes.
    pub prefecture_routes: u32,
}

impl Shares {
    /// Ishikawa: 201.2 km in the state's charge, 2,190 km on 223 routes cleared by the prefecture.
    pub const ISHIKAWA: Shares =
        Shares { national_km: 201.2, prefecture_km: 2_190.0, prefecture_routes: 223 };
}

/// The nine 土木(総合)事務所 of Ishikawa by municipality. The real limits follow roads and rivers; here every
/// municipality belongs to one office.
pub fn ishikawa_district(code: MuniCode) -> Option<&'static str> {
    Some(match code.number() {
        17206 => "大聖寺土木事務所",
        17203 | 17211 | 17324 => "南加賀土木総合事務所",
        17210 | 17212 => "石川土木総合事務所",
        17201 => "県央土木総合事務所",
        17209 | 17361 | 17365 => "津幡土木事務所",
        17207 | 17384 | 17386 => "羽咋土木事務所",
        17202 | 17407 => "中能登土木総合事務所",
        17204 | 17461 => "奥能登土木総合事務所",
        17205 | 17463 => "珠洲土木事務所",
        _ => return None,
    })
}

/// Fills in everything but geometry; returns the names of the districts.
pub(super) fn assign(input: &Input<'_>, plane: &[[f64; 2]], segments: &mut [Segment]) -> Vec<String> {
    let mut districts: Vec<String> = Vec::new();
    for s in segments.iter_mut() {
        let name = s.municipality.and_then(input.district);
        s.district = name.and_then(|name| {
            let at = districts.iter().position(|d| d == name).unwrap_or_else(|| {
                districts.push(name.to_owned());
                districts.len() - 1
            });
            u8::try_from(at).ok()
        });
    }
    let rank = by_importance(plane.len(), segments);
    let mut km = 0.0;
    let (national, all) = (input.shares.national_km, input.shares.national_km + input.shares.prefecture_km);
    let mut prefectural = 0;
    for (place, &i) in rank.iter().enumerate() {
        let s = &mut segments[i as usize];
        let (manager, class, lanes, speed, priority) = if km < national {
            (Manager::National, Class::Trunk, 2, 60, 1)
        } else if km < all {
            // The first third of the prefecture's share stands for its 主要地方道.
            prefectural = place;
            if km < national + input.shares.prefecture_km / 3.0 {
                (Manager::Prefecture, Class::Primary, 2, 50, 1)
            } else {
                (Manager::Prefecture, Class::Secondary, 2, 40, 2)
            }
        } else {
            (Manager::Municipality, Class::Unclassified, 1, 30, 3)
        };
        km += f64::from(s.length_m) / 1000.0;
        (s.manager, s.class, s.lanes, s.maxspeed_kmh, s.priority) =
            (manager, class, Some(lanes), Some(speed), Priority(priority));
        s.sidewalk = manager != Manager::Municipality;
    }
    let of = |m: Manager, segments: &[Segment]| -> Vec<u32> {
        rank[..=prefectural.min(rank.len().saturating_sub(1))]
            .iter()
            .copied()
            .filter(|&i| segments[i as usize].manager == m)
            .collect()
    };
    let (state, county) = if rank.is_empty() {
        Default::default()
    } else {
        (of(Manager::National, segments), of(Manager::Prefecture, segments))
    };
    number(plane, segments, &state, 9, "模擬国道");
    number(plane, segments, &county, input.shares.prefecture_routes, "模擬県道");
    districts
}

/// Segments, those first that most shortest paths between places use (Brandes 2001). Paths are followed from
/// every n-th place only, which ranks the important roads alike at a fraction of the time.
fn by_importance(nodes: usize, segments: &[Segment]) -> Vec<u32> {
    let mut leaving: Vec<Vec<(u32, u32)>> = vec![Vec::new(); nodes];
    for (i, s) in segments.iter().enumerate() {
        leaving[s.from as usize].push((s.to, i as u32));
        leaving[s.to as usize].push((s.from, i as u32));
    }
    let mut uses = vec![0.0f64; segments.len()];
    let step = (nodes / 300).max(1);
    let mut dist = vec![f64::INFINITY; nodes];
    let mut via: Vec<Option<(u32, u32)>> = vec![None; nodes];
    let mut order = Vec::with_capacity(nodes);
    let mut weight = vec![0.0f64; nodes];
    for source in (0..nodes).step_by(step) {
        dist.fill(f64::INFINITY);
        via.fill(None);
        weight.fill(0.0);
        order.clear();
        dist[source] = 0.0;
        let mut heap = BinaryHeap::from([Nearest(0.0, source as u32)]);
        while let Some(Nearest(d, node)) = heap.pop() {
            if d > dist[node as usize] {
                continue;
            }
            order.push(node);
            for &(to, edge) in &leaving[node as usize] {
                let next = d + f64::from(segments[edge as usize].length_m);
                if next < dist[to as usize] {
                    dist[to as usize] = next;
                    via[to as usize] = Some((node, edge));
                    heap.push(Nearest(next, to));
                }
            }
        }
        // Ties between equal paths are as good as absent with real coordinates, so each place has one path.
        for &node in order.iter().rev() {
            if let Some((before, edge)) = via[node as usize] {
                let carried = 1.0 + weight[node as usize];
                uses[edge as usize] += carried;
                weight[before as usize] += carried;
            }
        }
    }
    let mut rank: Vec<u32> = (0..segments.len() as u32).collect();
    rank.sort_by(|&a, &b| {
        uses[b as usize]
            .total_cmp(&uses[a as usize])
            .then(segments[a as usize].id.cmp(&segments[b as usize].id))
    });
    rank
}

struct Nearest(f64, u32);
impl PartialEq for Nearest {
    fn eq(&self, o: &Self) -> bool {
        self.cmp(o) == Ordering::Equal
    }
}
impl Eq for Nearest {}
impl PartialOrd for Nearest {
    fn partial_cmp(&self, o: &Self) -> Option<Ordering> {
        Some(self.cmp(o))
    }
}
impl Ord for Nearest {
    fn cmp(&self, o: &Self) -> Ordering {
        o.0.total_cmp(&self.0).then(o.1.cmp(&self.1))
    }
}

/// Gives each of `chosen` one of `routes` numbers: roads that run straight on into each other share one.
fn number(plane: &[[f64; 2]], segments: &mut [Segment], chosen: &[u32], routes: u32, word: &str) {
    let mut strokes = strokes(plane, segments, chosen);
    let km = |stroke: &[u32], segments: &[Segment]| -> f32 {
        stroke.iter().map(|&i| segments[i as usize].length_m).sum()
    };
    // As many strokes as numbers at least: halve the longest, by pieces, until there are.
    while strokes.len() < routes as usize {
        let Some(at) = (0..strokes.len())
            .filter(|&i| strokes[i].len() > 1)
            .max_by(|&a, &b| km(&strokes[a], segments).total_cmp(&km(&strokes[b], segments)).then(b.cmp(&a)))
        else {
            break;
        };
        let half = strokes[at].len() / 2;
        let rest = strokes[at].split_off(half);
        strokes.push(rest);
    }
    strokes.sort_by(|a, b| {
        km(b, segments)
            .total_cmp(&km(a, segments))
            .then(segments[a[0] as usize].id.cmp(&segments[b[0] as usize].id))
    });
    // The longest strokes own a number each; every other takes the number of the nearest owner's piece.
    let owners = strokes.len().min(routes as usize);
    let mut sites = Vec::new();
    let middle = |i: u32, segments: &[Segment]| {
        let s = &segments[i as usize];
        let (a, b) = (plane[s.from as usize], plane[s.to as usize]);
        [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0]
    };
    for (n, stroke) in strokes[..owners].iter().enumerate() {
        for &i in stroke {
            sites.push(rstar::primitives::GeomWithData::new(middle(i, segments), n));
        }
    }
    let tree = rstar::RTree::bulk_load(sites);
    for (n, stroke) in strokes.iter().enumerate() {
        let n = if n < owners {
            n
        } else {
            tree.nearest_neighbor(middle(stroke[0], segments)).map_or(0, |site| site.data)
        };
        for &i in stroke {
            segments[i as usize].route_no = Some(format!("{word}{}号", n + 1).into());
        }
    }
}

/// Chains of the chosen segments that run straight on: at every place the two that bend least (by less than
/// 45°) are joined.
fn strokes(plane: &[[f64; 2]], segments: &[Segment], chosen: &[u32]) -> Vec<Vec<u32>> {
    let mut at_place: std::collections::BTreeMap<u32, Vec<u32>> = Default::default();
    for &i in chosen {
        let s = &segments[i as usize];
        at_place.entry(s.from).or_default().push(i);
        at_place.entry(s.to).or_default().push(i);
    }
    let mut next: std::collections::HashMap<(u32, u32), u32> = Default::default();
    for (&place, here) in &at_place {
        let away = |i: u32| {
            let s = &segments[i as usize];
            let to = plane[if s.from == place { s.to } else { s.from } as usize];
            let d = neighbours::distance(plane[place as usize], to).max(1e-9);
            [(to[0] - plane[place as usize][0]) / d, (to[1] - plane[place as usize][1]) / d]
        };
        let mut bends: Vec<(f64, u32, u32)> = Vec::new();
        for (k, &a) in here.iter().enumerate() {
            for &b in &here[k + 1..] {
                let (va, vb) = (away(a), away(b));
                bends.push((va[0] * vb[0] + va[1] * vb[1], a, b));
            }
        }
        bends.sort_by(|x, y| x.0.total_cmp(&y.0).then((x.1, x.2).cmp(&(y.1, y.2))));
        for (cos, a, b) in bends {
            if cos < -std::f64::consts::FRAC_1_SQRT_2
                && !next.contains_key(&(place, a))
                && !next.contains_key(&(place, b))
            {
                next.insert((place, a), b);
                next.insert((place, b), a);
            }
        }
    }
    let mut taken = std::collections::HashSet::new();
    let mut out = Vec::new();
    for &i in chosen {
        if taken.contains(&i) {
            continue;
        }
        let s = &segments[i as usize];
        taken.insert(i);
        let mut chain = std::collections::VecDeque::from([i]);
        for (mut place, front) in [(s.from, true), (s.to, false)] {
            let mut last = i;
            while let Some(&on) = next.get(&(place, last)) {
                if !taken.insert(on) {
                    break;
                }
                if front {
                    chain.push_front(on)
                } else {
                    chain.push_back(on)
                }
                let t = &segments[on as usize];
                place = if t.from == place { t.to } else { t.from };
                last = on;
            }
        }
        out.push(Vec::from(chain));
    }
    out
}

//! [`Matrix`]: who may do what, where, and by which rule. Kept as `docs/permission-matrix.txt`, so that every
//! change of a permission shows up in a review, and shown to the data officer as a page.

use std::fmt;

use kenroku_types::ids::{DeviceId, StaffId, SubjectId};
use kenroku_types::{Tenant, Timestamp};
use uuid::Uuid;

use crate::policy::Policies;
use crate::resource::Target;
use crate::{Actor, Assurance, ClientId, PermissionMeta, Role, RoleHome, RoleId, SignIn, TenantTree};

/// Whose thing it is, seen from whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The own tenant's; for a resident, their own thing.
    Own,
    /// A municipality's, seen from its prefecture.
    Below,
    /// Another tenant's, or another person's.
    Other,
    /// Prefecture-wide and nobody's in particular.
    Open,
}

impl Reach {
    /// All columns.
    pub const ALL: [Reach; 4] = [Reach::Own, Reach::Below, Reach::Other, Reach::Open];
}

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The question does not arise.
    NotAsked,
    /// Refused.
    No,
    /// Allowed.
    Yes,
}

/// Who asks, in the matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Role id or kind of actor.
    pub id: &'static str,
    /// In Japanese.
    pub ja: String,
}

/// What one actor may do with one permission.
#[derive(Clone, Debug)]
pub struct MatrixRow {
    /// The permission.
    pub permission: PermissionMeta,
    /// Who asks.
    pub who: Who,
    /// One verdict for each of [`Reach::ALL`].
    pub verdicts: [Verdict; 4],
    /// The weakest sign-in with which anything is allowed; `None` when nothing is.
    pub from: Option<Assurance>,
    /// Ids of the rules that allow it.
    pub because: Vec<String>,
}

/// All permissions with all actors.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Sorted by permission, then in the order of the roles.
    pub rows: Vec<MatrixRow>,
    /// Every rule with its explanation: id, whether it forbids, Japanese text.
    pub rules: Vec<(String, bool, String)>,
}

/// The made-up prefecture: itself, two towns in it, and another prefecture.
struct World {
    tree: TenantTree,
    pref: Tenant,
    town: Tenant,
    neighbour: Tenant,
    elsewhere: Tenant,
}

/// Who asks, from where.
struct Asker {
    who: Who,
    home: Option<Tenant>,
    role: Option<RoleId>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Anonymous,
    Resident,
    Staff,
    Device,
    Client,
}

impl World {
    fn new() -> Self {
        let t = |n| Tenant::from_uuid(Uuid::from_u128(n));
        let (pref, town, neighbour, elsewhere) = (t(1), t(2), t(3), t(4));
        let list = [(pref, None), (town, Some(pref)), (neighbour, Some(pref)), (elsewhere, None)];
        // The list above has no circle; an empty tree would only show refusals.
        World { tree: TenantTree::new(list).unwrap_or_default(), pref, town, neighbour, elsewhere }
    }

    fn askers(&self, roles: &[Role]) -> Vec<Asker> {
        let mut list = Vec::new();
        let plain =
            |id, ja: &str, kind, home| Asker { who: Who { id, ja: ja.to_owned() }, home, role: None, kind };
        list.push(plain("anonymous", "だれでも", Kind::Anonymous, None));
        list.push(plain("resident", "住民", Kind::Resident, None));
        for r in roles {
            let homes: &[(Tenant, &str)] = match r.home {
                RoleHome::Prefecture => &[(self.pref, "県")],
                RoleHome::Municipality => &[(self.town, "市町")],
                RoleHome::Government => &[(self.pref, "県"), (self.town, "市町")],
                RoleHome::Installation => &[(Tenant::SHARED, "装置")],
            };
            for (home, place) in homes {
                let who = Who { id: r.id, ja: format!("{}（{place}）", r.ja) };
                list.push(Asker { who, home: Some(*home), role: Some(RoleId::new(r.id)), kind: Kind::Staff });
            }
        }
        list.push(plain("device", "機器", Kind::Device, Some(self.town)));
        list.push(plain("client", "事業者（鍵に書かれた範囲で）", Kind::Client, Some(self.town)));
        list
    }
}

impl Asker {
    fn actor(&self, permission: &PermissionMeta, assurance: Assurance) -> Actor {
        let sign_in = SignIn { assurance, at: Timestamp::EPOCH };
        let tenant = self.home.unwrap_or(Tenant::SHARED);
        match self.kind {
            Kind::Anonymous => Actor::Anonymous,
            Kind::Resident => Actor::Resident { subject: SubjectId::from_uuid(ME), sign_in },
            Kind::Staff => {
                let roles = self.role.clone().into_iter().collect();
                Actor::Staff { id: StaffId::from_uuid(ME), tenant, roles, sign_in }
            }
            Kind::Device => Actor::Device { id: DeviceId::from_uuid(ME), tenant },
            Kind::Client => {
                let scopes = vec![permission.id.to_owned()];
                Actor::Client { id: ClientId::from_uuid(ME), tenant, scopes }
            }
        }
    }

    /// The thing for a column, or `None` where the question does not arise.
    fn target(&self, world: &World, reach: Reach, permission: &PermissionMeta) -> Option<Target> {
        let target = |tenant, owner| Target { kind: permission.on, id: THING, tenant, owner };
        match (self.kind, reach, self.home) {
            (Kind::Anonymous | Kind::Resident, Reach::Open, _) => Some(target(Tenant::SHARED, None)),
            (Kind::Resident, Reach::Own, _) => Some(target(world.town, Some(SubjectId::from_uuid(ME)))),
            (Kind::Resident, Reach::Other, _) => Some(target(world.town, Some(SubjectId::from_uuid(THING)))),
            (_, Reach::Own, Some(home)) => Some(target(home, None)),
            (_, Reach::Below, Some(home)) if home == world.pref => Some(target(world.town, None)),
            (_, Reach::Other, Some(home)) if home == world.pref => Some(target(world.elsewhere, None)),
            (_, Reach::Other, Some(_)) => Some(target(world.neighbour, None)),
            _ => None,
        }
    }

    /// Kinds that sign in, and how.
    fn assurances(&self) -> &'static [Assurance] {
        match self.kind {
            Kind::Resident | Kind::Staff => &Assurance::ALL[2..],
            Kind::Anonymous => &[Assurance::None],
            Kind::Device | Kind::Client => &[Assurance::Key],
        }
    }
}

const ME: Uuid = Uuid::from_u128(10);
const THING: Uuid = Uuid::from_u128(11);

impl Matrix {
    /// Asks the policies every question.
    pub fn new(policies: &Policies) -> Self {
        Self::of(policies, |_| true)
    }

    /// Asks the policies every question about some permissions: those of one module, for a page.
    pub fn of(policies: &Policies, about: impl Fn(&PermissionMeta) -> bool) -> Self {
        let world = World::new();
        let askers = world.askers(policies.roles());
        let mut rows = Vec::new();
        for permission in policies.permissions().iter().filter(|p| about(p)) {
            for asker in &askers {
                rows.push(row(policies, &world, asker, permission));
            }
        }
        let rules = policies.rules().map(|r| (r.id.clone(), r.forbids, r.ja.clone())).collect();
        Matrix { rows, rules }
    }
}

fn row(policies: &Policies, world: &World, asker: &Asker, permission: &PermissionMeta) -> MatrixRow {
    let mut row = MatrixRow {
        permission: *permission,
        who: asker.who.clone(),
        verdicts: [Verdict::NotAsked; 4],
        from: None,
        because: Vec::new(),
    };
    for (cell, reach) in row.verdicts.iter_mut().zip(Reach::ALL) {
        let Some(target) = asker.target(world, reach, permission) else { continue };
        *cell = Verdict::No;
        for assurance in asker.assurances() {
            let actor = asker.actor(permission, *assurance);
            let decision = policies.decide_among(&world.tree, &actor, permission, &target);
            if decision.allowed {
                *cell = Verdict::Yes;
                row.from = Some(row.from.map_or(*assurance, |a| a.min(*assurance)));
                row.because.extend(decision.reasons.iter().map(|r| r.id.clone()));
                break;
            }
        }
    }
    row.because.sort();
    row.because.dedup();
    row
}

impl fmt::Display for Matrix {
    /// The reviewed text: only rows in which something is allowed; whoever is not listed is refused.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "許可の一覧 / Permission matrix")?;
        writeln!(f, "書かれていない組み合わせは、すべて許可されない。")?;
        writeln!(
            f,
            "own 自分の自治体（住民は自分のもの）  below 県から見た市町  other ほか  open 県全体に公開のもの"
        )?;
        let mut at = None;
        let mut anybody = true;
        for row in &self.rows {
            if at != Some(row.permission) {
                self.close(f, anybody)?;
                let p = row.permission;
                let law = p.data.map_or(String::new(), |d| format!(" · {}", d.ja()));
                let hidden = if p.hidden { " · 存在も秘密 (404)" } else { "" };
                writeln!(f, "\n{} — {}", p.id, p.ja)?;
                writeln!(f, "  {} · {}{law}{hidden}", p.act.ja(), p.on.ja)?;
                (at, anybody) = (Some(p), false);
            }
            if let Some(from) = row.from {
                if !anybody {
                    writeln!(f, "  {:<16}own  below other open  from", "who")?;
                }
                anybody = true;
                let [own, below, other, open] = row.verdicts.map(mark);
                let from = format!("{from:?}");
                writeln!(
                    f,
                    "  {:<16}{own}    {below}     {other}     {open}     {from:<12}{}  [{}]",
                    row.who.id,
                    row.who.ja,
                    row.because.join(", ")
                )?;
            }
        }
        self.close(f, anybody)?;
        writeln!(f, "\nきまり / Rules")?;
        for (id, forbids, ja) in &self.rules {
            writeln!(f, "\n{} {id}\n  {ja}", if *forbids { "禁止" } else { "許可" })?;
        }
        Ok(())
    }
}

impl Matrix {
    fn close(&self, f: &mut fmt::Formatter<'_>, anybody: bool) -> fmt::Result {
        if anybody { Ok(()) } else { writeln!(f, "  だれにも許可されていない。") }
    }
}

const fn mark(v: Verdict) -> char {
    match v {
        Verdict::NotAsked => '·',
        Verdict::No => '-',
        Verdict::Yes => 'o',
    }
}

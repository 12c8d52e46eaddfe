//! One access decision beside the bare policy engine, in one run:
//! `cargo run --release -p kenroku-bench --bin access`.
//!
//! Twenty modules with five permissions and three policies each, beside the kernel's own. The peer is Cedar with the
//! request and the entities prepared outside the clock, once with only the policies that can speak of the action and
//! once with all of them, which is what a plain use of it would ask.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use kenroku_access::accounts::{AccountRules, Accounts, MIGRATIONS, NewStaff, Passwords};
use kenroku_access::kernel::ManageStaff;
use kenroku_access::{
    Actor, Assurance, Granted, KindMeta, ModuleAccess, PermissionMeta, Policies, PolicyFile, Role, RoleHome,
    RoleId, SignIn, Target, TenantTree,
};
use kenroku_store::{Db, LiteOptions};
use kenroku_types::ids::StaffId;
use kenroku_types::{Env, MuniCode, Tenant, Timestamp};

const ROUNDS: usize = 15;
const PER_ROUND: u32 = 5_000;
const AREA: KindMeta = KindMeta { name: "Area", ja: "区域" };

fn leak(s: String) -> &'static str {
    Box::leak(s.into_boxed_str())
}

/// A module like the real ones: five permissions, a role, three policies.
fn module(n: usize) -> ModuleAccess {
    let name = leak(format!("m{n}"));
    let verbs = ["view-live", "view-plan", "post-fix", "decide", "manage"];
    let permissions = verbs.map(|v| PermissionMeta::view(leak(format!("{name}.{v}")), "試験の許可", AREA));
    let text = leak(format!(
        r#"@id("{name}.desk") @ja("担当は見られる。")
        permit (principal in Role::"{name}-desk", action in [Action::"{name}.view-live", Action::"{name}.view-plan"], resource)
        when {{ resource.tenant == principal.tenant }};
        @id("{name}.device") @ja("機器は届けられる。")
        permit (principal is Device, action == Action::"{name}.post-fix", resource);
        @id("{name}.decides") @ja("担当は決められる。")
        permit (principal in Role::"{name}-desk", action == Action::"{name}.decide", resource)
        when {{ resource.tenant == principal.tenant && context.assurance >= 4 }};"#
    ));
    let role = Role {
        id: leak(format!("{name}-desk")),
        ja: "担当",
        en: "Desk",
        about_ja: "試験の役割。",
        home: RoleHome::Government,
    };
    ModuleAccess {
        module: name,
        permissions: permissions.to_vec(),
        roles: vec![role],
        policies: vec![PolicyFile { module: name, text, explanation_ja: "試験のきまり。" }],
    }
}

fn tenant(code: u32) -> Result<Tenant> {
    MuniCode::new(code).map(Tenant::of).ok_or_else(|| anyhow!("no such code"))
}

/// Median nanoseconds of one call.
fn measure(mut f: impl FnMut()) -> f64 {
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let t = Instant::now();
            for _ in 0..PER_ROUND {
                f();
            }
            t.elapsed()
        })
        .collect();
    rounds.sort();
    rounds[ROUNDS / 2].as_secs_f64() * 1e9 / f64::from(PER_ROUND)
}

fn bare_cedar(all: &Policies, relevant: bool) -> Result<f64> {
    use cedar_policy::{Authorizer, Context, Entities, PolicySet, Request};
    let keep = |id: &str| !relevant || id == "m3.desk" || id.starts_with("kernel.");
    let text: String = all.rules().filter(|r| keep(&r.id)).map(|r| r.text.clone() + "\n").collect();
    let set: PolicySet = text.parse()?;
    let json = serde_json::json!([
        {"uid": {"type": "Staff", "id": "a"}, "attrs": {"tenant": {"__entity": {"type": "Tenant", "id": "nomi"}}},
         "parents": [{"type": "Role", "id": "m3-desk"}]},
        {"uid": {"type": "Area", "id": "b"}, "attrs": {"tenant": {"__entity": {"type": "Tenant", "id": "nomi"}}},
         "parents": [{"type": "Tenant", "id": "nomi"}, {"type": "Tenant", "id": "pref"}]},
        {"uid": {"type": "Action", "id": "m3.view-live"}, "attrs": {}, "parents": [{"type": "Action", "id": "view"}]},
    ]);
    let entities = Entities::from_json_value(json, None)?;
    let context = Context::from_json_value(serde_json::json!({"assurance": 2, "in_scope": true}), None)?;
    let uid = |s: &str| s.parse::<cedar_policy::EntityUid>();
    let request = Request::new(
        uid(r#"Staff::"a""#)?,
        uid(r#"Action::"m3.view-live""#)?,
        uid(r#"Area::"b""#)?,
        context,
        None,
    )?;
    let engine = Authorizer::new();
    Ok(measure(|| {
        std::hint::black_box(engine.is_authorized(&request, &set, &entities));
    }))
}

fn main() -> Result<()> {
    let (pref, nomi) = (tenant(17000)?, tenant(17211)?);
    let tree = TenantTree::new([(pref, None), (nomi, Some(pref))])?;
    let started = Instant::now();
    let policies = Policies::new(tree, (0..20).map(module))?;
    let checking = started.elapsed();
    let permission = *policies
        .permissions()
        .iter()
        .find(|p| p.id == "m3.view-live")
        .ok_or_else(|| anyhow!("the permission is missing"))?;
    let env = Env::system();
    let sign_in = SignIn { assurance: Assurance::Password, at: Timestamp::EPOCH };
    let desk = |home| Actor::Staff {
        id: StaffId::from_uuid(env.uuid()),
        tenant: home,
        roles: vec![RoleId::new("m3-desk"), RoleId::new("m4-desk")],
        sign_in,
    };
    let target = Target { kind: AREA, id: env.uuid(), tenant: nomi, owner: None };
    let ask = |actor: &Actor| {
        measure(|| {
            std::hint::black_box(policies.decide(actor, &permission, &target));
        })
    };
    println!(
        "{} permissions, {} rules; read and checked in {checking:.0?}",
        policies.permissions().len(),
        policies.rules().count()
    );
    println!("| one decision | µs (median of {ROUNDS} rounds) |");
    println!("|---|---|");
    println!("| ours, allowed | {:.1} |", ask(&desk(nomi)) / 1e3);
    println!("| ours, refused at the wall | {:.1} |", ask(&desk(pref)) / 1e3);
    println!("| ours, anonymous | {:.1} |", ask(&Actor::Anonymous) / 1e3);
    println!(
        "| bare Cedar, all prepared, only the policies that matter | {:.1} |",
        bare_cedar(&policies, true)? / 1e3
    );
    println!("| bare Cedar, all prepared, every policy | {:.1} |", bare_cedar(&policies, false)? / 1e3);

    let dir = tempfile::tempdir()?;
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    rt.block_on(async {
        let db = Db::open_sqlite(&dir.path().join("access.db"), LiteOptions::default())?;
        db.migrate(&[MIGRATIONS], env.now()).await?;
        let accounts =
            Accounts::new(db, env.clone(), &policies, Passwords::default(), AccountRules::default());
        let by: Granted<ManageStaff> = Granted::for_system("bench", nomi);
        let password = "雪の朝に歩く人たち、二〇二六年";
        let new = NewStaff { login: "desk", name: "試験", password, roles: &[RoleId::new("m3-desk")] };
        accounts.create_staff(&by, &new).await?;
        let home = std::net::IpAddr::from([203, 0, 113, 7]);
        let t = Instant::now();
        let (token, _) = accounts.sign_in("desk", password, home).await?;
        println!("| sign-in with {} rounds | {:.0} |", 600_000, t.elapsed().as_secs_f64() * 1e6);
        let n = 20_000u32;
        let t = Instant::now();
        for _ in 0..n {
            std::hint::black_box(accounts.authenticate(&token).await?);
        }
        println!(
            "| session token to actor (embedded store) | {:.1} |",
            t.elapsed().as_secs_f64() * 1e6 / f64::from(n)
        );
        anyhow::Ok(())
    })
}

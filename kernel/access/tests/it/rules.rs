//! What the policies allow, and which sets of policies are not accepted.

use kenroku_access::{Actor, KindMeta, ModuleAccess, Permission, Policies, PolicyFile, Target, kernel};
use kenroku_types::Tenant;
use kenroku_types::ids::SubjectId;
use proptest::prelude::*;

use crate::world::*;

fn area(tenant: Tenant) -> Target {
    Target::whole::<SnowArea>(tenant)
}

fn reasons(
    p: &Policies,
    who: &Actor,
    what: &kenroku_access::PermissionMeta,
    on: &Target,
) -> (bool, Vec<String>) {
    let d = p.decide(who, what, on);
    (d.allowed, d.reasons.iter().map(|r| r.id.clone()).collect())
}

#[test]
fn a_permit_is_a_reason_and_so_is_a_wall() {
    let p = policies();
    let desk = staff(nomi(), &["snow-desk"]);
    let yes = |id: &str| (true, vec![id.to_owned()]);
    let no = |id: &str| (false, vec![id.to_owned()]);
    assert_eq!(reasons(&p, &desk, &ViewLive::META, &area(nomi())), yes("snow.desk-works"));
    assert_eq!(reasons(&p, &desk, &ViewLive::META, &area(kaga())), no("kernel.wall-staff"));
    assert_eq!(reasons(&p, &desk, &PostFix::META, &area(nomi())), (false, vec![]));
    assert_eq!(reasons(&p, &device(nomi()), &PostFix::META, &area(nomi())), yes("snow.device-posts"));
    assert_eq!(reasons(&p, &device(nomi()), &PostFix::META, &area(kaga())), no("kernel.wall-device"));
    let scoped = client(nomi(), &["snow.view-live"]);
    assert_eq!(reasons(&p, &scoped, &ViewLive::META, &area(nomi())), yes("snow.client-views"));
    assert_eq!(
        reasons(&p, &client(nomi(), &["snow.post-fix"]), &ViewLive::META, &area(nomi())),
        no("kernel.wall-client")
    );
    assert!(p.rule("kernel.wall-staff").unwrap().forbids);
}

#[test]
fn the_prefecture_sees_its_municipalities_and_manages_only_itself() {
    let p = policies();
    let admin = staff(pref(), &["pref-admin"]);
    let manage = kernel::ManageStaff::META;
    let on = Target::whole::<kernel::Organization>;
    assert!(p.decide(&admin, &ViewLive::META, &area(nomi())).allowed);
    assert!(!p.decide(&admin, &ViewDrivers::META, &area(nomi())).allowed);
    assert!(p.decide(&admin, &manage, &on(pref())).allowed);
    assert!(!p.decide(&admin, &manage, &on(nomi())).allowed);
    assert!(p.decide(&staff(nomi(), &["muni-admin"]), &manage, &on(nomi())).allowed);
    assert!(!p.decide(&staff(nomi(), &["muni-admin"]), &manage, &on(pref())).allowed);
}

#[test]
fn nobody_gets_personal_data_by_administering() {
    let p = policies();
    for role in ["muni-admin", "pref-admin", "operator"] {
        assert!(!p.decide(&staff(nomi(), &[role]), &ViewDrivers::META, &area(nomi())).allowed, "{role}");
    }
    assert!(p.decide(&staff(nomi(), &["snow-desk"]), &ViewDrivers::META, &area(nomi())).allowed);
    // The operator's wall stands even when the same person has a role that would be allowed.
    let both = staff(nomi(), &["snow-desk", "operator"]);
    assert_eq!(
        reasons(&p, &both, &ViewDrivers::META, &area(nomi())),
        (false, vec!["kernel.wall-operator".to_owned()])
    );
    let officer = staff(nomi(), &["data-officer"]);
    assert!(
        p.decide(&officer, &kernel::ViewDisclosures::META, &Target::whole::<kernel::Organization>(nomi()))
            .allowed
    );
}

#[test]
fn ones_own_is_open_to_oneself_only() {
    let p = policies();
    let mine = Target {
        kind: <SnowRequest as kenroku_access::ResourceKind>::META,
        id: id(77),
        tenant: nomi(),
        owner: Some(SubjectId::from_uuid(id(10))),
    };
    assert!(p.decide(&resident(10), &ReadRequest::META, &mine).allowed);
    assert!(!p.decide(&resident(11), &ReadRequest::META, &mine).allowed);
    assert!(!p.decide(&Actor::Anonymous, &ReadRequest::META, &mine).allowed);
    assert!(!p.decide(&Actor::System { module: "snow" }, &ViewPublic::META, &area(nomi())).allowed);
    assert!(p.decide(&Actor::Anonymous, &ViewPublic::META, &area(Tenant::SHARED)).allowed);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let p = policies();
    let desk = staff(nomi(), &["snow-desk"]);
    assert!(p.decide(&desk, &ViewLive::META, &area(nomi())).allowed);
    let stranger = kenroku_access::PermissionMeta { id: "snow.other", ..ViewLive::META };
    assert!(!p.decide(&desk, &stranger, &area(nomi())).allowed);
    let elsewhere = Target { kind: KindMeta { name: "SnowRequest", ja: "除雪の要望" }, ..area(nomi()) };
    assert!(!p.decide(&desk, &ViewLive::META, &elsewhere).allowed);
}

fn faults_of(text: &'static str) -> String {
    Policies::new(tree(), [snow(text)]).map(|_| String::new()).unwrap_or_else(|e| e.to_string())
}

#[test]
fn policies_out_of_order_are_refused_with_the_remedy() {
    assert_eq!(faults_of(POLICIES), "");
    for (text, expected) in [
        ("permit (principal", "do not parse"),
        (
            "@ja(\"…\") permit (principal, action == Action::\"snow.view-live\", resource);",
            "needs @id(\"snow.name\")",
        ),
        ("@id(\"snow.x\") permit (principal, action == Action::\"snow.view-live\", resource);", "needs @id"),
        (
            "@id(\"snow.x\") @ja(\" \") permit (principal, action == Action::\"snow.view-live\", resource);",
            "needs @id",
        ),
        (
            "@id(\"x\") @ja(\"…\") permit (principal, action == Action::\"snow.view-live\", resource);",
            "begin its @id with “snow.”",
        ),
        (
            "@id(\"snow.x\") @ja(\"…\") permit (principal, action, resource);",
            "may only name actions of “snow”",
        ),
        (
            "@id(\"snow.x\") @ja(\"…\") permit (principal, action in Action::\"view\", resource);",
            "may only name actions",
        ),
        (
            "@id(\"snow.x\") @ja(\"…\") permit (principal, action == Action::\"access.manage-staff\", resource);",
            "may only name actions",
        ),
        (
            "@id(\"snow.x\") @ja(\"…\") permit (principal, action == Action::\"snow.fly\", resource);",
            "snow.fly",
        ),
        (
            "@id(\"snow.x\") @ja(\"…\") permit (principal in Role::\"snow-desc\", action == Action::\"snow.view-live\", resource);",
            "names the role “snow-desc”",
        ),
        (
            "@id(\"snow.x\") @ja(\"…\") permit (principal == Staff::\"1\", action == Action::\"snow.view-live\", resource);",
            "never of single people",
        ),
        (
            "@id(\"snow.x\") @ja(\"…\") permit (principal, action == Action::\"snow.view-live\", resource) when { resource.colour == 3 };",
            "colour",
        ),
        (
            "@id(\"snow.x\") @ja(\"…\") permit (principal == ?principal, action == Action::\"snow.view-live\", resource);",
            "template",
        ),
        (
            "@id(\"snow.x\") @ja(\"…\") permit (principal, action == Action::\"snow.view-live\", resource);
             @id(\"snow.x\") @ja(\"…\") permit (principal, action == Action::\"snow.post-fix\", resource);",
            "used twice",
        ),
    ] {
        let faults = faults_of(text);
        assert!(faults.contains(expected), "{text}\n→ {faults}");
    }
}

#[test]
fn declarations_out_of_order_are_refused() {
    let faults = |m: ModuleAccess| Policies::new(tree(), [m]).map(|_| ()).unwrap_err().to_string();
    assert!(faults(ModuleAccess { module: "rain", ..snow(POLICIES) }).contains("begin its id with “rain.”"));
    let mut twice = snow(POLICIES);
    twice.permissions.push(ViewLive::META);
    assert!(faults(twice).contains("declared twice"));
    let mut kernel = snow(POLICIES);
    kernel.policies.push(PolicyFile { module: "kernel", text: "", explanation_ja: "…" });
    assert!(faults(kernel).contains("kernel policies"));
    let mut silent = snow(POLICIES);
    silent.policies[0].explanation_ja = "";
    assert!(faults(silent).contains("no explanation"));
}

/// The same rules, written once more by hand, for the comparison below.
fn model(who: &Actor, what: &str, tenant: Tenant, owner: Option<SubjectId>) -> bool {
    let tree = tree();
    let personal = ["snow.view-drivers", "snow.read-request", "access.view-disclosures"].contains(&what);
    let manages = ["access.manage-staff", "access.manage-keys", "access.acknowledge-alarms"].contains(&what);
    let provisions = what.starts_with("access.provision-");
    let views = !manages && !provisions && what != "snow.post-fix";
    match who {
        Actor::System { .. } => false,
        Actor::Anonymous => what == "snow.view-public",
        Actor::Resident { subject, .. } => {
            let mine = owner == Some(*subject);
            (owner.is_none() || mine) && (what == "snow.view-public" || (what == "snow.read-request" && mine))
        }
        Actor::Device { tenant: home, .. } => {
            *home == tenant && ["snow.post-fix", "snow.view-public"].contains(&what)
        }
        Actor::Client { tenant: home, scopes, .. } => {
            tree.lies_in(tenant, *home)
                && scopes.iter().any(|s| s == what)
                && (["snow.view-live", "snow.view-public"].contains(&what) || (provisions && *home == tenant))
        }
        Actor::Staff { tenant: home, roles, .. } => {
            let has = |r: &str| roles.iter().any(|x| x.as_str() == r);
            let own = *home == tenant;
            let wall = !tree.lies_in(tenant, *home) || (personal && has("operator"));
            let permitted = what == "snow.view-public"
                || (has("snow-desk") && own && ["snow.view-live", "snow.view-drivers"].contains(&what))
                || (has("muni-admin") && own && !personal && (manages || views))
                || (has("pref-admin") && !personal && (views || (own && manages)))
                || (has("operator") && own && (manages || views))
                || (has("data-officer")
                    && own
                    && [
                        "access.view-matrix",
                        "access.view-staff",
                        "access.view-disclosures",
                        "access.view-alarms",
                        "access.acknowledge-alarms",
                    ]
                    .contains(&what));
            permitted && !wall
        }
    }
}

fn any_tenant() -> impl Strategy<Value = Tenant> {
    prop_oneof![Just(pref()), Just(nomi()), Just(kaga()), Just(Tenant::SHARED)]
}

fn any_actor() -> impl Strategy<Value = Actor> {
    let all = ["snow-desk", "muni-admin", "pref-admin", "data-officer", "operator"];
    let scopes = [
        "snow.view-live",
        "snow.view-public",
        "snow.post-fix",
        "access.manage-staff",
        "access.provision-staff",
    ];
    prop_oneof![
        Just(Actor::Anonymous),
        Just(Actor::System { module: "snow" }),
        (10u128..13).prop_map(resident),
        any_tenant().prop_map(device),
        (any_tenant(), proptest::sample::subsequence(scopes.to_vec(), 0..=5))
            .prop_map(|(t, s)| client(t, &s)),
        (any_tenant(), proptest::sample::subsequence(all.to_vec(), 0..=5)).prop_map(|(t, r)| staff(t, &r)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn decisions_agree_with_the_rules_written_by_hand(
        questions in proptest::collection::vec((any_actor(), 0usize..100, any_tenant(), proptest::option::of(10u128..13)), 1..40)
    ) {
        static POLICIES: std::sync::LazyLock<Policies> = std::sync::LazyLock::new(policies);
        let p = &*POLICIES;
        for (who, n, tenant, owner) in questions {
            let what = p.permissions()[n % p.permissions().len()];
            let owner = owner.map(|o| SubjectId::from_uuid(id(o)));
            let on = Target { kind: what.on, id: id(9), tenant, owner };
            prop_assert_eq!(p.decide(&who, &what, &on).allowed, model(&who, what.id, tenant, owner), "{:?} {:?} {:?}", who, what, on);
        }
    }
}

#[test]
fn the_matrix_says_who_may_what_and_why() {
    let text = kenroku_access::Matrix::new(&policies()).to_string();
    insta::assert_snapshot!(text);
}

//! The Cedar schema, assembled from the declared permissions and roles.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::{Act, ActorKind, DataClass, PermissionMeta, Role};

/// Entity types that are taken.
const RESERVED: [&str; 8] =
    ["Tenant", "Role", "Anonymous", "Resident", "Staff", "Device", "Client", "Action"];

/// What every kernel has: who asks, and what is known of the asking.
const FRAME: &str = r#"// Made from the declared permissions; do not edit.
entity Tenant in [Tenant];
entity Role;
entity Anonymous;
entity Resident;
entity Staff in [Role] { tenant: Tenant };
entity Device { tenant: Tenant };
entity Client { tenant: Tenant };

// assurance: 0 nothing, 1 key, 2 password, 3 password and code, 4 passkey, 5 card (auth), 6 card (sign).
// in_scope: whether the key was issued for this action; true for everyone who has no key.
type Asking = { assurance: Long, in_scope: Bool };
"#;

/// The action groups a permission is in.
pub(super) fn groups(p: &PermissionMeta) -> impl Iterator<Item = &'static str> {
    std::iter::once(p.act.group()).chain(p.data.map(|_| DataClass::GROUP))
}

/// The schema as text; faults in the declarations are added to `faults`.
pub(super) fn text(permissions: &[PermissionMeta], roles: &[Role], faults: &mut Vec<String>) -> String {
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    for p in permissions {
        let known = *kinds.entry(p.on.name).or_insert(p.on.ja);
        if known != p.on.ja {
            faults
                .push(format!("two kinds are called {}: “{known}” and “{}”; rename one", p.on.name, p.on.ja));
        }
    }
    for taken in RESERVED.iter().filter(|r| kinds.contains_key(**r)) {
        faults.push(format!("the resource kind {taken} has a reserved name; rename it"));
    }

    let mut out = String::from(FRAME);
    // Writing to a String cannot fail.
    for r in roles {
        let _ = writeln!(out, "// Role::\"{}\" = {} / {}", r.id, r.ja, r.en);
    }
    for act in Act::ALL {
        let _ = writeln!(out, "\n// {}\naction \"{}\";", act.ja(), act.group());
    }
    let _ = writeln!(out, "\n// 個人情報\naction \"{}\";", DataClass::GROUP);
    for (name, ja) in &kinds {
        let _ = writeln!(out, "\n// {ja}\nentity {name} in [Tenant] {{ tenant: Tenant, owner?: Resident }};");
    }
    let principals = ActorKind::IN_POLICIES.map(ActorKind::name).join(", ");
    for p in permissions {
        let groups: Vec<String> = groups(p).map(|g| format!("\"{g}\"")).collect();
        let _ = writeln!(
            out,
            "\n// {}\naction \"{}\" in [{}] appliesTo {{ principal: [{principals}], resource: [{}], context: Asking }};",
            p.ja,
            p.id,
            groups.join(", "),
            p.on.name
        );
    }
    out
}

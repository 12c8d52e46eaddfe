//! Cedar policies: read, checked against the schema that the permissions make, asked.
//!
//! Checking happens once, in [`Policies::new`], at start and in tests. What it refuses: text that does not
//! parse; a policy without `@id` or `@ja`; a module that speaks of another module's actions; a role or action
//! that does not exist; anything that Cedar's strict validation finds, warnings included.

mod decide;
mod schema;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use cedar_policy::{
    ActionConstraint, Effect, Entity, EntityUid, Policy, PolicyId, PolicySet, Schema, ValidationMode,
    Validator,
};

use crate::kernel::KERNEL;
use crate::{PermissionMeta, Role, TenantTree};

pub use decide::Decision;

/// A file of policies as a module hands it in.
#[derive(Clone, Copy, Debug)]
pub struct PolicyFile {
    /// Who owns it: a module's policies speak of that module's actions only.
    pub module: &'static str,
    /// Cedar text. Every policy carries `@id("module.name")` and `@ja("…")`.
    pub text: &'static str,
    /// What the file as a whole rules, in Japanese.
    pub explanation_ja: &'static str,
}

/// Everything a module brings for access, taken from its module value.
#[derive(Clone, Debug, Default)]
pub struct ModuleAccess {
    /// The module's name, the first part of its permission ids.
    pub module: &'static str,
    /// Its permissions.
    pub permissions: Vec<PermissionMeta>,
    /// Roles that only make sense with it.
    pub roles: Vec<Role>,
    /// Its policies.
    pub policies: Vec<PolicyFile>,
}

/// One rule as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable id, shown as the reason of a decision.
    pub id: String,
    /// The explanation.
    pub ja: String,
    /// Whose rule it is.
    pub module: &'static str,
    /// Whether it forbids (and so wins over every permit).
    pub forbids: bool,
    /// The Cedar text.
    pub text: String,
}

/// What is wrong with a set of policies. Each line says where and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyErrors(pub Vec<String>);

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the access policies are not in order:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n- {line}"))
    }
}

/// What is prepared for each action, so that a decision only looks at policies that can speak of it.
struct Action {
    /// With its groups as parents: without them no rule about a group would ever apply.
    entity: Entity,
    policies: PolicySet,
    /// Whether any permit could apply to somebody who did not sign in.
    open: bool,
}

/// The checked policies of the installation, ready to decide.
pub struct Policies {
    permissions: Vec<PermissionMeta>,
    roles: Vec<Role>,
    rules: BTreeMap<String, Rule>,
    files: Vec<PolicyFile>,
    schema_text: String,
    tenants: TenantTree,
    actions: HashMap<&'static str, Action>,
    prepared: decide::Prepared,
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policies({} permissions, {} rules)", self.permissions.len(), self.rules.len())
    }
}

impl Policies {
    /// Puts the kernel's rules and those of the modules together and checks them.
    ///
    /// # Errors
    /// Every fault found, not only the first.
    pub fn new(
        tenants: TenantTree,
        modules: impl IntoIterator<Item = ModuleAccess>,
    ) -> Result<Self, PolicyErrors> {
        let mut faults = Vec::new();
        let (mut permissions, mut roles, mut files) = (Vec::new(), Vec::new(), Vec::new());
        for m in std::iter::once(crate::kernel::access()).chain(modules) {
            check_declarations(&m, &mut faults);
            permissions.extend(m.permissions);
            roles.extend(m.roles);
            files.extend(m.policies);
        }
        check_unique("permission", permissions.iter().map(|p| p.id), &mut faults);
        check_unique("role", roles.iter().map(|r| r.id), &mut faults);
        permissions.sort_by_key(|p| p.id);

        let schema_text = schema::text(&permissions, &roles, &mut faults);
        let mut rules = BTreeMap::new();
        let mut set = PolicySet::new();
        for file in &files {
            read_file(file, &mut rules, &mut set, &mut faults);
        }
        let known: BTreeSet<&str> = roles.iter().map(|r| r.id).collect();
        check_roles(&set, &known, &mut faults);
        match Schema::from_str(&schema_text) {
            Ok(schema) => validate(schema, &set, &mut faults),
            Err(e) => faults.push(format!("the schema made from the permissions does not parse: {e}")),
        }
        if !faults.is_empty() {
            return Err(PolicyErrors(faults));
        }

        let prepared = decide::Prepared::new(&permissions).map_err(|e| PolicyErrors(vec![e]))?;
        let mut actions = HashMap::new();
        for p in &permissions {
            let uid = prepared.action(p.id);
            let entity =
                Entity::new_no_attrs(uid.clone(), schema::groups(p).map(|g| prepared.action(g)).collect());
            let speaking: Vec<Policy> =
                set.policies().filter(|policy| speaks_of(policy, p, &uid)).cloned().collect();
            let open = speaking.iter().any(decide::open_to_all);
            let policies = PolicySet::from_policies(speaking)
                .map_err(|e| PolicyErrors(vec![format!("policies of {}: {e}", p.id)]))?;
            actions.insert(p.id, Action { entity, policies, open });
        }
        Ok(Policies { permissions, roles, rules, files, schema_text, tenants, actions, prepared })
    }

    /// Every permission, by id.
    pub fn permissions(&self) -> &[PermissionMeta] {
        &self.permissions
    }

    /// Every role, the kernel's first.
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Every rule by id.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.values()
    }

    /// The files the rules came from, with their explanations.
    pub fn files(&self) -> &[PolicyFile] {
        &self.files
    }

    /// The Cedar schema, for the reviewer's tools.
    pub fn schema_text(&self) -> &str {
        &self.schema_text
    }

    /// The tenants the policies were made for.
    pub fn tenants(&self) -> &TenantTree {
        &self.tenants
    }
}

fn check_declarations(m: &ModuleAccess, faults: &mut Vec<String>) {
    for p in m.permissions.iter().filter(|p| p.module() != m.module) {
        faults.push(format!(
            "permission “{}” belongs to module “{}”: begin its id with “{}.”",
            p.id, m.module, m.module
        ));
    }
    for p in m.permissions.iter().filter(|p| p.ja.is_empty()) {
        faults.push(format!(
            "permission “{}” has no Japanese description: write it as its documentation comment",
            p.id
        ));
    }
    for f in m.policies.iter().filter(|f| f.module != m.module && f.module != KERNEL) {
        faults.push(format!(
            "module “{}” hands in policies of “{}”: a module brings only its own",
            m.module, f.module
        ));
    }
    if m.policies.iter().any(|f| f.module == KERNEL) && m.module != "access" {
        faults.push(format!("module “{}” hands in kernel policies: a module brings only its own", m.module));
    }
    for f in m.policies.iter().filter(|f| f.explanation_ja.trim().is_empty()) {
        faults.push(format!("a policy file of “{}” has no explanation: fill explanation_ja", f.module));
    }
}

fn check_unique<'a>(what: &str, ids: impl Iterator<Item = &'a str>, faults: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            faults.push(format!("{what} “{id}” is declared twice: rename one"));
        }
        if id.is_empty()
            || !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        {
            faults.push(format!(
                "{what} “{id}”: use small letters, digits, hyphens and one dot after the module"
            ));
        }
    }
}

fn read_file(
    file: &PolicyFile,
    rules: &mut BTreeMap<String, Rule>,
    set: &mut PolicySet,
    faults: &mut Vec<String>,
) {
    let parsed = match PolicySet::from_str(file.text) {
        Ok(parsed) => parsed,
        Err(e) => return faults.push(format!("policies of “{}” do not parse: {e}", file.module)),
    };
    if parsed.templates().next().is_some() {
        faults.push(format!("policies of “{}” hold a template: write a policy without slots", file.module));
    }
    // The parser numbers policies in the order of the file; the number is all that can name one without @id.
    for policy in parsed.policies() {
        let place = format!("{} of “{}”", policy.id(), file.module);
        let annotation = |key| policy.annotation(key).map(str::trim).filter(|v| !v.is_empty());
        let (Some(id), Some(ja)) = (annotation("id"), annotation("ja")) else {
            faults.push(format!("{place} needs @id(\"{}.name\") and @ja(\"…\")", file.module));
            continue;
        };
        if id.split_once('.').map(|(m, _)| m) != Some(file.module) {
            faults.push(format!("policy “{id}”: begin its @id with “{}.”", file.module));
        }
        if file.module != KERNEL && !only_own_actions(policy, file.module) {
            faults.push(format!(
                "policy “{id}” may only name actions of “{}”: write action == or action in […]",
                file.module
            ));
        }
        let rule = Rule {
            id: id.to_owned(),
            ja: ja.to_owned(),
            module: file.module,
            forbids: policy.effect() == Effect::Forbid,
            text: policy.to_string(),
        };
        if rules.insert(id.to_owned(), rule).is_some() {
            faults.push(format!("policy id “{id}” is used twice: rename one"));
        } else if let Err(e) = set.add(policy.new_id(PolicyId::new(id))) {
            faults.push(format!("policy “{id}”: {e}"));
        }
    }
}

fn only_own_actions(policy: &Policy, module: &str) -> bool {
    let own = |uid: &EntityUid| uid.id().unescaped().split_once('.').map(|(m, _)| m) == Some(module);
    match policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::Eq(uid) => own(&uid),
        ActionConstraint::In(uids) => uids.iter().all(own),
    }
}

/// Whether a policy's scope leaves room for the action: named, or through a group it is in.
fn speaks_of(policy: &Policy, p: &PermissionMeta, action: &EntityUid) -> bool {
    let covers = |uid: &EntityUid| uid == action || schema::groups(p).any(|g| uid.id().unescaped() == g);
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == *action,
        ActionConstraint::In(uids) => uids.iter().any(covers),
    }
}

/// Cedar does not know which roles exist; a mistyped one would only ever refuse, silently.
fn check_roles(set: &PolicySet, known: &BTreeSet<&str>, faults: &mut Vec<String>) {
    for policy in set.policies() {
        for uid in policy.entity_literals() {
            let (kind, id) = (uid.type_name().to_string(), uid.id().unescaped().to_owned());
            if kind == "Role" && !known.contains(id.as_str()) {
                faults.push(format!(
                    "policy “{}” names the role “{id}”, which no module declares",
                    policy.id()
                ));
            }
            if kind != "Role" && kind != "Action" {
                faults.push(format!(
                    "policy “{}” names {uid}: rules speak of roles, never of single people or things",
                    policy.id()
                ));
            }
        }
    }
}

fn validate(schema: Schema, set: &PolicySet, faults: &mut Vec<String>) {
    let result = Validator::new(schema).validate(set, ValidationMode::Strict);
    faults.extend(result.validation_errors().map(ToString::to_string));
    faults.extend(result.validation_warnings().map(ToString::to_string));
}

//! Which crate may depend on which: the architecture as a check.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::shell::{command, output};

/// Kernel crates, lowest first: each may use only those before it.
const KERNEL: [&str; 9] =
    ["types", "store-macros", "store", "bus", "access", "vault", "http", "ui", "module"];

/// Crates that only one of ours may name, with the reason.
const ONE_OWNER: [(&str, &str, &str); 8] = [
    ("rusqlite", "kernel/store", "only the store names a database driver"),
    ("tokio-postgres", "kernel/store", "only the store names a database driver"),
    ("deadpool-postgres", "kernel/store", "only the store names a database driver"),
    ("async-nats", "kernel/bus", "only the bus names NATS; publish through it"),
    ("cedar-policy", "kernel/access", "only access asks policies; take Authz or Granted"),
    ("rust-embed", "kernel/ui", "assets are served by the ui crate"),
    (
        "pcsc",
        "bin/kenroku-card",
        "only the companion talks to card readers: the server needs no card library",
    ),
    ("rsa", "sim/card", "its private operations are not constant in time; verify and sign with ring"),
];

/// What a crate is, by its folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layer {
    Kernel(usize),
    Contracts,
    Platform,
    Service,
    Sim,
    Top,
}

fn layer(folder: &str) -> Option<Layer> {
    let mut parts = folder.split('/');
    Some(match (parts.next()?, parts.next()) {
        ("kernel", Some(name)) => Layer::Kernel(KERNEL.iter().position(|k| *k == name)?),
        ("contracts", None) => Layer::Contracts,
        ("platform" | "adapters", Some(_)) => Layer::Platform,
        ("services", Some(_)) => Layer::Service,
        ("sim", None | Some(_)) => Layer::Sim,
        ("bin", Some(_)) | ("tests" | "bench" | "xtask", None) => Layer::Top,
        _ => return None,
    })
}

/// Why `from` may not use `to`; `None` when it may.
fn objection(from: Layer, to: Layer) -> Option<&'static str> {
    use Layer::{Contracts, Kernel, Platform, Service, Sim, Top};
    match (from, to) {
        (Top, _) => None,
        (_, Top) => Some("nothing depends on the binary, the tests or the tools"),
        (Kernel(a), Kernel(b)) if b < a => None,
        (Kernel(_), _) => Some("the kernel knows only kernel crates below itself"),
        (Contracts, Kernel(k)) if KERNEL[k] == "types" || KERNEL[k] == "bus" => None,
        (Contracts, _) => Some("contracts are types only"),
        (Platform, Kernel(_) | Contracts | Platform) => None,
        (Platform, _) => Some("the platform knows no service"),
        (Service, Service) => {
            Some("a service never depends on a service: publish an event, call a port in contracts")
        }
        (Service, Sim) => Some("services do not know the simulated world"),
        (Service, _) => None,
        (Sim, Kernel(k)) if KERNEL[k] == "types" => None,
        (Sim, Platform | Sim) => None,
        (Sim, _) => Some("the simulated world speaks only public interfaces"),
    }
}

/// Checks the whole workspace.
pub fn check() -> Result<()> {
    let text =
        output(&mut command("cargo", &["metadata", "--no-deps", "--format-version", "1", "--offline"]))?;
    let wrong = complaints(&serde_json::from_str(&text)?);
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{}", wrong.join("\n"));
}

fn complaints(metadata: &Value) -> Vec<String> {
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let root = text(&metadata["workspace_root"]);
    let packages = list(&metadata["packages"]);
    let folder = |p: &Value| {
        let path = text(&p["manifest_path"]);
        path.strip_prefix(&root)
            .unwrap_or(&path)
            .trim_start_matches('/')
            .trim_end_matches("/Cargo.toml")
            .to_owned()
    };
    let layers: BTreeMap<String, (String, Option<Layer>)> =
        packages.iter().map(|p| (text(&p["name"]), (folder(p), layer(&folder(p))))).collect();
    let mut wrong = Vec::new();
    for p in &packages {
        let name = text(&p["name"]);
        let Some((from_folder, Some(from))) = layers.get(&name) else {
            wrong.push(format!(
                "{name}: its folder {} is none of ARCHITECTURE.md's; put it where it belongs",
                folder(p)
            ));
            continue;
        };
        for d in list(&p["dependencies"]) {
            let to = text(&d["name"]);
            let is_dev = d["kind"].as_str() == Some("dev");
            if let Some((_, Some(to_layer))) = layers.get(&to) {
                if !is_dev && let Some(why) = objection(*from, *to_layer) {
                    wrong.push(format!("{from_folder} may not depend on {to}: {why}"));
                }
            } else if let Some((_, owner, why)) = ONE_OWNER.iter().find(|(c, ..)| *c == to)
                && from_folder != owner
                && from_folder != "bench"
                && !is_dev
            {
                wrong.push(format!("{from_folder} may not depend on {to}: {why}"));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(folder: &str, name: &str, deps: &[&str]) -> Value {
        let deps: Vec<Value> = deps.iter().map(|d| json!({"name": d, "kind": null})).collect();
        json!({"name": name, "manifest_path": format!("/w/{folder}/Cargo.toml"), "dependencies": deps})
    }

    fn wrong(packages: Vec<Value>) -> String {
        complaints(&json!({"workspace_root": "/w", "packages": packages})).join("\n")
    }

    #[test]
    fn a_service_may_use_the_platform_and_not_a_service() {
        let all = |deps: &[&str]| {
            vec![
                package("kernel/store", "store", &["rusqlite"]),
                package("platform/roads", "roads", &["store"]),
                package("services/b", "b", &[]),
                package("services/a", "a", deps),
            ]
        };
        assert_eq!(wrong(all(&["roads", "store", "serde"])), "");
        assert!(wrong(all(&["b"])).contains("a service never depends on a service"));
        assert!(wrong(all(&["rusqlite"])).contains("only the store names a database driver"));
    }

    #[test]
    fn the_kernel_looks_down_only() {
        let w = wrong(vec![
            package("kernel/store", "store", &["http"]),
            package("kernel/http", "http", &["store"]),
        ]);
        assert!(
            w.contains("kernel/store may not depend on http") && !w.contains("kernel/http may not"),
            "{w}"
        );
        assert!(wrong(vec![package("misc/x", "x", &[])]).contains("none of ARCHITECTURE.md's"));
    }
}

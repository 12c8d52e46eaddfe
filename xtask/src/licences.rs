//! Licences, bans and sources of dependencies against deny.toml, without the network and without another tool.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::{command, output, root};

/// Checks every package of the lock file.
pub fn check() -> Result<()> {
    let rules: toml::Table =
        toml::from_str(&std::fs::read_to_string(root().join("deny.toml"))?).context("deny.toml")?;
    let strings = |path: [&str; 2]| -> Vec<String> {
        let list = rules.get(path[0]).and_then(|t| t.get(path[1])).and_then(toml::Value::as_array);
        let text = |v: &toml::Value| v.as_str().or_else(|| v.get("name")?.as_str()).map(str::to_owned);
        list.map(|l| l.iter().filter_map(text).collect()).unwrap_or_default()
    };
    let (allowed, banned) = (strings(["licenses", "allow"]), strings(["bans", "deny"]));
    let metadata: Value =
        serde_json::from_str(&output(&mut command("cargo", &["metadata", "--format-version", "1"]))?)?;
    let mut wrong = Vec::new();
    for p in metadata["packages"].as_array().unwrap_or(&Vec::new()) {
        let (name, version) =
            (p["name"].as_str().unwrap_or_default(), p["version"].as_str().unwrap_or_default());
        let Some(source) = p["source"].as_str() else { continue };
        if !source.starts_with("registry+") {
            wrong.push(format!("{name} {version} does not come from the registry"));
        }
        if banned.iter().any(|b| b == name) {
            wrong.push(format!("{name} is banned by deny.toml; the reason stands there"));
        }
        match p["license"].as_str() {
            Some(l) if permits(l, &allowed) => {}
            Some(l) => wrong.push(format!("{name} {version} is under {l}, which deny.toml does not allow")),
            None => wrong.push(format!("{name} {version} names no licence")),
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{}", wrong.join("\n"));
}

/// Whether an SPDX expression can be satisfied with allowed licences. `/` is the old form of OR.
fn permits(expression: &str, allowed: &[String]) -> bool {
    let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut tokens = text.split_whitespace().peekable();
    let r = either(&mut tokens, allowed);
    r && tokens.next().is_none()
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(t: &mut Tokens<'_>, allowed: &[String]) -> bool {
    let mut ok = both(t, allowed);
    while t.next_if_eq(&"OR").is_some() {
        ok |= both(t, allowed);
    }
    ok
}

fn both(t: &mut Tokens<'_>, allowed: &[String]) -> bool {
    let mut ok = one(t, allowed);
    while t.next_if_eq(&"AND").is_some() {
        ok &= one(t, allowed);
    }
    ok
}

fn one(t: &mut Tokens<'_>, allowed: &[String]) -> bool {
    if t.next_if_eq(&"(").is_some() {
        let ok = either(t, allowed);
        return t.next_if_eq(&")").is_some() && ok;
    }
    let Some(name) = t.next() else { return false };
    let whole = match t.next_if_eq(&"WITH").and_then(|_| t.next()) {
        Some(exception) => format!("{name} WITH {exception}"),
        None => name.to_owned(),
    };
    allowed.contains(&whole)
}

#[cfg(test)]
mod tests {
    use super::permits;

    #[test]
    fn expressions_are_satisfied_or_not() {
        let allowed: Vec<String> = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned).to_vec();
        for good in ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "(MIT OR GPL-2.0) AND Unicode-3.0"] {
            assert!(permits(good, &allowed), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0 WITH LLVM-exception", "(MIT", "", "MIT)"] {
            assert!(!permits(bad, &allowed), "{bad}");
        }
    }
}

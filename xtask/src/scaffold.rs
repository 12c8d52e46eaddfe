//! `new-service NAME`: a crate that compiles, shows a page in three languages and passes its tests.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::shell::root;

/// File in the new crate, and its text with `NAME` (as typed), `IDENT` (for Rust) in it.
const FILES: [(&str, &str); 9] = [
    ("Cargo.toml", include_str!("../template/Cargo.toml.txt")),
    ("askama.toml", include_str!("../template/askama.toml.txt")),
    ("src/lib.rs", include_str!("../template/lib.rs.txt")),
    ("src/pages.rs", include_str!("../template/pages.rs.txt")),
    ("templates/NAME.html", include_str!("../template/page.html.txt")),
    ("i18n/ja.ftl", include_str!("../template/ja.ftl.txt")),
    ("i18n/ja-x-yasashii.ftl", include_str!("../template/ja-x-yasashii.ftl.txt")),
    ("i18n/en.ftl", include_str!("../template/en.ftl.txt")),
    ("tests/it/main.rs", include_str!("../template/it.rs.txt")),
];

/// Writes the crate and plugs it into the workspace and the binary.
pub fn new_service(name: &str) -> Result<()> {
    new_service_in(&root(), name)?;
    println!("services/{name} is there. Next:");
    println!("  cargo test -p kenroku-{name}");
    println!("  move its line in bin/kenroku/src/modules.rs if others need it to start earlier");
    println!("  cargo test -p kenroku                      # fails until docs/ knows the new page:");
    println!(
        "    cp target/authz-coverage.txt docs/       # then read the change; by hand, never by the gate"
    );
    println!("    cp target/permission-matrix.txt docs/    # if it has permissions");
    println!("  KENROKU_BLESS=1 cargo test -p kenroku      # if it offers JSON operations or has tables;");
    println!(
        "                                             # with KENROKU_TEST_PG, for docs/schema/postgres.txt"
    );
    println!("  add /{name} to ALL_PAGES in web/tests/browser.mjs, so that the browser looks at it");
    Ok(())
}

fn new_service_in(root: &Path, name: &str) -> Result<()> {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && name.len() <= 32;
    if !fits {
        bail!("“{name}”: a name is lower-case letters, digits and hyphens, beginning with a letter");
    }
    let dir = root.join("services").join(name);
    if dir.exists() {
        bail!("services/{name} exists already");
    }
    let ident = name.replace('-', "_");
    for (file, text) in FILES {
        let path = dir.join(file.replace("NAME", name));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text.replace("NAME", name).replace("IDENT", &ident))?;
    }
    insert(
        &root.join("Cargo.toml"),
        "kenroku-sim = {",
        &format!("kenroku-{name} = {{ path = \"services/{name}\" }}\n"),
    )?;
    insert(
        &root.join("bin/kenroku/Cargo.toml"),
        "kenroku-sim.workspace",
        &format!("kenroku-{name}.workspace = true\n"),
    )?;
    insert(
        &root.join("bin/kenroku/src/modules.rs"),
        // The portal shows what the others bring, so it starts last.
        "        kenroku_portal::module(),",
        &format!("        kenroku_{ident}::module(),\n"),
    )
}

/// Puts a line before the first place where `before` stands.
fn insert(file: &Path, before: &str, line: &str) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let at = text
        .find(before)
        .with_context(|| format!("{} has no “{before}”; add by hand: {line}", file.display()))?;
    let (head, tail) = text.split_at(at);
    fs::write(file, format!("{head}{line}{tail}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("bin/kenroku/src")).unwrap();
        fs::write(dir.path().join("Cargo.toml"), "kenroku-sim = { path = \"sim\" }\n").unwrap();
        fs::write(dir.path().join("bin/kenroku/Cargo.toml"), "kenroku-sim.workspace = true\n").unwrap();
        fs::write(
            dir.path().join("bin/kenroku/src/modules.rs"),
            "    all.extend([\n        kenroku_portal::module(),\n    ]);\n",
        )
        .unwrap();
        dir
    }

    #[test]
    fn the_files_are_plugged_in() {
        let dir = workspace();
        new_service_in(dir.path(), "night-bus").unwrap();
        let read = |f: &str| fs::read_to_string(dir.path().join(f)).unwrap();
        assert!(read("Cargo.toml").starts_with("kenroku-night-bus = { path = \"services/night-bus\" }\n"));
        assert!(
            read("bin/kenroku/src/modules.rs")
                .contains("kenroku_night_bus::module(),\n        kenroku_portal::module(),\n")
        );
        assert!(read("services/night-bus/i18n/en.ftl").contains("night-bus-title ="));
        assert!(new_service_in(dir.path(), "night-bus").is_err(), "it would overwrite");
    }

    #[test]
    fn names_that_would_break_paths_are_refused() {
        let dir = workspace();
        for bad in ["", "Bus", "../x", "a b", "9a", "バス"] {
            assert!(new_service_in(dir.path(), bad).is_err(), "{bad}");
        }
    }
}

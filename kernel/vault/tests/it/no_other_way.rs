//! The compiler is the guard: each program that reads around the vault is refused, for the stated reason, and the
//! same program done right compiles. Uses the compiler and libraries that just built this test.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What each program begins with.
const PRELUDE: &str = r#"
#![allow(unused, dead_code)]
use kenroku_access::{Granted, permission, resource_kind};
use kenroku_types::{Tenant, ids::SubjectId};
use kenroku_vault::*;
use kenroku_vault::{kenroku_access, kenroku_types, serde};
resource_kind! {
    /// 訪問
    pub Visit;
}
permission! {
    /// 相手を見る
    pub View = "probe.view" on Visit, view, personal;
    /// 件数を見る
    pub Count = "probe.count" on Visit, view;
}
pub const WHY: Purpose = Purpose {
    code: "probe.visit", ja: "訪問", basis: LegalBasis::Own, categories: &[Category::Person],
};
fn text(_: String) {}
fn show<T: std::fmt::Display>(_: T) {}
fn json<T: serde::Serialize>(_: T) {}
fn any<T: for<'a> serde::Deserialize<'a>>() {}
"#;

/// Compiles only with libraries that were built together.
const FITS: &str = "
fn fits(v: &Vault, p: &Granted<View>, n: &'static Field, who: SubjectId) {
    let d = Disclosure::new(p, &WHY);
    let _ = v.blind_index(p.tenant(), n, &who);
    json(who);
}
";

/// Name, the refused line, the compiler's code for it, and the allowed line in its place.
const CASES: &[(&str, &str, &str, &str)] = &[
    (
        "no into_inner",
        "fn f(s: Sealed<String>) { text(s.into_inner()) }",
        "E0599",
        "fn f(s: Opened<String>) { text(s.into_value()) }",
    ),
    ("no deref", "fn f(s: Sealed<String>) { s.len(); }", "E0599", "fn f(s: Opened<String>) { s.len(); }"),
    (
        "no bytes",
        "fn f(s: Sealed<String>) { let b = s.bytes; }",
        "E0616",
        "fn f(s: Sealed<String>) { let b = s.key_version(); }",
    ),
    (
        "no display",
        "fn f(s: Sealed<String>) { show(s) }",
        "E0277",
        "fn f(s: Opened<String>) { show(s.into_value()) }",
    ),
    (
        "no serialize",
        "fn f(s: Sealed<String>) { json(s) }",
        "E0277",
        "fn f(s: Opened<String>) { json(s.into_value()) }",
    ),
    ("no deserialize", "fn f() { any::<Sealed<String>>() }", "E0277", "fn f() { any::<String>() }"),
    (
        "opened values do not serialize",
        "fn f(s: Opened<String>) { json(s) }",
        "E0277",
        "fn f(s: Opened<String>) { json(s.into_value()) }",
    ),
    (
        "a sealed value is not made by hand",
        "fn f() -> Sealed<String> { Sealed { bytes: vec![], content: std::marker::PhantomData } }",
        "E0451",
        "fn f(s: &Sealed<String>) -> Sealed<String> { s.clone() }",
    ),
    (
        "no reader by hand",
        "fn f(r: Reader) -> Reader { Reader { ..r } }",
        "E0451",
        "fn f(r: Reader) -> Reader { r }",
    ),
    (
        "a reader is not copied",
        "fn f(r: &Reader) -> Reader { r.clone() }",
        "E0308",
        "fn f(r: &Reader) -> &Reader { r }",
    ),
    (
        "keys are out of reach",
        "use kenroku_vault::keys::KeyStore;",
        "E0603",
        "use kenroku_vault::Vault as _;",
    ),
    (
        "no key from the master",
        "fn f(m: &MasterKeys) { m.unwrap(1, Tenant::SHARED, 1, &[]); }",
        "E0624",
        "fn f(m: &MasterKeys) { m.current(); }",
    ),
    (
        "a resealer shows nothing",
        "fn f(r: &Resealer, s: Slot, v: &Sealed<String>) { text(r.renew(s, v).unwrap().unwrap()) }",
        "E0308",
        "fn f(r: &Resealer, s: Slot, v: &Sealed<String>) { r.renew(s, v).unwrap().unwrap(); }",
    ),
    (
        "no disclosure without proof",
        "fn f() { Disclosure::new(&(), &WHY); }",
        "E0308",
        "fn f(p: &Granted<View>) { Disclosure::new(p, &WHY); }",
    ),
    (
        "no disclosure by hand",
        "fn f(d: Disclosure) -> Disclosure { Disclosure { tenant: Tenant::SHARED, ..d } }",
        "E0451",
        "fn f(d: Disclosure) -> Disclosure { d }",
    ),
    (
        "no disclosure for a permission without personal data",
        "pub fn f(p: &Granted<Count>) { Disclosure::new(p, &WHY); }",
        "E0080",
        "pub fn f(p: &Granted<View>) { Disclosure::new(p, &WHY); }",
    ),
    (
        "no opening without a disclosure",
        "async fn f(v: &Vault, s: Slot, x: &Sealed<String>) { v.open(s, x).await; }",
        "E0061",
        "async fn f(v: &Vault, d: &Disclosure, s: Slot, x: &Sealed<String>) { v.open(d, s, x).await; }",
    ),
    (
        "dates are not searchable",
        "async fn f(v: &Vault, n: &'static Field, d: kenroku_types::JapaneseDate) { v.blind_index(Tenant::SHARED, n, &d).await; }",
        "E0277",
        "async fn f(v: &Vault, n: &'static Field, d: SubjectId) { v.blind_index(Tenant::SHARED, n, &d).await; }",
    ),
    (
        "small numbers are not searchable",
        "async fn f(v: &Vault, n: &'static Field) { v.blind_index(Tenant::SHARED, n, &1234u16).await; }",
        "E0277",
        "async fn f(v: &Vault, n: &'static Field, d: SubjectId) { v.blind_index(Tenant::SHARED, n, &d).await; }",
    ),
    (
        "nor made so",
        "impl search::HighEntropy for u16 { const BITS: u32 = 64; const WHY: &'static str = \"\"; fn canonical(&self) -> std::borrow::Cow<'_, [u8]> { todo!() } }",
        "E0117",
        "struct Serial(u128); impl search::HighEntropy for Serial { const BITS: u32 = 64; const WHY: &'static str = \"\"; fn canonical(&self) -> std::borrow::Cow<'_, [u8]> { todo!() } }",
    ),
];

#[test]
fn there_is_no_other_way_to_read() {
    let compiler = Compiler::new();
    let mut wrong = Vec::new();
    for (name, refused, code, allowed) in CASES {
        if let Err(e) = compiler.run(allowed) {
            wrong.push(format!("{name}: the allowed program must compile, but: {e}"));
        }
        match compiler.run(refused) {
            Ok(()) => wrong.push(format!("{name}: compiles")),
            Err(e) if !e.contains(&format!("error[{code}]")) => {
                wrong.push(format!("{name}: refused for another reason than {code}: {e}"));
            }
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

struct Compiler {
    deps: PathBuf,
    vault: PathBuf,
    out: tempfile::TempDir,
}

impl Compiler {
    /// Finds a vault whose own dependencies are all there: several lie about where the workspace was also built with
    /// other features. The other crates come through it, so they always fit.
    fn new() -> Self {
        let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
        let mut compiler = Compiler { vault: PathBuf::new(), out: tempfile::tempdir().unwrap(), deps };
        let mut why = String::new();
        for vault in newest_first(&compiler.deps, "kenroku_vault") {
            compiler.vault = vault;
            match compiler.run(FITS) {
                Ok(()) => return compiler,
                Err(e) => why = e,
            }
        }
        panic!("no built vault can be used: {why}");
    }

    fn run(&self, program: &str) -> Result<(), String> {
        let file = self.out.path().join("program.rs");
        std::fs::write(&file, format!("{PRELUDE}\n{program}\n")).unwrap();
        let mut c = Command::new("rustc");
        c.current_dir(env!("CARGO_MANIFEST_DIR"));
        // Code is generated, or else constants in generic functions are not looked at.
        c.args(["--edition=2024", "--crate-type=lib", "--emit=obj", "-Copt-level=0", "--out-dir"]);
        c.arg(self.out.path()).arg("-L").arg(format!("dependency={}", self.deps.display()));
        c.arg("--extern").arg(format!("kenroku_vault={}", self.vault.display()));
        let out = c.arg(&file).output().unwrap();
        if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
    }
}

/// The libraries of that name, the last built first: cargo has just built the one this test is linked with.
fn newest_first(deps: &Path, name: &str) -> Vec<PathBuf> {
    let prefix = format!("lib{name}-");
    let mut found: Vec<_> = std::fs::read_dir(deps)
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| {
            let f = p.file_name().and_then(|f| f.to_str()).unwrap_or_default();
            f.starts_with(&prefix) && f.ends_with(".rlib")
        })
        .collect();
    found.sort_by_key(|p| std::cmp::Reverse(std::fs::metadata(p).and_then(|m| m.modified()).unwrap()));
    found
}

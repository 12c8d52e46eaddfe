//! Tells cargo to compile this crate again when the web part was built, in builds that embed it. Nothing is
//! built here: npm is never run by cargo.

#[expect(clippy::disallowed_methods, reason = "a build script gets its profile from cargo's environment")]
fn main() {
    let release = std::env::var("PROFILE").is_ok_and(|p| p == "release");
    println!("cargo::rerun-if-changed={}", if release { "../../web/dist" } else { "build.rs" });
}

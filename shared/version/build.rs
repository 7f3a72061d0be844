//! Finds out which commit is built: what `NEXUS_COMMIT` says, what git describes, or what stands in `COMMIT`, which
//! `git archive` fills in. No time goes into it, so the same sources give the same program.
//!
//! Only an optimised build asks: else each commit would build everything anew for whoever works on it.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=COMMIT");
    println!("cargo::rerun-if-env-changed=NEXUS_COMMIT");
    let package = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let is_optimised = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = std::env::var("NEXUS_COMMIT")
        .ok()
        .or_else(|| is_optimised.then(described).flatten())
        .or_else(archived);
    let commit = commit.map(|commit| commit.trim().to_owned()).filter(|commit| !commit.is_empty());
    let version = commit.map_or_else(|| package.clone(), |commit| format!("{package} ({commit})"));
    println!("cargo::rustc-env=NEXUS_VERSION={version}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let out = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    out.status.success().then(|| text.trim().to_owned())
}

fn described() -> Option<String> {
    // Of this project, and not of one that holds a copy of it.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    for what in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--path-format=absolute", "--git-path", what]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["describe", "--always", "--abbrev=12", "--dirty"])
}

fn archived() -> Option<String> {
    std::fs::read_to_string("COMMIT").ok().filter(|text| !text.starts_with('$'))
}

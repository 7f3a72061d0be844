//! The rules of the house, checked by a machine so that reviews can be about design.

use std::path::{Path, PathBuf};
use std::process::Command;

const LINES_MAX: usize = 600;
const MAIN_LINES_MAX: usize = 40;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace is there")
}

/// Files that git knows or would, so that build output is never looked at.
fn tracked(pattern: &str) -> Vec<(String, String)> {
    let out = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", pattern])
        .current_dir(root())
        .output()
        .expect("git is installed");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let names = String::from_utf8(out.stdout).expect("paths are UTF-8");
    let files: Vec<(String, String)> = names
        .lines()
        .filter_map(|name| Some((name.to_owned(), std::fs::read_to_string(root().join(name)).ok()?)))
        .collect();
    assert!(!files.is_empty(), "no file matches {pattern}: the check would check nothing");
    files
}

fn production(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

#[test]
fn no_source_file_is_longer_than_one_can_hold_in_mind() {
    let long: Vec<String> = tracked("*.rs")
        .iter()
        .filter(|(name, _)| !name.contains("/tests/") && !name.ends_with("/tests.rs"))
        .filter(|(_, text)| text.lines().count() > LINES_MAX)
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect();
    assert_eq!(long, Vec::<String>::new(), "split these by concept");
}

#[test]
fn a_main_holds_nothing_a_test_could_want() {
    for (name, text) in tracked("*/main.rs") {
        assert!(text.lines().count() <= MAIN_LINES_MAX, "{name} has {} lines", text.lines().count());
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let silent: Vec<String> = tracked("*.rs")
        .into_iter()
        .filter(|(name, text)| !text.starts_with("//!") && !name.ends_with("tests.rs"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(silent, Vec::<String>::new(), "begin these with a `//!` sentence");
}

/// A word that may stand only in files under one of the given paths.
#[test]
fn walls_between_modules_stand() {
    let rules: &[(&str, &str, &[&str])] = &[
        ("broker/src/*.rs", "rusqlite", &["broker/src/store/", "broker/src/store.rs"]),
        ("broker/src/*.rs", "axum::", &["broker/src/listen", "broker/src/observe"]),
        // What is begun by another way does not say in the log whose it is.
        (
            "broker/src/*.rs",
            "tokio::spawn(",
            &[
                "broker/src/listen.rs",
                "broker/src/listen/connect.rs",
                "broker/src/serve.rs",
                "broker/src/spawn.rs",
                "broker/src/task.rs",
                "broker/src/tenants/keep.rs",
            ],
        ),
        ("broker/src/*.rs", "spawn_blocking(", &["broker/src/task.rs"]),
        ("broker/src/*.rs", "thread::Builder", &["broker/src/spawn/lines.rs", "broker/src/task.rs"]),
        ("broker/src/hub/*.rs", "crate::store", &[]),
        ("broker/src/hub/*.rs", "crate::deliver", &[]),
        ("broker/src/hub/*.rs", "crate::relay", &[]),
        ("broker/src/hub/*.rs", "crate::listen", &[]),
        ("broker/src/hub/*.rs", "crate::core", &[]),
        ("broker/src/hub/*.rs", "tokio", &[]),
        ("broker/src/hub/*.rs", "SystemTime", &[]),
        ("broker/src/hub/*.rs", "Instant::now", &[]),
        ("broker/src/hub/*.rs", "now_v7", &[]),
        ("runtime/watch/src/app*.rs", "SystemTime", &[]),
        ("runtime/watch/src/app*.rs", "crossterm", &[]),
        ("runtime/watch/src/app*.rs", "ratatui", &[]),
        ("runtime/watch/src/app*.rs", "tokio", &[]),
        ("runtime/watch/src/view*.rs", "crossterm", &[]),
        ("runtime/watch/src/view*.rs", "tokio", &[]),
        ("shared/wire/src/*.rs", "SystemTime", &[]),
        ("shared/wire/src/*.rs", "Instant::now", &[]),
        ("shared/wire/src/*.rs", "std::fs", &[]),
        ("shared/wire/src/*.rs", "std::net", &[]),
    ];
    for (pattern, word, homes) in rules {
        for (name, text) in tracked(pattern) {
            let is_test = name.ends_with("tests.rs") || name.contains("/tests/");
            if homes.iter().any(|home| name.starts_with(home)) || is_test {
                continue;
            }
            assert!(!production(&text).contains(word), "{name} uses {word}");
        }
    }
}

#[test]
fn nothing_is_left_unfinished_or_switched_off() {
    // Spelled apart so that this file does not find itself.
    let marks = [
        concat!("#[ign", "ore"),
        concat!("todo", "!("),
        concat!("unimpl", "emented!("),
        concat!("FIX", "ME"),
    ];
    for (name, text) in tracked("*.rs") {
        for mark in marks {
            assert!(!text.contains(mark), "{name} has {mark}");
        }
    }
}

fn dependencies(package: &str) -> Vec<String> {
    let out = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "-e",
            "normal",
            "--prefix",
            "none",
            "-f",
            "{lib}",
            "-p",
            package,
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("names are UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn crates_depend_only_downwards() {
    let wire = dependencies("nexus-wire");
    for banned in ["tokio", "rustls", "rusqlite", "axum", "reqwest", "getrandom", "rand", "hyper"] {
        assert!(!wire.iter().any(|name| name == banned), "nexus-wire depends on {banned}");
    }
    assert!(dependencies("nexus-client").iter().any(|name| name == "tokio"), "the check sees dependencies");
    let pairs = [
        ("nexus-broker", "nexus_agent"),
        ("nexus-agent", "nexus_broker"),
        ("nexctl", "nexus_broker"),
        ("nexctl", "nexus_agent"),
        ("nexus-agent", "rusqlite"),
        ("nexctl", "rusqlite"),
        ("nexus-watch", "nexus_agent"),
        ("nexus-watch", "nexus_broker"),
    ];
    for (package, banned) in pairs {
        assert!(!dependencies(package).iter().any(|name| name == banned), "{package} depends on {banned}");
    }
}

/// What stands between backticks on a page and begins with a folder of ours. Patterns are somebody else's to check.
fn named_paths(page: &str) -> impl Iterator<Item = &str> {
    let folders = ["broker/", "docs/", "runtime/", "scripts/", "shared/", "tests/"];
    let words = page.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_whitespace().next());
    words.filter(move |word| {
        folders.iter().any(|folder| word.starts_with(folder)) && !word.contains(['{', '*', '<'])
    })
}

#[test]
fn documents_name_files_and_pages_that_are_there() {
    let mut missing = Vec::new();
    for (page, text) in tracked("*.md") {
        let folder = root().join(&page).parent().expect("a file is in a folder").to_owned();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let links =
            links.filter(|link| !link.is_empty() && !link.contains(':')).map(|link| folder.join(link));
        let paths = named_paths(&text)
            .map(|path| root().join(path.split([':', ',']).next().unwrap_or(path).trim_end_matches('.')));
        missing.extend(
            links
                .chain(paths)
                .filter(|path| !path.exists())
                .map(|path| format!("{page}: {}", path.display())),
        );
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn shell_scripts_stop_at_the_first_fault() {
    for (name, text) in tracked("scripts/*") {
        if text.starts_with("#!/usr/bin/env bash") || text.starts_with("#!/bin/bash") {
            assert!(text.contains("set -euo pipefail"), "{name} lacks set -euo pipefail");
        }
    }
}

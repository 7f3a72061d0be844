//! A runner, what is given to it, and what came of it.

use std::fs;
use std::path::{Path, PathBuf};

use nexus_tests::World;
use nexus_tests::world::text;
use serde_json::{Value, json};

/// A home with these settings of a runner, and nothing of a persona.
pub(super) fn runner(world: &World, name: &str, settings: Value) -> PathBuf {
    let home = world.home(name, json!({"provider": {"kind": "none"}, "runner": settings, "slots": 8}), "");
    fs::remove_file(home.join("SOUL.md")).expect("it needs none");
    fs::remove_file(home.join("NEXUS.md")).expect("it needs none");
    fs::remove_file(home.join("script.toml")).expect("it needs none");
    home
}

/// How a dispatch ended, as `nexctl` prints it.
pub(super) fn dispatch(world: &World, words: &[&str]) -> Value {
    let out = world.nexctl(&[&["dispatch"], words, &["--wait", "-o", "json"]].concat());
    serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {}", text(&out)))
}

/// What it gave, or its code and message.
pub(super) fn outcome(info: &Value) -> Result<&Value, (String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match info["state"].as_str() {
        Some("done") => Ok(&info["output"]),
        _ => Err((word(&info["error"]["code"]), word(&info["error"]["message"]))),
    }
}

pub(super) fn runs(word: &str) -> bool {
    let commands = fs::read_dir("/proc").expect("/proc").flatten();
    let lines = commands.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).any(|line| line.contains(word))
}

pub(super) fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

//! Session files read by nothing but their documented format, so that the format is what is tested.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The lines of a session file that are whole.
#[derive(Debug)]
pub struct SessionFile {
    pub path: PathBuf,
    pub lines: Vec<Value>,
}

impl SessionFile {
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Self { path: path.to_owned(), lines }
    }

    /// Every thread's session of a home.
    pub fn all(home: &Path) -> Vec<Self> {
        let Ok(dir) = std::fs::read_dir(home.join("session/threads")) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = dir.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.lines.iter().filter(move |line| line["kind"] == kind)
    }

    /// Each tool call with how many results it has.
    pub fn results_by_call(&self) -> BTreeMap<String, usize> {
        let blocks = |kind: &'static str, block: &'static str, id: &'static str| {
            self.of_kind(kind)
                .flat_map(|entry| entry["payload"]["content"].as_array().cloned().unwrap_or_default())
                .filter(move |content| content["type"] == block)
                .map(move |content| content[id].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        let mut calls: BTreeMap<String, usize> =
            blocks("turn.assistant", "tool_use", "id").into_iter().map(|id| (id, 0)).collect();
        for id in blocks("turn.tool_result", "tool_result", "tool_use_id") {
            *calls.entry(id).or_default() += 1;
        }
        calls
    }

    /// Each item with how often the session took it.
    pub fn takes_by_item(&self) -> BTreeMap<String, usize> {
        let mut takes = BTreeMap::new();
        for entry in self.of_kind("turn.user") {
            if let Some(item) = entry["payload"]["item"]["id"].as_str() {
                *takes.entry(item.to_owned()).or_default() += 1;
            }
        }
        takes
    }

    /// Each item with its decisions.
    pub fn decisions_by_item(&self) -> BTreeMap<String, Vec<String>> {
        let mut decisions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for entry in self.of_kind("custom.decision") {
            let payload = &entry["payload"];
            let item = payload["item"].as_str().unwrap_or_default().to_owned();
            decisions
                .entry(item)
                .or_default()
                .push(payload["decision"].as_str().unwrap_or_default().to_owned());
        }
        decisions
    }
}

//! What would keep a workspace from working, or from being given to somebody else: each fault with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use nexus_flow::Format;
use nexus_wire::trigger::Act;
use regex::Regex;
use serde_json::Value;

use crate::fault::Fault;
use crate::home;
use crate::layer::Layer;
use crate::load::{self, Item, Said, is_asked};
use crate::merge::{PATCH, toml_fault, utf8};
use crate::overlay::{Origin, Overlay};
use crate::scan::scan;
use crate::skill;

const SETTINGS: &str = "aspect.json";
/// Folders whose files name aspects, Hands and skills.
const NAMING: [&str; 3] = ["flows/", "triggers/", "aspects/"];

/// `aspect: wren`, `hand = "wren/sum"`, `"skill": "sum"`: a field and the name in it.
const REFERENCE: &str =
    r#"(?m)(?:^|[\s{,.])["']?(aspect|hand|skill)["']?[ \t]*[:=][ \t]*["']?([A-Za-z0-9_./-]+)"#;
/// `flow: {id: sum}`, `[do.flow]` and then `id = "sum"`, `after: {flow: sum}`: a flow that is run or waited for.
const FLOW: &str = concat!(
    r#"(?m)(?:["']?\bflow["']?[ \t]*[:=]\s*\{?\s*["']?id["']?|\[[a-z.]*\bflow\]\s*id"#,
    r#"|["']?\bafter["']?[ \t]*[:=]\s*\{?\s*["']?flow["']?)[ \t]*[:=][ \t]*["']?([A-Za-z0-9_-]+)"#,
);
/// `"api_key_env": "KEY"`, `"env": "KEY"`.
const VARIABLE: &str = r#"["']?\b(?:[a-z_]+_env|env)["']?\s*[:=]\s*["']([A-Za-z_][A-Za-z0-9_]*)["']"#;
/// `"env": ["A", "B"]`.
const VARIABLES: &str = r#"["']?\benv["']?\s*[:=]\s*\[([^\]]*)\]"#;
const QUOTED: &str = r#"["']([A-Za-z_][A-Za-z0-9_]*)["']"#;

static REFERENCES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(REFERENCE).ok());
static FLOWS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(FLOW).ok());
static ONE_VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(VARIABLE).ok());
static SOME_VARIABLES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(VARIABLES).ok());
static QUOTES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(QUOTED).ok());

/// Every fault, in the order of the files. `is_set` says whether there is a variable of that name.
pub fn validate(workspace: &Layer, overlay: &Overlay, is_set: impl Fn(&str) -> bool) -> Vec<Fault> {
    let known = Known::of(overlay);
    let mut faults = load::load(overlay).faults;
    let loaded = faults.len();
    // As they stand on disk, so that a place is one in a file that somebody can open.
    let shipped = overlay.files.iter().filter(|(_, file)| file.origin == Origin::Framework);
    let shipped = shipped.map(|(path, file)| (format!("framework:{path}"), path, &file.bytes));
    let own = workspace.iter().map(|(path, bytes)| (path.clone(), path, bytes));
    for (shown, path, bytes) in own.chain(shipped) {
        match utf8(&shown, bytes) {
            Ok(text) => faults.extend(of_text(&shown, path, text, &known, &is_set)),
            // A picture is none of ours; what is read as a text has to be one.
            Err(fault) if is_read(path) => faults.push(fault),
            Err(_) => {}
        }
    }
    for (path, file) in overlay.files.iter().filter(|(path, _)| path.ends_with(SETTINGS)) {
        let shown = file.by.clone().unwrap_or_else(|| format!("framework:{path}"));
        faults.extend(of_settings(&shown, path, &file.bytes));
    }
    // Where it is said is known here, and only in which file there.
    let precise: BTreeSet<(String, String)> = faults[loaded..].iter().map(of_file).collect();
    let mut at = 0;
    faults.retain(|fault| {
        at += 1;
        at > loaded || !precise.contains(&of_file(fault))
    });
    faults.sort();
    faults.dedup();
    faults
}

fn of_file(fault: &Fault) -> (String, String) {
    (fault.file.clone(), fault.message.clone())
}

/// What others may name.
#[derive(Debug, Default)]
struct Known {
    aspects: BTreeSet<String>,
    flows: BTreeSet<String>,
    registries: BTreeSet<String>,
    /// Of the registries that could be read.
    fields: BTreeMap<String, Vec<String>>,
    skills: BTreeSet<String>,
}

impl Known {
    fn of(overlay: &Overlay) -> Self {
        let mut known = Self::default();
        for (path, file) in &overlay.files {
            let format = Format::of(path).filter(|_| path.starts_with("flows/") && !path.ends_with(PATCH));
            if let Some(format) = format {
                let read = utf8(path, &file.bytes).ok().map(|text| nexus_flow::read(text, format));
                // What cannot be read is a fault by itself, and is called like its file until then.
                let id = read.and_then(Result::ok).map(|flow| flow.id.to_string());
                known.flows.insert(id.unwrap_or_else(|| stem(path)));
            }
            if path.starts_with("registries/") && is_asked(path) {
                known.registry(path, &file.bytes);
            }
            if let Some(name) =
                path.strip_prefix("aspects/").and_then(|rest| rest.strip_suffix("/aspect.json"))
            {
                known.aspects.insert(name.to_owned());
            }
        }
        known.skills = skill::names(overlay);
        known
    }

    fn registry(&mut self, path: &str, bytes: &[u8]) {
        let said = utf8(path, bytes).ok().and_then(|text| load::said(path, text)).and_then(Result::ok);
        let Some(Item::Registry(put)) = said.and_then(|said| said.into_iter().next()).map(|it| it.item)
        else {
            self.registries.insert(stem(path));
            return;
        };
        let name = put.registry.name.to_string();
        let fields = put.registry.fields.into_iter().map(|field| field.name).collect();
        self.registries.insert(name.clone());
        self.fields.insert(name, fields);
    }

    /// Why a name stands for nothing.
    fn missing(&self, field: &str, name: &str) -> Option<String> {
        let (kind, name, known) = match field {
            "flow" => ("flow", name, &self.flows),
            "registry" => ("registry", name, &self.registries),
            "skill" => ("skill", name.strip_suffix(".md").unwrap_or(name), &self.skills),
            _ => ("aspect", name.split_once('/').map_or(name, |(aspect, _)| aspect), &self.aspects),
        };
        let name = if kind == "skill" { name.strip_prefix("skills/").unwrap_or(name) } else { name };
        if known.contains(name) {
            return None;
        }
        Some(missing(kind, name, known))
    }
}

/// That `name` is none of `known`.
pub(crate) fn missing(kind: &str, name: &str, known: &BTreeSet<String>) -> String {
    let there = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let there = if there.is_empty() { "none".to_owned() } else { there };
    format!("there is no {kind} {name:?} in this workspace; there are {there}")
}

/// What a file is called.
fn stem(path: &str) -> String {
    path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default().to_owned()
}

/// Whether the line at `offset` is one that nobody reads.
fn is_remark(text: &str, offset: usize) -> bool {
    let before = text.get(..offset).unwrap_or_default();
    before.rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with('#'))
}

fn is_read(path: &str) -> bool {
    [".json", ".toml", ".yaml", ".yml", ".md"].iter().any(|kind| path.ends_with(kind))
}

fn of_text(shown: &str, path: &str, text: &str, known: &Known, is_set: &impl Fn(&str) -> bool) -> Vec<Fault> {
    let mut faults = scan(shown, text);
    if is_asked(path) {
        faults.extend(of_items(shown, path, text, known));
    } else {
        faults.extend(of_syntax(shown, path, text));
    }
    let is_config = is_read(path) && !path.ends_with(".md");
    if !is_config || !NAMING.iter().any(|folder| path.starts_with(folder)) {
        return faults;
    }
    if !path.starts_with("aspects/") {
        let names = REFERENCES.iter().flat_map(|references| references.captures_iter(text));
        let names = names.filter_map(|found| Some((found.get(1)?.as_str(), found.get(2)?)));
        let flows = FLOWS.iter().flat_map(|flows| flows.captures_iter(text));
        let flows = flows.filter_map(|found| Some(("flow", found.get(1)?)));
        for (field, name) in names.chain(flows).filter(|(_, name)| !is_remark(text, name.start())) {
            if let Some(message) = known.missing(field, name.as_str()) {
                faults.push(Fault::at(shown, text, name.start(), message));
            }
        }
    }
    let one = ONE_VARIABLE.iter().flat_map(|one| one.captures_iter(text)).filter_map(|found| found.get(1));
    let mut variables: Vec<(usize, &str)> = one.map(|name| (name.start(), name.as_str())).collect();
    for list in
        SOME_VARIABLES.iter().flat_map(|some| some.captures_iter(text)).filter_map(|found| found.get(1))
    {
        let names = QUOTES.iter().flat_map(|quotes| quotes.captures_iter(list.as_str()));
        let names = names.filter_map(|found| found.get(1));
        variables.extend(names.map(|name| (list.start() + name.start(), name.as_str())));
    }
    for (at, name) in variables.into_iter().filter(|(_, name)| !is_set(name)) {
        let message = format!("the variable {name} is not set; set it where the agents are started");
        faults.push(Fault::at(shown, text, at, message));
    }
    faults
}

/// Followups, checks and parts of the home page about what is not there.
fn of_items(shown: &str, path: &str, text: &str, known: &Known) -> Vec<Fault> {
    let mut faults = Vec::new();
    for Said { item, places, root } in load::said(path, text).and_then(Result::ok).unwrap_or_default() {
        let Some(places) = places else { continue };
        let mut told = |at: &str, message: String| {
            let place = places.of(at);
            let (line, column) = (Some(place.line), Some(place.column));
            faults.push(Fault { line, column, ..Fault::of_file(shown, message) });
        };
        match &item {
            Item::Trigger(trigger) if !root.is_empty() => {
                let Act::Ask(ask) = &trigger.act else { continue };
                if let Some(message) = known.missing("aspect", ask.aspect.as_str()) {
                    told(&format!("{root}.ask"), message);
                }
            }
            Item::Home(layout) => {
                for home::Named { at, kind, name } in home::names(layout) {
                    if let Some(message) = known.missing(kind, &name) {
                        told(&at, message);
                    }
                }
                for (at, message) in home::fields(layout, &known.fields) {
                    told(&at, message);
                }
            }
            Item::Flow(_) | Item::Registry(_) | Item::Trigger(_) => {}
        }
    }
    faults
}

/// Whether a file is what its name says.
pub(crate) fn of_syntax(shown: &str, path: &str, text: &str) -> Option<Fault> {
    if path.ends_with(".json") {
        let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
        let said = error.to_string();
        let message = said.split(" at line ").next().unwrap_or_default();
        let message = format!("this is not JSON: {message}");
        return Some(Fault {
            line: Some(error.line().max(1)),
            column: Some(error.column().max(1)),
            ..Fault::of_file(shown, message)
        });
    }
    if path.ends_with(PATCH) || path.ends_with(".toml") {
        return Some(toml_fault(shown, text, &toml::from_str::<toml::Table>(text).err()?));
    }
    if path.ends_with(".yaml") || path.ends_with(".yml") {
        let error = serde_yaml_ng::from_str::<serde_yaml_ng::Value>(text).err()?;
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        let said = error.to_string();
        let message = said.split(" at line ").next().unwrap_or_default();
        let message = format!("this is not YAML: {message}");
        return Some(Fault { line: Some(line), column: Some(column), ..Fault::of_file(shown, message) });
    }
    None
}

/// What of an aspect's settings can be told without running it; `agent check` says the rest.
fn of_settings(shown: &str, path: &str, bytes: &[u8]) -> Option<Fault> {
    let folder = path.strip_prefix("aspects/")?.strip_suffix("/aspect.json")?;
    let settings: Value = serde_json::from_slice(bytes).ok()?;
    let text = std::str::from_utf8(bytes).ok()?;
    let told = |name: &str, message: String| match text.find(&format!("\"{name}\"")) {
        Some(at) if shown == path => Fault::at(shown, text, at, message),
        Some(_) | None => Fault::of_file(shown, message),
    };
    match settings.get("name").and_then(Value::as_str) {
        None => Some(told("name", format!("it has no name; write \"name\": {folder:?}"))),
        Some(name) if name != folder => Some(told(
            name,
            format!("it is called {name:?} and lies in aspects/{folder}; make them the same"),
        )),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[(&str, &str)]) -> Layer {
        files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
    }

    fn told(workspace: &[(&str, &str)]) -> Vec<String> {
        let framework =
            layer(&[("aspects/keel/aspect.json", "{\"name\": \"keel\"}"), ("skills/sum.md", "# sum\n")]);
        let workspace = layer(workspace);
        let overlay = Overlay::of(&framework, &workspace);
        validate(&workspace, &overlay, |name| name == "SET").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_workspace_in_order_has_no_faults() {
        let workspace = [
            ("aspects/keel/aspect.patch.toml", "slots = 2\n[provider]\napi_key_env = \"SET\"\n"),
            ("flows/day.yaml", "id: day\nsteps:\n  - id: a\n    do: { dispatch: { hand: keel/self } }\n"),
            (
                "triggers/note.toml",
                "name = \"note\"\nwhen = \"manual\"\ndo.dispatch = { hand = \"keel/self\", input = { skill = \"sum\" } }\n",
            ),
            ("followups.yaml", "- { id: a, at: 2026-12-01T09:00, ask: keel, text: Is it done? }\n"),
            ("flows/week.toml", "id = \"week\"\n[[steps]]\nid = \"a\"\n[steps.do.flow]\nid = \"day\"\n"),
            ("triggers/dawn.yaml", "name: dawn\nwhen: { after: { flow: week } }\ndo:\n  flow: { id: day }\n"),
            ("notes/picture.png", "\u{0}"),
            ("registries/rates.yaml", "name: rates\nfields:\n  - { name: id, type: string }\n"),
            (
                "workspace.yaml",
                "home:\n  widgets:\n    - { kind: table, source: { registry: { name: rates, columns: [id], where: id != 'x' } } }\n    \
                 - { kind: timeline, source: { runs: { flow: week } } }\n    - { kind: chat, source: { thread: { with: keel } } }\n",
            ),
        ];
        assert_eq!(told(&workspace), [""; 0]);
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let workspace = [
            (
                "aspects/wren/aspect.json",
                "{\n  \"name\": \"wrenn\",\n  \"provider\": {\"api_key_env\": \"NO_KEY\"}\n}",
            ),
            ("aspects/forge/aspect.json", "{\"name\": \"forge\",\n}"),
            ("aspects/none.remove", ""),
            (
                "flows/day.yaml",
                "id: day\nsteps:\n  - id: a\n    needs: [b]\n    do: { dispatch: { hand: sparrow/sum } }\n",
            ),
            ("flows/broken.toml", "x = 1\ny = [\n"),
            ("flows/broken.yaml", "a: [1\nb: 2\n"),
            (
                "triggers/day.toml",
                "name = \"day\"\nwhen = \"manual\"\n[do.dispatch]\nhand = \"gull/self\"\ninput.skill = \"other\"\n",
            ),
            ("checks.yaml", "- id: a\n  every: 1h\n  ask: gull\n  text: Is it done?\n"),
            ("triggers/dusk.yaml", "name: dusk\ndo:\n  flow:\n    id: dawn\nwhen: {after: {flow: dusk}}\n"),
            ("aspects/keel/aspect.patch.toml", "[runner.scripts.a]\nenv = [\"SET\", \"UNSET\"]\n"),
            ("notes.md", "see /home/ana/x\n"),
            ("registries/rates.yaml", "name: rates\nfields:\n  - { name: id, type: string }\n"),
            (
                "workspace.yaml",
                "home:\n  widgets:\n    - { kind: table, source: { registry: { name: rats } } }\n    \
                 - { kind: table, source: { registry: { name: rates, columns: [id, hours], where: hours > 3 } } }\n    \
                 - { kind: timeline, source: { runs: { flow: dusk } } }\n    - { kind: chat, source: { thread: { with: gull } } }\n",
            ),
        ];
        let expected = [
            "aspects/forge/aspect.json:2:1: this is not JSON: ",
            "aspects/keel/aspect.patch.toml:2:16: the variable UNSET is not set; set it where the agents are started",
            "aspects/none.remove: it hides aspects/none, and nothing of that name is shipped",
            "aspects/wren/aspect.json:2:11: it is called \"wrenn\" and lies in aspects/wren; make them the same",
            "aspects/wren/aspect.json:3:32: the variable NO_KEY is not set; set it where the agents are started",
            "checks.yaml:3:8: there is no aspect \"gull\" in this workspace; there are forge, keel, wren",
            "flows/broken.toml:2:",
            "flows/broken.yaml:2:",
            "flows/day.yaml:4:13: there is no step `b`",
            "flows/day.yaml:5:29: there is no aspect \"sparrow\" in this workspace; there are forge, keel, wren",
            "notes.md:1:5: /home/ana is a folder of one machine's user; write a path relative to the home or the workspace",
            "triggers/day.toml:4:9: there is no aspect \"gull\" in this workspace; there are forge, keel, wren",
            "triggers/day.toml:5:16: there is no skill \"other\" in this workspace; there are sum",
            "triggers/dusk.yaml:4:9: there is no flow \"dawn\" in this workspace; there are broken, day",
            "triggers/dusk.yaml:5:22: there is no flow \"dusk\" in this workspace; there are broken, day",
            "workspace.yaml:3:50: there is no registry \"rats\" in this workspace; there are rates",
            "workspace.yaml:4:71: registry rates has no field \"hours\"; it has id",
            "workspace.yaml:4:86: at 1:1 of this text: ",
            "workspace.yaml:5:49: there is no flow \"dusk\" in this workspace; there are broken, day",
            "workspace.yaml:6:47: there is no aspect \"gull\" in this workspace; there are forge, keel, wren",
        ];
        let found = told(&workspace);
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}, not {expected}");
        }
    }
}

//! What the files in effect ask a broker for: registries, flows, triggers and the layout of the home page, with where each
//! stands. Pure.

use std::collections::BTreeMap;

use nexus_flow::{Format, Places};
use nexus_wire::flow::Flow;
use nexus_wire::home::HomeLayout;
use nexus_wire::registry::{RegistryFile, RegistryPut};
use nexus_wire::trigger::Trigger;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fault::Fault;
use crate::home::{self, HOME_FILE};
use crate::merge::{PATCH, utf8};
use crate::note;
use crate::overlay::{Effective, Origin, Overlay, sha256};
use crate::skill::Skills;
use crate::validate::of_syntax;

/// Bytes of a file that defines one trigger.
const TRIGGER_FILE_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a file that defines a registry, with the rows it begins with.
const REGISTRY_FILE_BYTES_MAX: usize = 1024 * 1024;

/// Before the path of a file that nothing of the workspace has changed.
const SHIPPED: &str = "framework:";

/// Something that a broker keeps.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Flow(Box<Flow>),
    Home(Box<HomeLayout>),
    Registry(Box<RegistryPut>),
    Trigger(Box<Trigger>),
}

impl Item {
    /// Known by this in the whole workspace.
    pub fn key(&self) -> String {
        match self {
            Self::Flow(flow) => format!("flow/{}", flow.id),
            // There is one.
            Self::Home(_) => "home/layout".to_owned(),
            Self::Registry(put) => format!("registry/{}", put.registry.name),
            Self::Trigger(trigger) => format!("trigger/{}", trigger.name),
        }
    }

    /// Says in full what it names of `skills`.
    fn take(&mut self, skills: &Skills) -> Result<(), String> {
        fn taken<T: Serialize + DeserializeOwned>(of: &mut T, skills: &Skills) -> Result<(), String> {
            let said = serde_json::to_value(&*of).map_err(|error| error.to_string())?;
            let mut full = said.clone();
            skills.expand(&mut full)?;
            if full != said {
                *of = serde_json::from_value(full).map_err(|error| error.to_string())?;
            }
            Ok(())
        }
        match self {
            Self::Flow(flow) => taken(&mut **flow, skills),
            Self::Trigger(trigger) => taken(&mut **trigger, skills),
            Self::Home(_) | Self::Registry(_) => Ok(()),
        }
    }

    fn json(&self) -> Vec<u8> {
        fn of(what: &impl Serialize) -> Vec<u8> {
            serde_json::to_vec(what).unwrap_or_default()
        }
        match self {
            Self::Flow(flow) => of(flow),
            Self::Home(layout) => of(layout),
            Self::Registry(put) => of(put),
            Self::Trigger(trigger) => of(trigger),
        }
    }
}

/// One of them, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub item: Item,
    /// The file that says so, as [`Fault::file`] has it.
    pub file: String,
    /// Of what is said, not of how it is written.
    pub sha256: String,
    places: Option<Places>,
    /// Where it stands within the file.
    root: String,
}

impl Loaded {
    /// It comes with Nexus, and is as it came.
    pub fn is_shipped(&self) -> bool {
        self.file.starts_with(SHIPPED)
    }

    /// A broker does not take it. A message that begins with a field's path in backticks has its place.
    pub fn refused(&self, message: &str) -> Fault {
        let fault = Fault::of_file(self.file.clone(), message);
        let Some(places) = &self.places else { return fault };
        let path = match message.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
            Some((path, _)) if self.root.is_empty() => path,
            Some(_) | None => self.root.as_str(),
        };
        let place = places.of(path);
        Fault { line: Some(place.line), column: Some(place.column), ..fault }
    }
}

/// Everything that could be read, and what was wrong with the rest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// Registries before the flows that may write them, and flows before the triggers that may start them.
    pub items: Vec<Loaded>,
    pub skills: Skills,
    pub faults: Vec<Fault>,
}

/// One item of a file.
pub(crate) struct Said {
    pub(crate) item: Item,
    pub(crate) places: Option<Places>,
    pub(crate) root: String,
}

impl Said {
    fn whole(item: Item, places: Option<Places>) -> Vec<Self> {
        vec![Self { item, places, root: String::new() }]
    }
}

type Read = Result<Vec<Said>, Vec<nexus_flow::Fault>>;

/// What a broker is to do with the files in effect. Homes of aspects are looked at as far as whoever copies them has to
/// know that they are whole.
pub fn load(overlay: &Overlay) -> Load {
    let (skills, faults) = Skills::of(overlay, shown);
    let faults = overlay.faults.iter().cloned().chain(faults).collect();
    let mut load = Load { items: Vec::new(), skills, faults };
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (path, file) in &overlay.files {
        let shown = shown(path, file);
        let text = match utf8(&shown, &file.bytes) {
            Ok(text) => text,
            Err(fault) => {
                if is_asked(path) {
                    load.faults.push(fault);
                }
                continue;
            }
        };
        match said(path, text) {
            None if path.starts_with("aspects/") => load.faults.extend(of_syntax(&shown, path, text)),
            None => {}
            Some(Err(faults)) => {
                load.faults.extend(faults.into_iter().map(|fault| placed(&shown, file, fault)));
            }
            Some(Ok(all)) => {
                for Said { item, places, root } in all {
                    let places = places.filter(|_| file.origin != Origin::Patched);
                    let mut loaded =
                        Loaded { sha256: String::new(), item, file: shown.clone(), places, root };
                    if let Err(wrong) = loaded.item.take(&load.skills) {
                        load.faults.push(loaded.refused(&wrong));
                        continue;
                    }
                    loaded.sha256 = sha256(&loaded.item.json());
                    let key = loaded.item.key();
                    match seen.get(&key) {
                        Some(other) => load.faults.push(loaded.refused(&twice(&key, other))),
                        None => {
                            seen.insert(key, shown.clone());
                            load.items.push(loaded);
                        }
                    }
                }
            }
        }
    }
    load.items.sort_by_key(|loaded| match &loaded.item {
        Item::Registry(_) => 0,
        Item::Flow(_) => 1,
        Item::Trigger(_) => 2,
        Item::Home(_) => 3,
    });
    load.faults.sort();
    load.faults.dedup();
    load
}

fn twice(key: &str, other: &str) -> String {
    let (kind, name) = key.split_once('/').unwrap_or(("one", key));
    format!("there is a {kind} {name} in {other} already; give one of them another name")
}

/// As it can be opened by whoever is to put it right.
fn shown(path: &str, file: &Effective) -> String {
    file.by.clone().unwrap_or_else(|| format!("{SHIPPED}{path}"))
}

fn placed(shown: &str, file: &Effective, fault: nexus_flow::Fault) -> Fault {
    let nexus_flow::Fault { place, message } = fault;
    match file.origin {
        // What was patched stands nowhere as it is.
        Origin::Patched => Fault::of_file(shown, message),
        Origin::Framework | Origin::Workspace | Origin::Replaced => {
            Fault { line: Some(place.line), column: Some(place.column), ..Fault::of_file(shown, message) }
        }
    }
}

/// Whether a broker is asked for something by a file of this path.
pub(crate) fn is_asked(path: &str) -> bool {
    let is_one = |folder: &str| path.starts_with(folder) && Format::of(path).is_some();
    !path.ends_with(PATCH)
        && ([note::FOLLOWUPS, note::CHECKS, HOME_FILE].contains(&path)
            || ["flows/", "registries/", "triggers/"].into_iter().any(is_one))
}

/// What it is asked for. `None`: nothing, by such a file.
pub(crate) fn said(path: &str, text: &str) -> Option<Read> {
    if !is_asked(path) {
        return None;
    }
    let format = Format::of(path)?;
    Some(match path {
        note::FOLLOWUPS => note::followups(text),
        note::CHECKS => note::checks(text),
        HOME_FILE => home::read(text).map(|read| {
            let said = read.map(|(layout, places)| Said::whole(Item::Home(Box::new(layout)), Some(places)));
            said.unwrap_or_default()
        }),
        _ if path.starts_with("flows/") => {
            nexus_flow::read(text, format).map(|flow| Said::whole(Item::Flow(Box::new(flow)), None))
        }
        _ if path.starts_with("registries/") => {
            nexus_flow::read_as::<RegistryFile>(text, format, REGISTRY_FILE_BYTES_MAX)
                .map(|(file, places)| Said::whole(Item::Registry(Box::new(file.into())), Some(places)))
        }
        _ => nexus_flow::read_as::<Trigger>(text, format, TRIGGER_FILE_BYTES_MAX)
            .map(|(trigger, places)| Said::whole(Item::Trigger(Box::new(trigger)), Some(places))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Layer;

    fn of(files: &[(&str, &str)]) -> Load {
        let workspace: Layer =
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        load(&Overlay::of(&Layer::new(), &workspace))
    }

    fn told(load: &Load) -> (Vec<String>, Vec<String>) {
        let items = load.items.iter().map(|it| format!("{} of {}", it.item.key(), it.file)).collect();
        (items, load.faults.iter().map(ToString::to_string).collect())
    }

    const MORNING: &str =
        "name: morning\nwhen:\n  cron: 0 8 * * *\ndo:\n  ask: { aspect: wren, text: What is new? }\n";
    const DAY: &str = "id: day\nsteps:\n  - id: a\n    do: { wait: { seconds: 1 } }\n";

    #[test]
    fn flows_come_before_triggers_and_each_name_once() {
        let load = of(&[
            ("triggers/morning.yaml", MORNING),
            ("triggers/other.yaml", MORNING),
            ("triggers/broken.yaml", "name: broken\nwhen: { sometimes: 1 }\n"),
            ("triggers/odd.toml", "name = \"odd\"\nwhen = \"manual\"\ncolour = 1\n"),
            ("flows/day.yaml", DAY),
            ("flows/README.md", "# None of them"),
            ("registries/rates.yaml", "name: rates\nfields:\n  - { name: id, type: string }\n"),
            ("registries/odd.yaml", "name: odd\nfields:\n  - { name: id, type: word }\n"),
            ("aspects/wren/aspect.json", "{"),
        ]);
        let (items, faults) = told(&load);
        assert_eq!(
            items,
            [
                "registry/rates of registries/rates.yaml",
                "flow/day of flows/day.yaml",
                "trigger/morning of triggers/morning.yaml"
            ]
        );
        let expected = [
            "aspects/wren/aspect.json:1:1: this is not JSON: EOF",
            "registries/odd.yaml:3:23: unknown variant `word`",
            "triggers/broken.yaml:2:7: unknown variant `sometimes`",
            "triggers/odd.toml:3:1: unknown field `colour`",
            "triggers/other.yaml:1:1: there is a trigger morning in triggers/morning.yaml already; give one of them another name",
        ];
        assert_eq!(faults.len(), expected.len(), "{faults:#?}");
        for (found, expected) in faults.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}, not {expected}");
        }
    }

    #[test]
    fn work_that_names_a_skill_has_its_text_and_is_new_when_that_is() {
        let trigger =
            "name: note\nwhen: manual\ndo:\n  dispatch: { hand: keel/self, input: { skill: sum } }\n";
        let flow =
            "id: day\nsteps:\n  - id: a\n    do: { dispatch: { hand: keel/self, input: { skill: sum } } }\n";
        let with = |text: &str| {
            of(&[("triggers/note.yaml", trigger), ("flows/day.yaml", flow), ("skills/sum.md", text)])
        };
        let load = with("# Sum\n\nIn short.\n\nRead it all.\n");
        assert_eq!(load.faults, []);
        for loaded in &load.items {
            let text = String::from_utf8(loaded.item.json()).unwrap();
            assert!(text.contains(r#"{"instructions":"Read it all.","skill":"Sum"}"#), "{text}");
        }
        let other = with("# Sum\n\nIn short.\n\nRead half.\n");
        assert!(load.items.iter().zip(&other.items).all(|(one, other)| one.sha256 != other.sha256));
        let (items, faults) = told(&of(&[("triggers/note.yaml", trigger)]));
        assert_eq!(
            (items.len(), faults),
            (
                0,
                vec![
                    "triggers/note.yaml:1:1: there is no skill \"sum\" in this workspace; there are none"
                        .to_owned()
                ]
            )
        );
    }

    #[test]
    fn what_a_broker_refuses_has_its_place() {
        let load = of(&[("triggers/morning.yaml", MORNING)]);
        let told = |message: &str| load.items[0].refused(message).to_string();
        assert_eq!(told("`when.cron`: no"), "triggers/morning.yaml:3:9: `when.cron`: no");
        assert_eq!(told("`do.ask.text` is empty"), "triggers/morning.yaml:5:30: `do.ask.text` is empty");
        assert_eq!(told("there is no aspect wren"), "triggers/morning.yaml:1:1: there is no aspect wren");
    }

    #[test]
    fn it_is_known_by_what_it_says_and_not_by_how_that_is_written() {
        let one = of(&[("triggers/a.yaml", MORNING)]);
        let other = of(&[("triggers/a.yaml", &format!("# Every day.\n{MORNING}"))]);
        assert_eq!(one.items[0].sha256, other.items[0].sha256);
        let another = of(&[("triggers/a.yaml", &MORNING.replace("0 8", "0 9"))]);
        assert_ne!(one.items[0].sha256, another.items[0].sha256);
    }
}

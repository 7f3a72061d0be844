//! A team that hostile texts are sent to: wren with a scripted model, a runner, a server that the runner may call.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

use super::parts::{ECHO, GROUPED};
use super::service::{Request, Service};

pub(crate) struct Desk {
    pub(crate) world: World,
    pub(crate) service: Service,
    _agents: [Process; 2],
}

impl Desk {
    /// `rules` are what wren's model says besides.
    pub(crate) fn new(rules: &str) -> Self {
        let (service, mut world) = (
            Service::start(),
            World::asleep().env("HOOK_TOKEN", "canary-kept-61f2").config("[hands]\nsoft_cap = 16\n"),
        );
        world.start_broker();
        let script = format!(
            "{rules}\n[[rule]]\nhand = \"echo\"\n[[rule.step]]\nanswer = {{ said = \"{{{{ input.text }}}}\" }}\n\
             [[rule]]\n[[rule.step]]\nsay = \"heard\"\n"
        );
        let hand = json!({"name": "echo", "concurrency": 8});
        let wren = world.home("wren", json!({"hands": [hand], "slots": 16}), &script);
        let shows = ["printf", "%s|"];
        let settings = json!({
            "scripts": {
                "show": {"run": shows, "args_max": 1},
                "dashed": {"run": [shows[0], shows[1], "--"], "args_max": 1},
                "paths": {"run": shows, "args_max": 1, "args": "path"},
                "stdin": {"run": ["cat"]},
                "fails": {"run": ["sh", "-c", "cat >&2; exit 3"]},
            },
            "webhook": {
                "hosts": ["hooks.invalid"],
                "allow_private": [service.address],
                "secrets": {"kept": {"env": "HOOK_TOKEN", "hosts": ["hooks.invalid"]}},
            },
            "notify": {"to": ["operator/admin"]},
        });
        let settings = json!({"provider": {"kind": "none"}, "runner": settings, "slots": 16});
        let runner = world.home("runner", settings, "");
        for none in ["SOUL.md", "NEXUS.md", "script.toml"] {
            fs::remove_file(runner.join(none)).expect("it needs none");
        }
        let agents = [world.agent(&wren), world.agent(&runner)];
        let desk = Self { world, service, _agents: agents };
        let notes =
            "name: notes\nkey: id\nfields:\n- {name: id, type: string}\n- {name: note, type: string}\n";
        let file = desk.file("notes.yaml", notes);
        desk.world.nexctl_json(&["registry", "put", &file]);
        desk.put(ECHO);
        desk.put(GROUPED);
        desk
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let file = self.world.dir().join(name);
        fs::write(&file, content).expect("the folder is ours");
        file.display().to_string()
    }

    pub(crate) fn put(&self, flow: &str) {
        let file = self.file("flow.yaml", flow);
        self.world.nexctl_json(&["flow", "put", &file]);
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.world.http("GET", &format!("/api/v1{path}"), "", "");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"))
    }

    /// The question that this run asks people, once it does.
    pub(crate) fn question(&self, run: &str) -> Value {
        let id = wait_until("its question", || {
            let shown = self.get(&format!("/runs/{run}"));
            assert!(shown["info"]["ended_at"].is_null(), "it ended before: {shown:#}");
            let asks = |task: &Value| Some(task["work"]["approval"].as_str()?.to_owned());
            shown["tasks"].as_array()?.iter().find_map(asks)
        });
        self.get(&format!("/approvals/{id}"))
    }

    pub(crate) fn approve(&self, question: &Value) {
        let out = self.world.nexctl(&["approve", question["id"].as_str().expect("an id")]);
        assert!(out.status.success(), "{}", text(&out));
    }

    pub(crate) fn ended(&self, run: &str) -> Value {
        wait_until("the end of the run", || {
            let shown = self.get(&format!("/runs/{run}"));
            shown["info"]["ended_at"].is_number().then_some(shown)
        })
    }

    /// What each step of a run handed over, by the step; of several items the first.
    pub(crate) fn inputs(&self, run: &Value) -> BTreeMap<String, Value> {
        let tasks = run["tasks"].as_array().expect("tasks").iter();
        let made = tasks.filter(|task| task["index"] == 0).filter_map(|task| {
            let step = task["step"].as_str()?.to_owned();
            let work = &task["work"];
            let path = match (work["dispatch"].as_str(), work["run"].as_str()) {
                (Some(id), _) => format!("/dispatches/{id}"),
                (None, Some(id)) => format!("/runs/{id}"),
                (None, None) => return None,
            };
            let info = self.get(&path);
            // What was refused was never made.
            (!info["input"].is_null()).then(|| (step, info["input"].clone()))
        });
        made.collect()
    }

    /// What the server was asked by each step of these runs.
    pub(crate) fn asked_by(&self, runs: &[Value]) -> BTreeMap<(String, String), Request> {
        let mut steps = BTreeMap::new();
        for run in runs {
            let id = run["info"]["id"].as_str().expect("an id");
            for task in run["tasks"].as_array().expect("tasks") {
                if let (Some(step), Some(dispatch)) =
                    (task["step"].as_str(), task["work"]["dispatch"].as_str())
                {
                    steps.insert(dispatch.to_owned(), (id.to_owned(), step.to_owned()));
                }
            }
        }
        let mut asked = BTreeMap::new();
        for request in self.service.taken() {
            let key = request.headers.get("idempotency-key");
            let whose = key.and_then(|key| steps.get(key)).unwrap_or_else(|| panic!("nobody's: {request:?}"));
            assert!(asked.insert(whose.clone(), request).is_none(), "{whose:?} asked twice");
        }
        asked
    }

    /// Every file of the homes but what an agent keeps for itself, and what is in those that settings are in.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.world.dir().to_owned()];
        let kept: BTreeSet<&str> =
            [".nexus", "data", "session", "inbox.jsonl", "outbox.jsonl", "spent.jsonl", "flow.yaml"].into();
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).expect("it is there").flatten() {
                let (path, name) = (entry.path(), entry.file_name());
                if kept.contains(name.to_string_lossy().as_ref()) {
                    continue;
                }
                if path.is_dir() {
                    open.push(path.clone());
                }
                found.insert(path.clone(), fs::read(&path).ok());
            }
        }
        found
    }
}

/// Nothing was made, changed or taken away.
pub(crate) fn same_files(
    before: &BTreeMap<PathBuf, Option<Vec<u8>>>,
    after: &BTreeMap<PathBuf, Option<Vec<u8>>>,
) {
    let names = |files: &BTreeMap<PathBuf, Option<Vec<u8>>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(before), names(after));
    let changed = before.iter().filter(|(path, content)| after.get(*path) != Some(content));
    assert_eq!(changed.map(|(path, _)| path.as_path()).collect::<Vec<&Path>>(), Vec::<&Path>::new());
}

//! Flows as a user has them, through the real binaries: from a file to what a run comes to, whoever is killed meanwhile.

use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

const SCRIPT: &str = r#"
[[rule]]
hand = "look"
[[rule.step]]
say = "looked"

[[rule]]
match = "Sum up"
[[rule.step]]
say = "It rains."

[[rule]]
match = "Is it out"
[[rule.step]]
say = "The release is out."
"#;

const NEWS: &str = r#"
id: news
steps:
  - id: each
    for_each: input.topics
    do: { dispatch: { hand: wren/look, input: { topic: "{{ item }}" } } }
  - id: leave
    needs: [each]
    do: { approve: { text: "Sum up {{ len(input.topics) }} topics?" } }
  - id: sum
    needs: [each, leave]
    do: { ask: { aspect: wren, text: "Sum up: {{ steps.each.output | json }}" } }
output: { said: "{{ steps.sum.output }}", by: "{{ steps.leave.output.by }}" }
"#;

struct Team {
    world: World,
    _wren: Process,
}

impl Team {
    fn new() -> Self {
        let world = World::new();
        let home = world.home("wren", json!({"hands": [{"name": "look", "concurrency": 4}]}), SCRIPT);
        let wren = world.agent(&home);
        Self { world, _wren: wren }
    }

    fn file(&self, name: &str, flow: &str) -> String {
        let file = self.world.dir().join(name);
        std::fs::write(&file, flow).expect("the folder is ours");
        file.display().to_string()
    }

    fn put(&self, flow: &str) {
        let file = self.file("flow.yaml", flow);
        let stored = self.world.nexctl_json(&["flow", "put", &file]);
        assert_eq!(stored["version"], 1, "{stored}");
    }

    fn start(&self, flow: &str, input: &str) -> String {
        let started = self.world.nexctl_json(&["flow", "run", flow, input]);
        started["run"].as_str().expect("an id").to_owned()
    }

    fn run(&self, id: &str) -> Value {
        self.world.nexctl_json(&["run", "show", id])
    }

    fn ended(&self, id: &str) -> Value {
        wait_until("the end of the run", || {
            let run = self.run(id);
            run["info"]["ended_at"].is_number().then_some(run)
        })
    }

    fn asked(&self) -> String {
        wait_until("the question", || {
            let page = self.world.nexctl_json(&["get", "approvals"]);
            Some(page["approvals"].as_array()?.first()?["id"].as_str()?.to_owned())
        })
    }
}

fn states(run: &Value) -> String {
    let steps = run["info"]["steps"].as_array().cloned().unwrap_or_default();
    let told = steps.iter().map(|step| format!("{}={}", step["id"], step["state"]));
    told.collect::<Vec<_>>().join(" ").replace('"', "")
}

#[test]
fn a_flow_goes_from_a_file_to_what_it_comes_to() {
    let team = Team::new();
    team.put(NEWS);
    let run = team.start("news", r#"{"topics": ["rain", "snow"]}"#);
    let approval = team.asked();
    let listed = team.world.nexctl_json(&["run", "list"]);
    assert_eq!(listed["runs"][0]["id"], json!(run), "{listed}");
    let shown = team.world.nexctl(&["get", "approvals", "-o", "wide"]);
    assert!(
        text(&shown).contains("news/leave") && text(&shown).contains("Sum up 2 topics?"),
        "{}",
        text(&shown)
    );
    assert!(team.world.nexctl(&["approve", &approval]).status.success());
    let ended = team.ended(&run);
    assert_eq!(states(&ended), "each=done leave=done sum=done");
    let by = &ended["info"]["by"];
    assert_eq!(ended["output"], json!({"said": "It rains.", "by": by}));
    let table = text(&team.world.nexctl(&["run", "show", &run]));
    for word in ["each", "[1]", "● done", "It rains."] {
        assert!(table.contains(word), "{word}: {table}");
    }
    let graph = text(&team.world.nexctl(&["flow", "graph", "news"]));
    assert!(graph.contains("flowchart TD\n") && graph.contains("  s-each --> s-leave\n"), "{graph}");
    let missing = team.world.nexctl(&["flow", "run", "olds"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing).contains("there is no flow olds"), "{}", text(&missing));
}

#[test]
fn a_failed_run_is_tried_again_from_the_step_and_a_denied_one_says_so() {
    let team = Team::new();
    team.put(NEWS);
    let run = team.start("news", r#"{"topics": ["rain"]}"#);
    let denied = team.asked();
    assert!(team.world.nexctl(&["deny", &denied, "--note", "not today"]).status.success());
    let failed = team.ended(&run);
    assert_eq!(states(&failed), "each=done leave=failed sum=unreached");
    assert_eq!(failed["info"]["error"]["code"], "denied", "{failed}");
    let again = team.world.nexctl_json(&["run", "retry", &run]);
    let again = again["run"].as_str().expect("an id").to_owned();
    let approval = team.asked();
    assert_ne!(approval, denied);
    assert!(team.world.nexctl(&["approve", &approval]).status.success());
    let ended = team.ended(&again);
    assert_eq!(
        (states(&ended).as_str(), &ended["info"]["steps"][0]["kept"]),
        ("each=done leave=done sum=done", &json!(true))
    );
    let dispatches = team.world.nexctl_json(&["get", "dispatches"]);
    assert_eq!(
        dispatches["dispatches"].as_array().map(Vec::len),
        Some(2),
        "nothing that was done is done again"
    );
}

#[test]
fn a_file_with_faults_says_where_each_is() {
    let team = Team::new();
    let file =
        team.file("bad.yaml", "id: bad\nsteps:\n  - id: a\n    need: [b]\n    do: { wait: { secnds: 1 } }\n");
    let wrong = team.world.nexctl(&["flow", "validate", &file]);
    assert_eq!(wrong.status.code(), Some(1));
    let told = text(&wrong);
    for line in [
        "bad.yaml:4:5: there is no `need` here; did you mean `needs`?",
        "bad.yaml:5:19: there is no `secnds` here",
    ] {
        assert!(told.contains(line), "{told}");
    }
    let good = team.file("good.toml", "id = \"good\"\n[[steps]]\nid = \"a\"\ndo.wait.seconds = 1\n");
    let right = team.world.nexctl(&["flow", "validate", &good]);
    assert!(right.status.success() && text(&right).contains("flow good, 1 step"), "{}", text(&right));
}

/// Twenty steps; each time one more has ended the broker is killed, wherever it is by then.
#[test]
fn twenty_steps_are_done_once_each_though_the_broker_is_killed_after_every_one() {
    let mut team = Team::new();
    let step = |place: usize| {
        let needs = if place == 0 { String::new() } else { format!("    needs: [s{}]\n", place - 1) };
        let act =
            if place % 5 == 4 { "wait: { seconds: 1 }" } else { "dispatch: { hand: wren/look, input: {} }" };
        format!("  - id: s{place}\n{needs}    do: {{ {act} }}\n")
    };
    let steps: String = (0..20).map(step).collect();
    team.put(&format!("id: long\nsteps:\n{steps}output: \"{{{{ steps.s18.output }}}}\"\n"));
    let run = team.start("long", "{}");
    let over = |run: &Value| states(run).matches("=done").count();
    let mut seen = 0;
    let mut kills = 0;
    while seen < 20 {
        seen = wait_until("one more step", || {
            let over = over(&team.run(&run));
            (over > seen).then_some(over)
        });
        team.world.restart_broker();
        kills += 1;
    }
    assert!(kills >= 2, "{kills}");
    let ended = team.ended(&run);
    assert_eq!(
        (&ended["info"]["state"], over(&ended), &ended["output"]),
        (&json!("done"), 20, &json!("looked"))
    );
    let dispatches = team.world.nexctl_json(&["get", "dispatches"]);
    let dispatches = dispatches["dispatches"].as_array().cloned().unwrap_or_default();
    assert_eq!(dispatches.len(), 16);
    assert!(dispatches.iter().all(|it| it["attempt"] == 1 && it["state"] == "done"), "{dispatches:?}");
}

const RELEASE: &str = r#"
id: release
steps:
  - id: word
    do: { wait: { event: { kinds: [message], by: wren } } }
    timeout_s: 3600
  - id: look
    needs: [word]
    do: { dispatch: { hand: wren/look, input: { said: "{{ steps.word.output.body.content }}" } } }
output: { heard: "{{ steps.word.output.body.content }}", looked: "{{ steps.look.output }}" }
"#;

/// The broker is killed while a step waits, and what it waits for comes after that.
#[test]
fn a_step_waits_for_an_entry_of_the_log_over_a_kill() {
    let mut team = Team::new();
    team.put(RELEASE);
    let run = team.start("release", "null");
    let waiting = team.run(&run);
    assert_eq!(waiting["tasks"][0]["work"], json!("event"), "{waiting}");
    assert!(text(&team.world.nexctl(&["run", "show", &run])).contains("an entry of the log"));
    team.world.restart_broker();
    assert_eq!(states(&team.run(&run)), "word=running look=pending");
    assert!(team.world.nexctl(&["ask", "wren", "Is it out?"]).status.success());
    let ended = team.ended(&run);
    assert_eq!(ended["output"], json!({"heard": "The release is out.", "looked": "looked"}));
}

/// An operator sees it once, and it is over when the flow comes to something.
#[test]
fn a_failed_run_is_an_alert() {
    let team = Team::new();
    team.put("id: no\nsteps:\n- id: a\n  do: { dispatch: { hand: wren/none } }\n");
    for _ in 0..2 {
        let run = team.start("no", "null");
        assert_eq!(states(&team.ended(&run)), "a=failed");
    }
    let page = team.world.nexctl_json(&["get", "alerts"]);
    let alert = &page["alerts"][0];
    assert_eq!((&alert["key"], &alert["times"]), (&json!("run_failed/no"), &json!(2)), "{page}");
}

/// Whoever can, does it; nobody is named.
#[test]
fn a_step_with_a_capability_goes_to_a_hand_that_has_it() {
    let team = Team::new();
    let hands = json!([
        {"name": "paint", "capabilities": ["painting", "large"]},
        {"name": "draw", "capabilities": ["drawing"]},
    ]);
    let script = "[[rule]]\nhand = \"paint\"\n[[rule.step]]\nsay = \"painted\"\n[[rule]]\nhand = \"draw\"\n[[rule.step]]\nsay = \"drawn\"\n";
    let home = team.world.home("owl", json!({"hands": hands}), script);
    let _owl = team.world.agent(&home);
    let step = |id: &str, needs: &str| {
        format!(
            "- id: {id}\n  on_error: continue\n  do: {{ dispatch: {{ capability: {{ needs: [{needs}] }}, input: {{ of: \"{{{{ input }}}}\" }} }} }}\n"
        )
    };
    let steps = [
        step("one", "drawing"),
        step("two", "'painting, large'"),
        step("both", "painting, drawing"),
        step("many", "painting, large"),
    ];
    team.put(&format!(
        "id: art\nsteps:\n{}output: [\"{{{{ steps.one.output }}}}\", \"{{{{ steps.many.output }}}}\"]\n",
        steps.concat()
    ));
    let run = team.ended(&team.start("art", "\"a barn\""));
    assert_eq!(states(&run), "one=done two=failed both=failed many=done", "{run:#}");
    assert_eq!(run["output"], json!(["drawn", "painted"]));
    let work = |step: &str| {
        let tasks = run["tasks"].as_array().expect("tasks").iter();
        let id = tasks.filter(|task| task["step"] == step).find_map(|task| task["work"]["dispatch"].as_str());
        team.world.nexctl_json(&["get", "dispatches", id.expect("a dispatch")])
    };
    for (step, hand) in [("one", "owl/draw"), ("many", "owl/paint")] {
        let info = work(step);
        assert_eq!((&info["hand"], &info["input"]), (&json!(hand), &json!({"of": "a barn"})), "{info}");
        assert_eq!(info["why"][0]["hand"], json!(hand), "{info}");
    }
    for step in [1, 2] {
        assert_eq!(run["info"]["steps"][step]["error"]["code"], "no_candidate", "{run:#}");
    }
}

/// wren never ends, so the deadline is what ends it.
#[test]
fn the_timeout_of_a_step_is_the_deadline_of_its_dispatch() {
    let team = Team::new();
    let script = "[[rule]]\nhand = \"hang\"\n[[rule.step]]\nhold = \"never\"\nsay = \"x\"\n";
    let home = team.world.home("owl", json!({"hands": [{"name": "hang", "timeout_s": 600}]}), script);
    let _owl = team.world.agent(&home);
    let steps = "steps:\n- id: soon\n  timeout_s: 1\n  on_error: continue\n  do: { dispatch: { hand: owl/hang, input: {} } }\n\
        - id: said\n  timeout_s: 77\n  do: { dispatch: { hand: wren/look, input: {} } }\n\
        - id: asked\n  timeout_s: 78\n  do: { ask: { aspect: wren, text: Sum up } }\n\
        - id: unsaid\n  do: { dispatch: { hand: wren/look, input: {} } }\n";
    team.put(&format!("id: late\n{steps}"));
    let run = team.ended(&team.start("late", "null"));
    assert_eq!(states(&run), "soon=failed said=done asked=done unsaid=done", "{run:#}");
    assert_eq!(run["info"]["steps"][0]["error"]["code"], "deadline", "{run:#}");
    let given = run["tasks"].as_array().expect("tasks").iter().map(|task| {
        let id = task["work"]["dispatch"].as_str().expect("a dispatch");
        let info = team.world.nexctl_json(&["get", "dispatches", id]);
        let at = |field: &str| info[field].as_i64().expect("a time");
        at("deadline_at") - at("accepted_at")
    });
    assert_eq!(given.collect::<Vec<_>>(), [1_000, 77_000, 78_000, 1_800_000]);
}

const SHARED: &str = r#"
id: shared
concurrency_group: ["shop {{ input.shop }}", "truck {{ input.truck }}", "shop {{ input.shop }}"]
steps:
  - id: leave
    do: { approve: { text: "{{ input.shop }}{{ input.truck }}" } }
output: "{{ steps.leave.output.approved }}"
"#;

/// None holds one group while it waits for another, and whoever came first is let in first.
#[test]
fn a_run_takes_all_its_groups_at_once() {
    let mut team = Team::new();
    team.put(SHARED);
    let start =
        |shop: &str, truck: &str| team.start("shared", &json!({"shop": shop, "truck": truck}).to_string());
    // The second waits for the first one's shop, the third for the second one's truck, the fourth for nobody.
    let runs = [start("a", "1"), start("a", "2"), start("b", "2"), start("c", "3"), start("b", "1")];
    let stand = |team: &Team| {
        let states =
            runs.iter().map(|run| team.run(run)["info"]["state"].as_str().expect("a state").to_owned());
        states.collect::<Vec<_>>().join(" ")
    };
    let groups = |team: &Team, run: &str| team.run(run)["info"]["groups"].clone();
    assert_eq!(groups(&team, &runs[1]), json!(["shop a", "truck 2"]));
    assert_eq!(groups(&team, &runs[4]), json!(["shop b", "truck 1"]));
    assert_eq!(stand(&team), "running waiting waiting running waiting");
    team.world.restart_broker();
    assert_eq!(stand(&team), "running waiting waiting running waiting", "a restart lets nobody in");
    let end = |team: &Team, run: &str| {
        let id = wait_until("its question", || {
            let run = team.run(run);
            run["tasks"][0]["work"]["approval"].as_str().map(str::to_owned)
        });
        assert!(team.world.nexctl(&["approve", &id]).status.success());
        assert_eq!(team.ended(run)["output"], json!(true));
    };
    end(&team, &runs[0]);
    assert_eq!(stand(&team), "done running waiting running waiting", "the last waits for the third, too");
    end(&team, &runs[1]);
    assert_eq!(stand(&team), "done done running running waiting");
    end(&team, &runs[2]);
    assert_eq!(stand(&team), "done done done running running");
    end(&team, &runs[4]);
    end(&team, &runs[3]);
    assert_eq!(stand(&team), "done done done done done");
}

/// A list and what stands in it are the same, whichever way they are asked for.
#[test]
fn what_is_got_or_described_is_what_its_own_command_shows() {
    let team = Team::new();
    let world = &team.world;
    team.put(
        "id: note\nsteps:\n  - { id: a, do: { dispatch: { hand: wren/look, input: {} } } }\noutput: looked\n",
    );
    let first = team.start("note", "null");
    team.ended(&first);
    let run = team.start("note", "null");
    team.ended(&run);
    world.nexctl_json(&["trigger", "add", "often", "--every", "1h", "--flow", "note"]);
    let fields = "name: clients\nkey: name\nfields:\n  - { name: name, type: string }\n";
    world.nexctl_json(&["registry", "put", &team.file("clients.yaml", fields)]);

    let pairs: [(&[&str], &[&str]); 16] = [
        (&["get", "flows"], &["flow", "list"]),
        (&["get", "flow", "note"], &["flow", "show", "note"]),
        (&["describe", "flow", "note"], &["flow", "show", "note"]),
        (&["get", "runs"], &["run", "list"]),
        (&["get", "runs", "--all", "--limit", "2"], &["run", "list", "--all"]),
        (&["get", "runs", "--all", "--flow", "note"], &["flow", "runs", "note", "--all"]),
        (&["get", "runs", "--all", "--flow", "none"], &["run", "list", "none", "--all"]),
        (&["get", "run", &run], &["run", "show", &run]),
        (&["describe", "run", &run[run.len() - 8..]], &["run", "show", &run]),
        (&["get", "triggers"], &["trigger", "list"]),
        (&["get", "trigger", "often"], &["trigger", "show", "often"]),
        (&["describe", "trigger", "often"], &["trigger", "show", "often"]),
        (&["get", "triggers", "--after", "often"], &["trigger", "list", "--after", "often"]),
        (&["get", "registries"], &["registry", "list"]),
        (&["get", "registry", "clients"], &["registry", "show", "clients"]),
        (&["describe", "registry", "clients"], &["registry", "show", "clients"]),
    ];
    for (got, shown) in pairs {
        assert_eq!(world.nexctl_json(got), world.nexctl_json(shown), "{got:?}");
        let said = |words: &[&str]| {
            let out = world.nexctl(words);
            (out.status.success(), String::from_utf8_lossy(&out.stdout).into_owned())
        };
        assert!(said(got).0, "{got:?}");
        assert_eq!(said(got).1.lines().count(), said(shown).1.lines().count(), "{got:?}");
    }
    for (limit, ids) in [("1", vec![&run]), ("2", vec![&run, &first])] {
        let listed = world.nexctl_json(&["get", "runs", "--all", "--limit", limit]);
        let runs = listed["runs"].as_array().expect("runs").iter();
        assert_eq!(runs.filter_map(|it| it["id"].as_str()).collect::<Vec<_>>(), ids);
    }
    let shown = text(&world.nexctl(&["get", "run", &run]));
    assert!(shown.contains("of flow note, version 1") && shown.contains("output:"), "{shown}");
    for (words, said) in [
        (["get", "flow", "nota"], "nota"),
        (["get", "trigger", "nota"], "nota"),
        (["get", "registry", "nota"], "nota"),
        (["describe", "run", "ffffffff"], "ffffffff"),
    ] {
        let out = world.nexctl(&words);
        assert!(!out.status.success() && text(&out).contains(said), "{words:?}: {}", text(&out));
    }
}

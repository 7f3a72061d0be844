//! `nexus workspace` through the real binary: what is in effect, where it comes from, what is wrong, and that it runs.

use std::fs;
use std::path::Path;
use std::process::Output;

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

fn workspace(world: &World, args: &[&str]) -> Output {
    world.command("nexus").arg("workspace").args(args).output().expect("nexus runs")
}

fn said(world: &World, args: &[&str]) -> String {
    let out = workspace(world, args);
    assert!(out.status.success(), "{args:?}: {}", text(&out));
    String::from_utf8(out.stdout).expect("text")
}

fn put(world: &World, path: &str, text: &str) {
    let path = world.dir().join("workspace").join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

#[test]
fn what_is_in_effect_is_told_file_by_file() {
    let world = World::asleep();
    said(&world, &["init"]);
    let again = workspace(&world, &["init"]);
    assert!(!again.status.success() && text(&again).contains("workspace is not empty"), "{}", text(&again));
    put(&world, "aspects/runner/aspect.patch.toml", "slots = 3\n");
    put(&world, "aspects/harrow/SOUL.md", "I am another harrow.\n");
    put(&world, "skills/summarise.md.remove", "");
    put(&world, "skills/own.md", "# Own\n");
    let told: Value = serde_json::from_str(&said(&world, &["status", "-o", "json"])).expect("JSON");
    let origin = |path: &str| {
        let files = told["files"].as_array().expect("files");
        files
            .iter()
            .find(|file| file["path"] == path)
            .map(|file| (file["origin"].clone(), file["by"].clone()))
    };
    let expected = [
        ("aspects/runner/aspect.json", Some((json!("patched"), json!("aspects/runner/aspect.patch.toml")))),
        ("aspects/harrow/SOUL.md", Some((json!("replaced"), json!("aspects/harrow/SOUL.md")))),
        ("aspects/harrow/NEXUS.md", Some((json!("framework"), Value::Null))),
        ("skills/own.md", Some((json!("workspace"), json!("skills/own.md")))),
        ("skills/summarise.md", None),
    ];
    for (path, expected) in expected {
        assert_eq!(origin(path), expected, "{path}");
    }
    assert_eq!(told["hidden"], json!({"skills/summarise.md": "skills/summarise.md.remove"}));
    let shown = said(&world, &["status"]);
    assert!(shown.contains("1 patched, 1 hidden"), "{shown}");
    let diff = said(&world, &["diff"]);
    assert!(diff.contains("-  \"slots\": 8,") && diff.contains("+  \"slots\": 3"), "{diff}");
    assert!(diff.contains("+I am another harrow.") && diff.contains("+++ /dev/null"), "{diff}");
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_without_the_secret() {
    let world = World::asleep();
    said(&world, &["init"]);
    assert!(said(&world, &["validate"]).contains("workspace is in order"));
    // Put together here, so that this file holds none.
    let secret = format!("sk-{}", "canary61f2".repeat(3));
    put(
        &world,
        "aspects/wren/aspect.json",
        "{\n  \"name\": \"robin\",\n  \"provider\": {\"api_key_env\": \"NO_SUCH_KEY\"}\n}\n",
    );
    put(&world, "aspects/runner/aspect.patch.toml", "[runner.scripts.x]\nrun = [\"/home/ana/x.sh\"]\n");
    put(
        &world,
        "flows/day.yaml",
        "id: day\nsteps:\n  - id: a\n    do: { ask: { aspect: gull, text: hello } }\n",
    );
    put(
        &world,
        "flows/night.yaml",
        "id: night\nsteps:\n  - id: a\n    needs: [b]\n    do: { wait: { seconds: 1 } }\n",
    );
    put(&world, "notes.md", &format!("the key is\n  {secret}\n"));
    let out = workspace(&world, &["validate"]);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out));
    let shown = String::from_utf8(out.stdout).expect("text");
    let expected = [
        "workspace/aspects/runner/aspect.patch.toml:2:9: /home/ana is a folder of one machine's user",
        "workspace/aspects/wren/aspect.json:2:11: it is called \"robin\" and lies in aspects/wren",
        "workspace/aspects/wren/aspect.json:3:32: the variable NO_SUCH_KEY is not set",
        "workspace/flows/day.yaml:4:26: there is no aspect \"gull\" in this workspace; there are harrow, runner, wren",
        "workspace/flows/night.yaml:4:13: there is no step `b`",
        "workspace/notes.md:2:3: this looks like the key of a model's API in plain text",
    ];
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{shown}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}, not {expected}");
    }
    assert!(!shown.contains("canary61f2"), "{shown}");
    let out = workspace(&world, &["validate", "-o", "json"]);
    let told: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!((&told["ok"], &told["faults"][1]["line"]), (&json!(false), &json!(2)));
    let missing = workspace(&world, &["status", "--workspace", "nowhere"]);
    assert!(text(&missing).contains("nexus workspace init --workspace nowhere"), "{}", text(&missing));
}

#[test]
fn what_is_exported_is_untouched_where_it_is_the_same_and_runs() {
    let world = World::new();
    said(&world, &["init", "demo"]);
    assert!(said(&world, &["validate"]).contains("in order"));
    said(&world, &["export", "agents"]);
    let runner = world.dir().join("agents/aspects/runner");
    fs::write(runner.join("work/of-the-runner"), "kept").expect("written");
    let again = said(&world, &["export", "agents"]);
    assert!(again.starts_with("wrote 0 files into agents"), "{again}");
    assert_eq!(fs::read_to_string(runner.join("work/of-the-runner")).expect("there"), "kept");
    world.let_in(&runner);
    let _agent = world.agent(&runner);
    let report =
        world.nexctl_json(&["dispatch", "runner/script-repeatable", r#"{"name": "report"}"#, "--wait"]);
    let expected =
        "bakery: 10 hours, 2 entries not billed yet\nshipyard: 18 hours, 1 entries not billed yet\n";
    assert_eq!(report["output"]["output"], expected);
    // A patch that cannot be used leaves everything as it is.
    put(&world, "aspects/harrow/aspect.patch.toml", "x = \n");
    let out = workspace(&world, &["export", "other"]);
    assert!(!out.status.success() && text(&out).contains("nothing was written"), "{}", text(&out));
    assert!(!Path::new(&world.dir().join("other")).exists());
}

const TRIGGER: &str = "name: tidy\nwhen: manual\ndo:\n  dispatch: { hand: runner/script-repeatable, input: { name: report } }\n";

/// Its definition and how it stands, once `is_so`.
fn trigger(world: &World, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_until(&format!("trigger {name} to be as expected"), || {
        let out = world.nexctl(&["trigger", "show", name, "-o", "json"]);
        let info: Value = out.status.success().then(|| serde_json::from_slice(&out.stdout).expect("JSON"))?;
        is_so(&info).then_some(info)
    })
}

fn alerts(world: &World) -> Vec<String> {
    let page = world.nexctl_json(&["get", "alerts"]);
    let alerts = page["alerts"].as_array().expect("alerts").clone();
    let faults = alerts.iter().filter(|alert| alert["kind"] == "workspace_fault");
    faults.map(|alert| alert["message"].as_str().expect("a message").to_owned()).collect()
}

fn keeping() -> World {
    let mut world = World::asleep().flag("--workspace").flag("workspace");
    said(&world, &["init", "demo"]);
    put(&world, "triggers/tidy.yaml", TRIGGER);
    put(&world, "checks.yaml", "- { id: books, every: 6h, ask: harrow, text: Are they in order? }\n");
    world.start_broker();
    world
}

#[test]
fn a_broker_does_what_its_workspace_says_and_leaves_what_people_have_done() {
    let mut world = keeping();
    let info = trigger(&world, "tidy", |_| true);
    assert_eq!((&info["owner"], &info["status"]), (&json!("operator/workspace"), &json!("active")));
    let check = trigger(&world, "check-books", |_| true);
    assert_eq!(check["definition"]["when"], json!({"every": {"seconds": 21_600}}));
    assert!(world.nexctl(&["flow", "show", "morning"]).status.success());
    world.nexctl_json(&["trigger", "fire", "tidy"]);
    wait_until("its aspect to have done it", || {
        let page = world.nexctl_json(&["trigger", "history", "tidy"]);
        (page["slots"][0]["state"] == "done").then_some(())
    });
    let audit = text(&world.nexctl(&["audit", "--subject", "tidy"]));
    assert!(audit.contains("trigger.put") && audit.contains("operator/workspace"), "{audit}");

    // Reading everything again changes nothing of what people have done, and puts nothing anew.
    world.nexctl_json(&["trigger", "pause", "tidy", "--reason", "a holiday"]);
    world.nexctl_json(&["trigger", "delete", "check-books"]);
    world.restart_broker();
    put(&world, "triggers/tidy.yaml", &format!("# Said the same way.\n{TRIGGER}"));
    put(&world, "triggers/other.yaml", &TRIGGER.replace("tidy", "other"));
    trigger(&world, "other", |_| true);
    let info = trigger(&world, "tidy", |_| true);
    assert_eq!(info["reason"], "by operator/admin: a holiday");
    assert!(!world.nexctl(&["trigger", "show", "check-books"]).status.success());

    // Another definition is taken, and does not wake it.
    put(&world, "triggers/tidy.yaml", &format!("{TRIGGER}overlap: queue\n"));
    let info = trigger(&world, "tidy", |info| info["definition"]["overlap"] == "queue");
    assert_eq!(info["status"], "paused");
    let data = world.data().display().to_string();
    let shown = said(&world, &["status", "--data", &data]);
    assert!(shown.contains("trigger/check-books") && shown.contains("flow/morning"), "{shown}");
}

#[test]
fn what_is_wrong_with_one_file_keeps_back_no_other_and_what_leaves_is_paused() {
    let world = keeping();
    trigger(&world, "tidy", |_| true);
    assert_eq!(alerts(&world), [""; 0]);
    put(
        &world,
        "triggers/broken.yaml",
        "name: broken\nwhen: { cron: 61 * * * * }\ndo:\n  ask: { aspect: harrow, text: x }\n",
    );
    put(&world, "triggers/second.yaml", &TRIGGER.replace("tidy", "second"));
    put(
        &world,
        "flows/odd.yaml",
        "id: odd\nsteps:\n  - id: a\n    needs: [b]\n    do: { wait: { seconds: 1 } }\n",
    );
    trigger(&world, "second", |_| true);
    let told = wait_until("an alert for each file", || Some(alerts(&world)).filter(|told| told.len() == 2));
    let has = |start: &str| told.iter().any(|message| message.starts_with(start));
    assert!(has("flows/odd.yaml:4:13: there is no step `b`"), "{told:?}");
    assert!(has("triggers/broken.yaml:2:15: `when.cron`: \"61 * * * *\" cannot be read"), "{told:?}");

    let folder = world.dir().join("workspace");
    fs::remove_file(folder.join("triggers/broken.yaml")).expect("removed");
    fs::remove_file(folder.join("flows/odd.yaml")).expect("removed");
    fs::rename(folder.join("triggers/tidy.yaml"), world.dir().join("tidy.yaml")).expect("moved");
    put(&world, "aspects/harrow.remove", "");
    let info = trigger(&world, "tidy", |info| info["status"] == "paused");
    assert_eq!(info["reason"], "by operator/workspace: it is no longer in the workspace");
    wait_until("the alerts to be over", || alerts(&world).is_empty().then_some(()));
    wait_until("harrow to be off", || {
        let team = world.nexctl_json(&["get", "aspects"]);
        let all = team["aspects"].as_array().expect("a list").clone();
        let harrow = all.iter().find(|aspect| aspect["name"] == "harrow").expect("harrow").clone();
        (harrow["state"] == "offline").then_some(())
    });
    let data = world.data().display().to_string();
    let told: Value =
        serde_json::from_str(&said(&world, &["status", "-o", "json", "--data", &data])).expect("JSON");
    assert_eq!(told["loaded"]["items"]["trigger/tidy"]["state"], "left");

    fs::rename(world.dir().join("tidy.yaml"), folder.join("triggers/tidy.yaml")).expect("moved");
    trigger(&world, "tidy", |info| info["status"] == "active");
}

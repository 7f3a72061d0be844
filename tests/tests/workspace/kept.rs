//! A broker that keeps a workspace: what it loads, what it leaves, and what it says of what is wrong.

use std::fs;

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

use super::common::{put, said};

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

/// A file of the workspace as the broker shows it, once `is_so`.
fn file(world: &World, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_until(&format!("{path} to be as expected"), || {
        let answer = world.http("GET", "/api/v1/workspace?limit=200", "", "");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let page: Value = serde_json::from_str(body).expect("JSON");
        let found =
            page["files"].as_array().expect("files").iter().find(|file| file["path"] == path).cloned();
        found.filter(&is_so)
    })
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
    // Which Hands it has is not known before.
    world.broker().wait_for_text("runner registered");
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
fn work_that_names_a_skill_brings_what_the_skill_says_now() {
    let world = keeping();
    let weekly = "name: weekly\nwhen: manual\ndo:\n  dispatch: { hand: harrow/self, input: { skill: weekly-note, customer: Ada } }\n";
    put(&world, "triggers/weekly.yaml", weekly);
    let input = |info: &Value| info["definition"]["do"]["dispatch"]["input"].clone();
    let first = input(&trigger(&world, "weekly", |_| true));
    let said_there = "Begin with what was done, then what is open, then what happens next. Hours are exact. No adjectives.";
    assert_eq!(first, json!({"skill": "Weekly note", "instructions": said_there, "customer": "Ada"}));
    world.broker().wait_for_text("harrow registered");
    world.nexctl_json(&["trigger", "fire", "weekly"]);
    let page = world.nexctl_json(&["get", "dispatches"]);
    let work = page["dispatches"].as_array().expect("a list").iter().find(|it| it["hand"] == "harrow/self");
    let id = work.and_then(|it| it["id"].as_str()).expect("its dispatch");
    assert_eq!(world.nexctl_json(&["get", "dispatches", id])["input"], first, "{page}");

    put(&world, "skills/weekly-note.md", "# Weekly note\n\nShort.\n\nWrite {{ two }} lines.\n");
    let expected =
        json!({"skill": "Weekly note", "instructions": "Write {{ '{{' }} two }} lines.", "customer": "Ada"});
    trigger(&world, "weekly", |info| input(info) == expected);
    put(&world, "triggers/weekly.yaml", &weekly.replace("weekly-note", "monthly"));
    let told =
        wait_until("it to be told of", || alerts(&world).into_iter().find(|it| it.contains("monthly")));
    assert!(
        told.starts_with(
            "triggers/weekly.yaml:1:1: there is no skill \"monthly\" in this workspace; there are "
        ),
        "{told}"
    );
    assert_eq!(input(&trigger(&world, "weekly", |_| true)), expected, "what was there stays");
}

#[test]
fn a_skill_is_listed_and_done_by_its_name_as_it_is_now() {
    let world = keeping();
    world.broker().wait_for_text("harrow registered");
    let schema =
        json!({"type": "object", "required": ["customer"], "properties": {"customer": {"type": "string"}}});
    let text = |way: &str| {
        format!(
            "---\ninput_schema: {schema}\n---\n# Weekly note\n\nSays what a week was like.\n\n{way} {{{{ two }}}} lines.\n"
        )
    };
    put(&world, "skills/notes/weekly.md", &text("Write"));
    let listed = || world.nexctl_json(&["get", "skills"])["skills"].as_array().expect("a list").clone();
    let skill =
        wait_until("it to be listed", || listed().into_iter().find(|it| it["name"] == "notes/weekly"));
    let mut expected = json!({"name": "notes/weekly", "title": "Weekly note", "description": "Says what a week was like.",
        "input_schema": schema, "file": "skills/notes/weekly.md"});
    assert_eq!(skill, expected);
    let names: Vec<Value> = listed().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["check-a-claim", "notes/weekly", "summarise", "weekly-note"]);
    expected["instructions"] = json!("Write {{ two }} lines.");
    assert_eq!(world.nexctl_json(&["describe", "skill", "notes/weekly"]), expected);

    let sent = |input: &str| {
        world.nexctl(&["dispatch", "harrow/self", input, "--skill", "notes/weekly", "-o", "json"])
    };
    let done = |input: &str| {
        let answer: Value = serde_json::from_slice(&sent(input).stdout).expect("JSON");
        world.nexctl_json(&["get", "dispatches", answer["dispatch"].as_str().expect("its id")])["input"]
            .clone()
    };
    assert_eq!(
        done(r#"{"customer": "Ada", "of": ["{{ x }}"]}"#),
        json!({"skill": "Weekly note", "instructions": "Write {{ two }} lines.", "customer": "Ada", "of": ["{{ x }}"]})
    );
    let refused = |args: &[&str]| {
        let out = world.nexctl(args);
        assert_eq!(out.status.code(), Some(1), "{}", nexus_tests::world::text(&out));
        String::from_utf8(out.stderr).expect("text")
    };
    let by = |hand: &str, input: &str, skill: &str| refused(&["dispatch", hand, input, "--skill", skill]);
    assert_eq!(
        by("harrow/self", "{}", "notes/weekly"),
        "nexctl: the input is none for the skill notes/weekly: \"customer\" is a required property\n"
    );
    assert_eq!(
        by("harrow/self", "7", "notes/weekly"),
        "nexctl: the input of a skill is an object, of what it is about\n"
    );
    assert_eq!(
        by("harrow/summarise", r#"{"text": "x"}"#, "summarise"),
        "nexctl: `skill` is for an aspect's Hand `self`: name one in `hand`, as in wren/self\n"
    );
    let there = "there are check-a-claim, notes/weekly, summarise, weekly-note";
    let missing = format!("nexctl: there is no skill \"monthly\" in this workspace; {there}\n");
    assert_eq!(by("harrow/self", "{}", "monthly"), missing);
    assert_eq!(refused(&["describe", "skill", "monthly"]), missing);

    // Who works by it next works by what it says then.
    put(&world, "skills/notes/weekly.md", &text("Sing"));
    wait_until("the new text", || {
        let skill = world.nexctl_json(&["describe", "skill", "notes/weekly"]);
        (skill["instructions"] == "Sing {{ two }} lines.").then_some(())
    });
    assert_eq!(done(r#"{"customer": "Ada"}"#)["instructions"], "Sing {{ two }} lines.");
    put(&world, "skills/notes/weekly.md", "---\ninput: {}\n---\nSing.\n");
    let told = wait_until("it to be told of", || alerts(&world).into_iter().find(|it| it.contains("weekly")));
    assert!(told.starts_with("skills/notes/weekly.md:2:1: unknown field `input`, expected one of"), "{told}");
    let broken = "nexctl: there is something wrong with the file of the skill \"notes/weekly\"; put that right first\n";
    assert_eq!(by("harrow/self", r#"{"customer": "Ada"}"#, "notes/weekly"), broken);
}

/// Whatever has become of the skill since.
#[test]
fn work_by_a_skill_that_is_sent_twice_is_done_once() {
    let mut world = keeping();
    put(&world, "skills/note.md", "# Note\n\nWrite.\n");
    let says = |world: &World, is_so: fn(&Value) -> bool| {
        wait_until("what the skill says", || {
            let answer = world.http("GET", "/api/v1/skills/note", "", "");
            is_so(&serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?).then_some(())
        });
    };
    says(&world, |skill| skill["instructions"] == "Write.");
    let send = |world: &World, key: &str| {
        let headers = format!("content-type: application/json\r\nidempotency-key: {key}\r\n");
        let body = r#"{"hand": "harrow/self", "skill": "note", "input": {"of": "this"}}"#;
        let answer = world.http("POST", "/api/v1/dispatches", &headers, body);
        serde_json::from_str::<Value>(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
    };
    let (key, other) = ("0198c000-0000-7000-8000-000000000001", "0198c000-0000-7000-8000-000000000002");
    world.broker().wait_for_text("harrow registered");
    let first = send(&world, key);
    assert_eq!(first["chosen"], "harrow/self", "{first}");
    put(&world, "skills/note.md", "# Note\n\nSing.\n");
    says(&world, |skill| skill["instructions"] == "Sing.");
    assert_eq!(send(&world, key)["dispatch"], first["dispatch"], "the file is another one");
    fs::remove_file(world.dir().join("workspace/skills/note.md")).expect("it is there");
    says(&world, |problem| problem["code"] == "not_found");
    assert_eq!(send(&world, key)["dispatch"], first["dispatch"], "the file is gone");
    world.restart_broker();
    assert_eq!(send(&world, key)["dispatch"], first["dispatch"], "the broker is another one");
    let told = send(&world, other);
    assert!(told["detail"].as_str().expect("why").starts_with("there is no skill \"note\""), "{told}");
    let page = world.nexctl_json(&["get", "dispatches"]);
    assert_eq!(page["dispatches"].as_array().expect("a list").len(), 1, "{page}");
}

#[test]
fn without_a_workspace_there_are_no_skills() {
    let world = World::new();
    let out = world.nexctl(&["get", "skills"]);
    assert!(text(&out).contains("there are no skills: they lie in skills/ of a workspace"), "{}", text(&out));
    let out = world.nexctl(&["dispatch", "wren/self", "--skill", "summarise"]);
    let expected =
        "nexctl: this broker keeps no workspace, so there are no skills; start it with --workspace\n";
    assert_eq!(String::from_utf8_lossy(&out.stderr), expected);
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
    let odd = file(&world, "flows/odd.yaml", |file| file["fault"].is_string());
    assert_eq!(odd["origin"], "workspace");
    assert_eq!(odd["fault"], "4:13: there is no step `b`; there are none");
    assert_eq!(file(&world, "aspects/harrow/SOUL.md", |_| true)["origin"], "framework");

    let folder = world.dir().join("workspace");
    fs::remove_file(folder.join("triggers/broken.yaml")).expect("removed");
    fs::remove_file(folder.join("flows/odd.yaml")).expect("removed");
    fs::rename(folder.join("triggers/tidy.yaml"), world.dir().join("tidy.yaml")).expect("moved");
    put(&world, "aspects/harrow.remove", "");
    let info = trigger(&world, "tidy", |info| info["status"] == "paused");
    assert_eq!(info["reason"], "by operator/workspace: it is no longer in the workspace");
    let hidden = file(&world, "aspects/harrow/SOUL.md", |file| file["origin"] == "hidden");
    assert_eq!(hidden["by"], "aspects/harrow.remove");
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

#[test]
fn once_its_operator_is_shut_out_nothing_more_is_loaded() {
    let world = keeping();
    trigger(&world, "tidy", |_| true);
    let data = world.data().display().to_string();
    let revoke = |verb: &[&str]| {
        let out = world.run("nexus", &[&["operator"][..], verb, &["--data", &data]].concat());
        assert!(out.status.success(), "{}", text(&out));
    };
    revoke(&["revoke", "workspace"]);
    put(&world, "triggers/other.yaml", &TRIGGER.replace("tidy", "other"));
    let told = wait_until("an alert", || Some(alerts(&world)).filter(|told| !told.is_empty()));
    assert!(told[0].contains("operator workspace, as which the files are loaded, was shut out"), "{told:?}");
    assert!(!world.nexctl(&["trigger", "show", "other"]).status.success());
    world.nexctl_json(&["trigger", "fire", "tidy"]);
    let info = trigger(&world, "tidy", |info| info["status"] == "paused");
    assert_eq!(info["reason"], "its owner workspace was revoked");

    revoke(&["add", "workspace", "--role", "operator"]);
    trigger(&world, "other", |_| true);
    wait_until("the alert to be over", || alerts(&world).is_empty().then_some(()));
}

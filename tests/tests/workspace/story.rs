//! The small agency that `nexus workspace init demo` makes, from its morning report to what it does after a night
//! in which the machine slept.

use std::fs;
use std::path::Path;
use std::process::Command;

use hmac::{Hmac, Mac};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use nexus_tests::inlet::Inlet;
use nexus_tests::world::{free_port, text};
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};
use sha2::Sha256;

use super::common::{put, said};

/// The agency, whose report goes to a port of this machine.
fn agency(port: u16) -> World {
    let world = World::asleep().flag("--workspace").flag("workspace");
    said(&world, &["init", "demo"]);
    for file in ["flows/morning.yaml", "aspects/runner/aspect.patch.toml"] {
        let path = world.dir().join("workspace").join(file);
        let text = fs::read_to_string(&path).expect("it is made");
        assert!(text.contains("127.0.0.1:9099"), "{file}: {text}");
        fs::write(&path, text.replace("127.0.0.1:9099", &format!("127.0.0.1:{port}"))).expect("written");
    }
    assert!(said(&world, &["validate"]).contains("in order"));
    world
}

fn git(folder: &Path, at: &str, args: &[&str]) {
    let who = ["-c", "user.name=Ana", "-c", "user.email=ana@agency.example", "-c", "init.defaultBranch=main"];
    let mut git = Command::new("git");
    git.args(who).args(args).current_dir(folder).env("GIT_AUTHOR_DATE", at).env("GIT_COMMITTER_DATE", at);
    let out = git.output().expect("git runs");
    assert!(out.status.success(), "git {args:?}: {}", text(&out));
}

/// Commits around each midnight of these days on the clock of the agency; the latest first, by the day.
fn commits(site: &Path) -> Vec<(String, String)> {
    let zone = TimeZone::get("Europe/Berlin").expect("a zone");
    let today = Timestamp::now().to_zoned(zone.clone()).date();
    fs::create_dir_all(site).expect("made");
    git(site, "", &["init", "-q"]);
    let mut all = Vec::new();
    // It may be another day by the time the report is made.
    for days in -2..=1 {
        let day = today.checked_add(days.days()).expect("a day");
        for (hour, minute, message) in [(0, 30, "Paint the fence"), (23, 30, "Paint its gate")] {
            let message = format!("{message} of the shipyard, {day}");
            let at = day.at(hour, minute, 0, 0).to_zoned(zone.clone()).expect("a time").timestamp();
            git(site, &at.to_string(), &["commit", "-q", "--allow-empty", "-m", &message]);
            all.insert(0, (day.to_string(), message));
        }
    }
    all
}

fn trigger_is_loaded(world: &World, name: &str) {
    wait_until(&format!("trigger {name}"), || {
        world.nexctl(&["trigger", "show", name]).status.success().then_some(())
    });
}

fn latest(world: &World, flow: &str) -> String {
    wait_until("a run", || {
        let page = world.nexctl_json(&["run", "list", flow, "--all"]);
        Some(page["runs"].as_array()?.first()?["id"].as_str()?.to_owned())
    })
}

fn ended(world: &World, run: &str) -> Value {
    wait_until("the end of the run", || {
        let run = world.nexctl_json(&["run", "show", run]);
        run["info"]["ended_at"].is_number().then_some(run)
    })
}

fn states(run: &Value) -> Vec<(&str, &str)> {
    let steps = run["info"]["steps"].as_array().expect("steps").iter();
    steps.filter_map(|step| Some((step["id"].as_str()?, step["state"].as_str()?))).collect()
}

#[test]
fn the_morning_report_goes_from_a_repository_to_whoever_waits_for_it() {
    let port = free_port();
    let mut world = agency(port);
    world.start_broker();
    let site = world.data().join("workspace/aspects/runner/work/site");
    let commits = commits(&site);

    // Every day at eight on the clock of the agency.
    trigger_is_loaded(&world, "morning");
    let plan = world.nexctl_json(&["trigger", "next", "morning", "--number", "3"]);
    let slots: Vec<i64> =
        plan["slots"].as_array().expect("slots").iter().filter_map(|slot| slot["slot"].as_i64()).collect();
    let hours: Vec<i64> = slots.windows(2).map(|pair| (pair[1] - pair[0]) / 3_600_000).collect();
    assert!(hours.len() == 2 && hours.iter().all(|hours| (23..=25).contains(hours)), "{plan}");

    // What a step names is asked for when its turn comes, and has to be there by then.
    for name in ["harrow", "runner"] {
        world.broker().wait_for_text(&format!("{name} registered"));
    }
    world.nexctl_json(&["trigger", "fire", "morning"]);
    let asked = wait_until("the question", || {
        let page = world.nexctl_json(&["get", "approvals"]);
        page["approvals"].as_array()?.first().cloned()
    });
    let run = latest(&world, "morning");
    let day = world.nexctl_json(&["run", "show", &run])["input"]["day"].as_str().expect("a day").to_owned();
    let last = commits.iter().find(|(of, _)| *of == day).map(|(_, message)| message).expect("a commit of it");
    assert!(asked.to_string().contains(last), "{asked}");
    let page = world.nexctl_json(&["get", "dispatches"]);
    let mut work = page["dispatches"].as_array().expect("a list").iter();
    let changes = work.find(|it| it["hand"] == "runner/script-repeatable").expect("the first step");
    let changes = world.nexctl_json(&["get", "dispatches", changes["id"].as_str().expect("an id")]);
    // Those of the day before, and no others.
    let expected: String = commits
        .iter()
        .filter(|(of, _)| *of == day)
        .map(|(_, message)| format!("{message}, by Ana.\n"))
        .collect();
    assert_eq!(changes["output"]["output"], expected, "{changes}");
    assert!(world.nexctl(&["approve", asked["id"].as_str().expect("an id")]).status.success());

    // Nobody takes it, so the run fails there, and is tried again from there.
    let failed = ended(&world, &run);
    let before = [("changes", "done"), ("sum", "done"), ("leave", "done")];
    assert_eq!(
        states(&failed),
        [&before[..], &[("post", "failed"), ("keep", "unreached")]].concat(),
        "{failed}"
    );
    assert_eq!(failed["info"]["error"]["code"], "not_answered", "{failed}");
    let inlet = Inlet::start(port);
    let again = world.nexctl(&["run", "retry", &run, "--from", "post", "--wait"]);
    assert!(again.status.success(), "{}", text(&again));
    let done = ended(&world, &latest(&world, "morning"));
    assert_eq!(states(&done), [&before[..], &[("post", "done"), ("keep", "done")]].concat(), "{done}");
    assert_eq!(done["output"]["answer"], 200, "{done}");
    let rows = world.nexctl_json(&["registry", "rows", "reports"]);
    assert_eq!(rows["rows"][0]["values"]["answer"], 200, "{rows}");
    assert_eq!(rows["rows"][0]["values"]["day"], day, "{rows}");
    let taken = inlet.taken();
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!(taken[0]["date"], day);
    assert!(taken[0]["points"].to_string().contains(last), "{taken:?}");
}

/// As GitHub signs it: HMAC-SHA256 over the body.
fn signature(secret: &str, body: &str) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(body.as_bytes());
    let digits = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("sha256={digits}")
}

#[test]
fn what_github_signs_starts_a_flow_and_what_somebody_else_signs_does_nothing() {
    let mut world = agency(free_port());
    world.start_broker();
    trigger_is_loaded(&world, "pushed");
    for name in ["harrow", "runner"] {
        world.broker().wait_for_text(&format!("{name} registered"));
    }
    let secret = world.nexctl_json(&["trigger", "rotate", "pushed"]);
    let secret = secret["secret"].as_str().expect("a secret").to_owned();
    let message = "Paint the fence of the shipyard green; {{ input.ref }}";
    let body = json!({"ref": "refs/heads/main", "head_commit": {"message": message}}).to_string();
    let push = |delivery: &str, signature: &str, body: &str| {
        let headers = format!(
            "x-github-event: push\r\nx-github-delivery: {delivery}\r\nx-hub-signature-256: {signature}\r\n"
        );
        let answer = world.http_with(&headers, "POST", "/hooks/pushed", body);
        answer.split(' ').nth(1).expect("a status").to_owned()
    };
    assert_eq!(push("first", &signature("another secret", &body), &body), "401");
    assert_eq!(push("first", &signature(&secret, &body), &body), "202");
    // Sent again, it is the same one.
    assert_eq!(push("first", &signature(&secret, &body), &body), "200");
    let run = ended(&world, &latest(&world, "pushed"));
    assert_eq!(states(&run), [("sum", "done"), ("tell", "done")], "{run}");
    assert!(run["output"].to_string().contains(message), "{run}");
    let history = world.nexctl_json(&["trigger", "history", "pushed"]);
    let slots = history["slots"].as_array().expect("a list");
    assert_eq!(slots.len(), 1, "{history}");

    // Of a branch that was deleted there is nothing to tell.
    let gone = json!({"ref": "refs/heads/old", "head_commit": null}).to_string();
    assert_eq!(push("second", &signature(&secret, &gone), &gone), "202");
    let second = wait_until("the second run", || {
        let newest = latest(&world, "pushed");
        (run["info"]["id"] != newest.as_str()).then_some(newest)
    });
    let second = ended(&world, &second);
    assert_eq!(states(&second), [("sum", "skipped"), ("tell", "skipped")], "{second}");
}

#[test]
fn after_three_slots_that_were_slept_through_one_is_caught_up_and_two_are_skipped() {
    let mut world = agency(free_port());
    let hourly = "name: hourly\nwhen: { every: { seconds: 3600 } }\ndo:\n  dispatch: { hand: runner/script-repeatable, input: { name: report } }\n";
    put(&world, "triggers/hourly.yaml", hourly);
    world.start_broker();
    trigger_is_loaded(&world, "hourly");
    // What it can do is known from here on, also before it is back.
    world.broker().wait_for_text("runner registered");
    world.kill_broker();
    world.start_broker_under(&["faketime", "+200 minutes"]);
    let slots = wait_until("what was missed to be done", || {
        let page = world.nexctl_json(&["trigger", "history", "hourly"]);
        let mut slots = page["slots"].as_array().expect("a list").clone();
        slots.reverse();
        let is_over = slots.len() >= 3 && slots.iter().all(|slot| !slot["ended_at"].is_null());
        is_over.then_some(slots)
    });
    let told: Vec<Value> = slots
        .iter()
        .map(|slot| json!([slot["state"], slot["count"], slot["caught_up"], slot["reason"].is_string()]))
        .collect();
    let skipped = json!(["skipped", 1, null, true]);
    let expected = [skipped.clone(), skipped, json!(["done", 1, true, false])];
    assert_eq!(told, expected, "{slots:#?}");
    let plan = world.nexctl_json(&["trigger", "next", "hourly", "--number", "1"]);
    let (next, last) = (plan["slots"][0]["slot"].as_i64(), slots[2]["slot"].as_i64());
    assert_eq!(next.zip(last).map(|(next, last)| next - last), Some(3_600_000), "{plan}");
}

#[test]
fn the_flow_that_is_shipped_sums_up_a_text_and_tells_who_is_named() {
    let mut world = World::asleep().flag("--workspace").flag("workspace");
    let out = world.command("nexus").args(["workspace", "init", "fresh"]).output().expect("nexus runs");
    assert!(out.status.success());
    world.start_broker();
    wait_until("the flow", || world.nexctl(&["flow", "show", "brief"]).status.success().then_some(()));
    wait_until("harrow and the runner", || {
        let team = world.nexctl_json(&["get", "aspects"]);
        let online = team["aspects"].as_array()?.iter().filter(|aspect| aspect["state"] == "online").count();
        (online == 2).then_some(())
    });
    let text = "The ferry is late today. It leaves at nine.";
    let brief = |input: Value| world.nexctl_json(&["flow", "run", "brief", &input.to_string(), "--wait"]);
    let told = brief(json!({"text": text, "operator": "admin"}));
    assert_eq!(states(&told), [("sum", "done"), ("tell", "done")]);
    let points = told["output"].as_array().expect("points").clone();
    assert!(!points.is_empty(), "{told}");
    let threads = world.nexctl_json(&["get", "threads", "--unread"]);
    let thread = &threads["threads"][0];
    assert_eq!(thread["title"], json!("In brief"), "{threads}");
    let said = world.nexctl_json(&["get", "messages", thread["id"].as_str().expect("an id")]);
    assert_eq!(said["messages"][0]["content"], json!(Value::from(points).to_string()));
    // Nobody is named, and nobody is told.
    assert_eq!(states(&brief(json!({"text": text}))), [("sum", "done"), ("tell", "skipped")]);
    let wrong = world.nexctl(&["flow", "run", "brief", r#"{"texts": 1}"#]);
    assert!(!wrong.status.success());
}

#[test]
fn a_flow_that_somebody_has_put_is_not_replaced_by_the_one_that_is_shipped() {
    let mut world = World::asleep();
    world.start_broker();
    let file = world.dir().join("brief.yaml");
    fs::write(&file, "id: brief\nsteps:\n  - { id: rest, do: { wait: { seconds: 1 } } }\n").expect("written");
    world.nexctl_json(&["flow", "put", &file.to_string_lossy()]);
    let out = world.command("nexus").args(["workspace", "init", "fresh"]).output().expect("nexus runs");
    assert!(out.status.success());
    world.kill_broker();
    let mut world = world.flag("--workspace").flag("workspace");
    world.start_broker();
    let alert = wait_until("the alert", || {
        let page = world.nexctl_json(&["get", "alerts"]);
        page["alerts"].as_array()?.iter().find(|alert| alert["kind"] == "workspace_fault").cloned()
    });
    let said = alert["message"].as_str().expect("a message");
    assert!(said.contains("operator/admin has put a flow brief, and that stays"), "{said}");
    let kept = world.nexctl_json(&["flow", "show", "brief"]);
    assert_eq!((&kept["by"], &kept["flow"]["steps"][0]["id"]), (&json!("operator/admin"), &json!("rest")));
    // As the alert says.
    put(&world, "flows/brief.yaml.remove", "");
    wait_until("the end of the alert", || {
        let page = world.nexctl_json(&["get", "alerts"]);
        page["alerts"].as_array()?.iter().all(|alert| alert["kind"] != "workspace_fault").then_some(())
    });
}

//! Triggers through the real programs: added by nexctl, done by an agent, whoever is killed meanwhile.

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

const ANSWERS: &str = "[[rule]]\nmatch = '.'\n[[rule.step]]\nsay = \"Yes.\"\n";

#[test]
fn what_is_due_is_done_and_shown() {
    let mut world = World::asleep();
    world.start_broker();
    let wren = world.home("wren", json!({}), ANSWERS);
    let _wren = world.agent(&wren);
    let added = world.nexctl(&["trigger", "add", "soon", "--in", "1s", "--ask", "wren", "Is it out?"]);
    assert!(text(&added).contains("soon is active; next 20"), "{}", text(&added));
    let slots = world.ended_slots("soon", 1);
    assert_eq!((&slots[0]["state"], &slots[0]["cause"]), (&json!("done"), &json!("schedule")));
    let info = world.nexctl_json(&["trigger", "show", "soon"]);
    assert_eq!((&info["status"], &info["owner"]), (&json!("done"), &json!("operator/admin")));
    let thread = info["thread"].as_str().expect("a thread");
    let said = text(&world.nexctl(&["get", "messages", thread]));
    assert!(said.contains("Is it out?") && said.contains("Yes."), "{said}");

    world.nexctl(&["trigger", "add", "hand", "--manual", "--dispatch", "wren/self", r#"{"text": "x"}"#]);
    let fired = world.nexctl_json(&["trigger", "fire", "hand"]);
    let dispatch = fired["slot"]["work"]["dispatch"].clone();
    let slots = world.ended_slots("hand", 1);
    assert_eq!(
        (&slots[0]["cause"], &slots[0]["work"]["dispatch"]),
        (&json!({"person": "operator/admin"}), &dispatch)
    );
    let history = text(&world.nexctl(&["trigger", "history", "hand"]));
    assert!(history.contains("done") && history.contains("operator/admin"), "{history}");
    let yearly = ["--cron", "0 8 1 1 *", "--zone", "Europe/Berlin", "--dispatch", "wren/self", "{}"];
    world.nexctl(&[&["trigger", "add", "yearly"], &yearly[..]].concat());
    let at = ["--at", "2039-01-01T09:00", "--zone", "Asia/Tokyo", "--ask", "wren", "Is it {{ date.today }}?"];
    let once = world.nexctl_json(&[&["trigger", "add", "once"], &at[..]].concat());
    let expected = (&json!({"at": 2_177_452_800_000_i64}), &json!("Asia/Tokyo"));
    assert_eq!((&once["definition"]["when"], &once["definition"]["timezone"]), expected);
    let nowhere = ["--at", "2039-01-01T09:00", "--zone", "Mars/Olympus", "--ask", "wren", "x"];
    let wrong = text(&world.nexctl(&[&["trigger", "add", "bad"], &nowhere[..]].concat()));
    assert!(
        wrong.contains("--zone: \"Mars/Olympus\" is no time zone; write one as Europe/Berlin"),
        "{wrong}"
    );
    let list = text(&world.nexctl(&["trigger", "list"]));
    for part in ["by hand", "dispatch to wren/self", "cron 0 8 1 1 *, Europe/Berlin"] {
        assert!(list.contains(part), "{part}: {list}");
    }

    // What is next of all of them, and no more than a plan has.
    // One of them comes later than its slot, so that the next of the other may be before it.
    let work = ["--dispatch", "wren/self", "{}"];
    let late = ["trigger", "add", "monthly", "--cron", "0 6 1 * *", "--jitter", "1h"];
    world.nexctl(&[&late[..], &work[..]].concat());
    world.nexctl(&[&["trigger", "add", "punctual", "--cron", "5 6 1 * *"], &work[..]].concat());
    let plan = |trigger: &str| world.nexctl_json(&["trigger", "next", trigger, "-n", "30"])["slots"].clone();
    let mut expected: Vec<Value> = Vec::new();
    for trigger in ["monthly", "punctual", "yearly"] {
        let slots = plan(trigger).as_array().expect("a list").clone();
        expected
            .extend(slots.iter().map(|it| json!({"trigger": trigger, "slot": it["slot"], "due": it["due"]})));
    }
    expected.sort_by_key(|it| it["due"].as_i64());
    expected.truncate(30);
    assert!(expected.iter().any(|it| it["trigger"] == "yearly"), "{expected:?}");
    assert_eq!(world.nexctl_json(&["trigger", "next", "-n", "30"]), json!({"slots": expected}));
    let said = text(&world.nexctl(&["trigger", "next", "-n", "2"]));
    assert!(said.contains("monthly") && !said.contains("yearly"), "{said}");
    let many = world.nexctl(&["trigger", "next", "-n", "101"]);
    assert!(text(&many).contains("101 is not in 1..=100"), "{}", text(&many));
    let answer = world.http("GET", "/api/v1/triggers/monthly/next?limit=1000", "", "");
    assert_eq!(answer.matches("\"due\"").count(), 100, "{answer}");

    let wrong = world.nexctl(&["trigger", "add", "bad", "--cron", "61 * * * *", "--ask", "wren", "x"]);
    assert!(
        !wrong.status.success() && text(&wrong).contains("`when.cron`: \"61 * * * *\" cannot be read"),
        "{}",
        text(&wrong)
    );
}

#[test]
fn a_flow_is_run_and_what_comes_after_it_is_done() {
    let mut world = World::asleep();
    world.start_broker();
    let wren = world.home("wren", json!({}), ANSWERS);
    let _wren = world.agent(&wren);
    let file = world.dir().join("greet.yaml");
    let flow =
        "id: greet\nsteps:\n  - id: say\n    do: { ask: { aspect: wren, text: \"Greet {{ input }}.\" } }\n";
    std::fs::write(&file, flow).expect("the folder is ours");
    world.nexctl(&["flow", "put", file.to_str().expect("a path")]);
    world.nexctl(&["trigger", "add", "early", "--manual", "--flow", "greet", r#""slot {{ trigger.no }}""#]);
    world.nexctl(&["trigger", "add", "later", "--after-flow", "greet", "--on", "both", "--flow", "greet"]);
    world.nexctl(&["trigger", "fire", "early"]);
    let early = world.ended_slots("early", 1);
    let later = world.ended_slots("later", 1);
    assert_eq!((&early[0]["state"], &later[0]["state"]), (&json!("done"), &json!("done")));
    let run = early[0]["work"]["run"].as_str().expect("a run");
    assert_eq!(later[0]["cause"], json!({"after_run": {"flow": "greet", "run": run}}));
    let shown = world.nexctl_json(&["run", "show", run]);
    assert_eq!((&shown["input"], &shown["info"]["causes"]), (&json!("slot 1"), &json!(["early"])));
    let second = later[0]["work"]["run"].as_str().expect("a run");
    let said = text(&world.nexctl(&["run", "show", second]));
    assert!(said.contains("led to by trigger later, after early"), "{said}");
    assert_eq!(world.slots("later").len(), 1, "its own run does not fire it again");
    let wrong = world.nexctl(&["trigger", "add", "bad", "--manual", "--flow", "great"]);
    assert!(text(&wrong).contains("there is no flow great; `nexctl flow list` shows"), "{}", text(&wrong));
}

#[test]
fn killed_around_its_slots_a_broker_does_each_once() {
    let mut world = World::asleep();
    world.start_broker();
    let wren = world.home("wren", json!({}), ANSWERS);
    let _wren = world.agent(&wren);
    world.nexctl(&[
        "trigger",
        "add",
        "tick",
        "--every",
        "1s",
        "--overlap",
        "allow",
        "--dispatch",
        "wren/self",
        r#"{"text": "x"}"#,
    ]);
    for round in 1..=4 {
        wait_until("slots", || (world.slots("tick").len() >= 2 * round).then_some(()));
        world.kill_broker();
        world.start_broker();
    }
    world.nexctl(&["trigger", "pause", "tick"]);
    let slots = wait_until("the end of all work", || {
        let slots = world.slots("tick");
        slots.iter().all(|slot| !slot["ended_at"].is_null()).then_some(slots)
    });
    let number = |slot: &Value, field: &str| slot[field].as_i64().expect(field);
    for (at, slot) in slots.iter().enumerate() {
        assert_eq!(number(slot, "no"), at as i64 + 1);
        assert_eq!(number(slot, "count"), 1, "{slot}");
    }
    for pair in slots.windows(2) {
        assert_eq!(number(&pair[1], "slot") - number(&pair[0], "slot"), 1_000, "{pair:?}");
    }
    // One dispatch for each that ran, and no other.
    let list = world.nexctl_json(&["get", "dispatches", "--limit", "200"]);
    let list = list["dispatches"].as_array().expect("a list");
    let mut made: Vec<String> = list.iter().map(|it| it["id"].as_str().expect("an id").to_owned()).collect();
    let mut ran: Vec<String> =
        slots.iter().filter_map(|slot| slot["work"]["dispatch"].as_str()).map(str::to_owned).collect();
    made.sort();
    ran.sort();
    let again: i64 = slots.iter().map(|slot| number(slot, "attempts").max(1) - 1).sum();
    assert_eq!(again, 0, "nothing was tried twice");
    assert_eq!(made, ran);
}

/// What the alert about the clock says, while it is not over.
fn clock_off(world: &World) -> Option<String> {
    let page = world.nexctl_json(&["get", "alerts"]);
    let alerts = page["alerts"].as_array().expect("a page of alerts");
    let alert = alerts.iter().find(|alert| alert["key"] == "clock_off/broker")?;
    Some(alert["message"].as_str().expect("a message").to_owned())
}

/// The wall clock of the broker's machine alone is set; what its timers go by goes on as it is.
#[test]
fn a_clock_that_is_set_is_told_of_until_it_is_right_again() {
    let mut world = World::asleep();
    let (clock, next) = (world.dir().join("clock"), world.dir().join("clock.next"));
    // In one step, so that nobody reads half of it.
    let set = |by: &str| {
        std::fs::write(&next, by).and_then(|()| std::fs::rename(&next, &clock)).expect("the folder is ours");
    };
    set("+0");
    let file = format!("FAKETIME_TIMESTAMP_FILE={}", clock.display());
    // What faketime is told at its start goes before the file, and so it is taken away again.
    let faketime = ["faketime", "-m", "--exclude-monotonic", "now"];
    let environment = ["env", "-u", "FAKETIME", &file, "FAKETIME_NO_CACHE=1"];
    world.start_broker_under(&[&faketime[..], &environment[..]].concat());
    let cases = [
        (
            "+5430",
            "the broker's time is 90 min behind its machine's clock, which was set since the broker started: what is \
             scheduled comes late by as much; start the broker again, and it goes by the clock",
        ),
        (
            "-5430",
            "the broker's time is 90 min ahead of its machine's clock: the clock was set back, or is wrong now. What \
             is scheduled comes early by as much; if the clock is right, start the broker again once it shows what the \
             broker does",
        ),
    ];
    assert_eq!(clock_off(&world), None);
    // From one to the other without being right in between: it says what is so now.
    for (by, message) in cases {
        set(by);
        wait_until(message, || (clock_off(&world).as_deref() == Some(message)).then_some(()));
    }
    set("+0");
    wait_until("its end", || clock_off(&world).is_none().then_some(()));
}

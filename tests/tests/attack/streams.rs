//! What streams while it happens: whoever watches is shown all of it, or told what is missing; across kills, and
//! beside somebody who never reads.

use std::collections::BTreeMap;

use nexus_tests::World;
use nexus_tests::raw::Raw;
use serde_json::{Value, json};

use crate::party::{Party, code};

const TURN: &str = "0199a0b1-c2d3-7123-8456-789abcdef009";

async fn say(raw: &mut Raw, numbers: std::ops::Range<u64>, text: &str) {
    for n in numbers {
        let event = json!({"type": "text", "text": text});
        raw.send("observe.event", None, json!({"turn": TURN, "n": n, "event": event})).await;
    }
}

async fn begin(raw: &mut Raw, thread: Option<&Value>) {
    let reply = raw.request("observe.begin", json!({"turn": TURN, "thread": thread})).await;
    assert_eq!(reply["kind"], "ok", "{reply}");
}

async fn watch(world: &World, subscribe: Value) -> (Raw, Value) {
    let mut raw = Raw::operator(world).await;
    let reply = raw.request("subscribe", subscribe).await;
    assert_eq!(reply["kind"], "ok", "{reply}");
    (raw, reply["payload"].clone())
}

fn seq(frame: &Value) -> u64 {
    frame["payload"]["seq"].as_u64().unwrap_or_else(|| panic!("it is numbered: {frame}"))
}

/// The next `count` frames of a stream.
async fn frames(raw: &mut Raw, count: usize) -> Vec<Value> {
    let mut seen = Vec::new();
    for _ in 0..count {
        seen.push(raw.next_of("observe").await);
    }
    seen
}

#[tokio::test]
async fn a_watcher_goes_on_where_it_was_and_numbers_never_go_back() {
    let mut world = World::new();
    let home = world.home("wren", json!({}), "");
    let (mut wren, _) = Raw::registered(&world, &home, json!({})).await;
    let (mut early, _) = watch(&world, json!({"observe": true})).await;
    begin(&mut wren, None).await;
    say(&mut wren, 0..10, "x").await;
    let seen = frames(&mut early, 11).await;
    let first = seq(&seen[0]);
    assert_eq!(seen.iter().map(seq).collect::<Vec<_>>(), (first..first + 11).collect::<Vec<_>>());
    drop(early);
    say(&mut wren, 10..20, "x").await;
    // In order behind what it said.
    wren.request("situation", json!({})).await;
    let last = first + 20;
    let (mut late, answer) =
        watch(&world, json!({"observe": true, "observe_from": {"wren": first + 10}})).await;
    assert_eq!(answer["observed"], json!({"wren": last}));
    say(&mut wren, 20..21, "x").await;
    let seen: Vec<u64> = frames(&mut late, 11).await.iter().map(seq).collect();
    assert_eq!(seen, (first + 11..=last + 1).collect::<Vec<_>>());
    world.restart_broker();
    let (mut wren, _) = Raw::registered(&world, &home, json!({"last_generation": 1})).await;
    let (mut again, _) = watch(&world, json!({"observe": true, "observe_from": {"wren": last + 1}})).await;
    let gap = again.next_of("observe.gap").await["payload"].clone();
    assert_eq!((&gap["aspect"], gap["from"].as_u64()), (&json!("wren"), Some(last + 2)));
    begin(&mut wren, None).await;
    let next = seq(&again.next_of("observe").await);
    assert_eq!(Some(next), gap["to"].as_u64().map(|to| to + 1));
    let refused = again.request("subscribe", json!({"observe_from": {}})).await;
    assert_eq!(refused["payload"]["code"], "invalid", "{refused}");
}

#[tokio::test]
async fn what_an_aspect_does_is_shown_while_it_does_it() {
    let world = World::new();
    let home = world.home("wren", json!({}), "");
    let (mut wren, _) = Raw::registered(&world, &home, json!({"slots": 2})).await;
    let (mut watcher, _) = watch(&world, json!({"activity": true})).await;
    begin(&mut wren, None).await;
    let call = json!({"type": "tool_call", "call": "1", "name": "read_file", "input": {}});
    wren.send("observe.event", None, json!({"turn": TURN, "n": 0, "event": call})).await;
    let tool = loop {
        let shown = watcher.next_of("activity").await["payload"].clone();
        assert_eq!(shown["aspect"], "wren", "{shown}");
        if shown["activity"]["doing"] == "tool" {
            break shown["activity"].clone();
        }
    };
    assert_eq!(
        (&tool["tool"], &tool["turn"], &tool["turns"]),
        (&json!("read_file"), &json!(TURN), &json!(1))
    );
    let team = watcher.request("team.list", json!({})).await;
    assert_eq!(team["payload"]["aspects"][0]["activity"], tool, "{team}");
    wren.send("observe.end", None, json!({"turn": TURN, "n": 1, "decision": "silent"})).await;
    while watcher.next_of("activity").await["payload"]["activity"]["doing"] != "idle" {}
}

#[tokio::test]
async fn what_is_shown_belongs_where_it_says() {
    let world = World::new();
    let (mut wren, mut forge) = (Party::worker(&world, "wren").await, Party::worker(&world, "forge").await);
    let mut operator = Party::operator(&world).await;
    let (mut watcher, _) = watch(&world, json!({"observe": true})).await;
    let hello = json!({"to": ["wren"], "content": "hello"});
    let thread = operator.request("chat.send", hello).await["payload"]["thread"].clone();
    wren.item("message").await;
    let work = operator.dispatch("wren/work", None).await["payload"]["dispatch"].clone();
    let lease = wren.item("assignment").await["lease"].clone();
    let begin = |place: Value| {
        let mut begin = place;
        begin["turn"] = json!(TURN);
        begin
    };
    for (kind, payload, refusal) in [
        ("dispatch.progress", json!({"lease": lease, "note": "forged"}), "stale_token"),
        ("observe.begin", begin(json!({"dispatch": work})), "not_found"),
        ("observe.begin", begin(json!({"thread": thread})), "not_found"),
        ("observe.begin", begin(json!({"dispatch": work, "thread": thread})), "not_found"),
    ] {
        let reply = forge.request(kind, payload.clone()).await;
        assert_eq!(code(&reply), refusal, "{kind} {payload}: {reply}");
    }
    let next = json!({"dispatch": work, "attempt": 2});
    for (kind, payload, refusal) in [
        ("dispatch.progress", json!({"lease": next, "note": "too early"}), "stale_token"),
        ("observe.begin", begin(json!({"dispatch": work, "thread": thread})), "not_found"),
    ] {
        let reply = wren.request(kind, payload.clone()).await;
        assert_eq!(code(&reply), refusal, "{kind} {payload}: {reply}");
    }
    // In one go, so that what comes behind it waits for the look at where it belongs.
    let turn = json!({"turn": TURN, "dispatch": work});
    wren.raw.send("observe.begin", None, turn).await;
    say(&mut wren.raw, 0..3, "x").await;
    wren.raw.send("dispatch.progress", None, json!({"lease": lease, "note": "half of it"})).await;
    wren.raw.send("observe.begin", None, begin(json!({"thread": thread}))).await;
    let seen: Vec<Value> = frames(&mut watcher, 6)
        .await
        .into_iter()
        .map(|frame| {
            let shown = &frame["payload"];
            json!([
                shown["aspect"],
                shown["what"]["type"],
                shown["dispatch"],
                shown["thread"],
                shown["what"]["note"]
            ])
        })
        .collect();
    let event = json!(["wren", "event", work, null, null]);
    assert_eq!(
        seen,
        [
            json!(["wren", "begin", work, null, null]),
            event.clone(),
            event.clone(),
            event,
            json!(["wren", "progress", work, null, "half of it"]),
            json!(["wren", "begin", null, thread, null]),
        ]
    );
    let done = wren.request("dispatch.result", json!({"lease": lease, "output": 1})).await;
    assert_eq!(done["kind"], "ok", "{done}");
    let late = wren.request("dispatch.progress", json!({"lease": lease, "note": "late"})).await;
    assert_eq!(code(&late), "stale_token", "{late}");
}

/// Resident bytes of a process.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is told");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") * 1024
}

/// The stuck one watches everything, the others a thread: so the flood that chokes it is its own alone, and what all
/// watch comes in between.
#[tokio::test]
async fn one_of_a_thousand_that_never_reads_costs_the_others_nothing() {
    const LINKS: usize = 1_000;
    const ROUNDS: u64 = 50;
    /// Frames of a round, 64 KiB each: together far more than sockets, outbox and what is kept hold.
    const FLOOD: u64 = 40;
    const BOUND: u64 = 64 * 1024 * 1024;
    let world = World::new();
    let [wren, forge] = ["wren", "forge"].map(|name| world.home(name, json!({}), ""));
    let (mut wren, _) = Raw::registered(&world, &wren, json!({})).await;
    let (mut forge, _) = Raw::registered(&world, &forge, json!({})).await;
    let hello = json!({"to": ["forge"], "content": "hello"});
    let thread = Raw::operator(&world).await.request("chat.send", hello).await;
    let thread = thread["payload"]["thread"].clone();
    let (mut stuck, _) = watch(&world, json!({"observe": true})).await;
    let mut others = Vec::new();
    for _ in 1..LINKS {
        others.push(watch(&world, json!({"observe": true, "thread": thread})).await.0);
    }
    begin(&mut forge, Some(&thread)).await;
    let before = resident(world.broker().pid());
    let large = "x".repeat(64 * 1024);
    for round in 0..ROUNDS {
        say(&mut wren, round * FLOOD..(round + 1) * FLOOD, &large).await;
        wren.request("situation", json!({})).await;
        say(&mut forge, round..round + 1, "x").await;
        // It lives, and says so; it only never reads.
        stuck.send("team.list", None, json!({})).await;
    }
    forge.request("situation", json!({})).await;
    let after = resident(world.broker().pid());
    assert!(
        after < before + BOUND,
        "{before} became {after} for {} of flood",
        large.len() as u64 * ROUNDS * FLOOD
    );
    for other in &mut others {
        let frames = frames(other, 1 + ROUNDS as usize).await;
        let numbers: Vec<Option<u64>> =
            frames[1..].iter().map(|it| it["payload"]["what"]["n"].as_u64()).collect();
        assert_eq!(numbers, (0..ROUNDS).map(Some).collect::<Vec<_>>());
    }
    // Once it does read, every frame of either is there or told to be missing.
    let mut reached: BTreeMap<String, u64> = BTreeMap::new();
    let mut missing = 0;
    let end = |name: &str| if name == "wren" { ROUNDS * FLOOD } else { ROUNDS + 1 };
    let mut count: BTreeMap<String, u64> = BTreeMap::new();
    while ["wren", "forge"].iter().any(|name| count.get(*name).is_none_or(|count| *count < end(name))) {
        let frame = stuck.next().await.expect("it is not closed");
        let payload = &frame["payload"];
        let (from, to) = match frame["kind"].as_str() {
            Some("observe") => (seq(&frame), seq(&frame)),
            Some("observe.gap") => {
                let end = |field: &str| payload[field].as_u64().expect("a gap has two ends");
                missing += end("to") - end("from") + 1;
                (end("from"), end("to"))
            }
            _ => continue,
        };
        let name = payload["aspect"].as_str().expect("whose it is").to_owned();
        if let Some(reached) = reached.insert(name.clone(), to) {
            assert_eq!(from, reached + 1, "{frame}");
        }
        *count.entry(name).or_default() += to - from + 1;
    }
    assert!(missing > 0, "the flood was more than is kept");
}

#[tokio::test]
async fn what_streams_is_kept_in_a_file_when_one_is_named() {
    let mut world = World::asleep().config("[observe]\nsink = \"observe.jsonl\"\n");
    world.start_broker();
    let home = world.home("wren", json!({}), "");
    let (mut wren, _) = Raw::registered(&world, &home, json!({})).await;
    begin(&mut wren, None).await;
    say(&mut wren, 0..100, "x").await;
    wren.request("situation", json!({})).await;
    world.broker().signal("TERM");
    assert!(world.broker_mut().wait().success());
    let text = std::fs::read_to_string(world.data().join("observe.jsonl")).expect("it was named");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let seqs: Vec<u64> = lines.iter().map(seq).collect();
    assert_eq!(seqs, (seqs[0]..seqs[0] + 101).collect::<Vec<_>>());
    let world = World::asleep().config("[observe]\nsink = \"no/such/folder/observe.jsonl\"\n");
    let out = world.command("nexus").arg("serve").arg("--data").arg(world.data()).output().expect("it runs");
    let said = nexus_tests::world::text(&out);
    assert!(!out.status.success() && said.contains("name another file with observe.sink"), "{said}");
}

/// Killed when the first byte of what a commit lets out is about to leave: the commit is on disk and nobody knows.
#[tokio::test]
async fn a_crash_between_commit_and_effects_loses_neither_the_ok_nor_what_was_to_be_delivered() {
    let mut world = World::new();
    let home = world.home("wren", json!({}), "");
    let (mut wren, _) = Raw::registered(&world, &home, json!({})).await;
    let mut operator = Raw::operator(&world).await;
    // All it was to say so far has been said.
    operator.request("chat.threads", json!({})).await;
    let sends = "sendto,sendmsg,writev";
    let mut strace = std::process::Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={sends}")]);
    strace.args(["-e", &format!("inject={sends}:signal=KILL")]);
    strace.args(["-p", &world.broker().pid().to_string()]);
    let tracer = nexus_tests::Process::start("strace", &mut strace);
    tracer.wait_for_text("attached");
    let (id, payload) = (nexus_client::new_request_id(), json!({"content": "hello @wren"}));
    operator.send("chat.send", Some(id), payload.clone()).await;
    assert!(operator.next().await.is_err() && wren.next().await.is_err(), "nothing was let out");
    world.restart_broker();
    let mut operator = Raw::operator(&world).await;
    let threads = operator.request("chat.threads", json!({})).await["payload"]["threads"].clone();
    assert_eq!(threads.as_array().map(Vec::len), Some(1), "it was committed: {threads}");
    let (mut wren, _) = Raw::registered(&world, &home, json!({"last_generation": 1})).await;
    let item = wren.next_of("deliver").await["payload"]["item"]["body"].clone();
    let again = operator.request_as(id, "chat.send", payload).await;
    assert_eq!((&again["kind"], &again["payload"]["message"]), (&json!("ok"), &item["id"]), "{item}");
    let (before, _) = wren.frames_until_reply("situation", json!({})).await;
    assert!(before.iter().all(|frame| frame["kind"] != "deliver"), "once: {before:?}");
}

//! An acknowledgement means: synced. Told from what the processes asked of the kernel, each time with a control
//! in which the sync is switched off and the same check has to fail.

use std::path::Path;

use nexus_tests::trace::{Trace, tracer};
use nexus_tests::{World, wait_until};
use serde_json::json;

const MESSAGES: usize = 20;

fn marker(n: usize) -> String {
    format!("marker-{n}-of-the-durability-test")
}

/// Posts messages one by one to a traced broker; returns for how many `ok` left only after a sync.
fn synced_before_ok(world: &mut World) -> usize {
    let file = world.dir().join("nexus.trace");
    let runner = tracer(&file);
    world.start_broker_under(&runner.iter().map(String::as_str).collect::<Vec<_>>());
    let mut ids = Vec::new();
    for n in 0..MESSAGES {
        let sent = world.nexctl_json(&["say", &marker(n)]);
        ids.push(sent["message"].as_str().expect("say shows the message's id").to_owned());
    }
    stop_traced(world.broker_mut());
    let trace = Trace::read(&file);
    let promised = |n: usize, id: &str| {
        let written = trace.wrote("nexus.db", &marker(n)).expect("the message was written to the database");
        let ok = trace.sent(&[r#""kind":"ok""#, id]).expect("the ok was sent");
        trace.synced_between("nexus.db-wal", written, ok)
    };
    ids.iter().enumerate().filter(|(n, id)| promised(*n, id)).count()
}

/// The tracer forwards no signal; its child does the stopping.
fn stop_traced(tracer: &mut nexus_tests::Process) {
    let children = format!("/proc/{0}/task/{0}/children", tracer.pid());
    let child = std::fs::read_to_string(children).expect("the tracer has a child").trim().to_owned();
    let status = std::process::Command::new("kill").args(["-TERM", &child]).status();
    assert!(status.is_ok_and(|status| status.success()), "the traced process can be signalled");
    tracer.wait();
}

#[test]
fn an_ok_leaves_after_the_sync_of_what_it_acknowledges() {
    assert_eq!(synced_before_ok(&mut World::asleep()), MESSAGES);
}

#[test]
fn control_without_syncs_the_check_fails() {
    let mut world = World::asleep().config("[storage]\nsynchronous = \"off\"\n");
    assert_eq!(synced_before_ok(&mut world), 0);
}

const SCRIPT: &str = r#"
[[rule]]
match = "(?P<what>marker\\S+)"
[[rule.step]]
say = "seen {{ what }}"
"#;

/// What a runtime promised, and whether it was synced first.
#[derive(Debug, PartialEq)]
struct Kept {
    /// The item was in the inbox file before it was acknowledged.
    inbox: bool,
    /// The answer was in the session file before it was posted.
    session: bool,
    /// The new session file's folder was synced by then.
    folder: bool,
}

fn kept_by_agent(world: &World, home: &Path) -> Kept {
    let file = world.dir().join("agent.trace");
    let runner = tracer(&file);
    let mut agent = world.agent_under(&runner.iter().map(String::as_str).collect::<Vec<_>>(), home);
    agent.wait_for_text("registered");
    let out = world.nexctl(&["ask", "wren", &marker(7)]);
    assert!(out.status.success(), "{}", nexus_tests::world::text(&out));
    stop_traced(&mut agent);
    let trace = Trace::read(&file);
    let answer = format!("seen {}", marker(7));
    let item = trace.wrote("inbox.jsonl", &marker(7)).expect("the item was written to the inbox");
    let ack = trace.sent(&[r#""kind":"ack""#]).expect("the item was acknowledged");
    let said = trace.wrote("/session/", &answer).expect("the answer was written to the session");
    let posted = trace.sent(&[r#""kind":"chat.send""#, &answer]).expect("the answer was posted");
    Kept {
        inbox: trace.synced_between("inbox.jsonl", item, ack),
        session: trace.synced_between("/session/", said, posted),
        folder: trace.folder_synced("/session/threads", posted),
    }
}

#[test]
fn a_runtime_acknowledges_and_posts_after_its_own_syncs() {
    let world = World::new();
    let home = world.home("wren", json!({}), SCRIPT);
    assert_eq!(kept_by_agent(&world, &home), Kept { inbox: true, session: true, folder: true });
}

#[test]
fn control_a_runtime_without_syncs_fails_the_check() {
    let world = World::new().env("NEXUS_AGENT_UNSAFE_NO_FSYNC", "1");
    let home = world.home("wren", json!({}), SCRIPT);
    assert_eq!(kept_by_agent(&world, &home), Kept { inbox: false, session: false, folder: false });
}

/// kill -9 in a loop under load: what was acknowledged is there afterwards, once.
#[test]
fn kill_9_of_the_broker_in_a_loop_loses_nothing_acknowledged() {
    const ROUNDS: usize = 8;
    let mut world = World::new();
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..ROUNDS {
        let mut senders: Vec<_> = (0..3)
            .map(|sender| {
                let mut command = world.nexctl_command(&["say", "-o", "json", &marker(round * 10 + sender)]);
                std::thread::spawn(move || command.output().expect("nexctl runs"))
            })
            .collect();
        // One is waited for, so that the kill falls among the others.
        let first = senders.remove(0).join().expect("the sender runs");
        world.restart_broker();
        for out in
            std::iter::once(first).chain(senders.into_iter().map(|it| it.join().expect("the sender runs")))
        {
            if let Ok(sent) = serde_json::from_slice::<serde_json::Value>(&out.stdout) {
                acknowledged.extend(sent["message"].as_str().map(str::to_owned));
            }
        }
    }
    assert!(acknowledged.len() >= ROUNDS, "at least the first of each round was acknowledged");
    let threads = wait_until("the threads", || {
        let page = world.nexctl_json(&["get", "threads", "--limit", "200"]);
        page["threads"].as_array().cloned()
    });
    let mut kept: Vec<String> = Vec::new();
    for thread in &threads {
        let page = world.nexctl_json(&["get", "messages", thread["id"].as_str().expect("threads have ids")]);
        for message in page["messages"].as_array().expect("a page has messages") {
            kept.push(message["id"].as_str().expect("messages have ids").to_owned());
        }
    }
    for message in &acknowledged {
        assert_eq!(kept.iter().filter(|id| *id == message).count(), 1, "{message} was acknowledged");
    }
}

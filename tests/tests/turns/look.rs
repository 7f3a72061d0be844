//! What is on record of an aspect's turns, and of the thread they were about.

pub(super) use std::path::Path;

pub(super) use nexus_tests::raw::Raw;
pub(super) use nexus_tests::session::SessionFile;
pub(super) use nexus_tests::world::text;
pub(super) use nexus_tests::{World, wait_until};
pub(super) use serde_json::{Value, json};

/// The session of a thread.
pub(super) fn session(home: &Path, thread: &str) -> SessionFile {
    SessionFile::read(&home.join(format!("session/threads/{thread}.jsonl")))
}

/// Begins a thread with the aspect; gives thread and message.
pub(super) fn say(world: &World, to: &str, what: &str) -> (String, String) {
    let sent = world.nexctl_json(&["say", "--to", to, what]);
    let id = |field: &str| sent[field].as_str().expect("say shows ids").to_owned();
    (id("thread"), id("message"))
}

/// Waits until every message the session took has its decision, and at least `turns` have.
pub(super) fn decided(home: &Path, thread: &str, turns: usize) -> SessionFile {
    wait_until("the decisions", || {
        let file = session(home, thread);
        let (taken, decisions) = (file.takes_by_item(), file.decisions_by_item());
        (decisions.len() >= turns && taken.keys().all(|item| decisions.contains_key(item))).then_some(file)
    })
}

/// Sender and text of a thread's messages.
pub(super) fn messages(world: &World, thread: &str) -> Vec<(String, String)> {
    let page = world.nexctl_json(&["get", "messages", thread]);
    let messages = page["messages"].as_array().expect("a page has messages");
    let part = |message: &Value, field: &str| message[field].as_str().unwrap_or_default().to_owned();
    messages.iter().map(|message| (part(message, "from"), part(message, "content"))).collect()
}

/// The text of the last one, once there are so many.
pub(super) fn last(world: &World, thread: &str, count: usize) -> String {
    let all = wait_until("the message", || Some(messages(world, thread)).filter(|all| all.len() >= count));
    all.last().map(|(_, text)| text.clone()).unwrap_or_default()
}

/// `nexctl` that has to succeed; what it printed.
pub(super) fn nexctl(world: &World, args: &[&str]) -> String {
    let out = world.nexctl(args);
    assert!(out.status.success(), "nexctl {args:?}: {}", text(&out));
    String::from_utf8(out.stdout).expect("text")
}

/// Waits until the session of the thread has so many entries of this kind.
pub(super) fn wait_for_entries(home: &Path, thread: &str, kind: &str, count: usize) {
    wait_until(kind, || (session(home, thread).of_kind(kind).count() >= count).then_some(()));
}

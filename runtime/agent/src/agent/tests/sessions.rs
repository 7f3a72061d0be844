//! Which session a message belongs to, what a new one is told, and one that cannot be used.

use super::*;

const OTHER: ThreadId = ThreadId(Uuid::from_u128(501));

#[test]
fn a_changed_persona_counts_from_the_next_turn() {
    let mut fake = Fake::new(ECHO);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    for (n, prompts) in [(1, 1), (2, 1), (3, 2)] {
        if n == 3 {
            std::fs::write(fake.home.path().join("SOUL.md"), "I am another.").expect("written");
        }
        link.deliver(n, n.into(), message(n.into(), "wren", "nothing"));
        link.acked(n);
        link.closed();
        assert_eq!(count(&fake.session_files()[0], "system.prompt"), prompts, "after message {n}");
    }
    assert!(fake.session_files()[0].contains("I am another."));
    process.kill(&fake);
}

#[test]
fn changed_settings_count_from_the_next_turn_and_the_broker_learns_what_is_offered() {
    const LIST: &str = r#"
[[rule]]
match = "list"
[[rule.step]]
name = "files"
call = "list_files"
args = { path = "work" }
[[rule.step]]
say = "{{ files.text }}"
"#;
    let mut fake = Fake::new(LIST);
    let process = fake.start();
    let (mut link, register) = fake.registered(EPOCH, 0, 1);
    assert_eq!(register.hands.len(), 1);
    let ask = |link: &mut FakeLink, n: u64| {
        link.deliver(n, n.into(), message(n.into(), "operator/ana", "list"));
        link.acked(n);
        let (_, send) = link.posted();
        link.closed();
        send.content
    };
    assert!(ask(&mut link, 1).contains("there is no tool \"list_files\" here"));
    let mut settings = fake.settings();
    settings["tools"] = json!(["list_files"]);
    fake.write_settings(&settings);
    assert!(ask(&mut link, 2).contains("note.txt"));

    settings["slots"] = json!("many");
    fake.write_settings(&settings);
    assert!(ask(&mut link, 3).contains("note.txt"), "what cannot be used changes nothing");

    settings["slots"] = json!(2);
    settings["hands"] = json!([]);
    fake.write_settings(&settings);
    let (mut link, register) = fake.registered(EPOCH, 3, 2);
    assert_eq!((register.slots, register.hands.len()), (2, 0));
    assert!(ask(&mut link, 4).contains("note.txt"));
    process.kill(&fake);
}

#[test]
fn in_one_session_for_everything_each_thread_gets_its_own_answer() {
    let mut fake = Fake::with_mode(ECHO, "global");
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, message(1, "operator/ana", "ask wren"));
    link.acked(1);
    let (id, _) = link.request();
    link.deliver(2, 2, message_in(OTHER, 2, "operator/ana", "say more"));
    link.acked(2);
    let dispatch = derive::dispatch_id(id, &"forge".parse().expect("a party"));
    link.ok(id, &dispatched(dispatch));
    link.deliver(3, 3, outcome(dispatch, "wren/check", json!({"verdict": "yes"})));
    link.acked(3);
    for (n, text) in [(1, "wren says yes"), (2, "you said more")] {
        let (_, send) = link.posted();
        assert_eq!(
            (send.content.as_str(), send.reply_to),
            (text, Some(MessageId(Uuid::from_u128(1000 + n))))
        );
        assert_eq!(link.closed().item.0.as_u128(), n);
    }
    assert!(fake.session_files().is_empty());
    let global = std::fs::read_to_string(fake.home.path().join("session/global.jsonl")).expect("a session");
    assert_eq!(count(&global, "turn.user"), 2);
    process.kill(&fake);
}

#[test]
fn without_sessions_a_turn_is_begun_again_after_a_kill_and_answered_once() {
    let mut fake = Fake::with_mode(ECHO, "stateless");
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, message(1, "operator/ana", "ask wren"));
    link.acked(1);
    let (id, _) = link.request();
    process.kill(&fake);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 1, 2);
    let (again, _) = link.request();
    assert_eq!(again, id);
    let dispatch = derive::dispatch_id(id, &"forge".parse().expect("a party"));
    link.ok(id, &dispatched(dispatch));
    link.deliver(2, 2, outcome(dispatch, "wren/check", json!({"verdict": "yes"})));
    link.acked(2);
    assert_eq!(link.posted().1.content, "wren says yes");
    assert_eq!(link.closed().decision, Decision::Replied);
    assert!(!fake.home.path().join("session").exists());
    process.kill(&fake);
}

#[test]
fn a_session_of_a_later_version_is_left_alone_and_its_items_fail() {
    let mut fake = Fake::new(ECHO);
    let threads = fake.home.path().join("session/threads");
    std::fs::create_dir_all(&threads).expect("a folder");
    let header =
        json!({"format": "nexus-session", "version": 99, "id": Uuid::nil(), "ts": "2026-01-01T00:00:00Z"});
    let text = format!("{header}\n");
    let file = threads.join(format!("{THREAD}.jsonl"));
    std::fs::write(&file, &text).expect("written");
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, message(1, "operator/ana", "say hello"));
    link.acked(1);
    let close = link.closed();
    assert_eq!(close.decision, Decision::Failed);
    assert!(close.reason.expect("a reason").contains("format version 99"));
    link.deliver(2, 2, message_in(OTHER, 2, "operator/ana", "say hello"));
    link.acked(2);
    assert_eq!(link.posted().1.content, "you said hello");
    assert_eq!(std::fs::read_to_string(&file).expect("text"), text);
    process.kill(&fake);
}

const RUNS: &str = r#"
[[rule]]
match = "flow (?P<flow>[a-z]+), which you started, is (?P<state>[a-z]+)"
[[rule.step]]
say = "{{ flow }} is {{ state }}"
"#;

fn end_of_run(thread: Option<ThreadId>) -> ItemBody {
    let run = Uuid::from_u128(900);
    let end = json!({"run": run, "flow": "morning", "thread": thread, "state": "done", "output": {"n": 1}});
    ItemBody::Run(serde_json::from_value(end).expect("an end"))
}

#[test]
fn the_end_of_a_run_begins_a_turn_in_the_conversation_it_was_started_in() {
    let mut fake = Fake::new(RUNS);
    let process = fake.start();
    let (mut link, _) = fake.registered(EPOCH, 0, 1);
    link.deliver(1, 1, end_of_run(Some(THREAD)));
    link.acked(1);
    let (id, send) = link.posted();
    assert_eq!(id, reply_id(1));
    assert_eq!((send.content.as_str(), send.reply_to, send.thread), ("morning is done", None, Some(THREAD)));
    let close = link.closed();
    assert_eq!((close.item, close.decision), (ItemId(Uuid::from_u128(1)), Decision::Replied));
    let files = fake.session_files();
    assert!(files[0].contains(r#"Its output:\n{\"n\":1}"#), "{}", files[0]);
    // What a Hand has started is nobody's, and nothing is said of it; nor of what was told before.
    link.deliver(2, 2, end_of_run(None));
    link.acked(2);
    link.deliver(3, 1, end_of_run(Some(THREAD)));
    link.acked(3);
    link.deliver(4, 4, message(4, "operator/ana", "flow x, which you started, is over"));
    link.acked(4);
    assert_eq!(link.posted().1.content, "x is over");
    process.kill(&fake);
}

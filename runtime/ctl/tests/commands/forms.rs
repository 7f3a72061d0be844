//! What all commands have in common: short ids, rehearsals, forms of results, and watching.

use nexus_wire::chat::{ThreadInfo, ThreadPage};
use nexus_wire::frame::ToBroker;
use nexus_wire::log::{LogBody, LogEntry, Subscribed};
use nexus_wire::roster::{AspectRole, AspectState};
use nexus_wire::thread::ThreadRenamed;
use nexus_wire::{ErrorBody, ErrorCode, Party};
use serde_json::{Value, json};

use super::ask::team;
use super::stub::{Act, nexctl};

pub(crate) fn thread(id: &str) -> ThreadInfo {
    ThreadInfo {
        id: id.parse().expect("an id"),
        title: "the moon".into(),
        created_at: 0,
        last_at: 0,
        messages: 1,
        last_seq: 1,
        participants: vec!["operator/ana".parse().expect("a party")],
        participants_left_out: 0,
        unread: 0,
        paused: false,
    }
}

const ONE: &str = "01a1fda6-6863-8f81-9de1-76c52d2b6209";
const OTHER: &str = "01a1fda6-6863-8f81-9de1-76c52d2b620a";

/// Two threads, on two pages; what is renamed is renamed.
fn threads(frame: &ToBroker, _: usize) -> Vec<Act> {
    match frame {
        ToBroker::ChatThreads(asked) if asked.before.is_none() => {
            vec![Act::ok(&ThreadPage { threads: vec![thread(ONE)], more: true, next: Some(7) })]
        }
        ToBroker::ChatThreads(_) => {
            vec![Act::ok(&ThreadPage { threads: vec![thread(OTHER)], ..ThreadPage::default() })]
        }
        ToBroker::ThreadRename(rename) => {
            let (thread, title) = (rename.thread, rename.title.clone());
            vec![Act::ok(&ThreadRenamed { thread, title })]
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_id_is_named_by_a_piece_of_it() {
    let done = nexctl(&["rename", "620a", "the", "plan"], threads).await;
    assert_eq!(done.out, format!("thread {OTHER} is called \"the plan\"\n"), "{done:?}");
    let done = nexctl(&["rename", "01A1FDA6", "x"], threads).await;
    assert_eq!(
        (done.code(), done.failure()),
        (1, format!("more than one has an id like \"01a1fda6\": {ONE}, {OTHER}"))
    );
    let done = nexctl(&["rename", "beef", "x"], threads).await;
    assert_eq!(done.failure(), "no thread has an id like \"beef\"; see: nexctl get threads");
}

#[tokio::test]
async fn a_rehearsal_looks_things_up_and_sends_nothing() {
    let never = |frame: &ToBroker, before: usize| match frame {
        ToBroker::ChatThreads(_) => threads(frame, before),
        other => panic!("{other:?} was sent"),
    };
    let done = nexctl(&["rename", "6209", "the", "plan", "--dry-run"], never).await;
    assert_eq!(done.code(), 0);
    assert!(done.out.starts_with("thread.rename {") && done.out.contains(ONE), "{done:?}");
    assert_eq!(done.err, "dry run: that would be sent; nothing was\n");
    let done = nexctl(&["rename", "6209", "the", "plan", "--dry-run", "-o", "json"], never).await;
    let value: Value = serde_json::from_str(&done.out).expect("JSON");
    let payload = json!({"thread": ONE, "title": "the plan"});
    assert_eq!(value, json!({"dry_run": true, "kind": "thread.rename", "payload": payload}));
    assert_eq!(done.err, "");
}

#[tokio::test]
async fn results_are_columns_json_or_yaml() {
    let script =
        |_: &ToBroker, _: usize| vec![Act::ok(&team(&[("wren", AspectRole::Worker, AspectState::Online)]))];
    let done = nexctl(&["get", "aspects", "wren", "-o", "yaml"], script).await;
    assert!(done.out.starts_with("aspects:\n- name: wren\n  role: worker\n  state: online\n"), "{done:?}");
    let done = nexctl(&["get", "aspects", "-o", "wide"], script).await;
    assert!(
        done.out.lines().next().is_some_and(|line| line.ends_with("PROVIDER  CONTEXT  SLOTS  CAPABILITIES")),
        "{done:?}"
    );
    let done = nexctl(&["get", "aspect", "wran"], script).await;
    assert_eq!(
        (done.code(), done.failure().as_str()),
        (1, r#"there is no aspect named "wran"; did you mean wren?"#)
    );
}

#[tokio::test]
async fn who_watches_is_shown_what_has_changed() {
    let script = |frame: &ToBroker, before: usize| match (frame, before) {
        (ToBroker::Subscribe(subscribe), _) => {
            assert!(subscribe.roster && subscribe.activity);
            let body = LogBody::Other { kind: "x".into(), subject: "y".into() };
            let entry = |seq| {
                Act::push(LogEntry { seq, at: 0, actor: Party::System, thread: None, body: body.clone() })
            };
            vec![Act::ok(&Subscribed { head: 7, ..Subscribed::default() }), entry(8), entry(9)]
        }
        (ToBroker::TeamList(_), 0) => {
            vec![Act::ok(&team(&[("wren", AspectRole::Worker, AspectState::Online)]))]
        }
        // What comes together is looked at together, and the end of it is told.
        (ToBroker::TeamList(_), 1) => vec![Act::Refuse(ErrorBody::new(ErrorCode::Forbidden, "shut out"))],
        other => panic!("{other:?}"),
    };
    let done = nexctl(&["get", "aspects", "--watch", "-o", "json"], script).await;
    assert_eq!((done.code(), done.failure().as_str()), (3, "shut out"));
    assert_eq!(done.out.lines().count(), 1, "{done:?}");
    let value: Value = serde_json::from_str(&done.out).expect("a line is a document");
    assert_eq!(value["aspects"][0]["name"], "wren");
}

//! Flags that narrow what is shown: what is asked for, and what is refused before anything is.

use nexus_wire::audit::{AuditEntry, AuditList, AuditPage};
use nexus_wire::chat::{ChatFound, ChatHit, ChatPage, ChatSearch, Message};
use nexus_wire::frame::ToBroker;
use nexus_wire::knowledge::{KnowledgeHits, KnowledgeSearch};
use nexus_wire::log::{LogBody, LogEntry, Subscribe, Subscribed};
use nexus_wire::{ErrorBody, ErrorCode, MessageId, Party};
use serde_json::Value;
use uuid::Uuid;

use super::forms::thread;
use super::stub::{Act, nexctl};

const THREAD: &str = "01a1fda6-6863-8f81-9de1-76c52d2b6209";

fn message(seq: u64) -> Message {
    Message {
        id: MessageId(Uuid::from_u128(u128::from(seq))),
        seq,
        thread: THREAD.parse().expect("an id"),
        reply_to: None,
        from: Party::System,
        to: Vec::new(),
        content: format!("number {seq}"),
        at: 0,
        meta: None,
        attachments: Vec::new(),
        reactions: Vec::new(),
    }
}

#[tokio::test]
async fn a_long_thread_is_read_from_its_end() {
    let script = |frame: &ToBroker, _: usize| {
        let ToBroker::ChatRead(read) = frame else { panic!("{frame:?}") };
        let before = read.before.expect("it is counted from the end");
        // Pages may be shorter than asked for.
        let room = u64::from(read.limit.unwrap_or(0)).min(3);
        let first = before.saturating_sub(room).max(read.after + 1);
        let messages: Vec<Message> = (first..before).map(message).collect();
        let more = first > read.after + 1;
        vec![Act::ok(&ChatPage { thread: thread(THREAD), messages, more, gap: None })]
    };
    let cases: [(&[&str], &[u64], &str); 4] = [
        (&["--before", "8"], &[1, 2, 3, 4, 5, 6, 7], ""),
        (&["--before", "8", "--after", "3"], &[4, 5, 6, 7], ""),
        (&["--before", "8", "--limit", "4"], &[4, 5, 6, 7], "there are more; go on with --before 4\n"),
        (&["--before", "1"], &[], "no messages before that one\n"),
    ];
    for (flags, seqs, note) in cases {
        let asked = [&["get", "messages", THREAD], flags].concat();
        let done = nexctl(&[&asked[..], &["-o", "json"]].concat(), script).await;
        let page: ChatPage = serde_json::from_str(&done.out).expect("JSON");
        assert_eq!(page.messages.iter().map(|it| it.seq).collect::<Vec<_>>(), seqs, "{flags:?}");
        assert_eq!(nexctl(&asked, script).await.err, note, "{flags:?}");
    }
    let never = |frame: &ToBroker, _: usize| panic!("{frame:?}");
    let done = nexctl(&["get", "messages", THREAD, "--after", "5", "--before", "5"], never).await;
    let said = "--before 5 is not behind --after 5: nothing lies between";
    assert_eq!((done.code(), done.failure().as_str()), (2, said));
}

#[tokio::test]
async fn a_search_is_of_a_stretch_of_time() {
    let script = |frame: &ToBroker, _: usize| {
        let ToBroker::ChatSearch(search) = frame else { panic!("{frame:?}") };
        let wanted = ChatSearch {
            query: "moon".into(),
            since: Some(1_000),
            until: Some(2_500),
            ..ChatSearch::default()
        };
        assert_eq!(*search, wanted);
        vec![Act::ok(&ChatFound::default())]
    };
    let stretch = ["--since", "1970-01-01T00:00:01Z", "--until", "1970-01-01T00:00:02.5Z"];
    let done = nexctl(&[&["search", "moon"], &stretch[..]].concat(), script).await;
    assert_eq!((done.code(), done.err.as_str()), (0, "nothing found\n"));
    let never = |frame: &ToBroker, _: usize| panic!("{frame:?}");
    for command in [&["search", "moon"][..], &["audit"], &["usage"]] {
        let nothing = ["--since", "2026-11-27", "--until", "2026-11-26"];
        let done = nexctl(&[command, &nothing].concat(), never).await;
        let said = "--since is not before --until: nothing lies between them";
        assert_eq!((done.code(), done.failure().as_str()), (2, said), "{command:?}");
    }
}

#[tokio::test]
async fn messages_are_looked_through_as_far_as_it_takes_and_not_for_ever() {
    let found = |seqs: &[u64], next: Option<u64>| {
        let hit = |seq: &u64| ChatHit {
            message: MessageId(Uuid::from_u128(u128::from(*seq))),
            seq: *seq,
            thread: THREAD.parse().expect("an id"),
            title: "a title".into(),
            from: Party::System,
            at: 0,
            snippet: Vec::new(),
        };
        let hits = seqs.iter().map(hit).collect();
        Act::ok(&ChatFound { hits, more: next.is_some(), next, indexed_seq: next.unwrap_or(5) })
    };
    let script = move |frame: &ToBroker, _: usize| {
        let ToBroker::ChatSearch(search) = frame else { panic!("{frame:?}") };
        let (by, limit) = (search.by.as_ref().map(Party::to_string), search.limit);
        assert_eq!((search.query.as_str(), by.as_deref()), ("moon", Some("wren")));
        vec![match search.cursor {
            None => found(&[], Some(70)),
            Some(70) => found(&[65, 63], Some(60)),
            Some(60) => {
                assert_eq!(limit, Some(1), "as many as there is room for");
                found(&[55], Some(50))
            }
            other => panic!("{other:?}"),
        }]
    };
    let asked = ["search", "moon", "--by", "wren"];
    let done = nexctl(&[&asked[..], &["--limit", "3", "-o", "json"]].concat(), script).await;
    let page: ChatFound = serde_json::from_str(&done.out).expect("JSON");
    let seqs: Vec<u64> = page.hits.iter().map(|hit| hit.seq).collect();
    assert_eq!((seqs, page.more, page.next, page.indexed_seq), (vec![65, 63, 55], true, Some(50), 70));

    let script = move |frame: &ToBroker, _: usize| {
        let ToBroker::ChatSearch(search) = frame else { panic!("{frame:?}") };
        vec![found(&[], Some(search.cursor.unwrap_or(1_000) - 10))]
    };
    let said = "nothing found among the messages that were looked at\n\
        there are more; go on with --before 800\n";
    assert_eq!(nexctl(&asked, script).await.err, said);
}

#[tokio::test]
async fn what_is_known_is_asked_for_by_its_score() {
    let script = |frame: &ToBroker, _: usize| {
        let ToBroker::KnowledgeSearch(search) = frame else { panic!("{frame:?}") };
        let wanted = KnowledgeSearch {
            query: "red rivers".into(),
            min_score: Some(2.5),
            ..KnowledgeSearch::default()
        };
        assert_eq!(*search, wanted);
        vec![Act::ok(&KnowledgeHits { hits: Vec::new(), cursor: None })]
    };
    let done = nexctl(&["knowledge", "search", "--min-score", "2.5", "red", "rivers"], script).await;
    assert_eq!((done.code(), done.err.as_str()), (0, "nothing found\n"));
}

fn entry(seq: u64, kind: &str) -> LogEntry {
    let body = LogBody::Other { kind: kind.into(), subject: "wren".into() };
    LogEntry { seq, at: 0, actor: Party::System, thread: None, body }
}

/// What the audit trail has: the latest of all entries, of those of a kind, and of a family of kinds.
fn trail(list: &AuditList) -> Act {
    let (seq, kind) = match list.kind.as_deref() {
        None => (9, "budget.set"),
        Some("aspect" | "aspect.online") => (6, "aspect.online"),
        Some("dispatch.ended") => (7, "dispatch.ended"),
        Some(_) => return Act::ok(&AuditPage { entries: Vec::new(), more: false, next: None }),
    };
    let entry =
        AuditEntry { seq, at: 0, kind: kind.into(), actor: Party::System, subject: "x".into(), thread: None };
    Act::ok(&AuditPage { entries: vec![entry], more: false, next: None })
}

#[tokio::test]
async fn entries_of_kinds_are_asked_for_and_waited_for() {
    let wanted = |observe: bool| Subscribe {
        from_seq: Some(0),
        kinds: vec!["aspect.online".into(), "dispatch_ended".into()],
        by: Some(Party::System),
        observe,
        ..Subscribe::default()
    };
    let script = move |frame: &ToBroker, before: usize| match frame {
        ToBroker::AuditList(list) => vec![trail(list)],
        // Whoever follows on is cut off, dials again and is shut out.
        ToBroker::Subscribe(_) if before > 0 => {
            vec![Act::Refuse(ErrorBody::new(ErrorCode::Forbidden, "shut out"))]
        }
        ToBroker::Subscribe(subscribe) => {
            assert_eq!(*subscribe, wanted(false));
            let entries = [entry(5, "aspect.online"), entry(6, "aspect.online"), entry(7, "dispatch.ended")];
            let begun = Act::ok(&Subscribed { head: 9, ..Subscribed::default() });
            [begun].into_iter().chain(entries.map(Act::push)).chain([Act::Cut]).collect()
        }
        other => panic!("{other:?}"),
    };
    let logs = ["logs", "--kind", "aspect.online,dispatch_ended", "--by", "system", "-o", "json"];
    let lines = |out: &str| -> Vec<String> {
        let frames = out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        frames.map(|frame| frame["payload"]["seq"].to_string()).collect()
    };
    // Nothing of these kinds is as late as the end of the log: it is not waited for.
    let done = nexctl(&logs, script).await;
    assert_eq!((done.code(), lines(&done.out)), (0, vec!["5".into(), "6".into(), "7".into()]), "{done:?}");
    let done = nexctl(&[&logs[..], &["--follow"]].concat(), script).await;
    assert_eq!((done.code(), lines(&done.out)), (3, vec!["5".into(), "6".into(), "7".into()]), "{done:?}");

    // By one party alone, what it streams comes as well.
    let script = move |frame: &ToBroker, _: usize| match frame {
        ToBroker::AuditList(list) => vec![trail(list)],
        ToBroker::Subscribe(subscribe) => {
            assert_eq!(*subscribe, Subscribe { kinds: Vec::new(), ..wanted(true) });
            vec![Act::Refuse(ErrorBody::new(ErrorCode::Forbidden, "shut out"))]
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(nexctl(&["logs", "--by", "system", "-f"], script).await.code(), 3);
}

#[tokio::test]
async fn a_kind_that_no_entry_has_is_said_to_be_none() {
    let script = |frame: &ToBroker, _: usize| match frame {
        // Nothing was done by the system.
        ToBroker::AuditList(list) if list.by.is_some() => {
            vec![trail(&AuditList { kind: Some("nonsense".into()), ..list.clone() })]
        }
        ToBroker::AuditList(list) => vec![trail(list)],
        ToBroker::Subscribe(_) => vec![Act::ok(&Subscribed { head: 9, ..Subscribed::default() })],
        other => panic!("{other:?}"),
    };
    let none = |kind: &str, rest: &str| format!("no entry of the kind {kind:?} was found; {rest}\n");
    let cases: [(&[&str], String); 6] = [
        (&["nonsense"], none("nonsense", "among the latest entries there are: budget.set")),
        (&["budget_ste"], none("budget_ste", "did you mean budget.set?")),
        (&["nonsense", "--by", "system"], none("nonsense", "among the latest entries there are: budget.set")),
        (&["aspect.online", "--by", "system"], String::new()),
        // Whoever waits for the first one has made no mistake.
        (&["message"], String::new()),
        (&["item_closed"], String::new()),
    ];
    for (typed, said) in cases {
        let done = nexctl(&[&["logs", "--kind"], typed].concat(), script).await;
        assert_eq!((done.code(), done.out.as_str(), done.err), (0, "", said), "{typed:?}");
    }
}

#[tokio::test]
async fn the_trail_is_looked_through_as_far_as_it_takes_and_not_for_ever() {
    let empty = |next| Act::ok(&AuditPage { entries: Vec::new(), more: true, next: Some(next) });
    let script = move |frame: &ToBroker, _: usize| match frame {
        ToBroker::AuditList(AuditList { before: None, .. }) => vec![empty(70)],
        ToBroker::AuditList(list) => {
            assert_eq!(list.before, Some(70));
            vec![trail(list)]
        }
        other => panic!("{other:?}"),
    };
    let asked = ["audit", "--kind", "dispatch.ended"];
    let done = nexctl(&[&asked[..], &["-o", "json"]].concat(), script).await;
    let page: AuditPage = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!((page.entries.len(), page.more, page.next), (1, false, None));

    let script = move |frame: &ToBroker, _: usize| match frame {
        ToBroker::AuditList(list) => vec![empty(list.before.unwrap_or(1_000) - 10)],
        other => panic!("{other:?}"),
    };
    let said = "nothing of that kind is among what was looked at in the audit trail\n\
        there are more; go on with --before 800\n";
    assert_eq!(nexctl(&asked, script).await.err, said);
}

#[tokio::test]
async fn the_first_word_of_kinds_is_no_kind() {
    let script = |frame: &ToBroker, _: usize| match frame {
        ToBroker::AuditList(list) => vec![trail(list)],
        other => panic!("{other:?}"),
    };
    let done = nexctl(&["logs", "--kind", "aspect"], script).await;
    let said = r#""aspect" is no kind but the first word of some; name each whole, such as aspect.online"#;
    assert_eq!((done.code(), done.failure().as_str()), (2, said));
}

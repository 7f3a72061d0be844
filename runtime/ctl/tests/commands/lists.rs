//! `say`, `get`, `dispatch`, `cancel` and `context`: what is sent, what is shown, what is refused.

use nexctl::settings::Env;
use nexus_wire::approval::{ApprovalInfo, ApprovalPage, ApprovalState, Asked, Verdict};
use nexus_wire::chat::{ChatPage, ChatSent, Message, ThreadInfo, ThreadPage};
use nexus_wire::frame::ToBroker;
use nexus_wire::hands::{
    CancelReceipt, Candidate, DispatchInfo, DispatchPage, DispatchState, Dispatched, HandFailure, Lost,
    Outcome,
};
use nexus_wire::log::{LogBody, LogEntry, Subscribed};
use nexus_wire::roster::{AspectRole, AspectState};
use nexus_wire::{ApprovalId, DispatchId, ErrorBody, ErrorCode, MessageId, Party, ThreadId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::ask::team;
use super::stub::{Act, nexctl, run};

const THREAD: ThreadId = ThreadId(Uuid::from_u128(4));
const DISPATCH: DispatchId = DispatchId(Uuid::from_u128(3));

fn sent(recipients: &[&str]) -> ChatSent {
    ChatSent {
        message: MessageId(Uuid::from_u128(5)),
        seq: 7,
        thread: THREAD,
        recipients: recipients.iter().map(|name| name.parse().expect("a party")).collect(),
        unknown: Vec::new(),
    }
}

fn info(state: DispatchState) -> DispatchInfo {
    let failure = HandFailure { code: "timeout".into(), message: "60 s were not enough".into() };
    DispatchInfo {
        id: DISPATCH,
        hand: "wren/verify-claim".parse().expect("a Hand"),
        invoker: "operator/ana".parse().expect("a party"),
        key: "operator/ana".parse().expect("a party"),
        root: DISPATCH,
        parent: None,
        depth: 1,
        capability: None,
        earlier: Vec::new(),
        run: None,
        source: None,
        thread: None,
        state,
        attempt: 1,
        accepted_at: 1000,
        assigned_at: Some(1000),
        ended_at: state.is_end().then_some(3000),
        deadline_at: 9000,
        retry_of: None,
        retried_as: None,
        stop: None,
        input: json!({"claim": "x"}),
        input_left_out: false,
        output: (state == DispatchState::Done).then(|| json!({"verdict": "confirmed"})),
        error: (state == DispatchState::TimedOut).then_some(failure),
        usage: Default::default(),
        cost_microusd: None,
        budget: Default::default(),
        granted: Default::default(),
        spent: None,
        waiting_for: None,
        why: Vec::new(),
    }
}

#[tokio::test]
async fn what_is_said_is_acknowledged_with_its_place() {
    let script = |frame: &ToBroker, _: usize| match frame {
        ToBroker::TeamList(_) => vec![Act::ok(&team(&[("wren", AspectRole::Worker, AspectState::Online)]))],
        ToBroker::ChatSend(send) => {
            assert_eq!(send.content, "good morning");
            let to: Vec<&str> = send.to.iter().map(String::as_str).collect();
            vec![Act::ok(&sent(&to))]
        }
        other => panic!("{other:?}"),
    };
    let done = nexctl(&["say", "--to", "wren,operator/ana", "good", "morning"], script).await;
    assert_eq!(
        done.out,
        "message 00000000-0000-0000-0000-000000000005 sent to wren, operator/ana in thread \
         00000000-0000-0000-0000-000000000004\n"
    );
    let done = nexctl(&["say", "good", "morning", "-o", "json"], script).await;
    assert_eq!(done.code(), 0);
    assert!(done.err.contains("nobody received it"), "{}", done.err);
    let value: Value = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!(value["message"], "00000000-0000-0000-0000-000000000005");
    let done = nexctl(&["say", "--to", "wran", "good morning"], script).await;
    assert_eq!(done.failure(), r#"there is no aspect named "wran"; did you mean wren?"#);
}

#[tokio::test]
async fn a_name_may_begin_a_text_that_says_whom_it_is_for_or_stands_in_quotes() {
    let script = |frame: &ToBroker, _: usize| match frame {
        ToBroker::TeamList(_) => vec![Act::ok(&team(&[("wren", AspectRole::Worker, AspectState::Online)]))],
        ToBroker::ChatSend(send) => {
            assert_eq!(send.content, "wren sings");
            vec![Act::ok(&sent(&["wren"]))]
        }
        other => panic!("{other:?}"),
    };
    for words in [
        &["wren sings"][..],
        &["--to", "wren", "wren", "sings"],
        &["--thread", "00000000-0000-0000-0000-000000000004", "wren", "sings"],
    ] {
        let done = nexctl(&[&["say"], words].concat(), script).await;
        assert_eq!((done.code(), done.err.as_str()), (0, ""), "{words:?}");
    }
}

#[tokio::test]
async fn lists_are_tables_or_what_the_broker_said() {
    let script = |frame: &ToBroker, _: usize| match frame {
        ToBroker::TeamList(_) => vec![Act::ok(&team(&[("wren", AspectRole::Worker, AspectState::Online)]))],
        ToBroker::DispatchList(list) => {
            let is_empty = list.open || list.root.is_some_and(|root| root != DISPATCH);
            let dispatches = if is_empty { Vec::new() } else { vec![info(DispatchState::Done)] };
            vec![Act::ok(&DispatchPage { dispatches, ..DispatchPage::default() })]
        }
        ToBroker::DispatchStatus(_) => vec![Act::ok(&info(DispatchState::TimedOut))],
        ToBroker::ChatThreads(_) => vec![Act::ok(&ThreadPage::default())],
        other => panic!("{other:?}"),
    };
    let done = nexctl(&["get", "aspects"], script).await;
    assert!(done.out.starts_with("NAME  STATE     SINCE"), "{}", done.out);
    assert!(done.out.contains("\nwren  ● online  "), "{}", done.out);
    let done = nexctl(&["get", "aspect", "-o", "json"], script).await;
    let value: Value = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!(value["aspects"][0]["state"], "online");
    let done = nexctl(&["get", "dispatches"], script).await;
    assert!(done.out.contains("● done"), "{}", done.out);
    let done = nexctl(&["get", "dispatches", "--tree", &DISPATCH.to_string()], script).await;
    assert!(done.out.contains("● done"), "{}", done.out);
    let done = nexctl(&["get", "dispatch", &DISPATCH.to_string()], script).await;
    assert!(done.out.contains("✕ timed_out") && done.out.contains("60 s were not enough"), "{}", done.out);
    for args in [&["get", "threads"][..], &["get", "dispatches", "--open"]] {
        let done = nexctl(args, script).await;
        assert_eq!((done.code(), done.out.as_str()), (0, ""));
        assert!(done.err.starts_with("no "), "{}", done.err);
    }
}

#[tokio::test]
async fn a_long_thread_is_read_to_its_end() {
    let message = |seq: u64| Message {
        id: MessageId(Uuid::from_u128(u128::from(seq))),
        seq,
        thread: THREAD,
        reply_to: None,
        from: Party::System,
        to: Vec::new(),
        content: format!("number {seq}"),
        at: 0,
        meta: None,
        attachments: Vec::new(),
        reactions: Vec::new(),
    };
    let script = move |frame: &ToBroker, _: usize| {
        let ToBroker::ChatRead(read) = frame else { panic!("{frame:?}") };
        // Pages may be shorter than asked for.
        let messages: Vec<Message> =
            (read.after + 1..=7).take(3.min(read.limit.unwrap_or(0) as usize)).map(message).collect();
        let more = messages.last().is_some_and(|last| last.seq < 7);
        let thread = ThreadInfo {
            id: THREAD,
            title: "numbers".into(),
            created_at: 0,
            last_at: 0,
            messages: 7,
            last_seq: 7,
            participants_left_out: 0,
            unread: 0,
            participants: Vec::new(),
            paused: false,
        };
        vec![Act::ok(&ChatPage { thread, messages, more, gap: None })]
    };
    let thread = THREAD.to_string();
    let seqs = |done: &super::stub::Done| -> Vec<u64> {
        let page: ChatPage = serde_json::from_str(&done.out).expect("JSON");
        page.messages.iter().map(|message| message.seq).collect()
    };
    let done = nexctl(&["get", "messages", &thread, "-o", "json"], script).await;
    assert_eq!(seqs(&done), [1, 2, 3, 4, 5, 6, 7]);
    let done =
        nexctl(&["get", "messages", &thread, "-o", "json", "--after", "2", "--limit", "4"], script).await;
    assert_eq!(seqs(&done), [3, 4, 5, 6]);
    let done = nexctl(&["get", "messages", &thread, "--limit", "1"], script).await;
    assert!(done.out.contains("number 1") && done.err.contains("--after 1"), "{done:?}");
}

#[tokio::test]
async fn a_dispatch_that_is_waited_for_ends_with_its_output() {
    let script = |state: DispatchState| {
        move |frame: &ToBroker, before: usize| match (frame, before) {
            (ToBroker::Dispatch(dispatch), _) => {
                assert_eq!((dispatch.input.clone(), dispatch.deadline_s), (json!({"claim": "x"}), Some(90)));
                let accepted = DispatchState::Pending;
                vec![Act::ok(&Dispatched {
                    dispatch: DISPATCH,
                    chosen: "wren/verify-claim".parse().expect("a Hand"),
                    why: Vec::new(),
                    state: accepted,
                    position: 2,
                    deadline_at: 0,
                    clamped: false,
                    budget: Default::default(),
                })]
            }
            (ToBroker::Subscribe(_), 0) => {
                vec![Act::ok(&Subscribed { head: 7, ..Subscribed::default() }), Act::Cut]
            }
            (ToBroker::Subscribe(subscribe), _) => {
                assert_eq!(subscribe.from_seq, Some(7));
                let outcome = Outcome {
                    dispatch: DISPATCH,
                    hand: "wren/verify-claim".parse().expect("a Hand"),
                    parent: None,
                    thread: None,
                    state,
                    output: None,
                    error: None,
                    attempts: 1,
                    usage: Default::default(),
                    cost_microusd: None,
                    spent: None,
                };
                let body = LogBody::DispatchEnded(Box::new(outcome));
                let entry = LogEntry { seq: 8, at: 0, actor: Party::System, thread: None, body };
                vec![Act::ok(&Subscribed { head: 8, ..Subscribed::default() }), Act::push(entry)]
            }
            (ToBroker::DispatchStatus(_), 0) => vec![Act::ok(&info(DispatchState::Running))],
            (ToBroker::DispatchStatus(_), _) => vec![Act::ok(&info(state))],
            other => panic!("{other:?}"),
        }
    };
    let args = ["dispatch", "wren/verify-claim", r#"{"claim": "x"}"#, "--wait", "--deadline", "90s"];
    let done = nexctl(&args, script(DispatchState::Done)).await;
    assert_eq!((done.code(), done.out.as_str()), (0, "{\n  \"verdict\": \"confirmed\"\n}\n"), "{done:?}");
    assert!(
        done.err.contains("is pending, 2 before it") && done.err.contains("done in 2.0 s"),
        "{}",
        done.err
    );
    let done = nexctl(&args, script(DispatchState::TimedOut)).await;
    assert_eq!((done.code(), done.out.as_str()), (1, ""));
    assert_eq!(done.failure(), "wren/verify-claim timed_out: timeout: 60 s were not enough");
    let done = nexctl(&["dispatch", "wren/verify-claim", "{claim}"], script(DispatchState::Done)).await;
    assert_eq!(done.code(), 2);
    assert!(done.failure().contains("the input is not JSON"), "{}", done.failure());
}

#[tokio::test]
async fn a_cancel_shows_its_receipt() {
    let script = |_: &ToBroker, _: usize| {
        vec![Act::ok(&CancelReceipt {
            cancelled: vec![DISPATCH],
            unconfirmed: vec![DISPATCH],
            already_ended: vec![DispatchId(Uuid::from_u128(9))],
            ..CancelReceipt::default()
        })]
    };
    let done = nexctl(&["cancel", &DISPATCH.to_string()], script).await;
    let told = "its worker is told to stop and has not confirmed yet";
    assert_eq!(done.out, format!("cancelled {DISPATCH}: {told}\nhad ended before {}\n", Uuid::from_u128(9)));
}

#[tokio::test]
async fn a_hand_that_was_chosen_is_told_with_the_reasons() {
    let script = |frame: &ToBroker, _: usize| {
        let ToBroker::Dispatch(dispatch) = frame else { panic!("{frame:?}") };
        let wanted = dispatch.capability.clone().expect("a capability");
        assert_eq!((dispatch.hand.clone(), wanted.needs), (None, vec!["verify".to_owned()]));
        assert_eq!((wanted.prefer, wanted.avoid), (vec!["wren".parse().expect("a name")], Vec::new()));
        let candidate = |hand: &str, lost, because: &str| Candidate {
            hand: hand.parse().expect("a Hand"),
            score: Some(7),
            lost,
            because: because.to_owned(),
        };
        vec![Act::ok(&Dispatched {
            dispatch: DISPATCH,
            chosen: "wren/verify-claim".parse().expect("a Hand"),
            why: vec![
                candidate("wren/verify-claim", None, ""),
                candidate("forge/check", Some(Lost::Busier), "has 3 dispatches at work or waiting, not 1"),
            ],
            state: DispatchState::Running,
            position: 0,
            deadline_at: 0,
            clamped: false,
            budget: Default::default(),
        })]
    };
    let done = nexctl(&["dispatch", "--needs", "verify", "--prefer", "wren", "{}"], script).await;
    assert_eq!(done.out, format!("dispatch {DISPATCH} to wren/verify-claim is running\n"), "{done:?}");
    assert!(done.err.contains("chosen: wren/verify-claim (7)"), "{}", done.err);
    assert!(
        done.err.contains("not forge/check (7): has 3 dispatches at work or waiting, not 1"),
        "{}",
        done.err
    );
    let done = nexctl(&["dispatch", "{}"], script).await;
    assert_eq!(done.code(), 2, "{done:?}");
}

#[tokio::test]
async fn what_failed_is_tried_again() {
    let script = |frame: &ToBroker, _: usize| {
        let ToBroker::DispatchRetry(retry) = frame else { panic!("{frame:?}") };
        assert_eq!((retry.dispatch, retry.deadline_s), (DISPATCH, Some(300)));
        vec![Act::ok(&Dispatched {
            dispatch: DispatchId(Uuid::from_u128(9)),
            chosen: "wren/verify-claim".parse().expect("a Hand"),
            why: Vec::new(),
            state: DispatchState::Pending,
            position: 1,
            deadline_at: 0,
            clamped: false,
            budget: Default::default(),
        })]
    };
    let done = nexctl(&["retry", &DISPATCH.to_string(), "--deadline", "5m"], script).await;
    let told = format!("dispatch {} to wren/verify-claim is pending, 1 before it\n", Uuid::from_u128(9));
    assert_eq!(done.out, told, "{done:?}");
}

#[tokio::test]
async fn refusals_have_their_codes() {
    let cases = [(ErrorCode::Forbidden, 3), (ErrorCode::NotFound, 1), (ErrorCode::StorageUnavailable, 1)];
    for (code, exit) in cases {
        let script = move |_: &ToBroker, _: usize| vec![Act::Refuse(ErrorBody::new(code, "because"))];
        let done = nexctl(&["get", "threads"], script).await;
        assert_eq!(done.code(), exit, "{code}: {done:?}");
        assert!(done.failure().starts_with("because"), "{}", done.failure());
    }
    let folder = tempfile::tempdir().expect("a folder");
    let config = Some(folder.path().join("config.toml"));
    let gone =
        Env { url: Some("http://127.0.0.1:1".into()), token: Some("nxo_x".into()), config, ..Env::default() };
    let done = run(&["get", "threads"], &gone).await;
    assert_eq!(done.code(), 4);
    assert!(done.failure().contains("nexus serve"), "{}", done.failure());

    let script = |_: &ToBroker, _: usize| panic!("it is refused before");
    let done = nexctl(&["get", "threads", "--token", "nxo_wrong"], script).await;
    assert_eq!(done.code(), 3);
    assert!(
        done.failure().contains("no such token") && !done.failure().contains("nxo_wrong"),
        "{}",
        done.failure()
    );
}

#[tokio::test]
async fn contexts_are_added_used_and_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let env = Env { config: Some(folder.path().join("config.toml")), ..Env::default() };
    let token = folder.path().join("operator.token");
    std::fs::write(&token, "nxo_file\n").expect("written");
    let token = token.display().to_string();
    let add = ["context", "add", "up", "--url", "http://127.0.0.1:1", "--token-file", &token];
    assert_eq!(run(&add, &env).await.out, "context up is http://127.0.0.1:1\n");
    let second =
        ["context", "add", "lan", "--url", "http://127.0.0.1:2", "--token", "nxo_canary_3f9c", "--use"];
    assert_eq!(run(&second, &env).await.code(), 0);
    let list = run(&["context", "list"], &env).await.out;
    assert_eq!(list.lines().nth(1), Some("*  lan   http://127.0.0.1:2  kept here"), "{list}");
    assert!(list.contains(&format!("   up    http://127.0.0.1:1  {token}")), "{list}");
    assert_eq!(run(&["context", "use", "up"], &env).await.code(), 0);
    assert_eq!(run(&["context", "use", "moon"], &env).await.code(), 2);
    assert_eq!(run(&["get", "threads"], &env).await.code(), 4, "nobody listens, but it is known where");
    assert_eq!(run(&["context", "remove", "up"], &env).await.code(), 0);
    let list = run(&["context", "list", "-o", "json"], &env).await.out;
    let value: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(value, json!({"contexts": [{"name": "lan", "url": "http://127.0.0.1:2", "current": false}]}));
    for (args, hint) in [
        (&["context", "add", "x", "--token", "t"][..], "--url"),
        (&["context", "add", "x", "--url", "http://127.0.0.1:1"], "--token-file"),
        (&["context", "add", "x", "--url", "http://10.0.0.1:1", "--token", "t"], "https://"),
        (&["context", "add", "x", "--url", "http://127.0.0.1:1", "--token-file", "/nowhere"], "/nowhere"),
    ] {
        let done = run(args, &env).await;
        assert_eq!(done.code(), 2, "{args:?}");
        assert!(done.failure().contains(hint), "{}", done.failure());
    }
}

fn approval(n: u128, asked: Asked, state: ApprovalState) -> ApprovalInfo {
    let is_open = state == ApprovalState::Open;
    ApprovalInfo {
        id: ApprovalId(Uuid::from_u128(n)),
        aspect: "wren".parse().expect("a name"),
        asked,
        thread: Some(THREAD),
        lease: None,
        notice: None,
        trigger: None,
        run: None,
        only: None,
        state,
        asked_at: 1000,
        expires_at: 4000,
        ended_at: (!is_open).then_some(3000),
        by: (!is_open).then(|| "operator/bo".parse().expect("a party")),
        text: None,
    }
}

fn tool() -> Asked {
    let arguments = "{\n  \"command\": \"cargo test\"\n}".to_owned();
    Asked::Tool { tool: "run_command".into(), summary: "run cargo test".into(), arguments }
}

/// Two wait; whatever is answered ends as it is said, unless it is the question, which somebody else has denied.
fn people(frame: &ToBroker) -> Act {
    let question = Asked::Question { question: "Which colour?".into(), choices: vec!["red".into()] };
    let open = vec![
        approval(0xa2, question.clone(), ApprovalState::Open),
        approval(0xa1, tool(), ApprovalState::Open),
    ];
    match frame {
        ToBroker::ApprovalList(_) => Act::ok(&ApprovalPage { approvals: open, more: false }),
        ToBroker::ApprovalGet(_) => Act::ok(&approval(0xa1, tool(), ApprovalState::Open)),
        ToBroker::ApprovalAnswer(answer) => Act::ok(&match answer.verdict {
            Verdict::Approve => approval(0xa1, tool(), ApprovalState::Approved),
            Verdict::Deny => {
                let text = answer.text.clone();
                ApprovalInfo { text, ..approval(0xa1, tool(), ApprovalState::Denied) }
            }
            Verdict::Answer => approval(0xa2, question, ApprovalState::Denied),
        }),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_waits_for_people_is_shown_and_answered_by_a_piece_of_its_id() {
    let script = |frame: &ToBroker, _: usize| vec![people(frame)];
    let done = nexctl(&["get", "approvals"], script).await;
    for piece in ["open", "wren", "run_command", "run cargo test", "an answer", "Which colour?", "000000a2"] {
        assert!(done.out.contains(piece), "{piece}: {}", done.out);
    }
    let done = nexctl(&["get", "approval", "00a1"], script).await;
    assert!(done.out.contains("\"command\": \"cargo test\""), "{}", done.out);
    let done = nexctl(&["approve", "00A1"], script).await;
    let expected = "approved by operator/bo: run_command, run cargo test, asked by wren 2s before\n";
    assert_eq!((done.code(), done.out.as_str()), (0, expected), "{}", done.failure());
    let done = nexctl(&["deny", "00a1", "--note", "not today"], script).await;
    assert!(done.out.starts_with("denied by operator/bo (not today): "), "{}", done.out);
    let done = nexctl(&["answer", "00a2", "the", "red", "one"], script).await;
    let expected = "it was denied by operator/bo before: Which colour?, asked by wren 2s before";
    assert_eq!((done.code(), done.failure().as_str()), (1, expected));
    let done = nexctl(&["approve", "00000000"], script).await;
    assert!(done.failure().starts_with("more than one has an id like"), "{}", done.failure());
    let done = nexctl(&["approve", "beef"], script).await;
    assert!(done.failure().contains("nexctl get approvals"), "{}", done.failure());
    let done = nexctl(&["approve", "00a1", "-o", "json"], script).await;
    let value: Value = serde_json::from_str(&done.out).expect("JSON");
    assert_eq!((value["state"].as_str(), value["by"].as_str()), (Some("approved"), Some("operator/bo")));
}

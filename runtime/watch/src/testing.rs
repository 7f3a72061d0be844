//! States to test with: a team at work, a team with nothing, and a connection that is gone.

use jiff::tz::TimeZone;
use nexus_wire::alert::{Alert, AlertKind};
use nexus_wire::approval::{ApprovalInfo, ApprovalState, Asked};
use nexus_wire::audit::{UsageBy, UsageReport, UsageRow};
use nexus_wire::chat::{ChatPage, Message, ThreadInfo, Usage};
use nexus_wire::hands::{DispatchInfo, DispatchState, HandFailure, HandSpec, WaitingFor};
use nexus_wire::inbox::Decision;
use nexus_wire::observe::{
    Activity, Doing, ObserveBegin, ObserveEnd, ObserveEvent, ObserveGap, Observed, ObservedWhat, TurnEvent,
};
use nexus_wire::roster::{AspectInfo, AspectRole, AspectState, ContextMode};
use nexus_wire::{AspectName, DispatchId, MessageId, Ms, Party, ThreadId, TurnId};
use serde_json::json;
use uuid::Uuid;

use crate::app::{App, Effect, Event, Key, Loaded, News};

/// 2026-11-26 12:00:00 UTC.
pub(crate) const NOW: Ms = 1_795_694_400_000;

pub(crate) fn name(text: &str) -> AspectName {
    text.parse().expect("a name")
}

fn party(text: &str) -> Party {
    text.parse().expect("a party")
}

pub(crate) fn thread(n: u128) -> ThreadId {
    ThreadId(Uuid::from_u128(0x0a00 + n))
}

pub(crate) fn dispatch(n: u128) -> DispatchId {
    DispatchId(Uuid::from_u128(0xd000_0000 + n))
}

pub(crate) fn new() -> App {
    App::new("http://127.0.0.1:7888".into(), TimeZone::UTC, NOW)
}

pub(crate) fn load(app: &mut App, loaded: Loaded) {
    drop(app.update(Event::Loaded(Box::new(loaded)), app.now));
}

pub(crate) fn tell(app: &mut App, news: News) {
    drop(app.update(Event::News(Box::new(news)), app.now));
}

/// Keys one after the other; words stand for themselves.
pub(crate) fn keys(app: &mut App, keys: &[Key]) -> Vec<Effect> {
    keys.iter().flat_map(|key| app.update(Event::Key(*key), app.now)).collect()
}

pub(crate) fn type_in(app: &mut App, text: &str) {
    for c in text.chars() {
        drop(keys(app, &[Key::Char(c)]));
    }
}

pub(crate) fn aspect(text: &str, state: AspectState, doing: Doing) -> AspectInfo {
    let is_here = state != AspectState::Offline;
    let activity = is_here.then(|| Activity { doing, since: NOW - 12_000, ..Activity::default() });
    let hand = HandSpec { name: "verify-claim".parse().expect("a name"), ..HandSpec::own(Vec::new()) };
    AspectInfo {
        name: name(text),
        role: if text == "forge" { AspectRole::Frame } else { AspectRole::Worker },
        state,
        since: NOW - 12_000,
        last_progress: None,
        model: "claude-sonnet-5-5".into(),
        provider: "anthropic".into(),
        context_mode: ContextMode::Thread,
        capabilities: Vec::new(),
        hands: vec![hand],
        slots: 4,
        watches: Vec::new(),
        generation: 1,
        backlog: 0,
        restraint: None,
        activity,
        process: None,
    }
}

pub(crate) fn thread_info(n: u128, title: &str, unread: u64) -> ThreadInfo {
    ThreadInfo {
        id: thread(n),
        title: title.into(),
        created_at: NOW - 600_000,
        last_at: NOW - 60_000 * Ms::try_from(n).unwrap_or(1),
        messages: 3,
        last_seq: 100 - u64::try_from(n).unwrap_or(0),
        participants: vec![party("forge"), party("operator/ana")],
        participants_left_out: 0,
        paused: n == 3,
        unread,
    }
}

pub(crate) fn message(n: u64, from: &str, content: &str) -> Message {
    Message {
        id: MessageId(Uuid::from_u128(u128::from(n))),
        seq: n,
        thread: thread(1),
        reply_to: None,
        from: party(from),
        to: vec![party("forge")],
        content: content.into(),
        at: NOW - 120_000 + Ms::try_from(n).unwrap_or(0) * 1_000,
        meta: None,
        attachments: Vec::new(),
        reactions: Vec::new(),
    }
}

pub(crate) fn work(n: u128, hand: &str, state: DispatchState, parent: Option<u128>) -> DispatchInfo {
    let begun = (state != DispatchState::Pending).then_some(NOW - 30_000);
    let known = json!({
        "id": dispatch(n),
        "hand": hand,
        "invoker": if parent.is_some() { "forge" } else { "operator/ana" },
        "key": "operator/ana",
        "root": dispatch(parent.unwrap_or(n)),
        "parent": parent.map(dispatch),
        "depth": u32::from(parent.is_some()),
        "state": state,
        "attempt": 1,
        "accepted_at": NOW - 45_000 + Ms::try_from(n).unwrap_or(0),
        "assigned_at": begun,
        "ended_at": state.is_end().then_some(NOW - 5_000),
        "deadline_at": NOW + 1_800_000,
        "waiting_for": (state == DispatchState::Pending).then_some(WaitingFor::Place),
        "input": {"claim": "the garden chooses who presents a harvest in shelf.rs"},
        "error": (state == DispatchState::Failed).then(|| HandFailure {
            code: "worker_lost".into(),
            message: "its worker is gone and it may not be tried again".into(),
        }),
        "usage": {"input_tokens": 1_200, "output_tokens": 80},
        "cost_microusd": 4_200,
    });
    serde_json::from_value(known).expect("a dispatch")
}

pub(crate) fn approval(n: u128, asked: Asked) -> ApprovalInfo {
    ApprovalInfo {
        id: nexus_wire::ApprovalId(Uuid::from_u128(0xa000_0000 + n)),
        aspect: "keel".parse().expect("a party"),
        asked,
        thread: Some(thread(1)),
        lease: None,
        notice: None,
        trigger: None,
        run: None,
        only: None,
        state: ApprovalState::Open,
        asked_at: NOW - 60_000 * Ms::try_from(n).unwrap_or(1),
        expires_at: NOW + 86_000_000,
        ended_at: None,
        by: None,
        text: None,
    }
}

pub(crate) fn tool() -> Asked {
    Asked::Tool {
        tool: "run_command".into(),
        summary: "cargo publish --dry-run".into(),
        arguments: "{\n  \"command\": \"cargo publish --dry-run\",\n  \"timeout_s\": 60\n}".into(),
    }
}

pub(crate) fn question() -> Asked {
    let question = "Which colour shall the door have?".into();
    Asked::Question { question, choices: vec!["red".into(), "deep blue".into()] }
}

pub(crate) fn alert(n: u64, kind: AlertKind, subject: &str, message: &str) -> Alert {
    Alert {
        key: Alert::key_of(kind, subject),
        kind,
        severity: kind.severity(),
        nature: kind.nature(),
        subject: subject.into(),
        message: message.into(),
        seq: n,
        raised_at: NOW - 240_000,
        times: 2,
        cleared_at: None,
        acked_at: None,
        acked_by: None,
    }
}

pub(crate) fn usage() -> UsageReport {
    let row = |key: &str, cost_microusd, unpriced| UsageRow {
        key: key.into(),
        messages: 4,
        closings: 0,
        dispatches: 2,
        usage: Usage { input_tokens: 30_000, output_tokens: 2_000, ..Usage::default() },
        cost_microusd,
        unpriced,
    };
    let rows = vec![row("forge", 412_300, 0), row("wren", 20_000, 1)];
    UsageReport { by: UsageBy::Aspect, rows, total: row("", 432_300, 1), more: false }
}

/// What an aspect streams in one turn, piece by piece.
pub(crate) fn streams(app: &mut App, aspect: &str, turn: u128, events: Vec<TurnEvent>, ended: bool) {
    let id = TurnId(Uuid::from_u128(turn));
    let observed = |what| {
        News::Observed(Observed {
            aspect: name(aspect),
            turn: id,
            thread: Some(thread(1)),
            dispatch: None,
            what,
            seq: 0,
        })
    };
    let begin = ObserveBegin { turn: id, thread: Some(thread(1)), message: None, dispatch: None };
    tell(app, observed(ObservedWhat::Begin(begin)));
    let count = events.len() as u64;
    for (n, event) in events.into_iter().enumerate() {
        let n = n as u64;
        tell(app, observed(ObservedWhat::Event(ObserveEvent { turn: id, n, event })));
    }
    if ended {
        let usage = Usage { input_tokens: 3_076, output_tokens: 227, ..Usage::default() };
        let end = ObserveEnd {
            turn: id,
            n: count,
            decision: Decision::Replied,
            usage,
            cost_microusd: Some(12_600),
        };
        tell(app, observed(ObservedWhat::End(end)));
    }
}

pub(crate) fn text(text: &str) -> TurnEvent {
    TurnEvent::Text { text: text.into() }
}

fn edit() -> [TurnEvent; 2] {
    let input = json!({"path": "work/notes.md", "edits": [{
        "old_text": "# Notes\none\ntwo\n",
        "new_text": "# Notes\none\nthree\nfour\n",
    }]});
    let (call, name) = ("c1".to_owned(), "edit_file".to_owned());
    let preview = "{\"path\":\"work/notes.md\",\"created\":false,\"changed\":true,\"bytes\":25}".into();
    [
        TurnEvent::ToolCall { call: call.clone(), name: name.clone(), input },
        TurnEvent::ToolResult { call, name, is_error: false, preview },
    ]
}

/// Nobody, and nothing.
pub(crate) fn empty() -> App {
    let mut app = new();
    let total = UsageRow::default();
    let report = UsageReport { by: UsageBy::Aspect, rows: Vec::new(), total, more: false };
    load(&mut app, Loaded::Team(Vec::new()));
    load(&mut app, Loaded::Threads(Vec::new()));
    load(&mut app, Loaded::Dispatches(Vec::new()));
    load(&mut app, Loaded::Approvals(Vec::new()));
    load(&mut app, Loaded::Alerts(Vec::new()));
    load(&mut app, Loaded::Usage(report));
    app
}

/// Everybody at something.
pub(crate) fn busy() -> App {
    let mut app = new();
    let mut keel = aspect("keel", AspectState::Busy, Doing::Tool);
    if let Some(activity) = &mut keel.activity {
        activity.approvals = 1;
    }
    let team = vec![
        aspect("forge", AspectState::Busy, Doing::Writing),
        aspect("harrow", AspectState::Offline, Doing::Idle),
        keel,
        aspect("marl", AspectState::Deaf, Doing::Idle),
        aspect("sorrel", AspectState::Stalled, Doing::Waiting),
        aspect("wren", AspectState::Online, Doing::Idle),
    ];
    load(&mut app, Loaded::Team(team));
    load(&mut app, Loaded::Usage(usage()));
    let threads = vec![
        thread_info(1, "where does the garden choose who presents a harvest?", 2),
        thread_info(2, "文書を 🧵 翻訳する", 0),
        thread_info(3, "two who will not stop", 0),
    ];
    load(&mut app, Loaded::Threads(threads));
    let dispatches = vec![
        work(1, "forge/plan", DispatchState::Waiting, None),
        work(2, "wren/verify-claim", DispatchState::Running, Some(1)),
        work(3, "wren/verify-claim", DispatchState::Pending, Some(1)),
        work(4, "keel/review", DispatchState::Pending, None),
        work(5, "harrow/find", DispatchState::Failed, None),
        work(6, "wren/verify-claim", DispatchState::Done, None),
    ];
    load(&mut app, Loaded::Dispatches(dispatches));
    load(&mut app, Loaded::Dispatch(Box::new(work(1, "forge/plan", DispatchState::Waiting, None))));
    load(&mut app, Loaded::Approvals(vec![approval(1, question()), approval(2, tool())]));
    let alerts = vec![
        alert(9, AlertKind::AspectDeaf, "marl", "marl has not acknowledged what was delivered for 60 s"),
        alert(7, AlertKind::WorkerLost, "harrow/find", "a dispatch failed because its worker is gone"),
    ];
    load(&mut app, Loaded::Alerts(alerts));
    let earlier = vec![
        text("Looking.\n"),
        TurnEvent::Restarted { reason: "the provider is overloaded".into() },
        text("Done."),
    ];
    streams(&mut app, "forge", 1, earlier, true);
    let mut events = vec![
        TurnEvent::Thinking { text: "The rule is in one file.\nI will look there.".into() },
        text("Looking at **shelf.rs**, and changing my notes:\n\n```diff\n-old\n+new\n```\n"),
    ];
    events.extend(edit());
    events.push(text("That is where it decides: "));
    streams(&mut app, "forge", 2, events, false);
    app
}

/// The messages of the thread that is chosen.
pub(crate) fn page() -> ChatPage {
    let long = "At `garden/src/hub/shelf.rs:1`:\n\n> Who presents a harvest: one rule, one pure function.\n\nwren read \
                the file herself: **confirmed**. It reads as quoted, and the lines around it speak of the claim's terms.";
    ChatPage {
        thread: thread_info(1, "where does the garden choose who presents a harvest?", 2),
        messages: vec![
            message(1, "operator/ana", "where does the garden choose who presents a harvest?"),
            message(2, "forge", long),
        ],
        more: true,
        gap: None,
    }
}

/// The same team; the broker has gone twelve seconds ago, as it had before.
pub(crate) fn broken() -> App {
    let mut app = busy();
    let lost =
        || News::Lost { why: "the connection was lost: it broke: reset by peer".into(), retry_in: 500 };
    tell(&mut app, lost());
    drop(app.update(Event::Tick, NOW + 8_000));
    tell(&mut app, News::Reconnected);
    let gap =
        ObserveGap { aspect: name("forge"), from: 41, to: 52, reason: "the broker has started since".into() };
    tell(&mut app, News::ObserveGap(gap));
    tell(&mut app, lost());
    drop(app.update(Event::Tick, NOW + 20_000));
    let why = "http://127.0.0.1:7888: no connection: connection refused; is the broker running there?".into();
    tell(&mut app, News::Lost { why, retry_in: 4_000 });
    app
}

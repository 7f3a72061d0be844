use nexus_wire::chat::{Message, ThreadInfo, Usage};
use nexus_wire::hands::{DispatchInfo, DispatchState, HandFailure};
use nexus_wire::observe::{Activity, Doing};
use nexus_wire::roster::{AspectInfo, AspectRole, AspectState, ContextMode};
use nexus_wire::{DispatchId, MessageId, ThreadId};
use uuid::Uuid;

use super::*;

fn ui() -> Ui {
    Ui::of(std::io::sink(), std::io::sink())
}

fn aspect(name: &str, state: AspectState, since: Ms) -> AspectInfo {
    AspectInfo {
        name: name.parse().expect("a name"),
        role: if name == "keel" { AspectRole::Frame } else { AspectRole::Worker },
        state,
        since,
        last_progress: None,
        model: String::new(),
        provider: "scripted".into(),
        context_mode: ContextMode::Thread,
        capabilities: Vec::new(),
        hands: Vec::new(),
        slots: 4,
        watches: Vec::new(),
        generation: 1,
        backlog: 0,
        restraint: None,
        activity: None,
        process: None,
    }
}

#[test]
fn a_team_is_seen_at_a_glance_and_never_by_colour_alone() {
    let day = 86_400_000;
    let team = [
        aspect("forge", AspectState::Busy, 10 * day - 90_000),
        aspect("harrow", AspectState::Deaf, 10 * day),
        aspect("keel", AspectState::Online, 8 * day),
        aspect("robin", AspectState::Stalled, 10 * day - 5000),
        aspect("wren", AspectState::Offline, 10 * day - 7_200_000),
    ];
    let mut team = team;
    team[2].activity = Some(Activity::default());
    team[3].activity = Some(Activity {
        doing: Doing::Tool,
        tool: Some("read_file".into()),
        turns: 2,
        dispatches: 1,
        ..Activity::default()
    });
    assert_eq!(
        aspects(&ui(), &team, 10 * day),
        "\
NAME    STATE      SINCE  DOING                                   ROLE    MODEL  HANDS  BACKLOG
forge   ◐ busy     1m     -                                       worker  -      -      0
harrow  ▲ deaf     now    -                                       worker  -      -      0
keel    ● online   2d     idle                                    lead    -      -      0
robin   ◌ stalled  5s     read_file (2 turns), 1 of 4 dispatches  worker  -      -      0
wren    ○ offline  2h     -                                       worker  -      -      0
"
    );
    let mut colourful = ui();
    colourful.colour = true;
    let coloured = aspects(&colourful, &team, 10 * day);
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
}

#[test]
fn threads_and_dispatches_fit_on_lines() {
    let thread = ThreadInfo {
        id: ThreadId(Uuid::from_u128(1)),
        title: format!("where\n{}", "very ".repeat(40)),
        created_at: 0,
        last_at: 0,
        messages: 2,
        last_seq: 2,
        participants_left_out: 0,
        unread: 0,
        participants: vec!["operator/ana".parse().expect("a party"), "forge".parse().expect("a party")],
        paused: true,
    };
    let text = threads(&ui(), &[thread], 3000);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(
        text.contains(
            "00000000-0000-0000-0000-000000000001  3s    2         -       operator/ana, forge  (paused) where very"
        ),
        "{text}"
    );

    let dispatch = DispatchInfo {
        id: DispatchId(Uuid::from_u128(2)),
        hand: "wren/verify-claim".parse().expect("a Hand"),
        invoker: "forge".parse().expect("a party"),
        key: "forge".parse().expect("a party"),
        root: DispatchId(Uuid::from_u128(2)),
        parent: None,
        depth: 1,
        capability: None,
        earlier: Vec::new(),
        run: None,
        source: None,
        thread: None,
        state: DispatchState::TimedOut,
        attempt: 1,
        accepted_at: 0,
        assigned_at: Some(500),
        ended_at: Some(2000),
        deadline_at: 0,
        retry_of: None,
        retried_as: None,
        stop: None,
        input: serde_json::Value::Null,
        input_left_out: false,
        output: None,
        error: Some(HandFailure { code: "timeout".into(), message: "1 s\nwas not \u{1b}[2Jenough".into() }),
        usage: Usage::default(),
        cost_microusd: None,
        budget: Default::default(),
        granted: Default::default(),
        spent: None,
        waiting_for: None,
        why: Vec::new(),
    };
    assert_eq!(
        dispatches(&ui(), &[dispatch], 61_000),
        "\
DISPATCH                              STATE        AGE  TOOK   HAND               FOR    ATTEMPT  WHY
00000000-0000-0000-0000-000000000002  ✕ timed_out  1m   1.5 s  wren/verify-claim  forge  1        timeout: 1 s was not [2Jenough
"
    );
}

#[test]
fn messages_read_like_a_conversation() {
    let message = |id: u128, from: &str, to: &[&str], content: &str| Message {
        id: MessageId(Uuid::from_u128(id)),
        seq: 1,
        thread: ThreadId(Uuid::from_u128(1)),
        reply_to: None,
        from: from.parse().expect("a party"),
        to: to.iter().map(|name| name.parse().expect("a party")).collect(),
        content: content.into(),
        at: 1_000_000_000_000,
        meta: None,
        attachments: Vec::new(),
        reactions: Vec::new(),
    };
    let two = [
        message(1, "operator/ana", &["forge"], "where?"),
        message(2, "forge", &[], "There:\n\n> it \u{1b}is\n"),
    ];
    assert_eq!(
        messages(&two, &TimeZone::UTC),
        "\
operator/ana → forge  2001-09-09 01:46:40  00000000-0000-0000-0000-000000000001
  where?

forge  2001-09-09 01:46:40  00000000-0000-0000-0000-000000000002
  There:

  > it is
"
    );
}

#[test]
fn stretches_of_time_are_read_aloud() {
    let cases = [
        (-5, "0 ms"),
        (999, "999 ms"),
        (1250, "1.2 s"),
        (59_999, "59.9 s"),
        (61_000, "1 min 1 s"),
        (3_599_999, "59 min 59 s"),
        (86_399_999, "23 h 59 min"),
        (410_713_000, "4 d 18 h"),
    ];
    for (ms, text) in cases {
        assert_eq!(span(ms), text);
    }
    assert_eq!(ago(10, 0), "now", "a clock behind the broker's");
    assert_eq!(exact(Ms::MAX, &TimeZone::UTC), Ms::MAX.to_string());
}

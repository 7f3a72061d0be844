//! What the team does while nobody types, in the model: a table, flows and triggers that are there from the start, and
//! people and services that set them off, stop them, and say the same twice.

use nexus_broker::hub::{Change, CommandBody, HookCall};
use nexus_wire::flow::FlowPut;
use nexus_wire::name::FlowName;
use nexus_wire::registry::{RegistryPut, RegistryRemove, RegistryWrite};
use nexus_wire::run::{RunCancel, RunRetry, RunStart};
use nexus_wire::trigger::{TriggerFire, TriggerInfo, TriggerPause, TriggerResume};
use nexus_wire::{Ms, Party, RequestId, RunId, ToBroker, TriggerName};
use serde_json::{Value, json};

use super::Dice;

/// Twelve time zones whose clocks do what clocks can do.
const ZONES: &str = include_str!("../../fixtures/zones.txt");
const TABLE: &str = "errands";
const FLOWS: [&str; 2] = ["errand", "outing"];
const TRIGGERS: [&str; 7] = ["asks", "follows", "hears", "hooked", "hourly", "nightly", "often"];
/// Names that a service gives its requests; few, so that many come twice.
const DELIVERIES: usize = 24;

/// Those whose slots come so fast that a long sleep misses thousands of them.
const RESTLESS: [&str; 3] = ["fleeting", "minutely", "ticking"];
const HOUR: Ms = 3_600_000;

/// One world in three, as it takes longer to come to rest with one.
pub(super) fn is_part_of(seed: u64) -> bool {
    seed.is_multiple_of(3)
}

/// One in eight of those sleeps for days and weeks, with triggers that would not have.
pub(super) fn sleeps(seed: u64) -> bool {
    seed % 24 == 3
}

/// For how long nothing happens: no broker runs, or the machine sleeps.
pub(super) fn sleep(dice: &mut Dice) -> Ms {
    let hours = match dice.below(10) {
        0..6 => 2 + dice.below(24),
        6..9 => 24 + dice.below(5 * 24),
        _ => 14 * 24 + dice.below(7 * 24),
    };
    // Not by whole hours, so that it ends anywhere between two slots.
    HOUR * hours as Ms + dice.below(HOUR as usize) as Ms
}

fn named(name: &str) -> TriggerName {
    name.parse().expect("a name")
}

pub(super) fn table() -> nexus_wire::name::RegistryName {
    TABLE.parse().expect("a name")
}

/// One step does something once, one several times side by side, one waits for a word, one for people, one writes it
/// down; failures let the rest go on. The other one has it as a step, and one of them runs at a time.
fn flows() -> [Value; 2] {
    let errand = json!({
        "id": "errand",
        "steps": [
            {"id": "look", "do": {"dispatch": {"hand": "agent-0/check", "input": "{{ input }}"}}, "timeout_s": 600,
             "retry": {"times": 2, "backoff_s": 30}, "on_error": "continue"},
            {"id": "each", "for_each": "[1, 2]", "needs": ["look"], "timeout_s": 600, "on_error": "continue",
             "do": {"dispatch": {"hand": "agent-1/paint", "input": "{{ item }}"}}},
            {"id": "word", "do": {"wait": {"event": {"kinds": ["message", "trigger.skipped"]}}}, "timeout_s": 900,
             "on_error": "continue"},
            {"id": "leave", "needs": ["each"], "do": {"approve": {"text": "Go on?", "expires_s": 300, "on_timeout": "approve"}}},
            {"id": "note", "needs": ["leave", "word"], "on_error": "continue",
             "do": {"write": {"registry": TABLE, "values": {"id": "{{ run.id }}", "by": "{{ run.by }}", "heard": "{{ steps.word.state }}"}}}},
        ],
        "output": {"row": "{{ steps.note.output }}"},
    });
    let outing = json!({
        "id": "outing",
        "steps": [
            {"id": "go", "do": {"flow": {"id": "errand", "input": "{{ input }}"}}, "timeout_s": 3600},
            {"id": "rest", "needs": ["go"], "do": {"wait": {"seconds": 20}}},
        ],
        "output": "{{ steps.go.output }}",
        "concurrency_group": ["outings"],
    });
    [errand, outing]
}

/// By the clock in one of twelve zones, by entries of the log, by each other, by services, and by hand; each way to meet
/// what was missed and what is still at work is there.
fn triggers(seed: u64) -> [Value; 7] {
    let zones: Vec<&str> = ZONES.lines().collect();
    let zone = zones[seed as usize % zones.len()];
    let dispatch = |hand: &str| json!({"dispatch": {"hand": hand, "input": {"no": "{{ trigger.no }}"}, "deadline_s": 600}});
    let flow = |id: &str| json!({"flow": {"id": id, "input": "{{ trigger.no }}"}});
    let ask = json!({"ask": {"aspect": "agent-1", "text": "What is new?"}});
    [
        json!({"name": "asks", "when": {"every": {"seconds": 5400}}, "jitter_s": 60, "overlap": "replace", "do": ask}),
        json!({"name": "follows", "when": {"after": {"flow": "errand", "on": "both"}}, "do": dispatch("agent-0/paint"), "overlap": "queue"}),
        json!({"name": "hears", "when": {"event": {"kinds": ["dispatch_ended", "run.ended"]}}, "do": dispatch("agent-1/check")}),
        json!({"name": "hooked", "when": {"webhook": {"preset": "generic"}}, "do": flow("outing"), "overlap": "allow"}),
        json!({"name": "hourly", "when": {"every": {"seconds": 3600}}, "do": dispatch("agent-0/check"), "overlap": "queue",
               "misfire": {"all": 3}, "retry": {"max": 1, "backoff_s": [60]}}),
        json!({"name": "nightly", "when": {"cron": "30 2 * * *"}, "timezone": zone, "do": flow("errand"), "misfire": "skip"}),
        json!({"name": "often", "when": {"cron": "15 */3 * * *"}, "timezone": zone, "do": flow("outing"), "misfire": "once"}),
    ]
}

/// By the minute on a wall clock, every five seconds, and for three days only. From world to world the ways to meet what
/// was missed, and what is still at work, are put together anew.
fn restless(seed: u64, start: Ms) -> [Value; 3] {
    let zones: Vec<&str> = ZONES.lines().collect();
    let world = seed / 24;
    let zone = zones[world as usize % zones.len()];
    let misfire = |at: u64| [json!("skip"), json!("once"), json!({"all": 3})][(at % 3) as usize].clone();
    let overlap = |at: u64| ["skip", "queue", "replace", "allow"][(at % 4) as usize];
    let dispatch = |hand: &str| json!({"dispatch": {"hand": hand, "input": {"no": "{{ trigger.no }}"}, "deadline_s": 600}});
    [
        json!({"name": "fleeting", "when": {"every": {"seconds": 30}}, "do": dispatch("agent-1/check"), "jitter_s": 20,
               "misfire": misfire(world + 2), "overlap": overlap(world + 2), "expires_at": start + 72 * HOUR}),
        json!({"name": "minutely", "when": {"cron": "* * * * *"}, "timezone": zone, "do": dispatch("agent-0/check"),
               "misfire": misfire(world), "overlap": overlap(world)}),
        json!({"name": "ticking", "when": {"every": {"seconds": 5}}, "do": dispatch("agent-1/check"),
               "misfire": misfire(world + 1), "overlap": overlap(world + 1), "retry": {"max": 1, "backoff_s": [20]}}),
    ]
}

/// Which of them a world has.
pub(super) fn names(seed: u64) -> impl Iterator<Item = &'static str> {
    let more = if sleeps(seed) { &RESTLESS[..] } else { &[] };
    TRIGGERS.iter().chain(more).copied().filter(move |_| is_part_of(seed))
}

/// What never comes to rest by itself is stopped at the end.
pub(super) fn stop_restless() -> impl Iterator<Item = Change> {
    RESTLESS.iter().map(|name| Change::TriggerPause(TriggerPause { trigger: named(name), reason: None }))
}

/// What an operator of the team sets up before anything happens.
pub(super) fn set_up(seed: u64, start: Ms) -> Vec<Change> {
    let registry = json!({
        "registry": {
            "name": TABLE,
            "key": "id",
            "fields": [
                {"name": "id", "type": "string"},
                {"name": "by", "type": "string", "required": true},
                {"name": "heard", "type": "string"},
            ],
            "writers": ["agent-0"],
        },
    });
    let put: RegistryPut = serde_json::from_value(registry).expect("a registry");
    let mut all = vec![Change::RegistryPut(put)];
    for flow in flows() {
        all.push(Change::FlowPut(FlowPut { flow: serde_json::from_value(flow).expect("a flow") }));
    }
    let restless = restless(seed, start).into_iter().filter(|_| sleeps(seed));
    for trigger in triggers(seed).into_iter().chain(restless) {
        all.push(Change::TriggerPut(Box::new(serde_json::from_value(trigger).expect("a trigger"))));
    }
    all
}

/// A service calls, perhaps once more.
pub(super) fn call(hook: &TriggerInfo, dice: &mut Dice) -> CommandBody {
    let delivery = format!("d-{}", dice.below(DELIVERIES));
    let payload = json!({"event": "push", "delivery": delivery, "body": {"n": dice.below(9)}});
    CommandBody::Hook(HookCall { trigger: hook.definition.name.clone(), id: hook.id, delivery, payload })
}

fn some_flow(dice: &mut Dice) -> FlowName {
    FLOWS[dice.below(FLOWS.len())].parse().expect("a name")
}

pub(super) fn start(dice: &mut Dice) -> RunStart {
    RunStart { flow: some_flow(dice), input: dice.below(9).into(), thread: None }
}

/// What an aspect writes into the table, of which one may.
pub(super) fn write(by: &Party, dice: &mut Dice) -> RegistryWrite {
    // Few rows, so that they meet.
    let id = format!("row-{}", dice.below(6));
    let heard = ["yes", "no"][dice.below(2)];
    let values = json!({"id": id, "by": by, "heard": heard});
    let values = values.as_object().cloned().unwrap_or_default().into_iter().collect();
    RegistryWrite { registry: table(), row: None, values, if_version: None }
}

/// What a person does about all that. `runs`: those that they have started.
pub(super) fn act(triggers: &[&str], who: &Party, dice: &mut Dice, runs: &[RunId]) -> ToBroker {
    let trigger = named(triggers[dice.below(triggers.len())]);
    let run = (!runs.is_empty()).then(|| runs[dice.below(runs.len())]);
    match (dice.below(9), run) {
        (0, _) => TriggerPause { trigger, reason: None }.into(),
        (1 | 2, _) => TriggerResume { trigger }.into(),
        (3, _) => TriggerFire { trigger, payload: json!({"by": "hand"}) }.into(),
        (4, Some(run)) => RunCancel { run, reason: None }.into(),
        (5, Some(run)) => RunRetry { run, step: None }.into(),
        (6, _) => {
            let row = format!("row-{}", dice.below(6));
            RegistryRemove { registry: table(), row, if_version: None }.into()
        }
        (7, _) => write(who, dice).into(),
        _ => start(dice).into(),
    }
}

/// A change that somebody outside of every link asks for.
pub(super) fn asked(by: &Party, request: RequestId, change: Change) -> CommandBody {
    CommandBody::Request { sender: by.clone(), link: None, request, change }
}

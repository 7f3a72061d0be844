//! A run of twenty steps of every kind, with a broker that is killed at each of its commits: it comes to the same, and
//! nothing is done twice.

use nexus_broker::hub::records::{Reads, RunsWanted, Transaction, Which};
use nexus_broker::hub::{Change, Command, CommandBody, Effect, Hub, Origin};
use nexus_broker::store::MemoryStore;
use nexus_wire::approval::{ApprovalAnswer, Verdict};
use nexus_wire::chat::ChatSend;
use nexus_wire::flow::FlowPut;
use nexus_wire::hands::{DispatchResult, HandFailure, Lease};
use nexus_wire::registry::RegistryChange;
use nexus_wire::run::{RunStart, RunState, RunTask, StepState, TaskWork};
use nexus_wire::{Ms, Party, RequestId, RunId};
use serde_json::{Value, json};

use super::register;
use crate::flows::{self, Flowing, with};
use crate::world::{self, World};

/// The longest that a step waits for the time, or for its next attempt.
const WAIT_S: u32 = 5;

/// Where a broker is killed: in the commit with that number, before it is on disk or after.
type Crash = Option<(usize, bool)>;

struct Brittle {
    world: World<MemoryStore>,
    crash: Crash,
    commits: usize,
}

impl Brittle {
    /// Sends a command until it is known to be done; whoever asked sends the same again.
    fn send(&mut self, sender: &str, change: Change) {
        let (request, party) = (RequestId(self.world.id()), sender.parse::<Party>().unwrap());
        let link = |world: &World<MemoryStore>| (sender == "wren").then(|| world.link(sender)).flatten();
        self.carry_out(|world| CommandBody::Request {
            sender: Party::clone(&party),
            link: link(world),
            request,
            change: change.clone(),
        });
    }

    fn carry_out(&mut self, body: impl Fn(&World<MemoryStore>) -> CommandBody) {
        let number = self.commits;
        self.commits += 1;
        let world = &mut self.world;
        let surely = |effects: Vec<Effect>| {
            for effect in effects {
                if let Effect::Answer { answer, .. } = effect {
                    answer.unwrap();
                }
            }
        };
        if let Some((_, is_written)) = self.crash.filter(|(at, _)| *at == number) {
            let command = Command { at: world.at, origin: Origin::Call(7), trace: None, body: body(world) };
            world.store.begin().unwrap();
            let _ = world.hub.apply(&mut world.store, command).unwrap();
            if is_written {
                world.store.commit().unwrap();
            } else {
                world.store.rollback().unwrap();
            }
            world.hub = Hub::rebuild(&world.store, world.config.clone()).unwrap();
            let config = world.config.clone();
            world.start(config);
            let open = self.open();
            register(&mut self.world, &open);
            let again = body(&self.world);
            return surely(self.world.apply(again));
        }
        let body = body(world);
        surely(world.apply(body));
    }

    fn runs(&self, wanted: &RunsWanted) -> Vec<RunId> {
        self.world.store.runs(wanted, None, 100).unwrap().iter().map(|it| it.id).collect()
    }

    fn open(&self) -> Vec<RunId> {
        self.runs(&RunsWanted::default())
    }

    /// Who is asked answers, of all that is at work what began last; where that is nobody, the time passes.
    fn goes_on(&mut self) {
        let tasks: Vec<RunTask> = self.open().iter().flat_map(|run| self.world.tasks(*run)).collect();
        let asks = |task: &&RunTask| {
            let Some(work) = task.work else { return false };
            task.state == StepState::Running && !matches!(work, TaskWork::Run(_) | TaskWork::Clock)
        };
        let Some(task) = tasks.iter().rfind(asks) else {
            self.world.at += Ms::from(WAIT_S) * 1_000;
            return self.carry_out(|_| CommandBody::Tick);
        };
        match task.work.unwrap() {
            TaskWork::Dispatch(dispatch) => {
                let fails = fails(task);
                let result = DispatchResult {
                    lease: Lease { dispatch, attempt: 1 },
                    output: (!fails).then(|| json!(format!("{} {}", task.step, task.index))),
                    error: fails.then(|| HandFailure { code: "no".into(), message: "as planned".into() }),
                    usage: Default::default(),
                    cost_microusd: None,
                };
                self.send("wren", Change::DispatchResult(result));
            }
            TaskWork::Approval(approval) => {
                let (verdict, text) = (Verdict::Approve, Some("fine".to_owned()));
                self.send("operator/bo", Change::ApprovalAnswer(ApprovalAnswer { approval, verdict, text }));
            }
            TaskWork::Event => {
                let (to, content) = (vec!["operator/ana".to_owned()], "now".to_owned());
                self.send("wren", Change::ChatSend(ChatSend { to, content, ..ChatSend::default() }.into()));
            }
            TaskWork::Run(_) | TaskWork::Clock => unreachable!("nobody is asked by it"),
        }
    }
}

fn fails(task: &RunTask) -> bool {
    match task.step.as_str() {
        "retried" => task.attempt == 1,
        "flaky" => task.index == 1 && task.attempt == 1,
        "fails" | "turns" => true,
        _ => false,
    }
}

fn work(id: &str, needs: &[&str]) -> Value {
    flows::work(id, needs, json!(format!("{{{{ run.flow }}}} {id}")))
}

fn step(id: &str, needs: &[&str], act: Value) -> Value {
    json!({"id": id, "needs": needs, "do": act})
}

/// Twenty steps, some side by side: each kind, and each way in which one goes on.
fn twenty() -> Value {
    let row =
        |hours: Value| json!({"write": {"registry": "clients", "row": "acme", "values": {"hours": hours}}});
    let sub = |input: &str| json!({"flow": {"id": "sub", "input": input}});
    let again = json!({"retry": {"times": 1, "backoff_s": WAIT_S}});
    let each = json!({"for_each": "input.items"});
    let steps = vec![
        work("first", &[]),
        with(work("each", &["first"]), each.clone()),
        with(work("retried", &["first"]), again.clone()),
        step("leave", &["each"], json!({"approve": {"text": "After {{ len(steps.each.output) }}?"}})),
        step("heard", &["retried"], json!({"wait": {"event": {"kinds": ["message"], "by": "wren"}}})),
        step("row", &["each"], row(json!("{{ len(steps.each.output) }}"))),
        step("below", &["first"], sub("{{ steps.first.output }}")),
        step("pause", &["leave"], json!({"wait": {"seconds": WAIT_S}})),
        step(
            "asked",
            &["leave"],
            json!({"ask": {"aspect": "wren", "text": "What of {{ steps.leave.output.text }}?"}}),
        ),
        with(work("skipped", &["leave"]), json!({"if": "input.never"})),
        with(work("fails", &["heard"]), json!({"on_error": "continue"})),
        with(with(work("flaky", &["row"]), again), each.clone()),
        step("rewritten", &["row", "pause"], row(json!(7))),
        with(step("many", &["below"], sub("{{ item }}")), each),
        with(work("turns", &["asked"]), json!({"on_error": {"goto": "instead"}})),
        work("unreached", &["turns"]),
        work("instead", &[]),
        work("after", &["fails", "flaky"]),
        work("late", &["rewritten", "many", "skipped"]),
        work("last", &["after", "late", "instead"]),
    ];
    let output = json!({
        "each": "{{ steps.each.output }}",
        "retried": "{{ steps.retried.output }}",
        "leave": "{{ steps.leave.output }}",
        "heard": "{{ steps.heard.output.body.content }}",
        "below": "{{ steps.below.output }}",
        "many": "{{ steps.many.output }}",
        "row": "{{ steps.rewritten.output }}",
        "fails": "{{ steps.fails.error.message }}",
        "last": "{{ steps.last.output }}",
    });
    json!({"id": "f", "steps": steps, "output": output, "max_parallel": 3})
}

#[derive(Debug, PartialEq)]
struct Outcome {
    output: Option<Value>,
    /// Of the run and of those below it, sorted.
    states: Vec<String>,
    /// All that was ever given to a Hand, sorted.
    given: Vec<String>,
    asked: usize,
    said: usize,
    /// Version and hours of the row that is written.
    row: Vec<(u64, Option<Value>)>,
    commits: usize,
}

fn outcome(crash: Crash) -> Outcome {
    let mut world = world::memory();
    world.team();
    register(&mut world, &[]);
    let fields = json!([{"name": "id", "type": "string"}, {"name": "hours", "type": "number"}]);
    let registry = json!({"registry": {"name": "clients", "key": "id", "fields": fields}});
    let sub = json!({"id": "sub", "steps": [
        work("part", &[]),
        step("moment", &["part"], json!({"wait": {"seconds": 1}})),
    ], "output": "{{ input }}: {{ steps.part.output }}"});
    let mut brittle = Brittle { world, crash, commits: 0 };
    brittle.send("operator/ana", Change::RegistryPut(serde_json::from_value(registry).unwrap()));
    for flow in [sub, twenty()] {
        let flow = serde_json::from_value(flow).unwrap();
        brittle.send("operator/ana", Change::FlowPut(FlowPut { flow }));
    }
    let input = json!({"items": ["x", "y"], "never": false});
    let start = RunStart { flow: "f".parse().unwrap(), input, thread: None };
    brittle.send("operator/ana", Change::RunStart(start));
    let run = brittle.open()[0];
    while brittle.world.info(run).state == RunState::Running {
        assert!(brittle.commits < 200, "{:?}", brittle.world.info(run));
        brittle.goes_on();
    }
    let all = brittle.runs(&RunsWanted { all: true, ..RunsWanted::default() });
    let Brittle { world, commits, .. } = brittle;
    let dispatches = world.store.dispatches(Which::All, None, 100).unwrap();
    assert!(dispatches.iter().all(|it| it.attempt == 1), "{dispatches:?}");
    let mut given: Vec<String> = dispatches
        .iter()
        .map(|it| format!("{} {}", it.hand, world.store.dispatch(it.id).unwrap().unwrap().info.input))
        .collect();
    given.sort();
    let mut states: Vec<String> = all.into_iter().map(|run| world.states(run)).collect();
    states.sort();
    let changes = world.store.registry_changes(&"clients".parse().unwrap(), None, 100, 100).unwrap();
    let hours = |it: RegistryChange| (it.version, it.after.map(|values| values["hours"].clone()));
    Outcome {
        output: world.store.run(run).unwrap().unwrap().output,
        states,
        given,
        asked: world.store.approvals(true, None, 100).unwrap().len(),
        said: world.store.messages_older(Ms::MAX, 0, 100).unwrap().len(),
        row: changes.into_iter().map(hours).collect(),
        commits,
    }
}

#[test]
fn twenty_steps_come_out_the_same_whichever_commit_is_the_last_of_a_broker() {
    let whole = outcome(None);
    let of_sub = "done: part=done moment=done";
    let of_run = "done: first=done each=done retried=done leave=done heard=done row=done below=done pause=done \
                  asked=done skipped=skipped fails=failed flaky=done rewritten=done many=done turns=failed \
                  unreached=unreached instead=done after=done late=done last=done";
    let given = [
        r#"wren/self "What of fine?""#,
        r#"wren/work "f after""#,
        r#"wren/work "f each""#,
        r#"wren/work "f each""#,
        r#"wren/work "f fails""#,
        r#"wren/work "f first""#,
        // One of the two is tried again.
        r#"wren/work "f flaky""#,
        r#"wren/work "f flaky""#,
        r#"wren/work "f flaky""#,
        r#"wren/work "f instead""#,
        r#"wren/work "f last""#,
        r#"wren/work "f late""#,
        r#"wren/work "f retried""#,
        r#"wren/work "f retried""#,
        r#"wren/work "f turns""#,
        r#"wren/work "sub part""#,
        r#"wren/work "sub part""#,
        r#"wren/work "sub part""#,
    ];
    let expected = Outcome {
        output: Some(json!({
            "each": ["each 0", "each 1"],
            "retried": "retried 0",
            "leave": {"approved": true, "by": "operator/bo", "text": "fine"},
            "heard": "now",
            "below": "first 0: part 0",
            "many": ["x: part 0", "y: part 0"],
            "row": {"registry": "clients", "row": "acme", "version": 2, "changed": true},
            "fails": "as planned",
            "last": "last 0",
        })),
        states: [of_run, of_sub, of_sub, of_sub].map(str::to_owned).to_vec(),
        given: given.map(str::to_owned).to_vec(),
        asked: 1,
        said: 1,
        row: vec![(2, Some(json!(7))), (1, Some(json!(2)))],
        commits: 27,
    };
    assert_eq!(whole, expected);
    for commit in 0..whole.commits {
        for is_written in [false, true] {
            assert_eq!(outcome(Some((commit, is_written))), whole, "commit {commit}, written: {is_written}");
        }
    }
}

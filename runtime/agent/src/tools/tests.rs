use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use nexus_wire::budget::Budget;
use nexus_wire::chat::ChatSent;
use nexus_wire::gather::{GatherPolicy, GatherResult, GatherState, Gathered};
use nexus_wire::hands::{Dispatch, DispatchState, DispatchStatus, Dispatched, HandFailure, Outcome, Wanted};
use nexus_wire::limits::LOOKS_MAX;
use nexus_wire::{ErrorBody, ErrorCode, HandRef, HandTarget, Json, MessageId, ToBroker};
use serde_json::json;
use tokio::sync::mpsc;

use nexus_wire::{DispatchId, ItemId, Party};

use super::*;
use crate::sandbox::SandboxConfig;
use crate::uplink::{LineEnd, line};

mod edits;
mod escape;
mod fetching;
mod files;
mod redteam;

const RESULT_BYTES_MAX: usize = 64 * 1024;
const ITEM: &str = "0199a0b1-c2d3-7123-8456-789abcdef012";

fn caller() -> Caller {
    let source = ITEM.parse().expect("an id");
    let thread = "0199a0b1-c2d3-7123-8456-0000000000aa".parse().expect("an id");
    Caller::of("forge".parse().expect("a name"), source, Some(thread), None)
}

struct Bench {
    toolbox: Toolbox,
    link: LineEnd,
    claims: mpsc::Receiver<Claim>,
}

fn bench(roots: &[(&str, &Path)]) -> Bench {
    let roots = roots.iter().map(|(label, path)| Root {
        label: (*label).to_owned(),
        path: path.to_path_buf(),
        write: true,
    });
    let (line, link) = line();
    let (claims, claimed) = mpsc::channel(8);
    let claims = Claims { claims, waiting: None };
    let sandbox = Sandbox::new(SandboxConfig::default(), "/no/helper/in/these/tests".into());
    let fetcher = Fetcher::new(FetchConfig::default());
    let reach = Reach { roots: Roots::new(roots.collect()), sandbox, fetcher };
    let toolbox = Toolbox::new(Tool::ALL.to_vec(), reach, line, claims, None, RESULT_BYTES_MAX);
    Bench { toolbox, link, claims: claimed }
}

async fn call(toolbox: &Toolbox, name: &str, input: Value) -> ToolOutcome {
    let caller = caller();
    let run = toolbox.run(&caller, 0, name, input);
    tokio::time::timeout(Duration::from_secs(30), run).await.expect("no tool hangs")
}

async fn ok(toolbox: &Toolbox, name: &str, input: Value) -> Value {
    let outcome = call(toolbox, name, input).await;
    assert!(!outcome.is_error, "{}", outcome.content);
    serde_json::from_str(&outcome.content).expect("results are JSON")
}

async fn refusal(toolbox: &Toolbox, name: &str, input: Value) -> String {
    let outcome = call(toolbox, name, input).await;
    assert!(outcome.is_error, "{}", outcome.content);
    outcome.content
}

#[test]
fn every_tool_has_a_name_a_description_and_a_schema() {
    for tool in Tool::ALL {
        let spec = tool.spec();
        assert_eq!(Tool::from_name(&spec.name), Some(*tool));
        assert!(spec.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        assert!(spec.description.len() > 20 && !spec.description.contains('\n'), "{}", spec.description);
        assert_eq!(spec.input_schema["type"], "object", "{tool}");
        let text = spec.input_schema.to_string();
        assert!(!text.contains("$ref") && !text.contains("$defs"), "{text}");
    }
}

#[tokio::test]
async fn only_what_is_allowed_is_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let bench = bench(&[("work", folder.path())]);
    let few = bench.toolbox.with_tools(vec![Tool::ListTeam], Vec::new());
    assert_eq!(few.specs().len(), 1);
    let told = refusal(&few, "list_files", json!({})).await;
    assert_eq!(told, "there is no tool \"list_files\" here; the tools are list_team");
    let told = refusal(&few.with_tools(Vec::new(), Vec::new()), "rm", json!({})).await;
    assert_eq!(told, "there is no tool \"rm\" here; the tools are none");
    ok(&bench.toolbox, "list_files", json!({})).await;
}

#[tokio::test]
async fn wrong_arguments_are_told_with_their_field() {
    let bench = bench(&[]);
    let cases = [
        ("read_file", json!({"path": "a", "from_line": "x"}), "argument `from_line`"),
        ("read_file", json!({}), "missing field `path`"),
        ("search_files", json!({}), "argument `query` or `pattern` is needed"),
        ("search_files", json!({"query": " "}), "argument `query` or `pattern` is needed"),
        ("search_files", json!({"query": "?!"}), "argument `query`: there is no word"),
        ("search_files", json!({"pattern": "("}), "argument `pattern`: regex parse error"),
        ("list_files", json!({"deep": 1}), "unknown field `deep`"),
        ("send_message", json!({"to": [], "content": "x"}), "argument `to`"),
        ("send_message", json!({"to": ["wren"], "content": " "}), "argument `content`"),
        ("send_message", json!({"to": "wren", "content": "x"}), "argument `to`: invalid type: string"),
        ("read_thread", json!({"thread": "7"}), "argument `thread`: \"7\" is no thread's id"),
        ("dispatch_hand", json!({"hand": "verify"}), "argument `hand`: \"verify\" is not a Hand"),
        ("store_knowledge", json!({"topic": "", "content": "x"}), "argument `topic`"),
        ("list_team", json!({crate::conversation::INVALID_ARGUMENTS: "{"}), "not JSON"),
    ];
    for (tool, input, expected) in cases {
        let told = refusal(&bench.toolbox, tool, input.clone()).await;
        assert!(told.contains(expected), "{tool} {input}: {told}");
    }
}

#[tokio::test]
async fn the_same_call_asks_with_the_same_id_and_another_with_another() {
    let Bench { toolbox, mut link, .. } = bench(&[]);
    let input = json!({"to": ["@wren", "operator/ana"], "content": "hello"});
    let mut ids = Vec::new();
    for ordinal in [0, 0, 1] {
        let served = async {
            let request = link.requests.recv().await.expect("a request");
            let ToBroker::ChatSend(send) = &request.frame else { panic!("{:?}", request.frame) };
            assert_eq!(send.to, ["wren", "operator/ana"]);
            assert_eq!(send.thread, caller().thread);
            let sent = ChatSent {
                message: MessageId(request.id.0),
                seq: 1,
                thread: caller().thread.expect("a thread"),
                recipients: Vec::new(),
                unknown: Vec::new(),
            };
            request.reply.send(Ok(Json::of(&sent))).expect("somebody waits");
            request.id
        };
        let caller = caller();
        let (outcome, id) =
            tokio::join!(toolbox.run(&caller, ordinal, "send_message", input.clone()), served);
        assert!(!outcome.is_error);
        ids.push(id);
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn what_the_broker_refuses_is_told_and_ends_the_call() {
    let Bench { toolbox, mut link, .. } = bench(&[]);
    let served = async {
        let request = link.requests.recv().await.expect("a request");
        let body = ErrorBody::new(ErrorCode::Forbidden, "storing shared knowledge needs a grant");
        request.reply.send(Err(body)).expect("somebody waits");
    };
    let input = json!({"topic": "t", "content": "c", "shared": true});
    let (told, ()) = tokio::join!(refusal(&toolbox, "store_knowledge", input), served);
    assert_eq!(told, "the broker refused it: forbidden: storing shared knowledge needs a grant");
}

#[tokio::test]
async fn a_dispatch_is_claimed_before_it_is_asked_for_and_waited_for() {
    let Bench { toolbox, mut link, mut claims } = bench(&[]);
    let served = async {
        let claim = claims.recv().await.expect("claimed first");
        let request = link.requests.recv().await.expect("a request");
        let ToBroker::Dispatch(dispatch) = &request.frame else { panic!("{:?}", request.frame) };
        assert_eq!(dispatch.input, json!({"claim": "x"}));
        assert_eq!(claim.of, caller().dispatch_id(0).0);
        let Some(HandTarget::Hand(hand)) = dispatch.hand.clone() else { panic!("{dispatch:?}") };
        let dispatched = Dispatched {
            dispatch: DispatchId(claim.of),
            chosen: hand.clone(),
            why: Vec::new(),
            state: DispatchState::Pending,
            position: 0,
            deadline_at: 0,
            clamped: false,
            budget: Default::default(),
        };
        request.reply.send(Ok(Json::of(&dispatched))).expect("somebody waits");
        let outcome = Outcome {
            dispatch: DispatchId(claim.of),
            hand,
            parent: None,
            thread: None,
            state: DispatchState::Failed,
            output: None,
            error: Some(HandFailure { code: "timeout".into(), message: "too slow".into() }),
            attempts: 1,
            usage: Default::default(),
            cost_microusd: None,
            spent: None,
        };
        let item = ItemId(claim.of);
        claim.ended.send(Ended { item, end: End::Dispatch(outcome) }).expect("somebody waits");
        item
    };
    let input = json!({"hand": "wren/verify-claim", "input": {"claim": "x"}});
    let (outcome, item) = tokio::join!(call(&toolbox, "dispatch_hand", input), served);
    assert!(outcome.is_error);
    assert_eq!(outcome.settles, Some(item));
    let told: Value = serde_json::from_str(&outcome.content).expect("JSON");
    assert_eq!(told["state"], "failed");
    assert_eq!(told["error"]["code"], "timeout");
}

#[tokio::test]
async fn a_hand_is_named_or_chosen_or_ones_own() {
    let cases = [
        (
            json!({"hand": "self", "input": 1}),
            Dispatch { hand: Some(HandTarget::Own), ..Dispatch::default() },
        ),
        (
            json!({"needs": ["verify"], "input": 1}),
            Dispatch {
                capability: Some(Wanted { needs: vec!["verify".into()], ..Wanted::default() }),
                ..Dispatch::default()
            },
        ),
        (
            json!({"hand": "wren/verify", "needs": [], "input": 1}),
            Dispatch::to("wren/verify".parse::<HandRef>().expect("a Hand"), json!(1)),
        ),
        (
            json!({"hand": "wren/self", "skill": "summarise", "input": 1}),
            Dispatch {
                skill: Some("summarise".into()),
                ..Dispatch::to("wren/self".parse::<HandRef>().expect("a Hand"), json!(1))
            },
        ),
    ];
    for (input, expected) in cases {
        let Bench { toolbox, mut link, mut claims } = bench(&[]);
        let served = async {
            claims.recv().await.expect("claimed first");
            let request = link.requests.recv().await.expect("a request");
            let expected = Dispatch { input: json!(1), thread: caller().thread, ..expected };
            assert_eq!(request.frame, ToBroker::Dispatch(expected));
            let body = ErrorBody::new(ErrorCode::NoCandidate, "nobody can");
            request.reply.send(Err(body)).expect("somebody waits");
        };
        let (told, ()) = tokio::join!(refusal(&toolbox, "dispatch_hand", input), served);
        assert_eq!(told, "the broker refused it: no_candidate: nobody can");
    }
}

#[tokio::test]
async fn messages_are_looked_for_until_there_are_some_and_not_for_ever() {
    let found = |hits: Value, next: Option<u64>| {
        Json::of(&json!({"hits": hits, "more": next.is_some(), "next": next, "indexed_seq": 90}))
    };
    let hit = json!({
        "message": ITEM, "seq": 55, "thread": ITEM, "title": "a title", "from": "wren", "at": 0,
        "snippet": [{"text": "the "}, {"text": "moon", "hit": true}],
    });
    let Bench { toolbox, mut link, .. } = bench(&[]);
    let served = async {
        let mut ids = BTreeSet::new();
        for (cursor, answer) in [(None, found(json!([]), Some(60))), (Some(60), found(json!([hit]), None))] {
            let request = link.requests.recv().await.expect("a request");
            let ToBroker::ChatSearch(search) = &request.frame else { panic!("{:?}", request.frame) };
            assert_eq!((search.cursor, search.limit), (cursor, Some(3)));
            assert!(ids.insert(request.id), "each is a request of its own");
            request.reply.send(Ok(answer)).expect("somebody waits");
        }
    };
    let input = json!({"query": "moon", "by": "wren", "limit": 3});
    let (shown, ()) = tokio::join!(ok(&toolbox, "search_messages", input.clone()), served);
    assert_eq!((&shown["hits"][0]["snippet"], &shown["next"]), (&json!("the moon"), &Value::Null));

    let served = async {
        for look in 1..=LOOKS_MAX as u64 {
            let request = link.requests.recv().await.expect("a request");
            request.reply.send(Ok(found(json!([]), Some(1_000 - look)))).expect("somebody waits");
        }
    };
    let (shown, ()) = tokio::join!(ok(&toolbox, "search_messages", input), served);
    assert_eq!(shown, json!({"hits": [], "next": 980}));
}

#[tokio::test]
async fn a_gather_names_each_part_and_waits_for_one_answer() {
    let Bench { toolbox, mut link, mut claims } = bench(&[]);
    let served = async {
        let claim = claims.recv().await.expect("claimed first");
        let mut dispatches = Vec::new();
        for hand in ["wren/verify-claim", "moth/verify-claim"] {
            let request = link.requests.recv().await.expect("a request");
            let ToBroker::Dispatch(dispatch) = &request.frame else { panic!("{:?}", request.frame) };
            assert_eq!(dispatch.hand, Some(hand.parse::<nexus_wire::HandRef>().expect("a Hand").into()));
            let id = nexus_wire::derive::dispatch_id(request.id, &Party::Aspect(caller().me));
            dispatches.push(id);
            let dispatched = Dispatched {
                dispatch: id,
                state: DispatchState::Pending,
                position: 0,
                deadline_at: 0,
                clamped: false,
                chosen: hand.parse().expect("a Hand"),
                why: Vec::new(),
                budget: Default::default(),
            };
            request.reply.send(Ok(Json::of(&dispatched))).expect("somebody waits");
        }
        let request = link.requests.recv().await.expect("a request");
        let ToBroker::Gather(gather) = &request.frame else { panic!("{:?}", request.frame) };
        assert_eq!((&gather.dispatches, gather.policy, gather.n), (&dispatches, GatherPolicy::N, Some(1)));
        assert_eq!(gather.cancel_rest, None, "a session leaves it to the policy");
        let id = nexus_wire::derive::gather_id(request.id, &Party::Aspect(caller().me));
        assert_eq!(claim.of, id.0);
        let gathered = Gathered { gather: id, state: GatherState::Open, deadline_at: 0, clamped: false };
        request.reply.send(Ok(Json::of(&gathered))).expect("somebody waits");
        let result = GatherResult {
            gather: id,
            state: GatherState::TimedOut,
            reason: None,
            need: 1,
            outcomes: Vec::new(),
            open: dispatches,
            left_out: Vec::new(),
        };
        let item = ItemId(id.0);
        claim.ended.send(Ended { item, end: End::Gather(result) }).expect("somebody waits");
        item
    };
    let work = json!([{"hand": "wren/verify-claim"}, {"hand": "moth/verify-claim", "input": {}}]);
    let input = json!({"work": work, "need": 1});
    let (outcome, item) = tokio::join!(call(&toolbox, "gather", input), served);
    assert!(outcome.is_error);
    assert_eq!(outcome.settles, Some(item));
    let told: Value = serde_json::from_str(&outcome.content).expect("JSON");
    assert_eq!((&told["state"], told["not_ended"].as_array().map(Vec::len)), (&json!("timed_out"), Some(2)));
}

#[tokio::test]
async fn a_part_of_a_gather_is_asked_for_again_with_the_budget_it_had_first() {
    let Bench { toolbox, mut link, mut claims } = bench(&[]);
    let of = |tokens| Budget { tokens: Some(tokens), cost_microusd: None };
    let caller = Caller { left: of(300), ..caller() };
    let dispatch = |budget| {
        let hand: HandRef = "wren/check".parse().expect("a Hand");
        ToBroker::Dispatch(Dispatch { thread: caller.thread, budget, ..Dispatch::to(hand, json!(1)) })
    };
    let reused = || ErrorBody::new(ErrorCode::IdReused, "it made another dispatch before");
    let served = async {
        claims.recv().await.expect("claimed first");
        let asked = link.requests.recv().await.expect("a request");
        // Others have spent meanwhile, so that it is not what it was.
        assert_eq!(asked.frame, dispatch(of(150)));
        asked.reply.send(Err(reused())).expect("somebody waits");
        let id = nexus_wire::derive::dispatch_id(asked.id, &Party::Aspect(caller.me.clone()));
        let looked = link.requests.recv().await.expect("a request");
        let status = DispatchStatus { dispatch: id, without_output: true };
        assert_eq!(looked.frame, ToBroker::DispatchStatus(status));
        let first = json!({
            "id": id, "hand": "wren/check", "invoker": "forge", "key": "forge", "root": id, "depth": 1,
            "state": "running", "attempt": 1, "accepted_at": 0, "deadline_at": 9, "budget": of(400),
        });
        looked.reply.send(Ok(Json::of(&first))).expect("somebody waits");
        let again = link.requests.recv().await.expect("a request");
        assert_eq!((again.id, again.frame), (asked.id, dispatch(of(400))));
        // More than the budget is another: so says a model that was asked anew and wants something else.
        again.reply.send(Err(reused())).expect("somebody waits");
    };
    let input = json!({"work": [{"hand": "wren/check", "input": 1}]});
    let (outcome, ()) = tokio::join!(toolbox.run(&caller, 0, "gather", input), served);
    let told = "part 0, wren/check: the broker refused it: id_reused: it made another dispatch before";
    assert_eq!(outcome, ToolOutcome::error(told));
}

#[tokio::test]
async fn a_gather_that_makes_no_sense_asks_for_nothing() {
    let Bench { toolbox, mut link, .. } = bench(&[]);
    for input in [
        json!({"work": []}),
        json!({"work": [{"hand": "wren/check"}], "need": 0}),
        json!({"work": [{"hand": "wren/check"}], "need": 2}),
        json!({"work": vec![json!({"hand": "wren/check"}); 33]}),
    ] {
        let outcome = call(&toolbox, "gather", input.clone()).await;
        assert!(outcome.is_error, "{input}");
    }
    assert!(link.requests.try_recv().is_err());
}

#[test]
fn a_long_result_is_cut_at_a_character_and_says_so() {
    let long = ToolOutcome { content: "é".repeat(RESULT_BYTES_MAX), ..ToolOutcome::default() };
    let long = long.capped(RESULT_BYTES_MAX);
    assert!(long.content.len() < RESULT_BYTES_MAX + 200);
    assert!(long.content.ends_with("to see the rest]"));
}

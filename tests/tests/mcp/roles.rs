//! Every tool as everybody: what the bus lets them do they can do here, and nothing else.

use nexus_client::{Broker, Client, Credential, Endpoint, KeyFile, Secret};
use nexus_tests::process::binary;
use nexus_wire::alert::{AlertAck, AlertList};
use nexus_wire::chat::{ChatGet, ChatRead, ChatSearch, ChatSend, ChatThreads};
use nexus_wire::flow::FlowList;
use nexus_wire::hands::{Dispatch, DispatchCancel, DispatchStatus};
use nexus_wire::knowledge::{KnowledgeSearch, KnowledgeStore};
use nexus_wire::name::RegistryName;
use nexus_wire::name::TriggerName;
use nexus_wire::registry::{RegistryGet, RegistryList, RegistryValues, RegistryWrite};
use nexus_wire::roster::{Register, TeamList};
use nexus_wire::run::{RunCancel, RunGet, RunList, RunRetry, RunStart};
use nexus_wire::thread::ChatReact;
use nexus_wire::trigger::{TriggerFire, TriggerHistory, TriggerList, TriggerPause, TriggerResume};
use nexus_wire::{DispatchId, ErrorCode, MessageId, RunId, ThreadId, ToBroker};
use serde_json::{Value, json};

use crate::desk::{Assistant, Desk, within};

/// One tool, what it is called with, and the frame on the bus that it stands for.
struct Row {
    tool: &'static str,
    arguments: Value,
    frame: ToBroker,
    /// A viewer may not.
    acts: bool,
}

/// A flow that fails.
const BREAKS: &str = "breaks";

/// Agents are not shown these, and may not.
const OF_PEOPLE: [&str; 5] = ["ack_alert", "fire_trigger", "list_alerts", "pause_trigger", "resume_trigger"];

fn rows((thread, message, dispatch, run): Made) -> Vec<Row> {
    let row = |tool, arguments, frame, acts| Row { tool, arguments, frame, acts };
    let to_wren =
        || ChatSend { to: vec!["wren".to_owned()], content: "hello".to_owned(), ..ChatSend::default() };
    let shout =
        || Dispatch::to("wren/shout".parse::<nexus_wire::HandRef>().expect("a Hand"), json!({"text": "a"}));
    let store = KnowledgeStore { topic: "mine".to_owned(), content: "x".to_owned(), shared: false };
    let query = || "x".to_owned();
    let named = || "clients".parse::<RegistryName>().expect("a name");
    let start = RunStart { flow: "note".parse().expect("a name"), input: Value::Null, thread: None };
    let values = RegistryValues::from([("id".to_owned(), json!("acme"))]);
    let write = RegistryWrite { registry: named(), row: None, values, if_version: None };
    let trigger = || "sweep".parse::<TriggerName>().expect("a name");
    let history = TriggerHistory { trigger: trigger(), before: None, limit: None };
    let fire = TriggerFire { trigger: trigger(), payload: Value::Null };
    let key = || format!("run_failed/{BREAKS}");
    vec![
        row("list_alerts", json!({}), AlertList::default().into(), false),
        row("ack_alert", json!({"key": key()}), AlertAck { key: key() }.into(), true),
        row("list_triggers", json!({}), TriggerList::default().into(), false),
        row("trigger_history", json!({"trigger": "sweep"}), history.into(), false),
        row("fire_trigger", json!({"trigger": "sweep"}), fire.into(), true),
        row(
            "pause_trigger",
            json!({"trigger": "sweep"}),
            TriggerPause { trigger: trigger(), reason: None }.into(),
            true,
        ),
        row("resume_trigger", json!({"trigger": "sweep"}), TriggerResume { trigger: trigger() }.into(), true),
        row("list_runs", json!({"all": true}), RunList { all: true, ..RunList::default() }.into(), false),
        row("cancel_run", json!({"run": run}), RunCancel { run, reason: None }.into(), true),
        row("retry_run", json!({"run": run}), RunRetry { run, step: None }.into(), true),
        row("ask_aspect", json!({"aspect": "wren", "content": "hello"}), to_wren().into(), true),
        row(
            "cancel_dispatch",
            json!({"dispatch": dispatch}),
            DispatchCancel { dispatch, reason: None }.into(),
            true,
        ),
        row("dispatch_hand", json!({"hand": "wren/shout", "input": {"text": "a"}}), shout().into(), true),
        row(
            "dispatch_status",
            json!({"dispatch": dispatch}),
            DispatchStatus { dispatch, without_output: false }.into(),
            false,
        ),
        row("hand_wren_shout", json!({"text": "a"}), shout().into(), true),
        row("list_team", json!({}), TeamList::default().into(), false),
        row(
            "react_to",
            json!({"message": message, "emoji": "x"}),
            ChatReact { message, emoji: "x".to_owned(), remove: false }.into(),
            true,
        ),
        row("read_chat", json!({}), ChatThreads::default().into(), false),
        row("read_chat_message", json!({"message": message}), ChatGet { message }.into(), false),
        row(
            "read_chat_thread",
            json!({"thread": thread}),
            ChatRead { thread: Some(thread), ..ChatRead::default() }.into(),
            false,
        ),
        row(
            "search_chat",
            json!({"query": "x"}),
            ChatSearch { query: query(), ..ChatSearch::default() }.into(),
            false,
        ),
        row(
            "search_knowledge",
            json!({"query": "x"}),
            KnowledgeSearch { query: query(), ..KnowledgeSearch::default() }.into(),
            false,
        ),
        row("list_flows", json!({}), FlowList::default().into(), false),
        row("read_registry", json!({}), RegistryList::default().into(), false),
        row("read_registry", json!({"registry": "clients"}), RegistryGet { registry: named() }.into(), false),
        row("run_flow", json!({"flow": "note"}), start.into(), true),
        row("run_status", json!({"run": run}), RunGet { run }.into(), false),
        row("write_registry", json!({"registry": "clients", "values": {"id": "acme"}}), write.into(), true),
        row("send_chat", json!({"content": "hello", "to": ["wren"]}), to_wren().into(), true),
        row("store_knowledge", json!({"topic": "mine", "content": "x"}), store.into(), true),
    ]
}

type Made = (ThreadId, MessageId, DispatchId, RunId);

/// Of somebody's, so that an aspect that is not there may not see it.
async fn made(desk: &Desk) -> Made {
    let client = desk.operator().await;
    let sent = client.ok("ask_aspect", json!({"aspect": "wren", "content": "hello"})).await;
    let work =
        client.ok("dispatch_hand", json!({"hand": "wren/shout", "input": {"text": "a"}, "wait_s": 60})).await;
    let file = |name: &str, text: &str| {
        let path = desk.world.dir().join(name);
        std::fs::write(&path, text).expect("the folder is ours");
        path.to_string_lossy().into_owned()
    };
    let table = "name: clients\nkey: id\nwriters: [desk, twin]\nfields: [{name: id, type: string}]\n";
    desk.world.nexctl_json(&["registry", "put", &file("clients.yaml", table)]);
    let flow = "id: note\nsteps: [{id: row, do: {write: {registry: clients, values: {id: blue}}}}]\n";
    desk.world.nexctl_json(&["flow", "put", &file("note.yaml", flow)]);
    // It fails, so that there is an alert, and something to run again.
    let breaks = format!(
        "id: {BREAKS}\nsteps: [{{id: row, do: {{write: {{registry: nothing, values: {{id: x}}}}}}}}]\n"
    );
    desk.world.nexctl_json(&["flow", "put", &file("breaks.yaml", &breaks)]);
    desk.world.nexctl_json(&["trigger", "add", "sweep", "--manual", "--flow", "note"]);
    let run = client.ok("run_flow", json!({"flow": BREAKS})).await;
    let id = |value: &Value| value.as_str().expect("an id").parse().expect("an id");
    let thread = ThreadId(id(&sent["thread"]));
    (thread, MessageId(id(&sent["message"])), DispatchId(id(&work["dispatch"])), RunId(id(&run["run"])))
}

/// What the bus says: nothing, or the code and the words of a refusal.
async fn on_the_bus(bus: &mut Client, frame: ToBroker) -> Option<(ErrorCode, String)> {
    match within("the bus", bus.call(frame)).await {
        Ok(_) => None,
        Err(nexus_client::CallError::Refused(body)) => Some((body.code, body.message)),
        Err(error) => panic!("{error}"),
    }
}

async fn walk(
    who: &str,
    client: &Assistant,
    mut bus: Client,
    rows: Vec<Row>,
    is_refused: impl Fn(&Row) -> bool,
) {
    let shown = client.tools().await;
    for row in rows {
        let refusal = on_the_bus(&mut bus, row.frame.clone()).await;
        let result = client.call(row.tool, row.arguments.clone()).await;
        let text = crate::desk::said(&result);
        assert_eq!(refusal.is_some(), is_refused(&row), "{who} {} on the bus: {refusal:?}", row.tool);
        match refusal {
            None => assert_ne!(result.is_error, Some(true), "{who} may {} on the bus: {text}", row.tool),
            Some((code, _)) => {
                assert_eq!(result.is_error, Some(true), "{who} may not {} on the bus: {text}", row.tool);
                assert!(text.starts_with(code.as_str()), "{who} {}: {text}", row.tool);
            }
        }
        // Whoever cannot act is not tempted.
        let is_shown = shown.contains(&row.tool.to_owned());
        let is_theirs = match who {
            "viewer" => !row.acts,
            "aspect" => !OF_PEOPLE.contains(&row.tool),
            _ => true,
        };
        assert_eq!(is_shown, is_theirs, "{who} is shown {}: {shown:?}", row.tool);
    }
}

fn operator_bus(desk: &Desk, token: &str) -> Broker {
    let endpoint = Endpoint::new(&desk.world.url(), None, None).expect("an address");
    Broker::new(endpoint, Credential::Token(Secret::from(token.trim())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_of_each_role_can_do_here_what_they_can_do_on_the_bus() {
    assert!(binary("nexus-mcp").is_file());
    let desk = Desk::new();
    let made = made(&desk).await;
    for role in ["viewer", "operator", "admin"] {
        let file = desk.token_file(&format!("an-{role}"), role);
        let token = std::fs::read_to_string(&file).expect("written");
        let doors = [
            desk.assistant(&["--token-file", &file.to_string_lossy()]).await,
            desk.assistant_over_http(&token).await,
        ];
        for client in doors {
            let bus = within("the link", Client::connect(operator_bus(&desk, &token))).await.expect("let in");
            let refused = |row: &Row| role == "viewer" && row.acts;
            walk(role, &client, bus, rows(made), refused).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aspect_can_do_here_what_it_can_do_on_the_bus() {
    let desk = Desk::new();
    let made = made(&desk).await;
    let client = desk.aspect("desk").await;
    // Another with the same rights: a second link of the same aspect would put the first one out.
    let keyfile = KeyFile::load(&desk.keyfile("twin")).expect("made");
    let mut bus = within("the link", Client::connect(Broker::of_keyfile(keyfile).expect("an address")))
        .await
        .expect("in");
    within("registering", bus.call(Register::default())).await.expect("registered");
    // What is others' is to it as if it were not there.
    let others = [
        "cancel_dispatch",
        "cancel_run",
        "dispatch_status",
        "react_to",
        "read_chat_message",
        "read_chat_thread",
        "retry_run",
        "run_status",
        "trigger_history",
    ];
    let refused = |row: &Row| others.contains(&row.tool) || OF_PEOPLE.contains(&row.tool);
    walk("aspect", &client, bus, rows(made), refused).await;
}

use std::collections::BTreeSet;

use nexus_wire::chat::{ChatHit, ChatSearch};
use nexus_wire::log::Subscribe;
use nexus_wire::{MessageId, Party, RequestId, ThreadId, ToBroker};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::*;
use crate::bus::{Heard, Who};
use crate::server::object;

/// A broker that is asked for nothing but messages.
struct Searched<F>(F);

impl<F: Fn(&ChatSearch) -> ChatFound + Send + Sync + 'static> Bus for Searched<F> {
    fn who(&self) -> Who {
        Who { party: Party::System, role: Role::Operator }
    }

    async fn ask(&self, _: RequestId, frame: ToBroker) -> Result<Json, ErrorBody> {
        let ToBroker::ChatSearch(search) = &frame else { panic!("{frame:?}") };
        Ok(Json::of(&(self.0)(search)))
    }

    fn hear(&self, _: Subscribe) -> broadcast::Receiver<Heard> {
        broadcast::channel(1).1
    }
}

fn found(seqs: &[u64], next: Option<u64>) -> ChatFound {
    let hit = |seq: &u64| ChatHit {
        message: MessageId(Uuid::from_u128(u128::from(*seq))),
        seq: *seq,
        thread: ThreadId(Uuid::nil()),
        title: String::new(),
        from: Party::System,
        at: 0,
        snippet: Vec::new(),
    };
    ChatFound { hits: seqs.iter().map(hit).collect(), more: next.is_some(), next, indexed_seq: 90 }
}

#[tokio::test]
async fn messages_are_looked_for_until_there_are_some_and_not_for_ever() {
    let wanted =
        || taken::<args::SearchChat>(object_of(r#"{"query": "moon", "limit": 2}"#)).expect("arguments");
    let seldom = |search: &ChatSearch| match (search.cursor, search.limit) {
        (None, Some(2)) => found(&[], Some(70)),
        (Some(70), Some(2)) => found(&[65], Some(60)),
        (Some(60), Some(1)) => found(&[55], Some(50)),
        other => panic!("{other:?}"),
    };
    let server = TeamServer::new(Arc::new(Searched(seldom)), "0");
    assert_eq!(server.search_chat(wanted()).await.expect("an answer"), found(&[65, 55], Some(50)));

    let never = |search: &ChatSearch| found(&[], Some(search.cursor.unwrap_or(1_000) - 1));
    let server = TeamServer::new(Arc::new(Searched(never)), "0");
    assert_eq!(server.search_chat(wanted()).await.expect("an answer"), found(&[], Some(980)));
}

#[test]
fn each_tool_has_both_schemas_of_an_object_and_a_name_of_its_own() {
    let names: BTreeSet<&str> = Verb::ALL.into_iter().map(Verb::name).collect();
    assert_eq!(names.len(), Verb::ALL.len());
    assert!(Verb::ALL.into_iter().map(Verb::name).is_sorted(), "they are listed by name");
    for verb in Verb::ALL {
        assert_eq!(Verb::named(verb.name()), Some(verb));
        let tool = verb.tool();
        let output = tool.output_schema.as_ref().expect("an output schema");
        assert_eq!(tool.input_schema.get("type"), Some(&Value::from("object")), "{}", verb.name());
        assert_eq!(output.get("type"), Some(&Value::from("object")), "{}", verb.name());
        let text = format!("{:?}{output:?}", tool.input_schema);
        assert!(!text.contains("uint64"), "{} says something only Rust knows", verb.name());
    }
}

#[test]
fn a_viewer_is_shown_what_only_looks() {
    let shown: Vec<&str> =
        Verb::ALL.into_iter().filter(|verb| verb.is_for(Role::Viewer)).map(Verb::name).collect();
    let looks = [
        "dispatch_status",
        "list_alerts",
        "list_flows",
        "list_runs",
        "list_team",
        "list_triggers",
        "read_chat",
        "read_chat_message",
        "read_chat_thread",
        "read_registry",
        "run_status",
        "search_chat",
        "search_knowledge",
        "trigger_history",
    ];
    assert_eq!(shown, looks);
    for role in [Role::Operator, Role::Admin] {
        assert!(Verb::ALL.into_iter().all(|verb| verb.is_for(role)), "{role:?}");
    }
    let of_people: Vec<&str> =
        Verb::ALL.into_iter().filter(|verb| !verb.is_for(Role::Aspect)).map(Verb::name).collect();
    assert_eq!(of_people, ["ack_alert", "fire_trigger", "list_alerts", "pause_trigger", "resume_trigger"]);
}

#[test]
fn what_a_tool_does_not_know_is_told_by_name() {
    let arguments = object_of(r#"{"content": "hello", "recipient": "wren"}"#);
    let refused = taken::<args::SendChat>(arguments).expect_err("no such argument");
    assert!(refused.message.contains("recipient"), "{refused}");
    let missing = taken::<args::SendChat>(JsonObject::new()).expect_err("nothing to send");
    assert!(missing.message.contains("content"), "{missing}");
}

fn object_of(text: &str) -> JsonObject {
    serde_json::from_str(text).expect("an object")
}

#[test]
fn a_schema_that_is_true_or_false_is_spelt_out_where_clients_want_an_object() {
    let mut schema = object(json!({
        "properties": {
            "any": true,
            "none": false,
            "inner": {"type": "object", "properties": {"any": true}, "default": {"properties": {"x": true}}},
        },
        "$defs": {"any": true},
        "additionalProperties": false,
    }));
    spell_out(&mut schema);
    let expected = json!({
        "properties": {
            "any": {},
            "none": {"not": {}},
            "inner": {"type": "object", "properties": {"any": {}}, "default": {"properties": {"x": true}}},
        },
        "$defs": {"any": {}},
        "additionalProperties": false,
    });
    assert_eq!(Value::Object(schema), expected);
}

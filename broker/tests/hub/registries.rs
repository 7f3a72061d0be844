//! Registries: definitions that fit their rows, rows that fit their definition, versions, history, rights; and steps of
//! runs that write.

mod limits;

use std::collections::BTreeSet;

use nexus_broker::hub::records::{Reads, Transaction};
use nexus_broker::hub::{Change, Effect};
use nexus_wire::limits::{REGISTRY_CHANGES_KEPT, REGISTRY_ROW_BYTES_MAX};
use nexus_wire::log::LogBody;
use nexus_wire::name::RegistryName;
use nexus_wire::registry::{
    RegistryChange, RegistryDelete, RegistryDeleted, RegistryRemoved, RegistryRow, RegistryStored,
    RegistryWritten,
};
use nexus_wire::run::RunState;
use nexus_wire::{ErrorBody, ErrorCode, RequestId};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::flows::Flowing;
use crate::on_both_stores;
use crate::world::{self, World, party};

fn clients() -> Value {
    json!({
        "name": "clients",
        "key": "id",
        "writers": ["wren"],
        "fields": [
            {"name": "id", "type": "string"},
            {"name": "mail", "type": "string", "required": true, "unique": true},
            {"name": "state", "type": "string", "enum": ["lead", "active"]},
            {"name": "hours", "type": "number"},
        ],
    })
}

fn named(name: &str) -> RegistryName {
    name.parse().unwrap()
}

trait Tables {
    fn put_table(&mut self, registry: &Value, entries: &Value) -> Result<RegistryStored, ErrorBody>;
    fn write(&mut self, by: &str, write: Value) -> Result<RegistryWritten, ErrorBody>;
    fn remove(&mut self, by: &str, remove: Value) -> Result<RegistryRemoved, ErrorBody>;
    fn row(&self, name: &str, row: &str) -> Option<RegistryRow>;
    fn history(&self, name: &str) -> Vec<RegistryChange>;
}

impl<S: Transaction> Tables for World<S> {
    fn put_table(&mut self, registry: &Value, entries: &Value) -> Result<RegistryStored, ErrorBody> {
        let put = serde_json::from_value(json!({"registry": registry, "entries": entries})).unwrap();
        self.request("operator/ana", Change::RegistryPut(put))
    }

    fn write(&mut self, by: &str, write: Value) -> Result<RegistryWritten, ErrorBody> {
        self.request(by, Change::RegistryWrite(serde_json::from_value(write).unwrap()))
    }

    fn remove(&mut self, by: &str, remove: Value) -> Result<RegistryRemoved, ErrorBody> {
        self.request(by, Change::RegistryRemove(serde_json::from_value(remove).unwrap()))
    }

    fn row(&self, name: &str, row: &str) -> Option<RegistryRow> {
        self.store.registry_row(&named(name), row).unwrap()
    }

    fn history(&self, name: &str) -> Vec<RegistryChange> {
        self.store.registry_changes(&named(name), None, u64::MAX, 1_000).unwrap()
    }
}

fn told(result: Result<RegistryWritten, ErrorBody>) -> (ErrorCode, String) {
    let error = result.unwrap_err();
    (error.code, error.message)
}

on_both_stores! {
    fn a_row_is_written_changed_and_removed_and_its_history_says_how(world) {
        world.operator("ana");
        world.online("wren");
        let stored = world.put_table(&clients(), &json!([])).unwrap();
        assert_eq!((stored.version, stored.changed, stored.written), (1, true, 0));
        let first = world.write("wren", json!({"registry": "clients", "values": {"id": "acme", "mail": "a@b"}}));
        let expected = RegistryWritten { registry: named("clients"), row: "acme".into(), version: 1, changed: true };
        assert_eq!(first.unwrap(), expected);
        let second = world.write(
            "operator/ana",
            json!({"registry": "clients", "row": "acme", "values": {"state": "lead", "hours": 2}, "if_version": 1}),
        );
        assert_eq!(second.unwrap().version, 2);
        let row = world.row("clients", "acme").unwrap();
        let expected = json!({"id": "acme", "mail": "a@b", "state": "lead", "hours": 2});
        assert_eq!((json!(row.values), row.version, row.by), (expected.clone(), 2, party("operator/ana")));
        let same = world.write("wren", json!({"registry": "clients", "row": "acme", "values": {"hours": 2}})).unwrap();
        assert_eq!((same.version, same.changed), (2, false));
        let third = world.write("wren", json!({"registry": "clients", "row": "acme", "values": {"hours": null}}));
        assert_eq!(third.unwrap().version, 3);
        let gone = world.remove("wren", json!({"registry": "clients", "row": "acme", "if_version": 3})).unwrap();
        assert!(gone.removed);
        assert!(!world.remove("wren", json!({"registry": "clients", "row": "acme"})).unwrap().removed);
        let history = world.history("clients");
        let told: Vec<_> = history.iter().map(|it| json!([it.version, it.by, it.before, it.after])).collect();
        let (one, two) = (json!({"id": "acme", "mail": "a@b"}), json!({"id": "acme", "mail": "a@b", "state": "lead"}));
        assert_eq!(told, [
            json!([4, "wren", two, null]),
            json!([3, "wren", expected, two]),
            json!([2, "operator/ana", one, expected]),
            json!([1, "wren", null, one]),
        ]);
        let record = world.store.registry(&named("clients")).unwrap().unwrap();
        assert_eq!((record.rows, record.bytes, record.changes), (0, 0, 4));
    }

    fn what_does_not_fit_is_refused_with_the_field_and_what_was_expected(world) {
        world.operator("ana");
        world.online("wren");
        world.online("forge");
        world.put_table(&clients(), &json!([{"id": "acme", "mail": "a@b"}])).unwrap();
        let write = |values: Value| json!({"registry": "clients", "values": values});
        let cases = [
            (write(json!({"id": "x"})), "registry clients, row x: mail: every row has it: expected a text, got nothing"),
            (write(json!({"id": "x", "mail": 1})), "registry clients, row x: mail: expected a text, got 1"),
            (
                write(json!({"id": "acme", "state": "gone"})),
                "registry clients, row acme: state: expected one of \"lead\", \"active\", got \"gone\"",
            ),
            (
                write(json!({"id": "acme", "phone": "1"})),
                "registry clients, row acme: phone: there is no such field; the fields are id, mail, state, hours",
            ),
            (write(json!({"id": "x", "mail": "a@b"})), "registry clients: mail: row acme has \"a@b\", and it is unique"),
            (write(json!({"mail": "c@d"})), "registry clients: say which row: a value for id, or `row`"),
            (
                json!({"registry": "clients", "row": "acme", "values": {"id": "other"}}),
                "registry clients: row acme would have id other, which names another row; write that one, and remove this",
            ),
            (
                write(json!({"id": " x", "mail": "c@d"})),
                "registry clients: row: \" x\" names no row: use 1 to 128 bytes without control characters, and \
                 without spaces around them",
            ),
        ];
        for (write, message) in cases {
            assert_eq!(told(world.write("operator/ana", write)), (ErrorCode::Invalid, message.to_owned()));
        }
        let long = "x".repeat(REGISTRY_ROW_BYTES_MAX);
        let (code, message) = told(world.write("wren", write(json!({"id": "acme", "mail": long}))));
        assert_eq!(code, ErrorCode::Invalid);
        assert!(message.contains("16384 is the most"), "{message}");
        let (code, message) = told(world.write("forge", write(json!({"id": "acme", "hours": 1}))));
        assert_eq!(code, ErrorCode::Forbidden);
        assert!(message.contains("`writers` of registry clients"), "{message}");
        for (if_version, row, is) in [(2, "acme", 1), (0, "acme", 1), (3, "none", 0)] {
            let write = json!({"registry": "clients", "row": row, "values": {"hours": 1}, "if_version": if_version});
            let error = world.write("wren", write).unwrap_err();
            assert_eq!((error.code, error.details), (ErrorCode::Conflict, json!({"version": is})));
        }
        let none = told(world.write("wren", json!({"registry": "nothing", "values": {}})));
        assert_eq!(none.0, ErrorCode::NotFound);
        assert_eq!(world.history("clients").len(), 1, "nothing has changed");
    }

    fn a_definition_changes_only_as_its_rows_allow(world) {
        world.operator("ana");
        let entries = json!([{"id": "acme", "mail": "a@b", "hours": 1}, {"id": "blue", "mail": "c@d", "hours": 1.0}]);
        assert_eq!(world.put_table(&clients(), &entries).unwrap().written, 2);
        let again = world.put_table(&clients(), &entries).unwrap();
        assert_eq!((again.version, again.changed, again.written), (1, false, 0), "the same changes nothing");
        world.write("operator/ana", json!({"registry": "clients", "row": "acme", "values": {"hours": 7}})).unwrap();
        world.put_table(&clients(), &entries).unwrap();
        assert_eq!(world.row("clients", "acme").unwrap().values["hours"], json!(7), "what is there stays");
        let with = |place: usize, field: &str, value: Value| {
            let mut other = clients();
            other["fields"][place][field] = value;
            other
        };
        let mut other_key = clients();
        other_key["key"] = json!("mail");
        let mut fewer = clients();
        fewer["fields"].as_array_mut().unwrap().pop();
        let cases = [
            (with(2, "required", json!(true)), "registry clients stays as it is: its row acme would not fit: state: every"),
            (with(3, "type", json!("string")), "registry clients stays as it is: its row acme would not fit: hours: exp"),
            (other_key, "registry clients has rows, which its key names: it cannot be another one"),
            (fewer, "registry clients stays as it is: its row acme would not fit: hours: there is no such field"),
        ];
        for (definition, message) in cases {
            let error = world.put_table(&definition, &json!([])).unwrap_err();
            assert!(error.message.starts_with(message), "{}", error.message);
        }
        world.write("operator/ana", json!({"registry": "clients", "row": "acme", "values": {"hours": 1}})).unwrap();
        let error = world.put_table(&with(3, "unique", json!(true)), &json!([])).unwrap_err();
        assert!(error.message.contains("field hours cannot be unique, as rows acme and blue both have 1"), "{error:?}");
        world.write("operator/ana", json!({"registry": "clients", "row": "acme", "values": {"hours": 2}})).unwrap();
        assert_eq!(world.put_table(&with(3, "unique", json!(true)), &json!([])).unwrap().version, 2);
        let twice = json!({"registry": "clients", "row": "blue", "values": {"hours": 2.0}});
        assert_eq!(told(world.write("operator/ana", twice)).0, ErrorCode::Invalid, "it is unique from here on");
        world.put_table(&clients(), &json!([])).unwrap();
        let twice = json!({"registry": "clients", "row": "blue", "values": {"hours": 2}});
        world.write("operator/ana", twice).unwrap();
        for entries in [
            json!([{"id": "new", "mail": "a@b"}]),
            json!([{"id": "new", "mail": "n"}, {"id": "new", "mail": "m"}]),
            json!([{"id": "new", "mail": "n"}, {"id": "newer", "mail": "n"}]),
            json!([{"id": "new"}]),
        ] {
            let error = world.put_table(&with(2, "description", json!("how far")), &entries).unwrap_err();
            assert_eq!(error.code, ErrorCode::Invalid);
        }
        let record = world.store.registry(&named("clients")).unwrap().unwrap();
        assert_eq!((record.version, record.rows), (3, 2), "nothing of it was done");
    }

    fn a_definition_is_not_written_over_unseen_and_tells_every_row_in_its_way(world) {
        world.operator("ana");
        let put = |world: &mut World<_>, registry: Value, if_version: u32| {
            let put = json!({"registry": registry, "if_version": if_version});
            let change = Change::RegistryPut(serde_json::from_value(put).unwrap());
            world.request::<RegistryStored>("operator/ana", change)
        };
        let conflict = |result: Result<RegistryStored, ErrorBody>| {
            let error = result.unwrap_err();
            (error.code, error.message, error.details)
        };
        let said = |message: &str, version: u32| {
            (ErrorCode::Conflict, message.to_owned(), json!({"version": version}))
        };
        let none = conflict(put(world, clients(), 3));
        assert_eq!(none, said("there is no registry clients; it was to be version 3", 0));
        assert_eq!(put(world, clients(), 0).unwrap().version, 1);
        let there = conflict(put(world, clients(), 0));
        assert_eq!(there, said("there is a registry clients, version 1; there was to be none", 1));
        let mut other = clients();
        other["description"] = json!("Whom we work for.");
        assert_eq!(put(world, other.clone(), 1).unwrap().version, 2);
        let late = conflict(put(world, clients(), 1));
        assert_eq!(late, said("registry clients is version 2; it was to be version 1", 2));
        assert_eq!(world.store.registry(&named("clients")).unwrap().unwrap().version, 2);

        for row in ["acme", "blue", "coal"] {
            let state = if row == "coal" { json!("lead") } else { Value::Null };
            let values = json!({"id": row, "mail": row, "state": state});
            world.write("operator/ana", json!({"registry": "clients", "values": values})).unwrap();
        }
        other["fields"][2]["required"] = json!(true);
        let error = put(world, other.clone(), 2).unwrap_err();
        let why = "every row has it: expected a text, got nothing";
        let message = format!(
            "registry clients stays as it is: its row acme would not fit: state: {why}; nor would another one"
        );
        assert_eq!((error.code, error.message), (ErrorCode::Invalid, message));
        let faults = json!([
            {"at": "state", "row": "acme", "message": why},
            {"at": "state", "row": "blue", "message": why},
        ]);
        assert_eq!(error.details, json!({"faults": faults, "rows": 2}));
        other["fields"][2]["required"] = json!(false);
        other["key"] = json!("mail");
        let error = put(world, other.clone(), 2).unwrap_err();
        assert_eq!(error.details["faults"][0]["at"], json!("key"), "{error:?}");
        let delete = Change::RegistryDelete(RegistryDelete { registry: named("clients") });
        let _: RegistryDeleted = world.request("operator/ana", delete).unwrap();
        assert_eq!(put(world, clients(), 0).unwrap().version, 3, "there was none any more");
    }

    fn a_registry_without_a_key_names_its_rows_by_itself(world) {
        world.operator("ana");
        let notes = json!({"name": "notes", "fields": [{"name": "text", "type": "string"}]});
        world.put_table(&notes, &json!([])).unwrap();
        let error = world.put_table(&notes, &json!([{"text": "a"}])).unwrap_err();
        assert!(error.message.contains("has no `key`"), "{}", error.message);
        let one = world.write("operator/ana", json!({"registry": "notes", "values": {"text": "a"}})).unwrap();
        let two = world.write("operator/ana", json!({"registry": "notes", "values": {"text": "a"}})).unwrap();
        assert_ne!(one.row, two.row);
        let change = json!({"registry": "notes", "row": one.row, "values": {"text": "b"}});
        assert_eq!(world.write("operator/ana", change).unwrap().row, one.row);
        let none = json!({"registry": "notes", "row": "mine", "values": {"text": "b"}});
        assert_eq!(told(world.write("operator/ana", none)).0, ErrorCode::NotFound);
    }

    fn the_same_request_is_one_change(world) {
        world.operator("ana");
        world.put_table(&clients(), &json!([])).unwrap();
        let request = RequestId(world.id());
        let write = |hours: u32| {
            let write = json!({"registry": "clients", "values": {"id": "acme", "mail": "a@b", "hours": hours}});
            Change::RegistryWrite(serde_json::from_value(write).unwrap())
        };
        let (first, effects) = world.request_as("operator/ana", request, write(1));
        let logged = effects.iter().filter(|effect| matches!(effect, Effect::Logged(entry)
            if entry.body == LogBody::Other { kind: "registry.changed".into(), subject: "clients/acme".into() }));
        assert_eq!(logged.count(), 1, "{effects:?}");
        world.write("operator/ana", json!({"registry": "clients", "row": "acme", "values": {"hours": 9}})).unwrap();
        let (again, effects) = world.request_as("operator/ana", request, write(1));
        assert_eq!((again.unwrap(), effects), (first.unwrap(), Vec::new()));
        assert_eq!(world.request_as("operator/ana", request, write(2)).0.unwrap_err().code, ErrorCode::IdReused);
        assert_eq!(world.row("clients", "acme").unwrap().values["hours"], json!(9));
    }

    fn a_deleted_registry_is_empty_when_it_comes_back_and_versions_go_on(world) {
        world.operator("ana");
        world.put_table(&clients(), &json!([{"id": "acme", "mail": "a@b"}])).unwrap();
        let delete = || Change::RegistryDelete(RegistryDelete { registry: named("clients") });
        let gone: RegistryDeleted = world.request("operator/ana", delete()).unwrap();
        assert!(gone.deleted);
        let gone: RegistryDeleted = world.request("operator/ana", delete()).unwrap();
        assert!(!gone.deleted);
        assert_eq!((world.row("clients", "acme"), world.history("clients")), (None, Vec::new()));
        assert_eq!(world.put_table(&clients(), &json!([])).unwrap().version, 2);
        let back = world.write("operator/ana", json!({"registry": "clients", "values": {"id": "acme", "mail": "a@b"}}));
        assert_eq!(back.unwrap().version, 2, "no version of a row means two things");
    }

    fn a_step_writes_a_row_with_the_rights_of_who_started_the_run(world) {
        world.team();
        world.put_table(&clients(), &json!([])).unwrap();
        world.put(json!({
            "id": "note",
            "steps": [
                {"id": "row", "do": {"write": {"registry": "clients", "row": "{{ input.id }}",
                    "values": {"mail": "{{ input.id }}@b", "hours": "{{ input.hours }}"}}}},
                {"id": "after", "needs": ["row"], "do": {"dispatch": {"hand": "wren/work",
                    "input": "{{ steps.row.output }}"}}},
            ],
        }))
        .unwrap();
        let run = world.run("note", json!({"id": "acme", "hours": 3}));
        let expected = json!({"registry": "clients", "row": "acme", "version": 1, "changed": true});
        assert_eq!(world.input_of(run, "after"), expected);
        let row = world.row("clients", "acme").unwrap();
        assert_eq!(json!(row.values), json!({"id": "acme", "mail": "acme@b", "hours": 3}));
        assert_eq!(row.by, party("operator/ana"));
        let run = world.run("note", json!({"id": "acme", "hours": "{{ three }}"}));
        let error = world.info(run).error.unwrap();
        let message = "step row: registry clients, row acme: hours: expected a number, got \"{{ three }}\"";
        assert_eq!((error.code.as_str(), error.message.as_str()), ("invalid", message));
        let run = world.try_start("forge", "note", json!({"id": "blue", "hours": 1})).unwrap().run;
        assert_eq!(world.info(run).state, RunState::Failed);
        assert_eq!(world.info(run).error.unwrap().code, "forbidden");
        assert_eq!(world.row("clients", "blue"), None);
    }
}

#[test]
fn of_the_history_the_latest_is_kept() {
    let mut world = world::memory();
    world.operator("ana");
    let count = json!({"name": "count", "key": "id", "fields": [
        {"name": "id", "type": "integer"}, {"name": "n", "type": "integer"}]});
    world.put_table(&count, &json!([])).unwrap();
    for n in 0..REGISTRY_CHANGES_KEPT + 5 {
        world.write("operator/ana", json!({"registry": "count", "row": "7", "values": {"n": n}})).unwrap();
    }
    let kept = world.store.registry_changes(&named("count"), None, 10, 100).unwrap();
    assert_eq!(kept.iter().map(|it| it.version).collect::<Vec<_>>(), [9, 8, 7, 6]);
    assert_eq!(world.row("count", "7").unwrap().values["id"], json!(7));
}

/// What somebody may ask for, of two registries; much of it is refused.
pub(crate) fn change(kind: u8, seed: u8) -> Change {
    let name = if seed.is_multiple_of(5) { "notes" } else { "clients" };
    let row = ["acme", "blue", "coal"][usize::from(seed % 3)];
    match kind {
        0 => {
            let mut registry = if name == "notes" {
                json!({"name": "notes", "fields": [{"name": "hours", "type": "number"}]})
            } else {
                clients()
            };
            let last = registry["fields"].as_array().map_or(0, |fields| fields.len() - 1);
            match seed % 7 {
                0 => registry["fields"][last]["unique"] = json!(true),
                1 => registry["fields"][last]["required"] = json!(true),
                2 => registry["fields"][0]["name"] = json!("name"),
                _ => {}
            }
            let entries = if seed.is_multiple_of(2) { json!([{"id": row, "mail": row}]) } else { json!([]) };
            let put = json!({"registry": registry, "entries": entries});
            Change::RegistryPut(serde_json::from_value(put).unwrap())
        }
        1 => Change::RegistryDelete(RegistryDelete { registry: named(name) }),
        2 => {
            let remove = json!({"registry": name, "row": row});
            Change::RegistryRemove(serde_json::from_value(remove).unwrap())
        }
        _ => {
            let mail = ["a@b", "c@d", row][usize::from(seed / 3 % 3)];
            let hours =
                [json!(1), json!(1.0), json!(null), json!(2), json!("x")][usize::from(seed / 9 % 5)].clone();
            let mut write = match name {
                "notes" => json!({"registry": name, "values": {"hours": hours}}),
                _ => json!({"registry": name, "row": row, "values": {"mail": mail, "hours": hours}}),
            };
            if seed > 200 {
                write["if_version"] = json!(seed % 4);
            }
            Change::RegistryWrite(serde_json::from_value(write).unwrap())
        }
    }
}

/// Whatever was asked for: counts are right, values are unique, and the history leads to what is there.
fn assert_sound(store: &impl Reads) {
    for record in store.registries(None, 10).unwrap() {
        let rows = store.registry_rows(&record.name, None, 1_000).unwrap();
        let bytes: usize = rows.iter().map(|row| row.row.len() + json!(row.values).to_string().len()).sum();
        assert_eq!((record.rows, record.bytes), (rows.len() as u64, bytes as u64));
        let registry = record.registry.as_ref().unwrap();
        for field in registry.fields.iter().filter(|field| field.unique) {
            let values = || rows.iter().filter_map(|row| row.values.get(&field.name));
            let distinct: BTreeSet<String> = values()
                .map(|value| value.as_f64().map_or_else(|| value.to_string(), |it| it.to_string()))
                .collect();
            assert_eq!(distinct.len(), values().count(), "{}.{}", record.name, field.name);
        }
        for row in &rows {
            let mut history = store.registry_changes(&record.name, Some(&row.row), u64::MAX, 1_000).unwrap();
            assert_eq!(history[0].after.as_ref(), Some(&row.values));
            assert_eq!((history[0].version, &history[0].by, history[0].at), (row.version, &row.by, row.at));
            history.reverse();
            assert_eq!(history[0].before, None);
            assert!(history.windows(2).all(|two| two[0].after == two[1].before), "{history:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_asked_for_a_registry_stays_sound(asked in prop::collection::vec((0_u8..16, any::<u8>(), any::<bool>()), 1..80)) {
        let mut world = world::memory();
        world.operator("ana");
        world.online("wren");
        let mut last = RequestId(world.id());
        for (kind, seed, repeated) in asked {
            if !repeated {
                last = RequestId(world.id());
            }
            let by = if seed.is_multiple_of(4) { "wren" } else { "operator/ana" };
            let _ = world.request_as(by, last, change(kind, seed));
            assert_sound(&world.store);
        }
    }
}

//! The bounds of registries and their rows: what is at one is taken, what is beyond it is refused and leaves nothing.

use nexus_broker::hub::records::{Reads as _, RegistryRecord, Transaction};
use nexus_broker::hub::{Change, CommandBody, Origin};
use nexus_wire::limits::{
    FAULTS_TOLD_MAX, REGISTRIES_MAX, REGISTRY_BYTES_MAX, REGISTRY_DESCRIPTION_BYTES_MAX,
    REGISTRY_ENTRIES_MAX, REGISTRY_ENUM_BYTES_MAX, REGISTRY_ENUM_MAX, REGISTRY_FIELDS_MAX,
    REGISTRY_KEY_BYTES_MAX, REGISTRY_ROW_BYTES_MAX, REGISTRY_ROWS_BYTES_MAX, REGISTRY_ROWS_MAX,
    REGISTRY_WRITERS_MAX,
};
use nexus_wire::registry::{Registry, RegistryDelete, RegistryDeleted, RegistryRow, RegistryStored};
use nexus_wire::{ErrorBody, ErrorCode, RequestId};
use serde_json::{Value, json};

use super::{Tables, named, told};
use crate::on_both_stores;
use crate::world::{World, memory, party};

fn x(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// Rows that a text names, with another text and an integer.
fn table(more: &Value) -> Value {
    let mut table = json!({"name": "t", "key": "id", "fields": [
        {"name": "id", "type": "string"}, {"name": "text", "type": "string"}, {"name": "n", "type": "integer"},
    ]});
    table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    table
}

fn without_key(fields: &[Value]) -> Value {
    json!({"name": "t", "fields": fields})
}

/// As large as that as JSON, as it is kept.
fn large(bytes: usize) -> Value {
    let with = |last: usize| {
        let field = |n: usize| {
            let description = x(if n == 0 { last } else { 980 });
            json!({"name": format!("f{n}"), "type": "string", "description": description})
        };
        without_key(&(0..REGISTRY_FIELDS_MAX).map(field).collect::<Vec<_>>())
    };
    let parsed: Registry = serde_json::from_value(with(1)).unwrap();
    with(1 + bytes - serde_json::to_string(&parsed).unwrap().len())
}

/// Definitions: what is taken, what is one too many, and how that is said.
fn cases() -> Vec<(Value, Value, String)> {
    let fields = |count: usize| {
        let field = |n: usize| json!({"name": format!("f{n}"), "type": "string"});
        without_key(&(0..count).map(field).collect::<Vec<_>>())
    };
    let field = |more: Value| {
        let mut field = json!({"name": "f", "type": "string"});
        field.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        without_key(&[field])
    };
    let options =
        |count: usize| field(json!({"enum": (0..count).map(|n| n.to_string()).collect::<Vec<_>>()}));
    // As JSON, with its quotation marks.
    let option = |bytes: usize| field(json!({"enum": [x(bytes - 2)]}));
    let described = |bytes: usize| field(json!({"description": x(bytes)}));
    let description = |bytes: usize| table(&json!({"description": x(bytes)}));
    let writers =
        |count: usize| table(&json!({"writers": (0..count).map(|n| format!("w{n}")).collect::<Vec<_>>()}));
    let name = |bytes: usize| field(json!({"name": x(bytes)}));
    let long_name = format!(
        "fields[0].name: {:?} is no name of a field: use a lower-case letter, then up to 31 lower-case letters, digits, \
         '_' or '-', and no word that expressions have",
        x(33)
    );
    let said = [
        (
            large(REGISTRY_BYTES_MAX),
            large(REGISTRY_BYTES_MAX + 1),
            "the definition is 65537 bytes as JSON; 65536 is the most",
        ),
        (
            fields(REGISTRY_FIELDS_MAX),
            fields(REGISTRY_FIELDS_MAX + 1),
            "fields: 65 fields; there are 1 to 64",
        ),
        (fields(1), fields(0), "fields: 0 fields; there are 1 to 64"),
        (
            description(REGISTRY_DESCRIPTION_BYTES_MAX),
            description(REGISTRY_DESCRIPTION_BYTES_MAX + 1),
            "description: 1025 bytes; 1024 is the most",
        ),
        (
            described(REGISTRY_DESCRIPTION_BYTES_MAX),
            described(REGISTRY_DESCRIPTION_BYTES_MAX + 1),
            "fields[0].description: 1025 bytes; 1024 is the most",
        ),
        (name(32), name(33), long_name.as_str()),
        (
            options(REGISTRY_ENUM_MAX),
            options(REGISTRY_ENUM_MAX + 1),
            "fields[0].enum: 65 values; 64 is the most",
        ),
        (
            option(REGISTRY_ENUM_BYTES_MAX),
            option(REGISTRY_ENUM_BYTES_MAX + 1),
            "fields[0].enum[0]: more than 256 bytes",
        ),
        (
            writers(REGISTRY_WRITERS_MAX),
            writers(REGISTRY_WRITERS_MAX + 1),
            "writers: 65 aspects; 64 is the most",
        ),
    ];
    said.into_iter().map(|(fits, beyond, message)| (fits, beyond, message.to_owned())).collect()
}

/// All there is of it.
fn kept<S: Transaction>(world: &World<S>) -> (Option<RegistryRecord>, Vec<RegistryRow>) {
    let name = named("t");
    (world.store.registry(&name).unwrap(), world.store.registry_rows(&name, None, 20_000).unwrap())
}

fn refused<T: std::fmt::Debug>(result: Result<T, ErrorBody>) -> (ErrorCode, String) {
    let error = result.unwrap_err();
    (error.code, error.message)
}

fn is(code: ErrorCode, message: impl Into<String>) -> (ErrorCode, String) {
    (code, message.into())
}

fn write(values: &Value) -> Value {
    json!({"registry": "t", "values": values})
}

/// A row of that many bytes as JSON.
fn row(id: &str, bytes: usize) -> Value {
    let empty = json!({"id": id, "text": ""}).to_string().len();
    json!({"id": id, "text": x(bytes - empty)})
}

on_both_stores! {
    fn a_registry_is_as_large_as_it_may_be_and_no_larger(world) {
        world.operator("ana");
        for (fits, beyond, message) in cases() {
            let before = kept(world);
            let expected = is(ErrorCode::Invalid, format!("registry t cannot be: {message}"));
            assert_eq!(refused(world.put_table(&beyond, &json!([]))), expected);
            assert_eq!(kept(world), before);
            world.put_table(&fits, &json!([])).unwrap();
            let record = kept(world).0.unwrap();
            assert_eq!(record.registry, Some(serde_json::from_value(fits).unwrap()));
        }
    }

    /// What names it, what it has, and its integers.
    fn a_row_is_as_large_as_it_may_be_and_no_larger(world) {
        world.operator("ana");
        world.put_table(&table(&json!({})), &json!([])).unwrap();
        let exact = 9_007_199_254_740_991_i64;
        let integer = |n: i64| json!({"id": "a", "n": n});
        let no_integer = "registry t, row a: n: expected an integer within ±9007199254740991, got";
        let cases = [
            (
                json!({"id": x(REGISTRY_KEY_BYTES_MAX)}),
                json!({"id": x(REGISTRY_KEY_BYTES_MAX + 1)}),
                format!(
                    "registry t: row: \"{}…\" names no row: use 1 to 128 bytes without control characters, and \
                     without spaces around them",
                    x(48)
                ),
            ),
            (
                row("b", REGISTRY_ROW_BYTES_MAX),
                row("b", REGISTRY_ROW_BYTES_MAX + 1),
                "registry t, row b: the row is 16385 bytes as JSON; 16384 is the most".to_owned(),
            ),
            (integer(exact), integer(exact + 1), format!("{no_integer} 9007199254740992")),
            (integer(-exact), integer(-exact - 1), format!("{no_integer} -9007199254740992")),
        ];
        for (fits, beyond, message) in cases {
            let before = kept(world);
            let expected = is(ErrorCode::Invalid, message);
            assert_eq!(told(world.write("operator/ana", write(&beyond))), expected);
            assert_eq!(kept(world), before);
            let written = world.write("operator/ana", write(&fits)).unwrap();
            assert_eq!(json!(world.row("t", &written.row).unwrap().values), fits);
        }
    }

    /// A file has so many rows to begin with and no more, whether they are new or not.
    fn so_many_entries_come_with_a_definition_and_no_more(world) {
        world.operator("ana");
        let entries: Vec<Value> = (0..=REGISTRY_ENTRIES_MAX).map(|n| json!({"id": n.to_string()})).collect();
        let expected = is(ErrorCode::TooLarge, "1001 entries; 1000 is the most");
        assert_eq!(refused(world.put_table(&table(&json!({})), &json!(entries))), expected);
        assert_eq!(kept(world), (None, Vec::new()));
        let most = json!(entries[..REGISTRY_ENTRIES_MAX]);
        assert_eq!(world.put_table(&table(&json!({})), &most).unwrap().written, 1_000);
        let before = kept(world);
        assert_eq!(refused(world.put_table(&table(&json!({})), &json!(entries))), expected);
        assert_eq!(kept(world), before);
    }

    /// However many rows a definition does not fit, so many of them are told, and the number of all.
    fn so_many_faults_of_rows_are_told_and_no_more(world) {
        world.operator("ana");
        let ids: Vec<String> = (0..=FAULTS_TOLD_MAX).map(|n| format!("r{n}")).collect();
        let entries: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        world.put_table(&table(&json!({})), &json!(entries)).unwrap();
        let before = kept(world);
        let mut strict = table(&json!({}));
        strict["fields"][1]["required"] = json!(true);
        let error = world.put_table(&strict, &json!([])).unwrap_err();
        let why = "every row has it: expected a text, got nothing";
        let message =
            format!("registry t stays as it is: its row r0 would not fit: text: {why}; nor would 8 others");
        assert_eq!((error.code, error.message), (ErrorCode::Invalid, message));
        let faults: Vec<Value> =
            ids[..FAULTS_TOLD_MAX].iter().map(|id| json!({"at": "text", "row": id, "message": why})).collect();
        assert_eq!(error.details, json!({"faults": faults, "rows": 9}));
        assert_eq!(kept(world), before);
    }
}

/// One more is refused, by itself or with a definition; what is there can be changed, and one that is gone makes room.
#[test]
fn there_are_so_many_rows_and_no_more() {
    let mut world = memory();
    world.operator("ana");
    let ids: Vec<Value> = (0..REGISTRY_ROWS_MAX).map(|n| json!({"id": format!("r{n:05}")})).collect();
    for entries in ids.chunks(REGISTRY_ENTRIES_MAX) {
        world.put_table(&table(&json!({})), &json!(entries)).unwrap();
    }
    let before = kept(&world);
    assert_eq!((before.0.as_ref().unwrap().rows, before.1.len()), (10_000, 10_000));
    let full = is(ErrorCode::TooLarge, "registry t has 10000 rows, which is the most; remove some");
    let one_more = json!({"id": "more"});
    assert_eq!(told(world.write("operator/ana", write(&one_more))), full);
    let described = table(&json!({"description": "another"}));
    assert_eq!(refused(world.put_table(&described, &json!([one_more]))), full);
    assert_eq!(kept(&world), before);
    assert!(world.write("operator/ana", write(&json!({"id": "r00007", "n": 1}))).unwrap().changed);
    assert!(world.remove("operator/ana", json!({"registry": "t", "row": "r00007"})).unwrap().removed);
    assert!(world.write("operator/ana", write(&one_more)).unwrap().changed);
    assert_eq!(told(world.write("operator/ana", write(&json!({"id": "most"})))), full);
}

/// Of all rows together, what names them included.
#[test]
fn rows_have_so_many_bytes_together_and_no_more() {
    let mut world = memory();
    world.operator("ana");
    let each = "r000".len() + REGISTRY_ROW_BYTES_MAX;
    let most = usize::try_from(REGISTRY_ROWS_BYTES_MAX).unwrap();
    let (whole, rest) = (most / each, most % each);
    let mut rows: Vec<Value> = (0..whole).map(|n| row(&format!("r{n:03}"), REGISTRY_ROW_BYTES_MAX)).collect();
    let last = |bytes: usize| row("last", bytes - "last".len());
    rows.push(last(rest + 1));
    let beyond =
        is(ErrorCode::TooLarge, "the rows of registry t would be 8388609 bytes; 8388608 is the most");
    assert_eq!(refused(world.put_table(&table(&json!({})), &json!(rows))), beyond);
    assert_eq!(kept(&world), (None, Vec::new()));
    rows.pop();
    world.put_table(&table(&json!({})), &json!(rows)).unwrap();
    let before = kept(&world);
    assert_eq!(told(world.write("operator/ana", write(&last(rest + 1)))), beyond);
    assert_eq!(kept(&world), before);
    world.write("operator/ana", write(&last(rest))).unwrap();
    let before = kept(&world);
    assert_eq!(before.0.as_ref().unwrap().bytes, REGISTRY_ROWS_BYTES_MAX);
    assert_eq!(told(world.write("operator/ana", write(&last(rest + 1)))), beyond);
    assert_eq!(kept(&world), before);
    // As much as one row gives away another may have.
    world.write("operator/ana", write(&row("r000", REGISTRY_ROW_BYTES_MAX - 1))).unwrap();
    world.write("operator/ana", write(&last(rest + 1))).unwrap();
    assert_eq!(kept(&world).0.unwrap().bytes, REGISTRY_ROWS_BYTES_MAX);
}

/// One more is refused; what is there can be put anew, and one that is gone makes room.
#[test]
fn there_are_so_many_registries_and_no_more() {
    let mut world = memory();
    world.operator("ana");
    let put = |n: usize, more: Value| {
        let mut registry = table(&more);
        registry["name"] = json!(format!("t{n}"));
        Change::RegistryPut(serde_json::from_value(json!({"registry": registry})).unwrap())
    };
    let commands: Vec<_> = (0..REGISTRIES_MAX)
        .map(|n| {
            let (sender, request) = (party("operator/ana"), RequestId(world.id()));
            let change = put(n, json!({}));
            (Origin::Call(7), CommandBody::Request { sender, link: None, request, change })
        })
        .collect();
    world.at += 1;
    world.batch(commands);
    assert_eq!(world.store.registry_count().unwrap(), REGISTRIES_MAX as u64);
    let next = put(REGISTRIES_MAX, json!({}));
    let full = is(ErrorCode::QueueFull, "there are 256 registries, which is the most; delete one first");
    assert_eq!(refused(world.request::<RegistryStored>("operator/ana", next.clone())), full);
    assert_eq!(world.store.registry(&named("t256")).unwrap(), None);
    let again: RegistryStored =
        world.request("operator/ana", put(7, json!({"description": "another"}))).unwrap();
    assert_eq!(again.version, 2);
    let delete = Change::RegistryDelete(RegistryDelete { registry: named("t7") });
    assert!(world.request::<RegistryDeleted>("operator/ana", delete).unwrap().deleted);
    assert!(world.request::<RegistryStored>("operator/ana", next).unwrap().changed);
    // One that was there before is one more all the same.
    assert_eq!(refused(world.request::<RegistryStored>("operator/ana", put(7, json!({})))), full);
    assert_eq!(world.store.registry_count().unwrap(), REGISTRIES_MAX as u64);
}

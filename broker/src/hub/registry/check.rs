//! What a registry and its rows have to be like, and what is wrong with those that are not.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use nexus_expr::Expr;
use nexus_wire::limits::{
    FAULTS_TOLD_MAX, REGISTRY_BYTES_MAX, REGISTRY_DESCRIPTION_BYTES_MAX, REGISTRY_ENUM_BYTES_MAX,
    REGISTRY_ENUM_MAX, REGISTRY_FIELDS_MAX, REGISTRY_KEY_BYTES_MAX, REGISTRY_ROW_BYTES_MAX,
    REGISTRY_WRITERS_MAX,
};
use nexus_wire::name::RegistryName;
use nexus_wire::registry::{FieldType, Registry, RegistryField, RegistryValues};
use nexus_wire::{ErrorBody, ErrorCode};
use serde_json::{Value, json};

use crate::hub::inbox::json_bytes;
use crate::hub::records::UniqueValue;

/// Faults that an error's message names; its details have more.
const TOLD_MAX: usize = 3;
/// The largest integer that every reader of JSON holds exactly.
const INTEGER_MAX: i64 = (1 << 53) - 1;
/// Of a value, in a message.
const SHOWN_CHARS: usize = 48;

/// Something wrong, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    /// `fields[2].enum`, or the name of a field; empty: the whole.
    pub(super) at: String,
    pub(super) message: String,
}

impl Fault {
    fn new(at: impl Into<String>, message: impl Into<String>) -> Self {
        Self { at: at.into(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at.as_str() {
            "" => f.write_str(&self.message),
            at => write!(f, "{at}: {}", self.message),
        }
    }
}

/// The error that tells them; `what` says what they are faults of.
pub(super) fn told(what: &str, faults: &[Fault]) -> ErrorBody {
    let first: Vec<String> = faults.iter().take(TOLD_MAX).map(ToString::to_string).collect();
    let more = match faults.len() - first.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let all: Vec<Value> =
        faults.iter().take(FAULTS_TOLD_MAX).map(|it| json!({"at": it.at, "message": it.message})).collect();
    let message = format!("{what}: {}{more}", first.join("; "));
    ErrorBody::new(ErrorCode::Invalid, message).with(json!({"faults": all}))
}

/// The error about one place of a definition.
pub(super) fn at(at: &str, message: String) -> ErrorBody {
    let faults = json!([{"at": at, "message": message}]);
    ErrorBody::new(ErrorCode::Invalid, message).with(json!({"faults": faults}))
}

/// Rows that a definition has no room for: how many there are, and what is wrong with the first of them.
#[derive(Debug, Default)]
pub(super) struct Misfits {
    rows: u64,
    first: Option<(String, Vec<Fault>)>,
    told: Vec<Value>,
}

impl Misfits {
    pub(super) fn add(&mut self, row: &str, faults: Vec<Fault>) {
        if faults.is_empty() {
            return;
        }
        self.rows += 1;
        let room = FAULTS_TOLD_MAX - self.told.len();
        self.told.extend(
            faults.iter().take(room).map(|it| json!({"at": it.at, "row": row, "message": it.message})),
        );
        self.first.get_or_insert_with(|| (row.to_owned(), faults));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The error that tells them, if there are any.
    pub(super) fn told(self, name: &RegistryName) -> Option<ErrorBody> {
        let (row, faults) = self.first?;
        let error = told(&format!("registry {name} stays as it is: its row {row} would not fit"), &faults);
        let others = match self.rows - 1 {
            0 => String::new(),
            1 => "; nor would another one".to_owned(),
            more => format!("; nor would {more} others"),
        };
        let message = format!("{}{others}", error.message);
        Some(
            ErrorBody::new(ErrorCode::Invalid, message).with(json!({"faults": self.told, "rows": self.rows})),
        )
    }
}

/// Everything that is wrong with a definition.
pub(super) fn definition(registry: &Registry) -> Vec<Fault> {
    let mut faults = Vec::new();
    let bytes = json_bytes(registry);
    if bytes > REGISTRY_BYTES_MAX {
        let message = format!("the definition is {bytes} bytes as JSON; {REGISTRY_BYTES_MAX} is the most");
        return vec![Fault::new("", message)];
    }
    let count = registry.fields.len();
    if !(1..=REGISTRY_FIELDS_MAX).contains(&count) {
        let message = format!("{count} fields; there are 1 to {REGISTRY_FIELDS_MAX}");
        return vec![Fault::new("fields", message)];
    }
    describes("description", &registry.description, &mut faults);
    let mut names = BTreeSet::new();
    for (place, field) in registry.fields.iter().enumerate() {
        let at = format!("fields[{place}]");
        if !is_name(&field.name) {
            let message = format!(
                "{:?} is no name of a field: use a lower-case letter, then up to 31 lower-case letters, digits, \
                 '_' or '-', and no word that expressions have",
                shortened(&field.name)
            );
            faults.push(Fault::new(format!("{at}.name"), message));
        }
        if !names.insert(field.name.as_str()) {
            faults.push(Fault::new(format!("{at}.name"), format!("there is a field {} before", field.name)));
        }
        describes(&format!("{at}.description"), &field.description, &mut faults);
        if field.unique && !is_plain(field.kind) {
            let message = format!("values of type {} cannot be unique", field.kind.as_str());
            faults.push(Fault::new(format!("{at}.unique"), message));
        }
        options(&at, field, &mut faults);
    }
    if let Some(key) = &registry.key {
        match registry.fields.iter().find(|field| field.name == *key) {
            None => faults.push(Fault::new("key", format!("there is no field {:?}", shortened(key)))),
            Some(field) if !is_key(field.kind) => {
                let message = format!(
                    "field {key} is of type {}; a key is of type string, integer or date",
                    field.kind.as_str()
                );
                faults.push(Fault::new("key", message));
            }
            Some(_) => {}
        }
    }
    if registry.writers.len() > REGISTRY_WRITERS_MAX {
        let message = format!("{} aspects; {REGISTRY_WRITERS_MAX} is the most", registry.writers.len());
        faults.push(Fault::new("writers", message));
    }
    faults
}

fn describes(at: &str, text: &str, faults: &mut Vec<Fault>) {
    if text.len() > REGISTRY_DESCRIPTION_BYTES_MAX {
        let message = format!("{} bytes; {REGISTRY_DESCRIPTION_BYTES_MAX} is the most", text.len());
        faults.push(Fault::new(at, message));
    }
}

/// The values a field is restricted to.
fn options(at: &str, field: &RegistryField, faults: &mut Vec<Fault>) {
    if field.one_of.is_empty() {
        return;
    }
    if !is_plain(field.kind) {
        let message = format!("values of type {} cannot be listed", field.kind.as_str());
        faults.push(Fault::new(format!("{at}.enum"), message));
        return;
    }
    if field.one_of.len() > REGISTRY_ENUM_MAX {
        let message = format!("{} values; {REGISTRY_ENUM_MAX} is the most", field.one_of.len());
        faults.push(Fault::new(format!("{at}.enum"), message));
    }
    let mut seen = BTreeSet::new();
    for (place, option) in field.one_of.iter().enumerate() {
        let at = format!("{at}.enum[{place}]");
        if json_bytes(option) > REGISTRY_ENUM_BYTES_MAX {
            faults.push(Fault::new(at, format!("more than {REGISTRY_ENUM_BYTES_MAX} bytes")));
        } else if !is_of(field.kind, option) {
            let message = format!("expected {}, got {}", expected(field.kind), shown(option));
            faults.push(Fault::new(at, message));
        } else if !seen.insert(same(field.kind, option)) {
            faults.push(Fault::new(at, format!("{} stands there before", shown(option))));
        }
    }
}

/// Everything that is wrong with a row.
pub(super) fn row(registry: &Registry, values: &RegistryValues) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in values.keys().filter(|name| registry.fields.iter().all(|field| field.name != **name)) {
        let known: Vec<&str> = registry.fields.iter().map(|field| field.name.as_str()).collect();
        let message = format!("there is no such field; the fields are {}", known.join(", "));
        faults.push(Fault::new(shortened(name), message));
    }
    for field in &registry.fields {
        let is_key = registry.key.as_ref() == Some(&field.name);
        match values.get(&field.name) {
            None if field.required || is_key => {
                let message = format!("every row has it: expected {}, got nothing", expected(field.kind));
                faults.push(Fault::new(&field.name, message));
            }
            None => {}
            Some(value) if !is_of(field.kind, value) => {
                let message = format!("expected {}, got {}", expected(field.kind), shown(value));
                faults.push(Fault::new(&field.name, message));
            }
            Some(value) if !field.one_of.is_empty() => {
                let given = same(field.kind, value);
                if field.one_of.iter().all(|option| same(field.kind, option) != given) {
                    let options: Vec<String> = field.one_of.iter().map(shown).collect();
                    let message = format!("expected one of {}, got {}", options.join(", "), shown(value));
                    faults.push(Fault::new(&field.name, message));
                }
            }
            Some(_) => {}
        }
    }
    let bytes = json_bytes(values);
    if bytes > REGISTRY_ROW_BYTES_MAX {
        let message = format!("the row is {bytes} bytes as JSON; {REGISTRY_ROW_BYTES_MAX} is the most");
        faults.push(Fault::new("", message));
    }
    faults
}

/// What is wrong with what names a row.
pub(super) fn key(text: &str) -> Option<Fault> {
    let is_fit = (1..=REGISTRY_KEY_BYTES_MAX).contains(&text.len())
        && !text.chars().any(char::is_control)
        && text.trim() == text
        && text != "."
        && text != "..";
    if is_fit {
        return None;
    }
    let message = format!(
        "{:?} names no row: use 1 to {REGISTRY_KEY_BYTES_MAX} bytes without control characters, and without \
         spaces around them",
        shortened(text)
    );
    Some(Fault::new("row", message))
}

/// The value of a key as what names the row; `None`: it is none of its type.
pub(super) fn key_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The other way round.
pub(super) fn of_key(kind: FieldType, text: &str) -> Value {
    match kind {
        FieldType::Integer => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
        FieldType::String
        | FieldType::Number
        | FieldType::Boolean
        | FieldType::Date
        | FieldType::Datetime
        | FieldType::Json => Value::from(text),
    }
}

/// Its values that no other row may have.
pub(super) fn unique(registry: &Registry, values: &RegistryValues) -> Vec<UniqueValue> {
    let fields = registry.fields.iter().filter(|field| field.unique);
    let found = fields.filter_map(|field| Some((field, values.get(&field.name)?)));
    found.map(|(field, value)| (field.name.clone(), same(field.kind, value))).collect()
}

/// A text that two values have in common if they are the same.
fn same(kind: FieldType, value: &Value) -> String {
    match (kind, value.as_f64()) {
        (FieldType::Number, Some(number)) => number.to_string(),
        (_, _) => value.to_string(),
    }
}

fn is_of(kind: FieldType, value: &Value) -> bool {
    match kind {
        FieldType::String => value.is_string(),
        FieldType::Number => value.as_f64().is_some_and(f64::is_finite),
        FieldType::Integer => value.as_i64().is_some_and(|it| (-INTEGER_MAX..=INTEGER_MAX).contains(&it)),
        FieldType::Boolean => value.is_boolean(),
        // A date reads more than is one.
        FieldType::Date => {
            value.as_str().is_some_and(|text| text.parse::<Date>().is_ok_and(|date| date.to_string() == text))
        }
        FieldType::Datetime => value.as_str().is_some_and(|text| text.parse::<Timestamp>().is_ok()),
        FieldType::Json => true,
    }
}

fn expected(kind: FieldType) -> &'static str {
    match kind {
        FieldType::String => "a text",
        FieldType::Number => "a number",
        FieldType::Integer => "an integer within ±9007199254740991",
        FieldType::Boolean => "true or false",
        FieldType::Date => "a date like \"2026-11-26\"",
        FieldType::Datetime => "a time like \"2026-11-26T08:00:00Z\"",
        FieldType::Json => "JSON",
    }
}

/// What can be listed, and told apart.
fn is_plain(kind: FieldType) -> bool {
    match kind {
        FieldType::String
        | FieldType::Number
        | FieldType::Integer
        | FieldType::Date
        | FieldType::Datetime => true,
        FieldType::Boolean | FieldType::Json => false,
    }
}

fn is_key(kind: FieldType) -> bool {
    match kind {
        FieldType::String | FieldType::Integer | FieldType::Date => true,
        FieldType::Number | FieldType::Boolean | FieldType::Datetime | FieldType::Json => false,
    }
}

/// As names of steps are, with `_`; and an expression reads it as a path.
fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_part =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=32).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(is_part)
        && Expr::parse(text).is_ok_and(|expr| expr.paths() == [[text]])
}

fn shown(value: &Value) -> String {
    shortened(&value.to_string())
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", &text[..cut]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(fields: Value) -> Registry {
        serde_json::from_value(json!({"name": "r", "fields": fields})).expect("a registry")
    }

    fn faults_of(kind: &str, value: Value) -> Vec<String> {
        let registry = registry(json!([{"name": "a", "type": kind}]));
        let values = serde_json::from_value(json!({"a": value})).expect("values");
        row(&registry, &values).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_value_is_of_its_type_or_the_fault_says_what_was_expected() {
        let good = [
            ("string", json!("")),
            ("number", json!(1)),
            ("number", json!(-0.5)),
            ("integer", json!(9_007_199_254_740_991_i64)),
            ("boolean", json!(false)),
            ("date", json!("2024-02-29")),
            ("datetime", json!("2026-11-26T08:00:00+01:00")),
            ("json", json!({"a": [1, null]})),
        ];
        for (kind, value) in good {
            assert_eq!(faults_of(kind, value.clone()), Vec::<String>::new(), "{kind} {value}");
        }
        let wrong = [
            ("string", json!(1), "a: expected a text, got 1"),
            ("number", json!("1"), "a: expected a number, got \"1\""),
            ("integer", json!(1.5), "a: expected an integer within ±9007199254740991, got 1.5"),
            (
                "integer",
                json!(9_007_199_254_740_992_i64),
                "a: expected an integer within ±9007199254740991, got 9007199254740992",
            ),
            ("boolean", json!("yes"), "a: expected true or false, got \"yes\""),
            ("date", json!("2026-02-29"), "a: expected a date like \"2026-11-26\", got \"2026-02-29\""),
            (
                "date",
                json!("2026-02-28T00:00"),
                "a: expected a date like \"2026-11-26\", got \"2026-02-28T00:00\"",
            ),
            (
                "datetime",
                json!("2026-11-26T08:00:00"),
                "a: expected a time like \"2026-11-26T08:00:00Z\", got \"2026-11-26T08:00:00\"",
            ),
        ];
        for (kind, value, told) in wrong {
            assert_eq!(faults_of(kind, value), [told]);
        }
    }

    #[test]
    fn what_is_wrong_with_a_definition_is_told_with_its_place() {
        let cases = [
            (json!([]), "fields: 0 fields; there are 1 to 64"),
            (
                json!([{"name": "a", "type": "string"}, {"name": "a", "type": "json"}]),
                "fields[1].name: there is a field a before",
            ),
            (
                json!([{"name": "a", "type": "boolean", "enum": [true]}]),
                "fields[0].enum: values of type boolean cannot be listed",
            ),
            (
                json!([{"name": "a", "type": "integer", "enum": [1, "2"]}]),
                "fields[0].enum[1]: expected an integer within ±9007199254740991, got \"2\"",
            ),
            (
                json!([{"name": "a", "type": "number", "enum": [1, 1.0]}]),
                "fields[0].enum[1]: 1.0 stands there before",
            ),
            (
                json!([{"name": "a", "type": "json", "unique": true}]),
                "fields[0].unique: values of type json cannot be unique",
            ),
        ];
        for (fields, told) in cases {
            let faults: Vec<String> = definition(&registry(fields)).iter().map(ToString::to_string).collect();
            assert_eq!(faults, [told]);
        }
        for name in ["A", "", "not", "true", "a b", "1a", "a.b", "len("] {
            let faults = definition(&registry(json!([{"name": name, "type": "string"}])));
            assert_eq!(faults.len(), 1, "{name}: {faults:?}");
        }
        for name in ["a", "a_b", "a-b", "len", "order"] {
            assert_eq!(definition(&registry(json!([{"name": name, "type": "string"}]))), [], "{name}");
        }
    }
}

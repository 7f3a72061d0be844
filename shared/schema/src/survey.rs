//! How large a schema is once every reference in it is followed, found out before anything evaluates it.

use std::collections::HashMap;

use nexus_wire::limits::{SCHEMA_DEPTH_MAX, SCHEMA_NODES_MAX};
use serde_json::{Map, Value};

use crate::Fault;

const DIALECTS: [&str; 4] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
];
/// Keywords that hold one schema.
const ONE: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords that hold a list of schemas.
const LIST: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];
/// Keywords that hold schemas by names.
const NAMED: [&str; 4] = ["dependencies", "dependentSchemas", "patternProperties", "properties"];
/// References of which only the value at hand decides where they lead.
const DYNAMIC: [&str; 2] = ["$dynamicRef", "$recursiveRef"];
/// What below the top makes another text than the one at hand decide what a reference means.
const ELSEWHERE: [&str; 2] = ["$id", "$schema"];

/// Schemas within `source`, itself included, each as often as it can be reached; what it compares with counts too.
pub(crate) fn nodes(source: &Value) -> Result<usize, Fault> {
    if let Some(dialect) = source.get("$schema") {
        let known = dialect.as_str().is_some_and(|it| DIALECTS.contains(&it.trim_end_matches('#')));
        if !known {
            return Err(Fault::new("/$schema", format!("{dialect} is not known here; use {}", DIALECTS[0])));
        }
    }
    let mut survey = Survey { root: source, measured: HashMap::from([(String::new(), None)]) };
    let Size { nodes, .. } = survey.schema(source, &mut String::new(), 1)?;
    Ok(nodes)
}

#[derive(Clone, Copy)]
struct Size {
    nodes: usize,
    depth: usize,
}

struct Survey<'a> {
    root: &'a Value,
    /// What references lead to, by its pointer; `None` while it is being measured.
    measured: HashMap<String, Option<Size>>,
}

impl<'a> Survey<'a> {
    /// `at` is the pointer to `schema`; left as it is found.
    fn schema(&mut self, schema: &'a Value, at: &mut String, level: usize) -> Result<Size, Fault> {
        if level > SCHEMA_DEPTH_MAX {
            return Err(Fault::new(
                at,
                format!("nests deeper than {SCHEMA_DEPTH_MAX} schemas, references followed"),
            ));
        }
        let fields = match schema {
            Value::Object(fields) => fields,
            Value::Bool(_) => return Ok(Size { nodes: 1, depth: 1 }),
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(Fault::new(at, "a schema is an object, true or false"));
            }
        };
        let elsewhere = ELSEWHERE.iter().filter(|_| level > 1);
        if let Some(keyword) = DYNAMIC.iter().chain(elsewhere).find(|keyword| fields.contains_key(**keyword))
        {
            return Err(Fault::new(at, format!("{keyword} is not used here; only $ref to #/… is")));
        }
        let mut size = Size { nodes: 1 + compared(fields), depth: 1 };
        for (keyword, value) in fields {
            let keyword = keyword.as_str();
            if keyword == "$ref" {
                let target = self.reference(value, at, level)?;
                add(&mut size, target, at)?;
                continue;
            }
            for (step, value) in inner(keyword, value) {
                let length = at.len();
                at.push('/');
                at.push_str(keyword);
                at.push_str(&step);
                let below = self.schema(value, at, level + 1)?;
                at.truncate(length);
                add(&mut size, below, at)?;
            }
        }
        Ok(size)
    }

    fn reference(&mut self, value: &Value, at: &str, level: usize) -> Result<Size, Fault> {
        let pointer = value
            .as_str()
            .and_then(|it| it.strip_prefix('#'))
            .filter(|it| (it.is_empty() || it.starts_with('/')) && !it.contains('%'));
        let Some(pointer) = pointer else {
            let message =
                format!("$ref {value} leads elsewhere; only references such as #/$defs/name are followed");
            return Err(Fault::new(at, message));
        };
        if let Some(known) = self.measured.get(pointer) {
            let Some(size) = *known else {
                return Err(Fault::new(
                    at,
                    format!("$ref {value} leads back to itself; a schema that recurs is not checked here"),
                ));
            };
            if level + size.depth > SCHEMA_DEPTH_MAX {
                return Err(Fault::new(
                    at,
                    format!("nests deeper than {SCHEMA_DEPTH_MAX} schemas, references followed"),
                ));
            }
            return Ok(size);
        }
        let Some(target) = self.root.pointer(pointer) else {
            return Err(Fault::new(at, format!("$ref {value} leads to nothing")));
        };
        self.measured.insert(pointer.to_owned(), None);
        let size = self.schema(target, &mut pointer.to_owned(), level + 1)?;
        self.measured.insert(pointer.to_owned(), Some(size));
        Ok(size)
    }
}

/// The schemas that a keyword holds, and the step from it to each.
fn inner<'a>(keyword: &str, value: &'a Value) -> Vec<(String, &'a Value)> {
    if let (Value::Array(items), true) = (value, LIST.contains(&keyword)) {
        items.iter().enumerate().map(|(n, it)| (format!("/{n}"), it)).collect()
    } else if let (Value::Object(named), true) = (value, NAMED.contains(&keyword)) {
        // Before they were told apart, `dependencies` held lists of names, too.
        let schemas = named.iter().filter(|(_, it)| keyword != "dependencies" || !it.is_array());
        schemas.map(|(name, it)| (format!("/{}", name.replace('~', "~0").replace('/', "~1")), it)).collect()
    } else if ONE.contains(&keyword) {
        vec![(String::new(), value)]
    } else {
        Vec::new()
    }
}

fn add(size: &mut Size, below: Size, at: &str) -> Result<(), Fault> {
    size.nodes = size.nodes.saturating_add(below.nodes);
    size.depth = size.depth.max(1 + below.depth);
    if size.nodes > SCHEMA_NODES_MAX {
        return Err(Fault::new(at, format!("has more than {SCHEMA_NODES_MAX} schemas, references followed")));
    }
    Ok(())
}

/// Values that every checked one is compared with.
fn compared(fields: &Map<String, Value>) -> usize {
    let listed = fields.get("enum").and_then(Value::as_array).map_or(0, Vec::len);
    let required = fields.get("required").and_then(Value::as_array).map_or(0, Vec::len);
    listed + required
}

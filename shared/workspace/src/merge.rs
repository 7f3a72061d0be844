//! A patch: fields that take the place of others. Pure.

use nexus_flow::Format;
use serde_json::Value;

use crate::fault::Fault;

pub(crate) const PATCH: &str = ".patch.toml";

/// The file with the patch's fields in it: tables are merged, everything else is replaced. `name` ends with what it is.
pub(crate) fn patched(name: &str, base: &[u8], patch_name: &str, patch: &[u8]) -> Result<Vec<u8>, Fault> {
    let text = utf8(patch_name, patch)?;
    let patch: toml::Table = toml::from_str(text).map_err(|error| toml_fault(patch_name, text, &error))?;
    let base = utf8(name, base)?;
    let fault = |message: String| Fault::of_file(patch_name, message);
    if name.ends_with(".json") {
        let value: Value = serde_json::from_str(base)
            .map_err(|error| fault(format!("what it changes is no JSON: {error}")))?;
        let value = merged(value, &patch).map_err(fault)?;
        let text = serde_json::to_string_pretty(&value).map_err(|error| fault(error.to_string()))?;
        Ok((text + "\n").into_bytes())
    } else if name.ends_with(".toml") {
        let mut value: toml::Table =
            toml::from_str(base).map_err(|error| fault(format!("what it changes is no TOML: {error}")))?;
        merge_toml(&mut value, patch);
        let text = toml::to_string_pretty(&value).map_err(|error| fault(error.to_string()))?;
        Ok(text.into_bytes())
    } else {
        // Read as whoever loads it reads it.
        let read = nexus_flow::read_as::<Value>(base, Format::Yaml, usize::MAX);
        let (value, _) = read.map_err(|faults| {
            let why = faults.first().map(|fault| fault.message.as_str()).unwrap_or_default();
            fault(format!("what it changes is no YAML: {why}"))
        })?;
        let value = merged(value, &patch).map_err(fault)?;
        Ok(serde_yaml_ng::to_string(&value).map_err(|error| fault(error.to_string()))?.into_bytes())
    }
}

fn merged(mut base: Value, patch: &toml::Table) -> Result<Value, String> {
    if !base.is_object() {
        return Err(
            "what it changes has no fields, so it cannot be patched; put a file in its place".to_owned()
        );
    }
    merge_json(&mut base, json(toml::Value::Table(patch.clone()))?);
    Ok(base)
}

/// A date is the text that it is written as.
fn json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| format!("it cannot be JSON: {number} is no number there"))?,
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(all) => Value::Array(all.into_iter().map(json).collect::<Result<_, _>>()?),
        toml::Value::Table(all) => {
            let fields = all.into_iter().map(|(key, value)| Ok((key, json(value)?)));
            Value::Object(fields.collect::<Result<_, String>>()?)
        }
    })
}

fn merge_json(base: &mut Value, patch: Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                merge_json(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, patch) => *base = patch,
    }
}

fn merge_toml(base: &mut toml::Table, patch: toml::Table) {
    for (key, value) in patch {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(patch)) => merge_toml(base, patch),
            (_, value) => _ = base.insert(key, value),
        }
    }
}

pub(crate) fn utf8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let good = String::from_utf8_lossy(good);
        Fault::at(name, &good, good.len(), "this is not UTF-8 from here on; save the file as UTF-8")
    })
}

pub(crate) fn toml_fault(name: &str, text: &str, error: &toml::de::Error) -> Fault {
    let message = format!("this is not TOML: {}", error.message());
    match error.span() {
        Some(span) => Fault::at(name, text, span.start, message),
        None => Fault::of_file(name, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, base: &str, patch: &str) -> Result<String, String> {
        let made = patched(name, base.as_bytes(), "x.patch.toml", patch.as_bytes());
        made.map(|bytes| String::from_utf8(bytes).expect("text")).map_err(|fault| fault.to_string())
    }

    #[test]
    fn tables_are_merged_and_all_else_is_replaced() {
        let base = r#"{"name": "runner", "slots": 8, "runner": {"wait": {"seconds_max": 60}, "scripts": {"a": {"run": ["x", "y"]}}}}"#;
        let patch = "slots = 2\n[runner.wait]\nseconds_max = 5\n[runner.scripts.a]\nrun = [\"z\"]\n[runner.scripts.b]\nrun = [\"b\"]\n";
        let made: Value = serde_json::from_str(&text("a.json", base, patch).expect("made")).expect("JSON");
        let expected = serde_json::json!({"name": "runner", "slots": 2, "runner": {
            "wait": {"seconds_max": 5}, "scripts": {"a": {"run": ["z"]}, "b": {"run": ["b"]}}}});
        assert_eq!(made, expected);
        let made = text("a.toml", "x = 1\n[t]\ny = 2\nz = [1]\n", "[t]\nz = [2]\n").expect("made");
        let table: toml::Table = toml::from_str(&made).expect("TOML");
        assert_eq!(table, toml::from_str("x = 1\n[t]\ny = 2\nz = [2]\n").expect("TOML"));
    }

    #[test]
    fn of_a_yaml_file_everything_else_stays_what_it_was() {
        // What looks like something else, as it is written and as it would be written anew.
        let base = "id: day # a remark\nwords: ['yes', \"0x1f\", '1.0', 'null', '2026-12-01', '~', ' a ', '- b', 'c: d', '#e', '{{ x }}', '']\n\
                    values: [yes, 31, 1.5, null, true]\nlong: |\n  one\n  two\nsteps:\n  - { id: a }\nt: { y: 2, z: [1] }\n";
        let made = text("day.yaml", base, "id = \"night\"\n[t]\nz = [2026-12-01, 1.5]\n").expect("made");
        let read = |text: &str| nexus_flow::read_as::<Value>(text, Format::Yaml, 1_000).expect("YAML").0;
        let mut expected = read(base);
        expected["id"] = "night".into();
        expected["t"]["z"] = serde_json::json!(["2026-12-01", 1.5]);
        assert_eq!(read(&made), expected, "{made}");
    }

    #[test]
    fn a_patch_that_cannot_be_read_is_told_with_its_place() {
        assert!(text("a.json", "{}", "x = 1\ny = \n").expect_err("no TOML").starts_with("x.patch.toml:2:"));
        assert!(
            text("a.json", "nothing", "x = 1").expect_err("no JSON").contains("what it changes is no JSON")
        );
        assert!(
            text("a.yaml", "x: [", "x = 1")
                .expect_err("no YAML")
                .starts_with("x.patch.toml: what it changes is no YAML: ")
        );
        for (name, list) in [("a.yaml", "- x"), ("a.json", "[1]")] {
            assert_eq!(
                text(name, list, "x = 1"),
                Err("x.patch.toml: what it changes has no fields, so it cannot be patched; put a file in its place".to_owned())
            );
        }
        let broken = patched("a.json", b"{}", "x.patch.toml", b"x = '\xff'").expect_err("no text");
        assert_eq!(
            broken.to_string(),
            "x.patch.toml:1:6: this is not UTF-8 from here on; save the file as UTF-8"
        );
    }
}

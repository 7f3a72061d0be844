//! A patch: fields that take the place of others. Pure.

use serde_json::Value;

use crate::fault::Fault;

pub(crate) const PATCH: &str = ".patch.toml";

/// The file with the patch's fields in it: tables are merged, everything else is replaced. `name` ends with what it is.
pub(crate) fn patched(name: &str, base: &[u8], patch_name: &str, patch: &[u8]) -> Result<Vec<u8>, Fault> {
    let text = utf8(patch_name, patch)?;
    let patch: toml::Table = toml::from_str(text).map_err(|error| toml_fault(patch_name, text, &error))?;
    let base = utf8(name, base)?;
    if name.ends_with(".json") {
        let mut value: Value = serde_json::from_str(base)
            .map_err(|error| Fault::of_file(patch_name, format!("what it changes is no JSON: {error}")))?;
        let patch = serde_json::to_value(&patch)
            .map_err(|error| Fault::of_file(patch_name, format!("it cannot be JSON: {error}")))?;
        merge_json(&mut value, patch);
        let mut text = serde_json::to_string_pretty(&value)
            .map_err(|error| Fault::of_file(patch_name, error.to_string()))?;
        text.push('\n');
        Ok(text.into_bytes())
    } else {
        let mut value: toml::Table = toml::from_str(base)
            .map_err(|error| Fault::of_file(patch_name, format!("what it changes is no TOML: {error}")))?;
        merge_toml(&mut value, patch);
        let text =
            toml::to_string_pretty(&value).map_err(|error| Fault::of_file(patch_name, error.to_string()))?;
        Ok(text.into_bytes())
    }
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
    fn a_patch_that_cannot_be_read_is_told_with_its_place() {
        assert!(text("a.json", "{}", "x = 1\ny = \n").expect_err("no TOML").starts_with("x.patch.toml:2:"));
        assert!(
            text("a.json", "nothing", "x = 1").expect_err("no JSON").contains("what it changes is no JSON")
        );
        let broken = patched("a.json", b"{}", "x.patch.toml", b"x = '\xff'").expect_err("no text");
        assert_eq!(
            broken.to_string(),
            "x.patch.toml:1:6: this is not UTF-8 from here on; save the file as UTF-8"
        );
    }
}

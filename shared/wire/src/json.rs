//! JSON text that is passed on without being looked into.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// One JSON value as text. Equality is equality of the text.
#[derive(Clone, Debug)]
pub struct Json(Form);

#[derive(Clone, Debug)]
enum Form {
    Raw(Box<RawValue>),
    /// JSON, as whoever wrote it says.
    Text(String),
}

impl Json {
    /// Wraps what `value` serializes to. The wire types serialize without fail; should one ever not, the
    /// result is `null` and the reader's decode names what is missing.
    pub fn of(value: &impl Serialize) -> Self {
        serde_json::value::to_raw_value(value).map_or_else(|_| Self::default(), Self::raw)
    }

    /// Wraps what is JSON already. Should it ever not be, it does not serialize.
    pub fn of_text(text: String) -> Self {
        Self(Form::Text(text))
    }

    fn raw(text: Box<RawValue>) -> Self {
        Self(Form::Raw(text))
    }

    pub fn as_str(&self) -> &str {
        match &self.0 {
            Form::Raw(text) => text.get(),
            Form::Text(text) => text,
        }
    }

    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }
}

impl Default for Json {
    fn default() -> Self {
        Self::raw(RawValue::NULL.to_owned())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Raw(text) => text.serialize(serializer),
            Form::Text(text) => {
                serde_json::from_str::<&RawValue>(text).map_err(S::Error::custom)?.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Deserialize::deserialize(deserializer).map(Self::raw)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl JsonSchema for Json {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Json".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_json_already_is_passed_on_as_it_is_and_other_text_is_not() {
        let json = Json::of_text(r#"{"b":1, "a":[null]}"#.to_owned());
        assert_eq!(serde_json::to_string(&[&json]).unwrap(), r#"[{"b":1, "a":[null]}]"#);
        assert_eq!(serde_json::from_str::<Json>(json.as_str()).unwrap(), json);
        assert!(serde_json::to_string(&Json::of_text("{".to_owned())).is_err());
    }
}

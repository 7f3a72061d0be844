//! A text that must not reach a log, an error or a screen.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Wiped from memory when dropped; `Debug` does not show it. Serializing it is writing it to its file.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// What is wrong with a value, from what a reader of it says, without the value: that may be a secret.
pub fn without_value(message: &str) -> String {
    let names_a_key = ["duplicate field ", "missing field ", "unknown field "];
    if names_a_key.iter().any(|begin| message.starts_with(begin)) {
        return message.to_owned();
    }
    // What was found is repeated before what was expected, and by our own types in any place.
    let of_its_kind = message.rsplit_once(", expected ").filter(|_| message.starts_with("invalid type: "));
    match of_its_kind {
        Some((_, expected)) => format!("this has to be {expected}"),
        None => "this is nothing that can stand here".to_owned(),
    }
}

//! Names people choose and what may stand on the wire as one. Parsed once; a held value is valid.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::limits::NAME_BYTES_MAX;

/// Names that would be mistaken for somebody or something else.
pub const RESERVED: [&str; 4] = ["all", "nexus", "operator", "system"];

#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum NameError {
    #[error("{0:?} is not a name: use a lower-case letter, then up to 31 lower-case letters, digits or '-'")]
    Form(String),
    #[error("{0:?} is reserved; reserved names are all, nexus, operator and system")]
    Reserved(String),
    #[error("{0:?} is not a Hand: write <aspect>/<hand>, for example wren/verify-claim")]
    Hand(String),
    #[error("{0:?} is no watch: write <aspect>/<watch>, for example runner/inbox")]
    Watch(String),
    #[error("{0:?} is nobody: write an aspect's name, operator/<name> or system")]
    Party(String),
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=NAME_BYTES_MAX).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// `$text` gives what stands on the wire. Names are in nearly every frame, and to format one takes several times as long
/// as to copy it.
macro_rules! text_form {
    ($name:ident, $text:ident, $pattern:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.$text().as_ref())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.$text().as_ref())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'_, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern})
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, reserved: $reserved:expr) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// Ordered and hashed as their text is.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                if !is_label(text) {
                    return Err(NameError::Form(shortened(text)));
                }
                if $reserved.contains(&text) {
                    return Err(NameError::Reserved(text.to_owned()));
                }
                Ok(Self(text.into()))
            }
        }

        text_form!($name, as_str, "^[a-z][a-z0-9-]{0,31}$");
    };
}

label!(/// The name of an agent.
    AspectName, reserved: RESERVED);
label!(/// The name of a person.
    OperatorName, reserved: [""; 0]);
label!(/// The name of a credential for a service outside.
    CredentialName, reserved: [""; 0]);
label!(/// The name of an API token among those of one operator.
    TokenName, reserved: [""; 0]);
label!(/// The id of a flow.
    FlowName, reserved: [""; 0]);
label!(/// The id of a step within its flow.
    StepName, reserved: [""; 0]);
label!(/// The name of a Hand within its aspect.
    HandName, reserved: [""; 0]);
label!(/// The name of a registry.
    RegistryName, reserved: [""; 0]);
label!(/// The name of a trigger.
    TriggerName, reserved: [""; 0]);
label!(/// The name of a watch within its aspect.
    WatchName, reserved: [""; 0]);

/// A Hand of an aspect, written `wren/verify-claim`.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HandRef {
    pub aspect: AspectName,
    pub hand: HandName,
}

impl FromStr for HandRef {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (aspect, hand) = text.split_once('/').ok_or_else(|| NameError::Hand(shortened(text)))?;
        Ok(Self { aspect: aspect.parse()?, hand: hand.parse()? })
    }
}

impl HandRef {
    fn text(&self) -> String {
        [self.aspect.as_str(), "/", self.hand.as_str()].concat()
    }
}

text_form!(HandRef, text, "^[a-z][a-z0-9-]{0,31}/[a-z][a-z0-9-]{0,31}$");

/// A watch of an aspect, written `runner/inbox`.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WatchRef {
    pub aspect: AspectName,
    pub watch: WatchName,
}

impl FromStr for WatchRef {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (aspect, watch) = text.split_once('/').ok_or_else(|| NameError::Watch(shortened(text)))?;
        Ok(Self { aspect: aspect.parse()?, watch: watch.parse()? })
    }
}

impl WatchRef {
    fn text(&self) -> String {
        [self.aspect.as_str(), "/", self.watch.as_str()].concat()
    }
}

text_form!(WatchRef, text, "^[a-z][a-z0-9-]{0,31}/[a-z][a-z0-9-]{0,31}$");

/// The Hand every aspect offers: a shadow of itself, with its persona and no history.
pub const SELF_HAND: &str = "self";

impl HandName {
    /// [`SELF_HAND`].
    pub fn own() -> Self {
        Self(SELF_HAND.into())
    }

    pub fn is_own(&self) -> bool {
        self.as_str() == SELF_HAND
    }
}

/// Which Hand is meant: one by its name, or, written `self`, the sender's own shadow.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HandTarget {
    Hand(HandRef),
    Own,
}

impl From<HandRef> for HandTarget {
    fn from(hand: HandRef) -> Self {
        Self::Hand(hand)
    }
}

impl FromStr for HandTarget {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == SELF_HAND { Ok(Self::Own) } else { text.parse().map(Self::Hand) }
    }
}

impl HandTarget {
    fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Hand(hand) => hand.text().into(),
            Self::Own => SELF_HAND.into(),
        }
    }
}

text_form!(HandTarget, text, "^(self|[a-z][a-z0-9-]{0,31}/[a-z][a-z0-9-]{0,31})$");

/// Whoever can send or be sent something: `wren`, `operator/ana` or `system`.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Party {
    Aspect(AspectName),
    Operator(OperatorName),
    System,
}

impl Party {
    pub fn aspect(&self) -> Option<&AspectName> {
        match self {
            Self::Aspect(name) => Some(name),
            Self::Operator(_) | Self::System => None,
        }
    }

    pub fn is_operator(&self) -> bool {
        match self {
            Self::Operator(_) => true,
            Self::Aspect(_) | Self::System => false,
        }
    }

    /// What stands on the wire.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Aspect(name) => name.as_str().into(),
            Self::Operator(name) => ["operator/", name.as_str()].concat().into(),
            Self::System => "system".into(),
        }
    }
}

impl FromStr for Party {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text == "system" {
            return Ok(Self::System);
        }
        match text.split_once('/') {
            Some(("operator", name)) => Ok(Self::Operator(name.parse()?)),
            Some(_) => Err(NameError::Party(shortened(text))),
            None => Ok(Self::Aspect(text.parse()?)),
        }
    }
}

text_form!(Party, text, "^(system|(operator/)?[a-z][a-z0-9-]{0,31})$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_whole_or_not_at_all() {
        let cases: &[(&str, bool)] = &[
            ("wren", true),
            ("w", true),
            ("wren-2", true),
            ("a2345678901234567890123456789012", true),
            ("a23456789012345678901234567890123", false),
            ("", false),
            ("Wren", false),
            ("2wren", false),
            ("-wren", false),
            ("wren ", false),
            ("wrén", false),
            ("operator", false),
            ("all", false),
        ];
        for (text, accepted) in cases {
            assert_eq!(text.parse::<AspectName>().is_ok(), *accepted, "{text:?}");
        }
    }

    #[test]
    fn a_party_reads_back_as_it_is_written() {
        for text in ["wren", "operator/ana", "system"] {
            assert_eq!(text.parse::<Party>().map(|party| party.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("human/ana".parse::<Party>(), Err(NameError::Party("human/ana".into())));
        assert_eq!("wren".parse::<HandRef>(), Err(NameError::Hand("wren".into())));
        for text in ["self", "wren/self", "wren/check"] {
            assert_eq!(text.parse::<HandTarget>().map(|target| target.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("wren".parse::<HandTarget>(), Err(NameError::Hand("wren".into())));
        assert_eq!("wren/in".parse::<WatchRef>().map(|it| it.to_string()), Ok("wren/in".to_owned()));
        assert_eq!("wren".parse::<WatchRef>(), Err(NameError::Watch("wren".into())));
    }
}

//! Typed ids. On the wire and in `Display` each is a plain UUID; `Debug` adds what it is the id of.

/// A text that is no id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an id is written like 01a1fda6-6863-8f81-9de1-76c52d2b6209; copy it whole from where it is listed")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $label:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd,
            schemars::JsonSchema, serde::Deserialize, serde::Serialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($label, ":{}"), self.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self).map_err(|_| IdError)
            }
        }
    };
}

id!(/// One socket. An aspect that reconnects gets a new one.
    LinkId, "link");
id!(/// Names one request of one sender; a repeat of it gets the first answer.
    RequestId, "request");
id!(/// A durable conversation.
    ThreadId, "thread");
id!(/// One message of a thread.
    MessageId, "message");
id!(/// One entry of an inbox. Derived from what it carries, so it survives a restore.
    ItemId, "item");
id!(/// One unit of work sent to a Hand.
    DispatchId, "dispatch");
id!(/// One history of an inbox; offsets compare within one epoch only.
    EpochId, "epoch");
id!(/// One turn of an aspect.
    TurnId, "turn");
id!(/// One version of a knowledge entry.
    EntryId, "entry");
id!(/// A question to an aspect's process, from one operator.
    QuestionId, "question");
id!(/// One granting or revoking of a knowledge grant.
    GrantId, "grant");
id!(/// Several dispatches taken together.
    GatherId, "gather");
id!(/// Something that waits for people to allow or to answer.
    ApprovalId, "approval");
id!(/// One trigger, from its first definition to its deletion.
    TriggerId, "trigger");
id!(/// A flow at work.
    RunId, "run");

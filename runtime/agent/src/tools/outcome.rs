//! What a call came to, and how it is made to fit.

use std::fmt;

use nexus_wire::ItemId;
use nexus_wire::budget::Spending;
use serde::{Deserialize, Serialize};

/// What a call came to, in words for the model.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ToolOutcome {
    pub content: String,
    pub is_error: bool,
    /// The inbox item that brought it, to be closed once the result is on record.
    pub settles: Option<ItemId>,
    /// What was spent for it of the turn's budget.
    pub below: Spending,
    /// The sandbox stopped it; without, it may come to something.
    pub blocked_by_sandbox: bool,
}

impl ToolOutcome {
    pub fn error(content: impl Into<String>) -> Self {
        Self { content: content.into(), is_error: true, ..Self::default() }
    }

    /// The result as JSON text, which a model reads and a script can take apart.
    pub(super) fn json(value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(content) => Self { content, ..Self::default() },
            Err(error) => Self::error(format!("the result could not be written as JSON: {error}")),
        }
    }

    /// A list as JSON, with as much of its beginning as may be given back.
    pub(super) fn fitting<T: Serialize + Shrink>(result: Result<T, impl fmt::Display>, max: usize) -> Self {
        let mut value = match result {
            Ok(value) => value,
            Err(error) => return Self::error(error.to_string()),
        };
        loop {
            let outcome = Self::json(&value);
            if outcome.content.len() <= max || !value.shrink() {
                return outcome;
            }
        }
    }

    pub(super) fn of<T: Serialize>(result: Result<T, impl fmt::Display>) -> Self {
        match result {
            Ok(value) => Self::json(&value),
            Err(error) => Self::error(error.to_string()),
        }
    }

    pub(super) fn capped(self, max: usize) -> Self {
        self.capped_with(max, "ask for less at a time to see the rest")
    }

    pub(super) fn capped_with(mut self, max: usize, advice: &str) -> Self {
        let bytes = self.content.len();
        if bytes > max {
            self.content.truncate(self.content.floor_char_boundary(max));
            self.content.push_str(&format!("… [cut here: {bytes} bytes in all; {advice}]"));
        }
        self
    }
}

/// What can be given back in part.
pub(super) trait Shrink {
    /// Leaves out the end. False when there is nothing to leave out.
    fn shrink(&mut self) -> bool;
}

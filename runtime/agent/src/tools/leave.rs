//! Which calls people have to allow, and how they are shown what they are asked about.

use nexus_wire::approval::Asked;
use nexus_wire::limits::{APPROVAL_ARGUMENTS_BYTES_MAX, APPROVAL_SUMMARY_BYTES_MAX, APPROVAL_TOOL_BYTES_MAX};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Tool;
use crate::servers::Offer;
use crate::turn::Nature;

/// Of the arguments, in a line that says what a call would do.
const SUMMARY_CHARS: usize = 200;

/// When people are asked.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalPolicy {
    /// Before every call that changes or reaches something outside of the team.
    Untrusted,
    /// When the sandbox stopped a call, before it runs again without; and before a call of a server's tool that may
    /// destroy something, which no sandbox holds.
    #[default]
    OnFailure,
    /// Never.
    Trusted,
}

/// The policy, and tools it does not go for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Leave {
    pub policy: ApprovalPolicy,
    /// Asked about before each call, whatever the policy.
    pub always: Vec<String>,
    /// Never asked about.
    pub never: Vec<String>,
    /// Seconds; the broker's own default when absent.
    pub wait_s: Option<u32>,
}

impl Leave {
    /// What a built-in tool is to a turn.
    pub(super) fn nature(&self, tool: Tool) -> Nature {
        let (asks, asks_again) = self.asks(&[tool.name()], tool.needs_leave());
        Nature { repeatable: tool.is_repeatable(), acts: tool.acts(), asks, asks_again }
    }

    /// The same of a server's tool, by what it says of itself. No sandbox holds it: what may destroy is asked about
    /// where a sandbox is what the policy relies on.
    pub(super) fn nature_of(&self, name: &str, offer: &Offer) -> Nature {
        let aliases = offer.aliases(name);
        let needs_leave = match self.policy {
            ApprovalPolicy::Untrusted => !offer.reads_only,
            ApprovalPolicy::OnFailure => offer.destroys,
            ApprovalPolicy::Trusted => false,
        };
        let (asks, _) = self.asks(&aliases.each_ref().map(String::as_str), false);
        let is_free = self.never.iter().any(|name| aliases.contains(name));
        Nature {
            repeatable: offer.idempotent,
            acts: !offer.reads_only,
            asks: asks || needs_leave && !is_free,
            asks_again: false,
        }
    }

    /// Whether people are asked before a call, and before it runs again without its sandbox.
    pub(super) fn asks(&self, names: &[&str], needs_leave: bool) -> (bool, bool) {
        let is_in = |list: &[String]| list.iter().any(|it| names.contains(&it.as_str()));
        if is_in(&self.never) {
            return (false, false);
        }
        match self.policy {
            ApprovalPolicy::Untrusted => (needs_leave || is_in(&self.always), true),
            ApprovalPolicy::OnFailure => (is_in(&self.always), true),
            ApprovalPolicy::Trusted => (is_in(&self.always), false),
        }
    }
}

/// A call as people are shown it. `blocked`: the sandbox has stopped it.
pub fn asked(name: &str, input: &Value, blocked: bool) -> Asked {
    let said = match name_of(input) {
        Some(said) => said.to_owned(),
        None => input.to_string(),
    };
    let mut summary: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = summary.char_indices().nth(SUMMARY_CHARS) {
        summary.truncate(at);
        summary.push('…');
    }
    if blocked {
        summary.push_str(" (again, without the sandbox that stopped it)");
    }
    let arguments = serde_json::to_string_pretty(input).unwrap_or_default();
    Asked::Tool {
        tool: within(name.to_owned(), APPROVAL_TOOL_BYTES_MAX),
        summary: within(summary, APPROVAL_SUMMARY_BYTES_MAX),
        arguments: within(arguments, APPROVAL_ARGUMENTS_BYTES_MAX),
    }
}

/// The argument that says most of a call.
fn name_of(input: &Value) -> Option<&str> {
    ["command", "path", "url"].into_iter().find_map(|key| input.get(key)?.as_str())
}

/// As much as may be sent, with a word on what is left out.
fn within(mut text: String, max: usize) -> String {
    let bytes = text.len();
    if bytes > max {
        let note = format!("… [{bytes} bytes in all]");
        text.truncate(text.floor_char_boundary(max - note.len()));
        text.push_str(&note);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn exceptions_come_before_the_policy() {
        use ApprovalPolicy::{OnFailure, Trusted, Untrusted};
        let leave = |policy, always: &[&str], never: &[&str]| {
            let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            Leave { policy, always: list(always), never: list(never), wait_s: None }
        };
        for (leave, needs_leave, expected) in [
            (leave(Untrusted, &[], &[]), true, (true, true)),
            (leave(Untrusted, &[], &[]), false, (false, true)),
            (leave(Untrusted, &["x"], &[]), false, (true, true)),
            (leave(Untrusted, &["x"], &["x"]), true, (false, false)),
            (leave(OnFailure, &[], &[]), true, (false, true)),
            (leave(OnFailure, &["x"], &[]), true, (true, true)),
            (leave(Trusted, &[], &[]), true, (false, false)),
            (leave(Trusted, &["x"], &[]), false, (true, false)),
        ] {
            assert_eq!(leave.asks(&["x"], needs_leave), expected, "{leave:?}");
        }
    }

    #[test]
    fn people_are_shown_all_of_it_as_far_as_it_can_be_sent() {
        let shown = |input: Value, blocked| match asked("run_command", &input, blocked) {
            Asked::Tool { summary, arguments, .. } => (summary, arguments),
            Asked::Question { .. } => panic!("a tool"),
        };
        let (summary, arguments) = shown(json!({"command": "cargo  test\n--all", "secret": "s3cret"}), false);
        assert_eq!(summary, "cargo test --all");
        assert!(arguments.contains("s3cret"), "{arguments}");
        let (summary, _) = shown(json!({"n": 1}), true);
        assert_eq!(summary, "{\"n\":1} (again, without the sandbox that stopped it)");
        let (summary, arguments) = shown(json!({"command": "é".repeat(100_000)}), false);
        assert_eq!(summary.chars().count(), SUMMARY_CHARS + 1);
        assert!(arguments.len() <= APPROVAL_ARGUMENTS_BYTES_MAX && arguments.contains("bytes in all"));
    }
}

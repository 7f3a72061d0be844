//! Who receives a message: one rule, one pure function.
//!
//! Recipients are whom `to` names, whom the text mentions, and, when it continues a thread, whoever takes part
//! in that; never the sender. Only what an operator opens a thread with, addressed to nobody, goes to the lead.

use std::borrow::Cow;

use nexus_wire::Party;
use nexus_wire::limits::NAME_BYTES_MAX;

use super::roster::Roster;

/// What the rule looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Posting<'a> {
    pub(super) sender: &'a Party,
    pub(super) to: &'a [String],
    pub(super) content: &'a str,
    /// Who takes part in the thread it continues; `None` when it opens one.
    pub(super) thread: Option<&'a [Party]>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Routed {
    /// In the order of their names, each once.
    pub(super) recipients: Vec<Party>,
    /// Names in `to` that nobody has.
    pub(super) unknown: Vec<String>,
}

enum Named {
    All,
    One(Party),
    Nobody,
}

pub(super) fn route(posting: &Posting<'_>, roster: &Roster) -> Routed {
    let mut recipients = Vec::new();
    let mut unknown = Vec::new();
    let mut is_to_all = false;
    for name in posting.to {
        match resolve(name.strip_prefix('@').unwrap_or(name), roster) {
            Named::All => is_to_all = true,
            Named::One(party) => recipients.push(party),
            Named::Nobody if unknown.contains(name) => {}
            Named::Nobody => unknown.push(name.clone()),
        }
    }
    for name in mentions(posting.content) {
        match resolve(name, roster) {
            Named::All => is_to_all = true,
            Named::One(party) => recipients.push(party),
            // Text is full of things that look like a mention.
            Named::Nobody => {}
        }
    }
    if is_to_all {
        recipients.extend(roster.active().map(|record| Party::Aspect(record.name.clone())));
    }
    match posting.thread {
        Some(participants) => {
            recipients.extend(participants.iter().filter(|party| roster.knows(party)).cloned());
        }
        None if posting.sender.is_operator() && posting.to.is_empty() && recipients.is_empty() => {
            recipients.extend(roster.lead().map(|lead| Party::Aspect(lead.name.clone())));
        }
        None => {}
    }
    recipients.retain(|party| party != posting.sender && *party != Party::System);
    recipients.sort_unstable();
    recipients.dedup();
    Routed { recipients, unknown }
}

/// `wren`, `operator/ana` or, where no aspect is called that, plain `ana`; in any case.
fn resolve(name: &str, roster: &Roster) -> Named {
    if name.len() > "operator/".len() + NAME_BYTES_MAX {
        return Named::Nobody;
    }
    let mut name = Cow::Borrowed(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_mut().make_ascii_lowercase();
    }
    if name == "all" {
        return Named::All;
    }
    let found = match name.strip_prefix("operator/") {
        Some(operator) => roster.operator_named(operator),
        None => roster.named(&name),
    };
    found.map_or(Named::Nobody, Named::One)
}

/// What stands behind each `@` that begins a word and does not run on into a longer one.
fn mentions(content: &str) -> impl Iterator<Item = &str> {
    memchr::memchr_iter(b'@', content.as_bytes()).filter_map(|at| {
        let before = content[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | '.' | '/')) {
            return None;
        }
        let rest = &content[at + 1..];
        let prefix = "operator/";
        let skip = match rest.get(..prefix.len()) {
            Some(start) if start.eq_ignore_ascii_case(prefix) => prefix.len(),
            Some(_) | None => 0,
        };
        let run = rest[skip..]
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .map_or(rest.len(), |length| skip + length);
        if rest[run..].starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return None;
        }
        let name = rest[..run].trim_end_matches('-');
        (!name.is_empty()).then_some(name)
    })
}

#[cfg(test)]
mod tests;

//! The Hand `notify`: a message to an operator, an aspect or a thread. Telling it again after a crash is telling it once.

use nexus_wire::chat::{ChatSend, ChatSent};
use nexus_wire::hands::HandFailure;
use nexus_wire::{Party, RequestId, ThreadId, derive};
use serde::Deserialize;
use serde_json::{Value, json};

use super::config::RawNotify;
use super::{Job, failure, invalid, parse};

const TEXT_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    text: String,
    #[serde(default)]
    operator: Option<String>,
    #[serde(default)]
    aspect: Option<String>,
    #[serde(default)]
    thread: Option<ThreadId>,
    #[serde(default)]
    topic: Option<String>,
}

pub(super) async fn tell(job: &Job<'_>, input: &Value) -> Result<Value, HandFailure> {
    let allowed = job.runner.notify.clone().unwrap_or_default();
    let send = message(parse(input)?, &allowed)?;
    // The same for every attempt: the broker knows it again.
    let id = RequestId(derive::derived(job.assignment.lease.dispatch.0, "notify", 0));
    let sent = job.toolbox.line().ask_for::<ChatSent>(id, send.into()).await;
    let ChatSent { message, thread, recipients, unknown, .. } =
        sent.map_err(|error| failure("not_told", error.to_string()))?;
    if unknown.is_empty() {
        Ok(json!({"message": message, "thread": thread, "recipients": recipients}))
    } else {
        Err(failure("not_told", format!("nobody here is called {}", unknown.join(", "))))
    }
}

fn message(asked: Asked, allowed: &RawNotify) -> Result<ChatSend, HandFailure> {
    let Asked { text, operator, aspect, thread, topic } = asked;
    if text.trim().is_empty() {
        return Err(invalid("text: there is nothing to tell"));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(invalid(format!("text: it has {} bytes; at most {TEXT_BYTES_MAX}", text.len())));
    }
    let named = match (operator, aspect, thread) {
        (Some(name), None, None) => Some(("operator", format!("operator/{name}"))),
        (None, Some(name), None) => Some(("aspect", name)),
        (None, None, Some(_)) => None,
        (_, _, _) => return Err(invalid("say one of `operator`, `aspect` and `thread`")),
    };
    let Some((field, name)) = named else {
        if allowed.to.is_some() {
            return Err(invalid("thread: this runner tells nobody but those that runner.notify.to names"));
        }
        return Ok(ChatSend { thread, content: text, ..ChatSend::default() });
    };
    let party: Party = name.parse().map_err(|error| invalid(format!("{field}: {error}")))?;
    let is_kind = if field == "operator" { party.is_operator() } else { party.aspect().is_some() };
    if !is_kind {
        return Err(invalid(format!("{field}: {name:?} is no {field}")));
    }
    if allowed.to.as_ref().is_some_and(|to| !to.contains(&party)) {
        return Err(invalid(format!("{field}: runner.notify.to does not name {party}")));
    }
    Ok(ChatSend { to: vec![party.to_string()], content: text, topic, ..ChatSend::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked, who may be told, and to whom it goes and whether in a thread.
    type Case<'a> = (Value, Option<&'a [&'a str]>, Result<(&'a [&'a str], bool), &'a str>);

    #[test]
    fn who_is_told_is_one_and_allowed() {
        let thread = "01a1fda6-6863-8f81-9de1-76c52d2b6209";
        let to = |input: Value, allowed: Option<&[&str]>| {
            let to = allowed.map(|names| names.iter().map(|name| name.parse().expect("a party")).collect());
            let asked = parse(&input).map_err(|failure| failure.message)?;
            let send = message(asked, &RawNotify { to }).map_err(|failure| failure.message)?;
            Ok::<_, String>((send.to, send.thread.map(|thread| thread.to_string())))
        };
        let none: Option<&[&str]> = None;
        let cases: [Case<'_>; 12] = [
            (json!({"text": "x", "operator": "ana"}), none, Ok((&["operator/ana"], false))),
            (json!({"text": "x", "aspect": "wren"}), none, Ok((&["wren"], false))),
            (json!({"text": "x", "thread": thread}), none, Ok((&[], true))),
            (
                json!({"text": "x", "operator": "ana"}),
                Some(&["operator/ana"]),
                Ok((&["operator/ana"], false)),
            ),
            (
                json!({"text": "x", "operator": "bo"}),
                Some(&["operator/ana"]),
                Err("does not name operator/bo"),
            ),
            (json!({"text": "x", "thread": thread}), Some(&["operator/ana"]), Err("tells nobody but")),
            (json!({"text": " ", "aspect": "wren"}), none, Err("nothing to tell")),
            (json!({"text": "x"}), none, Err("say one of")),
            (json!({"text": "x", "aspect": "wren", "operator": "ana"}), none, Err("say one of")),
            (json!({"text": "x", "aspect": "operator/ana"}), none, Err("is no aspect")),
            (json!({"text": "x", "aspect": "all"}), none, Err("aspect: ")),
            (json!({"text": "x", "operator": "ana\nall"}), none, Err("operator: ")),
        ];
        for (input, allowed, expected) in cases {
            match (to(input.clone(), allowed), expected) {
                (Ok((names, in_thread)), Ok((expected, is_in_thread))) => {
                    assert_eq!(
                        (names.as_slice().concat(), in_thread.is_some()),
                        (expected.concat(), is_in_thread)
                    );
                }
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{input}: {found}"),
                (found, expected) => panic!("{input}: {found:?}, not {expected:?}"),
            }
        }
    }
}

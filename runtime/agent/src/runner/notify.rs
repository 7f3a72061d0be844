//! The Hand `notify`: a message to an operator, an aspect or a thread, or to a service outside. When a runner tells a message
//! again after a crash it is told once; a service outside has to go by the key that is the same both times.

use nexus_wire::chat::{ChatSend, ChatSent};
use nexus_wire::hands::HandFailure;
use nexus_wire::{Party, RequestId, ThreadId, derive};
use serde::Deserialize;
use serde_json::{Value, json};

use super::config::RawNotify;
use super::{Job, failure, invalid, parse, webhook};

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
    webhook: Option<String>,
    #[serde(default)]
    topic: Option<String>,
}

/// Who is to be told, and what.
#[derive(Debug)]
enum Told {
    Message(ChatSend),
    /// The service's name and address.
    Service(String, String, Value),
}

pub(super) async fn tell(job: &Job<'_>, input: &Value) -> Result<Value, HandFailure> {
    let allowed = job.runner.notify.clone().unwrap_or_default();
    let send = match told(parse(input)?, &allowed)? {
        Told::Message(send) => send,
        Told::Service(name, address, body) => {
            let status = webhook::post(job, &name, &address, body).await?;
            return Ok(json!({"webhook": name, "status": status}));
        }
    };
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

fn told(asked: Asked, allowed: &RawNotify) -> Result<Told, HandFailure> {
    let Asked { text, operator, aspect, thread, webhook, topic } = asked;
    if text.trim().is_empty() {
        return Err(invalid("text: there is nothing to tell"));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(invalid(format!("text: it has {} bytes; at most {TEXT_BYTES_MAX}", text.len())));
    }
    let named = match (operator, aspect, thread, webhook) {
        (Some(name), None, None, None) => Some(("operator", format!("operator/{name}"))),
        (None, Some(name), None, None) => Some(("aspect", name)),
        (None, None, Some(_), None) => None,
        (None, None, None, Some(name)) => return service(name, text, topic, allowed),
        (_, _, _, _) => return Err(invalid("say one of `operator`, `aspect`, `thread` and `webhook`")),
    };
    let Some((field, name)) = named else {
        if allowed.to.is_some() {
            return Err(invalid("thread: this runner tells nobody but those that runner.notify.to names"));
        }
        return Ok(Told::Message(ChatSend { thread, content: text, ..ChatSend::default() }));
    };
    let party: Party = name.parse().map_err(|error| invalid(format!("{field}: {error}")))?;
    let is_kind = if field == "operator" { party.is_operator() } else { party.aspect().is_some() };
    if !is_kind {
        return Err(invalid(format!("{field}: {name:?} is no {field}")));
    }
    if allowed.to.as_ref().is_some_and(|to| !to.contains(&party)) {
        return Err(invalid(format!("{field}: runner.notify.to does not name {party}")));
    }
    let send = ChatSend { to: vec![party.to_string()], content: text, topic, ..ChatSend::default() };
    Ok(Told::Message(send))
}

fn service(
    name: String,
    text: String,
    topic: Option<String>,
    allowed: &RawNotify,
) -> Result<Told, HandFailure> {
    let Some(address) = allowed.webhooks.get(&name) else {
        let known: Vec<&str> = allowed.webhooks.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(invalid(format!("webhook: runner.notify.webhooks has no {name:?}; it has {known}")));
    };
    // Chat services take the text under this name.
    let mut body = json!({"text": text});
    if let Some(topic) = topic {
        body["topic"] = topic.into();
    }
    Ok(Told::Service(name, address.clone(), body))
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
            let webhooks = [("ops".to_owned(), "secret:ops".to_owned())].into();
            match told(asked, &RawNotify { to, webhooks }).map_err(|failure| failure.message)? {
                Told::Message(send) => {
                    Ok::<_, String>((send.to, send.thread.map(|thread| thread.to_string())))
                }
                Told::Service(name, address, body) => Ok((vec![format!("{name} {address} {body}")], None)),
            }
        };
        let none: Option<&[&str]> = None;
        let cases: [Case<'_>; 16] = [
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
            (
                json!({"text": "x", "webhook": "ops"}),
                Some(&["operator/ana"]),
                Ok((&["ops secret:ops {\"text\":\"x\"}"], false)),
            ),
            (
                json!({"text": "x", "webhook": "ops", "topic": "Disk"}),
                none,
                Ok((&["ops secret:ops {\"text\":\"x\",\"topic\":\"Disk\"}"], false)),
            ),
            (json!({"text": "x", "webhook": "sales"}), none, Err("has no \"sales\"; it has ops")),
            (json!({"text": "x", "webhook": "ops", "operator": "ana"}), none, Err("say one of")),
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

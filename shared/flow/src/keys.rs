//! The keys a flow has, and the one that was meant.

use serde_json::Value;

use crate::node::join;
use crate::read::Wrong;

const FLOW: [&str; 8] =
    ["concurrency_group", "description", "id", "input", "max_parallel", "output", "steps", "timezone"];
const STEP: [&str; 8] = ["do", "for_each", "id", "if", "needs", "on_error", "retry", "timeout_s"];
const RETRY: [&str; 2] = ["backoff_s", "times"];
const GOTO: [&str; 1] = ["goto"];
const APPROVE: [&str; 4] = ["by", "expires_s", "on_timeout", "text"];
const ASK: [&str; 2] = ["aspect", "text"];
const DISPATCH: [&str; 3] = ["capability", "hand", "input"];
const SUB: [&str; 2] = ["id", "input"];
const WAIT: [&str; 3] = ["event", "seconds", "until"];
const EVENT: [&str; 3] = ["by", "kinds", "thread"];
const WRITE: [&str; 3] = ["registry", "row", "values"];
const KINDS: [&str; 6] = ["approve", "ask", "dispatch", "flow", "wait", "write"];

/// Everything under a name that there is not.
pub(crate) fn unknown(flow: &Value) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    keys("", flow, &FLOW, "a flow has", &mut wrong);
    let steps = flow.get("steps").and_then(Value::as_array);
    for (at, step) in steps.into_iter().flatten().enumerate() {
        let path = format!("steps[{at}]");
        keys(&path, step, &STEP, "a step has", &mut wrong);
        if let Some(retry) = step.get("retry") {
            keys(&join(&path, "retry"), retry, &RETRY, "a retry has", &mut wrong);
        }
        if let Some(on_error) = step.get("on_error") {
            keys(&join(&path, "on_error"), on_error, &GOTO, "on_error has", &mut wrong);
        }
        let Some(act) = step.get("do") else { continue };
        let path = join(&path, "do");
        keys(&path, act, &KINDS, "a step does one of", &mut wrong);
        if act.as_object().is_some_and(|act| act.len() > 1) {
            let message = "a step does one thing; make a step of each".to_owned();
            wrong.push(Wrong { path: path.clone(), of_key: false, message });
        }
        for (kind, known) in [
            ("approve", &APPROVE[..]),
            ("ask", &ASK),
            ("dispatch", &DISPATCH),
            ("flow", &SUB),
            ("wait", &WAIT),
            ("write", &WRITE),
        ] {
            if let Some(inner) = act.get(kind) {
                let path = join(&path, kind);
                keys(&path, inner, known, &format!("`{kind}` has"), &mut wrong);
                if let Some(event) = inner.get("event").filter(|_| kind == "wait") {
                    keys(&join(&path, "event"), event, &EVENT, "`event` has", &mut wrong);
                }
            }
        }
    }
    wrong
}

fn keys(path: &str, value: &Value, known: &[&str], what: &str, wrong: &mut Vec<Wrong>) {
    let Some(fields) = value.as_object() else { return };
    for key in fields.keys().filter(|key| !known.contains(&key.as_str())) {
        let message = format!("there is no `{key}` here; {}", instead(key, known.iter().copied(), what));
        wrong.push(Wrong { path: join(path, key), of_key: true, message });
    }
}

/// What to write in the place of `given`.
pub(crate) fn instead<'a>(given: &str, known: impl Iterator<Item = &'a str> + Clone, what: &str) -> String {
    let near = known.clone().map(|name| (strsim::damerau_levenshtein(given, name), name)).min();
    match near.filter(|(distance, name)| *distance <= 1 + name.len() / 3) {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => match known.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "there are none".to_owned(),
            known => format!("{what} {known}"),
        },
    }
}

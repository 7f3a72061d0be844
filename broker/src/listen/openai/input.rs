//! What a request says, read by hand: so that each refusal names the parameter it is about, and nothing a client asks
//! for is passed over in silence.

use axum::body::Bytes;
use axum::http::StatusCode;
use nexus_wire::{ErrorCode, ThreadId};
use serde_json::{Map, Value};

use super::caller::Terms;
use super::fault::Fault;
use super::functions::{Function, Functions};
use super::talk::{Call, Role, Turn};

const MESSAGES_MAX: usize = 10_000;
const FUNCTIONS_MAX: usize = 128;

/// A request's parameters, of which each is asked for once.
pub(super) struct Params(Map<String, Value>);

impl Params {
    pub(super) fn of(body: &Bytes) -> Result<Self, Fault> {
        let read: Result<Value, _> = serde_json::from_slice(body);
        match read {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(bad_json("the body is no JSON object")),
            Err(error) => {
                Err(bad_json(&format!("we could not parse the JSON body of your request: {error}")))
            }
        }
    }

    /// `None` for `null`, too.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Fault::invalid(name, format!("`{name}` is a string"))),
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Fault> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(Fault::invalid(name, format!("`{name}` is true or false"))),
        }
    }

    pub(super) fn model(&mut self) -> Result<String, Fault> {
        self.text("model")?.ok_or_else(|| Fault::invalid("model", "you must provide a model parameter"))
    }

    /// What means something, and nothing here: refused unless it says what is so anyway.
    pub(super) fn only(&mut self, name: &str, anyway: &[Value], why: &str) -> Result<(), Fault> {
        match self.take(name) {
            Some(value) if !anyway.contains(&value) => Err(Fault::unsupported(name, why)),
            Some(_) | None => Ok(()),
        }
    }

    /// What changes how a model writes is for the aspect's own settings to say.
    pub(super) fn pass_over(&mut self, names: &[&str]) {
        for name in names {
            self.0.remove(*name);
        }
    }

    pub(super) fn nothing_else(self) -> Result<(), Fault> {
        match self.0.into_iter().find(|(_, value)| !value.is_null()) {
            Some((name, _)) => {
                let message = format!("Unrecognized request argument supplied: {name}");
                let status = StatusCode::BAD_REQUEST;
                Err(Fault::of(status, ErrorCode::Invalid, "unknown_parameter", message).about(name))
            }
            None => Ok(()),
        }
    }

    /// The thread that the header or the metadata names.
    pub(super) fn thread(&self, terms: &Terms) -> Result<Option<ThreadId>, Fault> {
        let named = self.0.get("metadata").and_then(|metadata| metadata.get("thread"));
        let (param, text) = match (&terms.thread, named) {
            (Some(text), _) => (super::THREAD_HEADER, Some(text.as_str())),
            (None, Some(named)) => ("metadata.thread", named.as_str()),
            (None, None) => return Ok(None),
        };
        let thread = text.and_then(|text| text.parse().ok());
        thread.map(Some).ok_or_else(|| {
            Fault::invalid(
                param,
                format!("`{param}` is the id of a thread, as an answer's X-Nexus-Thread has it"),
            )
        })
    }
}

fn bad_json(message: &str) -> Fault {
    Fault::of(StatusCode::BAD_REQUEST, ErrorCode::Invalid, "invalid_json", message)
}

/// The `messages` of a chat completion.
pub(super) fn turns(messages: Option<Value>) -> Result<Vec<Turn>, Fault> {
    let Some(Value::Array(messages)) = messages else {
        return Err(Fault::invalid("messages", "`messages` is a list of messages, and there is none"));
    };
    at_most("messages", messages.len(), MESSAGES_MAX)?;
    let mut turns: Vec<Turn> = Vec::with_capacity(messages.len());
    for (n, message) in messages.into_iter().enumerate() {
        let mut turn = turn(&format!("messages[{n}]"), message)?;
        if turn.role == Role::Tool {
            let called = turns.iter().rev().flat_map(|it| &it.calls);
            let name = called.into_iter().find(|call| Some(&call.id) == turn.call.as_ref());
            turn.name = name.map(|call| call.name.clone());
        }
        turns.push(turn);
    }
    Ok(turns)
}

pub(super) fn turn(at: &str, message: Value) -> Result<Turn, Fault> {
    let Value::Object(mut fields) = message else {
        return Err(Fault::invalid(at, format!("`{at}` is no object")));
    };
    let role = match fields.get("role").and_then(Value::as_str) {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool") => Role::Tool,
        Some(other) => {
            let message =
                format!("`{at}.role`: {other:?} is none of system, developer, user, assistant, tool");
            return Err(Fault::invalid(format!("{at}.role"), message));
        }
        None => return Err(Fault::invalid(format!("{at}.role"), format!("`{at}` has no role"))),
    };
    let calls = match fields.remove("tool_calls") {
        Some(Value::Array(calls)) if role == Role::Assistant => {
            let at = |n| format!("{at}.tool_calls[{n}]");
            calls.iter().enumerate().map(|(n, call)| called(&at(n), call)).collect::<Result<_, _>>()?
        }
        Some(_) | None => Vec::new(),
    };
    let name = fields.get("name").and_then(Value::as_str).filter(|_| role == Role::User).map(str::to_owned);
    let call = fields.get("tool_call_id").and_then(Value::as_str).map(str::to_owned);
    let text = content(&format!("{at}.content"), fields.remove("content"))?;
    if role == Role::User && text.trim().is_empty() {
        return Err(Fault::invalid(format!("{at}.content"), format!("`{at}.content` has no text")));
    }
    Ok(Turn { role, text, name, calls, call })
}

fn called(at: &str, call: &Value) -> Result<Call, Fault> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let read = || {
        let (id, function) = (text(&call["id"])?, &call["function"]);
        Some(Call { id, name: text(&function["name"])?, arguments: text(&function["arguments"])? })
    };
    read().ok_or_else(|| Fault::invalid(at, format!("`{at}` is no call of a function with an id")))
}

/// A string, or parts of which all are text.
pub(super) fn content(at: &str, content: Option<Value>) -> Result<String, Fault> {
    match content {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(Value::Array(parts)) => {
            let parts = parts.iter().enumerate().map(|(n, part)| self::part(&format!("{at}[{n}]"), part));
            Ok(parts.collect::<Result<Vec<_>, _>>()?.join("\n\n"))
        }
        Some(_) => Err(Fault::invalid(at, format!("`{at}` is a string or a list of parts"))),
    }
}

fn part(at: &str, part: &Value) -> Result<String, Fault> {
    let field = match part["type"].as_str() {
        Some("text" | "input_text" | "output_text") => "text",
        Some("refusal") => "refusal",
        Some(other) => {
            let message = format!(
                "`{at}`: parts of type {other:?} are not passed on; put the file into the Nexus (PUT /api/v1/blobs) and \
                 attach it to a message instead"
            );
            return Err(Fault::unsupported(format!("{at}.type"), message));
        }
        None => return Err(Fault::invalid(format!("{at}.type"), format!("`{at}` has no type"))),
    };
    let text = part[field].as_str().map(str::to_owned);
    text.ok_or_else(|| Fault::invalid(format!("{at}.{field}"), format!("`{at}.{field}` is a string")))
}

/// `nested`: as a chat completion has them, the function within the tool.
pub(super) fn functions(params: &mut Params, nested: bool) -> Result<Functions, Fault> {
    let tools = match params.take("tools") {
        None => Vec::new(),
        Some(Value::Array(tools)) => tools,
        Some(_) => return Err(Fault::invalid("tools", "`tools` is a list")),
    };
    at_most("tools", tools.len(), FUNCTIONS_MAX)?;
    let functions = tools.iter().enumerate().map(|(n, tool)| function(&format!("tools[{n}]"), tool, nested));
    let functions = functions.collect::<Result<Vec<_>, _>>()?;
    match params.take("tool_choice") {
        None => Ok(Functions(functions)),
        Some(Value::String(choice)) if choice == "auto" => Ok(Functions(functions)),
        Some(Value::String(choice)) if choice == "none" => Ok(Functions::default()),
        Some(_) => {
            let why =
                "an aspect decides itself whether it calls a function: `tool_choice` is \"auto\" or \"none\"";
            Err(Fault::unsupported("tool_choice", why))
        }
    }
}

fn function(at: &str, tool: &Value, nested: bool) -> Result<Function, Fault> {
    if tool["type"] != "function" {
        let why =
            format!("`{at}`: an aspect has tools of its own; of the client's it is offered functions alone");
        return Err(Fault::unsupported(format!("{at}.type"), why));
    }
    let function = if nested { &tool["function"] } else { tool };
    let is_name = |name: &&str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let Some(name) = function["name"].as_str().filter(is_name) else {
        let message = format!("`{at}`: the function's name has 1 to 64 letters, digits, `_` and `-`");
        return Err(Fault::invalid(format!("{at}.name"), message));
    };
    Ok(Function {
        name: name.to_owned(),
        description: function["description"].as_str().map(str::to_owned),
        parameters: Some(function["parameters"].clone()).filter(|it| !it.is_null()),
    })
}

fn at_most(param: &str, count: usize, max: usize) -> Result<(), Fault> {
    if count <= max {
        return Ok(());
    }
    Err(Fault::invalid(param, format!("`{param}`: {count} are more than the {max} there may be")))
}

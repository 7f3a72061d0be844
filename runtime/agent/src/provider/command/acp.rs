//! The Agent Client Protocol, as its client: one process, one session. <https://agentclientprotocol.com>, version 1.
//!
//! The agent works with its own tools in its own way; what it says, thinks and does is shown. Files and terminals of
//! ours it gets none, and permissions as the settings say.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::super::reply;
use super::super::retry::Telling;
use super::super::settings::Permissions;
use super::process::Process;
use crate::conversation::{Block, ModelReply, ProviderErrorKind, StopReason, StreamEvent, Usage};

const VERSION: u64 = 1;
/// JSON-RPC's own.
const METHOD_NOT_FOUND: i64 = -32601;
/// ACP's: it wants to know who we are first.
const AUTH_REQUIRED: i64 = -32000;
/// An agent that was told to stop has so long to do so.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// The title of a tool call is shown up to here.
const TITLE_CHARS_MAX: usize = 200;

#[derive(Debug)]
pub(super) struct Session {
    process: Process,
    id: String,
    permissions: Permissions,
    /// Of the last request.
    request: u64,
}

/// What the agent says of itself while it works on a prompt.
#[derive(Debug, Deserialize)]
#[serde(tag = "sessionUpdate", rename_all = "snake_case")]
enum Update {
    AgentMessageChunk {
        content: Content,
    },
    AgentThoughtChunk {
        content: Content,
    },
    ToolCall {
        #[serde(default)]
        title: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content {
    Text {
        text: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Counts {
    input_tokens: u64,
    output_tokens: u64,
    cached_read_tokens: u64,
    cached_write_tokens: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stopped {
    stop_reason: String,
    usage: Option<Counts>,
}

/// One thing the agent may be allowed, in its own words.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PermissionOption {
    option_id: String,
    kind: String,
}

/// What a prompt has brought so far.
#[derive(Debug, Default)]
struct Heard {
    content: Vec<Block>,
}

impl Session {
    /// Greets the agent and begins a session in `folder`.
    pub(super) async fn open(
        process: Process,
        folder: &Path,
        permissions: Permissions,
    ) -> Result<Self, ProviderErrorKind> {
        let mut session = Self { process, id: String::new(), permissions, request: 0 };
        let greeting = json!({
            "protocolVersion": VERSION,
            "clientCapabilities": {"fs": {"readTextFile": false, "writeTextFile": false}, "terminal": false},
            "clientInfo": {"name": "nexus-agent", "title": "Nexus", "version": env!("CARGO_PKG_VERSION")},
        });
        let greeted = session.ask("initialize", greeting, None).await?;
        if greeted["protocolVersion"] != VERSION {
            let theirs = &greeted["protocolVersion"];
            return Err(ProviderErrorKind::Invalid(format!(
                "the agent speaks version {theirs} of the Agent Client Protocol, and this runtime version {VERSION}"
            )));
        }
        let begun = session.ask("session/new", json!({"cwd": folder, "mcpServers": []}), None).await?;
        let id = begun["sessionId"].as_str();
        let missing = || ProviderErrorKind::Truncated("the agent gave its session no id".to_owned());
        session.id = id.ok_or_else(missing)?.to_owned();
        Ok(session)
    }

    /// Has the agent work on `text` until it stops.
    async fn prompt(
        &mut self,
        text: String,
        model: &str,
        telling: &mut Telling,
    ) -> Result<ModelReply, ProviderErrorKind> {
        self.process.ask_anew();
        let mut heard = Heard::default();
        let prompt = json!({"sessionId": self.id, "prompt": [{"type": "text", "text": text}]});
        let answered = self.ask("session/prompt", prompt, Some((&mut heard, telling))).await?;
        let Stopped { stop_reason, usage } = serde_json::from_value(answered).map_err(|error| {
            ProviderErrorKind::Truncated(format!("an answer that cannot be read: {error}"))
        })?;
        let stop = match stop_reason.as_str() {
            "max_tokens" | "max_turn_requests" => StopReason::MaxTokens,
            "refusal" => StopReason::Refusal,
            "cancelled" => {
                return Err(ProviderErrorKind::Truncated("the agent says that it was cancelled".to_owned()));
            }
            _ => StopReason::EndTurn,
        };
        let Counts { input_tokens, output_tokens, cached_read_tokens, cached_write_tokens } =
            usage.unwrap_or_default();
        let usage = Usage {
            input_tokens,
            output_tokens,
            cache_read_tokens: cached_read_tokens,
            cache_write_tokens: cached_write_tokens,
        };
        Ok(reply::finished(heard.content, stop, usage, model.to_owned()))
    }

    /// Tells the agent to stop and gives it a moment to put things in order.
    async fn stop(mut self) {
        let cancel = json!({"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": self.id}});
        if self.process.say(&cancel).await.is_err() {
            return;
        }
        let stopped = async {
            while let Some(Ok(line)) = self.process.hear().await {
                let message: Value = serde_json::from_slice(&line).unwrap_or_default();
                if message.get("method").is_none() && message["id"] == self.request {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(STOP_WAIT, stopped).await;
    }

    /// One request and its answer; what is said in between is taken as it comes.
    async fn ask(
        &mut self,
        method: &str,
        params: Value,
        mut listening: Option<(&mut Heard, &mut Telling)>,
    ) -> Result<Value, ProviderErrorKind> {
        self.request += 1;
        let id = self.request;
        self.process.say(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await?;
        loop {
            let Some(line) = self.process.hear().await else { return Err(self.process.died().await) };
            let message: Value = serde_json::from_slice(&line?).map_err(|error| {
                ProviderErrorKind::Truncated(format!("a line that cannot be read: {error}"))
            })?;
            match (message["method"].as_str(), message.get("id")) {
                (Some(asked), Some(their)) => {
                    let answer = self.answer(asked, their, &message["params"]);
                    self.process.say(&answer).await?;
                }
                (Some("session/update"), None) => {
                    if let Some((heard, telling)) = &mut listening
                        && message["params"]["sessionId"] == self.id.as_str()
                        && let Some(event) = heard.take(&message["params"]["update"])
                    {
                        telling.tell(event).await;
                    }
                }
                (Some(_), None) => {}
                (None, Some(answered)) if *answered == id => return outcome(message),
                // To a request that nobody waits for.
                (None, _) => {}
            }
        }
    }

    /// What the agent asks of us.
    fn answer(&self, method: &str, id: &Value, params: &Value) -> Value {
        if method == "session/request_permission" {
            let title = params["toolCall"]["title"].as_str().unwrap_or("something");
            let chosen = self.permissions.choose(&params["options"]);
            tracing::info!(title, chosen = ?chosen.as_deref(), "the agent asked for a permission");
            let outcome = match chosen {
                Some(option) => json!({"outcome": "selected", "optionId": option}),
                None => json!({"outcome": "cancelled"}),
            };
            return json!({"jsonrpc": "2.0", "id": id, "result": {"outcome": outcome}});
        }
        let message = format!("{method} is not offered here");
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": METHOD_NOT_FOUND, "message": message}})
    }
}

/// A session at work. Dropped there, it is told to stop, and its process is ended.
#[derive(Debug)]
pub(super) struct AtWork(Option<Session>);

impl AtWork {
    pub(super) fn new(session: Session) -> Self {
        Self(Some(session))
    }

    pub(super) async fn prompt(
        &mut self,
        text: String,
        model: &str,
        telling: &mut Telling,
    ) -> Result<ModelReply, ProviderErrorKind> {
        match &mut self.0 {
            Some(session) => session.prompt(text, model, telling).await,
            None => Err(ProviderErrorKind::Truncated("the session is over".to_owned())),
        }
    }

    pub(super) fn rest(mut self) -> Option<Session> {
        self.0.take()
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        // Without a runtime nothing can be said to it any more, and its process ends at once.
        if let (Some(session), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(session.stop());
        }
    }
}

impl Permissions {
    /// The option to choose; `None` when there is none to refuse with. This is the place where a person can be asked.
    fn choose(self, options: &Value) -> Option<String> {
        let options: Vec<PermissionOption> = options
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| Deserialize::deserialize(it).ok())
            .collect();
        let wanted = match self {
            // For always would outlive what it was given for.
            Self::Allow => ["allow_once", "allow_always"],
            Self::Deny => ["reject_once", "reject_always"],
        };
        let find = |kind: &&str| options.iter().find(|option| option.kind == **kind);
        wanted.iter().find_map(find).map(|option| option.option_id.clone())
    }
}

impl Heard {
    fn take(&mut self, update: &Value) -> Option<StreamEvent> {
        match Update::deserialize(update).ok()? {
            Update::AgentMessageChunk { content: Content::Text { text } } if !text.is_empty() => {
                match self.content.last_mut() {
                    Some(Block::Text { text: whole }) => whole.push_str(&text),
                    Some(_) | None => self.content.push(Block::Text { text: text.clone() }),
                }
                Some(StreamEvent::TextDelta(text))
            }
            Update::AgentThoughtChunk { content: Content::Text { text } } if !text.is_empty() => {
                Some(self.think(text))
            }
            // Its own tools are its own affair; that it uses them is shown among its thoughts.
            Update::ToolCall { title } => {
                let title: String = title.chars().take(TITLE_CHARS_MAX).collect();
                Some(self.think(format!("\n[{title}]\n")))
            }
            Update::AgentMessageChunk { .. } | Update::AgentThoughtChunk { .. } | Update::Other => None,
        }
    }

    fn think(&mut self, text: String) -> StreamEvent {
        match self.content.last_mut() {
            Some(Block::Thinking { text: whole, .. }) => whole.push_str(&text),
            Some(_) | None => self.content.push(Block::Thinking { text: text.clone(), signature: None }),
        }
        StreamEvent::ThinkingDelta(text)
    }
}

fn outcome(mut message: Value) -> Result<Value, ProviderErrorKind> {
    let error = &message["error"];
    if error.is_null() {
        return Ok(message["result"].take());
    }
    let said = error["message"].as_str().unwrap_or_default();
    let detail = match &error["data"] {
        Value::Null => String::new(),
        Value::String(text) => format!(" ({text})"),
        data @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            format!(" ({data})")
        }
    };
    Err(match error["code"].as_i64() {
        Some(AUTH_REQUIRED) => ProviderErrorKind::Invalid(format!(
            "the agent wants to be logged in to first: {said}{detail}; start it by hand and log in"
        )),
        Some(code @ (-32602..=-32600 | -32700)) => {
            ProviderErrorKind::Invalid(format!("{code}: {said}{detail}"))
        }
        Some(code) => ProviderErrorKind::Overloaded(format!("{code}: {said}{detail}")),
        None => ProviderErrorKind::Overloaded(format!("{said}{detail}")),
    })
}

#[cfg(test)]
mod fuzz;

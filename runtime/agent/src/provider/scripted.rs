//! The provider that needs no model: it answers by the rules of the home's `script.toml`.
//!
//! Keeps no state between rounds: `replay` finds out from the messages alone how far a turn has come. This file
//! does what `replay` decided, at the pace asked for, and reads the script again when it changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use minijinja::Environment;
use sha2::{Digest, Sha256};

use self::replay::{Act, Plan};
use self::script::Script;
use super::retry::Telling;
use crate::conversation::{
    Block, Message, ModelReply, ModelRequest, ProviderErrorKind, StopReason, StreamEvent, Usage,
};

mod digest;
mod fault;
mod replay;
mod script;
mod summary;
mod template;
mod turn;
mod words;

pub use self::fault::{At, Fault, ScriptError};

/// What every reply names as the model that gave it.
pub const MODEL: &str = "scripted";
/// The script's name in a home.
pub const SCRIPT_FILE: &str = "script.toml";

/// A chunk of streamed text ends at the first space after this many bytes.
const CHUNK_BYTES: usize = 16;
/// How often a held step looks for its file.
const HOLD_INTERVAL: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub struct Scripted {
    home: PathBuf,
    env: Box<Environment<'static>>,
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    text: String,
    script: Arc<Script>,
}

impl Scripted {
    /// Reads and checks `<home>/script.toml`. A home without one has an aspect that says so.
    pub fn open(home: &Path) -> Result<Self, ScriptError> {
        let path = home.join(SCRIPT_FILE);
        let env = Box::new(template::environment());
        let text = read(&path)?;
        let script = script::parse(&env, &text).map_err(|fault| ScriptError::Fault { path, fault })?;
        let loaded = Mutex::new(Loaded { text, script: Arc::new(script) });
        Ok(Self { home: home.to_owned(), env, loaded })
    }

    /// The script as it is on disk now, so that an edit counts from the next round.
    fn script(&self) -> Result<Arc<Script>, ScriptError> {
        let path = self.home.join(SCRIPT_FILE);
        let text = read(&path)?;
        // What is under the lock is replaced whole, so a panic elsewhere cannot have left it half done.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.text != text {
            let script =
                script::parse(&self.env, &text).map_err(|fault| ScriptError::Fault { path, fault })?;
            *loaded = Loaded { text, script: Arc::new(script) };
        }
        Ok(Arc::clone(&loaded.script))
    }

    pub(crate) async fn attempt(
        &self,
        request: &ModelRequest,
        number: u32,
        telling: &mut Telling,
    ) -> Result<ModelReply, ProviderErrorKind> {
        let script = self.script().map_err(|error| ProviderErrorKind::Invalid(error.to_string()))?;
        let Plan { acts, calls } = replay::plan(&self.env, &script, request)
            .map_err(|fault| ProviderErrorKind::Invalid(format!("{SCRIPT_FILE}:{fault}")))?;

        let mut usage = Usage { input_tokens: tokens(&request.messages), ..Usage::default() };
        telling.spent(usage);
        let mut text = String::new();
        for act in acts {
            match act {
                Act::Hold(file) => hold(&self.home.join(file)).await,
                Act::Say { text: said, pace } => {
                    let gap = if text.is_empty() { "" } else { "\n\n" };
                    for chunk in chunks(&format!("{gap}{said}")) {
                        text.push_str(chunk);
                        usage.output_tokens = tokens_in(text.len());
                        telling.tell(StreamEvent::TextDelta(chunk.to_owned())).await;
                        telling.spent(usage);
                        if !pace.is_zero() {
                            tokio::time::sleep(pace).await;
                        }
                    }
                }
                Act::Fail { kind, times } if number <= times => return Err(kind),
                Act::Fail { .. } => {}
            }
        }
        let mut content = Vec::new();
        if !text.is_empty() {
            content.push(Block::Text { text });
        }
        let stop = if calls.is_empty() { StopReason::EndTurn } else { StopReason::ToolUse };
        for (index, call) in calls.into_iter().enumerate() {
            let id = call_id(request, index);
            telling
                .tell(StreamEvent::ToolUse {
                    id: id.clone(),
                    name: call.tool.clone(),
                    input: call.input.clone(),
                })
                .await;
            content.push(Block::ToolUse { id, name: call.tool, input: call.input });
        }
        Ok(ModelReply { content, stop, usage, model: MODEL.to_owned() })
    }
}

fn read(path: &Path) -> Result<String, ScriptError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(ScriptError::Read { path: path.to_owned(), source }),
    }
}

async fn hold(file: &Path) {
    while !tokio::fs::try_exists(file).await.unwrap_or(false) {
        tokio::time::sleep(HOLD_INTERVAL).await;
    }
}

/// Small pieces, cut after spaces, as a model's stream has them.
fn chunks(text: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut begin = 0;
    for (index, c) in text.char_indices() {
        let end = index + c.len_utf8();
        if c.is_whitespace() && end - begin >= CHUNK_BYTES {
            chunks.push(&text[begin..end]);
            begin = end;
        }
    }
    if begin < text.len() {
        chunks.push(&text[begin..]);
    }
    chunks
}

/// The same messages give the same id, and a conversation that went on gives another.
fn call_id(request: &ModelRequest, index: usize) -> String {
    let mut hash = Sha256::new();
    // Messages are plain data with string keys; were one not to be written, the rest would still tell.
    for message in &request.messages {
        hash.update(serde_json::to_vec(message).unwrap_or_default());
    }
    let hash = hash.finalize();
    let hex: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("scripted_{hex}_{index}")
}

/// Nobody counts tokens here; four bytes are taken for one, so that budgets and compaction have a number.
fn tokens(messages: &[Message]) -> u64 {
    let bytes = messages.iter().flat_map(|message| &message.content).map(|block| match block {
        Block::Text { text } | Block::Thinking { text, .. } => text.len(),
        Block::ToolUse { name, input, .. } => name.len() + input.to_string().len(),
        Block::ToolResult { content, .. } => content.len(),
    });
    tokens_in(bytes.sum())
}

fn tokens_in(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

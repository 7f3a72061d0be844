//! A program that thinks: another agent's command line, started here, spoken to over its stdin and stdout.
//!
//! `process` starts and ends it, `rounds` speaks our own protocol with one process a round, `acp` speaks the Agent
//! Client Protocol with one process a session. Retrying is the driver's matter.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::bounds::STREAM_BYTES_MAX;
use super::retry::Telling;
use super::settings::{CommandSettings, ProviderSettings, Speaks};
use crate::conversation::{Message, ModelReply, ModelRequest, ProviderErrorKind, Role};

mod acp;
mod process;
mod replayed;
mod rounds;

/// Sessions that are kept for a next round. Each is a process.
const IDLE_MAX: usize = 4;

#[derive(Debug)]
pub(crate) struct Command {
    settings: ProviderSettings,
    command: CommandSettings,
    /// Where it works.
    folder: PathBuf,
    /// What it may write for one round.
    bytes_max: usize,
    /// Sessions that wait for a next round, the one that was used last at the end.
    idle: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    session: acp::Session,
    told: Told,
}

/// What a session knows of a conversation: its first messages, and for whom it is.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Told {
    messages: usize,
    digest: [u8; 32],
}

impl Told {
    fn of(request: &ModelRequest, messages: &[Message]) -> Self {
        let mut hash = Sha256::new();
        let origin = &request.origin;
        let whose = (&origin.aspect, &origin.hand, &origin.thread, &request.system);
        // These types always have a JSON form.
        hash.update(serde_json::to_vec(&(whose, messages)).unwrap_or_default());
        Self { messages: messages.len(), digest: hash.finalize().into() }
    }
}

impl Command {
    pub(crate) fn new(settings: ProviderSettings, command: CommandSettings, home: &Path) -> Self {
        let work = home.join("work");
        let folder = if work.is_dir() { work } else { home.to_owned() };
        Self { settings, command, folder, bytes_max: STREAM_BYTES_MAX, idle: Mutex::default() }
    }

    pub(crate) async fn attempt(
        &self,
        request: &ModelRequest,
        telling: &mut Telling,
    ) -> Result<ModelReply, ProviderErrorKind> {
        match self.command.speaks {
            Speaks::Lines => {
                let process = self.start(request)?;
                rounds::round(process, &self.settings, request, telling).await
            }
            Speaks::Acp => self.converse(request, telling).await,
        }
    }

    fn start(&self, request: &ModelRequest) -> Result<process::Process, ProviderErrorKind> {
        let (aspect, stall) = (&request.origin.aspect, self.settings.stall_timeout);
        process::Process::start(&self.command, &self.folder, aspect, stall, self.bytes_max)
    }

    async fn converse(
        &self,
        request: &ModelRequest,
        telling: &mut Telling,
    ) -> Result<ModelReply, ProviderErrorKind> {
        let known = self.take(request).and_then(|(session, known)| {
            let fresh = request.messages.get(known..).unwrap_or_default();
            replayed::rest(fresh).map(|prompt| (session, prompt))
        });
        let (session, prompt) = match known {
            Some(known) => known,
            // One that is new is told everything.
            None => {
                let process = self.start(request)?;
                let session = acp::Session::open(process, &self.folder, self.command.permissions).await?;
                (session, replayed::whole(request))
            }
        };
        let mut at_work = acp::AtWork::new(session);
        let reply = at_work.prompt(prompt, &self.settings.model, telling).await?;
        if let Some(session) = at_work.rest() {
            let mut messages = request.messages.clone();
            messages.push(Message { role: Role::Assistant, content: reply.content.clone() });
            self.keep(Kept { session, told: Told::of(request, &messages) });
        }
        Ok(reply)
    }

    /// A session that knows the beginning of this conversation, and how much of it.
    fn take(&self, request: &ModelRequest) -> Option<(acp::Session, usize)> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let knows = |kept: &Kept| {
            let known = request.messages.get(..kept.told.messages);
            known.is_some_and(|known| Told::of(request, known) == kept.told)
        };
        let at = idle.iter().rposition(knows)?;
        let Kept { session, told } = idle.remove(at);
        Some((session, told.messages))
    }

    fn keep(&self, kept: Kept) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= IDLE_MAX {
            // Dropping it ends its process.
            idle.remove(0);
        }
        idle.push(kept);
    }
}

#[cfg(test)]
mod tests;

//! Commands of operators about the sessions of an aspect. The sessions are its own: what is done here is to put the
//! command into its inbox, to remember who asked for what, and what the aspect says came of it.

use nexus_wire::alert::AlertKind;
use nexus_wire::limits::{DURABLE_BYTES_MAX, SESSION_NAME_BYTES_MAX};
use nexus_wire::session::{
    SessionCommand, SessionCommandInfo, SessionCommandState, SessionOrder, SessionOrdered, SessionOutcome,
    SessionStuck,
};
use nexus_wire::{AspectName, ErrorCode, ItemId, Party, RequestId, derive};
use serde_json::json;

use super::inbox::{BodyRef, json_bytes, sha256_of};
use super::records::{AnsweredRecord, Reads, Store, Stored};
use super::step::{Done, Step, refuse};
use super::text::json_text;

/// What is known of a command; `None` when there is none with that id.
pub fn command_info(store: &impl Reads, command: ItemId) -> Stored<Option<SessionCommandInfo>> {
    let Some(asked) = store.answered(command.0)? else { return Ok(None) };
    // What is kept under this id was written from such a value, unless it is something else's.
    let Ok(info) = serde_json::from_str::<SessionCommandInfo>(&asked.answer) else { return Ok(None) };
    let Some(ended) = store.answered(derive::command_end(command))? else { return Ok(Some(info)) };
    let outcome: SessionOutcome = serde_json::from_str(&ended.answer).unwrap_or_default();
    let state = if outcome.error.is_none() { SessionCommandState::Done } else { SessionCommandState::Failed };
    Ok(Some(SessionCommandInfo { state, ended_at: Some(ended.at), outcome: Some(outcome), ..info }))
}

impl<S: Store> Step<'_, S> {
    /// Into the aspect's inbox, whether or not it is connected.
    pub(super) fn session_command(
        &mut self,
        sender: &Party,
        request: RequestId,
        asked: SessionCommand,
    ) -> Done {
        let command = derive::command_item(request, sender);
        let request_sha256 = sha256_of(&asked);
        if let Some(first) = self.store.answered(command.0)? {
            if first.request_sha256 != request_sha256 {
                return refuse(
                    ErrorCode::IdReused,
                    format!("request {request} asked for something else before; a new one needs a new id"),
                );
            }
            self.answer(&SessionOrdered { command });
            return Ok(());
        }
        let SessionCommand { of, session, act } = &asked;
        self.on_team(of)?;
        if session.is_empty() || session.len() > SESSION_NAME_BYTES_MAX {
            return refuse(
                ErrorCode::Invalid,
                "`session` is `global`, or the id of a thread or a fork, as session.list shows them",
            );
        }
        let order = SessionOrder { session: session.clone(), by: sender.clone(), act: act.clone() };
        let bytes = json_bytes(&order);
        if bytes > DURABLE_BYTES_MAX {
            return refuse(
                ErrorCode::TooLarge,
                format!("the command is {bytes} bytes; {DURABLE_BYTES_MAX} is the most"),
            );
        }
        let info = SessionCommandInfo {
            command,
            of: of.clone(),
            session: session.clone(),
            act: act.clone(),
            by: sender.clone(),
            at: self.at,
            state: SessionCommandState::Pending,
            ended_at: None,
            outcome: None,
        };
        self.remember_command(command.0, request_sha256, &info)?;
        let trace = self.context();
        self.push(of, command, None, trace.as_ref(), &BodyRef::Session(&order).text())?;
        self.log_other(sender.clone(), act.kind(), format!("{of}/{session}"), &order)?;
        self.answer(&SessionOrdered { command });
        Ok(())
    }

    /// What the aspect says came of a command. Only a command of its own has one.
    pub(super) fn command_ended(
        &mut self,
        name: &AspectName,
        command: ItemId,
        outcome: &SessionOutcome,
    ) -> Done {
        match command_info(self.store, command)? {
            Some(info) if info.of == *name => {
                let key = derive::command_end(command);
                Ok(self.remember_command(key, sha256_of(outcome), outcome)?)
            }
            Some(_) | None => refuse(
                ErrorCode::Invalid,
                format!("`outcome` is for session commands, and item {command} is none of {name}"),
            ),
        }
    }

    /// An aspect cannot go on with a session: operators are told.
    pub(super) fn session_stuck(&mut self, sender: &Party, request: RequestId, stuck: &SessionStuck) -> Done {
        let Some(name) = sender.aspect() else {
            return refuse(ErrorCode::Invalid, "only an aspect has sessions that could be stuck");
        };
        let SessionStuck { session, reason } = stuck;
        if session.is_empty() || session.len() > SESSION_NAME_BYTES_MAX {
            return refuse(ErrorCode::Invalid, "`session` is `global`, or the id of a thread or a fork");
        }
        let Some(fresh) = self.first_time(sender, request, stuck)? else { return Ok(()) };
        self.raise_alert(AlertKind::SessionStuck, &format!("{name}/{session}"), reason)?;
        Ok(self.answer_once(fresh, &json!({}))?)
    }

    fn remember_command(
        &mut self,
        key: uuid::Uuid,
        request_sha256: [u8; 32],
        what: &impl serde::Serialize,
    ) -> Stored<()> {
        let answer = json_text(what);
        self.store.put_answered(&AnsweredRecord { key, request_sha256, answer, at: self.at })
    }
}

//! What is done to threads and messages that are there: titles, read positions, reactions, and that a message has
//! come before a model. Each says what is to be, so doing it again changes nothing.

use nexus_wire::limits::{EMOJI_BYTES_MAX, REACTIONS_MAX, TOPIC_BYTES_MAX};
use nexus_wire::log::LogBody;
use nexus_wire::thread::{ChatMark, ChatMarked, ChatReact, InboxTaken, Reacted, ThreadRename, ThreadRenamed};
use nexus_wire::{ErrorCode, FromBroker, MessageId, Party, ThreadId, derive};
use serde_json::json;

use super::effect::Effect;
use super::inbox::sha256_of;
use super::records::{MessageRecord, ReactionRecord, Store, Stored, TakenRecord, ThreadRecord};
use super::step::{Done, Step, refuse};

impl<S: Store> Step<'_, S> {
    pub(super) fn thread_rename(&mut self, sender: &Party, rename: ThreadRename) -> Done {
        let title = rename.title.trim();
        if title.is_empty() || title.len() > TOPIC_BYTES_MAX || title.chars().any(char::is_control) {
            return refuse(
                ErrorCode::Invalid,
                format!("a title is one line of 1 to {TOPIC_BYTES_MAX} bytes; this one has {}", title.len()),
            );
        }
        let mut thread = self.known_thread(sender, rename.thread)?;
        self.answer(&ThreadRenamed { thread: rename.thread, title: title.to_owned() });
        if *thread.title == *title {
            return Ok(());
        }
        thread.title = title.into();
        self.store.put_thread(&thread)?;
        let body = LogBody::Other { kind: "thread.renamed".to_owned(), subject: rename.thread.to_string() };
        let content = sha256_of(&thread.title);
        self.log(sender.clone(), Some(rename.thread), body, content)?;
        Ok(())
    }

    /// Goes forward only, so that a late mark from another window makes nothing unread. Where somebody has read
    /// up to is theirs alone and no entry of the log.
    pub(super) fn chat_mark(&mut self, sender: &Party, mark: ChatMark) -> Done {
        let thread = self.known_thread(sender, mark.thread)?;
        let wanted = mark.seq.unwrap_or(thread.last_seq).min(thread.last_seq);
        let position = self.move_read_position(sender, mark.thread, wanted)?;
        self.answer(&ChatMarked { thread: mark.thread, position });
        Ok(())
    }

    fn move_read_position(&mut self, reader: &Party, thread: ThreadId, to: u64) -> Stored<u64> {
        let position = self.store.read_position(reader, thread)?;
        if to <= position {
            return Ok(position);
        }
        self.store.put_read_position(reader, thread, to)?;
        self.store.put_last_at(self.at)?;
        Ok(to)
    }

    /// Puts a reaction, or takes it back. Whoever takes part and is connected is told; it is no message and
    /// begins no turn.
    pub(super) fn chat_react(&mut self, sender: &Party, react: ChatReact) -> Done {
        let emoji = react.emoji;
        let is_plain = |c: char| !c.is_control() && !c.is_whitespace();
        if emoji.is_empty() || emoji.len() > EMOJI_BYTES_MAX || !emoji.chars().all(is_plain) {
            return refuse(
                ErrorCode::Invalid,
                format!(
                    "a reaction is an emoji or another sign of 1 to {EMOJI_BYTES_MAX} bytes without spaces"
                ),
            );
        }
        let (record, thread) = self.known_message(sender, react.message)?;
        let message = record.message;
        let reacted = Reacted {
            message: message.id,
            thread: message.thread,
            emoji: emoji.clone(),
            by: sender.clone(),
            removed: react.remove,
        };
        let reactions = self.store.reactions(message.id)?;
        let is_there = reactions.iter().any(|it| it.emoji == emoji && it.by == *sender);
        if is_there != react.remove {
            self.answer(&reacted);
            return Ok(());
        }
        let reaction = ReactionRecord { message: message.id, emoji, by: sender.clone(), at: self.at };
        if react.remove {
            self.store.remove_reaction(&reaction)?;
        } else if reactions.len() >= REACTIONS_MAX {
            return refuse(
                ErrorCode::Invalid,
                format!("message {} has {REACTIONS_MAX} reactions, and more it cannot have", message.id),
            );
        } else {
            self.store.put_reaction(&reaction)?;
        }
        self.answer(&reacted);
        self.tell_participants(&thread, sender, FromBroker::ChatReacted(reacted.clone()));
        let content = sha256_of(&reacted);
        self.log(sender.clone(), Some(message.thread), LogBody::Reacted(reacted), content)?;
        Ok(())
    }

    fn tell_participants(&mut self, thread: &ThreadRecord, sender: &Party, frame: FromBroker) {
        let others = thread.participants.iter().filter(|party| *party != sender).filter_map(Party::aspect);
        let links = others.filter_map(|name| self.hub.roster.aspect(name)?.link).collect::<Vec<_>>();
        if !links.is_empty() {
            self.effect(Effect::Tell { links, frame });
        }
    }

    /// The first time counts.
    pub(super) fn inbox_taken(&mut self, sender: &Party, taken: InboxTaken) -> Done {
        let Some(name) = sender.aspect() else {
            return refuse(ErrorCode::Invalid, "only an aspect has an inbox; operators use `chat.mark`");
        };
        let found = self.store.message(taken.message)?;
        let Some(MessageRecord { message, .. }) = found.filter(|it| it.message.to.contains(sender)) else {
            return refuse(
                ErrorCode::NotFound,
                format!("there is no message {} addressed to {name}", taken.message),
            );
        };
        self.answer(&json!({}));
        let item = derive::message_item(message.id, name);
        if self.store.taken(name, item)?.is_some() {
            return Ok(());
        }
        self.store.put_taken(&TakenRecord { aspect: name.clone(), item, at: self.at })?;
        self.move_read_position(sender, message.thread, message.seq)?;
        let content = sha256_of(&taken);
        self.log(sender.clone(), Some(message.thread), LogBody::ItemTaken(taken), content)?;
        Ok(())
    }

    fn known_thread(&self, sender: &Party, id: ThreadId) -> Done<ThreadRecord> {
        match self.reachable_thread(sender, id)? {
            Some(thread) => Ok(thread),
            None => {
                refuse(ErrorCode::NotFound, format!("there is no thread {id} that {sender} takes part in"))
            }
        }
    }

    fn known_message(&self, sender: &Party, id: MessageId) -> Done<(MessageRecord, ThreadRecord)> {
        if let Some(record) = self.store.message(id)?
            && let Some(thread) = self.reachable_thread(sender, record.message.thread)?
        {
            return Ok((record, thread));
        }
        refuse(ErrorCode::NotFound, format!("there is no message {id} that {sender} may read"))
    }
}

//! Messages and threads: what `chat.send` makes, the repeat of one, and the guard against agents that talk in
//! circles. Whom a message goes to is `route`'s to say.

use std::collections::BTreeSet;
use std::sync::Arc;

use nexus_wire::alert::AlertKind;
use nexus_wire::attachment::Attachment;
use nexus_wire::budget::Spending;
use nexus_wire::chat::{ChatSend, Message, ReplyMeta};
use nexus_wire::limits::{
    ATTACHMENT_NAME_BYTES_MAX, ATTACHMENTS_MAX, DURABLE_BYTES_MAX, MEDIA_TYPE_BYTES_MAX, MESSAGE_BYTES_MAX,
    RECIPIENTS_MAX, TOPIC_BYTES_MAX,
};
use nexus_wire::log::LogBody;
use nexus_wire::{ErrorCode, FromBroker, Json, MessageId, Party, RequestId, ThreadId, derive};
use sha2::{Digest, Sha256};

use super::command::HubConfig;
use super::measured::Measured;
use super::records::{MessageRecord, Store, Stored, ThreadRecord, digest_kept};
use super::route::{Posting, Routed, route};
use super::step::{Done, Step, refuse};
use super::text::{chat_sent, write_body};

const TITLE_CHARS_MAX: usize = 80;
/// From more parties on than this, who takes part is looked up in a set.
const LARGE: usize = 16;

/// A message that is about to be written.
struct Draft {
    id: MessageId,
    from: Party,
    reply_to: Option<MessageId>,
    content: String,
    content_sha256: [u8; 32],
    meta: Option<ReplyMeta>,
    attachments: Vec<Attachment>,
    routed: Routed,
    request_digest: [u8; 16],
}

impl<S: Store> Step<'_, S> {
    pub(super) fn chat_send(&mut self, sender: &Party, request: RequestId, measured: Measured) -> Done {
        let Measured { send, content_sha256, request_digest, bytes } = measured;
        let id = derive::message_id(request, sender);
        if let Some(first) = self.store.message(id)? {
            if first.request_digest != request_digest {
                return refuse(
                    ErrorCode::IdReused,
                    format!("request {request} sent another message before; a new message needs a new id"),
                );
            }
            self.answer_sent(&first.message, &first.unknown);
            return Ok(());
        }
        check(&send, bytes)?;
        self.check_attached(sender, &send.attachments)?;

        let mut thread = self.thread_for(id, sender, &send)?;
        let is_operator = sender.is_operator();
        if thread.paused && !is_operator {
            return refuse(
                ErrorCode::ThreadPaused,
                format!("thread {} is paused until an operator writes in it", thread.id),
            );
        }
        let continues = thread.messages > 0;
        let posting = Posting {
            sender,
            to: &send.to,
            content: &send.content,
            thread: continues.then_some(&*thread.participants),
        };
        let mut routed = route(&posting, &self.hub.roster);
        let replied = self.replied(sender, &send)?;
        if let Some(replied) = &replied {
            // Whoever asked gets it as the answer it waits for.
            routed.recipients.retain(|party| *party != replied.asker);
        }
        let names: usize =
            routed.recipients.len() * (nexus_wire::limits::NAME_BYTES_MAX + "\"operator/\",".len());
        if bytes + names > MESSAGE_BYTES_MAX {
            return refuse(
                ErrorCode::TooLarge,
                format!(
                    "the content is too large to be sent to {} recipients in one frame",
                    routed.recipients.len()
                ),
            );
        }
        let spent = send.meta.as_ref().map(|meta| Spending::of(&meta.usage, meta.cost_microusd));
        let was_paused = thread.paused;
        let why = guard(&self.hub.config, &mut thread, sender, content_sha256);
        if was_paused && !thread.paused {
            self.clear_alert(AlertKind::ThreadPaused, &thread.id.to_string())?;
        }
        self.post(
            &mut thread,
            Draft {
                id,
                from: sender.clone(),
                reply_to: send.reply_to,
                content: send.content,
                content_sha256,
                meta: send.meta,
                attachments: send.attachments,
                routed,
                request_digest,
            },
        )?;
        if let Some(why) = why {
            self.announce_pause(&mut thread, id, why)?;
        }
        if let Some(replied) = replied {
            self.answer_by_reply(replied)?;
        }
        if let Some(spent) = spent {
            self.spend(sender, spent)?;
        }
        Ok(())
    }

    /// The thread a message belongs to: a named one, that of the message it replies to, or a new one.
    fn thread_for(&self, id: MessageId, sender: &Party, send: &ChatSend) -> Done<ThreadRecord> {
        let of_reply = match send.reply_to {
            None => None,
            Some(reply_to) => {
                let found = match self.store.message(reply_to)? {
                    Some(found) => self.reachable_thread(sender, found.message.thread)?,
                    None => None,
                };
                if found.is_none() {
                    return refuse(ErrorCode::NotFound, format!("reply_to: there is no message {reply_to}"));
                }
                found
            }
        };
        match (send.thread, of_reply) {
            (Some(named), Some(of_reply)) if named != of_reply.id => refuse(
                ErrorCode::Invalid,
                format!(
                    "reply_to is a message of thread {}, not of {named}; name one of the two",
                    of_reply.id
                ),
            ),
            (_, Some(of_reply)) => Ok(of_reply),
            (Some(named), None) => match self.reachable_thread(sender, named)? {
                Some(thread) => Ok(thread),
                None => refuse(
                    ErrorCode::NotFound,
                    format!("there is no thread {named}; leave `thread` out to open a new one"),
                ),
            },
            (None, None) => self.own_thread(id, send),
        }
    }

    /// The thread that a message opens. It is there already if the same request opened it before and its message is
    /// kept no longer: then it goes on.
    fn own_thread(&self, message: MessageId, send: &ChatSend) -> Done<ThreadRecord> {
        let id = derive::thread_id(message);
        if let Some(thread) = self.store.thread(id)? {
            return Ok(thread);
        }
        Ok(ThreadRecord::opened(id, title(send), self.at))
    }

    /// A thread `sender` may name. An aspect's are those it takes part in and those its Hands are at work for:
    /// could it name another, it would take part by doing so and read what is not its own.
    pub(super) fn reachable_thread(&self, sender: &Party, id: ThreadId) -> Stored<Option<ThreadRecord>> {
        let Some(thread) = self.store.thread(id)? else { return Ok(None) };
        let is_reached = sender.aspect().is_none()
            || thread.participants.contains(sender)
            || self.threads_worked_for(sender)?.contains(&id);
        Ok(is_reached.then_some(thread))
    }

    /// The threads that what an aspect is working on is for.
    pub(super) fn threads_worked_for(&self, party: &Party) -> Stored<Vec<ThreadId>> {
        let Some(name) = party.aspect() else { return Ok(Vec::new()) };
        let mut threads = Vec::new();
        for lease in self.hub.queue.leases(name) {
            let work = self.store.dispatch_head(lease.dispatch)?;
            threads.extend(work.and_then(|record| record.info.thread));
        }
        Ok(threads)
    }

    /// Writes a message, hands it to its recipients and answers.
    fn post(&mut self, thread: &mut ThreadRecord, draft: Draft) -> Done {
        thread.messages += 1;
        thread.last_at = self.at;
        thread.last_seq = self.next_seq();
        join(&mut thread.participants, std::iter::once(&draft.from).chain(&draft.routed.recipients));
        self.store.put_thread(thread)?;

        let record = MessageRecord {
            message: Box::new(Message {
                id: draft.id,
                seq: self.next_seq(),
                thread: thread.id,
                reply_to: draft.reply_to,
                from: draft.from,
                to: draft.routed.recipients,
                content: draft.content,
                at: self.at,
                meta: draft.meta,
                attachments: draft.attachments,
                reactions: Vec::new(),
            }),
            trace: self.context(),
            unknown: draft.routed.unknown,
            request_digest: draft.request_digest,
        };
        self.store.put_message(&record, &draft.content_sha256)?;
        for attachment in &record.message.attachments {
            self.store.put_blob_reference(attachment.blob, record.message.thread, record.message.seq)?;
        }
        let MessageRecord { message, trace, unknown, .. } = record;
        if message.from != Party::System {
            self.answer_sent(&message, &unknown);
        }
        if message.to.iter().any(|party| party.aspect().is_some()) {
            let mut body = std::mem::take(&mut self.effects.body);
            write_body(&message, &mut body);
            for name in message.to.iter().filter_map(Party::aspect) {
                let item = derive::message_item(message.id, name);
                self.push(name, item, Some(message.seq), trace.as_ref(), body.as_str())?;
            }
            self.effects.body = body;
        }
        self.log(
            message.from.clone(),
            Some(message.thread),
            LogBody::Message(message),
            draft.content_sha256,
        )?;
        Ok(())
    }

    fn answer_sent(&mut self, message: &Message, unknown: &[String]) {
        if self.is_awaited() {
            let answer = Json::of_text(chat_sent(message, unknown));
            self.answer_with(Ok(FromBroker::Ok(answer)));
        }
    }

    /// A message that was pruned may come again, and what was said behind it then may be there still.
    fn said_behind(&self, message: MessageId) -> Stored<MessageId> {
        let mut ordinal = 0;
        loop {
            let id = MessageId(derive::derived(message.0, "paused", ordinal));
            if self.store.message(id)?.is_none() {
                return Ok(id);
            }
            ordinal += 1;
        }
    }

    /// Tells the operators of a thread, or all of them if it has none, that it waits for one of them.
    fn announce_pause(&mut self, thread: &mut ThreadRecord, after: MessageId, why: Pause) -> Done {
        let roster = &self.hub.roster;
        let mut operators: Vec<Party> =
            thread.participants.iter().filter(|it| it.is_operator() && roster.knows(it)).cloned().collect();
        if operators.is_empty() {
            let everyone = roster.operators().map(|record| Party::Operator(record.name.clone()));
            operators = everyone.filter(|party| roster.knows(party)).collect();
        }
        let HubConfig { loop_messages, loop_identical, .. } = self.hub.config;
        let why = match why {
            Pause::Identical => format!("the same message came {loop_identical} times in a row"),
            Pause::AgentsOnly => format!("{loop_messages} messages in a row came from agents only"),
        };
        let content = format!("Paused: {why}. Write here to let the thread go on.");
        let (id, title) = (thread.id, &thread.title);
        self.raise_alert(AlertKind::ThreadPaused, &id.to_string(), &format!("{title}: {content}"))?;
        let content_sha256 = Sha256::digest(content.as_bytes()).into();
        self.post(
            thread,
            Draft {
                id: self.said_behind(after)?,
                from: Party::System,
                reply_to: None,
                content,
                content_sha256,
                meta: None,
                attachments: Vec::new(),
                routed: Routed { recipients: operators, unknown: Vec::new() },
                request_digest: digest_kept(&content_sha256),
            },
        )
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pause {
    AgentsOnly,
    Identical,
}

/// Counts what agents say among themselves; says when the thread is paused by this message.
fn guard(
    config: &HubConfig,
    thread: &mut ThreadRecord,
    sender: &Party,
    content_sha256: [u8; 32],
) -> Option<Pause> {
    let reached = |run: u32, most: u32| most > 0 && run >= most;
    match sender {
        Party::System => return None,
        Party::Operator(_) => {
            thread.paused = false;
            thread.agent_run = 0;
            thread.same_run = 0;
            return None;
        }
        Party::Aspect(_) => {}
    }
    thread.agent_run += 1;
    thread.same_run =
        if thread.same_run > 0 && thread.last_content == content_sha256 { thread.same_run + 1 } else { 1 };
    thread.last_content = content_sha256;
    let pause = if reached(thread.same_run, config.loop_identical) {
        Pause::Identical
    } else if reached(thread.agent_run, config.loop_messages) {
        Pause::AgentsOnly
    } else {
        return None;
    };
    thread.paused = true;
    Some(pause)
}

fn check(send: &ChatSend, bytes: usize) -> Done {
    if bytes > DURABLE_BYTES_MAX {
        return refuse(
            ErrorCode::TooLarge,
            format!("the message is {bytes} bytes as JSON; {DURABLE_BYTES_MAX} is the most"),
        );
    }
    if send.content.is_empty() && send.attachments.is_empty() {
        return refuse(ErrorCode::Invalid, "the content is empty");
    }
    check_attachments(&send.attachments)?;
    if send.to.len() > RECIPIENTS_MAX {
        let count = send.to.len();
        return refuse(
            ErrorCode::Invalid,
            format!("{count} names in `to` are more than {RECIPIENTS_MAX}; `all` addresses everyone"),
        );
    }
    if let Some(topic) = &send.topic
        && topic.len() > TOPIC_BYTES_MAX
    {
        return refuse(
            ErrorCode::Invalid,
            format!("the topic is {} bytes; {TOPIC_BYTES_MAX} is the most", topic.len()),
        );
    }
    Ok(())
}

fn check_attachments(attachments: &[Attachment]) -> Done {
    let count = attachments.len();
    if count > ATTACHMENTS_MAX {
        return refuse(
            ErrorCode::Invalid,
            format!("{count} attachments are more than the {ATTACHMENTS_MAX} a message may have"),
        );
    }
    for Attachment { name, media_type, .. } in attachments {
        let is_name = !name.is_empty()
            && name.len() <= ATTACHMENT_NAME_BYTES_MAX
            && !name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'));
        if !is_name {
            return refuse(
                ErrorCode::Invalid,
                format!(
                    "attachments: {:?} is no file name: 1 to {ATTACHMENT_NAME_BYTES_MAX} bytes, and no path",
                    name.chars().take(64).collect::<String>()
                ),
            );
        }
        let is_type = |text: &String| {
            text.len() <= MEDIA_TYPE_BYTES_MAX
                && text.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty())
                && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        };
        if !media_type.as_ref().is_none_or(is_type) {
            return refuse(
                ErrorCode::Invalid,
                format!("attachments: the media type of {name:?} is none; write it as text/csv is written"),
            );
        }
    }
    Ok(())
}

/// The topic, or what the first line with anything in it begins with.
fn title(send: &ChatSend) -> String {
    if let Some(topic) = send.topic.as_deref().map(str::trim).filter(|topic| !topic.is_empty()) {
        return topic.to_owned();
    }
    let line = send.content.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match line.char_indices().nth(TITLE_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_owned(),
    }
}

/// Adds who is not there yet; none of `parties` comes twice. Threads are small as a rule; `@all` must not make it
/// quadratic.
fn join<'a>(participants: &mut Arc<[Party]>, parties: impl Iterator<Item = &'a Party> + Clone) {
    let is_large = parties.clone().nth(LARGE).is_some();
    let known: BTreeSet<&Party> = if is_large { participants.iter().collect() } else { BTreeSet::new() };
    let is_new = |party: &&Party| {
        let is_known = if is_large { known.contains(party) } else { participants.contains(party) };
        !is_known && **party != Party::System
    };
    let new: Vec<Party> = parties.filter(is_new).cloned().collect();
    if !new.is_empty() {
        *participants = participants.iter().cloned().chain(new).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_title_is_short_and_has_no_line_end(content in any::<String>()) {
            let title = title(&ChatSend { content, ..ChatSend::default() });
            prop_assert!(title.chars().count() <= TITLE_CHARS_MAX + 1 && !title.contains('\n'));
        }
    }
}

//! Threads as they are read: pages of messages and of threads, and how far a message has come.

use nexus_wire::chat::{
    ChatFound, ChatPage, ChatRead, ChatSearch, ChatThreads, Message, ThreadInfo, ThreadPage,
};
use nexus_wire::inbox::Gap;
use nexus_wire::limits::{REPLY_BYTES_MAX, UNREAD_MAX};
use nexus_wire::thread::{ChatReceipts, Reaction, Receipt, ReceiptPage, ReceiptState};
use nexus_wire::{ErrorBody, ErrorCode, MessageId, Party, ThreadId, derive};

use super::{Refusal, SCAN_MAX, fit, not_found, page};
use crate::hub::inbox::json_bytes;
use crate::hub::records::{Finds, Found, Reads, Stored, ThreadRecord, Visible, Which, shown};

/// Threads looked at together for those that are asked for.
const THREADS_AT_ONCE: u32 = 200;

/// What is known of a thread, without its messages.
pub(super) fn thread(store: &impl Reads, reader: &Party, id: ThreadId) -> Result<ThreadInfo, Refusal> {
    let thread = readable(store, reader, id)?.ok_or_else(|| unseen_thread(id, reader))?;
    Ok(ThreadInfo { unread: store.unread(reader, id, UNREAD_MAX)?, ..shown(thread.info()) })
}

/// One message, with its reactions.
pub(super) fn message(store: &impl Reads, reader: &Party, id: MessageId) -> Result<Message, Refusal> {
    let mut message = readable_message(store, reader, id)?;
    react(store, std::slice::from_mut(&mut message))?;
    Ok(message)
}

pub(super) fn read(store: &impl Reads, reader: &Party, read: &ChatRead) -> Result<ChatPage, Refusal> {
    let id = match (read.thread, read.message) {
        (Some(thread), None) => thread,
        (None, Some(message)) => match store.message(message)? {
            Some(record) => record.message.thread,
            None => return Err(unseen_message(message, reader)),
        },
        (Some(_), Some(_)) | (None, None) => {
            let message = "name the thread, or a message in it, and not both";
            return Err(Refusal::Told(ErrorBody::new(ErrorCode::Invalid, message)));
        }
    };
    let thread = thread(store, reader, id)?;
    let room = REPLY_BYTES_MAX - json_bytes(&thread);
    let limit = page(read.limit);
    let (messages, more) = match read.before {
        None => forward(store, id, read.after, limit, room)?,
        Some(before) => backward(store, id, read.after, before, limit, room)?,
    };
    let gap = gap(store, id, read, &messages, more)?;
    Ok(ChatPage { thread, messages, more, gap })
}

/// Announces what would belong to this page and is kept no longer.
fn gap(
    store: &impl Reads,
    thread: ThreadId,
    read: &ChatRead,
    messages: &[Message],
    more: bool,
) -> Stored<Option<Gap>> {
    let Some(pruned) = store.thread_pruned(thread)? else { return Ok(None) };
    let (first, last) = (messages.first().map(|it| it.seq), messages.last().map(|it| it.seq));
    let from = match (read.before, first) {
        (Some(_), Some(first)) if more => first,
        (Some(_) | None, _) => read.after.saturating_add(1),
    };
    let to = match (read.before, last) {
        (None, Some(last)) if more => last,
        (Some(before), _) => before.saturating_sub(1),
        (None, _) => u64::MAX,
    };
    let to = to.min(pruned.up_to);
    let reason = format!("{} messages of this thread are kept no longer", pruned.messages);
    Ok((from <= to).then_some(Gap { from, to, reason }))
}

fn forward(
    store: &impl Reads,
    thread: ThreadId,
    after: u64,
    limit: u32,
    room: usize,
) -> Stored<(Vec<Message>, bool)> {
    // One more than asked for tells whether there are more; a page may also end early, and is looked behind.
    let mut messages = store.messages(thread, after, limit + 1)?;
    let mut more = messages.len() > limit as usize;
    messages.truncate(limit as usize);
    if let (false, Some(last)) = (more, messages.last()) {
        more = !store.messages(thread, last.seq, 1)?.is_empty();
    }
    react(store, &mut messages)?;
    more |= fit(&mut messages, room);
    Ok((messages, more))
}

fn backward(
    store: &impl Reads,
    thread: ThreadId,
    after: u64,
    before: u64,
    limit: u32,
    room: usize,
) -> Stored<(Vec<Message>, bool)> {
    let mut messages = store.messages_before(thread, after, before, limit)?;
    react(store, &mut messages)?;
    // What does not fit is left out at the far end.
    messages.reverse();
    fit(&mut messages, room);
    messages.reverse();
    let more = match messages.first() {
        Some(first) => !store.messages_before(thread, after, first.seq, 1)?.is_empty(),
        None => false,
    };
    Ok((messages, more))
}

fn react(store: &impl Reads, messages: &mut [Message]) -> Stored<()> {
    for message in messages {
        for reaction in store.reactions(message.id)? {
            match message.reactions.last_mut() {
                Some(last) if last.emoji == reaction.emoji => last.by.push(reaction.by),
                Some(_) | None => {
                    message.reactions.push(Reaction { emoji: reaction.emoji, by: vec![reaction.by] });
                }
            }
        }
    }
    Ok(())
}

/// Threads are picked out of all of them; a page may end before it is full.
pub(super) fn threads(store: &impl Reads, reader: &Party, read: &ChatThreads) -> Stored<ThreadPage> {
    let limit = page(read.limit) as usize;
    let of = if reader.aspect().is_some() { Some(reader) } else { read.participant.as_ref() };
    let (mut before, mut scanned) = (read.before, 0);
    let mut threads = Vec::new();
    while scanned < SCAN_MAX {
        let found = store.threads(of, before, THREADS_AT_ONCE)?;
        let is_last = found.is_empty();
        for thread in found {
            if threads.len() == limit {
                return Ok(thread_page(threads, before));
            }
            before = Some(thread.last_seq);
            scanned += 1;
            if !read.participant.as_ref().is_none_or(|party| thread.participants.contains(party)) {
                continue;
            }
            let unread = store.unread(reader, thread.id, UNREAD_MAX)?;
            if unread > 0 || !read.unread {
                threads.push(ThreadInfo { unread, ..shown(thread) });
            }
        }
        if is_last {
            return Ok(thread_page(threads, None));
        }
    }
    Ok(thread_page(threads, before))
}

fn thread_page(mut threads: Vec<ThreadInfo>, next: Option<u64>) -> ThreadPage {
    let is_cut = fit(&mut threads, REPLY_BYTES_MAX);
    let next = if is_cut { threads.last().map(|thread| thread.last_seq) } else { next };
    ThreadPage { threads, more: next.is_some(), next }
}

pub(super) fn receipts(
    store: &impl Reads,
    reader: &Party,
    asked: &ChatReceipts,
) -> Result<ReceiptPage, Refusal> {
    let message = readable_message(store, reader, asked.message)?;
    let limit = page(asked.limit) as usize;
    // Recipients stand in the order of parties.
    let mut later = message.to.iter().filter(|party| asked.after.as_ref().is_none_or(|after| *party > after));
    let mut receipts = Vec::new();
    for party in later.by_ref().take(limit) {
        receipts.push(receipt(store, &message, party)?);
    }
    let more = later.next().is_some() | fit(&mut receipts, REPLY_BYTES_MAX);
    Ok(ReceiptPage { receipts, more })
}

fn receipt(store: &impl Reads, message: &Message, party: &Party) -> Stored<Receipt> {
    let stored = Receipt {
        party: party.clone(),
        state: ReceiptState::Stored,
        at: None,
        decision: None,
        reason: None,
        reply: None,
    };
    let Some(name) = party.aspect() else {
        let has_read = store.read_position(party, message.thread)? >= message.seq;
        let state = if has_read { ReceiptState::InContext } else { ReceiptState::Stored };
        return Ok(Receipt { state, ..stored });
    };
    let item = derive::message_item(message.id, name);
    if let Some(closed) = store.closed(name, item)? {
        return Ok(Receipt {
            state: ReceiptState::Answered,
            at: Some(closed.at),
            decision: Some(closed.decision),
            reason: closed.reason,
            reply: closed.message,
            ..stored
        });
    }
    if let Some(at) = store.taken(name, item)? {
        return Ok(Receipt { state: ReceiptState::InContext, at: Some(at), ..stored });
    }
    // Items of messages lie in the order of the log, so what comes before the first open one is acknowledged.
    let is_delivered = store.first_unacked(name)?.is_none_or(|first| message.seq < first);
    let state = if is_delivered { ReceiptState::Delivered } else { ReceiptState::Stored };
    Ok(Receipt { state, ..stored })
}

pub(super) fn search(store: &impl Finds, reader: &Party, asked: &ChatSearch) -> Stored<ChatFound> {
    let limit = page(asked.limit);
    let visible = match reader.aspect() {
        None => Visible::All,
        Some(name) => {
            let open = store.dispatches(Which::Open, None, SCAN_MAX)?;
            let worked = open.into_iter().filter(|info| *name == info.hand.aspect);
            Visible::To { party: reader.clone(), worked: worked.filter_map(|info| info.thread).collect() }
        }
    };
    Ok(found_page(store.chat_search(&visible, asked, limit + 1)?, limit))
}

/// Of what may be one more than are asked for. Matches are looked through so many at a time: a page may end before it is
/// full, and be empty.
pub(super) fn found_page(found: Found, limit: u32) -> ChatFound {
    let Found { mut hits, next, indexed_seq } = found;
    let is_longer = hits.len() > limit as usize;
    hits.truncate(limit as usize);
    let is_cut = fit(&mut hits, REPLY_BYTES_MAX) || is_longer;
    let next = if is_cut { hits.last().map(|hit| hit.seq) } else { next };
    ChatFound { hits, more: next.is_some(), next, indexed_seq }
}

/// The thread if `reader` may read it: operators all, an aspect those it takes part in, and those its Hands are
/// at work for.
pub(super) fn readable(store: &impl Reads, reader: &Party, id: ThreadId) -> Stored<Option<ThreadRecord>> {
    let Some(thread) = store.thread(id)? else { return Ok(None) };
    let is_readable = reader.aspect().is_none()
        || thread.participants.contains(reader)
        || threads_worked_for(store, reader)?.contains(&id);
    Ok(is_readable.then_some(thread))
}

/// The threads that what an aspect is working on is for.
pub(super) fn threads_worked_for(store: &impl Reads, party: &Party) -> Stored<Vec<ThreadId>> {
    let Some(name) = party.aspect() else { return Ok(Vec::new()) };
    let open = store.dispatches(Which::Open, None, SCAN_MAX)?;
    Ok(open.into_iter().filter(|info| *name == info.hand.aspect).filter_map(|info| info.thread).collect())
}

pub(super) fn unseen_thread(id: ThreadId, reader: &Party) -> Refusal {
    not_found(format!("no thread {id} that {reader} takes part in"))
}

fn readable_message(store: &impl Reads, reader: &Party, id: MessageId) -> Result<Message, Refusal> {
    match store.message(id)? {
        Some(record) if readable(store, reader, record.message.thread)?.is_some() => Ok(*record.message),
        Some(_) | None => Err(unseen_message(id, reader)),
    }
}

fn unseen_message(message: MessageId, reader: &Party) -> Refusal {
    not_found(format!("no message {message} that {reader} may read"))
}

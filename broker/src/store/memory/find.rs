//! Search in the messages in memory. A full-text index is made for each query, so that stemming is that of the
//! SQLite store by construction.

use nexus_wire::chat::{ChatHit, ChatSearch, Message};

use super::MemoryStore;
use crate::hub::records::{Finds, Found, Stored, Visible};
use crate::store::page::{MATCHES_MAX, Page, looked_at};
use crate::store::query::fts5;
use crate::store::snippet::matches;

impl Finds for MemoryStore {
    fn chat_search(&self, visible: &Visible, asked: &ChatSearch, limit: u32) -> Stored<Found> {
        let indexed_seq = self.messages.last().map_or(0, |record| record.message.seq);
        let Some(expression) = fts5(&asked.query) else {
            return Ok(Found { hits: Vec::new(), next: None, indexed_seq });
        };
        let is_looked_at = |message: &&Message| {
            asked.since.is_none_or(|since| message.at >= since)
                && asked.until.is_none_or(|until| message.at < until)
                && asked.cursor.is_none_or(|cursor| message.seq < cursor)
        };
        let looked_through: Vec<&Message> =
            self.kept().map(|record| &*record.message).filter(is_looked_at).collect();
        let texts = looked_through.iter().map(|message| (message.seq, message.content.as_str()));
        let mut snippets = matches(texts, &expression)?;
        let (mut page, mut left) = (Page::new(limit), MATCHES_MAX);
        let (mut last, mut next) = (None, None);
        let mut hits = Vec::new();
        for message in looked_through.into_iter().rev() {
            let Some(snippet) = snippets.remove(&message.seq) else { continue };
            if left == 0 || page.is_full() {
                next = last;
                break;
            }
            left = left.saturating_sub(looked_at(message.content.len()));
            if let Some(title) = self.wanted_title(visible, asked, message) {
                if !page.takes(message.content.len()) {
                    next = last;
                    break;
                }
                hits.push(ChatHit {
                    message: message.id,
                    seq: message.seq,
                    thread: message.thread,
                    title,
                    from: message.from.clone(),
                    at: message.at,
                    snippet,
                });
            }
            last = Some(message.seq);
        }
        Ok(Found { hits, next, indexed_seq })
    }
}

impl MemoryStore {
    /// Of its thread; `None`: it is not what is asked for, or whoever asks may not see it.
    fn wanted_title(&self, visible: &Visible, asked: &ChatSearch, message: &Message) -> Option<String> {
        let id = message.thread;
        let is_asked_for = asked.thread.is_none_or(|thread| id == thread)
            && asked.by.as_ref().is_none_or(|by| message.from == *by);
        let found = self.threads.get(&id).filter(|_| is_asked_for)?;
        let is_seen = match visible {
            Visible::All => true,
            Visible::To { party, worked } => {
                found.record.participants.contains(party) || worked.contains(&id)
            }
        };
        is_seen.then(|| found.record.title.to_string())
    }
}

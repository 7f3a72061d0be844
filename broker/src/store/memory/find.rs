//! Search in the messages in memory. A full-text index is made for each query, so that stemming is that of the
//! SQLite store by construction.

use nexus_wire::ThreadId;
use nexus_wire::chat::{ChatHit, ChatSearch, Message};

use super::MemoryStore;
use crate::hub::records::{Finds, Found, Stored, Visible};
use crate::store::page::Page;
use crate::store::query::fts5;
use crate::store::snippet::matches;

impl Finds for MemoryStore {
    fn chat_search(&self, visible: &Visible, asked: &ChatSearch, limit: u32) -> Stored<Found> {
        let indexed_seq = self.messages.last().map_or(0, |record| record.message.seq);
        let Some(expression) = fts5(&asked.query) else { return Ok(Found { hits: Vec::new(), indexed_seq }) };
        let is_asked_for = |message: &Message| {
            asked.thread.is_none_or(|thread| message.thread == thread)
                && asked.by.as_ref().is_none_or(|by| message.from == *by)
                && asked.since.is_none_or(|since| message.at >= since)
                && asked.until.is_none_or(|until| message.at < until)
                && asked.cursor.is_none_or(|cursor| message.seq < cursor)
        };
        let title_of = |thread: ThreadId| match (self.threads.get(&thread), visible) {
            (None, _) => None,
            (Some(thread), Visible::All) => Some(thread.record.title.to_string()),
            (Some(found), Visible::To { party, worked }) => {
                let is_seen = found.record.participants.contains(party) || worked.contains(&thread);
                is_seen.then(|| found.record.title.to_string())
            }
        };
        let messages = self.kept().map(|record| &*record.message).filter(|it| is_asked_for(it));
        let seen: Vec<(&Message, String)> =
            messages.filter_map(|message| Some((message, title_of(message.thread)?))).collect();
        let texts = seen.iter().map(|(message, _)| (message.seq, message.content.as_str()));
        let mut snippets = matches(texts, &expression)?;
        let mut page = Page::new(limit);
        let newest = seen.into_iter().rev().filter_map(|(message, title)| {
            let snippet = snippets.remove(&message.seq)?;
            Some((message, title, snippet))
        });
        let hits = newest.take_while(|(message, ..)| page.takes(message.content.len())).map(
            |(message, title, snippet)| ChatHit {
                message: message.id,
                seq: message.seq,
                thread: message.thread,
                title,
                from: message.from.clone(),
                at: message.at,
                snippet,
            },
        );
        Ok(Found { hits: hits.collect(), indexed_seq })
    }
}

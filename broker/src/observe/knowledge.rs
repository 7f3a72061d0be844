//! Reading what the team knows, and counting how it is used. What a reader may not read is to them as if it were
//! not there: in answers, errors, versions and scores alike.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use nexus_wire::knowledge::{
    KnowledgeEntry, KnowledgeGet, KnowledgeGrantInfo, KnowledgeGrantPage, KnowledgeGrants, KnowledgeHead,
    KnowledgeHistory, KnowledgeHit, KnowledgeHits, KnowledgeList, KnowledgeMay, KnowledgePage,
    KnowledgeSearch,
};
use nexus_wire::limits::{KNOWLEDGE_PAGE_BYTES, PAGE_MAX};
use nexus_wire::{AspectName, ErrorBody, ErrorCode, Json, Ms, Party};

use super::{Refusal, not_found, page};
use crate::hub::KnowledgeUse;
use crate::hub::inbox::json_bytes;
use crate::hub::records::{KnowledgePlace, KnowledgeRecord, KnowledgeScope, Reads};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KnowledgeRead {
    Get(KnowledgeGet),
    Grants(KnowledgeGrants),
    History(KnowledgeHistory),
    List(KnowledgeList),
    Search(KnowledgeSearch),
}

pub(super) fn answer(store: &impl Reads, reader: &Party, read: &KnowledgeRead) -> Result<Json, Refusal> {
    match read {
        KnowledgeRead::Get(asked) => Ok(Json::of(&get(store, reader, asked)?)),
        KnowledgeRead::Grants(asked) => {
            Ok(Json::of(&KnowledgeGrantPage { grants: grants(store, reader, asked.to.as_ref())? }))
        }
        KnowledgeRead::History(asked) => Ok(Json::of(&history(store, reader, asked)?)),
        KnowledgeRead::List(asked) => Ok(Json::of(&list(store, reader, asked)?)),
        KnowledgeRead::Search(asked) => Ok(Json::of(&search(store, reader, asked)?)),
    }
}

/// One author's topic, as far as the reader may see it.
struct Seen {
    current: KnowledgeRecord,
    /// Every version, and not the shared ones alone.
    whole: bool,
    /// How it is used, too.
    usage: bool,
}

impl Seen {
    fn shows(&self, shared: bool) -> bool {
        self.whole || shared
    }
}

fn see(store: &impl Reads, reader: &Party, of: Option<&Party>, topic: &str) -> Result<Seen, Refusal> {
    let author = of.unwrap_or(reader);
    let scope = KnowledgeScope::of(reader, store)?;
    let current = store.knowledge(author, topic)?.filter(|it| scope.covers(author, it.shared));
    let current = current.ok_or_else(|| unseen(reader, author, topic))?;
    let usage = author == reader || scope == KnowledgeScope::Everyones;
    Ok(Seen { current, whole: scope.covers(author, false), usage })
}

fn unseen(reader: &Party, author: &Party, topic: &str) -> Refusal {
    not_found(format!("{author} has no entry {topic:?} that {reader} may read"))
}

fn get(store: &impl Reads, reader: &Party, asked: &KnowledgeGet) -> Result<KnowledgeEntry, Refusal> {
    let seen = see(store, reader, asked.of.as_ref(), &asked.topic)?;
    let author = seen.current.aspect.clone();
    let record = match asked.version {
        None if seen.current.deleted => {
            return Err(not_found(format!(
                "the entry {:?} of {author} was deleted; `knowledge.history` names its earlier versions",
                asked.topic
            )));
        }
        None => seen.current.clone(),
        Some(version) => store
            .knowledge_version(&author, &asked.topic, version)?
            .filter(|record| seen.shows(record.shared))
            .ok_or_else(|| unseen(reader, &author, &asked.topic))?,
    };
    let mut head = record.head();
    if seen.usage {
        head.usage = Some(store.knowledge_usage(&author, &asked.topic)?);
    }
    Ok(KnowledgeEntry { head, content: record.content })
}

fn history(store: &impl Reads, reader: &Party, asked: &KnowledgeHistory) -> Result<KnowledgePage, Refusal> {
    let seen = see(store, reader, asked.of.as_ref(), &asked.topic)?;
    let limit = page(asked.limit) as usize;
    let mut before = match &asked.cursor {
        None => u32::MAX,
        Some(cursor) => cursor.parse().map_err(|_| bad_cursor(cursor))?,
    };
    let mut entries: Vec<KnowledgeHead> = Vec::new();
    while entries.len() <= limit {
        let batch = store.knowledge_history(&seen.current.aspect, &asked.topic, before, PAGE_MAX)?;
        let Some(last) = batch.last() else { break };
        before = last.version;
        entries.extend(batch.into_iter().filter(|head| seen.shows(head.shared)));
    }
    let cursor = cut(&mut entries, limit).map(|last| last.version.to_string());
    Ok(KnowledgePage { entries, cursor })
}

fn list(store: &impl Reads, reader: &Party, asked: &KnowledgeList) -> Result<KnowledgePage, Refusal> {
    let scope = KnowledgeScope::of(reader, store)?;
    let limit = page(asked.limit);
    let after = asked.cursor.as_deref().map(place).transpose()?;
    let mut entries =
        store.knowledge_list(&scope, asked.of.as_ref(), &asked.prefix, after.as_ref(), limit + 1)?;
    let cursor = cut(&mut entries, limit as usize)
        .map(|last| BASE64_URL_SAFE_NO_PAD.encode(Json::of(&(&last.from, &last.topic)).as_str()));
    for head in &mut entries {
        if scope == KnowledgeScope::Everyones || head.from == *reader {
            head.usage = Some(store.knowledge_usage(&head.from, &head.topic)?);
        }
    }
    Ok(KnowledgePage { entries, cursor })
}

/// Cuts a list to its limit; what is now its last, if there was more.
fn cut(entries: &mut Vec<KnowledgeHead>, limit: usize) -> Option<&KnowledgeHead> {
    if entries.len() <= limit {
        return None;
    }
    entries.truncate(limit);
    entries.last()
}

fn place(cursor: &str) -> Result<KnowledgePlace, Refusal> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad_cursor(cursor))?;
    serde_json::from_slice(&bytes).map_err(|_| bad_cursor(cursor))
}

fn bad_cursor(cursor: &str) -> Refusal {
    let shown: String = cursor.chars().take(64).collect();
    let message = format!("`cursor`: {shown:?} is of no page before this one; leave it out to begin anew");
    Refusal::Told(ErrorBody::new(ErrorCode::Invalid, message))
}

pub(crate) fn search(
    store: &impl Reads,
    reader: &Party,
    asked: &KnowledgeSearch,
) -> Result<KnowledgeHits, Refusal> {
    let scope = KnowledgeScope::of(reader, store)?;
    let (limit, skip) = match &asked.cursor {
        None => (page(asked.limit) as usize, 0),
        Some(cursor) => (page(asked.limit) as usize, cursor.parse().map_err(|_| bad_cursor(cursor))?),
    };
    let mut ranked = store.knowledge_search(&scope, asked.of.as_ref(), &asked.query)?;
    ranked.retain(|rank| asked.min_score.is_none_or(|least| rank.score >= least));
    let (mut hits, mut bytes, mut next) = (Vec::<KnowledgeHit>::new(), 0, skip);
    for rank in ranked.iter().skip(skip).take(limit) {
        if let Some(hit) = store.knowledge_hit(&asked.query, *rank)? {
            bytes += json_bytes(&hit);
            if bytes > KNOWLEDGE_PAGE_BYTES && !hits.is_empty() {
                break;
            }
            hits.push(hit);
        }
        next += 1;
    }
    let cursor = (next < ranked.len() && next > skip).then(|| next.to_string());
    Ok(KnowledgeHits { hits, cursor })
}

fn grants(
    store: &impl Reads,
    reader: &Party,
    to: Option<&AspectName>,
) -> Result<Vec<KnowledgeGrantInfo>, Refusal> {
    let to = match (reader.aspect(), to) {
        (None, to) => to,
        (Some(own), None) => Some(own),
        (Some(own), Some(to)) if own == to => Some(own),
        (Some(_), Some(_)) => {
            let message = "an aspect sees what is granted to itself; leave `to` out";
            return Err(Refusal::Told(ErrorBody::new(ErrorCode::Forbidden, message)));
        }
    };
    let mut grants = store.knowledge_grants(to)?;
    // Sharing may have been allowed when the aspect was let in; its record decides.
    let (shares, mut found): (Vec<_>, Vec<_>) =
        grants.drain(..).partition(|grant| grant.may == KnowledgeMay::Share);
    for record in store.aspects()? {
        if !record.share_knowledge || to.is_some_and(|to| *to != record.name) {
            continue;
        }
        let known = shares.iter().find(|grant| grant.to == record.name).cloned();
        let bare =
            KnowledgeGrantInfo { to: record.name, may: KnowledgeMay::Share, of: None, by: None, at: None };
        found.push(known.unwrap_or(bare));
    }
    found
        .sort_by_key(|grant| (grant.to.clone(), grant.may.as_str(), grant.of.as_ref().map(Party::to_string)));
    Ok(found)
}

/// Topics kept in the count at a time; more of them are not counted until the next time it is taken.
const TOPICS_MAX: usize = 4096;

/// How knowledge is used, counted in memory until it is taken to be written down. No query is kept, and who
/// asked is not either.
#[derive(Debug, Default)]
pub(crate) struct Recalls(Mutex<HashMap<KnowledgePlace, KnowledgeUse>>);

impl Recalls {
    pub(crate) fn note(&self, hits: &[KnowledgeHit], recalled: bool, now: Ms) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for hit in hits {
            let place = (hit.from.clone(), hit.topic.clone());
            if uses.len() >= TOPICS_MAX && !uses.contains_key(&place) {
                continue;
            }
            let used = uses.entry(place).or_insert_with(|| KnowledgeUse {
                author: hit.from.clone(),
                topic: hit.topic.clone(),
                found: 0,
                recalled: 0,
                recalled_at: None,
            });
            used.found += 1;
            if recalled {
                used.recalled += 1;
                used.recalled_at = Some(now);
            }
        }
    }

    /// What was counted since the last time, by author and topic.
    pub(crate) fn take(&self) -> Vec<KnowledgeUse> {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken: Vec<KnowledgeUse> = uses.drain().map(|(_, used)| used).collect();
        taken.sort_by(|a, b| (&a.author, &a.topic).cmp(&(&b.author, &b.topic)));
        taken
    }
}

#[cfg(test)]
mod fuzz;

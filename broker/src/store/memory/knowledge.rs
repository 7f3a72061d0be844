//! Rows of knowledge in memory. A full-text index is made for each query, so that stemming and ranking are those
//! of the SQLite store by construction.

use std::collections::HashMap;

use nexus_wire::knowledge::{KnowledgeGrantInfo, KnowledgeHead, KnowledgeMay, KnowledgeUsage};
use nexus_wire::{AspectName, Party};
use rusqlite::Connection;

use crate::hub::records::{KnowledgeGrantRecord, KnowledgePlace, KnowledgeRecord, KnowledgeScope, Stored};
use crate::store::sqlite::{self, fault};

#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// Every version, in the order they were made.
    pub(super) entries: Vec<KnowledgeRecord>,
    /// Every change of a grant, in the order they were made.
    pub(super) grants: Vec<KnowledgeGrantRecord>,
    pub(super) usage: HashMap<KnowledgePlace, KnowledgeUsage>,
}

impl Knowledge {
    /// The newest first.
    pub(super) fn versions<'a>(
        &'a self,
        author: &'a Party,
        topic: &'a str,
    ) -> impl Iterator<Item = &'a KnowledgeRecord> {
        self.entries.iter().rev().filter(move |it| it.aspect == *author && it.topic == topic)
    }

    pub(super) fn list(
        &self,
        scope: &KnowledgeScope,
        of: Option<&Party>,
        prefix: &str,
        after: Option<&KnowledgePlace>,
        limit: u32,
    ) -> Vec<KnowledgeHead> {
        let place = |author: &Party, topic: &str| (author.to_string(), topic.to_owned());
        let after = after.map(|(author, topic)| place(author, topic));
        let mut found: Vec<&KnowledgeRecord> = self
            .entries
            .iter()
            .filter(|it| self.versions(&it.aspect, &it.topic).next().is_some_and(|last| last == *it))
            .filter(|it| !it.deleted && it.topic.starts_with(prefix))
            .filter(|it| scope.covers(&it.aspect, it.shared) && of.is_none_or(|of| *of == it.aspect))
            .filter(|it| after.as_ref().is_none_or(|after| place(&it.aspect, &it.topic) > *after))
            .collect();
        found.sort_by_key(|it| place(&it.aspect, &it.topic));
        found.into_iter().take(limit as usize).map(KnowledgeRecord::head).collect()
    }

    pub(super) fn indexed(&self) -> Stored<Connection> {
        let connection = sqlite::empty_in_memory().map_err(fault)?;
        for record in &self.entries {
            sqlite::knowledge::put(&connection, record)?;
        }
        Ok(connection)
    }

    pub(super) fn grant(
        &self,
        to: &AspectName,
        may: KnowledgeMay,
        of: Option<&Party>,
    ) -> Option<&KnowledgeGrantRecord> {
        let mut changes = self.grants.iter().rev();
        changes.find(|it| it.to == *to && it.may == may && it.of.as_ref() == of)
    }

    pub(super) fn granted(&self, to: Option<&AspectName>) -> Vec<KnowledgeGrantInfo> {
        let is_last = |it: &&KnowledgeGrantRecord| self.grant(&it.to, it.may, it.of.as_ref()) == Some(*it);
        let mut found: Vec<&KnowledgeGrantRecord> = self.grants.iter().filter(is_last).collect();
        found.retain(|it| it.granted && to.is_none_or(|to| *to == it.to));
        found.sort_by_key(|it| (it.to.clone(), it.may.as_str(), it.of.as_ref().map(Party::to_string)));
        found.into_iter().map(|it| it.clone().info()).collect()
    }
}

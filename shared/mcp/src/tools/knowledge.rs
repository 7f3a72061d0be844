//! Looking things up, and keeping them for the team.

use nexus_wire::ErrorBody;
use nexus_wire::knowledge::{KnowledgeHits, KnowledgeSearch, KnowledgeStore, KnowledgeStored};

use super::args;
use crate::bus::Bus;
use crate::server::{Call, TeamServer};

const HITS: u32 = 10;

impl<B: Bus> TeamServer<B> {
    pub(super) async fn search_knowledge(
        &self,
        args: args::SearchKnowledge,
    ) -> Result<KnowledgeHits, ErrorBody> {
        let args::SearchKnowledge { query, of, cursor, limit } = args;
        let limit = Some(limit.unwrap_or(HITS));
        self.look(KnowledgeSearch { query, of, cursor, limit, ..KnowledgeSearch::default() }).await
    }

    pub(super) async fn store_knowledge(
        &self,
        args: args::StoreKnowledge,
        call: &Call,
    ) -> Result<KnowledgeStored, ErrorBody> {
        let args::StoreKnowledge { topic, content, shared, idempotency_key } = args;
        let id = call.id(idempotency_key.as_deref())?;
        self.ask(id, KnowledgeStore { topic, content, shared }).await
    }
}

//! Keys, tokens, sessions, passwords and sealed credentials that are good now, as the core last published them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use nexus_wire::admin::OperatorRole;
use nexus_wire::limits::SESSION_IDLE;
use nexus_wire::{AspectName, CredentialName, Ms, OperatorName, Party};

use super::{Identity, Role};
use crate::hub::Hub;
use crate::hub::records::{AspectRecord, CredentialRecord, Digest, OperatorRecord, PreviousKey};

/// The keys an aspect signs with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AspectEntry {
    pub(crate) public_key: [u8; 32],
    pub(crate) key_generation: u64,
    previous: Option<PreviousKey>,
}

impl AspectEntry {
    /// Keys that are good at this time with their generations, the newest first.
    pub(crate) fn keys(&self, at: Ms) -> impl Iterator<Item = ([u8; 32], u64)> {
        let previous =
            self.previous.filter(|it| at < it.until).map(|it| (it.public_key.0, it.key_generation));
        std::iter::once((self.public_key, self.key_generation)).chain(previous)
    }
}

/// A secret, known by its digest, and whom it lets in.
#[derive(Clone, Debug)]
struct Door {
    identity: Identity,
    expires_at: Option<Ms>,
    /// Of a session, when it was last used.
    seen_at: Option<Ms>,
}

impl Door {
    fn has_expired(&self, at: Ms) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= at)
    }

    fn is_open(&self, at: Ms, used_at: Option<Ms>) -> bool {
        let idle = self.seen_at.map(|seen_at| at - seen_at.max(used_at.unwrap_or(seen_at)));
        !self.has_expired(at) && idle.is_none_or(|idle| idle < SESSION_IDLE.as_millis() as Ms)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Directory {
    // A leaf: replaced whole by the core, read for each credential, never held across anything.
    entries: RwLock<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    aspects: HashMap<AspectName, AspectEntry>,
    /// By the SHA-256 of the token, so that looking one up compares digests and not secrets.
    tokens: HashMap<Digest, Door>,
    sessions: HashMap<Digest, Door>,
    passwords: HashMap<OperatorName, String>,
    credentials: HashMap<CredentialName, Arc<CredentialRecord>>,
}

impl Directory {
    pub(crate) fn publish(&self, hub: &Hub) {
        let doors = hub.doors().credentials();
        self.replace(hub.roster().aspects(), hub.roster().operators(), doors);
    }

    pub(super) fn replace<'a>(
        &self,
        aspects: impl Iterator<Item = &'a AspectRecord>,
        operators: impl Iterator<Item = &'a OperatorRecord>,
        credentials: impl Iterator<Item = &'a CredentialRecord>,
    ) {
        let mut entries = Entries {
            aspects: aspects.filter(|record| record.is_active()).map(entry).collect(),
            credentials: credentials.map(|it| (it.name.clone(), Arc::new(it.clone()))).collect(),
            ..Entries::default()
        };
        for record in operators.filter(|record| record.is_active()) {
            for token in &record.tokens {
                let door = Door {
                    identity: identity(record, &token.sha256),
                    expires_at: token.expires_at,
                    seen_at: None,
                };
                entries.tokens.insert(token.sha256, door);
            }
            for session in &record.sessions {
                let door = Door {
                    identity: identity(record, &session.sha256),
                    expires_at: Some(session.expires_at),
                    seen_at: Some(session.seen_at),
                };
                entries.sessions.insert(session.sha256, door);
            }
            if let Some(password) = &record.password {
                entries.passwords.insert(record.name.clone(), password.clone());
            }
        }
        *self.entries.write().unwrap_or_else(PoisonError::into_inner) = entries;
    }

    fn entries(&self) -> std::sync::RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn aspect(&self, name: &AspectName) -> Option<AspectEntry> {
        self.entries().aspects.get(name).copied()
    }

    /// Whether the credential behind `identity` still is one its party has.
    pub(crate) fn is_current(&self, identity: &Identity, at: Ms) -> bool {
        let entries = self.entries();
        match &identity.party {
            Party::Aspect(name) => entries.aspects.get(name).is_some_and(|it| {
                it.key_generation == identity.key_generation
                    || it.previous.is_some_and(|it| it.key_generation == identity.key_generation)
            }),
            Party::Operator(_) => {
                let mut doors = entries.tokens.values().chain(entries.sessions.values());
                doors.any(|it| it.identity == *identity && !it.has_expired(at))
            }
            Party::System => false,
        }
    }

    /// When the next credential stops to let somebody in because its time is over.
    pub(crate) fn next_expiry(&self, at: Ms) -> Option<Ms> {
        let entries = self.entries();
        let ends = entries.tokens.values().chain(entries.sessions.values()).filter_map(|it| it.expires_at);
        ends.filter(|end| *end > at).min()
    }

    /// Whoever `party` is now by the credential of theirs with this `piece`, while that lets them in.
    pub(crate) fn holder(&self, party: &Party, piece: u64, at: Ms) -> Option<Identity> {
        let entries = self.entries();
        let mut doors = entries.tokens.values().chain(entries.sessions.values());
        let is_it = |it: &&Door| {
            it.identity.party == *party && it.identity.key_generation == piece && it.is_open(at, None)
        };
        doors.find(is_it).map(|it| it.identity.clone())
    }

    pub(crate) fn token(&self, sha256: &Digest, at: Ms) -> Option<Identity> {
        let entries = self.entries();
        entries.tokens.get(sha256).filter(|it| it.is_open(at, None)).map(|it| it.identity.clone())
    }

    pub(super) fn session(&self, sha256: &Digest, at: Ms, used_at: Option<Ms>) -> Option<Identity> {
        let entries = self.entries();
        entries.sessions.get(sha256).filter(|it| it.is_open(at, used_at)).map(|it| it.identity.clone())
    }

    /// The PHC string of an operator who may log in.
    pub(crate) fn password(&self, name: &OperatorName) -> Option<String> {
        self.entries().passwords.get(name).cloned()
    }

    pub(crate) fn credential(&self, name: &CredentialName) -> Option<Arc<CredentialRecord>> {
        self.entries().credentials.get(name).cloned()
    }
}

fn entry(record: &AspectRecord) -> (AspectName, AspectEntry) {
    let entry = AspectEntry {
        public_key: record.public_key,
        key_generation: record.key_generation,
        previous: record.previous_key,
    };
    (record.name.clone(), entry)
}

fn identity(record: &OperatorRecord, sha256: &Digest) -> Identity {
    let party = Party::Operator(record.name.clone());
    Identity { party, role: role(record.role), key_generation: sha256.piece() }
}

fn role(role: OperatorRole) -> Role {
    match role {
        OperatorRole::Viewer => Role::Viewer,
        OperatorRole::Operator => Role::Operator,
        OperatorRole::Admin => Role::Admin,
    }
}

//! Keys and tokens that are good now, as the core last published them.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use nexus_wire::admin::OperatorRole;
use nexus_wire::{AspectName, Party};

use super::{Identity, Role};
use crate::hub::records::{AspectRecord, OperatorRecord};

/// The key an aspect signs with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AspectEntry {
    pub(crate) public_key: [u8; 32],
    pub(crate) key_generation: u64,
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
    operators: HashMap<[u8; 32], Identity>,
}

impl Directory {
    pub(crate) fn publish<'a>(
        &self,
        aspects: impl Iterator<Item = &'a AspectRecord>,
        operators: impl Iterator<Item = &'a OperatorRecord>,
    ) {
        let entries = Entries {
            aspects: aspects
                .filter(|record| record.revoked_at.is_none())
                .map(|record| {
                    let entry =
                        AspectEntry { public_key: record.public_key, key_generation: record.key_generation };
                    (record.name.clone(), entry)
                })
                .collect(),
            operators: operators
                .filter(|record| record.revoked_at.is_none())
                .map(|record| {
                    let identity = Identity {
                        party: Party::Operator(record.name.clone()),
                        role: role(record.role),
                        key_generation: piece(&record.token_sha256),
                    };
                    (record.token_sha256, identity)
                })
                .collect(),
        };
        *self.entries.write().unwrap_or_else(PoisonError::into_inner) = entries;
    }

    pub(super) fn aspect(&self, name: &AspectName) -> Option<AspectEntry> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).aspects.get(name).copied()
    }

    /// Whether the credential behind `identity` still is the one its party has.
    pub(crate) fn is_current(&self, identity: &Identity) -> bool {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        match &identity.party {
            Party::Aspect(name) => {
                entries.aspects.get(name).is_some_and(|it| it.key_generation == identity.key_generation)
            }
            Party::Operator(_) => entries.operators.values().any(|it| it == identity),
            Party::System => false,
        }
    }

    pub(crate) fn operator(&self, token_sha256: &[u8; 32]) -> Option<Identity> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).operators.get(token_sha256).cloned()
    }
}

fn piece(digest: &[u8; 32]) -> u64 {
    digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn role(role: OperatorRole) -> Role {
    match role {
        OperatorRole::Viewer => Role::Viewer,
        OperatorRole::Operator => Role::Operator,
        OperatorRole::Admin => Role::Admin,
    }
}

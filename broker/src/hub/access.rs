//! Who gets in by what: API tokens, passwords, sessions, the setup token, overlapping keys, used assertions,
//! sealed credentials and the trail of what was refused. Whether the caller may ask was decided by `admit`;
//! whatever is random or slow (tokens, hashes, ciphertexts) was made before and comes in.

pub(super) mod invitations;
mod keys;
pub(super) mod people;
mod vault;

use std::collections::{BTreeMap, BTreeSet};

use nexus_wire::admin::OperatorRole;
use nexus_wire::{AspectName, CredentialName, Ms, OperatorName, Party, TokenName};

use super::effect::Effect;
use super::records::{
    CredentialRecord, CredentialTerms, Digest, Invitation, SetupToken, Store, UsedAssertion,
};
use super::step::{Done, Step};

/// One act about who gets in.
#[derive(Clone, Debug, PartialEq)]
pub enum Access {
    AddToken {
        operator: OperatorName,
        token: NewToken,
    },
    /// The token of whoever owns the data directory: operator `operator` is an admin, whatever they were, and
    /// has it as their token `local`.
    LocalToken {
        operator: OperatorName,
        token: NewToken,
    },
    RevokeToken {
        operator: OperatorName,
        name: TokenName,
    },
    /// `hash` is a PHC string. Ends the operator's sessions.
    SetPassword {
        operator: OperatorName,
        hash: String,
    },
    /// Tokens, password and sessions stay, and let somebody in as what they are now.
    SetRole {
        operator: OperatorName,
        role: OperatorRole,
    },
    OpenSession {
        operator: OperatorName,
        sha256: Digest,
        proof: Proof,
    },
    CloseSession {
        operator: OperatorName,
        sha256: Digest,
    },
    /// Tokens and sessions that let somebody in, and when.
    Used(Vec<(Digest, Ms)>),
    /// A setup token; one that was not used is void from now on.
    OfferSetup {
        sha256: Digest,
    },
    UseSetup {
        sha256: Digest,
        operator: OperatorName,
        password_hash: Option<String>,
        token: Option<NewToken>,
    },
    /// An open invitation of the same name is void from now on.
    Invite {
        name: OperatorName,
        role: OperatorRole,
        sha256: Digest,
        lifetime_ms: Ms,
    },
    RevokeInvitation {
        name: OperatorName,
    },
    /// The operator exists from here on, with the role they were invited to.
    AcceptInvitation {
        sha256: Digest,
        password_hash: String,
    },
    RotateKey {
        aspect: AspectName,
        public_key: [u8; 32],
        overlap_ms: Ms,
    },
    UseAssertion(UsedAssertion),
    PutCredential {
        name: CredentialName,
        terms: CredentialTerms,
        sealed: Vec<u8>,
    },
    /// Other terms for the same secret: `sealed` is `was`, opened and sealed again under `terms`.
    ChangeCredential {
        name: CredentialName,
        terms: CredentialTerms,
        sealed: Vec<u8>,
        was: Vec<u8>,
    },
    /// `terms` are those the secret was sealed under.
    RotateCredential {
        name: CredentialName,
        terms: CredentialTerms,
        sealed: Vec<u8>,
    },
    RemoveCredential {
        name: CredentialName,
    },
    /// Rows for the audit trail about what changed nothing: refusals, and uses of credentials.
    Note(Vec<Note>),
}

/// What somebody who logs in was let in by; it may have been replaced meanwhile.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// The hash their password was checked against.
    Password { hash: String },
    /// One of their API tokens. The session ends with it.
    Token { sha256: Digest },
}

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct NewToken {
    pub name: TokenName,
    pub sha256: Digest,
    pub lifetime_ms: Option<Ms>,
}

/// One row of the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub actor: Party,
    pub kind: &'static str,
    pub subject: String,
}

/// What the hub knows beside the roster of who gets in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Doors {
    pub(super) setup: Option<SetupToken>,
    /// Those that have expired stay until somebody is invited.
    pub(super) invitations: BTreeMap<OperatorName, Invitation>,
    pub(super) assertions: UsedAssertions,
    pub(super) credentials: BTreeMap<CredentialName, CredentialRecord>,
}

/// The first to expire first, and by what they are told apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct UsedAssertions {
    by_end: BTreeSet<UsedAssertion>,
    digests: BTreeSet<Digest>,
}

impl UsedAssertions {
    fn of(used: Vec<UsedAssertion>) -> Self {
        Self { digests: used.iter().map(|it| it.digest).collect(), by_end: used.into_iter().collect() }
    }

    fn count(&self) -> usize {
        self.by_end.len()
    }

    fn contains(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    fn insert(&mut self, used: UsedAssertion) {
        self.by_end.insert(used);
        self.digests.insert(used.digest);
    }

    /// Those that would be refused as expired.
    fn forget(&mut self, at: Ms) {
        while let Some(first) = self.by_end.first().copied().filter(|it| it.until <= at) {
            self.by_end.remove(&first);
            self.digests.remove(&first.digest);
        }
    }
}

impl Doors {
    pub(super) fn new(
        setup: Option<SetupToken>,
        invitations: Vec<Invitation>,
        assertions: Vec<UsedAssertion>,
        credentials: Vec<CredentialRecord>,
    ) -> Self {
        Self {
            setup,
            invitations: invitations.into_iter().map(|it| (it.name.clone(), it)).collect(),
            assertions: UsedAssertions::of(assertions),
            credentials: credentials.into_iter().map(|record| (record.name.clone(), record)).collect(),
        }
    }

    pub fn setup(&self) -> Option<&SetupToken> {
        self.setup.as_ref()
    }

    /// Those that can be accepted at this time, by name.
    pub fn invitations(&self, at: Ms) -> impl Iterator<Item = &Invitation> {
        self.invitations.values().filter(move |it| it.is_good(at))
    }

    /// By name.
    pub fn credentials(&self) -> impl Iterator<Item = &CredentialRecord> {
        self.credentials.values()
    }

    pub fn credential(&self, name: &CredentialName) -> Option<&CredentialRecord> {
        self.credentials.get(name)
    }
}

impl<S: Store> Step<'_, S> {
    pub(super) fn access(&mut self, by: &Party, act: Access) -> Done {
        match act {
            Access::AddToken { operator, token } => self.add_token(by, &operator, token),
            Access::LocalToken { operator, token } => self.local_token(by, &operator, token),
            Access::RevokeToken { operator, name } => self.revoke_token(by, &operator, &name),
            Access::SetPassword { operator, hash } => self.set_password(by, &operator, hash),
            Access::SetRole { operator, role } => self.set_role(by, &operator, role),
            Access::OpenSession { operator, sha256, proof } => self.open_session(&operator, sha256, &proof),
            Access::CloseSession { operator, sha256 } => self.close_session(&operator, sha256),
            Access::Used(uses) => self.used(&uses),
            Access::OfferSetup { sha256 } => self.offer_setup(by, sha256),
            Access::UseSetup { sha256, operator, password_hash, token } => {
                self.use_setup(sha256, &operator, password_hash, token)
            }
            Access::Invite { name, role, sha256, lifetime_ms } => {
                self.invite(by, name, role, sha256, lifetime_ms)
            }
            Access::RevokeInvitation { name } => self.revoke_invitation(by, &name),
            Access::AcceptInvitation { sha256, password_hash } => {
                self.accept_invitation(&sha256, password_hash)
            }
            Access::RotateKey { aspect, public_key, overlap_ms } => {
                self.rotate_key(by, &aspect, public_key, overlap_ms)
            }
            Access::UseAssertion(used) => self.use_assertion(used),
            Access::PutCredential { name, terms, sealed } => self.put_credential(by, name, terms, sealed),
            Access::ChangeCredential { name, terms, sealed, was } => {
                self.change_credential(by, &name, terms, sealed, &was)
            }
            Access::RotateCredential { name, terms, sealed } => {
                self.rotate_credential(by, &name, &terms, sealed)
            }
            Access::RemoveCredential { name } => self.remove_credential(by, &name),
            Access::Note(notes) => self.note(notes),
        }
    }

    /// What the gate is told has changed.
    pub(super) fn doors_changed(&mut self) {
        self.effect(Effect::DoorsChanged);
    }

    fn note(&mut self, notes: Vec<Note>) -> Done {
        for Note { actor, kind, subject } in notes {
            self.log_other(actor, kind, &subject, &subject)?;
        }
        self.answer(&serde_json::json!({}));
        Ok(())
    }
}

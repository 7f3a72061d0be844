//! Letting aspects and operators in and out. Whether the caller is an admin was decided by `admit`; every
//! change is in the log with who made it.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use nexus_wire::admin::{AspectAdd, AspectKey, OperatorAdd, OperatorInfo, OperatorRole};
use nexus_wire::roster::AspectRole;
use nexus_wire::{AspectName, EpochId, ErrorBody, ErrorCode, OperatorName, Party, TokenName};

use super::access::NewToken;
use super::access::people::new_operator;
use super::effect::Effect;
use super::records::{ApiToken, AspectRecord, Digest, OperatorRecord, Profile, Store};
use super::step::{Done, Step, refuse};

impl AspectRecord {
    pub fn key(&self) -> AspectKey {
        AspectKey {
            name: self.name.clone(),
            role: self.role,
            key_generation: self.key_generation,
            share_knowledge: self.share_knowledge,
            revoked_at: self.revoked_at,
            previous_until: self.previous_key.map(|it| it.until),
        }
    }
}

impl OperatorRecord {
    pub fn info(&self) -> OperatorInfo {
        OperatorInfo {
            name: self.name.clone(),
            role: self.role,
            created_at: self.created_at,
            revoked_at: self.revoked_at,
            has_password: self.password.is_some(),
            tokens: self.tokens.iter().map(ApiToken::info).collect(),
            sessions: u32::try_from(self.sessions.len()).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn is_active_admin(&self) -> bool {
        self.role == OperatorRole::Admin && self.revoked_at.is_none()
    }
}

impl<S: Store> Step<'_, S> {
    /// The same key again changes what else was asked for and nothing of the key; another one replaces it and
    /// closes the links of the old.
    pub(super) fn add_aspect(&mut self, by: &Party, add: AspectAdd) -> Done {
        let public_key = public_key(&add.public_key)?;
        if add.role == AspectRole::Frame
            && let Some(lead) = self.hub.roster.lead()
            && lead.name != add.name
        {
            return refuse(
                ErrorCode::Invalid,
                format!(
                    "{} is the lead already and there is one; revoke it or add {} as a worker",
                    lead.name, add.name
                ),
            );
        }
        let (record, kind) = match self.hub.roster.aspect(&add.name) {
            None => (self.new_aspect(&add, public_key), "aspect.added"),
            Some(old) if old.public_key == public_key && old.is_active() => {
                let record =
                    AspectRecord { role: add.role, share_knowledge: add.share_knowledge, ..old.clone() };
                if record == *old {
                    let key = record.key();
                    self.answer(&key);
                    return Ok(());
                }
                (record, "aspect.changed")
            }
            Some(old) => {
                let record = AspectRecord {
                    role: add.role,
                    share_knowledge: add.share_knowledge,
                    public_key,
                    key_generation: old.key_generation + 1,
                    previous_key: None,
                    revoked_at: None,
                    ..old.clone()
                };
                (record, "aspect.rekeyed")
            }
        };
        let is_new_key = kind == "aspect.rekeyed";
        let (name, key) = (record.name.clone(), record.key());
        self.store.put_aspect(&record)?;
        self.hub.roster.put_aspect(record);
        self.doors_changed();
        self.answer(&key);
        if is_new_key {
            self.close_revoked(&name)?;
        }
        self.effect(Effect::RosterChanged { aspect: name.clone() });
        self.log_other(by.clone(), kind, name, &add)?;
        Ok(())
    }

    fn new_aspect(&self, add: &AspectAdd, public_key: [u8; 32]) -> AspectRecord {
        AspectRecord {
            name: add.name.clone(),
            role: add.role,
            public_key,
            key_generation: 1,
            previous_key: None,
            share_knowledge: add.share_knowledge,
            revoked_at: None,
            created_at: self.at,
            link: None,
            generation: 0,
            acked_generation: 0,
            since: self.at,
            epoch: EpochId(uuid::Uuid::nil()),
            tail: 0,
            cursor: 0,
            profile: Profile::default(),
            restraint: None,
        }
    }

    /// What the aspect wrote stays; its key opens no link any more.
    pub(super) fn revoke_aspect(&mut self, by: &Party, name: &AspectName) -> Done {
        let Some(old) = self.hub.roster.aspect(name) else {
            return refuse(ErrorCode::NotFound, format!("there is no aspect {name}"));
        };
        if !old.is_active() {
            let key = old.key();
            self.answer(&key);
            return Ok(());
        }
        let record = AspectRecord {
            key_generation: old.key_generation + 1,
            previous_key: None,
            revoked_at: Some(self.at),
            ..old.clone()
        };
        let key = record.key();
        self.store.put_aspect(&record)?;
        self.hub.roster.put_aspect(record);
        self.doors_changed();
        self.answer(&key);
        self.close_revoked(name)?;
        self.hub.queue.gone(name, self.at);
        self.settle(None, None)?;
        self.approvals_gone(name)?;
        self.home_is(name, None)?;
        self.watches_are(name, &[])?;
        self.effect(Effect::RosterChanged { aspect: name.clone() });
        self.log_other(by.clone(), "aspect.revoked", name, &key)?;
        Ok(())
    }

    /// A token of an operator who is there replaces the one they were let in with; their others stay.
    pub(super) fn add_operator(&mut self, by: &Party, add: OperatorAdd) -> Done {
        let Some(sha256) = Digest::parse(&add.token_sha256) else {
            return refuse(
                ErrorCode::Invalid,
                "token_sha256 is to be the SHA-256 of the token, 64 hexadecimal digits",
            );
        };
        let old = self.hub.roster.operator(&add.name);
        if add.role != OperatorRole::Admin {
            self.keep_an_admin(&add.name)?;
        }
        let has_it = |record: &OperatorRecord| {
            record.tokens.iter().any(|it| it.name.as_str() == FIRST_TOKEN && it.sha256 == sha256)
        };
        if let Some(same) = old.filter(|it| it.is_active() && it.role == add.role && has_it(it)) {
            let info = same.info();
            self.answer(&info);
            return Ok(());
        }
        let kind = if old.is_some() { "operator.changed" } else { "operator.added" };
        let mut record = match old {
            // Whoever was shut out comes back with nothing but what they are given now.
            Some(old) if old.is_active() => OperatorRecord { role: add.role, ..old.clone() },
            Some(_) | None => {
                let created_at = old.map_or(self.at, |old| old.created_at);
                new_operator(&add.name, add.role, created_at)
            }
        };
        if !has_it(&record) {
            let token = NewToken { name: first_token(), sha256, lifetime_ms: None };
            let token = self.kept(&add.name, token)?;
            record.put_token(token);
        }
        let info = record.info();
        self.keep_operator(record)?;
        self.answer(&info);
        self.log_other(by.clone(), kind, &add.name, &info)?;
        Ok(())
    }

    pub(super) fn revoke_operator(&mut self, by: &Party, name: &OperatorName) -> Done {
        let Some(old) = self.hub.roster.operator(name) else {
            return refuse(
                ErrorCode::NotFound,
                match self.hub.doors.invitations(self.at).any(|it| it.name == *name) {
                    true => format!("{name} is invited and not in; take the invitation back instead"),
                    false => format!("there is no operator {name}"),
                },
            );
        };
        if !old.is_active() {
            let info = old.info();
            self.uninvite(name)?;
            self.answer(&info);
            return Ok(());
        }
        self.keep_an_admin(name)?;
        let record = OperatorRecord {
            password: None,
            tokens: Vec::new(),
            sessions: Vec::new(),
            revoked_at: Some(self.at),
            ..old.clone()
        };
        let info = record.info();
        self.keep_operator(record)?;
        self.answer(&info);
        self.log_other(by.clone(), "operator.revoked", name, &info)?;
        Ok(())
    }

    /// `name` is about to be no admin; somebody must be left who can let people in.
    pub(super) fn keep_an_admin(&self, name: &OperatorName) -> Done {
        let mut admins = self.hub.roster.operators().filter(|record| record.is_active_admin());
        let (first, second) = (admins.next(), admins.next());
        if second.is_none() && first.is_some_and(|only| only.name == *name) {
            return refuse(
                ErrorCode::Invalid,
                format!("{name} is the only admin; make somebody else one first"),
            );
        }
        Ok(())
    }
}

/// An Ed25519 key as it is written on the wire.
pub fn public_key(text: &str) -> Result<[u8; 32], ErrorBody> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    decoded.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).ok_or_else(|| {
        let message =
            "public_key is to be an Ed25519 public key: 32 bytes as base64url without padding, 43 characters";
        ErrorBody::new(ErrorCode::Invalid, message)
    })
}

/// The token an operator is let in with.
const FIRST_TOKEN: &str = "first";

fn first_token() -> TokenName {
    #[expect(clippy::unwrap_used, reason = "the constant is a name, as a test says")]
    FIRST_TOKEN.parse().unwrap()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_token_has_a_name() {
        assert_eq!(super::first_token().as_str(), super::FIRST_TOKEN);
    }
}

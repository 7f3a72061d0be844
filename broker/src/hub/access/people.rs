//! Tokens, passwords and sessions of operators, and how the first of them comes to be.

use nexus_wire::access::{SessionInfo, SetupDone, TokenInfo, TokenMade};
use nexus_wire::admin::OperatorRole;
use nexus_wire::limits::{
    SESSION_IDLE, SESSION_TTL, SESSIONS_PER_OPERATOR_MAX, SETUP_TOKEN_TTL, TOKENS_PER_OPERATOR_MAX,
};
use nexus_wire::{ErrorCode, Ms, OperatorName, Party, TokenName};
use serde_json::json;

use super::{NewToken, Proof};
use crate::hub::records::{ApiToken, Digest, OperatorRecord, Session, SetupToken, Store, Stored};
use crate::hub::step::{Done, Step, refuse};

impl ApiToken {
    pub fn info(&self) -> TokenInfo {
        TokenInfo {
            name: self.name.clone(),
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            expires_at: self.expires_at,
        }
    }
}

impl Session {
    pub fn has_ended(&self, at: Ms) -> bool {
        at >= self.expires_at || at - self.seen_at >= SESSION_IDLE.as_millis() as Ms
    }
}

impl OperatorRecord {
    pub fn is_active(&self) -> bool {
        self.revoked_at.is_none()
    }

    /// In the order of names; replaces the one of the same name.
    pub(in crate::hub) fn put_token(&mut self, token: ApiToken) {
        match self.tokens.binary_search_by(|it| it.name.cmp(&token.name)) {
            Ok(at) => self.tokens[at] = token,
            Err(at) => self.tokens.insert(at, token),
        }
    }
}

impl<S: Store> Step<'_, S> {
    fn active_operator(&self, name: &OperatorName) -> Done<OperatorRecord> {
        match self.hub.roster.operator(name).filter(|record| record.is_active()) {
            Some(record) => Ok(record.clone()),
            None => refuse(ErrorCode::NotFound, format!("there is no operator {name}, or they were revoked")),
        }
    }

    /// Sessions end with the tokens they were opened with.
    pub(in crate::hub) fn keep_operator(&mut self, mut record: OperatorRecord) -> Stored<()> {
        let OperatorRecord { tokens, sessions, .. } = &mut record;
        sessions.retain(|it| it.token.is_none_or(|token| tokens.iter().any(|it| it.sha256 == token)));
        self.store.put_operator(&record)?;
        self.pushes_checked(&record)?;
        self.invitations_checked(&record)?;
        self.hub.roster.put_operator(record);
        self.doors_changed();
        Ok(())
    }

    /// A digest opens one door only: two tokens with one digest would be revoked one by one and work on.
    fn is_taken(&self, sha256: &Digest, operator: &OperatorName, token: &TokenName) -> bool {
        self.hub.roster.operators().any(|record| {
            record
                .tokens
                .iter()
                .any(|it| it.sha256 == *sha256 && !(record.name == *operator && it.name == *token))
        })
    }

    pub(in crate::hub) fn kept(&self, operator: &OperatorName, token: NewToken) -> Done<ApiToken> {
        if self.is_taken(&token.sha256, operator, &token.name) {
            return refuse(ErrorCode::Invalid, "this token is in use already; make another");
        }
        Ok(ApiToken {
            name: token.name,
            sha256: token.sha256,
            created_at: self.at,
            last_used_at: None,
            expires_at: token.lifetime_ms.map(|lifetime| self.at.saturating_add(lifetime)),
        })
    }

    pub(super) fn add_token(&mut self, by: &Party, operator: &OperatorName, token: NewToken) -> Done {
        let mut record = self.active_operator(operator)?;
        let old = record.tokens.iter().find(|it| it.name == token.name);
        if let Some(same) = old.filter(|it| it.sha256 == token.sha256) {
            let made = TokenMade { operator: operator.clone(), token_info: same.info(), token: None };
            self.answer(&made);
            return Ok(());
        }
        if old.is_none() && record.tokens.len() >= TOKENS_PER_OPERATOR_MAX {
            return refuse(
                ErrorCode::Invalid,
                format!(
                    "{operator} has {TOKENS_PER_OPERATOR_MAX} tokens, as many as one may; revoke one first"
                ),
            );
        }
        let token = self.kept(operator, token)?;
        let (subject, info) = (format!("{operator}/{}", token.name), token.info());
        record.put_token(token);
        self.keep_operator(record)?;
        self.answer(&TokenMade { operator: operator.clone(), token_info: info.clone(), token: None });
        self.log_other(by.clone(), "operator.token_added", subject, &info)?;
        Ok(())
    }

    pub(super) fn local_token(&mut self, by: &Party, operator: &OperatorName, token: NewToken) -> Done {
        let old = self.hub.roster.operator(operator).cloned();
        let kind = if old.is_some() { "operator.changed" } else { "operator.added" };
        let mut record = match old {
            Some(old) if old.is_active() => OperatorRecord { role: OperatorRole::Admin, ..old },
            Some(_) | None => new_operator(operator, OperatorRole::Admin, self.at),
        };
        let token = self.kept(operator, token)?;
        record.put_token(token);
        let info = record.info();
        self.keep_operator(record)?;
        self.answer(&info);
        self.log_other(by.clone(), kind, operator, &info)?;
        Ok(())
    }

    pub(super) fn revoke_token(&mut self, by: &Party, operator: &OperatorName, name: &TokenName) -> Done {
        let mut record = self.active_operator(operator)?;
        let Some(at) = record.tokens.iter().position(|it| it.name == *name) else {
            return refuse(ErrorCode::NotFound, format!("{operator} has no token {name}"));
        };
        let info = record.tokens.remove(at).info();
        self.keep_operator(record)?;
        self.answer(&info);
        self.log_other(by.clone(), "operator.token_revoked", format!("{operator}/{name}"), &info)?;
        Ok(())
    }

    pub(super) fn set_password(&mut self, by: &Party, operator: &OperatorName, hash: String) -> Done {
        let mut record = self.active_operator(operator)?;
        record.password = Some(hash);
        record.sessions.clear();
        let info = record.info();
        self.keep_operator(record)?;
        self.answer(&info);
        self.log_other(by.clone(), "operator.password_set", operator, &info)?;
        Ok(())
    }

    pub(super) fn set_role(&mut self, by: &Party, operator: &OperatorName, role: OperatorRole) -> Done {
        let old = self.active_operator(operator)?;
        if old.role == role {
            let info = old.info();
            self.answer(&info);
            return Ok(());
        }
        if role != OperatorRole::Admin {
            self.keep_an_admin(operator)?;
        }
        let record = OperatorRecord { role, ..old };
        let info = record.info();
        self.keep_operator(record)?;
        self.answer(&info);
        self.log_other(by.clone(), "operator.changed", operator, &info)?;
        Ok(())
    }

    pub(super) fn open_session(&mut self, operator: &OperatorName, sha256: Digest, proof: &Proof) -> Done {
        let Ok(mut record) = self.active_operator(operator) else {
            return refuse(ErrorCode::Unauthorized, "the operator was revoked meanwhile");
        };
        let at = self.at;
        let mut expires_at = at.saturating_add(SESSION_TTL.as_millis() as Ms);
        let token = match proof {
            Proof::Password { hash } if record.password.as_ref() == Some(hash) => None,
            Proof::Password { .. } => {
                return refuse(
                    ErrorCode::Unauthorized,
                    "the password was replaced meanwhile; log in with the new one",
                );
            }
            Proof::Token { sha256 } => {
                let Some(token) = record.tokens.iter().find(|it| it.sha256 == *sha256) else {
                    return refuse(ErrorCode::Unauthorized, "the token was revoked meanwhile");
                };
                expires_at = token.expires_at.map_or(expires_at, |end| end.min(expires_at));
                Some(*sha256)
            }
        };
        record.sessions.retain(|session| !session.has_ended(at));
        if record.sessions.len() >= SESSIONS_PER_OPERATOR_MAX
            && let Some(oldest) = (0..record.sessions.len()).min_by_key(|at| record.sessions[*at].seen_at)
        {
            record.sessions.remove(oldest);
        }
        record.sessions.push(Session { sha256, created_at: at, seen_at: at, expires_at, token });
        let info = SessionInfo {
            operator: operator.clone(),
            role: record.role,
            expires_at: Some(expires_at),
            idle_s: SESSION_IDLE.as_secs(),
        };
        self.keep_operator(record)?;
        self.answer(&info);
        self.log_other(Party::Operator(operator.clone()), "operator.logged_in", operator, &info)?;
        Ok(())
    }

    pub(super) fn close_session(&mut self, operator: &OperatorName, sha256: Digest) -> Done {
        self.answer(&json!({}));
        let Some(mut record) = self.hub.roster.operator(operator).cloned() else { return Ok(()) };
        let before = record.sessions.len();
        record.sessions.retain(|session| session.sha256 != sha256);
        if record.sessions.len() < before {
            self.keep_operator(record)?;
            self.log_other(Party::Operator(operator.clone()), "operator.logged_out", operator, &"")?;
        }
        Ok(())
    }

    /// No log row: it says nothing that anybody decided.
    pub(super) fn used(&mut self, uses: &[(Digest, Ms)]) -> Done {
        let changed: Vec<OperatorRecord> =
            self.hub.roster.operators().filter_map(|record| with_uses(record, uses)).collect();
        for record in changed {
            self.keep_operator(record)?;
        }
        self.store.put_last_at(self.at)?;
        Ok(())
    }

    pub(super) fn offer_setup(&mut self, by: &Party, sha256: Digest) -> Done {
        let expires_at = self.at.saturating_add(SETUP_TOKEN_TTL.as_millis() as Ms);
        let setup = SetupToken { sha256, expires_at, used_at: None };
        self.store.put_setup(&setup)?;
        self.hub.doors.setup = Some(setup);
        self.answer(&json!({"expires_at": expires_at}));
        self.log_other(by.clone(), "setup.offered", "", &expires_at)?;
        Ok(())
    }

    /// The first wins: the hub has an order, so of two who come at once one is told it was used.
    pub(super) fn use_setup(
        &mut self,
        sha256: Digest,
        operator: &OperatorName,
        password: Option<String>,
        token: Option<NewToken>,
    ) -> Done {
        let Some(setup) = self.hub.doors.setup.filter(|it| it.sha256 == sha256 && it.is_good(self.at)) else {
            return refuse(
                ErrorCode::Unauthorized,
                "this setup token is not known, was used before or has expired; `nexus token setup` makes another",
            );
        };
        if self
            .hub
            .roster
            .operator(operator)
            .is_some_and(|record| record.role != OperatorRole::Admin || !record.is_active())
        {
            return refuse(
                ErrorCode::Invalid,
                format!("there is an operator {operator} already; choose another name"),
            );
        }
        let old = self.hub.roster.operator(operator).cloned();
        let mut record = old.unwrap_or_else(|| new_operator(operator, OperatorRole::Admin, self.at));
        if let Some(hash) = password {
            record.password = Some(hash);
            record.sessions.clear();
        }
        if let Some(token) = token {
            let token = self.kept(operator, token)?;
            record.put_token(token);
        }
        let used = SetupToken { used_at: Some(self.at), ..setup };
        self.store.put_setup(&used)?;
        self.hub.doors.setup = Some(used);
        let done = SetupDone { operator: record.info(), token: None };
        self.keep_operator(record)?;
        self.answer(&done);
        self.log_other(Party::Operator(operator.clone()), "setup.used", operator, &done)?;
        Ok(())
    }
}

/// Somebody with no way in yet.
pub(in crate::hub) fn new_operator(name: &OperatorName, role: OperatorRole, at: Ms) -> OperatorRecord {
    OperatorRecord {
        name: name.clone(),
        role,
        password: None,
        tokens: Vec::new(),
        sessions: Vec::new(),
        created_at: at,
        revoked_at: None,
    }
}

fn with_uses(record: &OperatorRecord, uses: &[(Digest, Ms)]) -> Option<OperatorRecord> {
    let of = |sha256: &Digest| uses.iter().filter(|it| it.0 == *sha256).map(|it| it.1).max();
    let mut changed = record.clone();
    for token in &mut changed.tokens {
        token.last_used_at = token.last_used_at.max(of(&token.sha256));
    }
    for session in &mut changed.sessions {
        session.seen_at = session.seen_at.max(of(&session.sha256).unwrap_or(0));
    }
    (changed != *record).then_some(changed)
}

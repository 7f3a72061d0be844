//! People who may come in: invited by name and role, in with the password they choose. Until then they are no
//! operator, so nothing that asks who may do what can mistake one for somebody who is in.

use nexus_wire::access::{InvitationAccepted, InvitationInfo};
use nexus_wire::admin::OperatorRole;
use nexus_wire::limits::{INVITATION_TTL_MAX, INVITATIONS_MAX};
use nexus_wire::{ErrorCode, Ms, OperatorName, Party};

use super::people::new_operator;
use crate::hub::records::{Digest, Invitation, OperatorRecord, Store, Stored};
use crate::hub::step::{Done, Step, refuse};

impl Invitation {
    pub fn info(&self) -> InvitationInfo {
        InvitationInfo {
            name: self.name.clone(),
            role: self.role,
            invited_by: self.invited_by.clone(),
            created_at: self.created_at,
            expires_at: self.expires_at,
        }
    }
}

impl<S: Store> Step<'_, S> {
    pub(super) fn invite(
        &mut self,
        by: &Party,
        name: OperatorName,
        role: OperatorRole,
        sha256: Digest,
        lifetime_ms: Ms,
    ) -> Done {
        self.may_invite(by)?;
        let longest = INVITATION_TTL_MAX.as_millis() as Ms;
        if !(1..=longest).contains(&lifetime_ms) {
            return refuse(ErrorCode::Invalid, "expires_in_s is to be from 1 to 2592000, which is 30 days");
        }
        if name.as_str() == RESERVED {
            return refuse(
                ErrorCode::Invalid,
                format!(
                    "nobody can be invited as {RESERVED}; choose another name, or let them in with a token"
                ),
            );
        }
        if self.hub.roster.operator(&name).is_some_and(OperatorRecord::is_active) {
            return refuse(
                ErrorCode::Invalid,
                format!("{name} is in already; give them another role, or revoke them first"),
            );
        }
        let others = self.hub.doors.invitations(self.at).filter(|it| it.name != name);
        let (open, is_taken) =
            others.fold((0, false), |(open, taken), it| (open + 1, taken || it.sha256 == sha256));
        if is_taken {
            return refuse(ErrorCode::Invalid, "this token is in use already; make another");
        }
        if open >= INVITATIONS_MAX {
            return refuse(
                ErrorCode::Invalid,
                format!(
                    "{INVITATIONS_MAX} people are invited, as many as may be; take an invitation back first"
                ),
            );
        }
        self.drop_expired()?;
        let (created_at, invited_by) = (self.at, by.clone());
        let expires_at = self.at.saturating_add(lifetime_ms);
        let invitation = Invitation { name, role, sha256, invited_by, created_at, expires_at };
        let info = invitation.info();
        self.store.put_invitation(&invitation)?;
        self.hub.doors.invitations.insert(invitation.name.clone(), invitation);
        self.answer(&info);
        self.log_other(by.clone(), "operator.invited", &info.name, &info)?;
        Ok(())
    }

    /// Whoever asked was an admin; they may have stopped being one while the command was on its way.
    fn may_invite(&self, by: &Party) -> Done {
        let may = match by {
            Party::System => true,
            Party::Operator(name) => {
                self.hub.roster.operator(name).is_some_and(OperatorRecord::is_active_admin)
            }
            Party::Aspect(_) => false,
        };
        if may { Ok(()) } else { refuse(ErrorCode::Forbidden, "only an admin may invite somebody") }
    }

    pub(super) fn revoke_invitation(&mut self, by: &Party, name: &OperatorName) -> Done {
        let found = self.hub.doors.invitations.get(name).filter(|it| it.is_good(self.at));
        let Some(info) = found.map(Invitation::info) else {
            return refuse(ErrorCode::NotFound, format!("there is no open invitation of {name}"));
        };
        self.uninvite(name)?;
        self.answer(&info);
        self.log_other(by.clone(), "operator.invitation_revoked", name, &info)?;
        Ok(())
    }

    /// The first wins: the hub has an order, and whoever comes after is told the same as of any unknown token.
    pub(super) fn accept_invitation(&mut self, sha256: &Digest, password_hash: String) -> Done {
        let found = self.hub.doors.invitations(self.at).find(|it| it.sha256 == *sha256);
        let Some(Invitation { name, role, .. }) = found.cloned() else {
            return refuse(ErrorCode::Unauthorized, NO_INVITATION);
        };
        let created_at = self.hub.roster.operator(&name).map_or(self.at, |old| old.created_at);
        let record = OperatorRecord {
            password: Some(password_hash),
            // Whoever was shut out comes back with nothing but what they are given now.
            ..new_operator(&name, role, created_at)
        };
        let accepted = InvitationAccepted { operator: record.info() };
        self.keep_operator(record)?;
        self.answer(&accepted);
        self.log_other(Party::Operator(name.clone()), "operator.invitation_accepted", &name, &accepted)?;
        Ok(())
    }

    /// `record` is about to be kept. Whoever is in is invited no more, and nobody is by somebody who is no admin.
    pub(super) fn invitations_checked(&mut self, record: &OperatorRecord) -> Stored<()> {
        let by = Party::Operator(record.name.clone());
        let (is_in, is_admin) = (record.is_active(), record.is_active_admin());
        self.drop_invitations(|it| (is_in && it.name == record.name) || (!is_admin && it.invited_by == by))
    }

    pub(in crate::hub) fn uninvite(&mut self, name: &OperatorName) -> Stored<()> {
        self.drop_invitations(|it| it.name == *name)
    }

    /// What a backup holds may have been accepted or taken back after it was made.
    pub(in crate::hub) fn uninvite_all(&mut self) -> Stored<()> {
        self.drop_invitations(|_| true)
    }

    fn drop_expired(&mut self) -> Stored<()> {
        let at = self.at;
        self.drop_invitations(|it| !it.is_good(at))
    }

    fn drop_invitations(&mut self, which: impl Fn(&Invitation) -> bool) -> Stored<()> {
        let invitations = &self.hub.doors.invitations;
        let gone: Vec<OperatorName> =
            invitations.values().filter(|it| which(it)).map(|it| it.name.clone()).collect();
        for name in gone {
            self.store.remove_invitation(&name)?;
            self.hub.doors.invitations.remove(&name);
        }
        Ok(())
    }
}

/// Stands where the name would in `DELETE /api/v1/invitations/{name}`.
const RESERVED: &str = "accept";

/// Says the same of every token that is no good, and tells nobody which names there are.
pub(crate) const NO_INVITATION: &str = "this invitation is not known, was used or taken back, or has expired; if you accepted it, log in with your name and password, else ask for another";

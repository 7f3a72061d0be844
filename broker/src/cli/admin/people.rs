//! Operators, their tokens and passwords.

use nexus_wire::access::{
    InvitationAdd, InvitationInfo, InvitationMade, PasswordSet, TokenAdd, TokenInfo, TokenList, TokenMade,
};
use nexus_wire::admin::{OperatorAdd, OperatorInfo, OperatorRole, OperatorRoleSet, Operators};
use nexus_wire::limits::INVITATION_TTL;
use nexus_wire::{Ms, OperatorName, Party, TokenName};
use serde::Deserialize;
use serde_json::Value;

use super::{Admin, AdminError, Way, access, apply};
use crate::clock;
use crate::hub::records::{Digest, Invitation, OperatorRecord};
use crate::hub::{Access, CommandBody, NewToken};
use crate::identity::{password, token};
use crate::setup::first_operator;

#[derive(Deserialize)]
struct Offered {
    setup_token: String,
}

impl Admin {
    pub(in crate::cli) async fn add_operator(
        &mut self,
        add: OperatorAdd,
    ) -> Result<OperatorInfo, AdminError> {
        match &mut self.way {
            Way::Broker(broker) => Ok(broker.post_json("/api/v1/operators", &add).await?),
            Way::Store(setup) => apply(setup, CommandBody::AddOperator { by: Party::System, add }),
        }
    }

    pub(in crate::cli) async fn revoke_operator(
        &mut self,
        name: OperatorName,
    ) -> Result<OperatorInfo, AdminError> {
        match &mut self.way {
            Way::Broker(broker) => Ok(broker.delete_json(&format!("/api/v1/operators/{name}")).await?),
            Way::Store(setup) => apply(setup, CommandBody::RevokeOperator { by: Party::System, name }),
        }
    }

    /// Those who were ever let in, and those who are invited.
    pub(in crate::cli) async fn operators(&self) -> Result<Operators, AdminError> {
        match &self.way {
            Way::Broker(broker) => Ok(broker.get_json("/api/v1/operators").await?),
            Way::Store(setup) => {
                let at = setup.last_at.max(clock::wall());
                Ok(Operators {
                    operators: setup.hub.roster().operators().map(OperatorRecord::info).collect(),
                    invitations: setup.hub.doors().invitations(at).map(Invitation::info).collect(),
                })
            }
        }
    }

    /// The link is shown once.
    pub(in crate::cli) async fn invite(&mut self, add: InvitationAdd) -> Result<InvitationMade, AdminError> {
        match &mut self.way {
            Way::Broker(broker) => Ok(broker.post_json("/api/v1/invitations", &add).await?),
            Way::Store(setup) => {
                let InvitationAdd { name, role, expires_in_s } = add;
                let seconds = expires_in_s.unwrap_or(INVITATION_TTL.as_secs());
                let lifetime_ms = Ms::try_from(seconds.saturating_mul(1_000)).unwrap_or(Ms::MAX);
                let token = token::mint_with(token::INVITATION_PREFIX);
                let act = Access::Invite { name, role, sha256: token::digest(&token), lifetime_ms };
                let invitation = access(setup, act)?;
                let link = token::invitation_link(&self.url, &token);
                Ok(InvitationMade { invitation, token, link })
            }
        }
    }

    pub(in crate::cli) async fn revoke_invitation(
        &mut self,
        name: OperatorName,
    ) -> Result<InvitationInfo, AdminError> {
        match &mut self.way {
            Way::Broker(broker) => Ok(broker.delete_json(&format!("/api/v1/invitations/{name}")).await?),
            Way::Store(setup) => access(setup, Access::RevokeInvitation { name }),
        }
    }

    pub(in crate::cli) async fn set_role(
        &mut self,
        name: &OperatorName,
        role: OperatorRole,
    ) -> Result<OperatorInfo, AdminError> {
        match &mut self.way {
            Way::Broker(broker) => {
                let path = format!("/api/v1/operators/{name}/role");
                Ok(broker.put_json(&path, &OperatorRoleSet { role }).await?)
            }
            Way::Store(setup) => access(setup, Access::SetRole { operator: name.clone(), role }),
        }
    }

    pub(in crate::cli) async fn set_password(
        &mut self,
        name: &OperatorName,
        password: String,
    ) -> Result<OperatorInfo, AdminError> {
        match &mut self.way {
            Way::Broker(broker) => {
                let path = format!("/api/v1/operators/{name}/password");
                Ok(broker.put_json(&path, &PasswordSet { current: None, password }).await?)
            }
            Way::Store(setup) => {
                let hash = password::hash(&password).map_err(|error| AdminError::Refused(error.to_body()))?;
                access(setup, Access::SetPassword { operator: name.clone(), hash })
            }
        }
    }

    /// `add` has a digest: the token was made here.
    pub(in crate::cli) async fn add_token(
        &mut self,
        operator: &OperatorName,
        add: TokenAdd,
    ) -> Result<TokenMade, AdminError> {
        match &mut self.way {
            Way::Broker(broker) => {
                Ok(broker.post_json(&format!("/api/v1/operators/{operator}/tokens"), &add).await?)
            }
            Way::Store(setup) => {
                let sha256 = add.token_sha256.as_deref().and_then(Digest::parse).unwrap_or(Digest([0; 32]));
                let lifetime_ms =
                    add.expires_in_s.map(|it| Ms::try_from(it.saturating_mul(1_000)).unwrap_or(Ms::MAX));
                let token = NewToken { name: add.name, sha256, lifetime_ms };
                access(setup, Access::AddToken { operator: operator.clone(), token })
            }
        }
    }

    pub(in crate::cli) async fn tokens(&self, operator: &OperatorName) -> Result<Vec<TokenInfo>, AdminError> {
        match &self.way {
            Way::Broker(broker) => Ok(broker
                .get_json::<TokenList>(&format!("/api/v1/operators/{operator}/tokens"))
                .await?
                .tokens),
            Way::Store(setup) => match setup.hub.roster().operator(operator) {
                Some(record) => Ok(record.info().tokens),
                None => Err(AdminError::NoOperator(operator.clone())),
            },
        }
    }

    pub(in crate::cli) async fn revoke_token(
        &mut self,
        operator: &OperatorName,
        name: &TokenName,
    ) -> Result<TokenInfo, AdminError> {
        match &mut self.way {
            Way::Broker(broker) => {
                Ok(broker.delete_json(&format!("/api/v1/operators/{operator}/tokens/{name}")).await?)
            }
            Way::Store(setup) => {
                access(setup, Access::RevokeToken { operator: operator.clone(), name: name.clone() })
            }
        }
    }

    /// The token of the data directory's owner.
    pub(in crate::cli) async fn local_token(&mut self, token: NewToken) -> Result<(), AdminError> {
        let operator = first_operator();
        match &mut self.way {
            Way::Broker(_) => {
                let add = TokenAdd {
                    name: token.name,
                    token_sha256: Some(token.sha256.to_string()),
                    expires_in_s: None,
                };
                self.add_token(&operator, add).await?;
            }
            Way::Store(setup) => {
                access::<Value>(setup, Access::LocalToken { operator, token })?;
            }
        }
        Ok(())
    }

    pub(in crate::cli) async fn offer_setup(&mut self) -> Result<String, AdminError> {
        match &mut self.way {
            Way::Broker(broker) => Ok(broker
                .post_json::<Offered>("/api/v1/setup/token", &serde_json::json!({}))
                .await?
                .setup_token),
            Way::Store(setup) => Ok(setup.new_setup_token()?),
        }
    }
}

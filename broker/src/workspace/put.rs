//! What a workspace says is put by an operator of its own, `operator/workspace`: what it does is in the audit trail under
//! that name, and ends when an admin shuts it out. Nobody has a token of it.

use nexus_wire::admin::{OperatorAdd, OperatorRole};
use nexus_wire::flow::{FlowGet, FlowInfo, FlowPut};
use nexus_wire::trigger::{TriggerGet, TriggerInfo, TriggerPause, TriggerResume, TriggerStatus};
use nexus_wire::{ErrorBody, ErrorCode, Json, OperatorName, Party, RequestId, ToBroker, TriggerName};
use nexus_workspace::{HOME_FILE, Item};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::edge::Edge;
use crate::hub::{Access, CommandBody, Note};
use crate::identity::{Identity, Role, token};

const OPERATOR: &str = "workspace";
/// Why a trigger is paused whose file is gone.
const LEFT: &str = "it is no longer in the workspace";

/// The operator, at work.
pub(super) struct Acting<'a> {
    edge: &'a Edge,
    identity: Identity,
}

impl<'a> Acting<'a> {
    /// Makes the operator the first time. One that was shut out stays so.
    pub(super) async fn open(edge: &'a Edge) -> Result<Self, ErrorBody> {
        let name: OperatorName =
            OPERATOR.parse().map_err(|_| ErrorBody::new(ErrorCode::Internal, "the name is none"))?;
        let of = name.clone();
        let standing = edge
            .ask(move |hub| hub.roster().operator(&of).map(|it| (it.revoked_at.is_none(), it.role)))
            .await?;
        let role = match standing {
            Some((true, OperatorRole::Admin)) => Role::Admin,
            Some((true, OperatorRole::Operator)) => Role::Operator,
            Some((true, OperatorRole::Viewer)) => Role::Viewer,
            Some((false, _)) => {
                let message = format!(
                    "operator {OPERATOR}, as which the files are loaded, was shut out, so nothing is loaded; to let it in \
                     again: nexus operator add {OPERATOR} --role operator"
                );
                return Err(ErrorBody::new(ErrorCode::Forbidden, message));
            }
            None => {
                // Of a token that was never shown to anybody.
                let token_sha256 = token::digest(&token::mint()).to_string();
                let add = OperatorAdd { name: name.clone(), role: OperatorRole::Operator, token_sha256 };
                edge.call(CommandBody::AddOperator { by: Party::System, add }, 0).await?;
                Role::Operator
            }
        };
        Ok(Self { edge, identity: Identity { party: Party::Operator(name), role, key_generation: 0 } })
    }

    async fn ask(&self, frame: impl Into<ToBroker>) -> Result<Json, ErrorBody> {
        self.edge.request(&self.identity, RequestId(Uuid::now_v7()), frame.into(), 0).await
    }

    pub(super) async fn put(&self, item: &Item) -> Result<(), ErrorBody> {
        match item {
            Item::Flow(flow) => self.ask(FlowPut { flow: (**flow).clone() }).await.map(|_| ()),
            Item::Home(_) => self.note_home().await,
            Item::Registry(put) => self.ask((**put).clone()).await.map(|_| ()),
            Item::Trigger(trigger) => self.ask((**trigger).clone()).await.map(|_| ()),
        }
    }

    /// What is shipped takes the place of nothing that somebody has put.
    pub(super) async fn check_free(&self, item: &Item) -> Result<(), ErrorBody> {
        let Item::Flow(flow) = item else { return Ok(()) };
        let Some(FlowInfo { by, flow: there, .. }) = self.find(FlowGet { flow: flow.id.clone() }).await?
        else {
            return Ok(());
        };
        if by == self.identity.party || there == **flow {
            return Ok(());
        }
        let id = &flow.id;
        let message = format!(
            "`id`: {by} has put a flow {id}, and that stays; hide this one with flows/{id}.yaml.remove, or delete that one"
        );
        Err(ErrorBody::new(ErrorCode::Conflict, message))
    }

    /// The log says that the home page is another one, so that those that are open are drawn anew.
    async fn note_home(&self) -> Result<(), ErrorBody> {
        let (actor, subject) = (self.identity.party.clone(), HOME_FILE.to_owned());
        let note = Note { actor, kind: "home.changed", subject };
        let body = CommandBody::Access { by: Party::System, act: Access::Note(vec![note]) };
        self.edge.call(body, 0).await.map(|_| ())
    }

    /// No file says it any more: a trigger is paused, if it is still the workspace's own.
    pub(super) async fn leave(&self, key: &str) -> Result<(), ErrorBody> {
        if key.starts_with("home/") {
            return self.note_home().await;
        }
        let Some(name) = key.strip_prefix("trigger/").and_then(|name| name.parse().ok()) else {
            return Ok(());
        };
        if let Some(info) = self.own(&name).await?
            && info.status == TriggerStatus::Active
        {
            self.ask(TriggerPause { trigger: name, reason: Some(LEFT.to_owned()) }).await?;
        }
        Ok(())
    }

    /// A file says it again. A pause by anybody else stays.
    pub(super) async fn come_back(&self, item: &Item) -> Result<(), ErrorBody> {
        let trigger = match item {
            Item::Trigger(trigger) => trigger,
            Item::Home(_) => return self.note_home().await,
            Item::Flow(_) | Item::Registry(_) => return Ok(()),
        };
        let name = trigger.name.clone();
        if let Some(info) = self.own(&name).await?
            && info.status == TriggerStatus::Paused
            && info.reason.is_some_and(|reason| reason == format!("by {}: {LEFT}", self.identity.party))
        {
            self.ask(TriggerResume { trigger: name }).await?;
        }
        Ok(())
    }

    async fn own(&self, name: &TriggerName) -> Result<Option<TriggerInfo>, ErrorBody> {
        let info: Option<TriggerInfo> = self.find(TriggerGet { trigger: name.clone() }).await?;
        Ok(info.filter(|info| info.owner == self.identity.party))
    }

    /// What there may be nothing of.
    async fn find<T: DeserializeOwned>(&self, get: impl Into<ToBroker>) -> Result<Option<T>, ErrorBody> {
        match self.ask(get).await {
            Ok(json) => {
                json.parse().map(Some).map_err(|error| ErrorBody::new(ErrorCode::Internal, error.to_string()))
            }
            Err(error) if error.code == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

//! What an operation does, it does by frames of the caller's: this asks them, and puts a task together from what
//! they answer.

use std::sync::Arc;

use nexus_wire::approval::{ApprovalInfo, ApprovalList, ApprovalPage};
use nexus_wire::chat::{ChatGet, Message};
use nexus_wire::hands::{DispatchInfo, DispatchStatus};
use nexus_wire::roster::{AspectRole, Team, TeamList};
use nexus_wire::thread::{ChatReceipts, ReceiptPage, ReceiptState};
use nexus_wire::{AspectName, DispatchId, ErrorBody, ErrorCode, MessageId, Party, RequestId, ToBroker};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::card::Of;
use super::fault::Fault;
use super::task::{Said, Source, Work};
use crate::edge::Edge;
use crate::identity::Identity;

/// One caller before one agent.
#[derive(Debug)]
pub(super) struct Door {
    edge: Arc<Edge>,
    caller: Identity,
    origin: String,
    of: Of,
}

impl Door {
    pub(super) fn new(edge: Arc<Edge>, caller: Identity, origin: String, of: Of) -> Self {
        Self { edge, caller, origin, of }
    }

    pub(super) fn edge(&self) -> &Arc<Edge> {
        &self.edge
    }

    pub(super) fn caller(&self) -> &Identity {
        &self.caller
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn of(&self) -> &Of {
        &self.of
    }

    /// A request of which there is no repeat.
    pub(super) async fn ask<T: DeserializeOwned>(&self, frame: impl Into<ToBroker>) -> Result<T, Fault> {
        self.ask_as(RequestId(Uuid::now_v7()), frame, 0).await
    }

    /// `bytes`: about what the frame would have on a link.
    pub(super) async fn ask_as<T: DeserializeOwned>(
        &self,
        request: RequestId,
        frame: impl Into<ToBroker>,
        bytes: usize,
    ) -> Result<T, Fault> {
        let answer = self.edge.request(&self.caller, request, frame.into(), bytes).await?;
        answer.parse().map_err(|error| Fault::internal(format!("an answer does not read back: {error}")))
    }

    /// Whether the agent that is asked is on the team.
    pub(super) async fn exists(&self) -> Result<(), Fault> {
        match &self.of {
            Of::Nexus => Ok(()),
            Of::Aspect(name) => {
                let named = name.clone();
                if self.edge.ask(move |hub| hub.roster().aspect(&named).is_some()).await? {
                    return Ok(());
                }
                Err(ErrorBody::new(ErrorCode::NotFound, format!("there is no aspect {name}")).into())
            }
        }
    }

    /// Whom what is sent here is for.
    pub(super) async fn name(&self) -> Result<AspectName, Fault> {
        match &self.of {
            Of::Aspect(name) => Ok(name.clone()),
            Of::Nexus => self.lead().await?.ok_or_else(|| {
                let message = "nobody leads this team: ask one of its agents, at /a2a/<name>";
                ErrorBody::new(ErrorCode::NotFound, message).into()
            }),
        }
    }

    async fn lead(&self) -> Result<Option<AspectName>, Fault> {
        let team: Team = self.ask(TeamList { after: None, limit: None }).await?;
        Ok(team.aspects.into_iter().find(|it| it.role == AspectRole::Frame).map(|it| it.name))
    }

    /// What a task is made from, if the caller may see it and it is one of whom is asked.
    pub(super) async fn source(&self, id: &str) -> Result<Source, Fault> {
        let Ok(uuid) = id.parse::<Uuid>() else { return Err(Fault::no_task(id)) };
        match self.ask::<Message>(ChatGet { message: MessageId(uuid) }).await {
            Ok(message) => match self.addressed(&message).await? {
                Some(aspect) => Ok(Source::Said(Box::new(self.said(aspect, message).await?))),
                None => Err(Fault::no_task(id)),
            },
            Err(fault) if fault.is_missing() => self.work(DispatchId(uuid), id).await,
            Err(fault) => Err(fault),
        }
    }

    /// Which of those a message is for is meant.
    async fn addressed(&self, message: &Message) -> Result<Option<AspectName>, Fault> {
        let aspects = message.to.iter().filter_map(Party::aspect);
        match &self.of {
            Of::Aspect(name) => Ok(aspects.into_iter().find(|it| *it == name).cloned()),
            Of::Nexus => {
                let aspects: Vec<_> = aspects.collect();
                if let [one] = aspects.as_slice() {
                    return Ok(Some((*one).clone()));
                }
                let lead = self.lead().await?;
                let meant = aspects.iter().find(|it| Some(**it) == lead.as_ref()).or_else(|| aspects.first());
                Ok(meant.map(|it| (*it).clone()))
            }
        }
    }

    async fn said(&self, aspect: AspectName, message: Message) -> Result<Said, Fault> {
        let party = Party::Aspect(aspect.clone());
        let mut after = None;
        let receipt = loop {
            let page: ReceiptPage =
                self.ask(ChatReceipts { message: message.id, after, limit: None }).await?;
            after = page.receipts.last().map(|it| it.party.clone());
            if let Some(receipt) = page.receipts.into_iter().find(|it| it.party == party) {
                break receipt;
            }
            if !page.more {
                return Err(Fault::no_task(&message.id.to_string()));
            }
        };
        let answer = match receipt.reply {
            // What is kept no longer leaves the task without its answer.
            Some(reply) => match self.ask::<Message>(ChatGet { message: reply }).await {
                Ok(answer) => Some(answer),
                Err(fault) if fault.is_missing() => None,
                Err(fault) => return Err(fault),
            },
            None => None,
        };
        let waits = if receipt.state == ReceiptState::InContext {
            let thread = message.thread;
            let is_it = |it: &ApprovalInfo| {
                it.aspect.aspect() == Some(&aspect) && it.thread == Some(thread) && it.lease.is_none()
            };
            self.waiting(is_it).await?
        } else {
            None
        };
        Ok(Said { aspect, message, receipt, answer, waits })
    }

    async fn work(&self, dispatch: DispatchId, id: &str) -> Result<Source, Fault> {
        let status = DispatchStatus { dispatch, without_output: false };
        let info: DispatchInfo = match self.ask(status).await {
            Ok(info) => info,
            Err(fault) if fault.is_missing() => return Err(Fault::no_task(id)),
            Err(fault) => return Err(fault),
        };
        let here = match &self.of {
            Of::Aspect(name) => info.hand.aspect == *name,
            Of::Nexus => true,
        };
        if !here {
            return Err(Fault::no_task(id));
        }
        let waits = if info.state.is_end() {
            None
        } else {
            self.waiting(|it| it.lease.is_some_and(|lease| lease.dispatch == dispatch)).await?
        };
        Ok(Source::Work(Box::new(Work { info, waits })))
    }

    /// What is open of what aspects ask people; that is for people to see.
    async fn waiting(&self, is_it: impl Fn(&ApprovalInfo) -> bool) -> Result<Option<ApprovalInfo>, Fault> {
        if self.caller.party.aspect().is_some() {
            return Ok(None);
        }
        let mut before = None;
        loop {
            let page: ApprovalPage = self.ask(ApprovalList { all: false, before, limit: Some(200) }).await?;
            before = page.approvals.last().map(|it| it.id);
            if let Some(found) = page.approvals.into_iter().find(|it| is_it(it)) {
                return Ok(Some(found));
            }
            if !page.more {
                return Ok(None);
            }
        }
    }
}

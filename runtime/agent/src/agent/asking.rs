//! Asking people about a call while the turn goes on, and saying in the conversation what they are asked.

use nexus_wire::approval::{ApprovalAsk, ApprovalEnd, ApprovalState, ApprovalWithdraw, Asked};
use nexus_wire::chat::ChatSend;
use nexus_wire::{Party, RequestId, derive};

use super::drive::{Drive, DriveError, Out};
use crate::outbox::Post;
use crate::session::ApprovalMark;
use crate::tools::{Caller, ask, asked, notice};
use crate::turn::Call;

impl Drive {
    /// Asks people about a call, and goes on with other things.
    pub(super) async fn ask_people(
        &mut self,
        call: Call,
        blocked: bool,
        out: &mut Out,
    ) -> Result<(), DriveError> {
        let id = self.caller.leave_id(call.ordinal, blocked);
        let asked = asked(&call.name, &call.input, blocked);
        self.tell_people(&asked, id).await?;
        let frame = ApprovalAsk {
            asked,
            thread: self.caller.thread,
            lease: self.caller.lease,
            notice: self.caller.notice_of(id),
            trigger: None,
            deadline_s: self.toolbox.wait_s(),
        };
        let (toolbox, caller) = (self.toolbox.traced(self.trace.context().cloned()), self.caller.clone());
        out.asking.insert(call.id.clone(), id);
        out.asks.spawn(async move {
            let ended = ask(toolbox.line(), toolbox.claims(), &caller, id, frame).await;
            let mark = ApprovalMark {
                tool_use_id: call.id,
                state: ApprovalState::Denied,
                approval: None,
                by: None,
                text: None,
                blocked: None,
            };
            match ended {
                Ok((ApprovalEnd { approval, state, by, text }, item)) => {
                    let (approval, by) = (Some(approval.0), by.map(|by| by.to_string()));
                    (ApprovalMark { state, approval, by, text, ..mark }, Some(item))
                }
                Err(error) => (ApprovalMark { text: Some(error.to_string()), ..mark }, None),
            }
        });
        Ok(())
    }

    /// Says in the conversation what people are asked, where one of them is in it.
    pub(super) async fn tell_people(&self, asked: &Asked, id: RequestId) -> Result<(), DriveError> {
        if self.caller.notice_of(id).is_none() {
            return Ok(());
        }
        let approval = derive::approval_id(id, &Party::Aspect(self.caller.me.clone()));
        let send =
            ChatSend { thread: self.caller.thread, content: notice(asked, approval), ..ChatSend::default() };
        let (id, trace) = (Caller::notice_request(id), self.trace.carried());
        Ok(self.books.post(Post { id, trace, frame: send.into() }).await?)
    }

    /// Nobody waits for these answers any more.
    pub(super) async fn withdraw(
        &self,
        asked: impl IntoIterator<Item = RequestId>,
    ) -> Result<(), DriveError> {
        for id in asked {
            let approval = derive::approval_id(id, &Party::Aspect(self.caller.me.clone()));
            let reason = Some("the turn that asked has ended".to_owned());
            let id = RequestId(derive::derived(approval.0, "withdraw", 0));
            let frame = ApprovalWithdraw { approval, reason }.into();
            self.books.post(Post { id, trace: self.trace.carried(), frame }).await?;
        }
        Ok(())
    }
}

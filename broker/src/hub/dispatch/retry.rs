//! Doing again what came to nothing: a new dispatch of the same work, linked to the old one.

use nexus_wire::budget::Spending;
use nexus_wire::hands::DispatchRetry;
use nexus_wire::{ErrorCode, Party, RequestId, derive};

use super::target::Begun;
use super::{Order, Retry};
use crate::hub::inbox::sha256_of;
use crate::hub::records::{DispatchRecord, Store, came_to_nothing};
use crate::hub::step::{Done, Step, refuse};

impl<S: Store> Step<'_, S> {
    /// Whoever asks is the new one's invoker. It is nobody's child, whatever the old one was: its parent has long
    /// been told.
    pub(in crate::hub) fn dispatch_retry(
        &mut self,
        sender: &Party,
        request: RequestId,
        retry: &DispatchRetry,
    ) -> Done {
        let request_sha256 = sha256_of(&("retry", retry));
        if self.is_repeated(sender, request, request_sha256)? {
            return Ok(());
        }
        let old = retry.dispatch;
        let Some(record) = self.store.dispatch(old)? else {
            return refuse(ErrorCode::NotFound, format!("there is no dispatch {old}"));
        };
        super::check_may_steer(sender, &record.info, "retry")?;
        if !came_to_nothing(record.info.state) {
            let state = record.info.state.as_str();
            return refuse(
                ErrorCode::Invalid,
                format!("dispatch {old} is {state}; only one that failed or timed out is tried again"),
            );
        }
        let DispatchRecord { info, trace, .. } = record;
        let target = match &info.capability {
            Some(wanted) => self.chosen(sender, wanted, &info.input, Begun::No, None)?,
            None => self.named(sender, info.hand, &info.input)?,
        };
        let had_s = u32::try_from((info.deadline_at - info.accepted_at) / 1000).unwrap_or(u32::MAX).max(1);
        let (deadline_at, clamped) = self.deadline(Some(retry.deadline_s.unwrap_or(had_s)))?;
        super::check_budget("budget", retry.budget)?;
        let budget = retry.budget.or(info.budget);
        let id = derive::dispatch_id(request, sender);
        let order = Order {
            id,
            request_sha256,
            target,
            capability: info.capability,
            input: info.input,
            thread: info.thread,
            deadline_at,
            clamped,
            budget,
            parent: None,
            parent_used: Spending::default(),
            retry: Some(Retry { of: old, trace: trace.map(|trace| trace.context) }),
            run: None,
        };
        self.accept(sender, order)?;
        if let Some(mut record) = self.store.dispatch_head(old)? {
            record.info.retried_as = Some(id);
            self.store.put_dispatch(&record)?;
        }
        self.log_other(sender.clone(), "dispatch.retried", old, &id)?;
        Ok(())
    }
}

//! Ending work on purpose: a cancel with its receipt, and workers that say that they have stopped.

use nexus_wire::budget::Spending;
use nexus_wire::hands::{DispatchCancel, DispatchInfo, DispatchStopped};
use nexus_wire::{DispatchId, ErrorBody, ErrorCode, Party, RequestId};
use serde_json::json;

use super::{check_size, worker};
use crate::hub::inbox::json_bytes;
use crate::hub::records::{CancelRecord, DispatchRecord, Store, Stored};
use crate::hub::step::{Done, Step, refuse};

impl<S: Store> Step<'_, S> {
    /// A repeat of the request that ended it has the same receipt.
    pub(in crate::hub) fn dispatch_cancel(
        &mut self,
        sender: &Party,
        request: RequestId,
        cancel: DispatchCancel,
    ) -> Done {
        check_size(json_bytes(&cancel), "cancel")?;
        let id = cancel.dispatch;
        let Some(record) = self.store.dispatch_head(id)? else {
            return refuse(ErrorCode::NotFound, format!("there is no dispatch {id}"));
        };
        check_may_steer(sender, &record.info, "cancel")?;
        if let Some(first) = record.cancel.as_ref().filter(|it| it.by == *sender && it.request == request) {
            self.answer(&first.receipt);
            return Ok(());
        }
        let reason = match cancel.reason {
            Some(reason) if !reason.is_empty() => format!("cancelled by {sender}: {reason}"),
            Some(_) | None => format!("cancelled by {sender}"),
        };
        let receipt = self.hub.queue.cancel(id, &reason, self.at);
        self.answer(&receipt);
        if !receipt.cancelled.is_empty() {
            let cancel = CancelRecord { by: sender.clone(), request, receipt };
            self.store.put_dispatch(&DispatchRecord { cancel: Some(cancel), ..record })?;
            self.log_other(sender.clone(), "dispatch.cancelled", id, &reason)?;
        }
        self.settle(None, None)?;
        Ok(())
    }

    /// The first confirmation counts; another one is answered like it.
    pub(in crate::hub) fn dispatch_stopped(&mut self, sender: &Party, stopped: DispatchStopped) -> Done {
        let host = worker(sender)?;
        let lease = stopped.lease;
        let id = lease.dispatch;
        let record =
            self.store.dispatch_head(id)?.filter(|record| record.info.worker_of(lease.attempt) == host);
        let Some(mut record) = record else {
            return refuse(
                ErrorCode::NotFound,
                format!("there is no dispatch {id} that {host} has worked on"),
            );
        };
        if self.hub.queue.holds(lease, host).is_ok() {
            let message = format!(
                "dispatch {id} attempt {} was not to be stopped; hand in a result, if only that it failed",
                lease.attempt
            );
            return Err(ErrorBody::new(ErrorCode::Invalid, message).with(json!({"lease": lease})).into());
        }
        let at = self.at;
        let stop = record.info.stop_of(lease.attempt);
        if let Some(stop) = stop.filter(|it| it.confirmed_at.is_none()) {
            stop.confirmed_at = Some(at);
            let late = Spending::of(&stopped.usage, stopped.cost_microusd).minus(stop.said);
            let info = &mut record.info;
            if info.state.is_end() {
                info.usage = info.usage.plus(&stopped.usage);
                let cost = info.cost_microusd.zip(stopped.cost_microusd);
                info.cost_microusd = cost
                    .map(|(sum, more)| sum.saturating_add(more))
                    .or(info.cost_microusd)
                    .or(stopped.cost_microusd);
                info.spent = info.spent.map(|spent| spent.plus(late));
            }
            self.store.put_dispatch(&record)?;
            self.log_other(sender.clone(), "dispatch.work_stopped", id, &stopped)?;
            let (above, payer) = self.above(&record.info)?;
            self.hub.queue.used_late(lease, &above, &payer, late, at);
            self.settle(None, None)?;
        }
        self.answer(&json!({}));
        Ok(())
    }

    /// The dispatches it was made for, the nearest first, and who pays for all of them.
    fn above(&self, info: &DispatchInfo) -> Stored<(Vec<DispatchId>, Party)> {
        let (mut above, mut payer, mut parent) = (Vec::new(), info.invoker.clone(), info.parent);
        while let Some(id) = parent {
            let Some(record) = self.store.dispatch_head(id)? else { break };
            above.push(id);
            (payer, parent) = (record.info.invoker, record.info.parent);
        }
        Ok((above, payer))
    }
}

/// Its invoker may, and an operator.
pub(super) fn check_may_steer(sender: &Party, info: &DispatchInfo, what: &str) -> Done {
    let may = match sender {
        Party::Aspect(_) => info.invoker == *sender,
        Party::Operator(_) | Party::System => true,
    };
    if may {
        return Ok(());
    }
    let DispatchInfo { id, invoker, .. } = info;
    refuse(
        ErrorCode::Forbidden,
        format!("dispatch {id} was made by {invoker}; they or an operator may {what} it"),
    )
}

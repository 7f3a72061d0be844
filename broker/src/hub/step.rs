//! One command on its way through the hub: what it may touch, and the effects it has had so far.

use nexus_wire::log::{LogBody, LogEntry};
use nexus_wire::{ErrorBody, ErrorCode, FromBroker, Json, Ms, Party, ThreadId, TraceContext, TriggerName};
use serde::Serialize;

use super::Hub;
use super::command::{Change, CommandBody, Origin, Traced};
use super::effect::{Effect, Effects};
use super::records::{LogRecord, Store, StoreError, Stored};
use super::run::Noted;
use super::trigger::Heard;

/// Why a command did not do what it asked for.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The sender is told; what the command changed so far stands.
    Answer(ErrorBody),
    /// The batch is lost.
    Store(StoreError),
}

impl From<ErrorBody> for Refusal {
    fn from(body: ErrorBody) -> Self {
        Self::Answer(body)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub(super) type Done<T = ()> = Result<T, Refusal>;

pub(super) fn refuse<T>(code: ErrorCode, message: impl Into<String>) -> Done<T> {
    Err(Refusal::Answer(ErrorBody::new(code, message)))
}

pub(super) struct Step<'a, S> {
    pub(super) hub: &'a mut Hub,
    pub(super) store: &'a mut S,
    pub(super) at: Ms,
    pub(super) trace: Option<Box<Traced>>,
    origin: Origin,
    /// Of the whole batch.
    pub(super) effects: &'a mut Effects,
    /// Where this command's begin.
    begin: usize,
    /// What triggers have waited for.
    pub(super) heard: Vec<Heard>,
    /// What steps of runs have waited for.
    pub(super) noted: Vec<Noted>,
    /// Which triggers have led to what is done at the moment, where that is known.
    pub(super) causes: Option<Vec<TriggerName>>,
}

impl<'a, S: Store> Step<'a, S> {
    pub(super) fn new(
        hub: &'a mut Hub,
        store: &'a mut S,
        effects: &'a mut Effects,
        at: Ms,
        origin: Origin,
        trace: Option<Box<Traced>>,
    ) -> Self {
        let (begin, heard, noted) = (effects.all.len(), Vec::new(), Vec::new());
        Self { hub, store, at, trace, origin, effects, begin, heard, noted, causes: None }
    }

    /// What is caused by this command alone carries this.
    pub(super) fn context(&self) -> Option<TraceContext> {
        self.trace.as_ref().map(|trace| trace.context.clone())
    }

    /// The effects so far, to be put behind others that belong before them.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        self.effects.all.split_off(self.begin)
    }

    pub(super) fn append(&mut self, effects: Vec<Effect>) {
        self.effects.all.extend(effects);
    }

    pub(super) fn run(&mut self, body: CommandBody) -> Stored<()> {
        let stopped = self.hub.spending_stop();
        match self.carry_out(body) {
            Ok(()) => {}
            Err(Refusal::Answer(body)) => self.answer_with(Err(body)),
            Err(Refusal::Store(error)) => return Err(error),
        }
        // One order, which ends: what was asked for; the runs it has to do with, each as far as it comes by itself;
        // those who have waited for an entry of the log. They are noted in the same commit and begin at a later tick,
        // so nothing that a command sets off sets off more within it.
        self.runs_advance()?;
        self.heed()?;
        self.call_in()?;
        self.end_long_line()?;
        self.tell_spending(stopped);
        debug_assert!(self.hub.runs.is_at_rest(), "what was heard has moved a run");
        Ok(())
    }

    /// Without an answer to whoever waits for one from this command.
    pub(super) fn silently<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let origin = std::mem::replace(&mut self.origin, Origin::Broker);
        let result = act(self);
        self.origin = origin;
        result
    }

    fn carry_out(&mut self, body: CommandBody) -> Done {
        match body {
            CommandBody::BrokerStarted(config) => self.broker_started(config),
            CommandBody::MachineWoke { slept_ms } => self.machine_woke(slept_ms),
            CommandBody::Tick => {
                self.spending_due()?;
                self.hub.queue.tick(self.at);
                self.end_overlaps()?;
                self.settle(None, None)?;
                self.move_lost()?;
                self.gathers_due()?;
                self.approvals_due()?;
                self.triggers_due()?;
                self.runs_due()?;
                self.tell_long_waits()?;
                Ok(self.miss()?)
            }
            CommandBody::LinkDown { aspect, link, generation } => self.link_down(&aspect, link, generation),
            CommandBody::Register { aspect, link, key_generation, register, new_epoch } => {
                self.register(&aspect, link, key_generation, register, new_epoch)
            }
            CommandBody::Ack { aspect, link, offset } => self.ack(&aspect, link, offset),
            CommandBody::Request { sender, link, request, change } => {
                self.check_sender(&sender, link)?;
                match change {
                    Change::ChatMark(mark) => self.chat_mark(&sender, mark),
                    Change::ChatReact(react) => self.chat_react(&sender, react),
                    Change::BudgetClear(clear) => self.budget_clear(&sender, request, &clear),
                    Change::BudgetGoOn(go_on) => self.budget_go_on(&sender, request, go_on),
                    Change::BudgetSet(set) => self.budget_set(&sender, request, &set),
                    Change::BudgetStop(stop) => self.budget_stop(&sender, request, &stop),
                    Change::AlertAck(ack) => self.alert_ack(&sender, request, &ack),
                    Change::ApprovalAnswer(answer) => self.approval_answer(&sender, request, answer),
                    Change::ApprovalAsk(ask) => self.approval_ask(&sender, request, ask),
                    Change::ApprovalWithdraw(withdraw) => self.approval_withdraw(&sender, withdraw),
                    Change::AspectRelease(release) => self.aspect_release(&sender, request, &release),
                    Change::AspectRestrain(restrain) => self.aspect_restrain(&sender, request, restrain),
                    Change::ChatSend(send) => self.chat_send(&sender, request, send),
                    Change::Deregister => self.deregister(&sender),
                    Change::Dispatch(measured) => self.dispatch(&sender, request, measured),
                    Change::DispatchCancel(cancel) => self.dispatch_cancel(&sender, request, cancel),
                    Change::DispatchResult(result) => self.dispatch_result(&sender, request, result),
                    Change::DispatchRetry(retry) => self.dispatch_retry(&sender, request, &retry),
                    Change::DispatchStopped(stopped) => self.dispatch_stopped(&sender, stopped),
                    Change::DispatchWait(wait) => self.dispatch_wait(&sender, request, wait),
                    Change::FlowDelete(delete) => self.flow_delete(&sender, request, delete),
                    Change::FlowPut(put) => self.flow_put(&sender, request, put),
                    Change::Gather(gather) => self.gather(&sender, request, gather),
                    Change::GatherCancel(cancel) => self.gather_cancel(&sender, request, cancel),
                    Change::InboxClose(close) => self.inbox_close(&sender, close),
                    Change::InboxTaken(taken) => self.inbox_taken(&sender, taken),
                    Change::KnowledgeDelete(delete) => self.knowledge_delete(&sender, request, delete),
                    Change::KnowledgeGrant(grant) => self.knowledge_grant(&sender, request, grant),
                    Change::KnowledgeRevoke(revoke) => self.knowledge_revoke(&sender, request, revoke),
                    Change::KnowledgeStore(store) => self.knowledge_store(&sender, request, store),
                    Change::LeaseRenew(renew) => self.lease_renew(&sender, renew),
                    Change::RegistryDelete(delete) => self.registry_delete(&sender, request, delete),
                    Change::RegistryPut(put) => self.registry_put(&sender, request, put),
                    Change::RegistryRemove(remove) => self.registry_remove(&sender, request, remove),
                    Change::RegistryWrite(write) => self.registry_write(&sender, request, write),
                    Change::RunCancel(cancel) => self.run_cancel(&sender, request, cancel),
                    Change::RunRetry(retry) => self.run_retry(&sender, request, retry),
                    Change::RunStart(start) => self.run_start(&sender, request, start),
                    Change::SessionCommand(command) => self.session_command(&sender, request, command),
                    Change::SessionStuck(stuck) => self.session_stuck(&sender, request, &stuck),
                    Change::SettingsBroken(broken) => self.settings_broken(&sender, &broken),
                    Change::ThreadRename(rename) => self.thread_rename(&sender, rename),
                    Change::TriggerDelete(delete) => self.trigger_delete(&sender, request, &delete),
                    Change::TriggerFire(fire) => self.trigger_fire(&sender, request, fire),
                    Change::TriggerPause(pause) => self.trigger_pause(&sender, request, &pause),
                    Change::TriggerPut(put) => self.trigger_put(&sender, request, *put),
                    Change::TriggerResume(resume) => self.trigger_resume(&sender, request, &resume),
                    Change::TriggerRotate(rotate) => self.trigger_rotate(&sender, request, rotate),
                    Change::WatchChanged(changed) => self.watch_changed(&sender, request, &changed),
                    Change::WatchFailing(failing) => self.watch_failing(&sender, &failing),
                }
            }
            CommandBody::RaiseAlert { kind, subject, message } => {
                Ok(self.raise_alert(kind, &subject, &message)?)
            }
            CommandBody::ClearAlert { kind, subject } => Ok(self.clear_alert(kind, &subject)?),
            CommandBody::PutBlob { by, blob } => self.put_blob(&by, blob),
            CommandBody::ForgetBlobs { before, limit } => self.forget_blobs(before, limit),
            CommandBody::PruneInboxes { before, limit } => self.prune_inboxes(before, limit),
            CommandBody::PruneMessages { before, messages } => self.prune_messages(before, &messages),
            CommandBody::PruneDispatches { before, dispatches } => self.prune_dispatches(before, &dispatches),
            CommandBody::PruneApprovals { before, approvals } => self.prune_approvals(before, &approvals),
            CommandBody::PruneRuns { before, runs } => self.prune_runs(before, &runs),
            CommandBody::PruneLog(checkpoint) => self.prune_log(&checkpoint),
            CommandBody::Restored { new_epoch } => self.restored(new_epoch),
            CommandBody::Seen { aspect, link, state } => Ok(self.seen(&aspect, link, state)?),
            CommandBody::Access { by, act } => self.access(&by, act),
            CommandBody::Push(act) => self.push_act(act),
            CommandBody::Hook(call) => self.hook_called(call),
            CommandBody::Looked(look) => Ok(self.looked(look)?),
            CommandBody::KnowledgeUsed(uses) => self.knowledge_used(uses),
            CommandBody::AddAspect { by, add } => self.add_aspect(&by, add),
            CommandBody::RevokeAspect { by, name } => self.revoke_aspect(&by, &name),
            CommandBody::AddOperator { by, add } => self.add_operator(&by, add),
            CommandBody::RevokeOperator { by, name } => self.revoke_operator(&by, &name),
        }
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.all.push(effect);
    }

    /// Nothing is made for an answer nobody waits for.
    pub(super) fn answer(&mut self, result: &impl Serialize) {
        if self.is_awaited() {
            self.answer_with(Ok(FromBroker::Ok(Json::of(result))));
        }
    }

    pub(super) fn answer_with(&mut self, answer: Result<FromBroker, ErrorBody>) {
        if self.is_awaited() {
            self.effects.all.push(Effect::Answer { origin: self.origin, answer });
        }
    }

    pub(super) fn is_awaited(&self) -> bool {
        match self.origin {
            Origin::Link { request, .. } => request.is_some(),
            Origin::Call(_) => true,
            Origin::Broker => false,
        }
    }

    /// The `seq` the next [`Self::log`] will have.
    pub(super) fn next_seq(&self) -> u64 {
        self.hub.log_seq + 1
    }

    pub(super) fn log(
        &mut self,
        actor: Party,
        thread: Option<ThreadId>,
        body: LogBody,
        content_sha256: [u8; 32],
    ) -> Stored<()> {
        self.hub.log_seq += 1;
        let entry = LogEntry { seq: self.hub.log_seq, at: self.at, actor, thread, body };
        let record = LogRecord { entry, content_sha256 };
        self.store.append_log(&record)?;
        self.hear(&record.entry)?;
        self.effects.all.push(Effect::Logged(record.entry));
        Ok(())
    }

    /// A change shown by its kind and its subject only; `content` is what it brought in.
    pub(super) fn log_other(
        &mut self,
        actor: Party,
        kind: &str,
        subject: impl ToString,
        content: &impl Serialize,
    ) -> Stored<()> {
        let body = LogBody::Other { kind: kind.to_owned(), subject: subject.to_string() };
        self.log(actor, None, body, super::inbox::sha256_of(content))
    }
}

//! What the team does by itself, and what is wrong with it.

use nexus_wire::ErrorBody;
use nexus_wire::alert::{Alert, AlertAck, AlertList, AlertPage};
use nexus_wire::trigger::{
    TriggerFire, TriggerFired, TriggerHistory, TriggerInfo, TriggerList, TriggerPage, TriggerPause,
    TriggerResume, TriggerSlots,
};

use super::args;
use crate::bus::Bus;
use crate::server::{Call, TeamServer};

impl<B: Bus> TeamServer<B> {
    pub(super) async fn list_triggers(&self, args: args::ListTriggers) -> Result<TriggerPage, ErrorBody> {
        let args::ListTriggers { after, limit } = args;
        self.look(TriggerList { after, limit }).await
    }

    pub(super) async fn trigger_history(
        &self,
        args: args::TriggerHistory,
    ) -> Result<TriggerSlots, ErrorBody> {
        let args::TriggerHistory { trigger, before, limit } = args;
        self.look(TriggerHistory { trigger, before, limit }).await
    }

    pub(super) async fn fire_trigger(
        &self,
        args: args::FireTrigger,
        call: &Call,
    ) -> Result<TriggerFired, ErrorBody> {
        let args::FireTrigger { trigger, payload, idempotency_key } = args;
        self.ask(call.id(idempotency_key.as_deref())?, TriggerFire { trigger, payload }).await
    }

    pub(super) async fn pause_trigger(
        &self,
        args: args::PauseTrigger,
        call: &Call,
    ) -> Result<TriggerInfo, ErrorBody> {
        let args::PauseTrigger { trigger, reason } = args;
        self.ask(call.id(None)?, TriggerPause { trigger, reason }).await
    }

    pub(super) async fn resume_trigger(
        &self,
        args: args::ResumeTrigger,
        call: &Call,
    ) -> Result<TriggerInfo, ErrorBody> {
        self.ask(call.id(None)?, TriggerResume { trigger: args.trigger }).await
    }

    pub(super) async fn list_alerts(&self, args: args::ListAlerts) -> Result<AlertPage, ErrorBody> {
        let args::ListAlerts { all, before, limit } = args;
        self.look(AlertList { all, before, limit }).await
    }

    pub(super) async fn ack_alert(&self, args: args::AckAlert, call: &Call) -> Result<Alert, ErrorBody> {
        self.ask(call.id(None)?, AlertAck { key: args.key }).await
    }
}

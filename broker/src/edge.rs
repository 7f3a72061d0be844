//! What every connection needs, put together once: the gate, the way to the core and what it published, the
//! relay, the readers. Decides nothing itself.

use std::sync::{Arc, Mutex};

use nexus_wire::admin::NexusInfo;
use nexus_wire::limits::SUBPROTOCOL;
use nexus_wire::roster::{AspectInfo, Team};
use nexus_wire::{ErrorBody, ErrorCode, FromBroker, Ms};
use tokio::sync::Semaphore;

use crate::clock::{self, Clock};
use crate::core::Published;
use crate::hub::records::AspectRecord;
use crate::hub::{CommandBody, Hub};
use crate::identity::{Gate, Seconds};
use crate::listen::hosts::Hosts;
use crate::listen::throttle::Throttle;
use crate::observe::Library;
use crate::relay::Relay;
use crate::sequencer::{Sequencer, Stopped};

#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) gate: Gate,
    pub(crate) published: Arc<Published>,
    pub(crate) relay: Arc<Relay>,
    pub(crate) sequencer: Sequencer,
    pub(crate) library: Library,
    pub(crate) clock: Clock,
    pub(crate) hosts: Hosts,
    pub(crate) throttle: Mutex<Throttle>,
    /// One permit for each link that may be open.
    pub(crate) links: Arc<Semaphore>,
}

impl Edge {
    pub(crate) fn now(&self) -> Ms {
        self.clock.at(clock::now())
    }

    /// Applies a command and waits until it is on disk.
    pub(crate) async fn call(&self, body: CommandBody) -> Result<FromBroker, ErrorBody> {
        let (origin, answer) = self.published.deliver.call();
        self.sequencer.submit(origin, body, 0).await.map_err(stopping)?;
        answer.await.map_err(|_| stopping(Stopped))?
    }

    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Hub) -> T + Send + 'static,
    ) -> Result<T, ErrorBody> {
        self.sequencer.ask(question).await.map_err(stopping)
    }

    /// The team as the hub has it, with what is seen of each.
    pub(crate) async fn team(&self) -> Result<Team, ErrorBody> {
        let mut aspects: Vec<AspectInfo> =
            self.ask(|hub| hub.roster().active().map(AspectRecord::info).collect()).await?;
        self.published.presence.overlay(&mut aspects);
        Ok(Team { aspects })
    }

    pub(crate) fn info(&self) -> NexusInfo {
        NexusInfo {
            nexus_id: self.gate.nexus_id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: SUBPROTOCOL.to_owned(),
        }
    }
}

pub(crate) fn stopping(stopped: Stopped) -> ErrorBody {
    ErrorBody::new(ErrorCode::ShuttingDown, stopped.to_string())
}

/// Wall-clock seconds, for tokens and certificates.
pub(crate) fn seconds() -> Seconds {
    Seconds::try_from(clock::wall() / 1_000).unwrap_or(0)
}

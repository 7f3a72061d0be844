//! The way to the broker, as a transport gives it: who asks, a question with its answer, and what comes unasked.

use std::sync::Arc;

use nexus_wire::log::Subscribe;
use nexus_wire::{ErrorBody, FromBroker, Json, Party, RequestId, ToBroker};
use tokio::sync::broadcast;

/// What an identity may do, as far as it decides which tools are shown. The broker decides what is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    Aspect,
    Viewer,
    Operator,
    Admin,
}

impl Role {
    /// May change something.
    pub fn acts(self) -> bool {
        match self {
            Self::Aspect | Self::Operator | Self::Admin => true,
            Self::Viewer => false,
        }
    }

    /// A person: follows the log, and looks into sessions.
    pub fn is_operator(self) -> bool {
        match self {
            Self::Viewer | Self::Operator | Self::Admin => true,
            Self::Aspect => false,
        }
    }
}

/// As whom it is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Who {
    pub party: Party,
    pub role: Role,
}

/// What comes without having been asked for.
#[derive(Clone, Debug)]
pub enum Heard {
    Frame(Arc<FromBroker>),
    /// Something may have been missed: the link is another one, or entries are no longer kept. Whoever waits for
    /// something looks again.
    Anew,
}

/// One identity's way to the broker.
pub trait Bus: Send + Sync + 'static {
    fn who(&self) -> Who;

    /// Sends `frame` under `id` and gives the payload of its `ok`. What has no answer in a bounded time fails as
    /// `unavailable`. An answer that was lost on the way is asked for again under the same id.
    fn ask(&self, id: RequestId, frame: ToBroker) -> impl Future<Output = Result<Json, ErrorBody>> + Send;

    /// What comes from now on. `wanted` is what the caller has use for; it may be told more, and for an identity
    /// that may not subscribe it is told what comes on its link. A receiver that is closed, or stays silent, is
    /// none the worse for it than slower: whoever waits looks from time to time as well.
    fn hear(&self, wanted: Subscribe) -> broadcast::Receiver<Heard>;
}

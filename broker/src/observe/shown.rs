//! What an aspect may show to whoever watches: where it says that something belongs, that has to be its own.

use nexus_wire::hands::DispatchState;
use nexus_wire::observe::ObserveBegin;
use nexus_wire::{DispatchId, Party};

use super::{Refusal, chat, not_found};
use crate::admit::Streamed;
use crate::hub::StaleToken;
use crate::hub::records::{DispatchRecord, Reads};

impl Streamed {
    /// Whether it names a thread, a dispatch or a lease.
    pub(crate) fn says_where(&self) -> bool {
        match self {
            Self::Begin(begin) => begin.thread.is_some() || begin.dispatch.is_some(),
            Self::Progress(_) => true,
            Self::Event(_) | Self::End(_) => false,
        }
    }
}

/// A turn belongs to a thread that `sender` reads or a dispatch that it was given, and a note to a lease that it holds.
pub(crate) fn may_show(store: &impl Reads, sender: &Party, streamed: &Streamed) -> Result<(), Refusal> {
    match streamed {
        Streamed::Begin(ObserveBegin { dispatch: Some(id), thread, .. }) => {
            let own = given(store, sender, *id)?;
            let is_own_thread = own.as_ref().is_some_and(|it| thread.is_none() || it.info.thread == *thread);
            if is_own_thread { Ok(()) } else { Err(not_given(*id, sender)) }
        }
        Streamed::Begin(ObserveBegin { thread: Some(id), .. }) => match chat::readable(store, sender, *id)? {
            Some(_) => Ok(()),
            None => Err(chat::unseen_thread(*id, sender)),
        },
        Streamed::Progress(progress) => {
            let lease = progress.lease;
            let own = given(store, sender, lease.dispatch)?;
            let is_held = own.is_some_and(|DispatchRecord { info, .. }| {
                info.attempt == lease.attempt && info.state != DispatchState::Pending && !info.state.is_end()
            });
            if is_held { Ok(()) } else { Err(Refusal::Told(StaleToken(lease).into())) }
        }
        Streamed::Begin(_) | Streamed::Event(_) | Streamed::End(_) => Ok(()),
    }
}

/// The dispatch, if it is for a Hand of `sender`.
fn given(store: &impl Reads, sender: &Party, id: DispatchId) -> Result<Option<DispatchRecord>, Refusal> {
    let found = store.dispatch_head(id)?;
    Ok(found.filter(|record| sender.aspect() == Some(&record.info.hand.aspect)))
}

fn not_given(id: DispatchId, sender: &Party) -> Refusal {
    not_found(format!("there is no dispatch {id}, with that thread, for a Hand of {sender}"))
}

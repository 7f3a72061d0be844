//! Who waits for the end of which dispatch or gather. Pure.
//!
//! An end that nobody waits for is kept as long as a turn that is yet to be gone on with may ask for it; after
//! that it is nobody's.

use std::collections::{HashMap, HashSet};

use nexus_wire::ItemId;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::session::SessionKey;
use crate::tools::{Claim, Ended};

#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    claims: HashMap<Uuid, oneshot::Sender<Ended>>,
    unclaimed: HashMap<Uuid, Ended>,
    recovery: Recovery,
}

#[derive(Debug, Default)]
enum Recovery {
    /// It is not known yet which sessions have a turn to go on with.
    #[default]
    ToCome,
    /// These have not come to rest since.
    Of(HashSet<SessionKey>),
}

impl Outcomes {
    /// Somebody waits from now on, or is served with what is there.
    pub(crate) fn claim(&mut self, claim: Claim) {
        let Claim { of, ended } = claim;
        if let Some(found) = self.unclaimed.remove(&of) {
            if let Err(found) = ended.send(found) {
                self.unclaimed.insert(of, found);
            }
            return;
        }
        self.claims.retain(|_, waiting| !waiting.is_closed());
        self.claims.insert(of, ended);
    }

    /// A dispatch or a gather has ended. Returns its item when it is nobody's.
    pub(crate) fn ended(&mut self, ended: Ended) -> Option<ItemId> {
        let of = ended.of();
        let left = match self.claims.remove(&of) {
            Some(waiting) => waiting.send(ended).err()?,
            None => ended,
        };
        if self.is_recovering() {
            self.unclaimed.insert(of, left);
            return None;
        }
        Some(left.item)
    }

    /// Turns of these sessions are now gone on with. Returns items that are nobody's by that.
    pub(crate) fn recover(&mut self, sessions: impl IntoIterator<Item = SessionKey>) -> Vec<ItemId> {
        self.recovery = Recovery::Of(sessions.into_iter().collect());
        self.nobodys()
    }

    /// The session has nothing left to do. Returns items that are nobody's by that.
    pub(crate) fn rests(&mut self, session: SessionKey) -> Vec<ItemId> {
        let was_recovering = match &mut self.recovery {
            Recovery::Of(sessions) => sessions.remove(&session),
            Recovery::ToCome => false,
        };
        if was_recovering { self.nobodys() } else { Vec::new() }
    }

    fn is_recovering(&self) -> bool {
        match &self.recovery {
            Recovery::ToCome => true,
            Recovery::Of(sessions) => !sessions.is_empty(),
        }
    }

    fn nobodys(&mut self) -> Vec<ItemId> {
        if self.is_recovering() {
            return Vec::new();
        }
        self.unclaimed.drain().map(|(_, ended)| ended.item).collect()
    }
}

#[cfg(test)]
mod tests {
    use nexus_wire::DispatchId;
    use nexus_wire::hands::{DispatchState, Outcome};

    use super::*;
    use crate::tools::End;

    fn end_of(n: u128) -> Ended {
        let outcome = Outcome {
            dispatch: DispatchId(Uuid::from_u128(n)),
            hand: "wren/check".parse().expect("a Hand"),
            parent: None,
            thread: None,
            state: DispatchState::Done,
            output: None,
            error: None,
            attempts: 1,
            usage: Default::default(),
            cost_microusd: None,
            spent: None,
        };
        Ended { item: ItemId(Uuid::from_u128(100 + n)), end: End::Dispatch(outcome) }
    }

    fn claim_of(n: u128) -> (Claim, oneshot::Receiver<Ended>) {
        let (ended, end) = oneshot::channel();
        (Claim { of: Uuid::from_u128(n), ended }, end)
    }

    const ITEM_1: ItemId = ItemId(Uuid::from_u128(101));

    #[test]
    fn an_end_goes_to_whoever_claimed_it_before_or_asks_after_a_restart() {
        let mut outcomes = Outcomes::default();
        assert_eq!(outcomes.ended(end_of(1)), None, "a turn may yet ask for it");
        assert!(outcomes.recover([SessionKey::Global]).is_empty());
        let (claim, mut end) = claim_of(1);
        outcomes.claim(claim);
        assert_eq!(end.try_recv(), Ok(end_of(1)));
        let (claim, mut end) = claim_of(2);
        outcomes.claim(claim);
        assert_eq!(outcomes.ended(end_of(2)), None);
        assert_eq!(end.try_recv(), Ok(end_of(2)));
        assert!(outcomes.rests(SessionKey::Global).is_empty());
    }

    #[test]
    fn an_end_nobody_asks_for_is_nobodys_once_every_turn_had_its_chance() {
        let mut outcomes = Outcomes::default();
        outcomes.ended(end_of(1));
        let other = SessionKey::Thread(Uuid::nil());
        assert!(outcomes.recover([SessionKey::Global, other]).is_empty());
        assert!(outcomes.rests(SessionKey::Global).is_empty());
        assert_eq!(outcomes.rests(other), [ITEM_1]);
        assert!(outcomes.rests(other).is_empty());
        assert_eq!(outcomes.ended(end_of(1)), Some(ITEM_1));
        let (claim, end) = claim_of(1);
        outcomes.claim(claim);
        drop(end);
        assert_eq!(outcomes.ended(end_of(1)), Some(ITEM_1), "whoever claimed it has gone");
    }

    #[test]
    fn without_anything_to_recover_nothing_is_kept() {
        let mut outcomes = Outcomes::default();
        outcomes.ended(end_of(1));
        assert_eq!(outcomes.recover([]), [ITEM_1]);
    }
}

//! What an agent needs to know after a start or a compaction: who is there, and what is open for it.

use nexus_wire::chat::ThreadInfo;
use nexus_wire::hands::HandSpec;
use nexus_wire::limits::{NAME_BYTES_MAX, REPLY_BYTES_MAX, SITUATION_UNREAD_MAX};
use nexus_wire::roster::{AspectInfo, Situation};
use nexus_wire::{AspectName, Ms, Party};
use serde::Serialize;

use super::Hub;
use super::inbox::json_bytes;
use super::records::{Reads, Stored, shown};
use super::roster::Roster;

/// What the team of a situation may take of a frame, and about what an aspect or a Hand takes without its texts.
const TEAM_BYTES: usize = 64 * 1024;
/// The same for the open dispatches, and for the open gathers.
const OPEN_BYTES: usize = 256 * 1024;
const GATHERS_BYTES: usize = 64 * 1024;
const BYTES_EACH: usize = 256;

/// Threads of a situation; `chat.threads` has the rest.
const THREADS: u32 = 20;
// Threads with all of the participants that are shown need less than the other half.
const _: () = assert!(TEAM_BYTES + OPEN_BYTES + GATHERS_BYTES < REPLY_BYTES_MAX / 2);

impl Hub {
    /// The part of an aspect's situation that the hub itself knows: the team, and how many items are not
    /// acknowledged.
    pub(crate) fn situation_of(&self, name: &AspectName) -> (Vec<AspectInfo>, u64) {
        let undelivered = self.roster.aspect(name).map_or(0, |record| record.tail - record.cursor);
        (team(&self.roster), undelivered)
    }
}

/// The rest of it, from the rows.
pub(crate) fn situation(
    store: &impl Reads,
    name: &AspectName,
    team: Vec<AspectInfo>,
    undelivered: u64,
    away_since: Option<Ms>,
) -> Stored<Situation> {
    let own = Party::Aspect(name.clone());
    let open_dispatches = beginning(store.open_dispatches(&own)?, OPEN_BYTES);
    let gathers = beginning(store.open_gathers(&own)?, GATHERS_BYTES);
    let mut threads = Vec::new();
    for thread in store.threads(Some(&own), None, THREADS)? {
        let unread = store.unread(&own, thread.id, SITUATION_UNREAD_MAX)?;
        threads.push(ThreadInfo { unread, ..shown(thread) });
    }
    Ok(Situation { team, open_dispatches, gathers, undelivered, threads, away_since, spending_stop: None })
}

/// As many as leave room in the frame. `dispatch.list` has the rest, and `gather.list`.
fn beginning<T: Serialize>(mut open: Vec<T>, bytes: usize) -> Vec<T> {
    let mut room = bytes;
    let fits = open.iter().take_while(|info| {
        let left = room.checked_sub(json_bytes(info));
        room = left.unwrap_or(0);
        left.is_some()
    });
    open.truncate(fits.count());
    open
}

/// Who is on the team, those online first, without the schemas of their Hands: what an agent can take in, and
/// what leaves room in the frame. `team.list` has the rest.
fn team(roster: &Roster) -> Vec<AspectInfo> {
    let online = roster.active().filter(|record| record.is_up());
    let offline = roster.active().filter(|record| !record.is_up());
    let mut room = TEAM_BYTES;
    let mut team = Vec::new();
    for record in online.chain(offline) {
        let profile = &record.profile;
        let texts = profile.model.len() + profile.provider.len() + bytes_of(&profile.capabilities);
        let hands = profile.hands.iter().map(|hand| {
            let allowed = hand.allowed_invokers.as_ref().map_or(0, |names| names.len() * NAME_BYTES_MAX);
            hand.description.len() + bytes_of(&hand.capabilities) + allowed + BYTES_EACH
        });
        let hands: usize = hands.sum();
        match room.checked_sub(texts + hands + BYTES_EACH) {
            Some(left) => room = left,
            None => break,
        }
        let hands = profile.hands.iter().map(|hand| HandSpec {
            name: hand.name.clone(),
            description: hand.description.clone(),
            input_schema: None,
            output_schema: None,
            timeout_s: hand.timeout_s,
            concurrency: hand.concurrency,
            allowed_invokers: hand.allowed_invokers.clone(),
            capabilities: hand.capabilities.clone(),
            idempotent: hand.idempotent,
        });
        team.push(AspectInfo { hands: hands.collect(), ..record.info_without_hands() });
    }
    team
}

fn bytes_of(texts: &[String]) -> usize {
    texts.iter().map(|text| text.len() + "\"\",".len()).sum()
}

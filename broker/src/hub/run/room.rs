//! How many runs may be open: of all parties, and of one, so that none of them takes the room of the others.

use nexus_wire::limits::{RUNS_OPEN_MAX, RUNS_OPEN_PER_PARTY_MAX, RUNS_OPEN_WITHIN_PER_PARTY_MAX};
use nexus_wire::{ErrorCode, Party, TriggerName};

use super::{OpenRun, Runs};
use crate::hub::step::{Done, refuse};

impl Runs {
    /// Whether there may be one more. A step that finds no room for its run waits for it.
    pub(super) fn check_room(&self, by: &Party, is_step: bool, causes: &[TriggerName]) -> Done {
        if self.open.len() >= RUNS_OPEN_MAX {
            let message = format!("{RUNS_OPEN_MAX} runs have not ended, which is the most; try again later");
            return refuse(ErrorCode::QueueFull, message);
        }
        // What triggers set off has room of its own, and a line to wait in.
        if !causes.is_empty() {
            return Ok(());
        }
        let own = self.open.values().map(OpenRun::info);
        let (mut all, mut begun) = (0, 0);
        for info in own.filter(|info| info.by == *by && info.causes.is_empty()) {
            all += 1;
            begun += usize::from(info.parent.is_none());
        }
        let full = if all >= RUNS_OPEN_WITHIN_PER_PARTY_MAX {
            format!("{all} runs that have not ended, those within others counted")
        } else if !is_step && begun >= RUNS_OPEN_PER_PARTY_MAX {
            format!("{begun} runs that have not ended")
        } else {
            return Ok(());
        };
        let message = format!(
            "{by} has {full}, which is the most of one party; try again when some have, or cancel some"
        );
        refuse(ErrorCode::QueueFull, message)
    }
}

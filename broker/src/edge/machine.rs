//! What the machine gives a broker to go by and to write on: its clock, and room on its disk. People are told in time
//! when either is not as it should be.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nexus_wire::Ms;
use nexus_wire::alert::AlertKind;
use tokio::time::sleep;

use super::Edge;
use crate::clock;
use crate::datadir::DataDir;
use crate::hub::{CommandBody, Origin};
use crate::sequencer::Stopped;

const INTERVAL: Duration = Duration::from_secs(2);
/// With less room people should make some.
pub(crate) const FREE_BYTES_FEW: u64 = 1024 * 1024 * 1024;
/// What has to be free before that is over, so that it is not said again and again.
const FREE_BYTES_ENOUGH: u64 = FREE_BYTES_FEW + FREE_BYTES_FEW / 8;

/// How much may still be written; `None`: nobody can tell.
pub(crate) fn free_bytes(data: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(data).ok()?;
    Some(room.f_bavail.saturating_mul(room.f_frsize))
}

/// Looks at both for as long as the broker runs.
pub(crate) async fn watch(edge: Arc<Edge>, data: DataDir) {
    let mut clock = Condition::new(AlertKind::ClockOff, "broker");
    let mut disk = Condition::new(AlertKind::DiskLow, "data");
    loop {
        let (broker, machine) = (edge.now(), clock::wall());
        let off = clock::off(broker, machine).map(|message| (broker - machine, message));
        if clock.tell(&edge, off).await.is_err() {
            return;
        }
        if let Some(free) = free_bytes(data.path()) {
            let low = low(free, matches!(disk.told, Some(Some(_))));
            // One number is enough for people who are to make room.
            if disk.tell(&edge, low.map(|message| (0, message))).await.is_err() {
                return;
            }
        }
        sleep(INTERVAL).await;
    }
}

fn low(free: u64, is_told: bool) -> Option<String> {
    let enough = if is_told { FREE_BYTES_ENOUGH } else { FREE_BYTES_FEW };
    (free < enough).then(|| {
        format!(
            "{} MiB are free where the broker keeps its data; make room, or it will take nothing new before long",
            free / (1024 * 1024)
        )
    })
}

/// Something that is so or is not, and what was told of it.
struct Condition {
    kind: AlertKind,
    subject: &'static str,
    /// By how much it was wrong, if it was.
    told: Option<Option<Ms>>,
}

impl Condition {
    fn new(kind: AlertKind, subject: &'static str) -> Self {
        Self { kind, subject, told: None }
    }

    /// Told when it changes, or is wrong by another amount, and once at the start, as a broker before this one may have
    /// said something else.
    async fn tell(&mut self, edge: &Edge, wrong: Option<(Ms, String)>) -> Result<(), Stopped> {
        let by = wrong.as_ref().map(|(by, _)| *by);
        let is_told = match (self.told, by) {
            (Some(Some(told)), Some(by)) => (by - told).abs() <= clock::OFF_MAX,
            (Some(None), None) => true,
            (Some(Some(_)), None) | (Some(None), Some(_)) | (None, _) => false,
        };
        if is_told {
            return Ok(());
        }
        self.told = Some(by);
        let (kind, subject) = (self.kind, self.subject.to_owned());
        let body = match wrong {
            Some((_, message)) => CommandBody::RaiseAlert { kind, subject, message },
            None => CommandBody::ClearAlert { kind, subject },
        };
        edge.sequencer.submit(Origin::Broker, body, 0).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_told_until_there_is_somewhat_more_than_enough() {
        const MIB: u64 = 1024 * 1024;
        let message = "1023 MiB are free where the broker keeps its data; make room, or it will take nothing new before long";
        assert_eq!(low(1024 * MIB - 1, false).as_deref(), Some(message));
        assert_eq!((low(1024 * MIB, false), low(1152 * MIB, true)), (None, None));
        assert!(low(1152 * MIB - 1, true).is_some());
    }
}

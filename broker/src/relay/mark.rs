//! Where the numbers of what streams begin, so that they never go back: not after a kill, a clock that was set back,
//! or an old copy of the data directory.
//!
//! A run begins after the mark on disk and after the microseconds of the wall clock, whichever is later, and puts
//! the mark far ahead before it gives out a number. So nothing is written for each frame.

use nexus_wire::Ms;

use crate::datadir::{DataDir, DataDirError};

const FILE: &str = "observe.mark";
/// How far ahead the mark is put; numbers stay below 2^53, which every JSON reader can hold, for millions of runs.
const AHEAD: u64 = 1 << 32;
/// No run comes so far.
const MOST: u64 = 1 << 53;

/// The number a run begins after; the mark on disk is beyond what the run gives out at first.
pub(crate) fn begin(data: &DataDir, wall: Ms) -> Result<Mark, DataDirError> {
    let text = data.read(FILE)?;
    let kept =
        text.as_deref().map(str::trim).and_then(|text| text.parse::<u64>().ok()).filter(|mark| *mark < MOST);
    if text.is_some() && kept.is_none() {
        tracing::warn!("{FILE} holds no number; the wall clock alone keeps what streams from repeating one");
    }
    let micros = u64::try_from(wall).unwrap_or(0).saturating_mul(1_000);
    let base = kept.unwrap_or(0).max(micros);
    let mut mark = Mark { base, ahead: base };
    mark.keep(data, base)?;
    Ok(mark)
}

#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) base: u64,
    /// As it is on disk.
    ahead: u64,
}

impl Mark {
    /// Keeps the mark beyond `newest`. To be called more often than numbers can catch up with it.
    pub(crate) fn keep(&mut self, data: &DataDir, newest: u64) -> Result<(), DataDirError> {
        if newest + AHEAD / 2 < self.ahead {
            return Ok(());
        }
        let ahead = newest + AHEAD;
        data.write_private(FILE, &ahead.to_string())?;
        self.ahead = ahead;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_never_go_back() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let mut first = begin(&data, 1_000).unwrap();
        assert_eq!(first.base, 1_000_000);
        let newest = first.base + AHEAD - 1;
        first.keep(&data, newest).unwrap();
        // Killed, and the clock set back.
        let second = begin(&data, 0).unwrap();
        assert!(second.base > newest, "{second:?}");
        // The data directory as it was before all of it; the clock goes on.
        std::fs::remove_file(data.file(FILE)).unwrap();
        let later = i64::try_from(second.base / 1_000).unwrap() + 1;
        assert!(begin(&data, later).unwrap().base > second.base);
        for text in ["no number", "9007199254740992", "18446744073709551615"] {
            data.write_private(FILE, text).unwrap();
            assert_eq!(begin(&data, 7).unwrap().base, 7_000, "{text}");
        }
    }

    #[test]
    fn the_mark_is_written_when_numbers_come_near_it_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        let mut mark = begin(&data, 0).unwrap();
        let written = |data: &DataDir| data.read(FILE).unwrap();
        let first = written(&data);
        mark.keep(&data, AHEAD / 2 - 1).unwrap();
        assert_eq!(written(&data), first);
        mark.keep(&data, AHEAD / 2).unwrap();
        assert_eq!(written(&data), Some((AHEAD / 2 + AHEAD).to_string()));
    }
}

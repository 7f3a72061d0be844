//! The disk's yardstick: how long one small overwrite takes to be safe.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::clock::{micros, now};
use super::fault::{Doing as _, Outcome};
use super::report::median;

/// A page, as a database writes it.
const PAGE: usize = 4096;
const PAGES: u64 = 64;

/// Median time in microseconds of one overwrite with fdatasync, of `count`.
pub(crate) fn fdatasync(dir: &Path, count: u64) -> Outcome<f64> {
    let path = dir.join("fdatasync");
    let doing = || format!("measure fdatasync in {}", path.display());
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path).doing(doing())?;
    let page = [0x5a_u8; PAGE];
    for number in 0..PAGES {
        file.write_all_at(&page, number * PAGE as u64).doing(doing())?;
    }
    file.sync_all().doing(doing())?;
    let mut took = Vec::new();
    for number in 0..count {
        let begun = now();
        file.write_all_at(&page, (number % PAGES) * PAGE as u64).doing(doing())?;
        file.sync_data().doing(doing())?;
        took.push(micros(begun.elapsed()));
    }
    Ok(median(&took))
}

//! `nexus backup` and `nexus restore`.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::CliError;
use super::print::say;
use crate::backup::{self, Manifest, Restored, Wish};
use crate::clock;
use crate::config::Config;
use crate::datadir::{DataDir, DataDirError};
use crate::tenants::all;

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to make; one that is there is not overwritten
    file: PathBuf,
    /// The private keys of this Nexus and the first operator's token too: keep such a file as you keep them
    #[arg(long)]
    with_keys: bool,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// A file made by `nexus backup`
    file: PathBuf,
}

pub(super) fn make(backup: &Backup, config: &Config) -> Result<(), CliError> {
    let data = DataDir::existing(&config.data).map_err(backup::BackupError::from)?;
    // Shows itself on a terminal only.
    let bar = ProgressBar::new(0).with_style(style());
    let wish = Wish { file: backup.file.clone(), keys: backup.with_keys, now: clock::wall() };
    let made = backup::make(&data, &wish, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let Manifest { head, .. } = made?;
    say(format_args!("{} holds everything up to log entry {head}", backup.file.display()));
    let tenants: Vec<String> = all(&config.data).iter().map(ToString::to_string).collect();
    if !tenants.is_empty() {
        say(format_args!(
            "Its tenants are not in it; each is backed up by itself with --tenant NAME: {}",
            tenants.join(", ")
        ));
    }
    match backup.with_keys {
        true => say(format_args!("It holds the keys of this Nexus: whoever has it can speak for this Nexus")),
        false => say(format_args!(
            "Its keys are not in it: keep a copy of identity.json, or make backups with --with-keys"
        )),
    }
    Ok(())
}

fn style() -> ProgressStyle {
    let template = ProgressStyle::with_template("{wide_bar} {percent:>3} % of {len} pages");
    template.unwrap_or_else(|_| ProgressStyle::default_bar())
}

pub(super) fn restore(restore: &Restore, config: &Config) -> Result<(), CliError> {
    let Restored { manifest, replaced, epoch, token_is_good } =
        backup::restore(config, &restore.file, clock::wall())?;
    let made_at = jiff::Timestamp::from_millisecond(manifest.made_at).unwrap_or_default();
    say(format_args!("Restored the backup of {made_at:.0}, up to log entry {}", manifest.head));
    if let Some(replaced) = replaced {
        say(format_args!("The database that was here is now {}", replaced.display()));
    }
    say(format_args!(
        "Every inbox goes on in a new epoch, {epoch}: agents fetch what they lack when they come back"
    ));
    if !token_is_good {
        say(format_args!("The token kept here is not one of the backup's; make one with `nexus token new`"));
    }
    Ok(())
}

impl DataDir {
    /// One that is there; nothing is made.
    pub(super) fn existing(path: &std::path::Path) -> Result<Self, DataDirError> {
        match path.is_dir() {
            true => Self::open(path),
            false => Err(DataDirError::Unusable {
                path: path.to_owned(),
                source: std::io::ErrorKind::NotFound.into(),
            }),
        }
    }
}

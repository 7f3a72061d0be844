//! What is typed to keep a Nexus: what was seen, who may go on, what is kept.

use clap::Args;
use nexus_wire::AspectName;
use nexus_wire::backup::BackupName;

#[derive(Args, Clone, Debug)]
pub struct Ack {
    /// As `nexctl get alerts` shows it: aspect_missing/wren
    pub key: String,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
The file is made on the broker's machine, in the folder that the setting
backup.folder names (<data>/backups). Fetch it from there, and check it with:
  nexus verify FILE")]
pub struct Backup {
    /// Of the file; one that is there is not overwritten. Without it: `nexus-TIME.tar`
    pub name: Option<BackupName>,
    /// The private keys of this Nexus too: keep such a file as you keep them
    #[arg(long)]
    pub with_keys: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Restrain {
    /// Which aspect
    pub aspect: AspectName,
    /// Told to whoever runs into it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

#[derive(Args, Clone, Debug)]
pub struct Release {
    /// Which aspect
    pub aspect: AspectName,
}

//! `nexus aspect`: keyfiles are made here, and only the public part of a key leaves this process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use nexus_client::{Home, KeyFile};
use nexus_wire::AspectName;
use nexus_wire::access::KeyRotate;
use nexus_wire::admin::AspectAdd;
use nexus_wire::roster::{AspectInfo, AspectRole};

use super::CliError;
use super::admin::Admin;
use super::print::{say, table};
use super::words::duration;
use crate::config::Config;

/// How a Nexus on this machine is named.
const OTHER: &str = "its data directory is named with --data";

#[derive(Debug, Subcommand)]
pub(super) enum Aspect {
    /// Let an aspect in and write its keyfile; a good keyfile that is there already stays
    Add {
        /// The aspect's name, as its aspect.json has it
        name: AspectName,
        /// The aspect's home; the keyfile is <HOME>/.nexus/key.json
        #[arg(long)]
        home: PathBuf,
        /// Its place in the team
        #[arg(long, value_enum, default_value = "worker")]
        role: Role,
        /// The aspect may store knowledge that the whole team reads
        #[arg(long)]
        share_knowledge: bool,
        /// Where the aspect finds the broker, if it runs on another machine
        #[arg(long)]
        url: Option<String>,
        /// Replace the keyfile although it is for another Nexus, which then does not know this home any more
        #[arg(long)]
        force: bool,
    },
    /// Show who is in
    List,
    /// Shut an aspect out; its link closes and its key is good no more
    Revoke {
        /// Who
        name: AspectName,
    },
    /// Replace an aspect's key; links of the old one close when the overlap is over, and its agent takes up the new one
    Rotate {
        /// Whose
        name: AspectName,
        /// The aspect's home; the keyfile is <HOME>/.nexus/key.json
        #[arg(long)]
        home: PathBuf,
        /// How long the old key stays good beside the new one (90s, 10m; at most 24h)
        #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
        overlap: Duration,
        /// Where the aspect finds the broker, if it runs on another machine
        #[arg(long)]
        url: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Role {
    /// The lead: gets what operators address to nobody
    Frame,
    Worker,
}

impl From<Role> for AspectRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Frame => Self::Frame,
            Role::Worker => Self::Worker,
        }
    }
}

pub(super) async fn run(aspect: Aspect, config: Config) -> Result<(), CliError> {
    match aspect {
        Aspect::Add { name, home, role, share_knowledge, url, force } => {
            let home = Home::of(&home, &name)?;
            let mut admin = Admin::open(&config).await?;
            if !force {
                home.spare_other(admin.nexus.nexus_id, OTHER)?;
            }
            let url = url.unwrap_or_else(|| admin.url.clone());
            let kept = home.kept(&admin.nexus, &url);
            let what = if kept.is_some() { "the key it has" } else { "a new key" };
            let keyfile = kept.map_or_else(|| home.fresh(&admin.nexus, &url), Ok)?;
            let public_key = keyfile.public_key.clone();
            admin.add_aspect(AspectAdd { name, role: role.into(), public_key, share_knowledge }).await?;
            say_in(&keyfile, what, &home.keep(&keyfile)?);
        }
        Aspect::List => {
            let admin = Admin::open(&config).await?;
            let rows: Vec<Vec<String>> = admin.aspects().await?.iter().map(row).collect();
            table(&["name", "role", "state", "model", "hands", "backlog"], &rows);
        }
        Aspect::Revoke { name } => {
            Admin::open(&config).await?.revoke_aspect(name.clone()).await?;
            say(format_args!("{name} is out; what it wrote stays"));
        }
        Aspect::Rotate { name, home, overlap, url } => {
            let home = Home::of(&home, &name)?;
            let mut admin = Admin::open(&config).await?;
            home.spare_other(admin.nexus.nexus_id, OTHER)?;
            let keyfile = home.fresh(&admin.nexus, &url.unwrap_or_else(|| admin.url.clone()))?;
            let rotate = KeyRotate { public_key: keyfile.public_key.clone(), overlap_s: overlap.as_secs() };
            let rotated = admin.rotate_key(&name, rotate).await?;
            say_in(&keyfile, "a new key", &home.keep(&keyfile)?);
            if rotated.previous_until.is_some() {
                say(format_args!(
                    "its old key is good for {} s more; an agent that sees the new file takes it up by itself",
                    overlap.as_secs()
                ));
            }
        }
    }
    Ok(())
}

fn say_in(keyfile: &KeyFile, what: &str, path: &Path) {
    say(format_args!("{} is in with {what}: {}", keyfile.name, path.display()));
}

fn row(info: &AspectInfo) -> Vec<String> {
    let role = match info.role {
        AspectRole::Frame => "frame",
        AspectRole::Worker => "worker",
    };
    let hands: Vec<&str> = info.hands.iter().map(|hand| hand.name.as_str()).collect();
    vec![
        info.name.to_string(),
        role.to_owned(),
        info.state.as_str().to_owned(),
        if info.model.is_empty() { info.provider.clone() } else { info.model.clone() },
        hands.join(","),
        info.backlog.to_string(),
    ]
}

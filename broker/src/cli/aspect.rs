//! `nexus aspect`: keyfiles are made here, and only the public part of a key leaves this process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use nexus_client::KeyFile;
use nexus_wire::AspectName;
use nexus_wire::access::KeyRotate;
use nexus_wire::admin::AspectAdd;
use nexus_wire::roster::{AspectInfo, AspectRole};
use serde::Deserialize;

use super::CliError;
use super::admin::Admin;
use super::print::{say, table};
use super::words::duration;
use crate::config::Config;

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
    if let Aspect::Add { home, .. } | Aspect::Rotate { home, .. } = &aspect
        && !home.is_dir()
    {
        return Err(CliError::NoHome(home.clone()));
    }
    if let Aspect::Add { name, home, .. } | Aspect::Rotate { name, home, .. } = &aspect
        && let Some(owner) = owner(home)
        && owner != name.as_str()
    {
        return Err(CliError::HomeOfAnother { home: home.clone(), owner, name: name.clone() });
    }
    let mut admin = Admin::open(&config).await?;
    let is_forced = matches!(&aspect, Aspect::Add { force: true, .. });
    if let Aspect::Add { name, home, .. } | Aspect::Rotate { name, home, .. } = &aspect
        && let Ok(keyfile) = KeyFile::load(&KeyFile::path_in(home))
        && keyfile.nexus_id != admin.nexus_id
        && !is_forced
    {
        let (home, name, other) = (home.clone(), name.clone(), keyfile.nexus_id);
        return Err(CliError::KeyOfAnother { home, name, other, url: keyfile.url });
    }
    match aspect {
        Aspect::Add { name, home, role, share_knowledge, url, force: _ } => {
            let kept = kept(&admin, &name, &home, url.as_deref());
            let is_new = kept.is_none();
            let keyfile = match kept {
                Some(keyfile) => keyfile,
                None => fresh(&admin, &name, url)?,
            };
            let public_key = keyfile.public_key.clone();
            admin.add_aspect(AspectAdd { name, role: role.into(), public_key, share_knowledge }).await?;
            write(&keyfile, &home, is_new)
        }
        Aspect::List => {
            let rows: Vec<Vec<String>> = admin.aspects().await?.iter().map(row).collect();
            table(&["name", "role", "state", "model", "hands", "backlog"], &rows);
            Ok(())
        }
        Aspect::Revoke { name } => {
            admin.revoke_aspect(name.clone()).await?;
            say(format_args!("{name} is out; what it wrote stays"));
            Ok(())
        }
        Aspect::Rotate { name, home, overlap, url } => {
            let keyfile = fresh(&admin, &name, url)?;
            let rotate = KeyRotate { public_key: keyfile.public_key.clone(), overlap_s: overlap.as_secs() };
            let rotated = admin.rotate_key(&name, rotate).await?;
            write(&keyfile, &home, true)?;
            if rotated.previous_until.is_some() {
                say(format_args!(
                    "its old key is good for {} s more; an agent that sees the new file takes it up by itself",
                    overlap.as_secs()
                ));
            }
            Ok(())
        }
    }
}

/// Whose home it is, as its `aspect.json` says. What cannot be read there is for `agent check` to explain.
fn owner(home: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let text = std::fs::read_to_string(home.join("aspect.json")).ok()?;
    serde_json::from_str::<Named>(&text).ok().map(|it| it.name)
}

/// The keyfile that is there, if it is this aspect's key for this Nexus. Its address is brought up to date.
fn kept(admin: &Admin, name: &AspectName, home: &Path, url: Option<&str>) -> Option<KeyFile> {
    let keyfile = KeyFile::load(&KeyFile::path_in(home)).ok()?;
    let ours = keyfile.name == *name && keyfile.nexus_id == admin.nexus_id;
    ours.then(|| KeyFile {
        url: url.unwrap_or(&admin.url).to_owned(),
        ca_pem: Some(admin.ca_pem.clone()),
        ..keyfile
    })
}

fn fresh(admin: &Admin, name: &AspectName, url: Option<String>) -> Result<KeyFile, CliError> {
    let url = url.unwrap_or_else(|| admin.url.clone());
    Ok(KeyFile::generate(name.clone(), admin.nexus_id, url, Some(admin.ca_pem.clone()))?)
}

/// After the broker knows the key: the other way round, a refusal would have cost a good keyfile.
fn write(keyfile: &KeyFile, home: &Path, is_new: bool) -> Result<(), CliError> {
    let path = KeyFile::path_in(home);
    keyfile.save(&path)?;
    let what = if is_new { "a new key" } else { "the key it has" };
    say(format_args!("{} is in with {what}: {}", keyfile.name, path.display()));
    Ok(())
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

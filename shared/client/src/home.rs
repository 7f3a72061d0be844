//! The home of an aspect that is let in: whose it is, and which key it has. A key is made where the home is, and only
//! its public part leaves the machine.

use std::path::{Path, PathBuf};

use nexus_wire::AspectName;
use nexus_wire::admin::NexusCa;
use serde::Deserialize;
use thiserror::Error;
use uuid::Uuid;

use crate::keyfile::{KeyError, KeyFile, KeyFileError};

/// A folder that gets the key of one aspect.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
    name: AspectName,
}

#[derive(Debug, Error)]
pub enum HomeError {
    #[error("there is no folder {}; make the home first, or correct --home", .0.display())]
    Missing(PathBuf),
    #[error(
        "{} is the home of {owner}, as its aspect.json says, and not of {name}; correct the name, or --home",
        home.display()
    )]
    OfAnother { home: PathBuf, owner: String, name: AspectName },
    #[error(
        "the keyfile in {} is for another Nexus ({other}, at {url}), so it stays; let {name} in there instead ({meant}), or, if this home is to leave it, say --force",
        home.display()
    )]
    KeyOfAnother { home: PathBuf, name: AspectName, other: Uuid, url: String, meant: &'static str },
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    #[error("cannot make a key: {0}")]
    Key(#[from] KeyError),
}

impl Home {
    /// The folder has to be there, and to be nobody else's.
    pub fn of(path: &Path, name: &AspectName) -> Result<Self, HomeError> {
        if !path.is_dir() {
            return Err(HomeError::Missing(path.to_owned()));
        }
        match owner(path) {
            Some(owner) if owner != name.as_str() => {
                Err(HomeError::OfAnother { home: path.to_owned(), owner, name: name.clone() })
            }
            Some(_) | None => Ok(Self { path: path.to_owned(), name: name.clone() }),
        }
    }

    /// A key for another Nexus stays; `meant` says how that one is named.
    pub fn spare_other(&self, nexus: Uuid, meant: &'static str) -> Result<(), HomeError> {
        match KeyFile::load(&self.keyfile()) {
            Ok(keyfile) if keyfile.nexus_id != nexus => Err(HomeError::KeyOfAnother {
                home: self.path.clone(),
                name: self.name.clone(),
                other: keyfile.nexus_id,
                url: keyfile.url,
                meant,
            }),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The key that is there, if it is this aspect's for this Nexus, with the address brought up to date.
    pub fn kept(&self, nexus: &NexusCa, url: &str) -> Option<KeyFile> {
        let keyfile = KeyFile::load(&self.keyfile()).ok()?;
        let is_ours = keyfile.name == self.name && keyfile.nexus_id == nexus.nexus_id;
        is_ours.then(|| KeyFile { url: url.to_owned(), ca_pem: Some(nexus.ca_pem.clone()), ..keyfile })
    }

    /// A new key, which is nowhere yet.
    pub fn fresh(&self, nexus: &NexusCa, url: &str) -> Result<KeyFile, HomeError> {
        let ca = Some(nexus.ca_pem.clone());
        Ok(KeyFile::generate(self.name.clone(), nexus.nexus_id, url.to_owned(), ca)?)
    }

    /// To be called once the broker knows the key: the other way round, a refusal would cost a good keyfile.
    pub fn keep(&self, keyfile: &KeyFile) -> Result<PathBuf, HomeError> {
        let path = self.keyfile();
        keyfile.save(&path)?;
        Ok(path)
    }

    fn keyfile(&self) -> PathBuf {
        KeyFile::path_in(&self.path)
    }
}

/// As `aspect.json` says. What cannot be read there is for `agent check` to explain.
fn owner(home: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let text = std::fs::read_to_string(home.join("aspect.json")).ok()?;
    serde_json::from_str::<Named>(&text).ok().map(|it| it.name)
}

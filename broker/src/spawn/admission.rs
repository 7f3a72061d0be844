//! The key of a home that is about to be started: a home without one is let in, and one that was is let be.
//!
//! Nobody is let in again who was shut out, and no key is taken from a process that uses it elsewhere.

use std::path::Path;

use nexus_client::KeyFile;
use nexus_client::keyfile::KeyFileErrorKind;
use nexus_wire::admin::AspectAdd;
use nexus_wire::{AspectName, ErrorBody, Party};
use thiserror::Error;
use uuid::Uuid;

use super::homes::Who;
use crate::edge::Edge;
use crate::hub::CommandBody;
use crate::hub::records::AspectRecord;

/// What this broker's keyfiles say of it.
#[derive(Clone, Debug)]
pub(super) struct Issuer {
    pub(super) nexus_id: Uuid,
    pub(super) url: String,
    pub(super) ca_pem: String,
}

/// What the roster says of an aspect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Standing {
    pub(super) is_active: bool,
    pub(super) is_online: bool,
}

impl Standing {
    fn of(record: &AspectRecord) -> Self {
        Self { is_active: record.is_active(), is_online: record.link.is_some() }
    }
}

#[derive(Debug, Error)]
pub(super) enum NotAdmitted {
    #[error("{name} was shut out; to let it in again: nexus aspect add {name} --home {home}")]
    Revoked { name: AspectName, home: String },
    #[error(
        "its home has no key, and {name} is connected from elsewhere; stop that one, or give this home a name of its own"
    )]
    Elsewhere { name: AspectName },
    #[error(
        "its keyfile is for another Nexus ({other}); to use it with this one: nexus aspect add {name} --home {home} --force"
    )]
    OtherNexus { name: AspectName, home: String, other: Uuid },
    #[error("its key cannot be made: {0}")]
    Key(#[from] nexus_client::keyfile::KeyError),
    #[error("{0}")]
    File(#[from] nexus_client::keyfile::KeyFileError),
    #[error("{}", .0.message)]
    Refused(ErrorBody),
}

/// What to do about a keyfile.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Plan {
    Keep,
    /// This broker is at another address now.
    Readdress(Box<KeyFile>),
    /// The aspect is new here, and has this key already.
    Add(Box<KeyFile>),
    Make,
}

/// Makes sure that the home has a key this broker knows.
pub(super) async fn admit(edge: &Edge, issuer: &Issuer, home: &Path, who: &Who) -> Result<(), NotAdmitted> {
    let path = KeyFile::path_in(home);
    let keyfile = match KeyFile::load(&path) {
        Ok(keyfile) => Some(keyfile),
        Err(error) if matches!(error.kind, KeyFileErrorKind::Missing { .. }) => None,
        // The agent says the same, with what to do about it.
        Err(_) => return Ok(()),
    };
    let name = who.name.clone();
    let asked = edge.ask(move |hub| hub.roster().aspect(&name).map(Standing::of)).await;
    let standing = asked.map_err(NotAdmitted::Refused)?;
    let (keyfile, is_new) = match plan(issuer, home, &who.name, keyfile, standing)? {
        Plan::Keep => return Ok(()),
        Plan::Readdress(keyfile) => {
            keyfile.save(&path)?;
            return Ok(());
        }
        Plan::Add(keyfile) => (*keyfile, false),
        Plan::Make => {
            let Issuer { nexus_id, url, ca_pem } = issuer.clone();
            (KeyFile::generate(who.name.clone(), nexus_id, url, Some(ca_pem))?, true)
        }
    };
    let add = AspectAdd {
        name: who.name.clone(),
        role: who.role,
        public_key: keyfile.public_key.clone(),
        share_knowledge: true,
    };
    let added = edge.call(CommandBody::AddAspect { by: Party::System, add }, 0).await;
    added.map_err(NotAdmitted::Refused)?;
    keyfile.save(&path)?;
    let what = if is_new { "a new key" } else { "the key it has" };
    tracing::info!("{} is let in with {what}: {}", who.name, path.display());
    Ok(())
}

fn plan(
    issuer: &Issuer,
    home: &Path,
    name: &AspectName,
    keyfile: Option<KeyFile>,
    standing: Option<Standing>,
) -> Result<Plan, NotAdmitted> {
    let home = home.display().to_string();
    if standing.is_some_and(|it| !it.is_active) {
        return Err(NotAdmitted::Revoked { name: name.clone(), home });
    }
    let Some(keyfile) = keyfile else {
        return match standing {
            Some(Standing { is_online: true, .. }) => Err(NotAdmitted::Elsewhere { name: name.clone() }),
            Some(_) | None => Ok(Plan::Make),
        };
    };
    if keyfile.nexus_id != issuer.nexus_id {
        return Err(NotAdmitted::OtherNexus { name: name.clone(), home, other: keyfile.nexus_id });
    }
    if keyfile.name != *name {
        // The agent says so.
        return Ok(Plan::Keep);
    }
    let is_here = keyfile.url == issuer.url && keyfile.ca_pem.as_ref() == Some(&issuer.ca_pem);
    let keyfile =
        Box::new(KeyFile { url: issuer.url.clone(), ca_pem: Some(issuer.ca_pem.clone()), ..keyfile });
    Ok(match standing {
        None => Plan::Add(keyfile),
        Some(_) if is_here => Plan::Keep,
        Some(_) => Plan::Readdress(keyfile),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer() -> Issuer {
        Issuer { nexus_id: Uuid::from_u128(1), url: "http://127.0.0.1:1".into(), ca_pem: "ca".into() }
    }

    fn key(nexus: u128, url: &str) -> Option<KeyFile> {
        let name = "wren".parse().unwrap();
        Some(KeyFile::generate(name, Uuid::from_u128(nexus), url.into(), Some("ca".into())).unwrap())
    }

    fn told(keyfile: Option<KeyFile>, standing: Option<Standing>) -> Result<Plan, String> {
        let planned = plan(&issuer(), Path::new("h"), &"wren".parse().unwrap(), keyfile, standing);
        planned.map_err(|error| error.to_string())
    }

    const OFFLINE: Option<Standing> = Some(Standing { is_active: true, is_online: false });
    const ONLINE: Option<Standing> = Some(Standing { is_active: true, is_online: true });
    const REVOKED: Option<Standing> = Some(Standing { is_active: false, is_online: false });

    #[test]
    fn a_home_without_a_key_gets_one_unless_it_was_shut_out_or_is_elsewhere() {
        assert_eq!((told(None, None), told(None, OFFLINE)), (Ok(Plan::Make), Ok(Plan::Make)));
        assert!(told(None, ONLINE).unwrap_err().contains("connected from elsewhere"));
        for keyfile in [None, key(1, "http://127.0.0.1:1")] {
            let error = told(keyfile, REVOKED).unwrap_err();
            assert_eq!(error, "wren was shut out; to let it in again: nexus aspect add wren --home h");
        }
    }

    #[test]
    fn a_key_stays_and_learns_where_the_broker_is() {
        let here = key(1, "http://127.0.0.1:1");
        assert_eq!(told(here.clone(), ONLINE), Ok(Plan::Keep));
        assert_eq!(told(here.clone(), None), Ok(Plan::Add(Box::new(here.clone().unwrap()))));
        let moved = KeyFile { url: "http://127.0.0.1:2".into(), ..here.clone().unwrap() };
        assert_eq!(told(Some(moved), OFFLINE), Ok(Plan::Readdress(Box::new(here.unwrap()))));
        let other = told(key(2, "http://127.0.0.1:1"), OFFLINE).unwrap_err();
        assert!(other.ends_with("nexus aspect add wren --home h --force"), "{other}");
    }
}

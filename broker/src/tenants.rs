//! Tenants: each is a whole Nexus of its own in a folder of the broker's data directory, and shares with the others
//! nothing but the process. Here is what they are called and where they lie; `keep` has them served, each as `tenant`
//! says.

pub(crate) mod keep;
mod tenant;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nexus_wire::{AspectName, NameError};
use thiserror::Error;

use crate::datadir::{DataDirError, NEXUS_FILES};
use crate::serve::local_url;

/// Within the broker's data directory.
pub(crate) const FOLDER: &str = "tenants";
/// In a tenant's folder: it is not to be served.
pub(crate) const OFF: &str = "tenant.off";

/// What a tenant is called: it stands before the names of the broker.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TenantName(AspectName);

#[derive(Clone, Debug, Error)]
pub enum TenantNameError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("a tenant's name is part of a host's, which cannot end with '-'")]
    Hyphen,
}

impl FromStr for TenantName {
    type Err = TenantNameError;

    /// As aspects are called, but for a hyphen at the end.
    fn from_str(text: &str) -> Result<Self, TenantNameError> {
        let name: AspectName = text.parse()?;
        if text.ends_with('-') { Err(TenantNameError::Hyphen) } else { Ok(Self(name)) }
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TenantName {
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Where this machine reaches it. On an address of a network programs go by the certificate, whose name is the
    /// tenant's own whatever they dial.
    pub(crate) fn url(&self, address: SocketAddr, tls: bool) -> String {
        let ip = address.ip();
        if !ip.is_loopback() && !ip.is_unspecified() {
            return local_url(address, tls);
        }
        let scheme = if tls { "https" } else { "http" };
        format!("{scheme}://{self}.localhost:{}", address.port())
    }
}

/// A data directory that is a tenant's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tenancy {
    pub name: TenantName,
    /// The data directory of the broker that serves it.
    pub broker: PathBuf,
}

impl Tenancy {
    /// Whether `data` lies where the tenants of a broker do.
    pub(crate) fn of(data: &Path) -> Option<Self> {
        let data = data.canonicalize().or_else(|_| std::path::absolute(data)).ok()?;
        let name = data.file_name()?.to_str()?.parse().ok()?;
        let folder = data.parent().filter(|it| it.file_name().is_some_and(|name| name == FOLDER))?;
        let broker = folder.parent().filter(|it| is_nexus(it))?.to_owned();
        Some(Self { name, broker })
    }
}

#[derive(Debug, Error)]
pub enum TenantsError {
    #[error(
        "this is the data directory of the tenant {name}, which the broker of {at} serves: nexus serve --data {at}; moved elsewhere it is a Nexus by itself",
        at = broker.display()
    )]
    Served { name: TenantName, broker: PathBuf },
    #[error("there is no Nexus in {} yet, whose tenants these would be: start it once with nexus serve, or name another with --data", .0.display())]
    NoBroker(PathBuf),
    #[error("{} is a tenant's, and tenants have none of their own; name the broker's with --data", .0.display())]
    Nested(PathBuf),
    #[error("there is a tenant {0} already; `nexus tenant list` shows all")]
    There(TenantName),
    #[error("there is no tenant {0}; `nexus tenant list` shows those there are")]
    Unknown(TenantName),
    #[error("{0} is being served, and its people and aspects would be cut off; with --force they are")]
    AtWork(TenantName),
    #[error("{0} is still in use, and nothing was done: stop what uses it, and try again")]
    Busy(TenantName),
    #[error("no broker runs that could begin it anew: nexus serve --data {}", .0.display())]
    NoServer(PathBuf),
    #[error("the broker has not begun {0} anew within a minute; `nexus tenant list` and its log say more")]
    NotAnew(TenantName),
    #[error("{name} is not served: {fault}")]
    Fault { name: TenantName, fault: String },
    #[error("cannot change {}: {source}", path.display())]
    Change { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

/// Whether there is a Nexus in a folder.
pub(crate) fn is_nexus(folder: &Path) -> bool {
    NEXUS_FILES.iter().any(|name| folder.join(name).is_file())
}

/// Where a tenant lies.
pub(crate) fn folder_of(broker: &Path, name: &TenantName) -> PathBuf {
    broker.join(FOLDER).join(name.as_str())
}

/// All that lie in a broker's data directory, by name.
pub(crate) fn all(broker: &Path) -> Vec<TenantName> {
    let entries = std::fs::read_dir(broker.join(FOLDER)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<TenantName>().ok());
    let mut names: Vec<TenantName> = names.filter(|name| is_nexus(&folder_of(broker, name))).collect();
    names.sort();
    names
}

/// Why one is not served, as the broker that should has written it.
pub(crate) fn fault_of(broker: &Path, name: &TenantName) -> Option<String> {
    std::fs::read_to_string(fault_path(broker, name)).ok()
}

/// How somebody has a tenant begun anew by the broker that runs, and learns that it was: by a file that is there as long as
/// it is wanted, then another as long as it is being done.
pub(crate) mod restart {
    use std::io;
    use std::path::{Path, PathBuf};

    use super::{FOLDER, TenantName};

    fn wanted(broker: &Path, name: &TenantName) -> PathBuf {
        broker.join(FOLDER).join(format!(".{name}.restart"))
    }

    fn doing(broker: &Path, name: &TenantName) -> PathBuf {
        broker.join(FOLDER).join(format!(".{name}.restarting"))
    }

    pub(crate) fn want(broker: &Path, name: &TenantName) -> io::Result<()> {
        std::fs::write(wanted(broker, name), "")
    }

    /// Nobody has done it, so nobody shall later.
    pub(crate) fn give_up(broker: &Path, name: &TenantName) {
        // It may be under way meanwhile.
        let _ = std::fs::remove_file(wanted(broker, name));
    }

    pub(crate) fn is_done(broker: &Path, name: &TenantName) -> bool {
        // In the order in which they come to be.
        !wanted(broker, name).exists() && !doing(broker, name).exists()
    }

    /// Whether it is wanted. What is wanted from now on is another time.
    pub(crate) fn take_up(broker: &Path, name: &TenantName) -> bool {
        std::fs::rename(wanted(broker, name), doing(broker, name)).is_ok()
    }

    pub(crate) fn done(broker: &Path, name: &TenantName) {
        // Mostly there was nothing to do.
        let _ = std::fs::remove_file(doing(broker, name));
    }
}

fn fault_path(broker: &Path, name: &TenantName) -> PathBuf {
    broker.join(FOLDER).join(format!(".{name}.fault"))
}

/// Beside the folder: what is wrong with that may keep anything from being written there.
pub(crate) fn note_fault(broker: &Path, name: &TenantName, fault: Option<&str>) {
    let path = fault_path(broker, name);
    let noted = match fault {
        Some(fault) => std::fs::write(&path, fault),
        None => std::fs::remove_file(&path),
    };
    // It is in the log; this is for `nexus tenant list`.
    let _ = noted;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_called_what_a_host_may_be_called() {
        for (text, is_good) in [
            ("acme", true),
            ("a-1", true),
            ("acme-", false),
            ("Acme", false),
            ("", false),
            ("a.b", false),
            ("a_b", false),
            ("1a", false),
            ("nexus", false),
        ] {
            assert_eq!(text.parse::<TenantName>().is_ok(), is_good, "{text:?}");
        }
        assert!("a".repeat(33).parse::<TenantName>().is_err());
    }

    #[test]
    fn a_folder_is_a_tenants_by_where_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let broker = dir.path().join("data");
        let acme = broker.join("tenants/acme");
        std::fs::create_dir_all(&acme).unwrap();
        assert_eq!(Tenancy::of(&acme), None, "there is no broker around it");
        std::fs::write(broker.join("identity.json"), "").unwrap();
        assert_eq!(all(&broker), [], "and no Nexus in it");
        std::fs::write(acme.join("identity.json"), "").unwrap();
        let name: TenantName = "acme".parse().unwrap();
        let found = Tenancy::of(&acme).unwrap();
        assert_eq!((&found.name, found.broker), (&name, broker.canonicalize().unwrap()));
        assert_eq!(all(&broker), std::slice::from_ref(&name));
        for elsewhere in [broker.clone(), broker.join("tenants"), broker.join("tenants/.acme.new")] {
            assert_eq!(Tenancy::of(&elsewhere), None, "{}", elsewhere.display());
        }
        let (here, there) = ("127.0.0.1:7888".parse().unwrap(), "10.0.0.7:7888".parse().unwrap());
        assert_eq!(name.url(here, false), "http://acme.localhost:7888");
        assert_eq!(name.url(there, true), "https://10.0.0.7:7888");
    }
}

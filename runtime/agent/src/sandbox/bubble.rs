//! Namespaces of a command's own, made by bubblewrap: other processes, the network and what is not bound are not there.
//!
//! Landlock and seccomp are applied inside as well; each would hold without the other.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::job::{ENTER, Job};

/// Where the program is looked for: never in what a home could name.
const PLACES: [&str; 3] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];

/// What every command may read and run.
pub(super) const SYSTEM: [&str; 8] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"];
/// What programs want to know of the machine. Nothing in `/etc` beside it.
pub(super) const SETTINGS: [&str; 28] = [
    "/etc/alternatives",
    "/etc/bash.bashrc",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/debian_version",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/inputrc",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/pki/tls/certs",
    "/etc/profile",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
];

pub(super) fn find() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// Arguments of a run that shows whether namespaces can be had here.
pub(super) fn probe() -> Vec<OsString> {
    let mut arguments = namespaces(false);
    for argument in ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "/bin/true"] {
        arguments.push(argument.into());
    }
    arguments
}

fn namespaces(network: bool) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = [
        "--unshare-user",
        "--unshare-ipc",
        "--unshare-pid",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
    ]
    .map(OsString::from)
    .into();
    if !network {
        arguments.push("--unshare-net".into());
    }
    arguments
}

/// Arguments that run `helper` as the command in its namespaces.
pub(super) fn arguments(job: &Job, helper: &Path, terms: String) -> Vec<OsString> {
    let mut arguments = namespaces(job.terms.network);
    let mut bind = |how: &str, path: &Path| {
        arguments.push(how.into());
        arguments.push(path.into());
        arguments.push(path.into());
    };
    for path in SYSTEM.iter().chain(&SETTINGS) {
        bind("--ro-bind-try", Path::new(path));
    }
    // A folder within another is bound after it.
    let mut folders: Vec<(&Path, &str)> =
        job.terms.read.iter().map(|path| (path.as_path(), "--ro-bind-try")).collect();
    folders.extend(job.terms.write.iter().map(|path| (path.as_path(), "--bind")));
    folders.push((&job.terms.temp, "--bind"));
    folders.sort_unstable();
    for (path, how) in folders {
        bind(how, path);
    }
    bind("--ro-bind", helper);
    for path in &job.masked {
        arguments.push("--tmpfs".into());
        arguments.push(path.into());
    }
    for argument in ["--proc", "/proc", "--dev", "/dev", "--"] {
        arguments.push(argument.into());
    }
    arguments.extend([helper.into(), ENTER.into(), terms.into()]);
    arguments.extend(job.argv.iter().map(OsString::from));
    arguments
}

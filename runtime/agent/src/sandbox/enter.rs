//! Gives up what a command is not to have, for good, and then becomes the command.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreated, RulesetCreatedAttr as _, RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::bubble::{SETTINGS, SYSTEM};
use super::calls;
use super::config::Mode;
use super::job::Terms;
use super::tree;

/// The exit code of a command that was never begun, and what then stands before the reason.
pub(super) const FAILED: i32 = 125;
pub(super) const SAID: &str = "nexus sandbox: ";

const FILES_OPEN_MAX: u64 = 1024;
/// All that can be asked for. What a kernel does not know of it is left out, but for what is needed.
pub(super) const WANTED: ABI = ABI::V6;
/// Without this a file could be cut off that may only be read.
pub(super) const NEEDED: ABI = ABI::V3;
const DEVICES: [&str; 5] = ["/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"];
/// Of `/proc`, where processes of others are in it as well.
const PROC: [&str; 9] = [
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/self",
    "/proc/stat",
    "/proc/sys/kernel/osrelease",
    "/proc/uptime",
    "/proc/version",
];

/// Becomes the program, with its arguments. Comes back only when that failed.
pub(super) fn enter(terms: &str, argv: &[OsString]) -> ExitCode {
    let failed = match serde_json::from_str(terms) {
        Ok(terms) => begin(&terms, argv),
        Err(error) => format!("its terms cannot be read: {error}"),
    };
    say(&failed);
    ExitCode::from(u8::try_from(FAILED).unwrap_or(u8::MAX))
}

/// To whoever reads the command's output.
fn say(failed: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{SAID}{failed}");
}

fn begin(terms: &Terms, argv: &[OsString]) -> String {
    let Some((program, arguments)) = argv.split_first() else { return "it names no program".to_owned() };
    let prepared = (|| {
        close_fds::set_fds_cloexec(3, &[]);
        // Should the keeper be killed, which then can end nothing any more.
        set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|error| format!("it could not be tied to its keeper: {error}"))?;
        // Fails in a process that leads a session already, which is as good.
        let _ = rustix::process::setsid();
        rustix::process::chdir(&terms.folder)
            .map_err(|error| format!("{} cannot be entered: {error}", terms.folder.display()))?;
        match terms.mode {
            Mode::Full => Ok(()),
            Mode::ReadOnly | Mode::WorkspaceWrite => give_up(terms),
        }
    })();
    match prepared {
        Ok(()) => {
            let failed = Command::new(program).args(arguments).exec();
            format!("{} could not be started: {failed}", Path::new(program).display())
        }
        Err(failed) => failed,
    }
}

fn give_up(terms: &Terms) -> Result<(), String> {
    limit(terms).map_err(|error| format!("its limits could not be set: {error}"))?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        },
    )
    .map_err(|error| format!("its privileges could not be given up: {error}"))?;
    // This also forbids to gain any by running a program.
    close_files(terms)?;
    let filters = calls::filters(terms.network, terms.in_namespaces)
        .map_err(|error| format!("no filter of system calls: {error}"))?;
    for filter in &filters {
        seccompiler::apply_filter(filter)
            .map_err(|error| format!("the filter of system calls could not be set: {error}"))?;
    }
    Ok(())
}

fn limit(terms: &Terms) -> rustix::io::Result<()> {
    // Where others of the same user count too, they come on top.
    let processes = tree::tasks_of_user().saturating_add(terms.processes);
    for (resource, most) in [
        (Resource::Core, 0),
        (Resource::Cpu, terms.cpu_s),
        (Resource::Fsize, terms.file_bytes),
        (Resource::Nofile, FILES_OPEN_MAX),
        (Resource::Nproc, processes),
        (Resource::As, terms.memory_bytes),
    ] {
        // Never above what was set for this process.
        let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

fn close_files(terms: &Terms) -> Result<(), String> {
    let missing = |error: landlock::RulesetError| {
        format!(
            "this kernel cannot restrict what a command reaches (landlock of Linux 6.2 or later is needed, and \
             without bubblewrap of Linux 6.12 or later): {error}. Commands can be run without any restriction by \
             \"sandbox\": {{\"mode\": \"full\"}}"
        )
    };
    let ruleset = ruleset(terms).and_then(|ruleset| rules(ruleset, terms)).map_err(missing)?;
    let status = ruleset.restrict_self().map_err(missing)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced if status.no_new_privs => Ok(()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => {
            Err("this kernel did not restrict what a command reaches; nothing was run".to_owned())
        }
    }
}

fn ruleset(terms: &Terms) -> Result<RulesetCreated, landlock::RulesetError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(NEEDED))?;
    if !terms.in_namespaces {
        // Here alone this is what keeps signals and abstract sockets from other processes.
        ruleset = ruleset.scope(Scope::from_all(WANTED))?;
    }
    ruleset = ruleset
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?;
    if !terms.network {
        ruleset = ruleset.handle_access(AccessNet::from_all(WANTED))?;
    }
    ruleset.create()
}

fn rules(ruleset: RulesetCreated, terms: &Terms) -> Result<RulesetCreated, landlock::RulesetError> {
    let look: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let run: BitFlags<AccessFs> = look | AccessFs::Execute;
    let devices: BitFlags<AccessFs> = make_bitflags!(AccessFs::{MakeChar | MakeBlock | IoctlDev});
    let write = AccessFs::from_all(WANTED) & !devices;
    let proc: &[&str] = if terms.in_namespaces { &["/proc"] } else { &PROC };
    let mut ruleset = ruleset
        .add_rules(path_beneath_rules(SYSTEM, run))?
        .add_rules(path_beneath_rules(SETTINGS, look))?
        .add_rules(path_beneath_rules(proc, look))?
        .add_rules(path_beneath_rules(DEVICES, look | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(&terms.read, run))?
        // What is made there is not run; a program belongs into a root.
        .add_rules(path_beneath_rules([&terms.temp], write & !BitFlags::from(AccessFs::Execute)))?;
    if terms.mode == Mode::WorkspaceWrite {
        let folders: Vec<&Path> = terms.write.iter().map(AsRef::as_ref).collect();
        ruleset = ruleset.add_rules(path_beneath_rules(folders, write))?;
    }
    Ok(ruleset)
}

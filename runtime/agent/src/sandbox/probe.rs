//! What of the sandbox works on this machine, found out by trying it, and what that means for commands.

use std::path::PathBuf;
use std::process::Stdio;

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetError, Scope,
};
use serde::Serialize;
use tokio::process::Command;

use super::enter::{NEEDED, WANTED};
use super::{KEEPER_SLACK, Mode, Request, Sandbox, bubble, shell};

/// One part of the sandbox.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Layer {
    pub works: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Layer {
    const WORKS: Self = Self { works: true, why: None };

    fn missing(why: impl ToString) -> Self {
        Self { works: false, why: Some(why.to_string()) }
    }

    fn of(tried: Result<(), impl ToString>) -> Self {
        tried.map_or_else(Self::missing, |()| Self::WORKS)
    }
}

/// What was found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Probed {
    pub mode: Mode,
    pub landlock: Layer,
    pub seccomp: Layer,
    pub bubblewrap: Layer,
    /// A command in the mode of the home.
    pub commands: Layer,
}

/// Tries each part, and then a command in this sandbox.
pub async fn probe(sandbox: &Sandbox) -> Probed {
    let bubblewrap = bubblewrap().await;
    let commands = match tempfile::tempdir() {
        Ok(folder) => {
            let request = Request {
                argv: shell("true"),
                input: None,
                env: Vec::new(),
                folder: folder.path().to_owned(),
                home: folder.path().to_owned(),
                read: Vec::new(),
                write: vec![folder.path().to_owned()],
                closed: Vec::new(),
                timeout: None,
                output_bytes_max: 1024,
            };
            Layer::of(sandbox.run(request).await.map(drop))
        }
        Err(error) => Layer::missing(format!("no folder to try it in: {error}")),
    };
    let landlock = Layer::of(landlock(bubblewrap.is_ok()));
    let mode = sandbox.config().mode;
    Probed {
        mode,
        landlock,
        seccomp: Layer::of(seccomp()),
        bubblewrap: Layer::of(bubblewrap.map(drop)),
        commands,
    }
}

/// Where it is, if it is installed and this machine lets it make namespaces.
pub(super) async fn bubblewrap() -> Result<PathBuf, String> {
    let Some(program) = bubble::find() else {
        return Err("it is not installed (Debian: apt-get install bubblewrap)".to_owned());
    };
    let tried = Command::new(&program)
        .args(bubble::probe())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(KEEPER_SLACK, tried).await {
        Ok(Ok(out)) if out.status.success() => Ok(program),
        Ok(Ok(out)) => {
            let said = String::from_utf8_lossy(&out.stderr);
            Err(format!("it may not make namespaces here: {}", said.trim()))
        }
        Ok(Err(error)) => Err(format!("{} cannot be started: {error}", program.display())),
        Err(_) => Err(format!("{} does not end", program.display())),
    }
}

/// Nothing is restricted by a set of rules that is made and let go of.
fn landlock(in_namespaces: bool) -> Result<(), String> {
    let made = |ruleset: Result<Ruleset, RulesetError>| ruleset.and_then(Ruleset::create).map(drop);
    let files = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(NEEDED))
    };
    made(files()).map_err(|_| "this kernel has none, or an older one than Linux 6.2's".to_owned())?;
    if in_namespaces {
        return Ok(());
    }
    let scope = |wanted: ABI| files().and_then(|ruleset| ruleset.scope(Scope::from_all(wanted)));
    made(scope(WANTED)).map_err(|_| "without bubblewrap that of Linux 6.12 is needed".to_owned())
}

fn seccomp() -> Result<(), String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| format!("/proc: {error}"))?;
    let has = status.lines().any(|line| line.starts_with("Seccomp:"));
    has.then_some(()).ok_or_else(|| "this kernel was built without it".to_owned())
}

impl Probed {
    /// For people, in a sentence or two.
    pub fn means(&self) -> String {
        let why = |layer: &Layer| layer.why.clone().unwrap_or_default();
        match self.mode {
            Mode::Full => "nothing is closed to commands: they may do what this user may".to_owned(),
            Mode::ReadOnly | Mode::WorkspaceWrite if !self.commands.works => {
                format!("no command is run: {}", why(&self.commands))
            }
            Mode::ReadOnly | Mode::WorkspaceWrite if self.bubblewrap.works => {
                "commands are run, with processes, network, users and mounts of their own".to_owned()
            }
            Mode::ReadOnly | Mode::WorkspaceWrite => format!(
                "commands are run, without namespaces of their own: more calls are forbidden, such as chmod, and a root \
                 with a .nexus folder below it makes them refuse. bubblewrap: {}",
                why(&self.bubblewrap)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_what_it_means() {
        let missing = || Layer::missing("it is not installed");
        let probed = |mode, commands: Layer, bubblewrap: Layer| Probed {
            mode,
            landlock: Layer::WORKS,
            seccomp: Layer::WORKS,
            bubblewrap,
            commands,
        };
        let cases = [
            (probed(Mode::Full, Layer::WORKS, missing()), "nothing is closed"),
            (probed(Mode::ReadOnly, Layer::WORKS, Layer::WORKS), "mounts of their own"),
            (probed(Mode::WorkspaceWrite, Layer::WORKS, missing()), "bubblewrap: it is not installed"),
            (
                probed(Mode::WorkspaceWrite, Layer::missing("no landlock"), missing()),
                "no command is run: no landlock",
            ),
        ];
        for (probed, expected) in cases {
            assert!(probed.means().contains(expected), "{}", probed.means());
        }
    }
}

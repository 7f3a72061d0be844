//! A home, something beside it that is nobody's business, and the ways to run a command there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nexus_agent::sandbox::{CommandEnd, Mode, Ran, Request, Sandbox, SandboxConfig, shell};
use tempfile::TempDir;

pub(crate) const CANARY: &str = "canary-5b1e-outside";

pub(crate) struct Site {
    top: TempDir,
    /// Distinguishes what this site's commands leave behind from others' traces.
    pub(crate) mark: String,
}

/// What a way out has come to: its output, whatever was written to standard error included, and its exit code.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) said: String,
    pub(crate) code: Option<i32>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let top = tempfile::Builder::new().prefix("nexus-escape-").tempdir().expect("a folder");
        for folder in ["home/work", "home/docs", "home/.nexus", "home/session", "other/.nexus"] {
            fs::create_dir_all(top.path().join(folder)).expect("made");
        }
        for file in ["home/.nexus/key.json", "home/session/global.jsonl", "other/.nexus/key.json", "secret"] {
            fs::write(top.path().join(file), format!("{CANARY}\n")).expect("written");
        }
        fs::write(top.path().join("home/docs/read.me"), "for reading\n").expect("written");
        let mark = top.path().file_name().expect("a name").to_string_lossy().into_owned();
        Self { top, mark }
    }

    pub(crate) fn top(&self) -> &Path {
        self.top.path()
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.top().join("home/work")
    }

    /// `{top}` and `{work}` in a command are this site's.
    fn filled(&self, command: &str) -> String {
        command
            .replace("{top}", &self.top().display().to_string())
            .replace("{work}", &self.work().display().to_string())
    }

    pub(crate) fn request(&self, command: &str) -> Request {
        Request {
            argv: shell(&self.filled(command)),
            input: None,
            env: Vec::new(),
            folder: self.work(),
            home: self.work(),
            read: vec![self.top().join("home/docs")],
            write: vec![self.work()],
            closed: Vec::new(),
            timeout: Some(Duration::from_secs(60)),
            output_bytes_max: 16 * 1024,
        }
    }

    pub(crate) async fn run(&self, sandbox: &Sandbox, command: &str) -> Ran {
        let ran = sandbox.run(self.request(command)).await;
        ran.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// As nobody would run it.
    pub(crate) fn openly(&self, command: &str) -> Tried {
        let out = Command::new("/bin/sh")
            .arg("-c")
            .arg(self.filled(command))
            .current_dir(self.work())
            .env("TMPDIR", self.top())
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        let said = [out.stdout, out.stderr].concat();
        Tried { said: String::from_utf8_lossy(&said).into_owned(), code: out.status.code() }
    }
}

impl From<Ran> for Tried {
    fn from(ran: Ran) -> Self {
        let code = if let CommandEnd::Exit(code) = ran.end { Some(code) } else { None };
        Self { said: ran.stdout.text() + &ran.stderr.text(), code }
    }
}

pub(crate) fn sandbox(config: SandboxConfig) -> Sandbox {
    Sandbox::new(config, env!("CARGO_BIN_EXE_agent").into())
}

/// Every kind of sandbox this machine has, by name: with bubblewrap where it can be used, and without.
pub(crate) async fn kinds(config: &SandboxConfig) -> Vec<(&'static str, Sandbox)> {
    let with = sandbox(config.clone());
    let without = with.clone().without_bubblewrap();
    let mut kinds = vec![("landlock", without)];
    if with.has_namespaces().await {
        kinds.push(("bubblewrap", with));
    }
    kinds
}

pub(crate) fn mode(mode: Mode) -> SandboxConfig {
    SandboxConfig { mode, ..SandboxConfig::default() }
}

/// Whether a process that was started with this word in its arguments is there.
pub(crate) fn runs(word: &str) -> bool {
    fs::read_dir("/proc").expect("/proc").flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mine = entry.file_name().to_str().and_then(|pid| pid.parse().ok()) == Some(std::process::id());
        !mine && line.windows(word.len()).any(|window| window == word.as_bytes())
    })
}

/// For what announces itself by no event: a process, a file of a command.
pub(crate) async fn until(what: &str, is: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if is() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("not in time: {what}");
}

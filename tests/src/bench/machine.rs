//! Where a run was made, as far as it matters to the figures: processor, kernel, disk, versions.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) disk: String,
    /// Processes that ran or wanted to, on average over the minute before: what else is at work distorts.
    pub(crate) load: String,
    /// Everything in the run goes before ordinary processes (`chrt -r 1 scripts/bench`), which a busy machine needs.
    pub(crate) real_time: bool,
}

impl Machine {
    /// `dir` is where the databases under measurement lie.
    pub(crate) fn look(dir: &Path) -> Self {
        let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned());
        let memory = field("/proc/meminfo", "MemTotal");
        let memory_kib: f64 = memory.and_then(|it| it.split(' ').next()?.parse().ok()).unwrap_or_default();
        Self {
            cpu,
            cores: std::thread::available_parallelism().map_or(0, Into::into),
            memory_gib: memory_kib / 1024.0 / 1024.0,
            kernel: said_by(Command::new("uname").arg("-sr")),
            disk: disk_of(dir),
            load: load(),
            real_time: is_real_time(),
        }
    }
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// File system and device of the disk below `dir`.
fn disk_of(dir: &Path) -> String {
    let mount = said_by(Command::new("df").args(["--output=fstype,source"]).arg(dir));
    let mount: Vec<&str> = mount.lines().last().unwrap_or_default().split_whitespace().collect();
    match mount[..] {
        [file_system, source] => format!("{file_system} on {source}"),
        _ => "unknown disk".to_owned(),
    }
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Whether the scheduling policy, which children inherit, is SCHED_FIFO or SCHED_RR.
fn is_real_time() -> bool {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in parentheses, may have spaces; the policy is the 39th field after it.
    let policy = text.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(38));
    matches!(policy, Some("1" | "2"))
}

/// What a program prints, or `unknown`.
pub(crate) fn said_by(command: &mut Command) -> String {
    let out = command.output().ok().filter(|out| out.status.success());
    out.map_or_else(|| "unknown".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

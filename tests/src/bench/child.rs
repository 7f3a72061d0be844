//! Processes under measurement: started, asked for their memory, stopped, and never left behind.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::clock::{now, pause};
use super::fault::{Doing as _, Fault, Outcome};

const STOP: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_micros(200);

#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: std::path::PathBuf,
}

impl Process {
    /// Starts `program`; what it prints goes to `<dir>/<name>.log`.
    pub(crate) fn start(
        name: &'static str,
        program: &Path,
        arguments: &[String],
        dir: &Path,
    ) -> Outcome<Self> {
        let log = dir.join(format!("{name}.log"));
        let doing = || format!("start {}", program.display());
        let out = File::options().create(true).append(true).open(&log).doing(doing())?;
        let err = out.try_clone().doing(doing())?;
        // util-linux: it gets SIGTERM when we die, however we die. Becomes the program, so the pid is its own.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM"])
            .arg(program)
            .args(arguments)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .doing(doing())?;
        Ok(Self { name, child, log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in KiB.
    pub(crate) fn rss_kib(&self) -> Outcome<f64> {
        self.proc_field("status", "VmRSS:")
    }

    /// Bytes this process has caused to be written to disk.
    pub(crate) fn disk_bytes(&self) -> Outcome<f64> {
        self.proc_field("io", "write_bytes:")
    }

    /// Time this process has had on all processors, in ticks of the kernel.
    pub(crate) fn cpu_ticks(&self) -> Outcome<u64> {
        let path = format!("/proc/{}/stat", self.pid());
        let text = fs::read_to_string(&path).doing(format!("read {path}"))?;
        // Behind the name, which may hold anything; of the user and of the system.
        let ticks = text.rsplit_once(')').and_then(|(_, rest)| {
            let mut fields = rest.split_whitespace().skip(11).map(str::parse::<u64>);
            Some(fields.next()?.ok()? + fields.next()?.ok()?)
        });
        ticks.doing(format!("find the time in {path}"))
    }

    fn proc_field(&self, file: &str, field: &str) -> Outcome<f64> {
        let path = format!("/proc/{}/{file}", self.pid());
        let text = fs::read_to_string(&path).doing(format!("read {path}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.doing(format!("find {field} in {path}"))
    }

    /// Tries `ready` again and again until it succeeds.
    pub(crate) fn wait_ready<T>(
        &mut self,
        patience: Duration,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Outcome<T> {
        let begun = now();
        loop {
            if let Some(found) = ready() {
                return Ok(found);
            }
            let ended = self.child.try_wait().doing(format!("watch {}", self.name))?;
            if ended.is_some() || begun.elapsed() > patience {
                let how =
                    ended.map_or_else(|| "is not ready".to_owned(), |status| format!("ended: {status}"));
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(6).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                return Err(Fault::new(
                    format!("start {}", self.name),
                    format!("{how}; {}", last.join(" | ")),
                ));
            }
            pause(LOOK);
        }
    }

    /// SIGTERM, and SIGKILL for what does not listen.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        let begun = now();
        while asked.is_ok() && begun.elapsed() < STOP {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            pause(Duration::from_millis(2));
        }
        // It is ours and did not go: nothing more can be done when this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A loopback address nobody listens on at this moment.
pub(crate) fn free_addr() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").doing("find a free port")?;
    listener.local_addr().doing("find a free port")
}

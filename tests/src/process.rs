//! A real child process under test: its output as lines that can be waited for, its end by signal, and
//! never outliving the test.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long anything may take before a test calls it a hang. Never a measurement.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Printed {
    lines: Mutex<(Vec<String>, u32)>,
    changed: Condvar,
}

impl Printed {
    /// A failed assertion elsewhere leaves the lines as good as they were.
    fn lock(&self) -> MutexGuard<'_, (Vec<String>, u32)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `done` says so of the lines and of how many pipes are open. `false`: it never did.
    fn wait_for(&self, mut done: impl FnMut(&[String], u32) -> bool) -> bool {
        let waits = |it: &mut (Vec<String>, u32)| !done(&it.0, it.1);
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, waits);
        let (_lines, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }
}

/// A child process with its output.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Printed>,
}

impl Process {
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let output = Arc::new(Printed::default());
        output.lock().1 = 2;
        collect(child.stdout.take().expect("piped"), Arc::clone(&output));
        collect(child.stderr.take().expect("piped"), Arc::clone(&output));
        Self { name: name.to_owned(), child, output }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line for which `wanted` gives something, among those printed already or still to come.
    pub fn wait_for<T>(&self, what: &str, mut wanted: impl FnMut(&str) -> Option<T>) -> T {
        let (mut seen, mut found) = (0, None);
        let in_time = self.output.wait_for(|lines, open| {
            while found.is_none() && seen < lines.len() {
                found = wanted(&lines[seen]);
                seen += 1;
            }
            found.is_some() || open == 0
        });
        match found {
            Some(found) => found,
            None if in_time => panic!("{} ended without {what}:\n{}", self.name, self.text()),
            None => panic!("{} does not show {what}:\n{}", self.name, self.text()),
        }
    }

    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(text, |line| line.contains(text).then_some(()));
    }

    /// Everything printed so far.
    pub fn text(&self) -> String {
        self.output.lock().0.join("\n")
    }

    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([format!("-{signal}"), self.pid().to_string()]).status();
        assert!(done.is_ok_and(|status| status.success()), "{} cannot be signalled", self.name);
    }

    /// Whether it runs no more.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our own child can be waited for").is_some()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().expect("our own child can be killed");
        self.child.wait().expect("our own child can be waited for");
    }

    /// Waits for the end and for the last of its output.
    pub fn wait(&mut self) -> ExitStatus {
        let ended = self.output.wait_for(|_, open| open == 0);
        assert!(ended, "{} does not end:\n{}", self.name, self.text());
        self.child.wait().expect("our own child can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A tracer that is killed lets go of what it traced, so that goes first.
        let children = format!("/proc/{0}/task/{0}/children", self.pid());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        for child in children.split_whitespace() {
            let _ = Command::new("kill").args(["-9", child]).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Nobody waits for these, and until they are gone they hold their locks.
        if !std::thread::panicking() {
            let gone = || children.split_whitespace().all(is_gone).then_some(());
            wait_until("the end of what was traced", gone);
        }
        if std::thread::panicking() {
            eprintln_of(&self.name, &self.text());
        }
    }
}

/// Runs a command to its end. One that never ends is killed, and so holds up nobody.
pub fn run(command: &mut Command) -> std::io::Result<Output> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let pid = child.id().to_string();
    let (ended, end) = std::sync::mpsc::sync_channel::<()>(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // There may be work for whole agents behind one command.
            if end.recv_timeout(5 * PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-9", &pid]).status();
            }
        });
        let out = child.wait_with_output();
        drop(ended);
        out
    })
}

/// Whether no thread of a process is left that could hold anything.
fn is_gone(pid: &str) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok()).all(|stat| {
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        matches!(state, Some('X' | 'Z'))
    })
}

#[expect(clippy::print_stderr, reason = "what a process said explains why its test failed")]
fn eprintln_of(name: &str, text: &str) {
    eprintln!("--- {name}\n{text}\n---");
}

fn collect(from: impl Read + Send + 'static, output: Arc<Printed>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n') {
            let Ok(line) = line else { break };
            let mut lines = output.lock();
            lines.0.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            output.changed.notify_all();
        }
        output.lock().1 -= 1;
        output.changed.notify_all();
    });
}

/// A binary of this workspace, built beside the running test.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let dir = test.ancestors().find(|dir| dir.join(name).is_file());
    match dir {
        Some(dir) => dir.join(name),
        None => panic!("{name} is not built; run: cargo build --workspace --bins"),
    }
}

/// The root of the checkout.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the checkout is there")
}

/// A connection to a broker. Whoever reads from it in vain fails by its name and holds up nobody.
pub fn connect(address: impl ToSocketAddrs) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the broker listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    stream
}

/// Looks again and again until `look` gives something. For what announces itself by no event, such as a file.
pub fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    const INTERVAL: Duration = Duration::from_millis(10);
    for _ in 0..PATIENCE.as_millis() / INTERVAL.as_millis() {
        if let Some(found) = look() {
            return found;
        }
        std::thread::park_timeout(INTERVAL);
    }
    panic!("never saw {what}");
}

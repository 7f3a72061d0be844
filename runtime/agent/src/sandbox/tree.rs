//! All processes below this one, wherever they have moved to, and their end.
//!
//! This process is the one that orphans below it fall to (a child subreaper), so that nothing leaves the tree.

use std::collections::HashMap;
use std::fs;
use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process, told apart from a later one of the same number by when it began.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Proc {
    pid: i32,
    parent: i32,
    started: u64,
    is_zombie: bool,
}

/// Those that run below `top`.
pub(super) fn below(top: i32) -> io::Result<Vec<Proc>> {
    let mut children: HashMap<i32, Vec<Proc>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended since.
        let Some(proc) = read(pid) else { continue };
        children.entry(proc.parent).or_default().push(proc);
    }
    let mut found = Vec::new();
    let mut todo = vec![top];
    while let Some(parent) = todo.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            todo.push(child.pid);
            if !child.is_zombie {
                found.push(child);
            }
        }
    }
    Ok(found)
}

/// Sends a signal, unless the number belongs to another process by now. One that has ended needs none.
pub(super) fn signal(proc: Proc, signal: Signal) {
    let Some(pid) = Pid::from_raw(proc.pid) else { return };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    // The handle stays with one process, so if the numbers still fit after it was opened, it is the one.
    if read(proc.pid).is_some_and(|now| now.started == proc.started) {
        let _ = pidfd_send_signal(&handle, signal);
    }
}

fn read(pid: i32) -> Option<Proc> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// A line of `/proc/<pid>/stat`. The name in it may hold anything, parentheses and spaces included.
fn parse(stat: &str) -> Option<Proc> {
    let pid = stat.split(' ').next()?.parse().ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let is_zombie = fields.next()? == "Z";
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Proc { pid, parent, started, is_zombie })
}

/// Processes and threads of this process's user: what the kernel counts against the limit on them.
pub(super) fn tasks_of_user() -> u64 {
    let user = rustix::process::getuid().as_raw();
    let mut tasks = 0;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        if field("Uid:") == Some(user.into()) {
            tasks += field("Threads:").unwrap_or(1);
        }
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pass_for_other_fields() {
        let stat = "42 (a) Z 1 (b) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987 10 20";
        assert_eq!(parse(stat), Some(Proc { pid: 42, parent: 7, started: 987, is_zombie: false }));
        assert_eq!(parse("42 (x) Z"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn this_process_is_below_its_parent() {
        let parent = rustix::process::getppid().expect("has one").as_raw_nonzero().get();
        let me = i32::try_from(std::process::id()).expect("a number of a process");
        assert!(below(parent).expect("/proc").iter().any(|proc| proc.pid == me));
        assert!(tasks_of_user() > 0);
    }
}

//! What the broker is told of changes: paths as the aspect's scripts and tools take them, as many as fit.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use nexus_wire::WatchName;
use nexus_wire::files::{FileChange, FileCounts, WatchChanged};
use nexus_wire::limits::{FILE_CHANGES_BYTES_MAX, FILE_CHANGES_MAX, FILE_PATH_BYTES_MAX};

use super::tracker::Change;

/// `shown` is the folder as `<root>/<path>`.
pub(crate) fn report(watch: &WatchName, shown: &str, changes: &[Change]) -> WatchChanged {
    let mut report = WatchChanged { watch: watch.clone(), changes: Vec::new(), more: FileCounts::default() };
    // The brackets around them.
    let mut bytes = 2;
    for change in changes {
        let listed = listed(shown, change).filter(|_| report.changes.len() < FILE_CHANGES_MAX);
        let size = listed.as_ref().and_then(|it| serde_json::to_vec(it).ok()).map(|json| json.len() + 1);
        match listed.zip(size).filter(|(_, size)| bytes + size <= FILE_CHANGES_BYTES_MAX) {
            Some((listed, size)) => {
                bytes += size;
                report.changes.push(listed);
            }
            None => report.more.add(change.kind),
        }
    }
    report
}

/// `None`: its path is too long.
fn listed(shown: &str, change: &Change) -> Option<FileChange> {
    let path = Path::new(shown).join(&change.path);
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() > FILE_PATH_BYTES_MAX {
        return None;
    }
    let exact =
        std::str::from_utf8(bytes).err().map(|_| bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    let path = String::from_utf8_lossy(bytes).into_owned();
    Some(FileChange { path, bytes: exact, kind: change.kind, size: change.now.map(|now| now.size) })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use nexus_wire::files::FileChangeKind;
    use serde_json::json;

    use super::*;
    use crate::watches::look::Stamp;

    fn created(path: impl AsRef<Path>) -> Change {
        let now = Some(Stamp { size: 3, mtime: (0, 0) });
        Change { path: path.as_ref().to_owned(), kind: FileChangeKind::Created, now }
    }

    fn told(changes: &[Change]) -> WatchChanged {
        report(&"inbox".parse().expect("a name"), "data/inbox", changes)
    }

    #[test]
    fn a_path_reads_as_tools_take_it_whatever_is_in_it() {
        let gone = Change { now: None, kind: FileChangeKind::Removed, ..created("{{ x }}\n") };
        let report = told(&[created(OsStr::from_bytes(b"a/\xff.csv")), gone]);
        let expected = json!({"watch": "inbox", "changes": [
            {"path": "data/inbox/a/\u{fffd}.csv", "bytes": "646174612f696e626f782f612fff2e637376", "kind": "created", "size": 3},
            {"path": "data/inbox/{{ x }}\n", "kind": "removed"},
        ]});
        assert_eq!(serde_json::to_value(report).expect("JSON"), expected);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let many: Vec<Change> = (0..FILE_CHANGES_MAX + 5).map(|no| created(no.to_string())).collect();
        let report = told(&many);
        let counts = FileCounts {
            created: 5 + (FILE_CHANGES_MAX - report.changes.len()) as u64,
            ..FileCounts::default()
        };
        assert_eq!(report.more, counts);
        assert!(serde_json::to_vec(&report.changes).expect("JSON").len() <= FILE_CHANGES_BYTES_MAX);
        // The worst path there is takes no more than there is room for; one that is longer is not listed.
        let worst = "\u{1}".repeat(FILE_PATH_BYTES_MAX - "data/inbox/".len());
        let longer = format!("{worst}x");
        let report = told(&[created(&worst), created(&longer), created("short")]);
        let paths: Vec<usize> = report.changes.iter().map(|it| it.path.len()).collect();
        assert_eq!((paths, report.more.created), (vec![FILE_PATH_BYTES_MAX, "data/inbox/short".len()], 1));
        assert!(serde_json::to_vec(&report.changes).expect("JSON").len() <= FILE_CHANGES_BYTES_MAX);
    }
}

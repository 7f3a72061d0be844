use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use tempfile::TempDir;

use super::*;

fn dir() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Everything in braces is a whole record, as it is for JSON objects.
fn open(path: &Path) -> (Journal, Vec<String>, Option<TornTail>) {
    let mut lines = Vec::new();
    let (journal, torn) = Journal::open(path, Durability::UnsafeNoFsync, |line| {
        let whole = line.bytes.starts_with(b"{") && line.bytes.ends_with(b"}");
        if line.terminated || whole {
            lines.push(String::from_utf8_lossy(line.bytes).into_owned());
        }
        whole
    })
    .expect("opens");
    (journal, lines, torn)
}

/// Does `work` while the folder takes new names and cannot be opened, as fsyncing it would need.
pub(crate) fn where_no_name_reaches_the_disk<T: Send>(folder: &Path, work: impl FnOnce() -> T + Send) -> T {
    let allow = |mode| fs::set_permissions(folder, Permissions::from_mode(mode)).expect("the folder is ours");
    allow(0o300);
    let done = std::thread::scope(|scope| {
        let working = scope.spawn(|| {
            // Root may open whatever there is. A thread gives up what it may for itself alone.
            let none = CapabilitySet::empty();
            let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
            set_capabilities(None, sets).expect("privileges can be given up");
            work()
        });
        working.join().expect("the work does not break down")
    });
    allow(0o700);
    done
}

#[test]
fn a_second_writer_is_told_who_holds_the_file() {
    let dir = dir();
    let path = dir.path().join("a/b/lines.jsonl");
    let (held, ..) = open(&path);
    let error = Journal::open(&path, Durability::Fsync, |_| false).expect_err("locked");
    let JournalError::Locked { by, .. } = &error else { panic!("{error}") };
    // A sandbox may hide /proc/locks; when it is there the process is ours.
    assert!(matches!(by, HeldBy::Unknown) || *by == HeldBy::Process(std::process::id()), "{error}");
    drop(held);
    open(&path);
}

#[test]
fn a_rewritten_file_stays_locked_and_appendable() {
    let dir = dir();
    let path = dir.path().join("lines");
    let (mut journal, ..) = open(&path);
    journal.append(&["{1}", "{2}", "{3}"]).expect("appends");
    journal.rewrite(&["{3}"]).expect("rewrites");
    assert!(matches!(Journal::open(&path, Durability::Fsync, |_| false), Err(JournalError::Locked { .. })));
    assert_eq!(journal.append(&["{4}"]).expect("appends"), 4);
    drop(journal);
    assert_eq!(open(&path).1, ["{3}", "{4}"]);
    assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 1, "no copy is left behind");
}

#[test]
fn nothing_counts_in_a_rewritten_file_before_its_name_is_on_disk() {
    let dir = dir();
    let path = dir.path().join("lines");
    let open = |lines: &mut Vec<String>| {
        let opened = Journal::open(&path, Durability::Fsync, |line| {
            lines.push(String::from_utf8_lossy(line.bytes).into_owned());
            true
        });
        opened.map(|(journal, _)| journal)
    };
    let no_name = |result: Result<(), JournalError>| {
        matches!(result, Err(JournalError::Io { doing: "fsync the folder of", .. }))
    };
    let mut journal = open(&mut Vec::new()).expect("opens");
    journal.append(&["{1}", "{2}"]).expect("appends");
    let (rewritten, appended) = where_no_name_reaches_the_disk(dir.path(), || {
        (journal.rewrite(&["{2}"]), journal.append(&["{lost}"]))
    });
    assert!(no_name(rewritten));
    assert!(matches!(appended, Err(JournalError::Broken(_))), "a power cut would bring the old file back");
    assert!(matches!(open(&mut Vec::new()), Err(JournalError::Locked { .. })), "the new file is this one's");

    journal.rewrite(&["{3}"]).expect("rewrites");
    assert_eq!(journal.append(&["{4}"]).expect("appends"), 4);
    drop(journal);
    // Whoever goes on with it does not know whether the one before came that far.
    let opened = where_no_name_reaches_the_disk(dir.path(), || open(&mut Vec::new()).map(drop));
    assert!(no_name(opened));
    let mut lines = Vec::new();
    drop(open(&mut lines).expect("opens"));
    assert_eq!(lines, ["{3}", "{4}"]);
}

#[test]
fn a_reader_takes_no_lock_and_cuts_nothing() {
    let dir = dir();
    let path = dir.path().join("lines");
    fs::write(&path, "{1}\n{2").expect("writes");
    let torn = read(&path, |line| line.terminated).expect("reads");
    assert_eq!(torn, Some(TornTail { line: 2, offset: 4, bytes: 2 }));
    assert_eq!(fs::read(&path).expect("reads"), b"{1}\n{2");
}

#[test]
fn a_line_longer_than_any_buffer_is_one_line() {
    let dir = dir();
    let path = dir.path().join("lines");
    let (mut journal, ..) = open(&path);
    let long = format!("{{{}}}", "x".repeat(3_000_000));
    journal.append(&["{a}", &long, "{b}"]).expect("appends");
    assert_eq!(journal.read_at(4, long.len() as u64).expect("reads"), long.as_bytes());
    drop(journal);
    assert_eq!(open(&path).1, ["{a}", &long, "{b}"]);
}

#[test]
fn what_does_not_stand_in_the_file_is_not_read() {
    let dir = dir();
    let (mut journal, ..) = open(&dir.path().join("lines"));
    journal.append(&["{1}", "{2}"]).expect("appends");
    assert_eq!(journal.read_at(4, 4).expect("reads"), b"{2}\n");
    for (offset, len) in [(0, u64::MAX), (u64::MAX, u64::MAX), (u64::MAX, 1), (0, 1 << 50), (4, 5), (8, 1)] {
        let error = journal.read_at(offset, len).expect_err("it is not there");
        let JournalError::Io { source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::UnexpectedEof, "{offset} {len}");
    }
}

#[test]
fn a_hold_on_a_folder_excludes_and_leaves_nothing() {
    let dir = dir();
    let held = hold_dir(dir.path()).expect("holds");
    assert!(matches!(hold_dir(dir.path()), Err(JournalError::Locked { .. })));
    drop(held);
    hold_dir(dir.path()).expect("holds again");
    assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Wherever the file was cut: the whole records before it are there, and an append stands on its own line.
    #[test]
    fn any_cut_keeps_the_whole_lines(contents in proptest::collection::vec("[a-z é]{0,12}", 1..8), at in 0.0..1.0_f64) {
        let dir = dir();
        let path = dir.path().join("lines");
        let records: Vec<String> = contents.iter().map(|text| format!("{{{text}}}")).collect();
        let (mut journal, ..) = open(&path);
        journal.append(&records).expect("appends");
        drop(journal);
        let bytes = fs::read(&path).expect("reads");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a length")]
        let cut = (bytes.len() as f64 * at) as usize;
        fs::write(&path, &bytes[..cut]).expect("writes");

        let mut end = 0;
        let whole: Vec<String> = records
            .iter()
            .take_while(|record| {
                let fits = end + record.len() <= cut;
                end += record.len() + 1;
                fits
            })
            .cloned()
            .collect();
        let (mut journal, found, torn) = open(&path);
        prop_assert_eq!(&found, &whole);
        let kept: usize = whole.iter().map(|record| record.len() + 1).sum();
        prop_assert_eq!(torn.map(|torn| torn.bytes as usize), (cut > kept).then(|| cut - kept));
        journal.append(&["{next}"]).expect("appends");
        drop(journal);
        let mut expected = whole;
        expected.push("{next}".to_owned());
        prop_assert_eq!(open(&path).1, expected);
    }
}

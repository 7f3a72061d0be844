//! Files that are not as they were written.

use super::*;

/// Three entries in a row, and the lines of their file.
fn written(home: &TempDir) -> (PathBuf, Vec<String>, Vec<Uuid>) {
    let mut session = open(home);
    let ids = session
        .append_all(vec![user("one"), assistant(vec![text("two")]), user("three")], NOW)
        .expect("appends");
    let path = session.path().to_owned();
    let lines = fs::read_to_string(&path).expect("reads").lines().map(str::to_owned).collect();
    (path, lines, ids)
}

fn rewrite(path: &Path, lines: &[String]) {
    fs::write(path, lines.join("\n") + "\n").expect("writes");
}

fn problems(tree: &Tree) -> Vec<u64> {
    tree.problems().iter().map(|problem| problem.line).collect()
}

#[test]
fn an_unreadable_line_is_told_and_the_rest_of_the_branch_kept() {
    let home = home();
    let (path, mut lines, ids) = written(&home);
    lines[2] = "\u{0}\u{0}{\"half".to_owned();
    rewrite(&path, &lines);
    let mut session = open(&home);
    assert!(matches!(session.tree().problems()[0].kind, ProblemKind::Unreadable(_)));
    assert_eq!(
        session.tree().problems()[1].to_string(),
        format!("line 4: its parent {} is not before it; attached to {}", ids[1], ids[0])
    );
    assert_eq!(session.replay().messages[0].content, [text("one"), text("three")]);
    push(&mut session, user("four"));
    drop(session);
    let kept = fs::read_to_string(&path).expect("reads");
    assert!(kept.contains("half"), "an unreadable line in the middle is not touched");
    assert_eq!(open(&home).replay().messages[0].content, [text("one"), text("three"), text("four")]);
}

#[test]
fn bytes_that_are_not_utf8_spoil_one_line_only() {
    let home = home();
    let (path, ..) = written(&home);
    let mut bytes = fs::read(&path).expect("reads");
    let two = bytes.windows(3).position(|window| window == b"two").expect("is there");
    bytes[two] = 0xff;
    fs::write(&path, bytes).expect("writes");
    assert_eq!(open(&home).replay().messages[0].content, [text("one"), text("three")]);
}

#[test]
fn a_lost_or_foreign_header_costs_the_header_alone() {
    let home = home();
    let (path, lines, _) = written(&home);
    rewrite(&path, &lines[1..]);
    let session = open(&home);
    assert!(matches!(session.tree().problems()[0].kind, ProblemKind::Header(_)));
    assert_eq!((session.tree().len(), session.id()), (3, Uuid::nil()));
    drop(session);
    let mut lines = lines;
    lines[0] = lines[0].replace("nexus-session", "other");
    rewrite(&path, &lines);
    assert_eq!(open(&home).tree().len(), 3);
}

#[test]
fn a_later_format_is_refused_and_left_alone() {
    let home = home();
    let (path, mut lines, _) = written(&home);
    lines[0] = r#"{"format":"nexus-session","version":2,"new":"shape"}"#.to_owned();
    let text = lines.join("\n") + "\nnot even JSON";
    fs::write(&path, &text).expect("writes");
    let refused = Session::open(home.path(), SessionKey::Global, Durability::Fsync, NOW);
    assert!(matches!(refused, Err(SessionError::Newer { version: 2, .. })));
    assert!(matches!(Tree::load(&path), Err(SessionError::Newer { version: 2, .. })));
    assert_eq!(fs::read_to_string(&path).expect("reads"), text);
}

#[test]
fn duplicates_forward_parents_and_lost_rewinds_are_told() {
    let home = home();
    let (path, lines, ids) = written(&home);
    let head = |to: Uuid| {
        format!(
            r#"{{"id":"{}","parentId":null,"kind":"custom.head","ts":"2026-01-01T00:00:00Z","payload":{{"head":"{to}"}}}}"#,
            Uuid::now_v7()
        )
    };
    let nowhere = Uuid::from_u128(5);
    // The second entry before the first, the first again, and a rewind to what is not there.
    let changed = [0, 2, 1, 3, 1].map(|line: usize| lines[line].clone());
    let mut changed = changed.to_vec();
    changed.push(head(nowhere));
    rewrite(&path, &changed);
    let session = open(&home);
    let kinds: Vec<&ProblemKind> = session.tree().problems().iter().map(|problem| &problem.kind).collect();
    assert_eq!(
        kinds,
        [
            &ProblemKind::MissingParent { parent: ids[0], attached_to: None },
            &ProblemKind::DuplicateId(ids[0]),
            &ProblemKind::MissingHead(nowhere),
        ]
    );
    assert_eq!(problems(session.tree()), [2, 5, 6]);
    assert_eq!(session.tree().head(), Some(ids[2]));
}

#[test]
fn a_payload_that_does_not_fit_its_kind_keeps_its_place() {
    let home = home();
    let (path, mut lines, ids) = written(&home);
    lines[2] = lines[2].replace("\"content\"", "\"contents\"");
    rewrite(&path, &lines);
    let session = open(&home);
    assert!(
        matches!(&session.tree().problems()[0].kind, ProblemKind::Payload { entry, .. } if *entry == ids[1])
    );
    assert_eq!(session.tree().parent(ids[2]).map(|entry| entry.id), Some(ids[1]));
    assert_eq!(session.replay().messages[0].content, [text("one"), text("three")]);
}

#[test]
fn kinds_and_fields_of_a_later_version_are_kept_and_copied_by_a_fork() {
    let home = home();
    let (path, mut lines, ids) = written(&home);
    lines[2] = lines[2].replace("\"stop\"", "\"mood\":\"calm\",\"stop\"");
    lines[3] = lines[3].replace("turn.user", "turn.gesture");
    rewrite(&path, &lines);
    let mut session = open(&home);
    assert_eq!(session.tree().problems(), []);
    let forked = session.fork(home.path(), Some(ids[2]), None, NOW).expect("forks");
    let copied = fs::read_to_string(forked.path).expect("reads");
    assert_eq!(copied.lines().skip(1).collect::<Vec<_>>(), lines[1..].iter().collect::<Vec<_>>());
}

#[test]
fn a_line_of_megabytes_is_read_back() {
    let home = home();
    let mut session = open(&home);
    let long = "é\n\u{2028}".repeat(1_000_000);
    push(&mut session, user(&long));
    push(&mut session, assistant(vec![text("ok")]));
    drop(session);
    assert_eq!(open(&home).replay().messages[0].content, [text(&long)]);
}

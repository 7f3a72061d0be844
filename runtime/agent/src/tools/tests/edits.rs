//! Writing and editing files: what is changed, what is refused, and that nothing is half done.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use uuid::Uuid;

use super::*;

struct Desk {
    folder: tempfile::TempDir,
    bench: Bench,
}

impl Desk {
    /// `w` may be written in, `r` may not.
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["w", "r"] {
            fs::create_dir(folder.path().join(name)).expect("made");
        }
        for (path, text) in files {
            fs::write(folder.path().join(path), text).expect("written");
        }
        let mut bench = bench(&[]);
        let root = |label: &str| Root {
            label: label.to_owned(),
            path: folder.path().join(label),
            write: label == "w",
        };
        bench.toolbox.reach.roots = Roots::new(vec![root("w"), root("r")]);
        Self { folder, bench }
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.folder.path().join(path)).expect("is there")
    }

    async fn ok(&self, tool: &str, input: Value) -> Value {
        ok(&self.bench.toolbox, tool, input).await
    }

    async fn refusal(&self, tool: &str, input: Value) -> String {
        refusal(&self.bench.toolbox, tool, input).await
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.folder.path().join("w"))
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_new_file_is_made_with_its_folders_and_the_same_call_again_changes_nothing() {
    let desk = Desk::new(&[]);
    let input = json!({"path": "w/a/b/c.txt", "text": "one\ntwo\n"});
    assert_eq!(
        desk.ok("write_file", input.clone()).await,
        json!({"path": "w/a/b/c.txt", "created": true, "changed": true, "bytes": 8,
               "diff": "--- /dev/null\n+++ b/w/a/b/c.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n"})
    );
    assert_eq!(
        desk.ok("write_file", input).await,
        json!({"path": "w/a/b/c.txt", "created": false, "changed": false, "bytes": 8})
    );
    assert_eq!((desk.text("w/a/b/c.txt"), desk.names()), ("one\ntwo\n".into(), vec!["a".into()]));
}

#[tokio::test]
async fn what_has_not_been_read_or_has_changed_since_is_not_written_over() {
    let desk = Desk::new(&[("w/a", "old\n")]);
    let write = json!({"path": "w/a", "text": "new\n"});
    let told = desk.refusal("write_file", write.clone()).await;
    assert!(told.starts_with("w/a exists and you have not read it in this conversation; "), "{told}");
    desk.ok("read_file", json!({"path": "w/a"})).await;
    fs::write(desk.folder.path().join("w/a"), "theirs\n").expect("written");
    let told = desk.refusal("write_file", write.clone()).await;
    assert!(told.starts_with("w/a was changed since you read it; read it again"), "{told}");
    let edit = json!({"path": "w/a", "edits": [{"old_text": "theirs", "new_text": "mine"}]});
    let told = desk.refusal("edit_file", edit).await;
    assert!(told.starts_with("w/a was changed since you read it; read it again"), "{told}");
    assert_eq!(desk.text("w/a"), "theirs\n");
    desk.ok("read_file", json!({"path": "w/a"})).await;
    let written = desk.ok("write_file", write).await;
    assert_eq!((&written["created"], &written["changed"]), (&json!(false), &json!(true)));
    assert_eq!(written["diff"], "--- a/w/a\n+++ b/w/a\n@@ -1 +1 @@\n-theirs\n+new\n");
    // What the tool wrote itself counts as read.
    desk.ok("write_file", json!({"path": "w/a", "text": "newer\n"})).await;
    // Another conversation has not read it.
    let other = Caller::of("forge".parse().expect("a name"), Uuid::from_u128(9), None, None);
    let input = json!({"path": "w/a", "text": "other\n"});
    let outcome = desk.bench.toolbox.run(&other, 0, "write_file", input).await;
    assert!(outcome.is_error && outcome.content.contains("you have not read it"), "{}", outcome.content);
    assert_eq!(desk.text("w/a"), "newer\n");
}

#[tokio::test]
async fn edits_are_made_all_together_or_not_at_all() {
    let desk = Desk::new(&[("w/a", "fn one() {}\nfn two() {}\nfn two_b() {}\n")]);
    let edit = |edits: Value| json!({"path": "w/a", "edits": edits});
    let done = desk
        .ok(
            "edit_file",
            edit(json!([
                {"old_text": "one", "new_text": "uno"},
                {"old_text": "fn uno() {}\n", "new_text": "fn uno() { 1 }\n"},
            ])),
        )
        .await;
    assert_eq!(
        done["diff"],
        "--- a/w/a\n+++ b/w/a\n@@ -1,3 +1,3 @@\n-fn one() {}\n+fn uno() { 1 }\n fn two() {}\n fn two_b() {}\n"
    );
    let before = desk.text("w/a");
    let cases = [
        (json!([]), "argument `edits`: 0 edits; from 1 to 100"),
        (json!([{"old_text": "", "new_text": "x"}]), "argument `edits[0].old_text` is empty"),
        (json!([{"old_text": "x", "new_text": "x"}]), "old_text and new_text are the same"),
        (
            json!([{"old_text": "uno", "new_text": "eins"}, {"old_text": "two", "new_text": "x"}]),
            "argument `edits[1].old_text` occurs 2 times in w/a, at lines 2, 3; take in more",
        ),
        (
            json!([{"old_text": "uno", "new_text": "eins"}, {"old_text": "fn twoo() {}", "new_text": "x"}]),
            "argument `edits[1].old_text` does not occur in w/a; the nearest is line 2: \"fn two() {}\". Nothing was",
        ),
        (
            json!([{"old_text": "fn two() {}\nfn three() {}", "new_text": "x"}]),
            "does not occur in w/a; line 2 is its first line, and what follows differs",
        ),
        (json!([{"old_text": "zzz qqq", "new_text": "x"}]), "does not occur in w/a. Nothing was changed"),
        (json!([{"old_text": "uno"}]), "argument `edits[0]`: missing field `new_text`"),
    ];
    for (edits, expected) in cases {
        let told = desk.refusal("edit_file", edit(edits.clone())).await;
        assert!(told.contains(expected), "{edits}: {told}");
        assert_eq!(desk.text("w/a"), before);
    }
    desk.ok("edit_file", edit(json!([{"old_text": "two", "new_text": "2", "replace_all": true}]))).await;
    assert_eq!(desk.text("w/a"), "fn uno() { 1 }\nfn 2() {}\nfn 2_b() {}\n");
    assert_eq!(desk.names(), ["a"], "nothing is left beside it");
}

#[tokio::test]
async fn an_edit_that_has_been_made_already_is_recognised() {
    let desk = Desk::new(&[("w/a", "red\nblue\n")]);
    let input = json!({"path": "w/a", "edits": [{"old_text": "blue", "new_text": "green"}]});
    assert_eq!(desk.ok("edit_file", input.clone()).await["changed"], true);
    let again = desk.ok("edit_file", input).await;
    assert_eq!(again, json!({"path": "w/a", "created": false, "changed": false, "bytes": 10}));
    assert_eq!(desk.text("w/a"), "red\ngreen\n");
    // One that would be made twice is never begun again by the turn.
    assert!(!Tool::EditFile.is_repeatable() && Tool::WriteFile.is_repeatable());
}

#[tokio::test]
async fn line_ends_and_the_files_mode_stay_as_they_are() {
    let desk = Desk::new(&[("w/dos", "one\r\ntwo\r\nthree\r\n"), ("w/mixed", "one\r\ntwo\nthree\n")]);
    let script = desk.folder.path().join("w/dos");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o750)).expect("ours");
    let edit =
        |path: &str| json!({"path": path, "edits": [{"old_text": "one\ntwo\n", "new_text": "1\n2\n"}]});
    desk.ok("edit_file", edit("w/dos")).await;
    assert_eq!(desk.text("w/dos"), "1\r\n2\r\nthree\r\n");
    let mode = fs::metadata(&script).expect("is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o750);
    desk.refusal("edit_file", edit("w/mixed")).await;
    let edit = json!({"path": "w/mixed", "edits": [{"old_text": "two\n", "new_text": "2\n"}]});
    desk.ok("edit_file", edit).await;
    assert_eq!(desk.text("w/mixed"), "one\r\n2\nthree\n");
}

#[tokio::test]
async fn a_link_is_written_through_within_its_root_and_a_second_name_keeps_what_it_had() {
    let desk = Desk::new(&[("w/a", "text\n"), ("r/other", "theirs\n")]);
    let folder = desk.folder.path();
    symlink("a", folder.join("w/link")).expect("a link");
    fs::hard_link(folder.join("r/other"), folder.join("w/shared")).expect("a link");
    let edit = |path: &str, old: &str| json!({"path": path, "edits": [{"old_text": old, "new_text": "x"}]});
    let done = desk.ok("edit_file", edit("w/link", "text")).await;
    assert_eq!((&done["path"], desk.text("w/a")), (&json!("w/a"), "x\n".into()));
    assert!(fs::symlink_metadata(folder.join("w/link")).expect("is there").is_symlink());
    desk.ok("edit_file", edit("w/shared", "theirs")).await;
    assert_eq!((desk.text("w/shared"), desk.text("r/other")), ("x\n".into(), "theirs\n".into()));
}

#[tokio::test]
async fn nothing_is_written_where_it_may_not_be() {
    let desk = Desk::new(&[("r/a", "old\n"), ("w/bin", "a\0b"), ("outside", "canary\n")]);
    let folder = desk.folder.path();
    for (to, link) in [("..", "w/up"), ("../outside", "w/out"), ("../new", "w/dangling"), ("/etc", "w/etc")] {
        symlink(to, folder.join(link)).expect("a link");
    }
    for inner in ["w/.git/hooks", "w/sub/.nexus"] {
        fs::create_dir_all(folder.join(inner)).expect("made");
    }
    fs::write(folder.join("w/latin"), b"caf\xe9\n").expect("written");
    let before: Vec<String> = ["outside", "r/a"].map(|path| desk.text(path)).into();
    let cases = [
        ("r/a", "root \"r\" is only for reading; the roots to write in are w"),
        ("r/new", "is only for reading"),
        ("w/up/outside", "leads out of its root"),
        ("w/up/new", "leads out of its root"),
        ("w/out", "leads out of its root"),
        ("w/dangling", "nothing is there"),
        ("w/etc/new", "leads out of its root"),
        ("w/../outside", "leads out of what may be read"),
        ("/etc/passwd", "it is absolute"),
        ("w/.git/hooks/post-commit", "it is closed to tools"),
        ("w/.git", "it is closed to tools"),
        ("w/sub/.git/config", "it is closed to tools"),
        ("w/sub/.nexus/key.json", "it is closed to tools"),
        ("w/.NEXUS/key.json", "it is closed to tools"),
        ("w/sub", "it is a folder"),
        ("w", "it is a folder"),
        ("", "no root is called"),
        ("w/bin/inner", "nothing is there"),
        ("w/\0", "NUL byte"),
    ];
    for (path, expected) in cases {
        let told = desk.refusal("write_file", json!({"path": path, "text": "mine"})).await;
        assert!(told.contains(expected), "{path}: {told}");
        let edit = json!({"path": path, "edits": [{"old_text": "canary", "new_text": "x"}]});
        let told = desk.refusal("edit_file", edit).await;
        assert!(!told.contains("canary\n"), "{path}: {told}");
    }
    let edit = |path: &str| json!({"path": path, "edits": [{"old_text": "a", "new_text": "x"}]});
    assert!(desk.refusal("edit_file", edit("w/bin")).await.contains("is a binary file"));
    assert!(desk.refusal("edit_file", edit("w/latin")).await.contains("is not UTF-8 text"));
    assert!(desk.refusal("edit_file", edit("w/none")).await.contains("nothing is there"));
    let told = desk.refusal("write_file", json!({"path": "w/new", "text": "a\0b"})).await;
    assert!(told.contains("binary"), "{told}");
    let large = "x".repeat(4 * 1024 * 1024 + 1);
    let told = desk.refusal("write_file", json!({"path": "w/new", "text": large})).await;
    assert!(told.contains("a file of at most 4194304"), "{told}");
    assert_eq!(["outside", "r/a"].map(|path| desk.text(path)).to_vec(), before);
    assert!(!folder.join("new").exists() && !folder.join("w/new").exists());
}

#[tokio::test]
async fn edits_that_double_a_text_end_before_they_fill_the_memory() {
    let desk = Desk::new(&[("w/a", &"a".repeat(1024))]);
    let double = json!({"old_text": "a", "new_text": "aa", "replace_all": true});
    let told = desk.refusal("edit_file", json!({"path": "w/a", "edits": vec![double; 60]})).await;
    assert!(told.contains("can be written"), "{told}");
    assert_eq!(desk.text("w/a").len(), 1024);
}

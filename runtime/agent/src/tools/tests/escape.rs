//! Ways out of the roots, each tried with every tool that takes a path. What they lead to is first shown to be
//! readable by this process, so that a refusal is the tool's doing.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::*;

struct Site {
    folder: tempfile::TempDir,
    bench: Bench,
}

/// `work` is the root; `secret.txt` lies beside it, keys and a session in it.
fn site() -> Site {
    let folder = tempfile::tempdir().expect("a folder");
    let top = folder.path();
    let work = top.join("work");
    fs::create_dir_all(work.join("inner/.nexus")).expect("a folder");
    fs::create_dir_all(top.join("workshop")).expect("a folder");
    fs::write(work.join("inner/plain.txt"), "plain canary\n").expect("written");
    fs::write(work.join("inner/.nexus/key.json"), "canary of keys").expect("written");
    fs::write(top.join("secret.txt"), "canary outside\n").expect("written");
    fs::write(top.join("workshop/secret.txt"), "canary beside\n").expect("written");
    symlink(top.join("secret.txt"), work.join("absolute-link")).expect("a link");
    symlink("../secret.txt", work.join("relative-link")).expect("a link");
    symlink("..", work.join("folder-link")).expect("a link");
    symlink("../workshop", work.join("sibling-link")).expect("a link");
    symlink("absolute-link", work.join("link-to-link")).expect("a link");
    symlink("loop-link", work.join("loop-link")).expect("a link");
    symlink("inner/.nexus", work.join("keys-link")).expect("a link");
    symlink("inner/.nexus/key.json", work.join("key-link")).expect("a link");
    symlink("/proc/self/environ", work.join("proc-link")).expect("a link");
    symlink("/dev/zero", work.join("zero-link")).expect("a link");
    symlink("inner/plain.txt", work.join("good-link")).expect("a link");
    let bench = bench(&[("work", &work)]);
    Site { folder, bench }
}

#[tokio::test]
async fn no_path_leads_out_of_the_roots() {
    let Site { folder, bench } = site();
    let absolute = folder.path().join("secret.txt");
    let absolute = absolute.to_str().expect("UTF-8");
    for reachable in ["secret.txt", "work/relative-link", "work/folder-link/secret.txt", "work/key-link"] {
        let text = fs::read_to_string(folder.path().join(reachable)).expect("readable without the tools");
        assert!(text.contains("canary"));
    }
    let ways = [
        absolute,
        "/etc/passwd",
        "../secret.txt",
        "work/../secret.txt",
        "work/inner/../../secret.txt",
        "work/./../secret.txt",
        "work/absolute-link",
        "work/relative-link",
        "work/link-to-link",
        "work/loop-link",
        "work/folder-link/secret.txt",
        "work/folder-link/work/inner/plain.txt/../../../secret.txt",
        "work/sibling-link/secret.txt",
        "work/inner/.nexus/key.json",
        "work/inner/.NEXUS/key.json",
        "work/keys-link/key.json",
        "work/key-link",
        "work/proc-link",
        "work/zero-link",
        "workshop/secret.txt",
        "secret.txt",
        "",
        "work/\0secret.txt",
        "work/inner/plain.txt/../../../secret.txt",
        "~/secret.txt",
        "work/nothing",
    ];
    for way in ways {
        let told = refusal(&bench.toolbox, "read_file", json!({"path": way})).await;
        assert!(!told.contains("canary"), "{way}: {told}");
        for (tool, input) in [
            ("search_files", json!({"path": way, "query": "canary"})),
            ("search_files", json!({"path": way, "pattern": "."})),
            ("list_files", json!({"path": way, "depth": 9})),
        ] {
            let outcome = call(&bench.toolbox, tool, input).await;
            for secret in ["canary outside", "canary beside", "canary of keys", "key.json"] {
                // A refusal repeats what was asked for.
                if way.contains(secret) {
                    continue;
                }
                assert!(!outcome.content.contains(secret), "{tool} {way}: {}", outcome.content);
            }
        }
    }
}

#[tokio::test]
async fn searching_and_listing_everything_finds_nothing_that_is_closed() {
    let Site { folder: _folder, bench } = site();
    let found = ok(&bench.toolbox, "search_files", json!({"pattern": "canary"})).await;
    assert_eq!(found["matches"].as_array().expect("a list").len(), 1, "{found}");
    assert_eq!(found["matches"][0]["path"], "work/inner/plain.txt");
    let listed = ok(&bench.toolbox, "list_files", json!({"depth": 9})).await.to_string();
    assert!(listed.contains("work/inner/plain.txt") && !listed.contains("nexus"), "{listed}");
}

#[tokio::test]
async fn a_link_that_stays_within_is_followed_to_where_it_leads() {
    let Site { folder: _folder, bench } = site();
    let text = ok(&bench.toolbox, "read_file", json!({"path": "work/good-link"})).await;
    assert_eq!(text["path"], "work/inner/plain.txt");
    assert_eq!(text["text"], "plain canary\n");
}

#[tokio::test]
async fn what_is_no_file_is_named_and_never_waited_for() {
    let Site { folder, bench } = site();
    let work = folder.path().join("work");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        work.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .expect("a pipe");
    let _socket = UnixListener::bind(work.join("socket")).expect("a socket");
    for (path, expected) in
        [("work/pipe", "a pipe"), ("work/socket", "a socket"), ("work/inner", "it is a folder")]
    {
        let told = refusal(&bench.toolbox, "read_file", json!({"path": path})).await;
        assert!(told.contains(expected), "{told}");
    }
    let found = ok(&bench.toolbox, "search_files", json!({"query": "canary"})).await;
    assert_eq!(found["matches"].as_array().expect("a list").len(), 1);
    let listed = ok(&bench.toolbox, "list_files", json!({"path": "work"})).await.to_string();
    assert!(listed.contains(r#"{"kind":"special","path":"work/pipe"}"#), "{listed}");
    ok(&bench.toolbox, "search_files", json!({"query": "canary", "path": "work/pipe"})).await;
}

#[tokio::test]
async fn a_root_that_is_a_link_or_missing_is_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("real")).expect("a folder");
    fs::write(folder.path().join("real/a.txt"), "text").expect("written");
    symlink("real", folder.path().join("alias")).expect("a link");
    let (alias, gone) = (folder.path().join("alias"), folder.path().join("gone"));
    let bench = bench(&[("alias", &alias), ("gone", &gone)]);
    assert_eq!(ok(&bench.toolbox, "read_file", json!({"path": "alias/a.txt"})).await["text"], "text");
    let told = refusal(&bench.toolbox, "read_file", json!({"path": "gone/a.txt"})).await;
    assert_eq!(told, "path \"gone/a.txt\": nothing is there");
    let told = refusal(&bench.toolbox, "read_file", json!({"path": "real/a.txt"})).await;
    assert_eq!(told, "path \"real/a.txt\": no root is called \"real\"; the roots are alias, gone");
    let listed = ok(&bench.toolbox, "list_files", json!({})).await.to_string();
    assert!(listed.contains("alias/a.txt"), "{listed}");
}

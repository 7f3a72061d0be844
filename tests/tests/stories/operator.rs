//! People with real binaries: logging in from a terminal's command line, and being let in from afar.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::Value;

const PASSWORD: &str = "correct horse battery";

/// A command with what somebody would type.
fn answered(world: &World, arguments: &[&str], typed: &str) -> Output {
    let mut command = world.command("nexctl");
    command.args(arguments).env("HOME", world.dir());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("nexctl runs");
    child.stdin.take().expect("it is piped").write_all(typed.as_bytes()).expect("it is read");
    child.wait_with_output().expect("it ends")
}

fn plain(world: &World, arguments: &[&str]) -> Output {
    answered(world, arguments, "")
}

/// Of the first start.
fn setup_token(world: &World) -> String {
    let made = world.command("nexus").args(["--data"]).arg(world.data()).args(["token", "setup"]).output();
    let said = text(&made.expect("nexus runs"));
    let token = said.split_whitespace().find(|word| word.starts_with("nxsetup_"));
    token.unwrap_or_else(|| panic!("no setup token in {said}")).to_owned()
}

#[test]
fn a_person_sets_a_nexus_up_logs_in_and_out() {
    let world = World::new();
    let url = world.url();
    let answers = format!("{}\n{PASSWORD}\n", setup_token(&world));
    let login = ["login", &url, "--setup", "--name", "ana", "--as", "home", "--stdin"];
    let out = answered(&world, &login, &answers);
    assert!(out.status.success() && text(&out).contains("ana is logged in"), "{}", text(&out));
    assert!(!text(&out).contains("nxo_") && !text(&out).contains(PASSWORD), "{}", text(&out));

    // What is kept is the owner's alone.
    let token = world.dir().join("contexts/home.token");
    let mode = std::fs::metadata(&token).expect("it is kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(plain(&world, &["get", "aspects"]).status.success(), "the context is the current one");
    let listed: Value =
        serde_json::from_slice(&plain(&world, &["get", "operator", "ana", "-o", "json"]).stdout)
            .expect("JSON");
    assert_eq!(listed["operators"][0]["role"], "admin");

    // A wrong password changes nothing; again, with the right one, replaces the token.
    let before = std::fs::read_to_string(&token).expect("it is kept");
    let again = ["login", &url, "--name", "ana", "--as", "home", "--stdin"];
    let wrong = answered(&world, &again, "wrong horse battery\n");
    assert_eq!(wrong.status.code(), Some(3), "{}", text(&wrong));
    assert_eq!(std::fs::read_to_string(&token).expect("it is kept"), before);
    let out = answered(&world, &again, &format!("{PASSWORD}\n"));
    assert!(out.status.success(), "{}", text(&out));
    let after = std::fs::read_to_string(&token).expect("it is kept");
    assert_ne!(after, before);
    let old = world.command("nexctl").args(["--url", &url, "--token", &before, "get", "aspects"]).output();
    assert_eq!(old.expect("nexctl runs").status.code(), Some(3));

    let out = plain(&world, &["logout"]);
    assert!(out.status.success(), "{}", text(&out));
    assert!(!token.exists());
    let gone = world.command("nexctl").args(["--url", &url, "--token", &after, "get", "aspects"]).output();
    assert_eq!(gone.expect("nexctl runs").status.code(), Some(3), "the broker knows the token no more");
    assert_eq!(plain(&world, &["get", "aspects"]).status.code(), Some(2), "there is no context");
    // Without anybody to ask, nothing hangs.
    let nobody = plain(&world, &["login", &url, "--name", "ana"]);
    assert_eq!(nobody.status.code(), Some(2), "{}", text(&nobody));
}

#[test]
fn people_are_let_in_and_shut_out_from_afar() {
    let world = World::new();
    let dry = world.nexctl(&["operator", "add", "bo", "--dry-run"]);
    assert!(dry.status.success() && text(&dry).contains("POST /api/v1/operators"), "{}", text(&dry));
    let added = world.nexctl_json(&["operator", "add", "bo", "--role", "viewer"]);
    assert_eq!(added["operator"]["name"], "bo", "the rehearsal let nobody in before");
    let token = added["token"].as_str().expect("a token").to_owned();
    let url = world.url();
    let as_bo = |arguments: &[&str]| {
        let out = world.command("nexctl").args(["--url", &url, "--token", &token]).args(arguments).output();
        out.expect("nexctl runs").status.code()
    };
    assert_eq!(as_bo(&["get", "aspects"]), Some(0));
    assert_eq!(as_bo(&["operator", "add", "eve"]), Some(3), "a viewer lets nobody in");
    assert_eq!(as_bo(&["knowledge", "store", "colour", "red"]), Some(3), "nor stores anything");
    // Refusals are gathered for a second before they are written.
    wait_until("both refusals in the trail", || {
        let page = world.nexctl_json(&["audit", "--kind", "refused.forbidden"]);
        let rows = page["entries"].as_array()?;
        let said = rows.iter().map(|it| (it["actor"].clone(), it["subject"].clone()));
        let wanted =
            ["knowledge.store", "POST /api/v1/operators"].map(|it| ("operator/bo".into(), it.into()));
        (said.collect::<Vec<_>>() == wanted).then_some(())
    });
    let out = answered(
        &world,
        &["--url", &url, "--token", &world.token(), "operator", "passwd", "bo"],
        "another long one\n",
    );
    assert!(out.status.success(), "{}", text(&out));
    let shown = text(&world.nexctl(&["describe", "operator", "bo"]));
    assert!(shown.contains("Role:") && shown.contains("viewer") && shown.contains("Password:"), "{shown}");
    let revoked = world.nexctl(&["operator", "revoke", "bo"]);
    assert!(revoked.status.success(), "{}", text(&revoked));
    assert_eq!(as_bo(&["get", "aspects"]), Some(3));
}

#[test]
fn what_happens_is_followed_and_what_happened_is_shown() {
    let world = World::new();
    let wren = world.home("wren", serde_json::json!({}), "");
    world.let_in(&wren);
    let _agent = world.agent(&wren);
    let said = world.nexctl_json(&["say", "--to", "wren", "good morning"]);
    let thread = said["thread"].as_str().expect("a thread").to_owned();
    let shown = text(&world.nexctl(&["logs", "wren", "--since", "1h"]));
    assert!(shown.contains("says to wren: good morning"), "{shown}");
    let other = text(&world.nexctl(&["logs", "keel"]));
    assert!(!other.contains("good morning"), "{other}");
    let lines = world.nexctl(&["logs", "--thread", &thread, "-o", "json", "--since", "1h"]);
    let frames: Vec<Value> = String::from_utf8_lossy(&lines.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is a document"))
        .collect();
    assert!(frames.iter().any(|frame| frame["payload"]["body"]["content"] == "good morning"), "{frames:?}");
    assert!(frames.iter().all(|frame| frame["payload"]["thread"] == *thread), "{frames:?}");
    let last = world.nexctl(&["logs", "--tail", "1", "-o", "json"]);
    assert_eq!(String::from_utf8_lossy(&last.stdout).lines().count(), 1);
}

#[test]
fn a_shell_is_told_what_there_is_to_type() {
    let world = World::new();
    let wren = world.home("wren", serde_json::json!({}), "");
    world.let_in(&wren);
    let completed = |words: &[&str], url: &str| {
        let mut command = world.command("nexctl");
        command.env("COMPLETE", "fish").env("NEXUS_URL", url).env("NEXUS_TOKEN", world.token());
        let out = command.arg("--").arg("nexctl").args(words).output().expect("nexctl runs");
        assert!(out.status.success(), "{}", text(&out));
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    assert!(completed(&["descr"], &world.url()).starts_with("describe\t"));
    assert_eq!(completed(&["hold", "w"], &world.url()), "wren\toffline\n");
    assert_eq!(completed(&["describe", "aspect", ""], &world.url()).lines().next(), Some("wren\toffline"));
    assert!(!completed(&["hold", "w"], "http://127.0.0.1:1").contains("wren"), "nobody is there to ask");
    let add = world.nexctl(&["context", "add", "home", "--url", &world.url(), "--token", &world.token()]);
    assert!(add.status.success(), "{}", text(&add));
    assert!(completed(&["context", "use", "h"], &world.url()).starts_with("home"));
}

#[test]
fn aspects_are_let_in_given_new_keys_and_shut_out_from_afar() {
    let world = World::new();
    let home = world.dir().join("robin");
    let at = home.display().to_string();
    let keyfile = home.join(".nexus/key.json");
    let key = || -> Value {
        serde_json::from_slice(&std::fs::read(&keyfile).expect("it is there")).expect("it is JSON")
    };
    let add = ["aspect", "add", "robin", "--home", &at, "--share-knowledge"];
    let early = world.nexctl(&add);
    assert_eq!(early.status.code(), Some(1));
    assert!(text(&early).contains("make the home first"), "{}", text(&early));

    assert!(world.run("agent", &["new", &at]).status.success());
    let dry = world.nexctl(&[&add[..], &["--dry-run"]].concat());
    assert!(text(&dry).contains("POST /api/v1/aspects") && !keyfile.exists(), "{}", text(&dry));
    let other = world.nexctl(&["aspect", "add", "wren", "--home", &at]);
    assert!(text(&other).contains("is the home of robin"), "{}", text(&other));
    let viewer = world.nexctl_json(&["operator", "add", "bo", "--role", "viewer"]);
    let mut command = world.nexctl_command(&add);
    let refused = command.env("NEXUS_TOKEN", viewer["token"].as_str().expect("a token")).output();
    let refused = refused.expect("nexctl runs");
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused));
    assert!(!keyfile.exists(), "who may let nobody in has made no key");

    let known = world.nexctl_json(&add);
    assert_eq!((&known["name"], &known["share_knowledge"]), (&"robin".into(), &true.into()), "{known}");
    let mode = std::fs::metadata(&keyfile).expect("it is there").permissions().mode();
    assert_eq!((mode & 0o777, &key()["url"]), (0o600, &world.url().into()));
    let first = key();
    assert!(world.nexctl(&add).status.success());
    assert_eq!(key(), first, "a good key stays");
    let mut agent = world.agent(&home);

    let elsewhere = World::new();
    let kept = elsewhere.nexctl(&add);
    assert!(text(&kept).contains("for another Nexus") && key() == first, "{}", text(&kept));

    let rotate = ["aspect", "rotate", "robin", "--home", &at, "--overlap", "10m"];
    let rotated = world.nexctl(&rotate);
    assert!(text(&rotated).contains("good for 600 s more"), "{}", text(&rotated));
    assert_ne!(key()["public_key"], first["public_key"]);
    let generations = || {
        let about = world.nexctl_json(&["describe", "aspect", "robin"]);
        about["key"]["key_generation"].as_u64()
    };
    assert_eq!(generations(), Some(2));

    let revoked = world.nexctl(&["aspect", "revoke", "robin"]);
    assert!(revoked.status.success() && text(&revoked).contains("robin is out"), "{}", text(&revoked));
    assert_eq!(agent.wait().code(), Some(5), "{}", agent.text());
}

#[test]
fn hands_are_listed_with_what_they_take() {
    let world = World::new();
    let schema = serde_json::json!({
        "type": "object",
        "required": ["claim"],
        "properties": {"claim": {"type": "string"}, "sources": {"type": "array"}},
    });
    let hand = serde_json::json!({"name": "verify", "timeout_s": 90, "input_schema": schema});
    let wren = world.home("wren", serde_json::json!({"hands": [hand]}), "");
    let _wren = world.agent(&wren);
    let shown = world.nexctl(&["get", "hands", "-o", "wide"]);
    let line = text(&shown).lines().find(|line| line.starts_with("wren/verify ")).map(str::to_owned);
    let line = line.unwrap_or_else(|| panic!("{}", text(&shown)));
    for part in ["online", "does what the test needs", "claim, sources?", "1 min 30 s"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let listed = world.nexctl_json(&["get", "hands", "wren"]);
    let all = listed["hands"].as_array().expect("a list");
    let verify = all.iter().find(|it| it["hand"]["name"] == "verify").expect("it is there");
    assert_eq!((&verify["aspect"], &verify["hand"]["input_schema"]), (&"wren".into(), &schema));
    let nobody = world.nexctl(&["get", "hands", "wrn"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody).contains("wren"), "{}", text(&nobody));
}

//! What somebody gets wrong on the first day is said, and does no harm.

use std::process::Output;

use nexus_tests::World;
use nexus_tests::world::text;
use serde_json::{Value, json};

fn refused(out: &Output, told: &str) {
    let said = text(out);
    assert!(!out.status.success() && said.contains(told), "{told}: {said}");
}

fn done(out: &Output) {
    assert!(out.status.success(), "{}", text(out));
}

#[test]
fn a_folder_that_is_used_for_something_else_becomes_no_data_directory() {
    let world = World::asleep();
    let etc = world.dir().join("etc");
    std::fs::create_dir(&etc).expect("the folder is ours");
    std::fs::write(etc.join("passwd"), "root").expect("the folder is ours");
    let out = world.run("nexus", &["serve", "--data", "etc", "--listen", "127.0.0.1:0"]);
    refused(&out, "etc holds other things and no Nexus, so it is left as it is");
    assert_eq!(std::fs::read_dir(&etc).expect("it is there").count(), 1, "nothing was written");
    refused(&world.run("nexus", &["operator", "list", "--data", "etc"]), "holds other things and no Nexus");
}

#[test]
fn a_new_nexus_says_that_it_is_new_and_where() {
    let world = World::new();
    world.broker().wait_for_text(&format!("Made a new Nexus in {}", world.data().display()));
}

#[test]
fn a_first_start_that_fails_leaves_a_way_in_and_the_next_one_names_it() {
    let (other, mut world) = (World::new(), World::asleep());
    let data = world.data().display().to_string();
    let taken = other.url().trim_start_matches("http://").to_owned();
    refused(&world.run("nexus", &["serve", "--data", &data, "--listen", &taken]), "cannot listen on");
    world.start_broker();
    let told = format!("make another: nexus token setup --data {data}");
    world.broker().wait_for_text(&told);
    // Not once somebody has come in by it.
    let made = text(&world.run("nexus", &["token", "setup", "--data", &data]));
    let token = made.split_whitespace().find(|word| word.starts_with("nxsetup_")).expect("a token");
    let body = json!({"setup_token": token, "name": "ana", "password": "correct horse battery staple"});
    let answer = world.http_with("", "POST", "/api/v1/setup", &body.to_string());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    world.restart_broker();
    assert!(!world.broker().text().contains(&told), "{}", world.broker().text());
}

#[test]
fn a_home_without_a_key_is_told_how_it_gets_one() {
    let world = World::asleep();
    done(&world.run("agent", &["new", "robin", "--hand", "find"]));
    let home = world.dir().join("robin").display().to_string();
    let told = format!("let the aspect in with: nexus aspect add <name> --home {home}");
    refused(&world.run("agent", &[&home]), &told);
}

#[test]
fn the_keyfile_of_another_nexus_stays_unless_it_is_forced() {
    let (one, other) = (World::new(), World::new());
    let home = one.home("wren", json!({}), "");
    let key = || std::fs::read_to_string(home.join(".nexus/key.json")).expect("a key");
    let first = key();
    let (data, at) = (other.data().display().to_string(), home.display().to_string());
    let add = ["aspect", "add", "wren", "--home", &at, "--data", &data];
    refused(&other.run("nexus", &add), "is for another Nexus");
    refused(&other.run("nexus", &add), "its data directory is named with --data");
    assert_eq!(key(), first);
    done(&other.run("nexus", &[&add[..], &["--force"]].concat()));
    assert_ne!(key(), first);
    let agent = other.agent(&home);
    drop(agent);
}

#[test]
fn a_token_is_replaced_only_when_that_is_said_and_times_have_units() {
    let world = World::new();
    let data = world.data().display().to_string();
    let add = ["operator", "token", "add", "admin", "ci", "--data", &data];
    done(&world.run("nexus", &[&add[..], &["--expires", "90d"]].concat()));
    refused(&world.run("nexus", &add), "admin has a token ci already");
    done(&world.run("nexus", &[&add[..], &["--replace"]].concat()));
    refused(
        &world.run("nexus", &[&add[..], &["--expires", "90"]].concat()),
        "say the unit: 90s, 90m, 90h or 90d",
    );
}

#[test]
fn names_that_nobody_has_are_answered_with_those_that_somebody_has() {
    let world = World::new();
    world.home("wren", json!({}), "");
    for args in [
        &["hold", "wern", "--reason", "x"][..],
        &["pause", "wern", "--reason", "x"],
        &["session", "list", "wern"],
    ] {
        refused(&world.nexctl(args), "there is no aspect wern; did you mean wren?");
    }
    std::fs::write(world.dir().join("secret"), "s3cret").expect("the folder is ours");
    let out = world.nexctl(&[
        "credential",
        "add",
        "openai",
        "--kind",
        "provider",
        "--base-url",
        "https://api.openai.com/v1",
        "--allow",
        "wern",
        "--secret-file",
        "secret",
    ]);
    done(&out);
    assert!(
        text(&out).contains("there is no aspect wern to use it yet; did you mean wren?"),
        "{}",
        text(&out)
    );
    let out = world.nexctl(&["credential", "show", "nothing"]);
    assert!(!out.status.success() && !text(&out).contains("HTTP"), "{}", text(&out));
}

#[test]
fn a_home_is_checked_against_its_broker_without_registering() {
    let mut world = World::new();
    let home = world.home("wren", json!({}), "");
    let at = home.display().to_string();
    let check = |world: &World| -> (Option<i32>, Value) {
        let out = world.run("agent", &["check", &at, "--online", "-o", "json"]);
        (out.status.code(), serde_json::from_slice(&out.stdout).expect("JSON"))
    };
    let (code, told) = check(&world);
    assert_eq!((code, &told["ok"], &told["broker"]), (Some(0), &json!(true), &json!(world.url())));
    assert_eq!(told["aspect"]["name"], "wren");
    assert_eq!(world.nexctl_json(&["get", "aspects"])["aspects"][0]["generation"], 0);

    let data = world.data().display().to_string();
    done(&world.run("nexus", &["aspect", "revoke", "wren", "--data", &data]));
    let (code, told) = check(&world);
    assert_eq!((code, &told["ok"]), (Some(1), &json!(false)));
    assert!(told["faults"][0]["message"].as_str().expect("text").contains("unauthorized"), "{told}");
    world.kill_broker();
    let (code, told) = check(&world);
    assert_eq!(code, Some(1));
    assert!(told["faults"][0]["message"].as_str().expect("text").contains("is the broker running"), "{told}");
}

#[test]
fn a_new_home_is_made_by_flags_and_never_in_a_folder_that_is_used() {
    let world = World::asleep();
    let flags = ["--tools", "edit", "--description", "finds things", "--role", "frame", "--hand", "find"];
    done(&world.run("agent", &[&["new", "robin"][..], &flags].concat()));
    let out = world.run("agent", &["check", "robin", "-o", "json"]);
    let told: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!((&told["ok"], &told["aspect"]["role"]), (&json!(true), &json!("frame")));
    assert_eq!(told["aspect"]["hands"], json!(["find"]));
    // What of the sandbox works is found out by trying it, and fits together.
    let works = |part: &str| told["sandbox"][part]["works"].as_bool().expect("it is tried");
    assert_eq!(works("commands"), works("landlock") && works("seccomp"), "{told}");
    let means = told["sandbox"]["means"].as_str().expect("what it means");
    let with = "mounts of their own";
    assert_eq!(means.contains(with), works("commands") && works("bubblewrap"), "{told}");
    let shown = text(&world.run("agent", &["check", "robin"]));
    assert!(shown.contains(&format!("sandbox   workspace-write: {means}")), "{shown}");

    let openai = ["--provider", "openai", "--failover", "ollama", "--failover", "openai:gpt-5.4"];
    done(&world.run("agent", &[&["new", "wren"][..], &openai].concat()));
    let settings: Value =
        serde_json::from_slice(&std::fs::read(world.dir().join("wren/aspect.json")).expect("it is there"))
            .expect("JSON");
    let stand_ins = json!([{"kind": "ollama", "model": "qwen3:8b"}, {"kind": "openai", "model": "gpt-5.4"}]);
    assert_eq!(settings["failover"], stand_ins);
    refused(
        &world.run("agent", &["new", "x", "--failover", "scripted"]),
        "scripted cannot be made to stand in",
    );
    std::fs::create_dir(world.dir().join("used")).expect("the folder is ours");
    std::fs::write(world.dir().join("used/file"), "").expect("the folder is ours");
    refused(&world.run("agent", &["new", "used"]), "used is not empty");
}

//! What `docs/troubleshooting.md` quotes is what the programs say, and all of it is quoted.

use std::process::Command;

use nexus_tests::process::checkout;
use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::json;

/// The page's quotes, each in the pieces between what differs.
fn quotes() -> Vec<Vec<String>> {
    let page =
        std::fs::read_to_string(checkout().join("docs/troubleshooting.md")).expect("the page is there");
    let blocks = page.split("```text\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
    blocks.map(|(quote, _)| quote.split('…').map(str::to_owned).collect()).collect()
}

fn is_said(quote: &[String], said: &str) -> bool {
    let mut rest = said;
    quote.iter().all(|piece| match rest.split_once(piece.as_str()) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

#[test]
fn every_message_on_the_page_is_one_that_a_program_says() {
    let world = World::new();
    let (data, url) = (world.data().display().to_string(), world.url());
    let home = world.home("wren", json!({}), "");
    let at = home.display().to_string();
    let mut all: Vec<String> = Vec::new();
    let mut see = |command: &mut Command| {
        let out = command.output().expect("it runs");
        assert!(!out.status.success(), "{}", text(&out));
        all.push(text(&out));
    };

    // The broker: its port is taken, its data are in use, its folder is another's.
    let listen = url.trim_start_matches("http://");
    see(world.command("nexus").args(["serve", "--data", "another", "--listen", listen]));
    see(world.command("nexus").args(["serve", "--data", &data, "--listen", "127.0.0.1:0"]));
    std::fs::create_dir(world.dir().join("photos")).expect("the folder is ours");
    std::fs::write(world.dir().join("photos/one"), "").expect("the folder is ours");
    see(world.command("nexus").args(["serve", "--data", "photos", "--listen", "127.0.0.1:0"]));

    // An agent: its clock is behind, its key is out, its keyfile is gone.
    see(world.command_under(&["faketime", "-10 minutes"], "agent").arg(&at));
    let out = world.run("nexus", &["aspect", "revoke", "wren", "--data", &data]);
    assert!(out.status.success(), "{}", text(&out));
    see(world.command("agent").arg(&at));
    std::fs::remove_file(home.join(".nexus/key.json")).expect("it is there");
    see(world.command("agent").arg(&at));

    // nexctl: no token, one that is past its time, nobody there.
    see(world.command("nexctl").args(["get", "aspects", "--url", &url]));
    let add = ["operator", "token", "add", "admin", "brief", "--expires", "1s", "--data", &data];
    let said = text(&world.run("nexus", &add));
    let token = said.split_whitespace().find(|word| word.starts_with("nxo_")).expect("a token").to_owned();
    let mut look = world.command("nexctl");
    look.args(["get", "aspects", "--url", &url, "--token", &token]);
    wait_until("the token to expire", || (!look.output().expect("it runs").status.success()).then_some(()));
    see(&mut look);
    see(world.command("nexctl").args(["get", "aspects", "--url", "http://127.0.0.1:1", "--token", &token]));

    // TLS: no authority, another's, none spoken.
    let sealed = World::asleep().flag("--tls");
    let mut sealed = sealed;
    sealed.start_broker();
    let tls = sealed.url();
    let ca = world.data().join("ca.pem").display().to_string();
    see(sealed.command("nexctl").args(["get", "aspects", "--url", &tls, "--token", &token]));
    see(sealed.command("nexctl").args(["get", "aspects", "--url", &tls, "--token", &token, "--ca", &ca]));
    let plain = tls.replace("https://", "http://");
    see(sealed.command("nexctl").args(["get", "aspects", "--url", &plain, "--token", &token]));

    let quotes = quotes();
    assert_eq!(quotes.len(), all.len(), "one situation for each quote");
    for said in &all {
        assert!(quotes.iter().any(|quote| is_said(quote, said)), "the page does not have: {said}");
    }
    for quote in &quotes {
        assert!(all.iter().any(|said| is_said(quote, said)), "nobody says: {}", quote.join("…"));
    }
}

//! What it prints for assistants, and what it says when it is configured wrong.

use nexus_tests::process::{binary, checkout};
use nexus_tests::world::text;
use serde_json::{Value, json};

use crate::desk::{Assistant, Desk};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_prints_for_an_assistant_starts_it() {
    let desk = Desk::new();
    let keyfile = desk.keyfile("desk");
    let out = desk
        .command(&["config", "claude", "--keyfile", &keyfile.to_string_lossy()])
        .env_remove("NEXUS_URL")
        .output()
        .expect("it runs");
    assert!(out.status.success(), "{}", text(&out));
    let config: Value = serde_json::from_slice(&out.stdout).expect("nothing but JSON");
    let server = &config["mcpServers"]["nexus"];
    let mut command = std::process::Command::new(server["command"].as_str().expect("a program"));
    for argument in server["args"].as_array().expect("arguments") {
        command.arg(argument.as_str().expect("a text"));
    }
    // As an assistant does it: elsewhere, and with hardly any environment.
    command.env_clear().current_dir("/");
    let client = Assistant::start(command).await;
    client.ok("list_team", json!({})).await;
}

#[test]
fn what_is_configured_wrong_is_said_and_ends_it() {
    let desk = Desk::new();
    let wrong = desk.world.dir().join("wrong.token");
    std::fs::write(&wrong, "nxo_0000").expect("the folder is ours");
    let at_work = desk.wren.join(".nexus/key.json").to_string_lossy().into_owned();
    let (wrong, missing) = (wrong.to_string_lossy().into_owned(), "/no/such/key.json");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--keyfile", missing], 2, missing),
        (&["--token-file", missing], 2, missing),
        (&["--keyfile", &at_work], 2, "the agent of wren runs in"),
        (&["--token-file", &wrong], 3, "unauthorized"),
        (&["--context", "nowhere"], 2, "there is no context \"nowhere\""),
        (&["config", "emacs"], 2, "possible values: claude, codex, cursor, vscode, zed"),
        (&["--wait", "0"], 2, "1..=600"),
    ];
    for (args, code, wanted) in cases {
        let out = desk.command(args).env_remove("NEXUS_TOKEN").output().expect("it runs");
        assert_eq!(out.status.code(), Some(*code), "{args:?}: {}", text(&out));
        assert!(String::from_utf8_lossy(&out.stderr).contains(wanted), "{args:?}: {}", text(&out));
        assert!(out.stdout.is_empty(), "{args:?}: {}", text(&out));
    }
}

/// The first block of commands on a page.
fn commands(page: &str) -> String {
    let path = checkout().join(page);
    let text = std::fs::read_to_string(path).expect("the page is there");
    let block = text.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    block.expect("it has commands").to_owned()
}

#[test]
fn the_commands_of_the_page_make_an_assistant() {
    let desk = Desk::new();
    let programs = binary("nexus-mcp").parent().expect("a folder").to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = std::process::Command::new("sh");
    shell.args(["-euc", &commands("docs/mcp.md")]).env("PATH", path).env("HOME", desk.world.dir());
    shell.env("NEXUS_DATA", desk.world.data()).env_remove("NEXUS_URL").env_remove("NEXUS_TOKEN");
    let out = shell.output().expect("a shell");
    assert!(out.status.success(), "{}", text(&out));
    let said = String::from_utf8_lossy(&out.stdout);
    let config = &said[said.find('{').expect("JSON comes last")..];
    let config: Value = serde_json::from_str(config).unwrap_or_else(|error| panic!("{error}: {said}"));
    let key = desk.world.dir().join(".nexus/assistants/desk/.nexus/key.json");
    assert_eq!(config["mcpServers"]["nexus"]["args"], json!(["--keyfile", key]));
}

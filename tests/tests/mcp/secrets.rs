//! However much it is to log, no token is in it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use nexus_tests::canary::Canaries;
use serde_json::{Value, json};

use crate::desk::Desk;

/// Asks for the team once; everything that was written to standard error meanwhile.
fn logged(desk: &Desk, mut command: Command) -> String {
    let path = desk.world.dir().join("mcp.log");
    let log = File::create(&path).expect("the folder is ours");
    command.env("NEXUS_LOG", "trace").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    for message in [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"},
        }}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_team", "arguments": {}}}),
    ] {
        writeln!(input, "{message}").expect("it reads");
    }
    // Whoever is answered has opened a link.
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut said = lines.map(|line| serde_json::from_str::<Value>(&line.expect("UTF-8")).expect("JSON"));
    let team = said.find(|message| message["id"] == 2).expect("an answer");
    assert!(team["result"]["structuredContent"]["aspects"].is_array(), "{team}");
    drop(input);
    assert!(child.wait().expect("our own child").success(), "it ends with its input");
    std::fs::read_to_string(path).expect("text")
}

#[test]
fn a_log_of_everything_has_no_token_in_it() {
    let desk = Desk::new();
    let keyfile = desk.keyfile("desk");
    let token = desk.token_file("ana", "operator");
    let mut canaries = Canaries::default();
    canaries.plant("the token", &std::fs::read_to_string(&token).expect("it was made"));
    // What an aspect is given for its key is known to nobody else.
    let mut of_aspect = desk.command(&["--keyfile", &keyfile.to_string_lossy()]);
    of_aspect.env_remove("NEXUS_URL");
    for run in [desk.command(&["--token-file", &token.to_string_lossy()]), of_aspect] {
        let log = logged(&desk, run);
        assert!(log.contains("TRACE tungstenite::"), "it logs everything: {log}");
        assert_eq!(canaries.found_in(log.as_bytes()), [""; 0]);
        assert!(!log.to_ascii_lowercase().contains("bearer "), "{log}");
    }
}

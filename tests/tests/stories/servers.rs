//! MCP servers as tools, through the real binaries and the official Python package: what they bring, what they may not
//! do, and that they end with the agent.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use nexus_tests::collector::{Collector, Manner};
use nexus_tests::process::checkout;
use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

use crate::vault::{behind, proxy};

const TOOLS: [&str; 9] = ["look", "dig", "fail", "picture", "slow", "hang", "die", "learn", "fresh"];

/// A word of the message is the tool that is called.
fn script() -> String {
    let rule = |tool: &str| {
        let args = if matches!(tool, "look" | "dig") { "{ place = \"home\" }" } else { "{}" };
        format!(
            "[[rule]]\nmatch = \"try {tool}\"\n[[rule.step]]\nname = \"it\"\ncall = \"places_{tool}\"\nargs = {args}\n\
            [[rule.step]]\nsay = \"{{{{ it.ok }}}}: {{{{ it.text }}}}\"\n"
        )
    };
    let hand = "[[rule]]\nhand = \"looker\"\n[[rule.step]]\nname = \"seen\"\ncall = \"places_look\"\nargs = { place = \
        \"home\" }\n[[rule.step]]\nname = \"dug\"\ncall = \"places_dig\"\nargs = { place = \"home\" }\n[[rule.step]]\n\
        say = \"{{ seen.ok }} {{ dug.text }}\"\n";
    TOOLS.map(rule).concat() + hand
}

fn python() -> PathBuf {
    let made = Command::new(checkout().join("scripts/lib/venv"))
        .arg(checkout().join("tests/clients/mcp/requirements.txt"))
        .output()
        .expect("a Python environment");
    assert!(made.status.success(), "{}", text(&made));
    String::from_utf8_lossy(&made.stdout).trim().into()
}

fn server() -> String {
    checkout().join("tests/clients/mcp/server.py").display().to_string()
}

struct Site {
    world: World,
    home: PathBuf,
    agent: Process,
}

impl Site {
    fn new(log: &Path, server: Value) -> Self {
        let log = log.display().to_string();
        let world = World::new().env("MCP_TEST_LOG", &log).env("SECRET_PLACE", "a treasure");
        let world = world.env("OTHER_SECRET", "of the agent alone");
        let hand = json!({"name": "looker", "tools": ["mcp:places/look"]});
        let settings = json!({
            "role": "frame", "tools": ["mcp:places"], "hands": [hand], "mcp_servers": {"places": server},
        });
        let home = world.home("wren", settings, &script());
        let agent = world.agent(&home);
        Self { world, home, agent }
    }

    fn ask(&self, tool: &str) -> Process {
        let question = format!("try {tool}");
        Process::start("nexctl", &mut self.world.nexctl_command(&["ask", "wren", &question]))
    }

    fn said(&self, tool: &str) -> String {
        let mut ask = self.ask(tool);
        assert!(ask.wait().success(), "{}", ask.text());
        // What is told of the answer comes on another stream, at any place between its lines.
        let is_answer = |line: &&str| !["→ ", "← ", "— "].iter().any(|mark| line.starts_with(mark));
        ask.text().lines().filter(is_answer).collect::<Vec<_>>().join("\n")
    }

    fn approve(&self) {
        let page = wait_until("something to approve", || {
            let page = self.world.nexctl_json(&["get", "approvals"]);
            (!page["approvals"].as_array()?.is_empty()).then_some(page)
        });
        let id = page["approvals"][0]["id"].as_str().unwrap_or_default();
        let out = self.world.nexctl(&["approve", id]);
        assert!(out.status.success(), "{}", text(&out));
    }
}

fn lines(log: &Path, word: &str) -> Vec<String> {
    let log = fs::read_to_string(log).unwrap_or_default();
    log.lines().filter(|line| line.starts_with(word)).map(str::to_owned).collect()
}

/// Of the server that was started last.
fn pid(log: &Path) -> String {
    let last = lines(log, "start").pop().expect("it was started");
    last.trim_start_matches("start ").to_owned()
}

fn is_gone(pid: &str) -> Option<()> {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    (state.is_empty() || state.contains(") Z ")).then_some(())
}

#[test]
fn a_server_on_standard_input_and_output_does_its_work_and_ends_with_the_agent() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("log");
    let server = json!({
        "command": python(), "args": [server(), "stdio"], "env": ["MCP_TEST_LOG", "SECRET_PLACE"], "timeout_s": 1,
    });
    let mut site = Site::new(&log, server);
    site.agent.wait_for_text("a server is there");
    site.agent.wait_for_text("the server says hello");
    let look = site.said("look");
    let expected = "True: [from the server places, untrusted]\nat home there is a treasure; None";
    assert!(look.contains(expected), "no more of the environment than it was given: {look}");
    assert!(site.said("fail").contains("False: [from the server places, untrusted]"));
    assert!(site.said("picture").contains("[image, image/png, 5 bytes]"));
    assert!(site.said("slow").contains("done at last"), "progress keeps it alive");
    assert!(site.said("hang").contains("no answer and no progress within 1 s"));
    // What a tool does not say of itself counts as destructive: people are asked, and it runs once.
    let mut ask = site.ask("dig");
    wait_until("the question", || {
        let page = site.world.nexctl_json(&["get", "approvals"]);
        (page["approvals"][0]["asked"]["tool"] == "places_dig").then_some(())
    });
    assert!(lines(&log, "dig").is_empty());
    let first = pid(&log);
    site.agent.kill();
    wait_until("the server to end with the agent that was killed", || is_gone(&first));
    site.agent = site.world.agent(&site.home);
    site.agent.wait_for_text("a server is there");
    site.approve();
    assert!(ask.wait().success(), "{}", ask.text());
    assert!(ask.text().contains("\"found\": \"HOME\""), "{}", ask.text());
    assert_eq!(lines(&log, "dig"), ["dig home"]);
    // A Hand has what it was given and no more.
    let out = site.world.nexctl(&["dispatch", "wren/looker", "{}", "--wait"]);
    let told = text(&out);
    assert!(told.contains("True there is no tool") && told.contains("the tools are places_look"), "{told}");
    // Tools come while the server runs, and the server comes back when it has died.
    assert!(site.said("fresh").contains("there is no tool"));
    assert!(site.said("learn").contains("learnt"));
    site.agent.wait_for_text("a server has changed its tools");
    assert!(site.said("fresh").contains("new indeed"));
    let before = pid(&log);
    assert!(site.said("die").contains("False: "));
    wait_until("another server", || (pid(&log) != before).then_some(()));
    wait_until("its tools", || site.said("look").contains("a treasure").then_some(()));
    let last = pid(&log);
    site.agent.signal("TERM");
    assert!(site.agent.wait().success(), "{}", site.agent.text());
    wait_until("the server to end with the agent", || is_gone(&last));
    let said = site.agent.text();
    assert!(!said.contains("a treasure"), "what it was given is in no log: {said}");
}

#[test]
fn a_server_by_http_is_reached_again_when_it_was_away() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("log");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").port();
    let python = python();
    let start = || {
        let mut command = Command::new(&python);
        command.args([server(), "http".to_owned(), port.to_string()]).env("MCP_TEST_LOG", &log);
        Process::start("places", &mut command)
    };
    let mut places = start();
    places.wait_for_text("Uvicorn running");
    let site = Site::new(&log, json!({"url": format!("http://127.0.0.1:{port}/mcp"), "timeout_s": 5}));
    site.agent.wait_for_text("a server is there");
    assert!(site.said("look").contains("at home there is nothing"));
    places.kill();
    let places = start();
    places.wait_for_text("Uvicorn running");
    wait_until("a session with the new one", || {
        site.said("look").contains("at home there is nothing").then_some(())
    });
    drop(places);
}

#[test]
fn a_server_that_cannot_be_started_keeps_nobody_from_working() {
    let dir = tempfile::tempdir().expect("a folder");
    let site = Site::new(&dir.path().join("log"), json!({"command": "/nothing/here"}));
    site.agent.wait_for_text("registered");
    site.agent.wait_for_text("a server cannot be used");
    assert!(site.said("look").contains("there is no tool \"places_look\" here; the tools are none"));
}

#[test]
fn a_proxy_of_the_environment_is_told_of_no_server_and_no_collector_on_this_machine() {
    let (proxy, proxied) = proxy();
    // What it has to say does not matter here.
    let (places, collector) = (Collector::start(Manner::Refuses), Collector::start(Manner::Takes));
    let world = behind(&proxy).env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let mut world = world.env("OTEL_BSP_SCHEDULE_DELAY", "50");
    world.start_broker();
    let server = json!({"url": format!("{}/mcp", places.url)});
    let settings = json!({"role": "frame", "tools": ["mcp:places"], "mcp_servers": {"places": server}});
    let hello = "[[rule]]\nmatch = \"hello\"\n[[rule.step]]\nsay = \"here\"\n";
    let _agent = world.agent(&world.home("wren", settings, hello));
    let asked = wait_until("somebody to be asked for the server", || {
        places.heads().into_iter().next().or_else(|| proxied.try_recv().ok())
    });
    assert!(asked.starts_with("post /mcp "), "{asked}");

    let out = world.nexctl(&["ask", "wren", "hello"]);
    assert!(text(&out).contains("here"), "{}", text(&out));
    let told = wait_until("spans of both", || {
        let spans = collector.spans();
        let is_told = ["nexus", "agent wren"].iter().all(|name| spans.iter().any(|it| it.service == *name));
        is_told.then(String::new).or_else(|| proxied.try_recv().ok())
    });
    assert_eq!(told, "");
    assert_eq!(proxied.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
}

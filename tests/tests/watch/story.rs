//! `nexus-watch` in a terminal, with a real broker and real agents: what is seen, what can be done, what it survives.

use std::path::PathBuf;
use std::process::Command;

use crate::terminal::Terminal;
use nexus_tests::world::text;
use nexus_tests::{Process, World, wait_until};
use serde_json::{Value, json};

const SCRIPT: &str = r#"
[[rule]]
match = "change the notes"
[[rule.step]]
say = "I change the notes now."
[[rule.step]]
name = "read"
call = "read_file"
args = { path = "work/notes.md" }
[[rule.step]]
name = "edited"
call = "edit_file"
args = { path = "work/notes.md", edits = [{ old_text = "second line\n", new_text = "another line\n" }] }
[[rule.step]]
say = "The notes are changed, step by step."
hold = "go"

[[rule]]
match = "store it"
[[rule.step]]
name = "stored"
call = "store_knowledge"
args = { topic = "colour", content = "red" }
[[rule.step]]
say = "{% if not stored.ok %}not stored{% else %}stored for good{% endif %}"

[[rule]]
hand = "wait"
[[rule.step]]
say = "waited"
hold = "never"
"#;

struct Watched {
    world: World,
    home: PathBuf,
    _agents: Vec<Process>,
}

impl Watched {
    fn new() -> Self {
        let world = World::new();
        let settings = json!({
            "role": "frame",
            "tools": ["read_file", "edit_file", "store_knowledge"],
            "roots": {"work": {"path": "work", "write": true}},
            "approval": {"policy": "untrusted", "always": ["store_knowledge"], "never": ["edit_file"], "wait_s": 3600},
            "hands": [{"name": "wait", "tools": [], "timeout_s": 600}],
        });
        let home = world.home("wren", settings, SCRIPT);
        std::fs::write(home.join("work/notes.md"), "first line\nsecond line\n").expect("the folder is ours");
        let other = world.home("forge", json!({}), "[[rule]]\n[[rule.step]]\nsay = \"here\"\n");
        let agents = vec![world.agent(&home), world.agent(&other)];
        Self { world, home, _agents: agents }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command("nexus-watch");
        command.args(args).env("NEXUS_URL", self.world.url()).env("NEXUS_TOKEN", self.world.token());
        command
    }

    fn watch(&self) -> Terminal {
        let mut command = self.command(&[]);
        // This world is without colours, and here they are looked at.
        command.env_remove("NO_COLOR");
        Terminal::run(&command, 120, 36)
    }

    fn nexctl(&self, args: &[&str]) -> Value {
        self.world.nexctl_json(args)
    }
}

#[test]
fn a_turn_is_watched_and_survives_a_broker_that_is_killed_in_the_middle_of_it() {
    let mut watched = Watched::new();
    let mut screen = watched.watch();
    screen.shows("● connected");
    // The first in the list is forge; the next one is looked at.
    screen.shows("forge has streamed nothing");
    screen.keys("j");
    screen.shows("wren has streamed nothing");
    screen.keys("i");
    screen.shows("new thread, to wren");
    screen.keys("please change the notes\r");
    screen.shows("sent to wren");
    screen.shows("I change the notes now.");
    screen.shows("→ edit_file work/notes.md  +1 −1");
    screen.keys("o");
    screen.shows("- second line");
    assert_eq!(screen.colour_of("- second line"), vt100::Color::Idx(1));
    assert_eq!(screen.colour_of("+ another line"), vt100::Color::Idx(2));
    screen.keys("o");
    screen.shows_no_more("- second line");

    watched.world.kill_broker();
    screen.shows("▲ no connection for");
    screen.shows("→ edit_file work/notes.md  +1 −1");
    screen.keys(":stop wren\r");
    screen.shows("there is no connection, so nothing was sent");
    screen.keys("\u{1b}");
    watched.world.start_broker();
    screen.shows("● connected");
    screen.shows("gap at");
    // What an agent streams without a connection nobody sees.
    wait_until("wren at work again", || {
        let team = watched.nexctl(&["get", "aspects"]);
        team["aspects"]
            .as_array()?
            .iter()
            .find(|it| it["name"] == "wren" && it["state"] == "busy")
            .map(|_| ())
    });
    std::fs::write(watched.home.join("go"), "").expect("the folder is ours");
    screen.shows("The notes are changed, step by step.");
    screen.shows("● replied");
    // What was said is in the thread, the question too.
    screen.keys("r");
    screen.shows("[2 Threads");
    screen.shows("please change the notes");
    screen.keys("q");
    let (code, drawn) = screen.end();
    assert_eq!(code, 0);
    let rest = drawn.rsplit("\u{1b}[?1049h").next().unwrap_or_default();
    assert!(rest.contains("\u{1b}[?1049l") && rest.contains("\u{1b}[?25h"), "the terminal is given back");
}

#[test]
fn an_approval_is_answered_and_a_dispatch_is_cancelled() {
    let watched = Watched::new();
    let mut screen = watched.watch();
    screen.shows("● connected");
    watched.nexctl(&["say", "--to", "wren", "store it"]);
    screen.shows("4 Approvals ▲1");
    screen.keys("4");
    screen.shows("store_knowledge");
    screen.shows("\"content\": \"red\"");
    screen.keys("a");
    screen.shows("approve; a word with it");
    screen.keys("go ahead\r");
    screen.shows("● approved by operator/admin");
    screen.shows("Nothing waits for people.");
    let all = watched.nexctl(&["get", "approvals", "--all"]);
    let ended = &all["approvals"][0];
    assert_eq!((ended["state"].as_str(), ended["text"].as_str()), (Some("approved"), Some("go ahead")));

    let sent = watched.nexctl(&["dispatch", "wren/wait", "{}"]);
    screen.keys("3");
    screen.shows("◐ running");
    screen.shows("wren/wait");
    screen.keys("c");
    screen.shows("cancel it and all below");
    screen.keys("not needed\r");
    screen.shows("● cancelled 1");
    screen.shows("Nothing waits and nothing is at work.");
    screen.keys("e");
    screen.shows("✕ cancelled");
    let id = sent["dispatch"].as_str().unwrap_or_default();
    assert_eq!(watched.nexctl(&["get", "dispatches", id])["state"], "cancelled");
    screen.resize(60, 20);
    screen.shows("nexus-watch needs 80×24.");
    screen.resize(80, 24);
    screen.shows("[3 Work");
    screen.keys(":quit\r");
    assert_eq!(screen.end().0, 0);
}

#[test]
fn a_viewer_may_look_and_is_told_what_they_may_not() {
    let watched = Watched::new();
    let data = watched.world.data();
    let args = ["operator", "add", "vera", "--role", "viewer", "--data", &data.to_string_lossy()];
    let out = watched.world.run("nexus", &args);
    assert!(out.status.success(), "{}", text(&out));
    let token = text(&out).split_whitespace().find(|word| word.starts_with("nxo_")).map(str::to_owned);
    let token = token.unwrap_or_else(|| panic!("no token: {}", text(&out)));
    let mut command = watched.command(&[]);
    command.env("NEXUS_TOKEN", token);
    let mut screen = Terminal::run(&command, 100, 30);
    screen.shows("● connected");
    screen.shows("wren");
    screen.keys(":say @wren hello\r");
    screen.shows("could not post the message");
    screen.keys("q");
    assert_eq!(screen.end().0, 0);
}

#[test]
fn signals_give_the_terminal_back_and_a_stopped_watch_goes_on() {
    let watched = Watched::new();
    let signal = |pid: u32, signal: &str| {
        let done = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
        assert!(done.is_ok_and(|status| status.success()), "{pid} can be signalled");
    };
    let screen = watched.watch();
    screen.shows("● connected");
    signal(screen.pid(), "STOP");
    signal(screen.pid(), "CONT");
    screen.shows("● connected");
    signal(screen.pid(), "TERM");
    let (code, drawn) = screen.end();
    assert_eq!(code, 128 + 15);
    assert!(
        drawn.trim_end_matches("\u{1b}[?25h").ends_with("\u{1b}[?1049l") && drawn.ends_with('h'),
        "{:?}",
        drawn.chars().rev().take(60).collect::<String>()
    );
}

#[test]
fn one_screen_is_printed_without_a_terminal_and_what_is_wrong_is_said() {
    let watched = Watched::new();
    watched.nexctl(&["say", "--to", "wren", "store it"]);
    wait_until("the approval", || {
        let page = watched.nexctl(&["get", "approvals"]);
        page["approvals"].as_array()?.first().map(|_| ())
    });
    let run = |args: &[&str]| watched.command(args).output().expect("it runs");
    let out = run(&["--snapshot", "100x30", "--view", "approvals"]);
    let shown = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && shown.contains("● connected") && shown.contains("store_knowledge"),
        "{}",
        text(&out)
    );
    assert_eq!(shown.lines().count(), 30);
    let out = run(&["--snapshot", "100x30", "--format", "svg"]);
    assert!(out.stdout.starts_with(b"<svg "), "{}", text(&out));

    let cases: [(&[&str], i32, &str); 5] = [
        (&[], 2, "is no terminal; run nexus-watch in one"),
        (&["--snapshot", "10x10"], 2, "a screen has from 80x24 to 500x200"),
        (&["--snapshot", "80x24", "--token", "nxo_wrong"], 3, "unauthorized"),
        (
            &["--snapshot", "80x24", "--url", "http://127.0.0.1:1", "--token", "x"],
            4,
            "start it with: nexus serve",
        ),
        (&["--snapshot", "80x24", "--context", "none"], 2, "there is no context \"none\""),
    ];
    for (args, code, said) in cases {
        let out = run(args);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {}", text(&out));
        assert!(text(&out).contains(said), "{args:?}: {}", text(&out));
    }
}

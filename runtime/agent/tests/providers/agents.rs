//! The shipped aspects' scripts, over files they have not seen before.

use serde_json::json;

use super::desk::{Desk, Turn, shipped};

const ROUTE: &str = "\
//! Decides who receives a message. Knows no socket and no store.

use crate::names::Party;

/// The recipients of a message: whoever it names, and whoever is mentioned.
pub fn recipients(message: &Message) -> Vec<Party> {
    message.to.iter().chain(mentions(&message.content)).cloned().collect()
}
";

const QUESTION: &str = "where does the broker decide who receives a message? have wren check the claim";

fn desk() -> Desk {
    Desk::new(&[
        ("broker/src/hub/route.rs", ROUTE),
        ("broker/src/main.rs", "//! Starts the broker.\n\nfn main() {}\n"),
        ("broker/tests/route.rs", "// The broker decides who receives a message.\n"),
        (
            "docs/bus.md",
            "# Bus\n\nThe broker routes each message. There is one rule.\n\n## Inbox\n\nDurable. In order.\n",
        ),
    ])
}

fn called(turn: &Turn) -> Vec<&str> {
    turn.called.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn forge_finds_the_place_and_wren_confirms_it() {
    let turn = desk().ask("forge", "operator/ada", QUESTION).await;
    assert_eq!(called(&turn), ["search_files", "read_file", "dispatch_hand"]);
    assert_eq!(
        turn.answer,
        "where does the broker decide who receives a message? In `broker/src/hub/route.rs:1`:\n\n\
         > //! Decides who receives a message. Knows no socket and no store.\n\n\
         wren read the file herself: **confirmed**. It reads as quoted, and the lines around it speak of 3 of the \
         claim's terms."
    );
}

#[tokio::test]
async fn the_answer_follows_the_file() {
    let mut desk = desk();
    let before = desk.ask("forge", "operator/ada", QUESTION).await;
    desk.write(
        "broker/src/hub/route.rs",
        &format!("// A line more.\n{}", ROUTE.replace("Decides", "Here we decide")),
    );
    let after = desk.ask("forge", "operator/ada", QUESTION).await;
    assert_ne!(before.answer, after.answer);
    assert!(after.answer.contains("`broker/src/hub/route.rs:2`"), "{}", after.answer);
    assert!(after.answer.contains("> //! Here we decide who receives a message."), "{}", after.answer);

    desk.write("broker/src/hub/route.rs", "//! Nothing of the kind.\n");
    let gone = desk.ask("forge", "operator/ada", QUESTION).await;
    assert!(!gone.answer.contains("route.rs:2"), "{}", gone.answer);
}

#[tokio::test]
async fn without_a_check_forge_shows_the_lines() {
    let turn =
        desk().ask("forge", "operator/ada", "Where does the broker decide who receives a message").await;
    assert_eq!(called(&turn), ["search_files", "read_file"]);
    assert!(
        turn.answer.starts_with("`broker/src/hub/route.rs:1`\n\n```rust\n1 | //! Decides who"),
        "{}",
        turn.answer
    );
    assert!(
        turn.answer.ends_with("Also speaking of it: `broker/tests/route.rs`, `docs/bus.md`."),
        "{}",
        turn.answer
    );
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let turn = desk().ask("forge", "operator/ada", "where is the quantum flux capacitor?").await;
    assert_eq!(called(&turn), ["search_files"]);
    assert!(turn.answer.contains("found nothing"), "{}", turn.answer);
}

#[tokio::test]
async fn wren_reads_the_file_and_not_the_quote() {
    let mut desk = desk();
    let claim = |line: u64, quote: &str| {
        json!({
            "claim": "the recipients of a message are decided by one function", "path": "broker/src/hub/route.rs",
            "line": line, "quote": quote,
        })
    };
    let signature = "pub fn recipients(message: &Message) -> Vec<Party> {";
    assert_eq!(
        desk.hand("wren", "verify-claim", &claim(6, signature)).await,
        json!({
            "verdict": "confirmed",
            "evidence": {"path": "broker/src/hub/route.rs", "line": 6, "text": signature},
            "note": "It reads as quoted, and the lines around it speak of 3 of the claim's terms.",
        })
    );
    let moved = desk.hand("wren", "verify-claim", &claim(3, signature)).await;
    assert_eq!((&moved["verdict"], &moved["evidence"]["line"]), (&json!("confirmed"), &json!(6)));
    let beyond = desk.hand("wren", "verify-claim", &claim(900, signature)).await;
    assert_eq!((&beyond["verdict"], &beyond["evidence"]["line"]), (&json!("confirmed"), &json!(6)));
    assert_eq!(
        desk.hand("wren", "verify-claim", &claim(900, "pub fn nobody()")).await["note"],
        "The quote does not stand in the file, and line 900 is empty or beyond its end."
    );
    assert_eq!(
        desk.hand("wren", "verify-claim", &claim(3, "pub fn nobody()")).await,
        json!({
            "verdict": "refuted",
            "evidence": {"path": "broker/src/hub/route.rs", "line": 3, "text": "use crate::names::Party;"},
            "note": "The quote does not stand in the file; line 3 reads \"use crate::names::Party;\".",
        })
    );
    let beside = json!({
        "claim": "leases are renewed by gremlins", "path": "broker/src/hub/route.rs", "line": 6, "quote": signature,
    });
    assert_eq!(desk.hand("wren", "verify-claim", &beside).await["verdict"], "unclear");
    let missing = json!({"claim": "x", "path": "broker/src/gone.rs"});
    let verdict = desk.hand("wren", "verify-claim", &missing).await;
    assert_eq!(verdict["verdict"], "unclear");
    assert!(verdict["note"].as_str().expect("a note").contains("broker/src/gone.rs"), "{verdict}");
    assert_eq!(desk.hand("wren", "verify-claim", &json!({"claim": "x"})).await["verdict"], "unclear");
}

#[tokio::test]
async fn a_quote_that_moved_far_is_found_again() {
    let mut desk = desk();
    desk.write("broker/src/hub/route.rs", &format!("{}{ROUTE}", "// filler\n".repeat(500)));
    let input = json!({
        "claim": "a message is received by its recipients", "path": "broker/src/hub/route.rs", "line": 1,
        "quote": "/// The recipients of a message: whoever it names, and whoever is mentioned.",
    });
    assert_eq!(
        desk.hand("wren", "verify-claim", &input).await,
        json!({
            "verdict": "confirmed",
            "evidence": {
                "path": "broker/src/hub/route.rs", "line": 505,
                "text": "/// The recipients of a message: whoever it names, and whoever is mentioned.",
            },
            "note": "It reads as quoted, at line 505; line 1 was cited. The lines around it speak of 3 of the \
                     claim's terms.",
        })
    );
}

#[tokio::test]
async fn harrow_sums_up_in_the_texts_own_words() {
    let mut desk = desk();
    assert_eq!(
        desk.hand("harrow", "summarise", &json!({"path": "docs/bus.md"})).await,
        json!({
            "source": "docs/bus.md", "lines": 7,
            "points": ["Bus: The broker routes each message.", "Inbox: Durable."], "note": "Read to the end.",
        })
    );
    assert_eq!(
        desk.hand("harrow", "summarise", &json!({"text": "One. Two.\n\nThree"})).await,
        json!({"source": "the text given", "lines": 3, "points": ["One.", "Three"]})
    );
    let gone = desk.hand("harrow", "summarise", &json!({"path": "docs/gone.md"})).await;
    assert_eq!(gone["points"], json!([]));
    assert!(gone["note"].as_str().expect("a note").contains("docs/gone.md"), "{gone}");
}

#[tokio::test]
async fn keel_knows_the_team_and_passes_work_on() {
    let mut desk = desk();
    let team = desk.ask("keel", "operator/ada", "who can do what?").await;
    assert_eq!(
        team.answer,
        "**keel** (online, lead): lead\n**wren** (offline)\n- Hand `wren/verify-claim`: Checks."
    );
    let passed = desk.ask("keel", "operator/ada", "Ask forge where the inbox lives.").await;
    assert_eq!(passed.answer, "forge has it and answers in this thread.");
    let kept = desk.ask("keel", "operator/ada", "Remember that frames are at most 1 MiB").await;
    assert_eq!(kept.answer, "Kept, under *frame most mib*.");
    assert_eq!(
        desk.sent,
        [
            ("send_message".to_owned(), json!({"to": ["forge"], "content": "where the inbox lives."})),
            (
                "store_knowledge".to_owned(),
                json!({"topic": "frame most mib", "content": "frames are at most 1 MiB"}),
            ),
        ]
    );
    let known = desk.ask("keel", "operator/ada", "what do we know about frames?").await;
    assert_eq!(known.answer, "- Frames are at most 1 MiB. (forge, *limits*)");
    let summary = desk.ask("keel", "operator/ada", "sum up docs/bus.md please").await;
    assert!(summary.answer.starts_with("harrow on `docs/bus.md` (7 lines):\n- Bus:"), "{}", summary.answer);
}

#[tokio::test]
async fn nobody_answers_a_report_and_everybody_answers_an_operator() {
    let mut desk = desk();
    for aspect in ["keel", "forge", "wren", "harrow"] {
        let report = desk.ask(aspect, "someone", "Done as you said.").await;
        assert_eq!(report, Turn { called: Vec::new(), answer: String::new() }, "{aspect}");
        let anything = desk.ask(aspect, "operator/ada", "hello").await;
        assert!(anything.answer.starts_with("I am scripted"), "{aspect}: {}", anything.answer);
        assert!(anything.answer.contains("\n- "), "{aspect}: {}", anything.answer);
    }
}

#[test]
fn every_home_is_complete() {
    for aspect in ["keel", "forge", "wren", "harrow"] {
        let home = shipped(aspect);
        for file in ["SOUL.md", "NEXUS.md", "PRIMER.md", "script.toml"] {
            let text = std::fs::read_to_string(home.join(file)).expect(file);
            assert!(text.len() > 300, "{aspect}/{file} is worth reading");
        }
        assert_eq!(super::desk::aspect_json(&home)["name"], aspect);
    }
}

use jiff::Timestamp;

use super::*;
use crate::conversation::StopReason;
use crate::session::{AssistantTurn, Compaction, ItemDecision, ItemRef, ToolResults, UserTurn};
use nexus_wire::inbox::Decision;

/// A branch, entry by entry.
#[derive(Default)]
struct Branch(Vec<Entry>);

impl Branch {
    fn push(&mut self, payload: Payload) -> Uuid {
        let id = Uuid::from_u128(self.0.len() as u128 + 1);
        let parent_id = self.0.last().map(|entry| entry.id);
        self.0.push(Entry { id, parent_id, ts: Timestamp::UNIX_EPOCH, payload });
        id
    }

    fn user(&mut self, text: &str) -> Uuid {
        let item = ItemRef {
            id: Uuid::nil(),
            offset: None,
            kind: "message".into(),
            from: "operator/ana".into(),
            thread: None,
            message: None,
            trace: None,
        };
        let content = vec![Block::Text { text: text.to_owned() }];
        self.push(Payload::User(UserTurn { content, item: Some(item) }))
    }

    fn assistant(&mut self, content: Vec<Block>, usage: Usage) {
        self.push(Payload::Assistant(AssistantTurn {
            content,
            stop: StopReason::EndTurn,
            usage,
            model: "m".into(),
            provider: "p".into(),
            cost_microusd: None,
            turn: Uuid::nil(),
        }));
    }

    /// A turn with a call in it.
    fn turn(&mut self, text: &str) -> Uuid {
        let begin = self.user(text);
        let call = Block::ToolUse { id: "c".into(), name: "look".into(), input: serde_json::json!({}) };
        self.assistant(vec![call], Usage::default());
        let content =
            vec![Block::ToolResult { tool_use_id: "c".into(), content: "seen".into(), is_error: false }];
        self.push(Payload::ToolResult(ToolResults { content }));
        self.assistant(vec![Block::Text { text: format!("to {text}") }], Usage::default());
        let decision = Decision::Replied;
        self.push(Payload::Decision(ItemDecision {
            item: Uuid::nil(),
            decision,
            reason: None,
            message: None,
        }));
        begin
    }

    fn compact(&mut self, cut: Cut) {
        self.push(Payload::Compaction(Compaction {
            summary: "short".into(),
            first_kept: cut.first_kept,
            tokens_before: Some(cut.tokens_before),
            turns: Some(cut.turns),
            item: None,
            by: None,
        }));
    }

    fn entries(&self) -> Vec<&Entry> {
        self.0.iter().collect()
    }

    fn cut(&self, limit: u64, running: bool) -> Option<(Uuid, u64)> {
        cut(&self.entries(), limit, running).map(|cut| (cut.first_kept, cut.turns))
    }
}

#[test]
fn the_reserve_is_a_fifth_and_not_too_small() {
    let cases = [(200_000, 160_000), (40_000, 30_000), (8_000, 4_000), (1, 0), (0, 0)];
    for (window, limit) in cases {
        assert_eq!(limit_of(window), limit, "{window}");
    }
}

#[test]
fn six_turns_are_kept_and_fewer_when_they_are_too_long() {
    let mut branch = Branch::default();
    let begins: Vec<Uuid> = (0..9).map(|n| branch.turn(&format!("turn {n} {}", "x".repeat(300)))).collect();
    assert_eq!(branch.cut(100_000, false), Some((begins[3], 3)));
    // Each turn is about 200 tokens, and the summary has its own room.
    assert_eq!(branch.cut(SUMMARY_TOKENS + 900, false), Some((begins[6], 6)));
    assert_eq!(branch.cut(SUMMARY_TOKENS + 400, false), Some((begins[8], 8)));
    assert_eq!(branch.cut(0, false), Some((begins[8], 8)), "the least there is");
    let running = branch.user("now");
    assert_eq!(branch.cut(100_000, true), Some((begins[3], 3)), "the running turn does not count");
    assert_eq!(branch.cut(0, true), Some((running, 9)));
}

#[test]
fn a_second_summary_goes_on_from_the_first() {
    let mut branch = Branch::default();
    for n in 0..8 {
        branch.turn(&format!("turn {n}"));
    }
    let first = cut(&branch.entries(), 100_000, false).expect("there is something to cut");
    branch.compact(first);
    assert_eq!(branch.cut(100_000, false), None, "the six that are left are kept");
    let begins: Vec<Uuid> = (8..11).map(|n| branch.turn(&format!("turn {n}"))).collect();
    let second = cut(&branch.entries(), 100_000, false).expect("there is something to cut");
    assert_eq!(second.turns, 5);
    let shown = transcript(&branch.entries(), second.at, 10_000);
    assert!(shown.starts_with("[summary of what was before]\nshort\n\n[operator/ana] turn 2\n[you call] look {}\n[result] seen\n[you] to turn 2\n"), "{shown}");
    assert!(shown.contains("turn 4") && !shown.contains("turn 1") && !shown.contains("turn 5"), "{shown}");
    assert!(!begins.is_empty());
}

#[test]
fn what_was_counted_is_believed_and_the_rest_is_guessed() {
    let mut branch = Branch::default();
    branch.user(&"x".repeat(300));
    assert_eq!(tokens(&branch.entries()), 100);
    let usage =
        Usage { input_tokens: 1_000, output_tokens: 20, cache_read_tokens: 300, cache_write_tokens: 4 };
    branch.assistant(vec![Block::Text { text: "y".repeat(3_000) }], usage);
    assert_eq!(tokens(&branch.entries()), 1_324);
    branch.user(&"z".repeat(90));
    assert_eq!(tokens(&branch.entries()), 1_354);
    let first_kept = branch.0[2].id;
    branch.compact(Cut { first_kept, at: 2, turns: 1, tokens_before: 1_354 });
    assert!(tokens(&branch.entries()) < 100, "what was counted before the summary is of something longer");
}

#[test]
fn a_transcript_keeps_to_its_size_and_to_whole_characters() {
    let mut branch = Branch::default();
    for n in 0..50 {
        branch.turn(&format!("turn {n} {}", "é".repeat(100)));
    }
    let shown = transcript(&branch.entries(), branch.0.len(), 4_000);
    assert!(shown.len() < 4_100, "{}", shown.len());
    assert!(
        shown.contains("turn 0") && shown.contains("turn 49") && shown.contains("bytes are left out here")
    );
}

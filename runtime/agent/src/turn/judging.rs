//! Another look at an answer before it is posted. Every way through here ends: an answer is written once more only so
//! often, and a judge that fails lets it pass.

use nexus_wire::inbox::Decision;

use super::{Effect, Phase, PostKind, Turn};
use crate::conversation::Block;
use crate::provider::Charge;
use crate::session::{Payload, UserTurn};

/// The kind of the entry that holds a verdict.
pub(crate) const VERDICT: &str = "verdict";
/// Of what a judge says of an answer.
const NOTE_CHARS_MAX: usize = 4000;

/// What is to become of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ruling {
    Post,
    /// It is written once more, with this in mind.
    Revise(String),
    Silent(String),
}

impl Ruling {
    /// What the judge says: `post`, `revise: <note>` or `silent: <why>`. Anything else lets the answer pass.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        let word: String =
            text.chars().take_while(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
        let rest = text.get(word.len()..).unwrap_or_default();
        let note: String = rest
            .trim_start_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation())
            .chars()
            .take(NOTE_CHARS_MAX)
            .collect();
        match word.as_str() {
            "revise" if !note.is_empty() => Self::Revise(note),
            "silent" if note.is_empty() => Self::Silent("it is better not said".to_owned()),
            "silent" => Self::Silent(note),
            _ => Self::Post,
        }
    }

    pub fn word(&self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Revise(_) => "revise",
            Self::Silent(_) => "silent",
        }
    }

    pub fn note(&self) -> &str {
        match self {
            Self::Post => "",
            Self::Revise(note) | Self::Silent(note) => note,
        }
    }

    /// As it stands in the session.
    fn of_entry(payload: &serde_json::Value) -> Self {
        let field = |name: &str| payload.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        match field("verdict") {
            "revise" => Self::Revise(field("reason").to_owned()),
            "silent" => Self::Silent(field("reason").to_owned()),
            _ => Self::Post,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    revisions: u32,
    /// On record of the last answer, in an interrupted turn.
    on_record: Option<Ruling>,
}

impl Turn {
    /// There is an answer; it is posted, unless somebody is to have a look at it first.
    pub(super) fn answer(&mut self, text: String) -> Vec<Effect> {
        if self.rules.revisions_max.is_none() || self.items.is_empty() {
            return self.end(Decision::Replied, None, text, Some(PostKind::Reply));
        }
        match self.judging.on_record.take() {
            Some(ruling) => self.follow(ruling, text),
            None => {
                self.phase = Phase::Judging(text.clone());
                vec![Effect::Judge(text)]
            }
        }
    }

    /// `entry` goes on record with the verdict.
    pub(super) fn judged(&mut self, ruling: Ruling, entry: Payload, charge: Charge) -> Vec<Effect> {
        let Phase::Judging(text) = &mut self.phase else { return Vec::new() };
        let text = std::mem::take(text);
        self.pending = Charge::default();
        self.spend(charge);
        let mut effects = vec![Effect::Append(entry)];
        effects.extend(self.follow(ruling, text));
        effects
    }

    fn follow(&mut self, ruling: Ruling, text: String) -> Vec<Effect> {
        match ruling {
            Ruling::Revise(note) if self.judging.revisions < self.rules.revisions_max.unwrap_or(0) => {
                self.judging.revisions += 1;
                let text = format!(
                    "[not posted yet] Your answer was looked at before it is posted: {note}\n\nWrite the whole answer \
                     once more, put right. It alone is posted."
                );
                self.waiting.push_front(UserTurn { content: vec![Block::Text { text }], item: None });
                self.next_round()
            }
            Ruling::Silent(why) => {
                let reason = format!("not posted, by a second look at the answer: {why}");
                self.end(Decision::Silent, Some(reason), text, None)
            }
            Ruling::Post | Ruling::Revise(_) => {
                self.end(Decision::Replied, None, text, Some(PostKind::Reply))
            }
        }
    }

    /// Of an interrupted turn, in the order of its session.
    pub(super) fn was_judged(&mut self, kind: &str, payload: &serde_json::Value) {
        if kind.strip_prefix("custom.") != Some(VERDICT) {
            return;
        }
        self.judging.on_record = Some(Ruling::of_entry(payload));
    }

    /// A round or a note came after the last verdict: it was followed.
    pub(super) fn was_followed(&mut self) {
        if let Some(Ruling::Revise(_)) = self.judging.on_record.take() {
            self.judging.revisions += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judge_is_read_generously() {
        let cases = [
            ("post", Ruling::Post),
            ("Post it.", Ruling::Post),
            ("revise: name the line", Ruling::Revise("name the line".into())),
            ("REVISE - shorter", Ruling::Revise("shorter".into())),
            ("revise", Ruling::Post),
            ("silent: it repeats wren", Ruling::Silent("it repeats wren".into())),
            ("silent", Ruling::Silent("it is better not said".into())),
            ("silently revise", Ruling::Post),
            ("", Ruling::Post),
            ("I would revise this", Ruling::Post),
        ];
        for (text, expected) in cases {
            assert_eq!(Ruling::read(text), expected, "{text:?}");
        }
        assert_eq!(Ruling::read(&format!("revise: {}", "x".repeat(9000))).note().len(), NOTE_CHARS_MAX);
    }
}

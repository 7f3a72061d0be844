//! A line for each thing that happened. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use nexus_operator::words;
use nexus_wire::alert::{AlertChange, AlertNote};
use nexus_wire::hands::Outcome;
use nexus_wire::inbox::{Decision, InboxClose};
use nexus_wire::log::{LogBody, LogEntry};
use nexus_wire::name::Party;
use nexus_wire::observe::{Observed, ObservedWhat, TurnEvent};
use nexus_wire::{AspectName, Ms, TurnId};

use crate::ui::{dispatch_mark, printable, shortened};

const WIDTH: usize = 160;
const NAME_WIDTH: usize = 14;

/// Whether an aspect did it, or it was done to it.
pub(super) fn concerns(entry: &LogEntry, aspect: &AspectName) -> bool {
    let is = |party: &Party| matches!(party, Party::Aspect(name) if name == aspect);
    is(&entry.actor)
        || match &entry.body {
            LogBody::Message(message) => message.to.iter().any(is),
            LogBody::DispatchAccepted(info) => info.hand.aspect == *aspect || is(&info.invoker),
            LogBody::DispatchAssigned { aspect: worker, .. } => worker == aspect,
            LogBody::DispatchEnded(outcome) => outcome.hand.aspect == *aspect,
            LogBody::Alert(AlertNote { key, .. }) => key.split('/').any(|part| part == aspect.as_str()),
            LogBody::Other { subject, .. } => subject.split('/').next() == Some(aspect.as_str()),
            LogBody::ItemClosed(_) | LogBody::ItemTaken(_) | LogBody::Reacted(_) => false,
        }
}

/// When, who, what.
pub(super) fn line(entry: &LogEntry, zone: &TimeZone) -> String {
    headed(entry.at, &entry.actor.to_string(), &shortened(&what(entry), WIDTH), zone)
}

fn headed(at: Ms, who: &str, what: &str, zone: &TimeZone) -> String {
    let at = Timestamp::from_millisecond(at).map_or_else(
        |_| at.to_string(),
        |at| at.to_zoned(zone.clone()).strftime("%m-%d %H:%M:%S").to_string(),
    );
    format!("{at}  {who:<NAME_WIDTH$}  {what}")
}

fn what(entry: &LogEntry) -> String {
    match &entry.body {
        LogBody::Message(message) => {
            let to: Vec<String> = message.to.iter().map(Party::to_string).collect();
            let to = if to.is_empty() { String::new() } else { format!(" to {}", to.join(", ")) };
            format!("says{to}: {}", message.content)
        }
        LogBody::ItemTaken(taken) => format!("has read {}", taken.message),
        LogBody::ItemClosed(close) => {
            let InboxClose { decision, reason, .. } = &**close;
            let decided = match decision {
                Decision::Replied => "has answered",
                Decision::Acted => "has acted",
                Decision::Silent => "keeps silent",
                Decision::Failed => "has failed",
            };
            reason.as_ref().map_or_else(|| decided.to_owned(), |reason| format!("{decided}: {reason}"))
        }
        LogBody::Reacted(reacted) if reacted.removed => {
            format!("takes {} back from {}", reacted.emoji, reacted.message)
        }
        LogBody::Reacted(reacted) => format!("puts {} to {}", reacted.emoji, reacted.message),
        LogBody::DispatchAccepted(info) => format!("⇢ {} is sent work: {}", info.hand, info.id),
        LogBody::DispatchAssigned { dispatch, attempt: 1, aspect } => format!("⇢ {aspect} begins {dispatch}"),
        LogBody::DispatchAssigned { dispatch, attempt, aspect } => {
            format!("⇢ {aspect} begins {dispatch}, attempt {attempt}")
        }
        LogBody::DispatchEnded(outcome) => {
            let Outcome { dispatch, hand, state, error, .. } = &**outcome;
            let why = error.as_ref().map(|error| format!(": {}: {}", error.code, error.message));
            let why = why.unwrap_or_default();
            format!("{} {hand} {} {dispatch}{why}", dispatch_mark(*state).0, state.as_str())
        }
        LogBody::Alert(AlertNote { change, key, message, .. }) => {
            let change = match change {
                AlertChange::Raised => "▲ alert",
                AlertChange::Cleared => "alert is over",
                AlertChange::Acknowledged => "alert is seen",
            };
            format!("{change} {key}: {message}")
        }
        LogBody::Other { kind, subject } => format!("{kind} {subject}"),
    }
}

/// What aspects stream: text by the line, everything else as it comes.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<TurnId, Open>,
}

#[derive(Debug, Default)]
struct Open {
    text: String,
    head: String,
}

impl Streams {
    /// `now` is when it came: what streams has no time of its own.
    pub(super) fn take(&mut self, observed: &Observed, now: Ms, zone: &TimeZone) -> Vec<String> {
        let who = observed.aspect.to_string();
        let say = |text: &str| headed(now, &who, &shortened(text, WIDTH), zone);
        let mut lines = Vec::new();
        match &observed.what {
            ObservedWhat::Begin(_) => lines.push(say("begins a turn")),
            ObservedWhat::Progress { note } => lines.push(say(&format!("… {note}"))),
            ObservedWhat::End(_) => {
                lines.extend(self.end_of(observed.turn));
                lines.push(say("ends its turn"));
            }
            ObservedWhat::Event(event) => match &event.event {
                TurnEvent::Text { text } => {
                    let open = self.open.entry(observed.turn).or_default();
                    open.head = say("");
                    open.text.push_str(text);
                    while let Some((line, rest)) = open.text.split_once('\n') {
                        if !line.trim().is_empty() {
                            lines.push(format!("{}{}", open.head, printable(line).trim_end()));
                        }
                        open.text = rest.to_owned();
                    }
                }
                // What a model thinks is long, and for whoever watches one turn.
                TurnEvent::Thinking { .. } => {}
                TurnEvent::Restarted { reason } => {
                    lines.extend(self.end_of(observed.turn));
                    lines.push(say(&format!("begins anew: {reason}")));
                }
                TurnEvent::ToolCall { name, input, .. } => {
                    lines.extend(self.end_of(observed.turn));
                    lines.push(say(&format!("→ {}", words::call(name, input))));
                }
                TurnEvent::ToolResult { is_error, preview, .. } => {
                    let mark = if *is_error { "✕" } else { "←" };
                    lines.push(say(&format!("{mark} {}", words::result(preview))));
                }
            },
        }
        lines
    }

    fn end_of(&mut self, turn: TurnId) -> Option<String> {
        let Open { text, head } = self.open.remove(&turn)?;
        let text = printable(&text);
        (!text.trim().is_empty()).then(|| format!("{head}{}", text.trim_end()))
    }

    /// Lines that have no end yet.
    pub(super) fn left(&mut self) -> Vec<String> {
        let turns: Vec<TurnId> = self.open.keys().copied().collect();
        turns.into_iter().filter_map(|turn| self.end_of(turn)).collect()
    }
}

#[cfg(test)]
mod tests {
    use nexus_wire::observe::{ObserveBegin, ObserveEvent};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const TURN: TurnId = TurnId(Uuid::from_u128(1));

    fn aspect() -> AspectName {
        "wren".parse().expect("a name")
    }

    fn entry(body: serde_json::Value) -> LogEntry {
        let entry = json!({"seq": 7, "at": 1_000, "actor": "system", "body": body});
        serde_json::from_value(entry).expect("an entry")
    }

    #[test]
    fn an_entry_is_a_line_and_concerns_those_it_names() {
        let id = Uuid::from_u128(3);
        let cases = [
            (
                json!({"type": "other", "kind": "aspect.registered", "subject": "wren"}),
                "aspect.registered wren",
                true,
            ),
            (
                json!({"type": "dispatch_assigned", "dispatch": id, "attempt": 2, "aspect": "wren"}),
                "⇢ wren begins 00000000-0000-0000-0000-000000000003, attempt 2",
                true,
            ),
            (
                json!({"type": "item_taken", "message": id}),
                "has read 00000000-0000-0000-0000-000000000003",
                false,
            ),
            (
                json!({"type": "item_closed", "item": id, "decision": "silent", "reason": "not\nmine"}),
                "keeps silent: not mine",
                false,
            ),
        ];
        for (body, expected, is_concerned) in cases {
            let entry = entry(body);
            assert_eq!(line(&entry, &TimeZone::UTC), format!("01-01 00:00:01  system          {expected}"));
            assert_eq!(concerns(&entry, &aspect()), is_concerned, "{expected}");
        }
    }

    #[test]
    fn text_is_shown_by_the_line_and_the_rest_of_it_before_what_follows() {
        let observed =
            |what| Observed { aspect: aspect(), turn: TURN, thread: None, dispatch: None, what, seq: 1 };
        let event = |event| observed(ObservedWhat::Event(ObserveEvent { turn: TURN, n: 0, event }));
        let text = |text: &str| event(TurnEvent::Text { text: text.to_owned() });
        let call = TurnEvent::ToolCall {
            call: "c".into(),
            name: "read_file".into(),
            input: json!({"path": "a.rs"}),
        };
        let begin = ObserveBegin { turn: TURN, thread: None, message: None, dispatch: None };
        let mut streams = Streams::default();
        let mut seen = Vec::new();
        for observed in [
            observed(ObservedWhat::Begin(begin)),
            text("One"),
            text(" line.\n\nAnd a \u{1b}piece"),
            event(call),
            text("left"),
        ] {
            seen.extend(streams.take(&observed, 1_000, &TimeZone::UTC));
        }
        seen.extend(streams.left());
        let said: Vec<&str> = seen.iter().map(|line| &line[32..]).collect();
        assert_eq!(said, ["begins a turn", "One line.", "And a piece", "→ read_file a.rs", "left"]);
    }
}

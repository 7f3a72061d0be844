//! Shows a turn while it happens. Small pieces of text are put together for a moment, so that a fast model costs
//! no more frames than an eye can follow.

use std::time::Duration;

use nexus_wire::TurnId;
use nexus_wire::inbox::Decision;
use nexus_wire::observe::{ObserveBegin, ObserveEnd, ObserveEvent, TurnEvent};
use tokio::time::{Instant, sleep_until};

use crate::conversation::StreamEvent;
use crate::turn::Spent;
use crate::uplink::Line;

/// How long text is gathered.
const GATHER: Duration = Duration::from_millis(30);
const GATHERED_BYTES_MAX: usize = 4096;
/// A frame has a limit; what a tool was called with is shown up to here.
const INPUT_BYTES_MAX: usize = 32 * 1024;

#[derive(Debug)]
pub(crate) struct Observer {
    line: Line,
    begin: ObserveBegin,
    next: u64,
    gathered: Option<Gathered>,
}

#[derive(Debug)]
struct Gathered {
    thinking: bool,
    text: String,
    due: Instant,
}

impl Observer {
    /// Says that the turn begins.
    pub(crate) fn new(line: Line, begin: ObserveBegin) -> Self {
        let observer = Self { line, begin, next: 0, gathered: None };
        observer.begin();
        observer
    }

    fn turn(&self) -> TurnId {
        self.begin.turn
    }

    /// To be said again on a new link, which knows nothing of it.
    pub(crate) fn begin(&self) {
        self.line.show(self.begin.clone().into());
    }

    pub(crate) fn streamed(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::TextDelta(text) => self.gather(false, &text),
            StreamEvent::ThinkingDelta(text) => self.gather(true, &text),
            StreamEvent::Restart => {
                self.gathered = None;
                let reason = "the provider's stream broke off and it is asked again".to_owned();
                self.event(TurnEvent::Restarted { reason });
            }
            // Shown when it is carried out; what ends the stream is no event of its own.
            StreamEvent::ToolUse { .. } | StreamEvent::Done(_) => {}
        }
    }

    fn gather(&mut self, thinking: bool, text: &str) {
        if self.gathered.as_ref().is_some_and(|gathered| gathered.thinking != thinking) {
            self.flush();
        }
        let due = Instant::now() + GATHER;
        let gathered = self.gathered.get_or_insert_with(|| Gathered { thinking, text: String::new(), due });
        gathered.text.push_str(text);
        if gathered.text.len() >= GATHERED_BYTES_MAX {
            self.flush();
        }
    }

    /// Waits until what is gathered is due; for ever when there is nothing.
    pub(crate) async fn due(&self) {
        match &self.gathered {
            Some(gathered) => sleep_until(gathered.due).await,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn flush(&mut self) {
        if let Some(Gathered { thinking, text, .. }) = self.gathered.take() {
            self.send(if thinking { TurnEvent::Thinking { text } } else { TurnEvent::Text { text } });
        }
    }

    pub(crate) fn event(&mut self, event: TurnEvent) {
        self.flush();
        self.send(match event {
            TurnEvent::ToolCall { call, name, input } if input.to_string().len() > INPUT_BYTES_MAX => {
                let input = serde_json::json!({"note": "too long to be shown"});
                TurnEvent::ToolCall { call, name, input }
            }
            event @ (TurnEvent::Text { .. }
            | TurnEvent::Thinking { .. }
            | TurnEvent::Restarted { .. }
            | TurnEvent::ToolCall { .. }
            | TurnEvent::ToolResult { .. }) => event,
        });
    }

    pub(crate) fn end(&mut self, decision: Decision, spent: Spent) {
        self.flush();
        let (turn, n) = (self.turn(), self.next);
        let Spent { usage, cost_microusd, .. } = spent;
        self.line.show(ObserveEnd { turn, n, decision, usage, cost_microusd }.into());
    }

    /// Numbers are given to what is dropped as well: that is how the gap is seen.
    fn send(&mut self, event: TurnEvent) {
        let (turn, n) = (self.turn(), self.next);
        self.next += 1;
        self.line.show(ObserveEvent { turn, n, event }.into());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it expects")]

    use nexus_wire::ToBroker;
    use uuid::Uuid;

    use super::*;
    use crate::uplink::line;

    #[tokio::test(start_paused = true)]
    async fn text_is_put_together_and_keeps_its_place_among_the_rest() {
        let (line, mut end) = line();
        let turn = TurnId(Uuid::nil());
        let begin = ObserveBegin { turn, thread: None, message: None, dispatch: None };
        let mut observer = Observer::new(line, begin);
        let text = |text: &str| StreamEvent::TextDelta(text.to_owned());
        observer.streamed(StreamEvent::ThinkingDelta("hm".into()));
        observer.streamed(text("a"));
        observer.streamed(text("b"));
        observer.due().await;
        observer.flush();
        observer.streamed(text("void"));
        observer.streamed(StreamEvent::Restart);
        observer.streamed(text("c"));
        let result = TurnEvent::ToolResult {
            call: "1".into(),
            name: "t".into(),
            is_error: false,
            preview: "p".into(),
        };
        observer.event(result);
        observer.end(Decision::Replied, Spent::default());
        drop(observer);
        let mut told = Vec::new();
        while let Some(frame) = end.shown.recv().await {
            told.push(match frame {
                ToBroker::ObserveBegin(_) => "begin".to_owned(),
                ToBroker::ObserveEvent(event) => match event.event {
                    TurnEvent::Text { text } => format!("{} {text}", event.n),
                    TurnEvent::Thinking { text } => format!("{} ({text})", event.n),
                    TurnEvent::Restarted { .. } => format!("{} again", event.n),
                    TurnEvent::ToolCall { .. } => format!("{} call", event.n),
                    TurnEvent::ToolResult { .. } => format!("{} result", event.n),
                },
                ToBroker::ObserveEnd(end) => format!("{} end", end.n),
                _ => panic!("not shown to a watcher"),
            });
        }
        assert_eq!(told, ["begin", "0 (hm)", "1 ab", "2 again", "3 c", "4 result", "5 end"]);
    }
}

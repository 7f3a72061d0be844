//! A conversation as a client tells it, each time the whole of it, and how it becomes messages of a thread. Pure.
//!
//! Each time the client asks, one message is sent: what was said since the last answer. When a thread begins with a
//! history, that message has the history in front, marked as such. So the messages of a thread tell whether a history
//! is that thread's, and nothing else has to be kept.

use std::fmt::Write;

use nexus_wire::MessageId;

/// Of a history a new thread begins with, about; what is older is left out.
const HISTORY_BYTES_MAX: usize = 256 * 1024;
const TITLE_CHARS_MAX: usize = 60;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// One message of the conversation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Turn {
    pub(super) role: Role,
    pub(super) text: String,
    /// Of a person, or of the function whose result it is.
    pub(super) name: Option<String>,
    /// Functions an assistant called.
    pub(super) calls: Vec<Call>,
    /// The call whose result it is.
    pub(super) call: Option<String>,
}

/// A function of the client that an aspect wants to be called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    /// JSON.
    pub(super) arguments: String,
}

/// What was asked in a thread and answered there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Exchange {
    pub(super) said: String,
    pub(super) answer: MessageId,
    pub(super) answered: String,
}

/// Ends with what is to be answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Talk {
    turns: Vec<Turn>,
    /// Where each part begins that an answer precedes, the first one included.
    parts: Vec<usize>,
}

impl Talk {
    /// `None`: there is nothing to be answered.
    pub(super) fn of(turns: Vec<Turn>) -> Option<Self> {
        turns.last().filter(|last| matches!(last.role, Role::User | Role::Tool))?;
        let is_answer = |turn: &Turn| turn.role == Role::Assistant;
        let begins = |at: &usize| *at == 0 || (!is_answer(&turns[*at]) && is_answer(&turns[*at - 1]));
        let parts = (0..turns.len()).filter(begins).collect();
        Some(Self { turns, parts })
    }

    /// Answers the client knows of.
    pub(super) fn answers(&self) -> usize {
        self.parts.len() - 1
    }

    fn part(&self, n: usize) -> &[Turn] {
        let end = self.parts.get(n + 1).copied().unwrap_or(self.turns.len());
        &self.turns[self.parts[n]..end]
    }

    /// What is said in the `n`-th part, as the message that says it.
    fn said(&self, n: usize) -> String {
        let said = self.part(n).iter().filter(|turn| turn.role != Role::Assistant);
        said.map(shown).collect::<Vec<_>>().join("\n\n")
    }

    /// The message that goes on where the last answer was.
    pub(super) fn next(&self) -> String {
        self.said(self.answers())
    }

    /// The message a thread begins with that is new to all of it.
    pub(super) fn opening(&self) -> String {
        self.opening_at(self.answers())
    }

    fn opening_at(&self, n: usize) -> String {
        if n == 0 && self.part(0).first().is_none_or(|turn| turn.role != Role::Assistant) {
            return self.said(0);
        }
        let before = &self.turns[..self.parts[n]];
        let mut text = String::new();
        for turn in before.iter().filter(|turn| turn.role == Role::System) {
            text.push_str(&shown(turn));
            text.push_str("\n\n");
        }
        let told: Vec<String> = before.iter().filter(|turn| turn.role != Role::System).map(retold).collect();
        let mut room = HISTORY_BYTES_MAX;
        let fits = told.iter().rev().take_while(|it| {
            let fits = it.len() <= room;
            room = room.saturating_sub(it.len());
            fits
        });
        let left_out = told.len() - fits.count();
        text.push_str(HISTORY);
        if left_out > 0 {
            // Writing to a string does not fail.
            let _ = writeln!(text, "({left_out} earlier ones are left out)");
        }
        told[left_out..].iter().for_each(|it| text.push_str(it));
        text.push_str("</conversation_so_far>\n\n");
        text + &self.said(n)
    }

    /// Whether this is what was said and answered in a thread, and then something more.
    pub(super) fn continues(&self, thread: &[Exchange]) -> bool {
        let Some(first) = self.answers().checked_sub(thread.len()) else { return false };
        !thread.is_empty()
            && thread.iter().enumerate().rev().all(|(at, exchange)| {
                let n = first + at;
                let part = if at == 0 { self.opening_at(n) } else { self.said(n) };
                self.is_answer(n, exchange) && part == without_functions(&exchange.said)
            })
    }

    /// Whether this was asked already: in a thread that has `thread` and then `said`.
    pub(super) fn repeats(&self, thread: &[Exchange], said: &str) -> bool {
        let said = without_functions(said);
        if thread.is_empty() { said == self.opening() } else { self.continues(thread) && said == self.next() }
    }

    /// Whether a message asks this, in whatever thread.
    pub(super) fn may_be_said_as(&self, said: &str) -> bool {
        let said = without_functions(said);
        said == self.next() || said == self.opening()
    }

    /// Whether the answer behind the `n`-th part is that of the thread. What streamed may have more in front: what was
    /// said on the way.
    fn is_answer(&self, n: usize, exchange: &Exchange) -> bool {
        let answers = || self.part(n).iter().filter(|turn| turn.role == Role::Assistant);
        if answers().any(|turn| !turn.calls.is_empty()) {
            let ours = call_prefix(exchange.answer);
            return answers().flat_map(|turn| &turn.calls).all(|call| call.id.starts_with(&ours));
        }
        let told = answers().map(|turn| turn.text.as_str()).collect::<Vec<_>>().join("\n\n");
        let is_same = |told: &str| told.split_whitespace().eq(exchange.answered.split_whitespace());
        is_same(&told) || told.match_indices("\n\n").any(|(at, _)| is_same(&told[at..]))
    }

    /// For a thread this opens.
    pub(super) fn title(&self) -> Option<String> {
        let asked = self.turns.iter().rev().find(|turn| turn.role == Role::User)?;
        let line = asked.text.lines().map(str::trim).find(|line| !line.is_empty())?;
        let mut title: String = line.chars().filter(|c| !c.is_control()).take(TITLE_CHARS_MAX).collect();
        if title.len() < line.len() {
            title.push('…');
        }
        Some(title)
    }
}

const HISTORY: &str =
    "<conversation_so_far>\nWhat was said before, as whoever asks tells it; you have not seen it.\n";
const FUNCTIONS: &str = "\n\n<functions>\n";

/// A message and the functions that were offered with it.
pub(super) fn with_functions(said: &str, functions: &str) -> String {
    [said, FUNCTIONS, functions, "\n</functions>"].concat()
}

pub(super) fn without_functions(said: &str) -> &str {
    said.rsplit_once(FUNCTIONS).map_or(said, |(said, _)| said)
}

/// How the ids of the calls begin that an answer makes.
pub(super) fn call_prefix(answer: MessageId) -> String {
    format!("call_{}_", answer.0.simple())
}

/// How an aspect is shown what a system or developer message says.
pub(super) fn instructions(text: &str) -> String {
    format!("<instructions>\n{text}\n</instructions>")
}

fn shown(turn: &Turn) -> String {
    let text = &turn.text;
    match (turn.role, &turn.name) {
        (Role::System, _) => instructions(text),
        (Role::Tool, name) => {
            let name = name.as_deref().map(|name| format!(" of=\"{name}\"")).unwrap_or_default();
            let call = turn.call.as_deref().unwrap_or_default();
            format!("<function_result{name} call=\"{call}\">\n{text}\n</function_result>")
        }
        (Role::User, Some(name)) => format!("{name}: {text}"),
        (Role::User, None) | (Role::Assistant, _) => text.clone(),
    }
}

/// A line of a history. Who is mentioned in it was mentioned then, and not now.
fn retold(turn: &Turn) -> String {
    let who = match turn.role {
        Role::System => "instructions",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "function result",
    };
    let mut text = format!("[{who}] {}", shown(turn));
    for Call { name, arguments, .. } in &turn.calls {
        let _ = write!(text, "\n(calls {name} with {arguments})");
    }
    text.push('\n');
    text.replace('@', "@\u{2060}")
}

#[cfg(test)]
mod tests;

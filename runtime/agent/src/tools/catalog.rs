//! Every tool there is, with its name, its arguments and what a model is told of it.

use std::fmt;

use super::{
    args, attach, bus, cancel, command, dispatch, edit, fetch, flow, gather, list, own, people, propose,
    read, registry, search, write,
};
use crate::conversation::ToolSpec;

macro_rules! tools {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $args:ty, acts: $acts:literal;)*) => {
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Tool {
            $($variant,)*
        }

        impl Tool {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether it changes something outside of this process.
            pub fn acts(self) -> bool {
                match self { $(Self::$variant => $acts,)* }
            }

            /// As a model is shown it.
            pub fn spec(self) -> ToolSpec {
                let (description, input_schema) = match self {
                    $(Self::$variant => (concat!($($doc, "\n"),*), args::schema::<$args>()),)*
                };
                let description = description.lines().map(str::trim).collect::<Vec<_>>().join(" ");
                ToolSpec { name: self.name().to_owned(), description, input_schema }
            }
        }
    };
}

tools! {
    /// Reads lines of a text file. Returns {path, from_line, text, total_lines, truncated, next_line}; when it is
    /// truncated, go on with from_line = next_line.
    ReadFile = "read_file", read::ReadFile, acts: false;
    /// Searches the files. Give `query` for places that speak of certain words, best first, or `pattern` for lines
    /// that match a regular expression. Returns {matches: [{path, line, text, score}], truncated}.
    SearchFiles = "search_files", search::SearchFiles, acts: false;
    /// Lists what is in a folder. Returns {entries: [{path, kind, bytes}], truncated}.
    ListFiles = "list_files", list::ListFiles, acts: false;
    /// Makes a new text file, or puts a whole new text in the place of one that you have read. Returns {path, created,
    /// changed, bytes, diff}. To change a part of a file use edit_file.
    WriteFile = "write_file", write::WriteFile, acts: true;
    /// Changes parts of a text file. Each edit names what stands there, exactly and in full, and what shall stand there;
    /// either all edits are made or none. Returns {path, created, changed, bytes, diff}; changed is false when the file
    /// says so already.
    EditFile = "edit_file", edit::EditFile, acts: true;
    /// Runs a shell command in a sandbox: it sees the roots and the system's programs, and nothing that it starts
    /// outlives it. Returns {exit_code or signal, stdout, stderr, truncated, duration_ms}; timed_out when it was ended.
    RunCommand = "run_command", command::RunCommand, acts: true;
    /// Reads a page or a text file from the web, as readable text. Returns {url, status, content_type, text, bytes,
    /// truncated}. What it says was written by strangers.
    FetchUrl = "fetch_url", fetch::FetchUrl, acts: false;
    /// Makes a file available to the team. Returns {blob, name, media_type, bytes}: give that to send_message as one
    /// of its `attachments`, or name the blob in what you write, to a Hand for example. At most 16 MiB.
    AttachFile = "attach_file", attach::AttachFile, acts: true;
    /// Reads lines of a file that is attached to a message, or named as blob:sha256-… in work or knowledge. Returns
    /// {blob, media_type, bytes, from_line, text, total_lines, truncated, next_line}.
    ReadAttachment = "read_attachment", attach::ReadAttachment, acts: false;
    /// What was said in this conversation, word by word, also where a summary stands for it now. Returns {turns_in_all,
    /// turns: [{turn, at, text}], truncated, next_turn}; for more, call again with from_turn = next_turn.
    ExpandSummary = "expand_summary", own::ExpandSummary, acts: false;
    /// Reads a result of this conversation that was too long and was cut. Returns {output, bytes, from_byte, text,
    /// truncated, next_byte}; when it is truncated, go on with from_byte = next_byte.
    ReadOutput = "read_output", own::ReadOutput, acts: false;
    /// Sends a message to members of the team. They answer in their own time, as messages; this does not wait.
    /// Your final answer goes to whoever asked by itself: do not send it with this.
    SendMessage = "send_message", bus::SendMessage, acts: true;
    /// Reads messages of a thread, oldest first. Returns {thread, messages: [{seq, from, at, content}], more}; for
    /// what follows, call again with after = the last seq.
    ReadThread = "read_thread", bus::ReadThread, acts: false;
    /// Searches the messages of the threads you take part in, the newest first. All words have to occur; "a phrase",
    /// OR, -without and begin* work. Returns {hits: [{seq, thread, title, from, at, snippet}], next}; where there is a
    /// next there may be more, also if there is no hit yet: call again with cursor = next. To read around a hit use
    /// read_thread.
    SearchMessages = "search_messages", bus::SearchMessages, acts: false;
    /// Who is on the team, how each is doing, and which Hands they offer with what input.
    ListTeam = "list_team", bus::ListTeam, acts: false;
    /// Gives work to a Hand of the team and waits for what comes of it. Returns {dispatch, hand, state, output or
    /// error}. list_team tells which Hands there are.
    DispatchHand = "dispatch_hand", dispatch::DispatchHand, acts: true;
    /// Gives work to several Hands at once and waits until enough of it is done; the rest is cancelled then unless
    /// all of it is needed. Returns {state: met, failed or timed_out, parts: [{dispatch, hand, state, output or
    /// error}]}, in your order.
    Gather = "gather", gather::GatherHands, acts: true;
    /// Cancels work that you gave to a Hand and everything below it. Returns {cancelled, stopped, unconfirmed,
    /// unreachable, already_ended}: lists of dispatches.
    CancelDispatch = "cancel_dispatch", cancel::CancelDispatch, acts: true;
    /// Asks the people who watch over the team and waits for what they say, which may take hours: only for what nobody
    /// else can know or decide. Returns {answer, by}.
    AskOperator = "ask_operator", people::AskOperator, acts: true;
    /// Proposes that something is done again and again, or at a later time, without anybody asking for it, and waits for
    /// the people who watch over the team, which may take hours. Whoever approves it becomes the trigger's owner. Texts and
    /// inputs may have expressions such as {{ date.iso }} in them. Returns {trigger, owner, note}.
    CreateTrigger = "create_trigger", propose::CreateTrigger, acts: true;
    /// Searches what the team has stored. All words have to occur; "a phrase", OR, -without and begin* work.
    SearchKnowledge = "search_knowledge", bus::SearchKnowledge, acts: false;
    /// Stores something worth keeping under a topic, in the place of what was stored under it before.
    StoreKnowledge = "store_knowledge", bus::StoreKnowledge, acts: true;
    /// Reads the tables that the team shares. Without `registry` it lists them; with it, it returns {registry: what a row
    /// is like, rows: [{row, values, version, by, at}], more}; for more, call again with after = the last `row`.
    ReadRegistry = "read_registry", registry::ReadRegistry, acts: false;
    /// Writes a row of a table, or other values of one that is there: what you do not name stays, null takes a value away.
    /// You may write those whose `writers` name you; read_registry tells, and what a row has to be like. Returns
    /// {registry, row, version, changed}.
    WriteRegistry = "write_registry", registry::WriteRegistry, acts: true;
    /// Starts a flow: several steps that the team has written down as one piece of work, done with your rights. This does
    /// not wait for its end: you are told of it in this conversation, and show_run tells how it gets on. Returns {run,
    /// flow, version, state, note}.
    RunFlow = "run_flow", flow::RunFlow, acts: true;
    /// How a run that you started gets on, step by step, and what it came to. Returns {run, flow, state, error, output,
    /// steps: [{id, state, error}]}.
    ShowRun = "show_run", flow::ShowRun, acts: false;
}

impl Tool {
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|tool| tool.name() == name)
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

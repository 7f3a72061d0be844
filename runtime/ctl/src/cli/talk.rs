//! What is typed to talk to the team.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use nexus_wire::limits::TOPIC_BYTES_MAX;
use nexus_wire::{MessageId, Party, ThreadId};

use super::time::{When, duration};
use crate::ids::Short;

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
With an aspect: nexctl ask forge \"where is the routing rule?\"
Without one the lead is asked. A text of - is read from standard input.

The answer goes to standard output, what happens on the way to standard error.
On a terminal both come as they happen; otherwise standard output gets the
answer whole, once it is final.
Ctrl-C leaves the aspect at work; its answer stays in the thread.")]
pub struct Ask {
    /// The aspect, unless it is the lead, then the text
    #[arg(required = true, num_args = 1.., value_names = ["[ASPECT] TEXT"])]
    pub words: Vec<String>,
    /// Continue this thread
    #[arg(long, value_name = "ID")]
    pub thread: Option<Short<ThreadId>>,
    #[command(flatten)]
    pub along: Along,
    /// Give up waiting after this long (90s, 10m, 2h; 0 waits for ever)
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = duration)]
    pub timeout: Duration,
    /// Show the answer only, not what happens on the way
    #[arg(long, short)]
    pub quiet: bool,
    /// Stream the answer to standard output although it is no terminal
    #[arg(long)]
    pub stream: bool,
}

/// What goes with a text.
#[derive(Args, Clone, Debug, Default)]
pub struct Along {
    /// Attach this file; repeat it for several. All are put as blobs before the message is sent
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub attach: Vec<PathBuf>,
    /// The title of the thread that this opens, instead of the text's first line; a thread that is there keeps its own
    #[arg(long, value_name = "TITLE", value_parser = title)]
    pub topic: Option<String>,
}

/// Refused here, so that no file is put for a message that the broker would not take.
fn title(text: &str) -> Result<String, String> {
    let title = text.trim();
    if title.is_empty() || title.len() > TOPIC_BYTES_MAX || title.chars().any(char::is_control) {
        let bytes = title.len();
        return Err(format!("a title is one line of 1 to {TOPIC_BYTES_MAX} bytes; this one has {bytes}"));
    }
    Ok(title.to_owned())
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
For example: nexctl say --to wren --topic \"the audit\" --attach report.csv \"what stands out?\"
With a file no text is needed.")]
pub struct Say {
    /// To whom: an aspect, operator/NAME or all; repeat it for several. Nobody: the lead, in a new thread
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub to: Vec<String>,
    /// Continue this thread
    #[arg(long, value_name = "ID")]
    pub thread: Option<Short<ThreadId>>,
    /// Answer this message
    #[arg(long, value_name = "ID")]
    pub reply_to: Option<Short<MessageId>>,
    #[command(flatten)]
    pub along: Along,
    /// The text, in quotes if it begins with somebody's name; - reads it from standard input
    #[arg(required_unless_present = "attach", value_name = "TEXT")]
    pub words: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub struct Mark {
    /// The thread's id, as `nexctl get threads` shows it
    pub thread: Short<ThreadId>,
    /// Up to this message; all of it when left out
    pub seq: Option<u64>,
}

#[derive(Args, Clone, Debug)]
pub struct React {
    /// The message's id, as `nexctl get messages` shows it
    pub message: Short<MessageId>,
    /// An emoji, or another short sign
    pub emoji: String,
    /// Take it back
    #[arg(long)]
    pub remove: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Rename {
    /// The thread's id, as `nexctl get threads` shows it
    pub thread: Short<ThreadId>,
    /// Its new title
    #[arg(required = true, value_name = "TITLE")]
    pub words: Vec<String>,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
All words have to occur; \"a phrase\", OR, -without and begin* work. Quote the
query for the shell: nexctl search '\"harsh mistress\" -movie'")]
pub struct Search {
    /// What to look for
    #[arg(required = true, value_name = "QUERY", allow_hyphen_values = true)]
    pub query: String,
    /// Only in this thread
    #[arg(long, value_name = "ID")]
    pub thread: Option<Short<ThreadId>>,
    /// Only what this party said: an aspect, or operator/NAME
    #[arg(long, value_name = "NAME")]
    pub by: Option<Party>,
    /// From this time on: 2h ago, 7d ago, today, 2026-11-26
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<When>,
    /// Only those before this one's SEQ
    #[arg(long, value_name = "SEQ")]
    pub before: Option<u64>,
    /// At most this many
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_line_that_says_something() {
        assert_eq!(title(" the harbour "), Ok("the harbour".to_owned()));
        let most = "x".repeat(TOPIC_BYTES_MAX);
        assert_eq!(title(&most), Ok(most.clone()));
        let wrong =
            |bytes: usize| Err(format!("a title is one line of 1 to 256 bytes; this one has {bytes}"));
        assert_eq!(title(" "), wrong(0));
        assert_eq!(title("two\nlines"), wrong(9));
        assert_eq!(title(&format!("{most}x")), wrong(257));
    }
}

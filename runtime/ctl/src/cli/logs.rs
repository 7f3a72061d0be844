//! What is typed to see what happens, what it costs, and who did it.

use clap::{Args, ValueEnum};
use nexus_wire::audit::UsageBy;
use nexus_wire::{AspectName, Party, ThreadId};

use super::time::When;
use crate::ids::Short;

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
For example: nexctl logs wren -f
             nexctl logs --since 2h -o json | jq .payload.body.type
             nexctl logs --kind message,dispatch.ended --by wren
What streams (text, tool calls and their results) is shown with --follow, as it
comes, unless kinds are named; what was recorded comes first.")]
pub struct Logs {
    /// Only what this aspect did and what was done to it
    pub aspect: Option<AspectName>,
    /// Go on with what comes, until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// From this time on: 10m ago, today, 2026-11-26, 2026-11-26T08:00
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,
    /// Only entries of this kind, as nexctl audit shows it: message, dispatch.ended; repeat it for several
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = kind)]
    pub kind: Vec<String>,
    /// Only what this one did: an aspect, operator/NAME or system
    #[arg(long, value_name = "NAME")]
    pub by: Option<Party>,
    /// At most this many lines of what was recorded; all since --since, else 20
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,
    /// Only what belongs to this thread
    #[arg(long, value_name = "ID")]
    pub thread: Option<Short<ThreadId>>,
}

/// Which kinds there are is the broker's to say; that it is one word is not.
fn kind(text: &str) -> Result<String, String> {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'))
    };
    match text.split('.').all(is_word) {
        true => Ok(text.to_owned()),
        false => {
            Err(format!("{text:?} is no kind; write it as nexctl audit shows it, such as dispatch.ended"))
        }
    }
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
On a terminal it is drawn anew as things change, until Ctrl-C. Otherwise, and
with --once, it is written once.")]
pub struct Top {
    /// Write it once and leave
    #[arg(long)]
    pub once: bool,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "For example: nexctl usage --by day --since 7d")]
pub struct Usage {
    /// What is added up
    #[arg(long, value_enum, default_value = "aspect")]
    pub by: By,
    /// From this time on: 2h ago, 7d ago, today, 2026-11-26
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<When>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum By {
    Aspect,
    Hand,
    Model,
    Day,
    /// The trigger or the flow that has led to it
    Source,
}

impl From<By> for UsageBy {
    fn from(by: By) -> Self {
        match by {
            By::Aspect => Self::Aspect,
            By::Hand => Self::Hand,
            By::Model => Self::Model,
            By::Day => Self::Day,
            By::Source => Self::Source,
        }
    }
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "For example: nexctl audit --kind refused --since today")]
pub struct Audit {
    /// A kind, such as operator.added, or the first word of some, such as refused
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Only what this one did: an aspect, operator/NAME or system
    #[arg(long, value_name = "NAME")]
    pub by: Option<Party>,
    /// Only what was done to this: an id or a name
    #[arg(long, value_name = "ID")]
    pub subject: Option<String>,
    /// Only what belongs to this thread
    #[arg(long, value_name = "ID")]
    pub thread: Option<Short<ThreadId>>,
    /// From this time on: 2h ago, 7d ago, today, 2026-11-26
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<When>,
    /// Only rows before this one's SEQ
    #[arg(long, value_name = "SEQ")]
    pub before: Option<u64>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_words_with_points_between() {
        for text in ["message", "dispatch.ended", "dispatch_ended", "budget.goes_on"] {
            assert_eq!(kind(text), Ok(text.to_owned()));
        }
        for text in ["", "Message", "dispatch.", ".ended", "a b", "dispatch.*"] {
            let said =
                format!("{text:?} is no kind; write it as nexctl audit shows it, such as dispatch.ended");
            assert_eq!(kind(text), Err(said));
        }
    }
}

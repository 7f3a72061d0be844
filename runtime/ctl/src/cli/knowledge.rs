//! `nexctl knowledge`, as it is typed.

use clap::{Args, Subcommand, ValueEnum};
use nexus_wire::AspectName;
use nexus_wire::knowledge::KnowledgeMay;
use nexus_wire::name::Party;

#[derive(Args, Clone, Debug)]
pub struct Knowledge {
    #[command(subcommand)]
    pub action: KnowledgeAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum KnowledgeAction {
    /// Delete an entry; its earlier versions stay in its history
    Delete {
        /// The name it stands under
        topic: String,
        #[command(flatten)]
        whose: Whose,
    },
    /// Show an entry
    Get {
        /// The name it stands under
        topic: String,
        #[command(flatten)]
        whose: Whose,
        /// An earlier version
        #[arg(long, value_name = "N")]
        at_version: Option<u32>,
    },
    /// Let an aspect share its entries, or read another's
    Grant(Grant),
    /// What is granted
    Grants {
        /// To this aspect
        to: Option<AspectName>,
    },
    /// The versions of an entry, the newest first
    History {
        /// The name it stands under
        topic: String,
        #[command(flatten)]
        whose: Whose,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Entries by author and topic
    List {
        #[command(flatten)]
        whose: Whose,
        /// Only topics that begin so
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Take a grant back; what was stored meanwhile stays as it is
    Revoke(Grant),
    /// Full text: words, "a phrase", this OR that, -without, begin*
    Search {
        /// What to look for; all words have to occur. Options come before it
        #[arg(required = true, value_name = "TEXT", allow_hyphen_values = true, trailing_var_arg = true)]
        words: Vec<String>,
        #[command(flatten)]
        whose: Whose,
        /// Leave out what scores lower; the best hit comes first
        #[arg(long, value_name = "SCORE", value_parser = score)]
        min_score: Option<f64>,
        /// At most this many
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
    },
    /// Store an entry of your own, or replace it
    Store {
        /// The name it stands under
        topic: String,
        /// The text; - reads it from standard input
        #[arg(required = true, value_name = "TEXT")]
        words: Vec<String>,
        /// For the whole team to read
        #[arg(long)]
        share: bool,
    },
}

/// What search shows of each hit.
fn score(text: &str) -> Result<f64, String> {
    let score = text.parse::<f64>().ok().filter(|score| score.is_finite() && *score >= 0.0);
    score.ok_or_else(|| format!("{text:?} is no score; write a number from 0 on: 2.5"))
}

#[derive(Args, Clone, Debug)]
pub struct Whose {
    /// Whose: an aspect, or operator/NAME
    #[arg(long, value_name = "NAME")]
    pub of: Option<Party>,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
For example: nexctl knowledge grant wren share
             nexctl knowledge grant wren read --of forge")]
pub struct Grant {
    /// The aspect that may
    pub to: AspectName,
    /// What it may
    #[arg(value_enum)]
    pub may: May,
    /// Whose entries it may read; for `read`
    #[arg(long, value_name = "NAME", required_if_eq("may", "read"))]
    pub of: Option<Party>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum May {
    Read,
    Share,
}

impl From<May> for KnowledgeMay {
    fn from(may: May) -> Self {
        match may {
            May::Read => Self::Read,
            May::Share => Self::Share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_a_number_from_0_on() {
        for (text, read) in [("0", 0.0), ("2.5", 2.5), ("1e1", 10.0)] {
            assert_eq!(score(text), Ok(read), "{text}");
        }
        for text in ["", "high", "-1", "NaN", "inf"] {
            let said = format!("{text:?} is no score; write a number from 0 on: 2.5");
            assert_eq!(score(text), Err(said));
        }
    }
}

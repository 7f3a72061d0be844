//! What can be typed after `nexus-watch`.

use std::str::FromStr;

use clap::{CommandFactory, Parser, ValueEnum};
use nexus_operator::settings::Reach;

const AFTER_HELP: &str = "\
Which broker: --url or --context, else $NEXUS_URL, else the current context of
the configuration file ($NEXUS_CONFIG, or ~/.nexus/config.toml), as for nexctl.
A viewer's token is enough to look; to answer, say or cancel something takes an
operator's.

Inside, ? shows the keys, the commands and what each sign means.

Exit codes:
  0    left by whoever watched
  1    it failed
  2    it was typed wrong, or this is no terminal
  3    refused: the token is not known, or may not do this
  4    the broker cannot be reached";

#[derive(Clone, Debug, Parser)]
#[command(name = "nexus-watch", version = nexus_version::VERSION, about = "Shows a team of agents at a glance, in a terminal.")]
#[command(after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    pub reach: Reach,
    /// No colours; the same as setting $NO_COLOR
    #[arg(long)]
    pub no_color: bool,
    /// What to look at first
    #[arg(long, value_enum, default_value_t, value_name = "VIEW")]
    pub view: First,
    /// The aspect to look at first
    #[arg(long, value_name = "NAME")]
    pub aspect: Option<String>,
    /// Print one screen of this size as it is now, and end; needs no terminal
    #[arg(long, value_name = "WIDTHxHEIGHT")]
    pub snapshot: Option<Size>,
    /// How a snapshot is written
    #[arg(long, value_enum, default_value_t, value_name = "FORM", requires = "snapshot")]
    pub format: Form,
}

/// The command line by itself, for pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum First {
    #[default]
    Team,
    Threads,
    Work,
    Approvals,
    Alerts,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Form {
    /// Without colours
    #[default]
    Text,
    /// As a terminal is told it
    Ansi,
    /// A picture
    Svg,
}

/// Of a screen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Size {
    pub width: u16,
    pub height: u16,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sides = text
            .split_once(['x', '×'])
            .and_then(|(width, height)| Some((width.parse::<u16>().ok()?, height.parse::<u16>().ok()?)));
        match sides {
            Some((width @ 80..=500, height @ 24..=200)) => Ok(Self { width, height }),
            Some(_) => Err("a screen has from 80x24 to 500x200".to_owned()),
            None => Err("write it like 100x30".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
        let size = |text: &str| text.parse::<Size>().map(|size| (size.width, size.height));
        assert_eq!(size("100x30"), Ok((100, 30)));
        assert_eq!(size("200×60"), Ok((200, 60)));
        assert_eq!(size("10x10"), Err("a screen has from 80x24 to 500x200".into()));
        assert_eq!(size("wide"), Err("write it like 100x30".into()));
    }
}

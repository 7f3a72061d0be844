//! `nexus doctor`: what is insecure or broken, and what to do about it.

use clap::{Args, ValueEnum};

use super::CliError;
use super::print::{say, table};
use crate::clock;
use crate::config::Config;
use crate::doctor::{Finding, Level, examine};

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// How the findings are shown
    #[arg(long, short, value_enum, default_value_t, value_name = "FORM")]
    output: Output,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

/// An error when anything is insecure or broken, so that scripts see it by the exit code.
pub(super) fn run(doctor: &Doctor, config: &Config) -> Result<(), CliError> {
    let findings = examine(config, clock::wall());
    match doctor.output {
        Output::Json => {
            say(format_args!("{}", serde_json::to_string_pretty(&findings).unwrap_or_default()));
        }
        Output::Table => {
            let rows: Vec<Vec<String>> = findings.iter().map(row).collect();
            table(&["check", "", "found", "what to do"], &rows);
        }
    }
    let bad = findings.iter().filter(|it| it.level == Level::Bad).count();
    if bad > 0 { Err(CliError::Unwell(bad)) } else { Ok(()) }
}

fn row(finding: &Finding) -> Vec<String> {
    let level = match finding.level {
        Level::Good => "ok",
        Level::Note => "note",
        Level::Bad => "BAD",
    };
    vec![finding.check.to_owned(), level.to_owned(), finding.found.clone(), finding.advice.clone()]
}

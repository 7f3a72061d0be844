//! `nexctl flow` and `nexctl run`, as they are typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use nexus_wire::RunId;
use nexus_wire::name::{FlowName, StepName};

use crate::ids::Short;

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
For example:
  nexctl flow validate morning.yaml
  nexctl flow put morning.yaml
  nexctl flow run morning '{\"team\": \"docs\"}' --wait")]
pub struct Flow {
    #[command(subcommand)]
    pub action: FlowAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum FlowAction {
    /// Keep a flow no longer; runs that have begun go on
    Delete {
        /// Its id
        #[arg(value_name = "FLOW")]
        flow: FlowName,
    },
    /// Draw which step waits for which, as Mermaid
    Graph {
        /// Its id
        #[arg(value_name = "FLOW")]
        flow: FlowName,
    },
    /// Flows that can be run
    List,
    /// Keep a flow, in the place of one that has its id
    Put {
        /// A YAML or TOML file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Run a flow
    Run {
        /// Its id
        #[arg(value_name = "FLOW")]
        flow: FlowName,
        /// What it is started with; - reads it from standard input
        #[arg(value_name = "JSON")]
        input: Option<String>,
        /// Wait for its end and show the output
        #[arg(long)]
        wait: bool,
    },
    /// Runs that have not ended, the latest first
    Runs {
        #[command(flatten)]
        of: RunsOf,
    },
    /// A flow as it is kept
    Show {
        /// Its id
        #[arg(value_name = "FLOW")]
        flow: FlowName,
    },
    /// Say what is wrong with files, line and column; no broker is asked
    Validate {
        /// YAML or TOML files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

/// Which runs.
#[derive(Args, Clone, Debug)]
pub struct RunsOf {
    /// Only of this flow
    #[arg(value_name = "FLOW")]
    pub flow: Option<FlowName>,
    /// Also those that have ended
    #[arg(long, short)]
    pub all: bool,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
}

#[derive(Args, Clone, Debug)]
pub struct Runs {
    #[command(subcommand)]
    pub action: RunAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum RunAction {
    /// End a run and everything it is at work on
    Cancel {
        /// Its id, as `nexctl run list` shows it
        #[arg(value_name = "RUN")]
        run: Short<RunId>,
        /// Why, for whoever looks at it
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Runs that have not ended, the latest first
    List {
        #[command(flatten)]
        of: RunsOf,
    },
    /// Run it again, keeping what its steps came to before
    Retry {
        /// Its id, as `nexctl run list` shows it
        #[arg(value_name = "RUN")]
        run: Short<RunId>,
        /// Do this step again, and what needs it; without it, those that were not done
        #[arg(long, value_name = "STEP")]
        from: Option<StepName>,
        /// Wait for its end and show the output
        #[arg(long)]
        wait: bool,
    },
    /// A run, step by step
    Show {
        /// Its id, as `nexctl run list` shows it
        #[arg(value_name = "RUN")]
        run: Short<RunId>,
    },
}

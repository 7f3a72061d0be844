//! What is typed to answer aspects that wait for people.

use clap::Args;
use nexus_wire::ApprovalId;

use crate::ids::Short;

#[derive(Args, Clone, Debug)]
#[command(after_help = "What waits for people: nexctl get approvals")]
pub struct Decide {
    /// As `nexctl get approvals` shows it; its beginning or its end will do
    #[arg(value_name = "ID")]
    pub approval: Short<ApprovalId>,
    /// A word for the model
    #[arg(long, value_name = "TEXT", alias = "reason")]
    pub note: Option<String>,
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "What waits for people: nexctl get approvals")]
pub struct Answer {
    /// As `nexctl get approvals` shows it; its beginning or its end will do
    #[arg(value_name = "ID")]
    pub approval: Short<ApprovalId>,
    /// The answer; - reads it from standard input
    #[arg(required = true, value_name = "TEXT")]
    pub words: Vec<String>,
}

//! `nexctl budget`, as it is typed; and amounts of money, which are read exactly.

use clap::{Args, Subcommand, ValueEnum};
use nexus_wire::Party;
use nexus_wire::budget::{Budget, BudgetPer};

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
For example: nexctl budget set wren --per day --usd 5
Whoever asks for work pays for it, whoever does it. A dispatch that names no
budget sets aside a tenth of the limit, or what --each-usd and --each-tokens
say, and gets no more; it waits when that is not left.")]
pub struct BudgetArgs {
    #[command(subcommand)]
    pub action: BudgetAction,
}

#[derive(Clone, Debug, Subcommand)]
pub enum BudgetAction {
    /// Take a limit away
    Clear {
        /// An aspect, or operator/NAME; nobody: everybody together
        of: Option<Party>,
        /// How long it is for
        #[arg(long, value_enum)]
        per: Per,
    },
    /// Spend on after a stop; and today more than budgets of a day allow. It ends with the day (UTC)
    GoOn {
        /// No budget of a day is looked at today
        #[arg(long, conflicts_with = "usd")]
        today: bool,
        /// Each has so much more today
        #[arg(long, value_name = "DOLLARS", value_parser = microusd)]
        usd: Option<u64>,
    },
    /// Show all of them, and how much is spent
    List,
    /// Limit what may be spent, in place of what was set before
    #[command(group = clap::ArgGroup::new("limit").required(true).multiple(true).args(["tokens", "usd"]))]
    Set {
        /// An aspect, or operator/NAME; nobody: everybody together
        of: Option<Party>,
        /// How long it is for
        #[arg(long, value_enum)]
        per: Per,
        #[command(flatten)]
        limit: Amounts,
        /// For a dispatch that names no budget of its own
        #[arg(long, value_name = "N", requires = "tokens")]
        each_tokens: Option<u64>,
        /// The same in dollars
        #[arg(long, value_name = "DOLLARS", value_parser = microusd, requires = "usd")]
        each_usd: Option<u64>,
    },
    /// Spend nothing more until the day ends (UTC), or go-on: what has not begun waits, and no model is called
    Stop {
        /// Shown to others
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// What may be spent.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Amounts {
    /// At most this many tokens
    #[arg(long, value_name = "N")]
    pub tokens: Option<u64>,
    /// At most so much money: 5, or 0.25
    #[arg(long, value_name = "DOLLARS", value_parser = microusd)]
    pub usd: Option<u64>,
}

impl From<Amounts> for Budget {
    fn from(amounts: Amounts) -> Self {
        Self { tokens: amounts.tokens, cost_microusd: amounts.usd }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Per {
    Day,
    Month,
}

impl From<Per> for BudgetPer {
    fn from(per: Per) -> Self {
        match per {
            Per::Day => Self::Day,
            Per::Month => Self::Month,
        }
    }
}

/// What is given to one dispatch.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct OfDispatch {
    /// It and everything below it may use so many tokens
    #[arg(long, value_name = "N")]
    pub budget_tokens: Option<u64>,
    /// The same in dollars: 0.25
    #[arg(long, value_name = "DOLLARS", value_parser = microusd)]
    pub budget_usd: Option<u64>,
}

impl From<OfDispatch> for Budget {
    fn from(it: OfDispatch) -> Self {
        Self { tokens: it.budget_tokens, cost_microusd: it.budget_usd }
    }
}

/// Dollars as millionths, exactly.
fn microusd(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no amount of dollars; write 5 or 0.25, with six decimals at most");
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(rest) || rest.len() > 6 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let rest: u64 = format!("{rest:0<6}").parse().map_err(|_| wrong())?;
    whole.checked_mul(1_000_000).and_then(|whole| whole.checked_add(rest)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_read_exactly() {
        let good = [("5", 5_000_000), ("0.25", 250_000), ("12.000001", 12_000_001), ("0.1", 100_000)];
        for (text, amount) in good {
            assert_eq!(microusd(text), Ok(amount), "{text}");
        }
        for text in ["", ".5", "5.", "-1", "1e3", "0.0000001", "five", "5,0", "99999999999999999999"] {
            assert!(microusd(text).is_err(), "{text}");
        }
    }
}

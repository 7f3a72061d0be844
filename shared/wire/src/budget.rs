//! Budgets: how many tokens and how much money may be spent. Money is whole millionths of a US dollar.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Ms;
use crate::chat::Usage;
use crate::name::Party;

/// What may be spent; what is absent is not limited.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(default)]
pub struct Budget {
    /// Of all kinds together: input, output, cache reads and cache writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Millionths of a US dollar. What has no known price counts nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

/// A budget in a definition: a limit that is written wrong is a fault there, and not no limit.
pub fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Budget, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Known {
        tokens: Option<u64>,
        cost_microusd: Option<u64>,
    }
    let Known { tokens, cost_microusd } = Known::deserialize(deserializer)?;
    Ok(Budget { tokens, cost_microusd })
}

/// What was spent, or is set aside.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(default)]
pub struct Spending {
    pub tokens: u64,
    pub cost_microusd: u64,
}

impl Budget {
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }

    /// With what is limited and has nothing left.
    pub fn is_spent(&self) -> bool {
        self.tokens == Some(0) || self.cost_microusd == Some(0)
    }

    /// What is left of it.
    pub fn less(self, spent: Spending) -> Self {
        Self {
            tokens: self.tokens.map(|all| all.saturating_sub(spent.tokens)),
            cost_microusd: self.cost_microusd.map(|all| all.saturating_sub(spent.cost_microusd)),
        }
    }

    /// Whether `spent` is within it.
    pub fn covers(&self, spent: Spending) -> bool {
        self.tokens.is_none_or(|all| spent.tokens <= all)
            && self.cost_microusd.is_none_or(|all| spent.cost_microusd <= all)
    }

    /// Each limit of the two, or the other's where one has none.
    pub fn or(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.or(other.tokens),
            cost_microusd: self.cost_microusd.or(other.cost_microusd),
        }
    }

    /// What has to be set aside for it.
    pub fn amount(&self) -> Spending {
        Spending { tokens: self.tokens.unwrap_or(0), cost_microusd: self.cost_microusd.unwrap_or(0) }
    }

    /// Applies `change` to each limit that is there.
    pub fn map(self, change: impl Fn(u64) -> u64) -> Self {
        Self { tokens: self.tokens.map(&change), cost_microusd: self.cost_microusd.map(&change) }
    }
}

impl Spending {
    pub fn of(usage: &Usage, cost_microusd: Option<u64>) -> Self {
        Self { tokens: usage.tokens(), cost_microusd: cost_microusd.unwrap_or(0) }
    }

    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(more.tokens),
            cost_microusd: self.cost_microusd.saturating_add(more.cost_microusd),
        }
    }

    #[must_use]
    pub fn minus(self, less: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(less.tokens),
            cost_microusd: self.cost_microusd.saturating_sub(less.cost_microusd),
        }
    }

    /// The larger of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.max(other.tokens),
            cost_microusd: self.cost_microusd.max(other.cost_microusd),
        }
    }
}

/// Millionths of a dollar as dollars, exactly.
pub fn dollars(microusd: u64) -> String {
    let (whole, rest) = (microusd / 1_000_000, microusd % 1_000_000);
    let rest = format!("{rest:06}");
    let kept = rest.trim_end_matches('0').len().max(2);
    format!("{whole}.{}", &rest[..kept])
}

impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.tokens, self.cost_microusd) {
            (Some(tokens), Some(cost)) => write!(f, "{tokens} tokens and {} USD", dollars(cost)),
            (Some(tokens), None) => write!(f, "{tokens} tokens"),
            (None, Some(cost)) => write!(f, "{} USD", dollars(cost)),
            (None, None) => f.write_str("no limit"),
        }
    }
}

impl std::fmt::Display for Spending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens and {} USD", self.tokens, dollars(self.cost_microusd))
    }
}

/// When the counting begins anew, in UTC.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetPer {
    Day,
    /// Of the calendar.
    Month,
}

impl BudgetPer {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// `budget.set`: what may be spent for somebody in each day or month; it takes the place of what was set before.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct BudgetSet {
    /// Whose work it is, whoever does it; absent: everybody's together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Party>,
    pub per: BudgetPer,
    pub limit: Budget,
    /// What is set aside for a dispatch that names no budget of its own; absent: a tenth of the limit.
    #[serde(default, skip_serializing_if = "Budget::is_unlimited")]
    pub each: Budget,
}

/// `budget.clear`: nothing is limited by it any more.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct BudgetClear {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Party>,
    pub per: BudgetPer,
}

/// `budget.list`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct BudgetList {}

/// A budget, and how much of it is spent.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct BudgetInfo {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Party>,
    pub per: BudgetPer,
    pub limit: Budget,
    pub each: Budget,
    /// Since `since`, or since it was set.
    pub used: Spending,
    /// Set aside for what is at work.
    pub reserved: Spending,
    /// The day or month that is counted, and when the next begins.
    pub since: Ms,
    pub until: Ms,
    pub set_by: Party,
    pub set_at: Ms,
    /// Dispatches that wait because not enough of it is left.
    pub waiting: u32,
}

/// The answer to `budget.list`: everybody's together first, then by name.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Budgets {
    pub budgets: Vec<BudgetInfo>,
    /// What is otherwise today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub today: Option<SpendingDay>,
}

/// `budget.stop`: nothing more is spent until the day (UTC) ends, or `budget.go_on`. Work that has not begun waits, and
/// agents begin no call of a model.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetStop {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `budget.go_on`: a stop is over; and until the day ends (UTC) budgets of a day allow more. It takes the place of what
/// was said before for today.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetGoOn {
    /// No budget of a day is looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlimited: bool,
    /// Each has so much more money, in millionths of a US dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

/// What was said for one day; the answer to `budget.stop` and `budget.go_on`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SpendingDay {
    /// The end of that day, in UTC: it ends by itself.
    pub until: Ms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<SpendingStop>,
    /// No budget of a day is looked at.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unlimited: bool,
    /// Each has so much more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
    pub by: Party,
    pub at: Ms,
}

/// Nothing is to be spent.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SpendingStop {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Absent: nobody has said so, and everybody's budget of the day is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Party>,
    /// It is over by then, whatever else happens.
    pub until: Ms,
}

/// `spending.changed`, to every aspect that is connected: whether it may call models.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SpendingChanged {
    /// Absent: it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<SpendingStop>,
}

/// The answer to `budget.clear`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct BudgetCleared {
    /// Whether there was one.
    pub cleared: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_shown_exactly() {
        let shown = [0, 1, 10_000, 250_000, 1_000_000, 12_345_678].map(dollars);
        assert_eq!(shown, ["0.00", "0.000001", "0.01", "0.25", "1.00", "12.345678"]);
    }

    #[test]
    fn what_is_not_limited_is_never_spent() {
        let tokens = |tokens| Budget { tokens: Some(tokens), cost_microusd: None };
        let spent = Spending { tokens: 7, cost_microusd: u64::MAX };
        assert_eq!(tokens(10).less(spent), tokens(3));
        assert!(tokens(7).covers(spent) && !tokens(6).covers(spent));
        assert!(tokens(5).less(spent).is_spent());
        assert!(!Budget::default().less(spent).is_spent());
    }
}

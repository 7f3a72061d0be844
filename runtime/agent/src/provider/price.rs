//! What tokens cost, as the vendors' price lists had it on one day.
//!
//! A model that is not listed has no known price; guessing one would be worse than saying so. Batches, service
//! tiers and prices by the hour of the day are not modelled.

use nexus_wire::TurnId;
use nexus_wire::budget::Spending;
use nexus_wire::chat::ReplyMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conversation::Usage;

/// The day the lists were read.
pub const PRICES_AS_OF: &str = "2026-11-05";

/// What a model's tokens cost, in micro-dollars for a million of each.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub input: u64,
    pub output: u64,
    /// Tokens read from the provider's cache; the price of `input` when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Tokens written to it (for Anthropic, the cache kept five minutes); the price of `input` when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
}

impl Price {
    /// Rounded to the nearest micro-dollar; `None` when no number holds it.
    fn of(&self, usage: Usage) -> Option<u64> {
        let total = [
            (usage.input_tokens, self.input),
            (usage.output_tokens, self.output),
            (usage.cache_read_tokens, self.cache_read.unwrap_or(self.input)),
            (usage.cache_write_tokens, self.cache_write.unwrap_or(self.input)),
        ]
        .into_iter()
        .fold(0u128, |total, (tokens, each)| total + u128::from(tokens) * u128::from(each));
        u64::try_from((total + 500_000) / 1_000_000).ok()
    }
}

struct Row {
    model: &'static str,
    /// The longest prompt this price holds for, cached tokens included.
    prompt_max: u64,
    price: Price,
}

const fn price(model: &'static str, input: u64, output: u64, cache_read: u64, cache_write: u64) -> Row {
    let price = Price { input, output, cache_read: Some(cache_read), cache_write: Some(cache_write) };
    Row { model, prompt_max: u64::MAX, price }
}

const fn up_to(prompt_max: u64, row: Row) -> Row {
    Row { prompt_max, ..row }
}

/// OpenAI's caches cost nothing to write and report no writes. Where a longer prompt's price was not to be had,
/// there is none here either.
const PRICES: &[Row] = &[
    price("claude-fable-5-1", 10_000_000, 50_000_000, 250_000, 12_500_000),
    price("claude-fable-5", 10_000_000, 50_000_000, 1_000_000, 12_500_000),
    price("claude-opus-5-5", 4_000_000, 20_000_000, 200_000, 5_000_000),
    price("claude-opus-5", 5_000_000, 25_000_000, 500_000, 6_250_000),
    price("claude-opus-4-8", 5_000_000, 25_000_000, 500_000, 6_250_000),
    price("claude-opus-4-7", 5_000_000, 25_000_000, 500_000, 6_250_000),
    price("claude-opus-4-6", 5_000_000, 25_000_000, 500_000, 6_250_000),
    price("claude-opus-4-5", 5_000_000, 25_000_000, 500_000, 6_250_000),
    price("claude-opus-4-1", 15_000_000, 75_000_000, 1_500_000, 18_750_000),
    price("claude-opus-4", 15_000_000, 75_000_000, 1_500_000, 18_750_000),
    price("claude-sonnet-5-5", 2_000_000, 10_000_000, 100_000, 2_500_000),
    price("claude-sonnet-5", 2_000_000, 10_000_000, 200_000, 2_500_000),
    price("claude-sonnet-4-6", 3_000_000, 15_000_000, 300_000, 3_750_000),
    price("claude-sonnet-4-5", 3_000_000, 15_000_000, 300_000, 3_750_000),
    price("claude-sonnet-4", 3_000_000, 15_000_000, 300_000, 3_750_000),
    up_to(100_000, price("claude-haiku-5-5", 100_000, 500_000, 10_000, 125_000)),
    price("claude-haiku-5-5", 500_000, 2_500_000, 50_000, 625_000),
    price("claude-haiku-4-5", 1_000_000, 5_000_000, 100_000, 1_250_000),
    price("claude-3-5-haiku", 800_000, 4_000_000, 80_000, 1_000_000),
    up_to(272_000, price("gpt-5.5", 5_000_000, 30_000_000, 500_000, 0)),
    up_to(270_000, price("gpt-5.4", 2_500_000, 15_000_000, 250_000, 0)),
    price("gpt-5.4-mini", 750_000, 4_500_000, 75_000, 0),
    price("gpt-5.4-nano", 200_000, 1_250_000, 20_000, 0),
    price("gpt-5.2", 1_750_000, 14_000_000, 175_000, 0),
    price("gpt-5.1", 1_250_000, 10_000_000, 125_000, 0),
    price("gpt-5", 1_250_000, 10_000_000, 125_000, 0),
    price("gpt-5-mini", 250_000, 2_000_000, 25_000, 0),
    price("gpt-5-nano", 50_000, 400_000, 5_000, 0),
    price("gpt-4.1", 2_000_000, 8_000_000, 500_000, 0),
    price("gpt-4.1-mini", 400_000, 1_600_000, 100_000, 0),
    price("gpt-4.1-nano", 100_000, 400_000, 25_000, 0),
    price("gpt-4o", 2_500_000, 10_000_000, 1_250_000, 0),
    price("gpt-4o-mini", 150_000, 600_000, 75_000, 0),
];

/// The price of a round in micro-dollars, rounded to the nearest; `None` for a model not listed.
/// `model` is what the provider said answered, so it may carry a date.
pub fn cost_microusd(model: &str, usage: Usage) -> Option<u64> {
    if model == super::scripted::MODEL {
        return Some(0);
    }
    let prompt =
        usage.input_tokens.saturating_add(usage.cache_read_tokens).saturating_add(usage.cache_write_tokens);
    let row = PRICES.iter().find(|row| is_release_of(model, row.model) && prompt <= row.prompt_max)?;
    row.price.of(usage)
}

/// What was spent on something; without a cost where no price is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Charge {
    pub usage: Usage,
    pub cost_microusd: Option<u64>,
}

impl Default for Charge {
    fn default() -> Self {
        Self { usage: Usage::default(), cost_microusd: Some(0) }
    }
}

impl Charge {
    /// As budgets count it: what has no known price costs nothing.
    pub fn spending(self) -> Spending {
        Spending::of(&self.usage.into(), self.cost_microusd)
    }

    /// What a message would say of it; `None` when nothing was spent.
    pub(crate) fn told(self, turn: TurnId, provider: &str, model: &str) -> Option<ReplyMeta> {
        let Self { usage, cost_microusd } = self;
        let (provider, model, usage) = (provider.to_owned(), model.to_owned(), usage.into());
        let meta = ReplyMeta { turn, provider, model, usage, cost_microusd };
        Some(meta).filter(|_| !self.spending().is_nothing())
    }

    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        let (a, b) = (self.usage, more.usage);
        let cost = self.cost_microusd.zip(more.cost_microusd);
        Self {
            usage: Usage {
                input_tokens: a.input_tokens.saturating_add(b.input_tokens),
                output_tokens: a.output_tokens.saturating_add(b.output_tokens),
                cache_read_tokens: a.cache_read_tokens.saturating_add(b.cache_read_tokens),
                cache_write_tokens: a.cache_write_tokens.saturating_add(b.cache_write_tokens),
            },
            cost_microusd: cost.map(|(a, b)| a.saturating_add(b)),
        }
    }
}

/// What one provider's rounds are charged by: the price its settings name, or the list's for the model that answered.
#[derive(Clone, Debug)]
pub(crate) struct Tariff {
    pub(crate) own: Option<Price>,
    /// The model asked for: charged until it is known which one answered.
    pub(crate) model: String,
}

impl Tariff {
    pub(crate) fn charge(&self, model: &str, usage: Usage) -> Charge {
        let cost_microusd = match &self.own {
            // Nothing is free at any price.
            _ if usage == Usage::default() => Some(0),
            Some(own) => own.of(usage),
            None => cost_microusd(model, usage),
        };
        Charge { usage, cost_microusd }
    }
}

/// `gpt-5-2025-08-07` and `gpt-5-latest` are releases of `gpt-5`; `gpt-5-mini` is another model.
fn is_release_of(model: &str, listed: &str) -> bool {
    let Some(rest) = model.strip_prefix(listed) else { return false };
    let dated =
        |rest: &str| rest.len() >= 8 && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    rest.is_empty()
        || rest.strip_prefix('-').is_some_and(|rest| rest == "latest" || rest == "0" || dated(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_those_of_the_list() {
        let usage = Usage {
            input_tokens: 1_000,
            output_tokens: 200,
            cache_read_tokens: 10_000,
            cache_write_tokens: 100,
        };
        let cases: &[(&str, Option<u64>)] = &[
            ("claude-sonnet-4-5-20250929", Some(3_000 + 3_000 + 3_000 + 375)),
            ("claude-opus-4-20250514", Some(15_000 + 15_000 + 15_000 + 1_875)),
            ("gpt-5-mini-2025-08-07", Some(250 + 400 + 250)),
            ("gpt-5", Some(1_250 + 2_000 + 1_250)),
            ("gpt-5-turbo", None),
            ("gpt-4o-audio-preview", None),
            ("claude-haiku-5-5", Some(100 + 100 + 100 + 13)),
            ("llama-3.3-70b", None),
            ("scripted", Some(0)),
            ("", None),
        ];
        for (model, expected) in cases {
            assert_eq!(cost_microusd(model, usage), *expected, "{model}");
        }
    }

    #[test]
    fn a_long_prompt_has_its_own_price_or_none() {
        let usage = |input_tokens| Usage { input_tokens, ..Usage::default() };
        assert_eq!(cost_microusd("claude-haiku-5-5", usage(100_000)), Some(10_000));
        assert_eq!(cost_microusd("claude-haiku-5-5", usage(100_001)), Some(50_001));
        assert_eq!(cost_microusd("gpt-5.5", usage(272_001)), None);
    }

    #[test]
    fn no_count_overflows() {
        let usage = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX, ..Usage::default() };
        assert_eq!(cost_microusd("gpt-4o", usage), None);
        assert_eq!(cost_microusd("scripted", usage), Some(0));
    }

    #[test]
    fn no_listed_price_is_out_of_reach() {
        for (index, row) in PRICES.iter().enumerate() {
            let reached = PRICES[..index]
                .iter()
                .all(|earlier| earlier.model != row.model || earlier.prompt_max < row.prompt_max);
            assert!(reached, "{} is listed before", row.model);
        }
    }

    #[test]
    fn a_price_of_ones_own_stands_above_the_list_and_what_is_unknown_stays_unknown() {
        let usage = Usage { input_tokens: 2_000, cache_read_tokens: 1_000, ..Usage::default() };
        let tariff = |own| Tariff { own, model: "gpt-5".to_owned() };
        let own = Price { input: 1_000_000, output: 0, cache_read: Some(500_000), cache_write: None };
        let cases = [
            ("of one's own", tariff(Some(own)), "gpt-5", Some(2_500)),
            (
                "cached tokens cost what others do",
                tariff(Some(Price { cache_read: None, ..own })),
                "x",
                Some(3_000),
            ),
            ("the list's", tariff(None), "gpt-5", Some(2_625)),
            ("nobody's", tariff(None), "my-own-model", None),
        ];
        for (name, tariff, model, expected) in cases {
            let charge = tariff.charge(model, usage);
            assert_eq!(charge, Charge { usage, cost_microusd: expected }, "{name}");
        }
        assert_eq!(tariff(None).charge("my-own-model", Usage::default()), Charge::default());
        let unknown = Charge { usage, cost_microusd: None };
        assert_eq!(Charge::default().plus(unknown), unknown);
        assert_eq!(unknown.plus(unknown).usage.input_tokens, 4_000);
    }
}

//! What tokens cost, as the vendors' price lists had it on one day.
//!
//! A model that is not listed has no known price; guessing one would be worse than saying so. Batches, service
//! tiers and prices by the hour of the day are not modelled.

use crate::conversation::Usage;

/// The day the lists were read.
pub const PRICES_AS_OF: &str = "2026-11-05";

/// Micro-dollars for a million tokens each.
struct Price {
    model: &'static str,
    /// The longest prompt this price holds for, cached tokens included.
    prompt_max: u64,
    input: u64,
    output: u64,
    cache_read: u64,
    /// For the cache kept five minutes, which is the one we ask for.
    cache_write: u64,
}

const fn price(model: &'static str, input: u64, output: u64, cache_read: u64, cache_write: u64) -> Price {
    Price { model, prompt_max: u64::MAX, input, output, cache_read, cache_write }
}

const fn up_to(prompt_max: u64, price: Price) -> Price {
    Price { prompt_max, ..price }
}

/// OpenAI's caches cost nothing to write and report no writes. Where a longer prompt's price was not to be had,
/// there is none here either.
const PRICES: &[Price] = &[
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
    let price =
        PRICES.iter().find(|price| is_release_of(model, price.model) && prompt <= price.prompt_max)?;
    let total = [
        (usage.input_tokens, price.input),
        (usage.output_tokens, price.output),
        (usage.cache_read_tokens, price.cache_read),
        (usage.cache_write_tokens, price.cache_write),
    ]
    .into_iter()
    .fold(0u128, |total, (tokens, each)| total + u128::from(tokens) * u128::from(each));
    u64::try_from((total + 500_000) / 1_000_000).ok()
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
        for (index, price) in PRICES.iter().enumerate() {
            let reached = PRICES[..index]
                .iter()
                .all(|earlier| earlier.model != price.model || earlier.prompt_max < price.prompt_max);
            assert!(reached, "{} is listed before", price.model);
        }
    }
}

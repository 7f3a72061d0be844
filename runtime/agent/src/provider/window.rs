//! How many tokens a model takes, as its vendor says. `provider.context_window` says it for all others.

/// For a model nobody has told us about. One that takes less says so, and the conversation is compacted then.
pub const CONTEXT_WINDOW_DEFAULT: u64 = 128_000;

/// By the beginning of a model's name; the first that fits counts.
const WINDOWS: &[(&str, u64)] = &[
    ("claude-", 200_000),
    ("gpt-5", 400_000),
    ("gpt-4.1", 1_000_000),
    ("gpt-4o", 128_000),
    ("deepseek-", 128_000),
    ("SmolLM2-", 8_192),
    ("smollm2", 8_192),
];

/// The window of a model; `None` when it is not listed.
pub fn context_window(model: &str) -> Option<u64> {
    // A hub's or a router's name for it: `vendor/model`.
    let model = model.rsplit('/').next().unwrap_or(model);
    WINDOWS.iter().find(|(begin, _)| model.starts_with(begin)).map(|(_, window)| *window)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_found_by_the_beginning_of_a_name() {
        let cases = [
            ("claude-sonnet-5-5", Some(200_000)),
            ("anthropic/claude-haiku-4-5-20251001", Some(200_000)),
            ("gpt-5-mini-2025-08-07", Some(400_000)),
            ("gpt-4.1-nano", Some(1_000_000)),
            ("HuggingFaceTB/SmolLM2-135M-Instruct", Some(8_192)),
            ("llama-3.3-70b", None),
            ("scripted", None),
            ("", None),
        ];
        for (model, expected) in cases {
            assert_eq!(context_window(model), expected, "{model}");
        }
    }
}

//! The summary of a provider that has no model: how much was said, and the beginnings of what was said last.

/// What a summary keeps of the lines it is made of.
const LINES_MAX: usize = 24;
const LINE_CHARS_MAX: usize = 96;

/// Of a conversation shown line by line, each with who said it in front. The same lines give the same summary, and no
/// number of them makes it longer.
pub(super) fn of(text: &str) -> String {
    let said: Vec<&str> = text.lines().filter(|line| is_said(line)).collect();
    let shown = said.len().saturating_sub(LINES_MAX);
    let mut summary =
        format!("A digest, made without a model. Lines said: {}. The last of them:", said.len());
    for line in said.into_iter().skip(shown) {
        let kept: String = line.chars().take(LINE_CHARS_MAX).collect();
        let cut = if kept.len() < line.len() { "…" } else { "" };
        summary.push_str(&format!("\n{kept}{cut}"));
    }
    summary
}

/// Not a call or its result, nor the summary of what was before.
fn is_said(line: &str) -> bool {
    let Some((who, _)) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else { return false };
    !matches!(who, "you call" | "result" | "failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_stays_short_and_keeps_the_last_lines() {
        let lines =
            |count: usize| (0..count).map(|n| format!("[operator/ana] line {n}\n")).collect::<String>();
        assert_eq!(
            of(
                "[summary of what was before]\nA digest\n\n[wren] one\n[you call] read_file {}\n[result] two\n[you] three\n"
            ),
            "A digest, made without a model. Lines said: 2. The last of them:\n[wren] one\n[you] three"
        );
        assert_eq!(of("").lines().count(), 1);
        let (long, longer) = (of(&lines(100)), of(&lines(10_000)));
        assert!(long.ends_with("[operator/ana] line 99") && longer.ends_with("line 9999"));
        assert!(longer.len() < long.len() + 100);
    }
}

//! What a text holds that does not belong into a file others read: keys, and paths of one person's machine.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use crate::fault::Fault;

/// So much of one line is looked at.
const FAULTS_OF_FILE_MAX: usize = 50;

/// Keys of services that can be told from how they look, and what they are.
const KEYS: [(&str, &str); 8] = [
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----", "a private key"),
    (r"\bsk-[A-Za-z0-9_-]{20,}", "the key of a model's API"),
    (r"\bgh[pousr]_[A-Za-z0-9]{36,}", "a GitHub token"),
    (r"\bgithub_pat_[A-Za-z0-9_]{22,}", "a GitHub token"),
    (r"\bA[KS]IA[0-9A-Z]{16}\b", "an AWS key"),
    (r"\bxox[abeprs]-[A-Za-z0-9-]{10,}", "a Slack token"),
    (r"\bAIza[0-9A-Za-z_-]{35}", "a Google key"),
    (
        r"https://hooks\.slack\.com/services/[A-Za-z0-9/]{20,}",
        "the address of a Slack webhook, which is a secret",
    ),
];

/// A field that is called like a secret and holds something that is no name of a variable.
const FIELD: &str =
    r#"(?i)["']?\b[a-z_-]*(?:password|passwd|secret|api[_-]?key|token)["']?\s*[:=]\s*["']([^"'\s$]{8,})["']"#;
/// The same without quotes, alone on its line as YAML and shells allow it; one with letters and digits, which names seldom are.
const BARE_FIELD: &str = r"(?im)^\s*(?:-\s+|export\s+)?[a-z_-]*(?:password|passwd|secret|api[_-]?key|token)\s*[:=]\s*([^\s\x22'$,\[\]{}]{8,})\s*(?:#.*)?$";
const HOME: &str = r"(?:/home/|/Users/)[A-Za-z0-9._-]+|/root/|[A-Z]:\\Users\\[A-Za-z0-9._-]+";

static LOOKS: LazyLock<Option<RegexSet>> =
    LazyLock::new(|| RegexSet::new(KEYS.iter().map(|(pattern, _)| *pattern)).ok());
static EACH: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    KEYS.iter().filter_map(|(pattern, what)| Some((Regex::new(pattern).ok()?, *what))).collect()
});
static FIELDS: LazyLock<Vec<Regex>> =
    LazyLock::new(|| [FIELD, BARE_FIELD].iter().filter_map(|pattern| Regex::new(pattern).ok()).collect());
static HOMES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(HOME).ok());

/// Everything found in a text; the secrets themselves are never in what is said of them.
pub(crate) fn scan(file: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let looks_like_one = LOOKS.as_ref().is_none_or(|looks| looks.is_match(text));
    for (pattern, what) in EACH.iter().filter(|_| looks_like_one) {
        for found in pattern.find_iter(text) {
            let message = format!(
                "this looks like {what} in plain text; keep it in a variable or as a credential of the broker, and name that"
            );
            faults.push(Fault::at(file, text, found.start(), message));
        }
    }
    for found in FIELDS.iter().flat_map(|fields| fields.captures_iter(text)) {
        let Some(value) = found.get(1) else { continue };
        let is_known =
            faults.iter().any(|fault| *fault == Fault::at(file, text, value.start(), &fault.message));
        let is_quoted = text[..value.start()].ends_with(['"', '\'']);
        if !is_known && !is_name(value.as_str()) && (is_quoted || is_mixed(value.as_str())) {
            let message = "this looks like a secret in plain text; keep it in a variable or as a credential of the broker";
            faults.push(Fault::at(file, text, value.start(), message));
        }
    }
    for found in HOMES.iter().flat_map(|homes| homes.find_iter(text)) {
        let message = format!(
            "{} is a folder of one machine's user; write a path relative to the home or the workspace",
            found.as_str().trim_end_matches('/')
        );
        faults.push(Fault::at(file, text, found.start(), message));
    }
    faults.sort();
    faults.truncate(FAULTS_OF_FILE_MAX);
    faults
}

/// A variable's name, or a reference that is looked up elsewhere.
fn is_name(value: &str) -> bool {
    let is_variable =
        value.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    is_variable || value.starts_with("secret:") || value.starts_with("credential:") || value.starts_with("{{")
}

/// Of letters and digits.
fn is_mixed(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_digit()) && value.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        scan("f", text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn secrets_and_homes_are_found_where_they_stand() {
        // Put together here, so that this file holds none.
        let key = format!("sk-{}", "a1".repeat(12));
        let cases = [
            (format!("x = 1\nkey = '{key}'"), "f:2:8: this looks like the key of a model's API"),
            (format!("{}{} KEY-----", "-----BEGIN RSA ", "PRIVATE"), "f:1:1: this looks like a private key"),
            (format!("see gh{}{}", "p_", "a".repeat(36)), "f:1:5: this looks like a GitHub token"),
            ("\"password\": \"hunter2hunter2\"".to_owned(), "f:1:14: this looks like a secret in plain text"),
            ("é api_key = \"0123456789abcdef\"".to_owned(), "f:1:14: this looks like a secret in plain text"),
            (
                "a: 1\n  password: hunter2hunter2 # mine".to_owned(),
                "f:2:13: this looks like a secret in plain text",
            ),
            ("- token: hunter2hunter2".to_owned(), "f:1:10: this looks like a secret in plain text"),
            ("export API_KEY=hunter2hunter2\n".to_owned(), "f:1:16: this looks like a secret in plain text"),
            ("path: /home/ana/books".to_owned(), "f:1:7: /home/ana is a folder of one machine's user"),
            ("see /root/x".to_owned(), "f:1:5: /root is a folder of one machine's user"),
        ];
        for (text, expected) in cases {
            let found = told(&text);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{text}: {found:?}");
            assert!(!found[0].contains("a1a1") && !found[0].contains("hunter2"), "{found:?}");
        }
    }

    #[test]
    fn names_of_secrets_are_none() {
        for text in [
            "\"api_key_env\": \"ANTHROPIC_API_KEY\"",
            "secret = \"secret:crm-token\"",
            "password: \"{{ steps.a.output }}\"",
            "\"secrets\": {\"token\": {\"env\": \"HOOK_TOKEN\"}}",
            "the password is short",
            "password: hooks-of-the-shop",
            "secret: credential:crm-2",
            "API_KEY=${OTHER_KEY_2}",
            "max_tokens: 20000000",
            "token: Option<Token2>, // or none",
            "$HOME/books, ~/books and /homework/x",
        ] {
            assert_eq!(told(text), [""; 0], "{text}");
        }
    }
}

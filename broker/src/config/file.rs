//! Reads `nexus.toml` into keys, values and lines. Knows which keys there are, not what they mean.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::settings::SETTINGS;

#[derive(Debug, Eq, PartialEq)]
pub(super) struct Entry {
    pub(super) key: &'static str,
    pub(super) value: String,
    pub(super) line: usize,
}

pub(super) fn entries(path: &Path, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    let mut found = Vec::new();
    collect(path, text, "", table.get_ref(), &mut found)?;
    Ok(found)
}

fn collect(
    path: &Path,
    text: &str,
    prefix: &str,
    table: &DeTable<'_>,
    found: &mut Vec<Entry>,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        let line = line_of(text, name.span().start);
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) {
            let value = scalar(value.get_ref()).ok_or_else(|| ConfigError::Syntax {
                path: path.to_owned(),
                line,
                message: format!("{key} takes a text, a number, true, false or a list of texts"),
            })?;
            found.push(Entry { key: setting.key, value, line });
            continue;
        }
        let inner = format!("{key}.");
        match value.get_ref().as_table() {
            Some(table) if SETTINGS.iter().any(|setting| setting.key.starts_with(&inner)) => {
                collect(path, text, &inner, table, found)?;
            }
            Some(_) | None => {
                let nearest = nearest(&key);
                return Err(ConfigError::Unknown { path: path.to_owned(), line, key, nearest });
            }
        }
    }
    Ok(())
}

/// One form for all, because the environment and flags have no other.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    if let Some(items) = value.as_array() {
        let texts: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
        return texts.map(|texts| texts.join(","));
    }
    if let Some(number) = value.as_integer() {
        return i64::from_str_radix(number.as_str(), number.radix()).ok().map(|it| it.to_string());
    }
    if let Some(number) = value.as_float() {
        return Some(number.as_str().to_owned());
    }
    if let Some(flag) = value.as_bool() {
        return Some(flag.to_string());
    }
    value.as_str().map(str::to_owned)
}

fn nearest(key: &str) -> &'static str {
    let score = |candidate: &str| {
        let leaf = candidate.rsplit('.').next().unwrap_or(candidate);
        strsim::jaro_winkler(key, candidate).max(strsim::jaro_winkler(key, leaf))
    };
    SETTINGS
        .iter()
        .max_by(|a, b| score(a.key).total_cmp(&score(b.key)))
        .map_or("listen", |setting| setting.key)
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

//! Names like the one that was typed.

use std::collections::BTreeSet;

/// What to say after "there is no …": the names that are close, or all there are.
pub fn hint(typed: &str, names: BTreeSet<&str>) -> String {
    let typed = typed.to_lowercase();
    let close: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| {
            strsim::jaro_winkler(&typed, name) > 0.8 || (typed.len() > 1 && name.starts_with(&typed))
        })
        .collect();
    match (close.as_slice(), names.len()) {
        (_, 0) => "nobody is on the team yet".into(),
        ([], _) => format!("there are: {}", names.into_iter().collect::<Vec<_>>().join(", ")),
        (close, _) => format!("did you mean {}?", close.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_named_alone() {
        let team = || BTreeSet::from(["forge", "harrow", "keel", "wren"]);
        assert_eq!(hint("froge", team()), "did you mean forge?");
        assert_eq!(hint("Wren", team()), "did you mean wren?");
        assert_eq!(hint("ha", team()), "did you mean harrow?");
        assert_eq!(hint("zzz", team()), "there are: forge, harrow, keel, wren");
        assert_eq!(hint("zzz", BTreeSet::new()), "nobody is on the team yet");
    }
}

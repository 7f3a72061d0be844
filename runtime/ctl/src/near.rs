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

/// The aspect that a broker's answer says there is none of.
pub fn missing(message: &str) -> Option<&str> {
    // Whoever has said what there is instead needs no help.
    let (_, rest) = message.split_once("there is no aspect ").filter(|_| !message.contains("; "))?;
    rest.split_whitespace().next().map(|name| name.trim_end_matches([',', '.', ':', ';']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_missing_is_found_in_the_answer() {
        assert_eq!(missing("there is no aspect froge"), Some("froge"));
        assert_eq!(missing("there is no aspect named \"x\"; there are: wren"), None);
        assert_eq!(missing("nothing of the kind"), None);
    }

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

//! How people write a length of time.

use std::time::Duration;

/// `90s`, `10m`, `12h`, `30d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no length of time; write 90s, 10m, 12h or 30d");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "" if !number.is_empty() => {
            return Err(format!("say the unit: {text}s, {text}m, {text}h or {text}d"));
        }
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// As [`duration`], for what would be of no use if it were over at once.
pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("that is over at once; write 90s, 10m, 12h or 30d".into()),
        some => Ok(some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        let cases =
            [("90", None), ("90s", Some(90)), ("10m", Some(600)), ("30d", Some(2_592_000)), ("", None)];
        for (text, seconds) in cases {
            assert_eq!(duration(text).ok(), seconds.map(Duration::from_secs), "{text:?}");
        }
        for text in ["m", "1y", "-1s", "99999999999999999999", "99999999999999999d"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
        assert_eq!((duration("0s").ok(), lifetime("0d").ok()), (Some(Duration::ZERO), None));
        assert_eq!(lifetime("90").unwrap_err(), "say the unit: 90s, 90m, 90h or 90d");
        assert_eq!(lifetime("1m"), Ok(Duration::from_secs(60)));
    }
}

//! The Hand `wait`: nothing happens for a while.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use nexus_wire::hands::HandFailure;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Job, invalid, parse};

/// The clock of the wall is looked at again this often: the machine may have slept, or been set.
const LOOK: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    seconds: Option<u32>,
    /// RFC 3339.
    #[serde(default)]
    until: Option<String>,
}

pub(super) async fn wait(job: &Job<'_>, input: &Value) -> Result<Value, HandFailure> {
    let most = job.runner.wait.unwrap_or_default();
    let from = Timestamp::now();
    let until = end(&parse(input)?, from, most)?;
    let deadline = Timestamp::from_millisecond(job.assignment.deadline_at).unwrap_or(Timestamp::MAX);
    if until >= deadline {
        return Err(invalid(format!(
            "it would wait until {until:.0}, and the dispatch ends at {deadline:.0}; give it a longer deadline_s"
        )));
    }
    job.show(format!("waits until {until:.0}"));
    loop {
        let left = Timestamp::now().duration_until(until);
        let Ok(left) = Duration::try_from(left) else { break };
        if left.is_zero() {
            break;
        }
        tokio::time::sleep(left.min(LOOK)).await;
    }
    let waited = from.duration_until(Timestamp::now()).as_secs().max(0);
    Ok(json!({"until": format!("{until:.3}"), "waited_s": waited}))
}

/// When a wait that begins now is over.
fn end(asked: &Asked, now: Timestamp, most: Duration) -> Result<Timestamp, HandFailure> {
    let until = match (asked.seconds, asked.until.as_deref()) {
        (Some(seconds), None) => now.checked_add(SignedDuration::from_secs(seconds.into())).ok(),
        (None, Some(text)) => Some(text.parse::<Timestamp>().map_err(|error| {
            invalid(format!("until: {text:?} is no moment ({error}); write 2030-01-31T08:00:00Z"))
        })?),
        (Some(_), Some(_)) | (None, None) => {
            return Err(invalid("say either `seconds` or `until`"));
        }
    };
    let last = SignedDuration::try_from(most).ok().and_then(|most| now.checked_add(most).ok());
    match (until, last) {
        (Some(until), Some(last)) if until <= last => Ok(until),
        (Some(_) | None, Some(_) | None) => Err(invalid(format!(
            "that is more than the {} s this runner waits at most (runner.wait.seconds_max)",
            most.as_secs()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_one_end_and_a_longest() {
        let now: Timestamp = "2030-01-31T08:00:00Z".parse().expect("a moment");
        let ends = |input: Value| {
            let asked = parse(&input).map_err(|failure| failure.message)?;
            let until = end(&asked, now, Duration::from_secs(60)).map_err(|failure| failure.message)?;
            Ok::<String, String>(until.to_string())
        };
        let cases = [
            (json!({"seconds": 60}), Ok("2030-01-31T08:01:00Z")),
            (json!({"seconds": 0}), Ok("2030-01-31T08:00:00Z")),
            (json!({"until": "2030-01-31T09:00:30+01:00"}), Ok("2030-01-31T08:00:30Z")),
            (json!({"until": "2020-01-01T00:00:00Z"}), Ok("2020-01-01T00:00:00Z")),
            (json!({"seconds": 61}), Err("more than the 60 s")),
            (json!({"until": "9999-12-30T00:00:00Z"}), Err("more than the 60 s")),
            (json!({"until": "tomorrow"}), Err("is no moment")),
            (json!({"seconds": -1}), Err("at seconds: invalid value")),
            (json!({}), Err("say either")),
            (json!({"seconds": 1, "until": "2030-01-31T08:00:30Z"}), Err("say either")),
            (json!({"second": 1}), Err("unknown field `second`")),
            (json!("a minute"), Err("the input cannot be used")),
        ];
        for (input, expected) in cases {
            match (ends(input.clone()), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{input}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{input}: {found}"),
                (found, expected) => panic!("{input}: {found:?}, not {expected:?}"),
            }
        }
    }
}

use tokio::sync::{mpsc, watch};

use super::*;
use crate::conversation::{Block, StopReason};
use crate::turn::Halt;

const POLICY: RetryPolicy = RetryPolicy {
    attempts: 3,
    base: Duration::from_secs(1),
    cap: Duration::from_secs(8),
    patience: Duration::from_secs(60),
};

fn error(kind: ProviderErrorKind) -> ProviderError {
    ProviderError { provider: "test".to_owned(), kind }
}

fn overloaded() -> ProviderError {
    error(ProviderErrorKind::Overloaded("busy".to_owned()))
}

fn limited(seconds: u64) -> ProviderError {
    let retry_after = Some(Duration::from_secs(seconds));
    error(ProviderErrorKind::RateLimit { message: "slow down".to_owned(), retry_after })
}

fn reply() -> ModelReply {
    ModelReply {
        content: vec![Block::Text { text: "whole".to_owned() }],
        stop: StopReason::EndTurn,
        usage: Usage { output_tokens: 2, ..Usage::default() },
        model: "m".to_owned(),
    }
}

#[test]
fn waits_double_keep_to_the_cap_and_obey_the_provider() {
    let cases: &[(&str, u32, ProviderError, f64, Option<u64>)] = &[
        ("first, lowest jitter", 1, overloaded(), 0.0, Some(500)),
        ("first, highest jitter", 1, overloaded(), 1.0, Some(1000)),
        ("second", 2, overloaded(), 1.0, Some(2000)),
        ("the last attempt", 5, overloaded(), 1.0, None),
        ("capped", 4, overloaded(), 1.0, Some(8000)),
        ("asked to wait", 1, limited(20), 1.0, Some(20_000)),
        ("asked for less than our own", 2, limited(1), 1.0, Some(2000)),
        ("asked for too much", 1, limited(61), 1.0, None),
        ("not transient", 1, error(ProviderErrorKind::Auth("no".to_owned())), 1.0, None),
    ];
    let policy = RetryPolicy { attempts: 5, ..POLICY };
    for (name, attempt, error, jitter, expected) in cases {
        let wait = policy.wait_after(*attempt, error, *jitter);
        assert_eq!(wait, expected.map(Duration::from_millis), "{name}");
    }
}

/// Attempts that tell one delta each and fail as listed; the one after the list succeeds.
struct Failing(Vec<ProviderError>);

impl Attempt for Failing {
    async fn attempt(&self, number: u32, telling: &mut Telling) -> Result<ModelReply, ProviderError> {
        telling.tell(StreamEvent::TextDelta(format!("try {number}"))).await;
        telling.spent(Usage { input_tokens: 10, ..Usage::default() });
        self.0.get(number as usize - 1).map_or_else(|| Ok(reply()), |error| Err(error.clone()))
    }
}

struct Ran {
    result: Result<ModelReply, GivenUp>,
    seen: Vec<StreamEvent>,
    cost: Usage,
    took: Duration,
}

async fn run(failures: Vec<ProviderError>, deadline: Option<Instant>) -> Ran {
    let (events, mut told) = mpsc::channel(64);
    let listener = Listener::from(events);
    let begun = Instant::now();
    let result = drive(POLICY, deadline, &listener, &tariff(), Failing(failures)).await;
    let took = Instant::now() - begun;
    let cost = listener.meter.total().usage;
    drop(listener);
    let mut seen = Vec::new();
    while let Some(event) = told.recv().await {
        seen.push(event);
    }
    Ran { result, seen, cost, took }
}

fn tariff() -> Tariff {
    Tariff { own: None, model: "m".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_retry_voids_what_was_shown_and_counts_what_was_lost() {
    let Ran { result, seen, cost, took } = run(vec![limited(20)], None).await;
    assert_eq!(result, Ok(reply()));
    assert_eq!(cost, Usage { input_tokens: 10, output_tokens: 2, ..Usage::default() });
    assert_eq!(
        seen,
        [
            StreamEvent::TextDelta("try 1".to_owned()),
            StreamEvent::Restart,
            StreamEvent::TextDelta("try 2".to_owned()),
        ]
    );
    assert_eq!(took, Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn attempts_run_out() {
    let Ran { result, seen, cost, .. } = run(vec![overloaded(), overloaded(), limited(1)], None).await;
    assert_eq!(result, Err(GivenUp { error: limited(1), told: true }));
    assert_eq!((seen.len(), cost.input_tokens), (5, 30));
}

#[tokio::test(start_paused = true)]
async fn no_wait_reaches_past_the_deadline() {
    let deadline = Some(Instant::now() + Duration::from_secs(10));
    let Ran { result, seen, took, .. } = run(vec![limited(20)], deadline).await;
    assert_eq!(result, Err(GivenUp { error: limited(20), told: true }));
    assert_eq!(seen, [StreamEvent::TextDelta("try 1".to_owned())]);
    assert_eq!(took, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_tried_again_while_nothing_is_to_be_spent() {
    let (events, mut told) = mpsc::channel(64);
    let (_say, leave) = watch::channel(Some(Halt::Stopped("too dear".to_owned())));
    let listener = Listener { leave: Some(leave), ..Listener::from(events) };
    let result = drive(POLICY, None, &listener, &tariff(), Failing(vec![overloaded()])).await;
    let error = ProviderError { kind: ProviderErrorKind::Stopped("too dear".to_owned()), ..overloaded() };
    assert_eq!(result, Err(GivenUp { error, told: false }));
    drop(listener);
    let mut seen = Vec::new();
    while let Some(event) = told.recv().await {
        seen.push(event);
    }
    assert_eq!(seen, [StreamEvent::TextDelta("try 1".to_owned()), StreamEvent::Restart]);
    // Before the broker has said anything a round that has begun is not held up.
    let (events, _told) = mpsc::channel(64);
    let (_say, leave) = watch::channel(Some(Halt::Unknown));
    let listener = Listener { leave: Some(leave), ..Listener::from(events) };
    assert_eq!(drive(POLICY, None, &listener, &tariff(), Failing(vec![overloaded()])).await, Ok(reply()));
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_left_does_not_end_the_round() {
    let (events, told) = mpsc::channel(1);
    drop(told);
    let result = drive(POLICY, None, &Listener::from(events), &tariff(), Failing(Vec::new())).await;
    assert_eq!(result, Ok(reply()));
}

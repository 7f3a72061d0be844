//! The figures there are, with their yardsticks and bars.

use serde::Serialize;

use super::Bar::{self, AtLeast, AtMost};

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    PerSecond,
    Microseconds,
    Milliseconds,
    Seconds,
    Kibibytes,
    Bytes,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// Measured together; what `--rows` may also name.
    pub(crate) group: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: Unit,
    pub(crate) yardstick: Option<&'static str>,
    pub(crate) first: Option<Bar>,
    pub(crate) goal: Option<Bar>,
}

const fn ratio(
    name: &'static str,
    group: &'static str,
    what: &'static str,
    unit: Unit,
    yardstick: &'static str,
    bars: (Bar, Bar),
) -> Figure {
    Figure { name, group, what, unit, yardstick: Some(yardstick), first: Some(bars.0), goal: Some(bars.1) }
}

const fn value(
    name: &'static str,
    group: &'static str,
    what: &'static str,
    unit: Unit,
    bars: Option<(Bar, Bar)>,
) -> Figure {
    let (first, goal) = match bars {
        Some((first, goal)) => (Some(first), Some(goal)),
        None => (None, None),
    };
    Figure { name, group, what, unit, yardstick: None, first, goal }
}

const ECHO: &str = "axum echo, coalesced";
const CORE: &str = "nats-server pub/sub";
const REDIS: &str = "Redis XADD, appendfsync always";
const STREAM: &str = "JetStream publish + consume, lazy sync";

pub(crate) const FIGURES: &[Figure] = &[
    ratio(
        "relay-1-echo",
        "relay",
        "ephemeral relay, 1 pair",
        Unit::PerSecond,
        ECHO,
        (AtLeast(0.5), AtLeast(0.9)),
    ),
    ratio(
        "relay-25-echo",
        "relay",
        "ephemeral relay, 25 pairs",
        Unit::PerSecond,
        ECHO,
        (AtLeast(0.7), AtLeast(0.95)),
    ),
    Figure {
        name: "relay-25-echo-1",
        group: "relay",
        what: "ephemeral relay, 25 pairs",
        unit: Unit::PerSecond,
        yardstick: Some("axum echo, coalesced, one link"),
        first: None,
        goal: None,
    },
    ratio(
        "relay-1-nats",
        "relay",
        "ephemeral relay, 1 pair",
        Unit::PerSecond,
        CORE,
        (AtLeast(0.35), AtLeast(0.8)),
    ),
    ratio(
        "relay-25-nats",
        "relay",
        "ephemeral relay, 25 pairs",
        Unit::PerSecond,
        CORE,
        (AtLeast(0.35), AtLeast(0.8)),
    ),
    ratio(
        "send-ok",
        "send",
        "`chat.send` → `ok` p50, one in flight",
        Unit::Microseconds,
        "fdatasync p50 + echo round trip p50",
        (AtMost(3.0), AtMost(1.5)),
    ),
    ratio(
        "send-deliver",
        "send",
        "`chat.send` → `deliver` p50, one in flight",
        Unit::Microseconds,
        "`ok` p50",
        (AtMost(1.15), AtMost(1.0)),
    ),
    value("fdatasync", "send", "overwrite of 4 KiB + fdatasync, p50", Unit::Microseconds, None),
    value("echo-rtt", "send", "axum echo, round trip p50", Unit::Microseconds, None),
    ratio(
        "durable-50x1-redis",
        "durable",
        "durable: sent, delivered, acked; 50 links × 1",
        Unit::PerSecond,
        REDIS,
        (AtLeast(0.6), AtLeast(1.2)),
    ),
    ratio(
        "durable-50x16-redis",
        "durable",
        "the same, 50 links × 16",
        Unit::PerSecond,
        REDIS,
        (AtLeast(0.6), AtLeast(1.2)),
    ),
    ratio(
        "durable-1x64-jetstream",
        "durable",
        "the same, 1 pair, 64 in flight",
        Unit::PerSecond,
        STREAM,
        (AtLeast(0.7), AtLeast(1.3)),
    ),
    ratio(
        "durable-50x16-jetstream",
        "durable",
        "the same, 50 links × 16",
        Unit::PerSecond,
        STREAM,
        (AtLeast(1.0), AtLeast(2.2)),
    ),
    value(
        "durable-pairs-50x1",
        "durable",
        "the same from 50 operators to 50 aspects, 100 links × 1",
        Unit::PerSecond,
        None,
    ),
    value("durable-pairs-50x16", "durable", "the same, 50 pairs × 16", Unit::PerSecond, None),
    value(
        "ok-p999",
        "durable",
        "`ok` p99.9 at 50 links × 16",
        Unit::Milliseconds,
        Some((AtMost(20.0), AtMost(8.0))),
    ),
    value("disk-bytes", "durable", "bytes to disk a durable message, 50 links × 16", Unit::Bytes, None),
    ratio(
        "hand-trip",
        "hands",
        "work sent to a Hand and answered, 64 under way",
        Unit::PerSecond,
        "JetStream publish → consume → ack → publish",
        (AtLeast(0.3), AtLeast(1.0)),
    ),
    ratio(
        "fanout-1000",
        "fanout",
        "streamed to 1 000 watchers: deliveries",
        Unit::PerSecond,
        "the same broker, each frame written by itself",
        (AtLeast(3.0), AtLeast(6.0)),
    ),
    ratio(
        "stuck-reader",
        "stuck",
        "ephemeral relay, 50 pairs, one more that never reads",
        Unit::PerSecond,
        "the same without it",
        (AtLeast(0.95), AtLeast(0.95)),
    ),
    Figure {
        name: "tls-relay",
        group: "tls",
        what: "ephemeral relay over TLS, 4 pairs",
        unit: Unit::PerSecond,
        yardstick: Some("the same without TLS"),
        first: None,
        goal: None,
    },
    Figure {
        name: "tls-link",
        group: "tls",
        what: "memory of an idle link with TLS, of 1 000",
        unit: Unit::Kibibytes,
        yardstick: None,
        first: None,
        goal: Some(AtMost(30.0)),
    },
    value(
        "hub-apply",
        "core",
        "`hub.apply` alone, in memory: commands",
        Unit::PerSecond,
        Some((AtLeast(500_000.0), AtLeast(2_000_000.0))),
    ),
    value(
        "wal-bytes",
        "core",
        "write-ahead log a message, batches of 64 to 50 recipients",
        Unit::Bytes,
        Some((AtMost(1_500.0), AtMost(700.0))),
    ),
    ratio(
        "replay",
        "replay",
        "inbox replay of 200 k items, acked",
        Unit::PerSecond,
        "JetStream ordered replay",
        (AtLeast(1.2), AtLeast(3.0)),
    ),
    value(
        "idle-link",
        "idle",
        "memory of an idle link, of 10 000 subscribed",
        Unit::Kibibytes,
        Some((AtMost(20.0), AtMost(10.0))),
    ),
    ratio(
        "start",
        "start",
        "start to ready, existing database",
        Unit::Milliseconds,
        "nats-server, empty store",
        (AtMost(5.0), AtMost(1.0)),
    ),
    ratio(
        "idle-memory",
        "start",
        "resident memory, idle after start",
        Unit::Kibibytes,
        "nats-server, empty store",
        (AtMost(2.0), AtMost(1.0)),
    ),
    ratio(
        "open-session",
        "session",
        "opening a 1 GB session at its active head (200 entries)",
        Unit::Milliseconds,
        "reading the file once",
        (AtMost(0.05), AtMost(0.01)),
    ),
    value(
        "agent-memory",
        "session",
        "an agent's resident memory, idle",
        Unit::Kibibytes,
        Some((AtMost(20.0 * 1024.0), AtMost(12.0 * 1024.0))),
    ),
    value(
        "agent-start",
        "session",
        "an agent's start to registered, on loopback",
        Unit::Milliseconds,
        Some((AtMost(100.0), AtMost(40.0))),
    ),
    value(
        "register-1000",
        "register",
        "1 000 aspects register at once, all online",
        Unit::Seconds,
        Some((AtMost(3.0), AtMost(1.0))),
    ),
    value(
        "trigger-delay",
        "triggers",
        "a trigger that is due: to its assignment at the worker, p50",
        Unit::Milliseconds,
        Some((AtMost(20.0), AtMost(5.0))),
    ),
    value(
        "trigger-idle",
        "triggers",
        "processor time a second while 10 000 triggers wait",
        Unit::Milliseconds,
        Some((AtMost(2.0), AtMost(1.0))),
    ),
    value("trigger-drain", "triggers", "10 000 due at once: until all are set to work", Unit::Seconds, None),
    value(
        "trigger-chat",
        "triggers",
        "`chat.send` → `ok` p99 meanwhile",
        Unit::Milliseconds,
        Some((AtMost(50.0), AtMost(20.0))),
    ),
    value(
        "trigger-asleep",
        "asleep",
        "10 000 after six hours asleep: from the start until all missed slots are caught up or skipped",
        Unit::Seconds,
        None,
    ),
    value(
        "trigger-asleep-chat",
        "asleep",
        "`chat.send` → `ok` p99 meanwhile",
        Unit::Milliseconds,
        Some((AtMost(50.0), AtMost(20.0))),
    ),
];

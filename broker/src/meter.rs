//! What the broker counts of itself, for `/metrics`. Every label has a fixed set of values, so that nobody who
//! talks to the broker can make the number of series grow.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use nexus_telemetry::Counts;
use nexus_wire::chat::Usage;
use nexus_wire::frame::FrameSet;
use nexus_wire::hands::DispatchState;
use nexus_wire::log::{LogBody, LogEntry};
use nexus_wire::roster::AspectState;
use nexus_wire::{ErrorCode, FromBroker, ToBroker};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Not one of ours: what an unknown kind is counted as.
const OTHER: &str = "other";

/// What one link may send in a second.
const LINK_LIMITS: [&str; 2] = ["commands_of_link", "streams_of_link"];

type Label = [(&'static str, &'static str); 1];
type Counters = Family<Label, Counter>;
type Gauges = Family<Label, Gauge>;

/// Counters by a word of a fixed list; the last is for everything else.
#[derive(Debug)]
struct Fixed {
    counters: HashMap<&'static str, Counter>,
    other: Counter,
}

impl Fixed {
    fn new(label: &'static str, words: impl IntoIterator<Item = &'static str>, into: &Counters) -> Self {
        let counter = |word| into.get_or_create_owned(&[(label, word)]);
        let counters = words.into_iter().map(|word| (word, counter(word))).collect();
        Self { counters, other: counter(OTHER) }
    }

    fn count(&self, word: &str) {
        self.count_many(word, 1);
    }

    fn count_many(&self, word: &str, many: u64) {
        self.counters.get(word).unwrap_or(&self.other).inc_by(many);
    }
}

/// Counted as it happens.
pub(crate) struct Meter {
    registry: Registry,
    received: Fixed,
    sent: Fixed,
    refusals: Fixed,
    requests: Fixed,
    ended: Fixed,
    pushed: Fixed,
    hooked: Fixed,
    tokens: Counters,
    cost: Counter,
    commit_seconds: Histogram,
    commit_commands: Histogram,
    commit_failures: Counter,
    relay_dropped: Counter<u64, AtomicU64>,
    agent_restarts: Counter,
    sink_dropped: Counter<u64, AtomicU64>,
    traces_ignored: Counter,
    spans: SpanCounters,
    rate_limited: Counters,
    gauges: GaugeSet,
    /// One scrape at a time: it sets the gauges before it writes them.
    scrape: Mutex<()>,
}

/// What has become of the spans; the counts are kept where they are exported.
#[derive(Debug, Default)]
struct SpanCounters {
    exported: Counter,
    lost: Counters,
    waiting: Gauge,
}

impl SpanCounters {
    fn register(&self, registry: &mut Registry) {
        registry.register("spans_exported", "Spans that the collector took", self.exported.clone());
        let help = "Spans that are lost, by reason: no room in the queue, or not taken by the collector";
        registry.register("spans_lost", help, self.lost.clone());
        registry.register("spans_waiting", "Spans on their way to the collector", self.waiting.clone());
    }

    fn set(&self, counts: &Counts) {
        catch_up(&self.exported, counts.exported);
        catch_up(&self.lost.get_or_create(&[("reason", "no_room")]), counts.dropped);
        catch_up(&self.lost.get_or_create(&[("reason", "not_taken")]), counts.failed);
        self.waiting.set(signed(counts.waiting));
    }
}

/// A counter that is kept elsewhere has come to this.
fn catch_up(counter: &Counter, count: u64) {
    counter.inc_by(count.saturating_sub(counter.get()));
}

/// Read when somebody asks.
#[derive(Debug, Default)]
struct GaugeSet {
    links: Gauge,
    links_max: Gauge,
    aspects: Gauges,
    backlog: Gauge,
    backlog_max: Gauge,
    dispatches: Gauges,
    oldest: Gauge,
    log_seq: Gauge,
    storage_up: Gauge,
    file_bytes: Gauges,
    blob_bytes: Gauge,
    blob_bytes_max: Gauge,
    memory: Gauge,
    descriptors: Gauge,
}

/// What a scrape finds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) links: usize,
    pub(crate) links_max: usize,
    pub(crate) aspects: Vec<(AspectState, u64)>,
    /// State, and for how long it has been open.
    pub(crate) dispatches: Vec<(DispatchState, Duration)>,
    pub(crate) log_seq: u64,
    pub(crate) is_working: bool,
    pub(crate) relay_dropped: u64,
    pub(crate) agent_restarts: u64,
    pub(crate) sink_dropped: u64,
    pub(crate) database_bytes: u64,
    pub(crate) wal_bytes: u64,
    pub(crate) blob_bytes: u64,
    pub(crate) blob_bytes_max: u64,
    pub(crate) spans: Counts,
    /// Limits, and how often each was reached.
    pub(crate) rate_limited: Vec<(&'static str, u64)>,
}

const ASPECT_STATES: [AspectState; 5] =
    [AspectState::Offline, AspectState::Online, AspectState::Busy, AspectState::Stalled, AspectState::Deaf];

const OPEN_STATES: [DispatchState; 5] = [
    DispatchState::Pending,
    DispatchState::Running,
    DispatchState::Waiting,
    DispatchState::Retaking,
    DispatchState::Unreachable,
];

fn state_word(state: DispatchState) -> &'static str {
    match state {
        DispatchState::Pending => "pending",
        DispatchState::Running => "running",
        DispatchState::Waiting => "waiting",
        DispatchState::Retaking => "retaking",
        DispatchState::Unreachable => "unreachable",
        DispatchState::Done => "done",
        DispatchState::Failed => "failed",
        DispatchState::TimedOut => "timed_out",
        DispatchState::Cancelled => "cancelled",
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

impl Default for Meter {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("nexus");
        let mut counters = |name: &str, help: &str| {
            let family = Counters::default();
            registry.register(name, help, family.clone());
            family
        };
        let received = counters("frames_received", "Frames that came on links, by kind");
        let sent = counters("frames_sent", "Frames written to links and event streams, by kind");
        let refusals = counters("refusals", "Requests that were answered with an error, by its code");
        let requests = counters("http_requests", "HTTP requests that were answered, by class of status");
        let ended = counters("dispatches_ended", "Dispatches that have ended since the start, by state");
        let pushed = counters("pushes", "Notifications of A2A, by what became of each try");
        let hooked = counters("webhooks", "Webhooks that came in, by what became of them");
        let tokens = counters("tokens", "Tokens that replies and dispatches told of since the start");
        let (cost, commit_failures) = (Counter::default(), Counter::default());
        let (relay_dropped, sink_dropped) = (Counter::default(), Counter::default());
        registry.register("cost_microusd", "What they cost, in millionths of a US dollar", cost.clone());
        registry.register("commit_failures", "Batches that storage refused", commit_failures.clone());
        let help = "Streamed frames that found no room and were not kept until there was some";
        registry.register("relay_dropped", help, relay_dropped.clone());
        let agent_restarts = Counter::default();
        let help = "Processes of aspects that the broker has started again";
        registry.register("agent_restarts", help, agent_restarts.clone());
        let help = "Streamed frames that are not in the file of observe.sink";
        registry.register("observe_sink_dropped", help, sink_dropped.clone());
        let traces_ignored = Counter::default();
        let help = "Trace contexts of frames and requests that were malformed, and so ignored";
        registry.register("trace_contexts_ignored", help, traces_ignored.clone());
        let spans = SpanCounters::default();
        spans.register(&mut registry);
        let rate_limited = Counters::default();
        registry.register("rate_limited", "Times that a limit of rates was reached", rate_limited.clone());
        for limit in LINK_LIMITS {
            rate_limited.get_or_create_owned(&[("limit", limit)]);
        }
        let commit_seconds = Histogram::new(exponential_buckets(0.000_1, 2.0, 16));
        registry.register(
            "commit_seconds",
            "From the first command of a batch to its fsync",
            commit_seconds.clone(),
        );
        let commit_commands = Histogram::new(exponential_buckets(1.0, 2.0, 10));
        registry.register("commit_commands", "Commands that shared one commit", commit_commands.clone());
        let gauges = GaugeSet::default();
        gauges.register(&mut registry);
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let ends = ["done", "failed", "timed_out", "cancelled"];
        Self {
            received: Fixed::new("kind", ToBroker::KINDS.iter().copied(), &received),
            sent: Fixed::new("kind", FromBroker::KINDS.iter().copied(), &sent),
            refusals: Fixed::new("code", ErrorCode::ALL.iter().map(|code| code.as_str()), &refusals),
            requests: Fixed::new("status", classes, &requests),
            ended: Fixed::new("state", ends, &ended),
            pushed: Fixed::new("outcome", ["delivered", "failed", "given_up"], &pushed),
            hooked: Fixed::new("outcome", ["taken", "duplicate", "answered", "refused"], &hooked),
            registry,
            tokens,
            cost,
            commit_seconds,
            commit_commands,
            commit_failures,
            relay_dropped,
            agent_restarts,
            sink_dropped,
            traces_ignored,
            spans,
            rate_limited,
            gauges,
            scrape: Mutex::new(()),
        }
    }
}

impl Meter {
    pub(crate) fn received(&self, kind: &str) {
        self.received.count(kind);
    }

    /// Events of turns, which come by the thousand.
    pub(crate) fn streamed(&self, events: u64) {
        self.received.count_many("observe.event", events);
    }

    /// A frame on its way out.
    pub(crate) fn sent(&self, kind: Option<&str>, refusal: Option<ErrorCode>) {
        if let Some(kind) = kind {
            self.sent.count(kind);
        }
        if let Some(code) = refusal {
            self.refused(code);
        }
    }

    pub(crate) fn refused(&self, code: ErrorCode) {
        self.refusals.count(code.as_str());
    }

    /// Tokens that an embedder told of.
    pub(crate) fn embedded(&self, tokens: u64) {
        self.tokens.get_or_create(&[("kind", "embedding")]).inc_by(tokens);
    }

    /// A notification was taken or not, or its address was given up.
    pub(crate) fn pushed(&self, outcome: &str) {
        self.pushed.count(outcome);
    }

    /// What became of a request of a service outside.
    pub(crate) fn hooked(&self, outcome: &str) {
        self.hooked.count(outcome);
    }

    pub(crate) fn requested(&self, status: u16) {
        self.requests.count(match status {
            100..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500..600 => "5xx",
            _ => OTHER,
        });
    }

    pub(crate) fn committed(&self, commands: usize, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
        self.commit_commands.observe(commands as f64);
    }

    /// Nothing more is read of a link for a while.
    pub(crate) fn slowed(&self, limit: &'static str) {
        self.rate_limited.get_or_create(&[("limit", limit)]).inc();
    }

    pub(crate) fn trace_ignored(&self) {
        self.traces_ignored.inc();
    }

    pub(crate) fn commit_failed(&self) {
        self.commit_failures.inc();
    }

    /// What an entry of the log tells of work that was done.
    pub(crate) fn logged(&self, entry: &LogEntry) {
        match &entry.body {
            LogBody::Message(message) => {
                if let Some(meta) = &message.meta {
                    self.spent(&meta.usage, meta.cost_microusd);
                }
            }
            LogBody::DispatchEnded(outcome) => {
                self.ended.count(state_word(outcome.state));
                self.spent(&outcome.usage, outcome.cost_microusd);
            }
            LogBody::Alert(_)
            | LogBody::DispatchAccepted(_)
            | LogBody::DispatchAssigned { .. }
            | LogBody::ItemClosed(_)
            | LogBody::ItemTaken(_)
            | LogBody::Other { .. }
            | LogBody::Reacted(_) => {}
        }
    }

    fn spent(&self, usage: &Usage, cost_microusd: Option<u64>) {
        let tokens = [
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cache_read", usage.cache_read_tokens),
            ("cache_write", usage.cache_write_tokens),
        ];
        for (kind, count) in tokens {
            self.tokens.get_or_create(&[("kind", kind)]).inc_by(count);
        }
        self.cost.inc_by(cost_microusd.unwrap_or(0));
    }

    /// Everything as text, with `reading` beside what was counted.
    pub(crate) fn text(&self, reading: &Reading) -> Result<String, fmt::Error> {
        let _one = self.scrape.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.gauges.set(reading);
        let dropped = reading.relay_dropped.saturating_sub(self.relay_dropped.get());
        self.relay_dropped.inc_by(dropped);
        catch_up(&self.agent_restarts, reading.agent_restarts);
        let dropped = reading.sink_dropped.saturating_sub(self.sink_dropped.get());
        self.sink_dropped.inc_by(dropped);
        self.spans.set(&reading.spans);
        for (limit, count) in &reading.rate_limited {
            catch_up(&self.rate_limited.get_or_create(&[("limit", *limit)]), *count);
        }
        let mut out = String::with_capacity(16 * 1024);
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl GaugeSet {
    fn register(&self, registry: &mut Registry) {
        registry.register("links", "Links and event streams that are open", self.links.clone());
        registry.register("links_max", "How many may be", self.links_max.clone());
        registry.register("aspects", "Aspects that are let in, by state", self.aspects.clone());
        registry.register(
            "inbox_backlog",
            "Items that are not acknowledged, of all inboxes",
            self.backlog.clone(),
        );
        registry.register(
            "inbox_backlog_max",
            "The same, of the inbox that has most",
            self.backlog_max.clone(),
        );
        registry.register(
            "dispatches_open",
            "Dispatches that have not ended, by state",
            self.dispatches.clone(),
        );
        let help = "How long the oldest pending dispatch has waited";
        registry.register("dispatch_oldest_pending_seconds", help, self.oldest.clone());
        registry.register("log_seq", "The newest entry of the log", self.log_seq.clone());
        registry.register("storage_up", "1 while changes can be made durable", self.storage_up.clone());
        registry.register(
            "file_bytes",
            "Size of the database and of its write-ahead log",
            self.file_bytes.clone(),
        );
        registry.register("blob_bytes", "All blobs together", self.blob_bytes.clone());
        let help = "What all blobs together may be";
        registry.register("blob_bytes_max", help, self.blob_bytes_max.clone());
        registry.register("process_resident_memory_bytes", "Memory in use", self.memory.clone());
        registry.register("process_open_fds", "File descriptors in use", self.descriptors.clone());
    }

    fn set(&self, reading: &Reading) {
        self.links.set(signed(reading.links as u64));
        self.links_max.set(signed(reading.links_max as u64));
        for state in ASPECT_STATES {
            let count = reading.aspects.iter().filter(|it| it.0 == state).count();
            self.aspects.get_or_create(&[("state", state.as_str())]).set(signed(count as u64));
        }
        let backlogs = || reading.aspects.iter().map(|it| it.1);
        self.backlog.set(signed(backlogs().fold(0, u64::saturating_add)));
        self.backlog_max.set(signed(backlogs().max().unwrap_or(0)));
        for state in OPEN_STATES {
            let count = reading.dispatches.iter().filter(|it| it.0 == state).count();
            self.dispatches.get_or_create(&[("state", state_word(state))]).set(signed(count as u64));
        }
        let waited = reading.dispatches.iter().filter(|it| it.0 == DispatchState::Pending).map(|it| it.1);
        self.oldest.set(signed(waited.max().unwrap_or_default().as_secs()));
        self.log_seq.set(signed(reading.log_seq));
        self.storage_up.set(i64::from(reading.is_working));
        let files = [("database", reading.database_bytes), ("wal", reading.wal_bytes)];
        for (file, bytes) in files {
            self.file_bytes.get_or_create(&[("file", file)]).set(signed(bytes));
        }
        self.blob_bytes.set(signed(reading.blob_bytes));
        self.blob_bytes_max.set(signed(reading.blob_bytes_max));
        let (memory, descriptors) = process();
        self.memory.set(signed(memory));
        self.descriptors.set(signed(descriptors));
    }
}

/// Resident bytes and open descriptors of this process; 0 where the system does not tell.
fn process() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0);
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count());
    (1024 * kib, open as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_adds_no_series() {
        let meter = Meter::default();
        let series = |meter: &Meter| {
            let text = meter.text(&Reading::default()).unwrap();
            text.lines().filter(|line| !line.starts_with('#')).count()
        };
        meter.spent(&Usage::default(), None);
        let before = series(&meter);
        for n in 0..1000 {
            meter.received(&format!("made.up.{n}"));
            meter.sent(Some(&format!("made up {n}\"\n")), None);
            meter.requested(n);
        }
        for code in ErrorCode::ALL {
            meter.refused(*code);
        }
        for kind in ToBroker::KINDS {
            meter.received(kind);
        }
        assert_eq!(series(&meter), before);
        let text = meter.text(&Reading::default()).unwrap();
        assert!(text.contains("nexus_frames_received_total{kind=\"other\"} 1000\n"), "{text}");
        assert!(text.contains("nexus_frames_received_total{kind=\"chat.send\"} 1\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_scrape_shows_what_was_read() {
        let meter = Meter::default();
        meter.committed(3, Duration::from_millis(2));
        let minute = Duration::from_secs(60);
        let reading = Reading {
            links: 2,
            aspects: vec![(AspectState::Busy, 5), (AspectState::Online, 7)],
            dispatches: vec![(DispatchState::Pending, minute), (DispatchState::Running, 2 * minute)],
            is_working: true,
            relay_dropped: 4,
            agent_restarts: 6,
            sink_dropped: 5,
            spans: Counts { exported: 6, dropped: 1, failed: 2, waiting: 3 },
            rate_limited: vec![("upgrades_from_address", 8)],
            ..Reading::default()
        };
        // Twice: a gauge is set and a counter is not counted again.
        meter.text(&reading).unwrap();
        let text = meter.text(&reading).unwrap();
        for line in [
            "nexus_links 2",
            "nexus_aspects{state=\"busy\"} 1",
            "nexus_aspects{state=\"deaf\"} 0",
            "nexus_inbox_backlog 12",
            "nexus_inbox_backlog_max 7",
            "nexus_dispatches_open{state=\"pending\"} 1",
            "nexus_dispatch_oldest_pending_seconds 60",
            "nexus_storage_up 1",
            "nexus_relay_dropped_total 4",
            "nexus_agent_restarts_total 6",
            "nexus_observe_sink_dropped_total 5",
            "nexus_spans_exported_total 6",
            "nexus_spans_lost_total{reason=\"no_room\"} 1",
            "nexus_spans_lost_total{reason=\"not_taken\"} 2",
            "nexus_spans_waiting 3",
            "nexus_rate_limited_total{limit=\"upgrades_from_address\"} 8",
            "nexus_commit_commands_count 1",
            "nexus_commit_commands_sum 3.0",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }
}

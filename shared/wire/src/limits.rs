//! Every bound of the protocol in one place, with the relations between them checked by the compiler.

use std::time::Duration;

/// One frame, envelope included.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;
/// A command that becomes durable; leaves room for an envelope around it in one message of a log.
pub const DURABLE_BYTES_MAX: usize = 768 * 1024;
/// Nesting of a frame a client sends, its own object included.
pub const JSON_DEPTH_MAX: usize = 64;
/// Nesting of a frame the broker sends: what a client sent comes back with more around it.
pub const JSON_DEPTH_SENT_MAX: usize = JSON_DEPTH_MAX + 8;
/// Undecodable frames in a row before the link is closed with [`CLOSE_POLICY`].
pub const BAD_FRAMES_MAX: u32 = 16;
/// A message as JSON, its recipients included: what is put around it in a page, an item or a log entry fits as well.
pub const MESSAGE_BYTES_MAX: usize = FRAME_BYTES_MAX - 128 * 1024;
/// The payload of a reply that is a list; beyond it the page ends early and says so.
pub const REPLY_BYTES_MAX: usize = FRAME_BYTES_MAX - 4 * 1024;
/// Participants of a thread that are listed with it.
pub const PARTICIPANTS_SHOWN_MAX: usize = 256;
pub const NAME_BYTES_MAX: usize = 32;
/// Frames of what an aspect streams that are kept, the latest, as far as memory allows.
pub const OBSERVE_KEPT: u64 = 500;
/// Aspects a subscription may go on from.
pub const OBSERVE_FROM_MAX: usize = LINKS_MAX;
/// Kinds a subscription may name.
pub const KINDS_MAX: usize = 64;
pub const TOPIC_BYTES_MAX: usize = 256;
pub const ATTACHMENTS_MAX: usize = 16;
pub const ATTACHMENT_NAME_BYTES_MAX: usize = 255;
pub const MEDIA_TYPE_BYTES_MAX: usize = 127;
pub const EMOJI_BYTES_MAX: usize = 32;
/// Reactions to one message, everybody's together.
pub const REACTIONS_MAX: usize = 256;
/// Unread messages of a thread are counted up to here.
pub const UNREAD_MAX: u64 = 999;
/// And in a situation up to here: while somebody registers everybody waits.
pub const SITUATION_UNREAD_MAX: u64 = 99;
pub const RECIPIENTS_MAX: usize = 256;

/// The `Idempotency-Key` of a request over HTTP.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// One blob.
pub const BLOB_BYTES_MAX: u64 = 100 * 1024 * 1024;
/// A blob's name or media type.
pub const BLOB_LABEL_BYTES_MAX: usize = 255;

/// Items sent on one link and not acknowledged.
pub const CREDIT_ITEMS: u64 = 256;
/// Frames waiting to be written to one link; beyond it live pushes stop and the reader catches up.
pub const OUTBOX_FRAMES_MAX: usize = 1024;
pub const LINKS_MAX: usize = 16_384;

pub const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Silence after which either side gives a link up.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// From the upgrade to the first frame that says what the link is for.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(30);
/// What a broker that stops asks its clients to wait before they dial again: about what a restart takes.
pub const SHUTDOWN_RETRY: Duration = Duration::from_secs(1);
pub const BACKOFF_MIN: Duration = Duration::from_millis(500);
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// How long an access token lets its holder open a link.
pub const ACCESS_TOKEN_TTL: Duration = Duration::from_secs(15 * 60);
pub const ASSERTION_TTL_MAX: Duration = Duration::from_secs(60);
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(5);

/// A turn without any progress for so long has stalled; items unacknowledged for so long mean a deaf aspect.
pub const STALLED_AFTER: Duration = Duration::from_secs(60);
pub const DEAF_AFTER: Duration = Duration::from_secs(60);
/// How long an aspect of the expected roster may be away before somebody is told.
pub const EXPECTED_GRACE: Duration = Duration::from_secs(60);
pub const EXPECTED_ROSTER_MAX: usize = 256;
/// The longest a key may stay good beside the one that replaces it.
pub const KEY_OVERLAP_MAX: Duration = Duration::from_secs(24 * 60 * 60);

pub const PASSWORD_CHARS_MIN: usize = 10;
pub const PASSWORD_BYTES_MAX: usize = 1024;
pub const TOKENS_PER_OPERATOR_MAX: usize = 32;
/// Beyond it the session that was used longest ago ends.
pub const SESSIONS_PER_OPERATOR_MAX: usize = 16;
/// Without a request a session ends after this long,
pub const SESSION_IDLE: Duration = Duration::from_secs(12 * 60 * 60);
/// and in any case after this.
pub const SESSION_TTL: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a setup token waits to be used.
pub const SETUP_TOKEN_TTL: Duration = Duration::from_secs(24 * 60 * 60);
/// How long an invitation waits to be accepted unless it says otherwise,
pub const INVITATION_TTL: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// and at the most.
pub const INVITATION_TTL_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Open ones at a time.
pub const INVITATIONS_MAX: usize = 100;

pub const CREDENTIALS_MAX: usize = 256;
pub const SECRET_BYTES_MAX: usize = 16 * 1024;

pub const LEASE: Duration = Duration::from_secs(30);
pub const LEASE_RENEW_INTERVAL: Duration = Duration::from_secs(10);
/// What every lease becomes when the broker starts.
pub const LEASE_AT_BOOT: Duration = Duration::from_secs(90);

pub const SOFT_CAP: u32 = 3;
pub const PENDING_PER_KEY_MAX: usize = 256;
pub const CHILDREN_PER_PARENT_MAX: usize = 32;
pub const GATHER_MAX: usize = 32;
/// Open gathers of one invoker.
pub const GATHERS_OPEN_MAX: usize = 256;
/// Outputs that the end of a gather carries; beyond it they are left to the dispatches' own results.
pub const GATHER_BYTES_MAX: usize = 512 * 1024;
pub const DISPATCH_DEPTH_MAX: u32 = 4;
pub const ATTEMPTS_MAX: u32 = 3;
/// Times an item is passed over before it is aged.
pub const AGED_AT: u32 = 8;
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(30 * 60);
/// Work that waits for longer for its first worker is told of.
pub const WORK_WAITS_LONG: Duration = Duration::from_secs(5 * 60);
pub const DEADLINE_MAX: Duration = Duration::from_secs(2 * 60 * 60);
pub const HAND_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// Of the Hand `self`.
pub const SELF_TIMEOUT: Duration = Duration::from_secs(10 * 60);
pub const HAND_CONCURRENCY_DEFAULT: u32 = 2;
pub const HANDS_PER_ASPECT_MAX: usize = 64;
pub const SLOTS_MAX: u32 = 1024;
/// One schema of a Hand.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// Schemas in schemas, references followed.
pub const SCHEMA_DEPTH_MAX: usize = 64;
/// Schemas within one, references followed.
pub const SCHEMA_NODES_MAX: usize = 4096;
/// Places an error names where a value does not follow its schema.
pub const FAULTS_TOLD_MAX: usize = 8;
/// Names in each list of a wanted capability.
pub const WANTED_MAX: usize = 16;
/// Candidates an answer names.
pub const CANDIDATES_TOLD_MAX: usize = 64;

/// What one aspect may wait for people for at the same time.
pub const APPROVALS_OPEN_MAX: usize = 64;

/// Addresses of clients that are told of tasks: of all together, of one party, and of one party about one task.
pub const PUSHES_MAX: usize = 512;
pub const PUSHES_PER_PARTY_MAX: usize = 64;
pub const PUSHES_PER_TASK_MAX: usize = 8;
pub const PUSH_ID_BYTES_MAX: usize = 64;
pub const PUSH_URL_BYTES_MAX: usize = 2 * 1024;
/// Of each secret that goes along.
pub const PUSH_SECRET_BYTES_MAX: usize = 4 * 1024;
const _: () = assert!(PUSHES_PER_TASK_MAX <= PUSHES_PER_PARTY_MAX && PUSHES_PER_PARTY_MAX < PUSHES_MAX);
/// A tool's name in an approval.
pub const APPROVAL_TOOL_BYTES_MAX: usize = 128;
pub const APPROVAL_SUMMARY_BYTES_MAX: usize = 1024;
pub const APPROVAL_ARGUMENTS_BYTES_MAX: usize = 64 * 1024;
/// A question, an answer, or a word with a verdict.
pub const APPROVAL_TEXT_BYTES_MAX: usize = 16 * 1024;
pub const APPROVAL_CHOICES_MAX: usize = 16;
pub const APPROVAL_CHOICE_BYTES_MAX: usize = 256;
pub const APPROVAL_DEADLINE_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);
pub const APPROVAL_DEADLINE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long people may leave something unanswered before an alert says so.
pub const APPROVAL_ALERT_AFTER: Duration = Duration::from_secs(10 * 60);

/// Flows that are kept.
pub const FLOWS_MAX: usize = 512;
/// A flow as JSON.
pub const FLOW_BYTES_MAX: usize = 64 * 1024;
pub const FLOW_DESCRIPTION_BYTES_MAX: usize = 1024;
pub const FLOW_STEPS_MAX: usize = 64;
/// Concurrency groups of one flow.
pub const FLOW_GROUPS_MAX: usize = 8;
pub const FLOW_GROUP_BYTES_MAX: usize = 256;
pub const FLOW_PARALLEL_DEFAULT: u32 = 8;
pub const FLOW_PARALLEL_MAX: u32 = 32;
/// Items of one `for_each`.
pub const FLOW_ITEMS_MAX: usize = 256;
pub const STEP_RETRIES_MAX: u32 = 10;
pub const STEP_BACKOFF_DEFAULT: Duration = Duration::from_secs(10);
pub const STEP_BACKOFF_MAX: Duration = Duration::from_secs(60 * 60);
/// A step that waits, or its timeout.
pub const STEP_WAIT_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Before a step that the queue had no room for is tried again.
pub const STEP_ROOM_AFTER: Duration = Duration::from_secs(5);
/// Runs that have not ended.
pub const RUNS_OPEN_MAX: usize = 1024;
/// Of these that are no steps of others, so many of one party; what triggers have led to does not count, here and below.
pub const RUNS_OPEN_PER_PARTY_MAX: usize = RUNS_OPEN_MAX / 4;
/// The same with those within them: when those of somebody who may begin no more need runs within them, there is room.
pub const RUNS_OPEN_WITHIN_PER_PARTY_MAX: usize = RUNS_OPEN_MAX / 2;
/// Runs within one another.
pub const RUN_DEPTH_MAX: u32 = 4;
/// Times that steps of one run are done, together.
pub const RUN_TASKS_MAX: usize = 1024;
/// Input and outputs of one run, together.
pub const RUN_BYTES_MAX: usize = 512 * 1024;
/// Of a failure, in a run.
pub const RUN_ERROR_BYTES_MAX: usize = 512;

/// Registries that are kept.
pub const REGISTRIES_MAX: usize = 256;
/// A registry's definition as JSON.
pub const REGISTRY_BYTES_MAX: usize = 64 * 1024;
/// Of a registry, and of a field of it.
pub const REGISTRY_DESCRIPTION_BYTES_MAX: usize = 1024;
pub const REGISTRY_FIELDS_MAX: usize = 64;
/// Values that a field may be restricted to.
pub const REGISTRY_ENUM_MAX: usize = 64;
/// One of them as JSON.
pub const REGISTRY_ENUM_BYTES_MAX: usize = 256;
pub const REGISTRY_WRITERS_MAX: usize = 64;
pub const REGISTRY_ROWS_MAX: u64 = 10_000;
/// Rows of one registry together, as JSON.
pub const REGISTRY_ROWS_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// One row as JSON.
pub const REGISTRY_ROW_BYTES_MAX: usize = 16 * 1024;
/// What names a row.
pub const REGISTRY_KEY_BYTES_MAX: usize = 128;
/// Rows that come with a definition.
pub const REGISTRY_ENTRIES_MAX: usize = 1_000;
/// A filter of rows.
pub const REGISTRY_FILTER_BYTES_MAX: usize = 4 * 1024;
/// Changes of one registry's rows that are remembered, the latest.
pub const REGISTRY_CHANGES_KEPT: u64 = 10_000;

/// Bytes of a skill's file.
pub const SKILL_BYTES_MAX: usize = 64 * 1024;
/// Bytes of `workspace.yaml`.
pub const HOME_FILE_BYTES_MAX: usize = 128 * 1024;
/// Parts of the home page.
pub const HOME_WIDGETS_MAX: usize = 24;
pub const HOME_TITLE_BYTES_MAX: usize = 128;
/// The Markdown of one part.
pub const HOME_TEXT_BYTES_MAX: usize = 16 * 1024;
/// Fields of a registry that one part shows.
pub const HOME_COLUMNS_MAX: usize = 12;
/// Lines, rows or messages of one part.
pub const HOME_LINES_MAX: u32 = 50;
/// Days of spending in one part.
pub const HOME_DAYS_MAX: u32 = 92;
/// How far ahead one part shows what triggers will do.
pub const HOME_HOURS_MAX: u32 = 168;

/// Budgets that are set at the same time.
pub const BUDGETS_MAX: usize = 512;
/// The largest amount a budget may name; every JSON number up to it is exact everywhere.
pub const BUDGET_AMOUNT_MAX: u64 = (1 << 53) - 1;
/// The most that one turn or attempt may say it has used. Nothing real comes near; a count that is made up could
/// use up everybody's budget at once.
pub const CLAIM_TOKENS_MAX: u64 = 10_000_000_000;
pub const CLAIM_COST_MICROUSD_MAX: u64 = 1_000_000_000_000;
const _: () = assert!(CLAIM_TOKENS_MAX < BUDGET_AMOUNT_MAX && CLAIM_COST_MICROUSD_MAX < BUDGET_AMOUNT_MAX);
/// A dispatch without a budget sets aside one part in so many of an operator's budget,
pub const BUDGET_EACH_PART: u64 = 10;
/// and one part in so many of what its parent has left, so that siblings find something and the parent can end.
pub const BUDGET_CHILD_PART: u64 = 2;

/// Triggers that are there at the same time.
pub const TRIGGERS_MAX: usize = 20_000;
/// What a trigger says to an aspect, and what is said of it.
pub const TRIGGER_TEXT_BYTES_MAX: usize = 16 * 1024;
/// The input of a dispatch that a trigger makes, and the payload it is fired with by hand.
pub const TRIGGER_INPUT_BYTES_MAX: usize = 64 * 1024;
pub const TRIGGER_CRON_BYTES_MAX: usize = 256;
pub const TRIGGER_JITTER_MAX_S: u32 = 60 * 60;
/// The longest pause of an `every`: a year.
pub const TRIGGER_EVERY_MAX_S: u32 = 366 * 24 * 60 * 60;
/// Missed slots that are caught up at once.
pub const TRIGGER_CATCH_UP_MAX: u32 = 100;
/// A slot that is late by more than this has been missed.
pub const TRIGGER_LATE: Duration = Duration::from_secs(60);
pub const TRIGGER_RETRIES_MAX: u32 = 10;
pub const TRIGGER_BACKOFF_MAX_S: u32 = 24 * 60 * 60;
/// Attempts in a row that came to nothing, after which a trigger is paused.
pub const TRIGGER_FAILURES_MAX: u32 = 3;
/// Slots that wait for the one before them, with the overlap `queue`; with `allow`, for room.
pub const TRIGGER_QUEUE_MAX: usize = 32;
/// Of the dispatches that may wait of an operator's ([`PENDING_PER_KEY_MAX`]), as many may be those of their triggers.
/// The rest is for what they do by hand.
pub const TRIGGER_DISPATCHES_MAX: usize = 192;
/// The same of the runs that have not ended ([`RUNS_OPEN_MAX`]).
pub const TRIGGER_RUNS_MAX: usize = 896;
/// Slots of one trigger that are remembered, the latest.
pub const TRIGGER_SLOTS_KEPT: u64 = 1_000;
/// More slots than this that are skipped at once for one reason share a record.
pub const TRIGGER_RANGE_OVER: usize = 100;
/// Triggers that have led to one another; nothing follows on a line that is as long as this.
pub const TRIGGER_LINE_MAX: usize = 16;
/// How often a trigger may be fired by events in a minute.
pub const TRIGGER_EVENTS_PER_MINUTE: u32 = 60;
/// The body of a webhook.
pub const HOOK_BODY_BYTES_MAX: usize = 1024 * 1024;
/// How far the time that a webhook was signed with may be from ours.
pub const HOOK_LEEWAY: Duration = Duration::from_secs(5 * 60);
/// How long the secret of a webhook stays good beside the one that replaces it, where nobody says otherwise,
pub const HOOK_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
/// and at most.
pub const HOOK_OVERLAP_MAX_S: u32 = 30 * 24 * 60 * 60;
/// The secret of a webhook.
pub const HOOK_SECRET_BYTES_MIN: usize = 16;
pub const HOOK_SECRET_BYTES_MAX: usize = 256;
/// The name a service outside gives its request; a longer one counts as its SHA-256.
pub const HOOK_DELIVERY_BYTES_MAX: usize = 128;
/// Requests of services outside that one trigger takes in a minute,
pub const HOOKS_PER_MINUTE: u32 = 600;
/// slots of it that may be open beside a new one,
pub const HOOK_SLOTS_OPEN_MAX: usize = 1_000;
/// and how many names of requests it remembers, the latest.
pub const HOOK_DELIVERIES_KEPT: u64 = 10_000;
/// How long the answer of an aspect that was asked is waited for.
pub const TRIGGER_ANSWER_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Times that a plan shows.
pub const TRIGGER_PLAN_MAX: u32 = 100;
/// Triggers that watch an address.
pub const WATCHES_MAX: usize = 256;
/// Seconds between two looks at an address, unless a broker is set up to look more often.
pub const WATCH_EVERY_MIN_S: u32 = 60;
pub const WATCH_URL_BYTES_MAX: usize = 2 * 1024;
/// Of what is there; what is behind does not count.
pub const WATCH_BODY_BYTES_MAX: usize = 1024 * 1024;
/// A longer `ETag` or `Last-Modified` is as good as none.
pub const WATCH_VALIDATOR_BYTES_MAX: usize = 512;
pub const WATCH_ERROR_BYTES_MAX: usize = 512;
/// Looks in a row that come to nothing before somebody is told.
pub const WATCH_FAILURES_ALERT: u32 = 3;
/// Watches of files that an aspect may declare.
pub const FILE_WATCHES_PER_ASPECT_MAX: usize = 32;
/// Changes that one report lists; of more it says how many there are.
pub const FILE_CHANGES_MAX: usize = 1_000;
/// The same list as JSON.
pub const FILE_CHANGES_BYTES_MAX: usize = 48 * 1024;
/// The path of one of them, its root included.
pub const FILE_PATH_BYTES_MAX: usize = 4096;

/// Agent-only messages in a row that pause a thread.
pub const LOOP_MESSAGES_MAX: u32 = 20;
/// Identical agent messages in a row that pause a thread.
pub const LOOP_IDENTICAL_MAX: u32 = 3;

/// What an alert says, and what it is about; beyond it the text is cut.
pub const ALERT_MESSAGE_BYTES_MAX: usize = 512;
pub const ALERT_SUBJECT_BYTES_MAX: usize = 256;
/// Open alerts of one kind about what one party names itself or begins, such as an aspect's sessions,
pub const ALERTS_OPEN_PER_PARTY_MAX: usize = 32;
/// and about threads, whoever has begun them. One more takes the place of the one that was raised longest ago.
pub const ALERTS_OPEN_OF_THREADS_MAX: usize = 256;

/// Why an aspect is held or paused.
pub const RESTRAINT_REASON_BYTES_MAX: usize = 512;

pub const PAGE_MAX: u32 = 200;
pub const PAGE_DEFAULT: u32 = 50;
/// For a page of what the broker looks through stretch by stretch a client asks so many times at most, and shows it then as
/// far as it is.
pub const LOOKS_MAX: usize = 20;
/// Rows of one usage report.
pub const USAGE_ROWS_MAX: usize = 1000;
/// A page of knowledge ends at this much JSON, and holds at least one entry.
pub const KNOWLEDGE_PAGE_BYTES: usize = 512 * 1024;
/// The name of a session: `global` or an id.
pub const SESSION_NAME_BYTES_MAX: usize = 64;
/// What an aspect's process may answer about its sessions at once.
pub const SESSION_ANSWER_BYTES: usize = 512 * 1024;
/// Hits of one search, over all its pages.
pub const SEARCH_HITS_MAX: u32 = 200;

/// The WebSocket sub-protocol.
pub const SUBPROTOCOL: &str = "nexus.v1";
pub const CLOSE_NORMAL: u16 = 1000;
pub const CLOSE_GOING_AWAY: u16 = 1001;
pub const CLOSE_UNSUPPORTED: u16 = 1003;
pub const CLOSE_POLICY: u16 = 1008;
pub const CLOSE_TOO_BIG: u16 = 1009;
/// A newer link of the same aspect took over. Terminal: the process must not dial again.
pub const CLOSE_DISPLACED: u16 = 4001;
/// The key was revoked. Terminal.
pub const CLOSE_REVOKED: u16 = 4003;
/// An admin keeps the aspect off. Terminal.
pub const CLOSE_HELD: u16 = 4004;

/// Bytes of a `tracestate` that are passed on; W3C Trace Context asks for no less.
pub const TRACE_STATE_BYTES_MAX: usize = 512;
/// Entries a `tracestate` may have.
pub const TRACE_STATE_MEMBERS_MAX: usize = 32;

// Two lost pings must not look like a dead peer.
const _: () = assert!(IDLE_TIMEOUT.as_millis() > 2 * PING_INTERVAL.as_millis());
// A worker that misses one renewal keeps its lease.
const _: () = assert!(LEASE.as_millis() > 2 * LEASE_RENEW_INTERVAL.as_millis());
// After a broker's start a worker in its longest backoff still finds its lease.
const _: () = assert!(LEASE_AT_BOOT.as_millis() > BACKOFF_MAX.as_millis() + LEASE.as_millis());
const _: () = assert!(SHUTDOWN_RETRY.as_millis() < BACKOFF_MAX.as_millis());
const _: () = assert!(DURABLE_BYTES_MAX < MESSAGE_BYTES_MAX);
// A gather may wait for every child of a parent.
const _: () = assert!(GATHER_MAX >= CHILDREN_PER_PARENT_MAX && GATHER_BYTES_MAX < DURABLE_BYTES_MAX);
// A run is shown in one frame: what went in and came out, its flow, its steps, and of each task a line.
const _: () =
    assert!(RUN_BYTES_MAX + FLOW_BYTES_MAX + FLOW_STEPS_MAX * 800 + RUN_TASKS_MAX * 300 < REPLY_BYTES_MAX);
// A page of one message, whatever its thread, is a frame.
const _: () = assert!(
    MESSAGE_BYTES_MAX
        + PARTICIPANTS_SHOWN_MAX * (NAME_BYTES_MAX + 12)
        + REACTIONS_MAX * (NAME_BYTES_MAX + 12 + 2 * EMOJI_BYTES_MAX + 20)
        < REPLY_BYTES_MAX - 16 * 1024
);
const _: () = assert!(REPLY_BYTES_MAX < FRAME_BYTES_MAX);
// A party that starts as many as it may leaves room for others, and for runs within its own.
const _: () = assert!(
    RUNS_OPEN_PER_PARTY_MAX < RUNS_OPEN_WITHIN_PER_PARTY_MAX
        && RUNS_OPEN_WITHIN_PER_PARTY_MAX < RUNS_OPEN_MAX
);
const _: () = assert!(ALERTS_OPEN_PER_PARTY_MAX < ALERTS_OPEN_OF_THREADS_MAX);
// The parsers in use give up at 128 levels.
const _: () = assert!(JSON_DEPTH_SENT_MAX < 128);
const _: () = assert!(KNOWLEDGE_PAGE_BYTES < REPLY_BYTES_MAX);
const _: () = assert!(SESSION_ANSWER_BYTES < REPLY_BYTES_MAX);
// Deliveries under credit never overflow an outbox by themselves.
const _: () = assert!((CREDIT_ITEMS as usize) < OUTBOX_FRAMES_MAX);
const _: () = assert!(APPROVAL_DEADLINE_DEFAULT.as_millis() <= APPROVAL_DEADLINE_MAX.as_millis());
// A report is shown whole to whoever is asked, and a path fits into one however it is written.
const _: () = assert!(FILE_CHANGES_BYTES_MAX + 4 * 1024 < TRIGGER_INPUT_BYTES_MAX);
const _: () = assert!(8 * FILE_PATH_BYTES_MAX + 1024 < FILE_CHANGES_BYTES_MAX);
// As JSON a byte may take six.
const _: () = assert!(6 * (APPROVAL_ARGUMENTS_BYTES_MAX + 2 * APPROVAL_TEXT_BYTES_MAX) < DURABLE_BYTES_MAX);
const _: () = assert!(DEADLINE_DEFAULT.as_millis() <= DEADLINE_MAX.as_millis());
const _: () = assert!(SESSION_IDLE.as_millis() < SESSION_TTL.as_millis());
const _: () = assert!(ASSERTION_TTL_MAX.as_millis() < ACCESS_TOKEN_TTL.as_millis());

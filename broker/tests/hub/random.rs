//! Random commands in random batches, on both stores at once: the same effects, the same rows to read, and a
//! hub that equals what its store says after every batch, also when commits fail in between.

use nexus_broker::hub::records::{
    Checkpoint, CredentialTerms, Digest, PushKey, PushTerms, Reads, Transaction, UsedAssertion,
};
use nexus_broker::hub::{
    Access, Change, Command, CommandBody, Effect, Hub, HubConfig, KnowledgeUse, NewToken, Note, Origin,
    Proof, Push, PushEnd, PutBlob, Traced,
};
use nexus_broker::store::{MemoryStore, SqliteStore};
use nexus_wire::admin::{AspectAdd, OperatorAdd, OperatorRole};
use nexus_wire::alert::{Alert, AlertAck, AlertKind};
use nexus_wire::approval::{ApprovalAnswer, ApprovalAsk, ApprovalWithdraw, Asked, Verdict};
use nexus_wire::budget::{Budget, BudgetClear, BudgetGoOn, BudgetPer, BudgetSet, BudgetStop, Spending};
use nexus_wire::chat::{ChatSend, ReplyMeta, Usage};
use nexus_wire::gather::{Gather, GatherCancel, GatherPolicy};
use nexus_wire::hands::{
    Dispatch, DispatchCancel, DispatchResult, DispatchRetry, DispatchStopped, DispatchWait, HandFailure,
    Lease, LeaseRenew, Wanted,
};
use nexus_wire::inbox::{Decision, InboxClose, Resume};
use nexus_wire::knowledge::{KnowledgeDelete, KnowledgeGrant, KnowledgeMay, KnowledgeRevoke, KnowledgeStore};
use nexus_wire::roster::{
    AspectRelease, AspectRestrain, AspectRole, AspectState, HeldLease, Register, RestraintKind,
    SettingsBroken,
};
use nexus_wire::session::{SessionAct, SessionCommand, SessionOutcome, SessionStuck};
use nexus_wire::thread::{ChatMark, ChatReact, InboxTaken, ThreadRename};
use nexus_wire::trigger::{Trigger, TriggerDelete, TriggerFire, TriggerPause, TriggerResume};
use nexus_wire::turn::TurnCancel;
use nexus_wire::{
    ApprovalId, AspectName, BlobId, DispatchId, EpochId, GatherId, HandRef, ItemId, LinkId, MessageId, Ms,
    OperatorName, Party, RequestId, RunId, ThreadId, TraceContext, TriggerId, TriggerName, TurnId,
};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use uuid::Uuid;

use crate::hooks::{call, rotate};
use crate::same::assert_same;
use crate::world::{START, name, party};

/// Somebody is expected who comes and goes, and somebody who never was let in.
fn config() -> HubConfig {
    HubConfig { expected: vec![name("moth"), name("wren")], ..HubConfig::default() }
}

/// Some commands are traced, and of those some by a broker that tells spans itself.
fn trace_at(at: Ms) -> Option<Box<Traced>> {
    let mut span = [7; 8];
    span[..4].copy_from_slice(&(at as u32).to_be_bytes());
    let context =
        TraceContext::new([9; 16], span, at % 4 == 1)?.with_state(if at % 5 == 0 { "a=1" } else { "" });
    (at % 3 > 0).then(|| Box::new(Traced { context, is_recorded: at % 2 == 0 }))
}

const ASPECTS: [&str; 4] = ["keel", "wren", "forge", "harrow"];

/// What to do, with indexes into whatever there is at the time.
#[derive(Clone, Debug)]
enum Act {
    Add {
        aspect: u8,
        key: u8,
        share: bool,
    },
    Revoke {
        aspect: u8,
    },
    Operator {
        role: u8,
    },
    RevokeOperator,
    Door(Door),
    Push {
        task: u8,
        token: u8,
        step: u8,
    },
    Register {
        aspect: u8,
        resume: Option<Index>,
        slots: u8,
        hands: u8,
        stale: bool,
    },
    LinkDown {
        aspect: u8,
        old: bool,
    },
    Deregister {
        aspect: u8,
    },
    Ack {
        aspect: u8,
        offset: Index,
    },
    Send {
        sender: u8,
        to: u8,
        thread: Option<Index>,
        content: u8,
        repeat: Option<Index>,
    },
    Close {
        aspect: u8,
        item: Index,
        decision: bool,
        outcome: bool,
    },
    Command {
        sender: u8,
        aspect: u8,
        entry: bool,
        repeat: bool,
    },
    Stuck {
        sender: u8,
        reason: bool,
        repeat: bool,
    },
    Broken {
        sender: u8,
        reason: Option<bool>,
    },
    Taken {
        aspect: u8,
        message: Index,
    },
    Mark {
        sender: u8,
        thread: Index,
        seq: Option<u8>,
    },
    React {
        sender: u8,
        message: Index,
        emoji: u8,
        remove: bool,
    },
    Rename {
        sender: u8,
        thread: Index,
        title: u8,
    },
    Store {
        sender: u8,
        topic: u8,
        content: u8,
        shared: bool,
    },
    Forget {
        sender: u8,
        topic: u8,
        of: Option<u8>,
        repeat: bool,
    },
    Grant {
        to: u8,
        of: Option<u8>,
        grant: bool,
        repeat: bool,
    },
    Use {
        author: u8,
        topic: u8,
        recalled: bool,
    },
    Dispatch {
        sender: u8,
        host: u8,
        deadline: u8,
        parent: Option<Index>,
        repeat: Option<Index>,
        tokens: u8,
    },
    Budget {
        of: u8,
        month: bool,
        tokens: u8,
        clear: bool,
        repeat: bool,
    },
    SpendingDay {
        what: u8,
        repeat: bool,
    },
    Result {
        lease: Index,
        ok: bool,
        stale: bool,
        repeat: bool,
    },
    Wait {
        lease: Index,
        on: Vec<Index>,
    },
    Renew {
        lease: Index,
    },
    Cancel {
        sender: u8,
        dispatch: Index,
        repeat: bool,
    },
    Choose {
        sender: u8,
        needs: u8,
        likes: u8,
    },
    Retry {
        sender: u8,
        dispatch: Index,
        repeat: bool,
    },
    Stopped {
        lease: Index,
    },
    Alert {
        raise: bool,
        kind: u8,
        subject: u8,
        message: u8,
    },
    Acknowledge {
        kind: u8,
        subject: u8,
    },
    Seen {
        aspect: u8,
        state: u8,
        old: bool,
    },
    Restrain {
        aspect: u8,
        kind: u8,
    },
    Ask {
        sender: u8,
        lease: Option<Index>,
        notice: Option<Index>,
        question: bool,
        deadline: u8,
        repeat: bool,
    },
    Answer {
        sender: u8,
        approval: Index,
        verdict: u8,
        repeat: bool,
    },
    Gather {
        sender: u8,
        of: Vec<Index>,
        policy: u8,
        deadline: u8,
        lease: bool,
    },
    CancelGather {
        sender: u8,
        gather: Index,
        rest: Option<bool>,
        repeat: bool,
    },
    Registry {
        sender: u8,
        kind: u8,
        seed: u8,
        repeat: bool,
    },
    Run {
        sender: u8,
        kind: u8,
        run: Index,
        repeat: bool,
    },
    PruneRuns {
        age_ms: u32,
    },
    Trigger {
        name: u8,
        when: u8,
        overlap: u8,
        asks: bool,
        repeat: bool,
    },
    Hook {
        name: u8,
        delivery: u8,
        rotates: bool,
    },
    Steer {
        name: u8,
        how: u8,
        repeat: bool,
    },
    Tick,
    Restart,
    Restored,
    PutBlob {
        sender: u8,
        blob: u8,
    },
    ForgetBlobs {
        age_ms: u32,
    },
    PruneInboxes {
        age_ms: u32,
    },
    PruneMessages {
        age_ms: u32,
    },
    PruneDispatches {
        age_ms: u32,
    },
    PruneApprovals {
        age_ms: u32,
    },
    PruneLog {
        age_ms: u32,
        entries: u32,
    },
}

fn meta(tokens: u64) -> ReplyMeta {
    let usage = Usage { output_tokens: tokens, ..Usage::default() };
    let (provider, model) = ("p".to_owned(), "m".to_owned());
    ReplyMeta { turn: TurnId(Uuid::nil()), provider, model, usage, cost_microusd: None }
}

/// What concerns who gets in.
#[derive(Clone, Debug)]
enum Door {
    Token { name: u8, add: bool },
    Role { role: u8 },
    Session { close: bool },
    Used,
    Setup { offer: bool },
    Invitation { name: u8, step: u8 },
    Rotate { aspect: u8, key: u8, overlap: u8 },
    Assertion { jti: u8 },
    Credential { name: u8, step: u8 },
    Note,
}

fn door() -> impl Strategy<Value = Door> {
    prop_oneof![
        1 => (0_u8..3, any::<bool>()).prop_map(|(name, add)| Door::Token { name, add }),
        1 => (0_u8..2).prop_map(|role| Door::Role { role }),
        1 => any::<bool>().prop_map(|close| Door::Session { close }),
        1 => Just(Door::Used),
        1 => any::<bool>().prop_map(|offer| Door::Setup { offer }),
        2 => (0_u8..2, 0_u8..5).prop_map(|(name, step)| Door::Invitation { name, step }),
        2 => (0_u8..5, 1_u8..3, 0_u8..3)
            .prop_map(|(aspect, key, overlap)| Door::Rotate { aspect, key, overlap }),
        1 => (0_u8..4).prop_map(|jti| Door::Assertion { jti }),
        1 => (0_u8..2, 0_u8..4).prop_map(|(name, step)| Door::Credential { name, step }),
        1 => Just(Door::Note),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let (some, index) = (0_u8..5, any::<Index>());
    let maybe = || prop::option::weighted(0.3, any::<Index>());
    prop_oneof![
        2 => (some.clone(), 1_u8..3, any::<bool>()).prop_map(|(aspect, key, share)| Act::Add { aspect, key, share }),
        1 => some.clone().prop_map(|aspect| Act::Revoke { aspect }),
        1 => (0_u8..2).prop_map(|role| Act::Operator { role }),
        1 => Just(Act::RevokeOperator),
        9 => door().prop_map(Act::Door),
        4 => (0_u8..3, 0_u8..3, 0_u8..7).prop_map(|(task, token, step)| Act::Push { task, token, step }),
        12 => (some.clone(), maybe(), 0_u8..3, 0_u8..3, any::<bool>())
            .prop_map(|(aspect, resume, slots, hands, stale)| Act::Register { aspect, resume, slots, hands, stale }),
        3 => (some.clone(), any::<bool>()).prop_map(|(aspect, old)| Act::LinkDown { aspect, old }),
        1 => some.clone().prop_map(|aspect| Act::Deregister { aspect }),
        12 => (some.clone(), index.clone()).prop_map(|(aspect, offset)| Act::Ack { aspect, offset }),
        40 => (some.clone(), 0_u8..7, maybe(), 0_u8..12, prop::option::weighted(0.1, any::<Index>()))
            .prop_map(|(sender, to, thread, content, repeat)| Act::Send { sender, to, thread, content, repeat }),
        8 => (some.clone(), index.clone(), any::<bool>(), prop::bool::weighted(0.3))
            .prop_map(|(aspect, item, decision, outcome)| Act::Close { aspect, item, decision, outcome }),
        4 => (some.clone(), some.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(sender, aspect, entry, repeat)| Act::Command { sender, aspect, entry, repeat }),
        2 => (some.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(sender, reason, repeat)| Act::Stuck { sender, reason, repeat }),
        2 => (some.clone(), prop::option::of(any::<bool>()))
            .prop_map(|(sender, reason)| Act::Broken { sender, reason }),
        6 => (some.clone(), index.clone()).prop_map(|(aspect, message)| Act::Taken { aspect, message }),
        5 => (some.clone(), index.clone(), prop::option::of(0_u8..60))
            .prop_map(|(sender, thread, seq)| Act::Mark { sender, thread, seq }),
        8 => (some.clone(), index.clone(), 0_u8..3, prop::bool::weighted(0.4))
            .prop_map(|(sender, message, emoji, remove)| Act::React { sender, message, emoji, remove }),
        3 => (some.clone(), index.clone(), 0_u8..3)
            .prop_map(|(sender, thread, title)| Act::Rename { sender, thread, title }),
        6 => (some.clone(), 0_u8..3, 0_u8..12, any::<bool>())
            .prop_map(|(sender, topic, content, shared)| Act::Store { sender, topic, content, shared }),
        3 => (some.clone(), 0_u8..3, prop::option::weighted(0.2, 0_u8..5), prop::bool::weighted(0.2))
            .prop_map(|(sender, topic, of, repeat)| Act::Forget { sender, topic, of, repeat }),
        3 => (some.clone(), prop::option::weighted(0.7, 0_u8..5), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(to, of, grant, repeat)| Act::Grant { to, of, grant, repeat }),
        2 => (some.clone(), 0_u8..4, any::<bool>())
            .prop_map(|(author, topic, recalled)| Act::Use { author, topic, recalled }),
        30 => (some.clone(), some.clone(), 0_u8..4, maybe(), prop::option::weighted(0.1, any::<Index>()), 0_u8..60)
            .prop_map(|(sender, host, deadline, parent, repeat, tokens)| {
                Act::Dispatch { sender, host, deadline, parent, repeat, tokens }
            }),
        4 => (0_u8..7, any::<bool>(), any::<u8>(), prop::bool::weighted(0.3), prop::bool::weighted(0.2))
            .prop_map(|(of, month, tokens, clear, repeat)| Act::Budget { of, month, tokens, clear, repeat }),
        4 => (0_u8..4, prop::bool::weighted(0.2)).prop_map(|(what, repeat)| Act::SpendingDay { what, repeat }),
        25 => (index.clone(), any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2))
            .prop_map(|(lease, ok, stale, repeat)| Act::Result { lease, ok, stale, repeat }),
        12 => (index.clone(), prop::collection::vec(any::<Index>(), 0..3)).prop_map(|(lease, on)| Act::Wait { lease, on }),
        8 => index.clone().prop_map(|lease| Act::Renew { lease }),
        5 => (some.clone(), index.clone(), any::<bool>())
            .prop_map(|(sender, dispatch, repeat)| Act::Cancel { sender, dispatch, repeat }),
        6 => (some.clone(), 0_u8..3, 0_u8..3).prop_map(|(sender, needs, likes)| Act::Choose { sender, needs, likes }),
        8 => (some.clone(), index.clone(), any::<bool>())
            .prop_map(|(sender, dispatch, repeat)| Act::Retry { sender, dispatch, repeat }),
        4 => index.prop_map(|lease| Act::Stopped { lease }),
        3 => (any::<bool>(), 0_u8..7, some.clone(), 0_u8..2)
            .prop_map(|(raise, kind, subject, message)| Act::Alert { raise, kind, subject, message }),
        4 => (some.clone(), 0_u8..5, prop::bool::weighted(0.2))
            .prop_map(|(aspect, state, old)| Act::Seen { aspect, state, old }),
        12 => (some.clone(), prop::collection::vec(any::<Index>(), 0..4), 0_u8..4, 0_u8..3, any::<bool>())
            .prop_map(|(sender, of, policy, deadline, lease)| Act::Gather { sender, of, policy, deadline, lease }),
        10 => (some.clone(), maybe(), maybe(), any::<bool>(), 0_u8..4, prop::bool::weighted(0.1)).prop_map(
            |(sender, lease, notice, question, deadline, repeat)| {
                Act::Ask { sender, lease, notice, question, deadline, repeat }
            },
        ),
        6 => (some.clone(), any::<Index>(), 0_u8..4, prop::bool::weighted(0.2))
            .prop_map(|(sender, approval, verdict, repeat)| Act::Answer { sender, approval, verdict, repeat }),
        3 => (some.clone(), 0_u8..4).prop_map(|(aspect, kind)| Act::Restrain { aspect, kind }),
        2 => (0_u8..7, some).prop_map(|(kind, subject)| Act::Acknowledge { kind, subject }),
        6 => (0_u8..5, 0_u8..12, any::<u8>(), prop::bool::weighted(0.1))
            .prop_map(|(sender, kind, seed, repeat)| Act::Registry { sender, kind, seed, repeat }),
        8 => (0_u8..5, 0_u8..14, any::<Index>(), prop::bool::weighted(0.1))
            .prop_map(|(sender, kind, run, repeat)| Act::Run { sender, kind, run, repeat }),
        2 => (0_u32..3_000).prop_map(|age_ms| Act::PruneRuns { age_ms }),
        8 => (0_u8..5, 0_u8..10, 0_u8..4, any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(name, when, overlap, asks, repeat)| Act::Trigger { name, when, overlap, asks, repeat }),
        8 => (0_u8..5, 0_u8..7, prop::bool::weighted(0.2))
            .prop_map(|(name, how, repeat)| Act::Steer { name, how, repeat }),
        6 => (0_u8..5, 0_u8..8, prop::bool::weighted(0.3))
            .prop_map(|(name, delivery, rotates)| Act::Hook { name, delivery, rotates }),
        8 => Just(Act::Tick),
        1 => Just(Act::Restart),
        1 => Just(Act::Restored),
        6 => (0_u8..5, 0_u8..12).prop_map(|(sender, blob)| Act::PutBlob { sender, blob }),
        2 => (0_u32..100_000).prop_map(|age_ms| Act::ForgetBlobs { age_ms }),
        2 => (0_u32..10_000).prop_map(|age_ms| Act::PruneInboxes { age_ms }),
        3 => (0_u32..3_000).prop_map(|age_ms| Act::PruneMessages { age_ms }),
        3 => (0_u32..3_000).prop_map(|age_ms| Act::PruneDispatches { age_ms }),
        3 => (0_u32..3_000).prop_map(|age_ms| Act::PruneApprovals { age_ms }),
        6 => (0_u32..3_000, 1_u32..200).prop_map(|(age_ms, entries)| Act::PruneLog { age_ms, entries }),
        4 => (0_u8..5, any::<Index>(), prop::option::of(any::<bool>()), prop::bool::weighted(0.2))
            .prop_map(|(sender, gather, rest, repeat)| Act::CancelGather { sender, gather, rest, repeat }),
    ]
}

#[derive(Clone, Debug)]
struct Batch {
    acts: Vec<Act>,
    pause_ms: u32,
    fails: bool,
}

fn batch() -> impl Strategy<Value = Batch> {
    let pause = prop_oneof![30 => 0_u32..50, 8 => 1_000_u32..20_000, 1 => 30_000_u32..2_000_000];
    (prop::collection::vec(act(), 1..6), pause, prop::bool::weighted(0.1))
        .prop_map(|(acts, pause_ms, fails)| Batch { acts, pause_ms, fails })
}

/// What the acts refer to; grows with what the effects show.
#[derive(Default)]
struct Seen {
    ids: u128,
    sends: Vec<(RequestId, Party, ChatSend)>,
    dispatched: Vec<(RequestId, Party, Dispatch)>,
    threads: Vec<ThreadId>,
    messages: Vec<MessageId>,
    dispatches: Vec<DispatchId>,
    leases: Vec<(AspectName, Lease)>,
    approvals: Vec<ApprovalId>,
    gathers: Vec<GatherId>,
    runs: Vec<RunId>,
    last_request: Option<RequestId>,
}

struct Twin {
    memory: (Hub, MemoryStore),
    sqlite: (Hub, SqliteStore),
    at: Ms,
    seen: Seen,
}

fn content(n: u8) -> String {
    let words = [
        "rivers run to the sea",
        "the sea runs \"deep\"",
        "@wren look at that",
        "deeper runs the river",
        "@all",
        "a\0b",
    ];
    // Some name a blob, which may be there.
    words
        .get(usize::from(n))
        .map_or_else(|| format!("number {n}, blob:{}", BlobId([n; 32])), |text| (*text).to_owned())
}

fn terms() -> CredentialTerms {
    serde_json::from_value(json!({
        "kind": "provider", "mode": "proxy", "base_url": "https://api.example/v1", "header": "authorization",
        "prefix": "Bearer ", "allowed_aspects": ["wren"],
    }))
    .unwrap()
}

/// Triggers that come one after another and hear of each other.
fn definition(name: u8, when: u8, overlap: u8, asks: bool, at: Ms) -> Trigger {
    let when = match when {
        0 => json!({"every": {"seconds": 7}}),
        1 => json!({"every": {"seconds": 3_000, "anchor": START}}),
        2 => json!({"cron": "*/5 * * * * *"}),
        3 => json!({"at": at + 9_000}),
        4 => json!({"event": {"kinds": ["message", "dispatch_ended"]}}),
        5 => json!({"event": {"kinds": ["alert"], "by": "wren"}}),
        7 | 8 => json!({"webhook": {"preset": (["github", "stripe"][usize::from(when - 7)])}}),
        6 => json!({"after": {"trigger": format!("t{}", (name + 1) % 5), "on": "both"}}),
        _ => json!("manual"),
    };
    let act = match asks {
        true => json!({"ask": {"aspect": "wren", "text": "Look."}}),
        false => json!({"dispatch": {"hand": "forge/h0", "input": {}, "deadline_s": 60}}),
    };
    let policy = ["skip", "queue", "replace", "allow"][usize::from(overlap)];
    serde_json::from_value(json!({
        "name": format!("t{name}"), "when": when, "do": act, "misfire": {"all": 2}, "jitter_s": overlap,
        "overlap": policy,
        "retry": {"max": overlap, "backoff_s": [2, 30]},
    }))
    .unwrap()
}

fn steered(name: u8, how: u8) -> Change {
    let trigger: TriggerName = format!("t{name}").parse().unwrap();
    match how {
        0 => Change::TriggerDelete(TriggerDelete { trigger }),
        1 => Change::TriggerPause(TriggerPause { trigger, reason: Some("so".into()) }),
        2 | 3 => Change::TriggerResume(TriggerResume { trigger }),
        _ => Change::TriggerFire(TriggerFire { trigger, payload: json!({"how": how}) }),
    }
}

impl Twin {
    fn id(&mut self) -> Uuid {
        self.seen.ids += 1;
        Uuid::from_u128((self.at as u128) << 80 | 0x7000 << 64 | 0x8000_0000_0000_0000 | self.seen.ids)
    }

    fn aspect(&self, n: u8) -> AspectName {
        name(ASPECTS[usize::from(n) % ASPECTS.len()])
    }

    fn sender(&self, n: u8) -> Party {
        if usize::from(n) < ASPECTS.len() { Party::Aspect(self.aspect(n)) } else { party("operator/ana") }
    }

    fn request(&mut self, sender: Party, request: Option<RequestId>, change: Change) -> CommandBody {
        let request = request.unwrap_or_else(|| RequestId(self.id()));
        let record = sender.aspect().and_then(|name| self.memory.0.roster().aspect(name));
        CommandBody::Request { link: record.and_then(|record| record.link), sender, request, change }
    }

    /// The id of the request before, or a new one.
    fn again(&mut self, repeat: bool) -> RequestId {
        if let Some(last) = self.seen.last_request.filter(|_| repeat) {
            return last;
        }
        let request = RequestId(self.id());
        self.seen.last_request = Some(request);
        request
    }

    fn lease(&self, at: &Index) -> (AspectName, Lease) {
        let none = (name("wren"), Lease { dispatch: DispatchId(Uuid::nil()), attempt: 1 });
        if self.seen.leases.is_empty() { none } else { at.get(&self.seen.leases).clone() }
    }

    /// Few tasks and few tokens, so that they meet.
    fn push(&self, task: u8, token: u8, step: u8) -> Push {
        let (task, owner) = (Uuid::from_u128(task.into()), Party::Operator("ana".parse().unwrap()));
        let key = PushKey { task, owner, id: format!("p{}", self.at % 2) };
        let seq = self.memory.0.pushes().find(|it| it.key == key).map_or(0, |it| it.seq);
        match step {
            0..=2 => {
                let terms = PushTerms {
                    credential: Digest([if token == 0 { 0x0f } else { token }; 32]).piece(),
                    of: "nexus".into(),
                    origin: "http://localhost:1".into(),
                    url: "https://a.test/".into(),
                    scheme: None,
                };
                Push::Set { key, terms, sealed: vec![task.as_bytes()[15], token] }
            }
            3 => Push::Remove { key },
            4 => Push::Told { key, seq, told: Digest([token; 32]), is_end: false },
            5 => Push::Told { key, seq, told: Digest([token; 32]), is_end: token == 0 },
            _ => {
                let why = [PushEnd::Credential, PushEnd::Task, PushEnd::GivenUp("gone".into())];
                Push::End { key, seq, why: why[usize::from(token)].clone() }
            }
        }
    }

    /// Few names and few digests, so that they meet.
    fn access(&self, door: &Door) -> Access {
        let operator: OperatorName = "ana".parse().unwrap();
        let hash = "$argon2id$".to_owned();
        match door {
            Door::Token { name, add: true } => {
                let label = format!("t{name}").parse().unwrap();
                let token = NewToken { name: label, sha256: Digest([*name; 32]), lifetime_ms: Some(9_000) };
                Access::AddToken { operator, token }
            }
            Door::Token { name, .. } => {
                Access::RevokeToken { operator, name: format!("t{name}").parse().unwrap() }
            }
            Door::Role { role: 0 } => Access::SetRole { operator, role: OperatorRole::Admin },
            Door::Role { .. } => Access::SetRole { operator, role: OperatorRole::Viewer },
            Door::Session { close: true } => Access::CloseSession { operator, sha256: Digest([5; 32]) },
            Door::Session { .. } if self.at % 3 == 0 => Access::SetPassword { operator, hash },
            Door::Session { .. } => {
                let proof = match self.at % 2 {
                    0 => Proof::Password { hash },
                    _ => Proof::Token { sha256: Digest([1; 32]) },
                };
                Access::OpenSession { operator, sha256: Digest([5; 32]), proof }
            }
            Door::Used => Access::Used(vec![(Digest([0; 32]), self.at), (Digest([5; 32]), self.at)]),
            Door::Setup { offer: true } => Access::OfferSetup { sha256: Digest([6; 32]) },
            Door::Setup { .. } => {
                Access::UseSetup { sha256: Digest([6; 32]), operator, password_hash: Some(hash), token: None }
            }
            Door::Invitation { name, step } => {
                let name: OperatorName = ["ana", "ben"][usize::from(*name)].parse().unwrap();
                match step {
                    0..=2 => Access::Invite {
                        name,
                        role: OperatorRole::Viewer,
                        sha256: Digest([20 + step; 32]),
                        lifetime_ms: 1_500,
                    },
                    3 => Access::RevokeInvitation { name },
                    _ => {
                        let byte = 20 + u8::try_from(self.at % 3).unwrap();
                        Access::AcceptInvitation { sha256: Digest([byte; 32]), password_hash: hash }
                    }
                }
            }
            Door::Rotate { aspect, key, overlap } => Access::RotateKey {
                aspect: self.aspect(*aspect),
                public_key: [16 * *key; 32],
                overlap_ms: Ms::from(*overlap) * 700,
            },
            Door::Assertion { jti } => {
                Access::UseAssertion(UsedAssertion { until: self.at + 500, digest: Digest([*jti; 32]) })
            }
            Door::Credential { name, step } => {
                let name = format!("c{name}").parse().unwrap();
                match step {
                    0 => Access::PutCredential { name, terms: terms(), sealed: vec![1, 2, 3] },
                    1 => Access::RotateCredential { name, terms: terms(), sealed: vec![4] },
                    2 => Access::ChangeCredential {
                        name,
                        terms: terms(),
                        sealed: vec![5],
                        was: if self.at % 2 == 0 { vec![4] } else { vec![1, 2, 3] },
                    },
                    _ => Access::RemoveCredential { name },
                }
            }
            Door::Note => Access::Note(vec![Note {
                actor: Party::System,
                kind: "refused.credential",
                subject: "an unknown token from 10.0.0.7".into(),
            }]),
        }
    }

    fn thread(&self, at: &Index) -> ThreadId {
        let threads = &self.seen.threads;
        if threads.is_empty() { ThreadId(Uuid::nil()) } else { *at.get(threads) }
    }

    fn message(&self, at: &Index) -> MessageId {
        let messages = &self.seen.messages;
        if messages.is_empty() { MessageId(Uuid::nil()) } else { *at.get(messages) }
    }

    fn command(&mut self, act: &Act) -> CommandBody {
        let ana = party("operator/ana");
        match act {
            Act::Add { aspect, key, share } => {
                let role = if *aspect == 0 { AspectRole::Frame } else { AspectRole::Worker };
                let public_key = ["A", "E", "I"][usize::from(*key)].repeat(43);
                let add = AspectAdd { name: self.aspect(*aspect), role, public_key, share_knowledge: *share };
                CommandBody::AddAspect { by: ana, add }
            }
            Act::Revoke { aspect } => CommandBody::RevokeAspect { by: ana, name: self.aspect(*aspect) },
            Act::Operator { role } => {
                let role = [OperatorRole::Admin, OperatorRole::Operator][usize::from(*role)];
                let add = OperatorAdd { name: "ana".parse().unwrap(), role, token_sha256: "0f".repeat(32) };
                CommandBody::AddOperator { by: Party::System, add }
            }
            Act::RevokeOperator => {
                CommandBody::RevokeOperator { by: Party::System, name: "ana".parse().unwrap() }
            }
            Act::Door(door) => CommandBody::Access { by: ana, act: self.access(door) },
            Act::Push { task, token, step } => CommandBody::Push(self.push(*task, *token, *step)),
            Act::Register { aspect, resume, slots, hands, stale } => {
                let aspect = self.aspect(*aspect);
                let record = self.memory.0.roster().aspect(&aspect).cloned();
                let items = self.memory.1.inbox(&aspect, 0, 1000).unwrap();
                let resume = resume.as_ref().zip(record.as_ref()).map(|(at, record)| {
                    let offset = at.index(items.len() + 2) as u64;
                    let item = items.get((offset as usize).wrapping_sub(1)).map(|item| item.id);
                    Resume {
                        epoch: record.epoch,
                        offset,
                        item: if *stale { Some(ItemId(Uuid::nil())) } else { item },
                    }
                });
                let held = self.seen.leases.iter().filter(|(host, _)| *host == aspect).step_by(2);
                let leases = held.map(|(_, lease)| HeldLease { lease: *lease, waiting: *stale }).collect();
                let hand = |n: u8| {
                    let second = ["oil", "clay"][usize::from(n)];
                    let schema = if n == 1 { json!({"type": "object"}) } else { json!(true) };
                    json!({
                        "name": format!("h{n}"), "idempotent": n == 0, "concurrency": 2, "output_schema": schema,
                        "capabilities": ["ink", second],
                    })
                };
                let register = Register {
                    hands: (0..*hands).map(|n| serde_json::from_value(hand(n)).unwrap()).collect(),
                    slots: u32::from(*slots),
                    resume,
                    leases,
                    last_generation: record
                        .as_ref()
                        .map_or(0, |it| it.generation.saturating_sub(u64::from(*stale))),
                    broken: (*hands == 2).then(|| "line 3".to_owned()),
                    ..Register::default()
                };
                let (link, new_epoch) = (LinkId(self.id()), EpochId(self.id()));
                let key_generation = record.map_or(1, |it| it.key_generation);
                CommandBody::Register { aspect, link, key_generation, register, new_epoch }
            }
            Act::LinkDown { aspect, old } => {
                let aspect = self.aspect(*aspect);
                let record = self.memory.0.roster().aspect(&aspect);
                let generation = record.map_or(0, |it| it.generation).saturating_sub(u64::from(*old));
                let link = record.and_then(|it| it.link).unwrap_or(LinkId(Uuid::nil()));
                CommandBody::LinkDown { aspect, link, generation }
            }
            Act::Deregister { aspect } => {
                self.request(Party::Aspect(self.aspect(*aspect)), None, Change::Deregister)
            }
            Act::Ack { aspect, offset } => {
                let aspect = self.aspect(*aspect);
                let record = self.memory.0.roster().aspect(&aspect);
                let offset = offset.index(record.map_or(0, |it| it.tail) as usize + 2) as u64;
                let link = record.and_then(|it| it.link).unwrap_or(LinkId(Uuid::nil()));
                CommandBody::Ack { aspect, link, offset }
            }
            Act::Send { sender, to, thread, content: n, repeat } => {
                if let Some(repeat) = repeat
                    && !self.seen.sends.is_empty()
                {
                    let (request, sender, mut send) = repeat.get(&self.seen.sends).clone();
                    if *n == 0 {
                        send.content.push('!');
                    }
                    return self.request(sender, Some(request), Change::ChatSend(send.into()));
                }
                let to = match to {
                    0..4 => vec![ASPECTS[usize::from(*to)].to_owned()],
                    4 => vec!["all".into(), "nobody".into()],
                    _ => Vec::new(),
                };
                let thread = thread.as_ref().filter(|_| !self.seen.threads.is_empty());
                let thread = thread.map(|at| *at.get(&self.seen.threads));
                let meta = n.is_multiple_of(3).then(|| ReplyMeta {
                    turn: TurnId(self.id()),
                    provider: "scripted".into(),
                    model: "scripted".into(),
                    usage: Usage { output_tokens: (*n).into(), ..Usage::default() },
                    cost_microusd: Some(1),
                });
                let (request, sender) = (RequestId(self.id()), self.sender(*sender));
                let mut send = ChatSend { to, thread, content: content(*n), meta, ..ChatSend::default() };
                let open = self.memory.1.approvals(false, None, 20).unwrap();
                if let Some(notice) = open.iter().find_map(|info| info.notice).filter(|_| n % 2 == 0) {
                    let word = ["approve", "deny", "the red one"][usize::from(*n) % 3];
                    send = ChatSend { reply_to: Some(notice), content: word.into(), ..ChatSend::default() };
                }
                self.seen.sends.push((request, sender.clone(), send.clone()));
                self.request(sender, Some(request), Change::ChatSend(send.into()))
            }
            Act::Close { aspect, item, decision, outcome } => {
                let aspect = self.aspect(*aspect);
                let items = self.memory.1.inbox(&aspect, 0, 1000).unwrap();
                let item = if items.is_empty() { ItemId(Uuid::nil()) } else { item.get(&items).id };
                let outcome = outcome.then(SessionOutcome::default);
                let exactly = decision.then(|| meta(3));
                let (decision, message) = match decision {
                    true => (Decision::Replied, Some(MessageId(Uuid::nil()))),
                    false => (Decision::Silent, None),
                };
                let close = InboxClose {
                    item,
                    decision,
                    reason: Some("so".into()),
                    message,
                    outcome,
                    spent: Some(Spending { tokens: 2, cost_microusd: 1 }),
                    meta: exactly,
                };
                self.request(Party::Aspect(aspect), None, Change::InboxClose(close))
            }
            Act::Command { sender, aspect, entry, repeat } => {
                let of = self.aspect(*aspect);
                let command: SessionCommand = if *entry {
                    let act = SessionAct::Rewind { entry: Some(Uuid::nil()) };
                    SessionCommand { of, session: "global".into(), act }
                } else {
                    TurnCancel { of, thread: None, turn: None, reason: Some("enough".into()) }.into()
                };
                let request = Some(self.again(*repeat));
                self.request(self.sender(*sender), request, Change::SessionCommand(command))
            }
            Act::Stuck { sender, reason, repeat } => {
                let reason = if *reason { "too long" } else { "too long, three times" }.to_owned();
                let stuck = SessionStuck { session: "global".into(), reason };
                let request = Some(self.again(*repeat));
                self.request(self.sender(*sender), request, Change::SessionStuck(stuck))
            }
            Act::Broken { sender, reason } => {
                let reason = reason.map(|one| if one { "line 3" } else { "line 4" }.to_owned());
                self.request(self.sender(*sender), None, Change::SettingsBroken(SettingsBroken { reason }))
            }
            Act::Taken { aspect, message } => {
                let taken = InboxTaken { message: self.message(message) };
                self.request(Party::Aspect(self.aspect(*aspect)), None, Change::InboxTaken(taken))
            }
            Act::Mark { sender, thread, seq } => {
                let mark = ChatMark { thread: self.thread(thread), seq: seq.map(u64::from) };
                self.request(self.sender(*sender), None, Change::ChatMark(mark))
            }
            Act::React { sender, message, emoji, remove } => {
                let emoji = ["👍", "+1", "a b"][usize::from(*emoji)].to_owned();
                let react = ChatReact { message: self.message(message), emoji, remove: *remove };
                self.request(self.sender(*sender), None, Change::ChatReact(react))
            }
            Act::Rename { sender, thread, title } => {
                let title = ["the plan", " the plan ", ""][usize::from(*title)].to_owned();
                let rename = ThreadRename { thread: self.thread(thread), title };
                self.request(self.sender(*sender), None, Change::ThreadRename(rename))
            }
            Act::Store { sender, topic, content: n, shared } => {
                let store =
                    KnowledgeStore { topic: format!("topic {topic}"), content: content(*n), shared: *shared };
                self.request(self.sender(*sender), None, Change::KnowledgeStore(store))
            }
            Act::Forget { sender, topic, of, repeat } => {
                let of = of.map(|of| self.sender(of));
                let delete = KnowledgeDelete { topic: format!("topic {topic}"), of };
                let request = Some(self.again(*repeat));
                self.request(self.sender(*sender), request, Change::KnowledgeDelete(delete))
            }
            Act::Grant { to, of, grant, repeat } => {
                let (to, of) = (self.aspect(*to), of.map(|of| self.sender(of)));
                let may = if of.is_some() { KnowledgeMay::Read } else { KnowledgeMay::Share };
                let change = match grant {
                    true => Change::KnowledgeGrant(KnowledgeGrant { to, may, of }),
                    false => Change::KnowledgeRevoke(KnowledgeRevoke { to, may, of }),
                };
                let request = Some(self.again(*repeat));
                self.request(ana, request, change)
            }
            Act::Use { author, topic, recalled } => {
                let (author, topic) = (self.sender(*author), format!("topic {topic}"));
                let recalled_at = recalled.then_some(self.at);
                let used =
                    KnowledgeUse { author, topic, found: 2, recalled: u64::from(*recalled), recalled_at };
                CommandBody::KnowledgeUsed(vec![used])
            }
            Act::Budget { of, month, tokens, clear, repeat } => {
                let of = (*of < 5).then(|| self.sender(*of));
                let per = if *month { BudgetPer::Month } else { BudgetPer::Day };
                let limit = Budget { tokens: Some((*tokens).into()), cost_microusd: None };
                let change = match clear {
                    true => Change::BudgetClear(BudgetClear { of, per }),
                    false => Change::BudgetSet(BudgetSet { of, per, limit, each: Budget::default() }),
                };
                let request = self.again(*repeat);
                self.request(ana, Some(request), change)
            }
            Act::SpendingDay { what, repeat } => {
                let go_on = |unlimited, more| BudgetGoOn { unlimited, cost_microusd: more };
                let change = match what {
                    0 => Change::BudgetStop(BudgetStop { reason: Some("too dear".to_owned()) }),
                    1 => Change::BudgetGoOn(go_on(false, None)),
                    2 => Change::BudgetGoOn(go_on(true, None)),
                    _ => Change::BudgetGoOn(go_on(false, Some(50))),
                };
                let request = self.again(*repeat);
                self.request(ana, Some(request), change)
            }
            Act::Dispatch { sender, host, deadline, parent, repeat, tokens } => {
                if let Some(repeat) = repeat
                    && !self.seen.dispatched.is_empty()
                {
                    let (request, sender, dispatch) = repeat.get(&self.seen.dispatched).clone();
                    return self.request(sender, Some(request), Change::Dispatch(dispatch.into()));
                }
                let lease = parent.as_ref().map(|at| self.lease(at));
                let sender = lease
                    .as_ref()
                    .map_or_else(|| self.sender(*sender), |(host, _)| Party::Aspect(host.clone()));
                let hand: HandRef = format!("{}/h{}", self.aspect(*host), deadline % 2).parse().unwrap();
                let dispatch = Dispatch {
                    deadline_s: [None, Some(5), Some(100), Some(100_000)][usize::from(*deadline)],
                    // One half asks for nothing.
                    budget: Budget {
                        tokens: (*tokens >= 30).then(|| u64::from(*tokens) - 29),
                        cost_microusd: None,
                    },
                    parent_used: Spending { tokens: u64::from(*tokens) / 10, cost_microusd: 0 },
                    parent: lease.map(|(_, lease)| lease),
                    ..Dispatch::to(
                        hand,
                        json!({"n": self.seen.ids as u64, "x": 0.1, "of": content((self.seen.ids % 12) as u8)}),
                    )
                };
                let request = RequestId(self.id());
                self.seen.dispatched.push((request, sender.clone(), dispatch.clone()));
                self.request(sender, Some(request), Change::Dispatch(dispatch.into()))
            }
            Act::Result { lease, ok, stale, repeat } => {
                let (host, mut lease) = self.lease(lease);
                lease.attempt += u32::from(*stale);
                // One half of those has an output that its Hand does not promise, if it promises anything.
                let output = if lease.dispatch.0.as_u128().is_multiple_of(2) {
                    json!({"answer": 42})
                } else {
                    json!(42)
                };
                let failure = HandFailure { code: "no".into(), message: "luck".into() };
                let result = DispatchResult {
                    lease,
                    output: ok.then_some(output),
                    error: (!ok).then_some(failure),
                    usage: Usage { output_tokens: 3, ..Usage::default() },
                    cost_microusd: None,
                };
                let request = self.again(*repeat);
                self.request(Party::Aspect(host), Some(request), Change::DispatchResult(result))
            }
            Act::Wait { lease, on } => {
                let (host, lease) = self.lease(lease);
                let open = &self.seen.dispatches;
                let on =
                    if open.is_empty() { Vec::new() } else { on.iter().map(|at| *at.get(open)).collect() };
                self.request(Party::Aspect(host), None, Change::DispatchWait(DispatchWait { lease, on }))
            }
            Act::Renew { lease } => {
                let (host, lease) = self.lease(lease);
                self.request(
                    Party::Aspect(host),
                    None,
                    Change::LeaseRenew(LeaseRenew { leases: vec![lease] }),
                )
            }
            Act::Cancel { sender, dispatch, repeat } => {
                let open = &self.seen.dispatches;
                let dispatch = if open.is_empty() { DispatchId(Uuid::nil()) } else { *dispatch.get(open) };
                let cancel = DispatchCancel { dispatch, reason: None };
                let request = self.again(*repeat);
                self.request(self.sender(*sender), Some(request), Change::DispatchCancel(cancel))
            }
            Act::Choose { sender, needs, likes } => {
                let one = |n: &u8| vec![["ink", "oil", "clay"][usize::from(*n)].to_owned()];
                let wanted = Wanted { needs: one(needs), likes: one(likes), ..Wanted::default() };
                let input = json!({"n": self.seen.ids as u64});
                let dispatch = Dispatch { capability: Some(wanted), input, ..Dispatch::default() };
                let (request, sender) = (RequestId(self.id()), self.sender(*sender));
                self.seen.dispatched.push((request, sender.clone(), dispatch.clone()));
                self.request(sender, Some(request), Change::Dispatch(dispatch.into()))
            }
            Act::Retry { sender, dispatch, repeat } => {
                let open = &self.seen.dispatches;
                let dispatch = if open.is_empty() { DispatchId(Uuid::nil()) } else { *dispatch.get(open) };
                let retry =
                    DispatchRetry { dispatch, deadline_s: repeat.then_some(50), budget: Budget::default() };
                let request = self.again(*repeat);
                self.request(self.sender(*sender), Some(request), Change::DispatchRetry(retry))
            }
            Act::Stopped { lease } => {
                let (host, lease) = self.lease(lease);
                let stopped = DispatchStopped {
                    lease,
                    usage: Usage { output_tokens: 40, ..Usage::default() },
                    cost_microusd: Some(3),
                };
                self.request(Party::Aspect(host), None, Change::DispatchStopped(stopped))
            }
            Act::Alert { raise, kind, subject, message } => {
                let kind = AlertKind::ALL[usize::from(*kind) % AlertKind::ALL.len()];
                let subject = self.aspect(*subject).to_string();
                match raise {
                    true => CommandBody::RaiseAlert { kind, subject, message: format!("fault {message}") },
                    false => CommandBody::ClearAlert { kind, subject },
                }
            }
            Act::Seen { aspect, state, old } => {
                use AspectState::{Busy, Deaf, Offline, Online, Stalled};
                let aspect = self.aspect(*aspect);
                let link = self.memory.0.roster().aspect(&aspect).and_then(|record| record.link);
                let link = link.filter(|_| !old).unwrap_or(LinkId(Uuid::nil()));
                let state = [Online, Busy, Stalled, Deaf, Offline][usize::from(*state)];
                CommandBody::Seen { aspect, link, state }
            }
            Act::Gather { sender, of, policy, deadline, lease } => {
                let own = self.sender(*sender);
                let mine = |id: &&DispatchId| {
                    let record = self.memory.1.dispatch_head(**id).unwrap();
                    record.is_some_and(|record| record.info.invoker == own || *deadline == 2)
                };
                let known: Vec<DispatchId> = self.seen.dispatches.iter().filter(mine).copied().collect();
                let dispatches: Vec<DispatchId> =
                    if known.is_empty() { Vec::new() } else { of.iter().map(|at| *at.get(&known)).collect() };
                let parent = dispatches.first().and_then(|id| self.memory.1.dispatch_head(*id).unwrap());
                let parent = parent.and_then(|record| record.info.parent);
                let held = self.seen.leases.iter().rev().find(|(_, held)| Some(held.dispatch) == parent);
                let gather = Gather {
                    dispatches,
                    policy: [GatherPolicy::All, GatherPolicy::First, GatherPolicy::N, GatherPolicy::N]
                        [usize::from(*policy)],
                    n: (*policy >= 2).then(|| u32::from(*policy) - 1),
                    deadline_s: [None, Some(5), Some(100_000)][usize::from(*deadline)],
                    cancel_rest: [None, Some(true), Some(false)][usize::from(*deadline)],
                    lease: held.filter(|_| *lease).map(|(_, held)| *held),
                };
                self.request(own, None, Change::Gather(gather))
            }
            Act::Ask { sender, lease, notice, question, deadline, repeat } => {
                let lease = lease.as_ref().map(|at| self.lease(at));
                let sender = lease
                    .as_ref()
                    .map_or_else(|| self.sender(*sender), |(host, _)| Party::Aspect(host.clone()));
                let asked = match question {
                    true => Asked::Question { question: "Which?".into(), choices: vec!["this".into()] },
                    false => Asked::Tool {
                        tool: "run_command".into(),
                        summary: content(*deadline),
                        arguments: "{}".into(),
                    },
                };
                let ask = ApprovalAsk {
                    asked,
                    thread: None,
                    lease: lease.map(|(_, lease)| lease),
                    notice: notice.as_ref().map(|at| self.message(at)),
                    trigger: (*deadline == 2)
                        .then(|| Box::new(definition(u8::from(*repeat), 1, 0, true, self.at))),
                    deadline_s: [None, Some(5), Some(1_000), Some(0)][usize::from(*deadline)],
                };
                let request = self.again(*repeat);
                self.request(sender, Some(request), Change::ApprovalAsk(ask))
            }
            Act::Answer { sender, approval, verdict, repeat } => {
                let known = &self.seen.approvals;
                let approval = if known.is_empty() { ApprovalId(Uuid::nil()) } else { *approval.get(known) };
                let change = match verdict {
                    0 => Change::ApprovalWithdraw(ApprovalWithdraw { approval, reason: None }),
                    n => {
                        let verdict = [Verdict::Approve, Verdict::Deny, Verdict::Answer][usize::from(*n) - 1];
                        let text = (*n > 1).then(|| "so".to_owned());
                        Change::ApprovalAnswer(ApprovalAnswer { approval, verdict, text })
                    }
                };
                let sender = if *verdict == 0 { self.sender(*sender) } else { ana };
                let request = self.again(*repeat);
                self.request(sender, Some(request), change)
            }
            Act::Restrain { aspect, kind } => {
                let aspect = self.aspect(*aspect);
                let restrain = |kind| AspectRestrain { name: aspect.clone(), kind, reason: "so".into() };
                let change = match kind {
                    0 => Change::AspectRestrain(restrain(RestraintKind::Held)),
                    1 => Change::AspectRestrain(restrain(RestraintKind::Paused)),
                    _ => Change::AspectRelease(AspectRelease { name: aspect }),
                };
                self.request(ana, None, change)
            }
            Act::Acknowledge { kind, subject } => {
                let kind = AlertKind::ALL[usize::from(*kind) % AlertKind::ALL.len()];
                let key = Alert::key_of(kind, self.aspect(*subject).as_str());
                self.request(ana, None, Change::AlertAck(AlertAck { key }))
            }
            Act::Registry { sender, kind, seed, repeat } => {
                let sender = self.sender(*sender);
                let request = Some(self.again(*repeat));
                self.request(sender, request, crate::registries::change(*kind, *seed))
            }
            Act::Run { sender, kind, run, repeat } => {
                let known = &self.seen.runs;
                let run = if known.is_empty() { RunId(Uuid::nil()) } else { *run.get(known) };
                let change = crate::flow_events::change(*kind, run);
                let sender = if *kind < 2 { ana } else { self.sender(*sender) };
                let request = Some(self.again(*repeat));
                self.request(sender, request, change)
            }
            Act::PruneRuns { age_ms } => {
                let before = self.at - Ms::from(*age_ms);
                CommandBody::PruneRuns { before, runs: self.memory.1.runs_older(before, None, 30).unwrap() }
            }
            Act::Trigger { name, when, overlap, asks, repeat } => {
                let definition = definition(*name, *when, *overlap, *asks, self.at);
                let request = Some(self.again(*repeat));
                self.request(ana, request, Change::TriggerPut(Box::new(definition)))
            }
            Act::Steer { name, how, repeat } => {
                let request = Some(self.again(*repeat));
                self.request(ana, request, steered(*name, *how))
            }
            Act::Hook { name, delivery, rotates } => {
                let trigger = format!("t{name}");
                let named = trigger.parse().unwrap();
                // Of a trigger that is gone, the signature of which was good a moment ago, too.
                let record = self.sqlite.1.trigger(&named).unwrap();
                let id = record.map_or(TriggerId(Uuid::nil()), |record| record.info.id);
                if *rotates {
                    let change = rotate(id, &trigger, *delivery, Ms::from(*delivery) * 10_000);
                    self.request(ana, None, change)
                } else {
                    call(id, &trigger, &format!("d-{delivery}"), json!({"no": delivery}))
                }
            }
            Act::Tick => CommandBody::Tick,
            Act::PutBlob { sender, blob } => {
                let bytes = u64::from(*blob) << 23;
                let (media_type, name) = ("text/plain".into(), Some(format!("blob {blob}")));
                let blob = PutBlob { id: BlobId([*blob; 32]), bytes, media_type, name };
                CommandBody::PutBlob { by: self.sender(*sender), blob }
            }
            Act::PruneInboxes { age_ms } => {
                CommandBody::PruneInboxes { before: self.at - Ms::from(*age_ms), limit: 2 }
            }
            Act::PruneMessages { age_ms } => {
                let before = self.at - Ms::from(*age_ms);
                let older = self.memory.1.messages_older(before, 0, 30).unwrap();
                CommandBody::PruneMessages { before, messages: older.into_iter().map(|(_, id)| id).collect() }
            }
            Act::PruneDispatches { age_ms } => {
                let before = self.at - Ms::from(*age_ms);
                let dispatches = self.memory.1.dispatches_older(before, None, 30).unwrap();
                CommandBody::PruneDispatches { before, dispatches }
            }
            Act::PruneApprovals { age_ms } => {
                let before = self.at - Ms::from(*age_ms);
                let approvals = self.memory.1.approvals_older(before, None, 30).unwrap();
                CommandBody::PruneApprovals { before, approvals }
            }
            Act::PruneLog { age_ms, entries } => {
                let before = self.at - Ms::from(*age_ms);
                let seq = self.memory.1.log_before(before, *entries).unwrap().unwrap_or(0);
                CommandBody::PruneLog(Checkpoint { seq, at: 0, hash: [0; 32], signature: "signed".into() })
            }
            Act::CancelGather { sender, gather, rest, repeat } => {
                let known = &self.seen.gathers;
                let nobodys = GatherId(Uuid::nil());
                let gather = if known.is_empty() { nobodys } else { *gather.get(known) };
                let request = Some(self.again(*repeat));
                let cancel =
                    GatherCancel { gather, reason: rest.map(|_| "enough".into()), cancel_rest: *rest };
                self.request(self.sender(*sender), request, Change::GatherCancel(cancel))
            }
            Act::ForgetBlobs { age_ms } => {
                CommandBody::ForgetBlobs { before: self.at - Ms::from(*age_ms), limit: 3 }
            }
            Act::Restored => CommandBody::Restored { new_epoch: EpochId(self.id()) },
            Act::Restart => CommandBody::BrokerStarted(config()),
        }
    }

    fn look(&mut self, effects: &[Effect]) {
        use nexus_wire::log::LogBody;
        for effect in effects {
            let Effect::Logged(entry) = effect else { continue };
            match &entry.body {
                LogBody::Message(message) => {
                    self.seen.threads.push(message.thread);
                    self.seen.messages.push(message.id);
                }
                LogBody::DispatchAccepted(info) => self.seen.dispatches.push(info.id),
                LogBody::DispatchAssigned { dispatch, attempt, aspect } => {
                    let lease = Lease { dispatch: *dispatch, attempt: *attempt };
                    self.seen.leases.push((aspect.clone(), lease));
                }
                LogBody::Other { kind, subject } if kind == "approval.asked" => {
                    self.seen.approvals.push(subject.parse().unwrap());
                }
                LogBody::Other { kind, subject } if kind == "gather.accepted" => {
                    self.seen.gathers.push(subject.parse().unwrap());
                }
                LogBody::Other { kind, subject } if kind == "run.started" => {
                    self.seen.runs.push(subject.parse().unwrap());
                }
                LogBody::Alert(_)
                | LogBody::ItemClosed(_)
                | LogBody::ItemTaken(_)
                | LogBody::Reacted(_)
                | LogBody::DispatchEnded(_)
                | LogBody::Other { .. } => {}
            }
        }
    }

    fn run(&mut self, batch: &Batch) {
        self.at += Ms::from(batch.pause_ms);
        let before = self.memory.0.clone();
        self.memory.1.begin().unwrap();
        self.sqlite.1.begin().unwrap();
        let mut all = Vec::new();
        for act in &batch.acts {
            self.at += 1;
            let trace = trace_at(self.at);
            let command = Command { at: self.at, origin: Origin::Call(1), trace, body: self.command(act) };
            let (hub, store) = &mut self.memory;
            let of_memory = with_hash(command.clone(), store);
            let effects = hub.apply(store, of_memory).unwrap();
            let (hub, store) = &mut self.sqlite;
            let of_sqlite = with_hash(command, store);
            assert_eq!(hub.apply(store, of_sqlite).unwrap(), effects);
            all.extend(effects);
        }
        if batch.fails {
            self.memory.1.fail_next_commit();
            assert!(self.memory.1.commit().is_err());
            self.memory.1.rollback().unwrap();
            self.sqlite.1.rollback().unwrap();
            for hub in [&mut self.memory.0, &mut self.sqlite.0] {
                *hub = before.clone();
            }
        } else {
            self.memory.1.commit().unwrap();
            self.sqlite.1.commit().unwrap();
            self.look(&all);
        }
        assert_eq!(Hub::rebuild(&self.memory.1, config()).unwrap(), self.memory.0);
        assert_eq!(Hub::rebuild(&self.sqlite.1, config()).unwrap(), self.sqlite.0);
    }
}

/// Each store has hashes of its own; those of the one in memory are no chain.
fn with_hash(mut command: Command, store: &impl Reads) -> Command {
    if let CommandBody::PruneLog(checkpoint) = &mut command.body {
        checkpoint.hash = store.log_hash(checkpoint.seq).unwrap().unwrap_or_default();
    }
    command
}

proptest! {
    // A case is a long run; `PROPTEST_CASES` scales them as it does everywhere.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 32))]

    #[test]
    fn both_stores_hold_the_same_and_rebuild_the_hub_after_every_batch(
        batches in prop::collection::vec(batch(), 1..120),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let sqlite = SqliteStore::open(&dir.path().join("nexus.db"), Default::default()).unwrap();
        let memory = MemoryStore::new();
        let hub = Hub::rebuild(&memory, config()).unwrap();
        let mut twin = Twin {
            memory: (hub.clone(), memory), sqlite: (hub, sqlite), at: START, seen: Seen::default(),
        };
        // Most of a run is spoilt if there is nobody.
        let team = (0..4).map(|aspect| Act::Add { aspect, key: 1, share: aspect == 1 });
        let online = (0..4).map(|aspect| Act::Register { aspect, resume: None, slots: 2, hands: 2, stale: false });
        let start = team.chain([Act::Operator { role: 0 }]).chain(online).collect();
        twin.run(&Batch { acts: start, pause_ms: 0, fails: false });
        for (n, batch) in batches.iter().enumerate() {
            twin.run(batch);
            if n % 16 == 0 {
                assert_same(&twin.memory.1, &twin.sqlite.1);
            }
        }
        let prune = Act::PruneLog { age_ms: 0, entries: 1 };
        twin.run(&Batch { acts: vec![prune], pause_ms: 1, fails: false });
        assert_ne!(twin.memory.1.checkpoints().unwrap(), Vec::new());
        assert_same(&twin.memory.1, &twin.sqlite.1);
        let readers = twin.sqlite.1.readers(1);
        readers.read(|reader| {
            assert_same(&twin.memory.1, reader);
            assert_eq!(reader.verify(None)?.head.seq, twin.memory.0.log_seq());
            reader.check_derived()?;
            Ok(())
        }).unwrap();
        // Closed and opened again, it is the same database.
        drop(twin.sqlite);
        let again = SqliteStore::open(&dir.path().join("nexus.db"), Default::default()).unwrap();
        assert_same(&twin.memory.1, &again);
    }
}

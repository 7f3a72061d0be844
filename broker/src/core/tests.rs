use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use nexus_wire::admin::{AspectAdd, OperatorAdd, OperatorRole};
use nexus_wire::alert::AlertKind;
use nexus_wire::chat::ChatSend;
use nexus_wire::hands::{Dispatch, HandSpec};
use nexus_wire::roster::{AspectRole, AspectState, Register};
use nexus_wire::{AspectName, EpochId, FromBroker, HandRef, LinkId, OperatorName, Party, RequestId};
use serde_json::json;
use tokio::sync::oneshot::Receiver;
use uuid::Uuid;

use super::*;
use crate::clock::Clock;
use crate::deliver::Peer;
use crate::deliver::outbox::{Answer, Seat, Work};
use crate::hub::Change;
use crate::hub::records::Reads as _;
use crate::identity::{Identity, Role, token};
use crate::meter::Reading;
use crate::sequencer::{Sequencer, sequencer};
use crate::store::MemoryStore;

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn core() -> Core<MemoryStore> {
    core_and_way_in().0
}

fn core_and_way_in() -> (Core<MemoryStore>, Sequencer) {
    let store = MemoryStore::new();
    let hub = Hub::rebuild(&store, HubConfig::default()).unwrap();
    let published = Arc::new(Published::of(&hub, Patience::default(), Clock::start(0)));
    let (sequencer, intake) = sequencer(Clock::start(0));
    (Core::new(store, hub, HubConfig::default(), intake, published).0, sequencer)
}

fn wren() -> AspectName {
    "wren".parse().unwrap()
}

/// Applies one command from within the process.
fn call(core: &mut Core<MemoryStore>, body: CommandBody) -> Receiver<Answer> {
    let (origin, answer) = core.published.deliver.call();
    core.apply(&mut Batch::of(vec![Command { at: core.intake.now(), origin, trace: None, body }]));
    answer
}

fn add_wren(core: &mut Core<MemoryStore>) {
    let add =
        AspectAdd { name: wren(), role: AspectRole::Worker, public_key: KEY.into(), share_knowledge: false };
    let answer = call(core, CommandBody::AddAspect { by: Party::System, add }).try_recv().unwrap();
    assert!(answer.is_ok(), "{answer:?}");
}

fn peer(number: u128) -> Arc<Peer> {
    let identity = Identity { party: Party::Aspect(wren()), role: Role::Aspect, key_generation: 1 };
    Arc::new(Peer::new(LinkId(Uuid::from_u128(number)), identity))
}

fn register(link: LinkId) -> Command {
    let body = CommandBody::Register {
        aspect: wren(),
        link,
        key_generation: 1,
        register: Register::default(),
        new_epoch: EpochId(Uuid::from_u128(1)),
    };
    let request = Some(RequestId(Uuid::from_u128(2)));
    Command { at: 0, origin: Origin::Link { link, request }, trace: None, body }
}

fn link_of_wren(core: &Core<MemoryStore>) -> Option<LinkId> {
    core.hub.roster().aspect(&wren()).unwrap().link
}

/// Subject, times, and whether it is open, the latest raised first.
fn storage_alerts(core: &Core<MemoryStore>) -> Vec<(String, u32, bool)> {
    let alerts = core.store.alerts(true, None, 10).unwrap();
    assert!(alerts.iter().all(|alert| alert.kind == AlertKind::Storage), "{alerts:?}");
    alerts.into_iter().map(|alert| (alert.subject, alert.times, alert.cleared_at.is_none())).collect()
}

#[test]
fn a_commit_that_fails_tells_everybody_and_changes_nothing() {
    let mut core = core();
    add_wren(&mut core);
    let peer = peer(1);
    core.published.deliver.join(Arc::clone(&peer));
    core.apply(&mut Batch::of(vec![register(peer.link)]));
    assert_eq!(link_of_wren(&core), Some(peer.link));
    let before = core.hub.clone();

    core.store.fail_next_commit();
    let name: OperatorName = "ana".parse().unwrap();
    let add = OperatorAdd { name, role: OperatorRole::Viewer, token_sha256: "ab".repeat(32) };
    let (origin, mut answer) = core.published.deliver.call();
    let down = CommandBody::LinkDown { aspect: wren(), link: peer.link, generation: 1 };
    core.apply(&mut Batch::of(vec![
        Command { at: 1, origin, trace: None, body: CommandBody::AddOperator { by: Party::System, add } },
        Command { at: 1, origin: Origin::Broker, trace: None, body: down },
    ]));
    let body = answer.try_recv().unwrap().unwrap_err();
    assert_eq!((body.code, body.retryable), (ErrorCode::StorageUnavailable, true), "{body}");
    assert_eq!(core.hub, before, "rebuilt as it was");
    assert_eq!(core.published.health.state(), State::Failed);
    assert!(core.published.health.reason().starts_with("storage is unavailable"));

    // The link went whatever the disk said; the next commit makes up for it.
    core.apply(&mut Batch::of(vec![Command {
        at: 2,
        origin: Origin::Broker,
        trace: None,
        body: CommandBody::Tick,
    }]));
    assert_eq!(core.published.health.state(), State::Working);
    assert_eq!(link_of_wren(&core), None);
    assert_eq!(core.published.presence.info(&wren()).unwrap().state, AspectState::Offline);
    assert_eq!(storage_alerts(&core), [("writes".to_owned(), 1, false)], "raised, and over");

    // Damage is no matter of the moment: it stays until a broker starts anew.
    for _ in 0..2 {
        let damage = CommandBody::storage_failed(&StoreError::Corrupt("page 7".to_owned()));
        core.apply(&mut Batch::of(vec![Command {
            at: 3,
            origin: Origin::Broker,
            trace: None,
            body: damage,
        }]));
    }
    let damaged = ("damage".to_owned(), 1, true);
    assert_eq!(storage_alerts(&core), [damaged, ("writes".to_owned(), 1, false)]);
    let started = CommandBody::BrokerStarted(HubConfig::default());
    core.apply(&mut Batch::of(vec![Command { at: 4, origin: Origin::Broker, trace: None, body: started }]));
    assert!(storage_alerts(&core).iter().all(|(_, _, is_open)| !is_open));
}

/// wren, who is there, and three people with something to say to her.
struct Team {
    core: Core<MemoryStore>,
    wren: Arc<Peer>,
    senders: [Arc<Peer>; 3],
}

impl Team {
    fn new() -> Self {
        let mut core = core();
        add_wren(&mut core);
        let wren = peer(1);
        core.published.deliver.join(Arc::clone(&wren));
        core.apply(&mut Batch::of(vec![register(wren.link)]));
        let senders = [("ana", 2), ("ben", 3), ("cleo", 4)].map(|(name, number)| {
            let token = token::mint();
            let token_sha256 = token::sha256_hex(&token);
            let add = OperatorAdd { name: name.parse().unwrap(), role: OperatorRole::Operator, token_sha256 };
            call(&mut core, CommandBody::AddOperator { by: Party::System, add }).try_recv().unwrap().unwrap();
            let identity = core.published.directory.token(&token::digest(&token), 0).unwrap();
            let sender = Arc::new(Peer::new(LinkId(Uuid::from_u128(number)), identity));
            core.published.deliver.join(Arc::clone(&sender));
            sender
        });
        assert_eq!(sent(&wren), [("registered", None)]);
        Self { core, wren, senders }
    }

    /// The first `count` of them say it, in one batch.
    fn say(&mut self, count: usize) {
        let at = self.core.intake.now();
        let say = |sender: &Arc<Peer>| to_wren(sender, at, RequestId(sender.link.0), "look");
        let commands = self.senders.iter().take(count).map(say).collect();
        self.core.apply(&mut Batch::of(commands));
    }

    /// How many writes that takes.
    fn writes_of(count: usize) -> u64 {
        let mut team = Self::new();
        let before = team.core.store.writes();
        team.say(count);
        team.core.store.writes() - before
    }

    /// Everything the store holds of what they do.
    fn rows(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let store = &self.core.store;
        let (log, threads) = (store.log(0, None, 100).unwrap(), store.threads(None, None, 100).unwrap());
        (store.snapshot().unwrap(), log, threads, store.inbox(&wren(), 0, 100).unwrap())
    }

    fn answers(&self) -> [Vec<(&'static str, Option<ErrorCode>)>; 3] {
        self.senders.each_ref().map(|sender| sent(sender))
    }
}

fn to_wren(sender: &Peer, at: Ms, request: RequestId, content: &str) -> Command {
    message(sender, "wren", at, request, content)
}

fn message(sender: &Peer, to: &str, at: Ms, request: RequestId, content: &str) -> Command {
    let send = ChatSend { to: vec![to.into()], content: content.to_owned(), ..ChatSend::default() };
    let body = CommandBody::Request {
        sender: sender.identity.party.clone(),
        link: None,
        request,
        change: Change::ChatSend(send.into()),
    };
    let origin = Origin::Link { link: sender.link, request: Some(request) };
    Command { at, origin, trace: None, body }
}

/// It goes into no inbox.
fn to_nobody(sender: &Peer, at: Ms, request: u128) -> Command {
    message(sender, "cleo", at, RequestId(Uuid::from_u128(1_000 + request)), "look")
}

/// What waits to be written to a link: kinds of frames, and why they refuse what was asked.
fn sent(peer: &Peer) -> Vec<(&'static str, Option<ErrorCode>)> {
    let mut frames = VecDeque::new();
    match peer.outbox.poll_take(&Context::from_waker(Waker::noop()), &mut frames) {
        Poll::Ready(Work::Frames) => {
            frames.iter().map(|out| (out.kind().expect("a frame"), out.refusal())).collect()
        }
        Poll::Ready(work @ (Work::Roster(_) | Work::Active(_) | Work::Close(_))) => panic!("{work:?}"),
        Poll::Pending => Vec::new(),
    }
}

#[test]
fn a_write_that_fails_in_the_middle_of_a_batch_takes_back_what_was_before_it() {
    let (first, second) = (Team::writes_of(1), Team::writes_of(2));
    assert!(first > 1 && second > first + 1, "{first} and {second} writes have a middle");
    for n in first + 1..=second {
        let mut team = Team::new();
        let (hub, rows, head) = (team.core.hub.clone(), team.rows(), *team.core.published.head.borrow());

        team.core.store.fail_nth_write(n);
        team.say(3);
        assert_eq!(team.answers(), [[("error", Some(ErrorCode::StorageUnavailable))]; 3], "write {n}");
        assert_eq!(sent(&team.wren), [], "write {n}");
        assert_eq!(team.core.hub, hub, "write {n}");
        assert_eq!(team.rows(), rows, "write {n}");
        assert_eq!(*team.core.published.head.borrow(), head, "write {n}");
        assert_eq!(team.core.published.health.state(), State::Failed);

        // They ask once more, and there is room again.
        team.say(3);
        assert_eq!(team.answers(), [[("ok", None)]; 3], "write {n}");
        assert_eq!(sent(&team.wren), [("deliver", None); 3], "write {n}");
        assert_eq!(team.core.hub, Hub::rebuild(&team.core.store, HubConfig::default()).unwrap());
        assert_eq!(team.core.published.health.state(), State::Working);
        assert_eq!(storage_alerts(&team.core), [("writes".to_owned(), 1, false)]);
    }
}

#[test]
fn what_meets_damage_takes_nobody_along_for_ever() {
    let mut team = Team::new();
    team.say(1);
    let add = AspectAdd {
        name: "robin".parse().unwrap(),
        role: AspectRole::Worker,
        public_key: KEY.into(),
        share_knowledge: false,
    };
    call(&mut team.core, CommandBody::AddAspect { by: Party::System, add }).try_recv().unwrap().unwrap();
    let down = CommandBody::LinkDown { aspect: wren(), link: team.wren.link, generation: 1 };
    let ack = CommandBody::Ack { aspect: wren(), link: team.wren.link, offset: 1 };
    team.core.store.damage_inbox(Some(wren()));
    team.core.apply(&mut Batch::of([ack, down].map(by_broker).into()));

    // The acknowledgement is left undone, and what does not need the damaged part was done at once.
    assert_eq!(team.core.again, []);
    assert_eq!(link_of_wren(&team.core), None);
    assert_eq!(team.core.published.presence.info(&wren()).unwrap().state, AspectState::Offline);
    assert_eq!(storage_alerts(&team.core), [("damage".to_owned(), 1, true)]);
    let cursor = team.core.hub.roster().aspect(&wren()).map(|record| (record.tail, record.cursor));
    assert_eq!(cursor, Some((1, 0)));
    assert_eq!(team.core.hub, Hub::rebuild(&team.core.store, HubConfig::default()).unwrap());
    assert_eq!(*team.core.published.head.borrow(), team.core.hub.log_seq());

    // Others go on, and only they.
    let sender = Arc::clone(&team.senders[1]);
    let at = team.core.intake.now();
    let to_robin = message(&sender, "robin", at, RequestId(Uuid::from_u128(9)), "look");
    team.core.apply(&mut Batch::of(vec![to_robin]));
    assert_eq!(sent(&sender), [("ok", None)]);
    assert_eq!(team.core.published.health.state(), State::Working);
    team.say(2);
    assert_eq!(sent(&sender), [("error", Some(ErrorCode::StorageUnavailable))]);
    assert_eq!(team.core.published.health.state(), State::Failed);
}

#[test]
fn what_is_due_and_meets_damage_takes_others_along_only_once() {
    let mut team = Team::new();
    let ana = Arc::clone(&team.senders[0]);
    let hand = HandSpec { name: "look".parse().unwrap(), ..HandSpec::own(Vec::new()) };
    let with_hand = peer(5);
    team.core.published.deliver.join(Arc::clone(&with_hand));
    let mut register = register(with_hand.link);
    let CommandBody::Register { register: profile, .. } = &mut register.body else { panic!("{register:?}") };
    (profile.hands, profile.slots) = (vec![hand], 1);
    team.core.apply(&mut Batch::of(vec![register]));
    let hand: HandRef = "wren/look".parse().unwrap();
    let dispatch = Dispatch { deadline_s: Some(1), ..Dispatch::to(hand, json!({})) };
    let body = CommandBody::Request {
        sender: ana.identity.party.clone(),
        link: None,
        request: RequestId(Uuid::from_u128(50)),
        change: Change::Dispatch(dispatch.into()),
    };
    call(&mut team.core, body).try_recv().unwrap().unwrap();
    assert_eq!(sent(&with_hand), [("registered", None), ("deliver", None)]);

    // The worker is to be told that its time is over.
    team.core.store.damage_inbox(Some(wren()));
    let tick =
        |core: &Core<MemoryStore>| Command { at: core.intake.now() + 60_000, ..by_broker(CommandBody::Tick) };
    let say = |core: &Core<MemoryStore>, n| to_nobody(&ana, core.intake.now(), n);
    let batch = vec![tick(&team.core), say(&team.core, 1)];
    team.core.apply(&mut Batch::of(batch));
    assert_eq!(sent(&ana), [("error", Some(ErrorCode::StorageUnavailable))]);
    for n in 2..4 {
        let batch = vec![say(&team.core, n), tick(&team.core), say(&team.core, n + 10)];
        team.core.apply(&mut Batch::of(batch));
        assert_eq!(sent(&ana), [("ok", None); 2]);
        team.core.set_timer();
        assert_eq!(*team.core.timer.borrow(), Some(team.core.tick_after));
        assert!(team.core.tick_after > team.core.intake.now(), "what is due is not tried all the time");
    }
    assert_eq!(storage_alerts(&team.core), [("damage".to_owned(), 1, true)]);

    team.core.store.damage_inbox(None);
    let batch = vec![tick(&team.core)];
    team.core.apply(&mut Batch::of(batch));
    assert_eq!(sent(&with_hand), [("deliver", None)]);
    team.core.set_timer();
    assert_eq!((team.core.tick_after, *team.core.timer.borrow()), (0, team.core.hub.next_timer()));
}

#[test]
fn the_time_of_the_log_does_not_run_back() {
    let mut team = Team::new();
    let sender = Arc::clone(&team.senders[0]);
    let at = team.core.intake.now();
    let commands = [60_000, 0, 30_000].map(|later| to_nobody(&sender, at + later, later as u128));
    team.core.apply(&mut Batch::of(commands.into()));
    let log = team.core.store.log(0, None, 100).unwrap();
    assert!(log.is_sorted_by_key(|entry| entry.at), "{log:?}");
    assert_eq!(log.last().map(|entry| entry.at), Some(at + 60_000));
}

#[test]
fn a_batch_of_which_much_is_pushed_is_committed_in_parts() {
    const MESSAGES: usize = 100;
    let mut team = Team::new();
    let sender = Arc::clone(&team.senders[0]);
    let at = team.core.intake.now();
    let content = "x".repeat(700_000);
    let say = |n: usize| to_wren(&sender, at, RequestId(Uuid::from_u128(1_000 + n as u128)), &content);
    let commands = (0..MESSAGES).map(say).collect();
    let commits = |core: &Core<MemoryStore>| {
        let text = core.published.meter.text(&Reading::default()).unwrap();
        let count = text.lines().find_map(|it| it.strip_prefix("nexus_commit_commands_count "));
        count.and_then(|it| it.parse::<u64>().ok()).expect("it is counted")
    };
    let before = commits(&team.core);
    team.core.apply(&mut Batch::of(commands));
    assert_eq!(commits(&team.core) - before, 2);
    assert_eq!(sent(&sender), [("ok", None); MESSAGES]);
    let last = team.core.hub.roster().aspect(&wren()).map(|record| record.tail);
    assert_eq!(last, Some(MESSAGES as u64));

    // What fails takes along what was left for the next.
    team.core.store.fail_next_commit();
    let commands = (MESSAGES..2 * MESSAGES).map(say).collect();
    team.core.apply(&mut Batch::of(commands));
    assert_eq!(sent(&sender), [("error", Some(ErrorCode::StorageUnavailable)); MESSAGES]);
}

#[tokio::test]
async fn what_comes_in_while_a_batch_is_applied_is_committed_or_fails_with_it() {
    let (mut core, sequencer) = core_and_way_in();
    let add = |name: &str, digit: &str| {
        let name = name.parse().unwrap();
        let add = OperatorAdd { name, role: OperatorRole::Admin, token_sha256: digit.repeat(64) };
        CommandBody::AddOperator { by: Party::System, add }
    };
    for (name, digits, is_down) in [("ana", ["1", "2"], true), ("ben", ["3", "4"], false)] {
        if is_down {
            core.store.fail_next_commit();
        }
        let (late, mut late_answer) = core.published.deliver.call();
        sequencer.submit(late, add(&format!("{name}-late"), digits[0]), 0).await.unwrap();
        let mut answer = call(&mut core, add(name, digits[1]));
        let codes = [answer.try_recv().unwrap(), late_answer.try_recv().unwrap()]
            .map(|answer| answer.err().map(|body| body.code));
        assert_eq!(codes, [is_down.then_some(ErrorCode::StorageUnavailable); 2]);
    }
    let names: Vec<String> = core.hub.roster().operators().map(|it| it.name.to_string()).collect();
    assert_eq!(names, ["ben", "ben-late"]);
}

#[test]
fn a_registration_whose_link_has_gone_is_taken_back() {
    let mut core = core();
    add_wren(&mut core);
    let (gone, never) = (peer(1), peer(2));
    core.published.deliver.join(Arc::clone(&gone));
    assert_eq!(core.published.deliver.leave(&gone), None);
    for link in [gone.link, never.link] {
        core.apply(&mut Batch::of(vec![register(link)]));
        assert_eq!(link_of_wren(&core), None);
    }
    let there = peer(3);
    core.published.deliver.join(Arc::clone(&there));
    core.apply(&mut Batch::of(vec![register(there.link)]));
    assert_eq!(link_of_wren(&core), Some(there.link));
    let seat = Seat { aspect: wren(), generation: 3 };
    assert_eq!(core.published.deliver.leave(&there), Some(seat));
}

#[test]
fn what_lets_somebody_in_is_published_before_it_is_answered() {
    let mut core = core();
    let token = token::mint();
    let add = OperatorAdd {
        name: "ana".parse().unwrap(),
        role: OperatorRole::Viewer,
        token_sha256: token::sha256_hex(&token),
    };
    let answer = call(&mut core, CommandBody::AddOperator { by: Party::System, add }).try_recv().unwrap();
    assert!(matches!(answer, Ok(FromBroker::Ok(_))), "{answer:?}");
    let gate_token = token::digest(&token);
    assert!(core.published.directory.token(&gate_token, 0).is_some());
}

#[test]
fn a_long_outage_holds_one_acknowledgement_for_each_link() {
    let ack = |link: u128, offset| {
        let link = LinkId(Uuid::from_u128(link));
        Command {
            at: 0,
            origin: Origin::Broker,
            trace: None,
            body: CommandBody::Ack { aspect: wren(), link, offset },
        }
    };
    let kept = latest(vec![ack(1, 1), ack(2, 5), ack(1, 2), ack(1, 3)]);
    assert_eq!(kept, [ack(2, 5), ack(1, 3)]);
}

#[test]
fn the_core_finishes_what_was_submitted_before_the_stop() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = MemoryStore::new();
    let hub = Hub::rebuild(&store, HubConfig::default()).unwrap();
    let published = Arc::new(Published::of(&hub, Patience::default(), Clock::start(0)));
    let (sequencer, intake) = sequencer(Clock::start(0));
    let (core, _due) = Core::new(store, hub, HubConfig::default(), intake, Arc::clone(&published));
    let answers: Vec<Receiver<Answer>> = runtime.block_on(async {
        let mut answers = Vec::new();
        for number in 0..3 {
            let add = OperatorAdd {
                name: format!("o{number}").parse().unwrap(),
                role: OperatorRole::Admin,
                token_sha256: format!("{number:064x}"),
            };
            let (origin, answer) = published.deliver.call();
            let body = CommandBody::AddOperator { by: Party::System, add };
            sequencer.submit(origin, body, 100_000).await.unwrap();
            answers.push(answer);
        }
        sequencer.stop().await;
        answers
    });
    let late = published.deliver.call();
    runtime.block_on(sequencer.submit(late.0, CommandBody::Tick, 0)).unwrap();
    let store = std::thread::spawn(move || core.run()).join().unwrap();
    for mut answer in answers {
        assert!(answer.try_recv().unwrap().is_ok());
    }
    assert_eq!(crate::hub::records::Reads::operators(&store).unwrap().len(), 3);
    let mut late = late.1;
    assert!(late.try_recv().is_err(), "it is told that no answer comes");
    assert!(runtime.block_on(sequencer.ask(|_| ())).is_err());
}

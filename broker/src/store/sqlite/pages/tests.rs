#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the one variant it expects")]

use std::path::Path;

use nexus_wire::admin::{AspectAdd, OperatorAdd, OperatorRole};
use nexus_wire::audit::{AuditEntry, AuditList};
use nexus_wire::chat::ChatSend;
use nexus_wire::roster::AspectRole;
use nexus_wire::{Ms, RequestId};

use super::*;
use crate::hub::records::Transaction;
use crate::hub::{Change, Command, CommandBody, Effect, Hub, HubConfig, Origin};
use crate::store::page::SCAN_MAX;
use crate::store::sqlite::{Options, SqliteStore, audit};

const SCAN: u64 = 10;

/// A hub, and the database it keeps everything in. Each command is an entry.
struct World {
    store: SqliteStore,
    hub: Hub,
    at: i64,
}

impl World {
    fn new(dir: &Path) -> Self {
        let store = SqliteStore::open(&dir.join("nexus.db"), Options::default()).unwrap();
        let hub = Hub::rebuild(&store, HubConfig::default()).unwrap();
        let mut world = Self { store, hub, at: 0 };
        for (name, digit) in [("ana", "a"), ("bo", "b")] {
            let add = OperatorAdd {
                name: name.parse().unwrap(),
                role: OperatorRole::Operator,
                token_sha256: digit.repeat(64),
            };
            world.apply(CommandBody::AddOperator { by: Party::System, add });
        }
        let add = AspectAdd {
            name: "forge".parse().unwrap(),
            role: AspectRole::Worker,
            public_key: format!("{}1A", "A".repeat(41)),
            share_knowledge: true,
        };
        world.apply(CommandBody::AddAspect { by: Party::System, add });
        world
    }

    fn apply(&mut self, body: CommandBody) {
        self.at += 1;
        let command = Command { at: self.at, origin: Origin::Call(1), trace: None, body };
        self.store.begin().unwrap();
        let effects = self.hub.apply(&mut self.store, command).unwrap();
        self.store.commit().unwrap();
        for effect in effects {
            if let Effect::Answer { answer, .. } = effect {
                assert!(answer.is_ok(), "{answer:?}");
            }
        }
    }

    fn say(&mut self, by: &str, content: &str) {
        let send = ChatSend { to: vec!["forge".into()], content: content.to_owned(), ..ChatSend::default() };
        let request = RequestId(Uuid::from_u128(0x7000 + self.at.unsigned_abs() as u128));
        let (sender, change) = (by.parse().unwrap(), Change::ChatSend(send.into()));
        self.apply(CommandBody::Request { sender, link: None, request, change });
    }

    /// Little of one operator among much of the other.
    fn talk(&mut self) {
        for (said, others) in [("first", 40), ("second", 25), ("last", 5)] {
            self.say("operator/ana", said);
            for _ in 0..others {
                self.say("operator/bo", "something else");
            }
        }
    }

    /// What is found from the beginning to the end of the log, and where the stretches ended in between.
    fn log(&self, filter: &LogFilter) -> (Vec<LogEntry>, Vec<u64>) {
        let (mut after, mut all, mut ends) = (0, Vec::new(), Vec::new());
        loop {
            let read = log(&self.store.connection, &self.store, after, filter, 3, SCAN);
            let Stretch { found, next } = read.unwrap();
            all.extend(found);
            let Some(next) = next else { return (all, ends) };
            assert!(after < next && next <= after + SCAN, "from {after} to {next}");
            ends.push(next);
            after = next;
        }
    }

    /// The same of the trail, from the end to the beginning.
    fn trail(&self, wanted: &AuditList, limit: u32, scan: u64) -> (Vec<AuditEntry>, Vec<u64>) {
        let (mut wanted, mut all, mut ends) = (wanted.clone(), Vec::new(), Vec::new());
        loop {
            let Stretch { found, next } = audit::list(&self.store.connection, &wanted, limit, scan).unwrap();
            assert!(found.len() <= limit as usize);
            all.extend(found);
            let Some(next) = next else { return (all, ends) };
            assert!(wanted.before.is_none_or(|before| next < before && before - next <= scan));
            ends.push(next);
            wanted.before = Some(next);
        }
    }
}

fn of(by: Option<&str>, kind: &str) -> LogFilter {
    LogFilter { by: by.map(|by| by.parse().unwrap()), kinds: vec![kind.to_owned()], ..LogFilter::default() }
}

fn contents(entries: Vec<LogEntry>) -> Vec<String> {
    let content = |entry: LogEntry| match entry.body {
        LogBody::Message(message) => message.content,
        other => panic!("{other:?}"),
    };
    entries.into_iter().map(content).collect()
}

#[test]
fn a_look_through_the_log_that_finds_little_comes_back_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.talk();
    let newest = world.hub.log_seq();
    let every_ten: Vec<u64> = (SCAN..newest).step_by(SCAN as usize).collect();
    let (found, ends) = world.log(&of(Some("operator/ana"), MESSAGE));
    assert_eq!(
        (contents(found), ends),
        (["first", "second", "last"].map(str::to_owned).into(), every_ten.clone())
    );
    let nothing = of(None, "reacted");
    assert_eq!(world.log(&nothing), (Vec::new(), every_ten));
    assert_eq!(world.log(&of(Some("operator/bo"), MESSAGE)).0.len(), 70);
    let all = world.log(&LogFilter::default()).0;
    assert_eq!(all.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=newest).collect::<Vec<_>>());
}

#[test]
fn a_look_back_over_the_trail_that_finds_little_comes_back_in_between() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    world.talk();
    let newest = world.hub.log_seq();
    let (all, ends) = world.trail(&AuditList::default(), 1_000, u64::MAX);
    assert_eq!(all.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=newest).rev().collect::<Vec<_>>());
    assert!(ends.is_empty(), "all of it at once");
    let by_ana = AuditList { by: Some("operator/ana".parse().unwrap()), ..AuditList::default() };
    let (found, ends) = world.trail(&by_ana, 3, SCAN);
    let expected: Vec<AuditEntry> =
        all.iter().filter(|it| Some(&it.actor) == by_ana.by.as_ref()).cloned().collect();
    assert_eq!((found, expected.len()), (expected, 3));
    assert_eq!(ends.len() as u64, (newest - 1) / SCAN);
    let nothing = AuditList { kind: Some("reacted".into()), ..AuditList::default() };
    let (found, ends) = world.trail(&nothing, 3, SCAN);
    assert_eq!((found.len(), ends.len() as u64), (0, (newest - 1) / SCAN));

    // What is older or younger than is wanted is not looked at.
    let times = [
        (None, Some(4)),
        (Some(50), None),
        (Some(20), Some(31)),
        (Some(31), Some(20)),
        (Some(Ms::MIN), Some(Ms::MAX)),
        (Some(1_000), None),
    ];
    for (since, until) in times {
        let is_between =
            |at: Ms| since.is_none_or(|since| at >= since) && until.is_none_or(|until| at < until);
        let expected: Vec<AuditEntry> = all.iter().filter(|it| is_between(it.at)).cloned().collect();
        let looks = expected.len() / SCAN as usize;
        let (found, ends) = world.trail(&AuditList { since, until, ..AuditList::default() }, 50, SCAN);
        assert_eq!(found, expected, "from {since:?} to {until:?}");
        assert!(ends.len() <= looks, "from {since:?} to {until:?}: {ends:?}");
    }
}

#[test]
fn a_long_message_counts_as_many_entries() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path());
    while world.hub.log_seq() % SCAN != 4 {
        world.say("operator/bo", "short");
    }
    world.say("operator/bo", &"long ".repeat(5_000));
    let long = world.hub.log_seq();
    for _ in 0..10 {
        world.say("operator/bo", "short");
    }
    let (_, ends) = world.log(&of(Some("operator/ana"), MESSAGE));
    assert!(ends.contains(&long), "{ends:?}");
    let by_ana = AuditList { by: Some("operator/ana".parse().unwrap()), ..AuditList::default() };
    let (_, ends) = world.trail(&by_ana, 3, SCAN);
    assert!(ends.contains(&long), "{ends:?}");
}

#[test]
fn one_read_looks_at_so_many_entries_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("nexus.db"), Options::default()).unwrap();
    let sql = "WITH RECURSIVE n (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < ?1)
        INSERT INTO log (seq, at, kind, actor, subject, content_sha256, hash)
        SELECT seq, seq, 'x', 'system', 'y', zeroblob(32), zeroblob(32) FROM n";
    store.connection.execute(sql, [to_number(SCAN_MAX + 5)]).unwrap();
    let nothing = of(None, "nothing");
    let log = |from_seq| store.log_where(from_seq, &nothing, 256).unwrap();
    assert_eq!(log(0), Stretch { found: Vec::new(), next: Some(SCAN_MAX) });
    assert_eq!(log(SCAN_MAX), Stretch { found: Vec::new(), next: None });
    let trail = |before| {
        let wanted = AuditList { kind: Some("nothing".into()), before, ..AuditList::default() };
        store.audit_where(&wanted, 3).unwrap()
    };
    assert_eq!(trail(None), Stretch { found: Vec::new(), next: Some(6) });
    assert_eq!(trail(Some(6)), Stretch { found: Vec::new(), next: None });
}

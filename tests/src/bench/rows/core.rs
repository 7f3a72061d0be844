//! The core by itself, in this process and without a socket: how many commands the hub applies in memory, and how
//! much the database's log grows with a message. The second is the same on every machine.

use std::path::{Path, PathBuf};

use nexus_broker::hub::records::{Reads, Transaction};
use nexus_broker::hub::{Change, Command, CommandBody, Effect, Effects, Hub, HubConfig, Origin};
use nexus_broker::store::{MemoryStore, Options, SqliteStore};
use nexus_client::KeyFile;
use nexus_wire::admin::{AspectAdd, OperatorAdd, OperatorRole};
use nexus_wire::chat::ChatSent;
use nexus_wire::roster::{AspectRole, Register};
use nexus_wire::{AspectName, EpochId, FromBroker, LinkId, Ms, Party, RequestId, ThreadId};
use uuid::Uuid;

use crate::clock::{now, unix_ms};
use crate::fault::{Doing as _, Fault, Outcome};
use crate::report::Samples;
use crate::rows::durable::message;
use crate::template::fresh_id;

/// Whom messages go to, each in a thread of its own.
const RECIPIENTS: usize = 50;
/// Commands of one commit.
const BATCH: usize = 64;
/// Messages of one measurement.
const MESSAGES: usize = 64_000;

pub(crate) fn round(dir: &Path, samples: &mut Samples, share: f64) -> Outcome<()> {
    let messages = (MESSAGES as f64 * share) as usize;
    let mut core = Core::new(MemoryStore::default())?;
    let commands = core.commands(messages);
    let count = commands.len();
    let begun = now();
    core.apply(commands)?;
    samples.add("hub-apply", count as f64 / begun.elapsed().as_secs_f64(), None);
    samples.add("wal-bytes", wal_bytes(dir, messages / 10)?, None);
    Ok(())
}

/// Applies messages and acknowledgements to a database, and nothing else: for a profiler.
pub(crate) fn exercise(dir: &Path, messages: usize) -> Outcome<()> {
    let mut core = Core::new(database(dir)?)?;
    let commands = core.commands(messages);
    core.apply(commands)
}

fn database(dir: &Path) -> Outcome<SqliteStore> {
    std::fs::create_dir_all(dir).doing("make a directory for a database")?;
    SqliteStore::open(&dir.join("nexus.db"), Options::default()).doing("open a database")
}

/// Bytes appended to the write-ahead log for each message, acknowledgements left out.
fn wal_bytes(dir: &Path, messages: usize) -> Outcome<f64> {
    let dir = dir.join(format!("core-{}", fresh_id()));
    let mut core = Core::new(database(&dir)?)?;
    let wal = Wal { index: dir.join("nexus.db-shm") };
    let (mut frames, mut count) = (0, 0);
    while count < messages {
        let before = wal.frames()?;
        let sends: Vec<Command> = (0..BATCH).map(|_| core.send()).collect();
        count += sends.len();
        core.batch(sends)?;
        let after = wal.frames()?;
        // It begins anew once it has been copied into the database.
        frames += if after >= before { after - before } else { after };
    }
    drop(core);
    std::fs::remove_dir_all(&dir).doing("remove a database")?;
    Ok(frames as f64 * Wal::FRAME_BYTES / count as f64)
}

/// SQLite's own account of its log, in the file that its connections share.
struct Wal {
    index: PathBuf,
}

impl Wal {
    /// A page and its head.
    const FRAME_BYTES: f64 = 4096.0 + 24.0;
    /// Where the number of frames stands in the index.
    const COUNT_AT: usize = 16;

    fn frames(&self) -> Outcome<u64> {
        let bytes = std::fs::read(&self.index).doing(format!("read {}", self.index.display()))?;
        let count = bytes.get(Self::COUNT_AT..).and_then(|rest| rest.first_chunk());
        Ok(u64::from(u32::from_ne_bytes(*count.doing("find the length of SQLite's log")?)))
    }
}

/// A hub with aspects that are registered, and threads in which an operator writes to each.
struct Core<S> {
    hub: Hub,
    store: S,
    at: Ms,
    sender: Party,
    threads: Vec<(AspectName, LinkId, Option<ThreadId>)>,
    next: usize,
}

impl<S: Transaction + Reads> Core<S> {
    fn new(store: S) -> Outcome<Self> {
        let config = HubConfig::default();
        let hub = Hub::rebuild(&store, config.clone()).doing("make a hub")?;
        let at = Ms::try_from(unix_ms()).unwrap_or_default();
        let operator = "ana";
        let sender = format!("operator/{operator}").parse().doing("name an operator")?;
        let mut core = Self { hub, store, at, sender, threads: Vec::new(), next: 0 };
        let name = operator.parse().doing("name an operator")?;
        let token_sha256 = "00".repeat(32);
        let operator = OperatorAdd { name, role: OperatorRole::Admin, token_sha256 };
        let mut commands = vec![
            core.command(CommandBody::BrokerStarted(config)),
            core.command(CommandBody::AddOperator { by: Party::System, add: operator }),
        ];
        for number in 0..RECIPIENTS {
            let name: AspectName = format!("peer-{number}").parse().doing("name an aspect")?;
            let key = KeyFile::generate(name.clone(), Uuid::nil(), "http://localhost".into(), None);
            let add = AspectAdd {
                name: name.clone(),
                role: AspectRole::Worker,
                public_key: key.doing("make a key")?.public_key.clone(),
                share_knowledge: false,
            };
            commands.push(core.command(CommandBody::AddAspect { by: Party::System, add }));
            let link = LinkId(fresh_id().0);
            commands.push(core.command(CommandBody::Register {
                aspect: name.clone(),
                link,
                key_generation: 1,
                register: Register::default(),
                new_epoch: EpochId(fresh_id().0),
            }));
            core.threads.push((name, link, None));
        }
        core.batch(commands)?;
        for number in 0..RECIPIENTS {
            let opening = core.send();
            let opened = core.batch(vec![opening])?.into_iter().find_map(|effect| {
                let Effect::Answer { answer: Ok(FromBroker::Ok(json)), .. } = effect else { return None };
                json.parse::<ChatSent>().ok().map(|sent| sent.thread)
            });
            core.threads[number].2 = Some(opened.doing("open a thread")?);
        }
        Ok(core)
    }

    fn command(&self, body: CommandBody) -> Command {
        Command { at: self.at, origin: Origin::Broker, trace: None, body }
    }

    /// The next message, to the next recipient.
    fn send(&mut self) -> Command {
        let (name, _, thread) = &self.threads[self.next % RECIPIENTS];
        self.next += 1;
        let request = RequestId(fresh_id().0);
        let body = CommandBody::Request {
            sender: self.sender.clone(),
            link: None,
            request,
            change: Change::ChatSend(message(vec![name.to_string()], *thread).into()),
        };
        let origin = Origin::Link { link: LinkId(request.0), request: Some(request) };
        Command { at: self.at, origin, trace: None, body }
    }

    /// Messages, and after each round of them an acknowledgement from every recipient.
    fn commands(&mut self, messages: usize) -> Vec<Command> {
        let mut commands = Vec::with_capacity(2 * messages);
        let mut offset = 1;
        for number in 0..messages {
            commands.push(self.send());
            if (number + 1) % RECIPIENTS == 0 {
                offset += 1;
                for (aspect, link, _) in &self.threads {
                    let body = CommandBody::Ack { aspect: aspect.clone(), link: *link, offset };
                    commands.push(self.command(body));
                }
            }
        }
        commands
    }

    fn apply(&mut self, commands: Vec<Command>) -> Outcome<()> {
        let mut rest = commands.into_iter();
        loop {
            let some: Vec<Command> = rest.by_ref().take(BATCH).collect();
            if some.is_empty() {
                return Ok(());
            }
            self.batch(some)?;
        }
    }

    fn batch(&mut self, commands: Vec<Command>) -> Outcome<Vec<Effect>> {
        self.store.begin().doing("begin a batch")?;
        let mut effects = Effects::with_room(4 * commands.len());
        for command in commands {
            self.hub.apply_to(&mut effects, &mut self.store, command).doing("apply a command")?;
        }
        let effects = effects.into_all();
        self.store.commit().doing("commit a batch")?;
        self.store.settle();
        let refused = effects.iter().find(|it| matches!(it, Effect::Answer { answer: Err(_), .. }));
        match refused {
            Some(refused) => Err(Fault::new("apply a command", format!("{refused:?}"))),
            None => Ok(effects),
        }
    }
}

//! A whole run: everything is started once, then rounds in which each figure and its yardstick take turns.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::broker::{Member, Nexus, Variant};
use super::child::{Process, free_addr};
use super::fault::{Doing as _, Outcome};
use super::machine::{Machine, said_by};
use super::report::figures::{FIGURES, Figure};
use super::report::{Report, Samples, lines};
use super::rows::{
    asleep, core, durable, fanout, hands, idle, register, relay, replay, send, session, start, stuck, tls,
    triggers,
};
use super::{jetstream, nats, redis};

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) nexus: PathBuf,
    pub(crate) nats: Option<PathBuf>,
    pub(crate) redis: Option<PathBuf>,
    /// Why a yardstick is not among them.
    pub(crate) missing: BTreeMap<String, String>,
    /// Where databases and logs go: on the disk that is to be measured.
    pub(crate) dir: PathBuf,
    pub(crate) rounds: u32,
    /// How long one throughput is taken for.
    pub(crate) length: Duration,
    /// Items of a replay.
    pub(crate) items: u64,
    /// Names of figures or groups; none: all.
    pub(crate) rows: Vec<String>,
    pub(crate) commit: String,
}

impl Settings {
    fn is_wanted(&self, figure: &Figure) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| row == figure.name || row == figure.group)
    }

    fn wants(&self, group: &str) -> bool {
        FIGURES.iter().any(|figure| figure.group == group && self.is_wanted(figure))
    }
}

#[derive(Debug)]
pub(crate) struct Echo {
    pub(crate) addr: SocketAddr,
    #[expect(dead_code, reason = "stops the server when dropped")]
    process: Process,
}

/// Everything that runs while rounds are made.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) dir: PathBuf,
    pub(crate) nexus: Nexus,
    pub(crate) echo: Echo,
    pub(crate) nats: Option<nats::Server>,
    pub(crate) redis: Option<redis::Server>,
    pub(crate) members: Vec<Member>,
    /// Subjects of JetStream used so far; each lane has its own.
    pub(crate) subjects: u64,
    /// Likewise, of names on the broker with TLS.
    pub(crate) tls_members: u64,
}

/// Aspects write to each other without end, the same words.
const TALKATIVE: Variant<'static> =
    Variant { tls: false, env: &["NEXUS_THREADS_LOOP_MESSAGES=0", "NEXUS_THREADS_LOOP_IDENTICAL=0"] };

impl Stage {
    async fn set(settings: &Settings, addr: SocketAddr) -> Outcome<Self> {
        let dir = settings.dir.clone();
        let echo = {
            let addr = free_addr()?;
            let program = std::env::current_exe().doing("find nexus-bench")?;
            let arguments = ["echo".to_owned(), addr.to_string()];
            let mut process = Process::start("echo", &program, &arguments, &dir)?;
            process.wait_ready(Duration::from_secs(10), || std::net::TcpStream::connect(addr).ok())?;
            Echo { addr, process }
        };
        let nats = settings.nats.as_deref().map(|program| nats::Server::start(program, &dir)).transpose()?;
        if let Some(server) = &nats {
            jetstream::create_stream(server.addr).await?;
        }
        let redis =
            settings.redis.as_deref().map(|program| redis::Server::start(program, &dir)).transpose()?;
        let nexus = Nexus::start_as(TALKATIVE, &settings.nexus, &dir.join("data"), addr, &dir).await?;
        let members = nexus.add_members("peer", durable::LINKS).await?;
        Ok(Self { dir, nexus, echo, nats, redis, members, subjects: 0, tls_members: 0 })
    }
}

/// A run under way.
struct Run<'a> {
    settings: &'a Settings,
    tell: &'a dyn Fn(&str),
    samples: Samples,
    failed: BTreeSet<&'static str>,
    /// Brokers of their own, from the first round that needs them.
    workshop: Option<hands::Workshop>,
    audience: Option<[fanout::Audience; 2]>,
}

impl Run<'_> {
    /// Whether a group is to be measured; one that failed is not tried again.
    fn is_due(&self, group: &'static str) -> bool {
        self.settings.wants(group) && !self.failed.contains(group)
    }

    fn note(&mut self, group: &'static str, outcome: Outcome<()>) {
        if let Err(fault) = outcome {
            (self.tell)(&format!("{group}: {fault}"));
            self.failed.insert(group);
            for figure in FIGURES.iter().filter(|figure| figure.group == group) {
                self.samples.miss(figure.name, &fault);
            }
        }
    }

    async fn rounds(&mut self, stage: &mut Stage) -> Outcome<()> {
        let rounds = self.settings.rounds;
        let mut replaying = Vec::new();
        if self.is_due("replay") {
            (self.tell)("filling a stream for the replay");
            replaying = stage.nexus.add_members("replay", rounds as usize).await?;
            let filled = replay::fill_stream(stage, self.settings.items).await;
            self.note("replay", filled);
        }
        (self.tell)("warming up");
        let kept = std::mem::take(&mut self.samples);
        self.round(stage, self.settings.length / 4, 0.25).await;
        let warm = std::mem::replace(&mut self.samples, kept);
        self.samples.keep_missing(warm);
        for round in 0..rounds {
            (self.tell)(&format!("round {} of {rounds}", round + 1));
            self.round(stage, self.settings.length, 1.0).await;
            if self.is_due("replay")
                && let Some(member) = replaying.get_mut(round as usize)
            {
                let outcome = replay::round(stage, member, &mut self.samples, self.settings.items).await;
                self.note("replay", outcome);
            }
        }
        Ok(())
    }

    async fn round(&mut self, stage: &mut Stage, length: Duration, share: f64) {
        if self.is_due("relay") {
            let outcome = relay::round(stage, &mut self.samples, length).await;
            self.note("relay", outcome);
        }
        if self.is_due("send") {
            let outcome = send::round(stage, &mut self.samples, share).await;
            self.note("send", outcome);
        }
        if self.is_due("durable") {
            let outcome = durable::round(stage, &mut self.samples, length).await;
            self.note("durable", outcome);
        }
        if self.is_due("stuck") {
            let outcome = stuck::round(stage, &mut self.samples, length).await;
            self.note("stuck", outcome);
        }
        if self.is_due("tls") {
            let outcome = tls::round(stage, &self.settings.nexus, &mut self.samples, length).await;
            self.note("tls", outcome);
        }
        if self.is_due("hands") {
            let outcome = self.hands(stage, length).await;
            self.note("hands", outcome);
        }
        if self.is_due("fanout") {
            let outcome = self.fanout(length).await;
            self.note("fanout", outcome);
        }
        if self.is_due("core") {
            let outcome = core::round(&stage.dir, &mut self.samples, share);
            self.note("core", outcome);
        }
    }

    async fn hands(&mut self, stage: &mut Stage, length: Duration) -> Outcome<()> {
        let mut workshop = match self.workshop.take() {
            Some(workshop) => workshop,
            None => hands::Workshop::open(&self.settings.nexus, &self.settings.dir).await?,
        };
        let outcome = hands::round(&mut workshop, stage, &mut self.samples, length).await;
        self.workshop = Some(workshop);
        outcome
    }

    async fn fanout(&mut self, length: Duration) -> Outcome<()> {
        let mut audience = match self.audience.take() {
            Some(audience) => audience,
            None => fanout::Audience::gather(&self.settings.nexus, &self.settings.dir).await?,
        };
        let outcome = fanout::round(&mut audience, &mut self.samples, length).await;
        self.audience = Some(audience);
        outcome
    }

    /// What needs a process that has just been started, on the database that the rounds have left.
    async fn fresh_rounds(&mut self, addr: SocketAddr) {
        let settings = self.settings;
        for round in 0..settings.rounds {
            (self.tell)(&format!("fresh processes, round {} of {}", round + 1, settings.rounds));
            if self.is_due("start") {
                let nats = settings.nats.as_deref();
                let outcome = start::round(&settings.nexus, addr, nats, &settings.dir, &mut self.samples);
                self.note("start", outcome);
            }
            if self.is_due("idle") {
                let outcome = self.idle(addr).await;
                self.note("idle", outcome);
            }
        }
    }

    fn sessions(&mut self, addr: SocketAddr) -> Outcome<()> {
        (self.tell)("writing a session of 1 GiB");
        let Settings { nexus, dir, rounds, .. } = self.settings;
        let large = session::Large::write(dir)?;
        let (data, mut idler) = (dir.join("data"), None);
        for round in 0..*rounds {
            (self.tell)(&format!("sessions, round {} of {rounds}", round + 1));
            session::round(&large, &mut idler, (nexus, &data), addr, dir, &mut self.samples)?;
        }
        Ok(())
    }

    async fn idle(&mut self, addr: SocketAddr) -> Outcome<()> {
        let Settings { nexus, dir, .. } = self.settings;
        let nexus = Nexus::start(nexus, &dir.join("data"), addr, dir).await?;
        idle::round(&nexus, &mut self.samples).await
    }

    async fn crowd(&mut self) -> Outcome<()> {
        (self.tell)("gathering a crowd of aspects");
        let mut crowd = register::Crowd::gather(&self.settings.nexus, &self.settings.dir).await?;
        for _ in 0..self.settings.rounds {
            crowd.round(&mut self.samples).await?;
        }
        Ok(())
    }
}

/// Makes the run. What cannot be measured is said in the report; an error means that there is none.
pub(crate) async fn run(settings: &Settings, tell: &dyn Fn(&str)) -> Outcome<Report> {
    let machine = Machine::look(&settings.dir);
    let mut run = Run {
        settings,
        tell,
        samples: Samples::default(),
        failed: BTreeSet::new(),
        workshop: None,
        audience: None,
    };
    let addr = free_addr()?;
    {
        let mut stage = Stage::set(settings, addr).await?;
        run.rounds(&mut stage).await?;
    }
    (run.workshop, run.audience) = (None, None);
    run.fresh_rounds(addr).await;
    if run.is_due("session") {
        let outcome = run.sessions(addr);
        run.note("session", outcome);
    }
    if run.is_due("register") {
        let outcome = run.crowd().await;
        run.note("register", outcome);
    }
    for round in 0..settings.rounds {
        if run.is_due("triggers") {
            tell(&format!("triggers, round {} of {}", round + 1, settings.rounds));
            let outcome = triggers::round(&settings.nexus, &settings.dir, round, &mut run.samples).await;
            run.note("triggers", outcome);
        }
        if run.is_due("asleep") {
            tell(&format!("triggers slept over, round {} of {}", round + 1, settings.rounds));
            let outcome = asleep::round(&settings.nexus, &settings.dir, round, &mut run.samples).await;
            run.note("asleep", outcome);
        }
    }
    Ok(Report {
        commit: settings.commit.clone(),
        date: said_by(Command::new("date").args(["-u", "+%Y-%m-%d"])),
        rounds: settings.rounds,
        machine,
        versions: versions(settings),
        missing_yardsticks: settings.missing.clone(),
        lines: lines(&run.samples, |figure| settings.is_wanted(figure)),
    })
}

fn versions(settings: &Settings) -> BTreeMap<String, String> {
    // `redis-server` says v=7.0.15, `nats-server` v2.15.1.
    let version = |program: &Path| {
        let said = said_by(Command::new(program).arg("--version"));
        let bare = |word: &str| word.trim_start_matches("v=").trim_start_matches('v').to_owned();
        let mut words = said.split_whitespace().map(bare);
        let found = words.find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
        found.unwrap_or_else(|| "unknown".to_owned())
    };
    let programs = [
        ("nexus", Some(&settings.nexus)),
        ("nats-server", settings.nats.as_ref()),
        ("redis-server", settings.redis.as_ref()),
    ];
    programs.into_iter().filter_map(|(name, path)| Some((name.to_owned(), version(path?)))).collect()
}

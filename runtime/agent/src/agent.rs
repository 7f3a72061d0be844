//! Runs one aspect: opens its home, keeps its link, and hands what arrives to sessions and Hands until told to stop.
//!
//! `owner` holds all state of the process and is the only one to change it; sessions (`worker`) and Hands
//! (`crate::hands`) are tasks that own what they work on and talk to the owner by messages.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nexus_client::{Broker, KeyFile, Session, install_crypto};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::cli::{Exit, RunOptions, Unfit};
use crate::home::Home;
use crate::outbox::Room;
use crate::provider::Via;
use crate::tools::Claims;
use crate::trace::Teller;
use crate::uplink::{self, Books, Opened, Uplink};
use crate::watches;
use drive::Stage;
use files::Keys;
use gate::Gate;
use kit::Bench;
use owner::{Channels, Fatal, Left, Manner, Owner};
use parent::Parent;

mod aside;
mod asking;
mod clock;
mod closing;
mod compact;
mod compacting;
mod condense;
mod depth;
mod drive;
mod files;
mod gate;
mod hearing;
mod judging;
mod kit;
mod ledger;
mod mail;
mod marks;
mod observer;
mod outcomes;
mod owner;
mod parent;
mod pause;
mod project;
pub(crate) mod prompt;
mod recall;
mod record;
mod round;
mod running;
mod seats;
mod sift;
mod tasks;
mod telling;
mod worker;

pub(crate) use clock::Clock;
pub(crate) use compact::Compactor;
pub(crate) use condense::job;
pub(crate) use drive::{Drive, Finish, Outside, Stop, Surroundings};
pub(crate) use gate::Said;
pub(crate) use kit::{Kit, Kits};
pub(crate) use ledger::Ledger;
pub(crate) use observer::Observer;
pub(crate) use record::Record;
pub(crate) use worker::Shared;

const NEWS_MAX: usize = 256;
const WORKERS: usize = 2;
/// Of posts that wait for the broker.
const OUTBOX_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Turns of sessions at work at the same time.
const TURNS_MAX: usize = 16;

/// Runs the aspect until it is told to stop, or cannot go on.
pub fn run(options: RunOptions) -> Result<Exit, Box<dyn Error>> {
    install_crypto();
    let home = Home::load(&options.home, variable).map_err(Unfit::because)?;
    let held = home.hold()?;
    let keyfile = KeyFile::load(&home.keyfile_path()).map_err(Unfit::because)?;
    if keyfile.name != home.settings.name {
        return Err(Unfit::because(format_args!(
            "{} is the key of {}, and aspect.json names {}; make them the same",
            home.keyfile_path().display(),
            keyfile.name,
            home.settings.name
        ))
        .into());
    }
    // Turns wait more than they compute; a thread for each core would cost memory for nothing.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let ended = runtime.block_on(serve(options, home, keyfile));
    // Blocking work that is still on its way has nobody to tell any more.
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(held);
    ended.map_err(|error| error as Box<dyn Error>)
}

/// Of the environment this process was started with.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn serve(options: RunOptions, home: Home, keyfile: KeyFile) -> Result<Exit, Fatal> {
    let url = keyfile.url.clone();
    let dir = home.dir.clone();
    let parent = Parent::new(options.with_parent)?;
    let posts_max = usize::try_from(home.settings.budgets.outbox_posts).unwrap_or(usize::MAX);
    let room = Room { posts: posts_max, bytes: OUTBOX_BYTES_MAX };
    let Opened { books, items, posts } = Books::open(&dir, options.durability, room)?;
    let broker = Broker::of_keyfile(keyfile.clone())?.renewed_from(home.keyfile_path());
    let via = Via::of(&keyfile, broker.clone());
    let ledger = Ledger::open(&dir, options.durability, Timestamp::now())?;
    let session = Session::start(broker.clone());
    let caller = session.caller();
    let (line, line_end) = uplink::line();
    let (claim, claims) = mpsc::channel(NEWS_MAX);
    let (posted, posts_done) = mpsc::channel(NEWS_MAX);
    let (stop, stops) = watch::channel(Stage::Running);
    let (generation, generations) = watch::channel(0);
    let (team, teams) = watch::channel(Vec::new());
    let (spending, gate) = Gate::new();
    tokio::spawn(uplink::serve(caller.clone(), line_end));
    let courier = tokio::spawn(uplink::carry_posts(caller, books.clone(), posted));
    let name = home.settings.name.clone();
    let teller = Teller::of(&home.settings);
    let claims_of_tools = Claims { claims: claim, waiting: None };
    let bench = Bench {
        home: dir.clone(),
        env: variable,
        via,
        broker: broker.clone(),
        line: line.clone(),
        claims: claims_of_tools,
        teller: teller.clone(),
    };
    let kits = Arc::new(Kits::new(bench, home).map_err(Unfit::because)?);
    let (rekeyed, keys) = mpsc::channel(1);
    let watching = tokio::spawn(files::follow(dir.clone(), Arc::clone(&kits), Keys { broker, rekeyed }));
    let looking = watches::follow(dir.clone(), Arc::clone(&kits), line, generations.clone());
    let looking = tokio::spawn(looking);
    let (kits_seen, faults) = (kits.subscribe(), kits.faults());
    let channels = Channels { claims, posts_done, stop, generation, team, kits: kits_seen, faults, keys };
    let shared = Arc::new(Shared {
        home: dir,
        name,
        durability: options.durability,
        kits,
        books: books.clone(),
        ledger,
        signals: drive::Signals { stop: drive::Stop(stops), generation: generations, gate },
        team: teams,
        turns: Arc::new(Semaphore::new(TURNS_MAX)),
        open: Arc::default(),
        running: Arc::default(),
    });
    let (servers, uplink) = (Arc::clone(&shared.kits), Uplink::new(session, books, spending));
    let left = Left { items, posts };
    let manner = Manner { url, adopt: options.adopt, grace: options.grace };
    let owner = Owner::new(shared, uplink, channels, manner, left).await?;
    let ended = owner.run(courier, parent).await;
    watching.abort();
    looking.abort();
    servers.current().servers.stop().await;
    teller.stop().await;
    ended
}

#[cfg(test)]
mod tests;

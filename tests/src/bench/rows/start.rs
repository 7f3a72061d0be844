//! From nothing to ready with a database that exists, and what a process holds when it has nothing to do.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::broker::Nexus;
use crate::clock::{now, pause};
use crate::fault::{Doing as _, Outcome};
use crate::nats;
use crate::report::Samples;

const SETTLE: Duration = Duration::from_secs(1);

pub(crate) fn round(
    nexus: &Path,
    addr: SocketAddr,
    nats_server: Option<&Path>,
    dir: &Path,
    samples: &mut Samples,
) -> Outcome<()> {
    let yardstick = match nats_server {
        Some(program) => {
            // An empty store: with streams to recover it takes ten times as long, which would flatter us.
            let empty = dir.join("empty");
            std::fs::create_dir_all(&empty).doing("make a directory for nats-server")?;
            let begun = now();
            let server = nats::Server::start(program, &empty)?;
            let took = begun.elapsed();
            pause(SETTLE);
            let memory = server.process.rss_kib()?;
            server.process.stop();
            Some((took.as_secs_f64() * 1e3, memory))
        }
        None => None,
    };
    let begun = now();
    let process = Nexus::launch(nexus, &dir.join("data"), addr, dir)?;
    let took = begun.elapsed();
    pause(SETTLE);
    samples.add("idle-memory", process.rss_kib()?, yardstick.map(|(_, memory)| memory));
    process.stop();
    samples.add("start", took.as_secs_f64() * 1e3, yardstick.map(|(took, _)| took));
    Ok(())
}

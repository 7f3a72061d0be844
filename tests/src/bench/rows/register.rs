//! A whole crowd of aspects coming at once, as after a restart of the broker.

use std::path::Path;
use std::time::Duration;

use crate::broker::{Member, Nexus, register};
use crate::child::free_addr;
use crate::clock::now;
use crate::fault::{Doing as _, Fault, Outcome};
use crate::flow::together;
use crate::input::IDLE;
use crate::report::Samples;
use crate::ws::Link;

pub(crate) const ASPECTS: usize = 1_000;

/// A broker of its own: a thousand aspects in the roster would show in the other figures.
#[derive(Debug)]
pub(crate) struct Crowd {
    nexus: Nexus,
    members: Vec<Member>,
    generations: Vec<u64>,
}

impl Crowd {
    pub(crate) async fn gather(program: &Path, dir: &Path) -> Outcome<Self> {
        let nexus = Nexus::start(program, &dir.join("crowd"), free_addr()?, dir).await?;
        let members = nexus.add_members("crowd", ASPECTS).await?;
        let generations = vec![0; members.len()];
        Ok(Self { nexus, members, generations })
    }

    pub(crate) async fn round(&mut self, samples: &mut Samples) -> Outcome<()> {
        let addr = self.nexus.addr;
        let mut bearers = Vec::with_capacity(self.members.len());
        for (member, generation) in self.members.iter().zip(&self.generations) {
            bearers.push((member.bearer().await?, *generation));
        }
        let begun = now();
        let registered = together(bearers, Duration::from_secs(60), move |(bearer, generation)| async move {
            let mut link = Link::dial(addr, "/connect", Some(&bearer), IDLE).await?;
            let registered = register(&mut link, generation).await?;
            Ok((link, registered.generation))
        })
        .await
        .doing(format!("register {ASPECTS} aspects"))?;
        let took = begun.elapsed().as_secs_f64();
        self.generations = registered.iter().map(|(_, generation)| *generation).collect();
        let online = self.nexus.online().await?;
        if online != ASPECTS {
            return Err(Fault::new("register a crowd", format!("{online} of {ASPECTS} are online")));
        }
        samples.add("register-1000", took, None);
        Ok(())
    }
}

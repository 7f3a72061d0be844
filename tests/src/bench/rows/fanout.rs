//! One aspect streams and a thousand operators watch: as the broker is, and writing each frame by itself.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use nexus_wire::TurnId;
use nexus_wire::log::Subscribe;
use nexus_wire::observe::ObserveBegin;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::broker::{Member, Nexus, Variant, ask};
use crate::child::free_addr;
use crate::clock::now;
use crate::fault::{Doing as _, Fault, Outcome};
use crate::report::Samples;
use crate::rows::relay::{OBSERVE, event};
use crate::template::{Template, fresh_id};
use crate::ws::Link;

const WATCHERS: u64 = 1_000;
/// Frames under way to each of them.
const WINDOW: u64 = 128;
/// A watcher reads what so many frames need, at most.
const BUFFER: usize = 32 * 1024;
const PATIENCE: Duration = Duration::from_secs(15);
const EACH: Variant<'static> = Variant { tls: false, env: &["NEXUS_LINKS_FLUSH_EACH=true"] };

#[derive(Debug)]
pub(crate) struct Audience {
    nexus: Nexus,
    member: Member,
}

impl Audience {
    pub(crate) async fn gather(program: &Path, dir: &Path) -> Outcome<[Self; 2]> {
        let one = Self::of(Variant::default(), program, dir, "fanout").await?;
        Ok([one, Self::of(EACH, program, dir, "fanout-each").await?])
    }

    async fn of(variant: Variant<'_>, program: &Path, dir: &Path, name: &str) -> Outcome<Self> {
        let nexus = Nexus::start_as(variant, program, &dir.join(name), free_addr()?, dir).await?;
        let member = nexus.add_members("speaker", 1).await?.pop().doing("let an aspect in")?;
        Ok(Self { nexus, member })
    }

    /// Deliveries a second.
    async fn rate(&mut self, length: Duration) -> Outcome<f64> {
        let (mut aspect, _) = self.member.register(&self.nexus).await?;
        let turn = TurnId(fresh_id().0);
        let begin = ObserveBegin { turn, thread: None, message: None, dispatch: None };
        let text = nexus_wire::envelope::encode(
            &nexus_wire::Envelope::default(),
            &nexus_wire::ToBroker::from(begin),
        );
        aspect.send(&Template::fixed(&text)).await?;
        let got = Rc::new((Cell::new(0), Notify::new()));
        let mut watchers = JoinSet::new();
        for _ in 0..WATCHERS {
            let mut link = self.nexus.operator_link(BUFFER).await?;
            ask(&mut link, Subscribe { observe: true, ..Subscribe::default() }.into()).await?;
            watchers.spawn_local(watch(link, Rc::clone(&got)));
        }
        let mut template = event(turn);
        let (mut sent, mut out) = (0, Vec::new());
        let begun = now();
        while begun.elapsed() < length || got.0.get() < sent * WATCHERS {
            let room = WINDOW - (sent - got.0.get() / WATCHERS).min(WINDOW);
            if begun.elapsed() < length && room >= WINDOW / 2 {
                out.clear();
                (sent..sent + room).for_each(|n| template.append_counted(n, &mut out));
                sent += room;
                aspect.send(&out).await?;
            }
            tokio::select! {
                () = got.1.notified() => {}
                Some(ended) = watchers.join_next() => ended.doing("run a watcher")??,
                () = tokio::time::sleep(PATIENCE) => {
                    let missing = sent * WATCHERS - got.0.get();
                    return Err(Fault::new("pass frames on", format!("{missing} never arrived")));
                }
            }
        }
        Ok(got.0.get() as f64 / begun.elapsed().as_secs_f64())
    }
}

async fn watch(mut link: Link, got: Rc<(Cell<u64>, Notify)>) -> Outcome<()> {
    loop {
        link.fill().await?;
        let before = got.0.get();
        while let Some(text) = link.next()? {
            got.0.set(got.0.get() + u64::from(text.starts_with(OBSERVE)));
        }
        if got.0.get() > before {
            got.1.notify_one();
        }
        link.answer_pings().await?;
    }
}

pub(crate) async fn round(
    audience: &mut [Audience; 2],
    samples: &mut Samples,
    length: Duration,
) -> Outcome<()> {
    let [together, each] = audience;
    let each = each.rate(length).await?;
    samples.add("fanout-1000", together.rate(length).await?, Some(each));
    Ok(())
}

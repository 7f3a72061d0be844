//! `nexctl logs`: what happened, and what happens.

use std::collections::VecDeque;

use nexus_client::{Client, Follow, Followed};
use nexus_wire::audit::AuditList;
use nexus_wire::envelope::push;
use nexus_wire::frame::FromBroker;
use nexus_wire::log::{LogEntry, Subscribe};
use nexus_wire::observe::Observed;
use nexus_wire::{AspectName, ThreadId};

use crate::failure::Failure;
use crate::ui::{Outage, Shape, Tone};
use crate::{Run, cli, ids};
use lines::{Streams, concerns, line};

mod lines;

const TAIL_DEFAULT: usize = 20;
/// How far back the last lines of one aspect or thread are looked for.
const LOOKED_AT: u64 = 5_000;

pub(crate) async fn logs(run: &Run, logs: cli::Logs) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let thread = run.within(ids::optional(&mut client, logs.thread.as_ref(), ids::thread)).await??;
    let head = run.within(newest(&mut client, None)).await??;
    let (from, tail) = match logs.since {
        Some(since) => {
            let before = Some(since.ms(run.now(), &run.zone));
            (run.within(newest(&mut client, before)).await??, logs.tail.unwrap_or(usize::MAX))
        }
        None => {
            let tail = logs.tail.unwrap_or(TAIL_DEFAULT);
            let is_all = logs.aspect.is_none() && thread.is_none();
            let looked_at = if is_all { u64::try_from(tail).unwrap_or(u64::MAX) } else { LOOKED_AT };
            (head.saturating_sub(looked_at), tail)
        }
    };
    // From now on where nothing of what was is wanted.
    let from = if tail == 0 { head } else { from };
    // Every entry is asked for: that of `head` says that all before it have come.
    let subscribe = Subscribe { from_seq: Some(from), observe: logs.follow, ..Subscribe::default() };
    let mut reading =
        Reading { run, aspect: logs.aspect, thread, streams: Streams::default(), outage: Outage::default() };
    let done = async {
        let mut follow = client.follow(subscribe).await?;
        if from < head {
            reading.recorded(&mut follow, head, tail).await?;
        }
        if logs.follow { reading.on(&mut follow).await } else { Ok(()) }
    };
    let done = tokio::select! {
        done = done => done,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    for line in reading.streams.left() {
        run.ui.result_line(&line)?;
    }
    done
}

/// The latest entry of the log before a time; 0 where there is none.
async fn newest(client: &mut Client, until: Option<i64>) -> Result<u64, Failure> {
    let page = client.call(AuditList { until, limit: Some(1), ..AuditList::default() }).await?;
    Ok(page.entries.first().map_or(0, |entry| entry.seq))
}

struct Reading<'a> {
    run: &'a Run,
    aspect: Option<AspectName>,
    thread: Option<ThreadId>,
    streams: Streams,
    outage: Outage,
}

impl Reading<'_> {
    /// Entries up to `head`, the last `tail` of those that are wanted.
    async fn recorded(&mut self, follow: &mut Follow, head: u64, tail: usize) -> Result<(), Failure> {
        let mut kept: VecDeque<Box<LogEntry>> = VecDeque::new();
        loop {
            let seen = match self.next_entry(follow, head).await? {
                Some(entry) => {
                    let seq = entry.seq;
                    if seq <= head && self.is_wanted(&entry) {
                        kept.push_back(entry);
                        if kept.len() > tail {
                            kept.pop_front();
                        }
                    } else if seq > head {
                        kept.push_back(entry);
                    }
                    seq
                }
                None => head,
            };
            if seen >= head {
                break;
            }
        }
        for entry in kept {
            self.show(&entry)?;
        }
        Ok(())
    }

    /// The next entry; none where those up to `head` cannot be had.
    async fn next_entry(&mut self, follow: &mut Follow, head: u64) -> Result<Option<Box<LogEntry>>, Failure> {
        loop {
            match follow.next().await? {
                Followed::Log(entry) => return Ok(Some(entry)),
                Followed::Gap(gap) if gap.to >= head => return Ok(None),
                Followed::Observed(observed) => self.observed(&observed)?,
                Followed::Activity(_)
                | Followed::Gap(_)
                | Followed::Lost { .. }
                | Followed::ObserveGap(_)
                | Followed::Reconnected
                | Followed::Roster(_) => {}
            }
        }
    }

    async fn on(&mut self, follow: &mut Follow) -> Result<(), Failure> {
        loop {
            match follow.next().await? {
                Followed::Log(entry) => self.show(&entry)?,
                Followed::Observed(observed) => self.observed(&observed)?,
                Followed::Gap(gap) => {
                    self.run
                        .ui
                        .note(Tone::Warning, &format!("entries {} to {}: {}", gap.from, gap.to, gap.reason));
                }
                Followed::ObserveGap(gap) => {
                    let missed = format!("some of what {} streamed is missed: {}", gap.aspect, gap.reason);
                    self.run.ui.note(Tone::Dim, &missed);
                }
                Followed::Lost { .. } => self.outage.lost(&self.run.ui),
                Followed::Reconnected => self.outage.over(&self.run.ui),
                Followed::Activity(_) | Followed::Roster(_) => {}
            }
        }
    }

    fn is_wanted(&self, entry: &LogEntry) -> bool {
        let is_in_thread = self.thread.is_none() || entry.thread == self.thread;
        is_in_thread && self.aspect.as_ref().is_none_or(|aspect| concerns(entry, aspect))
    }

    fn show(&self, entry: &LogEntry) -> Result<(), Failure> {
        if !self.is_wanted(entry) {
            return Ok(());
        }
        match self.run.ui.shape() {
            Shape::Data => self.frame(FromBroker::Log(entry.clone())),
            Shape::Text => self.run.ui.result_line(&line(entry, &self.run.zone)),
        }
    }

    fn observed(&mut self, observed: &Observed) -> Result<(), Failure> {
        let is_of_another = self.aspect.as_ref().is_some_and(|aspect| *aspect != observed.aspect);
        if is_of_another || (self.thread.is_some() && observed.thread != self.thread) {
            return Ok(());
        }
        if self.run.ui.shape() == Shape::Data {
            return self.frame(FromBroker::Observe(observed.clone()));
        }
        for line in self.streams.take(observed, self.run.now(), &self.run.zone) {
            self.run.ui.result_line(&line)?;
        }
        Ok(())
    }

    /// As it stands on the wire.
    fn frame(&self, frame: FromBroker) -> Result<(), Failure> {
        let frame: serde_json::Value =
            serde_json::from_str(&push(&frame)).map_err(|error| Failure::Failed(error.to_string()))?;
        self.run.ui.result(&self.run.ui.data_line(&frame)?)
    }
}

//! `nexctl logs`: what happened, and what happens.

use std::collections::{BTreeSet, VecDeque};

use nexus_client::{Client, Follow, Followed};
use nexus_wire::audit::{AuditEntry, AuditList};
use nexus_wire::envelope::push;
use nexus_wire::frame::FromBroker;
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::log::{LogEntry, Subscribe};
use nexus_wire::observe::Observed;
use nexus_wire::{AspectName, Party, ThreadId};

use crate::failure::Failure;
use crate::ui::{Outage, Shape, Tone};
use crate::{Run, cli, ids, near, trail};
use lines::{Streams, concerns, line};

mod lines;

const TAIL_DEFAULT: usize = 20;
/// How far back the last lines are looked for when not all are wanted.
const LOOKED_AT: u64 = 5_000;
/// The one family of kinds that may be followed by its name.
const ALERT: &str = "alert";
/// Kinds that a broker is sure to know: to look out for the first entry of one is no mistake.
const KNOWN: [&str; 11] = [
    ALERT,
    "alert.acknowledged",
    "alert.cleared",
    "alert.raised",
    "dispatch.accepted",
    "dispatch.assigned",
    "dispatch.ended",
    "item.closed",
    "item.taken",
    "message",
    "reacted",
];

pub(crate) async fn logs(run: &Run, logs: cli::Logs) -> Result<(), Failure> {
    let mut client = run.connect().await?;
    let thread = run.within(ids::optional(&mut client, logs.thread.as_ref(), ids::thread)).await??;
    let head = run.within(newest(&mut client, AuditList::default(), 0)).await??;
    let is_narrow = !logs.kind.is_empty() || logs.by.is_some();
    let (from, tail) = match logs.since {
        Some(since) => {
            let until = Some(since.ms(run.now(), &run.zone));
            let before = AuditList { until, ..AuditList::default() };
            (run.within(newest(&mut client, before, 0)).await??, logs.tail.unwrap_or(usize::MAX))
        }
        None => {
            let tail = logs.tail.unwrap_or(TAIL_DEFAULT);
            let is_all = logs.aspect.is_none() && thread.is_none() && !is_narrow;
            let looked_at = if is_all { u64::try_from(tail).unwrap_or(u64::MAX) } else { LOOKED_AT };
            (head.saturating_sub(looked_at), tail)
        }
    };
    // From now on where nothing of what was is wanted.
    let from = if tail == 0 { head } else { from };
    let by = logs.by.as_ref();
    // An aspect and a thread are picked out here, kinds and who did it by the broker. The last entry that it sends of
    // what there is says that all before it have come.
    let last = match is_narrow {
        true => run.within(newest_of(run, &mut client, &logs.kind, by, from)).await??.min(head),
        false => head,
    };
    let subscribe = Subscribe {
        from_seq: Some(from),
        // What streams is of no kind.
        observe: logs.follow && logs.kind.is_empty(),
        kinds: logs.kind,
        by: logs.by.clone(),
        ..Subscribe::default()
    };
    let (streams, outage) = (Streams::default(), Outage::default());
    let mut reading = Reading { run, aspect: logs.aspect, by: logs.by, thread, streams, outage };
    let done = async {
        let mut follow = client.follow(subscribe).await?;
        if from < last {
            reading.recorded(&mut follow, last, tail).await?;
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

/// The latest entry of those that are wanted; 0 where there is none behind `from`.
async fn newest(client: &mut Client, wanted: AuditList, from: u64) -> Result<u64, Failure> {
    Ok(latest(client, wanted, from).await?.map_or(0, |entry| entry.seq))
}

/// However far back it is, but not before `from`.
async fn latest(client: &mut Client, wanted: AuditList, from: u64) -> Result<Option<AuditEntry>, Failure> {
    let mut wanted = AuditList { limit: Some(1), ..wanted };
    loop {
        let page = trail::page(client, wanted.clone()).await?;
        match page.next.filter(|next| page.entries.is_empty() && *next > from) {
            Some(next) => wanted.before = Some(next),
            None => return Ok(page.entries.into_iter().next()),
        }
    }
}

/// The same of these kinds, as they are followed. The trail takes the first word of kinds for all of them; followed,
/// it is none.
async fn newest_of(
    run: &Run,
    client: &mut Client,
    kinds: &[String],
    by: Option<&Party>,
    from: u64,
) -> Result<u64, Failure> {
    if kinds.is_empty() {
        return newest(client, AuditList { by: by.cloned(), ..AuditList::default() }, from).await;
    }
    let mut last = 0;
    for typed in kinds {
        let kind = in_trail(typed);
        let wanted = AuditList { by: by.cloned(), kind: Some(kind.clone()), ..AuditList::default() };
        let Some(entry) = latest(client, wanted, from).await? else {
            note_if_unknown(run, client, typed, &kind).await?;
            continue;
        };
        if entry.kind != kind && kind != ALERT {
            let like = &entry.kind;
            let message =
                format!("{typed:?} is no kind but the first word of some; name each whole, such as {like}");
            return Err(Failure::Usage(message));
        }
        last = last.max(entry.seq);
    }
    Ok(last)
}

/// Which kinds there are only the log can tell, and one that no entry has yet may still come; so it is said and not
/// refused.
async fn note_if_unknown(run: &Run, client: &mut Client, typed: &str, kind: &str) -> Result<(), Failure> {
    let by_anybody = AuditList { kind: Some(kind.to_owned()), ..AuditList::default() };
    if KNOWN.contains(&kind) || newest(client, by_anybody, 0).await? > 0 {
        return Ok(());
    }
    let latest = client.call(AuditList { limit: Some(PAGE_MAX), ..AuditList::default() }).await?;
    let kinds: BTreeSet<&str> = latest.entries.iter().map(|entry| entry.kind.as_str()).collect();
    let hint = near::hint(kind, kinds);
    let among = if hint.ends_with('?') { "" } else { "among the latest entries " };
    run.ui.note(Tone::Warning, &format!("no entry of the kind {typed:?} was found; {among}{hint}"));
    Ok(())
}

/// A body's type, such as `dispatch_ended`, as the audit trail has it.
fn in_trail(kind: &str) -> String {
    if kind.contains('.') { kind.to_owned() } else { kind.replace('_', ".") }
}

struct Reading<'a> {
    run: &'a Run,
    aspect: Option<AspectName>,
    /// The broker picks entries by it; what streams is picked here.
    by: Option<Party>,
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
        let is_of_another = self.aspect.as_ref().is_some_and(|aspect| *aspect != observed.aspect)
            || self.by.as_ref().is_some_and(|by| by.aspect() != Some(&observed.aspect));
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

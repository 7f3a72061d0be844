//! Tells clients how their tasks go on: one task of ours for each address, so that one where nobody answers keeps
//! nobody else waiting.
//!
//! What is told is how the task is when it is told. What the address took is written down before the next is told, so
//! after a crash nothing is left out, and at most the last is said again, under the same id.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use a2a::error_code;
use nexus_outbound::{Bounds, Failure};
use rand::RngExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;
use tracing::Instrument as _;

use super::notice;
use crate::edge::Edge;
use crate::hub::records::{Digest, PushKey, PushRecord};
use crate::hub::{CommandBody, Push, PushEnd};
use crate::listen::a2a::door::Door;
use crate::listen::a2a::fault::Fault;
use crate::listen::a2a::follow::{Closely, Seen, follow};
use crate::task;

/// Whoever takes longer to take a notification has not taken it.
const BOUNDS: Bounds = Bounds { bytes: 4 * 1024, time: Duration::from_secs(10) };
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// The address says that it will never take one again.
const GONE: u16 = 410;

/// Tells everybody who wants to be told, until the broker stops.
pub(crate) async fn tell(edge: Arc<Edge>, mut stop: watch::Receiver<bool>) {
    let mut wanted = edge.published.pushes.subscribe();
    let mut tellers = JoinSet::new();
    let mut running: BTreeMap<PushKey, (u64, AbortHandle)> = BTreeMap::new();
    loop {
        let records = Arc::clone(&wanted.borrow_and_update());
        running.retain(|key, (seq, teller)| {
            let at = records.binary_search_by(|it| it.key.cmp(key)).ok();
            let is_wanted = at.and_then(|at| records.get(at)).is_some_and(|it| it.seq == *seq);
            if !is_wanted {
                teller.abort();
            }
            is_wanted
        });
        for record in records.iter() {
            if running.contains_key(&record.key) {
                continue;
            }
            let teller =
                Teller { edge: Arc::clone(&edge), record: record.clone(), told: record.told, failed: 0 };
            running.insert(record.key.clone(), (record.seq, tellers.spawn(teller.run().in_current_span())));
        }
        tokio::select! {
            () = task::stopped(&mut stop) => return,
            changed = wanted.changed() => if changed.is_err() { return },
            Some(done) = tellers.join_next() => task::ended("what tells a push of A2A", done).await
        }
    }
}

/// Told, or to be told again when it has changed.
enum Round {
    Over,
    /// Something of ours stands in the way; the task is looked for anew.
    Again,
}

struct Teller {
    edge: Arc<Edge>,
    record: PushRecord,
    told: Option<Digest>,
    /// Tries since it was told something last.
    failed: u32,
}

impl Teller {
    async fn run(mut self) {
        while let Round::Again = self.round().await {
            sleep(jittered(PAUSE_MIN)).await;
        }
    }

    async fn round(&mut self) -> Round {
        let PushRecord { key, terms, .. } = &self.record;
        let Some(caller) = self.edge.gate.holder(&key.owner, terms.credential, self.edge.both_clocks())
        else {
            return self.end(PushEnd::Credential).await;
        };
        let Ok(of) = terms.of.parse() else { return self.end(PushEnd::Task).await };
        let door = Arc::new(Door::new(Arc::clone(&self.edge), caller, terms.origin.clone(), of));
        let task = key.task.to_string();
        let mut changes = match follow(&door, &task, Closely::States).await {
            Ok(changes) => changes,
            Err(fault) => return self.missed(&fault).await,
        };
        loop {
            let source = match door.source(&task).await {
                Ok(source) => source,
                Err(fault) => return self.missed(&fault).await,
            };
            let (now, is_end) = (notice::told(&source), source.status().state.is_terminal());
            if self.told == Some(now) && !is_end {
                match changes.recv().await {
                    Some(Seen::Event { .. }) => continue,
                    Some(Seen::Failed(_)) | None => return Round::Again,
                }
            }
            if self.told != Some(now) {
                let sent = match notice::ask(&self.edge, &self.record, self.told, &source) {
                    Ok(ask) => self.edge.pushing.outbound.call(ask, BOUNDS).await,
                    Err(why) => return self.end(PushEnd::GivenUp(why)).await,
                };
                let refused = match sent {
                    Ok(reply) if (200..300).contains(&reply.status) => None,
                    Ok(reply) => Some((format!("it answered {}", reply.status), reply.status == GONE)),
                    Err(failure) => Some((reason(&failure), failure.is_final())),
                };
                if let Some((why, is_final)) = refused {
                    if let Some(end) = self.fail(why, is_final) {
                        return self.end(end).await;
                    }
                    drained(sleep(pause(self.failed)), &mut changes).await;
                    continue;
                }
                self.edge.published.meter.pushed("delivered");
                (self.failed, self.told) = (0, Some(now));
            }
            if !self.write(now, is_end).await {
                return Round::Again;
            }
            if is_end {
                return Round::Over;
            }
        }
    }

    /// Once it was tried often enough, how it ends.
    fn fail(&mut self, why: String, is_final: bool) -> Option<PushEnd> {
        self.failed += 1;
        self.edge.published.meter.pushed("failed");
        let tries = self.edge.pushing.tries;
        tracing::info!(task = %self.record.key.task, failed = self.failed, %why, "a notification was not taken");
        (is_final || self.failed >= tries).then(|| {
            let times = if self.failed == 1 { "once" } else { "several times" };
            PushEnd::GivenUp(format!("{why}, {times}"))
        })
    }

    /// What was taken is written down before anything else is told; `false`: it could not be.
    async fn write(&self, told: Digest, is_end: bool) -> bool {
        let (key, seq) = (self.record.key.clone(), self.record.seq);
        self.edge.call(CommandBody::Push(Push::Told { key, seq, told, is_end }), 0).await.is_ok()
    }

    async fn end(&self, why: PushEnd) -> Round {
        if matches!(why, PushEnd::GivenUp(_)) {
            self.edge.published.meter.pushed("given_up");
        }
        let (key, seq) = (self.record.key.clone(), self.record.seq);
        match self.edge.call(CommandBody::Push(Push::End { key, seq, why }), 0).await {
            Ok(_) => Round::Over,
            Err(_) => Round::Again,
        }
    }

    async fn missed(&self, fault: &Fault) -> Round {
        if fault.code() == error_code::TASK_NOT_FOUND { self.end(PushEnd::Task).await } else { Round::Again }
    }
}

/// Without the address, which may hold a secret of its own.
fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Failed { why, .. } => format!("it could not be reached ({why})"),
        Failure::Slow { seconds, .. } => format!("it took longer than {seconds} s"),
        Failure::Redirects { .. } => "it leads on and on".to_owned(),
        Failure::Client(_) | Failure::Closed { .. } | Failure::Invalid(_) | Failure::NoAddress { .. } => {
            failure.to_string()
        }
    }
}

/// Whoever follows a task has to take what comes, also while it waits; that there was something is enough.
async fn drained(waiting: impl Future<Output = ()>, changes: &mut mpsc::Receiver<Seen>) {
    let taking = async {
        while changes.recv().await.is_some() {}
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = waiting => {}
        () = taking => {}
    }
}

/// Longer after each try that failed, and never for all at the same moment.
fn pause(failed: u32) -> Duration {
    jittered(PAUSE_MIN.saturating_mul(1_u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX)))
}

fn jittered(most: Duration) -> Duration {
    most.min(PAUSE_MAX).mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_have_an_end() {
        for (failed, most) in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (40, 300), (u32::MAX, 300)] {
            let (pause, most) = (pause(failed), Duration::from_secs(most));
            assert!(pause >= most / 2 && pause <= most, "{failed}: {pause:?}");
        }
    }
}

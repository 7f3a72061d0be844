//! Has somebody look at an answer before it is posted, beside the conversation.

use tokio::task::JoinHandle;

use super::aside::{Aside, Remark};
use super::drive::Drive;
use crate::conversation::Block;
use crate::provider::{Charge, Meter, RoundFailed};
use crate::session::Payload;
use crate::turn::judging::VERDICT;
use crate::turn::{Input, Ruling, Turn};

/// Who looks at an answer before it is posted.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    pub(crate) aside: Aside,
    pub(crate) system: String,
}

/// A look at an answer, on its way. Dropping it gives it up.
pub(super) struct Judging {
    asking: JoinHandle<Result<Remark, RoundFailed>>,
    meter: Meter,
}

impl Judging {
    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }
}

impl Drop for Judging {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

impl Drive {
    /// Without anybody to ask, the answer is posted.
    pub(super) fn look_at(&self, turn: &Turn, answer: &str) -> Option<Judging> {
        let Judge { aside, system } = self.judge.clone()?;
        let text = format!("Asked:\n\n{}\n\nThe answer:\n\n{}", quoted(&self.asked(turn)), quoted(answer));
        let deadline = self.clock.deadline();
        let meter = Meter::default();
        let (told, leave) = (meter.clone(), self.signals.gate.leave());
        let asking = tokio::spawn(async move { aside.ask(system, text, deadline, told, leave).await });
        Some(Judging { asking, meter })
    }

    /// What the turn was told, in its order.
    fn asked(&self, turn: &Turn) -> String {
        let mut said: Vec<&str> = Vec::new();
        for entry in self.record.branch().into_iter().rev() {
            if said.len() >= turn.asked() {
                break;
            }
            if let Payload::User(taken) = &entry.payload {
                let texts = taken.content.iter().rev().filter_map(|block| {
                    if let Block::Text { text } = block { Some(text.as_str()) } else { None }
                });
                said.extend(texts);
            }
        }
        said.reverse();
        said.join("\n\n")
    }
}

fn quoted(text: &str) -> String {
    text.lines().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n")
}

/// Why there is none, and what that has cost.
pub(super) async fn remark_of(judging: &mut Option<Judging>) -> Result<Remark, (String, Charge)> {
    let Some(Judging { asking, meter }) = judging else { return std::future::pending().await };
    match asking.await {
        Ok(asked) => asked.map_err(|failed| (failed.to_string(), failed.charge)),
        Err(broken) => Err((broken.to_string(), meter.total())),
    }
}

/// A judge that fails lets the answer pass.
pub(super) fn judged(remark: Result<Remark, (String, Charge)>) -> Input {
    let (remark, ruling) = match remark {
        Ok(remark) => {
            let ruling = Ruling::read(&remark.text);
            (remark, ruling)
        }
        Err((error, charge)) => {
            tracing::warn!(error, "nobody has looked at the answer; it is posted");
            (Remark { charge, ..Remark::default() }, Ruling::Post)
        }
    };
    let entry = remark.entry(VERDICT, ruling.word(), ruling.note());
    Input::Judged { ruling, entry, charge: remark.charge }
}

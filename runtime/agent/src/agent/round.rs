//! One round of a turn with its provider, on its way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::depth::within_depth;
use super::drive::{Drive, Out};
use crate::conversation::{ModelRequest, Origin, ProviderError, ProviderErrorKind, StreamEvent};
use crate::provider::{Answered, Listener, Meter, ProviderKind, RetryPolicy, RoundFailed};
use crate::turn::{Answer, Input, Turn};

const STREAM_EVENTS_MAX: usize = 256;
/// A refusal may come before the broker has told us of the stop, and after it has told us that it is over.
const REFUSED_WAIT: Duration = Duration::from_secs(2);

/// A round with the provider. Dropping it gives it up.
pub(super) struct Round {
    events: mpsc::Receiver<StreamEvent>,
    pub(super) meter: Meter,
    reply: JoinHandle<Result<Answered, RoundFailed>>,
}

impl Drop for Round {
    fn drop(&mut self) {
        self.reply.abort();
    }
}

impl Drive {
    pub(super) fn ask(&mut self, turn: &Turn) -> Round {
        let kind = self.provider.kind();
        let (system, messages) = self.record.conversation(kind != ProviderKind::Scripted);
        let mut request = ModelRequest {
            system: self.system.clone().unwrap_or(system),
            messages,
            tools: self.toolbox.specs_with(&self.session_tools()),
            max_tokens: turn.room().map_or(self.max_tokens, |room| at_most(self.max_tokens, room)),
            origin: Origin { asked: turn.asked(), ..self.origin.clone() },
        };
        request.origin.trace = self.trace.asked(&request);
        let (tell, events) = mpsc::channel(STREAM_EVENTS_MAX);
        let (provider, deadline) = (Arc::clone(&self.provider), self.clock.deadline());
        let meter = Meter::default();
        let leave = Some(self.signals.gate.leave());
        let listener = Listener { events: tell, meter: meter.clone(), leave };
        let reply = tokio::spawn(async move {
            provider.stream_with(request, listener, RetryPolicy::default(), deadline).await
        });
        Round { events, meter, reply }
    }

    /// The stream has ended, so the reply is there.
    pub(super) async fn round_over(&mut self, out: &mut Out) -> Option<Input> {
        let mut round = out.round.take()?;
        self.observer.flush();
        Some(match (&mut round.reply).await {
            Ok(Ok(Answered { mut reply, provider, cost_microusd })) => {
                self.trace.answered(Ok(&reply));
                reply.content.iter_mut().for_each(within_depth);
                Input::Answered(Answer { reply, provider, cost_microusd })
            }
            Ok(Err(failed)) => {
                if let ProviderErrorKind::Stopped(why) = &failed.error.kind {
                    tracing::info!(why, "no model was asked");
                    out.look_at = Some(Instant::now() + REFUSED_WAIT);
                }
                self.trace.answered(Err(&failed.error));
                Input::RoundFailed(failed)
            }
            Err(broken) => {
                let provider = self.provider.kind().name().to_owned();
                let kind = ProviderErrorKind::Invalid(format!("the adapter broke down: {broken}"));
                let charge = round.meter.total();
                Input::RoundFailed(RoundFailed { error: ProviderError { provider, kind }, charge })
            }
        })
    }
}

pub(super) async fn stream_event(round: &mut Option<Round>) -> Option<StreamEvent> {
    match round {
        Some(round) => round.events.recv().await,
        None => std::future::pending().await,
    }
}

fn at_most(most: u32, room: u64) -> u32 {
    u32::try_from(room).map_or(most, |room| most.min(room))
}

//! One round beside the conversation, without tools: whether a message is worth a turn, whether an answer is good.
//! Nothing of what is said there enters the session, and what it costs counts like any other round.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::conversation::{Block, Message, ModelRequest, Origin, Role};
use crate::provider::{Answered, Charge, Leave, Listener, Meter, Provider, RetryPolicy, RoundFailed};
use crate::session::Payload;

/// A verdict is a line.
const TOKENS_MAX: u32 = 512;
const STREAM_EVENTS_MAX: usize = 64;

/// Who is asked, and by whom: the scripted provider plays the rules of a Hand of that name.
#[derive(Clone, Debug)]
pub(crate) struct Aside {
    pub(crate) provider: Arc<Provider>,
    pub(crate) name: &'static str,
    pub(crate) aspect: String,
    pub(crate) thread: Option<String>,
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Remark {
    pub(crate) text: String,
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) charge: Charge,
}

impl Remark {
    /// For the session: what was found, and what it cost.
    pub(crate) fn entry(&self, kind: &str, verdict: &str, reason: &str) -> Payload {
        let Self { model, charge: Charge { usage, cost_microusd }, .. } = self;
        Payload::custom(
            kind,
            json!({
                "verdict": verdict, "reason": reason, "model": model, "usage": usage, "cost_microusd": cost_microusd,
            }),
        )
    }
}

impl Aside {
    /// Dropping the future gives it up.
    pub(crate) async fn ask(
        &self,
        system: String,
        text: String,
        deadline: Option<Instant>,
        meter: Meter,
        leave: Leave,
    ) -> Result<Remark, RoundFailed> {
        let request = ModelRequest {
            system,
            messages: vec![Message { role: Role::User, content: vec![Block::Text { text }] }],
            tools: Vec::new(),
            max_tokens: TOKENS_MAX,
            origin: Origin {
                aspect: self.aspect.clone(),
                hand: Some(self.name.to_owned()),
                thread: self.thread.clone(),
                asked: 1,
                ..Origin::default()
            },
        };
        let (tell, mut events) = mpsc::channel(STREAM_EVENTS_MAX);
        let round = {
            let listener = Listener { events: tell, meter, leave: Some(leave) };
            self.provider.stream_with(request, listener, RetryPolicy::default(), deadline)
        };
        let unheard = async { while events.recv().await.is_some() {} };
        let (reply, ()) = tokio::join!(round, unheard);
        let Answered { reply, provider, cost_microusd } = reply?;
        let texts = reply.content.iter().filter_map(|block| match block {
            Block::Text { text } => Some(text.trim()),
            Block::Thinking { .. } | Block::ToolUse { .. } | Block::ToolResult { .. } => None,
        });
        let text = texts.collect::<Vec<_>>().join("\n");
        let charge = Charge { usage: reply.usage, cost_microusd };
        Ok(Remark { text, provider, model: reply.model, charge })
    }
}

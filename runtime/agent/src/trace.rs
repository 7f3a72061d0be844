//! What is told of turns as spans, with the names of OpenTelemetry's conventions for generative AI; nothing unless a
//! collector was named. What a turn does carries on the trace of what caused it in either case.
//!
//! An item is processed from its taking to its decision; below that is the turn (`invoke_agent`), and below the turn
//! are its rounds with the provider (`chat`) and its calls of tools (`execute_tool`).

use std::collections::HashMap;
use std::sync::Arc;

use nexus_telemetry::{Array, KeyValue, Service, Span, SpanKind, StringValue, Telemetry, Value};
use nexus_wire::TraceContext;
use nexus_wire::inbox::Decision;
use serde_json::json;
use uuid::Uuid;

use crate::conversation::{
    Block, Message, ModelReply, ModelRequest, ProviderError, ProviderErrorKind, Role, StopReason,
};
use crate::home::Settings;
use crate::session::ItemRef;
use crate::turn::{Call, Ending};

/// Of what is said, where that is to be told at all.
const CONTENT_BYTES_MAX: usize = 32 * 1024;

/// Who tells of turns in this process.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    telemetry: Telemetry,
    who: Arc<Who>,
}

#[derive(Debug)]
struct Who {
    aspect: String,
    provider: &'static str,
    model: String,
}

impl Who {
    fn of(settings: &Settings) -> Arc<Self> {
        let (provider, model) = (settings.provider.kind.name(), settings.provider.model.clone());
        Arc::new(Self { aspect: settings.name.to_string(), provider, model })
    }
}

impl Teller {
    pub(crate) fn of(settings: &Settings) -> Self {
        let service = Service {
            name: "nexus-agent",
            version: env!("CARGO_PKG_VERSION"),
            instance: settings.name.to_string(),
            tenant: None,
        };
        Self { telemetry: Telemetry::from_env(&service), who: Who::of(settings) }
    }

    /// The same for other settings.
    pub(crate) fn with(&self, settings: &Settings) -> Self {
        Self { telemetry: self.telemetry.clone(), who: Who::of(settings) }
    }

    /// Sends what is left.
    pub(crate) async fn stop(&self) {
        self.telemetry.shutdown().await;
    }

    /// A turn begins, with the item that caused it.
    pub(crate) fn turn(&self, first: Taken<'_>, hand: Option<&str>) -> TurnTrace {
        let Who { aspect, provider, model } = &*self.who;
        let process = self.process(&first);
        let parent = process.as_ref().map(Span::context).or(first.trace);
        let mut attributes = vec![
            KeyValue::new("gen_ai.operation.name", "invoke_agent"),
            KeyValue::new("gen_ai.provider.name", *provider),
            KeyValue::new("gen_ai.request.model", model.clone()),
            KeyValue::new("gen_ai.agent.name", aspect.clone()),
        ];
        attributes.extend(hand.map(|hand| KeyValue::new("nexus.hand", format!("{aspect}/{hand}"))));
        attributes.extend(first.conversation.clone().map(|it| KeyValue::new("gen_ai.conversation.id", it)));
        let name = match hand {
            Some(hand) => format!("invoke_agent {aspect}/{hand}"),
            None => format!("invoke_agent {aspect}"),
        };
        let turn = self.telemetry.start(name, SpanKind::Internal, parent, attributes);
        let context = turn.as_ref().map(Span::context).or(first.trace).cloned().map(Box::new);
        TurnTrace {
            teller: self.clone(),
            items: process.map(|span| (first.id, span)).into_iter().collect(),
            first: first.id,
            turn,
            context,
            round: None,
            calls: HashMap::new(),
        }
    }

    fn process(&self, taken: &Taken<'_>) -> Option<Span> {
        let attributes = vec![
            KeyValue::new("messaging.system", "nexus"),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.destination.name", self.who.aspect.clone()),
            KeyValue::new("messaging.message.id", taken.id.to_string()),
        ];
        self.telemetry.start(format!("process {}", taken.kind), SpanKind::Consumer, taken.trace, attributes)
    }
}

/// An item that a turn takes.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    pub(crate) id: Uuid,
    pub(crate) kind: &'a str,
    pub(crate) conversation: Option<String>,
    /// The span that caused it.
    pub(crate) trace: Option<&'a TraceContext>,
}

impl<'a> Taken<'a> {
    pub(crate) fn of(item: &'a ItemRef) -> Self {
        Self {
            id: item.id,
            kind: &item.kind,
            conversation: item.thread.map(|thread| thread.to_string()),
            trace: item.trace.as_deref(),
        }
    }
}

/// The spans of one turn; those that are left end with it.
#[derive(Debug)]
pub(crate) struct TurnTrace {
    teller: Teller,
    /// Taken and not decided.
    items: HashMap<Uuid, Span>,
    first: Uuid,
    turn: Option<Span>,
    context: Option<Box<TraceContext>>,
    round: Option<Span>,
    calls: HashMap<String, Span>,
}

impl TurnTrace {
    /// What the turn does is done on account of this.
    pub(crate) fn context(&self) -> Option<&TraceContext> {
        self.context.as_deref()
    }

    pub(crate) fn carried(&self) -> Option<Box<TraceContext>> {
        self.context.clone()
    }

    /// A line of the log written within it names the trace.
    pub(crate) fn log_span(&self) -> tracing::Span {
        match self.context() {
            Some(context) => tracing::info_span!("turn", trace_id = context.trace_text()),
            None => tracing::Span::none(),
        }
    }

    /// A further item joins the turn.
    pub(crate) fn taken(&mut self, taken: &Taken<'_>) {
        if taken.id == self.first || self.items.contains_key(&taken.id) {
            return;
        }
        if let Some(span) = self.teller.process(taken) {
            if let Some(turn) = &mut self.turn {
                turn.link(span.context());
            }
            self.items.insert(taken.id, span);
        }
    }

    pub(crate) fn decided(&mut self, item: Uuid, decision: Decision) {
        if let Some(mut span) = self.items.remove(&item) {
            span.set("nexus.decision", word(decision));
        }
    }

    /// A round with the provider begins. The span it is told as, for a provider that is ours.
    pub(crate) fn asked(&mut self, request: &ModelRequest) -> Option<TraceContext> {
        let Who { provider, model, .. } = &*self.teller.who;
        let attributes = vec![
            KeyValue::new("gen_ai.operation.name", "chat"),
            KeyValue::new("gen_ai.provider.name", *provider),
            KeyValue::new("gen_ai.request.model", model.clone()),
            KeyValue::new("gen_ai.request.max_tokens", i64::from(request.max_tokens)),
        ];
        let mut span = self.teller.telemetry.start(
            format!("chat {model}"),
            SpanKind::Client,
            self.context(),
            attributes,
        );
        if let Some(span) = span.as_mut().filter(|_| self.teller.telemetry.captures_content()) {
            let system = json!([{"type": "text", "content": request.system}]);
            span.set("gen_ai.system_instructions", cut(system.to_string()));
            span.set("gen_ai.input.messages", cut(messages(&request.messages)));
        }
        self.round = span;
        self.round.as_ref().map(Span::context).or_else(|| self.context()).cloned()
    }

    pub(crate) fn answered(&mut self, reply: Result<&ModelReply, &ProviderError>) {
        let Some(mut span) = self.round.take() else { return };
        match reply {
            Ok(reply) => {
                let reason = StringValue::from(stop_word(reply.stop));
                span.set("gen_ai.response.model", reply.model.clone());
                span.set("gen_ai.response.finish_reasons", Value::Array(Array::String(vec![reason])));
                usage(&mut span, reply.usage.input_tokens, reply.usage.output_tokens);
                if self.teller.telemetry.captures_content() {
                    let said = Message { role: Role::Assistant, content: reply.content.clone() };
                    span.set("gen_ai.output.messages", cut(messages(&[said])));
                }
            }
            // The words of a provider may repeat what it was asked.
            Err(error) => span.fail(error_word(&error.kind), "the provider did not answer"),
        }
    }

    /// A tool is called: what it does is done on account of this.
    pub(crate) fn called(&mut self, call: &Call) -> Option<TraceContext> {
        let attributes = vec![
            KeyValue::new("gen_ai.operation.name", "execute_tool"),
            KeyValue::new("gen_ai.tool.name", call.name.clone()),
            KeyValue::new("gen_ai.tool.type", "function"),
            KeyValue::new("gen_ai.tool.call.id", call.id.clone()),
        ];
        let name = format!("execute_tool {}", call.name);
        let Some(mut span) =
            self.teller.telemetry.start(name, SpanKind::Internal, self.context(), attributes)
        else {
            return self.context().cloned();
        };
        if self.teller.telemetry.captures_content() {
            span.set("gen_ai.tool.call.arguments", cut(call.input.to_string()));
        }
        let context = span.context().clone();
        self.calls.insert(call.id.clone(), span);
        Some(context)
    }

    pub(crate) fn returned(&mut self, call: &str, content: &str, is_error: bool) {
        let Some(mut span) = self.calls.remove(call) else { return };
        if self.teller.telemetry.captures_content() {
            span.set("gen_ai.tool.call.result", cut(content.to_owned()));
        }
        if is_error {
            span.fail("tool_error", "the tool says that it failed");
        }
    }

    /// Nothing that is out is wanted any more.
    pub(crate) fn abandoned(&mut self) {
        let out = self.round.take().into_iter().chain(self.calls.drain().map(|(_, span)| span));
        out.for_each(|mut span| span.fail("abandoned", "nobody wants it any more"));
    }

    /// The turn has come to this so far.
    pub(crate) fn ended(&mut self, ending: &Ending) {
        let Some(span) = &mut self.turn else { return };
        let spent = &ending.spent;
        usage(span, spent.usage.input_tokens, spent.usage.output_tokens);
        span.set("nexus.turn.rounds", i64::from(spent.rounds));
        span.set("nexus.decision", word(ending.decision));
        if ending.decision == Decision::Failed {
            span.fail("turn_failed", "the turn has failed");
        }
    }
}

fn usage(span: &mut Span, input: u64, output: u64) {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    span.set("gen_ai.usage.input_tokens", signed(input));
    span.set("gen_ai.usage.output_tokens", signed(output));
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Replied => "replied",
        Decision::Acted => "acted",
        Decision::Silent => "silent",
        Decision::Failed => "failed",
    }
}

fn stop_word(stop: StopReason) -> &'static str {
    match stop {
        StopReason::EndTurn => "end_turn",
        StopReason::ToolUse => "tool_use",
        StopReason::MaxTokens => "max_tokens",
        StopReason::Refusal => "refusal",
    }
}

fn error_word(kind: &ProviderErrorKind) -> &'static str {
    match kind {
        ProviderErrorKind::Auth(_) => "auth",
        ProviderErrorKind::ContextWindow(_) => "context_window",
        ProviderErrorKind::Invalid(_) => "invalid",
        ProviderErrorKind::Overloaded(_) => "overloaded",
        ProviderErrorKind::RateLimit { .. } => "rate_limit",
        ProviderErrorKind::Refused(_) => "refused",
        ProviderErrorKind::Stalled(_) => "stalled",
        ProviderErrorKind::Stopped(_) => "stopped",
        ProviderErrorKind::Transport(_) => "transport",
        ProviderErrorKind::Truncated(_) => "truncated",
    }
}

/// As the conventions have it: roles with parts.
fn messages(said: &[Message]) -> String {
    let part = |block: &Block| match block {
        Block::Text { text } => json!({"type": "text", "content": text}),
        Block::Thinking { text, .. } => json!({"type": "reasoning", "content": text}),
        Block::ToolUse { id, name, input } => {
            json!({"type": "tool_call", "id": id, "name": name, "arguments": input})
        }
        Block::ToolResult { tool_use_id, content, .. } => {
            json!({"type": "tool_call_response", "id": tool_use_id, "response": content})
        }
    };
    let message = |message: &Message| json!({"role": message.role, "parts": message.content.iter().map(part).collect::<Vec<_>>()});
    json!(said.iter().map(message).collect::<Vec<_>>()).to_string()
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(CONTENT_BYTES_MAX));
    text
}

//! Spans for an OpenTelemetry collector, of a process that was told of one by OpenTelemetry's own environment
//! variables. Without them nothing is started, and everything here does nothing.
//!
//! A collector that is slow or gone costs nobody anything but spans: they wait in a bounded queue, and what does not
//! fit is dropped and counted.

mod export;
mod settings;
mod span;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nexus_wire::TraceContext;
use opentelemetry::InstrumentationScope;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

pub use export::Counts;
pub use opentelemetry::trace::SpanKind;
pub use opentelemetry::{Array, KeyValue, StringValue, Value};
pub use span::{Finished, Span};

use export::{Processor, Shared};
use settings::Wanted;

/// Spans that were ended by then still go out.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Who tells the spans.
#[derive(Clone, Debug)]
pub struct Service {
    /// Unless `OTEL_SERVICE_NAME` says otherwise.
    pub name: &'static str,
    pub version: &'static str,
    /// Which of several of that name.
    pub instance: String,
    /// The tenant of a broker that it is, by name.
    pub tenant: Option<String>,
}

/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Telemetry(Option<Arc<Running>>);

struct Running {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    scope: InstrumentationScope,
    processor: Arc<Processor>,
    captures_content: bool,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("is_on", &self.is_on()).finish()
    }
}

impl Telemetry {
    /// Tells nobody anything.
    pub fn off() -> Self {
        Self(None)
    }

    /// As the environment says. Spans go out on this task's runtime.
    pub fn from_env(service: &Service) -> Self {
        let env = |name: &str| std::env::var(name).ok();
        match settings::wanted(env) {
            Wanted::Nothing => Self::off(),
            Wanted::Unusable(why) => {
                tracing::warn!("no spans are exported: {why}");
                Self::off()
            }
            Wanted::Export => match Running::start(service, env) {
                Ok(running) => Self(Some(Arc::new(running))),
                Err(error) => {
                    tracing::warn!(%error, "no spans are exported: the environment's settings cannot be used");
                    Self::off()
                }
            },
        }
    }

    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether what people and models say may stand in spans.
    pub fn captures_content(&self) -> bool {
        self.0.as_ref().is_some_and(|running| running.captures_content)
    }

    /// Begins a span; nothing when this is off. Without a parent it begins a trace.
    pub fn start(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        parent: Option<&TraceContext>,
        attributes: Vec<KeyValue>,
    ) -> Option<Span> {
        let running = self.0.as_ref()?;
        Span::start(&running.tracer, name.into(), kind, parent, attributes)
    }

    /// Tells of a span that is over, under an id that was known before.
    pub fn finished(&self, span: Finished) {
        if let Some(running) = &self.0 {
            running.processor.on_end(span.into_data(running.scope.clone()));
        }
    }

    pub fn counts(&self) -> Counts {
        self.0.as_ref().map(|running| running.processor.counts()).unwrap_or_default()
    }

    /// Sends what is left, for as long as that takes no longer than a moment.
    pub async fn shutdown(&self) {
        let Some(running) = self.0.clone() else { return };
        let stopping =
            tokio::task::spawn_blocking(move || running.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT));
        if let Ok(Err(error)) = stopping.await {
            tracing::debug!(%error, "the last spans are lost");
        }
    }
}

impl Running {
    fn start(
        service: &Service,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let mut resource = Resource::builder()
            .with_attribute(KeyValue::new("service.version", service.version))
            .with_attribute(KeyValue::new("service.instance.id", service.instance.clone()));
        if let Some(tenant) = &service.tenant {
            resource = resource.with_attribute(KeyValue::new("nexus.tenant", tenant.clone()));
        }
        if !settings::names_service(&env) {
            resource = resource.with_service_name(service.name);
        }
        let resource = resource.build();
        let processor = Arc::new(Processor::start(&env, &resource)?);
        let shared = Shared(Arc::clone(&processor));
        let provider =
            SdkTracerProvider::builder().with_span_processor(shared).with_resource(resource).build();
        let scope = InstrumentationScope::builder("nexus").with_version(service.version).build();
        let tracer = provider.tracer_with_scope(scope.clone());
        let captures_content = settings::captures_content(&env);
        Ok(Self { provider, tracer, scope, processor, captures_content })
    }
}

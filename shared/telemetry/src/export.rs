//! From the end of a span to the collector: a bounded queue, counted at both ends.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::{SpanExporter as Otlp, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, OTEL_BSP_MAX_QUEUE_SIZE_DEFAULT, Span, SpanData, SpanExporter,
    SpanProcessor,
};
use tokio::runtime::Handle;

use crate::settings;
use crate::span::FORGOTTEN;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What has become of the spans so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Taken by the collector.
    pub exported: u64,
    /// There was no room for them.
    pub dropped: u64,
    /// The collector did not take them.
    pub failed: u64,
    /// On their way.
    pub waiting: u64,
}

#[derive(Debug, Default)]
struct Counters {
    exported: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    waiting: AtomicUsize,
}

/// The queue; never blocks.
#[derive(Debug)]
pub(crate) struct Processor {
    queue: BatchSpanProcessor,
    room: usize,
    counters: Arc<Counters>,
}

impl Processor {
    pub(crate) fn start(
        env: &impl Fn(&str) -> Option<String>,
        resource: &Resource,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let counters = Arc::new(Counters::default());
        let exporter = Exporter::new(Arc::clone(&counters), env)?;
        let room = settings::queue_size(env, OTEL_BSP_MAX_QUEUE_SIZE_DEFAULT);
        let config = BatchConfigBuilder::default().with_max_queue_size(room).build();
        let mut queue = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        queue.set_resource(resource);
        Ok(Self { queue, room, counters })
    }

    pub(crate) fn counts(&self) -> Counts {
        let Counters { exported, dropped, failed, waiting } = &*self.counters;
        Counts {
            exported: exported.load(Ordering::Relaxed),
            dropped: dropped.load(Ordering::Relaxed),
            failed: failed.load(Ordering::Relaxed),
            waiting: waiting.load(Ordering::Relaxed) as u64,
        }
    }
}

impl Processor {
    pub(crate) fn on_end(&self, span: SpanData) {
        let is_forgotten = span.attributes.iter().any(|attribute| attribute.key.as_str() == FORGOTTEN);
        if is_forgotten || !span.span_context.is_sampled() {
            return;
        }
        let Counters { waiting, dropped, .. } = &*self.counters;
        let taken = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            (waiting < self.room).then_some(waiting + 1)
        });
        match taken {
            Ok(_) => self.queue.on_end(span),
            Err(_) => _ = dropped.fetch_add(1, Ordering::Relaxed),
        }
    }
}

/// The same for the provider, which wants one of its own.
#[derive(Debug)]
pub(crate) struct Shared(pub(crate) Arc<Processor>);

impl SpanProcessor for Shared {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.queue.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.queue.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.queue.shutdown_with_timeout(timeout)
    }
}

/// The library's exporter, on our runtime instead of on its own thread: its HTTP client needs one.
struct Exporter {
    otlp: Arc<Otlp>,
    runtime: Handle,
    counters: Arc<Counters>,
    /// It was said that spans are lost.
    warned: AtomicBool,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its settings may hold a key.
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl Exporter {
    fn new(
        counters: Arc<Counters>,
        env: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        // Some other provider may be there already, and is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // No redirects: they would carry what the headers hold to an address nobody named.
        let mut client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if !settings::is_tls(env) {
            // The machine's certificates take their time to read.
            client = client.tls_certs_only([]);
        }
        if settings::is_here(env) {
            // The proxy that the environment names is for collectors elsewhere.
            client = client.no_proxy();
        }
        let otlp = Otlp::builder().with_http().with_http_client(client.build()?).build()?;
        let runtime = Handle::try_current()?;
        Ok(Self { otlp: Arc::new(otlp), runtime, counters, warned: AtomicBool::new(false) })
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let otlp = Arc::clone(&self.otlp);
        let exporting = self.runtime.spawn(async move { otlp.export(batch).await });
        let exported = exporting.await.unwrap_or(Err(OTelSdkError::AlreadyShutdown));
        let Counters { exported: taken, failed, waiting, .. } = &*self.counters;
        match &exported {
            Ok(()) => _ = taken.fetch_add(count as u64, Ordering::Relaxed),
            Err(error) => {
                failed.fetch_add(count as u64, Ordering::Relaxed);
                if self.warned.swap(true, Ordering::Relaxed) {
                    tracing::debug!(%error, spans = count, "the collector did not take spans");
                } else {
                    tracing::warn!(
                        %error, "the collector does not take spans; they are dropped and counted, and this is said once"
                    );
                }
            }
        }
        waiting.fetch_sub(count, Ordering::Relaxed);
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        // Nothing is on its way before there is a resource.
        if let Some(otlp) = Arc::get_mut(&mut self.otlp) {
            otlp.set_resource(resource);
        }
    }
}

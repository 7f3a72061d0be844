//! The way to a provider through the broker, which holds the key: the address of its proxy, and the aspect's own
//! access token in place of a key.

use nexus_client::{Broker, KeyFile};
use nexus_wire::{CredentialName, TraceContext};
use reqwest::RequestBuilder;

use super::settings::Secret;
use crate::conversation::ProviderErrorKind;

/// The broker learns whose trace a call belongs to. Nobody else does: it would tell a vendor about the rest.
pub(crate) fn traced(request: RequestBuilder, trace: Option<&TraceContext>) -> RequestBuilder {
    let Some(trace) = trace else { return request };
    let request = request.header("traceparent", trace.parent());
    match trace.state() {
        Some(state) => request.header("tracestate", state),
        None => request,
    }
}

#[derive(Clone, Debug)]
pub struct Via {
    broker: Broker,
    url: String,
    ca_pem: Option<String>,
}

impl Via {
    /// `broker` is the one that `keyfile` names.
    pub fn of(keyfile: &KeyFile, broker: Broker) -> Self {
        let url = keyfile.url.trim_end_matches('/').to_owned();
        Self { url, ca_pem: keyfile.ca_pem.clone(), broker }
    }

    /// Where the broker makes the calls of a credential.
    pub(crate) fn base_url(&self, credential: &CredentialName) -> String {
        format!("{}/api/v1/proxy/{credential}", self.url)
    }

    /// The root a broker that speaks TLS is verified by.
    pub(crate) fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref().filter(|_| self.url.starts_with("https:"))
    }

    pub(crate) async fn bearer(&self) -> Result<Secret, ProviderErrorKind> {
        let token = self.broker.bearer().await;
        token.map(|token| Secret::new(token.expose())).map_err(|error| {
            ProviderErrorKind::Transport(format!("the broker gives no access token: {error}"))
        })
    }
}

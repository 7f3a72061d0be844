//! `fetch_url`: a page or a file from the web, as text.
//!
//! A name is looked up once, what it leads to is judged, and the connection goes to just these addresses; every redirect
//! is a new address to judge. Nothing of the agent's is sent along: no keys, no cookies, and no proxy is asked.

use std::time::Duration;

use nexus_outbound::{Allowed, Answer, Failure, Names, Outbound, Url};
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::args::whole;
use super::read::is_binary;
use text::Kind;

mod config;
mod text;

pub use config::FetchConfig;

const USER_AGENT: &str = concat!("nexus-agent/", env!("CARGO_PKG_VERSION"));
const WANTED: &str =
    "text/html, text/plain, text/markdown, application/json, application/xml;q=0.9, */*;q=0.5";

/// Asks servers on the account of one home.
#[derive(Clone, Debug)]
pub struct Fetcher {
    config: FetchConfig,
    outbound: Outbound,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FetchUrl {
    /// An http or https address, without a user or a password in it.
    url: String,
    /// Read at most so many bytes of the answer; never more than the home allows.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    max_bytes: Option<u64>,
}

/// What came back.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Page {
    /// Where it came from in the end.
    url: String,
    status: u16,
    content_type: String,
    text: String,
    /// Bytes that were read.
    bytes: u64,
    /// There is more of it than is shown here.
    truncated: bool,
}

impl super::Shrink for Page {
    fn shrink(&mut self) -> bool {
        self.truncated = true;
        let kept = self.text.floor_char_boundary(self.text.len() / 2);
        self.text.truncate(kept);
        kept > 0
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{url} answers with {kind}, which is no text and is not shown")]
    Binary { url: Url, kind: String },
    #[error("{url} answers compressed ({encoding}), which was not asked for")]
    Encoded { url: Url, encoding: String },
    #[error("argument `url`: {0}")]
    Invalid(String),
    #[error("{0}{hint}", hint = hint(.0))]
    Outbound(#[from] Failure),
    #[error("{url} took longer than {seconds} s")]
    Slow { url: String, seconds: u32 },
    #[error("the text of {url} cannot be made out")]
    Unreadable { url: Url },
}

/// Said where a person could allow it.
fn hint(failure: &Failure) -> &'static str {
    match failure {
        Failure::Closed { .. } => " unless the home names it as fetch.allow_private",
        Failure::Client(_)
        | Failure::Failed { .. }
        | Failure::Invalid(_)
        | Failure::NoAddress { .. }
        | Failure::Redirects { .. }
        | Failure::Slow { .. } => "",
    }
}

impl Fetcher {
    pub fn new(config: FetchConfig) -> Self {
        let allowed = Allowed::new(config.allow_private.iter().cloned());
        Self { config, outbound: Outbound::new(USER_AGENT).allowing(allowed) }
    }

    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { outbound: self.outbound.with_names(names), ..self }
    }

    pub(super) async fn fetch(&self, asked: FetchUrl) -> Result<Page, FetchError> {
        let seconds = self.config.seconds_max;
        let fetched = tokio::time::timeout(Duration::from_secs(seconds.into()), self.page(&asked)).await;
        fetched
            .unwrap_or_else(|_| Err(FetchError::Slow { url: asked.url.chars().take(200).collect(), seconds }))
    }

    async fn page(&self, asked: &FetchUrl) -> Result<Page, FetchError> {
        let bytes_max = u64::from(self.config.bytes_max);
        let bytes_max = asked.max_bytes.map_or(bytes_max, |bytes| bytes.clamp(1, bytes_max));
        let url = self.outbound.parse(&asked.url).map_err(|failure| match failure {
            Failure::Invalid(why) => FetchError::Invalid(why),
            Failure::Client(_)
            | Failure::Closed { .. }
            | Failure::Failed { .. }
            | Failure::NoAddress { .. }
            | Failure::Redirects { .. }
            | Failure::Slow { .. } => FetchError::Outbound(failure),
        })?;
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(WANTED))]);
        let answer = self.outbound.get(url, &headers).await?;
        read(answer, usize::try_from(bytes_max).unwrap_or(usize::MAX)).await
    }
}

async fn read(answer: Answer, bytes_max: usize) -> Result<Page, FetchError> {
    let (url, status) = (answer.url().clone(), answer.status());
    let content_type = answer.header(&CONTENT_TYPE).unwrap_or_default();
    let kind = Kind::of(&content_type);
    let binary = |kind: &str| FetchError::Binary { url: url.clone(), kind: kind.to_owned() };
    if !kind.is_text() {
        return Err(binary(&kind.essence));
    }
    if let Some(encoding) = answer.header(&CONTENT_ENCODING).filter(|it| it != "identity") {
        return Err(FetchError::Encoded { url, encoding });
    }
    let nexus_outbound::Body { bytes: body, truncated } = answer.body(bytes_max).await?;
    let wide = body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff");
    if is_binary(&body) && !wide {
        return Err(binary("bytes that are no text"));
    }
    let bytes = body.len() as u64;
    let read = tokio::task::spawn_blocking(move || text::readable(&kind, &body)).await;
    let text = read.map_err(|_| FetchError::Unreadable { url: url.clone() })?;
    Ok(Page { url: url.into(), status, content_type, text, bytes, truncated })
}

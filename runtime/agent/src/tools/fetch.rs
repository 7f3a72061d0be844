//! `fetch_url`: a page or a file from the web, as text.
//!
//! A name is looked up once, what it leads to is judged, and the connection goes to just these addresses; every redirect
//! is a new address to judge. Nothing of the agent's is sent along: no keys, no cookies, and no proxy is asked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::args::whole;
use super::read::is_binary;
use text::Kind;

mod address;
mod config;
mod names;
mod text;

pub use config::FetchConfig;
pub use names::{Lookup, Names};

const REDIRECTS_MAX: usize = 5;
const URL_BYTES_MAX: usize = 8 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("nexus-agent/", env!("CARGO_PKG_VERSION"));
const WANTED: &str =
    "text/html, text/plain, text/markdown, application/json, application/xml;q=0.9, */*;q=0.5";

/// Asks servers on the account of one home.
#[derive(Clone, Debug)]
pub struct Fetcher {
    config: FetchConfig,
    names: Names,
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
    #[error("no HTTP client could be made: {0}")]
    Client(String),
    #[error("{host}:{port} leads to {address}, {what}; nothing is fetched from there{hint}")]
    Closed { host: String, port: u16, address: IpAddr, what: &'static str, hint: &'static str },
    #[error("{url} answers compressed ({encoding}), which was not asked for")]
    Encoded { url: Url, encoding: String },
    #[error("{url} could not be fetched: {why}")]
    Failed { url: Url, why: String },
    #[error("argument `url`: {0}")]
    Invalid(String),
    #[error("{host} has no address: {why}")]
    NoAddress { host: String, why: String },
    #[error("{url} leads on more than {REDIRECTS_MAX} times")]
    Redirects { url: Url },
    #[error("{url} took longer than {seconds} s")]
    Slow { url: String, seconds: u32 },
}

/// Said where a person could allow it.
const HINT: &str = " unless the home names it as fetch.allow_private";

impl Fetcher {
    pub fn new(config: FetchConfig) -> Self {
        Self { config, names: Names::System }
    }

    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    pub(super) async fn fetch(&self, asked: FetchUrl) -> Result<Page, FetchError> {
        let seconds = self.config.seconds_max;
        let fetched = tokio::time::timeout(Duration::from_secs(seconds.into()), self.follow(&asked)).await;
        fetched
            .unwrap_or_else(|_| Err(FetchError::Slow { url: asked.url.chars().take(200).collect(), seconds }))
    }

    async fn follow(&self, asked: &FetchUrl) -> Result<Page, FetchError> {
        let bytes_max = u64::from(self.config.bytes_max);
        let bytes_max = asked.max_bytes.map_or(bytes_max, |bytes| bytes.clamp(1, bytes_max));
        let mut url = parsed(&asked.url)?;
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.ask(&url).await?;
            match leads_to(&url, &answer)? {
                Some(next) => url = next,
                None => return page(url, answer, usize::try_from(bytes_max).unwrap_or(usize::MAX)).await,
            }
        }
        Err(FetchError::Redirects { url })
    }

    /// One request, to an address that was judged.
    async fn ask(&self, url: &Url) -> Result<Response, FetchError> {
        let (host, addresses) = self.judged(url).await?;
        let client = client(&host, &addresses)?;
        let answer = client.get(url.clone()).header(ACCEPT, WANTED).send().await;
        answer.map_err(|error| failed(url, &error))
    }

    /// The host and where it is, once that is known to be no place to stay away from.
    async fn judged(&self, url: &Url) -> Result<(String, Vec<SocketAddr>), FetchError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url.port_or_known_default().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let addresses = match literal {
            Some(address) => vec![address],
            None => {
                let why = |error: std::io::Error| FetchError::NoAddress {
                    host: host.clone(),
                    why: error.to_string(),
                };
                self.names.addresses(&host).await.map_err(why)?
            }
        };
        if addresses.is_empty() {
            return Err(FetchError::NoAddress { host, why: "nobody knows the name".to_owned() });
        }
        if !self.config.names(&host, port) {
            // One that leads to a closed address among others is not to be trusted with any.
            for address in &addresses {
                if let Some(what) = address::closed(*address) {
                    return Err(FetchError::Closed { host, port, address: *address, what, hint: HINT });
                }
            }
        }
        Ok((host, addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()))
    }
}

fn client(host: &str, addresses: &[SocketAddr]) -> Result<Client, FetchError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(FetchError::Client("no TLS provider is installed".to_owned()));
    }
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(Policy::none())
        .no_proxy()
        .user_agent(USER_AGENT)
        .resolve_to_addrs(host, addresses)
        .build()
        .map_err(|error| FetchError::Client(error.to_string()))
}

fn parsed(text: &str) -> Result<Url, FetchError> {
    let text = text.trim();
    if text.len() > URL_BYTES_MAX {
        return Err(FetchError::Invalid(format!("it has {} bytes; at most {URL_BYTES_MAX}", text.len())));
    }
    let url = Url::parse(text).map_err(|error| {
        FetchError::Invalid(format!("{text:?} is no address ({error}); write https://host/path"))
    })?;
    judged_form(&url).map_err(FetchError::Invalid)?;
    Ok(url)
}

/// What of an address can be judged without looking it up.
fn judged_form(url: &Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{}: only http and https are fetched", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user or a password in it would be sent along; leave it out".to_owned());
    }
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(1..)) if !host.is_empty() => Ok(()),
        (Some(_) | None, Some(_) | None) => Err("it names no server".to_owned()),
    }
}

fn leads_to(url: &Url, answer: &Response) -> Result<Option<Url>, FetchError> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(to) = header(answer.headers(), &LOCATION) else { return Ok(None) };
    let failed = |why: String| FetchError::Failed { url: url.clone(), why };
    let next = url
        .join(&to)
        .map_err(|error| failed(format!("it leads on to {to:?}, which is no address ({error})")))?;
    judged_form(&next)
        .map_err(|why| failed(format!("it leads on to an address that is not followed: {why}")))?;
    Ok(Some(next))
}

async fn page(url: Url, answer: Response, bytes_max: usize) -> Result<Page, FetchError> {
    let status = answer.status().as_u16();
    let content_type = header(answer.headers(), &CONTENT_TYPE).unwrap_or_default();
    let kind = Kind::of(&content_type);
    let binary = |kind: &str| FetchError::Binary { url: url.clone(), kind: kind.to_owned() };
    if !kind.is_text() {
        return Err(binary(&kind.essence));
    }
    if let Some(encoding) = header(answer.headers(), &CONTENT_ENCODING).filter(|it| it != "identity") {
        return Err(FetchError::Encoded { url, encoding });
    }
    let mut body = Vec::new();
    let mut truncated = false;
    let mut stream = answer.bytes_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| failed(&url, &error))?;
        let room = bytes_max - body.len();
        body.extend_from_slice(piece.get(..room).unwrap_or(&piece));
        if piece.len() > room {
            truncated = true;
            break;
        }
    }
    let wide = body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff");
    if is_binary(&body) && !wide {
        return Err(binary("bytes that are no text"));
    }
    let bytes = body.len() as u64;
    let read = tokio::task::spawn_blocking(move || text::readable(&kind, &body)).await;
    let text = read.map_err(|_| FetchError::Failed {
        url: url.clone(),
        why: "its text cannot be made out".to_owned(),
    })?;
    Ok(Page { url: url.into(), status, content_type, text, bytes, truncated })
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The error with its causes, which say what really happened.
fn failed(url: &Url, error: &reqwest::Error) -> FetchError {
    let mut why = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(this) = cause {
        why = this.to_string();
        cause = this.source();
    }
    if why.is_empty() {
        why = error.to_string();
    }
    FetchError::Failed { url: url.clone(), why }
}

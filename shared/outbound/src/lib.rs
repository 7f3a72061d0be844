//! HTTP requests to addresses that others name: a model, a message, a client. Such a request must not be led into the
//! network the asker stands in.
//!
//! A name is looked up once, what it leads to is judged, and the connection goes to just these addresses; every redirect
//! is a new address to judge. Nothing of the asker's is sent along but what the request says: no keys, no cookies, and no
//! proxy is asked. What comes back is bounded.
//!
//! [`Outbound::call`] is one request with its whole answer, for whoever tells a service something; redirects are an
//! answer like another. [`Outbound::get`] follows them and hands the answer over before it is read.

mod address;
mod allow;
mod answer;
mod names;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Method};

pub use allow::{AllowError, Allowed};
pub use answer::{Answer, Body};
pub use names::{Lookup, Names};
pub use reqwest::Url;

pub const REDIRECTS_MAX: usize = 5;
pub const URL_BYTES_MAX: usize = 8 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks servers for somebody.
#[derive(Clone, Debug)]
pub struct Outbound {
    user_agent: &'static str,
    allowed: Allowed,
    names: Names,
    plain: Plain,
}

/// Where a request may go unencrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Plain {
    Anywhere,
    /// To servers a person has named.
    Allowed,
}

/// One request. Its body is in memory, so that it can be sent again.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// How much of an answer is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// Of the body; what is behind is left.
    pub bytes: usize,
    /// From the first look-up to the last byte.
    pub time: Duration,
}

/// A whole answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Body,
}

/// Why nothing was asked, or nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("no HTTP client could be made: {0}")]
    Client(String),
    #[error("{host}:{port} leads to {address}, {what}; nothing is sent there")]
    Closed { host: String, port: u16, address: IpAddr, what: &'static str },
    #[error("{url} could not be reached: {why}")]
    Failed { url: Url, why: String },
    #[error("{0}")]
    Invalid(String),
    #[error("{host} has no address: {why}")]
    NoAddress { host: String, why: String },
    #[error("{url} leads on more than {REDIRECTS_MAX} times")]
    Redirects { url: Url },
    #[error("{url} took longer than {seconds} s")]
    Slow { url: Url, seconds: u64 },
}

impl Failure {
    /// Whether it would be the same the next time: the address is at fault, and not who is there.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Closed { .. } | Self::Invalid(_) => true,
            Self::Client(_)
            | Self::Failed { .. }
            | Self::NoAddress { .. }
            | Self::Redirects { .. }
            | Self::Slow { .. } => false,
        }
    }
}

impl Outbound {
    /// Reaches the public internet and nothing else.
    pub fn new(user_agent: &'static str) -> Self {
        Self { user_agent, allowed: Allowed::default(), names: Names::System, plain: Plain::Anywhere }
    }

    /// Also reaches these, wherever they are.
    #[must_use]
    pub fn allowing(self, allowed: Allowed) -> Self {
        Self { allowed, ..self }
    }

    /// Speaks plain HTTP only to servers it is allowed by name.
    #[must_use]
    pub fn encrypted(self) -> Self {
        Self { plain: Plain::Allowed, ..self }
    }

    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// An address as it can be judged before it is looked up.
    pub fn parse(&self, text: &str) -> Result<Url, Failure> {
        let text = text.trim();
        if text.len() > URL_BYTES_MAX {
            return Err(Failure::Invalid(format!("it has {} bytes; at most {URL_BYTES_MAX}", text.len())));
        }
        let url = Url::parse(text).map_err(|error| {
            Failure::Invalid(format!("{text:?} is no address ({error}); write https://host/path"))
        })?;
        self.judge_form(&url).map_err(Failure::Invalid)?;
        Ok(url)
    }

    /// Whether a request would go there now: what it is and where it leads. For whoever keeps an address for later; it is
    /// judged again each time.
    pub async fn judge(&self, url: &Url) -> Result<(), Failure> {
        self.judged(url).await.map(|_| ())
    }

    /// One request, and its whole answer within bounds. A redirect is not followed: what was sent is for one address.
    pub async fn call(&self, ask: Ask, bounds: Bounds) -> Result<Reply, Failure> {
        let url = ask.url.clone();
        let whole = async {
            let answer = self.ask(ask).await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            Ok(Reply { status, headers, body: answer.body(bounds.bytes).await? })
        };
        let called = tokio::time::timeout(bounds.time, whole).await;
        called.unwrap_or_else(|_| Err(Failure::Slow { url, seconds: bounds.time.as_secs() }))
    }

    /// Asks for what is at `url`, and where that leads. How long it may take is the caller's to bound.
    pub async fn get(&self, mut url: Url, headers: &HeaderMap) -> Result<Answer, Failure> {
        for _ in 0..=REDIRECTS_MAX {
            let ask = Ask { method: Method::GET, url, headers: headers.clone(), body: Bytes::new() };
            let answer = self.ask(ask).await?;
            match self.leads_to(&answer)? {
                Some(next) => url = next,
                None => return Ok(answer),
            }
        }
        Err(Failure::Redirects { url })
    }

    /// One request, to an address that was judged.
    async fn ask(&self, ask: Ask) -> Result<Answer, Failure> {
        let Ask { method, url, headers, body } = ask;
        let (host, addresses) = self.judged(&url).await?;
        let mut request = self.client(&host, &addresses)?.request(method, url.clone()).headers(headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        let answer = request.send().await.map_err(|error| answer::failed(&url, &error))?;
        Ok(Answer::new(url, answer))
    }

    /// The host and where it is, once that is known to be no place to stay away from.
    async fn judged(&self, url: &Url) -> Result<(String, Vec<SocketAddr>), Failure> {
        self.judge_form(url).map_err(Failure::Invalid)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url.port_or_known_default().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let addresses = match literal {
            Some(address) => vec![address],
            None => {
                let why =
                    |error: std::io::Error| Failure::NoAddress { host: host.clone(), why: error.to_string() };
                self.names.addresses(&host).await.map_err(why)?
            }
        };
        if addresses.is_empty() {
            return Err(Failure::NoAddress { host, why: "nobody knows the name".to_owned() });
        }
        if !self.allowed.names(&host, port) {
            // One that leads to a closed address among others is not to be trusted with any.
            for address in &addresses {
                if let Some(what) = address::closed(*address) {
                    return Err(Failure::Closed { host, port, address: *address, what });
                }
            }
        }
        Ok((host, addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()))
    }

    /// What of an address can be judged without looking it up.
    fn judge_form(&self, url: &Url) -> Result<(), String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("{}: only http and https are spoken", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user or a password in it would be sent along; leave it out".to_owned());
        }
        let (host, port) = match (url.host_str(), url.port_or_known_default()) {
            (Some(host), Some(port @ 1..)) if !host.is_empty() => (host, port),
            (Some(_) | None, Some(_) | None) => return Err("it names no server".to_owned()),
        };
        let plain = url.scheme() == "http" && self.plain == Plain::Allowed;
        if plain && !self.allowed.names(host, port) {
            return Err(format!("nothing is sent to {host}:{port} unencrypted; write https://"));
        }
        Ok(())
    }

    fn leads_to(&self, answer: &Answer) -> Result<Option<Url>, Failure> {
        if !matches!(answer.status(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(to) = answer.header(&LOCATION) else { return Ok(None) };
        let failed = |why: String| Failure::Failed { url: answer.url().clone(), why };
        let next = answer
            .url()
            .join(&to)
            .map_err(|error| failed(format!("it leads on to {to:?}, which is no address ({error})")))?;
        self.judge_form(&next)
            .map_err(|why| failed(format!("it leads on to an address that is not followed: {why}")))?;
        Ok(Some(next))
    }

    fn client(&self, host: &str, addresses: &[SocketAddr]) -> Result<Client, Failure> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(Failure::Client("no TLS provider is installed".to_owned()));
        }
        Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent(self.user_agent)
            .resolve_to_addrs(host, addresses)
            .build()
            .map_err(|error| Failure::Client(error.to_string()))
    }
}

#[cfg(test)]
mod tests;

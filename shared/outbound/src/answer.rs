//! An answer that has begun, and as much of its body as is wanted.

use futures_util::StreamExt as _;
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Response, Url};

use super::Failure;

/// Status and headers are there; the body is still to be read.
#[derive(Debug)]
pub struct Answer {
    url: Url,
    response: Response,
}

/// As much of a body as was wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Body {
    pub bytes: Vec<u8>,
    /// There was more.
    pub truncated: bool,
}

impl Answer {
    pub(crate) fn new(url: Url, response: Response) -> Self {
        Self { url, response }
    }

    /// Where it came from in the end.
    pub fn url(&self) -> &Url {
        &self.url
    }

    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    pub fn header(&self, name: &HeaderName) -> Option<String> {
        let value = self.response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// The first `max` bytes of it.
    pub async fn body(self, max: usize) -> Result<Body, Failure> {
        let Self { url, response } = self;
        let mut body = Body { bytes: Vec::new(), truncated: false };
        let mut stream = response.bytes_stream();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| failed(&url, &error))?;
            let room = max - body.bytes.len();
            body.bytes.extend_from_slice(piece.get(..room).unwrap_or(&piece));
            if piece.len() > room {
                body.truncated = true;
                break;
            }
        }
        Ok(body)
    }
}

/// The error with the last of its causes, which says what really happened.
pub(crate) fn failed(url: &Url, error: &reqwest::Error) -> Failure {
    let mut why = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(this) = cause {
        why = this.to_string();
        cause = this.source();
    }
    if why.is_empty() {
        why = error.to_string();
    }
    Failure::Failed { url: url.clone(), why }
}

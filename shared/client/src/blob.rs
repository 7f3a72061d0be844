//! Blobs by HTTP: put, fetched, listed. Held whole in memory; there is a largest one.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use nexus_wire::BlobId;
use nexus_wire::blob::{BlobInfo, BlobPage};
use nexus_wire::limits::BLOB_BYTES_MAX;

use crate::broker::Broker;
use crate::error::DialError;
use crate::http::{Bounds, Content};

/// For one blob, however slow the network.
const PATIENCE: Duration = Duration::from_secs(600);

/// A blob's bytes, and what whoever put it says they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Blob {
    pub bytes: Bytes,
    pub media_type: String,
}

impl Broker {
    /// `PUT /api/v1/blobs`. The same bytes again are the same blob.
    pub async fn put_blob(
        &self,
        bytes: Bytes,
        media_type: &str,
        name: Option<&str>,
    ) -> Result<BlobInfo, DialError> {
        let path = match name {
            Some(name) => format!("/api/v1/blobs?name={}", escaped(name)),
            None => "/api/v1/blobs".to_owned(),
        };
        let content = Content { bytes, media_type: media_type.to_owned() };
        let bounds = Bounds { patience: PATIENCE, ..Bounds::default() };
        let answer = self.ask((Method::PUT, &path), Some(content), bounds).await?;
        answer.json("a blob").map_err(|kind| self.endpoint().error(kind))
    }

    /// `GET /api/v1/blobs/{id}`: all of it, if it has no more than `bytes_max`.
    pub async fn blob(&self, id: BlobId, bytes_max: u64) -> Result<Blob, DialError> {
        let bytes_max = usize::try_from(bytes_max.min(BLOB_BYTES_MAX)).unwrap_or(usize::MAX);
        let bounds = Bounds { patience: PATIENCE, bytes_max };
        let answer = self.ask((Method::GET, &format!("/api/v1/blobs/{id}")), None, bounds).await?;
        let media_type = answer.header(CONTENT_TYPE).unwrap_or("application/octet-stream").to_owned();
        let bytes = answer.bytes().map_err(|kind| self.endpoint().error(kind))?;
        Ok(Blob { bytes, media_type })
    }

    /// `GET /api/v1/blobs/{id}/info`.
    pub async fn blob_info(&self, id: BlobId) -> Result<BlobInfo, DialError> {
        self.get_json(&format!("/api/v1/blobs/{id}/info")).await
    }

    /// `GET /api/v1/blobs`, the latest first.
    pub async fn blobs(&self, cursor: Option<u64>, limit: Option<u32>) -> Result<BlobPage, DialError> {
        let mut path = "/api/v1/blobs?".to_owned();
        for (name, value) in [("cursor", cursor), ("limit", limit.map(u64::from))] {
            if let Some(value) = value {
                path.push_str(&format!("{name}={value}&"));
            }
        }
        self.get_json(path.trim_end_matches(['?', '&'])).await
    }
}

/// For a query: what is no plain character is percent-encoded.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

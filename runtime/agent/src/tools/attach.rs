//! `attach_file` and `read_attachment`: files that go with messages and work, by the hash of their bytes.

use nexus_client::{Blob, Broker};
use nexus_wire::BlobId;
use nexus_wire::attachment::Attachment;
use nexus_wire::limits::ATTACHMENT_NAME_BYTES_MAX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::Read;

use super::args::whole;
use super::read::{Asked, Lines, ReadError, is_binary, lines};
use super::roots::{PathError, Roots};

/// More of one file is for people to move.
pub(super) const ATTACHED_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AttachFile {
    /// The file, as <root>/<path in that root>.
    path: String,
    /// What others see of it; the file's own name when absent.
    #[serde(default)]
    name: Option<String>,
    /// What it is, as type/subtype; told from the content when absent.
    #[serde(default)]
    media_type: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum AttachError {
    #[error(
        "argument `name`: {0:?} is no file's name: 1 to {ATTACHMENT_NAME_BYTES_MAX} bytes without a path"
    )]
    Name(String),
    #[error("{path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("{path} has {bytes} bytes, more than the {ATTACHED_BYTES_MAX} that can be attached")]
    TooLarge { path: String, bytes: u64 },
}

/// A file on its way to the broker.
#[derive(Debug)]
pub(super) struct File {
    name: String,
    media_type: String,
    bytes: Vec<u8>,
}

impl AttachFile {
    pub(super) fn read(self, roots: &Roots) -> Result<File, AttachError> {
        let place = roots.resolve(&self.path)?;
        let (file, metadata) = place.open()?;
        let path = place.shown;
        let own = path.rsplit('/').next().unwrap_or(&path).to_owned();
        let name = self.name.unwrap_or(own);
        let is_name = (1..=ATTACHMENT_NAME_BYTES_MAX).contains(&name.len())
            && !name.contains(['/', '\\'])
            && !name.chars().any(char::is_control);
        if !is_name {
            return Err(AttachError::Name(name));
        }
        let mut bytes = Vec::new();
        // One that grows while it is read ends all the same.
        let read = file.take(ATTACHED_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|source| AttachError::Io { path: path.clone(), source })?;
        if bytes.len() as u64 > ATTACHED_BYTES_MAX {
            return Err(AttachError::TooLarge { path, bytes: metadata.len() });
        }
        let guess = if is_binary(&bytes) { "application/octet-stream" } else { "text/plain; charset=utf-8" };
        Ok(File { name, media_type: self.media_type.unwrap_or_else(|| guess.to_owned()), bytes })
    }
}

impl File {
    /// As it is named in a message; the broker has it from now on.
    pub(super) async fn put(self, broker: &Broker) -> Result<Attachment, nexus_client::DialError> {
        let Self { name, media_type, bytes } = self;
        let info = broker.put_blob(bytes.into(), &media_type, Some(&name)).await?;
        Ok(Attachment { blob: info.id, name, media_type: Some(media_type), bytes: Some(info.bytes) })
    }
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadAttachment {
    /// As it is named where it is attached: blob:sha256-…
    #[schemars(with = "String")]
    blob: BlobId,
    /// The first line wanted, counted from 1.
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    from_line: Option<u64>,
    /// How many lines (400; at most 2000).
    #[serde(default, deserialize_with = "whole")]
    #[schemars(with = "Option<u64>")]
    lines: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Text {
    blob: BlobId,
    media_type: String,
    bytes: usize,
    #[serde(flatten)]
    lines: Lines,
}

impl ReadAttachment {
    pub(super) async fn fetch(&self, broker: &Broker) -> Result<Blob, nexus_client::DialError> {
        broker.blob(self.blob, ATTACHED_BYTES_MAX).await
    }

    /// `text_max`: bytes of text in one result.
    pub(super) fn text(&self, blob: &Blob, text_max: usize) -> Result<Text, ReadError> {
        let path = format!("blob:{}", self.blob);
        if is_binary(&blob.bytes) {
            return Err(ReadError::Binary { path, bytes: blob.bytes.len() as u64 });
        }
        let asked = Asked::new(self.from_line, self.lines);
        let lines = lines(&path, &mut &blob.bytes[..], asked, text_max)?;
        Ok(Text { blob: self.blob, media_type: blob.media_type.clone(), bytes: blob.bytes.len(), lines })
    }
}

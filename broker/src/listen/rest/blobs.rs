//! Blobs: put as a stream, given as a stream, never whole in memory.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use aide::axum::ApiRouter;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, RequestBody, Response as Described, SchemaObject, StatusCode};
use aide::operation::set_body;
use aide::{OperationInput, OperationOutput};
use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::http::{self, HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use http_range_header::parse_range_header;
use nexus_wire::blob::{BlobInfo, BlobPage};
use nexus_wire::limits::{BLOB_BYTES_MAX, PAGE_DEFAULT, PAGE_MAX};
use nexus_wire::{BlobId, ErrorBody, ErrorCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::{JsonSchema, json_schema};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

use super::answer::{Answer, Answered};
use super::caller::{AnyParty, Viewer};
use super::input::{Path, Query};
use super::openapi::{Group, doc, failing, may_fail, note};
use super::routing::{get_with, put_with};
use super::{Routes, Shared};
use crate::admit::writer;
use crate::edge::Edge;
use crate::edge::blobs::unavailable;
use crate::hub::records::BlobRecord;
use crate::listen::problem::Problem;

const PIECE: usize = 64 * 1024;
/// Between two pieces of an upload.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);
const OCTETS: &str = "application/octet-stream";

pub(super) fn routes() -> Routes {
    let list = doc("listBlobs", Group::Blobs, "Blobs, the latest first");
    let put = doc("putBlob", Group::Blobs, "Put a blob; the same bytes again are the same blob");
    let get = doc("getBlob", Group::Blobs, "A blob's bytes, or a range of them");
    let info = doc("getBlobInfo", Group::Blobs, "What is known of a blob");
    ApiRouter::new()
        .api_route(
            "/api/v1/blobs",
            get_with(list_blobs, list).merge(put_with(put_blob, failing(&[403, 429, 507], put))),
        )
        .api_route("/api/v1/blobs/{blob}", get_with(get_blob, get))
        .api_route("/api/v1/blobs/{blob}/info", get_with(get_blob_info, info))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct List {
    limit: Option<u32>,
    /// From `next_cursor` of the page before.
    cursor: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Put {
    /// What people see of it, such as a file's name.
    name: Option<String>,
    /// What the bytes have to be: the blob's name, `sha256-…`. Others are refused and not kept.
    expect: Option<BlobId>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ByBlob {
    blob: BlobId,
}

async fn list_blobs(State(edge): Shared, _: Viewer, Query(list): Query<List>) -> Answered<BlobPage> {
    let limit = list.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let mut found = edge.blobs_page(list.cursor, limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next_cursor = found.last().filter(|_| more).map(|(no, _)| *no);
    let blobs = found.into_iter().map(|(_, blob)| blob).collect();
    let used_bytes = edge.blobs_used().await?;
    Ok(Answer::of(&BlobPage { blobs, next_cursor, used_bytes, quota_bytes: edge.blob_bytes_max }))
}

/// A body of bytes, not read yet.
#[derive(Debug)]
struct Bytes {
    body: Body,
    media_type: String,
}

impl FromRequest<Arc<Edge>> for Bytes {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<Edge>) -> Result<Self, Problem> {
        let text = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let length = text(header::CONTENT_LENGTH).and_then(|it| it.parse::<u64>().ok());
        if let Some(length) = length.filter(|length| *length > BLOB_BYTES_MAX) {
            return Err(too_large(length));
        }
        let media_type = text(header::CONTENT_TYPE).unwrap_or(OCTETS).to_owned();
        Ok(Self { body: request.into_body(), media_type })
    }
}

impl OperationInput for Bytes {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let json_schema = json_schema!({"type": "string", "format": "binary"});
        let schema = Some(SchemaObject { json_schema, external_docs: None, example: None });
        let content = MediaType { schema, ..MediaType::default() };
        let content = [(OCTETS.to_owned(), content)].into_iter().collect();
        set_body(context, operation, RequestBody { content, required: true, ..RequestBody::default() });
        note(operation, "The `Content-Type` is kept and given back. At most 100 MiB.");
        may_fail(operation, &[413]);
    }
}

fn too_large(bytes: u64) -> Problem {
    let message = format!("{bytes} bytes are more than the {BLOB_BYTES_MAX} of the largest blob");
    ErrorBody::new(ErrorCode::TooLarge, message).into()
}

async fn put_blob(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Query(put): Query<Put>,
    bytes: Bytes,
) -> Answered<BlobInfo> {
    writer(&caller)?;
    let Ok(_permit) = edge.blobs.room().try_acquire_owned() else {
        let message = "as many blobs are being put as may be at once; try again in a moment";
        return Err(ErrorBody::new(ErrorCode::RateLimited, message).into());
    };
    let mut upload = edge.blobs.begin().await.map_err(|error| unavailable(&error))?;
    let mut pieces = bytes.body.into_data_stream();
    loop {
        let Ok(piece) = timeout(PIECE_TIMEOUT, pieces.next()).await else {
            let message = "nothing more of the blob came in time";
            return Err(Problem::new(http::StatusCode::REQUEST_TIMEOUT, ErrorCode::Invalid, message));
        };
        let Some(piece) = piece else { break };
        let cut = |_| ErrorBody::new(ErrorCode::Invalid, "the body ended before it was whole");
        let piece = piece.map_err(cut)?;
        let all = upload.bytes() + piece.len() as u64;
        if all > BLOB_BYTES_MAX {
            return Err(too_large(all));
        }
        upload.write(&piece).await.map_err(|error| unavailable(&error))?;
    }
    if let Some(expected) = put.expect.filter(|expected| *expected != upload.id()) {
        let message = format!("the bytes that came are {}, not {expected}; send them again", upload.id());
        return Err(ErrorBody::new(ErrorCode::Invalid, message).into());
    }
    Ok(Answer::of_json(edge.put_blob(caller.party, upload, bytes.media_type, put.name).await?))
}

async fn get_blob_info(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByBlob>,
) -> Answered<BlobInfo> {
    Ok(Answer::of(&edge.blob_info(caller.party, by.blob).await?))
}

async fn get_blob(
    State(edge): Shared,
    AnyParty(caller): AnyParty,
    Path(by): Path<ByBlob>,
    headers: HeaderMap,
) -> Result<Download, Problem> {
    let blob = edge.blob(caller.party, by.blob).await?;
    let mut answer = Response::new(Body::empty());
    label(answer.headers_mut(), &blob);
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let etag = format!("\"{}\"", blob.id);
    let is_known = text(header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.split(',').any(|tag| tag.trim() == "*" || tag.trim().ends_with(etag.as_str()))
    });
    if is_known {
        *answer.status_mut() = http::StatusCode::NOT_MODIFIED;
        return Ok(Download(answer));
    }
    let is_current = text(header::IF_RANGE).is_none_or(|tag| tag.trim() == etag);
    let range = match text(header::RANGE).filter(|_| is_current).map(|range| wanted(range, blob.bytes)) {
        Some(Err(())) => {
            let message = format!("the blob has {} bytes, and none of those asked for", blob.bytes);
            return Err(Problem::new(http::StatusCode::RANGE_NOT_SATISFIABLE, ErrorCode::Invalid, message));
        }
        Some(Ok(range)) => range,
        None => None,
    };
    let (from, bytes) = match &range {
        Some(range) => (*range.start(), range.end() - range.start() + 1),
        None => (0, blob.bytes),
    };
    let file = edge.blobs.read(blob.id, from).await.map_err(|error| {
        tracing::error!(blob = %blob.id, %error, "a blob cannot be read");
        let message = format!("the bytes of blob {} cannot be read: {error}; restore a backup", blob.id);
        Problem::from(ErrorBody::new(ErrorCode::StorageUnavailable, message))
    })?;
    if let Some(range) = range {
        *answer.status_mut() = http::StatusCode::PARTIAL_CONTENT;
        let text = format!("bytes {}-{}/{}", range.start(), range.end(), blob.bytes);
        set(answer.headers_mut(), header::CONTENT_RANGE, &text);
    }
    set(answer.headers_mut(), header::CONTENT_LENGTH, &bytes.to_string());
    *answer.body_mut() = streamed(file.take(bytes));
    Ok(Download(answer))
}

type Wanted = Option<RangeInclusive<u64>>;

/// One range that is there; `None`: all of it, as for more ranges than one; an error: nothing of what is asked for.
fn wanted(range: &str, bytes: u64) -> Result<Wanted, ()> {
    let Ok(parsed) = parse_range_header(range) else { return Ok(None) };
    let ranges = parsed.validate(bytes).map_err(|_| ())?;
    let mut ranges = ranges.into_iter();
    Ok(ranges.next().filter(|_| ranges.next().is_none()))
}

fn streamed(file: impl AsyncRead + Send + Unpin + 'static) -> Body {
    Body::from_stream(stream::try_unfold(file, async |mut file| {
        let mut piece = Vec::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        Ok::<_, std::io::Error>((read > 0).then_some((piece, file)))
    }))
}

/// The bytes are somebody's, and a browser is told to do nothing with them but keep them.
fn label(headers: &mut HeaderMap, blob: &BlobRecord) {
    set(headers, header::CONTENT_TYPE, &blob.media_type);
    if !headers.contains_key(header::CONTENT_TYPE) {
        set(headers, header::CONTENT_TYPE, OCTETS);
    }
    let name = blob.name.clone().unwrap_or_else(|| blob.id.to_string());
    let name = utf8_percent_encode(&name, NON_ALPHANUMERIC);
    set(headers, header::CONTENT_DISPOSITION, &format!("attachment; filename*=UTF-8''{name}"));
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    set(headers, header::CACHE_CONTROL, "private, max-age=31536000, immutable");
    set(headers, header::ETAG, &format!("\"{}\"", blob.id));
    set(headers, header::ACCEPT_RANGES, "bytes");
}

/// A value that cannot be one is left out.
fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Bytes on their way out.
#[derive(Debug)]
struct Download(Response);

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for Download {
    type Inner = Self;

    fn inferred_responses(
        _: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<StatusCode>, Described)> {
        note(
            operation,
            "Takes `Range` with one range, `If-Range` and `If-None-Match`: the bytes of a name never change.",
        );
        may_fail(operation, &[416]);
        let described = |description: &str, has_body: bool| {
            let json_schema = json_schema!({"type": "string", "format": "binary"});
            let schema = Some(SchemaObject { json_schema, external_docs: None, example: None });
            let content = MediaType { schema, ..MediaType::default() };
            // Whatever media type the blob was put with.
            let content = has_body.then(|| ("*/*".to_owned(), content)).into_iter().collect();
            Described { description: description.to_owned(), content, ..Described::default() }
        };
        vec![
            (Some(StatusCode::Code(200)), described("The bytes.", true)),
            (Some(StatusCode::Code(206)), described("The range of bytes.", true)),
            (Some(StatusCode::Code(304)), described("The caller has them.", false)),
        ]
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_that_is_there() {
        let cases: &[(&str, Result<Wanted, ()>)] = &[
            ("bytes=0-0", Ok(Some(0..=0))),
            ("bytes=2-", Ok(Some(2..=9))),
            ("bytes=-3", Ok(Some(7..=9))),
            ("bytes=5-99", Ok(Some(5..=9))),
            ("bytes=10-", Err(())),
            ("bytes=0-1,3-4", Ok(None)),
            ("lines=1-2", Ok(None)),
            ("bytes=x", Ok(None)),
        ];
        for (text, expected) in cases {
            assert_eq!(wanted(text, 10), *expected, "{text}");
        }
        assert_eq!(wanted("bytes=0-", 0), Err(()));
    }
}

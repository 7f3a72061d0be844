//! One notification: a body that says how the task is, and headers that say who says so.

use a2a::{StreamResponse, TaskPushNotificationConfig, VERSION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use nexus_outbound::{Ask, Url};
use nexus_wire::derive;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::fits;
use crate::edge::{Edge, seconds};
use crate::hub::records::{Digest, PushKey, PushRecord, PushTerms};
use crate::identity::notice::Notice;
use crate::listen::a2a::fault::Fault;
use crate::listen::a2a::task::{Extent, Source};

const TOKEN: HeaderName = HeaderName::from_static("x-a2a-notification-token");
const SIGNATURE: HeaderName = HeaderName::from_static("x-a2a-notification-signature");
const SCHEME_BYTES_MAX: usize = 32;

/// What goes along and is shown to nobody else.
#[derive(Clone, Default, Deserialize, Serialize)]
pub(super) struct Secrets {
    token: Option<String>,
    credentials: Option<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// What is empty counts as left out.
    pub(super) fn of(config: &TaskPushNotificationConfig) -> Result<Self, Fault> {
        let present = |text: Option<&String>| text.filter(|it| !it.is_empty()).cloned();
        let token = present(config.token.as_ref());
        let authentication = config.authentication.as_ref();
        if let Some(info) = authentication {
            let is_word = info.scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if !is_word || !(1..=SCHEME_BYTES_MAX).contains(&info.scheme.len()) {
                return Err(Fault::params("authentication.scheme is a word, such as Bearer"));
            }
        }
        let credentials = present(authentication.and_then(|it| it.credentials.as_ref()));
        fits("token", token.as_deref().unwrap_or_default())?;
        fits("authentication.credentials", credentials.as_deref().unwrap_or_default())?;
        Ok(Self { token, credentials })
    }
}

/// Secrets go to this address for this task, and nowhere else.
fn bound(key: &PushKey, terms: &PushTerms) -> Vec<u8> {
    // Keys and terms hold nothing that fails to serialize.
    serde_json::to_vec(&("push", key, terms)).unwrap_or_default()
}

pub(super) fn seal(
    edge: &Edge,
    key: &PushKey,
    terms: &PushTerms,
    secrets: &Secrets,
) -> Result<Vec<u8>, Fault> {
    let text = Zeroizing::new(serde_json::to_string(secrets).unwrap_or_default());
    edge.sealer.seal_to(&bound(key, terms), &text).map_err(|error| Fault::internal(error.to_string()))
}

fn open(edge: &Edge, record: &PushRecord) -> Result<Secrets, String> {
    let opened = edge.sealer.open_of(&bound(&record.key, &record.terms), &record.sealed);
    let text = opened.map_err(|error| error.to_string())?;
    text.and_then(|text| serde_json::from_str(&text).ok()).ok_or_else(|| {
        "its secrets cannot be opened: they were sealed with another key, or the row was changed".to_owned()
    })
}

/// What of a task is told; the same digest is not told twice.
pub(super) fn told(source: &Source) -> Digest {
    use sha2::Digest as _;
    // Made of texts and numbers.
    let status = serde_json::to_vec(&source.status()).unwrap_or_default();
    Digest(sha2::Sha256::digest(status).into())
}

/// The request that tells how the task is now; `before` was told last. An error is one that trying again does not mend.
pub(super) fn ask(
    edge: &Edge,
    record: &PushRecord,
    before: Option<Digest>,
    source: &Source,
) -> Result<Ask, String> {
    let PushRecord { key, terms, seq, .. } = record;
    let extent = Extent { history: Some(0), artifacts: true };
    let event = StreamResponse::Task(source.task(&terms.origin, extent));
    let body = serde_json::to_vec(&event).map_err(|error| error.to_string())?;
    // A task may come back to where it was, and that is another notification.
    let step = format!("push {seq} {} {before:?} {}", key.task, told(source));
    let jti = derive::request_id(step.as_bytes());
    let url: Url = terms.url.parse().map_err(|_| "its url is none".to_owned())?;
    let notice = Notice::of(
        &body,
        terms.origin.clone(),
        terms.url.clone(),
        key.task.to_string(),
        jti.to_string(),
        seconds(),
    );
    let signature = edge.gate.sign_notice(&notice)?;
    let Secrets { token, credentials } = open(edge, record)?;
    let authorization = match (&terms.scheme, credentials) {
        (Some(scheme), Some(credentials)) => format!("{scheme} {credentials}"),
        // Nobody asked for anything else there, so it is what receivers of others look for.
        (Some(_) | None, Some(_) | None) => format!("Bearer {signature}"),
    };
    let mut headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (HeaderName::from_static("a2a-version"), HeaderValue::from_static(VERSION)),
    ]);
    let secret = [(header::AUTHORIZATION, Some(authorization)), (SIGNATURE, Some(signature)), (TOKEN, token)];
    for (name, value) in secret {
        let Some(value) = value else { continue };
        let mut value = HeaderValue::from_str(&value).map_err(|_| format!("{name} holds no such value"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(Ask { method: Method::POST, url, headers, body: body.into() })
}

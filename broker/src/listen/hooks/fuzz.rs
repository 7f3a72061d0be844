//! Fuzz target: what a service posts, with a good signature or none, is a payload or is refused.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use bolero::{TypeGenerator, check};
use nexus_wire::hook::HookPreset;

use super::{Told, told};
use crate::altered::Altered;
use crate::identity::signed;

const PRESETS: [HookPreset; 4] =
    [HookPreset::Generic, HookPreset::Github, HookPreset::Slack, HookPreset::Stripe];
const KINDS: [&str; 3] = ["application/json", "application/x-www-form-urlencoded", "text/plain"];
/// What each of them signs with, names its event with and its delivery.
const NAMES: [&str; 8] = [
    "webhook-signature",
    "webhook-timestamp",
    "webhook-id",
    "x-hub-signature-256",
    "x-github-event",
    "x-slack-signature",
    "x-slack-request-timestamp",
    "stripe-signature",
];

#[derive(Debug, TypeGenerator)]
struct Post {
    kind: u8,
    header: Altered,
    body: Altered,
}

#[test]
fn a_post() {
    let values =
        ["v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=", "1614265330", "t=1614265330,v1=5257a8", "push"];
    let bodies = [
        r#"{"type":"event_callback","event_id":"Ev1","event":{"type":"app_mention","text":"why"}}"#,
        r#"{"id":"evt_1","type":"charge.succeeded","data":{"object":{"amount":100}}}"#,
        "payload=%7B%22ref%22%3A%22main%22%7D&command=%2Fask",
    ];
    check!().with_type::<Post>().for_each(|post| {
        let kind = KINDS[usize::from(post.kind) % KINDS.len()];
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        // What the front lets through.
        let Ok(value) = HeaderValue::from_bytes(&post.header.of(&values)) else { return };
        for name in NAMES {
            headers.insert(name, value.clone());
        }
        let body = Bytes::from(post.body.of(&bodies));
        for preset in PRESETS {
            let header = |name: &'static str| super::text(&headers, name);
            let is_signed =
                signed::check(preset, &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], header, &body, 0);
            assert!(is_signed.is_err(), "nobody guesses a signature");
            if let Ok(Told::Call(delivery, payload)) = told(preset, &headers, &body) {
                assert_eq!(delivery, payload.delivery);
                assert!(
                    delivery.bytes().all(|byte| byte.is_ascii_graphic()),
                    "{delivery:?} names a delivery"
                );
            }
        }
    });
}

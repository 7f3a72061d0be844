use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use nexus_wire::AspectName;
use nexus_wire::admin::OperatorRole;
use nexus_wire::roster::AspectRole;
use serde_json::{Value, json};

use super::*;
use crate::datadir::DataDir;
use crate::hub::records::{AspectRecord, OperatorRecord, Profile};

const NOW: Seconds = 1_800_000_000;

struct World {
    gate: Gate,
    id: String,
    /// An Ed25519 key of wren, and one of somebody else.
    own: Vec<u8>,
    foreign: Vec<u8>,
}

fn key() -> (Vec<u8>, [u8; 32]) {
    let dir = tempfile::tempdir().unwrap();
    let (keys, _) = NexusKeys::open(&DataDir::open(dir.path()).unwrap(), NOW).unwrap();
    (keys.signing_pkcs8(), keys.signing_public)
}

fn wren() -> AspectName {
    "wren".parse().unwrap()
}

fn record(public_key: [u8; 32], key_generation: u64, revoked_at: Option<i64>) -> AspectRecord {
    AspectRecord {
        name: wren(),
        role: AspectRole::Worker,
        public_key,
        key_generation,
        share_knowledge: false,
        revoked_at,
        created_at: 0,
        link: None,
        generation: 0,
        acked_generation: 0,
        since: 0,
        epoch: nexus_wire::EpochId(Uuid::nil()),
        tail: 0,
        cursor: 0,
        profile: Profile::default(),
    }
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let (keys, _) = NexusKeys::open(&DataDir::open(dir.path()).unwrap(), NOW).unwrap();
    let ((own, public), (foreign, _)) = (key(), key());
    let directory = Arc::new(Directory::default());
    directory.publish([record(public, 3, None)].iter(), [].iter());
    let id = keys.nexus_id.to_string();
    World { gate: Gate::new(Arc::new(keys), directory), id, own, foreign }
}

use uuid::Uuid;

fn good(world: &World) -> Value {
    json!({"iss": "wren", "sub": "wren", "aud": world.id, "jti": Uuid::new_v4().to_string(), "exp": NOW + 60})
}

fn signed(claims: &Value, key: &[u8]) -> String {
    jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &EncodingKey::from_ed_der(key)).unwrap()
}

fn with(mut claims: Value, field: &str, value: Value) -> Value {
    claims[field] = value;
    claims
}

fn without(mut claims: Value, field: &str) -> Value {
    claims.as_object_mut().unwrap().remove(field);
    claims
}

#[test]
fn a_signed_assertion_becomes_a_token_that_names_its_holder() {
    let world = world();
    let response = world.gate.exchange(&signed(&good(&world), &world.own), NOW).unwrap();
    assert_eq!((response.token_type.as_str(), response.expires_in), ("Bearer", 900));
    let identity = world.gate.identify(&response.access_token, NOW + 890).unwrap();
    assert_eq!(identity, Identity { party: Party::Aspect(wren()), role: Role::Aspect, key_generation: 3 });
    assert_eq!(world.gate.identify(&response.access_token, NOW + 905), Err(AuthError::Expired));
}

#[test]
fn assertions_that_are_not_quite_right_are_refused() {
    let world = world();
    let own = |claims: Value| signed(&claims, &world.own);
    let good = || good(&world);
    let hmac = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &good(), &EncodingKey::from_secret(b"x"))
        .unwrap();
    let unsigned = |header: Value| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(&header), part(&good()))
    };
    let mut tampered = own(good());
    tampered.replace_range(
        tampered.len() - 10..tampered.len() - 9,
        if tampered.as_bytes()[tampered.len() - 10] == b'A' { "B" } else { "A" },
    );
    let cases: Vec<(&str, String, &str)> = vec![
        ("no JWT", "x".into(), "no JWT"),
        ("empty", String::new(), "no JWT"),
        ("another's key", signed(&good(), &world.foreign), "no aspect of this name"),
        ("tampered signature", tampered, "no aspect of this name"),
        ("HS256 with anything", hmac, "EdDSA"),
        ("alg none", unsigned(json!({"alg": "none"})), "EdDSA"),
        ("unsigned EdDSA", unsigned(json!({"alg": "EdDSA"})), "no aspect of this name"),
        (
            "unknown aspect",
            own(with(with(good(), "sub", json!("harrow")), "iss", json!("harrow"))),
            "no aspect of this name",
        ),
        ("not a name", own(with(good(), "sub", json!("operator"))), "no JWT with an aspect's name"),
        ("no sub", own(without(good(), "sub")), "no JWT with an aspect's name"),
        ("no iss", own(without(good(), "iss")), "are required"),
        ("iss is not sub", own(with(good(), "iss", json!("forge"))), "`iss` and `sub`"),
        ("no aud", own(without(good(), "aud")), "are required"),
        ("another Nexus", own(with(good(), "aud", json!(Uuid::new_v4().to_string()))), "`aud` must be"),
        ("no exp", own(without(good(), "exp")), "are required"),
        ("exp as text", own(with(good(), "exp", json!("soon"))), "are required"),
        ("exp beyond the number type", own(with(good(), "exp", json!(1e300))), "are required"),
        ("expired beyond the leeway", own(with(good(), "exp", json!(NOW - 5))), "it has expired"),
        ("valid for too long", own(with(good(), "exp", json!(NOW + 66))), "more than 60 s"),
        ("not yet valid", own(with(good(), "nbf", json!(NOW + 6))), "`nbf`"),
        ("no jti", own(without(good(), "jti")), "are required"),
        ("empty jti", own(with(good(), "jti", json!(""))), "`jti` must have"),
        ("long jti", own(with(good(), "jti", json!("x".repeat(129)))), "`jti` must have"),
    ];
    for (name, assertion, message) in cases {
        let error = world.gate.exchange(&assertion, NOW).unwrap_err();
        assert!(error.to_string().contains(message), "{name}: {error}");
    }
    assert!(world.gate.exchange(&own(with(good(), "exp", json!(NOW - 4))), NOW).is_ok(), "within the leeway");
    let once = own(good());
    assert!(world.gate.exchange(&once, NOW).is_ok());
    let again = world.gate.exchange(&once, NOW + 1).unwrap_err();
    assert_eq!(again, AuthError::Assertion("its `jti` was used before"));
}

#[test]
fn an_access_token_is_good_for_its_own_nexus_key_and_generation() {
    let (world, other) = (world(), self::world());
    let token = world.gate.exchange(&signed(&good(&world), &world.own), NOW).unwrap().access_token;
    assert!(other.gate.identify(&token, NOW).is_err(), "another Nexus");
    let assertion = signed(&good(&world), &world.own);
    assert!(world.gate.identify(&assertion, NOW).is_err(), "an assertion is no access token");
    for text in ["", "x.y.z", "nxo_", "nxo_forged"] {
        assert!(world.gate.identify(text, NOW).is_err(), "{text:?}");
    }
    world.gate.directory.publish([record([0; 32], 4, None)].iter(), [].iter());
    assert_eq!(world.gate.identify(&token, NOW), Err(AuthError::Revoked), "a new key");
    world.gate.directory.publish([record([0; 32], 3, Some(1))].iter(), [].iter());
    assert_eq!(world.gate.identify(&token, NOW), Err(AuthError::Revoked), "revoked");
    // 32 bytes that are no point of the curve must not panic either.
    world.gate.directory.publish([record([0xff; 32], 5, None)].iter(), [].iter());
    assert!(world.gate.exchange(&signed(&good(&world), &world.own), NOW).is_err());
}

#[test]
fn an_operator_token_names_its_operator_until_it_is_revoked() {
    let world = world();
    let token = token::mint();
    let mut operator = OperatorRecord {
        name: "ana".parse().unwrap(),
        role: OperatorRole::Viewer,
        token_sha256: token::sha256(&token),
        created_at: 0,
        revoked_at: None,
    };
    world.gate.directory.publish([].iter(), [operator.clone()].iter());
    let identity = world.gate.identify(&token, NOW).unwrap();
    assert_eq!((identity.party.to_string().as_str(), identity.role), ("operator/ana", Role::Viewer));
    operator.revoked_at = Some(1);
    world.gate.directory.publish([].iter(), [operator].iter());
    assert_eq!(world.gate.identify(&token, NOW), Err(AuthError::OperatorToken));
    assert_eq!(token::sha256_hex(&token).len(), 64);
}

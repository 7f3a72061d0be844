use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use nexus_wire::AspectName;
use nexus_wire::admin::OperatorRole;
use nexus_wire::roster::AspectRole;
use serde_json::{Value, json};

use super::*;
use crate::datadir::DataDir;
use crate::hub::records::{ApiToken, AspectRecord, OperatorRecord, PreviousKey, Profile, Session};

const NOW: Seconds = 1_800_000_000;

/// Both clocks `s` seconds after [`NOW`].
fn after(s: Seconds) -> Now {
    Now { wall: NOW + s, at: Ms::try_from(s).unwrap() * 1_000 }
}

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
        previous_key: None,
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
        restraint: None,
    }
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let (keys, _) = NexusKeys::open(&DataDir::open(dir.path()).unwrap(), NOW).unwrap();
    let ((own, public), (foreign, _)) = (key(), key());
    let directory = Arc::new(Directory::default());
    directory.replace([record(public, 3, None)].iter(), [].iter(), [].iter());
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
    let Exchange { response, .. } =
        world.gate.exchange(&signed(&good(&world), &world.own), after(0)).unwrap();
    assert_eq!((response.token_type.as_str(), response.expires_in), ("Bearer", 900));
    let identity = world.gate.identify(&response.access_token, after(890)).unwrap();
    assert_eq!(identity, Identity { party: Party::Aspect(wren()), role: Role::Aspect, key_generation: 3 });
    assert_eq!(world.gate.identify(&response.access_token, after(905)), Err(AuthError::Expired));
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
        let error = world.gate.exchange(&assertion, after(0)).unwrap_err();
        assert!(error.to_string().contains(message), "{name}: {error}");
    }
    assert!(
        world.gate.exchange(&own(with(good(), "exp", json!(NOW - 4))), after(0)).is_ok(),
        "within the leeway"
    );
    // Two assertions with one `jti` are one to whoever remembers them; another name's is another.
    let claims = good();
    let once = |exp: Seconds| own(with(claims.clone(), "exp", json!(exp)));
    let used = |exp: Seconds| world.gate.exchange(&once(exp), after(0)).unwrap().used;
    assert_eq!((used(NOW + 60).digest, used(NOW + 60).until), (used(NOW + 50).digest, 65_000));
    assert_ne!(used(NOW + 60).digest, world.gate.exchange(&own(good()), after(0)).unwrap().used.digest);
}

#[test]
fn an_access_token_is_good_for_its_own_nexus_key_and_generation() {
    let (world, other) = (world(), self::world());
    let token =
        world.gate.exchange(&signed(&good(&world), &world.own), after(0)).unwrap().response.access_token;
    assert!(other.gate.identify(&token, after(0)).is_err(), "another Nexus");
    let assertion = signed(&good(&world), &world.own);
    assert!(world.gate.identify(&assertion, after(0)).is_err(), "an assertion is no access token");
    for text in ["", "x.y.z", "nxo_", "nxo_forged"] {
        assert!(world.gate.identify(text, after(0)).is_err(), "{text:?}");
    }
    world.gate.directory.replace([record([0; 32], 4, None)].iter(), [].iter(), [].iter());
    assert_eq!(world.gate.identify(&token, after(0)), Err(AuthError::Revoked), "a new key");
    world.gate.directory.replace([record([0; 32], 3, Some(1))].iter(), [].iter(), [].iter());
    assert_eq!(world.gate.identify(&token, after(0)), Err(AuthError::Revoked), "revoked");
    // 32 bytes that are no point of the curve must not panic either.
    world.gate.directory.replace([record([0xff; 32], 5, None)].iter(), [].iter(), [].iter());
    assert!(world.gate.exchange(&signed(&good(&world), &world.own), after(0)).is_err());
}

#[test]
fn an_operator_token_names_its_operator_until_it_is_revoked() {
    let world = world();
    let token = token::mint();
    let mut operator = OperatorRecord {
        name: "ana".parse().unwrap(),
        role: OperatorRole::Viewer,
        password: None,
        tokens: vec![ApiToken {
            name: "first".parse().unwrap(),
            sha256: token::digest(&token),
            created_at: 0,
            last_used_at: None,
            expires_at: Some(10_000),
        }],
        sessions: Vec::new(),
        created_at: 0,
        revoked_at: None,
    };
    world.gate.directory.replace([].iter(), [operator.clone()].iter(), [].iter());
    let identity = world.gate.identify(&token, after(0)).unwrap();
    assert_eq!((identity.party.to_string().as_str(), identity.role), ("operator/ana", Role::Viewer));
    assert!(world.gate.identify(&token, after(9)).is_ok());
    assert_eq!(world.gate.identify(&token, after(10)), Err(AuthError::OperatorToken), "expired");
    assert_eq!(world.gate.take_uses(9_000), [(token::digest(&token), 9_000)]);
    operator.revoked_at = Some(1);
    world.gate.directory.replace([].iter(), [operator].iter(), [].iter());
    assert_eq!(world.gate.identify(&token, after(0)), Err(AuthError::OperatorToken));
    assert_eq!(token::sha256_hex(&token).len(), 64);
}

#[test]
fn both_keys_of_an_overlap_are_good_until_it_ends() {
    let world = world();
    let (new, new_public) = key();
    let entry = world.gate.directory.aspect(&wren()).unwrap();
    let mut overlapping = record(new_public, 4, None);
    overlapping.previous_key = Some(PreviousKey {
        public_key: Digest(entry.public_key),
        key_generation: 3,
        until: 20_000,
        holds_link: false,
    });
    world.gate.directory.replace([overlapping].iter(), [].iter(), [].iter());
    let generation = |key: &[u8], at: Seconds| {
        let claims = with(good(&world), "exp", json!(NOW + at + 60));
        let Exchange { response, .. } = world.gate.exchange(&signed(&claims, key), after(at))?;
        world.gate.identify(&response.access_token, after(at)).map(|it| it.key_generation)
    };
    assert_eq!((generation(&world.own, 19), generation(&new, 19)), (Ok(3), Ok(4)));
    assert_eq!((generation(&world.own, 20), generation(&new, 20)), (Err(assertion::UNKNOWN_KEY), Ok(4)));
    assert_eq!(generation(&world.foreign, 0), Err(assertion::UNKNOWN_KEY));
}

#[test]
fn a_session_ends_idle_or_old_and_is_no_bearer_token() {
    let world = world();
    let secret = token::mint_with(token::SESSION_PREFIX);
    let day = 24 * 3_600;
    let operator = OperatorRecord {
        name: "ana".parse().unwrap(),
        role: OperatorRole::Operator,
        password: None,
        tokens: Vec::new(),
        sessions: vec![Session {
            sha256: token::digest(&secret),
            created_at: 0,
            seen_at: 0,
            expires_at: 7 * day * 1_000,
            token: None,
        }],
        created_at: 0,
        revoked_at: None,
    };
    world.gate.directory.replace([].iter(), [operator].iter(), [].iter());
    let at = |s: i64| world.gate.identify_session(&secret, after(s.try_into().unwrap())).is_ok();
    assert!(at(0) && at(day / 2 - 1), "used in time");
    assert!(at(day - 2), "and its use counts before it is written");
    assert!(!at(2 * day), "idle");
    for n in 4..28 {
        let _ = at(n * day / 4 - 1_000);
    }
    assert!(!at(7 * day), "old, however busy");
    assert!(world.gate.identify(&secret, after(0)).is_err());
    assert!(world.gate.identify_session(&token::mint(), after(0)).is_err());
}

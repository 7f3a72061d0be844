//! Requests that a service outside has signed: HMAC-SHA256 over the body as it came, in the way of one of four presets.
//! Digests are compared in constant time, and which part was wrong is for the operator alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use nexus_wire::hook::HookPreset;
use nexus_wire::limits::HOOK_LEEWAY;
use sha2::Sha256;
use thiserror::Error;

/// Signatures that one request may bring; more say nothing.
const SIGNATURES_MAX: usize = 8;

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub(crate) enum Unsigned {
    #[error("the header {0} is missing or malformed")]
    Header(&'static str),
    #[error(
        "the signature is another one: the secret there is not the one here, or the body was changed on its way"
    )]
    Signature,
    #[error("it was signed more than five minutes ago, or in the future: a replay, or a clock that is wrong")]
    Time,
}

/// What a signature is made over, beside the secret.
struct Claim {
    /// Comes before the body.
    before: String,
    signatures: Vec<Vec<u8>>,
    /// Seconds.
    at: Option<i64>,
}

/// `header` gives a header's text by its name in lower case; `now`: seconds.
pub(crate) fn check<'a>(
    preset: HookPreset,
    secrets: &[&str],
    header: impl Fn(&'static str) -> Option<&'a str>,
    body: &[u8],
    now: i64,
) -> Result<(), Unsigned> {
    let claim = match preset {
        HookPreset::Generic => generic(header),
        HookPreset::Github => github(header),
        HookPreset::Slack => slack(header),
        HookPreset::Stripe => stripe(header),
    }?;
    let is_good = secrets.iter().any(|secret| {
        let mac = mac_of(&key_of(preset, secret), &[claim.before.as_bytes(), body]);
        claim.signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    });
    if !is_good {
        return Err(Unsigned::Signature);
    }
    let leeway = i64::try_from(HOOK_LEEWAY.as_secs()).unwrap_or(0);
    match claim.at {
        Some(at) if now.saturating_sub(at).saturating_abs() > leeway => Err(Unsigned::Time),
        Some(_) | None => Ok(()),
    }
}

/// As much work as a check, for those who ask for what is not there.
pub(crate) fn check_nothing(body: &[u8]) {
    std::hint::black_box(mac_of(&[0; 32], &[body]).finalize());
}

fn mac_of(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    parts.iter().for_each(|part| mac.update(part));
    mac
}

/// With the generic preset a secret after `whsec_` is Base64, as that specification has it.
fn key_of(preset: HookPreset, secret: &str) -> Vec<u8> {
    match preset {
        HookPreset::Generic => {
            let encoded = secret.strip_prefix(PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
            encoded.unwrap_or_else(|| secret.as_bytes().to_vec())
        }
        HookPreset::Github | HookPreset::Slack | HookPreset::Stripe => secret.as_bytes().to_vec(),
    }
}

const PREFIX: &str = "whsec_";

/// A secret out of `random`, as the preset writes one.
pub(crate) fn secret_of(preset: HookPreset, random: &[u8; 32]) -> String {
    match preset {
        HookPreset::Generic => format!("{PREFIX}{}", STANDARD.encode(random)),
        HookPreset::Github | HookPreset::Slack | HookPreset::Stripe => {
            crate::hub::records::Digest(*random).to_string()
        }
    }
}

fn github<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Result<Claim, Unsigned> {
    const NAME: &str = "x-hub-signature-256";
    let signature = header(NAME).and_then(|text| unhex(text.strip_prefix("sha256=")?));
    let signature = signature.ok_or(Unsigned::Header(NAME))?;
    Ok(Claim { before: String::new(), signatures: vec![signature], at: None })
}

fn slack<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Result<Claim, Unsigned> {
    const NAME: &str = "x-slack-signature";
    const TIME: &str = "x-slack-request-timestamp";
    let time = header(TIME).ok_or(Unsigned::Header(TIME))?;
    let at = seconds(time).ok_or(Unsigned::Header(TIME))?;
    let signature = header(NAME).and_then(|text| unhex(text.strip_prefix("v0=")?));
    let signature = signature.ok_or(Unsigned::Header(NAME))?;
    Ok(Claim { before: format!("v0:{time}:"), signatures: vec![signature], at: Some(at) })
}

fn stripe<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Result<Claim, Unsigned> {
    const NAME: &str = "stripe-signature";
    let text = header(NAME).ok_or(Unsigned::Header(NAME))?;
    let parts = || text.split(',').filter_map(|part| part.trim().split_once('='));
    let time = parts().find(|(name, _)| *name == "t").map(|(_, time)| time);
    let (time, at) = time.and_then(|time| Some((time, seconds(time)?))).ok_or(Unsigned::Header(NAME))?;
    let signatures: Vec<Vec<u8>> = parts()
        .filter(|(name, _)| *name == "v1")
        .filter_map(|(_, signature)| unhex(signature))
        .take(SIGNATURES_MAX)
        .collect();
    if signatures.is_empty() {
        return Err(Unsigned::Header(NAME));
    }
    Ok(Claim { before: format!("{time}."), signatures, at: Some(at) })
}

/// Standard Webhooks, with secrets that both know.
fn generic<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Result<Claim, Unsigned> {
    const ID: &str = "webhook-id";
    const TIME: &str = "webhook-timestamp";
    const NAME: &str = "webhook-signature";
    let id = header(ID).filter(|id| !id.is_empty()).ok_or(Unsigned::Header(ID))?;
    let time = header(TIME).ok_or(Unsigned::Header(TIME))?;
    let at = seconds(time).ok_or(Unsigned::Header(TIME))?;
    let text = header(NAME).ok_or(Unsigned::Header(NAME))?;
    let signatures: Vec<Vec<u8>> = text
        .split(' ')
        .filter_map(|part| STANDARD.decode(part.strip_prefix("v1,")?).ok())
        .take(SIGNATURES_MAX)
        .collect();
    if signatures.is_empty() {
        return Err(Unsigned::Header(NAME));
    }
    Ok(Claim { before: format!("{id}.{time}."), signatures, at: Some(at) })
}

fn seconds(text: &str) -> Option<i64> {
    let is_number = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// 64 digits.
fn unhex(text: &str) -> Option<Vec<u8>> {
    crate::hub::records::Digest::parse(text).map(|digest| digest.0.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Headers = &'static [(&'static str, &'static str)];

    fn checked(
        preset: HookPreset,
        secrets: &[&str],
        headers: Headers,
        body: &str,
        now: i64,
    ) -> Result<(), Unsigned> {
        let header = |name| headers.iter().find(|it| it.0 == name).map(|it| it.1);
        check(preset, secrets, header, body.as_bytes(), now)
    }

    const GITHUB: Headers =
        &[("x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")];

    /// As GitHub's documentation gives it.
    #[test]
    fn githubs_own_example_is_taken() {
        let secret = "It's a Secret to Everybody";
        let one = |secrets: &[&str], body| checked(HookPreset::Github, secrets, GITHUB, body, 0);
        assert_eq!(one(&[secret], "Hello, World!"), Ok(()));
        assert_eq!(one(&["the new one", secret], "Hello, World!"), Ok(()), "the one before is good as well");
        assert_eq!(one(&[secret], "Hello, World"), Err(Unsigned::Signature));
        assert_eq!(one(&["It's a secret to everybody"], "Hello, World!"), Err(Unsigned::Signature));
        assert_eq!(one(&[], "Hello, World!"), Err(Unsigned::Signature), "no secret opens nothing");
        for wrong in ["", "sha256=", "sha1=757107ea", "757107ea", "sha256=zz", "sha256=757107ea0eb2509f"] {
            let header = |_| Some(wrong);
            let refused = check(HookPreset::Github, &[secret], header, b"Hello, World!", 0);
            assert_eq!(refused, Err(Unsigned::Header("x-hub-signature-256")), "{wrong:?}");
        }
    }

    /// As Slack's documentation gives it.
    #[test]
    fn slacks_own_example_is_taken_at_its_time() {
        let secret = "8f742231b10e8888abcd99yyyzzz85a5";
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let headers: Headers = &[
            ("x-slack-request-timestamp", "1531420618"),
            ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ];
        let at = |now| checked(HookPreset::Slack, &[secret], headers, body, now);
        let signed = 1_531_420_618;
        for good in [signed - 300, signed, signed + 300] {
            assert_eq!(at(good), Ok(()), "{good}");
        }
        for wrong in [signed - 301, signed + 301, 0, i64::MIN, i64::MAX] {
            assert_eq!(at(wrong), Err(Unsigned::Time), "{wrong}");
        }
        let other: Headers = &[
            ("x-slack-request-timestamp", "1531420619"),
            ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ];
        let moved = checked(HookPreset::Slack, &[secret], other, body, signed);
        assert_eq!(moved, Err(Unsigned::Signature), "the time is signed");
    }

    #[test]
    fn stripe_signs_its_time_and_may_sign_with_two_secrets() {
        let (secret, body, now) = ("whsec_test_secret", r#"{"id":"evt_1"}"#, 1_700_000_000);
        let good = mac_of(secret.as_bytes(), &[b"1700000000.", body.as_bytes()]).finalize().into_bytes();
        let good = crate::hub::records::Digest(good.into()).to_string();
        let other = "0".repeat(64);
        let one = |text: String| {
            check(HookPreset::Stripe, &[secret], |_| Some(text.as_str()), body.as_bytes(), now)
        };
        assert_eq!(one(format!("t=1700000000,v1={good}")), Ok(()));
        assert_eq!(one(format!("t=1700000000,v1={other},v1={good},v0={other}")), Ok(()));
        assert_eq!(one(format!("v1={good}, t=1700000000")), Ok(()));
        assert_eq!(one(format!("t=1700000001,v1={good}")), Err(Unsigned::Signature));
        assert_eq!(one(format!("t=1700000000,v0={good}")), Err(Unsigned::Header("stripe-signature")));
        for wrong in ["", "t=1700000000", "t=,v1=", "t=-1,v1=00", "v1=00,t=99999999999999"] {
            assert_eq!(one(wrong.to_owned()), Err(Unsigned::Header("stripe-signature")), "{wrong:?}");
        }
        let many = format!("t=1700000000{},v1={good}", format!(",v1={other}").repeat(SIGNATURES_MAX));
        assert_eq!(one(many), Err(Unsigned::Signature));
    }

    /// As the reference implementation of Standard Webhooks tests itself.
    #[test]
    fn standard_webhooks_are_taken() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = r#"{"test": 2432232314}"#;
        let headers: Headers = &[
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,AAAA v1a,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ];
        let at = |now| checked(HookPreset::Generic, &[secret], headers, body, now);
        assert_eq!((at(1_614_265_330), at(0)), (Ok(()), Err(Unsigned::Time)));
        let wrong = checked(HookPreset::Generic, &["whsec_AAAA"], headers, body, 1_614_265_330);
        assert_eq!(wrong, Err(Unsigned::Signature));
        let missing = checked(HookPreset::Generic, &[secret], &headers[1..], body, 1_614_265_330);
        assert_eq!(missing, Err(Unsigned::Header("webhook-id")));
        let made = secret_of(HookPreset::Generic, &[7; 32]);
        assert_eq!((made.len(), key_of(HookPreset::Generic, &made)), (50, vec![7; 32]));
    }
}

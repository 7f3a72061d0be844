//! What a credential may say of itself, checked once.

use std::net::IpAddr;

use nexus_wire::credential::{CredentialAdd, CredentialMode};
use nexus_wire::limits::SECRET_BYTES_MAX;
use nexus_wire::{AspectName, CredentialName, ErrorBody, ErrorCode};
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use crate::hub::records::CredentialTerms;

const ASPECTS_MAX: usize = 256;
/// Headers that are the connection's own, or say who asks.
const NOT_FOR_SECRETS: [&str; 8] = [
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "origin",
    "transfer-encoding",
    "upgrade",
];

fn invalid<T>(message: impl Into<String>) -> Result<T, ErrorBody> {
    Err(ErrorBody::new(ErrorCode::Invalid, message))
}

/// Name, terms and secret of a credential that makes sense.
pub(crate) fn checked(add: CredentialAdd) -> Result<(CredentialName, CredentialTerms, String), ErrorBody> {
    let CredentialAdd { name, kind, mode, base_url, header, prefix, allowed_aspects, secret } = add;
    secret_fits(&secret)?;
    let allowed_aspects = allowed(allowed_aspects)?;
    let base_url = match base_url {
        Some(url) => Some(address(&url)?),
        None if mode == CredentialMode::Fetch => None,
        None => return invalid("`base_url` is missing: it is where the broker makes its calls"),
    };
    let header = header.unwrap_or_else(|| "authorization".to_owned()).to_ascii_lowercase();
    if HeaderName::from_bytes(header.as_bytes()).is_err() || NOT_FOR_SECRETS.contains(&header.as_str()) {
        return invalid(format!("`header`: {header:?} is no header a secret can go into"));
    }
    let bearer = if header == "authorization" { "Bearer " } else { "" };
    let prefix = prefix.unwrap_or_else(|| bearer.to_owned());
    if HeaderValue::from_str(&format!("{prefix}{secret}")).is_err() && mode.proxies() {
        return invalid(
            "the secret, or `prefix`, has characters that no header can hold, such as a line break",
        );
    }
    Ok((name, CredentialTerms { kind, mode, base_url, header, prefix, allowed_aspects }, secret))
}

pub(crate) fn allowed(aspects: Vec<AspectName>) -> Result<Vec<AspectName>, ErrorBody> {
    if aspects.len() > ASPECTS_MAX {
        return invalid(format!("`allowed_aspects` has {} names, at most {ASPECTS_MAX}", aspects.len()));
    }
    Ok(aspects)
}

pub(crate) fn secret_fits(secret: &str) -> Result<(), ErrorBody> {
    match secret.len() {
        0 => invalid("`secret` is empty"),
        1..=SECRET_BYTES_MAX => Ok(()),
        bytes => invalid(format!("`secret` has {bytes} bytes, at most {SECRET_BYTES_MAX}")),
    }
}

/// Without a slash at its end. A secret goes over the network encrypted only.
fn address(text: &str) -> Result<String, ErrorBody> {
    let Ok(url) = Url::parse(text) else {
        return invalid("`base_url` is no address, such as https://api.example/v1");
    };
    let Some(host) = url.host_str() else { return invalid("`base_url` names no host") };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if is_loopback => {}
        _ => return invalid("`base_url` must begin with https://, or be http:// on this machine"),
    }
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return invalid("`base_url` is a scheme, a host, a port and a path, and nothing else");
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn terms_that_would_give_a_secret_away_are_refused() {
        let cases = [
            (json!({}), "`base_url` is missing"),
            (json!({"base_url": "http://api.example"}), "https://"),
            (json!({"base_url": "ftp://api.example"}), "https://"),
            (json!({"base_url": "https://ana:pw@api.example"}), "nothing else"),
            (json!({"base_url": "https://api.example/?x"}), "nothing else"),
            (json!({"base_url": "https://api.example", "header": "host"}), "no header"),
            (json!({"base_url": "https://api.example", "header": "a b"}), "no header"),
            (json!({"base_url": "https://api.example", "secret": "a\nb"}), "line break"),
            (json!({"base_url": "https://api.example", "secret": ""}), "is empty"),
        ];
        let add = |more: &serde_json::Value| {
            let mut add = json!({"name": "model", "kind": "provider", "secret": "canary-3f9c"});
            for (key, value) in more.as_object().unwrap() {
                add[key] = value.clone();
            }
            checked(serde_json::from_value(add).unwrap())
        };
        for (more, message) in cases {
            let error = add(&more).unwrap_err().to_string();
            assert!(error.contains(message) && !error.contains("canary"), "{more}: {error}");
        }
        let (_, terms, _) = add(&json!({"base_url": "HTTPS://Api.Example/v1/"})).unwrap();
        assert_eq!(
            (terms.base_url.as_deref(), terms.header.as_str(), terms.prefix.as_str()),
            (Some("https://api.example/v1"), "authorization", "Bearer ")
        );
        let (_, terms, _) = add(&json!({"base_url": "http://127.0.0.1:9", "header": "X-Api-Key"})).unwrap();
        assert_eq!((terms.header.as_str(), terms.prefix.as_str()), ("x-api-key", ""));
        assert!(add(&json!({"mode": "fetch"})).is_ok());
    }
}

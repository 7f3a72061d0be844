//! Which names a request may call us by, and which pages may call us at all: the defence against a web page
//! that makes its reader's browser speak to a broker on loopback.

use std::net::SocketAddr;

/// Names without a port, lower case, addresses without brackets.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    names: Vec<String>,
    scheme: &'static str,
    public_url: Option<String>,
}

/// Why a request is not served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stranger {
    Host,
    Origin,
}

impl Stranger {
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Host => {
                "this broker does not go by the name in the Host header; add it to allowed_hosts in nexus.toml if it should"
            }
            Self::Origin => "pages of another origin may not use this broker",
        }
    }
}

impl Hosts {
    /// `names`: the certificate's, and further ones that were configured.
    pub(crate) fn new(names: &[String], listen: SocketAddr, tls: bool, public_url: Option<String>) -> Self {
        let mut names: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        if !listen.ip().is_unspecified() {
            names.push(listen.ip().to_string());
        }
        if let Some(authority) = public_url.as_deref().and_then(|url| url.split_once("://")) {
            names.push(host_of(authority.1).to_owned());
        }
        Self { names, scheme: if tls { "https" } else { "http" }, public_url }
    }

    /// Whether the listener speaks TLS, so that a cookie may be kept to it.
    pub(crate) fn is_tls(&self) -> bool {
        self.scheme == "https" || self.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }

    /// Under which a proxy shows this broker, if one does.
    pub(crate) fn public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// Where somebody who called us `host` reaches us.
    pub(crate) fn origin(&self, host: &str) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("{}://{host}", self.scheme))
    }

    /// `host`: the Host header or the target's authority; `origin`: the Origin header, which programs leave out.
    pub(crate) fn check(&self, host: Option<&str>, origin: Option<&str>) -> Result<(), Stranger> {
        let host = host.ok_or(Stranger::Host)?.to_ascii_lowercase();
        // A name with a dot at its end is the same name.
        let name = host_of(&host);
        let name = name.strip_suffix('.').unwrap_or(name);
        let loopback =
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !loopback && !self.names.iter().any(|known| known == name) {
            return Err(Stranger::Host);
        }
        let Some(origin) = origin.map(str::to_ascii_lowercase) else { return Ok(()) };
        let own = origin.strip_prefix(self.scheme).and_then(|rest| rest.strip_prefix("://")) == Some(&*host);
        if own || self.public_url.as_deref() == Some(&*origin) { Ok(()) } else { Err(Stranger::Origin) }
    }
}

/// The host of `host:port`, `[v6]:port` or a name alone.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or("", |(address, _)| address);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_pass_and_strangers_do_not() {
        let names = ["ab12.nexus".to_owned(), "build-1".to_owned()];
        let public = Some("https://nexus.example".to_owned());
        let hosts = Hosts::new(&names, "10.0.0.7:7888".parse().unwrap(), false, public);
        type Case = (Option<&'static str>, Option<&'static str>, Result<(), Stranger>);
        let cases: &[Case] = &[
            (Some("127.0.0.1:7888"), None, Ok(())),
            (Some("localhost"), None, Ok(())),
            (Some("LOCALHOST:1"), None, Ok(())),
            (Some("[::1]:7888"), None, Ok(())),
            (Some("10.0.0.7:7888"), None, Ok(())),
            (Some("build-1:7888"), None, Ok(())),
            (Some("AB12.nexus:7888"), None, Ok(())),
            (Some("nexus.example"), None, Ok(())),
            (None, None, Err(Stranger::Host)),
            (Some(""), None, Err(Stranger::Host)),
            (Some("evil.example"), None, Err(Stranger::Host)),
            (Some("localhost.evil.example:7888"), None, Err(Stranger::Host)),
            (Some("127.0.0.1.evil.example"), None, Err(Stranger::Host)),
            (Some("evil.example"), Some("http://localhost:7888"), Err(Stranger::Host)),
            (Some("localhost:7888"), Some("http://localhost:7888"), Ok(())),
            (Some("localhost:7888"), Some("https://nexus.example"), Ok(())),
            (Some("localhost:7888"), Some("https://localhost:7888"), Err(Stranger::Origin)),
            (Some("localhost:7888"), Some("http://localhost:7889"), Err(Stranger::Origin)),
            (Some("localhost:7888"), Some("http://127.0.0.1:7888"), Err(Stranger::Origin)),
            (Some("localhost:7888"), Some("http://evil.example"), Err(Stranger::Origin)),
            (Some("localhost:7888"), Some("null"), Err(Stranger::Origin)),
            (Some("localhost:7888"), Some(""), Err(Stranger::Origin)),
            (Some("localhost:7888"), Some("http://localhost:7888."), Err(Stranger::Origin)),
            (Some("localhost:7888"), Some("http://localhost:7888/"), Err(Stranger::Origin)),
            (Some("localhost:7888"), Some("HTTP://LOCALHOST:7888"), Ok(())),
            (Some("localhost:7888"), Some("file://"), Err(Stranger::Origin)),
            (Some("localhost"), Some("http://localhost:7888"), Err(Stranger::Origin)),
            (Some("[::1]:7888"), Some("http://[::1]:7888"), Ok(())),
            (Some("[::1]:7888"), Some("http://[::1]:1"), Err(Stranger::Origin)),
            (Some("[::1]"), None, Ok(())),
            (Some("[::2]:7888"), None, Err(Stranger::Host)),
            (Some("[::ffff:127.0.0.1]:7888"), None, Err(Stranger::Host)),
            (Some("[::1"), None, Err(Stranger::Host)),
            (Some("localhost."), None, Ok(())),
            (Some("localhost.:7888"), Some("http://localhost:7888"), Err(Stranger::Origin)),
            (Some("localhost.."), None, Err(Stranger::Host)),
            (Some("build-1.:7888"), None, Ok(())),
            (Some("evil.example."), None, Err(Stranger::Host)),
            (Some("127.0.0.1.nip.io:7888"), None, Err(Stranger::Host)),
            (Some("127.1:7888"), None, Err(Stranger::Host)),
            (Some("0x7f.0.0.1:7888"), None, Err(Stranger::Host)),
            (Some("2130706433:7888"), None, Err(Stranger::Host)),
            (Some("0.0.0.0:7888"), None, Err(Stranger::Host)),
            (Some("localhost:7888@evil.example"), None, Err(Stranger::Host)),
            (Some("evil.example#localhost:7888"), None, Err(Stranger::Host)),
        ];
        for (host, origin, expected) in cases {
            assert_eq!(hosts.check(*host, *origin), *expected, "{host:?} {origin:?}");
        }
    }
}

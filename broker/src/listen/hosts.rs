//! Which names a request may call us by, and which pages may call us at all: the defence against a web page
//! that makes its reader's browser speak to a broker on loopback.

use std::net::{IpAddr, SocketAddr};

/// Names without a port, lower case, addresses without brackets.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    names: Vec<String>,
    /// Every loopback address and `localhost` are ours, too.
    has_loopback: bool,
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
        Self { names, has_loopback: true, scheme: scheme(tls), public_url }
    }

    /// Of a Nexus that shares its addresses with others: it goes by these names alone.
    pub(crate) fn of_tenant(names: Vec<String>, tls: bool, public_url: Option<String>) -> Self {
        Self { names, has_loopback: false, scheme: scheme(tls), public_url }
    }

    /// What those are called who have `label` before one of our names.
    pub(crate) fn below(&self, label: &str) -> Vec<String> {
        let names = self.names.iter().map(String::as_str).chain(["localhost"]);
        let mut below: Vec<String> = names
            .filter(|name| name.parse::<IpAddr>().is_err())
            .map(|name| format!("{label}.{name}"))
            .collect();
        below.sort();
        below.dedup();
        below
    }

    /// Whether we go by `name` ourselves.
    pub(crate) fn is_own(&self, name: &str) -> bool {
        self.check(Some(name), None).is_ok()
    }

    /// What stands before one of our names in `name`, if it is one label.
    pub(crate) fn label_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        let (label, rest) = name.split_once('.')?;
        self.is_own(rest).then_some(label)
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
        let name = bare(&host);
        let loopback = self.has_loopback
            && (name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()));
        if !loopback && !self.names.iter().any(|known| known == name) {
            return Err(Stranger::Host);
        }
        let Some(origin) = origin.map(str::to_ascii_lowercase) else { return Ok(()) };
        let own = origin.strip_prefix(self.scheme).and_then(|rest| rest.strip_prefix("://")) == Some(&*host);
        if own || self.public_url.as_deref() == Some(&*origin) { Ok(()) } else { Err(Stranger::Origin) }
    }
}

fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

/// The name in an authority of lower case. One with a dot at its end is the same name.
pub(super) fn bare(authority: &str) -> &str {
    let name = host_of(authority);
    name.strip_suffix('.').unwrap_or(name)
}

/// `url` with `label` before its host; nothing can stand before an address.
pub(crate) fn url_below(url: &str, label: &str) -> Option<String> {
    let (scheme, authority) = url.split_once("://")?;
    host_of(authority).parse::<IpAddr>().is_err().then(|| format!("{scheme}://{label}.{authority}"))
}

/// The host of a URL without a path.
pub(crate) fn host_in(url: &str) -> &str {
    host_of(url.split_once("://").map_or(url, |(_, authority)| authority))
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

    #[test]
    fn a_tenant_goes_by_its_own_names_alone() {
        let own = Hosts::new(
            &["127.0.0.1".to_owned(), "build-1".to_owned()],
            "10.0.0.7:7888".parse().unwrap(),
            false,
            Some("https://nexus.example:8443".to_owned()),
        );
        let names = own.below("acme");
        assert_eq!(names, ["acme.build-1", "acme.localhost", "acme.nexus.example"]);
        let acme = Hosts::of_tenant(names, false, None);
        let cases: &[(&str, Option<&str>, Result<(), Stranger>)] = &[
            ("acme.localhost:7888", None, Ok(())),
            ("ACME.localhost.:7888", None, Ok(())),
            ("acme.localhost:7888", Some("http://acme.localhost:7888"), Ok(())),
            ("acme.localhost:7888", Some("http://beta.localhost:7888"), Err(Stranger::Origin)),
            ("acme.localhost:7888", Some("http://localhost:7888"), Err(Stranger::Origin)),
            ("localhost:7888", None, Err(Stranger::Host)),
            ("127.0.0.1:7888", None, Err(Stranger::Host)),
            ("beta.localhost:7888", None, Err(Stranger::Host)),
            ("x.acme.localhost:7888", None, Err(Stranger::Host)),
        ];
        for (host, origin, expected) in cases {
            assert_eq!(acme.check(Some(host), *origin), *expected, "{host:?} {origin:?}");
        }
        assert_eq!(own.check(Some("acme.localhost:7888"), None), Err(Stranger::Host), "no name of ours");
        let below = |url| url_below(url, "acme");
        assert_eq!(below("https://nexus.example:8443").as_deref(), Some("https://acme.nexus.example:8443"));
        assert_eq!((below("https://10.0.0.7"), below("https://[::1]:1")), (None, None));
    }
}

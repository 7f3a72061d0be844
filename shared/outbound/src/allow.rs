//! Servers that a person has named: those may be asked wherever they are.

/// Each as `host:port`, written as in a URL.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Allowed(Vec<String>);

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{server:?} is no host:port, for example \"127.0.0.1:8080\"")]
pub struct AllowError {
    /// Which of the list.
    pub at: usize,
    pub server: String,
}

impl Allowed {
    /// As it stands; what is no `host:port` allows nothing.
    pub fn new(servers: impl IntoIterator<Item = String>) -> Self {
        Self(servers.into_iter().collect())
    }

    /// What in a list is no server.
    pub fn faults(servers: &[String]) -> Vec<AllowError> {
        let is_server = |server: &str| {
            server.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && is_port(port))
        };
        let faults = servers.iter().enumerate().filter(|(_, server)| !is_server(server));
        faults.map(|(at, server)| AllowError { at, server: server.clone() }).collect()
    }

    pub(crate) fn names(&self, host: &str, port: u16) -> bool {
        let asked = format!("{host}:{port}");
        self.0.iter().any(|server| server.eq_ignore_ascii_case(&asked))
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port_as_in_the_address() {
        let servers = ["a.test:80", "127.0.0.1:8080", "[::1]:9", "a.test", ":80", "a.test:0", "a.test:x", ""];
        let servers = servers.map(str::to_owned);
        let wrong: Vec<usize> = Allowed::faults(&servers).into_iter().map(|fault| fault.at).collect();
        assert_eq!(wrong, [3, 4, 5, 6, 7]);
        let allowed = Allowed::new(servers);
        let cases = [
            ("a.test", 80, true),
            ("A.TEST", 80, true),
            ("[::1]", 9, true),
            ("a.test", 81, false),
            ("b.test", 80, false),
        ];
        for (host, port, expected) in cases {
            assert_eq!(allowed.names(host, port), expected, "{host}:{port}");
        }
    }
}

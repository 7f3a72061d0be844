//! What is insecure or broken about a data directory and its settings, and what to do about each. Only reads,
//! beside a running broker or without one.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nexus_wire::Ms;
use nexus_wire::admin::OperatorRole;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::config::{Config, Synchronous};
use crate::datadir::{CREDENTIALS_KEY, DataDir, TOKEN_FILE};
use crate::edge::machine::{FREE_BYTES_FEW, free_bytes};
use crate::hub::records::{Digest, OperatorRecord, Reads, Snapshot};
use crate::identity::keys::NexusKeys;
use crate::identity::password;
use crate::identity::seal::Sealer;
use crate::listen::hosts::host_in;
use crate::store::SqliteReader;
use crate::tenants::{all, fault_of};

const PRIVATE: [&str; 6] =
    ["identity.json", TOKEN_FILE, CREDENTIALS_KEY, "nexus.db", "nexus.db-wal", "nexus.toml"];
const WAL_BYTES_MANY: u64 = 256 * 1024 * 1024;
const FREE_BYTES_NONE: u64 = 64 * 1024 * 1024;
/// A clock that is behind by less corrects itself.
const CLOCK_LAG_MS: Ms = 60_000;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    Good,
    /// Works, and deserves a thought.
    Note,
    /// Insecure or broken.
    Bad,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) level: Level,
    pub(crate) found: String,
    /// Empty when there is nothing to do.
    pub(crate) advice: String,
}

fn good(check: &'static str, found: impl Into<String>) -> Finding {
    Finding { check, level: Level::Good, found: found.into(), advice: String::new() }
}

fn finding(
    check: &'static str,
    level: Level,
    found: impl Into<String>,
    advice: impl Into<String>,
) -> Finding {
    Finding { check, level, found: found.into(), advice: advice.into() }
}

/// `now`: the wall clock.
pub(crate) fn examine(config: &Config, now: Ms) -> Vec<Finding> {
    let mut findings = vec![listens(config), durable(config)];
    findings.extend(opened(config));
    if !config.data.join("nexus.db").exists() {
        let advice = "`nexus serve` makes a Nexus there; name another directory with --data";
        findings.push(finding(
            "database",
            Level::Bad,
            format!("there is none in {}", config.data.display()),
            advice,
        ));
        return findings;
    }
    findings.extend(modes(&config.data));
    findings.extend(tenants(&config.data));
    findings.extend(identity(&config.data));
    findings.push(room(&config.data));
    findings.push(log_of_writes(&config.data));
    match SqliteReader::open(&config.data.join("nexus.db")) {
        Ok(reader) => findings.extend(contents(config, &reader, now)),
        Err(error) => {
            findings.push(finding("database", Level::Bad, error.to_string(), "see `nexus verify`"));
        }
    }
    findings
}

fn listens(config: &Config) -> Finding {
    if config.listen.ip().is_loopback() {
        return good("listen", format!("{}, this machine only", config.listen));
    }
    let advice = "that is meant for a network you trust; 127.0.0.1 keeps it to this machine";
    finding(
        "listen",
        Level::Note,
        format!("{} is reachable from other machines, with TLS", config.listen),
        advice,
    )
}

fn durable(config: &Config) -> Finding {
    match config.synchronous {
        Synchronous::Full => good("durability", "what is acknowledged is on disk"),
        Synchronous::Off => {
            let advice = "remove storage.synchronous from nexus.toml and the environment";
            finding("durability", Level::Bad, "a power cut loses what was acknowledged", advice)
        }
    }
}

/// What settings open on purpose.
fn opened(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.metrics_open_on_loopback {
        let found = "everybody on this machine reads /metrics, without a token";
        let advice = "a viewer's token does as well: remove metrics.open_on_loopback";
        findings.push(finding("metrics", Level::Note, found, advice));
    }
    if let Some(url) = config.public_url.as_deref().filter(|url| url.starts_with("http://") && !is_here(url))
    {
        let found = format!("people are sent to {url}, where tokens and passwords travel in the clear");
        let advice = "let whatever stands before the broker speak TLS, and say https:// in public_url";
        findings.push(finding("public_url", Level::Bad, found, advice));
    }
    let inside =
        [("push.allow", "A2A clients", &config.push.allow), ("watch.allow", "triggers", &config.watch_allow)];
    for (setting, who, servers) in inside.into_iter().filter(|(_, _, servers)| !servers.is_empty()) {
        let found = format!("{who} may have the broker call {} although that is inside", servers.join(", "));
        findings.push(finding(setting, Level::Note, found, "leave out what nobody needs"));
    }
    findings
}

fn is_here(url: &str) -> bool {
    let host = host_in(url);
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse().is_ok_and(|it: IpAddr| it.is_loopback())
}

fn modes(data: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut open = |path: &Path, wanted: u32| {
        let Ok(metadata) = std::fs::metadata(path) else { return };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let found = format!("{} may be read by others (mode {mode:04o})", path.display());
            findings.push(finding(
                "file mode",
                Level::Bad,
                found,
                format!("chmod {wanted:o} {}", path.display()),
            ));
        }
    };
    open(data, 0o700);
    for name in PRIVATE {
        open(&data.join(name), 0o600);
    }
    if findings.is_empty() {
        findings.push(good("file mode", "the data directory and its keys are the owner's alone"));
    }
    findings
}

fn identity(data: &Path) -> Option<Finding> {
    let error = NexusKeys::read(&DataDir::open(data).ok()?).err()?;
    Some(finding(
        "identity",
        Level::Bad,
        error.to_string(),
        "put the file back before the broker makes another",
    ))
}

/// Those that the broker could not serve when it tried last.
fn tenants(data: &Path) -> Vec<Finding> {
    let faults = all(data).into_iter().filter_map(|name| Some((fault_of(data, &name)?, name)));
    let advice = "put it right: the broker tries again by itself; `nexus doctor --tenant NAME` may know more";
    faults
        .map(|(fault, name)| finding("tenants", Level::Bad, format!("{name} is not served: {fault}"), advice))
        .collect()
}

fn room(data: &Path) -> Finding {
    let Some(free) = free_bytes(data) else {
        return finding("disk", Level::Note, "how much room is left cannot be told", "");
    };
    let found = format!("{} MiB free", free / (1024 * 1024));
    match free {
        ..FREE_BYTES_NONE => {
            finding("disk", Level::Bad, found, "make room: soon nothing can be acknowledged")
        }
        FREE_BYTES_NONE..FREE_BYTES_FEW => finding("disk", Level::Note, found, "make room"),
        FREE_BYTES_FEW.. => good("disk", found),
    }
}

fn log_of_writes(data: &Path) -> Finding {
    let bytes = std::fs::metadata(data.join("nexus.db-wal")).map_or(0, |it| it.len());
    let found = format!("the write-ahead log has {} MiB", bytes / (1024 * 1024));
    if bytes < WAL_BYTES_MANY {
        return good("wal", found);
    }
    finding("wal", Level::Note, found, "start the broker again; if it grows still, a reader never ends")
}

fn contents(config: &Config, reader: &SqliteReader, now: Ms) -> Vec<Finding> {
    let mut findings = vec![whole(reader)];
    let snapshot = match reader.snapshot() {
        Ok(snapshot) => snapshot,
        Err(error) => {
            findings.push(finding("database", Level::Bad, error.to_string(), "restore a backup"));
            return findings;
        }
    };
    findings.push(clock(&snapshot, now));
    findings.push(setup(&snapshot));
    // Whoever may read it is the owner of everything here.
    let own = std::fs::read_to_string(config.data.join(TOKEN_FILE)).ok();
    let own = own.map(|token| Digest(Sha256::digest(token.trim()).into()));
    findings.extend(people(&snapshot, own));
    findings.extend(credentials(config, &snapshot));
    findings
}

fn whole(reader: &SqliteReader) -> Finding {
    match reader.quick_check() {
        Ok(()) => good("database", "its pages are in order"),
        Err(error) => {
            finding("database", Level::Bad, error.to_string(), "restore a backup with `nexus restore FILE`")
        }
    }
}

fn clock(snapshot: &Snapshot, now: Ms) -> Finding {
    let lag = snapshot.last_at - now;
    if lag <= CLOCK_LAG_MS {
        return good("clock", "not behind the log");
    }
    let advice = "set this machine's clock; until it has caught up, times in the log are ahead of it";
    finding("clock", Level::Bad, format!("{} s behind the newest entry of the log", lag / 1_000), advice)
}

fn setup(snapshot: &Snapshot) -> Finding {
    if snapshot.setup.is_some_and(|it| it.is_good(snapshot.last_at)) {
        let advice =
            "use it, or wait: it is void 24 hours after it was made; whoever has it becomes an admin";
        return finding("setup token", Level::Note, "one was made and not used", advice);
    }
    good("setup token", "none is good")
}

/// `own`: the token in the data directory.
fn people(snapshot: &Snapshot, own: Option<Digest>) -> Vec<Finding> {
    let at = snapshot.last_at;
    let has_way_in = |it: &OperatorRecord| {
        it.password.is_some() || it.tokens.iter().any(|token| token.expires_at.is_none_or(|until| at < until))
    };
    let mut findings = Vec::new();
    for record in snapshot.operators.iter().filter(|record| record.is_active()) {
        let name = &record.name;
        if !has_way_in(record) {
            let advice =
                format!("`nexus operator token add {name} NAME`, `passwd {name}` or `revoke {name}`");
            findings.push(finding("operators", Level::Note, format!("{name} has no way in"), advice));
        }
        let lasting = record.tokens.iter().filter(|it| it.expires_at.is_none() && Some(it.sha256) != own);
        let lasting: Vec<&str> = lasting.map(|token| token.name.as_str()).collect();
        if !lasting.is_empty() {
            let found = format!("{name} has tokens that never expire: {}", lasting.join(", "));
            let advice = format!("`nexus operator token add {name} NAME --expires 720h --replace`");
            findings.push(finding("tokens", Level::Note, found, advice));
        }
        if record.password.as_deref().is_some_and(password::is_weak) {
            let found = format!("{name}'s password is hashed with less than today's parameters");
            findings.push(finding("passwords", Level::Bad, found, format!("`nexus operator passwd {name}`")));
        }
    }
    let admins = snapshot.operators.iter().filter(|it| it.is_active() && it.role == OperatorRole::Admin);
    if !admins.into_iter().any(has_way_in) {
        findings.push(finding("operators", Level::Bad, "no admin has a way in", "`nexus token new`"));
    }
    if !findings.iter().any(|it| it.check == "operators") {
        findings.push(good("operators", "everybody who is in has a way in"));
    }
    findings
}

fn credentials(config: &Config, snapshot: &Snapshot) -> Vec<Finding> {
    if snapshot.credentials.is_empty() {
        return Vec::new();
    }
    let Ok(data) = DataDir::open(&config.data) else { return Vec::new() };
    // What is wrong with it is a finding of its own.
    let Ok(keys) = NexusKeys::read(&data) else { return Vec::new() };
    let sealer = Sealer::new(data, keys.nexus_id);
    let faults: Vec<Finding> = snapshot
        .credentials
        .iter()
        .filter_map(|record| sealer.open(record).err())
        .map(|error| {
            finding("credentials", Level::Bad, error.to_string(), "restore the file, or set the secret again")
        })
        .collect();
    if faults.is_empty() { vec![good("credentials", "all can be opened")] } else { faults }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::wall;
    use crate::setup::Setup;

    fn bad(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().filter(|it| it.level == Level::Bad).map(|it| it.check).collect()
    }

    fn levels(findings: &[Finding], check: &str) -> Vec<Level> {
        findings.iter().filter(|it| it.check == check).map(|it| it.level).collect()
    }

    #[test]
    fn a_fresh_nexus_is_well_and_what_goes_wrong_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let config = |flags: &[(&'static str, String)]| Config::load(dir.path(), flags, |_| None).unwrap().0;
        assert_eq!(bad(&examine(&config(&[]), wall())), ["database"], "there is none yet");
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o700)).unwrap();
        drop(Setup::open(&config(&[])).unwrap());
        let well = examine(&config(&[]), wall());
        assert_eq!(bad(&well), Vec::<&str>::new(), "{well:?}");
        assert_eq!(levels(&well, "setup token"), [Level::Note]);
        assert_eq!(bad(&examine(&config(&[]), wall() - 3_600_000)), ["clock"]);
        let open = examine(&config(&[("listen", "0.0.0.0:1".into())]), wall());
        assert_eq!(levels(&open, "listen"), [Level::Note]);
        let opened = [
            ("metrics.open_on_loopback", "true".to_owned()),
            ("public_url", "http://nexus.example".into()),
            ("push.allow", "127.0.0.1:8080".into()),
            ("watch.allow", "10.0.0.7:80".into()),
        ];
        let opened = examine(&config(&opened), wall());
        assert_eq!(bad(&opened), ["public_url"], "{opened:?}");
        for note in ["metrics", "push.allow", "watch.allow"] {
            assert_eq!(levels(&opened, note), [Level::Note], "{note}");
        }
        let local = examine(&config(&[("public_url", "http://127.0.0.1:7888".into())]), wall());
        assert_eq!(levels(&local, "public_url"), [], "nothing leaves the machine");
        let off = examine(&config(&[("storage.synchronous", "off".into())]), wall());
        assert_eq!(bad(&off), ["durability"]);
        std::fs::set_permissions(dir.path().join(TOKEN_FILE), PermissionsExt::from_mode(0o644)).unwrap();
        let readable = examine(&config(&[]), wall());
        assert_eq!(bad(&readable), ["file mode"]);
        let advice = readable.iter().find(|it| it.level == Level::Bad).map(|it| it.advice.clone());
        assert_eq!(advice, Some(format!("chmod 600 {}", dir.path().join(TOKEN_FILE).display())));
    }
}

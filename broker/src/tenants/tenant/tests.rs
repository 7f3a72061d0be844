use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use nexus_wire::alert::{Alert, AlertKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::hub::records::Reads as _;
use crate::serve::Running;
use crate::tenants::fault_of;

/// How often a tenant was started, and how often it is to break down once it is.
static PLANTED: Mutex<BTreeMap<String, (usize, usize)>> = Mutex::new(BTreeMap::new());

fn planted<T>(act: impl FnOnce(&mut BTreeMap<String, (usize, usize)>) -> T) -> T {
    act(&mut PLANTED.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Called by each start.
pub(super) fn break_down(name: &TenantName, nexus: &mut Nexus) {
    let breaks = planted(|planted| {
        let (starts, breaks) = planted.entry(name.to_string()).or_default();
        *starts += 1;
        let is_due = *breaks > 0;
        *breaks = breaks.saturating_sub(1);
        is_due
    });
    if breaks {
        nexus.at_work(async { panic!("a planted defect") });
    }
}

fn starts(name: &str) -> usize {
    planted(|planted| planted.get(name).map_or(0, |it| it.0))
}

#[test]
fn a_few_breakdowns_within_a_while_are_one_too_many() {
    let (begin, mut of_late) = (Instant::now(), Breakdowns::default());
    let at = |seconds: u64| begin + Duration::from_secs(seconds);
    let noted: Vec<bool> = [0, 1, 599, 599].map(|seconds| of_late.note(at(seconds))).into();
    assert_eq!(noted, [true, true, true, false]);
    // Two are ten minutes old by now.
    let noted: Vec<bool> = [601, 602, 1_199].map(|seconds| of_late.note(at(seconds))).into();
    assert_eq!(noted, [true, false, true], "and two more at the end");
}

async fn alert(running: &Running) -> Option<Alert> {
    let read = running.edge.library.read(|store| store.alert(AlertKind::TenantDown, "broken-one")).await;
    read.unwrap().filter(|alert| alert.cleared_at.is_none())
}

/// Once it is so; each alert moves the log.
async fn wait_for_alert(running: &Running, is_so: impl Fn(Option<&Alert>) -> bool) -> Option<Alert> {
    let mut head = running.edge.published.head.subscribe();
    loop {
        head.borrow_and_update();
        let alert = alert(running).await;
        if is_so(alert.as_ref()) {
            return alert;
        }
        tokio::time::timeout(Duration::from_secs(60), head.changed()).await.expect("in time").unwrap();
    }
}

async fn status(running: &Running, host: &str) -> String {
    let address = running.url().trim_start_matches("http://").to_owned();
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn make(data: &Path, broker: &Config, name: &str) {
    let name: TenantName = name.parse().unwrap();
    let (config, _) = Config::of_tenant(&folder_of(data, &name), &name, broker, |_| None).unwrap();
    drop(Setup::open(&config).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_breaks_down_is_started_again_three_times_and_then_by_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (config, _) = Config::load(&data, &[("listen", "127.0.0.1:0".to_owned())], |_| None).unwrap();
    drop(Setup::open(&config).unwrap());
    make(&data, &config, "broken-one");
    make(&data, &config, "other-one");
    planted(|planted| planted.insert("broken-one".to_owned(), (0, RESTARTS_MAX + 1)));
    let running = Running::start(config).await.unwrap();

    let is_given_up = |alert: Option<&Alert>| alert.is_some_and(|it| it.message.contains("only by a person"));
    let told = wait_for_alert(&running, is_given_up).await.unwrap();
    let text = "it has broken down by a defect: a planted defect; that was once more than 3 times within 10 minutes, so it is \
                started again only by a person: look at the log, then nexus tenant restart broken-one";
    assert_eq!(told.message, format!("the tenant broken-one is not served: {text}"));
    assert_eq!(told.times, 4, "each time was told");
    let name: TenantName = "broken-one".parse().unwrap();
    assert_eq!(fault_of(&data, &name).as_deref(), Some(text));
    assert_eq!((starts("broken-one"), starts("other-one")), (4, 1), "nobody else was touched");
    let statuses =
        (status(&running, "broken-one.localhost").await, status(&running, "other-one.localhost").await);
    assert_eq!(statuses, ("503".to_owned(), "200".to_owned()));

    restart::want(&data, &name).unwrap();
    wait_for_alert(&running, |alert| alert.is_none()).await;
    assert_eq!(status(&running, "broken-one.localhost").await, "200");
    assert_eq!((starts("broken-one"), fault_of(&data, &name)), (5, None));
    running.stop().await.unwrap();
}

//! What a Nexus sees to by itself as time goes on, also while its machine is suspended.

use nexus_wire::admin::{AspectAdd, OperatorAdd, OperatorRole};
use nexus_wire::roster::AspectRole;
use nexus_wire::trigger::{SlotState, Trigger};
use nexus_wire::{Ms, Party, RequestId};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, pause, resume};
use tokio_rustls::TlsConnector;

use super::*;
use crate::hub::records::Reads as _;
use crate::hub::{Change, Hub, HubConfig};
use crate::relay::presence::Patience;
use crate::serve::Running;
use crate::store::MemoryStore;

const HOUR: Ms = 3_600_000;
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// In seconds.
const DAY: u64 = 24 * 3_600;

fn hourly() -> Vec<CommandBody> {
    let add = AspectAdd {
        name: "wren".parse().unwrap(),
        role: AspectRole::Worker,
        public_key: KEY.into(),
        share_knowledge: false,
    };
    let ana = OperatorAdd {
        name: "ana".parse().unwrap(),
        role: OperatorRole::Admin,
        token_sha256: "ab".repeat(32),
    };
    let definition = json!({
        "name": "hourly",
        "when": {"cron": "0 * * * *"},
        "do": {"ask": {"aspect": "wren", "text": "Look around."}},
    });
    let trigger: Trigger = serde_json::from_value(definition).unwrap();
    vec![
        CommandBody::AddAspect { by: Party::System, add },
        CommandBody::AddOperator { by: Party::System, add: ana },
        CommandBody::Request {
            sender: "operator/ana".parse().unwrap(),
            link: None,
            request: RequestId(Uuid::from_u128(1)),
            change: Change::TriggerPut(Box::new(trigger)),
        },
    ]
}

#[tokio::test(start_paused = true)]
async fn what_was_slept_over_is_seen_to_within_seconds_of_waking() {
    let (clock, machine) = Clock::by_hand(1_700_000_000_000);
    let store = MemoryStore::new();
    let hub = Hub::rebuild(&store, HubConfig::default()).unwrap();
    let published = Arc::new(Published::of(&hub, Patience::default(), clock.clone()));
    let (sequencer, intake) = sequencer(clock.clone());
    let (core, due) = Core::new(store, hub, HubConfig::default(), intake, published);
    let mut seen = due.clone();
    let core = std::thread::spawn(move || core.run());
    let ticking = task::spawn(tick(sequencer.clone(), clock.clone(), due));
    for body in hourly() {
        sequencer.submit(Origin::Broker, body, 0).await.unwrap();
    }
    sequencer.ask(|_| ()).await.unwrap();
    let first = seen.borrow_and_update().unwrap();

    machine.suspend(first + 2 * HOUR + HOUR / 2 - clock.now());
    let woke = Instant::now();
    seen.wait_for(|next| *next == Some(first + 3 * HOUR)).await.unwrap();
    assert!(woke.elapsed() <= LOOK_INTERVAL, "{:?} of the time of timers", woke.elapsed());

    sequencer.stop().await;
    let store = core.join().unwrap();
    ticking.abort();
    let trigger = store.triggers(None, 1).unwrap().remove(0);
    let slots = store.trigger_slots(trigger.info.id, u64::MAX, 10).unwrap();
    let told: Vec<_> =
        slots.iter().rev().map(|it| (it.slot.slot, it.slot.state, it.slot.caught_up)).collect();
    let expected = [
        (first, SlotState::Skipped, false),
        (first + HOUR, SlotState::Skipped, false),
        (first + 2 * HOUR, SlotState::Running, true),
    ];
    assert_eq!(told, expected);
}

/// The certificate that a client is shown and takes for the broker's.
async fn shown(running: &Running) -> CertificateDer<'static> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(running.nexus.ca_pem.as_bytes()).unwrap()).unwrap();
    // A new one each time, which has no session to go on with.
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(format!("{}.nexus", running.edge.info().nexus_id)).unwrap();
    let socket = TcpStream::connect(running.url().strip_prefix("https://").unwrap()).await.unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

/// Timers come, and sockets are not waited for: the time of those goes on afterwards.
async fn let_the_leaf_be_checked() {
    pause();
    sleep(LEAF_CHECK_INTERVAL + SWEEP_INTERVAL).await;
    resume();
}

#[tokio::test]
async fn the_certificate_is_replaced_when_little_of_its_time_is_left_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let flags = [("listen", "127.0.0.1:0".to_owned()), ("tls.always", "true".to_owned())];
    let (config, _) = Config::load(dir.path(), &flags, |_| None).unwrap();
    let running = Running::start(config).await.unwrap();
    let first = shown(&running).await;
    let_the_leaf_be_checked().await;
    assert_eq!(shown(&running).await, first);

    // As if that one had been issued 61 of its 90 days ago: it is good for a month.
    let leaf = running.nexus.leaf.as_ref().unwrap();
    leaf.reissue(seconds() - 61 * DAY).unwrap();
    let old = shown(&running).await;
    let_the_leaf_be_checked().await;
    let new = shown(&running).await;
    assert_ne!(new, old);
    let_the_leaf_be_checked().await;
    assert_eq!(shown(&running).await, new, "once is enough");
    running.stop().await.unwrap();
}

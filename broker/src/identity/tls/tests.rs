use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::*;
use crate::datadir::DataDir;

const NOW: Seconds = 1_800_000_000;
const DAY: Seconds = 24 * HOUR;

fn keys() -> Arc<NexusKeys> {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    let (first, new) = NexusKeys::open(&data, NOW).unwrap();
    assert!(new);
    let (again, new) = NexusKeys::open(&data, NOW).unwrap();
    assert!(!new);
    assert_eq!((first.nexus_id, &first.ca_pem), (again.nexus_id, &again.ca_pem));
    // Issued by the keys as read back, checked against the certificate as first written.
    Arc::new(again)
}

fn accepts(keys: &NexusKeys, leaf: &Leaf, name: &str, at: Seconds) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(keys.ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let key = Arc::clone(&leaf.current.read().unwrap().key);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at));
    verifier.verify_server_cert(&key.cert[0], &[], &name, &[], at).is_ok()
}

#[test]
fn the_leaf_is_good_under_its_names_alone_and_under_its_own_authority_alone() {
    let keys = keys();
    let names =
        names(&keys, Some("Build-1"), "10.0.0.7".parse().unwrap(), &["nexus.example".into(), "a b".into()]);
    let leaf = Leaf::issue(Arc::clone(&keys), names, 90, NOW).unwrap();
    for name in
        [keys.fixed_name().as_str(), "localhost", "127.0.0.1", "::1", "build-1", "10.0.0.7", "nexus.example"]
    {
        assert!(accepts(&keys, &leaf, name, NOW), "{name}");
    }
    assert!(!accepts(&keys, &leaf, "elsewhere.example", NOW));
    assert!(!accepts(&self::keys(), &leaf, "localhost", NOW), "another authority");
}

#[test]
fn the_leaf_is_replaced_in_place_before_it_expires() {
    let keys = keys();
    let leaf = Leaf::issue(Arc::clone(&keys), vec!["localhost".into()], 90, NOW).unwrap();
    let first = Arc::clone(&leaf.current.read().unwrap().key);
    assert!(!leaf.is_due(NOW + 59 * DAY));
    assert!(leaf.is_due(NOW + 60 * DAY));
    assert!(!accepts(&keys, &leaf, "localhost", NOW + 91 * DAY), "expired");
    leaf.reissue(NOW + 60 * DAY).unwrap();
    assert!(!leaf.is_due(NOW + 61 * DAY));
    assert!(accepts(&keys, &leaf, "localhost", NOW + 91 * DAY));
    assert_ne!(first.cert, leaf.current.read().unwrap().key.cert);
}

//! Fuzz target: credentials from anybody.

use std::sync::Arc;

use bolero::check;

use super::{AuthError, Gate, NexusKeys, Now};
use crate::altered::Altered;
use crate::datadir::DataDir;

#[test]
fn a_credential() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = DataDir::open(folder.path()).expect("a folder of ours");
    let (keys, _) = NexusKeys::open(&data, 1_800_000_000).expect("keys are made");
    let gate = std::panic::AssertUnwindSafe(Gate::new(Arc::new(keys), Arc::default()));
    let texts = [
        "nxo_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ3cmVuIiwic3ViIjoid3JlbiIsImF1ZCI6IngiLCJqdGkiOiIxIiwiZXhwIjo5OTk5OTk5OTk5fQ.AAAA",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3cmVuIn0.",
    ];
    check!().with_type::<Altered>().for_each(|altered| {
        let bytes = altered.of(&texts);
        let text = String::from_utf8_lossy(&bytes);
        gate.identify(&text, Now { wall: 1_760_000_000, at: 0 }).expect_err("nobody is known here");
        let refused =
            gate.exchange(&text, Now { wall: 1_760_000_000, at: 0 }).expect_err("nobody is known here");
        assert!(matches!(refused, AuthError::Assertion(_)), "{refused}");
    });
}

//! What every end-to-end test, the tidy checks and the benchmarks share.
//!
//! The checks themselves are in `tests/tests/`; this crate depends on every other and none depends on it.

//! Traces through the real binaries, as a collector of OpenTelemetry sees them.

mod team;
mod told;

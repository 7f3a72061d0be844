//! Stories of whole teams, each through the real binaries. They are one crate: linking one takes less than linking thirty,
//! and a machine is at work to the end of the longest.

mod approvals;
mod attach;
mod budgets;
mod commands;
mod compaction;
mod displaced;
mod durability;
mod files;
mod flows;
mod gather;
mod hooks;
mod lifecycle;
mod link;
mod newcomer;
mod operator;
mod packaging;
mod recall;
mod redteam;
mod registries;
mod scripts;
mod servers;
mod sessions;
mod spawn;
mod story;
mod tls;
mod triggers;
mod troubleshooting;
mod vault;
mod watches;

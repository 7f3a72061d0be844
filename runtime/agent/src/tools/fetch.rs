//! `fetch_url`: a page or a file from the web, as text.

mod config;

pub use config::FetchConfig;

//! Which version a program is. An optimised build says which commit it was built from, too.

/// `0.1.0 (v0.1.0-12-g11cdf803a1b2)`; without the commit where it is not known, or of no use.
pub const VERSION: &str = env!("NEXUS_VERSION");

#[cfg(test)]
mod tests {
    #[test]
    fn it_begins_with_the_version_of_the_package() {
        assert!(super::VERSION.starts_with(env!("CARGO_PKG_VERSION")), "{}", super::VERSION);
    }
}

//! `nexctl --help`: the commands in groups, in the order in which one comes to need them.

use std::fmt::Write as _;

use clap::CommandFactory as _;

use super::Cli;

/// Each command stands in one group.
const GROUPS: &[(&str, &[&str])] = &[
    ("Talk to the team", &["ask", "say", "search", "react", "mark", "rename"]),
    ("Give work to Hands", &["dispatch", "retry", "cancel"]),
    ("Look", &["get", "session", "knowledge", "blob"]),
    ("Step in", &["ack", "stop", "go-on", "pause", "hold", "release"]),
    ("Keep the Nexus", &["audit", "budget", "credential", "backup"]),
    ("This program", &["context", "completions"]),
];

/// The command line with its help in groups.
pub fn command() -> clap::Command {
    let command = Cli::command();
    let about = |name: &str| {
        let found = command.find_subcommand(name).and_then(|it| it.get_about());
        found.map(ToString::to_string).unwrap_or_default()
    };
    let mut groups = String::new();
    for (title, names) in GROUPS {
        let _ = writeln!(groups, "\n{title}:");
        for name in *names {
            let _ = writeln!(groups, "  {name:<12} {}", about(name));
        }
    }
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{groups}\nGlobal options:\n{{options}}\n{{after-help}}"
    );
    Cli::command().help_template(template)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_stands_in_one_group() {
        let command = Cli::command();
        let there: BTreeSet<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let shown: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert_eq!(shown.iter().copied().collect::<BTreeSet<_>>(), there);
        assert_eq!(shown.len(), there.len(), "one of them stands there twice");
        let help = super::command().render_help().to_string();
        assert!(help.find("ask ") < help.find("dispatch ") && help.contains("--url"), "{help}");
    }
}

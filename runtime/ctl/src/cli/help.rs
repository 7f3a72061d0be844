//! `nexctl --help`: the commands in groups, in the order in which one comes to need them.

use std::fmt::Write as _;

use clap::CommandFactory as _;

use super::Cli;

/// Each command stands in one group.
const GROUPS: &[(&str, &[&str])] = &[
    ("Talk to the team", &["ask", "say", "search", "react", "mark", "rename"]),
    ("Give work to Hands", &["dispatch", "flow", "run", "retry", "cancel", "gather"]),
    ("While nobody types", &["trigger"]),
    ("Look", &["get", "describe", "top", "logs", "session", "knowledge", "registry", "blob"]),
    ("Step in", &["answer", "approve", "deny", "ack", "stop", "go-on", "pause", "hold", "release"]),
    ("Keep the Nexus", &["usage", "budget", "audit", "aspect", "operator", "credential", "backup"]),
    ("This program", &["login", "logout", "context", "completions"]),
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

    /// Commands and arguments that do not explain themselves.
    fn unexplained(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        if command.get_about().is_none() && command.get_long_about().is_none() {
            found.push(path.clone());
        }
        for argument in command.get_arguments() {
            let is_said = argument.get_help().is_some() || argument.get_long_help().is_some();
            if !is_said && !["help", "version"].contains(&argument.get_id().as_str()) {
                found.push(format!("{path} {}", argument.get_id()));
            }
        }
        for command in command.get_subcommands().filter(|it| it.get_name() != "help") {
            unexplained(command, &path, found);
        }
    }

    #[test]
    fn every_command_and_argument_explains_itself() {
        let mut found = Vec::new();
        unexplained(&crate::cli::command(), "", &mut found);
        assert_eq!(found, [""; 0]);
    }
}

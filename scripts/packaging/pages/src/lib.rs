//! The man pages and shell completions of every program, made from what the programs take.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;

/// In the order of their names.
pub fn programs() -> Vec<Command> {
    vec![
        nexus_agent::cli::command(),
        nexctl::cli::command(),
        nexus_broker::cli::command(),
        nexus_mcp::cli::command(),
        nexus_watch::cli::command(),
    ]
}

/// nexctl tells a shell what it knows of the team while somebody types; the others are known beforehand.
fn script(program: &Command, name: &str, shell: Shell) -> io::Result<Vec<u8>> {
    if name == "nexctl" {
        return nexctl::complete::script(shell).map_err(io::Error::other);
    }
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program.clone(), name, &mut script);
    Ok(script)
}

/// Writes `man/man1/*.1`, a page for each command, and `completions/{bash,zsh,fish}/*`.
pub fn write(folder: &Path) -> io::Result<()> {
    let pages = folder.join("man/man1");
    fs::create_dir_all(&pages)?;
    for program in programs() {
        let name = program.get_name().to_owned();
        clap_mangen::generate_to(program.clone(), &pages)?;
        for (shell, file) in [
            (Shell::Bash, format!("bash/{name}")),
            (Shell::Fish, format!("fish/{name}.fish")),
            (Shell::Zsh, format!("zsh/_{name}")),
        ] {
            let script = script(&program, &name, shell)?;
            let path = folder.join("completions").join(file);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, script)?;
        }
    }
    Ok(())
}

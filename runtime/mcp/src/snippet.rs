//! What to paste into an assistant's configuration: this program by its absolute path, with the options it was given.

use std::path::{Path, PathBuf};

use nexus_operator::failure::Failure;
use serde_json::{Value, json};

use crate::cli::{Cli, Client};

/// Under which name assistants list the server.
const NAME: &str = "nexus";

pub(crate) fn of(client: Client, cli: &Cli) -> Result<String, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::Failed(format!("where this program is cannot be found out: {error}")))?;
    Ok(text(client, &program, &arguments(cli)?))
}

/// The options of this run; paths whole, because an assistant starts it wherever it likes.
fn arguments(cli: &Cli) -> Result<Vec<String>, Failure> {
    let Cli { url, keyfile, token_file, ca, context, wait, verb: _ } = cli;
    let mut arguments = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            arguments.extend([format!("--{name}"), value]);
        }
    };
    add("url", url.clone());
    add("keyfile", whole(keyfile.as_ref())?);
    add("token-file", whole(token_file.as_ref())?);
    add("ca", whole(ca.as_ref())?);
    add("context", context.clone());
    add("wait", (*wait != 30).then(|| wait.to_string()));
    Ok(arguments)
}

fn whole(path: Option<&PathBuf>) -> Result<Option<String>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let whole =
        path.canonicalize().map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    Ok(Some(whole.display().to_string()))
}

fn text(client: Client, program: &Path, arguments: &[String]) -> String {
    let command = program.display().to_string();
    match client {
        Client::Claude | Client::Cursor => json_text(
            &json!({"mcpServers": {NAME: {"type": "stdio", "command": command, "args": arguments}}}),
        ),
        Client::Vscode => {
            json_text(&json!({"servers": {NAME: {"type": "stdio", "command": command, "args": arguments}}}))
        }
        Client::Zed => json_text(&json!({
            "context_servers": {NAME: {"source": "custom", "command": command, "args": arguments, "env": {}}},
        })),
        Client::Codex => {
            let quoted: Vec<String> = arguments.iter().map(|it| toml_text(it)).collect();
            format!(
                "[mcp_servers.{NAME}]\ncommand = {}\nargs = [{}]\n",
                toml_text(&command),
                quoted.join(", ")
            )
        }
    }
}

fn json_text(value: &Value) -> String {
    format!("{value:#}\n")
}

fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_assistant_gets_its_own_form() {
        let program = Path::new("/usr/bin/nexus-mcp");
        let arguments = ["--keyfile".to_owned(), "/home/ana/my \"keys\"/desk.json".to_owned()];
        for client in [Client::Claude, Client::Codex, Client::Cursor, Client::Vscode, Client::Zed] {
            let text = text(client, program, &arguments);
            let value: Value = match client {
                Client::Codex => {
                    serde_json::to_value(toml::from_str::<toml::Table>(&text).expect("TOML")).expect("JSON")
                }
                Client::Claude | Client::Cursor | Client::Vscode | Client::Zed => {
                    serde_json::from_str(&text).expect("JSON")
                }
            };
            let section = match client {
                Client::Claude | Client::Cursor => "mcpServers",
                Client::Codex => "mcp_servers",
                Client::Vscode => "servers",
                Client::Zed => "context_servers",
            };
            let entry = &value[section][NAME];
            assert_eq!(entry["command"], "/usr/bin/nexus-mcp", "{client:?}");
            assert_eq!(entry["args"], json!(arguments), "{client:?}");
            insta::assert_snapshot!(format!("{client:?}"), text);
        }
    }
}

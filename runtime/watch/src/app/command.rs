//! What can be typed after `:`, which each also explains itself in the help.

/// What an argument names, and what it can be completed to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Takes {
    Alert,
    Approval,
    Aspect,
    /// An aspect or a view.
    Place,
    Dispatch,
    Thread,
    /// A text, in which `@` begins a name.
    Text,
    Nothing,
}

/// A command.
#[derive(Debug)]
pub struct Spec {
    pub name: &'static str,
    pub takes: Takes,
    pub arguments: &'static str,
    pub help: &'static str,
}

const fn spec(name: &'static str, takes: Takes, arguments: &'static str, help: &'static str) -> Spec {
    Spec { name, takes, arguments, help }
}

pub const COMMANDS: [Spec; 16] = [
    spec("ack", Takes::Alert, "[KEY]", "an alert has been seen"),
    spec("answer", Takes::Approval, "[ID] TEXT", "answer what an aspect asks"),
    spec("approve", Takes::Approval, "[ID] [WORD…]", "let it use the tool it waits for"),
    spec("cancel", Takes::Dispatch, "[ID] [REASON…]", "cancel a dispatch and all below it"),
    spec("deny", Takes::Approval, "[ID] [WORD…]", "do not let it"),
    spec("filter", Takes::Nothing, "[TEXT]", "show only rows that hold the text"),
    spec("go-on", Takes::Aspect, "[ASPECT]", "go on though its budget is used up"),
    spec("help", Takes::Nothing, "", "keys and commands"),
    spec("history", Takes::Aspect, "[ASPECT]", "read the thread it was last in"),
    spec("quit", Takes::Nothing, "", "leave"),
    spec("read", Takes::Thread, "ID", "read a thread"),
    spec("retry", Takes::Dispatch, "[ID]", "do again what failed"),
    spec("say", Takes::Text, "[@NAME] TEXT", "post a message"),
    spec("stop", Takes::Aspect, "[ASPECT] [REASON…]", "end the turns it is at"),
    spec("switch", Takes::Place, "ASPECT|VIEW", "look at somebody or something else"),
    spec("who", Takes::Nothing, "", "the team"),
];

/// The command of that name or beginning, if there is one and no other.
pub(super) fn find(name: &str) -> Result<&'static Spec, String> {
    if let Some(spec) = COMMANDS.iter().find(|spec| spec.name == name) {
        return Ok(spec);
    }
    let like: Vec<&Spec> =
        COMMANDS.iter().filter(|spec| !name.is_empty() && spec.name.starts_with(name)).collect();
    match like[..] {
        [one] => Ok(one),
        [] => Err(format!("there is no command {name:?}{}", closest(name))),
        [..] => {
            let names: Vec<&str> = like.iter().map(|spec| spec.name).collect();
            Err(format!("{name:?} may be {}", names.join(" or ")))
        }
    }
}

fn closest(name: &str) -> String {
    let likeness = |spec: &&Spec| (strsim::jaro_winkler(name, spec.name) * 1000.0) as u32;
    match COMMANDS.iter().max_by_key(likeness).filter(|spec| likeness(spec) > 800) {
        Some(spec) => format!("; did you mean :{}?", spec.name),
        None => "; Tab shows them, and ? explains them".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_by_its_beginning_and_a_mistake_is_answered() {
        assert_eq!(find("cancel").map(|spec| spec.name), Ok("cancel"));
        assert_eq!(find("can").map(|spec| spec.name), Ok("cancel"));
        assert_eq!(find("s").map(|spec| spec.name), Err("\"s\" may be say or stop or switch".into()));
        let said = find("aprove").map(|spec| spec.name);
        assert_eq!(said, Err("there is no command \"aprove\"; did you mean :approve?".into()));
        let said = find("zzz").map(|spec| spec.name);
        assert_eq!(said, Err("there is no command \"zzz\"; Tab shows them, and ? explains them".into()));
        assert!(COMMANDS.is_sorted_by_key(|spec| spec.name));
    }

    #[test]
    fn every_command_is_explained_on_its_page() {
        let page = include_str!("../../../../docs/watch.md");
        for spec in &COMMANDS {
            assert!(page.contains(&format!("`:{}", spec.name)), ":{} is not in docs/watch.md", spec.name);
        }
    }
}

//! Completion of the word at the cursor: commands, names, ids.

use super::command::{self, COMMANDS, Takes};
use super::prompt::{Completion, Prompt, Purpose};
use super::{App, View};

const CANDIDATES_MAX: usize = 64;

impl App {
    /// Puts the next candidate, or with `back` the one before, in the place of the word at the cursor.
    pub(super) fn complete(&mut self, back: bool) {
        let Some(mut prompt) = self.prompt.take() else { return };
        match &mut prompt.completion {
            Some(completion) => {
                let (at, count) = (completion.at, completion.candidates.len());
                completion.at = if back { (at + count - 1) % count } else { (at + 1) % count };
            }
            None => prompt.completion = self.completion(&prompt),
        }
        if let Some(Completion { candidates, at, begin }) = &prompt.completion {
            let only = candidates.len() == 1;
            let with = if only { format!("{} ", candidates[*at]) } else { candidates[*at].clone() };
            prompt.line.replace_word(*begin, &with);
            if only {
                prompt.completion = None;
            }
        }
        prompt.error = None;
        self.prompt = Some(prompt);
    }

    fn completion(&self, prompt: &Prompt) -> Option<Completion> {
        let (begin, word) = prompt.line.word();
        let all = match &prompt.purpose {
            Purpose::Command => self.of_command(&prompt.line.text()[..begin]),
            Purpose::Answer { choices, .. } => {
                // A choice may have several words, so it takes the place of everything.
                let (typed, _) = prompt.line.halves();
                let fitting = choices.iter().filter(|choice| choice.starts_with(typed)).cloned().collect();
                return candidates(0, fitting);
            }
            Purpose::Say { .. } => self.mentions(),
            Purpose::Approve(_)
            | Purpose::Deny(_)
            | Purpose::Cancel(_)
            | Purpose::Filter
            | Purpose::Stop(_) => Vec::new(),
        };
        let slash = if begin == 0 && word.starts_with('/') { "/" } else { "" };
        let typed = word.strip_prefix(slash).unwrap_or(word);
        let ends = |text: &str| typed.len() > 3 && text.ends_with(typed);
        let fitting = all.into_iter().filter(|text| text.starts_with(typed) || ends(text));
        candidates(begin, fitting.map(|text| format!("{slash}{text}")).collect())
    }

    /// `before` is what stands before the word that is completed.
    fn of_command(&self, before: &str) -> Vec<String> {
        let before = before.strip_prefix('/').unwrap_or(before);
        let Some((name, _)) = before.split_once(char::is_whitespace) else {
            return COMMANDS.iter().map(|spec| spec.name.to_owned()).collect();
        };
        let is_first = before.split_whitespace().count() <= 1;
        let Ok(spec) = command::find(name) else { return Vec::new() };
        match spec.takes {
            Takes::Text => self.mentions(),
            _ if !is_first => Vec::new(),
            Takes::Alert => self.alerts.all().iter().map(|alert| alert.key.clone()).collect(),
            Takes::Approval => self.approvals.all().iter().map(|info| info.id.to_string()).collect(),
            Takes::Aspect => self.names(),
            Takes::Place => {
                let views = View::ALL.iter().map(|view| view.name().to_owned());
                self.names().into_iter().chain(views).collect()
            }
            Takes::Dispatch => self.work.all().map(|info| info.id.to_string()).collect(),
            Takes::Thread => self.threads.all().iter().map(|info| info.id.to_string()).collect(),
            Takes::Nothing => Vec::new(),
        }
    }

    fn names(&self) -> Vec<String> {
        self.team.members().map(|member| member.name.to_string()).collect()
    }

    fn mentions(&self) -> Vec<String> {
        let all = std::iter::once("all".to_owned());
        self.names().into_iter().chain(all).map(|name| format!("@{name}")).collect()
    }
}

fn candidates(begin: usize, mut candidates: Vec<String>) -> Option<Completion> {
    candidates.truncate(CANDIDATES_MAX);
    (!candidates.is_empty()).then_some(Completion { candidates, at: 0, begin })
}

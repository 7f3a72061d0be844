//! Fuzz target: a stream of lines from whoever answers at the provider's address.

use bolero::check;

use super::stream::Answer;
use crate::altered::Altered;

#[test]
fn an_answer() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ollama");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("fixtures are there")
        .map(|it| it.expect("readable").path())
        .collect();
    files.sort();
    let texts: Vec<_> = files.iter().map(|file| std::fs::read(file).expect("readable")).collect();
    check!().with_type::<Altered>().for_each(|altered| {
        let mut answer = Answer::new("a-model".to_owned());
        let bytes = altered.of(&texts);
        for line in String::from_utf8_lossy(&bytes).lines() {
            if answer.is_over() || answer.take(line.as_bytes()).is_err() {
                return;
            }
        }
        // Whatever was understood of it can be put into a session.
        let finished = answer.finish();
        assert!(serde_json::to_string(&format!("{finished:?}")).is_ok());
    });
}

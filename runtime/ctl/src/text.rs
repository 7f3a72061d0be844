//! Where a text comes from: the command line, or standard input.

use std::io::Read;

use nexus_wire::limits::DURABLE_BYTES_MAX;

use crate::failure::Failure;

/// The words joined, or standard input when they are `-`.
pub(crate) fn of_words(words: &[String], stdin: &mut impl Read) -> Result<String, Failure> {
    let text = match words {
        [dash] if dash == "-" => of_stdin(stdin)?,
        _ => words.join(" "),
    };
    if text.trim().is_empty() {
        return Err(Failure::Usage(
            "the text is empty; write it in quotes, or - to read it from standard input".into(),
        ));
    }
    Ok(text)
}

pub(crate) fn of_stdin(stdin: &mut impl Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let limit = DURABLE_BYTES_MAX as u64 + 1;
    stdin
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::Failed(format!("standard input cannot be read: {error}")))?;
    if bytes.len() as u64 >= limit {
        return Err(Failure::Usage(format!(
            "standard input has more than the {DURABLE_BYTES_MAX} bytes that can be sent"
        )));
    }
    String::from_utf8(bytes).map_err(|_| Failure::Usage("standard input is not UTF-8 text".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_words_or_standard_input() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let mut none: &[u8] = &[];
        assert_eq!(of_words(&words("a b"), &mut none).ok().as_deref(), Some("a b"));
        let mut stdin: &[u8] = "from a file\n".as_bytes();
        assert_eq!(of_words(&words("-"), &mut stdin).ok().as_deref(), Some("from a file\n"));
        assert!(of_words(&words("-"), &mut none).is_err());
        assert!(of_words(&words("-"), &mut [0xff_u8].as_slice()).is_err());
        assert!(of_words(&words("-"), &mut std::io::repeat(b'x')).is_err());
    }
}

//! From what a server sent to a text: which kinds are text at all, in which encoding, and a page without its markup.

use encoding_rs::{Encoding, UTF_8};

/// How wide paragraphs and tables of a page are made.
const WIDTH: usize = 110;
/// Where a page says in which encoding it is.
const PROBE_BYTES: usize = 1024;
/// A page nested deeper is shown as it was sent: taking it apart would take a stack as deep.
const DEPTH_MAX: usize = 400;

/// What a server said its answer is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Kind {
    /// Lower-case, without parameters; empty when nothing was said.
    pub(super) essence: String,
    charset: Option<String>,
}

impl Kind {
    pub(super) fn of(header: &str) -> Self {
        let mut parts = header.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
        let charset = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
        });
        Self { essence, charset }
    }

    pub(super) fn is_text(&self) -> bool {
        let essence = self.essence.as_str();
        let known = [
            "",
            "application/ecmascript",
            "application/graphql",
            "application/javascript",
            "application/json",
            "application/ld+json",
            "application/toml",
            "application/x-javascript",
            "application/x-ndjson",
            "application/x-sh",
            "application/x-yaml",
            "application/xml",
            "application/yaml",
            "image/svg+xml",
        ];
        essence.starts_with("text/")
            || essence.ends_with("+json")
            || essence.ends_with("+xml")
            || known.contains(&essence)
    }

    fn is_page(&self) -> bool {
        matches!(self.essence.as_str(), "text/html" | "application/xhtml+xml")
    }
}

/// The readable text of an answer.
pub(super) fn readable(kind: &Kind, bytes: &[u8]) -> String {
    let text = decoded(kind, bytes);
    if !kind.is_page() || depth(&text) > DEPTH_MAX {
        return text;
    }
    let page = html2text::config::plain().no_table_borders().string_from_read(text.as_bytes(), WIDTH);
    // One that cannot be laid out is shown as it was sent.
    page.unwrap_or(text)
}

fn decoded(kind: &Kind, bytes: &[u8]) -> String {
    let said = kind.charset.as_deref().and_then(|name| Encoding::for_label(name.as_bytes()));
    let encoding = said.or_else(|| kind.is_page().then(|| declared(bytes)).flatten()).unwrap_or(UTF_8);
    // A byte order mark says more than either.
    let (text, _, _) = encoding.decode(bytes);
    text.into_owned()
}

/// `<meta charset=…>` and its older form.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..PROBE_BYTES).unwrap_or(bytes).to_ascii_lowercase();
    let at = head.windows(8).position(|window| window == b"charset=")? + 8;
    let name: Vec<u8> = head
        .get(at..)?
        .iter()
        .skip_while(|byte| matches!(byte, b'"' | b'\'' | b' '))
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':'))
        .copied()
        .collect();
    Encoding::for_label(&name)
}

/// At most how deep elements are nested: each opening tag goes one deeper, each closing one comes back.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for tag in text.split('<').skip(1) {
        if tag.starts_with('/') {
            depth = depth.saturating_sub(1);
        } else if tag.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_void(tag) {
            depth += 1;
            deepest = deepest.max(depth);
        }
    }
    deepest
}

/// Elements that hold nothing and are never closed, and those whose end people leave out.
fn is_void(tag: &str) -> bool {
    const VOID: [&str; 22] = [
        "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta",
        "option", "p", "param", "source", "td", "th", "tr", "track", "wbr",
    ];
    let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
    VOID.iter().any(|name| name.eq_ignore_ascii_case(&tag[..end]))
        || tag.split('>').next().is_some_and(|it| it.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_without_its_markup_in_its_own_encoding() {
        let page = b"<html><head><title>T</title><style>p{}</style><script>evil()</script><meta charset='latin1'></head>\
            <body><h1>Caf\xe9</h1><p>One <a href='https://a.example/b'>link</a>.<p>Two &amp; three";
        let text = readable(&Kind::of("text/html"), page);
        assert!(text.contains("Café") && text.contains("Two & three"), "{text}");
        assert!(
            text.contains("https://a.example/b") && !text.contains("evil") && !text.contains('<'),
            "{text}"
        );
        assert_eq!(readable(&Kind::of("text/plain; charset=\"ISO-8859-1\""), b"caf\xe9"), "café");
        assert_eq!(readable(&Kind::of("text/plain"), b"caf\xe9 <b>"), "caf\u{fffd} <b>");
        assert_eq!(readable(&Kind::of("text/plain; charset=nonsense"), "\u{feff}é".as_bytes()), "é");
        assert_eq!(readable(&Kind::of("text/plain"), b"\xff\xfeh\0i\0"), "hi");
    }

    #[test]
    fn which_answers_are_text() {
        for text in ["", "text/markdown", "TEXT/HTML; charset=x", "application/json", "application/atom+xml"]
        {
            assert!(Kind::of(text).is_text(), "{text}");
        }
        for other in ["image/png", "application/pdf", "application/octet-stream", "video/mp4", "font/woff2"] {
            assert!(!Kind::of(other).is_text(), "{other}");
        }
    }

    #[test]
    fn hostile_pages_end_and_take_no_stack() {
        let pages = [
            "<div>".repeat(200_000),
            "<b><i><table><td>".repeat(20_000),
            "<".repeat(100_000),
            "<table><tr>".to_owned() + &"<td>x".repeat(5_000),
            "<ul><li>".repeat(350),
            "<blockquote>".repeat(390) + "deep",
            "<a href='".to_owned() + &"x".repeat(500_000),
            "&#x110000; &#0; \u{202e}txt\u{2066}".to_owned(),
            "<p>".repeat(100_000),
        ];
        for page in pages {
            let _ = readable(&Kind::of("text/html"), page.as_bytes());
        }
    }
}

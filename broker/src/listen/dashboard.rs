//! The dashboard: files that are built into the program, or read from a folder once, at the start. A page's address
//! is whatever its script makes of it, so every path that is nobody else's is answered with the one page there is.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use super::rest::docs::{knows, tag_of};
use super::rest::guard::nothing_here;
use crate::edge::Edge;

const PAGE: &str = "index.html";
const ABSENT: &str = include_str!("dashboard/absent.html");
/// Their names have a digest of their content, so what is behind a name never changes.
const FOR_EVER: &str = "assets/";
/// What is beside a file under this ending is the file, compressed.
const BROTLI: &str = ".br";
/// Everything comes from us, nothing stands in the page itself, and no page of others shows ours.
const POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
    object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

// What is not there yet is announced by a page of its own, so that a build needs no Node.js.
#[derive(RustEmbed)]
#[folder = "dashboard/dist"]
#[allow_missing = true]
struct BuiltIn;

type Bytes = Cow<'static, [u8]>;

struct File {
    bytes: Bytes,
    brotli: Option<Bytes>,
    kind: &'static str,
    tag: String,
    for_ever: bool,
}

/// By their path in the folder.
pub(crate) struct Dashboard(BTreeMap<String, File>);

impl fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Dashboard {
    pub(crate) fn embedded() -> Self {
        let files =
            BuiltIn::iter().filter_map(|name| Some((name.clone().into_owned(), BuiltIn::get(&name)?.data)));
        Self::of(files.collect())
    }

    /// As `npm run build` leaves it.
    pub(crate) fn of_folder(folder: &Path) -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for folder in [folder.to_owned(), folder.join(FOR_EVER)] {
            let within = if folder.ends_with(FOR_EVER) { FOR_EVER } else { "" };
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    let name = format!("{within}{}", entry.file_name().to_string_lossy());
                    files.insert(name, Bytes::Owned(std::fs::read(entry.path())?));
                }
            }
        }
        if !files.contains_key(PAGE) {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no {PAGE}")));
        }
        Ok(Self::of(files))
    }

    fn of(mut files: BTreeMap<String, Bytes>) -> Self {
        if !files.contains_key(PAGE) {
            files = [(PAGE.to_owned(), Bytes::Borrowed(ABSENT.as_bytes()))].into();
        }
        let plain: Vec<String> = files.keys().filter(|name| !name.ends_with(BROTLI)).cloned().collect();
        let served = plain.into_iter().filter_map(|name| {
            let brotli = files.remove(&format!("{name}{BROTLI}"));
            let bytes = files.remove(&name)?;
            let tag = tag_of(&Sha256::digest(&bytes));
            let file =
                File { brotli, kind: kind_of(&name), tag, for_ever: name.starts_with(FOR_EVER), bytes };
            Some((name, file))
        });
        Self(served.collect())
    }

    /// `None`: the path is nobody's.
    fn find(&self, path: &str, wants_page: bool) -> Option<&File> {
        let name = path.trim_start_matches('/');
        let is_ours =
            |of: &str| name == of || name.strip_prefix(of).is_some_and(|rest| rest.starts_with('/'));
        match self.0.get(name) {
            Some(file) => Some(file),
            None if name.is_empty() => self.0.get(PAGE),
            None if !wants_page || name.starts_with(FOR_EVER) || is_ours("api") || is_ours("connect") => None,
            None => self.0.get(PAGE),
        }
    }
}

/// Of what a build of the dashboard consists of.
fn kind_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn says(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|it| {
        let mut parts = it.split(';').map(str::trim);
        parts.next() == Some(word) && !parts.any(|it| matches!(it, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// Everything that has no route of its own.
pub(super) async fn serve(State(edge): State<Arc<Edge>>, request: Request) -> Response {
    let headers = request.headers();
    // A browser that goes to an address asks for a page; a program that mistyped one is told so.
    let wants_page = says(headers, header::ACCEPT, "text/html");
    let found = match request.method() {
        &Method::GET | &Method::HEAD => edge.dashboard.find(request.uri().path(), wants_page),
        _ => None,
    };
    match found {
        Some(file) => answer(headers, file),
        None => nothing_here(request).await.into_response(),
    }
}

fn answer(headers: &HeaderMap, file: &File) -> Response {
    let caching = if file.for_ever { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common = [
        (header::ETAG, file.tag.as_str()),
        (header::CACHE_CONTROL, caching),
        (header::VARY, "accept-encoding"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    if knows(headers, &file.tag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let brotli = file.brotli.as_ref().filter(|_| says(headers, header::ACCEPT_ENCODING, "br"));
    let bytes = match brotli.unwrap_or(&file.bytes) {
        Cow::Borrowed(bytes) => axum::body::Bytes::from_static(bytes),
        Cow::Owned(bytes) => axum::body::Bytes::copy_from_slice(bytes),
    };
    let mut response = (common, [(header::CONTENT_TYPE, file.kind)], bytes).into_response();
    if brotli.is_some() {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built() -> Dashboard {
        let files = [
            ("index.html", "<title>Nexus</title>"),
            ("assets/index-1a2b.js", "go()"),
            ("assets/index-1a2b.js.br", "compressed"),
            ("icon.svg", "<svg/>"),
        ];
        let owned = files.map(|(name, text)| (name.to_owned(), Bytes::Borrowed(text.as_bytes())));
        Dashboard::of(owned.into())
    }

    fn text(file: Option<&File>) -> Option<&str> {
        file.map(|file| std::str::from_utf8(&file.bytes).unwrap())
    }

    #[test]
    fn a_path_is_a_file_or_the_page_or_nobodys() {
        let dashboard = built();
        let page = Some("<title>Nexus</title>");
        let cases = [
            ("/", false, page),
            ("/", true, page),
            ("/index.html", false, page),
            ("/chat/0199a0b1", true, page),
            ("/knowledge/wren/a.b", true, page),
            ("/chat/0199a0b1", false, None),
            ("/assets/index-1a2b.js", true, Some("go()")),
            ("/assets/index-1a2b.js.br", true, None),
            ("/assets/gone-0000.js", true, None),
            ("/assets/../index.html", true, None),
            ("/icon.svg", false, Some("<svg/>")),
            ("/api", true, None),
            ("/api/v1/nothing", true, None),
            ("/apiary", true, page),
            ("/connect/x", true, None),
        ];
        for (path, wants_page, expected) in cases {
            assert_eq!(text(dashboard.find(path, wants_page)), expected, "{path} {wants_page}");
        }
    }

    #[test]
    fn a_program_without_its_dashboard_says_how_to_get_it() {
        let dashboard = Dashboard::of(BTreeMap::new());
        assert_eq!(text(dashboard.find("/team", true)), Some(ABSENT));
        assert_eq!(text(dashboard.find("/assets/a.js", true)), None);
    }

    #[test]
    fn a_folder_is_read_as_it_was_built() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            Dashboard::of_folder(&dir.path().join("none")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        std::fs::create_dir(dir.path().join("assets")).unwrap();
        std::fs::write(dir.path().join("assets/a-1.css"), "a {}").unwrap();
        assert_eq!(Dashboard::of_folder(dir.path()).unwrap_err().to_string(), "there is no index.html");
        std::fs::write(dir.path().join("index.html"), "page").unwrap();
        let dashboard = Dashboard::of_folder(dir.path()).unwrap();
        assert_eq!(format!("{dashboard:?}"), r#"{"assets/a-1.css", "index.html"}"#);
    }

    #[test]
    fn what_a_browser_takes_is_read_word_by_word() {
        let takes = |value: &'static str| {
            let headers = [(header::ACCEPT_ENCODING, HeaderValue::from_static(value))].into_iter().collect();
            says(&headers, header::ACCEPT_ENCODING, "br")
        };
        let values = ["gzip, deflate, br, zstd", "br;q=0.5", "gzip", "brotli", "br;q=0", "br; q=0.0", ""];
        assert_eq!(values.map(takes), [true, true, false, false, false, false, false]);
    }
}

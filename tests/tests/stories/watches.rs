//! Watches of addresses through the real programs: a server whose page changes, fails, and is gone, and a broker that is
//! killed meanwhile.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nexus_tests::world::text;
use nexus_tests::{World, wait_until};
use serde_json::{Value, json};

const ANSWERS: &str = "[[rule]]\nmatch = '.'\n[[rule.step]]\nsay = \"Seen.\"\n";

/// What the server shows, and how it was asked.
#[derive(Debug, Default)]
struct Page {
    body: String,
    /// Where it gives its states names.
    etag: Option<String>,
    status: u16,
    asked: usize,
    not_modified: usize,
}

#[derive(Clone, Debug)]
struct Site {
    page: Arc<Mutex<Page>>,
    address: String,
}

impl Site {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let site = Self { page: Arc::new(Mutex::new(Page { status: 200, ..Page::default() })), address };
        let served = site.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                served.answer(stream);
            }
        });
        site
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, body: &str, etag: Option<&str>) {
        let mut page = self.page();
        (page.body, page.etag, page.status) = (body.to_owned(), etag.map(|it| format!("\"{it}\"")), 200);
    }

    /// Waits until it was asked so many times more.
    fn wait(&self, times: usize) {
        let before = self.page().asked;
        wait_until("another look", || (self.page().asked >= before + times).then_some(()));
    }

    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
        let head = head.to_ascii_lowercase();
        let mut page = self.page();
        page.asked += 1;
        let name = page.etag.as_ref().map(|etag| format!("etag: {etag}\r\n")).unwrap_or_default();
        let is_known =
            page.etag.as_ref().is_some_and(|etag| head.contains(&format!("if-none-match: {etag}")));
        let answer = if head.starts_with("get /moved ") {
            "HTTP/1.1 302 Found\r\nlocation: /page\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                .to_owned()
        } else if page.status == 200 && is_known {
            page.not_modified += 1;
            format!("HTTP/1.1 304 Not Modified\r\n{name}connection: close\r\n\r\n")
        } else {
            let (status, body) = (page.status, &page.body);
            let length = body.len();
            format!(
                "HTTP/1.1 {status} It\r\n{name}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
        };
        drop(page);
        let _ = reader.into_inner().write_all(answer.as_bytes());
    }
}

fn world(site: &Site) -> World {
    let config = format!("[watch]\nevery_min_s = 1\nallow = [\"{}\"]\n", site.address);
    let mut world = World::asleep().config(&config);
    world.start_broker();
    world
}

fn add(world: &World, name: &str, url: &str) {
    let out = world.nexctl(&[
        "trigger",
        "add",
        name,
        "--watch",
        url,
        "--every",
        "1s",
        "--ask",
        "wren",
        "What is new?",
    ]);
    assert!(out.status.success(), "{}", text(&out));
}

fn known(world: &World, name: &str) -> Value {
    world.nexctl_json(&["trigger", "show", name])["watch"].clone()
}

fn wait_until_seen(world: &World, name: &str) {
    wait_until("the first look", || known(world, name)["seen"].is_object().then_some(()));
}

#[test]
fn each_change_of_a_page_is_told_once_over_kills() {
    let site = Site::start();
    let mut world = world(&site);
    let wren = world.home("wren", json!({}), ANSWERS);
    let _wren = world.agent(&wren);
    site.show("one", Some("1"));
    add(&world, "page", &format!("http://{}/moved", site.address));
    wait_until_seen(&world, "page");
    site.wait(3);
    assert!(site.page().not_modified > 0, "it is asked for what has changed alone");
    assert_eq!(world.slots("page"), Vec::<Value>::new(), "the first look notes what is there");

    site.show("two", Some("2"));
    let slots = world.ended_slots("page", 1);
    assert_eq!(slots[0]["state"], "done", "{slots:?}");
    let now = known(&world, "page")["seen"].clone();
    assert_eq!((&now["etag"], &slots[0]["cause"]), (&json!("\"2\""), &json!({"watch": now["sha256"]})));
    let thread =
        world.nexctl_json(&["trigger", "show", "page"])["thread"].as_str().expect("asked").to_owned();
    let said = text(&world.nexctl(&["get", "messages", &thread]));
    assert!(said.contains("What is new?") && said.contains("/moved") && said.contains("Seen."), "{said}");

    // What changes while no broker runs is found when one does, and told once, whenever that is killed after its look.
    for (count, body, etag) in [(2, "three", Some("3")), (3, "four", None), (4, "five", None)] {
        world.kill_broker();
        site.show(body, etag);
        world.start_broker();
        site.wait(2);
        world.kill_broker();
        world.start_broker();
        wait_until("its slot", || (world.slots("page").len() >= count).then_some(()));
        // Another look, from where it is redirected to where that leads.
        site.wait(4);
        assert_eq!(world.slots("page").len(), count);
    }
}

#[test]
fn an_error_page_fires_nothing_and_somebody_is_told() {
    let site = Site::start();
    let world = world(&site);
    let wren = world.home("wren", json!({}), ANSWERS);
    let _wren = world.agent(&wren);
    site.show("one", None);
    add(&world, "page", &format!("http://{}/page", site.address));
    wait_until_seen(&world, "page");
    {
        let mut page = site.page();
        (page.status, page.body) = (503, "try again later".to_owned());
    }
    let alert = wait_until("the alert", || {
        let alerts = world.nexctl_json(&["get", "alerts"]);
        alerts["alerts"].as_array()?.iter().find(|it| it["key"] == "watch_failing/page").cloned()
    });
    let shown = text(&world.nexctl(&["trigger", "show", "page"]));
    assert!(shown.contains("looks in a row came to nothing: "), "{shown}");
    assert!(alert["message"].to_string().contains("it answered 503"), "{alert}");
    assert_eq!(world.slots("page"), Vec::<Value>::new());
    site.show("one", None);
    wait_until("the end of it", || {
        (world.nexctl_json(&["get", "alerts"])["alerts"] == json!([])).then_some(())
    });
    assert_eq!(world.slots("page"), Vec::<Value>::new(), "it is what it was before");

    // An address of this machine that no admin has named is not asked.
    let other = Site::start();
    add(&world, "inside", &format!("http://{}/page", other.address));
    let error = wait_until("the refusal", || known(&world, "inside")["error"].as_str().map(str::to_owned));
    assert!(error.contains("watch.allow") || error.contains("http"), "{error}");
    assert_eq!(other.page().asked, 0);
}

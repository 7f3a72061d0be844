//! Skills of the broker's workspace: how something is done, for `nexctl dispatch --skill`.

use nexus_client::{Broker, DialError};
use nexus_wire::limits::PAGE_MAX;
use nexus_wire::workspace::{Skill, Skills};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::failure::Failure;
use crate::page::Page;
use crate::{Run, table};

pub(crate) async fn list(run: &Run, broker: &Broker) -> Result<Page, Failure> {
    let mut all = Skills::default();
    loop {
        let mut path = format!("/api/v1/skills?limit={PAGE_MAX}");
        if let Some(cursor) = &all.next_cursor {
            path += &format!("&cursor={}", encoded(cursor));
        }
        let page: Skills = broker.get_json(&path).await?;
        all.skills.extend(page.skills);
        all.next_cursor = page.next_cursor;
        if all.next_cursor.is_none() {
            break;
        }
    }
    let empty = "there are no skills: they lie in skills/ of a workspace, see nexus workspace init --help";
    let rows = || table::skills(&run.ui, &all.skills);
    Page::of(run, &all, all.skills.is_empty().then_some(empty), rows)
}

pub(crate) async fn get(broker: &Broker, name: &str) -> Result<Skill, DialError> {
    broker.get_json(&format!("/api/v1/skills/{}", encoded(name))).await
}

/// As a part of an address.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

//! How long a step may take, and which day it is.

use nexus_wire::approval::ApprovalState;
use nexus_wire::run::TaskWork;
use serde_json::json;

use super::{Flowing, flow, with, work};
use crate::on_both_stores;

on_both_stores! {
    fn a_wait_that_is_longer_than_it_may_be_is_not_begun(world) {
        world.team();
        let wait = |id: &str, more| with(json!({"id": id, "timeout_s": 60, "on_error": "continue"}), more);
        let steps = [
            wait("far", json!({"do": {"wait": {"seconds": 61}}})),
            wait("near", json!({"do": {"wait": {"seconds": 60}}})),
            wait("day", json!({"do": {"wait": {"until": "{{ input }}"}}})),
        ];
        world.put(flow("f", &steps)).unwrap();
        let until = rfc3339(world.at + 91_000);
        let run = world.run("f", json!(until));
        assert_eq!(world.states(run), "running: far=failed near=running day=failed");
        let errors: Vec<_> = world.info(run).steps.into_iter().filter_map(|step| step.error).collect();
        let said = |seconds: u32| ("timeout".to_owned(), format!("it would wait {seconds} s, longer than its `timeout_s`"));
        assert_eq!(errors.into_iter().map(|it| (it.code, it.message)).collect::<Vec<_>>(), [said(61), said(91)]);
        world.passes(60_001);
        assert_eq!(world.states(run), "done: far=failed near=done day=failed");
    }

    fn people_are_asked_no_longer_than_the_step_may_take(world) {
        world.team();
        let ask = |expires: u32, timeout: u32| {
            json!({"id": "leave", "do": {"approve": {"text": "?", "expires_s": expires}}, "timeout_s": timeout})
        };
        for (expires, timeout, expected) in [(60, 5, 5_000), (5, 60, 5_000)] {
            world.put(flow("f", &[ask(expires, timeout)])).unwrap();
            let run = world.run("f", json!(null));
            let at_work = world.at_work(run);
            let [(_, _, TaskWork::Approval(approval))] = at_work[..] else { panic!("{at_work:?}") };
            let info = world.store.approval(approval).unwrap().unwrap().info;
            assert_eq!((info.state, info.expires_at - info.asked_at), (ApprovalState::Open, expected));
            world.passes(expected + 1);
            assert_eq!(world.info(run).error.unwrap().code, "expired");
        }
    }

    fn the_days_are_those_of_the_zone_of_the_flow(world) {
        world.team();
        let step = || work("a", &[], json!("{{ date.yesterday }} {{ date.today }} {{ date.tomorrow }} {{ date.today_start }} {{ date.now }}"));
        // Noon of 1 March 2027 in UTC, which in Kiritimati is 2 March.
        world.at = 1_803_902_400_000;
        for (zone, days) in [(None, "2027-02-28 2027-03-01 2027-03-02 2027-03-01T00:00:00+00:00"), (Some("Pacific/Kiritimati"), "2027-03-01 2027-03-02 2027-03-03 2027-03-02T00:00:00+14:00")] {
            world.put(with(flow("f", &[step()]), json!({"timezone": zone}))).unwrap();
            let run = world.run("f", json!(null));
            assert_eq!(world.input_of(run, "a"), json!(format!("{days} 2027-03-01T12:00:00Z")));
        }
        let wrong = world.put(with(flow("f", &[step()]), json!({"timezone": "Mars/Olympus"}))).unwrap_err();
        assert_eq!(wrong.message, "flow f cannot run: timezone: \"Mars/Olympus\" is no time zone; write one as Europe/Berlin or America/New_York");
    }
}

fn rfc3339(at: nexus_wire::Ms) -> String {
    jiff::Timestamp::from_millisecond(at).unwrap().to_string()
}

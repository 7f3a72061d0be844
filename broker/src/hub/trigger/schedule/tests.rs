use jiff::civil::{Date, Weekday};
use jiff::tz::Offset;
use nexus_wire::trigger::{Act, AskAspect, Every, Misfire, Overlap, Retry};
use proptest::prelude::*;

use super::*;

fn trigger(when: When, timezone: Option<&str>) -> Trigger {
    Trigger {
        name: "t".parse().unwrap(),
        description: String::new(),
        when,
        act: Act::Ask(AskAspect { aspect: "wren".parse().unwrap(), text: "go".into() }),
        timezone: timezone.map(str::to_owned),
        misfire: Misfire::Once,
        overlap: Overlap::Skip,
        jitter_s: 0,
        retry: Retry::default(),
        budget: Default::default(),
        expires_at: None,
        if_defined_at: None,
    }
}

fn at(text: &str) -> Ms {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

/// The slots between two times, as text.
fn between(when: When, zone: &str, from: &str, to: &str) -> Vec<String> {
    let schedule = Schedule::of(&trigger(when, Some(zone)), 0).unwrap();
    let slots = std::iter::successors(schedule.next(at(from)), |slot| schedule.next(*slot));
    let slots = slots.take_while(|slot| *slot <= at(to));
    slots.map(|slot| instant(slot).unwrap().to_string()).collect()
}

fn cron_between(pattern: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
    between(When::Cron(pattern.into()), zone, from, to)
}

#[test]
fn a_time_that_does_not_exist_is_the_next_one_that_does() {
    let (from, to) = ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
    assert_eq!(
        cron_between("30 2 * * *", "Europe/Berlin", from, to),
        ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
    // The hour that is not there is one slot, and the one that begins after it is the same.
    let (from, to) = ("2026-03-29T00:30:00Z", "2026-03-29T01:20:00Z");
    assert_eq!(
        cron_between("*/20 * * * *", "Europe/Berlin", from, to),
        ["2026-03-29T00:40:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z"]
    );
}

#[test]
fn a_time_that_exists_twice_is_the_first_one() {
    let (from, to) = ("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
    assert_eq!(
        cron_between("30 2 * * *", "Europe/Berlin", from, to),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    let (from, to) = ("2026-10-25T00:25:00Z", "2026-10-25T02:10:00Z");
    assert_eq!(
        cron_between("*/30 * * * *", "Europe/Berlin", from, to),
        ["2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"]
    );
    // Asked between the two, it is the next reading that counts.
    let (from, to) = ("2026-10-25T01:15:00Z", "2026-10-25T02:00:00Z");
    assert_eq!(cron_between("*/30 * * * *", "Europe/Berlin", from, to), ["2026-10-25T02:00:00Z"]);
}

#[test]
fn a_clock_that_changes_by_half_an_hour_and_a_day_that_is_not_there() {
    let (from, to) = ("2026-10-03T12:00:00Z", "2026-10-04T15:00:00Z");
    assert_eq!(cron_between("15 2 * * *", "Australia/Lord_Howe", from, to), ["2026-10-03T15:30:00Z"]);
    // Samoa went from the 29th to the 31st.
    let (from, to) = ("2011-12-29T12:00:00Z", "2012-01-01T00:00:00Z");
    assert_eq!(
        cron_between("0 8 * * *", "Pacific/Apia", from, to),
        ["2011-12-29T18:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T18:00:00Z", "2011-12-31T18:00:00Z"]
    );
}

/// How often a clock was set, so that none is taken to have been tried in a year in which nothing happened to it.
#[derive(Debug, Default, PartialEq)]
struct Changes {
    forward: usize,
    back: usize,
}

/// The year that is looked at in each zone. In 2011 Samoa left out a day, and Newfoundland changed at a minute past
/// midnight.
const WALKED: [(&str, i16, Changes); 12] = [
    ("Europe/Berlin", 2025, Changes { forward: 1, back: 1 }),
    ("America/New_York", 2025, Changes { forward: 1, back: 1 }),
    ("Australia/Lord_Howe", 2025, Changes { forward: 1, back: 1 }),
    ("Pacific/Apia", 2011, Changes { forward: 2, back: 1 }),
    ("Africa/Casablanca", 2025, Changes { forward: 1, back: 1 }),
    ("Asia/Kolkata", 2025, Changes { forward: 0, back: 0 }),
    ("America/St_Johns", 2011, Changes { forward: 1, back: 1 }),
    ("Pacific/Chatham", 2025, Changes { forward: 1, back: 1 }),
    ("Africa/Cairo", 2025, Changes { forward: 1, back: 1 }),
    ("America/Santiago", 2025, Changes { forward: 1, back: 1 }),
    ("Asia/Gaza", 2025, Changes { forward: 1, back: 1 }),
    ("Antarctica/Troll", 2025, Changes { forward: 1, back: 1 }),
];

/// A pattern, and the same said otherwise: the hours, the minutes of each, and the days.
struct Wanted {
    pattern: &'static str,
    hours: &'static [i64],
    minutes: &'static [i64],
    on: fn(Date) -> bool,
}

const fn daily(pattern: &'static str, hours: &'static [i64], minutes: &'static [i64]) -> Wanted {
    Wanted { pattern, hours, minutes, on: |_| true }
}

const EACH_HOUR: [i64; 24] =
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];
const EACH_SECOND_HOUR: [i64; 12] = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22];

/// The days on which clocks are set.
fn is_late_in_week(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Friday | Weekday::Saturday | Weekday::Sunday)
}

const WANTED: [Wanted; 12] = [
    daily("30 2 * * *", &[2], &[30]),
    daily("30 1 * * *", &[1], &[30]),
    daily("15 0 * * *", &[0], &[15]),
    daily("0 0 * * *", &[0], &[0]),
    daily("45 23 * * *", &[23], &[45]),
    daily("0 2 * * *", &[2], &[0]),
    daily("*/20 1-3 * * *", &[1, 2, 3], &[0, 20, 40]),
    Wanted { on: |day| day.weekday() == Weekday::Sunday, ..daily("0 3 * * 0", &[3], &[0]) },
    Wanted { on: |day| day.weekday() == Weekday::Friday, ..daily("0 8 * * 5", &[8], &[0]) },
    Wanted { on: |day| day.weekday() == Weekday::Sunday, ..daily("*/30 * * * 0", &EACH_HOUR, &[0, 30]) },
    Wanted { on: is_late_in_week, ..daily("10 */2 * * 0,5,6", &EACH_SECOND_HOUR, &[10]) },
    Wanted { on: |day| day.day() == day.days_in_month(), ..daily("5 0 L * *", &[0], &[5]) },
];

const DAY: i64 = 24 * 60;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(minute * 60).unwrap()
}

fn first_minute(year: i16) -> i64 {
    Offset::UTC.to_timestamp(Date::constant(year, 1, 1).at(0, 0, 0, 0)).unwrap().as_second() / 60
}

/// What a wall clock has shown, in minutes, from the one after `first` on; and when.
struct Walk {
    first: i64,
    moments: Vec<i64>,
    changes: Changes,
}

impl Walk {
    /// Looks at the clock each minute, as somebody would who stands before it. A reading stands for the first moment at
    /// which the clock shows it or one behind it: those that it skips are passed at once, and those that it shows
    /// again were passed before.
    fn before(zone: &TimeZone, from: i64, to: i64) -> Self {
        let shown_at = |at: i64| at + i64::from(zone.to_offset(minute(at)).seconds()) / 60;
        let first = shown_at(from);
        let (mut moments, mut changes) = (Vec::new(), Changes::default());
        let (mut before, mut passed) = (first, first);
        for at in from + 1..=to {
            let shown = shown_at(at);
            changes.forward += usize::from(shown > before + 1);
            changes.back += usize::from(shown < before + 1);
            before = shown;
            while passed < shown {
                passed += 1;
                moments.push(at);
            }
        }
        Self { first, moments, changes }
    }

    /// Several readings that stand for one moment are one slot.
    fn slots(&self, wanted: &Wanted) -> Vec<String> {
        let mut slots = Vec::new();
        let last = self.first + self.moments.len() as i64;
        for midnight in (self.first.div_euclid(DAY) * DAY..=last).step_by(DAY as usize) {
            if !(wanted.on)(Offset::UTC.to_datetime(minute(midnight)).date()) {
                continue;
            }
            for hour in wanted.hours {
                for minute in wanted.minutes {
                    let reading = midnight + hour * 60 + minute;
                    if (self.first + 1..=last).contains(&reading) {
                        slots.push(self.moments[(reading - self.first - 1) as usize]);
                    }
                }
            }
        }
        slots.dedup();
        slots.into_iter().map(|at| minute(at).to_string()).collect()
    }
}

/// Neither the schedule nor what reads its patterns has a part in what is expected.
#[test]
fn a_year_of_each_zone_is_as_its_clock_shows_it() {
    let zones = jiff::tz::TimeZoneDatabase::bundled();
    for (name, year, changes) in WALKED {
        let (from, to) = (first_minute(year), first_minute(year + 1));
        let walk = Walk::before(&zones.get(name).unwrap(), from, to);
        assert_eq!(walk.changes, changes, "{name}");
        let (from, to) = (minute(from).to_string(), minute(to).to_string());
        for wanted in &WANTED {
            let pattern = wanted.pattern;
            assert_eq!(cron_between(pattern, name, &from, &to), walk.slots(wanted), "{pattern} in {name}");
        }
    }
}

#[test]
fn six_fields_have_the_second_in_front() {
    let (from, to) = ("2026-01-01T08:00:00Z", "2026-01-01T08:01:10Z");
    assert_eq!(
        cron_between("5-59/30 * * * * *", "UTC", from, to),
        ["2026-01-01T08:00:05Z", "2026-01-01T08:00:35Z", "2026-01-01T08:01:05Z"]
    );
}

#[test]
fn every_is_counted_from_its_anchor() {
    let every = |seconds, anchor| Schedule::of(&trigger(When::Every(Every { seconds, anchor }), None), 500);
    let schedule = every(10, Some(3_000)).unwrap();
    let next = [-50_000, 2_999, 3_000, 12_999, 13_000, 13_001].map(|after| schedule.next(after));
    assert_eq!(next, [3_000, 3_000, 13_000, 13_000, 23_000, 23_000].map(Some));
    assert_eq!(every(10, None).unwrap().next(500), Some(10_500));
    assert_eq!(schedule.count(13_000, 42_999), Some((33_000, 3)));
    assert_eq!(schedule.next(Ms::MAX), None);
}

#[test]
fn what_cannot_be_is_said_with_what_to_write_instead() {
    let wrong = |when, zone| Schedule::of(&trigger(when, zone), 0).unwrap_err();
    let cron = |pattern: &str| When::Cron(pattern.into());
    assert!(wrong(cron("0 25 * * *"), None).starts_with("`when.cron`: \"0 25 * * *\" cannot be read: "));
    assert!(wrong(cron("0 0 1 1 * 2027 *"), None).starts_with("`when.cron`: "));
    assert!(wrong(cron(&"1,".repeat(200)), None).ends_with("256 is the most"));
    assert_eq!(
        wrong(cron("0 8 * * *"), Some("Mars/Olympus")),
        "`timezone`: \"Mars/Olympus\" is no time zone; write one as Europe/Berlin or America/New_York"
    );
    let never = Schedule::of(&trigger(cron("0 0 30 2 *"), None), 0).unwrap();
    assert_eq!(never.next(0), None);
}

#[test]
fn jitter_is_the_same_for_the_same_slot_and_within_its_bound() {
    let id = TriggerId(uuid::Uuid::from_u128(7));
    let late = Trigger { jitter_s: 60, ..trigger(When::Manual, None) };
    let dues: Vec<Ms> = (0..50).map(|n| due(id, &late, n * 1_000_000) - n * 1_000_000).collect();
    assert!(dues.iter().all(|late| (0..=60_000).contains(late)));
    assert!(dues.windows(2).any(|pair| pair[0] != pair[1]));
    assert_eq!(due(id, &late, 5), due(id, &late, 5));
    assert_eq!(due(id, &trigger(When::Manual, None), 5), 5);
}

/// Twelve that between them do what clocks can do; the simulations know the same.
const ZONES_TRIED: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/zones.txt"));
const PATTERNS: [&str; 8] = [
    "*/7 * * * *",
    "30 2 * * *",
    "0 0 * * *",
    "15 1,2,3 * * *",
    "0 */6 * * *",
    "59 23 L * *",
    "30 30 2 * * 7",
    "0 12 * * 1#2",
];

proptest! {
    /// Slots are strictly in order, wherever one begins to ask; a slot shows the reading that was asked for, or
    /// stands at the moment at which the clock skips it.
    #[test]
    fn slots_are_in_order_and_do_not_depend_on_when_one_asks(
        zone in prop::sample::select(ZONES_TRIED.lines().collect::<Vec<_>>()),
        pattern in 0..PATTERNS.len(),
        start in 1_200_000_000_i64..2_000_000_000,
        steps in prop::collection::vec(1_i64..40_000, 1..40),
    ) {
        let when = When::Cron(PATTERNS[pattern].into());
        let schedule = Schedule::of(&trigger(when, Some(zone)), 0).unwrap();
        let tz = super::zone(Some(zone)).unwrap();
        let cron = cron(PATTERNS[pattern]).unwrap();
        let mut after = start * 1000;
        for step in steps {
            let slot = schedule.next(after).unwrap();
            prop_assert!(slot > after);
            // From anywhere before it, it is the same.
            let nearer = (after + step * 1000).min(slot - 1);
            prop_assert_eq!(schedule.next(nearer), Some(slot));
            let moment = instant(slot).unwrap();
            let shows = cron.is_time_matching(&tz.to_datetime(moment)).unwrap();
            let skips = tz.preceding(instant(slot + 1).unwrap()).next().map(|it| it.timestamp()) == Some(moment);
            prop_assert!(shows || skips, "{} at {}", PATTERNS[pattern], moment);
            after = slot;
        }
    }
}

use super::*;

struct World {
    fleet: Fleet,
    begin: Instant,
}

impl World {
    fn new() -> Self {
        Self { fleet: Fleet::default(), begin: crate::clock::now() }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.begin + Duration::from_secs(seconds)
    }

    fn find(&mut self, homes: &[(&str, Stamp, bool)], seconds: u64) {
        let found = |(dir, stamp, is_held): &(&str, Stamp, bool)| Found {
            dir: PathBuf::from(dir),
            stamp: *stamp,
            is_held: *is_held,
        };
        self.fleet.found(homes.iter().map(found).collect(), self.at(seconds));
    }

    fn end(&mut self, dir: &str, end: End, seconds: u64) -> Outlook {
        self.fleet.ended(Path::new(dir), end, self.at(seconds))
    }

    fn acts(&mut self, seconds: u64) -> Vec<Act> {
        let now = self.at(seconds);
        std::iter::from_fn(|| self.fleet.next(now)).collect()
    }

    fn due(&self) -> Option<u64> {
        self.fleet.due().map(|at| at.duration_since(self.begin).as_secs())
    }
}

fn start(dir: &str) -> Act {
    Act::Start(dir.into())
}

#[test]
fn what_is_found_is_started_once_and_what_is_new_joins() {
    let mut world = World::new();
    world.find(&[("a", 1, false)], 0);
    assert_eq!(world.acts(0), [start("a")]);
    world.find(&[("a", 2, false), ("b", 1, false)], 2);
    assert_eq!(world.acts(2), [start("b")], "a runs, whatever its files are now");
    assert_eq!((world.acts(1_000), world.due()), (vec![], None));
}

#[test]
fn who_ends_is_started_again_after_a_wait_that_grows_and_begins_anew_after_a_steady_while() {
    let mut world = World::new();
    world.find(&[("a", 1, false)], 0);
    let mut now = 0;
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(world.acts(now), [start("a")]);
        assert_eq!(world.end("a", End::Ended, now), Outlook::StartsIn(Duration::from_secs(wait)));
        assert_eq!((world.acts(now + wait - 1), world.due()), (vec![], Some(now + wait)));
        now += wait;
    }
    assert_eq!(world.acts(now), [start("a")]);
    now += STEADY.as_secs();
    assert_eq!(world.end("a", End::Ended, now), Outlook::StartsIn(WAIT_MIN));
}

#[test]
fn who_is_held_waits_to_be_released() {
    let mut world = World::new();
    world.find(&[("a", 1, true), ("b", 1, false)], 0);
    assert_eq!((world.acts(0), world.due()), (vec![start("b")], None), "also after a restart of the broker");
    assert_eq!(world.end("b", End::Held, 1), Outlook::WhenReleased);
    assert_eq!((world.acts(100), world.due()), (vec![], None));
    world.find(&[("a", 1, false), ("b", 1, true)], 100);
    assert_eq!(world.acts(100), [start("a")]);
    world.find(&[("a", 1, false), ("b", 1, false)], 101);
    assert_eq!(world.acts(101), [start("b")]);
}

#[test]
fn who_was_displaced_or_has_a_fault_waits_for_its_files_to_change() {
    for end in [End::Displaced, End::Unfit] {
        let mut world = World::new();
        world.find(&[("a", 1, false)], 0);
        world.acts(0);
        assert_eq!(world.end("a", end, 1), Outlook::WhenItsFilesChange);
        world.find(&[("a", 1, false)], 100);
        assert_eq!((world.acts(100), world.due()), (vec![], None));
        world.find(&[("a", 2, false)], 101);
        assert_eq!(world.acts(101), [start("a")]);
        // It changed while the process was already on its way out.
        world.find(&[("a", 3, false)], 102);
        world.end("a", end, 102);
        assert_eq!(world.acts(102), [start("a")]);
    }
}

#[test]
fn a_home_that_is_gone_is_asked_to_end_then_killed_and_forgotten() {
    let mut world = World::new();
    world.find(&[("a", 1, false)], 0);
    world.acts(0);
    world.find(&[], 1);
    assert_eq!(world.acts(1), [], "it may come back");
    world.find(&[], 2);
    assert_eq!(world.acts(2), [Act::Terminate("a".into())]);
    let kill_at = 2 + KILL_AFTER.as_secs();
    assert_eq!((world.acts(kill_at - 1), world.due()), (vec![], Some(kill_at)));
    assert_eq!(world.acts(kill_at), [Act::Kill("a".into())]);
    assert!(!world.fleet.is_empty());
    assert_eq!(world.end("a", End::Ended, kill_at), Outlook::Never);
    assert!(world.fleet.is_empty() && world.fleet.homes.is_empty());
}

#[test]
fn a_stop_ends_what_runs_and_starts_nothing() {
    let mut world = World::new();
    world.find(&[("a", 1, false), ("b", 1, false)], 0);
    world.acts(0);
    world.end("b", End::Ended, 1);
    world.fleet.stop();
    assert_eq!(world.acts(100), [Act::Terminate("a".into())]);
    assert_eq!(world.end("a", End::Ended, 101), Outlook::Never);
    assert!(world.fleet.is_empty());
    assert_eq!((world.acts(200), world.due()), (vec![], None));
}

#[test]
fn who_cannot_be_started_is_tried_again() {
    let mut world = World::new();
    world.find(&[("a", 1, false)], 0);
    world.acts(0);
    let outlook = world.fleet.not_started(Path::new("a"), world.at(0));
    assert_eq!((outlook, world.due()), (Outlook::StartsIn(WAIT_MIN), Some(1)));
    assert_eq!(world.acts(1), [start("a")]);
}

#[test]
fn who_ends_three_times_too_soon_fails_until_it_is_steady() {
    let mut world = World::new();
    world.find(&[("a", 1, false), ("b", 1, false)], 0);
    world.acts(0);
    let failing = |world: &World, dir: &str| world.fleet.is_failing(Path::new(dir));
    // Started at 0, 2, 5 and 10, and gone a second later.
    for (end, begins) in [(1, 2), (3, 5), (6, 10)] {
        assert!(!failing(&world, "a"));
        world.end("a", End::Ended, end);
        assert_eq!(world.acts(begins), [start("a")]);
    }
    assert!(failing(&world, "a") && !failing(&world, "b"));
    let steady = |world: &mut World, seconds| {
        let now = world.at(STEADY.as_secs() + seconds);
        world.fleet.steady(now)
    };
    assert_eq!(steady(&mut world, 9), [PathBuf::from("b")]);
    assert_eq!(steady(&mut world, 10), [PathBuf::from("a")]);
    assert_eq!(steady(&mut world, 11), Vec::<PathBuf>::new(), "said once");
    assert!(!failing(&world, "a"));
    world.end("b", End::Unfit, STEADY.as_secs() + 20);
    assert!(failing(&world, "b"), "it does not run before somebody does something");
    assert!(world.fleet.has(Path::new("b")));
    for seconds in [21, 22] {
        world.find(&[("a", 1, false)], STEADY.as_secs() + seconds);
    }
    assert!(!world.fleet.has(Path::new("b")) && !failing(&world, "b"));
}

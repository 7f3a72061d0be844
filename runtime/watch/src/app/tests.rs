//! What keys, commands and news do to the state and what they ask for; and that nothing makes it panic or grow.

use nexus_wire::approval::Verdict;
use nexus_wire::hands::DispatchState;
use nexus_wire::inbox::Gap;
use nexus_wire::observe::{ObserveEvent, Observed, ObservedWhat, TurnEvent};
use nexus_wire::{Party, TurnId};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use uuid::Uuid;

use super::streams::{STREAM_BYTES_MAX, STREAMS_MAX};
use super::*;
use crate::pace::{FRAME, Pace};
use crate::testing::{self, NOW, busy, dispatch, keys, load, name, tell, thread, type_in};
use crate::view::{self, Theme};

fn run(app: &mut App, command: &str) -> Vec<Effect> {
    drop(keys(app, &[Key::Char(':')]));
    type_in(app, command);
    keys(app, &[Key::Enter])
}

fn acts(effects: Vec<Effect>) -> Vec<Act> {
    let act = |effect| match effect {
        Effect::Act(asked) => Some(asked.act),
        Effect::Load(_) | Effect::Suspend | Effect::Repaint | Effect::Quit => None,
    };
    effects.into_iter().filter_map(act).collect()
}

fn error(app: &App) -> &str {
    app.prompt.as_ref().and_then(|prompt| prompt.error.as_deref()).unwrap_or_default()
}

#[test]
fn an_approval_is_answered_with_a_word_once_it_is_sent() {
    let mut app = busy();
    drop(keys(&mut app, &[Key::Char('4'), Key::Char('a')]));
    assert!(
        acts(keys(&mut app, &[Key::Char('o'), Key::Char('k')])).is_empty(),
        "nothing is sent before Enter"
    );
    let sent = acts(keys(&mut app, &[Key::Enter]));
    let [Act::Answer(answer)] = &sent[..] else { panic!("{sent:?}") };
    let first = app.approvals.all()[0].id;
    assert_eq!((answer.approval, answer.verdict), (first, Verdict::Approve));
    assert_eq!(answer.text.as_deref(), Some("ok"));
    // The second one is a question, whose choices Tab goes through.
    drop(keys(&mut app, &[Key::Char('j'), Key::Char('a'), Key::Tab, Key::Tab]));
    let sent = acts(keys(&mut app, &[Key::Enter]));
    let [Act::Answer(answer)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((answer.verdict, answer.text.as_deref()), (Verdict::Answer, Some("deep blue")));
    drop(keys(&mut app, &[Key::Char('a'), Key::Enter]));
    assert_eq!(error(&app), "an answer has a text");
}

#[test]
fn commands_take_short_ids_or_what_is_chosen_and_say_what_is_wrong() {
    let mut app = busy();
    let sent = acts(run(&mut app, "cancel d0000002 not needed"));
    let [Act::Cancel(cancel)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((cancel.dispatch, cancel.reason.as_deref()), (dispatch(2), Some("not needed")));
    let sent = acts(run(&mut app, "/cancel"));
    let [Act::Cancel(cancel)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!(cancel.dispatch, dispatch(1), "the chosen one");
    assert!(acts(run(&mut app, "cancel dead1234")).is_empty());
    assert_eq!(error(&app), "nothing that is shown has an id like \"dead1234\"");
    drop(keys(&mut app, &[Key::Esc]));
    assert!(acts(run(&mut app, "stop froge")).is_empty());
    assert_eq!(
        error(&app),
        "there is no aspect \"froge\"; there are: forge, harrow, keel, marl, sorrel, wren"
    );
    drop(keys(&mut app, &[Key::Esc]));
    let sent = acts(run(&mut app, "stop wren that is enough"));
    let [Act::Stop(stop)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((stop.of.as_str(), stop.reason.as_deref()), ("wren", Some("that is enough")));
    let sent = acts(run(&mut app, "ack aspect_deaf/marl"));
    assert!(matches!(&sent[..], [Act::Ack(ack)] if ack.key == "aspect_deaf/marl"), "{sent:?}");
    assert_eq!(run(&mut app, "quit"), [Effect::Quit]);
}

#[test]
fn a_message_goes_to_whoever_is_looked_at_or_named() {
    let mut app = busy();
    drop(run(&mut app, "switch wren"));
    assert_eq!(app.aspect().map(AspectName::as_str), Some("wren"));
    drop(keys(&mut app, &[Key::Char('i')]));
    type_in(&mut app, "hello @fo");
    drop(keys(&mut app, &[Key::Tab]));
    let sent = acts(keys(&mut app, &[Key::Enter]));
    let [Act::Say(message)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((message.to.as_slice(), message.content.as_str()), (&["wren".to_owned()][..], "hello @forge"));
    let sent = acts(run(&mut app, "say @keel and @marl: look"));
    let [Act::Say(message)] = &sent[..] else { panic!("{sent:?}") };
    assert!(message.to.is_empty() && message.thread.is_none(), "{message:?}");
    drop(keys(&mut app, &[Key::Char('2'), Key::Char('i')]));
    type_in(&mut app, "go on");
    let sent = acts(keys(&mut app, &[Key::Enter]));
    let [Act::Say(message)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((message.thread, message.to.len()), (Some(thread(1)), 0));
}

#[test]
fn nothing_is_sent_without_a_connection_and_what_is_known_stays() {
    let mut app = testing::broken();
    for list in List::ALL {
        app.due.done(list);
    }
    assert_eq!((app.link.is_up(), app.link.losses), (false, 2));
    assert_eq!(app.stale_since(), Some(NOW + 8_000));
    assert!(acts(run(&mut app, "stop wren")).is_empty());
    assert_eq!(error(&app), "there is no connection, so nothing was sent; try again when there is");
    assert_eq!(app.team.members().count(), 6);
    drop(keys(&mut app, &[Key::Esc]));
    let asked = app.update(Event::News(Box::new(News::Reconnected)), NOW + 30_000);
    let lists = asked.iter().filter(|effect| matches!(effect, Effect::Load(Load::List(_)))).count();
    assert_eq!(lists, List::ALL.len(), "everything is asked for anew: {asked:?}");
    let gaps = app
        .streams
        .get(&name("forge"))
        .map(|stream| stream.entries.iter().filter(|entry| matches!(entry, Entry::Gap { .. })).count());
    assert_eq!(gaps, Some(3), "two outages, and what the broker says it has not");
    tell(&mut app, News::Over("the key was revoked".into()));
    assert!(matches!(&app.link.standing, Standing::Over { why, .. } if why.contains("revoked")));
}

#[test]
fn a_thread_that_has_just_begun_is_read_once_the_list_has_it() {
    let mut app = busy();
    load(&mut app, Loaded::Threads(Vec::new()));
    app.due.mark(List::Threads);
    drop(keys(&mut app, &[Key::Char('r')]));
    assert_eq!((app.view, &app.notice), (View::Team, &None), "the list is waited for");
    let begun = testing::thread_info(7, "begun", 0);
    load(&mut app, Loaded::Threads(vec![begun]));
    assert_eq!((app.view, app.threads.listing.key()), (View::Threads, Some(&thread(7))));

    let mut app = busy();
    load(&mut app, Loaded::Threads(Vec::new()));
    app.due.mark(List::Threads);
    app.now += 60_000;
    let asked = keys(&mut app, &[Key::Char('r')]);
    assert!(asked.contains(&Effect::Load(Load::List(List::Threads))), "{asked:?}");
    load(&mut app, Loaded::Threads(Vec::new()));
    let said = app.notice.as_ref().map(|notice| notice.text.as_str());
    assert_eq!(said, Some("forge takes part in none of the latest threads"));
}

#[test]
fn a_word_behind_a_slash_and_wide_characters_is_completed() {
    let mut app = testing::empty();
    drop(keys(
        &mut app,
        &[Key::Char(':'), Key::Char('/'), Key::Char('a'), Key::Newline, Key::Char('𐰢'), Key::Tab],
    ));
    assert_eq!(app.prompt.as_ref().map(|prompt| prompt.line.text()), Some("/a\n𐰢"));
    assert!(app.prompt.is_some_and(|prompt| prompt.completion.is_none()));
}

#[test]
fn where_there_is_nothing_to_act_on_it_is_said() {
    let mut app = testing::empty();
    assert!(acts(run(&mut app, "stop")).is_empty());
    assert_eq!(error(&app), "nobody is on the team yet");
    drop(keys(&mut app, &[Key::Esc]));
    for (view, key, said) in [
        ('3', 'c', "no dispatch is chosen"),
        ('3', 'r', "no dispatch is chosen"),
        ('4', 'a', "nothing waits for people"),
        ('5', 'a', "no alert is open"),
    ] {
        assert!(acts(keys(&mut app, &[Key::Char(view), Key::Char(key)])).is_empty());
        assert_eq!(app.notice.as_ref().map(|notice| notice.text.as_str()), Some(said));
        assert!(app.prompt.is_none());
    }
}

#[test]
fn the_log_says_what_is_out_of_date() {
    let mut app = busy();
    for list in List::ALL {
        app.due.done(list);
    }
    app.now += 60_000;
    let entry = |body| {
        News::Log(nexus_wire::log::LogEntry { seq: 1, at: 0, actor: Party::System, thread: None, body })
    };
    let other = |kind: &str| nexus_wire::log::LogBody::Other { kind: kind.into(), subject: "x".into() };
    let cases = [
        ("approval.asked", Some(List::Approvals)),
        ("aspect.online", Some(List::Team)),
        ("dispatch.waiting", Some(List::Dispatches)),
        ("thread.renamed", Some(List::Threads)),
        ("knowledge.stored", None),
    ];
    for (kind, list) in cases {
        let asked = app.update(Event::News(Box::new(entry(other(kind)))), app.now);
        let wanted: Vec<Effect> = list.into_iter().map(|list| Effect::Load(Load::List(list))).collect();
        assert_eq!(asked, wanted, "{kind}");
    }
    let gap = Gap { from: 1, to: 9, reason: "pruned".into() };
    tell(&mut app, News::LogGap(gap));
    assert!(app.notice.as_ref().is_some_and(|notice| notice.text.contains("entries 1 to 9 of the log")));
}

#[test]
fn a_thread_is_read_from_its_end_and_older_messages_come_when_they_are_wanted() {
    let mut app = busy();
    let asked = keys(&mut app, &[Key::Char('2')]);
    assert_eq!(asked, [Effect::Load(Load::Messages { thread: thread(1), before: None })]);
    load(&mut app, Loaded::Messages { page: testing::page(), older: false });
    let new = testing::message(3, "forge", "and one more");
    let entry = nexus_wire::log::LogEntry {
        seq: 3,
        at: 0,
        actor: new.from.clone(),
        thread: Some(new.thread),
        body: nexus_wire::log::LogBody::Message(Box::new(new)),
    };
    tell(&mut app, News::Log(entry.clone()));
    tell(&mut app, News::Log(entry));
    assert_eq!(app.threads.messages.iter().map(|said| said.seq).collect::<Vec<_>>(), [1, 2, 3]);
    let asked = keys(&mut app, &[Key::Enter, Key::PageUp]);
    assert!(
        asked.contains(&Effect::Load(Load::Messages { thread: thread(1), before: Some(1) })),
        "{asked:?}"
    );
    assert!(matches!(&acts(asked)[..], [Act::Mark(read)] if *read == thread(1)));
}

#[test]
fn what_has_ended_is_shown_when_asked_for_and_a_filter_keeps_trees_whole() {
    let mut app = busy();
    drop(keys(&mut app, &[Key::Char('3')]));
    let shown = |app: &App| app.work.rows().iter().map(|row| (row.id, row.depth)).collect::<Vec<_>>();
    let open = [(dispatch(1), 0), (dispatch(2), 1), (dispatch(3), 1), (dispatch(4), 0)];
    assert_eq!(shown(&app), open);
    drop(keys(&mut app, &[Key::Char('e')]));
    assert_eq!(shown(&app), [&open[..], &[(dispatch(6), 0), (dispatch(5), 0)]].concat());
    drop(run(&mut app, "filter running"));
    assert_eq!(shown(&app), open[..3]);
    assert_eq!(app.work.get(&dispatch(2)).map(|info| info.state), Some(DispatchState::Running));
    drop(keys(&mut app, &[Key::Esc]));
    assert_eq!(shown(&app).len(), 6);
}

#[test]
fn a_thousand_events_a_second_for_a_minute_draw_at_most_thirty_frames_a_second_and_keep_a_bounded_state() {
    let mut app = busy();
    let (mut pace, mut frames, mut asked) = (Pace::default(), 0, 0);
    for ms in 0..60_000_u64 {
        let turn = TurnId(Uuid::from_u128(1_000 + u128::from(ms / 5_000)));
        let text = "a piece of what it says, which goes on for a while and is of no interest\n".to_owned();
        let event = TurnEvent::Text { text };
        let what = ObservedWhat::Event(ObserveEvent { turn, n: ms % 5_000, event });
        let aspect = name(["forge", "keel", "wren"][ms as usize % 3]);
        let observed = Observed { aspect, turn, thread: None, dispatch: None, what, seq: ms };
        let now = NOW + ms as Ms;
        asked += app.update(Event::News(Box::new(News::Observed(observed))), now).len();
        pace.touch();
        frames += u32::from(pace.draws(std::time::Duration::from_millis(ms)));
    }
    assert!(frames <= 30 * 60, "{frames} frames of at least {FRAME:?} each");
    assert!(frames >= 25 * 60, "it is live: {frames}");
    assert!(asked <= List::ALL.len(), "what streams asks for nothing: {asked}");
    // Three streams, and what a team at work holds besides.
    assert!(app.weight() <= 3 * STREAM_BYTES_MAX + 16 * 1024, "{}", app.weight());
}

fn any_key() -> impl Strategy<Value = Key> {
    prop_oneof![
        8 => prop::char::any().prop_map(Key::Char),
        16 => prop::sample::select("12345ihjklq?:/tosrncead@ gG".chars().collect::<Vec<_>>()).prop_map(Key::Char),
        2 => prop::sample::select("abdefhuwl".chars().collect::<Vec<_>>()).prop_map(Key::Ctrl),
        16 => prop::sample::select(vec![
            Key::Backspace, Key::BackTab, Key::Delete, Key::Down, Key::End, Key::Enter, Key::Esc, Key::Home,
            Key::Left, Key::Newline, Key::PageDown, Key::PageUp, Key::Right, Key::Tab, Key::Up,
        ]),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Key(Key),
    Paste(String),
    Text(u8, String),
    Lost,
    Back,
    Full,
    Empty,
    Size(u16, u16),
    Time(u16),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => any_key().prop_map(Step::Key),
        2 => ".{0,40}".prop_map(Step::Paste),
        6 => (any::<u8>(), "(?s).{0,80}").prop_map(|(who, text)| Step::Text(who, text)),
        1 => Just(Step::Lost),
        1 => Just(Step::Back),
        1 => Just(Step::Full),
        1 => Just(Step::Empty),
        3 => (1_u16..210, 1_u16..64).prop_map(|(width, height)| Step::Size(width, height)),
        2 => any::<u16>().prop_map(Step::Time),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_sequence_of_events_keys_and_sizes_panics(steps in prop::collection::vec(any_step(), 1..120)) {
        let mut app = busy();
        let mut size = (80, 24);
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                Step::Key(key) => drop(keys(&mut app, &[key])),
                Step::Paste(text) => drop(app.update(Event::Paste(text), app.now)),
                Step::Text(who, text) => {
                    let aspect = format!("a{who}");
                    testing::streams(&mut app, &aspect, n as u128, vec![testing::text(&text)], who % 2 == 0);
                }
                Step::Lost => tell(&mut app, News::Lost { why: "gone".into(), retry_in: 500 }),
                Step::Back => tell(&mut app, News::Reconnected),
                Step::Full => load(&mut app, Loaded::Messages { page: testing::page(), older: n % 2 == 0 }),
                Step::Empty => {
                    load(&mut app, Loaded::Team(Vec::new()));
                    load(&mut app, Loaded::Dispatches(Vec::new()));
                    load(&mut app, Loaded::Approvals(Vec::new()));
                    load(&mut app, Loaded::Threads(Vec::new()));
                    load(&mut app, Loaded::Alerts(Vec::new()));
                }
                Step::Size(width, height) => size = (width, height),
                Step::Time(ms) => drop(app.update(Event::Tick, app.now + Ms::from(ms))),
            }
            let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a screen in memory");
            terminal.draw(|frame| view::draw(&app, Theme { colour: n % 2 == 0 }, frame)).expect("it is drawn");
            prop_assert!(app.weight() <= STREAMS_MAX * STREAM_BYTES_MAX);
            prop_assert!(app.threads.weight() <= super::threads::MESSAGES_BYTES_MAX);
        }
    }
}

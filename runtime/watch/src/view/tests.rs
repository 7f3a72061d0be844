//! Every view as it looks, on a small and a large screen: with nothing, at work, and without a connection.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::{Theme, draw};
use crate::app::{App, Key, Loaded, View};
use crate::cli::Form;
use crate::snapshot::written;
use crate::testing::{self, keys, load, type_in};

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 60);

fn screen(app: &App, colour: bool, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a screen in memory");
    terminal.draw(|frame| draw(app, Theme { colour }, frame)).expect("it is drawn");
    terminal.backend().buffer().clone()
}

fn text(app: &App, size: (u16, u16)) -> String {
    written(&screen(app, false, size), Form::Text)
}

fn every_view(state: &str, make: impl Fn() -> App) {
    for view in View::ALL {
        for (size, of) in [("small", SMALL), ("large", LARGE)] {
            let mut app = make();
            app.view = view;
            if !app.threads.all().is_empty() {
                load(&mut app, Loaded::Messages { page: testing::page(), older: false });
            }
            insta::assert_snapshot!(format!("{state}_{}_{size}", view.name()), text(&app, of));
        }
    }
}

#[test]
fn every_view_with_nothing_in_it() {
    every_view("empty", testing::empty);
}

#[test]
fn every_view_at_work() {
    every_view("busy", testing::busy);
}

#[test]
fn every_view_without_a_connection() {
    every_view("broken", testing::broken);
}

#[test]
fn before_anything_is_known_it_says_so() {
    for view in View::ALL {
        let mut app = testing::new();
        app.view = view;
        assert!(text(&app, SMALL).contains("asking "), "{}", text(&app, SMALL));
    }
}

#[test]
fn what_is_folded_unfolds_and_prompts_say_what_they_are_for() {
    let mut app = testing::busy();
    drop(keys(&mut app, &[Key::Char('t'), Key::Char('o')]));
    insta::assert_snapshot!("unfolded", text(&app, SMALL));
    drop(keys(&mut app, &[Key::Char(':')]));
    type_in(&mut app, "switch ");
    drop(keys(&mut app, &[Key::Tab, Key::Tab]));
    insta::assert_snapshot!("completing", text(&app, SMALL));
    drop(keys(&mut app, &[Key::Esc, Key::Char(':')]));
    type_in(&mut app, "aprove");
    drop(keys(&mut app, &[Key::Enter]));
    insta::assert_snapshot!("mistyped", text(&app, SMALL));
    drop(keys(&mut app, &[Key::Esc, Key::Char('4'), Key::Char('a')]));
    insta::assert_snapshot!("approving", text(&app, SMALL));
    drop(keys(&mut app, &[Key::Esc, Key::Char('j'), Key::Char('a'), Key::Tab]));
    insta::assert_snapshot!("answering", text(&app, SMALL));
    drop(keys(&mut app, &[Key::Esc, Key::Char('?')]));
    insta::assert_snapshot!("help_small", text(&app, SMALL));
    insta::assert_snapshot!("help_large", text(&app, LARGE));
}

#[test]
fn colours_are_beside_signs_and_can_be_left_out() {
    let mut app = testing::busy();
    let ansi = |app: &App, colour| written(&screen(app, colour, SMALL), Form::Ansi).replace('\u{1b}', "␛");
    insta::assert_snapshot!("colours_team", ansi(&app, true));
    app.view = View::Work;
    insta::assert_snapshot!("colours_work", ansi(&app, true));
    let plain = ansi(&app, false);
    let is_colour = |code: &str| ["31", "32", "33", "34", "36", "90"].contains(&code);
    let codes =
        plain.split('␛').flat_map(|part| part.split('m').next().unwrap_or_default().split([';', '[']));
    assert!(!codes.into_iter().any(is_colour), "{plain}");
    // What is the same but for colours reads the same.
    assert_eq!(written(&screen(&app, true, SMALL), Form::Text), text(&app, SMALL));
}

#[test]
fn a_screen_that_is_too_small_says_how_large_it_has_to_be() {
    let app = testing::busy();
    let said = text(&app, (60, 20));
    assert!(said.contains("nexus-watch needs 80×24.") && said.contains("This terminal has 60×20."), "{said}");
    for size in [(1, 1), (79, 24), (80, 23), (500, 1), (3, 200)] {
        let _ = text(&app, size);
    }
}

#[test]
fn a_picture_holds_the_words_and_escapes_them() {
    let mut app = testing::busy();
    app.filters[0] = "<&>".into();
    let svg = written(&screen(&app, true, SMALL), Form::Svg);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains("nexus-watch"), "{svg}");
    assert!(svg.contains("/&lt;&amp;&gt;"), "{svg}");
}

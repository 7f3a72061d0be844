//! Text as it takes place on a screen: what a terminal would act on is taken out, and widths are counted in columns.

use nexus_operator::shown::printable;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// Columns that a text takes.
pub fn width_of(text: &str) -> usize {
    text.width()
}

/// Without what moves a cursor; tabs become spaces.
fn clean(text: &str) -> String {
    // A direction that is overridden would let a text look like another one.
    let is_override = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    printable(text).replace('\t', "    ").replace(is_override, "")
}

/// One line of at most `width` columns; what is left out shows as `…`.
pub fn cut(text: &str, width: usize) -> String {
    let line = clean(text).split(['\n']).map(str::trim_end).collect::<Vec<_>>().join(" ");
    if line.width() <= width {
        return line;
    }
    let mut kept = String::new();
    let mut columns = 0;
    for character in line.graphemes(true) {
        columns += character.width();
        if columns + 1 > width {
            break;
        }
        kept.push_str(character);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// The same, filled up to `width` columns.
pub fn fit(text: &str, width: usize) -> String {
    let mut line = cut(text, width);
    line.push_str(&" ".repeat(width.saturating_sub(line.width())));
    line
}

/// Lines of at most `width` columns, broken between words where that can be done. Lines keep their indentation.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    clean(text).lines().flat_map(|line| wrap_line(line, width)).collect()
}

fn wrap_line(line: &str, width: usize) -> Vec<String> {
    if line.width() <= width {
        return vec![line.trim_end().to_owned()];
    }
    let indent: String = line.chars().take_while(|c| *c == ' ').take(width / 2).collect();
    let mut done = Vec::new();
    let (mut current, mut columns) = (String::new(), 0);
    for word in line.split_word_bounds() {
        let wide = word.width();
        if columns + wide > width && !word.trim().is_empty() && columns > indent.len() {
            done.push(std::mem::replace(&mut current, indent.clone()).trim_end().to_owned());
            columns = indent.len();
        } else if columns + wide > width && word.trim().is_empty() {
            continue;
        }
        if columns + wide <= width {
            // No line but the first begins with the blank between two words.
            if !(word.trim().is_empty() && !done.is_empty() && columns == indent.len()) {
                current.push_str(word);
                columns += wide;
            }
            continue;
        }
        for character in word.graphemes(true) {
            if columns + character.width() > width {
                done.push(std::mem::replace(&mut current, indent.clone()));
                columns = indent.len();
            }
            current.push_str(character);
            columns += character.width();
        }
    }
    done.push(current.trim_end().to_owned());
    done
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_measured_in_columns() {
        assert_eq!(cut("in 東京 today", 6), "in 東…");
        assert_eq!(fit("東京", 6), "東京  ");
        assert_eq!(cut("two\nlines\u{1b}[2J", 20), "two lines[2J");
        assert_eq!(cut("a\u{202e}b", 5), "ab");
        assert_eq!(wrap("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(wrap("  indented text goes on", 12), ["  indented", "  text goes", "  on"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("a\n\nb", 4), ["a", "", "b"]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_place(text in ".{0,200}", width in 2_usize..60) {
            for line in wrap(&text, width) {
                // One character may be wider than two columns; there is no place for it then.
                prop_assert!(line.width() <= width.max(4), "{line:?} in {width}");
            }
            prop_assert!(cut(&text, width).width() <= width);
            prop_assert_eq!(fit(&text, width).width(), width);
        }
    }
}

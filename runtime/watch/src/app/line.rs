//! One line that is being typed, edited by what people see as characters.

use unicode_segmentation::UnicodeSegmentation as _;

/// More cannot be typed or pasted.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// A text and a place in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Line {
    text: String,
    /// In bytes, between two characters.
    cursor: usize,
}

impl Line {
    pub fn of(text: &str) -> Self {
        let text = clipped(text.to_owned(), LINE_BYTES_MAX);
        Self { cursor: text.len(), text }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text on both sides of the cursor.
    pub fn halves(&self) -> (&str, &str) {
        self.text.split_at(self.cursor)
    }

    pub(super) fn insert(&mut self, text: &str) {
        let text: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
        if self.text.len() + text.len() <= LINE_BYTES_MAX {
            self.text.insert_str(self.cursor, &text);
            self.cursor += text.len();
        }
    }

    pub(super) fn left(&mut self) {
        self.cursor -= self.halves().0.graphemes(true).next_back().map_or(0, str::len);
    }

    pub(super) fn right(&mut self) {
        self.cursor += self.halves().1.graphemes(true).next().map_or(0, str::len);
    }

    pub(super) fn home(&mut self) {
        self.cursor = 0;
    }

    pub(super) fn end(&mut self) {
        self.cursor = self.text.len();
    }

    pub(super) fn backspace(&mut self) {
        let end = self.cursor;
        self.left();
        self.text.replace_range(self.cursor..end, "");
    }

    pub(super) fn delete(&mut self) {
        let begin = self.cursor;
        self.right();
        let end = std::mem::replace(&mut self.cursor, begin);
        self.text.replace_range(begin..end, "");
    }

    /// Takes away the word before the cursor.
    pub(super) fn delete_word(&mut self) {
        let before = self.halves().0.trim_end();
        let begin = before.rfind(char::is_whitespace).map_or(0, |at| ceil(before, at + 1));
        self.text.replace_range(begin..self.cursor, "");
        self.cursor = begin;
    }

    /// Takes away everything before the cursor.
    pub(super) fn delete_to_start(&mut self) {
        self.text.replace_range(..self.cursor, "");
        self.cursor = 0;
    }

    /// The word that ends at the cursor, and where it begins.
    pub(super) fn word(&self) -> (usize, &str) {
        let before = self.halves().0;
        let begin = before.rfind(char::is_whitespace).map_or(0, |at| ceil(before, at + 1));
        (begin, &before[begin..])
    }

    /// Puts something in the place of what stands from `begin` to the cursor.
    pub(super) fn replace_word(&mut self, begin: usize, with: &str) {
        self.text.replace_range(begin..self.cursor, with);
        self.cursor = begin + with.len();
    }
}

fn ceil(text: &str, at: usize) -> usize {
    (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

/// The beginning of a text, at most so many bytes.
pub(super) fn clipped(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_edited_by_characters_as_people_see_them() {
        let mut line = Line::default();
        line.insert("ask fo\u{1b}rge\u{301} 🧑‍🚀");
        assert_eq!(line.text(), "ask forge\u{301} 🧑‍🚀");
        line.left();
        assert_eq!(line.halves(), ("ask forge\u{301} ", "🧑‍🚀"));
        line.delete();
        line.backspace();
        line.backspace();
        assert_eq!((line.text(), line.word()), ("ask forg", (4, "forg")));
        line.replace_word(4, "@harrow ");
        line.delete_word();
        assert_eq!(line.text(), "ask ");
        line.delete_word();
        line.delete_word();
        assert_eq!((line.text(), line.halves()), ("", ("", "")));
        line.insert("a\u{2003}b");
        assert_eq!(line.word(), ("a\u{2003}".len(), "b"));
        line.home();
        line.right();
        line.delete_to_start();
        line.end();
        line.insert(&"x".repeat(LINE_BYTES_MAX));
        assert_eq!(line.text(), "\u{2003}b", "what does not fit is not taken");
    }
}

//! A list with one row chosen, by what it is and not by where it stands; and how far something is scrolled.

use std::cell::Cell;

/// The keys of the rows that are shown, in order, and the chosen one of them.
#[derive(Debug)]
pub struct Listing<K> {
    keys: Vec<K>,
    chosen: usize,
}

impl<K> Default for Listing<K> {
    fn default() -> Self {
        Self { keys: Vec::new(), chosen: 0 }
    }
}

impl<K: Clone + PartialEq> Listing<K> {
    pub fn key(&self) -> Option<&K> {
        self.keys.get(self.chosen)
    }

    pub fn keys(&self) -> &[K] {
        &self.keys
    }

    /// Where the chosen row stands.
    pub fn at(&self) -> usize {
        self.chosen
    }

    /// The rows are these; what was chosen stays so, or whoever stands in its place is.
    pub(super) fn set(&mut self, keys: Vec<K>) {
        let found = self.key().and_then(|key| keys.iter().position(|other| other == key));
        self.chosen = found.unwrap_or(self.chosen).min(keys.len().saturating_sub(1));
        self.keys = keys;
    }

    /// Whether there is such a row, which is then chosen.
    pub(super) fn choose(&mut self, key: &K) -> bool {
        let found = self.keys.iter().position(|other| other == key);
        self.chosen = found.unwrap_or(self.chosen);
        found.is_some()
    }

    /// Whether another row is chosen by it.
    pub(super) fn step(&mut self, by: isize) -> bool {
        let before = self.chosen;
        self.chosen = before.saturating_add_signed(by).min(self.keys.len().saturating_sub(1));
        self.chosen != before
    }
}

/// How far something is scrolled away from where it rests. Whoever draws it says how far it can be.
#[derive(Clone, Debug, Default)]
pub struct Scroll {
    offset: Cell<usize>,
    max: Cell<usize>,
    lines: Cell<usize>,
}

impl Scroll {
    /// Of something with so many lines, of which so many fit: how many are passed over.
    pub fn of(&self, lines: usize, height: usize) -> usize {
        self.max.set(lines.saturating_sub(height));
        self.offset.get().min(self.max.get())
    }

    /// The same, counted from the end. What is looked at stays where it is while more comes at the end.
    pub fn of_end(&self, lines: usize, height: usize) -> usize {
        let more = lines.saturating_sub(self.lines.replace(lines));
        if self.offset.get() > 0 {
            self.offset.set(self.offset.get().saturating_add(more));
        }
        self.of(lines, height)
    }

    pub fn is_at_rest(&self) -> bool {
        self.offset.get() == 0
    }

    pub(super) fn step(&mut self, by: isize) {
        let max = self.max.get();
        self.offset.set(self.offset.get().min(max).saturating_add_signed(by).min(max));
    }

    pub(super) fn rest(&mut self) {
        self.offset.set(0);
    }

    pub(super) fn far(&mut self) {
        self.offset.set(self.max.get());
    }

    /// Whether nothing is left to scroll to.
    pub(super) fn is_at_end(&self) -> bool {
        self.offset.get() >= self.max.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_stays_chosen_wherever_it_moves() {
        let mut list = Listing::default();
        list.set(vec!['a', 'b', 'c']);
        assert!(list.step(1) && list.key() == Some(&'b'));
        list.set(vec!['z', 'a', 'b']);
        assert_eq!((list.key(), list.at()), (Some(&'b'), 2));
        list.set(vec!['z']);
        assert_eq!(list.key(), Some(&'z'));
        list.set(Vec::new());
        assert!(list.key().is_none() && !list.step(5) && !list.step(-5));
    }

    #[test]
    fn nothing_is_scrolled_beyond_its_end() {
        let mut scroll = Scroll::default();
        assert_eq!(scroll.of(30, 10), 0);
        scroll.step(1000);
        assert_eq!((scroll.of(30, 10), scroll.is_at_end()), (20, true));
        assert_eq!(scroll.of(12, 10), 2, "it has become shorter");
        scroll.step(-1);
        assert_eq!(scroll.of(12, 10), 1);
        scroll.rest();
        assert!(scroll.is_at_rest());
        assert_eq!(scroll.of_end(30, 10), 0);
        scroll.step(3);
        assert_eq!(scroll.of_end(35, 10), 8, "what is looked at stays");
    }
}

//! Which steps come before which, and a circle if there is one.

use std::collections::BTreeSet;

/// For each step those it waits for, by their places in the flow.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Graph {
    before: Vec<BTreeSet<usize>>,
}

impl Graph {
    pub(crate) fn new(before: Vec<BTreeSet<usize>>) -> Self {
        Self { before }
    }

    /// Steps that wait for one another, the first one named again at the end.
    pub(crate) fn circle(&self) -> Option<Vec<usize>> {
        // 0: not seen, 1: on the way, 2: known to be in no circle.
        let mut marks = vec![0_u8; self.before.len()];
        let mut way = Vec::new();
        (0..self.before.len()).find_map(|step| self.walk(step, &mut marks, &mut way))
    }

    /// As deep as the flow has steps, which are few.
    fn walk(&self, step: usize, marks: &mut [u8], way: &mut Vec<usize>) -> Option<Vec<usize>> {
        match marks[step] {
            2 => return None,
            1 => {
                let from = way.iter().position(|it| *it == step).unwrap_or(0);
                let mut circle = way[from..].to_vec();
                circle.push(step);
                return Some(circle);
            }
            _ => {}
        }
        marks[step] = 1;
        way.push(step);
        let found = self.before[step].iter().find_map(|before| self.walk(*before, marks, way));
        way.pop();
        marks[step] = 2;
        found
    }

    /// Everything that has ended before a step begins. Of a graph without a circle.
    pub(crate) fn all_before(&self, step: usize) -> BTreeSet<usize> {
        let (mut all, mut open) = (BTreeSet::new(), vec![step]);
        while let Some(next) = open.pop() {
            open.extend(self.before[next].iter().filter(|before| all.insert(**before)));
        }
        all
    }
}

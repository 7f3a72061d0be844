//! Known texts with some bytes changed, so that chance reaches what lies behind the first checks of a decoder.
//! Included by the fuzz targets of several crates.

use bolero::TypeGenerator;

#[derive(Clone, Debug, TypeGenerator)]
pub(crate) enum Edit {
    Set {
        at: u16,
        byte: u8,
    },
    Insert {
        at: u16,
        bytes: Vec<u8>,
    },
    Cut {
        at: u16,
        len: u8,
    },
    /// A piece of the text a second time.
    Repeat {
        from: u16,
        len: u8,
        at: u16,
    },
}

/// Which text, and what is done to it.
#[derive(Clone, Debug, TypeGenerator)]
pub(crate) struct Altered {
    pick: u8,
    edits: Vec<Edit>,
}

impl Altered {
    pub(crate) fn of<T: AsRef<[u8]>>(&self, texts: &[T]) -> Vec<u8> {
        let mut bytes = match texts.len() {
            0 => Vec::new(),
            len => texts[usize::from(self.pick) % len].as_ref().to_vec(),
        };
        for edit in self.edits.iter().take(16) {
            edit.apply(&mut bytes);
        }
        bytes
    }
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: u16| usize::from(at) % (bytes.len() + 1);
        match self {
            Self::Set { at, byte } => {
                let at = place(*at);
                if let Some(old) = bytes.get_mut(at) {
                    *old = *byte;
                }
            }
            Self::Insert { at, bytes: new } => {
                let at = place(*at);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Cut { at, len } => {
                let at = place(*at);
                let end = (at + usize::from(*len)).min(bytes.len());
                bytes.drain(at..end);
            }
            Self::Repeat { from, len, at } => {
                let (from, at) = (place(*from), place(*at));
                let end = (from + usize::from(*len)).min(bytes.len());
                let piece = bytes[from..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}

//! How much a document's lists and texts may hold: one rule for who writes and who reads.

use crate::fault::Fault;
use crate::text::cut;

/// Bounds on the lists and texts of a body. What is read must keep them; what is written is cut to them, so that
/// writing never fails by what others made too long.
///
/// A body whose sense would change by a cut is bounded where it is gathered; here it says so by [`Bounds::whole`].
#[derive(Debug, Default)]
pub struct Bounds {
    /// Cut, to bounds divided by this; none: look only.
    divisor: Option<usize>,
    exceeded: Option<String>,
}

impl Bounds {
    /// Changes nothing.
    pub(super) fn looking() -> Self {
        Self::default()
    }

    /// Cuts texts to a part of their bounds, and lists to theirs.
    pub(super) fn cutting(divisor: usize) -> Self {
        Self { divisor: Some(divisor), exceeded: None }
    }

    /// What was exceeded first and couldn't be cut.
    pub(super) fn verdict(self) -> Result<(), Fault> {
        self.exceeded.map_or(Ok(()), |why| Err(Fault::data(why)))
    }

    /// A text, in bytes.
    pub fn text(&mut self, field: &str, text: &mut String, max: usize) {
        if let Some(divisor) = self.divisor {
            let length = cut(text, max / divisor).len();
            text.truncate(length);
        } else {
            self.whole(field, text.len(), max);
        }
    }

    /// Each of several texts: of a list, or of a field that can be absent.
    pub fn texts<'a>(&mut self, field: &str, texts: impl IntoIterator<Item = &'a mut String>, max: usize) {
        for text in texts {
            self.text(field, text, max);
        }
    }

    /// A list: the first entries stay.
    pub fn list<T>(&mut self, field: &str, list: &mut Vec<T>, max: usize) {
        if self.divisor.is_some() {
            list.truncate(max);
        } else {
            self.whole(field, list.len(), max);
        }
    }

    /// Something that can't be cut without a change of its sense.
    pub fn whole(&mut self, field: &str, length: usize, max: usize) {
        if length > max && self.exceeded.is_none() {
            self.exceeded = Some(format!("body.{field}: {length}, more than the {max} allowed"));
        }
    }
}

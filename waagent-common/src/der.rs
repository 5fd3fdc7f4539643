//! Reading DER (ITU-T X.690) one element at a time: enough to look at an algorithm before libcrypto is let at it.
//!
//! Nothing is copied, nothing recurses: each step down is a call that the caller writes.

/// Bytes that are a row of elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Der<'a>(&'a [u8]);

/// Tags that the agent's callers ask for.
pub mod tag {
    /// INTEGER
    pub const INTEGER: u8 = 0x02;
    /// OCTET STRING
    pub const OCTETS: u8 = 0x04;
    /// NULL
    pub const NULL: u8 = 0x05;
    /// OBJECT IDENTIFIER
    pub const OBJECT: u8 = 0x06;
    /// GeneralizedTime
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// SEQUENCE
    pub const SEQUENCE: u8 = 0x30;
    /// SET
    pub const SET: u8 = 0x31;
    /// [0], primitive
    pub const CONTEXT_0_PRIMITIVE: u8 = 0x80;
    /// [0], constructed
    pub const CONTEXT_0: u8 = 0xa0;
    /// [1], constructed
    pub const CONTEXT_1: u8 = 0xa1;
    /// [2], constructed
    pub const CONTEXT_2: u8 = 0xa2;
}

impl<'a> Der<'a> {
    /// A row of elements.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether no element is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag of the next element.
    pub fn next_tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Takes the next element if it has this tag: its contents.
    pub fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (contents, rest) = rest.split_at_checked(length)?;
        if *first != tag {
            return None;
        }
        self.0 = rest;
        Some(contents)
    }

    /// Takes the next element if it has this tag: all of it, tag and length included.
    pub fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        self.take(tag)?;
        before.get(..before.len().checked_sub(self.0.len())?)
    }

    /// Takes the next element if it has this tag: the row inside.
    pub fn open(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Self)
    }

    /// Takes an INTEGER that is not negative; one over 64 bits is `u64::MAX`.
    pub fn number(&mut self) -> Option<u64> {
        let bytes = self.take(tag::INTEGER)?;
        if bytes.first().is_none_or(|first| *first >= 0x80) {
            return None;
        }
        let significant = bytes.iter().skip_while(|byte| **byte == 0);
        if significant.clone().count() > 8 {
            return Some(u64::MAX);
        }
        Some(significant.fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }
}

/// Definite lengths of up to four bytes.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match usize::from(*first) {
        short @ 0..=0x7f => Some((short, rest)),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(long - 0x80)?;
            Some((digits.iter().fold(0, |sum, digit| (sum << 8) | usize::from(*digit)), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_elements_in_order_and_only_of_the_tag_asked_for() {
        let mut row = Der::new(&[0x30, 5, 0x02, 1, 7, 0x05, 0, 0x04, 0x81, 1, 9]);
        assert_eq!(row.open(tag::SET), None);
        let mut inner = row.open(tag::SEQUENCE).unwrap();
        assert_eq!(inner.number(), Some(7));
        assert_eq!(row.take(tag::OCTETS), Some([9].as_slice()));
        assert!(row.is_empty());
    }

    #[test]
    fn refuses_lengths_that_lie_and_indefinite_ones() {
        for bytes in [
            &[0x04, 2, 1][..],
            &[0x04, 0x80, 0, 0],
            &[0x04, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x04],
            &[],
            &[4, 0x85],
        ] {
            assert_eq!(Der::new(bytes).take(tag::OCTETS), None, "{bytes:?}");
        }
    }

    #[test]
    fn numbers_are_bounded() {
        assert_eq!(Der::new(&[2, 3, 0, 0xff, 1]).number(), Some(0xff01));
        assert_eq!(Der::new(&[2, 1, 0x80]).number(), None);
        assert_eq!(Der::new(&[2, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).number(), Some(u64::MAX));
    }
}

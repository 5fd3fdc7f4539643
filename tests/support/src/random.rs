//! The same mutations in every run.

/// xorshift64.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }

    /// A byte that parsers don't expect: nothing, everything, one bit off, anything.
    pub fn byte(&mut self, before: u8) -> u8 {
        match self.below(4) {
            0 => 0,
            1 => 0xff,
            2 => before ^ (1 << self.below(8)),
            _ => u8::try_from(self.below(256)).unwrap(),
        }
    }
}

/// An image that is changed and restored, since copying it each time costs more than reading it.
pub struct Mutable {
    pub image: Vec<u8>,
    before: Vec<(usize, Vec<u8>)>,
}

impl Mutable {
    pub fn new(image: Vec<u8>) -> Self {
        Self { image, before: Vec::new() }
    }

    /// Bytes that are about to be changed.
    pub fn change(&mut self, at: usize, length: usize) -> &mut [u8] {
        self.before.push((at, self.image[at..at + length].to_vec()));
        &mut self.image[at..at + length]
    }

    /// As it was.
    pub fn restore(&mut self) {
        while let Some((at, bytes)) = self.before.pop() {
            self.image[at..at + bytes.len()].copy_from_slice(&bytes);
        }
    }
}

//! Numbers out of foreign bytes: never past the end.

/// A byte.
pub fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// Two bytes, little-endian.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_le_bytes)
}

/// Four bytes, little-endian.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_le_bytes)
}

/// Eight bytes, little-endian.
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    array_at(bytes, at).map(u64::from_le_bytes)
}

/// All pairs of bytes as numbers, by [`u16::from_le_bytes`] or its like; half a pair at the end is none.
pub fn pairs(bytes: &[u8], number: fn([u8; 2]) -> u16) -> Vec<u16> {
    bytes.as_chunks::<2>().0.iter().map(|pair| number(*pair)).collect()
}

/// A few bytes.
pub fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    slice_at(bytes, at, N)?.try_into().ok()
}

/// `length` bytes.
pub fn slice_at(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}

/// Are these bytes there?
pub fn is_at(bytes: &[u8], at: usize, expected: &[u8]) -> bool {
    slice_at(bytes, at, expected.len()) == Some(expected)
}

//! Archives that no library would write.

/// One entry; what is not said is as it should be.
pub struct Raw<'a> {
    pub name: &'a [u8],
    pub local_name: Option<&'a [u8]>,
    pub data: &'a [u8],
    pub flags: u16,
    pub method: u16,
    pub mode: u32,
    pub size: Option<u32>,
    pub offset: Option<u32>,
}

impl<'a> Raw<'a> {
    pub fn new(name: &'a str, data: &'a [u8]) -> Self {
        Self {
            name: name.as_bytes(),
            local_name: None,
            data,
            flags: 0,
            method: 0,
            mode: 0o100_644,
            size: None,
            offset: None,
        }
    }
}

/// The archive of these entries, its end record saying what there is unless `count` says otherwise.
pub fn archive(entries: &[Raw<'_>], count: Option<u16>) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = entry.offset.unwrap_or(len(&bytes));
        let (crc, packed) = (crc32(entry.data), len(entry.data));
        let size = entry.size.unwrap_or(packed);
        let local = entry.local_name.unwrap_or(entry.name);
        if entry.offset.is_none() {
            bytes.extend(b"PK\x03\x04\x14\0");
            common(&mut bytes, entry, crc, packed, size);
            bytes.extend(short(local));
            bytes.extend([0, 0]);
            bytes.extend(local);
            bytes.extend(entry.data);
        }
        directory.extend(b"PK\x01\x02\x14\x03\x14\0");
        common(&mut directory, entry, crc, packed, size);
        directory.extend(short(entry.name));
        directory.extend([0; 8]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(entry.name);
    }
    let start = len(&bytes);
    let count = count.unwrap_or(entries.len().try_into().unwrap());
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(len(&directory).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn common(bytes: &mut Vec<u8>, entry: &Raw<'_>, crc: u32, packed: u32, size: u32) {
    bytes.extend(entry.flags.to_le_bytes());
    bytes.extend(entry.method.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(crc.to_le_bytes());
    bytes.extend(packed.to_le_bytes());
    bytes.extend(size.to_le_bytes());
}

fn len(bytes: &[u8]) -> u32 {
    bytes.len().try_into().unwrap()
}

fn short(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_le_bytes()
}

/// CRC-32 of ISO 3309, as zip uses it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

//! User and group numbers by name, from `/etc/passwd` and `/etc/group` alone.
//!
//! Not by the C library's name service: that would load modules and open sockets inside our sandboxes, and our own
//! accounts are always local (sysusers.d(5)).

use std::path::Path;

use crate::durable::read_bounded;
use crate::place::Place;

/// Largest account file that is read, in bytes.
const MAX: u64 = 4 << 20;

/// The number of a user, if there is one of that name.
pub fn uid_of(place: &Place, user: &str) -> Option<u32> {
    third_field(&place.path("/etc/passwd"), user)
}

/// The number of a group, if there is one of that name.
pub fn gid_of(place: &Place, group: &str) -> Option<u32> {
    third_field(&place.path("/etc/group"), group)
}

fn third_field(file: &Path, name: &str) -> Option<u32> {
    // An unreadable account file is the same as a missing account: the caller refuses and says which.
    let bytes = read_bounded(file, MAX).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_root() {
        let place = Place::new(Path::new("/"));
        assert_eq!(uid_of(&place, "root"), Some(0));
        assert_eq!(gid_of(&place, "root"), Some(0));
        assert_eq!(uid_of(&place, "roo"), None);
    }
}

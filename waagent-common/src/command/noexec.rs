//! Is the agent's folder on a file system that nothing may be executed from?

use std::path::Path;

use crate::durable::read_bounded;

/// The mount point, if `path` lies on a mount with `noexec`.
pub fn mount_of(path: &Path) -> Option<String> {
    // /proc has no sizes: the bound is on what is read.
    let bytes = read_bounded("/proc/self/mounts".as_ref(), 4 << 20).ok()?;
    find(&String::from_utf8_lossy(&bytes), path)
}

fn find(mounts: &str, path: &Path) -> Option<String> {
    let mut found: Option<(&str, bool)> = None;
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(point), Some(_), Some(options)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let longest = found.is_none_or(|(known, _)| known.len() <= point.len());
        if path.starts_with(point) && longest {
            // A later mount at the same place covers the earlier one.
            found = Some((point, options.split(',').any(|option| option == "noexec")));
        }
    }
    found.filter(|(_, noexec)| *noexec).map(|(point, _)| point.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_decides() {
        let mounts = "/dev/sda1 / ext4 rw 0 0\ntmpfs /var tmpfs rw,nosuid,noexec 0 0\n/dev/b /var/lib/waagent ext4 rw 0 0\n";
        assert_eq!(find(mounts, Path::new("/var/lib/waagent")), None);
        assert_eq!(find(mounts, Path::new("/var/lib/other")), Some("/var".to_owned()));
        assert_eq!(find(mounts, Path::new("/variable")), None);
        assert_eq!(find(&format!("{mounts}t /var tmpfs rw 0 0\n"), Path::new("/var/x")), None);
    }
}

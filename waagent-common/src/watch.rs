//! Files and folders that are watched, by inotify(7).

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use crate::fault::{Exit, Fault};

/// How often the queue is read at a time, some events each: whoever writes faster than we read is heard the next time.
const READS: usize = 256;
/// What is watched is gone from its place: the next one of this name is another.
const GONE: AddWatchFlags =
    AddWatchFlags::IN_IGNORED.union(AddWatchFlags::IN_DELETE_SELF).union(AddWatchFlags::IN_MOVE_SELF);

/// What is watched, each with what it means to the program.
#[derive(Debug)]
pub struct Watch<K> {
    inotify: Inotify,
    known: HashMap<WatchDescriptor, K>,
}

/// What happened.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a, K> {
    /// The queue was full: anything may have changed.
    Overflow,
    /// In a folder, or to a file, that means this; the name is that of an entry, if it is about one.
    In(&'a K, String),
    /// It isn't there any more, and isn't watched any more.
    Gone(&'a K),
}

impl<K> Watch<K> {
    /// Watches nothing yet.
    pub fn new() -> Result<Self, Fault> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
            .map_err(|error| Fault::new(Exit::Os, format!("cannot watch files: {error}")))?;
        Ok(Self { inotify, known: HashMap::new() })
    }

    /// Watches one more: what happens from now on isn't missed.
    pub fn add(&mut self, path: &Path, events: AddWatchFlags, meaning: K) -> nix::Result<()> {
        self.known.insert(self.inotify.add_watch(path, events)?, meaning);
        Ok(())
    }

    /// Is one with such a meaning watched?
    pub fn has(&self, like: impl Fn(&K) -> bool) -> bool {
        self.known.values().any(like)
    }

    /// Watches those alone whose meaning is still of interest.
    pub fn retain(&mut self, is_wanted: impl Fn(&K) -> bool) {
        let Self { inotify, known } = self;
        known.retain(|watched, meaning| {
            let stays = is_wanted(meaning);
            if !stays {
                // The folder, and with it the watch, may be gone.
                let _gone = inotify.rm_watch(*watched);
            }
            stays
        });
    }

    /// Hears what has happened since the last time, without waiting.
    pub fn changes(&mut self, mut hear: impl FnMut(Change<'_, K>)) -> Result<(), Fault> {
        for _read in 0..READS {
            match self.inotify.read_events() {
                Ok(events) => events.into_iter().for_each(|event| self.tell(event, &mut hear)),
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => {
                    return Err(Fault::new(Exit::Os, format!("cannot hear of changed files: {error}")));
                }
            }
        }
        Ok(())
    }

    fn tell(&mut self, event: InotifyEvent, hear: &mut impl FnMut(Change<'_, K>)) {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            hear(Change::Overflow);
        } else if event.mask.intersects(GONE) {
            let Some(meaning) = self.known.remove(&event.wd) else { return };
            // Of what was moved away the kernel still tells; of what was deleted it doesn't.
            let _gone = self.inotify.rm_watch(event.wd);
            hear(Change::Gone(&meaning));
        } else if let Some(meaning) = self.known.get(&event.wd) {
            let name = event.name.map(|name| name.to_string_lossy().into_owned());
            hear(Change::In(meaning, name.unwrap_or_default()));
        }
    }
}

impl<K> AsFd for Watch<K> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn heard(watch: &mut Watch<&'static str>) -> Vec<String> {
        let mut heard = Vec::new();
        watch
            .changes(|change| {
                heard.push(match change {
                    Change::Overflow => "all".to_owned(),
                    Change::In(meaning, name) => format!("{meaning}: {name}"),
                    Change::Gone(meaning) => format!("{meaning} gone"),
                });
            })
            .unwrap();
        heard
    }

    #[test]
    fn tells_what_was_put_where_and_forgets_what_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
        let mut watch = Watch::new().unwrap();
        for (path, meaning) in [(&one, "first"), (&two, "second")] {
            fs::create_dir(path).unwrap();
            let events = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_MOVE_SELF;
            watch.add(path, events, meaning).unwrap();
        }
        assert_eq!(heard(&mut watch), Vec::<String>::new());
        fs::write(one.join("a"), "").unwrap();
        fs::rename(one.join("a"), two.join("b")).unwrap();
        assert_eq!(heard(&mut watch), ["second: b"]);
        fs::remove_dir(&one).unwrap();
        fs::rename(&two, dir.path().join("three")).unwrap();
        assert_eq!(heard(&mut watch), ["first gone", "second gone"]);
        assert!(!watch.has(|_| true));
    }

    #[test]
    fn what_is_of_no_interest_any_more_is_heard_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = Watch::new().unwrap();
        watch.add(dir.path(), AddWatchFlags::IN_CREATE, "folder").unwrap();
        watch.retain(|meaning| *meaning != "folder");
        fs::write(dir.path().join("a"), "").unwrap();
        assert_eq!(heard(&mut watch), Vec::<String>::new());
        watch.add(dir.path(), AddWatchFlags::IN_CREATE, "again").unwrap();
        watch.retain(|meaning| *meaning == "again");
        fs::write(dir.path().join("b"), "").unwrap();
        assert_eq!(heard(&mut watch), ["again: b"]);
    }
}

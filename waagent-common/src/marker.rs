//! `<lib>/provisioned`: the marker that says which VM this disk was provisioned for.

use std::fs;

use crate::durable::{read_bounded, write as write_durably};
use crate::fault::{Exit, Fault};
use crate::instance::InstanceId;
use crate::root::Root;

const NAME: &str = "provisioned";
/// Largest marker, in bytes: a UUID, and room.
const MAX: u64 = 4096;

/// What the marker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    /// Not provisioned.
    Absent,
    /// Provisioned by an agent that noted no identity.
    Empty,
    /// Provisioned, as this VM.
    Same,
    /// Provisioned, as another VM.
    Other(String),
    /// It can't be read.
    Bad(String),
}

impl Marker {
    /// Reads it.
    pub fn read(root: &Root, id: &InstanceId) -> Self {
        let bytes = match read_bounded(&root.state_path(NAME), MAX) {
            Ok(bytes) => bytes,
            Err(fault) if fault.exit == Exit::NoInput => return Self::Absent,
            Err(fault) => return Self::Bad(fault.text),
        };
        match String::from_utf8(bytes) {
            Ok(text) if text.trim().is_empty() => {
                if id.is_known() {
                    Self::Empty
                } else {
                    Self::Same
                }
            }
            Ok(text) if id.is(&text) => Self::Same,
            Ok(text) => Self::Other(text.trim().to_owned()),
            Err(_) => Self::Bad(format!("'{}' isn't text", root.state_path(NAME).display())),
        }
    }

    /// Writes it as WALinuxAgent does, so that a change back sees the same VM. One that can't be read is kept beside
    /// it.
    pub fn write(root: &Root, id: &InstanceId) -> Result<(), Fault> {
        let path = root.state_path(NAME);
        if let Self::Bad(_) = Self::read(root, id) {
            let aside = root.state_path("provisioned.bad");
            if fs::symlink_metadata(&aside).is_err() {
                fs::rename(&path, &aside).map_err(|error| {
                    Fault::io(format!("cannot keep '{}' as '{}': {error}", path.display(), aside.display()))
                })?;
            }
        }
        write_durably(&path, id.marker().as_bytes(), 0o644)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "D0DF4C54-4ECB-4A4B-9954-5BDF3ED5C3B8";

    fn with(text: Option<&[u8]>) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        fs::create_dir_all(root.state_path("")).unwrap();
        if let Some(text) = text {
            fs::write(root.state_path(NAME), text).unwrap();
        }
        (dir, root)
    }

    #[test]
    fn tells_this_vm_from_another_one() {
        let id = InstanceId::from_text(ID);
        let said = |text| Marker::read(&with(text).1, &id);
        assert_eq!(said(None), Marker::Absent);
        assert_eq!(said(Some(b"\n")), Marker::Empty);
        assert_eq!(said(Some(b"544cdfd0-cb4e-4b4a-9954-5bdf3ed5c3b8")), Marker::Same);
        assert_eq!(said(Some(b"other")), Marker::Other("other".to_owned()));
        assert!(matches!(said(Some(b"\xff")), Marker::Bad(_)));
        assert_eq!(Marker::read(&with(Some(b"other")).1, &InstanceId::from_text("")), Marker::Same);
    }

    #[test]
    fn keeps_what_it_cannot_read() {
        let id = InstanceId::from_text(ID);
        let (_dir, root) = with(Some(b"\xff"));
        Marker::write(&root, &id).unwrap();
        assert_eq!(Marker::read(&root, &id), Marker::Same);
        assert_eq!(fs::read(root.state_path("provisioned.bad")).unwrap(), b"\xff");
    }
}

//! `provisioned`: the marker that says which VM this disk was provisioned for.

use std::fs;

use anyhow::Result;
use waagent_common::durable;
use waagent_common::fault::Exit;
use waagent_common::place::Place;

use crate::identity::InstanceId;

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

/// Reads the marker.
pub fn read(place: &Place, id: &InstanceId) -> Marker {
    let bytes = match durable::read_bounded(&place.lib(NAME), 4096) {
        Ok(bytes) => bytes,
        Err(fault) if fault.exit == Exit::NoInput => return Marker::Absent,
        Err(fault) => return Marker::Bad(fault.text),
    };
    match String::from_utf8(bytes) {
        Ok(text) if text.trim().is_empty() => {
            if id.is_known() {
                Marker::Empty
            } else {
                Marker::Same
            }
        }
        Ok(text) if id.is(&text) => Marker::Same,
        Ok(text) => Marker::Other(text.trim().to_owned()),
        Err(_) => Marker::Bad(format!("'{}' isn't text", place.lib(NAME).display())),
    }
}

/// Writes the marker as WALinuxAgent does, so that a change back sees the same VM. One that can't be read is kept
/// beside it.
pub fn write(place: &Place, id: &InstanceId) -> Result<()> {
    let path = place.lib(NAME);
    if let Marker::Bad(_) = read(place, id) {
        let aside = place.lib("provisioned.bad");
        if fs::symlink_metadata(&aside).is_err() {
            fs::rename(&path, aside)?;
        }
    }
    Ok(durable::write(&path, id.marker().as_bytes(), 0o644)?)
}

const NAME: &str = "provisioned";

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: Option<&[u8]>) -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path());
        fs::create_dir_all(place.lib("")).unwrap();
        if let Some(text) = text {
            fs::write(place.lib(NAME), text).unwrap();
        }
        (dir, place)
    }

    #[test]
    fn tells_this_vm_from_another_one() {
        let id = InstanceId::from_text("D0DF4C54-4ECB-4A4B-9954-5BDF3ED5C3B8");
        let said = |text| read(&with(text).1, &id);
        assert_eq!(said(None), Marker::Absent);
        assert_eq!(said(Some(b"\n")), Marker::Empty);
        assert_eq!(said(Some(b"544cdfd0-cb4e-4b4a-9954-5bdf3ed5c3b8")), Marker::Same);
        assert_eq!(said(Some(b"other")), Marker::Other("other".to_owned()));
        assert!(matches!(said(Some(b"\xff")), Marker::Bad(_)));
        assert_eq!(read(&with(Some(b"other")).1, &InstanceId::from_text("")), Marker::Same);
    }

    #[test]
    fn keeps_what_it_cannot_read() {
        let id = InstanceId::from_text("D0DF4C54-4ECB-4A4B-9954-5BDF3ED5C3B8");
        let (_dir, place) = with(Some(b"\xff"));
        write(&place, &id).unwrap();
        assert_eq!(read(&place, &id), Marker::Same);
        assert_eq!(fs::read(place.lib("provisioned.bad")).unwrap(), b"\xff");
    }
}

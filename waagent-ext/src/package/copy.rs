//! Our own copy of a fetched package, which nobody else can change any more.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use waagent_common::digest::Sha256;
use waagent_common::documents::{Document, Package};
use waagent_common::durable::open_regular;
use waagent_common::fault::{Exit, Fault};
use waagent_common::resident;
use waagent_common::root::Root;
use waagent_common::types::Sha256 as Digest256;

use super::{Limits, broken_off};

/// Copies the package beside its document into a file without a name, and checks size and digest of the copy: file and
/// digest of what can't change any more.
pub(crate) fn take(
    root: &Root,
    package: &Document<Package>,
    limits: &Limits,
) -> Result<(File, Digest256), Fault> {
    let body = &package.body;
    let stem = Package::stem(&body.name, &body.version);
    let source = root.state_path(format!("fetch/packages/{stem}.zip"));
    let (Some(size), Some(digest)) = (body.size, body.sha256.as_ref()) else {
        return Err(Fault::data("its document names no size or digest"));
    };
    if size > limits.package {
        return Err(Fault::data(format!("{size} bytes, more than the {} allowed", limits.package)));
    }
    let from = open_regular(&source)?;
    let mut copy = nameless(&root.state_path(format!("ext/.{stem}.zip")))?;
    let (bytes, seen) = transfer(from, &mut copy, size)?;
    if bytes != size {
        return Err(Fault::data(format!("{bytes} bytes, not the {size} of its document")));
    }
    if seen != digest.as_str() {
        return Err(Fault::data(format!("its digest is {seen}, not that of its document")));
    }
    copy.seek(SeekFrom::Start(0)).map_err(|error| Fault::io(format!("cannot read the copy: {error}")))?;
    Ok((copy, digest.clone()))
}

/// A new file that no path leads to.
fn nameless(path: &Path) -> Result<File, Fault> {
    let failed = |error: std::io::Error| {
        Fault::new(Exit::CannotCreate, format!("cannot create '{}': {error}", path.display()))
    };
    let _left_over = std::fs::remove_file(path);
    let file =
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    std::fs::remove_file(path).map_err(failed)?;
    Ok(file)
}

/// Copies at most one byte more than expected, and says how many there were and their digest.
fn transfer(from: File, to: &mut File, size: u64) -> Result<(u64, String), Fault> {
    let failed = |error: std::io::Error| Fault::io(format!("cannot copy the package: {error}"));
    let mut from = from.take(size.saturating_add(1));
    let mut digest = Sha256::default();
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0_u64;
    loop {
        let read = from.read(&mut buffer).map_err(failed)?;
        let part = buffer.get(..read).unwrap_or_default();
        if part.is_empty() {
            break;
        }
        if resident::must_end() {
            return Err(broken_off());
        }
        digest.update(part);
        to.write_all(part).map_err(failed)?;
        bytes = bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    Ok((bytes, digest.finish()))
}

//! Blob storage: asked by waagent-transfer, and how a blob is written.

use std::fs::File;
use std::io::Seek;
use std::path::PathBuf;

use waagent_common::documents::BlobKind;
use waagent_common::fault::Fault;
use waagent_common::root::Root;
use waagent_common::transfer::SOCKET;
use waagent_common::{text, time};
use waagent_http::{Bounded, copy};

use crate::http::{HttpError, Request, Response, StorageUri, Stored};
use crate::order::{Answered, order};

/// Storage.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    socket: PathBuf,
}

impl Storage {
    /// By the program that this root's socket starts.
    pub(crate) fn new(root: &Root) -> Self {
        Self { socket: root.runtime_path(SOCKET) }
    }

    /// Sends a request.
    pub(crate) fn ask(&self, uri: &StorageUri, request: &Request<'_>) -> Result<Response, HttpError> {
        self.send(uri, request)?.into_memory(request)
    }

    /// Sends a request, and writes the body of a success into a file from its beginning.
    pub(crate) fn download(
        &self,
        uri: &StorageUri,
        request: &Request<'_>,
        file: &mut File,
    ) -> Result<Stored, HttpError> {
        let mut answered = self.send(uri, request)?;
        if Bounded::of(answered.head.status, request).cut {
            return Ok(Stored { response: answered.into_memory(request)?, size: 0 });
        }
        empty(file)?;
        let size = copy(&mut answered.body, file, request)?;
        Ok(Stored { response: answered.without_body(), size })
    }

    /// A kept connection that turns out to be closed is replaced once.
    fn send(&self, uri: &StorageUri, request: &Request<'_>) -> Result<Answered, HttpError> {
        match order(&self.socket, uri, request) {
            Err(unanswered) if unanswered.kept => order(&self.socket, uri, request),
            answered => answered,
        }
        .map_err(|unanswered| unanswered.error)
    }
}

/// Makes a file empty, to be written from its beginning.
pub(crate) fn empty(file: &mut File) -> Result<(), HttpError> {
    file.set_len(0)
        .and_then(|()| file.rewind())
        .map_err(|error| HttpError::Store(Fault::io(format!("cannot empty a download: {error}"))))
}

/// One of the requests that write a blob. `Content-Length` is the body's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlobRequest {
    /// Where to.
    pub(crate) uri: StorageUri,
    /// All but `Content-Length`.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// First and last byte but one of the text.
    pub(crate) bytes: std::ops::Range<usize>,
}

/// The requests that write a text of this length, in order. A page blob's text must have been padded.
///
/// A page blob is made anew each time: that gives it its new length.
pub(crate) fn puts(uri: &StorageUri, kind: BlobKind, length: usize) -> Vec<BlobRequest> {
    let put = |uri: StorageUri, headers: &[(&'static str, String)], bytes| {
        // Storage doesn't look at the date of a signed URI; this is the form that WALinuxAgent sends.
        let common = [("x-ms-version", VERSION.to_owned()), ("x-ms-date", time::now_seconds())];
        BlobRequest { uri, headers: common.into_iter().chain(headers.iter().cloned()).collect(), bytes }
    };
    if kind == BlobKind::Block {
        return vec![put(uri.clone(), &[("x-ms-blob-type", "BlockBlob".to_owned())], 0..length)];
    }
    let create = [
        ("x-ms-blob-type", "PageBlob".to_owned()),
        ("x-ms-blob-content-length", length.next_multiple_of(PAGE).to_string()),
    ];
    let pages = (0..length).step_by(LARGEST_WRITE).map(|start| {
        let end = length.min(start + LARGEST_WRITE);
        let range =
            [("x-ms-range", format!("bytes={start}-{}", end - 1)), ("x-ms-page-write", "update".to_owned())];
        put(uri.with_query("comp=page"), &range, start..end)
    });
    std::iter::once(put(uri.clone(), &create, 0..0)).chain(pages).collect()
}

/// Fills a text up with spaces to whole pages, which readers of JSON pass over.
pub(crate) fn pad(text: &mut Vec<u8>) {
    text.resize(text.len().next_multiple_of(PAGE), b' ');
}

/// What went wrong with a blob, for a log or a status: its host and path, never its query.
pub(crate) fn failure(uri: &StorageUri, error: &HttpError) -> String {
    let clock = match error {
        HttpError::Tls(_) if time::unix_seconds() < PLAUSIBLE => {
            format!("; the clock says {}", time::now_seconds())
        }
        _ => String::new(),
    };
    format!("'{}': {error}{clock}", text::shown(uri.public()))
}

/// Version of the storage protocol.
const VERSION: &str = "2014-02-14";
/// Page blobs are made of these, in bytes.
const PAGE: usize = 512;
/// Most bytes of a page write.
const LARGEST_WRITE: usize = 4 << 20;
/// 2020-01-01: a clock before it explains why a certificate isn't valid.
const PLAUSIBLE: u64 = 1_577_836_800;

#[cfg(test)]
mod tests {
    use super::*;

    fn uri() -> StorageUri {
        StorageUri::parse("https://a.blob.core.windows.net/c/vm.status?sv=1&sig=CANARY", false).unwrap()
    }

    fn header<'a>(put: &'a BlobRequest, name: &str) -> &'a str {
        put.headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    #[test]
    fn a_block_blob_is_one_request() {
        let puts = puts(&uri(), BlobKind::Block, 1234);
        assert_eq!(puts.len(), 1);
        assert_eq!((header(&puts[0], "x-ms-blob-type"), puts[0].bytes.clone()), ("BlockBlob", 0..1234));
        assert_eq!(header(&puts[0], "x-ms-version"), "2014-02-14");
        assert_eq!(puts[0].uri, uri());
    }

    #[test]
    fn a_page_blob_is_made_then_written_in_aligned_pieces() {
        let mut text = vec![b'x'; (5 << 20) + 1];
        pad(&mut text);
        let puts = puts(&uri(), BlobKind::Page, text.len());
        assert_eq!(header(&puts[0], "x-ms-blob-content-length"), (5 * 1024 * 1024 + 512).to_string());
        assert_eq!(puts[0].bytes, 0..0);
        let ranges: Vec<&str> = puts[1..].iter().map(|put| header(put, "x-ms-range")).collect();
        assert_eq!(ranges, ["bytes=0-4194303", "bytes=4194304-5243391"]);
        assert!(puts[1].uri.expose().ends_with("&comp=page"));
        assert!(puts[1..].iter().all(|put| header(put, "x-ms-page-write") == "update"));
    }

    #[test]
    fn padding_is_of_spaces_and_only_where_needed() {
        for (length, padded) in [(0, 0), (1, 512), (512, 512), (513, 1024)] {
            let mut text = vec![b'x'; length];
            pad(&mut text);
            assert_eq!(text.len(), padded);
            assert!(text[length..].iter().all(|byte| *byte == b' '));
        }
    }

    #[test]
    fn a_failure_names_the_host_and_no_signature() {
        let text = failure(&uri(), &HttpError::Connect("host name not found".to_owned()));
        assert_eq!(text, "'https://a.blob.core.windows.net/c/vm.status': host name not found");
    }
}

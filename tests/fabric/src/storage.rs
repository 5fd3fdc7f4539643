//! Blob storage: block, page and append blobs behind SAS URIs, public packages and manifests.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::http::{Request, Response};
use crate::scenario::BlobKind;

/// The blobs, and how they are addressed.
#[derive(Clone, Debug)]
pub struct Storage {
    /// Scheme and authority of all blob URIs.
    pub base: String,
    /// Path of the status blob.
    pub status_path: String,
    signature: String,
    package_signatures: BTreeMap<String, String>,
    blobs: BTreeMap<String, Blob>,
}

/// One blob.
#[derive(Clone, Debug)]
pub struct Blob {
    /// Its kind.
    pub kind: BlobKind,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Storage {
    /// Empty storage.
    pub fn new(base: String, vm_name: &str, signature: &str) -> Self {
        Self {
            base,
            status_path: format!("/status/{vm_name}.status"),
            signature: signature.to_owned(),
            package_signatures: BTreeMap::new(),
            blobs: BTreeMap::new(),
        }
    }

    /// Notes the publisher's signature (base64) over the package at this path.
    pub fn sign(&mut self, path: &str, signature: String) {
        self.package_signatures.insert(path.to_owned(), signature);
    }

    /// The publisher's signature over the package at this path.
    pub fn package_signature(&self, path: &str) -> Option<&str> {
        self.package_signatures.get(path).map(String::as_str)
    }

    /// URI of a public blob.
    pub fn public_uri(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// URI of a private blob, with its signature.
    pub fn sas_uri(&self, path: &str) -> String {
        format!(
            "{}{path}?sv=2021-12-02&sr=b&se=9999-01-01T00%3A00%3A00Z&sk=system-1&sp=rw&sig={}",
            self.base, self.signature
        )
    }

    /// Path and query of a URI of this storage.
    pub fn target_of<'a>(&self, uri: &'a str) -> Option<&'a str> {
        uri.strip_prefix(&self.base).filter(|target| target.starts_with('/'))
    }

    /// Puts a block blob there, whoever may read it.
    pub fn publish(&mut self, path: &str, bytes: Vec<u8>) {
        self.blobs.insert(path.to_owned(), Blob { kind: BlobKind::BlockBlob, bytes });
    }

    /// A blob by its path.
    pub fn blob(&self, path: &str) -> Option<&Blob> {
        self.blobs.get(path)
    }

    /// GET.
    pub fn read(&self, request: &Request) -> Response {
        let path = request.path();
        let public = PUBLIC.iter().any(|folder| path.starts_with(folder));
        if !public && !self.is_signed(request) {
            return failure(403, "AuthenticationFailed", "the signature isn't the one of the goal state");
        }
        match self.blobs.get(path) {
            Some(blob) => Response::bytes(blob.bytes.clone()),
            None => failure(404, "BlobNotFound", path),
        }
    }

    /// PUT: a whole blob, a page, or a block at the end.
    pub fn write(&mut self, request: &Request) -> Response {
        if !self.is_signed(request) {
            return failure(403, "AuthenticationFailed", "the signature isn't the one of the goal state");
        }
        if request.header("x-ms-version").is_none() {
            return failure(400, "MissingRequiredHeader", "x-ms-version");
        }
        let done = match request.query("comp") {
            None => self.create(request),
            Some("page") => self.write_page(request),
            Some("appendblock") => self.append(request),
            Some(other) => Err(Refusal(400, "InvalidQueryParameterValue", other.to_owned())),
        };
        match done {
            Ok(()) => Response::empty(201),
            Err(Refusal(status, code, text)) => failure(status, code, &text),
        }
    }

    fn is_signed(&self, request: &Request) -> bool {
        request.query("sig") == Some(&self.signature)
    }

    fn create(&mut self, request: &Request) -> Result<(), Refusal> {
        let (kind, bytes) = match request.header("x-ms-blob-type") {
            Some("BlockBlob") => (BlobKind::BlockBlob, request.body.clone()),
            Some("PageBlob") => (BlobKind::PageBlob, vec![0; page_blob_length(request)?]),
            Some("AppendBlob") if request.body.is_empty() => (BlobKind::AppendBlob, Vec::new()),
            Some("AppendBlob") => {
                return Err(Refusal(400, "InvalidHeaderValue", "append blob with a body".into()));
            }
            Some(other) => {
                return Err(Refusal(400, "InvalidHeaderValue", format!("x-ms-blob-type: {other}")));
            }
            None => return Err(Refusal(400, "MissingRequiredHeader", "x-ms-blob-type".into())),
        };
        let path = request.path();
        if self.blobs.get(path).is_some_and(|blob| blob.kind != kind) {
            return Err(Refusal(409, "InvalidBlobType", format!("'{path}' is of another type")));
        }
        self.blobs.insert(path.to_owned(), Blob { kind, bytes });
        Ok(())
    }

    fn write_page(&mut self, request: &Request) -> Result<(), Refusal> {
        let blob = self.existing(request, BlobKind::PageBlob)?;
        if request.header("x-ms-page-write") != Some("update") {
            return Err(Refusal(400, "MissingRequiredHeader", "x-ms-page-write: update".into()));
        }
        let range = request.header("x-ms-range").or_else(|| request.header("range")).unwrap_or_default();
        let (start, end) = page_range(range, request.body.len())
            .map_err(|error| Refusal(416, "InvalidPageRange", format!("'{range}': {error:#}")))?;
        if request.body.len() > PAGE_WRITE_LIMIT {
            return Err(Refusal(413, "RequestBodyTooLarge", "over 4 MiB".into()));
        }
        let pages = blob.bytes.get_mut(start..end);
        let pages =
            pages.ok_or_else(|| Refusal(416, "InvalidPageRange", format!("'{range}': behind the end")))?;
        pages.copy_from_slice(&request.body);
        Ok(())
    }

    fn append(&mut self, request: &Request) -> Result<(), Refusal> {
        self.existing(request, BlobKind::AppendBlob)?.bytes.extend_from_slice(&request.body);
        Ok(())
    }

    fn existing(&mut self, request: &Request, kind: BlobKind) -> Result<&mut Blob, Refusal> {
        let path = request.path();
        match self.blobs.get_mut(path) {
            Some(blob) if blob.kind == kind => Ok(blob),
            Some(_) => Err(Refusal(409, "InvalidBlobType", format!("'{path}' is of another type"))),
            None => Err(Refusal(404, "BlobNotFound", path.to_owned())),
        }
    }
}

/// Status, storage's error code, text.
struct Refusal(u16, &'static str, String);

fn page_blob_length(request: &Request) -> Result<usize, Refusal> {
    let refuse = |text: String| Refusal(400, "InvalidHeaderValue", text);
    if !request.body.is_empty() {
        return Err(refuse("a page blob is created without a body".into()));
    }
    let text = request.header("x-ms-blob-content-length").unwrap_or_default();
    let length: usize = text.parse().map_err(|_| refuse(format!("x-ms-blob-content-length: '{text}'")))?;
    if !length.is_multiple_of(PAGE) || length > PAGE_BLOB_LIMIT {
        return Err(refuse(format!(
            "x-ms-blob-content-length: {length} isn't a multiple of 512 up to 64 MiB"
        )));
    }
    Ok(length)
}

/// `bytes=<start>-<last>`: whole pages, as long as the body. Gives start and end.
fn page_range(text: &str, length: usize) -> Result<(usize, usize)> {
    let (start, last) =
        text.strip_prefix("bytes=").and_then(|range| range.split_once('-')).context("no range")?;
    let (start, last): (usize, usize) = (start.parse()?, last.parse()?);
    let end = last.checked_add(1).context("too large")?;
    ensure!(start.is_multiple_of(PAGE) && end.is_multiple_of(PAGE), "not aligned to 512");
    ensure!(
        start < end && end - start == length,
        "is {} bytes, the body {length}",
        end.saturating_sub(start)
    );
    Ok((start, end))
}

fn failure(status: u16, code: &str, text: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{}</Message></Error>",
        crate::xml::escape(text)
    );
    let response = Response::text(status, "application/xml", body).with("x-ms-error-code", code);
    Response { note: Some(format!("{code}: {text}")), ..response }
}

/// Folders that need no signature.
const PUBLIC: [&str; 3] = ["/manifests/", "/failover/", "/packages/"];
/// Page blobs are made of these.
const PAGE: usize = 512;
/// Azure storage: one page write.
const PAGE_WRITE_LIMIT: usize = 4 << 20;
/// Enough for any status.
const PAGE_BLOB_LIMIT: usize = 64 << 20;

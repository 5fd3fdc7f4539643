//! Opens a PKCS#12 key store (RFC 7292) bag by bag, by the system's libcrypto, with the empty password.
//!
//! `PKCS12_parse` won't do: it gives one key only, and nothing at all where the provider has no key derivation for the
//! MAC, as in FIPS mode. The store is hostile: what work it asks for is bounded before libcrypto does any of it, and
//! nothing of its contents is looked at before its MAC was found right.

use std::ffi::{CStr, c_int, c_long};
use std::ptr::{self, NonNull};

use openssl_sys::{
    CRYPTO_free, OBJ_obj2nid, OPENSSL_STACK, PKCS7, PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free, PKCS12,
    PKCS12_free, X509_ALGOR, X509_free, d2i_PKCS12, i2d_PKCS7, i2d_PKCS12, i2d_X509,
};
use zeroize::Zeroizing;

mod ffi;
mod iterations;
mod mac;
mod owned;

use self::ffi::{SafeBag, nid};
use self::iterations::Budget;
use self::mac::Mac;
use self::owned::{free_bags, free_safes};
use super::libcrypto::{Owned, elements, encoded, errors_seen, forget_errors};
use crate::der::{Der, tag};

/// What was in a store.
#[derive(Debug)]
pub struct Store {
    /// Keys and certificates, in order.
    pub bags: Vec<Bag>,
    /// What was left out.
    pub notes: Vec<Note>,
}

/// A key or a certificate.
pub enum Bag {
    /// PKCS#8 PrivateKeyInfo, DER, zeroed when dropped.
    Key(Zeroizing<Vec<u8>>),
    /// A certificate.
    Certificate {
        /// X.509, DER.
        der: Vec<u8>,
        /// Its name in the store.
        friendly_name: Option<String>,
    },
}

/// Something that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// For people: which bag, and the cause.
    pub text: String,
    /// The provider doesn't have the algorithm.
    pub is_unsupported: bool,
}

/// Why a store isn't opened at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a PKCS#12 structure with contents and nothing behind it.
    #[error("it is no PKCS#12 store")]
    Damaged,
    /// The MAC doesn't fit the contents.
    #[error("its MAC is wrong")]
    WrongMac,
    /// There is none, which RFC 7292 4 has for stores by public key alone.
    #[error("it has no MAC")]
    NoMac,
    /// More work than we do.
    #[error("it asks for more than 1000000 iterations at once, 4000000 in all, or 20000 for its MAC")]
    Iterations,
    /// An algorithm whose cost isn't known.
    #[error("it uses an algorithm that is not supported")]
    Algorithm,
    /// More than [`MOST_BAGS`].
    #[error("it holds more than 64 bags")]
    TooManyBags,
    /// Deeper than [`DEEPEST`].
    #[error("its safes are nested deeper than 4")]
    TooDeep,
}

/// Opens a store. A bag that can't be opened is a note; what could exhaust the machine refuses the store.
pub fn open(bytes: &[u8]) -> Result<Store, Refusal> {
    let (store, der) = parse(bytes)?;
    verify(&store, &der)?;
    let mut walk = Walk { budget: Budget::new(), seen: 0, bags: Vec::new(), notes: Vec::new() };
    // SAFETY: `store` is a valid PKCS12 whose contents `parse` found to be there; the stack that comes back is ours.
    let safes = unsafe { ffi::PKCS12_unpack_authsafes(store.as_ptr()) };
    let safes = Owned::new(safes, free_safes).ok_or_else(|| {
        forget_errors();
        Refusal::Damaged
    })?;
    for safe in elements::<PKCS7>(safes.as_ptr()) {
        walk.safe(safe)?;
    }
    Ok(Store { bags: walk.bags, notes: walk.notes })
}

impl std::fmt::Debug for Bag {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key(_) => formatter.write_str("Key(***)"),
            Self::Certificate { friendly_name, .. } => write!(formatter, "Certificate({friendly_name:?})"),
        }
    }
}

/// The store, and its DER as libcrypto has understood it.
fn parse(bytes: &[u8]) -> Result<(Owned<PKCS12>, Zeroizing<Vec<u8>>), Refusal> {
    let length = c_long::try_from(bytes.len()).map_err(|_| Refusal::Damaged)?;
    let mut at = bytes.as_ptr();
    // SAFETY: `at` points to `length` readable bytes; the result is null or ours.
    let store = unsafe { d2i_PKCS12(ptr::null_mut(), &raw mut at, length) };
    forget_errors();
    let store = Owned::new(store, PKCS12_free).ok_or(Refusal::Damaged)?;
    if !ptr::eq(at, bytes.as_ptr_range().end) {
        return Err(Refusal::Damaged);
    }
    // SAFETY: `store` is valid; the function writes as many bytes as it said.
    let der = encoded(|out| unsafe { i2d_PKCS12(store.as_ptr(), out) });
    // libcrypto before 3.0.13 trusted the contents to be there (CVE-2024-0727).
    let has_contents = || {
        let mut pfx = Der::new(&der).open(tag::SEQUENCE)?;
        let version = pfx.number()?;
        contents(pfx.open(tag::SEQUENCE)?).filter(|_| version == VERSION)
    };
    has_contents().ok_or(Refusal::Damaged)?;
    Ok((store, der))
}

/// The contents of a ContentInfo, which the standard lets be absent.
fn contents(mut info: Der<'_>) -> Option<Der<'_>> {
    info.take(tag::OBJECT)?;
    info.open(tag::CONTEXT_0)
}

/// Refuses a store whose MAC isn't right, or can't be computed.
fn verify(store: &Owned<PKCS12>, der: &[u8]) -> Result<(), Refusal> {
    let mac = Mac::of(der).ok_or(Refusal::NoMac)?;
    let mut budget = Budget::of_mac();
    budget.spend(mac.rounds)?;
    let is_right = if let Some(verdict) = mac.is_right() {
        verdict?
    } else {
        budget.spend_on(mac.algorithm)?; // PBMAC1 has its own count
        // SAFETY: `store` is valid and the password a C string; length 0 makes it empty rather than absent.
        let verdict = unsafe { ffi::PKCS12_verify_mac(store.as_ptr(), PASSWORD.as_ptr(), 0) };
        forget_errors();
        verdict == 1
    };
    is_right.then_some(()).ok_or(Refusal::WrongMac)
}

struct Walk {
    budget: Budget,
    seen: usize,
    bags: Vec<Bag>,
    notes: Vec<Note>,
}

impl Walk {
    /// One of the store's safes: plain, or encrypted as a whole.
    fn safe(&mut self, safe: NonNull<PKCS7>) -> Result<(), Refusal> {
        // SAFETY: `safe` is an element of a live stack of PKCS7.
        let der = encoded(|out| unsafe { i2d_PKCS7(safe.as_ptr(), out) });
        // SAFETY: as above; each PKCS7 that was parsed has a type.
        let kind = unsafe { OBJ_obj2nid(safe.as_ref().type_) };
        let Some(mut contents) = Der::new(&der).open(tag::SEQUENCE).and_then(contents) else {
            self.note("a safe", "it is empty");
            return Ok(());
        };
        let unpacked = match kind {
            // SAFETY: `safe` is a live PKCS7 of type data with contents.
            nid::PKCS7_DATA => unsafe { ffi::PKCS12_unpack_p7data(safe.as_ptr()) },
            nid::PKCS7_ENCRYPTED => match encryption(&mut contents) {
                Some(algorithm) if self.afford("a safe", algorithm)? => {
                    // SAFETY: `safe` is a live PKCS7 of type encryptedData with contents and algorithm.
                    unsafe { ffi::PKCS12_unpack_p7encdata(safe.as_ptr(), PASSWORD.as_ptr(), 0) }
                }
                Some(_) => return Ok(()),
                None => ptr::null_mut(),
            },
            _ => {
                self.note("a safe", "it is neither plain nor encrypted by password");
                return Ok(());
            }
        };
        if let Some(bags) = Owned::new(unpacked, free_bags) {
            return self.all(bags.as_ptr(), 1);
        }
        self.note_errors("a safe");
        Ok(())
    }

    fn all(&mut self, bags: *const OPENSSL_STACK, depth: u32) -> Result<(), Refusal> {
        if depth > DEEPEST {
            return Err(Refusal::TooDeep);
        }
        for bag in elements::<SafeBag>(bags) {
            self.seen += 1;
            if self.seen > MOST_BAGS {
                return Err(Refusal::TooManyBags);
            }
            self.bag(bag, depth)?;
        }
        Ok(())
    }

    fn bag(&mut self, bag: NonNull<SafeBag>, depth: u32) -> Result<(), Refusal> {
        let which = format!("bag {}", self.seen);
        // SAFETY: `bag` is an element of a live stack of bags, here and in the calls below.
        match unsafe { ffi::PKCS12_SAFEBAG_get_nid(bag.as_ptr()) } {
            nid::KEY_BAG => {
                // SAFETY: a key bag; what comes back is borrowed from it, or null.
                let key = unsafe { ffi::PKCS12_SAFEBAG_get0_p8inf(bag.as_ptr()) };
                self.key(&which, key);
            }
            nid::SHROUDED_KEY_BAG => self.shrouded(&which, bag)?,
            nid::CERTIFICATE_BAG => self.certificate(&which, bag),
            nid::SAFE_CONTENTS_BAG => {
                // SAFETY: a bag of bags; the stack is borrowed from it, or null, which holds nothing.
                let inner = unsafe { ffi::PKCS12_SAFEBAG_get0_safes(bag.as_ptr()) };
                self.all(inner, depth + 1)?;
            }
            _ => self.note(&which, "neither key nor certificate"),
        }
        Ok(())
    }

    fn shrouded(&mut self, which: &str, bag: NonNull<SafeBag>) -> Result<(), Refusal> {
        // SAFETY: a live shrouded key bag; what comes back is borrowed from it, or null.
        let sealed = unsafe { ffi::PKCS12_SAFEBAG_get0_pkcs8(bag.as_ptr()) };
        let mut algorithm = ptr::null();
        if !sealed.is_null() {
            // SAFETY: `sealed` is valid; the algorithm is borrowed from it.
            unsafe { ffi::X509_SIG_get0(sealed, &raw mut algorithm, ptr::null_mut()) };
        }
        if !self.afford(which, &algorithm_der(algorithm))? {
            return Ok(());
        }
        // SAFETY: a live shrouded key bag; the result is null or ours, and freeing it zeroes the key.
        let key = unsafe { ffi::PKCS12_decrypt_skey(bag.as_ptr(), PASSWORD.as_ptr(), 0) };
        let key = Owned::new(key, PKCS8_PRIV_KEY_INFO_free);
        self.key(which, key.as_ref().map_or(ptr::null(), |key| key.as_ptr().cast_const()));
        Ok(())
    }

    fn key(&mut self, which: &str, key: *const PKCS8_PRIV_KEY_INFO) {
        if key.is_null() {
            return self.note_errors(which);
        }
        // SAFETY: `key` is live for this call.
        let der = encoded(|out| unsafe { ffi::i2d_PKCS8_PRIV_KEY_INFO(key, out) });
        self.bags.push(Bag::Key(der));
    }

    fn certificate(&mut self, which: &str, bag: NonNull<SafeBag>) {
        // SAFETY: `bag` is a live certificate bag.
        if unsafe { ffi::PKCS12_SAFEBAG_get_bag_nid(bag.as_ptr()) } != nid::X509_CERTIFICATE {
            return self.note(which, "a certificate, but not X.509");
        }
        // SAFETY: as above; the result is null or ours.
        let Some(certificate) = Owned::new(unsafe { ffi::PKCS12_SAFEBAG_get1_cert(bag.as_ptr()) }, X509_free)
        else {
            return self.note_errors(which);
        };
        // SAFETY: `certificate` is valid.
        let der = encoded(|out| unsafe { i2d_X509(certificate.as_ptr(), out) });
        self.bags.push(Bag::Certificate { der: der.to_vec(), friendly_name: friendly_name(bag) });
    }

    /// Whether this algorithm may be run; an unknown one is a note, a costly one refuses the store.
    fn afford(&mut self, which: &str, algorithm: &[u8]) -> Result<bool, Refusal> {
        match self.budget.spend_on(algorithm) {
            Ok(()) => Ok(true),
            Err(Refusal::Algorithm) => {
                self.note(which, "its encryption is not supported");
                Ok(false)
            }
            Err(refusal) => Err(refusal),
        }
    }

    fn note(&mut self, which: &str, why: &str) {
        self.push(Note { text: format!("{which}: {why}"), is_unsupported: false });
    }

    fn note_errors(&mut self, which: &str) {
        let mut is_unsupported = false;
        let text = errors_seen(|code| is_unsupported |= openssl_sys::ERR_GET_REASON(code) == UNSUPPORTED);
        let why = if text.is_empty() { "it is damaged" } else { &text };
        self.push(Note { text: format!("{which}: {why}"), is_unsupported });
    }

    fn push(&mut self, note: Note) {
        if self.notes.len() < MOST_BAGS {
            self.notes.push(note);
        }
    }
}

/// The AlgorithmIdentifier of an encrypted safe, DER with its header.
fn encryption<'a>(contents: &mut Der<'a>) -> Option<&'a [u8]> {
    let mut data = contents.open(tag::SEQUENCE)?;
    data.number()?;
    let mut info = data.open(tag::SEQUENCE)?;
    info.take(tag::OBJECT)?;
    info.whole(tag::SEQUENCE)
}

fn algorithm_der(algorithm: *const X509_ALGOR) -> Zeroizing<Vec<u8>> {
    if algorithm.is_null() {
        return Zeroizing::default();
    }
    // SAFETY: callers pass an algorithm that is borrowed from a live structure.
    encoded(|out| unsafe { ffi::i2d_X509_ALGOR(algorithm, out) })
}

fn friendly_name(bag: NonNull<SafeBag>) -> Option<String> {
    // SAFETY: a live bag; the result is null or a C string that is ours to free.
    let name = NonNull::new(unsafe { ffi::PKCS12_get_friendlyname(bag.as_ptr()) })?;
    // SAFETY: `name` is a C string and is copied before it is freed.
    let copy = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
    // SAFETY: libcrypto allocated it; nothing points to it any more.
    unsafe { CRYPTO_free(name.as_ptr().cast(), c"".as_ptr(), 0) };
    Some(copy)
}

/// v3, the only one (RFC 7292 4).
const VERSION: u64 = 3;
/// Empty, which is another password than none.
const PASSWORD: &CStr = c"";
/// No provider has the algorithm: `ERR_R_UNSUPPORTED` of `openssl/err.h`, the same for all of its libraries.
const UNSUPPORTED: c_int = 0x10c | (0x2 << 18);
const MOST_BAGS: usize = 64;
const DEEPEST: u32 = 4;

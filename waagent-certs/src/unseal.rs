//! Unseals what the platform sent, and says in a document what came out of it.

use std::time::{Duration, Instant};

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use waagent_common::documents::{
    self, CertificateCipher, CertificateRow, Certificates, Document, Inputs, MacState, SealedCertificates,
    Transport, Written,
};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::text::{counted, shown};
use waagent_common::{log, program};

use crate::envelope::{self, Refusal};
use crate::install::{install, is_in_place, row};
use crate::machine::Machine;
use crate::pkcs12_contents::{self, Contents};
use crate::transport::{Step, pairs};
use crate::transport_pair::Pair;

/// Unseals what is there.
pub fn unseal(root: &Root, machine: &Machine, is_forced: bool, sandbox: &Sandbox) -> Result<Step> {
    let mut is_changed = false;
    let read = || Ok(Document::<SealedCertificates>::read_if_there(root)?);
    program::until_unmoved("'fetch/certificates.json'", read, |sealed| {
        let Some(sealed) = sealed else { return Ok(Step { is_changed, text: NOTHING.to_owned() }) };
        let step = once(root, machine, sealed, is_forced, sandbox)?;
        is_changed |= step.is_changed;
        Ok(Step { is_changed, text: step.text })
    })
}

/// Waits for the platform's answer to a new pair, `patience` at most, and says whether it came. Where the network is up it
/// comes within a moment, and then needs no second start of this program.
pub fn await_answer(root: &Root, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while !is_answered(root) {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}

/// A document that can't be read is none.
fn is_answered(root: &Root) -> bool {
    let Ok(Some(sealed)) = Document::<SealedCertificates>::read_if_there(root) else { return false };
    let transport = Document::<Transport>::read_if_there(root).ok().flatten();
    transport.is_some_and(|transport| transport.body.thumbprint == sealed.body.transport_thumbprint)
}

/// What [`unseal`] would do.
pub fn plan(root: &Root, machine: &Machine, is_forced: bool) -> Result<String> {
    let Some(sealed) = Document::<SealedCertificates>::read_if_there(root)? else {
        return Ok(NOTHING.to_owned());
    };
    if !is_forced && is_done(root, machine, &sealed) {
        return Ok("would unseal nothing: all certificates are in place".to_owned());
    }
    let opened = open(&pairs(root)?, machine, &sealed.body);
    let line = |row: &CertificateRow| {
        let key = if row.has_private_key { "with key" } else { "without key" };
        format!("would install {} {key}, {}", row.thumbprint, row.subject)
    };
    let rows = opened.contents.entries.iter().map(|entry| line(&row(entry, machine.now)));
    let errors = opened.contents.errors.iter().map(|error| format!("would report: {error}"));
    Ok(rows.chain(errors).collect::<Vec<_>>().join("\n"))
}

/// What the sealed data came to.
struct Opened {
    contents: Contents,
    needs: Option<CertificateCipher>,
}

fn once(
    root: &Root,
    machine: &Machine,
    sealed: &Document<SealedCertificates>,
    is_forced: bool,
    sandbox: &Sandbox,
) -> Result<Step> {
    if !is_forced && is_done(root, machine, sealed) {
        return Ok(Step { is_changed: false, text: "all certificates are in place".to_owned() });
    }
    let Opened { contents, needs } = open(&pairs(root)?, machine, &sealed.body);
    let Contents { entries, mac, mut errors } = contents;
    let (mut rows, mut failure, mut is_changed) = (Vec::new(), None, false);
    for entry in &entries {
        let (row, written) = install(root, entry, machine.now);
        rows.push(row);
        match written {
            Ok(written) => is_changed |= written,
            Err(error) => {
                errors.push(shown(&format!("{error:#}")));
                failure = Some(error);
            }
        }
    }
    for error in &errors {
        log::warning(&format!("{error}, ignoring"));
    }
    errors.truncate(MOST_ERRORS);
    let text = summary(&rows, &errors);
    let body = Certificates { certificates: rows, needs, mac, errors };
    is_changed |= documents::write(root, &body, &inputs(machine, sealed), sandbox)? == Written::Changed;
    failure.map_or(Ok(Step { is_changed, text }), Err)
}

/// Whether the document, and all files that it names, are as this input makes them. After an error it is tried again:
/// what was in the way (a provider, a full disk) may be gone.
fn is_done(root: &Root, machine: &Machine, sealed: &Document<SealedCertificates>) -> bool {
    Document::<Certificates>::read_if_there(root).ok().flatten().is_some_and(|document| {
        document.is_made_from(&inputs(machine, sealed))
            && document.body.errors.is_empty()
            && document.body.certificates.iter().all(|row| is_in_place(root, row, machine.now))
    })
}

fn inputs(machine: &Machine, sealed: &Document<SealedCertificates>) -> Inputs {
    Inputs::new().document(sealed).digest("configuration", &machine.configuration)
}

/// Opens both layers. What can't be opened is an error in the document: the goal state goes on without it.
fn open(pairs: &[Pair], machine: &Machine, sealed: &SealedCertificates) -> Opened {
    let nothing = |errors: Vec<String>, needs| Opened {
        contents: Contents { entries: Vec::new(), mac: MacState::None, errors },
        needs,
    };
    let format = sealed.format.as_deref().unwrap_or_default();
    if !(format.is_empty() || format == FORMAT) {
        log::warning(&format!(
            "the format of the certificates is '{}', not {FORMAT}, ignoring",
            shown(format)
        ));
        return nothing(Vec::new(), None);
    }
    let Some(data) = sealed.data_base64.as_deref() else { return nothing(Vec::new(), None) };
    let failed = |why: &str| {
        // The other cipher is worth one more request; after it, nothing is.
        let has_other = sealed.cipher_requested == CertificateCipher::Aes && !machine.is_fips;
        let text = format!(
            "cannot unseal the certificates of incarnation '{}': {why}",
            shown(&sealed.uri_incarnation)
        );
        nothing(vec![text], has_other.then_some(CertificateCipher::TripleDes))
    };
    let packed: String = data.split_ascii_whitespace().collect();
    let Ok(der) = STANDARD.decode(packed) else { return failed("body.data_base64 is no base64") };
    if der.len() > LARGEST {
        return failed("it is over 4 MiB");
    }
    let store = match envelope::open(&der, pairs, machine.is_fips) {
        Ok(store) => store,
        // Another cipher would be sealed to the same other key.
        Err(refusal @ Refusal::OtherKey) => return Opened { needs: None, ..failed(&refusal.to_string()) },
        Err(refusal) => return failed(&refusal.to_string()),
    };
    match pkcs12_contents::open(&store) {
        Ok(contents) => Opened { contents, needs: None },
        Err(_) if !looks_like_a_store(&store) => failed(&Refusal::Sealed.to_string()),
        Err(why) => failed(&format!("the key store inside is refused: {why}")),
    }
}

/// Libcrypto 3.2 and later decrypts with a random key where the right one fails (RFC 3218): what comes out is noise.
fn looks_like_a_store(store: &[u8]) -> bool {
    use waagent_common::der::{Der, tag};
    Der::new(store).open(tag::SEQUENCE).and_then(|mut pfx| pfx.number()) == Some(3)
}

fn summary(rows: &[CertificateRow], errors: &[String]) -> String {
    let keys = rows.iter().filter(|row| row.has_private_key).count();
    let failed =
        if errors.is_empty() { String::new() } else { format!(", {}", counted(errors.len(), "error")) };
    format!("unsealed {}, {keys} with key{failed}", counted(rows.len(), "certificate"))
}

/// How long the answer to a new pair is waited for.
pub const ANSWER: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(25);
const NOTHING: &str = "nothing sealed has come yet";
const FORMAT: &str = "Pkcs7BlobWithPfxContents";
/// Bytes of the CMS.
const LARGEST: usize = 4 << 20;
const MOST_ERRORS: usize = 128;

//! Unseals what the platform sent, and says in a document what came out of it.

use std::time::{Duration, Instant};

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use waagent_common::digest::sha256;
use waagent_common::documents::{
    self, CertificateCipher, CertificateRow, Certificates, Document, Inputs, MacState, SealedCertificates,
    Transport, Written,
};
use waagent_common::fault::{Exit, Fault};
use waagent_common::root::Root;
use waagent_common::sandbox::Sandbox;
use waagent_common::text::{counted, shown};
use waagent_common::{log, program};

use crate::attempts::{Attempts, Verdict};
use crate::envelope::{Envelope, Refusal};
use crate::install::{install, is_in_place, row};
use crate::machine::Machine;
use crate::pkcs12_contents::{self, Contents, Entry};
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
    let pairs = pairs(root)?;
    let opened = match readable(&pairs, machine, &sealed.body) {
        Ok(readable) => {
            readable.open().map_or_else(|| cannot(COULD_NOT, machine, &sealed.body), Opened::with)
        }
        Err(opened) => opened,
    };
    let line = |row: &CertificateRow| {
        let key = if row.has_private_key { "with key" } else { "without key" };
        format!("would install {} {key}, {}", row.thumbprint, row.subject)
    };
    let rows = opened.entries.iter().map(|entry| line(&row(entry, machine.now)));
    let errors = opened.errors.iter().map(|error| format!("would report: {error}"));
    Ok(rows.chain(errors).collect::<Vec<_>>().join("\n"))
}

/// What the sealed data came to.
struct Opened {
    entries: Vec<Entry>,
    mac: MacState,
    errors: Vec<String>,
    needs: Option<CertificateCipher>,
}

impl Opened {
    fn with(Contents { entries, errors }: Contents) -> Self {
        Self { entries, mac: MacState::Verified, errors, needs: None }
    }

    const fn nothing(errors: Vec<String>, needs: Option<CertificateCipher>) -> Self {
        Self { entries: Vec::new(), mac: MacState::None, errors, needs }
    }
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
    let pairs = pairs(root)?;
    let opened = match readable(&pairs, machine, &sealed.body) {
        Ok(readable) => attempt(root, machine, &sealed.body, &readable, is_forced)?,
        Err(opened) => opened,
    };
    let Opened { entries, mac, mut errors, needs } = opened;
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
        if error == STOPPED { log::error(error) } else { log::warning(&format!("{error}, ignoring")) }
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

/// Sealed data of the form that the platform sends.
struct Readable<'a> {
    envelope: Envelope<'a>,
    /// SHA-256
    digest: String,
}

impl Readable<'_> {
    /// Opens both layers: none for whatever went wrong, in either.
    fn open(&self) -> Option<Contents> {
        pkcs12_contents::open(&self.envelope.unseal()?).ok()
    }
}

/// Looks at what anybody can read. What isn't as it should be is an error in the document: the goal state goes on without it.
fn readable<'a>(
    pairs: &'a [Pair],
    machine: &Machine,
    sealed: &SealedCertificates,
) -> Result<Readable<'a>, Opened> {
    let format = sealed.format.as_deref().unwrap_or_default();
    if !(format.is_empty() || format == FORMAT) {
        log::warning(&format!(
            "the format of the certificates is '{}', not {FORMAT}, ignoring",
            shown(format)
        ));
        return Err(Opened::nothing(Vec::new(), None));
    }
    let Some(data) = sealed.data_base64.as_deref() else { return Err(Opened::nothing(Vec::new(), None)) };
    let failed = |why: &str| cannot(why, machine, sealed);
    let packed: String = data.split_ascii_whitespace().collect();
    let der = STANDARD.decode(packed).map_err(|_| failed("body.data_base64 is no base64"))?;
    if der.len() > LARGEST {
        return Err(failed("it is over 4 MiB"));
    }
    let envelope = Envelope::read(&der, pairs, machine.is_fips).map_err(|refusal| match refusal {
        // Another cipher would be sealed to the same other key.
        Refusal::OtherKey => Opened { needs: None, ..failed(&refusal.to_string()) },
        _ => failed(&refusal.to_string()),
    })?;
    Ok(Readable { envelope, digest: sha256(&der) })
}

/// Opens it if it may be opened now. Whoever may write `fetch/certificates.json` can't tell one failure from another: not
/// by the document, the log, the exit status, nor by the time, which is a multiple of [`STEP`].
fn attempt(
    root: &Root,
    machine: &Machine,
    sealed: &SealedCertificates,
    readable: &Readable<'_>,
    is_forced: bool,
) -> Result<Opened> {
    let begun = Instant::now();
    let attempts = Attempts::read(root, is_forced)?;
    match attempts.verdict(&readable.digest) {
        Verdict::Now => {}
        Verdict::Known => return Ok(cannot(COULD_NOT, machine, sealed)),
        Verdict::Later(seconds) => {
            let text =
                format!("cannot unseal certificates: too many could not be; tried again in {seconds} s");
            return Err(Fault::new(Exit::TryAgain, text).into());
        }
        Verdict::Never => return Ok(Opened::nothing(vec![STOPPED.to_owned()], None)),
    }
    attempts.begin()?;
    if let Some(contents) = readable.open() {
        attempts.succeeded()?;
        return Ok(Opened::with(contents));
    }
    attempts.failed(readable.digest.clone())?;
    let over = begun.elapsed().as_nanos() % STEP.as_nanos();
    std::thread::sleep(STEP.saturating_sub(Duration::from_nanos(u64::try_from(over)?)));
    Ok(cannot(COULD_NOT, machine, sealed))
}

/// Nothing but an error.
fn cannot(why: &str, machine: &Machine, sealed: &SealedCertificates) -> Opened {
    // The other cipher is worth one more request; after it, nothing is.
    let has_other = sealed.cipher_requested == CertificateCipher::Aes && !machine.is_fips;
    let text =
        format!("cannot unseal the certificates of incarnation '{}': {why}", shown(&sealed.uri_incarnation));
    Opened::nothing(vec![text], has_other.then_some(CertificateCipher::TripleDes))
}

fn summary(rows: &[CertificateRow], errors: &[String]) -> String {
    let keys = rows.iter().filter(|row| row.has_private_key).count();
    let failed =
        if errors.is_empty() { String::new() } else { format!(", {}", counted(errors.len(), "error")) };
    format!("unsealed {}, {keys} with key{failed}", counted(rows.len(), "certificate"))
}

/// How long the answer to a new pair is waited for.
pub const ANSWER: Duration = Duration::from_secs(5);
/// Some times what a failure takes at the most: the rounds of a MAC.
const STEP: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_millis(25);
const NOTHING: &str = "nothing sealed has come yet";
/// Of an envelope and of the store in it.
const COULD_NOT: &str = "it could not be unsealed";
/// The number is `attempts::MOST`.
const STOPPED: &str = "cannot unseal certificates: 100 could not be unsealed since the machine was started; find out who \
                       writes fetch/certificates.json; after 'rm /run/waagent/certs/attempts', which the next boot does \
                       too, 'systemctl start waagent-certs' tries again";
const FORMAT: &str = "Pkcs7BlobWithPfxContents";
/// Bytes of the CMS.
const LARGEST: usize = 4 << 20;
const MOST_ERRORS: usize = 128;

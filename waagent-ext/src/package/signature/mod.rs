//! Is a package what its publisher signed? The machine's clock is asked nothing: it may be wrong.

use std::fs::File;

use waagent_common::documents::{Extension, PackageSignature, SignatureVerdict};
use waagent_common::fault::Fault;
use waagent_common::sys::cms::{Certificate, Signed, SignerError, decode};
use waagent_common::text::shown;
use waagent_common::time;
use waagent_common::types::Sha256;

use super::Limits;
use crate::error::ExtensionError;
use crate::handler::manifest;
use crate::package::unpack;

mod form;
mod stamp;
mod trust;

pub use self::trust::Trust;

/// Who signed a package, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Subject of the signer's certificate.
    pub signer: String,
    /// Subject of the root of its chain.
    pub root: String,
    /// When, in seconds since 1970, by time stamp; none: nobody says.
    pub at: Option<i64>,
}

/// Why a signature doesn't count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// For people.
    pub fault: Fault,
    /// Does it say that this isn't what was signed? Else nobody knows, or the signer isn't trusted.
    pub is_contradiction: bool,
}

impl From<Fault> for Flaw {
    fn from(fault: Fault) -> Self {
        Self { fault, is_contradiction: false }
    }
}

/// What is to be recorded of a package's signature, and whether it says that the package is another one.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) signature: PackageSignature,
    pub(crate) is_contradicted: bool,
}

/// Judges our own copy of a package: the goal state's signature over all its bytes, and that its manifest names this
/// handler and version. ExtensionError is what would come of unpacking it too.
pub(crate) fn judge(
    archive: &File,
    digest: &Sha256,
    extension: &Extension,
    trust: Result<Trust, Fault>,
    limits: &Limits,
) -> Result<Judgement, ExtensionError> {
    let found = |verdict, why, is_contradicted| {
        let sha256 = digest.clone();
        let signature = PackageSignature { verdict, sha256, signer: None, root: None, time: None, why };
        Judgement { signature, is_contradicted }
    };
    let Some(signature) = &extension.encoded_signature else {
        return Ok(found(SignatureVerdict::Absent, None, false));
    };
    let refused =
        |why: String, is_contradicted| Ok(found(SignatureVerdict::Refused, Some(why), is_contradicted));
    let proof = match trust.map_err(Flaw::from).and_then(|trust| verify(archive, signature, &trust)) {
        Ok(proof) => proof,
        Err(flaw) => {
            return refused(format!("package signature invalid: {}", flaw.fault), flaw.is_contradiction);
        }
    };
    let manifest = unpack::manifest(archive, extension, limits)?;
    if let Err(fault) = manifest::is_signed_for(&manifest, extension) {
        return refused(fault.text, false);
    }
    let signature = PackageSignature {
        verdict: SignatureVerdict::Verified,
        sha256: digest.clone(),
        signer: Some(shown(&proof.signer)),
        root: Some(shown(&proof.root)),
        time: Some(proof.at.map_or_else(|| "unchecked".to_owned(), time::of_unix)),
        why: None,
    };
    Ok(Judgement { signature, is_contradicted: false })
}

/// Verifies a detached signature, base64 of CMS, over all bytes of a file.
///
/// Whether the bytes are those that were signed is looked at before who signed them: that needs no trust.
pub fn verify(archive: &File, signature: &str, trust: &Trust) -> Result<Proof, Flaw> {
    if signature.len() > LARGEST {
        return Err(Fault::data(format!("it is over {LARGEST} bytes")).into());
    }
    let bytes = decode(signature.trim()).ok_or_else(|| Fault::data("it is no base64"))?;
    let cms = Signed::parse(&bytes).ok_or_else(|| Fault::data("it is no CMS"))?;
    // libcrypto takes BER too and writes DER: this looks at what it has understood, not at what was sent.
    let der = cms.to_der();
    let form = form::look(&der)?;
    if form.content.is_some() {
        return Err(Fault::data("it carries a content of its own").into());
    }
    let signer = cms.signer(archive).map_err(unfit)?;
    Ok(judge_signer(&cms, &form, &signer, trust)?)
}

fn unfit(error: SignerError) -> Flaw {
    let is_contradiction = matches!(error, SignerError::Contradicted(_));
    let fault = Fault::from(error);
    let text = format!("it doesn't fit the package ({})", shown(&fault.text));
    Flaw { fault: Fault::new(fault.exit, text), is_contradiction }
}

/// May this signer sign packages, and when did he?
fn judge_signer(
    cms: &Signed,
    form: &form::Form<'_>,
    signer: &Certificate,
    trust: &Trust,
) -> Result<Proof, Fault> {
    if trust.packages.is_empty() {
        return Err(Fault::data(
            "this machine trusts no publisher: '/usr/share/waagent/signing-roots.pem' has no certificate",
        ));
    }
    let name = shown(&signer.subject());
    if !signer.signs_code() {
        return Err(Fault::data(format!("the certificate of '{name}' isn't for signing code")));
    }
    if !trust.organisations.is_empty()
        && !signer.organisation().is_some_and(|own| trust.organisations.contains(&own))
    {
        return Err(Fault::data(format!("'{name}' is of no organisation in Extensions.SigningSubjects")));
    }
    let stamped = |token| stamp::time(token, form.value, &trust.stamps);
    let at = form.stamp.map(stamped).transpose().map_err(|fault| fault.of("its time stamp is invalid"))?;
    if at.is_none() && trust.needs_stamp {
        return Err(Fault::data("it has no time stamp, which Extensions.SignatureTime=required demands"));
    }
    let root = signer
        .root(&cms.certificates(), &trust.packages, at)
        .map_err(|fault| fault.of(format_args!("the certificate of '{name}' isn't to be trusted")))?;
    Ok(Proof { signer: signer.subject(), root: root.subject(), at })
}

/// Bytes of base64; those of real packages are about 14 KiB.
const LARGEST: usize = 32 << 10;

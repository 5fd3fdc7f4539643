//! Time stamps (RFC 3161): when a signature was there already.

use waagent_common::der::{Der, tag};
use waagent_common::fault::Fault;
use waagent_common::sys::cms::{Digest, Roots, Signed};
use waagent_common::text::shown;
use waagent_common::time;

use super::form;

/// When, in seconds since 1970, an authority below one of these roots had seen this signature; its certificates were
/// valid then.
pub(crate) fn time(token: &[u8], signature: &[u8], roots: &Roots) -> Result<i64, Fault> {
    let cms = Signed::parse(token).ok_or_else(|| Fault::data("it is no token"))?;
    // As for the signature: a look at what libcrypto has understood.
    let der = cms.to_der();
    let form = form::look(&der)?;
    let content =
        form.content.filter(|_| form.kind == STATEMENT).ok_or_else(|| Fault::data("it is no token"))?;
    let statement = read(content).ok_or_else(|| Fault::data("what it states is malformed"))?;
    let digest = form::strong(statement.digest)
        .ok_or_else(|| Fault::data("its imprint is none of SHA-256, SHA-384, SHA-512"))?;
    if digest.of(signature).as_deref() != Some(statement.imprint) {
        return Err(Fault::data("it was made for something else"));
    }
    let authority = cms.signer_within().map_err(Fault::from);
    let authority = authority.map_err(|fault| Fault::new(fault.exit, shown(&fault.text)))?;
    if !names(form.attributes, &authority.to_der())? {
        return Err(Fault::data("it names another certificate than its authority's"));
    }
    let name = shown(&authority.subject());
    if !authority.stamps() {
        return Err(Fault::data(format!("the certificate of '{name}' isn't for time stamps alone")));
    }
    let chain = authority.root(&cms.certificates(), roots, Some(statement.time));
    chain.map_err(|fault| fault.of(format_args!("the certificate of '{name}' isn't to be trusted")))?;
    Ok(statement.time)
}

/// What a token states, to be believed only once the token is verified.
struct Statement<'a> {
    /// Object identifier of the digest that made the imprint.
    digest: &'a [u8],
    imprint: &'a [u8],
    /// In seconds since 1970.
    time: i64,
}

/// TSTInfo (RFC 3161 2.4.2): version, policy, imprint, serial number, time; what may follow isn't asked for.
fn read(content: &[u8]) -> Option<Statement<'_>> {
    let mut all = Der::new(content);
    let mut info = all.open(tag::SEQUENCE).filter(|_| all.is_empty())?;
    if info.number()? != 1 {
        return None;
    }
    info.take(tag::OBJECT)?;
    let mut imprint = info.open(tag::SEQUENCE)?;
    let digest = imprint.open(tag::SEQUENCE)?.take(tag::OBJECT)?;
    let imprint = imprint.take(tag::OCTETS)?;
    info.take(tag::INTEGER)?;
    let time = time::generalized(info.take(tag::GENERALIZED_TIME)?)?;
    Some(Statement { digest, imprint, time })
}

/// Is this the certificate that the signed attributes name, so that no other one with the same key can stand in for it
/// (RFC 3161 2.4.1, RFC 5816 2.2.1)? The first digest must be its own; those that follow are of certificates of its
/// chain, or of attribute certificates (RFC 5035 4). The issuer's name beside it says nothing that the digest doesn't.
fn names(attributes: Der<'_>, certificate: &[u8]) -> Result<bool, Fault> {
    const SEVERAL: &str = "it names its authority's certificate twice";
    let old = form::attribute(attributes, SIGNING_CERTIFICATE, SEVERAL)?.map(first);
    let new = form::attribute(attributes, SIGNING_CERTIFICATE_V2, SEVERAL)?.map(first_v2);
    if old.is_none() && new.is_none() {
        return Err(Fault::data("it doesn't name its authority's certificate"));
    }
    let is_it = |(digest, made): (Digest, &[u8])| digest.of(certificate).as_deref() == Some(made);
    Ok([old, new].into_iter().flatten().all(|name| name.is_some_and(is_it)))
}

/// The first ESSCertID of a SigningCertificate (RFC 5035 5.4.1), which knows SHA-1 alone. It proves nothing here:
/// signature and chain do; it is to find one certificate again, for which nobody can make a second.
fn first(value: Der<'_>) -> Option<(Digest, &[u8])> {
    Some((Digest::Sha1, entry(value)?.take(tag::OCTETS)?))
}

/// The first ESSCertIDv2 of a SigningCertificateV2 (RFC 5035 3): SHA-256 where no digest is named.
fn first_v2(value: Der<'_>) -> Option<(Digest, &[u8])> {
    let mut entry = entry(value)?;
    let digest = match entry.open(tag::SEQUENCE) {
        Some(mut algorithm) => form::strong(algorithm.take(tag::OBJECT)?)?,
        None => Digest::Sha256,
    };
    Some((digest, entry.take(tag::OCTETS)?))
}

fn entry(mut value: Der<'_>) -> Option<Der<'_>> {
    value.open(tag::SEQUENCE)?.open(tag::SEQUENCE)?.open(tag::SEQUENCE)
}

/// 1.2.840.113549.1.9.16.1.4
const STATEMENT: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
/// 1.2.840.113549.1.9.16.2.12
const SIGNING_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0c];
/// 1.2.840.113549.1.9.16.2.47
const SIGNING_CERTIFICATE_V2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f];

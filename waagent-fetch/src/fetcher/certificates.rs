//! The certificates request: our transport certificate out, sealed keys in.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use waagent_common::documents::{
    CertificateCipher, Certificates, Document, Inputs, SealedCertificates, Transport, TransportProblem,
    Written, path_of, write,
};
use waagent_common::fault::{Exit, Fault};
use waagent_common::text::{cut, shown};
use waagent_common::{durable, log};

use super::Fetcher;
use crate::clock::monotonic;
use crate::failure::{Failure, Kind};
use crate::goal_state::wire::WireGoalState;
use crate::http::Client;
use crate::wire_server::{SEALED, WireServer};
use crate::xml;

/// When certificates are looked at, and when they are asked for whatever is there.
#[derive(Debug)]
pub(crate) struct Due {
    look: bool,
    anew: bool,
    failures: u32,
    not_before: Duration,
    /// Until then a missing transport certificate is on its way.
    patient_until: Duration,
}

impl Due {
    /// At start: look.
    pub(crate) fn new() -> Self {
        Self {
            look: true,
            anew: false,
            failures: 0,
            not_before: Duration::ZERO,
            patient_until: Duration::ZERO,
        }
    }

    /// waagent-certs is started beside this program, and may be a while about its key pair.
    pub(crate) fn be_patient(&mut self) {
        self.patient_until = monotonic() + PATIENCE;
    }

    /// Something that they depend on has changed.
    pub(crate) fn look(&mut self) {
        self.look = true;
        self.not_before = Duration::ZERO;
    }

    /// Ask, whatever is there.
    pub(crate) fn refresh(&mut self) {
        self.look();
        self.anew = true;
    }

    /// Is it time to look?
    pub(crate) fn is_now(&self) -> bool {
        self.look && monotonic() >= self.not_before
    }

    fn done(&mut self) {
        (self.look, self.anew, self.failures) = (false, false, 0);
        self.not_before = Duration::ZERO;
    }

    /// In each of the next polls, then each ten minutes.
    fn failed(&mut self) {
        self.failures += 1;
        if self.failures >= QUICK_TRIES {
            self.not_before = monotonic() + SLOW_TRIES;
        }
    }
}

impl Fetcher {
    /// Asks for certificates where that is due. The goal state goes on without them, so what fails is a note.
    pub(super) fn seal(&mut self, wire: &WireGoalState, is_new: bool) -> Vec<String> {
        if is_new {
            self.certificates.look();
        }
        if !self.certificates.is_now() || self.awaits_the_pair() {
            return Vec::new();
        }
        match self.seal_now(wire) {
            Ok(note) => {
                self.certificates.done();
                note.into_iter().collect()
            }
            Err(failure) => {
                self.certificates.failed();
                vec![failure.text]
            }
        }
    }

    /// Its document wakes this program.
    fn awaits_the_pair(&self) -> bool {
        monotonic() < self.certificates.patient_until && !path_of::<Transport>(&self.root).exists()
    }

    fn seal_now(&mut self, wire: &WireGoalState) -> Result<Option<String>, Failure> {
        let Some(mut transport) = self.transport()? else {
            return Ok(Some("no certs/transport.json yet, so no certificates are asked for".to_owned()));
        };
        let known = match Document::<SealedCertificates>::read_if_there(&self.root) {
            Ok(known) => known,
            // Ours to write: a damaged one is replaced.
            Err(fault) => {
                log::warning(&format!("{fault}, ignoring it"));
                None
            }
        };
        let mut wanted = SealedCertificates {
            uri_incarnation: wire.certificates.as_deref().map(incarnation_in).unwrap_or_default(),
            container_id: wire.identity.container_id.clone(),
            cipher_requested: CertificateCipher::Aes,
            transport_thumbprint: transport.body.thumbprint.clone(),
            format: None,
            data_base64: None,
        };
        if let Some(known) = known.as_ref().filter(|known| is_for(&known.body, &wanted)) {
            match self.asks_for(known) {
                Some(cipher) => wanted.cipher_requested = cipher,
                None if !self.certificates.anew => return Ok(None),
                None => wanted.cipher_requested = known.body.cipher_requested,
            }
        }
        if let Some(uri) = &wire.certificates {
            let cipher = wanted.cipher_requested;
            let ask = |client: &Client, own: &Document<Transport>| {
                WireServer::new(client).sealed("certificates", uri, &own.body, cipher, SEALED)
            };
            let answer = match ask(&self.client, &transport) {
                // The gate compares with the document as it is now: another pair may have been made meanwhile.
                Err(denied) if denied.kind == Kind::Denied => {
                    transport = self.transport()?.ok_or(denied)?;
                    wanted.transport_thumbprint = transport.body.thumbprint.clone();
                    ask(&self.client, &transport)?
                }
                answered => answered?,
            };
            match read(&answer)? {
                Answer::Unknown(format) => {
                    return Ok(Some(format!(
                        "certificates: format '{}' isn't {PFX}, ignoring them",
                        shown(&format)
                    )));
                }
                Answer::Sealed { format, data } => (wanted.format, wanted.data_base64) = (format, data),
            }
        }
        let inputs = Inputs::new()
            .document(&transport)
            .digest("configuration", &self.config.digest_for("waagent-fetch"));
        if write(&self.root, &wanted, &inputs, &self.sandbox)? == Written::Changed {
            log::info(&format!(
                "published the certificates of incarnation {}, sealed with {}, {} bytes",
                wanted.uri_incarnation,
                wanted.cipher_requested,
                wanted.data_base64.map_or(0, |data| data.len())
            ));
        }
        Ok(None)
    }

    /// Our certificate. Where there is none that can be used, it is asked for.
    fn transport(&mut self) -> Result<Option<Document<Transport>>, Fault> {
        let transport = Document::<Transport>::read_if_there(&self.root);
        let asked = match &transport {
            Ok(Some(_)) => durable::remove(&path_of::<TransportProblem>(&self.root)).map(|_| ()),
            Ok(None) => self.want_transport("there is none"),
            Err(fault) if fault.exit == Exit::Data => self.want_transport(&fault.text),
            Err(_) => Ok(()),
        };
        asked.and(transport)
    }

    /// Has waagent-certs started, which may have ended without a pair: it waits for our document, as we do for its.
    fn want_transport(&mut self, reason: &str) -> Result<(), Fault> {
        let problem = TransportProblem { reason: cut(reason, 1024).to_owned() };
        self.wants |= write(&self.root, &problem, &Inputs::new(), &self.sandbox)? == Written::Changed;
        Ok(())
    }

    /// Another cipher that waagent-certs needs for exactly this input.
    fn asks_for(&self, known: &Document<SealedCertificates>) -> Option<CertificateCipher> {
        let opened = Document::<Certificates>::read_if_there(&self.root).ok().flatten()?;
        let cipher = opened.body.needs?;
        let is_about_it = opened.inputs.get("sealed-certificates") == Some(&known.digest);
        (is_about_it && cipher == CertificateCipher::TripleDes && known.body.cipher_requested != cipher)
            .then_some(cipher)
    }
}

/// The same container, incarnation and key: a new answer would hold the same.
fn is_for(known: &SealedCertificates, wanted: &SealedCertificates) -> bool {
    known.uri_incarnation == wanted.uri_incarnation
        && known.container_id == wanted.container_id
        && known.transport_thumbprint == wanted.transport_thumbprint
}

enum Answer {
    Sealed { format: Option<String>, data: Option<String> },
    Unknown(String),
}

/// Checks the envelope of the answer; what is in it only waagent-certs can see.
fn read(bytes: &[u8]) -> Result<Answer, Failure> {
    let root = xml::parse(bytes, "CertificateFile")
        .map_err(|error| Failure::nonsense(format!("certificates: {error}")))?;
    let format = root.text_at("Format").map(str::to_owned);
    if let Some(unknown) = format.as_ref().filter(|format| *format != PFX) {
        return Ok(Answer::Unknown(unknown.clone()));
    }
    let Some(data) = root.text_at("Data") else { return Ok(Answer::Sealed { format, data: None }) };
    let data: String = data.split_ascii_whitespace().collect();
    let decoded = STANDARD
        .decode(&data)
        .map_err(|error| Failure::nonsense(format!("certificates: element 'Data': no base64: {error}")))?;
    if decoded.len() > MAX_DATA {
        return Err(Failure::nonsense(format!("certificates: element 'Data': more than {MAX_DATA} bytes")));
    }
    Ok(Answer::Sealed { format, data: Some(data) })
}

/// `incarnation=` of a URI's query.
fn incarnation_in(uri: &str) -> String {
    let query = uri.split_once('?').map_or("", |(_, query)| query);
    let value = query.split('&').find_map(|pair| pair.strip_prefix("incarnation="));
    waagent_common::text::cut(value.unwrap_or_default(), 64).to_owned()
}

const PFX: &str = "Pkcs7BlobWithPfxContents";
/// The sealed package, decoded, in bytes.
const MAX_DATA: usize = 4 << 20;
/// A pair of RSA keys takes seconds where the CPU is busy.
const PATIENCE: Duration = Duration::from_secs(60);
const QUICK_TRIES: u32 = 5;
const SLOW_TRIES: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inner: &str) -> Result<Answer, Failure> {
        read(format!("<CertificateFile><Version>1</Version>{inner}</CertificateFile>").as_bytes())
    }

    #[test]
    fn takes_base64_with_white_space_anywhere() {
        let answer = file("<Format>Pkcs7BlobWithPfxContents</Format><Data>\n TU\r\nlJ \n</Data>").unwrap();
        assert!(matches!(answer, Answer::Sealed { data: Some(data), .. } if data == "TUlJ"));
        let none = file("<Format/>").unwrap();
        assert!(matches!(none, Answer::Sealed { data: None, format: None }));
    }

    #[test]
    fn refuses_what_is_no_sealed_package() {
        for (inner, why) in [
            ("<Data>not base64!</Data>", "element 'Data': no base64"),
            ("<Data>TUlJ</Dat>", "certificates: "),
            (&format!("<Data>{}</Data>", "A".repeat(6 << 20)), "more than 4194304 bytes"),
        ] {
            let error = file(inner).err().unwrap().text;
            assert!(error.contains(why), "{error}");
        }
        assert!(matches!(file("<Format>CertificatesNonPfxPackage</Format>"), Ok(Answer::Unknown(_))));
    }

    #[test]
    fn finds_the_incarnation_of_a_request() {
        assert_eq!(incarnation_in("http://h/machine/x?comp=certificates&incarnation=7"), "7");
        assert_eq!(incarnation_in("http://h/machine/x"), "");
    }
}

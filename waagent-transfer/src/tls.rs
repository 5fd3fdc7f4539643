//! TLS by the system's OpenSSL, its authorities and its rules, and no way round them.

use std::fmt;
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use openssl::error::ErrorStack;
use openssl::ssl::{
    self, HandshakeError, SslConnector, SslConnectorBuilder, SslMethod, SslStream, SslVersion,
};
use openssl::x509::X509VerifyResult;
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};
use waagent_common::text::shown;
use waagent_http::{HttpError, buffers, tls_reason};

/// Speaks TLS where a URI asks for it. Copies share what was read of the system: that is done once, with the first of them.
#[derive(Clone, Default)]
pub(crate) struct Tls(Arc<OnceLock<SslConnector>>);

impl Tls {
    fn context(&self) -> Result<&SslConnector, ErrorStack> {
        if let Some(context) = self.0.get() {
            return Ok(context);
        }
        // With the system's places for authorities, SSL_CERT_FILE and SSL_CERT_DIR among them.
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        at_least_tls_1_2(&mut builder)?;
        // Another order may have been quicker: then that one's is used.
        Ok(self.0.get_or_init(|| builder.build()))
    }

    fn handshake(
        &self,
        host: &str,
        transport: TransportAdapter,
    ) -> Result<SslStream<TransportAdapter>, Error> {
        let failed = |error: HandshakeError<_>| match error {
            HandshakeError::SetupFailure(error) => tls_error(&error.to_string()),
            HandshakeError::Failure(ended) | HandshakeError::WouldBlock(ended) => {
                let verdict = ended.ssl().verify_result();
                match ended.into_error().into_io_error() {
                    // The way beneath it is broken, or its time is up.
                    Ok(error) => Error::from(error),
                    Err(error) => refused(&error, verdict),
                }
            }
        };
        let context = self.context().map_err(|error| tls_error(&error.to_string()))?;
        context.connect(host, transport).map_err(failed)
    }
}

/// What the system's rules demand (`MinProtocol` of openssl.cnf) may be more, and stays.
fn at_least_tls_1_2(builder: &mut SslConnectorBuilder) -> Result<(), ErrorStack> {
    match builder.min_proto_version() {
        Some(SslVersion::TLS1_2 | SslVersion::TLS1_3) => Ok(()),
        _ => builder.set_min_proto_version(Some(SslVersion::TLS1_2)),
    }
}

/// Why TLS ended, with the verdict on the certificate where that is the reason.
fn refused(error: &ssl::Error, verdict: X509VerifyResult) -> Error {
    if verdict == X509VerifyResult::OK {
        return tls_error(&error.to_string());
    }
    tls_error(&format!("{error} ({verdict})"))
}

fn tls_error(text: &str) -> Error {
    Error::Other(Box::new(HttpError::Tls(shown(&tls_reason(text)))))
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let mut adapter = TransportAdapter::new(transport.boxed(), Arc::clone(&details.current_time));
        adapter.set_timeout(details.timeout);
        let stream = self.handshake(host, adapter)?;
        Ok(Some(Either::B(TlsTransport { buffers: buffers(details.config), stream })))
    }
}

/// A connection that has been secured.
pub(crate) struct TlsTransport {
    buffers: LazyBuffers,
    stream: SslStream<TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output().get(..amount).ok_or(Error::ConnectionFailed)?;
        Ok(self.stream.write_all(output)?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.get_mut().set_timeout(timeout);
        let length = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(length);
        Ok(length > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsTransport")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_minimum_is_raised_and_never_lowered() {
        for (system, used) in [
            (None, SslVersion::TLS1_2),
            (Some(SslVersion::TLS1), SslVersion::TLS1_2),
            (Some(SslVersion::TLS1_2), SslVersion::TLS1_2),
            (Some(SslVersion::TLS1_3), SslVersion::TLS1_3),
        ] {
            let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
            builder.set_min_proto_version(system).unwrap();
            at_least_tls_1_2(&mut builder).unwrap();
            assert_eq!(builder.min_proto_version(), Some(used), "{system:?}");
        }
    }
}

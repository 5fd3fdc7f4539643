//! Makes the transport key pair and unseals certificates: the only program that touches the transport key.
//!
//! **Does**: makes the RSA pair that the platform seals to, if there is none, or it is damaged, of another machine, or
//! ends soon. Opens what the platform sealed, and puts each certificate and key where extensions look for them.
//!
//! **Reads**: `fetch/certificates.json`, the machine id, the VM id, the FIPS switch, its own folder.
//!
//! **Writes**: `certs/TransportPrivate*.pem` (0400), `certs/TransportCert*.pem`, `certs/<thumbprint>.prv` (0400) and
//! `.crt` (0444), `certs/transport.json` and `certs/certificates.json`, which hold public parts only;
//! `/run/waagent/certs/attempts`, failures of this boot.
//!
//! **Exit codes**: 0 done, unchanged or planned, also where something couldn't be unsealed: the document says what and
//! why, and the machine goes on; 64 usage; 65 a damaged document; 73 a file can't be written; 75 another run is at work,
//! or too much failed to unseal more at once; 77 sandbox not as declared; 78 configuration.
//!
//! **Security**: whoever owns this process has the keys that the platform sent to this machine. He has no capability,
//! no socket, nothing to execute, and can write nothing but this program's folder. The keys of certificates are read by
//! handlers too, and by waagent-provision for key pairs. Who writes `fetch/certificates.json` may be an attacker with the
//! platform's answer: he learns that an altered one failed, never where, and not often.
//!
//! **Where**: `transport` decides about a new pair and `transport_pair` makes it; `unseal` goes through what came: `envelope`
//! opens CMS, `pkcs12_contents` what is in it, `attempts` counts what fails; `install` writes certificates and keys.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;
use waagent_certs::args::Args;
use waagent_certs::machine::Machine;
use waagent_certs::policy::POLICY;
use waagent_certs::{transport, unseal};
use waagent_common::fault::Outcome;
use waagent_common::lock::Lock;
use waagent_common::{log, program};

fn main() -> ExitCode {
    program::main(&POLICY, run)
}

fn run(args: &Args) -> Result<Outcome> {
    let (sandbox, config) = program::enter(&POLICY, &args.common)?;
    let root = args.common.root();
    let machine = Machine::look(&root, &config)?;
    if args.plan {
        let pair = transport::plan(&root, &machine)?;
        return Ok(Outcome::Planned(format!("{pair}\n{}", unseal::plan(&root, &machine, args.force)?)));
    }
    let _held = Lock::take(&root, "certs")?;
    let pair = transport::ensure(&root, &machine, &sandbox)?;
    if pair.is_changed && root.is_live() && !unseal::await_answer(&root, unseal::ANSWER) {
        log::verbose("no answer to the new pair yet: this program is started for it");
    }
    let unsealed = unseal::unseal(&root, &machine, args.force, &sandbox)?;
    Ok(pair.and(&unsealed).into_outcome())
}

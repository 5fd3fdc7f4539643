//! Keys whose certificates come over the network: waiting, going on, refusing the wrong one, key pairs.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use openssl::asn1::Asn1Time;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};
use waagent_common::documents::{
    self, CertificateRow, CertificateState, Certificates, Inputs, MacState, ProvisionOutcome, ProvisionState,
};
use waagent_common::sandbox::Sandbox;
use waagent_common::types::Thumbprint;
use waagent_common::users::uid_of;

use crate::world::{KEY, World, difference, keys, mode, ovf, public_key, tool};

struct Issued {
    certificate: X509,
    key: PKey<Private>,
    thumbprint: String,
}

fn issue() -> Issued {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, "orchard").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = builder.build();
    let digest = hash(MessageDigest::sha1(), &certificate.to_der().unwrap()).unwrap();
    let thumbprint = waagent_common::digest::hex(&digest).to_ascii_uppercase();
    Issued { certificate, key, thumbprint }
}

/// Leaves certificate, key and document as waagent-certs does.
fn deliver(world: &World, issued: &Issued) {
    let certs = uid_of(&world.root, "waagent-certs");
    let folder = world.root.state_path("certs");
    let crt = folder.join(format!("{}.crt", issued.thumbprint));
    fs::write(&crt, issued.certificate.to_pem().unwrap()).unwrap();
    let prv = folder.join(format!("{}.prv", issued.thumbprint));
    fs::write(&prv, issued.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    fs::set_permissions(&prv, fs::Permissions::from_mode(0o400)).unwrap();
    let row = CertificateRow {
        thumbprint: Thumbprint::try_from(issued.thumbprint.as_str()).unwrap(),
        has_private_key: true,
        subject: "CN = orchard".to_owned(),
        issuer: "CN = orchard".to_owned(),
        not_after: "2030-01-01T00:00:00Z".to_owned(),
        friendly_name: None,
        key_type: "rsa-2048".to_owned(),
        state: CertificateState::Installed,
    };
    let body =
        Certificates { certificates: vec![row], needs: None, mac: MacState::Verified, errors: Vec::new() };
    documents::write(&world.root, &body, &Inputs::new(), &Sandbox::unconfined()).unwrap();
    for path in [crt, prv, folder.join("certificates.json")] {
        chown(path, certs, None).unwrap();
    }
}

fn by_thumbprint(thumbprint: &str) -> String {
    format!(
        "<PublicKey><Fingerprint>{thumbprint}</Fingerprint><Path>/home/orchard/.ssh/authorized_keys</Path></PublicKey>"
    )
}

#[test]
fn a_missing_certificate_is_waited_for_and_the_late_pass_goes_on() {
    let Some(world) = World::new() else { return };
    let issued = issue();
    world.attach(&ovf(&keys(&format!("{}{}", public_key(KEY), by_thumbprint(&issued.thumbprint))), ""));
    let said = world.provision();
    assert!(said.contains(&format!("waits for certificate {}", issued.thumbprint)), "{said}");
    let status = world.status();
    assert_eq!((status.state, status.outcome), (ProvisionState::Provisioning, ProvisionOutcome::Waiting));
    assert_eq!(status.waits_for, [format!("certificate {}", issued.thumbprint)]);
    assert!(fs::exists("/run/waagent/provision/late").unwrap(), "nothing starts the late pass");
    // The machine can be reached meanwhile, and the medium is kept.
    assert_eq!(fs::read_to_string("/home/orchard/.ssh/authorized_keys").unwrap(), format!("{KEY}\n"));
    assert!(fs::exists("/etc/sudoers.d/waagent").unwrap());
    assert!(
        !fs::exists("/run/waagent/provision/release").unwrap()
            && !fs::exists("/var/lib/waagent/provisioned").unwrap()
    );
    let host_key = fs::read("/etc/ssh/ssh_host_rsa_key").unwrap();
    let before = world.changes();
    world.provision();
    assert_eq!(difference(&before, &world.changes()), Vec::<String>::new(), "a second pass that still waits");

    deliver(&world, &issued);
    world.provision();
    let lines = fs::read_to_string("/home/orchard/.ssh/authorized_keys").unwrap();
    assert_eq!(lines.lines().count(), 2);
    fs::write("/run/pem", issued.key.public_key_to_pem().unwrap()).unwrap();
    let converted = tool("/usr/bin/ssh-keygen", &["-i", "-m", "PKCS8", "-f", "/run/pem"]);
    assert_eq!(lines.lines().nth(1), Some(converted.trim()));
    assert_eq!(world.status().outcome, ProvisionOutcome::Done);
    assert_eq!(fs::read("/etc/ssh/ssh_host_rsa_key").unwrap(), host_key);
    let link = fs::read_link(world.root.state_path(format!("{}.prv", issued.thumbprint))).unwrap();
    assert_eq!(link.to_str().unwrap(), format!("certs/{}.prv", issued.thumbprint));
}

#[test]
fn a_certificate_of_another_thumbprint_is_refused() {
    let Some(world) = World::new() else { return };
    let (wanted, other) = (issue(), issue());
    world.attach(&ovf(&keys(&by_thumbprint(&wanted.thumbprint)), ""));
    world.provision();
    let path = world.root.state_path(format!("certs/{}.crt", wanted.thumbprint));
    fs::write(&path, other.certificate.to_pem().unwrap()).unwrap();
    let said = world.refuse(65);
    assert!(said.contains("certificate not found") && said.contains(&other.thumbprint), "{said}");
    assert!(!fs::exists("/home/orchard/.ssh").unwrap());
    deliver(&world, &wanted);
    world.provision();
}

#[test]
fn a_key_pair_is_copied_for_the_user_alone_and_never_over_another_key() {
    let Some(world) = World::new() else { return };
    let issued = issue();
    deliver(&world, &issued);
    let pair = format!(
        "<SSH><KeyPairs><KeyPair><Fingerprint>{}</Fingerprint><Path>/home/orchard/.ssh/id_rsa</Path></KeyPair>\
         </KeyPairs></SSH><UserPassword>not a real one</UserPassword>",
        issued.thumbprint
    );
    world.attach(&ovf(&pair, ""));
    world.provision();
    let path = "/home/orchard/.ssh/id_rsa";
    assert_eq!(fs::read(path).unwrap(), issued.key.private_key_to_pem_pkcs8().unwrap());
    let uid = world.status().user.unwrap().uid;
    assert_eq!((mode(path), fs::metadata(path).unwrap().uid()), (0o600, uid));
    let derived = tool("/usr/bin/ssh-keygen", &["-y", "-f", path]);
    assert_eq!(fs::read_to_string("/home/orchard/.ssh/id_rsa.pub").unwrap(), derived);
    fs::write(path, "the user's own").unwrap();
    let output = world.run(&["--force"]);
    assert_eq!(output.status.code(), Some(71));
    assert_eq!(fs::read_to_string(path).unwrap(), "the user's own");
}

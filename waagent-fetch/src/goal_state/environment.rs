//! HostingEnvironmentConfig and SharedConfig: names of this machine. `Setting` values are never read: they can hold
//! account keys.

use std::net::Ipv4Addr;

use waagent_common::documents::{OwnInstance, RdmaAddress};
use waagent_common::text::cut;
use waagent_common::types::Thumbprint;
use waagent_common::xml::Element;

use crate::failure::Failure;
use crate::xml;

/// What is used of the hosting environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HostingEnvironment {
    /// Name of the VM.
    pub(crate) vm_name: Option<String>,
    /// Thumbprint of the tenant's certificate.
    pub(crate) tenant_certificate: Option<Thumbprint>,
}

/// Parses HostingEnvironmentConfig.
pub(crate) fn hosting(bytes: &[u8]) -> Result<HostingEnvironment, Failure> {
    let root = parse(bytes, "HostingEnvironmentConfig")?;
    let instance = root.at("Incarnation").and_then(|element| text(element, "instance"));
    let tenant = root.at("StoredCertificates").and_then(|list| {
        list.all("StoredCertificate").find(|one| {
            // Hosts prefix the name by what it is stored for.
            one.attribute("name").is_some_and(|name| name.ends_with("TenantEncryptionCert"))
        })
    });
    let thumbprint = tenant
        .and_then(|certificate| certificate.attribute("certificateId"))
        .and_then(|id| id.strip_prefix("sha1:"))
        .and_then(|hex| Thumbprint::try_from(hex.to_ascii_uppercase()).ok());
    Ok(HostingEnvironment {
        vm_name: instance.map(|name| name.strip_prefix('_').unwrap_or(&name).to_owned()),
        tenant_certificate: thumbprint,
    })
}

/// Parses SharedConfig: the entry of this machine, if there is one.
pub(crate) fn shared(bytes: &[u8]) -> Result<Option<OwnInstance>, Failure> {
    let root = parse(bytes, "SharedConfig")?;
    let own = root.at("Incarnation").and_then(|incarnation| incarnation.attribute("instance"));
    let Some(instances) = root.at("Instances") else { return Ok(None) };
    let found =
        instances.all("Instance").find(|one| one.attribute("id").is_some() && one.attribute("id") == own);
    Ok(found.map(|instance| OwnInstance {
        address: text(instance, "address").filter(|address| address.parse::<Ipv4Addr>().is_ok()),
        rdma: rdma(instance),
    }))
}

fn parse(bytes: &[u8], name: &str) -> Result<Element, Failure> {
    xml::parse(bytes, name).map_err(|error| Failure::nonsense(format!("{name}: {error}")))
}

fn rdma(instance: &Element) -> Vec<RdmaAddress> {
    match (text(instance, "rdmaMacAddress"), text(instance, "rdmaIPv4Address")) {
        (Some(mac), Some(ipv4)) => vec![RdmaAddress { mac, ipv4 }],
        _ => Vec::new(),
    }
}

fn text(element: &Element, attribute: &str) -> Option<String> {
    element.attribute(attribute).filter(|text| !text.is_empty()).map(|text| cut(text, 128).to_owned())
}

//! The scenario: one TOML file that says what machine this is, what the platform wants of it, and what goes wrong.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::fault::Fault;
use crate::until::Until;

/// All that a scenario file may say. Every field has a default, so a scenario names only what matters to it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// One line for people.
    pub title: String,
    /// Answer 403 on WireServer and HostGAPlugin unless uid 0 opened the connection.
    pub require_uid0_opener: bool,
    /// Who the machine is.
    pub vm: Vm,
    /// The goal state's own values.
    pub goal_state: GoalStateSpec,
    /// How certificates are packed.
    pub certificates: CertificatesSpec,
    /// Key pairs, made when the fabric first needs them.
    pub certificate: Vec<CertificateSpec>,
    /// The HostGAPlugin's second way of the goal state.
    pub vm_settings: VmSettingsSpec,
    /// Blobs and their addresses.
    pub storage: StorageSpec,
    /// Packages that extensions are made of.
    pub package: Vec<PackageSpec>,
    /// Extensions of the first goal state.
    pub extension: Vec<ExtensionSpec>,
    /// Accounts of just-in-time access.
    pub remote_user: Vec<RemoteUser>,
    /// What the provisioning DVD says.
    pub provision: Option<Provision>,
    /// What goes wrong.
    pub fault: Vec<Fault>,
    /// Later goal states.
    pub then: Vec<Then>,
}

/// Who the machine is, as the platform and IMDS know it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vm {
    /// Name of the VM.
    pub name: String,
    /// VM id, a GUID.
    pub id: String,
    /// Region.
    pub location: String,
    /// Size.
    pub size: String,
    /// Resource group.
    pub resource_group: String,
    /// Subscription, a GUID.
    pub subscription: String,
    /// Primary address, dotted decimal.
    pub address: String,
    /// MAC of the first interface, 12 hexadecimal digits.
    pub mac: String,
}

/// The goal state's own values.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GoalStateSpec {
    /// First incarnation.
    pub incarnation: u64,
    /// Container id, a GUID.
    pub container_id: String,
    /// Deployment id, a GUID.
    pub deployment_id: String,
    /// Kind of the status blob.
    pub status_blob: BlobKind,
    /// Features the agent must have.
    pub required_features: Vec<String>,
    /// The artifacts profile says "on hold"; absent: no profile blob is named.
    pub on_hold: Option<bool>,
    /// The first so many goal states come without `RoleInstance`.
    pub without_role_instance: u64,
    /// Leave `Certificates` out of the goal state.
    pub without_certificates: bool,
}

/// Kind of a blob, as `statusBlobType` spells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum BlobKind {
    /// Written in one piece.
    #[default]
    BlockBlob,
    /// Written in pages of 512 bytes.
    PageBlob,
    /// Grows block by block.
    AppendBlob,
}

/// How certificates are packed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CertificatesSpec {
    /// Encryption inside the PFX.
    pub pfx: PfxKind,
    /// Text of `Format`; absent: `Pkcs7BlobWithPfxContents`.
    pub format: Option<String>,
    /// Text that stands in `Data` instead of the real envelope; empty: no `Data` element.
    pub data: Option<String>,
    /// Seal to another key than the agent's, so that nothing can be opened.
    pub wrong_recipient: bool,
}

/// Encryption inside the PFX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PfxKind {
    /// pbeWithSHA1And3-KeyTripleDES-CBC, MAC by SHA-1: what the platform sends by default.
    #[default]
    #[serde(rename = "3des")]
    TripleDes,
    /// PBES2 with AES-256-CBC, MAC by SHA-256: machines that opted in to FIPS 140-3.
    Aes256,
}

/// One certificate of the machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateSpec {
    /// By which the scenario refers to it; also its friendly name.
    pub name: String,
    /// Common name; absent: the name.
    pub subject: Option<String>,
    /// Whether its private key is sent too.
    #[serde(default = "yes")]
    pub key: bool,
    /// Whether the goal states from the first one on carry it. False: only those of `[[then]]` that name it.
    #[serde(default = "yes")]
    pub at_start: bool,
}

/// The HostGAPlugin's second way of the goal state.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VmSettingsSpec {
    /// False: 404, as an old host answers.
    pub supported: bool,
    /// What `hostGAPluginVersion` says.
    pub version: String,
    /// The first goal state comes by Fast Track too.
    pub fast_track: bool,
    /// Leave the header ETag out.
    pub without_etag: bool,
}

/// Blobs and their addresses.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StorageSpec {
    /// Scheme of blob URIs.
    pub scheme: Scheme,
    /// The signature of every SAS URI: what storage demands, and a canary.
    pub signature: String,
}

/// Scheme of blob URIs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Clear.
    Http,
    /// By the test CA.
    #[default]
    Https,
}

/// A package: files from which a real zip is made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageSpec {
    /// By which extensions refer to it.
    pub id: String,
    /// The file that all five commands run, with the verb as its argument; needed if `manifest` is absent.
    pub script: Option<String>,
    /// `HandlerManifest.json` in full; absent: made of `script`.
    pub manifest: Option<Value>,
    /// Further members of `handlerManifest` when it is made of `script`.
    #[serde(default)]
    pub handler: serde_json::Map<String, Value>,
    /// The handler and version that the publisher signs it for, `Publisher.Type-1.0`; absent: it isn't signed.
    pub signed_for: Option<String>,
    /// Entry name to text.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

/// One handler of a goal state and its settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionSpec {
    /// `Publisher.Type`; with `repeat`, `{n}` is its number from 1.
    pub name: String,
    /// Version wanted.
    #[serde(default = "first_version")]
    pub version: String,
    /// `enabled`, `disabled`, `uninstall`.
    #[serde(default = "enabled")]
    pub state: String,
    /// How many such handlers.
    #[serde(default = "one")]
    pub repeat: u32,
    /// Package of this version; absent: the manifest doesn't have the version.
    pub package: Option<String>,
    /// Settings of a single-config handler; neither these nor `instance`: no settings at all.
    pub settings: Option<SettingsSpec>,
    /// Instances of a multi-config handler.
    #[serde(default)]
    pub instance: Vec<SettingsSpec>,
}

/// One set of settings.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsSpec {
    /// Multi-config: the instance's name.
    pub name: String,
    /// Multi-config: `enabled` or `disabled`.
    pub state: Option<String>,
    /// Sequence number.
    pub seq_no: u64,
    /// Public settings: a table, or a text that holds JSON.
    pub public: Option<Value>,
    /// Protected settings in clear: the fabric seals them.
    pub protected: Option<Value>,
    /// Certificate they are sealed to.
    pub certificate: String,
    /// Level of `DependsOn`; absent: no such element.
    pub dependency_level: Option<i64>,
    /// The whole text of the settings node instead of all the above: for broken settings.
    pub raw: Option<String>,
}

/// An account of just-in-time access.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteUser {
    /// Account name.
    pub name: String,
    /// Password in clear: the fabric seals it to the transport certificate.
    pub password: String,
    /// Text of `Expiration`.
    pub expiration: String,
}

/// What the provisioning DVD says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provision {
    /// `HostName`.
    pub host_name: String,
    /// `UserName`.
    pub user_name: String,
    /// `UserPassword`.
    pub password: Option<String>,
    /// `DisableSshPasswordAuthentication`.
    pub disable_password_authentication: Option<bool>,
    /// `CustomData` in clear.
    pub custom_data: Option<String>,
    /// `ProvisionGuestAgent`; absent: true.
    pub agent: Option<bool>,
    /// `PublicKeys`.
    pub public_key: Vec<PublicKey>,
    /// `KeyPairs`.
    pub key_pair: Vec<KeyPair>,
}

/// One `PublicKey`: by value, or by the thumbprint of a certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    /// Where it goes.
    pub path: String,
    /// An OpenSSH line.
    pub value: Option<String>,
    /// Certificate that holds it.
    pub certificate: Option<String>,
    /// Give the certificate's key as an OpenSSH line too.
    #[serde(default)]
    pub by_value: bool,
}

/// One `KeyPair`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPair {
    /// Where the private key goes.
    pub path: String,
    /// Certificate whose key it is.
    pub certificate: String,
}

/// A later goal state: what it doesn't name stays as it was.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    /// What must have happened; `manual`: only `waagent-fabric next` brings it.
    pub after: Until,
    /// By which way it comes.
    #[serde(default)]
    pub channel: Channel,
    /// Incarnation; absent: one more.
    pub incarnation: Option<u64>,
    /// New container id: the machine was moved.
    pub container_id: Option<String>,
    /// New extensions; absent: the same.
    pub extension: Option<Vec<ExtensionSpec>>,
    /// Names of the certificates it carries; absent: the same.
    pub certificates: Option<Vec<String>>,
    /// The artifacts profile's "on hold".
    pub on_hold: Option<bool>,
    /// Whether vmSettings are supported from now on: the host changed.
    pub vm_settings_supported: Option<bool>,
    /// New accounts of just-in-time access; absent: the same.
    pub remote_user: Option<Vec<RemoteUser>>,
}

/// By which way a goal state comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// WireServer: a new incarnation.
    #[default]
    Fabric,
    /// HostGAPlugin: new vmSettings, the incarnation stays.
    FastTrack,
}

impl Default for Vm {
    fn default() -> Self {
        Self {
            name: "plum-07".into(),
            id: "6f2bb4c4-5b8e-4f4e-9a53-0d4a86a7c001".into(),
            location: "testregion".into(),
            size: "Standard_D2s_v5".into(),
            resource_group: "orchard".into(),
            subscription: "8e037ad4-618f-4466-8bc8-5099d41ac15b".into(),
            address: "10.0.0.4".into(),
            mac: "000D3A123456".into(),
        }
    }
}

impl Default for GoalStateSpec {
    fn default() -> Self {
        Self {
            incarnation: 1,
            container_id: "c6d5526c-5ac2-4200-b6e2-56f2b70c5ab2".into(),
            deployment_id: "b61f93d0-e1ed-40b2-b067-22c243233448".into(),
            status_blob: BlobKind::BlockBlob,
            required_features: Vec::new(),
            on_hold: None,
            without_role_instance: 0,
            without_certificates: false,
        }
    }
}

impl Default for VmSettingsSpec {
    fn default() -> Self {
        Self { supported: false, version: "1.0.8.175".into(), fast_track: false, without_etag: false }
    }
}

impl Default for StorageSpec {
    fn default() -> Self {
        Self { scheme: Scheme::default(), signature: "CANARY-sas-9b1d4e".into() }
    }
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

fn first_version() -> String {
    "1.0.0".into()
}

fn enabled() -> String {
    "enabled".into()
}

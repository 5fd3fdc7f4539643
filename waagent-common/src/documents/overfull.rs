//! Each document with more in it than it may hold: it is written all the same, and its readers take it.

use std::fs;

use super::*;
use crate::types::{HandlerName, HandlerVersion, Sha256 as Digest256, Thumbprint};

/// Longer than any bound, and six times as long as JSON.
fn long() -> String {
    "\u{1}\"é".repeat(5_000)
}

fn many<T: Clone>(one: &T) -> Vec<T> {
    vec![one.clone(); 1100]
}

/// Writes it below a fresh root, and gives what a reader finds.
#[track_caller]
fn survives<T: Body>(body: &T) -> T {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::new(dir.path());
    let path = root.path(T::PATH).with_extension("json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let written = write_at(&root, &path, body, &Inputs::new(), &Sandbox::unconfined());
    assert_eq!(written, Ok(Written::Changed), "{}", T::NAME);
    Document::<T>::read_at(&root, &path).unwrap().body
}

fn name() -> HandlerName {
    HandlerName::try_from("a".repeat(180)).unwrap()
}

fn version() -> HandlerVersion {
    HandlerVersion::try_from("1.2.3.4").unwrap()
}

#[test]
fn state_of_extensions() {
    let signature = PackageSignature {
        verdict: SignatureVerdict::Refused,
        sha256: Digest256::try_from("0".repeat(64)).unwrap(),
        signer: Some(long()),
        root: Some(long()),
        time: Some(long()),
        why: Some(long()),
    };
    let record = HandlerRecord {
        name: name(),
        version: version(),
        state: HandlerState::Enabled,
        previous: Some(PreviousVersion {
            version: version(),
            state: HandlerState::Enabled,
            signature: Some(signature.clone()),
        }),
        status: HandlerStatus { status: HandlerReadiness::NotReady, code: -1, message: long() },
        failure: Some(ExtensionFailure {
            sequence_number: None,
            code: -1,
            message: long(),
            operation: long(),
            status_before: Some(long()),
            since_ms: None,
        }),
        sequence_number: None,
        attempt: 1,
        package_sha256: None,
        signature: Some(signature),
        enabled_at_s: None,
    };
    let item = GoalStateRunItem {
        name: name(),
        state: ItemState::Open,
        disable_exit_code: Some(long()),
        uninstall_exit_code: Some(long()),
        note: Some(long()),
    };
    let run = GoalStateRun {
        goal_state_id: long(),
        created_on: long(),
        svd_sequence_number: 1,
        started_at: long(),
        started_uptime_s: 1,
        complete: false,
        items: vec![item; 256],
    };
    let state = ExtensionState {
        boot_id: long(),
        chain_id: long(),
        goal_state_run: Some(run),
        handlers: vec![record; 600],
        left_over: many(&long()),
        ..ExtensionState::default()
    };
    assert_eq!(survives(&state).handlers.len(), ExtensionState::MAX_HANDLERS);
}

#[test]
fn plan_of_extensions_and_wanted_packages() {
    let step = PlannedHandler {
        name: name(),
        version: version(),
        wanted: long(),
        level: 1,
        next: long(),
        allowed: true,
        rule: long(),
    };
    survives(&Plan { goal_state_id: long(), reason: long(), steps: vec![step; 300] });
    let package = WantedPackage { name: name(), version: version(), attempt: u32::MAX };
    survives(&Wanted { goal_state_id: long(), packages: vec![package; 256] });
}

#[test]
fn status_of_extensions() {
    let status = ExtensionStatus {
        goal_state_id: Some(long()),
        complete: true,
        handlers: vec![serde_json::json!({"handlerName": "a"}); 600],
        goal_state_aggregate: None,
        left_over: vec!["\"".repeat(2000); 5000],
    };
    assert_eq!(survives(&status).handlers.len(), 600);
}

#[test]
fn results_packages_and_what_the_fetcher_tells() {
    let result = CommandResult {
        id: "1-1".to_owned(),
        state: CommandState::Exited,
        exit_code: None,
        signal: None,
        error: Some(long()),
        started_at: None,
        ended_at: None,
        stdout_bytes: 0,
        stderr_bytes: 0,
        boot_id: String::new(),
    };
    survives(&result);
    let package = Package {
        name: name(),
        version: version(),
        attempt: 1,
        state: PackageState::Failed,
        uri: Some(long()),
        size: None,
        sha256: None,
        channel: Some(DownloadChannel::HostGaPlugin),
        signature: Some("A".repeat(32 << 10)),
        error: Some(long()),
    };
    survives(&package);
    let status = FetchStatus {
        state: FetchState::GoalState { incarnation: long(), is_fast_track: true },
        endpoint: Endpoint::WELL_KNOWN,
        goal_state_id: Some(long()),
        fast_track: None,
        error: Some(long()),
        notes: many(&long()),
    };
    survives(&status);
    survives(&EndpointProblem { address: Endpoint::WELL_KNOWN, since: long(), failures: 1 });
    survives(&Failed { unit: long(), result: long(), exit_code: long(), exit_status: long() });
    let told = RoleProperties { fingerprint: long(), result: long() };
    let health = Health {
        state: HealthState::Failed,
        description: long(),
        vm_id: long(),
        at: long(),
        http_status: None,
        unsent: Some(long()),
        role_properties: Some(told),
    };
    survives(&health);
    survives(&Cursor {
        fast_track_created_on: Some(long()),
        download_channel: Some(DownloadChannel::Direct),
    });
}

#[test]
fn certificates() {
    let thumbprint = Thumbprint::try_from("A".repeat(40)).unwrap();
    let sealed = SealedCertificates {
        uri_incarnation: long(),
        container_id: long(),
        cipher_requested: CertificateCipher::TripleDes,
        transport_thumbprint: thumbprint.clone(),
        format: Some(long()),
        data_base64: Some("A".repeat(6 << 20)),
    };
    survives(&sealed);
    let row = CertificateRow {
        thumbprint: thumbprint.clone(),
        has_private_key: true,
        subject: long(),
        issuer: long(),
        not_after: long(),
        friendly_name: Some(long()),
        key_type: long(),
        state: CertificateState::Installed,
    };
    let unsealed = Certificates {
        certificates: many(&row),
        needs: Some(CertificateCipher::TripleDes),
        mac: MacState::None,
        errors: many(&long()),
    };
    survives(&unsealed);
}

#[test]
fn provisioning_and_its_medium() {
    let status = ProvisionStatus {
        state: ProvisionState::Failed,
        description: long(),
        vm_id: long(),
        ssh_host_key_fingerprint: Some(long()),
        outcome: ProvisionOutcome::Failed,
        agent: ProvisioningAgent::Waagent,
        instance_id: long(),
        reason: Some(ProvisionReason::User),
        errors: many(&StepError { step: long(), reason: ProvisionReason::User, text: long() }),
        steps: many(&Step { name: long(), state: StepState::HeldUp, ms: 1 }),
        host_keys: many(&HostKey { key_type: long(), fingerprint: long() }),
        hostname: Some(long()),
        user: None,
        warnings: many(&long()),
        waits_for: many(&long()),
        uptime_s: 1,
    };
    survives(&status);
    let step = JournalStep { name: long(), state: JournalState::Done, detail: long() };
    survives(&ProvisionJournal { instance_id: long(), steps: many(&step), ..ProvisionJournal::default() });
    let file = MediaFile { name: long(), size: 1, sha256: Digest256::try_from("0".repeat(64)).unwrap() };
    let media = Media {
        state: MediaState::Absent,
        reason: Some(long()),
        device: Some(long()),
        file_system: Some(long()),
        label: Some(long()),
        size: None,
        sha256: None,
        files: many(&file),
        scvmm: false,
    };
    survives(&media);
}

#[test]
fn firewall_and_resource_disk() {
    let firewall = Firewall {
        backend: FirewallBackend::NfTables,
        state: FirewallState::Off,
        address: Endpoint::WELL_KNOWN,
        rules: many(&long()),
        dropped: FirewallDropped::default(),
        foreign: many(&long()),
        problem: Some(long()),
    };
    survives(&firewall);
    let nvme = NvmeDisk { name: long(), model: long(), serial: long(), size_bytes: 1 };
    let disk = ResourceDisk {
        state: DiskState::Failed,
        reason: long(),
        phase: DiskPhase::Mounted,
        device: None,
        evidence: many(&long()),
        partition: None,
        filesystem: Some(long()),
        uuid: Some(long()),
        mount_point: Some(long()),
        mount_options: Some(long()),
        managed_by: Some(long()),
        swap: Some(SwapFile { state: SwapState::Ready, path: long(), size_bytes: 1 }),
        nvme_local: many(&nvme),
        scsi_timeout: Some(ScsiTimeout { value: 1, disks: many(&DiskTimeout { name: long(), seconds: 1 }) }),
        warnings: many(&DiskWarning { code: long(), text: long(), what_to_do: long() }),
    };
    survives(&disk);
}

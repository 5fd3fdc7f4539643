//! Bodies as earlier versions wrote them: they are read, and written again byte for byte.

use super::*;

#[track_caller]
fn stays<T: Body>(old: &str) {
    let body: T = json::read(old.as_bytes(), json::MAX_DEPTH).unwrap();
    assert_eq!(serde_json::to_string(&body).unwrap(), old, "{}", T::NAME);
}

#[test]
fn resource_disk() {
    for (state, swap) in
        [("prepared", "ready"), ("mount-point-not-empty", "in-use"), ("managed-by", "too-large")]
    {
        stays::<ResourceDisk>(&format!(
            r#"{{"state":"{state}","reason":"r","phase":"prepared","device":null,"evidence":[],"partition":null,"filesystem":"ext4","uuid":null,"mount_point":null,"mount_options":null,"managed_by":null,"swap":{{"state":"{swap}","path":"/mnt/resource/swapfile","size_bytes":1}},"nvme_local":[],"scsi_timeout":null,"warnings":[]}}"#
        ));
    }
}

#[test]
fn state_of_the_fetcher() {
    for state in [
        "waiting for the WireServer",
        "unsupported-platform",
        "answers without a usable goal state",
        "no goal state",
        "goal state 5",
        "goal state 5, fast track",
        "goal state ",
    ] {
        stays::<FetchStatus>(&format!(
            r#"{{"state":"{state}","endpoint":"168.63.129.16","goal_state_id":null,"fast_track":null,"error":null,"notes":[]}}"#
        ));
    }
    let other = r#"{"state":"very well","endpoint":"168.63.129.16","goal_state_id":null,"fast_track":null,"error":null,"notes":[]}"#;
    let refused = serde_json::from_str::<FetchStatus>(other).unwrap_err().to_string();
    assert!(refused.contains("not a state of the fetcher"), "{refused}");
}

#[test]
fn health_cursor_and_packages() {
    for state in ["Provisioning", "Ready", "ProvisioningFailed"] {
        stays::<Health>(&format!(
            r#"{{"state":"{state}","description":"","vm_id":"","at":"2026-11-01T00:00:00Z","http_status":200,"unsent":null,"role_properties":null}}"#
        ));
    }
    for channel in ["null", "\"direct\"", "\"host-ga-plugin\""] {
        stays::<Cursor>(&format!(r#"{{"fast_track_created_on":null,"download_channel":{channel}}}"#));
        stays::<Package>(&format!(
            r#"{{"name":"A.B","version":"1.0","attempt":1,"state":"no-match","uri":null,"size":null,"sha256":null,"channel":{channel},"signature":null,"error":null}}"#
        ));
    }
}

#[test]
fn certificates() {
    let thumbprint = "A".repeat(40);
    for cipher in ["AES128_CBC", "DES_EDE3_CBC"] {
        stays::<SealedCertificates>(&format!(
            r#"{{"uri_incarnation":"1","container_id":"c","cipher_requested":"{cipher}","transport_thumbprint":"{thumbprint}","format":null,"data_base64":null}}"#
        ));
        stays::<Certificates>(&format!(
            r#"{{"certificates":[],"needs":"{cipher}","mac":"verified","errors":[]}}"#
        ));
    }
}

#[test]
fn provisioning() {
    for (agent, state, reason) in [
        ("waagent", "done", "null"),
        ("cloud-init", "held-up", "\"failure to create user\""),
        ("disabled", "unchanged", "\"error parsing ovf-env.xml\""),
    ] {
        stays::<ProvisionStatus>(&format!(
            r#"{{"state":"provisioning","description":"","vm_id":"","ssh_host_key_fingerprint":null,"outcome":"already","agent":"{agent}","instance_id":"","reason":{reason},"errors":[{{"step":"user","reason":"read-only system","text":"t"}}],"steps":[{{"name":"user","state":"{state}","ms":1}}],"host_keys":[],"hostname":null,"user":null,"warnings":[],"waits_for":[],"uptime_s":1}}"#
        ));
        stays::<ProvisionJournal>(
            r#"{"instance_id":"","ovf_sha256":"","plan_sha256":"","boot_id":"","created_user":null,"password_given":false,"waiting_since_s":null,"steps":[{"name":"user","state":"started","detail":""}]}"#,
        );
    }
}

//! Packages from a fabric: what comes, what doesn't, and what is said about it.
#![expect(clippy::unwrap_used, reason = "test tooling: it may say what it means")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use waagent_common::digest::sha256;
use waagent_common::documents::PackageState;
use waagent_fabric::fault::{Act, Fault};
use waagent_fabric::route::Route;
use waagent_fetch::packages::channels::Channel;
use waagent_fetch::packages::{Report, run};
use waagent_fetch::plugin::HostIds;

use support::{NoWait, Stand};

mod support;

fn fetch(stand: &Stand) -> Report {
    run(stand.work(), Channel::Direct, None, &mut NoWait::default()).unwrap()
}

const ONE: &str = "Test.One-1.0.0";

#[test]
fn fetches_what_is_wanted_and_says_what_cannot_be_had() {
    let stand = Stand::new("http", "BlockBlob");
    stand.want(&[("Test.One", "1.0.0", 1), ("Test.Two", "2.1.3", 1), ("Test.Missing", "3.0.0", 1)]);
    let report = fetch(&stand);
    assert_eq!((report.ready, report.failed, report.left, report.channel), (2, 1, 0, Channel::Direct));
    let one = stand.package(ONE);
    assert_eq!((one.state, one.attempt, one.channel), (PackageState::Ready, 1, Some(Channel::Direct)));
    let zip = std::fs::read(stand.packages().join(format!("{ONE}.zip"))).unwrap();
    assert_eq!(stand.fabric.blob("/packages/Test.One__1.0.0").unwrap(), zip);
    assert_eq!(
        (one.size, one.sha256.unwrap().as_str()),
        (Some(u64::try_from(zip.len()).unwrap()), sha256(&zip).as_str())
    );
    assert_eq!(one.signature.as_deref(), Some("c2ln"));
    assert!(one.uri.unwrap().ends_with("/packages/Test.One__1.0.0"));
    let missing = stand.package("Test.Missing-3.0.0");
    assert_eq!(missing.state, PackageState::NoMatch);
    assert_eq!(missing.error.unwrap(), "Unable to find version 3.0.0 in manifest for extension Test.Missing");
    let mode = std::fs::metadata(stand.packages().join(format!("{ONE}.zip"))).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert!(!stand.everything().contains("CANARY"), "a signature is in a document");
}

#[test]
fn a_second_run_asks_nothing_and_changes_nothing() {
    let stand = Stand::new("http", "BlockBlob");
    stand.want(&[("Test.One", "1.0.0", 1), ("Test.Missing", "3.0.0", 1)]);
    fetch(&stand);
    let inode = |name: &str| std::fs::metadata(stand.packages().join(name)).unwrap().ino();
    let before = (stand.count(Route::StorageGet), inode("Test.One-1.0.0.json"), inode("Test.One-1.0.0.zip"));
    let report = fetch(&stand);
    assert_eq!((report.ready, report.failed, report.left), (0, 0, 0));
    assert_eq!(
        (stand.count(Route::StorageGet), inode("Test.One-1.0.0.json"), inode("Test.One-1.0.0.zip")),
        before
    );
}

#[test]
fn a_new_attempt_and_a_lost_zip_are_fetched_again() {
    let stand = Stand::new("http", "BlockBlob");
    stand.want(&[("Test.One", "1.0.0", 1)]);
    fetch(&stand);
    std::fs::write(stand.packages().join(format!("{ONE}.zip")), "cut").unwrap();
    assert_eq!(fetch(&stand).ready, 1);
    stand.want(&[("Test.One", "1.0.0", 2)]);
    assert_eq!(fetch(&stand).ready, 1);
    assert_eq!(stand.package(ONE).attempt, 2);
}

#[test]
fn removes_what_is_wanted_no_more_and_what_a_killed_run_left() {
    let stand = Stand::new("http", "BlockBlob");
    stand.want(&[("Test.One", "1.0.0", 1), ("Test.Two", "2.1.3", 1)]);
    fetch(&stand);
    for left in ["00ff.part", ".Test.One-1.0.0.json.tmp", "Old.Name-1.0.zip"] {
        std::fs::write(stand.packages().join(left), "x").unwrap();
    }
    stand.want(&[("Test.Two", "2.1.3", 1)]);
    fetch(&stand);
    assert_eq!(stand.listing(), ["Test.Two-2.1.3.json", "Test.Two-2.1.3.zip"]);
}

#[test]
fn goes_by_the_hosts_plugin_where_storage_is_closed_and_stays_there() {
    let stand = Stand::new("http", "BlockBlob");
    stand.break_routes(&[Route::StorageGet], &Act::Status { code: 404, retry_after: None, text: None });
    stand.want(&[("Test.One", "1.0.0", 1)]);
    let report = fetch(&stand);
    assert_eq!((report.ready, report.channel), (1, Channel::HostGaPlugin));
    assert_eq!(stand.package(ONE).channel, Some(Channel::HostGaPlugin));
    let asked = stand.count(Route::StorageGet);
    stand.want(&[("Test.One", "1.0.0", 1), ("Test.Two", "2.1.3", 1)]);
    let report = run(stand.work(), report.channel, None, &mut NoWait::default()).unwrap();
    assert_eq!((report.ready, stand.count(Route::StorageGet)), (1, asked));
    let artifacts = stand.fabric.record();
    let package = artifacts.of(Route::ExtensionArtifact).last().unwrap().clone();
    let header = |name: &str| {
        package.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).unwrap().1.clone()
    };
    assert!(header("x-ms-artifact-manifest-location").contains("/manifests/Test.Two.xml"));
    assert_eq!(
        (header("x-ms-version"), header("accept-encoding")),
        ("2015-09-01".to_owned(), "identity".to_owned())
    );
}

#[test]
fn goes_directly_where_the_plugin_is_down() {
    let stand = Stand::new("http", "BlockBlob");
    stand.break_routes(
        &[Route::HostPluginVersions, Route::ExtensionArtifact],
        &Act::Status { code: 502, retry_after: None, text: None },
    );
    stand.want(&[("Test.One", "1.0.0", 1)]);
    let report = run(stand.work(), Channel::HostGaPlugin, None, &mut NoWait::default()).unwrap();
    assert_eq!((report.ready, report.channel), (1, Channel::Direct));
}

#[test]
fn a_damaged_body_is_never_taken_and_the_failover_serves() {
    for act in [
        Act::Truncate { keep: 40 },
        Act::ResetInBody { after: 40 },
        Act::WrongLength { length: 100_000 },
        Act::BadChunking,
        Act::Body { text: "<html>login</html>".to_owned() },
    ] {
        let stand = Stand::new("http", "BlockBlob");
        let fault = |path: &str| Fault {
            route: None,
            path: Some(path.to_owned()),
            after: 0,
            count: 0,
            act: act.clone(),
        };
        stand.fabric.set_faults(vec![fault("/manifests/Test.One"), fault("/packages/Test.One")]);
        stand.want(&[("Test.One", "1.0.0", 1)]);
        let report = fetch(&stand);
        assert_eq!((report.ready, report.channel), (1, Channel::HostGaPlugin), "{act:?}");
        assert_eq!(stand.listing(), [format!("{ONE}.json"), format!("{ONE}.zip")]);
    }
}

#[test]
fn says_what_failed_last_when_both_channels_are_closed() {
    let stand = Stand::new("http", "BlockBlob");
    stand.break_routes(
        &[Route::StorageGet, Route::ExtensionArtifact],
        &Act::Status { code: 503, retry_after: Some(9), text: None },
    );
    stand.want(&[("Test.One", "1.0.0", 1)]);
    let mut clock = NoWait::default();
    let report = run(stand.work(), Channel::Direct, None, &mut clock).unwrap();
    assert_eq!((report.ready, report.failed, report.left), (0, 1, 0));
    let one = stand.package(ONE);
    let error = one.error.unwrap();
    assert_eq!(one.state, PackageState::Failed);
    assert!(
        error.starts_with("Failed to get ext handler pkgs of Test.One. Last error: 'http://127.0.0.1:"),
        "{error}"
    );
    assert!(error.contains("status 503") && !error.contains("CANARY"), "{error}");
    assert!(clock.waited.iter().all(|time| time.as_secs() == 9), "{:?}", clock.waited);
    assert_eq!(stand.listing(), [format!("{ONE}.json")]);
}

#[test]
fn a_failure_is_tried_again_with_the_next_goal_state_only() {
    let stand = Stand::new("http", "BlockBlob");
    let gone = Act::Status { code: 404, retry_after: None, text: None };
    stand.break_routes(&[Route::StorageGet, Route::ExtensionArtifact], &gone);
    stand.want(&[("Test.One", "1.0.0", 1)]);
    assert_eq!(fetch(&stand).failed, 1);
    stand.fabric.set_faults(Vec::new());
    assert_eq!(fetch(&stand).ready, 0);
    let mut uris = waagent_common::documents::Document::<waagent_common::documents::Uris>::read(&stand.root)
        .unwrap()
        .body;
    uris.goal_state_id = "incarnation_2".to_owned();
    stand.write(&uris);
    stand.write(&waagent_common::documents::Wanted {
        goal_state_id: "incarnation_2".to_owned(),
        packages: vec![waagent_common::documents::WantedPackage {
            name: "Test.One".try_into().unwrap(),
            version: "1.0.0".try_into().unwrap(),
            attempt: 1,
        }],
    });
    assert_eq!(fetch(&stand).ready, 1);
}

#[test]
fn an_endless_or_oversize_package_ends_at_its_bound() {
    for act in [Act::EndlessBody, Act::Oversize { bytes: 64 << 20 }] {
        let mut stand = Stand::new("http", "BlockBlob");
        stand.settings.max_package = 1 << 20;
        let fault = Fault { route: None, path: Some("/packages/".to_owned()), after: 0, count: 0, act };
        let both = Fault { route: Some(Route::ExtensionArtifact), path: None, ..fault.clone() };
        stand.fabric.set_faults(vec![fault, both]);
        stand.want(&[("Test.One", "1.0.0", 1)]);
        assert_eq!(fetch(&stand).failed, 1);
        let error = stand.package(ONE).error.unwrap();
        assert!(error.contains("larger than 1 MiB") || error.contains("no manifest"), "{error}");
        assert_eq!(stand.listing(), [format!("{ONE}.json")]);
    }
}

#[test]
fn an_endless_manifest_ends_at_its_bound() {
    let stand = Stand::new("http", "BlockBlob");
    stand.break_routes(&[Route::StorageGet, Route::ExtensionArtifact], &Act::EndlessBody);
    stand.want(&[("Test.One", "1.0.0", 1)]);
    assert_eq!(fetch(&stand).failed, 1);
    let error = stand.package(ONE).error.unwrap();
    assert!(error.contains("more than the 4194304 bytes allowed"), "{error}");
}

#[test]
fn asks_for_a_new_goal_state_once_when_the_machine_was_moved() {
    let stand = Stand::new("http", "BlockBlob");
    let gone = Act::Status { code: 404, retry_after: None, text: None };
    stand.break_routes(&[Route::StorageGet], &gone);
    stand.break_routes(
        &[Route::StorageGet, Route::ExtensionArtifact],
        &Act::Status { code: 410, retry_after: None, text: None },
    );
    stand.want(&[("Test.One", "1.0.0", 1)]);
    let report = fetch(&stand);
    assert_eq!((report.ready, report.failed, report.left), (0, 0, 1));
    let stale: HostIds = report.stale.unwrap();
    assert!(!stale.container_id.is_empty() && stand.listing().is_empty());
    // The newest goal state says the same ids: then it is a failure.
    let report = run(stand.work(), Channel::Direct, Some(&stale), &mut NoWait::default()).unwrap();
    assert_eq!((report.failed, report.stale), (1, None));
}

#[test]
fn a_missing_uri_and_a_list_of_another_goal_state_are_told_apart() {
    let stand = Stand::new("http", "BlockBlob");
    stand.want(&[("Test.Unknown", "1.0", 1)]);
    assert_eq!(fetch(&stand).failed, 1);
    assert_eq!(stand.package("Test.Unknown-1.0").state, PackageState::NoUri);
    let mut uris = waagent_common::documents::Document::<waagent_common::documents::Uris>::read(&stand.root)
        .unwrap()
        .body;
    uris.goal_state_id = "incarnation_2".to_owned();
    stand.write(&uris);
    stand.want(&[("Test.Other", "1.0", 1)]);
    let report = fetch(&stand);
    assert_eq!((report.failed, report.left), (0, 1));
}

#[test]
fn plain_http_is_refused_unless_it_is_allowed() {
    let mut stand = Stand::new("http", "BlockBlob");
    stand.settings.allow_http = false;
    stand.want(&[("Test.One", "1.0.0", 1)]);
    assert_eq!(fetch(&stand).failed, 1);
    assert_eq!((stand.package(ONE).state, stand.count(Route::StorageGet)), (PackageState::NoUri, 0));
}

#[test]
fn a_transfer_that_is_killed_in_the_middle_is_made_again() {
    let stand = Stand::new("http", "BlockBlob");
    let fault = |route, path: Option<&str>, count, act| Fault {
        route: Some(route),
        path: path.map(str::to_owned),
        after: 0,
        count,
        act,
    };
    let closed = Act::Status { code: 404, retry_after: None, text: None };
    stand.fabric.set_faults(vec![
        fault(Route::StorageGet, Some("/packages/"), 1, Act::SlowDrip { bytes: 1, ms: 100 }),
        fault(Route::HostPluginVersions, None, 0, closed),
    ]);
    stand.want(&[("Test.One", "1.0.0", 1)]);
    let is_in_the_middle = || stand.count(Route::StorageGet) == 2 && stand.listing().len() == 1;
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_in_the_middle() {
                std::thread::yield_now();
            }
            stand.transfer.kill();
        });
        fetch(&stand)
    });
    assert_eq!((report.ready, report.channel), (1, Channel::Direct));
    assert_eq!(stand.package(ONE).error, None);
    assert_eq!(stand.listing(), ["Test.One-1.0.0.json", "Test.One-1.0.0.zip"]);
}

#[test]
fn without_the_program_for_transfers_the_plugin_serves_and_the_log_says_what_to_do() {
    let stand = Stand::new("http", "BlockBlob");
    std::fs::remove_file(stand.transfer.socket()).unwrap();
    stand.want(&[("Test.One", "1.0.0", 1)]);
    assert_eq!(fetch(&stand).channel, Channel::HostGaPlugin);
    let closed = Act::Status { code: 404, retry_after: None, text: None };
    stand.break_routes(&[Route::HostPluginVersions], &closed);
    stand.want(&[("Test.One", "1.0.0", 2)]);
    assert_eq!(fetch(&stand).ready, 0);
    let error = stand.package(ONE).error.unwrap();
    assert!(error.contains("run 'systemctl start waagent-transfer.socket'"), "{error}");
}

#[test]
fn fifty_packages_come_within_a_second() {
    let scenario = waagent_fabric::scenario::Scenario::parse(
        r#"
        [storage]
        scheme = "http"
        [[package]]
        id = "trivial"
        script = "run.sh"
        files = { "run.sh" = "exit 0" }
        [[extension]]
        name = "Test.N{n}"
        version = "1.0"
        repeat = 50
        package = "trivial"
        "#,
    )
    .unwrap();
    let stand = Stand::with(scenario, &waagent_fabric::fabric::Options::loopback());
    let names: Vec<String> = (1..=50).map(|n| format!("Test.N{n}")).collect();
    let wanted: Vec<(&str, &str, u32)> = names.iter().map(|name| (name.as_str(), "1.0", 1)).collect();
    stand.want(&wanted);
    let report = fetch(&stand);
    assert_eq!((report.ready, stand.count(Route::StorageGet)), (50, 100));
}

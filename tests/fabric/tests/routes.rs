//! Each route of the platform: what it gives, and what it refuses.

mod common;

use std::time::Duration;

use anyhow::{Context, Result};
use common::{WIRE, config, goal_state, send, start, target_of};
use waagent_fabric::fabric::Fabric;
use waagent_fabric::route::Route;
use waagent_fabric::scenario::Scenario;
use waagent_fabric::until::Until;
use waagent_fabric::xml::text_at;

/// Headers that the HostGAPlugin wants.
fn host_headers(fabric: &Fabric) -> Result<Vec<(String, String)>> {
    let goal_state = goal_state(fabric)?;
    let configuration = "Container/RoleInstanceList/RoleInstance/Configuration/ConfigName";
    Ok([
        ("x-ms-version", "2015-09-01".to_owned()),
        ("x-ms-containerid", text_at(&goal_state, "Container/ContainerId")),
        ("x-ms-host-config-name", text_at(&goal_state, configuration)),
        ("x-ms-client-correlationid", "5d20aa".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec())
}

fn borrowed(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn health(fabric: &Fabric, incarnation: u64, state: &str) -> Result<u16> {
    let goal = goal_state(fabric)?;
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Health><GoalStateIncarnation>{incarnation}</GoalStateIncarnation>\
         <Container><ContainerId>{}</ContainerId><RoleInstanceList><Role><InstanceId>{}</InstanceId><Health>\
         <State>{state}</State></Health></Role></RoleInstanceList></Container></Health>",
        text_at(&goal, "Container/ContainerId"),
        text_at(&goal, "Container/RoleInstanceList/RoleInstance/InstanceId"),
    );
    let headers = [&WIRE[..], &[("Content-Type", "text/xml;charset=utf-8")]].concat();
    Ok(send(fabric.addresses().wire_server, "POST", "/machine?comp=health", &headers, body.as_bytes())?
        .status)
}

#[test]
fn offers_the_version_that_agents_speak() -> Result<()> {
    let fabric = start("")?;
    let answer = send(fabric.addresses().wire_server, "GET", "/?comp=Versions", &[], b"")?;
    let supported = answer.xml()?.at("Supported").context("no Supported")?.children.clone();
    assert!(supported.iter().any(|version| version.text() == "2012-11-30"));
    Ok(())
}

#[test]
fn refuses_a_goal_state_request_without_its_headers() -> Result<()> {
    let fabric = start("")?;
    let at = fabric.addresses().wire_server;
    for headers in [&WIRE[..1], &WIRE[1..], &[]] {
        assert_eq!(send(at, "GET", "/machine/?comp=goalstate", headers, b"")?.status, 400);
    }
    assert_eq!(send(at, "GET", "/machine/?comp=goalstate", &WIRE, b"")?.status, 200);
    assert_eq!(fabric.record().count(Route::GoalState), 4);
    Ok(())
}

#[test]
fn gives_every_document_that_the_goal_state_names() -> Result<()> {
    let fabric =
        Fabric::start(Scenario::shipped("multi-config")?, &waagent_fabric::fabric::Options::loopback())?;
    for (name, root) in [
        ("HostingEnvironmentConfig", "HostingEnvironmentConfig"),
        ("SharedConfig", "SharedConfig"),
        ("ExtensionsConfig", "Extensions"),
        ("FullConfig", "FullConfig"),
    ] {
        assert_eq!(config(&fabric, name, &[])?.xml()?.name, root);
    }
    let extensions = config(&fabric, "ExtensionsConfig", &[])?.xml()?;
    let settings = extensions.at("PluginSettings/Plugin").context("no settings")?;
    let named = |name: &str| settings.children.iter().filter(|child| child.name == name).count();
    assert_eq!((named("ExtensionRuntimeSettings"), named("DependsOn")), (3, 2));
    let status = extensions.at("StatusUploadBlob").context("no status blob")?;
    assert_eq!(status.attribute("statusBlobType"), Some("PageBlob"));
    Ok(())
}

#[test]
fn answers_410_to_documents_of_an_older_goal_state() -> Result<()> {
    let fabric = start("[[then]]\nafter = 'manual'\ncontainer_id = '11111111-2222-4333-8444-555555555555'")?;
    let target = target_of(&goal_state(&fabric)?, "SharedConfig")?;
    let headers = host_headers(&fabric)?;
    assert!(fabric.next_goal_state()?);
    let at = fabric.addresses();
    assert_eq!(send(at.wire_server, "GET", &target, &WIRE, b"")?.status, 410);
    assert_eq!(send(at.host_plugin, "GET", "/vmSettings", &borrowed(&headers), b"")?.status, 410);
    let target = target_of(&goal_state(&fabric)?, "SharedConfig")?;
    assert_eq!(send(at.wire_server, "GET", &target, &WIRE, b"")?.status, 200);
    assert!(!fabric.next_goal_state()?, "the scenario has one");
    Ok(())
}

#[test]
fn takes_a_health_report_with_current_ids_only() -> Result<()> {
    let fabric = start("")?;
    assert_eq!(health(&fabric, 7, "Ready")?, 410);
    assert!(!fabric.wait(&Until::Ready, Duration::ZERO));
    assert_eq!(health(&fabric, 1, "Splendid")?, 400);
    assert_eq!(health(&fabric, 1, "Ready")?, 200);
    assert!(fabric.wait(&Until::Ready, Duration::ZERO));
    let machine = text_at(&goal_state(&fabric)?, "Machine/ExpectHealthReport");
    assert_eq!(machine, "FALSE");
    Ok(())
}

#[test]
fn takes_role_properties_and_telemetry() -> Result<()> {
    let fabric = start("")?;
    let headers = [&WIRE[..], &[("Content-Type", "text/xml;charset=utf-8")]].concat();
    let at = fabric.addresses().wire_server;
    let properties = "<RoleProperties><Container><RoleInstances><RoleInstance><Id>x</Id><Properties>\
        <Property name=\"CertificateThumbprint\" value=\"SHA256abc\" /></Properties></RoleInstance></RoleInstances>\
        </Container></RoleProperties>";
    assert_eq!(
        send(at, "POST", "/machine?comp=roleProperties", &headers, properties.as_bytes())?.status,
        202
    );
    let telemetry = "<?xml version=\"1.0\"?><TelemetryData version=\"1.0\"><Provider id=\"69B6\"><Event id=\"1\">\
        <![CDATA[<Param Name=\"Message\" Value=\"a &lt; b &#10;c\" T=\"mt:wstr\" />]]></Event></Provider></TelemetryData>";
    assert_eq!(send(at, "POST", "/machine?comp=telemetrydata", &headers, telemetry.as_bytes())?.status, 200);
    assert_eq!(send(at, "POST", "/machine?comp=telemetrydata", &headers, b"<TelemetryData>")?.status, 400);
    let record = fabric.record();
    assert_eq!(record.role_properties.first().context("none")?.value, "SHA256abc");
    assert_eq!(record.telemetry.first().context("none")?.parameters["Message"], "a < b \nc");
    Ok(())
}

#[test]
fn gives_vm_settings_once_per_etag() -> Result<()> {
    let fabric = start("vm_settings.supported = true\n[[then]]\nafter = 'manual'\nchannel = 'fast-track'")?;
    let (at, headers) = (fabric.addresses().host_plugin, host_headers(&fabric)?);
    let first = send(at, "GET", "/vmSettings", &borrowed(&headers), b"")?;
    let etag = first.header("etag").context("no ETag")?.to_owned();
    let mut known = headers.clone();
    known.push(("if-none-match".into(), etag));
    assert_eq!(send(at, "GET", "/vmSettings", &borrowed(&known), b"")?.status, 304);
    fabric.next_goal_state()?;
    let second = send(at, "GET", "/vmSettings", &borrowed(&known), b"")?;
    let settings: serde_json::Value = serde_json::from_slice(&second.body)?;
    assert_eq!((second.status, &settings["extensionGoalStatesSource"]), (200, &"FastTrack".into()));
    assert_eq!(text_at(&goal_state(&fabric)?, "Incarnation"), "1");
    Ok(())
}

#[test]
fn has_no_vm_settings_on_an_old_host_and_demands_each_header() -> Result<()> {
    let fabric = start("")?;
    let (at, headers) = (fabric.addresses().host_plugin, host_headers(&fabric)?);
    assert_eq!(send(at, "GET", "/vmSettings", &borrowed(&headers), b"")?.status, 404);
    for (name, _) in &headers {
        let rest: Vec<_> = headers.iter().filter(|(other, _)| other != name).cloned().collect();
        assert_eq!(send(at, "GET", "/vmSettings", &borrowed(&rest), b"")?.status, 400, "without {name}");
    }
    Ok(())
}

#[test]
fn passes_artifacts_on() -> Result<()> {
    let fabric =
        Fabric::start(Scenario::shipped("first-boot")?, &waagent_fabric::fabric::Options::loopback())?;
    let extensions = config(&fabric, "ExtensionsConfig", &[])?.xml()?;
    let plugin = extensions.at("Plugins/Plugin").context("no plugin")?;
    let (at, mut headers) = (fabric.addresses().host_plugin, host_headers(&fabric)?);
    let manifest_uri = plugin.attribute("location").context("no location")?;
    headers.push(("x-ms-artifact-location".into(), manifest_uri.to_owned()));
    let manifest = send(at, "GET", "/extensionArtifact", &borrowed(&headers), b"")?.xml()?;
    let uri = text_at(&manifest, "Plugins/Plugin/Uris/Uri");
    *headers.last_mut().context("no headers")? = ("x-ms-artifact-location".into(), uri);
    let package = send(at, "GET", "/extensionArtifact", &borrowed(&headers), b"")?;
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(package.body))?;
    let manifest: serde_json::Value = serde_json::from_reader(zip.by_name("HandlerManifest.json")?)?;
    assert_eq!(manifest[0]["handlerManifest"]["enableCommand"], "bin/hello.sh enable");
    *headers.last_mut().context("no headers")? =
        ("x-ms-artifact-location".into(), "https://evil.example/x".into());
    assert_eq!(send(at, "GET", "/extensionArtifact", &borrowed(&headers), b"")?.status, 400);
    Ok(())
}

#[test]
fn gives_instance_metadata_by_path() -> Result<()> {
    let fabric = start("vm.name = 'pear'")?;
    let at = fabric.addresses().imds;
    let metadata = [("Metadata", "True")];
    let name = "/metadata/instance/compute/name?api-version=2021-02-01&format=text";
    assert_eq!(send(at, "GET", name, &metadata, b"")?.text(), "pear");
    assert_eq!(send(at, "GET", name, &[], b"")?.status, 400);
    assert_eq!(send(at, "GET", "/metadata/instance", &metadata, b"")?.status, 400);
    assert_eq!(send(at, "GET", "/metadata/orchard?api-version=2021-02-01", &metadata, b"")?.status, 404);
    let proxied = [metadata[0], ("X-Forwarded-For", "10.0.0.9")];
    assert_eq!(send(at, "GET", name, &proxied, b"")?.status, 400);
    Ok(())
}

#[test]
fn instance_metadata_writes_out_a_key_that_is_named_by_certificate() -> Result<()> {
    let scenario = "[[certificate]]\nname = 'login'\n[provision]\nhost_name = 'pear'\nuser_name = 'tree'\n\
        [[provision.public_key]]\npath = '/home/tree/.ssh/authorized_keys'\ncertificate = 'login'";
    let fabric = start(scenario)?;
    let target = "/metadata/instance/compute/publicKeys?api-version=2021-02-01";
    let answer = send(fabric.addresses().imds, "GET", target, &[("Metadata", "true")], b"")?;
    let keys: serde_json::Value = serde_json::from_slice(&answer.body)?;
    assert_eq!(keys[0]["path"], "/home/tree/.ssh/authorized_keys");
    assert!(keys[0]["keyData"].as_str().is_some_and(|key| key.starts_with("ssh-rsa AAAA")), "{keys}");
    Ok(())
}

#[test]
fn demands_that_uid_0_opened_the_connection() -> Result<()> {
    let fabric = start("require_uid0_opener = true")?;
    let at = fabric.addresses().wire_server;
    let own = nix::unistd::getuid();
    let wanted = if own.is_root() { 200 } else { 403 };
    assert_eq!(send(at, "GET", "/?comp=versions", &[], b"")?.status, wanted);
    let exchange = fabric.record().exchanges.pop().context("nothing on record")?;
    assert_eq!(exchange.opener_uid, Some(own.as_raw()));
    if waagent_untested::is_root("to open a connection as another user") {
        let request = format!(
            "exec 3<>/dev/tcp/{}/{}; printf 'GET /?comp=versions HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' >&3; head -n1 <&3",
            at.ip(),
            at.port()
        );
        let nobody = std::process::Command::new("setpriv")
            .args(["--reuid=65534", "--clear-groups", "bash", "-c", &request])
            .output()?;
        assert!(String::from_utf8_lossy(&nobody.stdout).contains(" 403 "), "{nobody:?}");
        assert_eq!(fabric.record().exchanges.pop().context("nothing")?.opener_uid, Some(65534));
    }
    Ok(())
}

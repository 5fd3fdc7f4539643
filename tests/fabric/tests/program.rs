//! The program: what it writes for the DVD, and how one asks a running fabric.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, Result};
use common::{Answer, openssl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use waagent_fabric::fabric::{Fabric, Options};
use waagent_fabric::scenario::Scenario;
use waagent_fabric::xml::{self, text_at};

const SCENARIOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");

fn run(arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(env!("CARGO_BIN_EXE_waagent-fabric")).args(arguments).output()?)
}

#[test]
fn every_shipped_scenario_can_be_played() -> Result<()> {
    for entry in fs::read_dir(SCENARIOS)? {
        let path = entry?.path();
        let fabric = Fabric::start(Scenario::load(&path)?, &Options::loopback())?;
        while fabric.next_goal_state()? {}
        assert_eq!(
            common::goal_state(&fabric).is_ok(),
            path.file_stem() != Some("faults".as_ref()),
            "{path:?}"
        );
    }
    Ok(())
}

#[test]
fn refuses_a_scenario_and_says_what_is_wrong() -> Result<()> {
    for (text, reason) in [
        ("[vm]\nnmae = 'x'", "unknown field `nmae`"),
        ("[[extension]]\nname = 'A.B'\npackage = 'x'", "no package 'x'"),
        (
            "[[extension]]\nname = 'A.B'\nsettings = { protected = {}, certificate = 'x' }",
            "no certificate 'x'",
        ),
        ("[[then]]\nafter = 'christmas'", "no condition 'christmas'"),
        ("[[fault]]\nroute = 'moon'\nact = 'chunked'", "unknown variant `moon`"),
    ] {
        let error = Scenario::parse(text).err().context("was taken")?;
        assert!(format!("{error:#}").contains(reason), "{error:#}");
    }
    let output = run(&["canaries", "--scenario", "/nonexistent/x.toml"])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("'/nonexistent/x.toml'"));
    Ok(())
}

#[test]
fn writes_the_dvd_with_the_keys_that_the_platform_will_send() -> Result<()> {
    let folder = TempDir::new()?;
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    fs::write(folder.path().join("me.pub"), "ssh-ed25519 AAAAC3Nz me@desk\n")?;
    let scenario = format!("{SCENARIOS}/first-boot.toml");
    let (state, dvd, key) = (at("state"), at("dvd"), at("me.pub"));
    let common = ["media", "--scenario", &scenario, "--state", &state, "--out", &dvd, "--ssh-key", &key];
    let output = run(&common)?;
    assert!(output.status.success(), "{output:?}");
    let ovf = fs::read_to_string(folder.path().join("dvd/ovf-env.xml"))?;
    let environment = xml::parse(&ovf)?;
    let set = environment.at("ProvisioningSection/LinuxProvisioningConfigurationSet").context("no set")?;
    assert_eq!(text_at(set, "UserPassword"), "CANARY-password-3f81c2 & <more>");
    let keys = &set.at("SSH/PublicKeys").context("no keys")?.children;
    assert_eq!(keys.len(), 2);
    assert_eq!(text_at(&keys[1], "Value"), "ssh-ed25519 AAAAC3Nz me@desk");
    let options = Options { state: Some(state.clone().into()), ..Options::loopback() };
    let fabric = Fabric::start(Scenario::load(Path::new(&scenario))?, &options)?;
    assert_eq!(text_at(&keys[0], "Fingerprint"), fabric.thumbprint("ssh-login")?);
    assert!(run(&common)?.status.success());
    assert_eq!(
        fs::read_to_string(folder.path().join("dvd/ovf-env.xml"))?,
        ovf,
        "a second run changes nothing"
    );
    Ok(())
}

#[test]
fn gives_a_certificate_s_key_as_ssh_keygen_does() -> Result<()> {
    let folder = TempDir::new()?;
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let scenario = format!("{SCENARIOS}/no-extensions.toml");
    run(&["media", "--scenario", &scenario, "--state", &path("state"), "--out", &path("dvd")])?;
    let key = path("state/certs/TenantEncryptionCert.key");
    let keygen = Command::new("ssh-keygen").args(["-y", "-f", &key]).output()?;
    let line = String::from_utf8(keygen.stdout)?;
    let ovf = fs::read_to_string(folder.path().join("dvd/ovf-env.xml"))?;
    assert!(line.starts_with("ssh-rsa ") && ovf.contains(line.trim()), "{line}{ovf}");
    Ok(())
}

#[test]
fn lists_the_secrets_in_the_forms_they_may_appear_in() -> Result<()> {
    let folder = TempDir::new()?;
    let state = folder.path().to_string_lossy().into_owned();
    let output =
        run(&["canaries", "--scenario", &format!("{SCENARIOS}/first-boot.toml"), "--state", &state])?;
    let canaries: Value = serde_json::from_slice(&output.stdout)?;
    let strings =
        |name: &str| -> Vec<String> { serde_json::from_value(canaries[name].clone()).unwrap_or_default() };
    let scenario = Scenario::shipped("first-boot")?;
    let data = scenario.provision.and_then(|provision| provision.custom_data).context("no custom data")?;
    for shift in ["", "x", "xy"] {
        let encoded = openssl(folder.path(), &["base64", "-A"], format!("{shift}{data}").as_bytes())?;
        let encoded = String::from_utf8(encoded)?;
        assert!(strings("custom-data").iter().any(|text| encoded.contains(text.as_str())), "shift {shift:?}");
    }
    let key = fs::read_to_string(folder.path().join("certs/ssh-login.key"))?;
    let certificate = fs::read_to_string(folder.path().join("certs/ssh-login.crt"))?;
    let modulus = openssl(folder.path(), &["rsa", "-pubout"], key.as_bytes())?;
    let public = certificate + &String::from_utf8(modulus)?;
    let lines = strings("private-key ssh-login");
    assert_eq!(lines.iter().filter(|line| key.contains(line.as_str())).count(), 2);
    assert!(lines.len() == 4 && !lines.iter().any(|line| public.contains(line.as_str())));
    Ok(())
}

/// Killed when the test ends, however it ends.
struct Served {
    child: Child,
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Serves on ephemeral ports; gives the WireServer's address and the control address.
fn serve(scenario: &str, state: &str) -> Result<(Served, SocketAddr, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waagent-fabric"));
    command.args(["serve", "--scenario", &format!("{SCENARIOS}/{scenario}.toml"), "--state", state]);
    for listener in ["wire-server", "host-plugin", "imds", "storage-http", "storage-https", "control"] {
        command.args([&format!("--{listener}"), "127.0.0.1:0"]);
    }
    let mut served = Served { child: command.stdout(Stdio::piped()).spawn()? };
    let mut line = String::new();
    BufReader::new(served.child.stdout.take().context("no output")?).read_line(&mut line)?;
    let address = |name: &str| -> Result<String> {
        let (_, rest) = line.split_once(&format!("{name}: ")).context("no address")?;
        Ok(rest.split([',', ' ', '}']).next().unwrap_or_default().to_owned())
    };
    Ok((served, address("wire_server")?.parse()?, address("control")?))
}

#[test]
fn is_asked_and_told_by_its_control_port() -> Result<()> {
    let folder = TempDir::new()?;
    let state = folder.path().to_string_lossy().into_owned();
    let (mut served, wire_server, control) = serve("certificates-3des", &state)?;
    let wait = |until: &str, timeout: &str| -> Result<Option<i32>> {
        Ok(run(&["wait", "--control", &control, "--until", until, "--timeout", timeout])?.status.code())
    };
    assert_eq!(wait("requests:goal-state=1", "1")?, Some(1));
    common::send(wire_server, "GET", "/machine/?comp=goalstate", &common::WIRE, b"")?;
    assert_eq!(wait("requests:goal-state=1", "1")?, Some(0));
    assert_eq!(run(&["next", "--control", &control])?.status.code(), Some(0));
    assert_eq!(run(&["next", "--control", &control])?.status.code(), Some(1));
    let record: Value = serde_json::from_slice(&run(&["record", "--control", &control])?.stdout)?;
    assert_eq!(record["counts"]["goal-state"], 1);
    assert_eq!(record["goal_states"][1]["incarnation"], 2);
    let pretty = String::from_utf8(run(&["record", "--control", &control, "--pretty"])?.stdout)?;
    assert!(pretty.contains("goal-state") && pretty.contains("incarnation 2"), "{pretty}");
    kill(Pid::from_raw(i32::try_from(served.child.id())?), Signal::SIGTERM)?;
    assert!(served.child.wait()?.success());
    let kept: Value = serde_json::from_slice(&fs::read(folder.path().join("record.json"))?)?;
    assert_eq!(kept["exchanges"], record["exchanges"]);
    Ok(())
}

#[test]
fn serves_one_request_after_another_on_one_connection() -> Result<()> {
    let fabric = common::start("")?;
    let mut stream = TcpStream::connect(fabric.addresses().wire_server)?;
    for _ in 0..2 {
        stream.write_all(b"GET /?comp=versions HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let answer = Answer { head: String::from_utf8(head)?, ..Answer::default() };
        let length = answer.header("content-length").context("no length")?.parse()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        assert!(body.ends_with(b"</Versions>"));
    }
    drop(fabric);
    assert_eq!(stream.read(&mut [0])?, 0, "closed when the fabric stops");
    Ok(())
}

#[test]
fn reads_chunked_bodies_and_refuses_garbage() -> Result<()> {
    let fabric = common::start("")?;
    let at = fabric.addresses().wire_server;
    let mut stream = TcpStream::connect(at)?;
    stream.write_all(
        b"POST /HealthService HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
          3\r\n{\"a\r\n5\r\n\": 1}\r\n0\r\n\r\n",
    )?;
    assert_eq!(common::read_answer(&mut stream)?.status, 200);
    let record = fabric.record();
    assert_eq!(record.health_service, [serde_json::json!({"a": 1})]);
    let mut stream = TcpStream::connect(at)?;
    stream.write_all(b"PLUMS\r\n\r\n")?;
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(common::send(at, "GET", "/?comp=versions", &[], b"")?.status, 200);
    assert!(fabric.record().complaints.iter().any(|complaint| complaint.contains("WireServer")));
    Ok(())
}

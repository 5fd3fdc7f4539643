use crate::failure::Kind;
use crate::goal_state::environment;
use crate::goal_state::wire::parse;

const FULL: &str = include_str!("../../../tests/examples/goal-state.xml");

#[test]
fn reads_a_full_goal_state() {
    let state = parse(FULL.as_bytes()).unwrap();
    assert_eq!(state.identity.incarnation, "5");
    assert_eq!(state.identity.container_id, "c6d5526c-5ac2-4200-b6e2-56f2b70c5ab2");
    assert_eq!(state.identity.instance_id, "b61f93d0-e1ed-40b2-b067-22c243233448._plum-07");
    assert!(state.identity.config_name.ends_with("._plum-07.1.xml"));
    assert!(state.expects_health);
    let certificates = state.certificates.unwrap();
    assert!(certificates.ends_with("?comp=certificates&incarnation=5"), "{certificates}");
    assert_eq!(
        state.remote_access.unwrap(),
        "http://168.63.129.16:80/remote?comp=remoteaccessinfo&incarnation=5"
    );
}

#[test]
fn names_the_element_that_is_missing() {
    for element in ["Incarnation", "ContainerId", "InstanceId", "ConfigName"] {
        let broken = FULL.replace(&format!("<{element}>"), &format!("<X{element}>"));
        let broken = broken.replace(&format!("</{element}>"), &format!("</X{element}>"));
        let error = parse(broken.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(element) && error.contains("missing"), "{error}");
    }
}

#[test]
fn tells_a_goal_state_that_is_not_there_yet_from_a_wrong_one() {
    let early = FULL.replace("RoleInstance>", "Other>");
    let failure = parse(early.as_bytes()).unwrap_err();
    assert_eq!(failure.kind, Kind::NoRoleInstance);
    assert_eq!(failure.text, "goal state: no RoleInstance [incarnation 5]");
    let evil = FULL.replace("<Incarnation>5", "<Incarnation>5&#10;x");
    assert!(
        parse(evil.as_bytes())
            .unwrap_err()
            .to_string()
            .contains("'Incarnation': no printable ASCII: '5\\nx'")
    );
    let long = FULL.replace("<Incarnation>5", &format!("<Incarnation>{}", "5".repeat(257)));
    assert!(parse(long.as_bytes()).unwrap_err().to_string().contains("longer than 256"));
}

#[test]
fn reads_names_of_this_machine_and_no_keys() {
    let hosting =
        environment::hosting(include_bytes!("../../../tests/examples/hosting-environment.xml")).unwrap();
    assert_eq!(hosting.vm_name.as_deref(), Some("plum-07"));
    assert_eq!(hosting.tenant_certificate.unwrap().as_str(), "F6ABAA61098A301EBB8A571C3C7CF77F355F7FA9");
    let own =
        environment::shared(include_bytes!("../../../tests/examples/shared-config.xml")).unwrap().unwrap();
    assert_eq!(own.address.as_deref(), Some("10.1.2.4"));
    assert_eq!(own.rdma.first().unwrap().mac, "001dd8a1a2a3");
}

#[test]
fn takes_an_environment_that_says_nothing() {
    let hosting = environment::hosting(b"<HostingEnvironmentConfig/>").unwrap();
    assert_eq!(hosting, environment::HostingEnvironment::default());
    assert_eq!(environment::shared(b"<SharedConfig/>").unwrap(), None);
    assert!(environment::shared(b"<SharedConfig>").is_err());
}

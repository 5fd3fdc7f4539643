//! The goal state and the small documents beside it.

use crate::platform::Platform;
use crate::xml::escape;

impl Platform {
    /// `GoalState`.
    pub fn goal_state_xml(&self) -> String {
        let spec = &self.scenario.goal_state;
        let goal = &self.goal;
        let instances = if goal.polls > spec.without_role_instance || goal.number > 0 {
            self.role_instance()
        } else {
            String::new()
        };
        let remote = if goal.remote_users.is_empty() {
            String::new()
        } else {
            format!("<RemoteAccessInfo>{}</RemoteAccessInfo>", self.uri("comp=remoteaccessinfo"))
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<GoalState \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xsi:noNamespaceSchemaLocation=\"goalstate10.xsd\"><Version>2012-11-30</Version>\
             <Incarnation>{}</Incarnation><Machine><ExpectedState>Started</ExpectedState>\
             <StopRolesDeadlineHint>300000</StopRolesDeadlineHint><LBProbePorts><Port>16001</Port></LBProbePorts>\
             <ExpectHealthReport>{}</ExpectHealthReport></Machine><Container><ContainerId>{}</ContainerId>\
             <RoleInstanceList>{instances}</RoleInstanceList>{remote}</Container></GoalState>",
            goal.incarnation,
            if self.record.is_ready() { "FALSE" } else { "TRUE" },
            escape(&goal.container_id),
        )
    }

    fn role_instance(&self) -> String {
        let config = |kind: &str| self.uri(&format!("comp=config&type={kind}"));
        let certificates = if self.scenario.goal_state.without_certificates {
            String::new()
        } else {
            format!("<Certificates>{}</Certificates>", self.uri("comp=certificates"))
        };
        format!(
            "<RoleInstance><InstanceId>{}</InstanceId><State>Started</State><Configuration>\
             <HostingEnvironmentConfig>{}</HostingEnvironmentConfig><SharedConfig>{}</SharedConfig>\
             <ExtensionsConfig>{}</ExtensionsConfig><FullConfig>{}</FullConfig>{certificates}\
             <ConfigName>{}</ConfigName></Configuration></RoleInstance>",
            escape(&self.instance_id()),
            config("hostingEnvironmentConfig"),
            config("sharedConfig"),
            config("extensionsConfig"),
            config("fullConfig"),
            escape(&self.config_name()),
        )
    }

    /// An absolute URI of this goal state, escaped for XML.
    fn uri(&self, query: &str) -> String {
        let role_instance = self.instance_id().replace('.', "%2E");
        escape(&format!(
            "http://{}/machine/{}/{role_instance}?{query}&incarnation={}",
            self.authority, self.goal.container_id, self.goal.incarnation
        ))
    }

    /// `InstanceId`.
    pub fn instance_id(&self) -> String {
        format!("{}._{}", self.scenario.goal_state.deployment_id, self.scenario.vm.name)
    }

    /// `ConfigName`.
    pub fn config_name(&self) -> String {
        let (deployment, n) = (&self.scenario.goal_state.deployment_id, self.goal.incarnation);
        format!("{deployment}.{n}.{deployment}.{n}._{}.1.xml", self.scenario.vm.name)
    }

    /// `HostingEnvironmentConfig`.
    pub fn hosting_environment_xml(&self) -> String {
        let certificates: String = self
            .goal
            .certificates
            .iter()
            .filter_map(|name| Some((name, self.identities.get(name)?.thumbprint().ok()?)))
            .map(|(name, thumbprint)| {
                format!(
                    "<StoredCertificate name=\"Stored0{0}\" certificateId=\"sha1:{thumbprint}\" storeName=\"My\" \
                     configurationLevel=\"System\" />",
                    escape(name)
                )
            })
            .collect();
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><HostingEnvironmentConfig version=\"1.0.0.0\" \
             goalStateIncarnation=\"{0}\"><StoredCertificates>{certificates}</StoredCertificates>\
             <Deployment name=\"{1}\" guid=\"{{{1}}}\" incarnation=\"{0}\" /><Incarnation number=\"{0}\" \
             instance=\"_{2}\" guid=\"{{{1}}}\" /><Role name=\"{2}\" guid=\"{{{1}}}\" settleTimeSeconds=\"0\" />\
             <HostingEnvironmentSettings name=\"full\" Runtime=\"fabric\" /><ApplicationSettings>\
             <Setting name=\"DataConnectionString\" value=\"AccountKey={3}\" /></ApplicationSettings>\
             </HostingEnvironmentConfig>",
            self.goal.incarnation,
            escape(&self.scenario.goal_state.deployment_id),
            escape(&self.scenario.vm.name),
            escape(&self.scenario.storage.signature),
        )
    }

    /// `SharedConfig`.
    pub fn shared_config_xml(&self) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><SharedConfig version=\"1.0.0.0\" \
             goalStateIncarnation=\"{0}\"><Deployment name=\"{1}\" guid=\"{{{1}}}\" incarnation=\"{0}\" \
             isNonCancellableTopologyChangeEnabled=\"false\"><Service name=\"{2}\" guid=\"{{{1}}}\" />\
             <ServiceInstance name=\"{1}.{0}\" guid=\"{{{1}}}\" /></Deployment><Incarnation number=\"1\" \
             instance=\"_{2}\" guid=\"{{{1}}}\" /><Role guid=\"{{{1}}}\" name=\"{2}\" settleTimeSeconds=\"0\" />\
             <LoadBalancerSettings timeoutSeconds=\"32\" waitLoadBalancerProbeCount=\"8\"><Probes /></LoadBalancerSettings>\
             <OutputEndpoints /><Instances><Instance id=\"_{2}\" address=\"{3}\"><FaultDomains randomId=\"0\" \
             updateId=\"0\" updateCount=\"0\" /><InputEndpoints><Endpoint name=\"SSH\" address=\"{3}:22\" \
             protocol=\"tcp\" hostName=\"{2}\" isPublic=\"true\" loadBalancedPublicAddress=\"192.0.2.7:22\" \
             enableDirectServerReturn=\"false\" isDirectAddress=\"false\" disableStealthMode=\"false\">\
             <LocalPorts><LocalPortRange from=\"22\" to=\"22\" /></LocalPorts></Endpoint></InputEndpoints>\
             </Instance></Instances></SharedConfig>",
            self.goal.incarnation,
            escape(&self.scenario.goal_state.deployment_id),
            escape(&self.scenario.vm.name),
            escape(&self.scenario.vm.address),
        )
    }
}

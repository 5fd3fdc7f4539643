//! WireServer, port 80: goal state and its documents out, health, role properties and telemetry in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::x509::X509;
use serde_json::Value;

use crate::cms::Envelope;
use crate::http::{Request, Response};
use crate::identity::Identity;
use crate::platform::Platform;
use crate::record::{HealthReport, RoleProperty};
use crate::route::Route;
use crate::scenario::CertificateSpec;
use crate::xml::{self, Element, escape, text_at};

impl Platform {
    /// Answers one request to the WireServer.
    pub fn wire_server(&mut self, route: Route, request: &Request) -> Response {
        let open =
            matches!(route, Route::Versions | Route::HealthJson | Route::HealthService | Route::Unknown);
        if !open && let Some(refusal) = lacks_headers(request) {
            return refusal;
        }
        match route {
            Route::Versions => Response::xml(VERSIONS.to_owned()),
            Route::GoalState => {
                self.goal.polls += 1;
                Response::xml(self.goal_state_xml())
            }
            Route::Health => self.health(request),
            Route::HealthJson => self.health_json(request),
            Route::RoleProperties => self.role_properties(request),
            Route::Telemetry => self.telemetry(request),
            Route::HealthService => self.health_service(request),
            Route::Unknown => Response::refused(404, "WireServer has no such resource"),
            _ => self.config(route, request),
        }
    }

    /// The documents whose URIs the goal state names.
    fn config(&self, route: Route, request: &Request) -> Response {
        if !request.path().contains(self.goal.container_id.as_str()) {
            return Response::refused(410, "the container id isn't the one of the goal state");
        }
        if request.query("incarnation") != Some(self.goal.incarnation.to_string().as_str()) {
            return Response::refused(410, "the incarnation isn't the one of the goal state");
        }
        match route {
            Route::HostingEnvironment => Response::xml(self.hosting_environment_xml()),
            Route::SharedConfig => Response::xml(self.shared_config_xml()),
            Route::ExtensionsConfig => Response::xml(self.goal.extensions_config.clone()),
            Route::FullConfig => Response::xml("<FullConfig />".to_owned()),
            Route::Certificates => self.sealed(request, Self::certificates_xml),
            Route::RemoteAccess => self.sealed(request, Self::remote_access_xml),
            _ => Response::refused(404, "WireServer has no such resource"),
        }
    }

    /// An answer that is sealed to the certificate in the request.
    fn sealed(&self, request: &Request, answer: impl Fn(&Self, &Seal) -> anyhow::Result<String>) -> Response {
        let Some(certificate) = request.header("x-ms-guest-agent-public-x509-cert") else {
            return Response::refused(400, "no header x-ms-guest-agent-public-x509-cert");
        };
        let certificate = STANDARD.decode(certificate).map(|der| X509::from_der(&der));
        let Ok(Ok(certificate)) = certificate else {
            return Response::refused(400, "x-ms-guest-agent-public-x509-cert isn't base64 of a certificate");
        };
        let cipher = request.header("x-ms-cipher-name").unwrap_or("AES128_CBC");
        let Some(envelope) = Envelope::for_transport(cipher) else {
            return Response::refused(400, format!("x-ms-cipher-name '{cipher}' isn't known"));
        };
        match answer(self, &Seal { certificate, envelope }) {
            Ok(text) => Response::xml(text),
            Err(error) => Response::refused(400, format!("cannot seal to this certificate: {error:#}")),
        }
    }

    fn certificates_xml(&self, seal: &Seal) -> anyhow::Result<String> {
        let spec = &self.scenario.certificates;
        let data = match &spec.data {
            Some(text) => text.clone(),
            None if self.goal.certificates.is_empty() => String::new(),
            None if spec.wrong_recipient => {
                let nobody =
                    CertificateSpec { name: "nobody".into(), subject: None, key: false, at_start: false };
                let certificate = Identity::new(&nobody)?.certificate;
                lines(&seal.envelope.seal(&certificate, &self.goal.pfx)?)
            }
            None => lines(&seal.envelope.seal(&seal.certificate, &self.goal.pfx)?),
        };
        let data = if data.is_empty() { data } else { format!("<Data>{data}</Data>") };
        let format = spec.format.as_deref().unwrap_or("Pkcs7BlobWithPfxContents");
        Ok(format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><CertificateFile \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xsi:noNamespaceSchemaLocation=\"certificates10.xsd\"><Version>2012-11-30</Version>\
             <Incarnation>{}</Incarnation><Format>{}</Format>{data}</CertificateFile>",
            self.goal.incarnation,
            escape(format)
        ))
    }

    /// Passwords are UTF-16, little endian, with a byte order mark.
    fn remote_access_xml(&self, seal: &Seal) -> anyhow::Result<String> {
        let users = self.goal.remote_users.iter().map(|user| {
            let text = "\u{feff}".encode_utf16().chain(user.password.encode_utf16());
            let password: Vec<u8> = text.flat_map(u16::to_le_bytes).collect();
            let sealed = STANDARD.encode(seal.envelope.seal(&seal.certificate, &password)?);
            Ok(format!(
                "<User><Name>{}</Name><Password>{sealed}</Password><Expiration>{}</Expiration><Groups>\
                 <GroupName>Administrators</GroupName></Groups></User>",
                escape(&user.name),
                escape(&user.expiration)
            ))
        });
        let users = users.collect::<anyhow::Result<String>>()?;
        Ok(format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><RemoteAccess><Version>1</Version><Incarnation>{}</Incarnation>\
             <Users>{users}</Users></RemoteAccess>",
            self.goal.incarnation
        ))
    }

    fn health(&mut self, request: &Request) -> Response {
        let health = match posted_xml(request, "Health") {
            Ok(health) => health,
            Err(refusal) => return refusal,
        };
        let at = |path: &str| text_at(&health, &format!("Container/RoleInstanceList/Role/{path}"));
        let mut report = HealthReport {
            state: at("Health/State"),
            sub_status: at("Health/Details/SubStatus"),
            description: at("Health/Details/Description"),
            ..HealthReport::now()
        };
        let sent = (
            text_at(&health, "GoalStateIncarnation"),
            text_at(&health, "Container/ContainerId"),
            at("InstanceId"),
        );
        let expected =
            (self.goal.incarnation.to_string(), self.goal.container_id.clone(), self.instance_id());
        let refusal = match () {
            () if !["Ready", "NotReady"].contains(&report.state.as_str()) => {
                Some(Response::refused(400, format!("health state '{}'", report.state)))
            }
            () if report.description.len() > DESCRIPTION => {
                Some(Response::refused(400, "health description over 4096 bytes"))
            }
            () if sent != expected => {
                Some(Response::refused(410, format!("ids {sent:?} aren't {expected:?}")))
            }
            () => None,
        };
        report.accepted = refusal.is_none();
        self.record.health.push(report);
        refusal.unwrap_or_else(|| Response::empty(200))
    }

    fn health_json(&mut self, request: &Request) -> Response {
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            return Response::refused(400, "health isn't JSON");
        };
        let text =
            |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        self.record.health.push(HealthReport {
            state: text("/state"),
            sub_status: text("/details/subStatus"),
            description: text("/details/description"),
            accepted: true,
            ..HealthReport::now()
        });
        Response::empty(200)
    }

    fn role_properties(&mut self, request: &Request) -> Response {
        let properties = match posted_xml(request, "RoleProperties") {
            Ok(properties) => properties,
            Err(refusal) => return refusal,
        };
        let instance = properties.at("Container/RoleInstances/RoleInstance");
        let listed = instance.and_then(|instance| instance.at("Properties"));
        for property in listed.map(|listed| listed.children.as_slice()).unwrap_or_default() {
            self.record.role_properties.push(RoleProperty {
                name: property.attribute("name").unwrap_or_default().to_owned(),
                value: property.attribute("value").unwrap_or_default().to_owned(),
            });
        }
        Response::empty(202)
    }

    fn telemetry(&mut self, request: &Request) -> Response {
        let telemetry = match posted_xml(request, "TelemetryData") {
            Ok(telemetry) => telemetry,
            Err(refusal) => return refusal,
        };
        for provider in &telemetry.children {
            let provider_id = provider.attribute("id").unwrap_or_default();
            for event in &provider.children {
                if let Err(error) = self.record.telemetry(provider_id, event) {
                    return Response::refused(400, format!("telemetry event: {error:#}"));
                }
            }
        }
        Response::empty(200)
    }

    fn health_service(&mut self, request: &Request) -> Response {
        match serde_json::from_slice(&request.body) {
            Ok(body) => {
                self.record.health_service(body);
                Response::empty(200)
            }
            Err(error) => Response::refused(400, format!("HealthService: not JSON: {error}")),
        }
    }
}

/// To whom and how an answer is sealed.
struct Seal {
    certificate: X509,
    envelope: Envelope,
}

fn lacks_headers(request: &Request) -> Option<Response> {
    if request.header("x-ms-agent-name").is_none() {
        return Some(Response::refused(400, "no header x-ms-agent-name"));
    }
    match request.header("x-ms-version") {
        Some("2012-11-30") => None,
        Some(other) => Some(Response::refused(400, format!("x-ms-version '{other}' isn't supported"))),
        None => Some(Response::refused(400, "no header x-ms-version")),
    }
}

fn posted_xml(request: &Request, root: &str) -> Result<Element, Response> {
    let kind = request.header("content-type").unwrap_or_default();
    if !kind.starts_with("text/xml") {
        return Err(Response::refused(400, format!("Content-Type '{kind}' isn't text/xml")));
    }
    let text = String::from_utf8_lossy(&request.body);
    match xml::parse(&text) {
        Ok(element) if element.name == root => Ok(element),
        Ok(element) => Err(Response::refused(400, format!("root '{}' isn't '{root}'", element.name))),
        Err(error) => Err(Response::refused(400, format!("not XML: {error:#}"))),
    }
}

/// Base64, 64 characters a line.
fn lines(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    lines.join("\n")
}

/// What the platform takes of a description, bytes.
const DESCRIPTION: usize = 4096;
/// Answer to `/?comp=versions`.
const VERSIONS: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Versions><Preferred><Version>2015-04-05</Version>\
</Preferred><Supported><Version>2015-04-05</Version><Version>2012-11-30</Version><Version>2010-12-15</Version>\
</Supported></Versions>";

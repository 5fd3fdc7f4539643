//! The documents of a goal state, in the order in which readers need them.

use waagent_common::documents::{
    Document, GoalState, GoalStateSource, Inputs, OwnInstance, SealedCertificates, Uris, Written, write,
};
use waagent_common::durable;
use waagent_common::fault::Fault;
use waagent_common::log;
use waagent_common::root::Root;
use waagent_common::text::counted;
use waagent_common::types::Sha256;

use super::{Current, Fetcher};
use crate::failure::Failure;
use crate::goal_state::environment;
use crate::goal_state::model::ExtensionsState;
use crate::goal_state::wire::WireGoalState;

impl Fetcher {
    /// Publishes what is new; says whether anything was. `chosen` is the extensions part, if there is a new one.
    pub(super) fn publish(
        &mut self,
        wire: &WireGoalState,
        chosen: Option<ExtensionsState>,
        outdated: bool,
    ) -> Result<bool, Failure> {
        let sealed = Document::<SealedCertificates>::read_if_there(&self.root).unwrap_or(None);
        let is_same = chosen.is_none() && self.current.as_ref().is_some_and(|c| c.identity == wire.identity);
        let known = match Document::<GoalState>::read_if_there(&self.root) {
            Ok(known) => known,
            Err(fault) => {
                log::warning(&format!("{fault}, writing it again"));
                None
            }
        };
        if is_same && known.as_ref().is_some_and(|known| names(known, sealed.as_ref())) {
            return Ok(false);
        }
        let (mut body, uris) = match (chosen, known) {
            (Some(chosen), known) => {
                let (body, uris) = split(chosen);
                (with_last_good_parts(body, outdated, known.as_ref().map(|known| &known.body)), Some(uris))
            }
            (None, Some(known)) => (known.body, None),
            // What was in force is gone, and nothing new was fetched: the next poll fetches everything.
            (None, None) => {
                self.current = None;
                return Ok(false);
            }
        };
        self.fill(&mut body, wire);
        body.certificates_sha256 =
            sealed.as_ref().and_then(|sealed| Sha256::try_from(sealed.digest.as_str()).ok());
        self.write(&body, uris.as_ref(), sealed.as_ref())
            .inspect(|_| {
                self.current = Some(Current {
                    identity: wire.identity.clone(),
                    id: body.id.clone(),
                    created_on: body.created_on.clone(),
                    source: body.source,
                });
            })
            .map_err(Failure::from)
    }

    fn write(
        &mut self,
        body: &GoalState,
        uris: Option<&Uris>,
        sealed: Option<&Document<SealedCertificates>>,
    ) -> Result<bool, Fault> {
        let inputs =
            Inputs::new().optional(sealed).digest("configuration", &self.config.digest_for("waagent-fetch"));
        let mut written = Written::Unchanged;
        if let Some(uris) = uris {
            written = write(&self.root, uris, &Inputs::new(), &self.sandbox)?;
        }
        if write(&self.root, body, &inputs, &self.sandbox)? == Written::Changed {
            written = Written::Changed;
            let channel = match body.source {
                GoalStateSource::Fabric => "the WireServer",
                GoalStateSource::FastTrack => "Fast Track",
            };
            let outdated = if body.outdated { ", outdated: its extensions aren't run" } else { "" };
            let hold = if body.on_hold { ", on hold" } else { "" };
            log::info(&format!(
                "published goal state {}, incarnation {}, {} by {channel}{hold}{outdated}",
                body.id,
                body.incarnation,
                counted(body.extensions.len(), "extension")
            ));
        }
        let made = (body.source == GoalStateSource::FastTrack).then_some(body.created_on.as_str());
        self.fast_track.published(made, &self.root, &self.sandbox)?;
        Ok(written == Written::Changed)
    }

    fn fill(&self, body: &mut GoalState, wire: &WireGoalState) {
        body.incarnation.clone_from(&wire.identity.incarnation);
        body.container_id.clone_from(&wire.identity.container_id);
        body.instance_id.clone_from(&wire.identity.instance_id);
        body.config_name.clone_from(&wire.identity.config_name);
        if let Some(hosting) = &self.environment.hosting {
            body.vm_name.clone_from(&hosting.vm_name);
            body.tenant_certificate.clone_from(&hosting.tenant_certificate);
        }
        if self.environment.shared_config_known {
            body.own_instance.clone_from(&self.environment.own_instance);
        }
    }
}

/// Does the published goal state name the certificates that are there?
fn names(known: &Document<GoalState>, sealed: Option<&Document<SealedCertificates>>) -> bool {
    known.body.certificates_sha256.as_ref().map(Sha256::as_str) == sealed.map(|sealed| sealed.digest.as_str())
}

/// The part that everybody may read, and the part that only we may.
fn split(chosen: ExtensionsState) -> (GoalState, Uris) {
    let uris = Uris {
        goal_state_id: chosen.id.clone(),
        status_blob: chosen.status_blob,
        profile: chosen.profile,
        extensions: chosen.uris,
    };
    let body = GoalState {
        id: chosen.id,
        source: chosen.source,
        created_on: chosen.created_on,
        outdated: false,
        incarnation: String::new(),
        etag: chosen.etag,
        container_id: String::new(),
        instance_id: String::new(),
        config_name: String::new(),
        vm_name: None,
        tenant_certificate: None,
        certificates_sha256: None,
        required_features: chosen.required_features,
        on_hold: chosen.on_hold,
        agent_families: chosen.agent_families,
        extensions: chosen.extensions,
        activity_id: chosen.activity_id,
        correlation_id: chosen.correlation_id,
        svd_sequence_number: chosen.svd_sequence_number,
        own_instance: None,
    };
    (body, uris)
}

/// What an earlier run found out and this one couldn't: the names of the machine, and that a goal state is outdated.
fn with_last_good_parts(mut body: GoalState, outdated: bool, known: Option<&GoalState>) -> GoalState {
    body.outdated = outdated;
    if let Some(known) = known {
        body.vm_name.clone_from(&known.vm_name);
        body.tenant_certificate.clone_from(&known.tenant_certificate);
        body.own_instance.clone_from(&known.own_instance);
        let is_same = known.id == body.id && known.created_on == body.created_on;
        body.outdated = outdated || (is_same && known.outdated && known.source == body.source);
    }
    body
}

/// Checks SharedConfig and puts it where other programs look for it, unchanged; gives our entry in it.
pub(crate) fn shared_config(root: &Root, bytes: &[u8]) -> Result<Option<OwnInstance>, Failure> {
    let own = environment::shared(bytes)?;
    let path = root.state_path("fetch/SharedConfig.xml");
    let is_there = durable::read_bounded(&path, crate::wire_server::SMALL).is_ok_and(|known| known == bytes);
    if !is_there {
        durable::write(&path, bytes, 0o640).map_err(|fault| fault.of("SharedConfig"))?;
    }
    Ok(own)
}

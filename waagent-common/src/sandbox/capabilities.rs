//! The layer of capabilities: capabilities(7).

use caps::{CapSet, Capability, CapsHashSet};

use waagent_declaration::Grant;

/// Drops every capability that isn't declared, from every set; the ambient set is emptied.
pub(super) fn narrow(declared: &[Grant], shortfalls: &mut Vec<String>) {
    let declared: CapsHashSet = declared.iter().filter_map(|grant| grant.what.parse().ok()).collect();
    let mut failed = |set: &str, error: caps::errors::CapsError| {
        shortfalls.push(format!("cannot narrow the {set} capabilities: {error}"));
    };
    drop_bounding(&declared, &mut failed);
    if let Err(error) = caps::clear(None, CapSet::Ambient) {
        failed("ambient", error);
    }
    let permitted = caps::read(None, CapSet::Permitted).unwrap_or_default();
    let kept: CapsHashSet = permitted.intersection(&declared).copied().collect();
    let none = CapsHashSet::new();
    for (name, set, value) in [
        ("inheritable", CapSet::Inheritable, &none),
        ("effective", CapSet::Effective, &kept),
        ("permitted", CapSet::Permitted, &kept),
    ] {
        if let Err(error) = caps::set(None, set, value) {
            failed(name, error);
        }
    }
}

/// Without `CAP_SETPCAP` the bounding set is what the starter made it; that is enough for a user that has nothing
/// permitted and sets `no_new_privs`.
fn drop_bounding(declared: &CapsHashSet, failed: &mut impl FnMut(&str, caps::errors::CapsError)) {
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false) {
        return;
    }
    let bounding = caps::read(None, CapSet::Bounding).unwrap_or_default();
    // CAP_SETPCAP itself goes last: it is what allows the others to go.
    let mut surplus: Vec<Capability> = bounding.difference(declared).copied().collect();
    surplus.sort_by_key(|cap| *cap == Capability::CAP_SETPCAP);
    for cap in surplus {
        if let Err(error) = caps::drop(None, CapSet::Bounding, cap) {
            failed("bounding", error);
        }
    }
}

pub(super) fn permitted() -> Vec<String> {
    names(CapSet::Permitted)
}

pub(super) fn bounding() -> Vec<String> {
    names(CapSet::Bounding)
}

fn names(set: CapSet) -> Vec<String> {
    let mut names: Vec<String> =
        caps::read(None, set).unwrap_or_default().iter().map(ToString::to_string).collect();
    names.sort();
    names
}

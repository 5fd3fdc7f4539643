//! All documents, with their readers: for reports about the whole agent. No program decides anything by it.

use super::{
    Body, Certificates, Command, CommandResult, CrashRecord, Cursor, Endpoint, EndpointProblem,
    ExtensionState, ExtensionStatus, Failed, FetchStatus, Firewall, GoalState, Health, Media, Package, Plan,
    ProvisionJournal, ProvisionStatus, ResourceDisk, SealedCertificates, Transport, TransportProblem, Uris,
    Wanted,
};

/// A document, and who has to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Schema name.
    pub name: &'static str,
    /// Schema version.
    pub major: u32,
    /// Absolute path, or the folder where there are several.
    pub path: &'static str,
    /// The program that writes it (and reads it again, to see whether it changed).
    pub program: &'static str,
    /// The user that its writer runs as.
    pub writer: &'static str,
    /// Bound on writing and on reading, in bytes.
    pub max_bytes: u64,
    /// Permission bits.
    pub mode: u32,
    /// The other programs that read it.
    pub readers: &'static [&'static str],
}

/// The facts of a document type, and its readers.
pub const fn entry<T: Body>(readers: &'static [&'static str]) -> Entry {
    Entry {
        name: T::NAME,
        major: T::MAJOR,
        path: T::PATH,
        program: T::PROGRAM,
        writer: T::WRITER,
        max_bytes: T::MAX_BYTES,
        mode: T::MODE,
        readers,
    }
}

/// Every document that more than one program, or a report, knows; in the order of a boot.
pub const CATALOGUE: &[Entry] = &[
    entry::<Endpoint>(&["waagent-gate", "waagent-fetch", "waagent-ext"]),
    entry::<Firewall>(&[]),
    entry::<Media>(&["waagent-provision"]),
    entry::<ProvisionStatus>(&["waagent-fetch", "waagent-media", "waagent-ext"]),
    entry::<ProvisionJournal>(&[]),
    entry::<ResourceDisk>(&["waagent-supervise"]),
    entry::<Transport>(&["waagent-gate", "waagent-fetch"]),
    entry::<SealedCertificates>(&["waagent-certs"]),
    entry::<Certificates>(&["waagent-fetch", "waagent-provision", "waagent-ext"]),
    entry::<GoalState>(&["waagent-ext"]),
    entry::<Uris>(&[]),
    entry::<Wanted>(&["waagent-fetch"]),
    entry::<Package>(&["waagent-ext"]),
    entry::<Plan>(&[]),
    entry::<ExtensionState>(&[]),
    entry::<CrashRecord>(&[]),
    entry::<Command>(&["waagent-ext-run"]),
    entry::<CommandResult>(&["waagent-ext"]),
    entry::<ExtensionStatus>(&["waagent-fetch"]),
    entry::<Health>(&[]),
    entry::<FetchStatus>(&[]),
    entry::<EndpointProblem>(&[]),
    entry::<TransportProblem>(&[]),
    entry::<Failed>(&["waagent-fetch"]),
    entry::<Cursor>(&[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_type_of_this_folder_is_in_it() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/documents");
        let mut names = Vec::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() || path.file_name().unwrap() == "tests.rs" {
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            names.extend(text.lines().filter_map(|line| {
                Some(
                    line.trim()
                        .strip_prefix("const NAME: &'static str = \"")?
                        .strip_suffix("\";")?
                        .to_owned(),
                )
            }));
        }
        names.sort();
        let mut listed: Vec<&str> = CATALOGUE.iter().map(|entry| entry.name).collect();
        listed.sort_unstable();
        assert_eq!(names, listed);
    }
}

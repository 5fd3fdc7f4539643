//! Packages in: manifest, version choice, download, and a document for each that waagent-ext asked for.

pub mod archive;
pub mod manifest;
pub mod rounds;
pub mod version;

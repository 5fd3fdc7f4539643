//! What the platform's answers say, parsed strictly: no request is made here, nothing is written.

pub(crate) mod environment;
pub(crate) mod extensions_config;
pub(crate) mod model;
pub(crate) mod settings;
pub(crate) mod vm_settings;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

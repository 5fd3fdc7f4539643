//! What the platform's answers say, parsed strictly: no request is made here, nothing is written.

pub mod environment;
pub mod extensions_config;
pub mod model;
pub mod settings;
pub mod vm_settings;
pub mod wire;

#[cfg(test)]
mod tests;

mod extensions_config;
mod fit;
mod vm_settings;
mod wire;

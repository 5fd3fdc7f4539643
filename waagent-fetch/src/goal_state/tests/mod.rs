mod extensions_config;
mod vm_settings;
mod wire;

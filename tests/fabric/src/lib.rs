//! A fake Azure platform for tests and the demo: WireServer, HostGAPlugin, IMDS, storage

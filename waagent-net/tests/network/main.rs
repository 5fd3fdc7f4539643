//! waagent-net in network namespaces of its own: each test makes them on its thread, and nothing is left.

mod firewall;
mod forwarded;
mod space;

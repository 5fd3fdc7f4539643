//! The front command, and the supervisor for machines without systemd

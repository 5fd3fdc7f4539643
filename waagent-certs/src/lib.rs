//! Unseals the certificates that the platform sends

//! Wireserver endpoint, host firewall

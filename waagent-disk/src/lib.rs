//! Reads the provisioning DVD and prepares the resource disk

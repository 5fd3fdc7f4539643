//! Provisions the operating system: user, SSH, sudo, host name, custom data

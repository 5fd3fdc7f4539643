//! The configuration of the agent: one table of keys, and how the files are read.
//!
//! Read in this order, later lines win: `/etc/waagent.conf` (where it is missing or holds no key: the vendor file
//! `/usr/lib/waagent/waagent.conf`, or else the copy that is built in), then `/etc/waagent.conf.d/*.conf` in the order
//! of their names. A bad value never stops the agent: it is a warning and the default holds. What stops it is a file
//! that can't be read, and a key that would move what the sandbox and the labels have fixed: programs exit with 78, CONFIG.
//!
//! ```
//! use waagent_common::config::{Config, IntegerKey, SwitchKey, TextKey};
//! let root = std::env::temp_dir().join("no-configuration-here");
//! let config = Config::load(&root, None)?;
//! assert!(config.switch(SwitchKey::OsEnableFirewall));
//! assert_eq!(config.integer(IntegerKey::ExtensionsGoalStatePeriod), 6);
//! assert_eq!(config.text(TextKey::OsSshDir), "/etc/ssh");
//! # Ok::<(), waagent_common::fault::Fault>(())
//! ```

mod agent;
mod effective;
mod files;
mod integers;
mod lines;
mod nearest;
mod show;
mod switches;
mod table;
mod texts;
mod value;
mod warning;

pub use agent::ChosenAgent;
pub use effective::Config;
pub use files::Sources;
pub use integers::{IntegerKey, OptionalIntegerKey};
pub use switches::SwitchKey;
pub use table::{Form, Key, Kind, REMOVED, Row, Status};
pub use texts::{OptionalTextKey, TextKey};
pub use warning::{Severity, Warning};

#[cfg(test)]
mod tests;

//! The SELinux module as its sources say it: `.te` by domains, `.fc` by paths.

mod contexts;
mod module;

pub use contexts::{Context, contexts, is_below, paths_of, type_of};
pub use module::{Module, Rule, Section, Shape, words};

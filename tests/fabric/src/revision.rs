//! What a goal state says about extensions, whichever way it comes.

use crate::scenario::Channel;
use crate::settings::SealedExtension;

/// One set of extensions and how it came.
#[derive(Clone, Debug)]
pub struct Revision {
    /// By which way.
    pub channel: Channel,
    /// Sealed.
    pub extensions: Vec<SealedExtension>,
    /// The artifacts profile's "on hold"; `None`: there is no profile.
    pub on_hold: Option<bool>,
    /// Time of creation, 100 ns units since year 1.
    pub ticks: i128,
}

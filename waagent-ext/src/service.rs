//! The resident program.

use anyhow::Result;
use waagent_common::fault::Outcome;
use waagent_common::place::Place;

use crate::engine::Engine;

/// Placeholder until the loop is written below.
pub fn serve(engine: Engine<'_>, _place: &Place) -> Result<Outcome> {
    crate::once::work(engine)
}

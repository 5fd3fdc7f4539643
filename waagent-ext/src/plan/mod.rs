//! What to do next: decided from the goal state and what is known, without touching anything.

pub(crate) mod align;
pub(crate) mod order;
pub(crate) mod step;

#[cfg(test)]
mod tests;

//! What to do next: decided from the goal state and what is known, without touching anything.

pub mod align;
pub mod order;
pub mod step;

#[cfg(test)]
mod tests;

//! All HTTP of the agent, and the dialer that opens its platform connections

//! What every program of the agent needs: configuration, documents, sandbox, log

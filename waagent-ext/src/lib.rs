//! Plans, unpacks and runs VM extensions

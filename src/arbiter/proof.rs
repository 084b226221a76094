//! Proofs that drive the real table.

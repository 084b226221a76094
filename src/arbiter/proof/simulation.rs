//! Throughput on a virtual clock.

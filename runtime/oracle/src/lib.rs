//! The oracle relay: turns feed values into bands and publishes signed snapshots.

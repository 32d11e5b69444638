//! The configuration of an origin, and errors at its start.

use std::net::SocketAddr;

use ed25519_dalek::SigningKey;
use iridule_machine::Memory;
use iridule_records::signed::TrustedKeys;

use crate::{painter_process::PaintingLimits, server::ConnectionLimits, store::OriginStore};

/// The configuration of an origin.
#[derive(Debug)]
pub struct OriginConfig {
    /// The address to listen on. Port 0 selects a free port.
    pub listen: SocketAddr,
    /// The store of blocks and renders.
    pub store: OriginStore,
    /// The public keys of the edges whose requests are accepted.
    pub edges: TrustedKeys,
    /// The key that signs responses. Edges know its public half.
    pub key: SigningKey,
    /// How many pictures are painted at once, each in its own process. At least 1.
    pub workers: usize,
    /// Maximum number of jobs that wait or run.
    pub queue: usize,
    /// Memory for the pictures that are being painted, bytes. Responses that are being sent may use as much again.
    pub memory: u64,
    /// Whether to look for graphics devices.
    pub devices: bool,
    /// Whether to use a software device where there is no other.
    pub software: bool,
    /// Limits of connections.
    pub connections: ConnectionLimits,
    /// Limits of painting one picture.
    pub painting: PaintingLimits,
}

/// Why an origin could not start.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// The address is in use, or cannot be used.
    #[error("{address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: std::io::Error,
    },
    /// A thread could not be started.
    #[error("no thread to paint: {0}")]
    Thread(std::io::Error),
}

/// The default of [`OriginConfig::memory`], bytes: a quarter of the memory of the container or the machine. Where the
/// system does not report its memory, 1 GiB is assumed.
#[must_use]
pub fn default_memory() -> u64 {
    Memory::read(1 << 30).bytes / 4
}

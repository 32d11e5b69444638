//! What is asked of the queue, what it is expected to cost, and why it may be refused.

use iridule_origin_api::order::Priority;
use iridule_records::render_key::RenderKey;

/// What a job costs, before it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostEstimate {
    /// Work, in units of any size that stay in proportion within a class.
    pub units: u64,
    /// Which of [`CLASSES`] kinds of work it is: each has a speed of its own.
    pub class: usize,
    /// Memory while it runs, bytes.
    pub bytes: u64,
}

/// Kinds of work whose speed is measured apart.
pub const CLASSES: usize = 4;

/// Who asks for what, and for how long they wait.
#[derive(Debug, Clone, Copy)]
pub struct QueueRequest<'a> {
    /// The picture.
    pub key: RenderKey,
    /// The edge that asks.
    pub edge: &'a str,
    /// Who waits for it there.
    pub priority: Priority,
    /// When nobody waits any more, Unix milliseconds.
    pub deadline_ms: u64,
    /// The time now.
    pub now_ms: u64,
    /// What it is expected to cost.
    pub estimate: CostEstimate,
}

/// Why a request is not taken. Each says after how many milliseconds it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueRefusal {
    /// There is no room, for this edge or at all.
    Full(u64),
    /// It could not be done by its deadline.
    TooLate(u64),
    /// The origin is leaving.
    Closed,
}

/// What bounds a queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Jobs that wait or run.
    pub jobs: usize,
    /// Requests of one edge that wait.
    pub per_edge: usize,
    /// Memory of the jobs that run, bytes. A job that alone needs more runs alone.
    pub bytes: u64,
    /// Jobs that run at once.
    pub workers: usize,
}

//! Jobs: the functions that a worker can run.

use serde::{Serialize, de::DeserializeOwned};

use crate::wire::{MessageKind, WorkerMessage};

/// A function that runs in a worker process.
///
/// Requests, replies and errors are sent as DAG-CBOR. They must not contain NaN, map keys must be strings, and long byte
/// strings should use `serde_bytes`.
pub trait Job: 'static {
    /// The name that identifies the job to parent and child, at most 64 bytes. It must be unique within an executable.
    const NAME: &'static str;
    /// What a worker keeps between requests. A new worker starts with the default value. Only within a [`crate::Session`]
    /// do consecutive requests go to the same worker.
    type State: Default + 'static;
    /// The input.
    type Request: Serialize + DeserializeOwned;
    /// The output.
    type Reply: Serialize + DeserializeOwned;
    /// The error that the job itself returns.
    type Error: Serialize + DeserializeOwned;

    /// Runs the job, in the child process.
    ///
    /// # Errors
    /// The job's own error.
    fn run(state: &mut Self::State, request: Self::Request) -> Result<Self::Reply, Self::Error>;
}

/// A job that an executable can serve.
#[derive(Debug, Clone, Copy)]
pub struct RegisteredJob {
    pub(crate) name: &'static str,
    pub(crate) start: fn() -> Box<dyn JobInstance>,
}

impl RegisteredJob {
    /// Registers a job.
    #[must_use]
    pub const fn of<J: Job>() -> Self {
        Self { name: J::NAME, start: || Box::new(TypedInstance::<J>(J::State::default())) }
    }
}

/// A job with its state, without its types.
pub(crate) trait JobInstance {
    fn answer(&mut self, request: &[u8], reply_bytes: u64) -> WorkerMessage;
}

struct TypedInstance<J: Job>(J::State);

impl<J: Job> JobInstance for TypedInstance<J> {
    fn answer(&mut self, request: &[u8], reply_bytes: u64) -> WorkerMessage {
        let request: J::Request = match serde_ipld_dagcbor::from_slice(request) {
            Ok(request) => request,
            Err(why) => return WorkerMessage::new(MessageKind::Undecodable, why.to_string().into_bytes()),
        };
        let (kind, encoded) = match J::run(&mut self.0, request) {
            Ok(reply) => (MessageKind::Reply, encode(&reply)),
            Err(error) => (MessageKind::JobError, encode(&error)),
        };
        match encoded {
            Ok(body) if body.len() as u64 > reply_bytes => {
                WorkerMessage::new(MessageKind::TooLarge, body.len().to_string().into_bytes())
            }
            Ok(body) => WorkerMessage::new(kind, body),
            Err(why) => WorkerMessage::new(MessageKind::Undecodable, why.into_bytes()),
        }
    }
}

/// Encodes a request or a reply as DAG-CBOR.
pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_ipld_dagcbor::to_vec(value).map_err(|why| why.to_string())
}

//! What a worker may be asked to do.

use serde::{Serialize, de::DeserializeOwned};

use crate::wire::{MessageKind, WorkerMessage};

/// A function that runs in a worker.
///
/// Requests, replies and errors cross as DAG-CBOR: no NaN, map keys are strings, and long byte strings want
/// `serde_bytes`.
pub trait Job: 'static {
    /// The name by which parent and child know it. No two jobs of an executable have the same, and at most 64 bytes.
    const NAME: &'static str;
    /// What a worker keeps from one request to the next. Every worker begins with the default; which worker gets a
    /// request is known only within a [`crate::Session`].
    type State: Default + 'static;
    /// What is asked.
    type Request: Serialize + DeserializeOwned;
    /// What is answered.
    type Reply: Serialize + DeserializeOwned;
    /// Why there is no answer.
    type Error: Serialize + DeserializeOwned;

    /// Does the work, in the child.
    ///
    /// # Errors
    /// The job's own.
    fn run(state: &mut Self::State, request: Self::Request) -> Result<Self::Reply, Self::Error>;
}

/// A job as an executable serves it.
#[derive(Debug, Clone, Copy)]
pub struct RegisteredJob {
    pub(crate) name: &'static str,
    pub(crate) start: fn() -> Box<dyn JobInstance>,
}

impl RegisteredJob {
    /// This job.
    #[must_use]
    pub const fn of<J: Job>() -> Self {
        Self { name: J::NAME, start: || Box::new(TypedInstance::<J>(J::State::default())) }
    }
}

/// A job with its state, its types out of sight.
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

/// DAG-CBOR of a request or a reply.
pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_ipld_dagcbor::to_vec(value).map_err(|why| why.to_string())
}

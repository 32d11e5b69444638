//! Runs work on bytes that come from outside in a child process that a deadline and a memory bound can end.
//!
//! Parsers, painters and decoders are not made to be stopped: once such a call runs on a thread, nothing but the end of
//! the process ends it. So the call runs in a process of its own. The child is this same executable, started again with
//! an empty environment, without inherited descriptors, with resource limits, and with nothing to talk to but its parent.
//! A child that exceeds its time or its memory, panics or aborts is killed and replaced; the caller gets an error that
//! says which of these it was. A child ends when its parent does, however that ends.
//!
//! What a child may do is written down as a [`Job`]: a named function from a request to a reply. A binary that uses the
//! sandbox calls [`serve_if_asked`] with all its jobs before anything else in `main`.
//!
//! ```standalone_crate
//! use iridule_sandbox::{SandboxConfig, Job, RegisteredJob, Sandbox, SandboxError, serve_if_asked};
//!
//! /// Counts the elements of a document, very carefully.
//! struct Count;
//!
//! impl Job for Count {
//!     const NAME: &'static str = "count";
//!     type State = ();
//!     type Request = String;
//!     type Reply = usize;
//!     type Error = String;
//!
//!     fn run(_: &mut (), document: String) -> Result<usize, String> {
//!         match document.as_str() {
//!             "" => Err("there is no document".into()),
//!             "for ever" => loop { std::hint::spin_loop() },
//!             _ => Ok(document.matches('<').count()),
//!         }
//!     }
//! }
//!
//! fn main() {
//!     serve_if_asked([RegisteredJob::of::<Count>()]);
//!
//!     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//!     runtime.block_on(async {
//!         let sandbox = Sandbox::new(SandboxConfig::default());
//!         assert_eq!(sandbox.run::<Count>(&"<a><b/></a>".into()).await.unwrap(), 3);
//!         assert!(matches!(sandbox.run::<Count>(&"".into()).await, Err(SandboxError::Job(_))));
//!         let mut limits = sandbox.limits();
//!         limits.cpu_time = std::time::Duration::from_millis(100);
//!         let ended = sandbox.run_with_limits::<Count>(&"for ever".into(), limits).await;
//!         assert!(matches!(ended, Err(SandboxError::Killed(_))));
//!     });
//! }
//! ```
//!
//! Tests have no `main` of their own: [`WorkerProgram::this_test`] says how they use the sandbox.
//!
//! The deadline holds on every Unix. The memory bound, the processor-time clock and the signal at the parent's death need
//! Linux; elsewhere a child is ended by its deadline alone, and by the end of its connection to the parent.

mod config;
mod error;
mod job;
mod limits;
mod pool;
mod process;
mod program;
mod wire;
mod worker;

pub use config::SandboxConfig;
pub use error::{ExceededLimit, JobKilled, SandboxError, SandboxUnavailable};
pub use job::{Job, RegisteredJob};
pub use limits::{Confinement, DEFAULT_MEMORY, DEFAULT_TIME, JobLimits};
pub use pool::{Sandbox, Session};
pub use program::WorkerProgram;
pub use worker::{report_activity, serve_if_asked};

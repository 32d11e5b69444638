//! The memory bound holds with the allocator of the `iridule` command too, which reserves memory ahead.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod jobs;

use std::time::Duration;

use iridule_sandbox::{
    ExceededLimit, JobLimits, Sandbox, SandboxConfig, SandboxError, WorkerProgram, serve_if_asked,
};
use jobs::{JOBS, Misbehave, Order};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[test]
fn sandbox_worker() {
    serve_if_asked(JOBS.iter().copied());
}

#[tokio::test]
async fn memory_is_bounded_and_what_is_allowed_can_be_used() {
    let sandbox = Sandbox::new(SandboxConfig {
        program: WorkerProgram::this_test("sandbox_worker"),
        limits: JobLimits::new(Duration::from_secs(10), 128 << 20),
        ..SandboxConfig::default()
    });
    let touched = sandbox.run::<Misbehave>(&Order::Touch(80 << 20)).await;
    assert_eq!(touched.unwrap(), (80 << 20).to_string());
    for piece in [100, 4 << 10, 1 << 20, 1 << 30] {
        let outcome = sandbox.run::<Misbehave>(&Order::Allocate(piece)).await;
        let Err(SandboxError::Killed(ended)) = outcome else { panic!("{piece}: {outcome:?}") };
        assert_eq!(ended.limit, ExceededLimit::Memory, "{piece}: {ended}");
    }
    assert_eq!(sandbox.run::<Misbehave>(&Order::Echo("next".into())).await.unwrap(), "next");
}

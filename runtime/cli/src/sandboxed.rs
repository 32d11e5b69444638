//! The sandbox that commands work on styles in, and what bounds a unit of that work.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use iridule_sandbox::{JobLimits, RegisteredJob, Sandbox, SandboxConfig};
use iridule_studio::{BuiltStyle, StyleFolder, StyleSession};

use crate::shade;

/// Every job that this executable serves as a worker.
pub fn jobs() -> impl Iterator<Item = RegisteredJob> {
    let all = [
        iridule_relay::SANDBOX_JOBS,
        iridule_origin::paint_job::SANDBOX_JOBS,
        iridule_studio::session::SANDBOX_JOBS,
        shade::SANDBOX_JOBS,
    ];
    all.into_iter().flatten().copied()
}

/// What bounds a unit of work on somebody's files: a build, a token in all its states, a picture.
#[derive(clap::Args, Debug, Clone, Copy)]
pub struct Bounds {
    /// Seconds of processor time for a unit of work: a build, a token that is checked, a picture. Work that takes longer is
    /// ended, and so is work that takes four times as long by the clock.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    time_limit: u32,
    /// Memory for it, in MiB. Work that takes more is ended.
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(64..=1 << 20))]
    memory_limit: u32,
}

impl Bounds {
    /// The limits of a unit.
    pub fn limits(self) -> JobLimits {
        JobLimits::new(Duration::from_secs(self.time_limit.into()), u64::from(self.memory_limit) << 20)
    }

    /// A sandbox of so many workers.
    pub fn sandbox(self, workers: usize) -> Sandbox {
        Sandbox::new(SandboxConfig { workers, limits: self.limits(), ..SandboxConfig::default() })
    }

    /// Builds a style on a bench of its own.
    pub async fn build(self, folder: &StyleFolder) -> anyhow::Result<(StyleSession, BuiltStyle)> {
        let mut bench = StyleSession::new(&self.sandbox(1), self.limits()).await?;
        let built = bench.build(folder).await?;
        Ok((bench, built))
    }
}

/// A runtime for one command.
pub fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// A bar that is told how many of something are done, and of how many.
pub fn progress(things: &str) -> anyhow::Result<impl Fn(u64, u64)> {
    let template = format!("{{bar:40}} {{pos}}/{{len}} {things}");
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(&template)?);
    Ok(move |done, all| {
        bar.set_length(all);
        bar.set_position(done);
        if done == all {
            bar.finish_and_clear();
        }
    })
}

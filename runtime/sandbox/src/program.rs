//! What is started as a worker: this executable, or one test of it.

use std::{ffi::OsString, io, path::PathBuf, process::Command};

/// What is started as a worker.
#[derive(Debug, Clone, Default)]
pub struct WorkerProgram {
    arguments: Vec<OsString>,
}

impl WorkerProgram {
    /// This executable, whose `main` calls [`crate::serve_if_asked`].
    #[must_use]
    pub fn this_executable() -> Self {
        Self::default()
    }

    /// This executable, which is a test's: the one test whose name contains `name` calls [`crate::serve_if_asked`] and
    /// does nothing else. It passes at once when tests are run, and serves when it is started as a worker.
    ///
    /// ```ignore
    /// #[test]
    /// fn sandbox_worker() {
    ///     iridule_sandbox::serve_if_asked(JOBS);
    /// }
    /// ```
    #[must_use]
    pub fn this_test(name: &str) -> Self {
        let arguments = [name, "--nocapture", "--test-threads=1"];
        Self { arguments: arguments.into_iter().map(OsString::from).collect() }
    }

    /// The command that starts it.
    pub(crate) fn command(&self) -> io::Result<Command> {
        // The file that is run may have been replaced since, by an update: on Linux this still names what runs now.
        let image = PathBuf::from("/proc/self/exe");
        let image = if image.exists() { image } else { std::env::current_exe()? };
        let mut command = Command::new(image);
        command.args(&self.arguments);
        Ok(command)
    }

    /// Whether it is this executable as it is, without a test's arguments.
    pub(crate) fn is_plain(&self) -> bool {
        self.arguments.is_empty()
    }
}

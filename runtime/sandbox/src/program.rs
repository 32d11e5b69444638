//! The program that is started as a worker: this executable, or one test of it.

use std::{ffi::OsString, io, path::PathBuf, process::Command};

/// The program that is started as a worker.
#[derive(Debug, Clone, Default)]
pub struct WorkerProgram {
    arguments: Vec<OsString>,
}

impl WorkerProgram {
    /// This executable. Its `main` must call [`crate::serve_if_asked`].
    #[must_use]
    pub fn this_executable() -> Self {
        Self::default()
    }

    /// This test executable. The test whose name contains `name` must call [`crate::serve_if_asked`] and do nothing else.
    /// In a normal test run that test passes at once; in a worker it serves jobs.
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

    /// Makes the command that starts the program.
    pub(crate) fn command(&self) -> io::Result<Command> {
        // An update may have replaced the file of the running program. On Linux this path still leads to the running one.
        let image = PathBuf::from("/proc/self/exe");
        let image = if image.exists() { image } else { std::env::current_exe()? };
        let mut command = Command::new(image);
        command.args(&self.arguments);
        Ok(command)
    }

    /// Whether the program is started without arguments, as a test is not.
    pub(crate) fn is_plain(&self) -> bool {
        self.arguments.is_empty()
    }
}

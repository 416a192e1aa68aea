//! How commands fail.

/// The failure of a command; each kind has its exit code.
#[derive(Debug)]
pub enum Failure {
    /// The command finished and has reported the errors that it found: exit code 1.
    Found,
    /// The arguments are invalid: exit code 2.
    Usage(anyhow::Error),
    /// The command could not finish: exit code 1.
    Failed(anyhow::Error),
    /// A signal ended the command, which has reported it. The exit code is 128 plus the signal's number.
    Stopped(u8),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        // A reader such as `head` closes the pipe when it has read enough.
        match error.downcast_ref::<std::io::Error>() {
            Some(io) if io.kind() == std::io::ErrorKind::BrokenPipe => Self::Found,
            _ => Self::Failed(error),
        }
    }
}

/// Turns an error into [`Failure::Usage`], unless it is an I/O error.
pub(in crate::cli) trait UsageError<T> {
    fn usage(self) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> UsageError<T> for Result<T, E> {
    fn usage(self) -> Result<T, Failure> {
        self.map_err(|error| {
            let error = error.into();
            if error.chain().any(is_io) {
                Failure::Failed(error)
            } else {
                Failure::Usage(error)
            }
        })
    }
}

fn is_io(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.is::<std::io::Error>() || cause.downcast_ref().is_some_and(csv::Error::is_io_error)
}

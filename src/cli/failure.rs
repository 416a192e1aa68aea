//! How commands fail.

/// How a command ends when it does not end well.
#[derive(Debug)]
pub enum Failure {
    /// It did its work and found something wrong, which it has said: exit code 1.
    Found,
    /// It was asked for something that cannot be: exit code 2.
    Usage(anyhow::Error),
    /// It could not do its work: exit code 1.
    Failed(anyhow::Error),
    /// A signal ended it, and it has said so: the exit code is 128 and the signal's number.
    Stopped(u8),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        // A closed pipe is the reader's way to say that it has seen enough.
        match error.downcast_ref::<std::io::Error>() {
            Some(io) if io.kind() == std::io::ErrorKind::BrokenPipe => Self::Found,
            _ => Self::Failed(error),
        }
    }
}

/// Marks an error as bad usage, if it is no failure of input or output.
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

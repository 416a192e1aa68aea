//! The memory available to this process.

use anyhow::{Result, ensure};
use sysinfo::System;

/// Available memory in bytes, within the limits of the system and the process's control group. `None` if unknown.
fn available() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    let free = system.cgroup_limits().map_or(u64::MAX, |limits| limits.free_memory);
    Some(system.available_memory().min(free)).filter(|&bytes| bytes > 0)
}

/// Fails if fewer than `bytes` are available. The error says that `what`, a plural noun, needs them.
pub fn require(bytes: f64, what: &str) -> Result<()> {
    let Some(available) = available() else { return Ok(()) };
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    ensure!(
        bytes <= available as f64,
        "{what} take at least {:.1} GiB of memory, but {:.1} GiB are available",
        gib(bytes),
        gib(available as f64)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_refused_with_the_numbers() {
        require(1e6, "small things").unwrap();
        let text = require(1e18, "things").unwrap_err().to_string();
        assert!(
            text.starts_with("things take at least 931322574.6 GiB of memory, but "),
            "{text}"
        );
    }
}

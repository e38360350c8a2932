//! What a process keeps resident, now and at its worst.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::outcome::{Failure, Naming, Outcome};

/// MiB, as the kernel counts them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// All resident pages (`VmRSS`).
    pub(crate) resident: f64,
    /// Those that no file backs (`RssAnon`).
    pub(crate) anonymous: f64,
    /// The most that was ever resident (`VmHWM`).
    pub(crate) peak: f64,
}

impl Memory {
    pub(crate) fn of(process_id: u32) -> Outcome<Self> {
        let file = format!("/proc/{process_id}/status");
        let status = std::fs::read_to_string(&file).naming(&file)?;
        let field = |name: &str| -> Option<f64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
            Some(kibibytes / 1024.0)
        };
        let fields = (field("VmRSS:"), field("RssAnon:"), field("VmHWM:"));
        let (Some(resident), Some(anonymous), Some(peak)) = fields else {
            return Err(Failure::new(format!("{file}: no figures")));
        };
        Ok(Self { resident, anonymous, peak })
    }

    fn max(self, other: Self) -> Self {
        Self {
            resident: self.resident.max(other.resident),
            anonymous: self.anonymous.max(other.anonymous),
            peak: self.peak.max(other.peak),
        }
    }
}

/// Looks at a process many times a second and keeps the largest of each figure.
#[derive(Debug)]
pub(crate) struct Sampler {
    is_done: Arc<AtomicBool>,
    thread: JoinHandle<Memory>,
}

impl Sampler {
    pub(crate) fn start(process_id: u32) -> Self {
        let is_done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_done);
        let thread = std::thread::spawn(move || {
            let mut largest = Memory::default();
            while !seen.load(Ordering::Relaxed) {
                largest = largest.max(Memory::of(process_id).unwrap_or_default());
                std::thread::sleep(Duration::from_millis(50));
            }
            largest
        });
        Self { is_done, thread }
    }

    pub(crate) fn finish(self) -> Outcome<Memory> {
        self.is_done.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| Failure::new("the memory sampler panicked"))
    }
}

//! The two programs of the distribution that the comparison needs.

use std::path::Path;
use std::process::Command;

use crate::outcome::{Failure, Naming, Outcome};

/// Installs nginx and wrk if one of them is missing.
pub(crate) fn install() -> Outcome<()> {
    let missing: Vec<&str> = [("nginx", "nginx-light"), ("wrk", "wrk")]
        .into_iter()
        .filter(|(program, _)| !is_installed(program))
        .map(|(_, package)| package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install -y {}", missing.join(" "));
    if !is_installed("apt-get") || !rustix::process::geteuid().is_root() {
        return Err(Failure::new(format!("missing programs; as root: {by_hand}")));
    }
    println!("installing {}", missing.join(", "));
    let status = Command::new("apt-get")
        .args(["install", "-y", "-q"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()
        .naming("apt-get")?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("{by_hand}: {status}"))) }
}

fn is_installed(program: &str) -> bool {
    // A user's PATH often lacks the directories of servers.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(Path::new).map(Path::to_path_buf);
    std::env::split_paths(&path).chain(system).any(|directory| directory.join(program).is_file())
}

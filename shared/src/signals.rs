//! The signals that end a process.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels the token on the first SIGTERM or SIGINT, and ends the process on the second:
/// whoever asks twice does not want to wait, and what is unfinished then is as after a kill.
#[expect(clippy::disallowed_methods, reason = "jobs under way would have to come to an end")]
pub fn stop_on_signals(shutdown: &CancellationToken) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        shutdown.cancel();
        let kind = either(&mut terminate, &mut interrupt).await;
        tracing::warn!("told to stop once more: ends at once");
        // As a shell says it of a process that the signal has ended.
        process::exit(128 + kind.as_raw_value());
    });
    Ok(())
}

/// Which of them came.
async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> SignalKind {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    }
}

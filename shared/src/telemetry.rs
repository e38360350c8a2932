//! Tracing: events of all crates go to standard error, as text or as JSON.
//!
//! Field names are the same everywhere: `module.path`, `module.version`, `job.kind`,
//! `job.attempt`, `vcs.url` (never with credentials), `storage.key`, `deployment.id`,
//! `duration_ms`, `size_bytes`, `error`. A failure is logged once, where it is
//! handled; credentials and bodies never are (style §3 rule 19).

use std::{any::Any, io, io::IsTerminal, panic};

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, layer::SubscriberExt, registry};

use crate::config::{LogFormat, LogSettings};

/// Events are logged already: this is for the start of a process only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("logging was set up before")]
pub struct AlreadySetUp;

/// Logs events of this process to standard error from now on, and every panic as an
/// error event.
pub fn set_up(settings: &LogSettings) -> Result<(), AlreadySetUp> {
    let has_colours = io::stderr().is_terminal();
    let subscriber = subscriber(settings, io::stderr, has_colours);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| AlreadySetUp)?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn subscriber<W>(
    settings: &LogSettings,
    writer: W,
    has_colours: bool,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let registry = registry().with(filter(settings));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(has_colours);
    match settings.format {
        LogFormat::Text => Box::new(registry.with(lines)),
        LogFormat::Json => Box::new(registry.with(lines.json().flatten_event(true))),
    }
}

/// What the settings do not decide unless they name its target. What operators did is
/// told at every level. The broker's client is not heard: each failure that it logs it
/// also returns, and it would log messages. Whoever signs requests would log what is signed,
/// session tokens included.
const DECIDED: [(&str, &str); 3] =
    [("audit", "audit=info"), ("lapin", "lapin=off"), ("aws_sigv4", "aws_sigv4=off")];

/// The filter of the settings, and what they do not decide.
fn filter(settings: &LogSettings) -> EnvFilter {
    let directives = settings.filter.to_string();
    let names = |target: &str| {
        let rests = directives.split(',').filter_map(|directive| directive.strip_prefix(target));
        rests.into_iter().any(|rest| rest.starts_with(['=', '[', ':']))
    };
    let undecided = DECIDED.iter().filter(|(target, _)| !names(target));
    undecided.fold(settings.filter.to_env_filter(), |filter, (_, directive)| {
        filter.add_directive(directive.parse().expect("it is a directive"))
    })
}

/// One event in place of the standard library's lines, which a log collector would
/// take for several events without a level.
fn log_panic(info: &panic::PanicHookInfo<'_>) {
    let place = info.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    let backtrace = std::backtrace::Backtrace::capture();
    let message = panic_message(info.payload());
    tracing::error!(panic.location = place, panic.backtrace = %backtrace, "panicked: {message}");
}

fn panic_message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A place to write that the test can read.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn settings(filter: &str, format: LogFormat) -> LogSettings {
        LogSettings { filter: filter.parse().unwrap(), format }
    }

    /// What `log` writes under `settings`.
    fn logged(settings: &LogSettings, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(settings, move || writer.clone(), false);
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_filter_decides_what_is_logged() {
        let text = logged(&settings("warn,quiet=off", LogFormat::Text), || {
            tracing::info!("below");
            tracing::warn!(module.path = "example.org/m", "above");
            tracing::error!(target: "quiet", "muted");
        });
        assert!(
            text.contains("WARN") && text.contains("above module.path=\"example.org/m\""),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn the_brokers_client_is_heard_only_where_it_is_named() {
        for (filter, lines) in [("info", 0), ("trace", 0), ("info,lapin=error", 1)] {
            let text = logged(&settings(filter, LogFormat::Text), || {
                tracing::error!(target: "lapin::channels", "said it as well");
            });
            assert_eq!(text.lines().count(), lines, "{filter}: {text}");
        }
    }

    #[test]
    fn what_operators_did_is_told_unless_it_is_named() {
        for (filter, lines) in
            [("info", 1), ("warn", 1), ("off", 1), ("info,audit=off", 0), ("warn,my::audit=off", 1)]
        {
            let text = logged(&settings(filter, LogFormat::Text), || {
                tracing::info!(target: "audit", "admin action");
            });
            assert_eq!(text.lines().count(), lines, "{filter}: {text}");
        }
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = logged(&settings("info", LogFormat::Json), || {
            tracing::info!(module.path = "example.org/m", size_bytes = 3, "stored\nit");
        });
        let event: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert_eq!(event["message"], "stored\nit");
        assert_eq!(event["module.path"], "example.org/m");
        assert_eq!(event["size_bytes"], 3);
    }

    #[test]
    fn a_panic_becomes_one_event_with_its_place() {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(log_panic));
        let text = logged(&settings("info", LogFormat::Json), || {
            let outcome = panic::catch_unwind(|| panic!("cannot {}", "be"));
            assert!(outcome.is_err());
        });
        panic::set_hook(previous);
        let event: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(event["message"], "panicked: cannot be");
        assert!(event["panic.location"].as_str().unwrap().contains("telemetry.rs"), "{text}");
    }
}

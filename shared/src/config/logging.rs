//! LogSettings: what is logged, and how.

use std::{fmt, str::FromStr};

use tracing_subscriber::EnvFilter;

use super::{InvalidValue, reader::Reader, settings};

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Which events are logged ([`settings::LOG`]).
    pub filter: LogFilter,
    /// How a line looks ([`settings::LOG_FORMAT`]).
    pub format: LogFormat,
}

/// A level, or comma-separated `target=level` directives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogSettings {
    pub(super) fn read(reader: &mut Reader) -> Option<Self> {
        let filter = reader.read(&settings::LOG);
        let format = reader.read(&settings::LOG_FORMAT);
        Some(Self { filter: filter?, format: format? })
    }
}

impl LogFilter {
    /// The filter, ready to be installed.
    pub fn to_env_filter(&self) -> EnvFilter {
        EnvFilter::try_new(&self.0).expect("the filter was parsed when it was read")
    }
}

impl FromStr for LogFilter {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        // A bare unknown word would be taken for a target, and nothing would be logged.
        let is_level = |word: &str| {
            ["off", "error", "warn", "info", "debug", "trace"]
                .iter()
                .any(|level| word.eq_ignore_ascii_case(level))
        };
        let unknown = text
            .split(',')
            .map(str::trim)
            .find(|part| !part.contains(['=', '[']) && !is_level(part));
        if let Some(unknown) = unknown {
            return Err(InvalidValue::not(unknown, "a log level or target=level"));
        }
        let filter = text.split(',').map(str::trim).collect::<Vec<_>>().join(",");
        EnvFilter::try_new(&filter)
            .map_err(|error| InvalidValue::new(format!("{filter:?}: {error}")))?;
        Ok(Self(filter))
    }
}

impl FromStr for LogFormat {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(InvalidValue::not(text, "a log format: expected text or json")),
        }
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_levels() {
        for good in
            ["info", "INFO", "off", "info,stoa_worker=debug", "warn,stoa_shared::queue=trace"]
        {
            assert_eq!(good.parse::<LogFilter>().unwrap().to_string(), good);
        }
        assert_eq!("warn, a=debug".parse::<LogFilter>().unwrap().to_string(), "warn,a=debug");
        for bad in ["", "loud", "info,stoa_worker", "stoa_worker=loud"] {
            assert!(bad.parse::<LogFilter>().is_err(), "{bad}");
        }
    }

    #[test]
    fn formats_are_text_and_json() {
        assert_eq!("text".parse(), Ok(LogFormat::Text));
        assert_eq!("json".parse(), Ok(LogFormat::Json));
        assert!("yaml".parse::<LogFormat>().is_err());
    }
}

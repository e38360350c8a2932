//! Times and sizes as people write them.

use std::{fmt, str::FromStr, time::Duration};

use super::InvalidValue;

/// A number of bytes. Parses `64MiB`, `2GiB`, `512KiB`, `100B` and bare bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// Parses `1500ms`, `30s`, `2m` or `1h`: a whole number and its unit.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidValue> {
    let expected = "a time such as 1500ms, 30s, 2m or 1h";
    let (number, unit) = number_and_unit(text).ok_or_else(|| InvalidValue::not(text, expected))?;
    let milliseconds_per_unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        _ => return Err(InvalidValue::not(text, expected)),
    };
    number
        .checked_mul(milliseconds_per_unit)
        .filter(|milliseconds| *milliseconds <= LONGEST.as_millis() as u64)
        .map(Duration::from_millis)
        .ok_or_else(|| InvalidValue::new(format!("{text:?} is longer than a year")))
}

/// Parses `true` and `false`.
pub fn parse_flag(text: &str) -> Result<bool, InvalidValue> {
    text.parse().map_err(|_| InvalidValue::not(text, "true or false"))
}

/// Longer times are slips of the pen, and would overflow clocks when added to now.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl ByteSize {
    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let expected = "a size such as 512KiB, 64MiB or 2GiB";
        let invalid = || InvalidValue::not(text, expected);
        let (number, unit) = number_and_unit(text).ok_or_else(invalid)?;
        let bytes_per_unit: u64 = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(invalid()),
        };
        number.checked_mul(bytes_per_unit).map(Self).ok_or_else(invalid)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shift, unit) = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
            .into_iter()
            .find(|(shift, _)| self.0 > 0 && self.0.trailing_zeros() >= *shift)
            .unwrap_or((0, "B"));
        write!(f, "{}{unit}", self.0 >> shift)
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit() {
        for (text, milliseconds) in
            [("1500ms", 1500), ("30s", 30_000), ("2 m", 120_000), ("1h", 3_600_000), ("0s", 0)]
        {
            assert_eq!(parse_duration(text).unwrap().as_millis(), milliseconds, "{text}");
        }
        for bad in
            ["", "30", "s", "-1s", "1.5s", "1d", "1s2", "30S", "99999999999999999999s", "9000h"]
        {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        for (text, bytes, shown) in [
            ("64MiB", 64 << 20, "64MiB"),
            ("2 GiB", 2 << 30, "2GiB"),
            ("1536KiB", 1536 << 10, "1536KiB"),
            ("100", 100, "100B"),
            ("0", 0, "0B"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.bytes(), size.to_string().as_str()), (bytes, shown), "{text}");
        }
        for bad in ["", "MiB", "64MB", "64mib", "-1", "1.5GiB", "99999999999GiB"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
    }
}

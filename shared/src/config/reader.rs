//! Reader: merged text into values, gathering every mistake on the way.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use super::{
    InvalidValue, Mistake,
    layers::{Layer, Text, Values},
    parse_duration,
    settings::Setting,
};

/// Reads settings one by one. Each method gives `None` when the value is wrong or
/// missing, and remembers why.
pub(super) struct Reader {
    values: Values,
    mistakes: Vec<Mistake>,
}

impl Reader {
    pub(super) fn new(values: Values, mistakes: Vec<Mistake>) -> Self {
        Self { values, mistakes }
    }

    /// What went wrong, in the order of the settings.
    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes
    }

    /// A mistake in `setting` that only a look at other settings shows.
    pub(super) fn report(&mut self, setting: &Setting, problem: impl fmt::Display) {
        let mistake = match self.values.get(setting) {
            Some(value) => Mistake::new(&value.layer, &value.name, problem),
            None => Mistake::new(&Layer::Default, setting.variable, problem),
        };
        self.mistakes.push(mistake);
    }

    /// A value that always is: set or by default.
    pub(super) fn read<T: FromStr<Err = InvalidValue>>(&mut self, setting: &Setting) -> Option<T> {
        self.read_with(setting, str::parse)
    }

    /// Like [`Self::read`], by a parser of one's own.
    pub(super) fn read_with<T>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Option<T> {
        let value = self.read_optional_with(setting, parse)?;
        if value.is_none() {
            self.report(setting, "is not set, and there is no default");
        }
        value
    }

    /// The file that a secret was read from, if it was.
    pub(super) fn file(&self, setting: &Setting) -> Option<PathBuf> {
        self.values.get(setting)?.file.clone()
    }

    /// A value that may be unset.
    pub(super) fn read_optional<T: FromStr<Err = InvalidValue>>(
        &mut self,
        setting: &Setting,
    ) -> Option<Option<T>> {
        self.read_optional_with(setting, str::parse)
    }

    /// Like [`Self::read_optional`], by a parser of one's own.
    pub(super) fn read_optional_with<T>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Option<Option<T>> {
        let parsed = match self.values.get(setting).map(|value| &value.text) {
            None => return Some(None),
            Some(Text::Unreadable) => return None,
            Some(Text::One(text)) => parse(text),
            Some(Text::Many(_)) => Err(InvalidValue::new("expected one value, not a list")),
        };
        self.accept(setting, parsed).map(Some)
    }

    /// Any number of values.
    pub(super) fn read_list<T: FromStr<Err: fmt::Display>>(
        &mut self,
        setting: &Setting,
    ) -> Option<Vec<T>> {
        let parts: Vec<String> = match self.values.get(setting).map(|value| &value.text) {
            None => return Some(Vec::new()),
            Some(Text::Unreadable) => return None,
            Some(Text::One(text)) => text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect(),
            Some(Text::Many(parts)) => parts.clone(),
        };
        // All of them, before the first that is wrong ends it.
        let parsed: Vec<Option<T>> = parts
            .iter()
            .enumerate()
            .map(|(index, part)| {
                let number = index + 1;
                part.parse::<T>()
                    .map_err(|problem| self.report(setting, format!("entry {number}: {problem}")))
                    .ok()
            })
            .collect();
        parsed.into_iter().collect()
    }

    /// A time, zero included.
    pub(super) fn read_duration(&mut self, setting: &Setting) -> Option<Duration> {
        self.read_with(setting, parse_duration)
    }

    /// A time longer than zero.
    pub(super) fn read_positive_duration(&mut self, setting: &Setting) -> Option<Duration> {
        self.read_with(setting, |text| {
            let duration = parse_duration(text)?;
            if duration.is_zero() {
                Err(InvalidValue::not(text, "longer than 0s"))
            } else {
                Ok(duration)
            }
        })
    }

    /// A whole number of at least one.
    pub(super) fn read_count<T: FromStr + PartialOrd + From<u8>>(
        &mut self,
        setting: &Setting,
    ) -> Option<T> {
        self.read_with(setting, |text| {
            let count = text.parse().ok().filter(|count| *count >= T::from(1));
            count.ok_or_else(|| InvalidValue::not(text, "a whole number of at least 1"))
        })
    }

    fn accept<T>(&mut self, setting: &Setting, parsed: Result<T, InvalidValue>) -> Option<T> {
        parsed.map_err(|problem| self.report(setting, problem)).ok()
    }
}

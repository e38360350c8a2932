//! The deployment's policy, as its settings say it.

use super::{InvalidValue, reader::Reader, settings};
use crate::policy::{Anonymous, AnonymousError, Downloads, ExclusionRule, Policy, PrivatePattern};

/// The policy of [`settings::PRIVATE`], [`settings::EXCLUDE`] and [`settings::DOWNLOAD`].
pub(super) fn read(reader: &mut Reader) -> Option<Policy> {
    let private = reader.read_list::<PrivatePattern>(&settings::PRIVATE);
    let exclude = reader.read_list::<ExclusionRule>(&settings::EXCLUDE);
    let download = reader.read_list(&settings::DOWNLOAD).and_then(|entries| {
        let problem = |problem| reader.report(&settings::DOWNLOAD, problem);
        Downloads::new(entries).map_err(problem).ok()
    });
    Some(Policy {
        private: private?.into_iter().collect(),
        exclude: exclude?.into_iter().collect(),
        download: download?,
    })
}

/// [`settings::ANONYMOUS`]; `None` in it is for each request to find out.
pub(super) fn read_anonymous(reader: &mut Reader) -> Option<Option<Anonymous>> {
    reader.read_optional_with(&settings::ANONYMOUS, |text| {
        text.parse().map_err(|error: AnonymousError| InvalidValue::new(error.to_string()))
    })
}

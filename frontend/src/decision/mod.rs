//! What a request becomes, given what is stored and what policy says (design §6).
//!
//! One pure function, asked before anything is answered, published or redirected. Whoever
//! acts on its verdict looks again where time passed: at the end of a wait.

use std::time::Duration;

use stoa_shared::{
    config::{PublicUrl, Role},
    policy::{Download, Exclusion},
};

/// Longest wait for a list, latest or branch of which something may be stored: a fleet has
/// to go on building while its registry hangs.
const LONGEST_WAIT_FOR_REFRESH: Duration = Duration::from_secs(10);

/// Everything that matters about one request.
#[derive(Debug, Clone)]
pub(crate) struct Situation<'a> {
    /// Why the module or version is excluded, if it is.
    pub(crate) exclusion: Option<&'a Exclusion>,
    /// What is asked for, and what of it is stored.
    pub(crate) wanted: Wanted,
    /// Whether a job may be started for it: not for HEAD or `Disable-Module-Fetch`.
    pub(crate) may_ask: bool,
    /// Whether only what is stored may be used (network mode `offline`).
    pub(crate) is_offline: bool,
    /// Whether the module's name must not leave this deployment.
    pub(crate) is_private: bool,
    /// Which preset holds where no download mode does.
    pub(crate) role: Role,
    /// What the policy says of a miss, if it says anything.
    pub(crate) download: Option<&'a Download>,
    /// Whom a worker would ask for a public module.
    pub(crate) upstream: Upstream,
    /// Whether the client could follow a redirect to the mode's target or, where it has
    /// none, to the registry: not from https to http, nor where a key is wanted that the
    /// client does not send there.
    pub(crate) client_can_follow: bool,
    /// Whether some versions of the module are excluded: what is said of them elsewhere is
    /// then to be looked at here.
    pub(crate) is_filtered: bool,
}

/// What is asked for, and what of it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// `.info`, `.mod` or `.zip` of a canonical version.
    File {
        /// Whether it is here.
        is_stored: bool,
    },
    /// List, latest, or what a branch, tag or commit is.
    Mutable(Known),
}

/// What is known of mutable knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// A copy that still counts.
    Fresh,
    /// A copy that should be refreshed.
    Stale,
    /// There is none, as was found out a moment ago.
    Absent,
    /// No copy, but versions of the module that make a list and a latest.
    Versions,
    /// Nothing at all.
    Nothing,
}

/// Whom a worker asks for a public module before its repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// Nobody: flow F5.
    None,
    /// A registry that answers, as far as is known.
    Reachable,
    /// A registry that does not answer.
    KnownDown {
        /// Whether the worker then goes on to another one, or to the repository.
        has_fallback: bool,
    },
}

/// What a request becomes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision<'a> {
    /// Policy refuses it.
    Refuse(&'a Exclusion),
    /// What is stored, as it is.
    Serve {
        /// Whether a job refreshes it meanwhile.
        refresh: bool,
    },
    /// What the stored versions make: their list, or the latest of them.
    FromStored {
        /// Whether a job finds out the rest meanwhile.
        refresh: bool,
    },
    /// The absence that was found out a moment ago.
    Absent,
    /// A job, and its outcome.
    Wait {
        /// Instead of the longest wait of any request.
        at_most: Option<Duration>,
        /// What follows if the origin is in trouble, or the wait is over.
        otherwise: Otherwise,
    },
    /// The same path elsewhere.
    Redirect {
        /// Below this URL, or else the registry's.
        to: Option<&'a PublicUrl>,
        /// Whether a job brings it here meanwhile.
        fill: bool,
    },
    /// 404 on purpose, and a job.
    AbsentAndFill,
    /// 404 on purpose, and nothing else.
    NotStored(Because),
    /// 503: only the registry would know, and it is down.
    RegistryDown,
}

/// What follows a wait without an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// The failure.
    Failure,
    /// The stale copy, then what the stored versions make, then the failure.
    WhatIsStored,
}

/// Why what is not stored is not fetched either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Because {
    /// The client wants no job started.
    NotAsked,
    /// This deployment is offline.
    Offline,
    /// The download mode is `none`.
    Mode,
}

/// Decides. An exclusion wins over everything, also over what is stored.
pub(crate) fn decide<'a>(situation: &Situation<'a>) -> Decision<'a> {
    if let Some(exclusion) = situation.exclusion {
        return Decision::Refuse(exclusion);
    }
    if let Wanted::File { is_stored: true } | Wanted::Mutable(Known::Fresh) = situation.wanted {
        return Decision::Serve { refresh: false };
    }
    if let Some(because) = situation.only_stored() {
        return situation.as_stored(Decision::NotStored(because));
    }
    if situation.is_private {
        return situation.wait(None, Otherwise::Failure);
    }
    match situation.mode() {
        Download::Wait => situation.ask_origin(),
        Download::Redirect(to) => situation.redirect(to.as_ref()),
        Download::RedirectAndFill(to) => situation.redirect_and_fill(to.as_ref()),
        Download::Fill => situation.fill(),
        Download::Nothing => situation.as_stored(Decision::NotStored(Because::Mode)),
    }
}

impl<'a> Situation<'a> {
    /// Why nothing may be asked for, if so.
    fn only_stored(&self) -> Option<Because> {
        if !self.may_ask {
            Some(Because::NotAsked)
        } else if self.is_offline {
            Some(Because::Offline)
        } else {
            None
        }
    }

    /// The mode that holds: what cannot work becomes `wait`.
    fn mode(&self) -> &'a Download {
        const WAIT: &Download = &Download::Wait;
        const OF_PROXIES: &Download = &Download::RedirectAndFill(None);
        let mode = self.download.unwrap_or(match self.role {
            Role::Registry => WAIT,
            Role::Proxy => OF_PROXIES,
        });
        let has_target = match mode {
            Download::Redirect(None) | Download::RedirectAndFill(None) => {
                matches!(self.upstream, Upstream::Reachable) || self.is_cut_off()
            }
            Download::Redirect(Some(_)) | Download::RedirectAndFill(Some(_)) => true,
            Download::Wait | Download::Fill | Download::Nothing => return mode,
        };
        // Lists are not redirected where they are kept here.
        let is_kept = matches!(mode, Download::RedirectAndFill(_))
            && matches!(self.wanted, Wanted::Mutable(_));
        if has_target && (is_kept || self.can_be_sent_on()) { mode } else { WAIT }
    }

    /// Whether the client can go elsewhere, and may take what it gets there as it is.
    fn can_be_sent_on(&self) -> bool {
        let is_filtered = self.is_filtered && matches!(self.wanted, Wanted::Mutable(_));
        self.client_can_follow && !is_filtered
    }

    /// Whether a job would find nobody to ask.
    fn is_cut_off(&self) -> bool {
        self.upstream == Upstream::KnownDown { has_fallback: false }
    }

    fn ask_origin(&self) -> Decision<'a> {
        match self.upstream {
            _ if self.is_cut_off() => self.as_stored(Decision::RegistryDown),
            // The repository is the source of truth: what happens to be stored is no list.
            Upstream::None => self.wait(None, Otherwise::Failure),
            _ => self.wait(None, Otherwise::WhatIsStored),
        }
    }

    fn redirect(&self, to: Option<&'a PublicUrl>) -> Decision<'a> {
        if to.is_none() && self.is_cut_off() {
            self.as_stored(Decision::RegistryDown)
        } else {
            Decision::Redirect { to, fill: false }
        }
    }

    fn redirect_and_fill(&self, to: Option<&'a PublicUrl>) -> Decision<'a> {
        match self.wanted {
            Wanted::File { .. } if to.is_none() && self.is_cut_off() => Decision::RegistryDown,
            Wanted::File { .. } => Decision::Redirect { to, fill: true },
            // A job would be in vain, but another target may know.
            Wanted::Mutable(_) if self.is_cut_off() && to.is_some() && self.can_be_sent_on() => {
                self.as_stored(Decision::Redirect { to, fill: false })
            }
            Wanted::Mutable(_) if self.is_cut_off() => self.as_stored(Decision::RegistryDown),
            Wanted::Mutable(_) => {
                self.wait(Some(LONGEST_WAIT_FOR_REFRESH), Otherwise::WhatIsStored)
            }
        }
    }

    fn fill(&self) -> Decision<'a> {
        let refresh = !self.is_cut_off();
        match self.as_stored(Decision::AbsentAndFill) {
            Decision::Serve { .. } => Decision::Serve { refresh },
            Decision::FromStored { .. } => Decision::FromStored { refresh },
            decision => decision,
        }
    }

    /// What is stored, or `nothing`.
    fn as_stored(&self, nothing: Decision<'a>) -> Decision<'a> {
        match self.wanted {
            Wanted::File { is_stored: true } | Wanted::Mutable(Known::Fresh | Known::Stale) => {
                Decision::Serve { refresh: false }
            }
            Wanted::Mutable(Known::Absent) => Decision::Absent,
            Wanted::Mutable(Known::Versions) => Decision::FromStored { refresh: false },
            Wanted::File { is_stored: false } | Wanted::Mutable(Known::Nothing) => nothing,
        }
    }

    /// A job to wait for, unless a copy does meanwhile.
    fn wait(&self, at_most: Option<Duration>, otherwise: Otherwise) -> Decision<'a> {
        match self.wanted {
            Wanted::File { is_stored: true } | Wanted::Mutable(Known::Fresh) => {
                Decision::Serve { refresh: false }
            }
            Wanted::Mutable(Known::Stale) => Decision::Serve { refresh: true },
            Wanted::Mutable(Known::Absent) => Decision::Absent,
            Wanted::Mutable(Known::Versions | Known::Nothing) => {
                Decision::Wait { at_most, otherwise }
            }
            Wanted::File { is_stored: false } => {
                Decision::Wait { at_most, otherwise: Otherwise::Failure }
            }
        }
    }
}

#[cfg(test)]
mod tests;

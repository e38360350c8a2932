//! The label values: small fixed sets, never a module path.

/// A label with a fixed set of values.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;
    /// Every value, in the order of their indices.
    const ALL: &'static [Self];

    /// The value as `/metrics` shows it.
    fn text(self) -> &'static str;

    /// The value's place in [`Self::ALL`].
    fn index(self) -> usize;
}

macro_rules! labels {
    ($($(#[$doc:meta])+ $name:ident as $label:literal {
        $($(#[$variant_doc:meta])+ $variant:ident = $text:literal,)+
    })+) => {$(
        $(#[$doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])+ $variant,)+
        }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    )+};
}

labels! {
    /// What a request asked for.
    Endpoint as "endpoint" {
        /// `@v/list`
        List = "list",
        /// `@latest`
        Latest = "latest",
        /// `.info`, branch and commit queries included
        Info = "info",
        /// `.mod`
        Mod = "mod",
        /// `.zip`
        Zip = "zip",
        /// A path or a method that is none of the protocol's.
        Other = "other",
    }

    /// How a request ended.
    Outcome as "outcome" {
        /// Answered at once from what is stored.
        Hit = "hit",
        /// Answered after a wait for a worker.
        Miss = "miss",
        /// Answered with what is stored although it is no longer fresh.
        Stale = "stale",
        /// Sent on to the registry.
        Redirect = "redirect",
        /// 404 or 410: absence is known.
        NotFound = "not_found",
        /// 403, 405 and other refusals.
        Refused = "refused",
        /// 504: the wait ended before the job did.
        Timeout = "timeout",
        /// Any other 5xx or 429: an origin's trouble or our own.
        Error = "error",
        /// The client hung up before its answer was complete.
        Gone = "gone",
    }

    /// Who waits for a job.
    JobLane as "lane" {
        /// A user does.
        Interactive = "interactive",
        /// Nobody does.
        Background = "background",
    }

    /// How the queue took a job.
    PublishOutcome as "outcome" {
        /// The job is on the queue.
        Accepted = "accepted",
        /// The queue failed, or did not answer in time.
        Refused = "refused",
    }

    /// What a job does.
    JobKind as "kind" {
        /// Brings one module version into storage.
        Fill = "fill",
        /// Refreshes a version list.
        List = "list",
        /// Refreshes an answer of `@latest`.
        Latest = "latest",
        /// Resolves a branch, tag or commit.
        Query = "query",
        /// Asks anew for all that may have changed of a module.
        Refresh = "refresh",
        /// A message that cannot be read.
        Unreadable = "unreadable",
    }

    /// How one attempt at a job ended.
    JobOutcome as "outcome" {
        /// It did what it is for.
        Done = "done",
        /// It found, definitely, that it cannot be done; that is stored as the answer.
        Failed = "failed",
        /// It goes back to the queue for another attempt.
        Retried = "retried",
        /// It goes back uncounted, because another worker is at the same thing.
        Postponed = "postponed",
        /// It was given up.
        Dead = "dead",
    }

    /// Where jobs are.
    QueueState as "state" {
        /// Waiting, and so does a user.
        Interactive = "interactive",
        /// Waiting, and nobody else does.
        Background = "background",
        /// Waiting for the next attempt.
        Delayed = "delayed",
        /// In a worker's hands.
        Running = "running",
        /// Given up.
        Dead = "dead",
    }

    /// What a repository or its host is asked.
    VcsOperation as "operation" {
        /// Which protocol and capabilities it has.
        Advertisement = "advertisement",
        /// Its branches and tags.
        Refs = "refs",
        /// Objects.
        Fetch = "fetch",
        /// A go-import page.
        Page = "page",
    }

    /// How a request to a repository, its host or an upstream ended.
    VcsOutcome as "outcome" {
        /// Answered.
        Ok = "ok",
        /// It says that there is no such thing.
        NotFound = "not_found",
        /// We refuse to connect there, what came is too much, or its policy refuses us.
        Refused = "refused",
        /// It did not answer in time.
        Timeout = "timeout",
        /// It could not be reached, does not let us in, or answered nonsense.
        Error = "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<L: Label>() {
        for (index, label) in L::ALL.iter().enumerate() {
            assert_eq!(label.index(), index);
            let is_plain =
                |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(is_plain(label.text()) && is_plain(L::NAME), "{} {}", L::NAME, label.text());
        }
    }

    #[test]
    fn an_index_finds_its_value() {
        check::<Endpoint>();
        check::<Outcome>();
        check::<JobLane>();
        check::<PublishOutcome>();
        check::<JobKind>();
        check::<JobOutcome>();
        check::<QueueState>();
        check::<VcsOperation>();
        check::<VcsOutcome>();
    }
}

//! Upstreams: who is asked for a module, in which order, and when the next one is.

use std::slice;

use stoa_shared::{
    answer::Meaning,
    config::{Fallback, Upstream, UpstreamChain},
};

use crate::{failure::Failure, goproxy::Server};

/// The operator's chain (`STOA_UPSTREAM`).
#[derive(Debug, Clone)]
pub(crate) struct Upstreams(Vec<(Source, Fallback)>);

/// Who can be asked.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A server that speaks the GOPROXY protocol.
    Server(Server),
    /// Version control, or what the module's page names.
    Direct,
    /// Nobody.
    Off,
}

/// One walk along the chain. Each source that it gives either answers, which ends the walk,
/// or its failure is noted.
pub(crate) struct Walk<'a> {
    rest: slice::Iter<'a, (Source, Fallback)>,
    /// The source that was given last.
    current: Option<&'a (Source, Fallback)>,
    /// What is to be said if nobody answers.
    failure: Option<Failure>,
    is_over: bool,
}

impl Upstreams {
    pub(crate) fn new(chain: &UpstreamChain) -> Self {
        let source = |upstream: &Upstream| match upstream {
            Upstream::Server(server) => Source::Server(Server::upstream(server)),
            Upstream::Direct => Source::Direct,
            Upstream::Off => Source::Off,
        };
        let entries = chain.entries().iter();
        Self(entries.map(|entry| (source(&entry.upstream), entry.fallback)).collect())
    }

    /// What the first source says that has an answer, or why none has.
    pub(crate) async fn first_answer<'a, T, A>(
        &'a self,
        ask: impl Fn(&'a Source) -> A,
    ) -> Result<T, Failure>
    where
        A: Future<Output = Result<T, Failure>>,
    {
        let mut walk = self.walk();
        while let Some(source) = walk.next() {
            match ask(source).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => walk.note(failure),
            }
        }
        Err(walk.into_failure())
    }

    /// From the first source on.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk { rest: self.0.iter(), current: None, failure: None, is_over: false }
    }
}

impl<'a> Walk<'a> {
    /// The next source to be asked.
    pub(crate) fn next(&mut self) -> Option<&'a Source> {
        self.current = if self.is_over { None } else { self.rest.next() };
        self.current.map(|(source, _)| source)
    }

    /// The source that was given last has no answer. Which failure is said in the end is
    /// decided as by the go command: what version control says goes before all else,
    /// trouble and refusals before absence, of equals the last.
    pub(crate) fn note(&mut self, failure: Failure) {
        let Some((source, fallback)) = self.current else { return };
        let is_absent = failure.meaning() == Meaning::Absent;
        let is_origins = !matches!(failure.meaning(), Meaning::Internal);
        let goes_on = is_origins && (is_absent || *fallback == Fallback::OnAnyError);
        self.is_over = !goes_on;
        let knows_trouble =
            self.failure.as_ref().is_some_and(|known| known.meaning() != Meaning::Absent);
        let is_said = match source {
            _ if !is_origins => true,
            Source::Direct => true,
            // Whoever was asked has more to say than nobody.
            Source::Off => self.failure.is_none(),
            Source::Server(_) => !is_absent || !knows_trouble,
        };
        if is_said {
            self.failure = Some(failure);
        }
    }

    /// Nobody had an answer.
    pub(crate) fn into_failure(self) -> Failure {
        self.failure.unwrap_or_else(|| Failure::Internal("nobody was asked".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goproxy::GoProxyError;

    /// Walks along a chain with one answer for each source in turn: a letter that stands
    /// for a failure. Says how many were asked and what is said in the end.
    fn walk(chain: &str, answers: &str) -> String {
        let upstreams = Upstreams::new(&chain.parse().unwrap());
        let mut walk = upstreams.walk();
        let mut asked = 0;
        for (index, answer) in answers.chars().enumerate() {
            if walk.next().is_none() {
                break;
            }
            asked += 1;
            let server = format!("{index}");
            let reason = "r".to_owned();
            walk.note(match answer {
                'a' => GoProxyError::Absent { server, reason }.into(),
                'r' => GoProxyError::Refused { server, reason }.into(),
                't' => GoProxyError::Unavailable { server, reason }.into(),
                'l' => GoProxyError::InvalidData { server, reason }.into(),
                'b' => GoProxyError::Busy { server }.into(),
                'A' => Failure::Absent(format!("direct {index}")),
                'T' => crate::vcs::VcsError::Timeout { url: server, seconds: 1 }.into(),
                'O' => Failure::Absent("off".to_owned()),
                _ => Failure::Internal(format!("own {index}")),
            });
        }
        assert!(asked == answers.len() || walk.next().is_none());
        format!("{asked} {}", walk.into_failure())
    }

    #[test]
    fn separators_mean_what_they_mean_to_the_go_command() {
        for (chain, answers, expected) in [
            ("direct", "A", "1 direct 0"),
            ("http://a,http://b", "aa", "2 r (says 1)"),
            ("http://a,http://b", "ta", "1 0: r"),
            ("http://a,http://b", "la", "1 0: invalid answer: r"),
            ("http://a,http://b", "ra", "1 r (says 0)"),
            ("http://a,http://b", "at", "2 1: r"),
            ("http://a|http://b", "ta", "2 0: r"),
            ("http://a|http://b", "tt", "2 1: r"),
            ("http://a|http://b", "ba", "2 0: the host is silent, and others wait for it already"),
            ("http://a|http://b,direct", "ltA", "2 1: r"),
            ("http://a|direct", "tA", "2 direct 1"),
            ("http://a|direct", "rT", "2 1: no answer within 1 s"),
            ("http://a,direct", "aA", "2 direct 1"),
            ("http://a,off", "aO", "2 r (says 0)"),
            ("http://a|off", "tO", "2 0: r"),
            ("off", "O", "1 off"),
            ("http://a|direct", "xA", "1 own 0"),
        ] {
            assert_eq!(walk(chain, answers), expected, "{chain} {answers}");
        }
    }
}

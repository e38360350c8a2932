//! The decision as a table: download mode and circumstances down, what is asked for and
//! what is stored across.
//!
//! `serve` is the stored copy, `stored` what the stored versions make, `absent` the
//! remembered absence; `+job` a job behind the scenes; `wait` a wait as long as any,
//! `10s` one of ten seconds, `/stored` what is stored if it fails; `307` a redirect to the
//! registry, `307>` to the mode's own target; `404` and `503` are said on purpose.

use super::*;

/// A file that is stored is always served, and a fresh copy, too; see
/// [`what_counts_as_a_hit_is_served_without_a_job`].
const TABLE: &str = "
    mode               circumstances | file     | stale     | absent | versions    | nothing
    ---
    wait               reachable     | wait     | serve+job | absent | wait/stored | wait/stored
    wait               no-registry   | wait     | serve+job | absent | wait        | wait
    wait               down          | 503      | serve     | absent | stored      | 503
    wait               one-down      | wait     | serve+job | absent | wait/stored | wait/stored
    wait               unfollowable  | wait     | serve+job | absent | wait/stored | wait/stored
    ---
    redirect           reachable     | 307      | 307       | 307    | 307         | 307
    redirect           no-registry   | wait     | serve+job | absent | wait        | wait
    redirect           down          | 503      | serve     | absent | stored      | 503
    redirect           one-down      | wait     | serve+job | absent | wait/stored | wait/stored
    redirect           unfollowable  | wait     | serve+job | absent | wait/stored | wait/stored
    redirect           filtered      | 307      | serve+job | absent | wait/stored | wait/stored
    redirect           unf.+down     | 503      | serve     | absent | stored      | 503
    ---
    redirect>          reachable     | 307>     | 307>      | 307>   | 307>        | 307>
    redirect>          no-registry   | 307>     | 307>      | 307>   | 307>        | 307>
    redirect>          down          | 307>     | 307>      | 307>   | 307>        | 307>
    redirect>          one-down      | 307>     | 307>      | 307>   | 307>        | 307>
    redirect>          unfollowable  | wait     | serve+job | absent | wait/stored | wait/stored
    redirect>          unf.+down     | 503      | serve     | absent | stored      | 503
    ---
    redirect_and_fill  reachable     | 307+job  | serve+job | absent | 10s/stored  | 10s/stored
    redirect_and_fill  no-registry   | wait     | serve+job | absent | wait        | wait
    redirect_and_fill  down          | 503      | serve     | absent | stored      | 503
    redirect_and_fill  one-down      | wait     | serve+job | absent | wait/stored | wait/stored
    redirect_and_fill  unfollowable  | wait     | serve+job | absent | 10s/stored  | 10s/stored
    redirect_and_fill  unf.+down     | 503      | serve     | absent | stored      | 503
    ---
    redirect_and_fill> reachable     | 307>+job | serve+job | absent | 10s/stored  | 10s/stored
    redirect_and_fill> no-registry   | 307>+job | serve+job | absent | 10s/stored  | 10s/stored
    redirect_and_fill> down          | 307>+job | serve     | absent | stored      | 307>
    redirect_and_fill> one-down      | 307>+job | serve+job | absent | 10s/stored  | 10s/stored
    redirect_and_fill> unfollowable  | wait     | serve+job | absent | 10s/stored  | 10s/stored
    redirect_and_fill> unf.+down     | 503      | serve     | absent | stored      | 503
    redirect_and_fill> filt.+down    | 307>+job | serve     | absent | stored      | 503
    ---
    fill               reachable     | 404+job  | serve+job | absent | stored+job  | 404+job
    fill               no-registry   | 404+job  | serve+job | absent | stored+job  | 404+job
    fill               down          | 404+job  | serve     | absent | stored      | 404+job
    fill               one-down      | 404+job  | serve+job | absent | stored+job  | 404+job
    fill               unfollowable  | 404+job  | serve+job | absent | stored+job  | 404+job
    ---
    none               any-upstream  | 404-mode | serve     | absent | stored      | 404-mode
    ---
    any-mode           offline       | 404-off  | serve     | absent | stored      | 404-off
    any-mode           not-to-ask    | 404-ask  | serve     | absent | stored      | 404-ask
    any-mode           private       | wait     | serve+job | absent | wait        | wait
    any-mode           priv.+offline | 404-off  | serve     | absent | stored      | 404-off
    any-mode           priv.+not-ask | 404-ask  | serve     | absent | stored      | 404-ask
";

const WANTED: [Wanted; 5] = [
    Wanted::File { is_stored: false },
    Wanted::Mutable(Known::Stale),
    Wanted::Mutable(Known::Absent),
    Wanted::Mutable(Known::Versions),
    Wanted::Mutable(Known::Nothing),
];

const UPSTREAMS: [Upstream; 4] = [
    Upstream::Reachable,
    Upstream::None,
    Upstream::KnownDown { has_fallback: false },
    Upstream::KnownDown { has_fallback: true },
];

const MODES: [&str; 7] =
    ["wait", "redirect", "redirect>", "redirect_and_fill", "redirect_and_fill>", "fill", "none"];

fn mode(name: &str) -> Download {
    let name = name.replace('>', ">https://mirror.example");
    name.parse().unwrap()
}

/// An ordinary request for a public module that a registry could be asked for.
fn situation(download: Option<&Download>) -> Situation<'_> {
    Situation {
        exclusion: None,
        wanted: WANTED[0],
        may_ask: true,
        is_offline: false,
        is_private: false,
        role: Role::Registry,
        download,
        upstream: Upstream::Reachable,
        client_can_follow: true,
        is_filtered: false,
    }
}

/// The situations that a row is about.
fn situations<'a>(download: &'a Download, circumstances: &str) -> Vec<Situation<'a>> {
    let usual = situation(Some(download));
    let with = |upstream| Situation { upstream, ..usual.clone() };
    // Whatever else holds: everything must come to the same.
    let anyhow = |base: Situation<'a>| {
        let each = |upstream| Situation { upstream, ..base.clone() };
        let blocked =
            |it: Situation<'a>| [Situation { client_can_follow: false, ..it.clone() }, it];
        UPSTREAMS.map(each).into_iter().flat_map(blocked).collect()
    };
    let (private, offline) = (true, true);
    match circumstances {
        "reachable" => vec![with(UPSTREAMS[0])],
        "no-registry" => vec![with(UPSTREAMS[1])],
        "down" => vec![with(UPSTREAMS[2])],
        "one-down" => vec![with(UPSTREAMS[3])],
        "unfollowable" => vec![Situation { client_can_follow: false, ..with(UPSTREAMS[0]) }],
        "filtered" => vec![Situation { is_filtered: true, ..with(UPSTREAMS[0]) }],
        "filt.+down" => vec![Situation { is_filtered: true, ..with(UPSTREAMS[2]) }],
        "unf.+down" => vec![Situation { client_can_follow: false, ..with(UPSTREAMS[2]) }],
        "any-upstream" => anyhow(usual),
        "offline" => anyhow(Situation { is_offline: offline, ..usual }),
        "not-to-ask" => anyhow(Situation { may_ask: false, ..usual }),
        "private" => anyhow(Situation { is_private: private, ..usual }),
        "priv.+offline" => anyhow(Situation { is_private: private, is_offline: offline, ..usual }),
        "priv.+not-ask" => anyhow(Situation { is_private: private, may_ask: false, ..usual }),
        unknown => panic!("{unknown}"),
    }
}

/// The decision as the table writes it.
fn shown(decision: &Decision<'_>) -> String {
    let job = |is_published: &bool| if *is_published { "+job" } else { "" };
    match decision {
        Decision::Refuse(exclusion) => format!("refuse {exclusion}"),
        Decision::Serve { refresh } => format!("serve{}", job(refresh)),
        Decision::FromStored { refresh } => format!("stored{}", job(refresh)),
        Decision::Absent => "absent".to_owned(),
        Decision::Wait { at_most, otherwise } => {
            let longest = at_most.map_or("wait".to_owned(), |time| format!("{}s", time.as_secs()));
            match otherwise {
                Otherwise::Failure => longest,
                Otherwise::WhatIsStored => format!("{longest}/stored"),
            }
        }
        Decision::Redirect { to, fill } => {
            let target = to.map_or("", |url| {
                assert_eq!(url.as_str(), "https://mirror.example");
                ">"
            });
            format!("307{target}{}", job(fill))
        }
        Decision::AbsentAndFill => "404+job".to_owned(),
        Decision::NotStored(Because::Mode) => "404-mode".to_owned(),
        Decision::NotStored(Because::Offline) => "404-off".to_owned(),
        Decision::NotStored(Because::NotAsked) => "404-ask".to_owned(),
        Decision::RegistryDown => "503".to_owned(),
    }
}

#[test]
fn a_miss_becomes_what_the_table_says() {
    let mut rows = 0;
    for line in TABLE.lines().skip(2).filter(|line| line.contains('|')) {
        let (head, cells) = line.split_once('|').unwrap();
        let [mode_name, circumstances] =
            head.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
        let names = if mode_name == "any-mode" { MODES.to_vec() } else { vec![mode_name] };
        let expected: Vec<&str> = cells.split('|').map(str::trim).collect();
        assert_eq!(expected.len(), WANTED.len(), "{line}");
        for download in names.into_iter().map(mode) {
            for situation in situations(&download, circumstances) {
                let decided =
                    WANTED.map(|wanted| shown(&decide(&Situation { wanted, ..situation.clone() })));
                assert_eq!(decided.to_vec(), expected, "{line}\n{situation:?}");
            }
        }
        rows += 1;
    }
    assert_eq!(rows, 42);
}

/// Every situation there is, but for role and exclusion.
fn all_situations(modes: &[Download]) -> impl Iterator<Item = Situation<'_>> {
    let circumstances = [
        "reachable",
        "any-upstream",
        "offline",
        "not-to-ask",
        "private",
        "priv.+offline",
        "priv.+not-ask",
    ];
    modes.iter().flat_map(move |mode| {
        circumstances.into_iter().flat_map(move |circumstances| situations(mode, circumstances))
    })
}

#[test]
fn what_counts_as_a_hit_is_served_without_a_job() {
    let modes = MODES.map(mode);
    for situation in all_situations(&modes) {
        for wanted in [Wanted::File { is_stored: true }, Wanted::Mutable(Known::Fresh)] {
            let situation = Situation { wanted, ..situation.clone() };
            assert_eq!(decide(&situation), Decision::Serve { refresh: false }, "{situation:?}");
        }
    }
}

#[test]
fn an_exclusion_wins_over_everything_also_over_hits() {
    let modes = MODES.map(mode);
    let exclusion: Exclusion = "absent:SEC-123".parse().unwrap();
    let hits = [Wanted::File { is_stored: true }, Wanted::Mutable(Known::Fresh)];
    for situation in all_situations(&modes) {
        for wanted in WANTED.into_iter().chain(hits) {
            let exclusion = Some(&exclusion);
            let situation = Situation { wanted, exclusion, ..situation.clone() };
            assert_eq!(shown(&decide(&situation)), "refuse absent:SEC-123", "{situation:?}");
        }
    }
}

#[test]
fn without_a_mode_the_role_decides() {
    for (role, upstream, expected) in [
        (Role::Registry, Upstream::None, "wait"),
        (Role::Registry, Upstream::Reachable, "wait"),
        (Role::Proxy, Upstream::None, "wait"),
        (Role::Proxy, Upstream::Reachable, "307+job"),
        (Role::Proxy, Upstream::KnownDown { has_fallback: false }, "503"),
    ] {
        let decision = decide(&Situation { role, upstream, ..situation(None) });
        assert_eq!(shown(&decision), expected, "{role} {upstream:?}");
    }
}

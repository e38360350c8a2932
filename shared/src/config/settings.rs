//! The one table of settings: names, default, example and meaning of each.
//!
//! Parsing, the detection of unknown names, `--help`, the README's table and the
//! example file all come from here; a setting's doc comment is its description
//! everywhere.

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the environment; also its identity.
    pub variable: &'static str,
    /// Its dotted key in the configuration file; `None` if it cannot be set there.
    pub key: Option<&'static str>,
    /// What holds when no layer sets it.
    pub default: Preset,
    /// A value that somebody might set.
    pub example: &'static str,
    /// What its values look like.
    pub shape: Shape,
    /// Its meaning, unit and the reason for its default, in one paragraph of markdown.
    pub description: &'static str,
}

/// What holds when no layer sets a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// This value.
    Text(&'static str),
    /// A value found out at start or later; the words say how.
    Computed(&'static str),
    /// No value at all.
    Unset,
}

/// What a setting's values look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One value.
    Single,
    /// Any number of values: comma-separated in the environment, a list in the file.
    List,
    /// One value that is never shown. It has a twin (`…_FILE`, in the file `…_file`)
    /// that names a file to read it from.
    Secret,
}

impl Setting {
    /// The environment name of a secret's twin.
    pub fn file_variable(&self) -> Option<String> {
        (self.shape == Shape::Secret).then(|| format!("{}_FILE", self.variable))
    }

    /// The key of a secret's twin in the configuration file.
    pub fn file_key(&self) -> Option<String> {
        let key = self.key.filter(|_| self.shape == Shape::Secret)?;
        Some(format!("{key}_file"))
    }
}

macro_rules! settings {
    ($($(#[doc = $line:literal])+ $name:ident {
        $variable:literal, $key:expr, $default:expr, example: $example:literal, $shape:expr
    })+) => {
        $(
            $(#[doc = $line])+
            pub static $name: Setting = Setting {
                variable: $variable,
                key: $key,
                default: $default,
                example: $example,
                shape: $shape,
                description: concat!($($line),+),
            };
        )+

        /// Every setting, in the order in which they are documented.
        pub static ALL: &[&Setting] = &[$(&$name),+];
    };
}

use Preset::{Computed, Text, Unset};
use Shape::{List, Secret, Single};

settings! {
    /// Path of the configuration file (TOML). It may set everything below under the
    /// key given there; the environment wins over it.
    CONFIG { "STOA_CONFIG", None, Unset, example: "/etc/stoa.toml", Single }

    /// Address and port of the public listener, which the go command talks to. The
    /// default is reachable from this machine only, because a fresh installation has
    /// no access rules yet.
    LISTEN { "STOA_LISTEN", Some("listen"), Text("127.0.0.1:3000"), example: "0.0.0.0:3000", Single }

    /// Address and port of the admin listener: `/admin` and `/metrics`, which are
    /// nowhere else. An address that is not loopback needs an admin token.
    ADMIN_LISTEN { "STOA_ADMIN_LISTEN", Some("admin.listen"), Text("127.0.0.1:3001"), example: "0.0.0.0:3001", Single }

    /// What `/admin` asks for as a bearer token.
    ADMIN_TOKEN { "STOA_ADMIN_TOKEN", Some("admin.token"), Unset, example: "a long random text", Secret }

    /// The preset of policy: a `registry` is the source of truth and asks version control
    /// for what it lacks; a `proxy` stands in front of a fleet and asks a registry.
    ROLE { "STOA_ROLE", Some("role"), Text("registry"), example: "proxy", Single }

    /// This deployment's id, as it stands in `Via` headers and in logs: at most 63
    /// lower-case letters, digits, `-`, `.` and `_`, a letter or digit first.
    DEPLOYMENT { "STOA_DEPLOYMENT", Some("deployment"), Computed("made of the storage's name, and of the host's for a directory"), example: "om", Single }

    /// Base URL of this deployment as others reach it, path prefix included.
    PUBLIC_URL { "STOA_PUBLIC_URL", Some("public_url"), Unset, example: "https://go.example.org", Single }

    /// Where module versions are stored: `file:///directory` for one process, or
    /// `s3://bucket/prefix` for a fleet. The directory is made if need be, the bucket has
    /// to exist; either is itself a valid static GOPROXY. Credentials of a bucket come from
    /// where every AWS tool has them: `AWS_…` variables, a profile, a web identity, the
    /// machine's role.
    STORAGE { "STOA_STORAGE", Some("storage"), Computed("`stoa` in the user's data directory (`$XDG_DATA_HOME`, else `~/.local/share`)"), example: "file:///var/lib/stoa", Single }

    /// Base URL of the object store, for all but AWS itself.
    S3_ENDPOINT { "STOA_S3_ENDPOINT", Some("s3.endpoint"), Unset, example: "https://minio.example.org:9000", Single }

    /// Region of the bucket. Unset, it is the one that the environment, the profile or the
    /// machine names; beside an endpoint of one's own `us-east-1`.
    S3_REGION { "STOA_S3_REGION", Some("s3.region"), Unset, example: "eu-central-1", Single }

    /// Whether the bucket stands in the URL's path rather than in its host name: `true` or
    /// `false`. AWS wants the latter, most other stores the former.
    S3_PATH_STYLE { "STOA_S3_PATH_STYLE", Some("s3.path_style"), Text("false"), example: "true", Single }

    /// Longest wait for the head of an answer of the object store; a request with a body
    /// gets more by its size. Then the request is tried again.
    S3_TIMEOUT { "STOA_S3_TIMEOUT", Some("s3.timeout"), Text("10s"), example: "5s", Single }

    /// Longest wait for the next bytes of an object that is being read; then the rest is
    /// asked for anew.
    S3_STALL_TIMEOUT { "STOA_S3_STALL_TIMEOUT", Some("s3.stall_timeout"), Text("20s"), example: "10s", Single }

    /// How often a request to the object store is tried in all. Five attempts ride out a
    /// store that refuses one call in five, within some three seconds of pauses.
    S3_ATTEMPTS { "STOA_S3_ATTEMPTS", Some("s3.attempts"), Text("5"), example: "8", Single }

    /// Pause before the second attempt, doubled before each further one up to 2 s; the
    /// actual pause is drawn between this and twice this, so that many do not return at
    /// once.
    S3_BACKOFF { "STOA_S3_BACKOFF", Some("s3.backoff"), Text("100ms"), example: "50ms", Single }

    /// Where jobs wait: `embedded` keeps them in this process and beside the stored
    /// modules, so that accepted jobs survive a restart; `amqp://user:password@host/vhost`
    /// or `amqps://…` is a RabbitMQ that a fleet shares. A file that holds the URL is read
    /// again before each connection, so that a new password needs no restart.
    QUEUE { "STOA_QUEUE", Some("queue"), Text("embedded"), example: "amqps://stoa:secret@rabbitmq.example.org/stoa", Secret }

    /// Who is asked for what is missing here, in the grammar of GOPROXY: URLs of servers
    /// that speak its protocol, `direct` for the module's own repository, `off` for
    /// nobody; after a `,` the next one is asked on 404 and 410 only, after a `|` on any
    /// error. A user name and password in a URL are sent to that server alone.
    UPSTREAM { "STOA_UPSTREAM", Some("upstream"), Text("direct"), example: "https://go.example.org,direct", Secret }

    /// The first server of `STOA_UPSTREAM` as clients reach it, where that is another URL;
    /// unset, it is the same without credentials.
    UPSTREAM_PUBLIC { "STOA_UPSTREAM_PUBLIC", Some("upstream_public"), Unset, example: "https://go.example.org", Single }

    /// How long a fill that nobody waits for holds back before it asks the upstream: the
    /// client was sent there, and what it asks for is there to be fetched once it has got it.
    /// With RabbitMQ it is rounded up to the next of 1, 2, 5, 30, 60, 120 and 600 seconds.
    UPSTREAM_DELAY { "STOA_UPSTREAM_DELAY", Some("upstream_delay"), Text("2s"), example: "5s", Single }

    /// Whether workers fetch anything: `online`, or `offline` to serve what is stored and
    /// nothing else.
    NETWORK { "STOA_NETWORK", Some("network"), Text("online"), example: "offline", Single }

    /// Longest wait of a client for a missing version; then it is answered 504 and the
    /// job goes on. Two minutes outlast the fetch of all but the largest repositories.
    WAIT { "STOA_WAIT", Some("wait"), Text("120s"), example: "60s", Single }

    /// Jobs at once in one worker; of several one is kept for jobs that somebody waits for.
    /// Jobs mostly wait for the network, so four keep two cores busy without a burst of
    /// large repositories filling the disk.
    SLOTS { "STOA_SLOTS", Some("slots"), Text("4"), example: "8", Single }

    /// How zips reach clients: `stream` passes them through the frontend, `redirect` sends
    /// clients to `STOA_CDN_URL` or, without one, to a signed URL of the bucket. A
    /// directory has no URLs and always streams.
    ZIP_DELIVERY { "STOA_ZIP_DELIVERY", Some("zip_delivery"), Text("stream"), example: "redirect", Single }

    /// Base URL under which clients find the stored zips, such as a CDN over the bucket,
    /// where `STOA_ZIP_DELIVERY` is `redirect`.
    CDN_URL { "STOA_CDN_URL", Some("cdn_url"), Unset, example: "https://cdn.example.org/go", Single }

    /// Modules that never leave this deployment, not even as a name: they are fetched from
    /// their repositories and nowhere else. Patterns are globs as in GOPRIVATE, compared
    /// with as many leading elements of the module path as they have; one that ends in `/*`
    /// is about what stands before that, too, which the go command asks for as well. A `!`
    /// in front makes an exception, and the first pattern that matches decides.
    PRIVATE { "STOA_PRIVATE", Some("private"), Unset, example: "!corp.example/open/*,corp.example/*,*.corp.example", List }

    /// Modules that nobody gets and nobody is asked about, as `pattern` or
    /// `pattern=reason`. Patterns are those of `STOA_PRIVATE`, each with an optional range of
    /// versions: `@v1.2.3`, `@<v1.4.0`, `@>=v1.2.0 <v1.4.0`. Clients are refused with 403 and
    /// the reason; with `absent:` in front of the reason it is 404, and the go command
    /// goes on to the next proxy. A reason with a comma fits in the file only.
    EXCLUDE { "STOA_EXCLUDE", Some("exclude"), Unset, example: "github.com/evil/*=SEC-123,github.com/old/*@<v1.4.0=absent:use v1.4 or later", List }

    /// What becomes of a public module that is asked for and not stored, as `pattern=mode`,
    /// with patterns as in `STOA_EXCLUDE`, without `!`; a mode alone is the default.
    /// `wait`: it is fetched and the client waits; `redirect`: the client is sent to the
    /// registry; `redirect_and_fill`: that, and it is fetched behind the scenes; `fill`:
    /// 404, and it is fetched; `none`: 404. Another target of redirects may follow:
    /// `redirect>https://…`.
    DOWNLOAD { "STOA_DOWNLOAD", Some("download"), Computed("`redirect_and_fill` for a proxy that has a registry, else `wait`"), example: "github.com/big/*=redirect>https://mirror.example.org/go,example.org/*=none,wait", List }

    /// What callers without a key get: `full` (everything), `public` (all but private
    /// modules) or `none` (401).
    ANONYMOUS { "STOA_ANONYMOUS", Some("anonymous"), Computed("`full` on a loopback listener for requests without forwarding headers, else `public`"), example: "public", Single }

    /// `from=to` URL prefixes: a repository or go-import page whose URL starts with
    /// `from` is fetched from `to` instead; the longest match wins. A target named here is
    /// trusted: it may be `http` or `file` and lead to private addresses.
    VCS_REWRITE { "STOA_VCS_REWRITE", Some("vcs.rewrite"), Unset, example: "https://github.com/=https://git.example.org/mirror/github.com/", List }

    /// Path of a JSON file of credentials for the hosts of private modules, read by workers.
    /// It is a list of `{"host": "git.corp.example", "kind": …, "secret": …}`; a host may
    /// carry a `:port`. A secret is `env:NAME` or `file:/path`, never the secret itself.
    /// Kinds: `token` (an access token; `user` is `oauth2` if not given, which GitHub,
    /// GitLab and Gitea take), `basic` (`user` and password), `netrc` (a netrc file; with
    /// host `*` all of it), `ssh` (a private key; `user` is `git` if not given, and
    /// `knownHosts` names the file of the host's keys). Files that change are read again;
    /// what cannot be read leaves all as it was. Credentials are used for private modules
    /// only, go to exactly their host, over HTTPS, SSH, or to where `STOA_VCS_REWRITE` leads.
    VCS_CREDENTIALS { "STOA_VCS_CREDENTIALS", Some("vcs.credentials"), Unset, example: "/etc/stoa/credentials.json", Single }

    /// Longest time that one exchange with a repository may take, from the connection
    /// to the last byte. Five minutes leave room for a second attempt within a job's
    /// ten.
    VCS_TIMEOUT { "STOA_VCS_TIMEOUT", Some("vcs.timeout"), Text("5m"), example: "2m", Single }

    /// Most bytes that one fetch may bring from a repository; more is refused. Two GiB
    /// hold the full history of nearly every module's repository.
    VCS_MAX_PACK_BYTES { "STOA_VCS_MAX_PACK_BYTES", Some("vcs.max_pack_bytes"), Text("2GiB"), example: "512MiB", Single }

    /// Most files that the tree of a module version may hold; more is refused. Real
    /// modules stay far below, and a hostile tree of empty files costs little to send.
    VCS_MAX_FILES { "STOA_VCS_MAX_FILES", Some("vcs.max_files"), Text("200000"), example: "50000", Single }

    /// Addresses and CIDR ranges that module paths and go-import pages may lead to
    /// although they are private.
    ALLOW_ADDRESSES { "STOA_ALLOW_ADDRESSES", Some("allow_addresses"), Unset, example: "10.20.0.0/16,fd00::/8", List }

    /// Path of a PEM file with further root certificates for every outgoing
    /// connection.
    CA_FILE { "STOA_CA_FILE", Some("ca_file"), Unset, example: "/etc/ssl/company.pem", Single }

    /// How long a version list or the answer of `@latest` counts as fresh; an older one
    /// is still served while it is refreshed.
    FRESHNESS_LIST { "STOA_FRESHNESS_LIST", Some("freshness.list"), Text("60s"), example: "5m", Single }

    /// How long a repository's listing of branches and tags is reused for other
    /// questions about the repository.
    FRESHNESS_REFS { "STOA_FRESHNESS_REFS", Some("freshness.refs"), Text("10s"), example: "30s", Single }

    /// How long it is remembered that there is no such module or version before it is
    /// asked again. Short, because a tag is often asked for moments before it is pushed.
    /// An origin in trouble is asked again at once.
    FRESHNESS_NEGATIVE { "STOA_FRESHNESS_NEGATIVE", Some("freshness.negative"), Text("10s"), example: "1m", Single }

    /// Most bytes of stored answers that a frontend keeps in memory. `.info` and `.mod`
    /// files are small: this holds tens of thousands of them.
    MEMORY_CACHE { "STOA_MEMORY_CACHE", Some("memory_cache"), Text("32MiB"), example: "256MiB", Single }

    /// How long a process that was told to stop keeps accepting while it already says
    /// that it is not ready. Zero suits a terminal; behind a load balancer give it the
    /// time to notice, such as `5s`.
    DRAIN { "STOA_DRAIN", Some("drain"), Text("0s"), example: "5s", Single }

    /// How long a process that stops lets requests and jobs finish, after the drain
    /// delay; jobs that are not done then go back to the queue.
    SHUTDOWN_GRACE { "STOA_SHUTDOWN_GRACE", Some("shutdown_grace"), Text("30s"), example: "60s", Single }

    /// What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`), or a
    /// comma-separated filter such as `info,stoa_worker=debug`. What operators do is
    /// logged whatever it says, unless it names the target `audit`.
    LOG { "STOA_LOG", Some("log.level"), Text("info"), example: "info,stoa_worker=debug", Single }

    /// How a line of the log looks: `text` for people, `json` for machines.
    LOG_FORMAT { "STOA_LOG_FORMAT", Some("log.format"), Text("text"), example: "json", Single }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_used_once_and_says_where_it_belongs() {
        let mut names = std::collections::BTreeSet::new();
        for setting in ALL {
            assert!(setting.variable.starts_with("STOA_"), "{}", setting.variable);
            let twins = [setting.file_variable(), setting.file_key()];
            let names_of_one = [Some(setting.variable.to_owned()), setting.key.map(str::to_owned)];
            for name in names_of_one.into_iter().chain(twins).flatten() {
                assert!(names.insert(name.clone()), "{name}");
            }
            assert!(setting.description.trim().ends_with('.'), "{}", setting.variable);
        }
    }
}

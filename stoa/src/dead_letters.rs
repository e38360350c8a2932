//! `stoa dead-letters`: jobs that were given up, looked at and dealt with.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use clap::{Arg, ArgAction, ArgMatches, Command};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use stoa_shared::{
    config::Config,
    queue::{DeadLetter, Lane},
};
use tokio::runtime;

use crate::admin_client::{AdminClient, AdminError, url_switch};

/// What the subcommand is called.
pub(crate) const NAME: &str = "dead-letters";

const PATH: &str = "/admin/dead-letters";
const ID: &str = "id";
const ALL: &str = "all";

/// Most characters of a message or a reason in a line; `show` has all of them.
const LONGEST: usize = 300;

/// What is done with letters.
struct Action {
    method: Method,
    /// Behind the letter's path.
    suffix: &'static str,
    /// What the letter is then.
    done: &'static str,
}

/// The subcommand and its own.
pub(crate) fn command() -> Command {
    let one = Arg::new(ID).value_name("ID").help("As `list` shows it").required(true);
    let some = || {
        [
            Arg::new(ID)
                .value_name("ID")
                .num_args(1..)
                .help("As `list` shows them")
                .required_unless_present(ALL),
            Arg::new(ALL)
                .long(ALL)
                .action(ArgAction::SetTrue)
                .conflicts_with(ID)
                .help("Every letter that was buried by now"),
        ]
    };
    Command::new(NAME)
        .about("Jobs that were given up: look at them, try them anew, throw them away")
        .subcommand_required(true)
        .arg(url_switch())
        .subcommand(Command::new("list").about("One line each, oldest first"))
        .subcommand(Command::new("show").about("All that is known of one, as JSON").arg(one))
        .subcommand(Command::new("replay").about("Put them back on the queue").args(some()))
        .subcommand(Command::new("drop").about("Throw them away").args(some()))
}

/// Runs the subcommand against a running Stoa.
pub(crate) fn run(config: &Config, matches: &ArgMatches) -> Result<(), AdminError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(AdminError::Runtime)?;
    runtime.block_on(async {
        let Some((name, matches)) = matches.subcommand() else { return Ok(()) };
        let client = AdminClient::new(config, matches)?;
        let replay = Action { method: Method::POST, suffix: "/replay", done: "replayed" };
        let discard = Action { method: Method::DELETE, suffix: "", done: "dropped" };
        match name {
            "list" => list(&client).await,
            "show" => show(&client, matches).await,
            "replay" => replay.on_letters(&client, matches).await,
            _ => discard.on_letters(&client, matches).await,
        }
    })
}

async fn list(client: &AdminClient) -> Result<(), AdminError> {
    let letters = client.get::<Vec<DeadLetter>>(PATH).await?;
    letters.iter().try_for_each(|letter| print(&line(letter)))
}

async fn show(client: &AdminClient, matches: &ArgMatches) -> Result<(), AdminError> {
    let id = matches.get_one::<String>(ID).map(String::as_str).unwrap_or_default();
    let letter: serde_json::Value = client.get(&path(id)?).await?;
    print(&format!("{letter:#}"))
}

impl Action {
    /// Does the same with every letter that was named. One that cannot be done is told, and
    /// the others are done all the same.
    async fn on_letters(
        &self,
        client: &AdminClient,
        matches: &ArgMatches,
    ) -> Result<(), AdminError> {
        let mut failed = BTreeSet::new();
        if matches.get_flag(ALL) {
            self.on_all(client, &mut failed).await?;
        } else {
            let named = matches.get_many::<String>(ID).unwrap_or_default();
            self.on_each(client, named.cloned(), &mut failed).await?;
        }
        match failed.len() {
            0 => Ok(()),
            count => Err(AdminError::Incomplete { count, done: self.done }),
        }
    }

    /// One listing need not show all letters, and what is replayed may be buried again.
    async fn on_all(
        &self,
        client: &AdminClient,
        failed: &mut BTreeSet<String>,
    ) -> Result<(), AdminError> {
        let (mut seen, mut begun) = (BTreeSet::new(), None);
        loop {
            let (letters, now) = client.get_dated::<Vec<DeadLetter>>(PATH).await?;
            let is_first = begun.is_none();
            let begun = *begun.get_or_insert(now);
            let is_older = |letter: &DeadLetter| letter.buried_at.is_none_or(|at| at < begun);
            let letters = letters.into_iter().filter(|letter| is_first || is_older(letter));
            let ids: Vec<_> =
                letters.map(|letter| letter.id).filter(|id| seen.insert(id.clone())).collect();
            if ids.is_empty() {
                return Ok(());
            }
            self.on_each(client, ids.into_iter(), failed).await?;
        }
    }

    async fn on_each(
        &self,
        client: &AdminClient,
        ids: impl Iterator<Item = String>,
        failed: &mut BTreeSet<String>,
    ) -> Result<(), AdminError> {
        for id in ids {
            match self.on_one(client, &id).await {
                Ok(()) => print(&format!("{} {}", one_line(&id), self.done))?,
                Err(error @ (AdminError::Refused { .. } | AdminError::NoLetter { .. })) => {
                    // An operator who does not want to read it may close it.
                    let _ = writeln!(io::stderr(), "{error}");
                    failed.insert(id);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn on_one(&self, client: &AdminClient, id: &str) -> Result<(), AdminError> {
        let path = format!("{}{}", path(id)?, self.suffix);
        client.send(self.method.clone(), &path).await.map(drop)
    }
}

/// The path of one letter. What means something else in a path is the id of no letter.
fn path(id: &str) -> Result<String, AdminError> {
    match id {
        "" | "." | ".." => Err(AdminError::NoLetter { id: id.to_owned() }),
        id => Ok(format!("{PATH}/{}", utf8_percent_encode(id, NON_ALPHANUMERIC))),
    }
}

fn line(letter: &DeadLetter) -> String {
    let DeadLetter { id, message, attempts, reason, lane, buried_at } = letter;
    let when = buried_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let lane = match lane {
        Lane::Interactive => "interactive",
        Lane::Background => "background",
    };
    let [id, message, reason] = [id, message, reason].map(|text| one_line(text));
    format!("{id}\t{when}\t{lane}\t{attempts} attempts\t{message}\t{reason}")
}

/// The text, shortened, in which nothing moves a terminal or a column: anybody can put a
/// message on a queue.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (count, character) in text.chars().enumerate() {
        match character {
            _ if count == LONGEST => {
                line.push('…');
                break;
            }
            '"' | '\'' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
    }
    line
}

fn print(text: &str) -> Result<(), AdminError> {
    writeln!(io::stdout(), "{text}").map_err(AdminError::Output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_the_path() {
        for (id, expected) in [
            ("0042", "/admin/dead-letters/0042"),
            ("a?b#c", "/admin/dead-letters/a%3Fb%23c"),
            ("../../healthz", "/admin/dead-letters/%2E%2E%2F%2E%2E%2Fhealthz"),
            ("ä %", "/admin/dead-letters/%C3%A4%20%25"),
        ] {
            assert_eq!(path(id).unwrap(), expected);
        }
        for id in ["", ".", ".."] {
            let refusal = path(id).unwrap_err().to_string();
            assert_eq!(refusal, format!("there is no dead letter {id:?}"));
        }
    }

    #[test]
    fn a_letter_is_one_short_line_whatever_is_in_it() {
        let letter = DeadLetter {
            id: "7".to_owned(),
            message: format!("{{\"a\":\"b\"}}\n\t\u{1b}[2J\u{202e}{}", "x".repeat(3_000_000)),
            attempts: 2,
            reason: "no\r\nhost é".to_owned(),
            lane: Lane::Background,
            buried_at: None,
        };
        let line = line(&letter);
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!(fields[..4], ["7", "-", "background", "2 attempts"]);
        assert!(fields[4].starts_with(r#"{"a":"b"}\n\t\u{1b}[2J\u{202e}xxx"#), "{line}");
        assert!(fields[4].ends_with("x…") && fields[4].len() < 400, "{line}");
        assert_eq!(fields[5..], [r"no\r\nhost é"]);
        assert_eq!(line.chars().filter(|letter| letter.is_control()).count(), 5, "{line}");
    }
}

//! `stoa dead-letters`: jobs that were given up, looked at and dealt with.

use clap::{Arg, ArgMatches, Command};
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

/// The subcommand and its own.
pub(crate) fn command() -> Command {
    let id = || Arg::new(ID).value_name("ID").help("As `list` shows it").required(true);
    let ids = || {
        Arg::new(ID)
            .value_name("ID")
            .num_args(1..)
            .help("As `list` shows them; `all` for every dead letter")
            .required(true)
    };
    Command::new(NAME)
        .about("Jobs that were given up: look at them, try them anew, throw them away")
        .subcommand_required(true)
        .arg(url_switch())
        .subcommand(Command::new("list").about("One line each, oldest first"))
        .subcommand(Command::new("show").about("All that is known of one, as JSON").arg(id()))
        .subcommand(Command::new("replay").about("Put them back on the queue").arg(ids()))
        .subcommand(Command::new("drop").about("Throw them away").arg(ids()))
}

/// Runs the subcommand against a running Stoa.
pub(crate) fn run(config: &Config, matches: &ArgMatches) -> Result<(), AdminError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(AdminError::Runtime)?;
    runtime.block_on(async {
        let Some((name, matches)) = matches.subcommand() else { return Ok(()) };
        let client = AdminClient::new(config, matches)?;
        match name {
            "list" => list(&client).await,
            "show" => show(&client, matches).await,
            "replay" => each(&client, matches, "replayed", Method::POST, "/replay").await,
            _ => each(&client, matches, "dropped", Method::DELETE, "").await,
        }
    })
}

#[expect(clippy::print_stdout, reason = "what an operator asked for")]
async fn list(client: &AdminClient) -> Result<(), AdminError> {
    for letter in client.get::<Vec<DeadLetter>>(PATH).await? {
        let DeadLetter { id, message, attempts, reason, lane, buried_at } = letter;
        let when = buried_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let lane = match lane {
            Lane::Interactive => "interactive",
            Lane::Background => "background",
        };
        println!("{id}\t{when}\t{lane}\t{attempts} attempts\t{message}\t{reason}");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what an operator asked for")]
async fn show(client: &AdminClient, matches: &ArgMatches) -> Result<(), AdminError> {
    let id = matches.get_one::<String>(ID).map(String::as_str).unwrap_or_default();
    let letter: serde_json::Value = client.get(&format!("{PATH}/{id}")).await?;
    println!("{letter:#}");
    Ok(())
}

/// Does the same with every letter that was named.
#[expect(clippy::print_stdout, reason = "what an operator asked for")]
async fn each(
    client: &AdminClient,
    matches: &ArgMatches,
    done: &str,
    method: Method,
    action: &str,
) -> Result<(), AdminError> {
    let named: Vec<String> = matches.get_many(ID).unwrap_or_default().cloned().collect();
    let ids = if named == [ALL] {
        let letters = client.get::<Vec<DeadLetter>>(PATH).await?;
        letters.into_iter().map(|letter| letter.id).collect()
    } else {
        named
    };
    for id in ids {
        client.send(method.clone(), &format!("{PATH}/{id}{action}")).await?;
        println!("{id} {done}");
    }
    Ok(())
}

//! Puts questions to the go command (in direct mode or through Stoa) and to Stoa itself.

use serde_json::Value;

use super::outcome::{Outcome, Resolved};
use super::scenario::{Ask, Question};
use crate::go_command::{Download, GoCommand, escaped};
use crate::http_client::Reply;
use crate::module_zip;
use crate::stoa_process::StoaProcess;

/// Asks the go command, three runs whatever the number of questions.
pub(crate) fn ask_go(go: &GoCommand, questions: &[&Question]) -> Vec<Outcome> {
    let (mut queries, mut lists, mut latests) = (Vec::new(), Vec::new(), Vec::new());
    for question in questions {
        match &question.ask {
            Ask::Query { module, query } => queries.push(format!("{module}@{query}")),
            Ask::List { module } => lists.push(module.clone()),
            Ask::Latest { module } => latests.push(module.clone()),
        }
    }
    let mut queries = go.download(&queries).into_iter();
    let mut lists = go.versions(&lists).into_iter();
    let mut latests = go.latest(&latests).into_iter();
    let answer = |question: &&Question| {
        let answered = "every argument has its record";
        match &question.ask {
            Ask::Query { .. } => downloaded(queries.next().expect(answered)),
            Ask::List { .. } => match lists.next().expect(answered) {
                Ok(versions) => Outcome::Listed(versions),
                Err(why) => Outcome::Refused(why),
            },
            Ask::Latest { .. } => match latests.next().expect(answered) {
                Ok((version, time)) => Outcome::Latest { version, time },
                Err(why) => Outcome::Refused(why),
            },
        }
    };
    questions.iter().map(answer).collect()
}

fn downloaded(download: Download) -> Outcome {
    let Download { version, error, time, module_file, module_sum, sum, files, origin } = download;
    match (module_file, error) {
        (None, error) => Outcome::Refused(error.unwrap_or_default()),
        (Some(module_file), error) => Outcome::Resolved(Box::new(Resolved {
            version,
            time: time.unwrap_or_default(),
            module_file,
            module_sum,
            zip: error.map_or(Ok(module_zip::ModuleZip { sum, files }), Err),
            origin,
        })),
    }
}

/// Asks Stoa over plain HTTP. An answer that breaks the protocol is an `Err`.
pub(crate) fn ask_stoa(stoa: &StoaProcess, question: &Question) -> Result<Outcome, String> {
    match &question.ask {
        Ask::List { module } => {
            let Some(reply) = found(stoa, &format!("{}/@v/list", escaped(module)))? else {
                return Ok(Outcome::Refused(String::new()));
            };
            let mut versions: Vec<String> = reply.text().lines().map(str::to_owned).collect();
            versions.sort();
            Ok(Outcome::Listed(versions))
        }
        Ask::Latest { module } => {
            let Some(reply) = found(stoa, &format!("{}/@latest", escaped(module)))? else {
                return Ok(Outcome::Refused(String::new()));
            };
            let (version, time, _) = info(&reply)?;
            Ok(Outcome::Latest { version, time })
        }
        Ask::Query { module, query } => {
            let base = format!("{}/@v/", escaped(module));
            let Some(reply) = found(stoa, &format!("{base}{}.info", escaped(query)))? else {
                return Ok(Outcome::Refused(String::new()));
            };
            let (version, time, origin) = info(&reply)?;
            let file = format!("{base}{}", escaped(&version));
            let module_file = found(stoa, &format!("{file}.mod"))?
                .ok_or_else(|| format!("{version} has .info but no .mod"))?
                .body;
            let zip = match found(stoa, &format!("{file}.zip"))? {
                None => Err("404".to_owned()),
                Some(reply) if reply.header("content-type") == "application/zip" => {
                    Ok(module_zip::read(&reply.body, &format!("{module}@{version}/"))?)
                }
                Some(reply) => return Err(format!("zip as {}", reply.header("content-type"))),
            };
            let module_sum = module_zip::mod_sum(&module_file);
            let resolved = Resolved { version, time, module_file, module_sum, zip, origin };
            Ok(Outcome::Resolved(Box::new(resolved)))
        }
    }
}

/// A 200, or nothing for 404 and 410; both spellings of `!` must give the same status.
fn found(stoa: &StoaProcess, path: &str) -> Result<Option<Reply>, String> {
    let reply = stoa.get(&format!("/{}", path.replace('!', "%21")));
    if path.contains('!') && stoa.get(&format!("/{path}")).status != reply.status {
        return Err(format!("{path}: %21 and ! are answered differently"));
    }
    match reply.status {
        200 => Ok(Some(reply)),
        404 | 410 => {
            let text = reply.text();
            if !reply.header("content-type").starts_with("text/plain") {
                return Err(format!("{path}: refusal as {}", reply.header("content-type")));
            }
            if text.trim_end().lines().count() != 1 || text.contains(env!("CARGO_TARGET_TMPDIR")) {
                return Err(format!("{path}: refusal is not one clean line: {text:?}"));
            }
            Ok(None)
        }
        status => Err(format!("{path}: {status} {}", reply.text())),
    }
}

fn info(reply: &Reply) -> Result<(String, String, Value), String> {
    let value: Value = serde_json::from_slice(&reply.body).map_err(|error| error.to_string())?;
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    Ok((text("Version"), text("Time"), value["Origin"].clone()))
}

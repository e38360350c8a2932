//! Runs tests as the standard harness does, except that a test may find out while it runs
//! that it has to be ignored.

use std::process::ExitCode;
use std::time::Instant;

/// The standard harness's exit code of a run with failures.
const FAILED: u8 = 101;

/// Options of the standard harness whose value is a word of its own.
const VALUED: [&str; 6] =
    ["--color", "--format", "--logfile", "--shuffle-seed", "--test-threads", "-Z"];

/// Why a test cannot run here.
pub(crate) struct Ignored(pub(crate) String);

/// One test; it fails by panicking.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    pub(crate) run: fn() -> Result<(), Ignored>,
}

/// What of the standard harness's command line chooses tests; other options change nothing.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    names: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    only_ignored: bool,
    list: bool,
    terse: bool,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Self {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--exact" => arguments.exact = true,
                "--ignored" => arguments.only_ignored = true,
                "--list" => arguments.list = true,
                "-q" | "--quiet" | "--format=terse" => arguments.terse = true,
                "--skip" => arguments.skipped.extend(words.next()),
                valued if VALUED.contains(&valued) => {
                    let value = words.next();
                    arguments.terse |= valued == "--format" && value.as_deref() == Some("terse");
                }
                option if option.starts_with('-') => {
                    arguments.skipped.extend(option.strip_prefix("--skip=").map(str::to_owned));
                }
                _ => arguments.names.push(word),
            }
        }
        arguments
    }

    /// No test is marked as ignored beforehand, so asking for those alone chooses none.
    fn choose(&self, name: &str) -> bool {
        let fits = |wanted: &String| match self.exact {
            true => name == wanted,
            false => name.contains(wanted.as_str()),
        };
        let is_named = self.names.is_empty() || self.names.iter().any(fits);
        is_named && !self.skipped.iter().any(fits) && !self.only_ignored
    }
}

/// Lists or runs the chosen tests, one after the other.
pub(crate) fn main(stories: &[Story], arguments: &Arguments) -> ExitCode {
    let chosen: Vec<&Story> = stories.iter().filter(|story| arguments.choose(story.name)).collect();
    if arguments.list {
        list(&chosen, arguments.terse);
        return ExitCode::SUCCESS;
    }
    let started = Instant::now();
    println!("\nrunning {}", tests(chosen.len()));
    let (mut passed, mut failed, mut ignored) = (0, Vec::new(), 0);
    for Story { name, run } in &chosen {
        // The line is printed whole: a test may print lines of its own.
        match std::panic::catch_unwind(run) {
            Ok(Ok(())) => {
                passed += 1;
                println!("test {name} ... ok");
            }
            Ok(Err(Ignored(why))) => {
                ignored += 1;
                let why: Vec<&str> = why.split_whitespace().collect();
                println!("test {name} ... ignored, {}", why.join(" "));
            }
            Err(_panic) => {
                failed.push(*name);
                println!("test {name} ... FAILED");
            }
        }
    }
    if !failed.is_empty() {
        println!("\nfailures:\n    {}", failed.join("\n    "));
    }
    println!(
        "\ntest result: {}. {passed} passed; {} failed; {ignored} ignored; 0 measured; \
         {} filtered out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        failed.len(),
        stories.len() - chosen.len(),
        started.elapsed().as_secs_f64(),
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

fn list(stories: &[&Story], terse: bool) {
    for story in stories {
        println!("{}: test", story.name);
    }
    if !terse {
        println!("\n{}, 0 benchmarks", tests(stories.len()));
    }
}

fn tests(count: usize) -> String {
    format!("{count} {}", if count == 1 { "test" } else { "tests" })
}

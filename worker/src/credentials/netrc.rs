//! netrc: hosts and their passwords in the old format that git, curl and the go command
//! read.

/// One `machine` of a netrc file.
#[derive(PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) login: String,
    pub(super) password: String,
}

/// The machines that have a login and a password, in order. A `default` belongs to no
/// host and is left out, and so are macros.
pub(super) fn parse(text: &str) -> Vec<Machine> {
    let mut machines: Vec<Machine> = Vec::new();
    let mut is_default = false;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut words = line.split_ascii_whitespace();
        while let Some(word) = words.next() {
            match word {
                "machine" => {
                    is_default = false;
                    let name = words.next().unwrap_or_default().to_owned();
                    machines.push(Machine { name, login: String::new(), password: String::new() });
                }
                "default" => is_default = true,
                "login" | "password" | "account" => {
                    let value = words.next().unwrap_or_default();
                    match (machines.last_mut().filter(|_| !is_default), word) {
                        (Some(machine), "login") => value.clone_into(&mut machine.login),
                        (Some(machine), "password") => value.clone_into(&mut machine.password),
                        _ => {}
                    }
                }
                // It goes on to the next empty line.
                "macdef" => {
                    lines.by_ref().find(|line| line.trim().is_empty());
                    break;
                }
                // The rest of the line is a comment.
                _ if word.starts_with('#') => break,
                _ => {}
            }
        }
    }
    machines.retain(|machine| {
        ![&machine.name, &machine.login, &machine.password].iter().any(|text| text.is_empty())
    });
    machines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_read_whatever_lies_between_them() {
        let text = "# corp\nmachine git.corp.example login ci password s3cr#t\n\
            machine two.example\n\tlogin me\n\taccount x password\tp\n\
            macdef init\nmachine evil login a password b\n\n\
            machine lacks.example login only\n\
            default login anybody password any\nmachine last.example login l password p2";
        let found = parse(text);
        let found: Vec<_> = found
            .iter()
            .map(|machine| {
                (machine.name.as_str(), machine.login.as_str(), machine.password.as_str())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("git.corp.example", "ci", "s3cr#t"),
                ("two.example", "me", "p"),
                ("last.example", "l", "p2")
            ]
        );
        assert!(parse("").is_empty());
    }
}

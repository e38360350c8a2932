//! Rules: the lines of attribute files that matter for conversion, and how they add up
//! for one file.

use std::collections::HashMap;

use gix_attributes::{AssignmentRef, State, parse::Kind};
use gix_glob::{Pattern, pattern::Case, wildmatch};

use super::conversion::can_convert;

/// Git ignores lines of this many bytes and more.
const LINE_BYTES: usize = 2048;

/// How often `**` may stand in a pattern that we match ourselves.
const SPANS: usize = 4;

/// The attributes that decide over conversion; their indices are their [`AttributeId`]s.
const RELEVANT: [&str; 5] = ["text", "crlf", "eol", "ident", "working-tree-encoding"];

/// Index of an attribute: a relevant one, or a macro behind them.
type AttributeId = usize;

/// All rules of a repository.
#[derive(Debug)]
pub(super) struct Rules {
    /// What each macro stands for, by its attribute; relevant attributes stand for
    /// nothing else.
    expansions: Vec<Vec<Assignment>>,
    attributes: HashMap<String, AttributeId>,
    can_convert: bool,
}

/// The rules of one attribute file, in its order.
#[derive(Debug)]
pub(super) struct FileRules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    assignments: Vec<Assignment>,
}

#[derive(Debug)]
struct Assignment {
    attribute: AttributeId,
    state: State,
}

/// What the rules say of one file; `None` where they say nothing.
#[derive(Debug, Default)]
pub(super) struct Values<'a> {
    pub(super) text: Option<&'a State>,
    pub(super) crlf: Option<&'a State>,
    pub(super) eol: Option<&'a State>,
    pub(super) ident: Option<&'a State>,
    pub(super) working_tree_encoding: Option<&'a State>,
}

impl Rules {
    /// Starts with the macros, which only the file at the repository's root may define,
    /// and the built-in one.
    pub(super) fn new(root_file: &[u8]) -> Self {
        let builtin = b"[attr]binary -diff -merge -text";
        let root_file = readable_lines(root_file);
        let attributes = (0..).zip(RELEVANT).map(|(id, name)| (name.to_owned(), id)).collect();
        let expansions = RELEVANT.map(|_| Vec::new()).into();
        let mut rules = Self { expansions, attributes, can_convert: false };
        // Names first: a macro may stand for one that is defined below it.
        for source in [&builtin[..], &root_file] {
            for (name, _) in macros(source) {
                let next = rules.expansions.len();
                if rules.attributes.contains_key(&name) {
                    continue;
                }
                rules.attributes.insert(name, next);
                rules.expansions.push(Vec::new());
            }
        }
        for source in [&builtin[..], &root_file] {
            for (name, assignments) in macros(source) {
                let expansion = rules.assignments(&assignments);
                if let Some(&attribute) = rules.attributes.get(&name) {
                    rules.expansions[attribute] = expansion;
                }
            }
        }
        rules
    }

    /// Reads one attribute file.
    pub(super) fn read(&mut self, content: &[u8]) -> FileRules {
        let content = readable_lines(content);
        let mut rules = Vec::new();
        for (kind, assignments) in lines(&content) {
            let Kind::Pattern(pattern) = kind else {
                continue;
            };
            let assignments = self.assignments(&assignments);
            if !assignments.is_empty() {
                rules.push(Rule { pattern, assignments });
            }
        }
        FileRules(rules)
    }

    /// Whether anything that was read could ever convert a file.
    pub(super) fn can_convert(&self) -> bool {
        self.can_convert
    }

    /// What the rules say of a file. `files` are the attribute files on its way with
    /// the path relative to each, the nearest first: the first word counts.
    pub(super) fn values<'a>(
        &'a self,
        files: impl IntoIterator<Item = (&'a FileRules, &'a [u8])>,
    ) -> Values<'a> {
        let mut values = vec![None; self.expansions.len()];
        for (file, path) in files {
            for rule in file.0.iter().rev().filter(|rule| rule.matches(path)) {
                self.fill(&rule.assignments, &mut values);
            }
        }
        Values {
            text: values[0],
            crlf: values[1],
            eol: values[2],
            ident: values[3],
            working_tree_encoding: values[4],
        }
    }

    /// Adds what is not yet decided, the last assignment first. A macro that is set
    /// stands for its assignments at once, before those on its left.
    fn fill<'a>(&'a self, assignments: &'a [Assignment], values: &mut [Option<&'a State>]) {
        let mut open = vec![assignments.iter().rev()];
        while let Some(current) = open.last_mut() {
            let Some(assignment) = current.next() else {
                open.pop();
                continue;
            };
            let value = &mut values[assignment.attribute];
            if value.is_none() {
                *value = Some(&assignment.state);
                if assignment.state == State::Set {
                    open.push(self.expansions[assignment.attribute].iter().rev());
                }
            }
        }
    }

    /// Those that matter.
    fn assignments(&mut self, assignments: &[AssignmentRef<'_>]) -> Vec<Assignment> {
        let mut relevant = Vec::new();
        for assignment in assignments {
            let name = assignment.name.as_str();
            self.can_convert |= can_convert(name, assignment.state);
            if let Some(&attribute) = self.attributes.get(name) {
                relevant.push(Assignment { attribute, state: assignment.state.to_owned() });
            }
        }
        relevant
    }
}

impl FileRules {
    /// How many rules matter.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether matching one path could take long: each `**` multiplies the ways to
    /// split a path.
    pub(super) fn has_costly_pattern(&self) -> bool {
        let spans =
            |rule: &Rule| rule.pattern.text.windows(2).filter(|&pair| pair == b"**").count();
        self.0.iter().any(|rule| spans(rule) > SPANS)
    }
}

impl Rule {
    fn matches(&self, path: &[u8]) -> bool {
        let name_start = path.iter().rposition(|&byte| byte == b'/').map(|slash| slash + 1);
        self.pattern.matches_repo_relative_path(
            path.into(),
            name_start,
            Some(false),
            Case::Sensitive,
            wildmatch::Mode::NO_MATCH_SLASH_LITERAL,
        )
    }
}

/// The lines that git reads: up to the first NUL, without the overlong ones. The line
/// break in front keeps the parser from skipping a byte order mark, which git takes for
/// a part of the first pattern here.
fn readable_lines(content: &[u8]) -> Vec<u8> {
    let text = content.split(|&byte| byte == 0).next().unwrap_or_default();
    let mut lines = Vec::with_capacity(text.len() + 1);
    for line in text.split(|&byte| byte == b'\n').filter(|line| line.len() < LINE_BYTES) {
        lines.push(b'\n');
        lines.extend_from_slice(line);
    }
    lines
}

/// The valid lines; one bad assignment makes a line void.
fn lines(content: &[u8]) -> impl Iterator<Item = (Kind, Vec<AssignmentRef<'_>>)> {
    gix_attributes::parse(content).filter_map(|line| {
        let (kind, assignments, _) = line.ok()?;
        Some((kind, assignments.collect::<Result<_, _>>().ok()?))
    })
}

fn macros(content: &[u8]) -> impl Iterator<Item = (String, Vec<AssignmentRef<'_>>)> {
    lines(content).filter_map(|(kind, assignments)| match kind {
        Kind::Macro(name) => Some((name.as_str().to_owned(), assignments)),
        Kind::Pattern(_) => None,
    })
}

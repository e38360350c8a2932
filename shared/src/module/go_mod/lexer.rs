//! Cuts a go.mod into tokens.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::{GoModError, GoModProblem};

/// A piece of a go.mod and the line it starts on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind,
    /// As written, quotes included.
    pub(super) text: &'a str,
    pub(super) line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    EndOfFile,
    /// With the comment before it, if there is one.
    EndOfLine,
    /// A line that has nothing else.
    Comment,
    /// `(`
    Open,
    /// `)`
    Close,
    /// A word, a string or other punctuation.
    Text,
}

impl TokenKind {
    pub(super) fn ends_line(self) -> bool {
        matches!(self, Self::EndOfFile | Self::EndOfLine)
    }
}

pub(super) struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    line_has_token: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1, line_has_token: false }
    }

    /// The next token; at the end of the file [`TokenKind::EndOfFile`] for ever.
    pub(super) fn next(&mut self) -> Result<Token<'a>, GoModError> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
        let (kind, length) = self.measure().map_err(|problem| self.error(problem))?;
        let (text, rest) = self.rest.split_at(length);
        let token = Token { kind, text, line: self.line };
        self.rest = rest;
        self.line += text.matches('\n').count();
        self.line_has_token = !matches!(kind, TokenKind::EndOfLine | TokenKind::Comment);
        Ok(token)
    }

    fn error(&self, problem: GoModProblem) -> GoModError {
        GoModError::Line { line: self.line, problem }
    }

    /// Kind and bytes of the token that starts here.
    fn measure(&self) -> Result<(TokenKind, usize), GoModProblem> {
        if self.rest.starts_with("//") {
            let kind = if self.line_has_token { TokenKind::EndOfLine } else { TokenKind::Comment };
            return Ok((kind, self.rest.find('\n').map_or(self.rest.len(), |end| end + 1)));
        }
        let Some(first) = self.rest.chars().next() else {
            return Ok((TokenKind::EndOfFile, 0));
        };
        match first {
            '\n' => Ok((TokenKind::EndOfLine, 1)),
            '(' => Ok((TokenKind::Open, 1)),
            ')' => Ok((TokenKind::Close, 1)),
            '[' | ']' | '{' | '}' | ',' => Ok((TokenKind::Text, 1)),
            '"' | '`' => Ok((TokenKind::Text, measure_string(self.rest, first)?)),
            _ => Ok((TokenKind::Text, measure_word(self.rest)?)),
        }
    }
}

/// A backslash takes even a line feed with it, and only unquoting will refuse that.
fn measure_string(text: &str, quote: char) -> Result<usize, GoModProblem> {
    let mut characters = text.char_indices().skip(1);
    while let Some((index, character)) = characters.next() {
        match character {
            '\n' => break,
            '\\' if quote == '"' => drop(characters.next()),
            _ if character == quote => return Ok(index + 1),
            _ => {}
        }
    }
    Err(GoModProblem::UnterminatedString)
}

fn measure_word(text: &str) -> Result<usize, GoModProblem> {
    for (index, character) in text.char_indices() {
        if text[index..].starts_with("/*") {
            return Err(GoModProblem::BlockComment);
        }
        if !is_word_character(character) || text[index..].starts_with("//") {
            return if index > 0 { Ok(index) } else { Err(GoModProblem::Character(character)) };
        }
    }
    Ok(text.len())
}

fn is_word_character(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_graphic()
            && !matches!(character, '(' | ')' | '[' | ']' | '{' | '}' | ',');
    }
    matches!(
        character.general_category_group(),
        GeneralCategoryGroup::Letter
            | GeneralCategoryGroup::Mark
            | GeneralCategoryGroup::Number
            | GeneralCategoryGroup::Punctuation
            | GeneralCategoryGroup::Symbol
    )
}

//! The lines of a go.mod, taken out of their blocks.

use super::{
    GoModError, GoModProblem,
    lexer::{Lexer, Token, TokenKind},
};

/// No directive that counts has more tokens: `retract [ low , high ]`, with room for
/// one that shows that there are too many.
const KEPT_TOKENS: usize = 8;

/// The verbs that may stand before a block; blocks of other verbs are skipped.
const BLOCK_VERBS: [&str; 4] = ["module", "require", "retract", "ignore"];

/// One line: `verb arguments...`.
#[derive(Debug)]
pub(super) struct Directive<'a, 'b> {
    pub(super) verb: &'a str,
    /// As written, at least the first few.
    pub(super) arguments: &'b [&'a str],
    /// Counted from 1.
    pub(super) line: usize,
}

/// Reads one directive at a time, so that a huge file takes no more memory than itself.
pub(super) struct Directives<'a> {
    lexer: Lexer<'a>,
    block: Option<Block<'a>>,
    tokens: Vec<&'a str>,
}

#[derive(Clone, Copy)]
struct Block<'a> {
    /// `None`: its lines are skipped.
    verb: Option<&'a str>,
    line: usize,
}

/// How a line of tokens ended.
enum LineEnd {
    Plain,
    /// In a `(` that opens a block.
    Opening,
    /// In `()`: a block without lines.
    EmptyBlock,
}

impl<'a> Directives<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { lexer: Lexer::new(text), block: None, tokens: Vec::with_capacity(KEPT_TOKENS) }
    }

    /// The next directive, or `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Directive<'a, '_>>, GoModError> {
        loop {
            let token = self.lexer.next()?;
            match (token.kind, self.block) {
                (TokenKind::EndOfLine | TokenKind::Comment, _) => {}
                (TokenKind::EndOfFile, None) => return Ok(None),
                (TokenKind::EndOfFile, Some(block)) => {
                    let problem = GoModProblem::UnterminatedBlock;
                    return Err(GoModError::Line { line: block.line, problem });
                }
                (TokenKind::Close, Some(_)) => self.end_block()?,
                (_, Some(block)) => {
                    self.read_line_of_block(token)?;
                    if let Some(verb) = block.verb {
                        let arguments = &self.tokens;
                        return Ok(Some(Directive { verb, arguments, line: token.line }));
                    }
                }
                (_, None) => match self.read_line(token)? {
                    LineEnd::Plain => {
                        let (verb, arguments) = (self.tokens[0], &self.tokens[1..]);
                        return Ok(Some(Directive { verb, arguments, line: token.line }));
                    }
                    LineEnd::EmptyBlock => {}
                    LineEnd::Opening => {
                        let verb = match *self.tokens {
                            [verb] if BLOCK_VERBS.contains(&verb) => Some(verb),
                            _ => None,
                        };
                        self.block = Some(Block { verb, line: token.line });
                    }
                },
            }
        }
    }

    fn end_block(&mut self) -> Result<(), GoModError> {
        let after = self.lexer.next()?;
        if !after.kind.ends_line() {
            let problem = GoModProblem::AfterBlock;
            return Err(GoModError::Line { line: after.line, problem });
        }
        self.block = None;
        Ok(())
    }

    /// Within a block, parentheses are tokens like others.
    fn read_line_of_block(&mut self, first: Token<'a>) -> Result<(), GoModError> {
        self.tokens.clear();
        let mut token = first;
        while !token.kind.ends_line() {
            self.keep(token.text);
            token = self.lexer.next()?;
        }
        Ok(())
    }

    fn read_line(&mut self, first: Token<'a>) -> Result<LineEnd, GoModError> {
        self.tokens.clear();
        self.keep(first.text);
        let mut token = self.lexer.next()?;
        while !token.kind.ends_line() {
            if token.kind != TokenKind::Open {
                self.keep(token.text);
                token = self.lexer.next()?;
                continue;
            }
            let after = self.lexer.next()?;
            if after.kind.ends_line() {
                return Ok(LineEnd::Opening);
            }
            if after.kind != TokenKind::Close {
                self.keep(token.text);
                token = after;
                continue;
            }
            let after_close = self.lexer.next()?;
            if after_close.kind.ends_line() {
                return Ok(LineEnd::EmptyBlock);
            }
            self.keep(token.text);
            self.keep(after.text);
            token = after_close;
        }
        Ok(LineEnd::Plain)
    }

    fn keep(&mut self, token: &'a str) {
        if self.tokens.len() < KEPT_TOKENS {
            self.tokens.push(token);
        }
    }
}

//! From text to tokens.

use crate::error::Error;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Number(f64),
    Plus,
    Minus,
    Star,
    Slash,
    Open,
    Close,
}

/// A token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Token {
    pub kind: Kind,
}

/// Cuts a text into tokens.
pub fn lex(text: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, letter)) = rest.next() {
        let kind = match letter {
            ' ' | '\t' | '\n' => continue,
            '+' => Kind::Plus,
            '-' => Kind::Minus,
            '*' => Kind::Star,
            '/' => Kind::Slash,
            '(' => Kind::Open,
            ')' => Kind::Close,
            '0'..='9' | '.' => {
                let mut end = at + 1;
                while let Some((next, _)) = rest.next_if(|(_, c)| c.is_ascii_digit() || *c == '.') {
                    end = next + 1;
                }
                Kind::Number(text[at..end].parse().map_err(|_| Error::BadNumber { at })?)
            }
            letter => return Err(Error::UnknownLetter { at, letter }),
        };

        tokens.push(Token { kind });
    }
    Ok(tokens)
}

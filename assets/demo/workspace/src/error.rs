//! What can be wrong with an expression.

/// An error, and where it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Error {
    /// A letter that means nothing here.
    UnknownLetter { at: usize, letter: char },
    /// Something that looks like a number and is none.
    BadNumber { at: usize },
    /// A token in a place where it cannot stand.
    Unexpected { at: usize },
    /// The text ends too early.
    TooShort,
    /// Division by zero.
    DivisionByZero,
}

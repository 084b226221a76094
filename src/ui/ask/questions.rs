//! Questions with options: one at a time, several marks where the question allows them, and always
//! an answer in own words.

use super::body::Kind;
use crate::model::permission::Question;
use crate::ui::action::QuestionAction;
use crate::ui::text::{fit, harmless};
use crate::ui::wrap;

/// How far the person is with the questions.
#[derive(Debug, Clone, Default)]
pub(super) struct Questions {
    all: Vec<Question>,
    answers: Vec<Given>,
    at: usize,
    cursor: usize,
}

#[derive(Debug, Clone, Default)]
struct Given {
    marks: Vec<bool>,
    words: String,
    done: bool,
}

impl Questions {
    /// Nothing is answered yet.
    pub(super) fn new(questions: &[Question]) -> Self {
        let given = |question: &Question| Given {
            marks: vec![false; question.options.len()],
            ..Given::default()
        };
        let answers = questions.iter().map(given).collect();
        Self { all: questions.to_vec(), answers, at: 0, cursor: 0 }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Whether the question on the screen takes several options.
    pub(super) fn is_multi(&self) -> bool {
        self.all.get(self.at).is_some_and(|question| question.multi_select)
    }

    /// Whether the cursor is on "own words".
    pub(super) fn is_at_own_words(&self) -> bool {
        self.all.get(self.at).is_some_and(|question| self.cursor == question.options.len())
    }

    /// The own words so far.
    pub(super) fn words(&self) -> &str {
        self.answers.get(self.at).map_or("", |given| &given.words)
    }

    /// Works on the question on the screen; the answers once all are given.
    pub(super) fn act(&mut self, action: QuestionAction) -> Option<Vec<String>> {
        let options = self.all.get(self.at)?.options.len();
        if let Some(option) = action.option() {
            if option >= options {
                return None;
            }
            self.cursor = option;
            return if self.is_multi() { self.toggle() } else { self.choose() };
        }
        match action {
            QuestionAction::Up => self.cursor = self.cursor.saturating_sub(1),
            QuestionAction::Down => self.cursor = (self.cursor + 1).min(options),
            QuestionAction::Choose => return self.choose(),
            QuestionAction::Toggle => return self.toggle(),
            QuestionAction::Next => self.go((self.at + 1).min(self.all.len() - 1)),
            QuestionAction::Previous => self.go(self.at.saturating_sub(1)),
            QuestionAction::Own
            | QuestionAction::Reason
            | QuestionAction::Leave
            | QuestionAction::Pick1
            | QuestionAction::Pick2
            | QuestionAction::Pick3
            | QuestionAction::Pick4
            | QuestionAction::Pick5
            | QuestionAction::Pick6
            | QuestionAction::Pick7
            | QuestionAction::Pick8
            | QuestionAction::Pick9 => {}
        }
        None
    }

    /// Answers in own words, besides marked options where several are allowed.
    pub(super) fn own_words(&mut self, words: &str) -> Option<Vec<String>> {
        let multi = self.is_multi();
        let given = self.answers.get_mut(self.at)?;
        words.clone_into(&mut given.words);
        if words.is_empty() {
            return None;
        }
        if !multi {
            given.marks.fill(false);
        }
        given.done = true;
        self.go_on()
    }

    /// The rows of the question on the screen.
    pub(super) fn lines(&self, room: usize) -> Vec<(Kind, String)> {
        let (Some(question), Some(given)) = (self.all.get(self.at), self.answers.get(self.at))
        else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        let number = match self.all.len() {
            1 => String::new(),
            count => format!("{} of {count}  ", self.at + 1),
        };
        let text = harmless(&format!("{number}{}", question.question)).replace('\n', " ");
        for row in wrap::rows(&text, room) {
            lines.push((Kind::Head, text[row].to_owned()));
        }
        for (index, option) in question.options.iter().enumerate() {
            let mark = match (question.multi_select, given.marks.get(index)) {
                (true, Some(true)) => "[x] ",
                (true, _) => "[ ] ",
                (false, Some(true)) => "• ",
                (false, _) => "",
            };
            let about = if option.description.is_empty() { "" } else { "  — " };
            let text = format!("{mark}{}{about}{}", option.label, option.description);
            lines.push(self.option(index, &text, room));
        }
        let own = if given.words.is_empty() { "own words …" } else { &given.words };
        lines.push(self.option(question.options.len(), own, room));
        lines
    }

    /// How many rows at the end are options.
    pub(super) fn rows(&self) -> usize {
        self.all.get(self.at).map_or(0, |question| question.options.len() + 1)
    }

    /// The option under the cursor.
    pub(super) fn cursor_row(&self) -> Option<usize> {
        (!self.all.is_empty()).then_some(self.cursor)
    }

    fn option(&self, index: usize, text: &str, room: usize) -> (Kind, String) {
        let here = index == self.cursor;
        let sign = if here { '›' } else { ' ' };
        let text = harmless(text).replace('\n', " ");
        let line = fit(&format!("{sign} {} {text}", index + 1), room);
        (if here { Kind::Cursor } else { Kind::Plain }, line)
    }

    fn choose(&mut self) -> Option<Vec<String>> {
        let multi = self.is_multi();
        let given = self.answers.get_mut(self.at)?;
        if multi {
            if !given.marks.contains(&true) && given.words.is_empty() {
                *given.marks.get_mut(self.cursor)? = true;
            }
        } else {
            given.marks.fill(false);
            *given.marks.get_mut(self.cursor)? = true;
            given.words.clear();
        }
        given.done = true;
        self.go_on()
    }

    fn toggle(&mut self) -> Option<Vec<String>> {
        if !self.is_multi() {
            return None;
        }
        let mark = self.answers.get_mut(self.at)?.marks.get_mut(self.cursor)?;
        *mark = !*mark;
        None
    }

    fn go(&mut self, at: usize) {
        if at != self.at {
            self.at = at;
            self.cursor = 0;
        }
    }

    /// To the next question without an answer; the answers if there is none.
    fn go_on(&mut self) -> Option<Vec<String>> {
        let count = self.all.len();
        let next = (1..count)
            .map(|step| (self.at + step) % count)
            .find(|at| self.answers.get(*at).is_some_and(|given| !given.done));
        if let Some(next) = next {
            self.go(next);
            return None;
        }
        let answers = self.all.iter().zip(&self.answers).map(|(question, given)| {
            let marked = question
                .options
                .iter()
                .zip(&given.marks)
                .filter(|(_, mark)| **mark)
                .map(|(option, _)| option.label.as_str());
            let words = Some(given.words.as_str()).filter(|words| !words.is_empty());
            marked.chain(words).collect::<Vec<_>>().join(", ")
        });
        Some(answers.collect())
    }
}

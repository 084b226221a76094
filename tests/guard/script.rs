//! An arbiter that answers by a script and writes down what it is asked and told.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use benchdog::guard::ground::Workspace;
use benchdog::guard::request::{Answer, Arbitrate, Op, Outcome, Request, Victim};
use rustix::io::Errno;

use crate::field::Field;

/// What the arbiter of these tests is told, one line each.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Asked(String),
    Before(String),
    Done(String, Outcome),
}

/// Called while something is asked.
pub(crate) type Meanwhile = Box<dyn FnMut(&Request) + Send>;

/// Answers by the last part of what it is asked, else with yes.
pub(crate) struct Script {
    pub(crate) answers: Mutex<BTreeMap<String, Answer>>,
    heard: Mutex<Sender<Heard>>,
    /// Called while something is asked.
    pub(crate) meanwhile: Mutex<Option<Meanwhile>>,
}

pub(crate) fn script() -> (Arc<Script>, Receiver<Heard>) {
    let (heard, receiver) = channel();
    let (answers, meanwhile) = (Mutex::default(), Mutex::default());
    (Arc::new(Script { answers, heard: Mutex::new(heard), meanwhile }), receiver)
}

pub(crate) fn words(request: &Request) -> String {
    let path = String::from_utf8_lossy(&request.target.path);
    let op = match &request.op {
        Op::Open(open) => format!("{open:?}"),
        Op::Rename { from, manner } => {
            format!("{manner:?} {} by", String::from_utf8_lossy(&from.path))
        }
        Op::Link { from } => {
            let from = from.as_ref().map(|from| String::from_utf8_lossy(&from.path).into_owned());
            format!("Link {} as", from.unwrap_or_default())
        }
        other => format!("{other:?}"),
    };
    format!("{op} {path}")
}

impl Script {
    pub(crate) fn answer(&self, words: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(words.to_owned(), answer);
    }

    pub(crate) fn tell(&self, heard: Heard) {
        let _ = self.heard.lock().unwrap().send(heard);
    }
}

impl Arbitrate for Script {
    fn ask(&self, request: &Request) -> Answer {
        let words = words(request);
        // The answer stands before anybody hears of the question.
        let answer = self.answers.lock().unwrap().get(&words).copied().unwrap_or(Answer::Allow);
        self.tell(Heard::Asked(words));
        if let Some(act) = self.meanwhile.lock().unwrap().as_mut() {
            act(request);
        }
        answer
    }

    fn before(&self, request: &Request, victim: &Victim<'_>) -> Result<(), Errno> {
        let mut text = String::new();
        std::fs::File::from(victim.read().unwrap()).read_to_string(&mut text).unwrap();
        self.tell(Heard::Before(text.trim_end().to_owned()));
        if words(request).ends_with("precious") { Err(Errno::NOSPC) } else { Ok(()) }
    }

    fn done(&self, request: &Request, outcome: Outcome) {
        self.tell(Heard::Done(words(request), outcome));
    }
}

pub(crate) fn asked(words: &str) -> Heard {
    Heard::Asked(words.to_owned())
}

pub(crate) fn before(text: &str) -> Heard {
    Heard::Before(text.to_owned())
}

pub(crate) fn done(words: &str, outcome: Outcome) -> Heard {
    Heard::Done(words.to_owned(), outcome)
}

pub(crate) fn workspace(field: &Field) -> Arc<Workspace> {
    Workspace::open(&field.root(), &[]).unwrap()
}

/// All that was heard of a script from its start to its end.
pub(crate) fn heard(field: &Field, text: &str) -> (Vec<Heard>, String) {
    let (arbiter, receiver) = script();
    let (child, supervisor) = field.start_in(&workspace(field), text, &arbiter);
    let ended = field.end(child);
    supervisor.wait();
    (receiver.try_iter().collect(), ended.text)
}

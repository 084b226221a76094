//! What owners are told without having asked: files that went to others, reservations that ended.
//!
//! Each piece of news has two wordings. In [`News::text`] "you" is the owner, who is told what to do
//! next. [`News::shown`] stands in the owner's pane, where "you" is the person who reads it.

use super::input::Effect;
use super::owners::{FileId, Who};
use super::refusal::LIMIT;
use super::table::Table;
use crate::model::lease::{Owner, Refusal};
use crate::model::path::WorkPath;

/// What to do about a file that went to somebody else.
const READ_AGAIN: &str =
    "Nothing of yours was undone; read it again before you replace lines there.";

/// Why somebody has a file whom the person gave it.
pub(super) const GIVEN: &str = "given by hand";

/// A piece of news in its two wordings.
struct News {
    text: String,
    shown: String,
}

/// When somebody gets what the person gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handover {
    /// At once.
    Now,
    /// When the write under way has ended.
    AfterTheWrite,
}

impl Table {
    /// A lease had run out, and somebody else wanted the file.
    pub(super) fn tell_passed(&mut self, file: FileId, from: Who, to: Who) {
        let (path, old, new) = (self.path(file).clone(), self.bare(from), self.person(to));
        self.tell(
            from,
            News {
                text: format!(
                    "{path} has passed to {}: your lease on it had run out. {READ_AGAIN}",
                    new.said()
                ),
                shown: format!("{path} passed to {}: {old}'s lease had run out", new.bare()),
            },
        );
    }

    /// A lease was taken away to open a circle of owners who waited for one another.
    pub(super) fn tell_wounded(&mut self, file: FileId, from: Who) {
        let (path, old) = (self.path(file).clone(), self.bare(from));
        self.tell(
            from,
            News {
                text: format!(
                    "{path} has passed to the next one: you and others were waiting for one \
                     another. {READ_AGAIN}"
                ),
                shown: format!("{path} passed on: {old} and others were waiting for one another"),
            },
        );
    }

    /// The file that somebody had waited for is free.
    pub(super) fn tell_free(&mut self, file: FileId, to: Who) {
        let (path, name) = (self.path(file).clone(), self.bare(to));
        self.tell(
            to,
            News {
                text: format!("{path} is free now; you had been waiting for it."),
                shown: format!("{path} is free now; {name} had been waiting for it"),
            },
        );
    }

    /// A process of somebody was refused a change.
    pub(super) fn tell_refused_process(&mut self, path: &WorkPath, who: Who, refusal: &Refusal) {
        let name = self.bare(who);
        let holder = refusal.holder.as_ref().map(|holder| format!(": {holder}"));
        let code = refusal.code.as_str().to_lowercase();
        let text = format!("A command of yours failed here.\n{}", refusal.text);
        let text = if text.chars().count() > LIMIT { refusal.text.clone() } else { text };
        self.tell(
            who,
            News {
                text,
                shown: format!(
                    "a command of {name} was refused {path} ({code}{})",
                    holder.unwrap_or_default()
                ),
            },
        );
    }

    /// The time of a reservation is over.
    pub(super) fn tell_run_out(&mut self, pattern: &str, who: Who) {
        let name = self.bare(who);
        self.tell(
            who,
            News {
                text: format!("Your reservation of {pattern} has run out."),
                shown: format!("{name}'s reservation of {pattern} has run out"),
            },
        );
    }

    /// The person took something away, for themselves or for somebody else.
    pub(super) fn tell_stolen(&mut self, what: &str, from: Who, to: Who, when: Handover) {
        let (old, new) = (self.bare(from), self.person(to));
        let (then, shown_then) = match when {
            Handover::Now => ("", String::new()),
            Handover::AfterTheWrite => {
                (" as soon as the write under way is done", format!(", once {old} is done"))
            }
        };
        let news = if self.is_person(to) {
            News {
                text: format!(
                    "The person has taken {what} over from you{then}. What you wrote stays. Leave \
                     it alone until it is free, and read it again then."
                ),
                shown: format!("you took {what} over from {old}{shown_then}"),
            }
        } else {
            News {
                text: format!(
                    "The person has given {what} from you to {}{then}. What you wrote stays. Go on \
                     with something else, and read it again before you change it.",
                    new.said()
                ),
                shown: format!("you gave {what} from {old} to {}{shown_then}", new.bare()),
            }
        };
        self.tell(from, news);
    }

    /// The person gave something to somebody who did not ask for it.
    pub(super) fn tell_given(&mut self, what: &str, to: Who) {
        if self.is_person(to) {
            return;
        }
        let name = self.bare(to);
        self.tell(
            to,
            News {
                text: format!(
                    "The person has reserved {what} for you. Read what is there before you write."
                ),
                shown: format!("you gave {what} to {name}"),
            },
        );
    }

    /// The person freed a file.
    pub(super) fn tell_released(&mut self, file: FileId, from: Who) {
        let (path, old) = (self.path(file).clone(), self.bare(from));
        self.tell(
            from,
            News {
                text: format!(
                    "The person has released {path}: others may write it now. What you wrote \
                     stays; read it again before you change it."
                ),
                shown: format!("you released {path}, which {old} had"),
            },
        );
    }

    /// The person ended a reservation.
    pub(super) fn tell_unpinned(&mut self, pattern: &str, from: Who) {
        if self.is_person(from) {
            return;
        }
        let old = self.bare(from);
        self.tell(
            from,
            News {
                text: format!(
                    "The person has ended your reservation of {pattern}: others may write there \
                     now."
                ),
                shown: format!("you ended {old}'s reservation of {pattern}"),
            },
        );
    }

    fn bare(&self, who: Who) -> String {
        self.person(who).bare().to_owned()
    }

    fn tell(&mut self, who: Who, news: News) {
        let owner = self.owners.owner(who).clone();
        if owner != Owner::External {
            self.out.push(Effect::Tell { owner, text: news.text, shown: news.shown });
        }
    }
}

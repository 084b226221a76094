//! A git over the whole tree, with the person's word: ask, look again, have everything kept, run.
//!
//! - Until git is started, whatever goes wrong is a refusal.
//! - The tree is ours from the person's yes until we have told that git has ended. When we are
//!   killed, the engine sees it, and waits for git by itself.

use std::ffi::OsString;
use std::thread;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::real::{Git, INDEX_PAUSE, INDEX_TRIES};
use super::survey::Survey;
use super::{fail, refuse, small_runtime};
use crate::control::client::{Client, connect};
use crate::git::ask::{Request, Wish, Word, changed, command_line, not_kept, unlisted};
use crate::git::verdict::{Question, not_asked};
use crate::git::{Decision, Line, decide};
use crate::model::failure::Failure;

/// Asks the person, and runs git if the answer is yes; gives the exit code.
pub(super) fn ask_and_run(
    git: &Git,
    words: &[OsString],
    line: &Line,
    survey: &Survey,
    question: Question,
) -> u8 {
    let Question { why, stakes, refusal } = question;
    let plain: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let wish = Wish { line: command_line(&plain), name: line.name(), why, stakes, refusal };
    let mut held = match Held::ask(survey, line, wish) {
        Ok(held) => held,
        Err(text) => return refuse(&text),
    };
    let git = match held.keep(git, line) {
        Ok(git) => git,
        Err(text) => return refuse(&text),
    };
    held.run(&git, words)
}

/// The tree, for as long as this lives.
struct Held<'a> {
    runtime: Runtime,
    client: Client,
    survey: &'a Survey,
    wish: Wish,
}

impl<'a> Held<'a> {
    /// Waits for the person, then for the tree.
    fn ask(survey: &'a Survey, line: &Line, wish: Wish) -> Result<Self, String> {
        let lost = |failure: Failure| not_asked(line, &failure.message);
        let runtime = small_runtime().map_err(lost)?;
        let link = runtime.block_on(connect(&survey.socket)).map_err(lost)?.1;
        let mut held = Self { runtime, client: Client::new(link), survey, wish };
        held.request(Request::Ask(held.wish.clone())).map_err(lost)??;
        Ok(held)
    }

    fn request(&mut self, request: Request) -> Result<Result<(), String>, Failure> {
        let word = self.runtime.block_on(self.client.git_tree(request))?;
        Ok(match word {
            Word::Go => Ok(()),
            Word::No(text) => Err(text),
        })
    }

    /// Nobody else changes the tree now: what is at stake is looked at once more, and kept.
    fn keep(&mut self, git: &Git, line: &Line) -> Result<Git, String> {
        let lost = |failure: Failure| not_asked(line, &failure.message);
        let now = Survey::take(git, line).map_err(lost)?;
        let now = now.ok_or_else(|| not_kept(&line.name(), "there is no work tree any more"))?;
        if now.top != self.survey.top {
            return Err(not_kept(&line.name(), "it is another work tree now"));
        }
        let questions = now.questions().cloned().collect();
        let answer = self.runtime.block_on(self.client.git_facts(questions)).map_err(lost)?;
        match decide(line, &now.scene(&answer)) {
            Decision::Run => {}
            Decision::Ask(Question { stakes, .. }) => {
                let news = unlisted(&self.wish.stakes, &stakes);
                if !news.is_empty() {
                    return Err(changed(&line.name(), &news));
                }
            }
            Decision::Refuse(text) => return Err(text),
            Decision::Narrow { .. } => return Err(changed(&line.name(), &[])),
        }
        let cannot = |failure: Failure| not_kept(&line.name(), &failure.message);
        let files = now.to_keep(git, line).map_err(cannot)?;
        self.request(Request::Keep(files)).map_err(lost)??;
        Ok(git.clone().with_pass(answer.pass))
    }

    /// Runs git to its end, and waits until it is written down what it has done.
    fn run(mut self, git: &Git, words: &[OsString]) -> u8 {
        // A git of somebody who only stages may have the index; without it git would fail at once.
        let index = self.survey.git_dir.join("index.lock");
        for _ in 0..INDEX_TRIES {
            if !index.exists() {
                break;
            }
            thread::sleep(INDEX_PAUSE);
        }
        // Ctrl-C is for git, which is in our group; we wait for what it makes of it.
        let _breaks = self.outlive_breaks();
        let mut child = match git.start(words) {
            Ok(child) => child,
            Err(failure) => return fail(&failure),
        };
        if let Err(failure) = self.request(Request::Began(child.id())) {
            // git runs on, with everything kept; only who tells of its end is not known.
            fail(&failure);
        }
        let code = git.wait(&mut child).unwrap_or_else(|failure| fail(&failure));
        if let Err(failure) = self.request(Request::Ended) {
            fail(&failure);
        }
        code
    }

    fn outlive_breaks(&self) -> Vec<Signal> {
        let _inside = self.runtime.enter();
        let kinds = [SignalKind::interrupt(), SignalKind::quit()];
        // Where that cannot be, a break ends us as well, and the engine waits for git.
        kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect()
    }
}

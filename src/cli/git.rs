//! git, as agents get it: asks whose work is at stake, then runs the real git, or a part of it, or
//! asks the person, or refuses.
//!
//! - What only reads runs at once, without a question to the engine.
//! - Who asks is what the engine sees of this process, never a name that it is told.
//! - A refusal touches nothing: up to it, git is only asked questions that take no lock.
//! - When the engine cannot be asked, what may change files or the index is refused.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use super::small_runtime;
use crate::control::client::{Client, connect};
use crate::git::deed::{Commits, Stages, Way};
use crate::git::verdict::not_asked;
use crate::git::{Answer, Decision, Deed, FileQuestion, Line, decide};
use crate::model::failure::Failure;

mod commit;
mod real;
mod survey;
mod tree;

use real::Git;
use survey::Survey;

/// The exit code of a refusal.
const REFUSED: u8 = 1;

/// The words of this command line, if it calls us by the name of git.
pub(super) fn called_as_git() -> Option<Vec<OsString>> {
    let mut words = std::env::args_os();
    let program = words.next()?;
    (Path::new(&program).file_name()? == crate::config::shim::GIT).then(|| words.collect())
}

/// Is git for an agent; gives the exit code.
pub(super) fn git(words: &[OsString]) -> u8 {
    let git = match Git::find() {
        Ok(git) => git,
        Err(failure) => return fail(&failure),
    };
    let line = read(words);
    if matches!(line.deed, Deed::Reads | Deed::ChangesRefs) {
        return git.become_it(words);
    }
    let survey = match Survey::take(&git, &line) {
        Ok(Some(survey)) => survey,
        // There is no work tree that agents share.
        Ok(None) => return git.become_it(words),
        Err(failure) => return refuse(&not_asked(&line, &failure.message)),
    };
    let answer = match ask(&survey) {
        Ok(answer) => answer,
        Err(failure) => return refuse(&not_asked(&line, &failure.message)),
    };
    let decision = decide(&line, &survey.scene(&answer));
    let git = git.with_pass(answer.pass);
    match (decision, &line.deed) {
        (Decision::Refuse(text), _) => refuse(&text),
        (Decision::Ask(question), _) => tree::ask_and_run(&git, words, &line, &survey, question),
        (Decision::Narrow { paths, left_out }, Deed::Stages(stages)) => {
            stage(&git, &survey, stages, &paths, left_out.as_deref())
        }
        (Decision::Narrow { paths, left_out }, Deed::Commits(commits)) => {
            make_commit(&git, &survey, commits, &paths, left_out.as_deref())
        }
        (Decision::Run, Deed::Stages(_) | Deed::ChangesPaths(_)) => {
            git.run_patiently(git.command().args(words))
        }
        (Decision::Run | Decision::Narrow { .. }, _) => git.become_it(words),
    }
}

/// The command line in words. What is not UTF-8 is not understood.
fn read(words: &[OsString]) -> Line {
    let plain: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut line = Line::parse(&plain);
    let harmless = matches!(line.deed, Deed::Reads | Deed::ChangesRefs);
    if !harmless && words.iter().any(|word| word.to_str().is_none()) {
        line.deed = Deed::Unknown;
    }
    line
}

/// What the engine knows about the files of a survey.
fn ask(survey: &Survey) -> Result<Answer, Failure> {
    let files: Vec<FileQuestion> = survey.questions().cloned().collect();
    small_runtime()?.block_on(async {
        let (_, link) = connect(&survey.socket).await?;
        Client::new(link).git_facts(files).await
    })
}

fn stage(
    git: &Git,
    survey: &Survey,
    stages: &Stages,
    paths: &[Vec<u8>],
    left_out: Option<&str>,
) -> u8 {
    let code = match stages.way {
        Way::In => {
            let mut command = git.literal(&survey.globals);
            command.arg("add").args(&stages.options).arg("--");
            command.args(paths.iter().map(|path| survey.full(path)));
            Ok(git.run_patiently(&mut command))
        }
        Way::Out => commit::unstage(git, survey, paths),
    };
    say(left_out);
    code.unwrap_or_else(|failure| fail(&failure))
}

fn make_commit(
    git: &Git,
    survey: &Survey,
    commits: &Commits,
    paths: &[Vec<u8>],
    left_out: Option<&str>,
) -> u8 {
    match commit::commit(git, survey, commits, paths) {
        Ok(code) => {
            say(left_out);
            code
        }
        Err(failure) => fail(&failure),
    }
}

fn refuse(text: &str) -> u8 {
    say(Some(text));
    REFUSED
}

fn fail(failure: &Failure) -> u8 {
    say(Some(&format!("benchdog: {failure}")));
    REFUSED
}

fn say(text: Option<&str>) {
    if let Some(text) = text {
        let _gone = writeln!(std::io::stderr(), "{text}");
    }
}

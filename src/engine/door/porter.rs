//! Answers at the door for one agent.
//!
//! Each call that is let go has a number at the desk until it is said what became of it. One that
//! waited in vain is asked about once more, with no time left, so that its owner is told in words
//! who was in the way.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;

use super::aliases::Aliases;
use super::build_output::BuildOutput;
use super::images::{self, BeforeImages};
use super::index::{self, Entry};
use super::wish;
use crate::arbiter::{Deed, Effect, Input, Mark, Touch, is_protected};
use crate::engine::desk::{Attempt, Desk, Look, Unanswered, Waits};
use crate::fault;
use crate::guard::request::{Answer, Arbitrate, Op, Outcome, Request, Target, Victim};
use crate::guard::supervisor::LONGEST_PARK;
use crate::model::id::OpId;
use crate::model::lease::{Owner, Refusal};
use crate::model::path::WorkPath;

/// What holds for all agents of a workspace.
#[derive(Debug)]
pub(in crate::engine) struct Ground {
    pub(in crate::engine) root: PathBuf,
    pub(in crate::engine) output: Arc<BuildOutput>,
    pub(in crate::engine) aliases: Aliases,
    /// What files were before they were destroyed.
    pub(in crate::engine) images: Arc<BeforeImages>,
    /// Files, and folders with `/` at their ends, that only the person may let be written.
    pub(in crate::engine) protected: Vec<String>,
}

/// Hears why something is refused.
pub(in crate::engine) type Hears = Box<dyn Fn(&str) + Send + Sync>;

/// Answers for one agent.
pub(in crate::engine) struct Porter {
    pub(in crate::engine) desk: Arc<Desk>,
    pub(in crate::engine) ground: Arc<Ground>,
    pub(in crate::engine) owner: Owner,
    /// The process that carries out the writes of the agent's tools, if it has one.
    pub(in crate::engine) itself: Option<u32>,
    /// Who else wants to hear why something is refused.
    pub(in crate::engine) hears: Option<Hears>,
    /// What the agent's parked calls wait for.
    pub(in crate::engine) waits: Arc<Waits>,
    open: Mutex<HashMap<u64, Granted>>,
}

/// A call that was let go.
#[derive(Debug, Clone)]
struct Granted {
    op: OpId,
    /// The entry that it is about, if what was there may be needed again.
    path: Option<WorkPath>,
}

impl fmt::Debug for Porter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Porter").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// What a path is to us.
enum Class {
    /// Nobody needs to be asked.
    Passes,
    /// Nobody needs to be asked about this name.
    Output(WorkPath),
    /// The arbiter decides.
    Arbitrated(WorkPath),
    /// Only the person may let it happen.
    Forbidden(WorkPath),
}

impl Porter {
    pub(in crate::engine) fn new(desk: Arc<Desk>, ground: Arc<Ground>, owner: Owner) -> Self {
        let (waits, open) = (Arc::default(), Mutex::default());
        Self { desk, ground, owner, itself: None, hears: None, waits, open }
    }

    /// What the call means for the arbiter, name by name.
    fn marks(&self, request: &Request, itself: bool) -> Vec<Mark> {
        let mut marks: Vec<Mark> = Vec::new();
        for (target, deed) in wish::deeds(request) {
            match self.class(target, deed, request.thread, itself) {
                Class::Passes => {}
                Class::Output(path) => {
                    // What git ignores may be another name of what it does not.
                    let others = self.others(request, target, &path);
                    let sources = others.into_iter().filter(|one| !self.ground.output.covers(one));
                    marks.extend(sources.map(|path| Mark { path, deed }));
                }
                Class::Forbidden(path) => marks.push(Mark { path, deed: Deed::Forbidden }),
                Class::Arbitrated(path) => {
                    let others = self.others(request, target, &path);
                    marks.extend(others.into_iter().map(|path| Mark { path, deed }));
                    marks.push(Mark { path, deed });
                }
            }
        }
        // The two names of a rename may belong to one file.
        let mut seen = Vec::new();
        marks.retain(|mark| {
            let new = !seen.contains(&mark.path);
            seen.push(mark.path.clone());
            new
        });
        marks
    }

    /// The other names of a file that a call changes. Whoever takes a name away leaves the file to
    /// its other names.
    fn others(&self, request: &Request, target: &Target, path: &WorkPath) -> Vec<WorkPath> {
        let shared = target.found.filter(|_| changes_the_file(&request.op));
        shared.map(|found| self.ground.aliases.of(path, &found)).unwrap_or_default()
    }

    fn class(&self, target: &Target, deed: Deed, thread: u32, itself: bool) -> Class {
        // A name that is no text stands for all that look alike: too much is asked for, never too
        // little.
        let text = String::from_utf8_lossy(&target.path);
        let Some(path) = WorkPath::parse(&text) else { return Class::Passes };
        if let Some(inner) = inside_git(&path) {
            return if is_gits_own(inner, deed, thread) {
                Class::Passes
            } else {
                Class::Forbidden(path)
            };
        }
        let own = || self.ground.protected.iter().any(|pattern| is_below(&path, pattern));
        if is_protected(&path) || own() {
            // What the agent's own tools write there, the person was asked about at their gate.
            return if itself { Class::Arbitrated(path) } else { Class::Forbidden(path) };
        }
        if self.ground.output.covers(&path) { Class::Output(path) } else { Class::Arbitrated(path) }
    }

    /// Whether the agent's own process makes the call, and not one that it has started.
    fn is_itself(&self, thread: u32) -> bool {
        self.itself.is_some_and(|process| {
            process == thread
                || std::fs::exists(format!("/proc/{process}/task/{thread}")).unwrap_or(false)
        })
    }

    fn touch(&self, request: &Request, wait_ms: u64) -> Result<Verdict, Unanswered> {
        if let Some(verdict) = self.at_index(request) {
            return Ok(verdict);
        }
        let itself = self.is_itself(request.thread);
        let marks = self.marks(request, itself);
        if marks.is_empty() {
            return Ok(Verdict::Passes);
        }
        let standing = self.standing(request, &marks);
        if let Standing::Refused(refusal) = standing {
            return Ok(Verdict::Refused(refusal));
        }
        let op = self.desk.next_touch();
        let owner = self.owner.clone();
        let safe = matches!(standing, Standing::Asked);
        let named = String::from_utf8_lossy(&request.target.path);
        let path = marks.iter().map(|mark| &mark.path).find(|path| path.as_str() == named).cloned();
        let touch = Touch { op, owner, itself, safe, marks, wait_ms };
        let answer = self.desk.decide_touch(touch, &self.waits)?;
        match answer {
            Some(Effect::Granted { .. }) => Ok(Verdict::Granted(Granted { op, path })),
            Some(Effect::Waiting { .. }) => Ok(Verdict::Waits),
            Some(Effect::Refused { refusal, .. }) => Ok(Verdict::Refused(refusal)),
            Some(_) | None => Err(Unanswered),
        }
    }

    /// Whether it is a git, and one that has asked whose work it would touch. What is not uncommitted
    /// work of somebody is in the repository. One that has not asked, and may change anything, does
    /// not even begin: it would stop half way.
    fn standing(&self, request: &Request, marks: &[Mark]) -> Standing {
        let destroys = |mark: &&Mark| !matches!(mark.deed, Deed::Appear | Deed::Alter);
        let Some(mark) = marks.iter().find(destroys) else { return Standing::Any };
        if !is_git(request.thread) {
            return Standing::Any;
        }
        if index::has_asked(request.thread, &self.desk, &self.owner) {
            return Standing::Asked;
        }
        if self.owner == Owner::User {
            return Standing::Any;
        }
        index::not_asked(request.thread, &mark.path).map_or(Standing::Any, Standing::Refused)
    }

    /// What becomes of a git that wants to take the index. That of the person is asked about file by
    /// file only.
    fn at_index(&self, request: &Request) -> Option<Verdict> {
        let path = WorkPath::parse(std::str::from_utf8(&request.target.path).ok()?)?;
        let inner = inside_git(&path).filter(|_| self.owner != Owner::User)?;
        match index::at_index(request, &path, inner, &self.desk, &self.owner) {
            Entry::Free => None,
            Entry::Taken => Some(Verdict::Waits),
            Entry::Refused(refusal) => Some(Verdict::Refused(refusal)),
        }
    }

    /// Keeps in mind that a call makes a file: of that no content is kept, and after a crash nobody
    /// else would know whose it is.
    fn note_new(&self, request: &Request, granted: &Granted) -> Result<(), Errno> {
        fault::at("door-granted").map_err(|error| errno(&error))?;
        let (None, Some(path)) = (request.target.found, &granted.path) else { return Ok(()) };
        let made = self.ground.images.make(granted.op, &self.owner, path);
        made.map_err(|error| errno(&error))
    }

    /// Whose doing was refused is shown, and told to who started it.
    fn tell(&self, thread: u32, refusal: Refusal) {
        if let Some(hears) = &self.hears {
            hears(&refusal.text);
        }
        let program = std::fs::read_to_string(format!("/proc/{thread}/comm")).unwrap_or_default();
        let attempt = Attempt { owner: self.owner.clone(), program: program.trim().to_owned() };
        self.desk.tell_refused(attempt, refusal);
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Granted>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a call stands with the rules for git.
enum Standing {
    /// They do not apply.
    Any,
    /// It is that of a git that has asked.
    Asked,
    /// It is that of a git that would have had to ask.
    Refused(Refusal),
}

/// What the arbiter says to a call.
enum Verdict {
    Passes,
    Granted(Granted),
    Waits,
    Refused(Refusal),
}

impl Arbitrate for Porter {
    fn ask(&self, request: &Request) -> Answer {
        let left = LONGEST_PARK.saturating_sub(request.waited);
        let wait_ms = u64::try_from(left.as_millis()).unwrap_or(0);
        match self.touch(request, wait_ms) {
            Ok(Verdict::Passes) => Answer::Allow,
            Ok(Verdict::Granted(granted)) => match self.note_new(request, &granted) {
                Ok(()) => {
                    self.open().insert(request.id, granted);
                    Answer::Allow
                }
                Err(error) => {
                    tracing::warn!(%error, "that a file is made cannot be noted, so it is not");
                    self.ground.images.unmade(granted.op);
                    drop(self.desk.decide_beside(Input::Untouched { op: granted.op }));
                    Answer::Refuse(error)
                }
            },
            Ok(Verdict::Waits) => Answer::Park,
            Ok(Verdict::Refused(refusal)) => {
                self.tell(request.thread, refusal);
                Answer::Refuse(Errno::BUSY)
            }
            Err(Unanswered) => Answer::Refuse(Errno::IO),
        }
    }

    fn before(&self, request: &Request, victim: &Victim<'_>) -> Result<(), Errno> {
        let granted = self.open().get(&request.id).cloned();
        let Some(Granted { op, path: Some(path) }) = granted else { return Ok(()) };
        let kept = self.ground.images.keep(request, op, &self.owner, &path, victim);
        kept.and_then(|()| fault::at("door-kept")).map_err(|error| {
            tracing::warn!(%error, "what {path} was cannot be kept, so it is left alone");
            errno(&error)
        })
    }

    fn done(&self, request: &Request, outcome: Outcome) {
        let granted = self.open().remove(&request.id);
        let made = matches!(outcome, Outcome::Done | Outcome::LeftToKernel);
        // It is done and cannot fail any more.
        let _ = granted.as_ref().map(|_| fault::at("door-performed"));
        if let Some(Granted { op, .. }) = granted {
            if !made {
                self.ground.images.unmade(op);
            }
            let end = if made { Input::Touched { op } } else { Input::Untouched { op } };
            // What is not taken down stays in flight, and nobody else gets the file.
            drop(self.desk.decide_beside(end));
            let _ = fault::at("door-told");
        }
        if made {
            self.made(request);
        }
        if outcome == Outcome::Expired {
            match self.touch(request, 0) {
                Ok(Verdict::Refused(refusal)) => self.tell(request.thread, refusal),
                Ok(Verdict::Granted(Granted { op, .. })) => {
                    drop(self.desk.decide_beside(Input::Untouched { op }))
                }
                Ok(Verdict::Passes | Verdict::Waits) | Err(Unanswered) => {}
            }
        }
    }
}

impl Porter {
    /// Keeps in mind what a call has changed about names.
    fn made(&self, request: &Request) {
        let path = |target: &Target| {
            let text = std::str::from_utf8(&target.path).ok()?;
            WorkPath::parse(text)
        };
        if index::frees_index(request) {
            self.desk.wake();
        }
        if let (Op::Link { .. }, Some(name)) = (&request.op, path(&request.target)) {
            self.ground.aliases.add(&name);
        }
        if let Op::Rename { from, .. } = &request.op
            && wish::is_folder(from)
            && let (Some(from), Some(to)) = (path(from), path(&request.target))
        {
            self.desk.look(Look::Moved { by: self.owner.clone(), from, to });
        }
    }
}

/// The number of an error, for the process that meets it.
fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Whether a call changes the bytes or properties of a file, whatever it is called.
fn changes_the_file(op: &Op) -> bool {
    matches!(op, Op::Open(_) | Op::Truncate | Op::Metadata(_))
}

fn is_below(path: &WorkPath, pattern: &str) -> bool {
    WorkPath::parse(pattern.trim_end_matches('/')).is_some_and(|found| path.is_within(&found))
}

/// What of a path lies inside git's own folder; empty for that folder itself.
fn inside_git(path: &WorkPath) -> Option<&str> {
    let mut rest = path.as_str();
    loop {
        let (part, after) = rest.split_once('/').unwrap_or((rest, ""));
        if part.eq_ignore_ascii_case(".git") {
            return Some(after);
        }
        if after.is_empty() {
            return None;
        }
        rest = after;
    }
}

/// What git keeps in its folder: without it work that was committed is lost.
const KEPT: [&str; 8] =
    ["objects", "refs", "logs", "packed-refs", "HEAD", "index", "config", "modules"];

/// Whether somebody who is not the person may do this inside git's folder.
///
/// Hooks run as the person. What git keeps is taken away by git only; names that it uses while it
/// writes, and messages that an editor writes for it, come and go with whoever uses them.
fn is_gits_own(inner: &str, deed: Deed, thread: u32) -> bool {
    let name = inner.rsplit('/').next().unwrap_or(inner);
    let closed = ["hooks", images::FOLDER];
    if inner.split('/').any(|part| closed.iter().any(|one| one.eq_ignore_ascii_case(part))) {
        // What is only a sample is run by nobody.
        return name.ends_with(".sample") && !closed[1..].iter().any(|one| inner.contains(one));
    }
    match deed {
        Deed::Appear | Deed::Overwrite | Deed::Alter => true,
        _ if name.ends_with(".lock") || name.starts_with("tmp_") => true,
        Deed::Destroy | Deed::MoveFolder | Deed::Forbidden => {
            let first = inner.split('/').next().unwrap_or_default();
            let kept = KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(first));
            !(kept || inner.is_empty()) || is_git(thread)
        }
    }
}

/// Whether a thread belongs to git.
fn is_git(thread: u32) -> bool {
    let program = std::fs::read_link(format!("/proc/{thread}/exe")).unwrap_or_default();
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == "git" || name.starts_with("git-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inner(raw: &str) -> Option<String> {
        inside_git(&WorkPath::parse(raw).unwrap()).map(str::to_owned)
    }

    #[test]
    fn gits_folder_is_found_wherever_it_lies() {
        assert_eq!(inner(".git/index.lock").as_deref(), Some("index.lock"));
        assert_eq!(inner("sub/.GIT/HEAD").as_deref(), Some("HEAD"));
        assert_eq!(inner(".git").as_deref(), Some(""));
        assert_eq!(inner("src/.gitignore"), None);
        assert_eq!(inner("git/x"), None);
    }

    #[test]
    fn only_git_takes_away_what_git_keeps() {
        let me = std::process::id();
        for (inner, deed, expected) in [
            ("index.lock", Deed::Appear, true),
            ("index.lock", Deed::Destroy, true),
            ("objects/ab/cdef", Deed::Appear, true),
            ("objects/ab/cdef", Deed::Destroy, false),
            ("objects/ab/tmp_obj_x", Deed::Destroy, true),
            ("refs/heads/main", Deed::Destroy, false),
            ("COMMIT_EDITMSG", Deed::Destroy, true),
            ("rebase-merge/git-rebase-todo", Deed::Destroy, true),
            ("", Deed::MoveFolder, false),
            ("hooks/pre-commit", Deed::Appear, false),
            ("hooks/pre-commit.sample", Deed::Appear, true),
            ("benchdog-images/a.sample", Deed::Destroy, false),
            ("hooks/pre-commit.lock", Deed::Appear, false),
            ("modules/x/hooks/post-merge", Deed::Alter, false),
        ] {
            assert_eq!(is_gits_own(inner, deed, me), expected, "{inner} {deed:?}");
        }
    }
}

//! git at the index: the one place where its deed is known before it has touched anything.

use crate::arbiter::TREE;
use crate::engine::desk::Desk;
use crate::git::{Passage, at_the_door};
use crate::guard::request::{Op, Open, Request, command_line};
use crate::model::agent::GIT_CHECKED;
use crate::model::lease::{Owner, Refusal, RefusalCode};
use crate::model::path::WorkPath;

/// The name of the file by which git takes the index.
const LOCK: &str = "index.lock";

/// What becomes of somebody who wants to take the index.
pub(super) enum Entry {
    /// It is no such call, or it may go on.
    Free,
    /// Another git has the index just now.
    Taken,
    /// It is refused.
    Refused(Refusal),
}

/// Looks at a call inside git's folder; `inner` is the path there.
pub(super) fn at_index(
    request: &Request,
    path: &WorkPath,
    inner: &str,
    desk: &Desk,
    owner: &Owner,
) -> Entry {
    if request.op != Op::Open(Open::CreateNew) && request.op != Op::Open(Open::Create) {
        return Entry::Free;
    }
    // The index of a linked work tree or submodule is its own; its files are guarded as any.
    if inner != LOCK {
        return Entry::Free;
    }
    if !has_asked(request.thread, desk, owner)
        && let Some(refusal) = not_asked(request.thread, path)
    {
        return Entry::Refused(refusal);
    }
    let taken = request.target.found.is_some() || is_of_another_git(desk, owner);
    if taken { Entry::Taken } else { Entry::Free }
}

/// The refusal of a git that may touch work of others and has not asked.
pub(super) fn not_asked(thread: u32, path: &WorkPath) -> Option<Refusal> {
    let Passage::Refuse(text) = at_the_door(&command_line(thread)) else { return None };
    let (code, path) = (RefusalCode::TreeBusy, Some(path.clone()));
    Some(Refusal { code, path, holder: None, text })
}

/// Whether the whole tree is that of a git of another session: nobody commits in the middle of it.
fn is_of_another_git(desk: &Desk, owner: &Owner) -> bool {
    desk.read(|table| {
        let holder = table.lease_of(TREE).and_then(|lease| lease.owner.session());
        holder.is_some_and(|holder| owner.session() != Some(holder))
    })
}

/// Whether a call gives the index back.
pub(super) fn frees_index(request: &Request) -> bool {
    let ends = |path: &[u8]| path.ends_with(LOCK.as_bytes());
    if let Op::Rename { from, .. } = &request.op {
        return ends(&from.path);
    }
    request.op == Op::Unlink && ends(&request.target.path)
}

/// Whether a process shows what was given to somebody of its owner who has asked.
pub(super) fn has_asked(thread: u32, desk: &Desk, owner: &Owner) -> bool {
    let environment = std::fs::read(format!("/proc/{thread}/environ")).unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0);
    let shown = variables.find_map(|variable| {
        let variable = std::str::from_utf8(variable).ok()?;
        variable.strip_prefix(GIT_CHECKED)?.strip_prefix('=')
    });
    shown.is_some_and(|pass| desk.has_let_pass(pass, owner))
}

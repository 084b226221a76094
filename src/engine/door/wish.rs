//! What a call does to which entries, in the arbiter's words.

use crate::arbiter::Deed;
use crate::guard::request::{Kind, Op, Open, Renaming, Request, Target};

/// The entries that a call is about, and what happens to them. Folders come and go freely, so an
/// empty list is a call that nobody needs to be asked about.
pub(super) fn deeds(request: &Request) -> Vec<(&Target, Deed)> {
    let target = &request.target;
    let all = match &request.op {
        Op::Open(Open::CreateNew | Open::Create) | Op::Link { .. } | Op::Symlink | Op::Mknod => {
            vec![(target, Deed::Appear)]
        }
        Op::Open(Open::Truncate) | Op::Truncate | Op::Unlink => vec![(target, Deed::Destroy)],
        // `truncate`, `sort -o`, `vim` and `shred` open a file so and leave nothing of it.
        Op::Open(Open::InPlace) => vec![(target, Deed::Overwrite)],
        Op::Open(Open::Append) | Op::Metadata(_) => vec![(target, Deed::Alter)],
        Op::Rename { from, manner } => renamed(from, target, *manner),
        Op::Mkdir | Op::Rmdir | Op::Bind => Vec::new(),
    };
    all.into_iter().filter(|(target, deed)| is_at_stake(target, *deed)).collect()
}

fn renamed<'a>(from: &'a Target, to: &'a Target, manner: Renaming) -> Vec<(&'a Target, Deed)> {
    let leaves = if is_folder(from) { Deed::MoveFolder } else { Deed::Destroy };
    let comes = match (manner, to.found) {
        // What is there gets the old name.
        (Renaming::Exchange, _) if is_folder(to) => Deed::MoveFolder,
        // With a folder its files come to be below the new name.
        _ if is_folder(from) => Deed::MoveFolder,
        (_, Some(_)) => Deed::Destroy,
        (_, None) => Deed::Appear,
    };
    vec![(from, leaves), (to, comes)]
}

/// Whether a folder is there.
pub(super) fn is_folder(target: &Target) -> bool {
    kind(target) == Some(Kind::Folder)
}

/// Whether there is, or will be, something whose content can be lost.
fn is_at_stake(target: &Target, deed: Deed) -> bool {
    match kind(target) {
        None | Some(Kind::File | Kind::Symlink) => true,
        Some(Kind::Folder) => deed == Deed::MoveFolder,
        Some(Kind::Pipe | Kind::Other) => false,
    }
}

fn kind(target: &Target) -> Option<Kind> {
    target.found.map(|found| found.kind)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::guard::request::{Found, Metadata};

    fn entry(path: &str, kind: Option<Kind>) -> Target {
        let found =
            kind.map(|kind| Found { kind, links: 1, device: 1, inode: 1, size: 0, mode: 0o644 });
        Target { path: path.as_bytes().to_vec(), found }
    }

    fn said(op: Op, at: Option<Kind>) -> Vec<(String, Deed)> {
        let target = entry("to", at);
        let request = Request { id: 1, thread: 1, waited: Duration::ZERO, op, target };
        let path = |target: &Target| String::from_utf8(target.path.clone()).unwrap();
        deeds(&request).into_iter().map(|(target, deed)| (path(target), deed)).collect()
    }

    fn rename(kind: Kind, manner: Renaming) -> Op {
        Op::Rename { from: entry("from", Some(kind)), manner }
    }

    #[test]
    fn what_a_call_does_is_said_of_each_name() {
        let to = |deed| vec![("to".to_owned(), deed)];
        let both = |a, b| vec![("from".to_owned(), a), ("to".to_owned(), b)];
        let file = Some(Kind::File);
        for (op, at, expected) in [
            (Op::Open(Open::Create), None, to(Deed::Appear)),
            (Op::Open(Open::CreateNew), file, to(Deed::Appear)),
            (Op::Open(Open::Truncate), file, to(Deed::Destroy)),
            (Op::Open(Open::Append), file, to(Deed::Alter)),
            (Op::Open(Open::InPlace), file, to(Deed::Overwrite)),
            (Op::Unlink, Some(Kind::Symlink), to(Deed::Destroy)),
            (Op::Unlink, Some(Kind::Pipe), vec![]),
            (Op::Mkdir, None, vec![]),
            (Op::Rmdir, Some(Kind::Folder), vec![]),
            (Op::Metadata(Metadata::Mode), Some(Kind::Folder), vec![]),
            (Op::Metadata(Metadata::Times), file, to(Deed::Alter)),
            (rename(Kind::File, Renaming::Replace), None, both(Deed::Destroy, Deed::Appear)),
            (rename(Kind::File, Renaming::Replace), file, both(Deed::Destroy, Deed::Destroy)),
            (
                rename(Kind::Folder, Renaming::Replace),
                None,
                both(Deed::MoveFolder, Deed::MoveFolder),
            ),
            (
                rename(Kind::File, Renaming::Exchange),
                Some(Kind::Folder),
                both(Deed::Destroy, Deed::MoveFolder),
            ),
        ] {
            assert_eq!(said(op.clone(), at), expected, "{op:?} {at:?}");
        }
    }
}

//! Paths as they are written: where they are cut, and which of them lead through a process. Nothing
//! is looked up here.

/// A path that leads through a process.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Through<'p> {
    Descriptor {
        process: Option<u32>,
        number: u32,
        rest: &'p [u8],
    },
    Folder {
        process: Option<u32>,
        rest: &'p [u8],
    },
    Root {
        process: Option<u32>,
        rest: &'p [u8],
    },
    /// Something else of a process.
    Else,
}

/// Folder, last name, and whether slashes follow it.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8], bool) {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    let (bare, slashes) = (&path[..end], end < path.len());
    match bare.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&bare[..=at], &bare[at + 1..], slashes),
        None => (&bare[..0], bare, slashes),
    }
}

/// The path of a folder as the kernel would tell it, if no name in it is a symbolic link; none if it
/// is written in another way.
pub(super) fn plain(folder: &[u8]) -> Option<&[u8]> {
    let path = folder.strip_suffix(b"/")?;
    let mut names = path.strip_prefix(b"/")?.split(|byte| *byte == b'/');
    names.all(|name| !matches!(name, b"" | b"." | b"..")).then_some(path)
}

/// Whether a path leads through a process, and where.
pub(super) fn through(path: &[u8]) -> Option<Through<'_>> {
    let number = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<u32>().ok();
    match path {
        b"/dev/stdin" => return Some(open_file(None, b"0", &[])),
        b"/dev/stdout" => return Some(open_file(None, b"1", &[])),
        b"/dev/stderr" => return Some(open_file(None, b"2", &[])),
        _ => {}
    }
    if let Some(rest) = path.strip_prefix(b"/dev/fd/") {
        let (word, rest) = word(rest);
        return Some(open_file(None, word, rest));
    }
    let (who, mut rest) = word(path.strip_prefix(b"/proc/")?);
    let mut process = match who {
        b"self" | b"thread-self" => None,
        who => Some(number(who)?),
    };
    let (mut what, mut after) = word(rest);
    if what == b"task" {
        let thread;
        (thread, rest) = word(after);
        process = Some(number(thread)?);
        (what, after) = word(rest);
    }
    Some(match what {
        b"fd" if !after.is_empty() => {
            let (word, rest) = word(after);
            open_file(process, word, rest)
        }
        b"cwd" if !after.is_empty() => Through::Folder { process, rest: after },
        b"root" if !after.is_empty() => Through::Root { process, rest: after },
        _ => Through::Else,
    })
}

fn open_file<'p>(process: Option<u32>, word: &[u8], rest: &'p [u8]) -> Through<'p> {
    match std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()) {
        Some(number) => Through::Descriptor { process, number, rest },
        None => Through::Else,
    }
}

/// The first name and what follows its slashes.
fn word(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
    let rest = &path[end..];
    let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
    (&path[..end], &rest[slashes..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_as_the_kernel_does() {
        assert_eq!(split(b"a"), (&b""[..], &b"a"[..], false));
        assert_eq!(split(b"/a"), (&b"/"[..], &b"a"[..], false));
        assert_eq!(split(b"a/b//"), (&b"a/"[..], &b"b"[..], true));
        assert_eq!(split(b"//"), (&b""[..], &b""[..], true));
    }

    #[test]
    fn a_plain_path_is_one_that_the_kernel_would_tell() {
        assert_eq!(plain(b"/a/b/"), Some(&b"/a/b"[..]));
        for other in ["", "/", "a/", "/a", "//a/", "/a//", "/a/./", "/./", "/../", "/a/../b/"] {
            assert_eq!(plain(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn paths_through_a_process_are_told() {
        let file = |process, number, rest: &'static [u8]| {
            Some(Through::Descriptor { process, number, rest })
        };
        assert_eq!(through(b"/proc/self/fd/14/new.rs"), file(None, 14, b"new.rs"));
        assert_eq!(through(b"/proc/thread-self/fd/3"), file(None, 3, b""));
        assert_eq!(through(b"/proc/77/fd/3//a/b"), file(Some(77), 3, b"a/b"));
        assert_eq!(through(b"/proc/self/task/8/fd/3"), file(Some(8), 3, b""));
        assert_eq!(through(b"/dev/fd/1"), file(None, 1, b""));
        assert_eq!(through(b"/dev/stderr"), file(None, 2, b""));
        let folder = Through::Folder { process: None, rest: b"x" };
        assert_eq!(through(b"/proc/self/cwd/x"), Some(folder));
        assert_eq!(through(b"/proc/self/oom_score_adj"), Some(Through::Else));
        assert_eq!(through(b"/proc/sys/x"), None);
        assert_eq!(through(b"/home/x"), None);
    }
}

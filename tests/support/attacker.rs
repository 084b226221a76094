//! The attacker of races: what its calls are about changes while they are being answered.
//!
//! It is a test program again, behind the guard, in a workspace with the files `src/held.txt`,
//! which is another one's, `src/mine.txt` and `own/held.txt`; outside, in `../out`, there are
//! another `held.txt` and the link `a`, which somebody else changes.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

const ATTACK: &str = "GUARD_ATTACK";
/// How many tries an attack begins with.
const TRIES: &str = "GUARD_ATTACK_TRIES";
/// Whether it goes on until there was a race.
const GOES_ON: &str = "GUARD_ATTACK_GOES_ON";

/// The file that is another one's.
pub(crate) const HELD: &str = "src/held.txt";

/// What is attacked, and how often where there is time.
pub(crate) const RACES: &[(&str, usize)] = &[
    ("path", 20_000),
    ("path to outside", 20_000),
    ("descriptor", 5_000),
    ("folder descriptor", 5_000),
    ("working folder", 5_000),
    ("symlink", 5_000),
    ("folder symlink", 5_000),
    ("rename target", 5_000),
    ("truncate", 5_000),
    ("chmod", 5_000),
];

/// How often an attack without the guard is repeated until it succeeds, each time with this part
/// of its tries.
pub(crate) const BARE_ROUNDS: usize = 1000;
pub(crate) const BARE_PART: usize = 20;

/// The descriptor that changes.
const FD: i32 = 99;

/// The environment that makes a test program the attacker.
pub(crate) fn environment(attack: &str, tries: usize, goes_on: bool) -> Vec<(String, String)> {
    let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut all = vec![named(ATTACK, attack), named(TRIES, &tries.to_string())];
    all.extend(goes_on.then(|| named(GOES_ON, "1")));
    all
}

/// What came of an attack.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) allowed: usize,
    pub(crate) refused: usize,
    pub(crate) walled: usize,
}

impl Counts {
    /// Reads what an attacker has said.
    pub(crate) fn read(text: &str) -> Self {
        let line = text.lines().find(|line| line.contains("refused ")).expect(text);
        let number = |name: &str| -> usize {
            let mut words = line.split_whitespace().skip_while(|word| *word != name);
            words.nth(1).unwrap().parse().unwrap()
        };
        let (allowed, refused) = (number("allowed"), number("refused"));
        Self { allowed, refused, walled: number("walled") }
    }

    /// Panics unless the attack had both ends, so that it was a race.
    pub(crate) fn assert_a_race(&self, attack: &str) {
        let raced = self.allowed > 0 && self.refused > 0;
        let walled = !attack.ends_with("outside") || self.walled > 0;
        assert!(raced && walled, "{attack} was no race: {self:?}");
    }
}

/// Attacks, if the environment says so.
pub(crate) fn attack() {
    let Ok(attack) = std::env::var(ATTACK) else { return };
    let tries: usize = std::env::var(TRIES).unwrap().parse().unwrap();
    let goes_on = std::env::var_os(GOES_ON).is_some();
    let stop = Arc::new(AtomicBool::new(false));
    // The kernel reads the path while another thread writes it, as an attacker would have it.
    let path: &'static mut [u8] = Box::leak(Box::new(*b"src/held.txt\0\0\0\0\0\0\0\0"));
    let address = path.as_mut_ptr() as usize;
    let open = |path: &str, flags| {
        let path = CString::new(path).unwrap();
        // SAFETY: a plain call.
        unsafe { libc::open(path.as_ptr(), flags) }
    };
    let (held, mine) = (open(HELD, libc::O_RDONLY), open("src/mine.txt", libc::O_RDONLY));
    let (src, own) = (open("src", libc::O_PATH), open("own", libc::O_PATH));
    // SAFETY: descriptors and memory of the attacker, which may break only itself.
    let flip: Box<dyn Fn(bool) + Send> = match attack.as_str() {
        "path" | "rename target" | "truncate" | "chmod" => Box::new(move |held| unsafe {
            let word = if held { *b"held" } else { *b"mine" };
            std::ptr::write_volatile((address + 4) as *mut [u8; 4], word);
        }),
        "path to outside" => Box::new(move |held| unsafe {
            let word = if held { *b"./src//held.txt\0" } else { *b"../out/held.txt\0" };
            std::ptr::write_volatile(address as *mut [u8; 16], word);
        }),
        "descriptor" => Box::new(move |which| unsafe {
            libc::dup2(if which { held } else { mine }, FD);
        }),
        "folder descriptor" => Box::new(move |held| unsafe {
            libc::dup2(if held { src } else { own }, FD);
        }),
        "working folder" => Box::new(move |held| unsafe {
            libc::fchdir(if held { src } else { own });
        }),
        "symlink" | "folder symlink" => Box::new(|_| ()),
        other => panic!("{other}"),
    };
    flip(false);
    let flipper = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let mut held = true;
            while !stop.load(Ordering::Relaxed) {
                flip(held);
                held = !held;
            }
        }
    });
    let (mut allowed, mut errors) = (0, BTreeMap::new());
    // On a busy machine a round may pass without the change ever falling into the gap.
    loop {
        for _ in 0..tries {
            match attempt(&attack, address) {
                Ok(()) => allowed += 1,
                Err(error) => *errors.entry(error).or_insert(0) += 1,
            }
        }
        let walled = !attack.ends_with("outside") || errors.contains_key(&libc::EACCES);
        if !goes_on || allowed > 0 && walled && errors.contains_key(&libc::EBUSY) {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    flipper.join().unwrap();
    let count = |error| errors.get(error).copied().unwrap_or(0);
    println!("allowed {allowed} refused {} walled {}", count(&libc::EBUSY), count(&libc::EACCES));
}

/// One try to write what stands at the address or under the names that change.
fn attempt(attack: &str, address: usize) -> Result<(), i32> {
    let write = libc::O_WRONLY | libc::O_TRUNC;
    // SAFETY: plain calls; the path is always terminated, and what is opened is closed.
    unsafe {
        let result = match attack {
            "path" | "path to outside" => libc::open(address as *const _, write),
            "descriptor" => libc::open(c"/proc/self/fd/99".as_ptr(), write),
            "folder descriptor" => libc::openat(FD, c"held.txt".as_ptr(), write),
            "working folder" => libc::open(c"held.txt".as_ptr(), write),
            "symlink" => libc::open(c"../out/a".as_ptr(), write),
            "folder symlink" => libc::open(c"../out/a/held.txt".as_ptr(), write),
            "truncate" => libc::truncate(address as *const _, 0),
            "chmod" => libc::chmod(address as *const _, 0o600),
            "rename target" => {
                let new = libc::open(c"src/new".as_ptr(), write | libc::O_CREAT, 0o644);
                libc::close(new);
                libc::rename(c"src/new".as_ptr(), address as *const _)
            }
            other => panic!("{other}"),
        };
        if result < 0 {
            return Err(std::io::Error::last_os_error().raw_os_error().unwrap());
        }
        if result > 2 {
            libc::write(result, c"x".as_ptr().cast(), 1);
            libc::close(result);
        }
    }
    Ok(())
}

/// Lets `run` run while the links `a` and `b` in a folder outside change places, if the attack is
/// about that. Nothing guards whoever changes them, so that nothing slows it down.
pub(crate) fn while_links_change<T>(attack: &str, out: &Path, run: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (a, b) = (out.join("a"), out.join("b"));
            while attack.ends_with("symlink") && !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let ran = run();
        stop.store(true, Ordering::Relaxed);
        ran
    })
}

/// Makes what is beside the held file.
pub(crate) fn prepare(attack: &str, root: &Path, out: &Path) {
    std::fs::create_dir(root.join("own")).unwrap();
    for path in [root.join("src/mine.txt"), root.join("own/held.txt"), out.join("held.txt")] {
        std::fs::write(path, "free\n").unwrap();
    }
    let (a, b) = if attack == "symlink" { (HELD, "src/mine.txt") } else { ("src", "own") };
    for (name, target) in [("a", a), ("b", b)] {
        symlink(root.join(target), out.join(name)).unwrap();
    }
}

/// Everything about a file that must not change.
pub(crate) fn fingerprint(path: &Path) -> String {
    let content = std::fs::read(path);
    let Ok(meta) = std::fs::symlink_metadata(path) else { return "gone".to_owned() };
    let mut names = vec![0_u8; 4096];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    format!(
        "{content:?} mode {:o} owner {}:{} time {}.{} links {} inode {} attributes {:?}",
        meta.mode(),
        meta.uid(),
        meta.gid(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.nlink(),
        meta.ino(),
        String::from_utf8_lossy(&names[..length]),
    )
}

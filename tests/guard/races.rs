//! Races: what a call is about changes while it is being answered.
//!
//! The attacker is this program again, behind the guard. Each race must have had both outcomes, a
//! write of the free file and a refusal, or it was no race; and the held file must be as before.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::field::{Field, HELD, ORIGINAL, Others};
use crate::kernel::{as_ordinary_user, kernel_asks};

const ATTACK: &str = "GUARD_ATTACK";
/// How many tries an attack begins with.
const TRIES: &str = "GUARD_ATTACK_TRIES";
/// Whether it goes on until there was a race.
const GOES_ON: &str = "GUARD_ATTACK_GOES_ON";

/// Tries, and what is changed meanwhile.
const RACES: &[(&str, usize)] = &[
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
const BARE_ROUNDS: usize = 1000;
const BARE_PART: usize = 20;
/// The descriptor that changes.
const FD: i32 = 99;

/// Not a test unless the test below starts it: the attacker.
#[test]
fn attacker() {
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

fn race(attack: &str, tries: usize, guarded: bool) -> (String, String, String) {
    let field = Field::new();
    let root = field.root();
    std::fs::create_dir(root.join("own")).unwrap();
    for path in ["src/mine.txt", "own/held.txt", "../out/held.txt"] {
        std::fs::write(root.join(path), "free\n").unwrap();
    }
    let links = |a: &str, b: &str| {
        std::os::unix::fs::symlink(root.join(a), field.out().join("a")).unwrap();
        std::os::unix::fs::symlink(root.join(b), field.out().join("b")).unwrap();
    };
    match attack {
        "symlink" => links(HELD, "src/mine.txt"),
        _ => links("src", "own"),
    }
    let before = field.fingerprint();
    let others = Arc::new(Others::default());
    others.hold(&root, HELD);
    let test = std::env::current_exe().unwrap();
    let test = test.to_str().unwrap();
    let goes_on = if guarded { format!("{GOES_ON}=1") } else { String::new() };
    let script = format!(
        "{goes_on} {TRIES}={tries} {ATTACK}='{attack}' exec {test} --exact races::attacker --nocapture"
    );
    let stop = AtomicBool::new(false);
    let ended = std::thread::scope(|scope| {
        // Outside the guard, so that nothing slows it down.
        scope.spawn(|| {
            let (a, b) = (field.out().join("a"), field.out().join("b"));
            while attack.ends_with("symlink") && !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let ended = if guarded { field.guarded(&script, &others) } else { field.bare(&script) };
        stop.store(true, Ordering::Relaxed);
        ended
    });
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    (ended.text, before, field.fingerprint())
}

#[test]
fn nothing_that_changes_meanwhile_opens_the_door() {
    if !kernel_asks() {
        return;
    }
    let only = std::env::var("WAY").ok();
    for (attack, tries) in RACES.iter().filter(|(n, _)| only.as_ref().is_none_or(|o| o == n)) {
        // On a busy machine all tries may fall between two changes.
        let proves = (0..BARE_ROUNDS).any(|_| {
            let (_, before, after) = race(attack, tries / BARE_PART, false);
            before != after
        });
        assert!(proves, "{attack} proves nothing");
        let (text, before, after) = race(attack, *tries, true);
        let counts = text.lines().find(|line| line.contains("refused ")).expect(&text);
        println!("{attack}, {tries} tries: {counts}");
        assert_eq!(before, after, "{attack}: {text}");
        assert!(before.contains(&format!("{:?}", ORIGINAL.as_bytes())));
        let number = |name: &str| -> usize {
            let mut words = counts.split_whitespace().skip_while(|word| *word != name);
            words.nth(1).unwrap().parse().unwrap()
        };
        let raced = number("allowed") > 0 && number("refused") > 0;
        let walled = !attack.ends_with("outside") || number("walled") > 0;
        assert!(raced && walled, "{attack} was no race: {counts}");
    }
}

#[test]
fn it_is_the_same_for_an_ordinary_user() {
    as_ordinary_user("races::nothing_that_changes_meanwhile_opens_the_door");
}

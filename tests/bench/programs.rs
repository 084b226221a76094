//! What whole programs pay for the guard: builds, git, searches, installs, and many small files.
//!
//! `cargo bench --bench programs -- [PAIRS]` runs each program that many times (9 without
//! arguments) without and with the guard of an engine, in turn, and prints the medians. Each is
//! timed where it runs, so that the start of `benchdog exec` is not in it; that is the last line.
//! Programs that are not installed are left out, and named.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on should panic, and prints its figures"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

mod engine;

use engine::{Engine, argument, median};

/// Set for the program that runs and times another; names that one.
const INSIDE: &str = "BENCH_PROGRAM";
/// Small files of the source tree.
const FILES: usize = 5_000;
const FOLDERS: usize = 50;

/// A program to be timed.
struct Program {
    name: &'static str,
    /// What it needs; without that it is left out.
    needs: &'static str,
    /// Runs without being timed, and without the guard.
    before: &'static str,
    /// What is timed.
    timed: &'static str,
    /// The files it writes, for the cost of one.
    files: usize,
}

const PROGRAMS: [Program; 8] = [
    Program {
        name: "cargo build",
        needs: "cargo",
        before: "rm -rf crate/target/debug",
        timed: "cd crate && cargo build -q --offline",
        files: 0,
    },
    Program {
        name: "git status",
        needs: "git",
        before: "true",
        timed: "cd many && for i in 1 2 3 4 5; do git status --porcelain; done",
        files: 0,
    },
    Program {
        name: "search (rg)",
        needs: "rg",
        before: "true",
        timed: "rg -c nothing-like-it many || true",
        files: 0,
    },
    Program {
        name: "search (grep)",
        needs: "grep",
        before: "true",
        timed: "grep -rc nothing-like-it many >/dev/null || true",
        files: 0,
    },
    Program {
        name: "npm install",
        needs: "npm",
        before: "rm -rf web/node_modules web/package-lock.json",
        timed: "cd web && npm install --offline --no-audit --no-fund --silent ../pack.tgz",
        files: 0,
    },
    Program {
        name: "git clone",
        needs: "git",
        before: "rm -rf cloned",
        timed: "git clone -q --no-hardlinks many cloned",
        files: FILES,
    },
    Program {
        name: "git checkout",
        needs: "git",
        before: "rm -rf elsewhere; git clone -q many elsewhere && \
                 git -C elsewhere checkout -q HEAD~1",
        timed: "git -C elsewhere checkout -q main",
        files: FILES,
    },
    Program {
        name: "cp -r",
        needs: "cp",
        before: "rm -rf copied",
        timed: "cp -r many/files copied",
        files: FILES,
    },
];

fn main() {
    if let Some(line) = std::env::var_os(INSIDE) {
        return inside(&line.to_string_lossy());
    }
    let pairs = argument(0, 9);
    println!("{:<14} {:>12} {:>12} {:>7} {:>12}", "", "without", "with", "ratio", "a file");
    for program in &PROGRAMS {
        if !shell(Path::new("/"), &format!("command -v {} >/dev/null", program.needs)) {
            println!("{:<14} {} is not installed", program.name, program.needs);
            continue;
        }
        let (mut without, mut with) = (vec![], vec![]);
        let engine = Engine::start_in(fields);
        let bare = tempfile::tempdir().unwrap();
        fields(bare.path());
        for _ in 0..pairs {
            assert!(shell(bare.path(), program.before));
            without.push(timed(caller(bare.path(), program.timed)));
            assert!(shell(engine.root(), program.before));
            with.push(timed(engine.exec(&caller(engine.root(), program.timed))));
        }
        let (without, with) = (median(without), median(with));
        let each = with.saturating_sub(without).checked_div(program.files as u64);
        println!(
            "{:<14} {:>9} µs {:>9} µs {:>7.3} {:>12}",
            program.name,
            without / 1000,
            with / 1000,
            with as f64 / without as f64,
            each.map_or(String::new(), |each| format!("+{} µs", each / 1000)),
        );
    }
    let engine = Engine::start();
    let (mut without, mut with) = (vec![], vec![]);
    for _ in 0..pairs {
        let nothing = || caller(engine.root(), "true");
        without.push(whole(nothing()));
        with.push(whole(engine.exec(&nothing())));
    }
    let more = median(with).saturating_sub(median(without));
    println!("{:<14} {:>35} µs", "start", more / 1000);
}

/// The same tree in each workspace.
fn fields(root: &Path) {
    fs::write(root.join(".gitignore"), "target/\nnode_modules/\n").unwrap();
    let krate = root.join("crate");
    fs::create_dir_all(krate.join("src")).unwrap();
    fs::create_dir_all(krate.join("target")).unwrap();
    fs::create_dir_all(root.join("web/node_modules")).unwrap();
    fs::write(krate.join("Cargo.toml"), CRATE).unwrap();
    let mut lib = String::new();
    for module in 0..40 {
        lib.push_str(&format!("pub mod m{module};\n"));
        let text: String = (0..60)
            .map(|n| format!("pub fn f{n}(x: u64) -> String {{ format!(\"{{}}\", x + {n}) }}\n"))
            .collect();
        fs::write(krate.join(format!("src/m{module}.rs")), text).unwrap();
    }
    fs::write(krate.join("src/lib.rs"), lib).unwrap();
    fs::write(root.join("web/package.json"), "{\"name\":\"web\",\"version\":\"1.0.0\"}").unwrap();
    for (folder, files) in [("many/files", FILES), ("package/lib", FILES / 5)] {
        for number in 0..files {
            let at = root.join(folder).join(format!("d{}", number % FOLDERS));
            fs::create_dir_all(&at).unwrap();
            let text = format!("// file {number}\n").repeat(20);
            fs::write(at.join(format!("f{number}.js")), text).unwrap();
        }
    }
    fs::write(root.join("package/package.json"), "{\"name\":\"pack\",\"version\":\"1.0.0\"}")
        .unwrap();
    assert!(shell(
        root,
        "git init -qb main many && cd many && \
         commit() { git add . && git -c user.name=a -c user.email=a@b commit -qm $1; } && \
         commit one && find files -name '*.js' -exec sed -i '$a // more' {} + && commit two && \
         git status >/dev/null && cd .. && tar czf pack.tgz package && rm -r package"
    ));
}

const CRATE: &str =
    "[package]\nname = \"measured\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";

fn shell(folder: &Path, line: &str) -> bool {
    Command::new("sh").args(["-c", line]).current_dir(folder).status().unwrap().success()
}

/// This program as the one that runs a shell line and times it.
fn caller(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(INSIDE, line).current_dir(folder);
    command
}

fn inside(line: &str) {
    let start = Instant::now();
    let status = Command::new("sh").args(["-c", line]).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{line}");
    println!("{}", start.elapsed().as_nanos());
}

/// What a program said that it took, in ns.
fn timed(mut command: Command) -> u64 {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// What a program takes with its start, in ns.
fn whole(mut command: Command) -> u64 {
    let start = Instant::now();
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    u64::try_from(start.elapsed().as_nanos()).unwrap()
}

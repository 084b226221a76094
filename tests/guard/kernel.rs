//! Whether these tests can prove something here, and as whom.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use benchdog::guard::Level;
use benchdog::guard::fence;
use benchdog::guard::probe::probe;

/// Where programs are looked for by tests.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
const REQUIRE: &str = "BENCHDOG_GUARD";
/// Nobody, in every system.
const ORDINARY: u32 = 65534;

/// Whether the kernel can ask, and Python is there, in which many tests are written. Without one of
/// them these tests prove nothing: they say so and pass, but not where somebody says that it must
/// be there: of the kernel `BENCHDOG_GUARD=require`, of programs also `CI`.
pub(crate) fn kernel_asks() -> bool {
    static ASKS: OnceLock<bool> = OnceLock::new();
    *ASKS.get_or_init(|| match probe(&std::env::temp_dir()) {
        Level::Enforced => has("python3"),
        Level::Advisory(reason) => {
            assert!(std::env::var_os(REQUIRE).is_none(), "no guard here: {reason}");
            loudly(&format!("the tests of the guard. The kernel cannot ask: {reason}"));
            false
        }
    })
}

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    let found = std::env::split_paths(PATH).any(|folder| folder.join(program).exists());
    if !found {
        let required = [REQUIRE, "CI"].map(std::env::var_os).iter().any(Option::is_some);
        assert!(!required, "there is no {program} in {PATH}");
        loudly(&format!("tests of the guard that need {program}. It is not in {PATH}"));
    }
    found
}

/// Says what is left out, also where the output of tests that pass is kept back.
pub(crate) fn loudly(skipped: &str) {
    let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: {skipped} ***\n");
}

/// Runs one test again as a user without rights, if this one has them.
pub(crate) fn as_ordinary_user(test: &str) {
    as_ordinary_user_with(test, &[]);
}

/// Likewise, with programs that this user may not find, each by the variable that names it.
pub(crate) fn as_ordinary_user_with(test: &str, programs: &[(&str, &Path)]) {
    if !kernel_asks() || !rustix::process::geteuid().is_root() {
        return;
    }
    // The build folder may be closed to others.
    let folder = tempfile::Builder::new().prefix("guard-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture"]).current_dir("/").env("HOME", "/nonexistent");
    for (variable, place) in programs {
        let copy = folder.path().join(variable);
        // Large, and on the same file system as a rule.
        fs::hard_link(place, &copy).or_else(|_| fs::copy(place, &copy).map(drop)).unwrap();
        command.env(variable, copy);
    }
    command.gid(ORDINARY).uid(ORDINARY);
    // A process that another test just started may still hold the copy's descriptor.
    let status = loop {
        match fence::start(|| command.spawn()) {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            child => break child.unwrap().wait().unwrap(),
        }
    };
    assert!(status.success());
}

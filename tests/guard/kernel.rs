//! Whether these tests can prove something here, and as whom.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use benchdog::guard::Level;
use benchdog::guard::probe::probe;

/// Nobody, in every system.
const ORDINARY: u32 = 65534;

/// Whether the guard is to be tested; then the kernel must be able to ask.
pub(crate) fn kernel_asks() -> bool {
    if std::env::var_os("BENCHDOG_GUARD").is_none() {
        eprintln!("SKIPPED: the guard is tested with BENCHDOG_GUARD=require");
        return false;
    }
    match probe(&std::env::temp_dir()) {
        Level::Enforced => true,
        Level::Advisory(reason) => panic!("no guard here: {reason}"),
    }
}

/// Runs one test again as a user without rights, if this one has them.
pub(crate) fn as_ordinary_user(test: &str) {
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
    command.gid(ORDINARY).uid(ORDINARY);
    // A process that another test just started may still hold the copy's descriptor.
    let status = loop {
        match command.status() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            status => break status.unwrap(),
        }
    };
    assert!(status.success());
}

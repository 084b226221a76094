//! Which process is which: a number alone is reused.

use std::time::SystemTime;

use crate::history::record::Process;
use crate::model::time::Wall;

/// When a process began, in clock ticks since boot (field 22 of `/proc/PID/stat`, proc(5)); `None`
/// if it is gone. Elsewhere than on Linux only its existence is known.
pub fn started(pid: u32) -> Option<u64> {
    if cfg!(target_os = "linux") {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, so fields count from the last one.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let zombie = matches!(fields.next(), Some("Z" | "X"));
        return if zombie { None } else { fields.nth(18)?.parse().ok() };
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).ok()?)?;
    rustix::process::test_kill_process(pid).is_ok().then_some(0)
}

/// Whether the process that began then still lives.
pub fn is_alive(pid: u32, began: u64) -> bool {
    started(pid).is_some_and(|now| now == began)
}

/// Who has this number now.
pub(super) fn of(pid: u32) -> Process {
    Process { pid, began: started(pid).unwrap_or(0), boot: boot() }
}

/// Whether exactly this process still lives.
pub(super) fn lives(process: &Process) -> bool {
    process.boot == boot() && is_alive(process.pid, process.began)
}

/// Names the present boot; empty where nothing does.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// The wall clock, for rows that are written outside the loop.
pub(super) fn wall() -> Wall {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(unix.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_itself_and_no_other() {
        let me = std::process::id();
        let began = started(me).expect("this process runs");
        assert!(is_alive(me, began));
        assert!(!cfg!(target_os = "linux") || !is_alive(me, began + 1));
        assert!(!is_alive(u32::MAX >> 1, 0));
        let this = of(me);
        assert!(lives(&this));
        assert!(!lives(&Process { boot: "another".to_owned(), ..this }), "it was before a reboot");
    }
}

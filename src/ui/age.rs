//! How long ago something was, in the one unit that says enough.

use crate::model::time::Wall;

/// The time from `then` to `now`: `now`, `12 s`, `3 min`, `2 h`, `5 d`. The future is now.
pub fn age(now: Wall, then: Wall) -> String {
    let seconds = now.0.saturating_sub(then.0).max(0) / 1000;
    match seconds {
        0 => "now".to_owned(),
        1..=99 => format!("{seconds} s"),
        100..=5_999 => format!("{} min", seconds / 60),
        6_000..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unit_is_enough() {
        let shown = |seconds: i64| age(Wall(seconds * 1000), Wall(0));
        assert_eq!([0, 12, 130, 7_300, 200_000].map(shown), ["now", "12 s", "2 min", "2 h", "2 d"]);
        assert_eq!(age(Wall(0), Wall(5_000)), "now");
    }
}

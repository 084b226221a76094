//! What a refused agent is told: what happened; who, since when, why; what to do now.
//!
//! No text is longer than [`LIMIT`] characters, and what to do now is never what is cut: long
//! names and differences give way. A refusal that does not say what to do next drives agents to
//! the shell.

use super::rebase::Obstacle;
use super::settings::Settings;
use super::versions::{Cause, Extent};
use crate::model::difference::Difference;
use crate::model::lease::{LeaseState, Refusal, RefusalCode};
use crate::model::path::WorkPath;

/// The longest text, in characters.
pub const LIMIT: usize = 700;

const LONGEST_PATH: usize = 120;
const LONGEST_NAME: usize = 40;
const LONGEST_TASK: usize = 60;

/// Who is spoken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    name: String,
    quoted: bool,
}

impl Person {
    /// An agent, whose name is quoted.
    pub(super) fn agent(name: &str) -> Self {
        Self { name: short(name, LONGEST_NAME), quoted: true }
    }

    /// Somebody with a description for a name.
    pub(super) fn other(name: &str) -> Self {
        Self { name: short(name, LONGEST_NAME), quoted: false }
    }

    pub(super) fn said(&self) -> String {
        if self.quoted { format!("\"{}\"", self.name) } else { self.name.clone() }
    }

    pub(super) fn bare(&self) -> &str {
        &self.name
    }
}

/// Who stands in the way, and how.
#[derive(Debug, Clone)]
pub(super) struct Obstruction {
    pub(super) person: Person,
    pub(super) task: String,
    /// The file itself, or the folder or glob that covers it.
    pub(super) pattern: Option<String>,
    pub(super) state: LeaseState,
    pub(super) reason: String,
    pub(super) since_ms: u64,
    pub(super) last_write_ms: Option<u64>,
    pub(super) free_in_ms: Option<u64>,
    /// The place in the queue, from 1, if it is kept.
    pub(super) place: Option<usize>,
}

/// A change that the owner has not seen.
#[derive(Debug)]
pub(super) struct Unseen<'a> {
    /// Who made it, last first.
    pub(super) people: Vec<Person>,
    pub(super) ago_ms: Option<u64>,
    pub(super) difference: Option<&'a Difference<'a>>,
}

/// Another owner has the file.
pub(super) fn held(
    settings: &Settings,
    path: &WorkPath,
    code: RefusalCode,
    by: &Obstruction,
) -> Refusal {
    let (said, bare) = (by.person.said(), by.person.bare());
    let what = match code {
        RefusalCode::Pinned => "NOT WRITTEN (pinned)",
        RefusalCode::Timeout => "NOT YET FREE (timeout)",
        RefusalCode::Deadlock => "NOT WRITTEN (deadlock)",
        RefusalCode::Held
        | RefusalCode::Stale
        | RefusalCode::Unread
        | RefusalCode::TreeBusy
        | RefusalCode::TooWide
        | RefusalCode::Outside
        | RefusalCode::Failed => "NOT WRITTEN (held)",
    };
    let does = match by.state {
        LeaseState::Inflight => "is being written by",
        LeaseState::Held => "is being edited by",
        LeaseState::Reserved => "is kept for",
        LeaseState::Pinned => "is reserved by",
    };
    let mut text = format!("{what}: {} {does} {said}", shown(path));
    if let Some(pattern) = &by.pattern {
        text.push_str(&format!(" (as part of {})", short(pattern, LONGEST_NAME)));
    }
    text.push_str(&format!(" since {} ago", span(by.since_ms)));
    if let Some(ago) = by.last_write_ms {
        text.push_str(&format!(" (last write {} ago)", span(ago)));
    }
    let task = if by.task.is_empty() { &by.reason } else { &by.task };
    if !task.is_empty() {
        text.push_str(&format!(", task \"{}\"", short(task, LONGEST_TASK)));
    }
    text.push_str(".\n");
    text.push_str(&match (by.state, by.free_in_ms) {
        (LeaseState::Inflight, _) => "That write usually ends within seconds.".to_owned(),
        (LeaseState::Held, Some(left)) => {
            format!("Expected free within about {} or when {bare}'s turn ends.", span(left))
        }
        (LeaseState::Reserved | LeaseState::Pinned, Some(left)) => {
            format!("Expected free within about {}.", span(left))
        }
        (LeaseState::Held | LeaseState::Reserved, None) => {
            format!("Expected free when {bare}'s turn ends.")
        }
        (LeaseState::Pinned, None) => format!("It stays so until {bare} frees it."),
    });
    if code == RefusalCode::Deadlock {
        text.push_str(&format!(
            " Waiting would not help: {bare} waits for what you have reserved."
        ));
    }
    if let Some(place) = by.place {
        text.push_str(&format!(" You are {} in the queue.", ordinal(place)));
    }
    let mut advice = "\nNow, best first: 1) go on with another file of your task; ".to_owned();
    if code == RefusalCode::Deadlock {
        advice.push_str("2) give back what you have reserved and do not need, then try again.");
    } else if settings.bench_tools {
        advice.push_str(&format!("2) call wait_for{}", argument(path)));
        if by.person.quoted {
            advice
                .push_str(&format!("; 3) send_message to {said} if you need a small change there"));
        }
        advice.push('.');
    } else {
        let left = by.free_in_ms.map_or_else(|| "a while".to_owned(), span);
        advice.push_str(&format!("2) make the same edit again in about {left}."));
    }
    advice.push_str(&if settings.guarded {
        "\nDo not write this file by shell or git: that is refused as well.".to_owned()
    } else {
        format!("\nDo not write this file by shell or git instead: {bare}'s work is at stake.")
    });
    let mut text = cap(&text, LIMIT - advice.chars().count().min(LIMIT - 1));
    text.push_str(&advice);
    refusal(code, Some(path), Some(bare), &text)
}

/// The file changed after the owner saw it. Says also whether it was shown the whole change.
pub(super) fn stale(
    path: &WorkPath,
    cause: Cause,
    unseen: &Unseen,
    reserved_ms: Option<u64>,
) -> (Refusal, bool) {
    let (said, bare) = speakers(&unseen.people);
    let mut head =
        format!("NOT WRITTEN (stale): {} changed after you read it: {said}", shown(path));
    if let Some(ago) = unseen.ago_ms {
        head.push_str(&format!(", {} ago", span(ago)));
    }
    if let Some(difference) = unseen.difference {
        let (came, went) = difference.counts();
        head.push_str(&format!(", +{came} -{went}"));
    }
    head.push('.');
    head.push_str(match cause {
        Cause::Whole => " You would replace the whole file.",
        Cause::Edit(Obstacle::Near) => " Your edit touches those lines.",
        Cause::Edit(Obstacle::Lost) => " The text that your edit replaces is not there now.",
        Cause::Edit(Obstacle::Twice) => " The text that your edit replaces occurs more than once.",
        Cause::Edit(Obstacle::Exists) => " Your edit would create the file.",
        Cause::Blind => " It cannot be told whether your edit touches that change.",
    });
    let kept = reserved_ms
        .map(|ms| format!("It is reserved for you for {}. ", span(ms)))
        .unwrap_or_default();
    let seen_all = format!(
        "{kept}Redo your edit on the current text, keep the lines of {bare}, and write again."
    );
    let read_again = format!(
        "{kept}Read the file again first, then redo your change on that, keep the lines of {bare}, \
         and write again."
    );
    let heading = " The change you have not seen:\n";
    let budget = LIMIT
        .saturating_sub(head.chars().count())
        .saturating_sub(heading.chars().count())
        .saturating_sub(read_again.chars().count() + 40);
    let shown = unseen.difference.map(|difference| difference.show(budget));
    let (text, complete) = match shown {
        Some(shown) if shown.complete => {
            let next = match cause {
                // Agents have rules of their own, before ours: a whole file that has changed is
                // written only by who read it again.
                Cause::Whole => &read_again,
                Cause::Edit(_) | Cause::Blind => &seen_all,
            };
            (format!("{head}{heading}{}{next}", shown.text), true)
        }
        Some(shown) if !shown.text.is_empty() => {
            (format!("{head}{heading}{}… (there is more)\n{read_again}", shown.text), false)
        }
        Some(_) | None => (format!("{head}\n{read_again}"), false),
    };
    (refusal(RefusalCode::Stale, Some(path), Some(bare.as_str()), &text), complete)
}

/// The file that the owner saw is gone.
pub(super) fn deleted(path: &WorkPath, unseen: &Unseen, reserved_ms: u64) -> Refusal {
    let (said, bare) = speakers(&unseen.people);
    let ago = unseen.ago_ms.map(|ms| format!(", {} ago", span(ms))).unwrap_or_default();
    let text = format!(
        "NOT WRITTEN (stale): {} was deleted or moved away after you read it: {said}{ago}.\n\
         It is reserved for you for {}. If it is to be there again, write the whole file again; \
         that creates it. Else look where its content went.",
        shown(path),
        span(reserved_ms)
    );
    refusal(RefusalCode::Stale, Some(path), Some(bare.as_str()), &text)
}

/// The file exists though it was to be created.
pub(super) fn exists(path: &WorkPath, unseen: &Unseen) -> Refusal {
    let (said, bare) = speakers(&unseen.people);
    let ago = unseen.ago_ms.map(|ms| format!(", {} ago", span(ms))).unwrap_or_default();
    let text = format!(
        "NOT WRITTEN (stale): {} exists already: {said}{ago}. You wanted to create it.\n\
         Read it, then edit it, or choose another name.",
        shown(path)
    );
    refusal(RefusalCode::Stale, Some(path), Some(bare.as_str()), &text)
}

/// The file exists and its writer has not seen it, or not all of it.
pub(super) fn unread(path: &WorkPath, extent: Extent, last: Option<(&Person, u64)>) -> Refusal {
    let who = last
        .map(|(person, ago)| format!(" Last written by {}, {} ago.", person.said(), span(ago)))
        .unwrap_or_default();
    let what = match extent {
        Extent::All => "exists and you have not read it",
        Extent::Part => "would be replaced as a whole and you have seen a part of it only",
    };
    let text = format!(
        "NOT WRITTEN (unread): {} {what}.{who}\n\
         Read the whole file first, then write again. A small edit of text that occurs once in it \
         needs less.",
        shown(path)
    );
    refusal(RefusalCode::Unread, Some(path), last.map(|(person, _)| person.bare()), &text)
}

/// The turn or the session ended while the request waited.
pub(super) fn ended(path: Option<&WorkPath>) -> Refusal {
    let at = path.map(shown).unwrap_or_default();
    let text = format!(
        "NOT WRITTEN (timeout): {at} was not free before the turn ended.\nTry again in the next turn."
    );
    refusal(RefusalCode::Timeout, path, None, &text)
}

/// The arbiter cannot decide.
pub fn failed(path: Option<&WorkPath>, why: &str) -> Refusal {
    let at = path.map(|path| format!("{}: ", shown(path))).unwrap_or_default();
    let text = format!(
        "NOT WRITTEN (failed): {at}{}.\nNothing was changed. Go on with something else and tell \
         the person about it.",
        short(why.trim_end_matches('.'), 300)
    );
    refusal(RefusalCode::Failed, path, None, &text)
}

/// The path lies outside the workspace.
pub fn outside(raw_path: &str) -> Refusal {
    let text = format!(
        "NOT WRITTEN (outside): {} lies outside the workspace.\nWrite inside the workspace, or ask \
         the person to do it.",
        short(raw_path, LONGEST_PATH)
    );
    refusal(RefusalCode::Outside, None, None, &text)
}

/// The path is protected and the person did not allow it.
pub fn protected(path: &WorkPath) -> Refusal {
    let text = format!(
        "NOT WRITTEN (outside): {} steers git, the agents or the bench itself and is protected.\n\
         Only the person may change it. Say what you need there and go on with another file.",
        shown(path)
    );
    refusal(RefusalCode::Outside, Some(path), None, &text)
}

/// The pattern of a reservation covers too much.
pub(super) fn too_wide(pattern: &str, files: Option<usize>) -> Refusal {
    let how = match files {
        Some(limit) => format!("more than {limit} known files"),
        None => "the whole tree".to_owned(),
    };
    let text = format!(
        "NOT RESERVED (too wide): {} covers {how}.\nReserve the files or the folder that you are \
         going to change, by name.",
        short(pattern, LONGEST_PATH)
    );
    refusal(RefusalCode::TooWide, None, None, &text)
}

/// A set overlaps with somebody's reservation.
pub(super) fn reserved(
    pattern: &str,
    code: RefusalCode,
    by: Option<&Person>,
    free_in_ms: Option<u64>,
) -> Refusal {
    let by = by.cloned().unwrap_or_else(|| Person::other("somebody"));
    let (said, bare) = (by.said(), by.bare());
    let free = match free_in_ms {
        Some(ms) => format!("It ends in about {} without activity", span(ms)),
        None => format!("It stays until {bare} frees it"),
    };
    let why = if code == RefusalCode::Deadlock {
        format!(" Waiting would not help: {bare} waits for what you have.")
    } else {
        String::new()
    };
    let text = format!(
        "NOT RESERVED ({}): {} is reserved by {said}. {free}.{why}\nNothing was reserved. Reserve \
         what does not overlap with it, or begin with another part of your task.",
        code.as_str().to_lowercase(),
        short(pattern, LONGEST_PATH)
    );
    refusal(code, None, Some(bare), &text)
}

/// A pattern cannot be understood.
pub(super) fn bad_pattern(pattern: &str, why: &str) -> Refusal {
    let text = format!(
        "NOT RESERVED (failed): {} is no file, folder/ or glob of the workspace: {}.\nName paths \
         relative to the workspace's root.",
        short(pattern, LONGEST_PATH),
        short(why, 200)
    );
    refusal(RefusalCode::Failed, None, None, &text)
}

/// What an owner is told whose edit went on top of a change that it has not seen. Says also
/// whether it was shown the whole change.
pub(super) fn rebased(unseen: &Unseen, extent: Extent) -> (String, bool) {
    let (said, bare) = speakers(&unseen.people);
    let ago = unseen.ago_ms.map(|ms| format!(", {} ago", span(ms))).unwrap_or_default();
    let Some(difference) = unseen.difference else {
        return (format!("Written on top of a change that you have not seen: {said}{ago}."), false);
    };
    let (came, went) = difference.counts();
    let head = format!(
        "Written on top of a change that you have not seen: {said}{ago}, +{came} -{went}. It does \
         not touch your lines.\n"
    );
    let tail = format!("… (there is more) Read the file before you replace lines of {bare}.");
    let budget = LIMIT.saturating_sub(head.chars().count() + tail.chars().count());
    let shown = difference.show(budget);
    let complete = shown.complete && extent == Extent::All;
    let tail = if shown.complete { "" } else { tail.as_str() };
    (cap(&format!("{head}{}{tail}", shown.text), LIMIT), complete)
}

/// A span of time in the two largest units that matter.
pub(super) fn span(ms: u64) -> String {
    let s = ms.div_ceil(1_000);
    match s {
        0..=119 => format!("{s} s"),
        120..=599 if !s.is_multiple_of(60) => format!("{} min {} s", s / 60, s % 60),
        120..=7_199 => format!("{} min", s / 60),
        7_200..=86_399 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        _ => format!("{} h", s / 3_600),
    }
}

fn speakers(people: &[Person]) -> (String, String) {
    match people {
        [] => ("somebody".to_owned(), "others".to_owned()),
        [one] => (one.said(), one.bare().to_owned()),
        [one, two, ..] => (
            format!("{} and {}", one.said(), two.said()),
            format!("{} and {}", one.bare(), two.bare()),
        ),
    }
}

fn refusal(
    code: RefusalCode,
    path: Option<&WorkPath>,
    holder: Option<&str>,
    text: &str,
) -> Refusal {
    let text = cap(text, LIMIT);
    Refusal { code, path: path.cloned(), holder: holder.map(str::to_owned), text }
}

fn cap(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(limit - 1).collect();
    cut.push('…');
    cut
}

fn shown(path: &WorkPath) -> String {
    short(path.as_str(), LONGEST_PATH)
}

/// The argument of a tool call, only if the path fits in full.
fn argument(path: &WorkPath) -> String {
    let json = serde_json::Value::from(path.as_str()).to_string();
    if json.chars().count() > LONGEST_PATH {
        return " with that path".to_owned();
    }
    format!(" {{\"path\":{json}}}")
}

/// At most `limit` characters, the middle left out, on one line.
fn short(text: &str, limit: usize) -> String {
    let text = text.replace(|c: char| c.is_control(), " ");
    let length = text.chars().count();
    if length <= limit {
        return text;
    }
    let half = (limit - 1) / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(length - half).collect();
    format!("{head}…{tail}")
}

fn ordinal(n: usize) -> String {
    let end = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(raw: &str) -> WorkPath {
        WorkPath::parse(raw).expect("a good path")
    }

    fn blue() -> Obstruction {
        Obstruction {
            person: Person::agent("blue"),
            task: "fence tokens".into(),
            pattern: None,
            state: LeaseState::Held,
            reason: String::new(),
            since_ms: 130_000,
            last_write_ms: Some(12_000),
            free_in_ms: Some(40_000),
            place: Some(1),
        }
    }

    #[test]
    fn a_held_file_is_refused_in_the_agreed_words() {
        let settings = Settings { guarded: true, bench_tools: true, ..Settings::default() };
        let refusal = held(&settings, &path("src/lock.rs"), RefusalCode::Held, &blue());
        assert_eq!(
            refusal.text,
            "NOT WRITTEN (held): src/lock.rs is being edited by \"blue\" since 2 min 10 s ago (last \
             write 12 s ago), task \"fence tokens\".\n\
             Expected free within about 40 s or when blue's turn ends. You are 1st in the queue.\n\
             Now, best first: 1) go on with another file of your task; 2) call wait_for \
             {\"path\":\"src/lock.rs\"}; 3) send_message to \"blue\" if you need a small change \
             there.\n\
             Do not write this file by shell or git: that is refused as well."
        );
        assert_eq!(refusal.holder.as_deref(), Some("blue"));
    }

    #[test]
    fn an_agent_without_the_tools_is_not_sent_to_them() {
        let refusal = held(&Settings::default(), &path("src/lock.rs"), RefusalCode::Held, &blue());
        assert!(!refusal.text.contains("wait_for") && !refusal.text.contains("send_message"));
        assert!(refusal.text.contains("2) make the same edit again in about 40 s."));
        assert!(refusal.text.ends_with("instead: blue's work is at stake."));
    }

    #[test]
    fn a_stale_write_is_shown_what_it_has_not_seen() {
        let difference = Difference::of("a\nb\n", "a\nB\n");
        let unseen = Unseen {
            people: vec![Person::agent("blue")],
            ago_ms: Some(9_000),
            difference: Some(&difference),
        };
        let (refusal, complete) = stale(&path("src/a.rs"), Cause::Whole, &unseen, Some(60_000));
        assert!(complete);
        assert_eq!(
            refusal.text,
            "NOT WRITTEN (stale): src/a.rs changed after you read it: \"blue\", 9 s ago, +1 -1. You \
             would replace the whole file. The change you have not seen:\n\
             @@ -2,1 +2,1 @@\n a\n-b\n+B\n\
             It is reserved for you for 60 s. Read the file again first, then redo your change on \
             that, keep the lines of blue, and write again."
        );
        let (edit, _) =
            stale(&path("src/a.rs"), Cause::Edit(Obstacle::Near), &unseen, Some(60_000));
        assert!(
            edit.text.ends_with(
                "Redo your edit on the current text, keep the lines of blue, and write again."
            ),
            "an edit needs no second read: {}",
            edit.text
        );
    }

    #[test]
    fn no_text_is_too_long_and_each_ends_with_what_to_do() {
        let long = "ü/".repeat(600) + "x";
        let (long_path, name) = (path(&long), "n".repeat(900));
        let text: String = (0..80).map(|n| format!("line {n} of a change\n")).collect();
        let difference = Difference::of("", &text);
        let unseen = Unseen {
            people: vec![Person::agent(&name), Person::other(&name)],
            ago_ms: Some(u64::MAX / 2),
            difference: Some(&difference),
        };
        let mut by = blue();
        by.person = Person::agent(&name);
        by.task = name.clone();
        by.pattern = Some(long.clone());
        by.place = Some(1_000_000);
        let mut texts = Vec::new();
        for state in
            [LeaseState::Inflight, LeaseState::Held, LeaseState::Reserved, LeaseState::Pinned]
        {
            for code in [RefusalCode::Held, RefusalCode::Pinned, RefusalCode::Deadlock] {
                for on in [true, false] {
                    by.state = state;
                    let settings = Settings { guarded: on, bench_tools: on, ..Settings::default() };
                    let text = held(&settings, &long_path, code, &by).text;
                    assert!(text.contains("Now, best first") && text.ends_with('.'), "{text}");
                    texts.push(text);
                }
            }
        }
        for cause in [Cause::Whole, Cause::Edit(Obstacle::Twice), Cause::Blind] {
            let (refusal, complete) = stale(&long_path, cause, &unseen, Some(u64::MAX / 2));
            assert!(!complete);
            assert!(refusal.text.ends_with("write again."), "{}", refusal.text);
            texts.push(refusal.text);
        }
        let person = Person::agent(&name);
        texts.push(deleted(&long_path, &unseen, 60_000).text);
        texts.push(exists(&long_path, &unseen).text);
        texts.push(unread(&long_path, Extent::Part, Some((&person, 5))).text);
        texts.push(failed(Some(&long_path), &long).text);
        texts.push(outside(&long).text);
        texts.push(protected(&long_path).text);
        texts.push(too_wide(&long, Some(200)).text);
        texts.push(bad_pattern(&long, &long).text);
        texts.push(ended(Some(&long_path)).text);
        texts.push(rebased(&unseen, Extent::All).0);
        for text in texts {
            assert!(text.chars().count() <= LIMIT, "{} characters: {text}", text.chars().count());
            assert!(text.ends_with('.'), "{text}");
        }
    }

    #[test]
    fn spans_read_naturally() {
        for (ms, expected) in [
            (0, "0 s"),
            (1, "1 s"),
            (119_000, "119 s"),
            (130_000, "2 min 10 s"),
            (600_000, "10 min"),
            (3_600_000, "60 min"),
            (7_260_000, "2 h 1 min"),
            (172_800_000, "48 h"),
        ] {
            assert_eq!(span(ms), expected);
        }
    }
}

//! The shape of the code: who may import whom, how long files are, how they begin.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules each module may name. The picture is in `src/lib.rs`.
const FLOORS: [(&str, &[&str]); 15] = [
    ("model", &[]),
    ("fault", &[]),
    ("config", &["model"]),
    ("arbiter", &["model"]),
    ("supervisor", &["model"]),
    ("guard", &["model"]),
    ("agent", &["model"]),
    ("history", &["model", "fault"]),
    ("journal", &["model"]),
    ("git", &["model"]),
    (
        "engine",
        &[
            "model",
            "fault",
            "config",
            "arbiter",
            "supervisor",
            "agent",
            "guard",
            "history",
            "journal",
            "git",
        ],
    ),
    ("control", &["model", "git", "engine"]),
    ("doctor", &["model", "engine", "config"]),
    ("ui", &["model", "engine", "config"]),
    (
        "cli",
        &[
            "model", "config", "arbiter", "agent", "guard", "history", "git", "engine", "control",
            "doctor", "ui",
        ],
    ),
];

/// Of the engine, front ends see these and no more.
const ENGINE_FOR_UI: [&str; 3] = ["command", "event", "link"];

/// Lines of a file above its tests, and of a file that holds nothing but tests.
const LONGEST: usize = 600;

/// Names that say nothing.
const BANNED: [&str; 8] = ["util", "helper", "common", "manager", "misc", "types", "data", "info"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The file without its tests.
fn product_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    without_tests(&text).map(str::to_owned).collect()
}

/// The lines of a text without the modules `tests { ... }`. One that is only named lies elsewhere.
fn without_tests(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        inside |= line.starts_with("mod tests {");
        let product = !inside;
        inside &= *line != "}";
        product
    })
}

#[test]
fn only_the_tests_themselves_are_left_out_of_a_file() {
    let text = "mod tests;\na\nmod tests {\n    b\n    }\n}\nc\n";
    assert_eq!(without_tests(text).collect::<Vec<_>>(), ["mod tests;", "a", "c"]);
}

/// Whether a file holds nothing but tests.
fn is_test_only(path: &Path) -> bool {
    let folders = ["tests", "proof"];
    let within = path.strip_prefix(root().join("src")).unwrap_or(path);
    within.ends_with("tests.rs")
        || within.components().any(|part| folders.iter().any(|name| part.as_os_str() == *name))
}

fn floor_of(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The paths behind `crate::` in a line, without comments.
fn named(line: &str) -> Vec<&str> {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("crate::").map(|(at, word)| &code[at + word.len()..]).collect()
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

#[test]
fn modules_import_only_from_floors_below() {
    let floors: BTreeMap<&str, &[&str]> = FLOORS.into_iter().collect();
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        let floor = floor_of(&path);
        if floor == "lib" || floor == "main" {
            continue;
        }
        let allowed = floors.get(floor.as_str()).unwrap_or_else(|| panic!("{floor} has no floor"));
        for line in product_lines(&path) {
            for name in named(&line) {
                let target = word(name);
                if target != floor && !allowed.contains(&target) {
                    wrong.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports from above or from beside:\n{}", wrong.join("\n"));
}

#[test]
fn the_screen_sees_commands_events_and_links_of_the_engine_only() {
    let mut wrong = Vec::new();
    for path in sources(&root().join("src/ui")) {
        for line in product_lines(&path) {
            for name in named(&line).into_iter().filter_map(|name| name.strip_prefix("engine::")) {
                if !ENGINE_FOR_UI.contains(&word(name)) {
                    wrong.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "the screen looks into the engine:\n{}", wrong.join("\n"));
}

#[test]
fn files_stay_short() {
    let mut long = Vec::new();
    for folder in ["src", "tests"] {
        for path in sources(&root().join(folder)) {
            let below = path.strip_prefix(root()).unwrap().display().to_string();
            let lines = if is_test_only(&path) {
                fs::read_to_string(&path).unwrap().lines().count()
            } else {
                product_lines(&path).len()
            };
            if lines > LONGEST {
                long.push(format!("{below}: {lines} lines"));
            }
        }
    }
    assert!(long.is_empty(), "more than {LONGEST} lines above the tests:\n{}", long.join("\n"));
}

/// A file's code without comments, texts and tests.
fn bare_code(path: &Path) -> String {
    let mut bare = String::new();
    for line in product_lines(path) {
        let code = line.split("//").next().unwrap_or_default();
        // What stands between quotes is every other piece.
        bare.extend(code.split('"').step_by(2));
        bare.push('\n');
    }
    bare
}

/// Whether `code` has these words, and not as a part of longer ones.
fn has_words(code: &str, words: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(words).any(|(at, _)| {
        let (before, behind) = (&code[..at], &code[at + words.len()..]);
        !is_part(before.chars().next_back()) && !is_part(behind.chars().next())
    })
}

#[test]
fn every_setting_is_read_by_the_program() {
    let code: Vec<_> = sources(&root().join("src"))
        .into_iter()
        .filter(|path| !is_test_only(path))
        .map(|path| bare_code(&path))
        .collect();
    let own = bare_code(&root().join("src/config/settings.rs"));
    let defaults = fs::read_to_string(root().join("assets/config.toml")).unwrap();
    let (mut section, mut unread, mut keys) = (String::new(), Vec::new(), 0);
    for line in defaults.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            keys += 1;
            // A section may read its own settings; elsewhere they are named with the section.
            let (first, rest) = section.split_at(1);
            let head = format!("impl {}{rest} {{", first.to_uppercase());
            let mine = own.split(&head).nth(1).and_then(|rest| rest.split("\n}").next());
            let read = code.iter().any(|code| has_words(code, &format!("{section}.{key}")))
                || mine.is_some_and(|mine| has_words(mine, &format!("self.{key}")));
            if !read {
                unread.push(format!("{section}.{key}"));
            }
        }
    }
    assert!(keys > 15, "only {keys} settings were found");
    assert!(unread.is_empty(), "settings that nobody reads: {}", unread.join(", "));
}

#[test]
fn every_file_begins_with_what_it_promises_and_has_a_telling_name() {
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        let text = fs::read_to_string(&path).unwrap();
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not begin with `//!`", path.display()));
        }
        if BANNED.contains(&stem.as_str()) || stem == "mod" {
            wrong.push(format!("{} has a name that says nothing", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_top_level_holds_what_it_should_and_nothing_else() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "CHANGELOG.md",
        "README.md",
        "LICENSE",
        "src",
        "assets",
        "tests",
        "target",
    ];
    for entry in fs::read_dir(root()).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(name.starts_with('.') || allowed.contains(&name.as_str()), "{name} lies about");
    }
}

//! Small talk: what the agent does about a prompt that its script has no turn for.
//!
//! It knows a few commands that do something real, and has a sensible sentence for the rest, so
//! that whoever writes to it is answered.

use std::collections::BTreeSet;
use std::path::Path;

use super::step::{Act, Change, Mark, OnRefused, Pick, Spot, Step, Via};

const HELP: &str = "I play a script and think nothing, but I can do small things for real:\n\n\
    - `read FILE`, `write FILE: TEXT`, `add FILE: LINE`\n\
    - `edit FILE` (adds a remark) or `edit FILE: OLD => NEW`\n\
    - `run COMMAND`, `run COMMAND &` (in the background)\n\
    - `todo one, two, three`\n\
    - `ask QUESTION: one, two`, `plan TEXT`, `sub TASK`, `think TEXT`, `wait SECONDS`\n\
    - `status`, `history`, `help`";

/// What the agent knows about itself.
pub(super) struct About<'a> {
    pub(super) name: &'a str,
    pub(super) mode: &'a str,
    pub(super) prompts: &'a [String],
    pub(super) changed: &'a BTreeSet<String>,
    pub(super) told: &'a [String],
    pub(super) cwd: &'a Path,
}

/// The steps that answer `prompt`.
pub(super) fn reply(prompt: &str, about: &About<'_>) -> Vec<Step> {
    let prompt = prompt.trim();
    let (verb, rest) = prompt.split_once(char::is_whitespace).unwrap_or((prompt, ""));
    let rest = rest.trim();
    let acts = match (verb.trim_end_matches([':', '!', '.']).to_lowercase().as_str(), rest) {
        ("help" | "?", _) => say(HELP),
        ("status" | "who", _) => say(&status(about)),
        ("history" | "remember", _) => say(&history(about)),
        ("read" | "show" | "open", file) if is_file(file) => {
            vec![Act::Read(plain(file)), Act::Text(format!("I have read `{}`.", plain(file)))]
        }
        ("edit" | "fix" | "change" | "touch", rest) if is_file(first_part(rest)) => edit(rest),
        ("add" | "append", rest) if is_file(first_part(rest)) => append(rest),
        ("write" | "create", rest) if is_file(first_part(rest)) => write(rest),
        ("mark", file) if is_file(file) => vec![
            Act::Mark(Mark {
                paths: vec![plain(file)],
                pick: Pick::Next,
                skew: 0.0,
                via: Via::Edit,
                at: Spot::End,
            }),
            Act::Text(format!("`{}` has a new line.", plain(file))),
        ],
        ("run" | "bash" | "sh", command) if !command.is_empty() => run(command),
        ("todo", list) => todo(list),
        ("ask", rest) => ask(rest),
        ("plan", text) => {
            let text =
                if text.is_empty() { "1. Look around.\n2. Do it.\n3. Check it." } else { text };
            vec![Act::Plan(text.to_owned()), Act::Text("Then I go on with that plan.".to_owned())]
        }
        ("sub" | "delegate", task) => sub(task),
        ("think", text) => vec![
            Act::Think(if text.is_empty() { "Hm." } else { text }.to_owned()),
            Act::Text("I have thought about it.".to_owned()),
        ],
        ("wait" | "sleep", seconds) => {
            let seconds: f64 = seconds.trim_end_matches('s').trim().parse().unwrap_or(5.0);
            let ms = (seconds.clamp(0.0, 3600.0) * 1000.0) as u64;
            vec![
                Act::Text(format!("I wait for {seconds} s.")),
                Act::Sleep(ms),
                Act::Text("Done waiting.".to_owned()),
            ]
        }
        ("hi" | "hello" | "hey" | "hallo", _) => {
            say(&format!("Hello, I am {}. `help` says what I can do.", about.name))
        }
        ("thanks" | "thank", _) => say("You are welcome."),
        _ => say(&small_talk(prompt, about)),
    };
    acts.into_iter()
        .map(|act| Step { on_refused: OnRefused::Retry, retries: 3, ..Step::plain(act) })
        .collect()
}

fn say(text: &str) -> Vec<Act> {
    vec![Act::Text(text.to_owned())]
}

fn status(about: &About<'_>) -> String {
    let mut text = format!(
        "I am {}, a scripted agent, in mode `{}`. You wrote to me {} times.",
        about.name,
        about.mode,
        about.prompts.len()
    );
    if about.changed.is_empty() {
        text.push_str(" I have not changed any file yet.");
    } else {
        text.push_str(" I have changed:\n");
        for file in about.changed {
            let short = Path::new(file).strip_prefix(about.cwd).unwrap_or(Path::new(file));
            text.push_str(&format!("\n- `{}`", short.display()));
        }
    }
    if let Some(told) = about.told.last() {
        text.push_str(&format!("\n\nThe last thing that I was told: {told}"));
    }
    text
}

fn history(about: &About<'_>) -> String {
    let mut text = "You asked me, the oldest first:\n".to_owned();
    for prompt in about.prompts {
        let line: String = prompt.lines().next().unwrap_or_default().chars().take(80).collect();
        text.push_str(&format!("\n1. {line}"));
    }
    text
}

fn small_talk(prompt: &str, about: &About<'_>) -> String {
    let short: String = prompt.lines().next().unwrap_or_default().chars().take(60).collect();
    if prompt.ends_with('?') {
        return format!(
            "That is more than my script knows. I am {}, a scripted agent: `help` lists the small \
             things that I can really do.",
            about.name
        );
    }
    format!("Noted: \"{short}\". My script has no turn for it; `help` lists what I can do.")
}

/// What stands before the colon.
fn first_part(rest: &str) -> &str {
    rest.split_once(": ").map_or(rest, |(file, _)| file).trim().trim_end_matches(':')
}

/// Whether it is one word that looks like a file.
fn is_file(word: &str) -> bool {
    let one_word = !word.is_empty() && !word.contains(char::is_whitespace);
    one_word && (word.contains(['.', '/', '`']) || word.chars().any(char::is_uppercase))
}

fn plain(file: &str) -> String {
    file.trim().trim_matches('`').trim_start_matches('@').to_owned()
}

fn edit(rest: &str) -> Vec<Act> {
    let file = plain(first_part(rest));
    let change = rest.split_once(": ").and_then(|(_, change)| change.split_once("=>"));
    match change {
        Some((old, new)) => {
            let change =
                Change { old: old.trim().to_owned(), new: new.trim().to_owned(), all: false };
            vec![
                Act::Read(file.clone()),
                Act::Edit { path: file.clone(), edits: vec![change] },
                Act::Text(format!("That was `{file}`.")),
            ]
        }
        None => vec![
            Act::Append { content: remark(&file), path: file.clone() },
            Act::Text(format!("I added a remark to `{file}`.")),
        ],
    }
}

/// A remark in the language of the file.
fn remark(file: &str) -> String {
    let words = "${name} was here.";
    match Path::new(file).extension().and_then(|extension| extension.to_str()) {
        Some("rs" | "c" | "h" | "cpp" | "js" | "ts" | "tsx" | "go" | "java") => {
            format!("// {words}")
        }
        Some("py" | "sh" | "toml" | "yaml" | "yml" | "rb") => format!("# {words}"),
        Some("html" | "xml" | "md") => format!("<!-- {words} -->"),
        _ => words.to_owned(),
    }
}

fn append(rest: &str) -> Vec<Act> {
    let (file, line) = rest.split_once(": ").unwrap_or((rest, "one more line"));
    let file = plain(file);
    vec![
        Act::Append { path: file.clone(), content: line.trim().to_owned() },
        Act::Text(format!("`{file}` has one line more.")),
    ]
}

fn write(rest: &str) -> Vec<Act> {
    let (file, text) = rest.split_once(": ").unwrap_or((rest, "Written by ${name}."));
    let file = plain(file);
    vec![
        Act::Write { path: file.clone(), content: format!("{}\n", text.trim()) },
        Act::Text(format!("`{file}` is written.")),
    ]
}

fn run(command: &str) -> Vec<Act> {
    let background = command.ends_with('&') && !command.ends_with("&&");
    let command = if background { command.trim_end_matches('&').trim() } else { command };
    let command = command.trim_matches('`').to_owned();
    let bash = Act::Bash { command, description: None, background };
    match background {
        true => vec![bash, Act::Text("It runs; I will be told when it ends.".to_owned())],
        false => vec![bash, Act::Text("It says:\n\n```\n${last}\n```".to_owned())],
    }
}

fn todo(list: &str) -> Vec<Act> {
    let entries: Vec<_> = match list.is_empty() {
        true => ["x look around", "> do it", "check it"].map(str::to_owned).into(),
        false => list.split(',').map(|entry| entry.trim().to_owned()).collect(),
    };
    vec![Act::Todo(entries), Act::Text("That is my list.".to_owned())]
}

fn ask(rest: &str) -> Vec<Act> {
    let (question, options) = rest.split_once(": ").unwrap_or((rest, "Yes, No"));
    let question = if question.is_empty() { "Shall I go on?" } else { question };
    vec![
        Act::AskUser {
            question: question.to_owned(),
            header: "Question".to_owned(),
            options: options.split(',').map(|option| option.trim().to_owned()).collect(),
            multi: false,
        },
        Act::Text("You said: ${answer}.".to_owned()),
    ]
}

fn sub(task: &str) -> Vec<Act> {
    let task = if task.is_empty() { "look around" } else { task };
    let steps = vec![
        Step::plain(Act::Bash {
            command: "ls".to_owned(),
            description: Some("list the files".to_owned()),
            background: false,
        }),
        Step::plain(Act::Text(format!("I was to {task}; here is what there is:\n\n${{last}}"))),
    ];
    vec![
        Act::Sub { task: task.to_owned(), kind: "general-purpose".to_owned(), steps },
        Act::Text("My sub-agent is back.".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(prompt: &str, expected: &str) {
        let about = About {
            name: "blue",
            mode: "default",
            prompts: &["one".to_owned()],
            changed: &BTreeSet::from(["/ws/src/a.rs".to_owned()]),
            told: &[],
            cwd: Path::new("/ws"),
        };
        let steps = reply(prompt, &about);
        let acts = format!("{:?}", steps.iter().map(|step| &step.act).collect::<Vec<_>>());
        assert!(acts.contains(expected), "{prompt}: {acts}");
    }

    #[test]
    fn small_commands_become_real_steps() {
        check("edit src/a.rs", "Append { path: \"src/a.rs\", content: \"// ${name} was here.\"");
        check("edit src/a.rs: one => two", "old: \"one\", new: \"two\"");
        check("run cargo test", "command: \"cargo test\", description: None, background: false");
        check("run sleep 9 &", "command: \"sleep 9\", description: None, background: true");
        check("todo a, b", "Todo([\"a\", \"b\"])");
        check("ask Which?: Red, Blue", "options: [\"Red\", \"Blue\"]");
        check("add CHANGELOG.md: - a line", "content: \"- a line\"");
        check("status", "- `src/a.rs`");
    }

    #[test]
    fn whoever_writes_is_answered() {
        for prompt in ["", "why is the sky blue?", "edit the docs please", "make it fast", "\n"] {
            check(prompt, "Text(");
        }
    }
}

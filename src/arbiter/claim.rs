//! What a tool call lays claim to, from the tool's name and its input.
//!
//! Whatever cannot be understood of a tool that writes is [`Claim::Malformed`], never no claim.

use serde_json::Value;

use super::input::{Edit, Proposal};
use crate::model::path::{Hash, WorkPath};

/// What a tool call wants of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It writes one file.
    Write {
        /// As the tool was given it.
        raw_path: String,
        /// What the file would become.
        proposal: Proposal,
    },
    /// It reads one file.
    Read {
        /// As the tool was given it.
        raw_path: String,
        /// Whether a part of it only.
        range: bool,
    },
    /// It runs a command, which may write anything.
    Shell {
        /// The command.
        command: String,
    },
    /// It touches no file of the workspace, as far as is known.
    None,
    /// It should be one of the above and is not; the sentence says why.
    Malformed(String),
}

impl Claim {
    /// Reads a tool call.
    pub fn of(tool: &str, input: &Value) -> Self {
        let claim = match tool {
            "Write" => write(input),
            "Edit" => {
                edit(input).map(|edit| (vec![edit], "file_path")).and_then(|e| edits(input, e))
            }
            "MultiEdit" => {
                multi(input).map(|all| (all, "file_path")).and_then(|all| edits(input, all))
            }
            "NotebookEdit" => text(input, "notebook_path")
                .or_else(|missing| text(input, "file_path").map_err(|_| missing))
                .and_then(path)
                .map(|raw_path| Self::Write { raw_path, proposal: Proposal::Opaque }),
            "Read" => text(input, "file_path").and_then(path).map(|raw_path| Self::Read {
                raw_path,
                range: ["offset", "limit", "pages"]
                    .iter()
                    .any(|key| input.get(key).is_some_and(|value| !value.is_null())),
            }),
            "Bash" => text(input, "command").map(|command| Self::Shell { command }),
            _ => Ok(Self::None),
        };
        claim.unwrap_or_else(|why| Self::Malformed(format!("the input of {tool} {why}")))
    }
}

/// Whether a path steers git, the agents or the bench itself, so that only the person may let it
/// be written. Names are compared without regard to case, as some file systems do.
pub fn is_protected(path: &WorkPath) -> bool {
    let is = |part: &str, name: &str| part.eq_ignore_ascii_case(name);
    is(path.name(), ".mcp.json")
        || path
            .as_str()
            .split('/')
            .any(|part| [".git", ".claude", ".benchdog"].iter().any(|name| is(part, name)))
}

fn write(input: &Value) -> Result<Claim, String> {
    let raw_path = text(input, "file_path").and_then(path)?;
    let content = text(input, "content")?;
    Ok(Claim::Write { raw_path, proposal: Proposal::Whole(Hash::of(content.as_bytes())) })
}

fn edit(input: &Value) -> Result<Edit, String> {
    Ok(Edit {
        old: text(input, "old_string")?,
        new: text(input, "new_string")?,
        all: flag(input, "replace_all")?,
    })
}

fn multi(input: &Value) -> Result<Vec<Edit>, String> {
    let Some(Value::Array(list)) = input.get("edits") else {
        return Err("has no list `edits`".to_owned());
    };
    if list.is_empty() {
        return Err("has no edits".to_owned());
    }
    list.iter().map(edit).collect()
}

fn edits(input: &Value, (edits, key): (Vec<Edit>, &str)) -> Result<Claim, String> {
    let raw_path = text(input, key).and_then(path)?;
    Ok(Claim::Write { raw_path, proposal: Proposal::Edits(edits) })
}

fn text(input: &Value, key: &str) -> Result<String, String> {
    match input.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("has a `{key}` that is no text")),
        None => Err(format!("has no `{key}`")),
    }
}

fn path(raw: String) -> Result<String, String> {
    if raw.is_empty() {
        Err("has an empty path".to_owned())
    } else if raw.contains('\0') {
        Err("has a path with a zero byte".to_owned())
    } else {
        Ok(raw)
    }
}

fn flag(input: &Value, key: &str) -> Result<bool, String> {
    match input.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(_) => Err(format!("has a `{key}` that is neither true nor false")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(tool: &str, input: &Value, expected: &Claim) {
        assert_eq!(&Claim::of(tool, input), expected, "{tool} {input}");
    }

    fn edit(old: &str, new: &str, all: bool) -> Edit {
        Edit { old: old.into(), new: new.into(), all }
    }

    #[test]
    fn tools_that_write_claim_their_file() {
        let raw_path = || "/w/a.rs".to_owned();
        check(
            "Write",
            &json!({"file_path": "/w/a.rs", "content": "x"}),
            &Claim::Write { raw_path: raw_path(), proposal: Proposal::Whole(Hash::of(b"x")) },
        );
        check(
            "Edit",
            &json!({"file_path": "/w/a.rs", "old_string": "a", "new_string": "b", "replace_all": "True"}),
            &Claim::Write {
                raw_path: raw_path(),
                proposal: Proposal::Edits(vec![edit("a", "b", true)]),
            },
        );
        check(
            "MultiEdit",
            &json!({"file_path": "/w/a.rs", "edits": [
                {"old_string": "a", "new_string": "b"}, {"old_string": "", "new_string": "c"}]}),
            &Claim::Write {
                raw_path: raw_path(),
                proposal: Proposal::Edits(vec![edit("a", "b", false), edit("", "c", false)]),
            },
        );
        check(
            "NotebookEdit",
            &json!({"notebook_path": "/w/a.rs", "new_source": "1"}),
            &Claim::Write { raw_path: raw_path(), proposal: Proposal::Opaque },
        );
    }

    #[test]
    fn other_tools_read_run_or_do_nothing() {
        let read = |range| Claim::Read { raw_path: "a".into(), range };
        check("Read", &json!({"file_path": "a"}), &read(false));
        check("Read", &json!({"file_path": "a", "limit": null}), &read(false));
        check("Read", &json!({"file_path": "a", "offset": 10}), &read(true));
        check("Bash", &json!({"command": "ls"}), &Claim::Shell { command: "ls".into() });
        check("WebFetch", &json!({"url": "x"}), &Claim::None);
    }

    #[test]
    fn what_cannot_be_understood_is_no_free_pass() {
        for (tool, input) in [
            ("Write", json!({"content": "x"})),
            ("Write", json!({"file_path": "a"})),
            ("Write", json!({"file_path": 1, "content": "x"})),
            ("Write", json!({"file_path": "", "content": "x"})),
            ("Write", json!({"file_path": "a\0b", "content": "x"})),
            ("Edit", json!({"file_path": "a", "old_string": "x"})),
            (
                "Edit",
                json!({"file_path": "a", "old_string": "x", "new_string": "y", "replace_all": 1}),
            ),
            ("MultiEdit", json!({"file_path": "a", "edits": []})),
            ("MultiEdit", json!({"file_path": "a", "edits": {}})),
            ("NotebookEdit", json!({})),
            ("Read", json!([])),
            ("Bash", Value::Null),
        ] {
            assert!(matches!(Claim::of(tool, &input), Claim::Malformed(_)), "{tool} {input}");
        }
    }

    #[test]
    fn what_steers_the_bench_is_protected() {
        for (raw, expected) in [
            (".git/hooks/pre-commit", true),
            (".git", true),
            ("sub/.git/config", true),
            (".GIT/config", true),
            (".claude/settings.json", true),
            (".mcp.json", true),
            (".benchdog/state.db", true),
            (".gitignore", false),
            ("src/git/x.rs", false),
            ("claude/x", false),
        ] {
            let path = WorkPath::parse(raw).expect("a good path");
            assert_eq!(is_protected(&path), expected, "{raw}");
        }
    }
}

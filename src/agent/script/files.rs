//! The file tools, for real: Read, Write, Edit and MultiEdit with the meaning, the words and the
//! structured output of the real program.
//!
//! As there, a call is looked at before anybody is asked about it: one that cannot work fails at
//! once, without a hook. What changes after that look makes the tool itself fail.
//!
//! A write goes to a temporary file in the same folder that is renamed over the old one: whoever
//! reads sees the old or the new text, never a half, and a failed write leaves the old one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::frame::new_name;
use super::patch::structured_patch;

/// Behind the result of a write.
const CURRENT: &str = "(file state is current in your context — no need to Read it back)";

/// What a tool has to say.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Done {
    /// For the model.
    pub(super) text: String,
    /// For the host.
    pub(super) response: Value,
}

/// Looks whether a call can work at all. An error is what the model reads.
pub(super) fn look_at(tool: &str, input: &Value, cwd: &Path) -> Result<(), String> {
    let path = PathBuf::from(input["file_path"].as_str().unwrap_or_default());
    if tool == "Write" && path.is_dir() {
        return Err(format!(
            "{} is a directory, not a file. To create a file inside it, include the file name in \
             file_path.",
            path.display()
        ));
    }
    if tool != "Edit" && tool != "MultiEdit" {
        return Ok(());
    }
    match load(&path)? {
        Some(before) => apply(tool, input, &before).map(drop),
        None if tool == "Edit" && input["old_string"] == "" => Ok(()),
        None => Err(not_there(cwd)),
    }
}

/// Runs a file tool; `None` if the tool is none of them. An error is what the model reads.
pub(super) fn run(tool: &str, input: &Value, cwd: &Path) -> Option<Result<Done, String>> {
    let path = PathBuf::from(input["file_path"].as_str().unwrap_or_default());
    match tool {
        "Read" => Some(read(&path, cwd)),
        "Write" => Some(write(&path, input["content"].as_str().unwrap_or_default())),
        "Edit" | "MultiEdit" => Some(edit(tool, &path, input, cwd)),
        _ => None,
    }
}

/// What the Read tool gives to the model of a text.
fn numbered(content: &str) -> String {
    let lines = content.split('\n').enumerate();
    lines.map(|(at, line)| format!("{}\t{line}", at + 1)).collect::<Vec<_>>().join("\n")
}

fn read(path: &Path, cwd: &Path) -> Result<Done, String> {
    let content = load(path)?.ok_or_else(|| not_there(cwd))?;
    let lines = content.split('\n').count();
    Ok(Done {
        text: numbered(&content),
        response: json!({ "type": "text", "file": {
            "filePath": path, "content": content,
            "numLines": lines, "startLine": 1, "totalLines": lines,
        }}),
    })
}

fn write(path: &Path, content: &str) -> Result<Done, String> {
    let original = load(path)?;
    store(path, content).map_err(|error| failure("open", path, &error))?;
    let (kind, verb) = match &original {
        None => ("create", "File created successfully at: "),
        Some(_) => ("update", "The file "),
    };
    let text = match &original {
        None => format!("{verb}{} {CURRENT}", path.display()),
        Some(_) => format!("{verb}{} has been updated successfully. {CURRENT}", path.display()),
    };
    let patch = match &original {
        None => json!([]),
        Some(before) => structured_patch(before, content),
    };
    Ok(Done {
        text,
        response: json!({
            "type": kind, "filePath": path, "content": content, "structuredPatch": patch,
            "originalFile": original, "userModified": false,
        }),
    })
}

fn edit(tool: &str, path: &Path, input: &Value, cwd: &Path) -> Result<Done, String> {
    let original = load(path)?;
    let changed = match &original {
        Some(before) => apply(tool, input, before)
            .map_err(|_| "String not found in file. Failed to apply edit.".to_owned())?,
        None if tool == "Edit" && input["old_string"] == "" => {
            input["new_string"].as_str().unwrap_or_default().to_owned()
        }
        None => return Err(not_there(cwd)),
    };
    store(path, &changed).map_err(|error| failure("open", path, &error))?;
    let before = original.unwrap_or_default();
    let mut response = json!({
        "filePath": path, "originalFile": before,
        "structuredPatch": structured_patch(&before, &changed), "userModified": false,
    });
    if tool == "MultiEdit" {
        response["edits"] = input["edits"].clone();
    } else {
        response["oldString"] = input["old_string"].clone();
        response["newString"] = input["new_string"].clone();
        response["replaceAll"] = json!(input["replace_all"].as_bool().unwrap_or(false));
    }
    let text = format!("The file {} has been updated successfully. {CURRENT}", path.display());
    Ok(Done { text, response })
}

/// What an Edit or a MultiEdit makes of a text.
fn apply(tool: &str, input: &Value, before: &str) -> Result<String, String> {
    let one = std::slice::from_ref(input);
    let edits = match tool {
        "MultiEdit" => input["edits"].as_array().map(Vec::as_slice).unwrap_or_default(),
        _ => one,
    };
    let mut changed = before.to_owned();
    for edit in edits {
        let old = edit["old_string"].as_str().unwrap_or_default();
        let new = edit["new_string"].as_str().unwrap_or_default();
        changed = replace(&changed, old, new, edit["replace_all"].as_bool().unwrap_or(false))?;
    }
    Ok(changed)
}

/// Puts `new` in the place of `old`, which must be there once unless all places are meant.
fn replace(text: &str, old: &str, new: &str, all: bool) -> Result<String, String> {
    if old == new {
        return Err("No changes to make: old_string and new_string are exactly the same.".into());
    }
    if old.is_empty() {
        return Err("Cannot create new file - file already exists.".into());
    }
    match text.matches(old).count() {
        0 => Err(format!("String to replace not found in file.\nString: {old}")),
        1 => Ok(text.replacen(old, new, 1)),
        _ if all => Ok(text.replace(old, new)),
        count => Err(format!(
            "Found {count} matches of the string to replace, but replace_all is false. To replace \
             all occurrences, set replace_all to true. To replace only one occurrence, please \
             provide more context to uniquely identify the instance.\nString: {old}"
        )),
    }
}

fn load(path: &Path) -> Result<Option<String>, String> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure("open", path, &error)),
    }
}

/// Writes `content` in one piece, keeping the permissions of what was there.
fn store(path: &Path, content: &str) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!("{name}.tmp.{}.{}", std::process::id(), new_name("", 12)));
    let stored = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(content.as_bytes())?;
        if let Ok(before) = fs::metadata(&target) {
            fs::set_permissions(&temporary, before.permissions())?;
        }
        fs::rename(&temporary, &target)
    })();
    if stored.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    stored
}

fn not_there(cwd: &Path) -> String {
    format!("File does not exist. Note: your current working directory is {}.", cwd.display())
}

fn failure(what: &str, path: &Path, error: &io::Error) -> String {
    let codes = [
        (io::ErrorKind::PermissionDenied, "EACCES"),
        (io::ErrorKind::ResourceBusy, "EBUSY"),
        (io::ErrorKind::ReadOnlyFilesystem, "EROFS"),
        (io::ErrorKind::IsADirectory, "EISDIR"),
        (io::ErrorKind::StorageFull, "ENOSPC"),
    ];
    let code = codes.iter().find(|(kind, _)| *kind == error.kind());
    let code = code.map_or("EIO", |(_, code)| *code);
    format!("{code}: {error}, {what} '{}'", path.display())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn tool(tool: &str, input: &Value) -> Result<Done, String> {
        look_at(tool, input, Path::new("/ws"))?;
        run(tool, input, Path::new("/ws")).unwrap()
    }

    #[test]
    fn a_file_is_created_then_updated_then_edited() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/a.txt");
        let made = tool("Write", &json!({ "file_path": path, "content": "one\ntwo\n" })).unwrap();
        assert_eq!(made.response["type"], "create");
        assert!(made.text.starts_with("File created successfully at: "), "{}", made.text);
        let made = tool("Write", &json!({ "file_path": path, "content": "one\n2\n" })).unwrap();
        assert_eq!(made.response["originalFile"], "one\ntwo\n");
        assert_eq!(made.response["structuredPatch"][0]["lines"], json!([" one", "-two", "+2"]));
        tool("Edit", &json!({ "file_path": path, "old_string": "2", "new_string": "3" })).unwrap();
        let seen = tool("Read", &json!({ "file_path": path })).unwrap();
        assert_eq!(seen.text, "1\tone\n2\t3\n3\t");
        assert_eq!(seen.response["file"]["totalLines"], 3);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn an_edit_needs_its_anchor_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "x x").unwrap();
        let edit = |old: &str, all: bool| {
            tool(
                "Edit",
                &json!({ "file_path": path, "old_string": old, "new_string": "y",
                                 "replace_all": all }),
            )
        };
        assert!(edit("x", false).unwrap_err().starts_with("Found 2 matches"));
        assert!(edit("z", false).unwrap_err().starts_with("String to replace not found"));
        assert!(edit("y", false).unwrap_err().starts_with("No changes to make"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "x x");
        edit("x", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "y y");
    }

    #[test]
    fn many_edits_are_all_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "one two").unwrap();
        let edits = json!([{ "old_string": "one", "new_string": "1" },
                           { "old_string": "three", "new_string": "3" }]);
        tool("MultiEdit", &json!({ "file_path": path, "edits": edits })).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one two");
    }

    #[test]
    fn permissions_and_links_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("l"));
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        tool("Write", &json!({ "file_path": link, "content": "y" })).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "y");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn an_anchor_that_goes_after_the_look_makes_the_tool_fail() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "x").unwrap();
        let input = json!({ "file_path": path, "old_string": "x", "new_string": "y" });
        look_at("Edit", &input, folder.path()).unwrap();
        fs::write(&path, "z").unwrap();
        let error = run("Edit", &input, folder.path()).unwrap().unwrap_err();
        assert_eq!(error, "String not found in file. Failed to apply edit.");
        assert_eq!(fs::read_to_string(&path).unwrap(), "z");
    }

    #[test]
    fn a_missing_file_is_said() {
        let error = tool("Read", &json!({ "file_path": "/nowhere/a" })).unwrap_err();
        assert_eq!(error, "File does not exist. Note: your current working directory is /ws.");
    }
}

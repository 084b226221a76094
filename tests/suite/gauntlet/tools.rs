//! What agents do with the bench's tools, and what the person does beside them, step by step.

use serde_json::json;

use super::field::Field;
use super::{Row, code_of};

/// Who does a step.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    Blue,
    Red,
    /// In an editor: nobody asks, and nobody is asked.
    Person,
}
use Who::{Blue, Person, Red};

/// What is done.
#[derive(Debug, Clone, Copy)]
enum Act {
    Read,
    Edit(&'static str, &'static str),
    EditAll(&'static str, &'static str),
    Write(&'static str),
    Reserve,
    Release,
    Shell(&'static str),
}

/// A step, and the code that it must be answered with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    who: Who,
    act: Act,
    /// Below the folder of the row.
    path: &'static str,
    code: &'static str,
}

const fn step(who: Who, act: Act) -> Step {
    Step { who, act, path: F, code: "OK" }
}
const fn read(who: Who) -> Step {
    step(who, Act::Read)
}
const fn edit(who: Who, old: &'static str, new: &'static str) -> Step {
    step(who, Act::Edit(old, new))
}
const fn write(who: Who, content: &'static str) -> Step {
    step(who, Act::Write(content))
}
const fn shell(who: Who, script: &'static str) -> Step {
    step(who, Act::Shell(script))
}

impl Step {
    const fn at(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    const fn says(self, code: &'static str) -> Self {
        Self { code, ..self }
    }
}

/// A row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Play {
    pub(crate) name: &'static str,
    steps: &'static [Step],
    /// Lines that stand somewhere below the row's folder at the end.
    lines: &'static [&'static str],
    /// Whether one of them is lost where nothing is guarded and nothing arbitrated.
    proves: bool,
    known: &'static str,
}

const fn play(name: &'static str, steps: &'static [Step], lines: &'static [&'static str]) -> Play {
    Play { name, steps, lines, proves: true, known: "" }
}

impl Play {
    /// Without a guard it ends in the same way.
    const fn same(self) -> Self {
        Self { proves: false, ..self }
    }

    const fn known(self, why: &'static str) -> Self {
        Self { known: why, ..self }
    }
}

/// Nobody tells a process's guard what somebody outside has just saved.
const EDITOR: &str = "a save that the bench has not noticed is nobody's work to a process";
/// A repository, and a clone of it that has something new.
const CLONE: &str = "git init -qb main . && git add -A && git commit -qm one && \
    git clone -q . $OUT/far && cd $OUT/far && echo far > mine.txt && git commit -qam far && \
    cd - > /dev/null && git remote add origin $OUT/far";
const F: &str = "src/f.txt";
const NEW: &str = "src/new.txt";
const REDS: &str = "// first\n// second\n// third\n// red's line\nfn  main( ) { }\n";
const SAME: &str = "// first\n// second\n// blue's line\n// third\nfn  main( ) { }\n";
const BOTH: &str = "// first\n// second\n// blue's line\n// third\n// red's line\n";
const B: &str = "// blue's line";
const R: &str = "// red's line";
/// Blue adds a line behind the second.
const BLUE: Step = edit(Blue, "// second\n", "// second\n// blue's line\n");

pub(crate) const PLAYS: &[Play] = &[
    play(
        "a whole write from an old read",
        &[read(Red), BLUE, write(Red, REDS).says("STALE")],
        &[B],
    )
    .same(),
    play("a whole write without a read", &[BLUE, write(Red, REDS).says("UNREAD")], &[B]).same(),
    play(
        "a whole write after the difference was told",
        &[read(Red), BLUE, write(Red, REDS).says("STALE"), write(Red, BOTH)],
        &[B, R],
    )
    .same(),
    play(
        "a whole write after a new read",
        &[read(Red), BLUE, read(Red), write(Red, BOTH)],
        &[B, R],
    )
    .same(),
    play("the same text again", &[BLUE, write(Red, SAME)], &[B]).same(),
    play(
        "edits of disjoint pieces",
        &[read(Red), BLUE, edit(Red, "fn  main( ) { }\n", "fn  main( ) { }\n// red's line\n")],
        &[B, R],
    )
    .same(),
    play(
        "an edit without a read",
        &[BLUE, edit(Red, "fn  main( ) { }\n", "fn  main( ) { }\n// red's line\n")],
        &[B, R],
    )
    .same(),
    play(
        "edits of the same piece",
        &[
            read(Red),
            edit(Blue, "// second\n", "// blue's line\n"),
            edit(Red, "// second\n", "// red's line\n").says("STALE"),
        ],
        &[B],
    )
    .same(),
    play(
        "an edit right beside a change",
        &[read(Red), BLUE, edit(Red, "// third\n", "// red's line\n").says("STALE")],
        &[B, "// third"],
    )
    .same(),
    play(
        "an edit whose text has become ambiguous",
        &[
            read(Red),
            edit(Blue, "// first\n", "fn  main( ) { }\n// blue's line\n"),
            edit(Red, "fn  main( ) { }\n", "// red's line\n").says("STALE"),
        ],
        &[B],
    )
    .same(),
    play(
        "an edit of every place after a change",
        &[
            read(Red),
            edit(Blue, "// first\n", "// first\n// blue's line\n"),
            step(Red, Act::EditAll("//", "#")).says("STALE"),
        ],
        &[B],
    )
    .same(),
    play(
        "two new files of one name",
        &[write(Blue, "// blue's line\n").at(NEW), write(Red, REDS).at(NEW).says("UNREAD")],
        &[B],
    )
    .same(),
    play(
        "a new file, then by shell",
        &[
            write(Blue, "// blue's line\n").at(NEW),
            shell(Red, "echo x > src/new.txt").says("UNREAD"),
        ],
        &[B],
    ),
    play(
        "a new file by shell, then by tool",
        &[
            shell(Blue, "echo \"// blue's line\" > src/new.txt"),
            write(Red, REDS).at(NEW).says("UNREAD"),
        ],
        &[B],
    )
    .same(),
    play(
        "a new file by both shells",
        &[
            shell(Blue, "echo \"// blue's line\" > src/new.txt"),
            shell(Red, "echo x > src/new.txt").says("UNREAD"),
        ],
        &[B],
    ),
    play(
        "an edit of a file that was deleted",
        &[
            read(Red),
            shell(Blue, "rm src/f.txt"),
            edit(Red, "// third", "// red's line").says("STALE"),
        ],
        &[],
    )
    .same(),
    play(
        "a whole write of a file that was deleted",
        &[read(Red), shell(Blue, "rm src/f.txt"), write(Red, REDS).says("STALE")],
        &[],
    )
    .same(),
    play(
        "a whole write of a file that moved away",
        &[read(Red), BLUE, shell(Blue, "mv src/f.txt src/g.txt"), write(Red, REDS).says("STALE")],
        &[B],
    )
    .same(),
    play(
        "a shell's file, then a whole write",
        &[
            read(Red),
            shell(Blue, "echo \"// blue's line\" >> src/f.txt"),
            write(Red, REDS).says("STALE"),
        ],
        &[B],
    )
    .same(),
    play(
        "a shell's file, then a shell",
        &[
            shell(Blue, "echo \"// blue's line\" >> src/f.txt"),
            shell(Red, "echo x > src/f.txt").says("UNREAD"),
        ],
        &[B],
    ),
    play(
        "one's own appended line does not stand for the rest",
        &[
            BLUE,
            shell(Red, "echo red >> src/f.txt"),
            shell(Red, "echo x > src/f.txt").says("UNREAD"),
        ],
        &[B],
    ),
    play(
        "another one's removed text comes back by cp",
        &[
            shell(Red, "cp src/f.txt $OUT/old"),
            BLUE,
            shell(Red, "cp $OUT/old src/f.txt").says("UNREAD"),
        ],
        &[B],
    ),
    play(
        "two files at once, one unseen",
        &[
            read(Red),
            read(Red).at("mine.txt"),
            edit(Blue, "mine\n", "mine\n// blue's line\n").at("mine.txt"),
            shell(Red, "cp src/f.txt mine.txt").says("UNREAD"),
        ],
        &[B],
    ),
    play(
        "a rename over an unseen file",
        &[BLUE, shell(Red, "mv mine.txt src/f.txt").says("UNREAD")],
        &[B, "mine"],
    ),
    play(
        "a whole write of a reserved file",
        &[BLUE, step(Blue, Act::Reserve), read(Red), write(Red, REDS).says("PINNED")],
        &[B],
    )
    .same(),
    play(
        "a reserved file by another spelling",
        &[
            BLUE,
            step(Blue, Act::Reserve),
            read(Red),
            write(Red, REDS).at("src/../src/f.txt").says("PINNED"),
        ],
        &[B],
    )
    .same(),
    play(
        "a reserved file through a folder link",
        &[
            BLUE,
            step(Blue, Act::Reserve),
            shell(Person, "ln -s src link"),
            write(Red, REDS).at("link/f.txt").says("PINNED"),
        ],
        &[B],
    )
    .same(),
    play(
        "a name of a reserved file gets a file of its own",
        &[
            BLUE,
            shell(Person, "ln src/f.txt hard"),
            step(Blue, Act::Reserve),
            read(Red).at("hard"),
            write(Red, REDS).at("hard"),
        ],
        &[B, R],
    )
    .same(),
    play(
        "a reserved file after its release",
        &[BLUE, step(Blue, Act::Reserve), step(Blue, Act::Release), read(Red), write(Red, BOTH)],
        &[B, R],
    )
    .same(),
    play(
        "a new file in a reserved folder",
        &[
            step(Blue, Act::Reserve).at("gen/**"),
            write(Red, REDS).at("gen/new.txt").says("PINNED"),
            shell(Red, "mkdir -p gen; echo x > gen/new.txt").says("PINNED"),
            shell(Red, "mkdir -p gen; mv mine.txt gen/").says("PINNED"),
            shell(Red, "rmdir gen; mkdir other; echo x > other/y; mv -T other gen").says("PINNED"),
            write(Blue, "// blue's line\n").at("gen/new.txt"),
        ],
        &[B],
    ),
    play(
        "globs that meet",
        &[
            step(Blue, Act::Reserve).at("src/*.txt"),
            step(Red, Act::Reserve).at("src/f*").says("PINNED"),
        ],
        &[],
    )
    .same(),
    play("a file of another case", &[BLUE, write(Red, REDS).at("src/F.txt")], &[B, R]).same(),
    play(
        "a hook of git",
        &[
            shell(Person, "git init -q ."),
            shell(Red, "echo x > .git/hooks/pre-commit").says("OUTSIDE"),
        ],
        &[],
    )
    .same(),
    play("a file outside", &[write(Red, REDS).at("../../outside.txt").says("OUTSIDE")], &[]).same(),
    play(
        "an editor's save, then a whole write from an old read",
        &[
            read(Red),
            shell(Person, "echo \"// blue's line\" >> src/f.txt"),
            write(Red, REDS).says("STALE"),
        ],
        &[B],
    )
    .same(),
    play(
        "an editor's save over an unseen line",
        &[
            read(Red),
            BLUE,
            shell(Person, "printf '// old\\n// of the person\\n' > src/f.txt"),
            write(Red, REDS).says("STALE"),
            edit(Blue, "// blue's line\n", "// more\n").says("HELD"),
        ],
        &["// of the person"],
    )
    .same(),
    play(
        "an editor's save, then an edit elsewhere",
        &[
            read(Red),
            shell(Person, "sed -i '1i // of the person' src/f.txt"),
            edit(Red, "fn  main( ) { }\n", "// red's line\n"),
        ],
        &["// of the person", R],
    )
    .same(),
    play(
        "an editor's save, then a shell",
        &[
            read(Red),
            shell(Person, "echo \"// blue's line\" >> src/f.txt"),
            shell(Red, "echo x > src/f.txt"),
        ],
        &[],
    )
    .same()
    .known(EDITOR),
    play(
        "a new file of the person's, then a shell",
        &[
            shell(Person, "echo \"// blue's line\" > src/new.txt"),
            shell(Red, "echo x > src/new.txt"),
        ],
        &[],
    )
    .same()
    .known(EDITOR),
    play(
        "a link made meanwhile, then a shell",
        &[
            BLUE,
            shell(Person, "ln src/f.txt hard"),
            shell(Red, "echo x > hard").says("UNREAD"),
            shell(Red, "rm src/f.txt").says("UNREAD"),
        ],
        &[B],
    ),
    play(
        "a pull that stashes meanwhile",
        &[
            shell(Person, CLONE),
            BLUE,
            shell(Red, "git pull -q --rebase --autostash origin main").says("OTHERS' WORK"),
        ],
        &[B],
    )
    .same(),
    play(
        "build output",
        &[
            shell(Person, "git init -q .; echo out/ > .gitignore; mkdir out; echo 1 > out/x"),
            shell(Blue, "echo 2 > out/x"),
            shell(Red, "echo 3 > out/x"),
        ],
        &[],
    )
    .same(),
    play(
        "a folder carried into build output",
        &[
            shell(Person, "git init -q .; echo out/ > .gitignore; mkdir out"),
            BLUE,
            shell(Red, "mv src out/; rm -rf out/src").says("UNREAD"),
        ],
        &[B],
    ),
];

/// Does the steps, and says what each was answered with.
fn run(field: &Field, play: &Play, folder: &str, wrong: &mut Vec<String>) -> Vec<String> {
    let mut said = Vec::new();
    for step in play.steps {
        let name = match step.who {
            Blue => format!("blue-{folder}"),
            Red => format!("red-{folder}"),
            Person => "user".to_owned(),
        };
        let path = format!("{folder}/{}", step.path);
        let (code, told) = match step.act {
            Act::Read => field.tool(&name, "read_file", &json!({ "path": path })),
            Act::Edit(old, new) => {
                field.tool(&name, "edit_file", &json!({ "path": path, "old": old, "new": new }))
            }
            Act::EditAll(old, new) => {
                let input = json!({ "path": path, "old": old, "new": new, "replace_all": true });
                field.tool(&name, "edit_file", &input)
            }
            Act::Write(content) => {
                field.tool(&name, "write_file", &json!({ "path": path, "content": content }))
            }
            Act::Reserve => (field.reserve(&name, &path), json!(null)),
            Act::Release => field.tool(&name, "release_files", &json!({ "paths": [path] })),
            Act::Shell(script) => match step.who {
                Person => {
                    let done = field.command(folder, step.path, script).output().unwrap();
                    assert!(done.status.success(), "{done:?}");
                    ("OK".to_owned(), json!(null))
                }
                Blue | Red => {
                    let told = field.shell(&name, folder, step.path, script);
                    (code_of(&told).map_or("OK".to_owned(), str::to_uppercase), json!(told))
                }
            },
        };
        // What is lost where the bench has not noticed it is refused where it has.
        let noticed = !play.known.is_empty() && code == "UNREAD";
        if code != step.code && !noticed {
            wrong.push(format!("{:?} {:?}: {}: {told}", step.who, step.act, step.code));
        }
        said.push(code);
    }
    for line in play.lines {
        if !field.is_anywhere(folder, line) {
            wrong.push(format!("`{line}` is lost"));
        }
    }
    said
}

/// The folder of a play.
pub(crate) fn folder(number: usize) -> String {
    format!("p{number}")
}

/// What was seen of a row, and what is wrong with it.
pub(crate) fn judge(on: &Field, off: &Field, play: &Play, number: usize) -> Row {
    let mut row = Row { name: play.name.to_owned(), ..Row::default() };
    let folder = folder(number);
    let mut otherwise = Vec::new();
    run(off, play, &folder, &mut otherwise);
    let lost = otherwise.iter().any(|wrong| wrong.ends_with("is lost"));
    row.bare = if lost { "lost" } else { "same" };
    if play.proves != lost {
        row.wrong.push(format!("without guard and arbiter: {otherwise:#?}"));
    }
    row.seen = run(on, play, &folder, &mut row.wrong);
    row.known = (!play.known.is_empty()).then(|| play.known.to_owned());
    row
}

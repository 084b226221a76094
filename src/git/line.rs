//! From the words of a command line to what it would do.
//!
//! What git's own rules leave open without a look at the repository (is `git checkout x` a branch
//! or a file?) is taken for the larger of the two.

use super::deed::{Commits, Content, Deed, Paths, Reach, Scope, Stages, Way};
use super::options::{Parsed, Table};

/// A command line of git, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The options before the verb.
    pub globals: Vec<String>,
    /// What is to be done, as it was written; empty if nothing is.
    pub verb: String,
    /// What it does.
    pub deed: Deed,
}

/// Options of git itself that take the next word.
const GLOBAL_VALUES: &[&str] = &[
    "-C",
    "-c",
    "--git-dir",
    "--work-tree",
    "--namespace",
    "--super-prefix",
    "--config-env",
    "--attr-source",
    "--shallow-file",
];

/// Options of git itself that stand alone; those that end in `=` carry a value.
const GLOBAL_FLAGS: &[&str] = &[
    "-p",
    "--paginate",
    "-P",
    "--no-pager",
    "--no-replace-objects",
    "--no-lazy-fetch",
    "--no-optional-locks",
    "--no-advice",
    "--bare",
    "--literal-pathspecs",
    "--no-literal-pathspecs",
    "--glob-pathspecs",
    "--noglob-pathspecs",
    "--icase-pathspecs",
    "--git-dir=",
    "--work-tree=",
    "--namespace=",
    "--super-prefix=",
    "--config-env=",
    "--attr-source=",
    "--list-cmds=",
    "--shallow-file=",
];

/// Options of git itself that only print something.
const GLOBAL_PRINTS: &[&str] =
    &["--version", "-v", "--help", "-h", "--exec-path", "--html-path", "--man-path", "--info-path"];

const ADD: Table = Table(
    "n,dry-run v,verbose i,interactive p,patch e,edit f,force u,update ,renormalize \
     N,intent-to-add A,all ,ignore-removal ,refresh ,ignore-errors ,ignore-missing ,sparse \
     ,chmod: ,warn-embedded-repo",
);

const COMMIT: Table = Table(
    "q,quiet v,verbose F,file: ,author: ,date: m,message: c,reedit-message: C,reuse-message: \
     ,fixup: ,squash: ,reset-author ,trailer: s,signoff t,template: e,edit ,cleanup: ,status \
     S,gpg-sign? a,all i,include o,only p,patch ,interactive n,no-verify ,dry-run ,short ,branch \
     ,ahead-behind ,porcelain ,long z,null ,amend ,no-post-rewrite u,untracked-files? \
     ,allow-empty ,allow-empty-message",
);

const CHECKOUT: Table = Table(
    "b: B: l ,guess ,overlay q,quiet ,recurse-submodules? ,progress m,merge ,conflict: d,detach \
     t,track? f,force ,orphan: ,overwrite-ignore ,ignore-other-worktrees 2,ours 3,theirs p,patch \
     ,ignore-skip-worktree-bits",
);

const RESTORE: Table = Table(
    "s,source: S,staged W,worktree ,ignore-unmerged ,overlay q,quiet ,recurse-submodules? \
     ,progress m,merge ,conflict: 2,ours 3,theirs p,patch ,ignore-skip-worktree-bits",
);

const RESET: Table = Table(
    "q,quiet ,mixed ,soft ,hard ,merge ,keep ,recurse-submodules? p,patch N,intent-to-add \
     ,refresh",
);

const REMOVE: Table = Table("n,dry-run q,quiet ,cached f,force r ,ignore-unmatch ,sparse");

const MOVE: Table = Table("v,verbose n,dry-run f,force k ,sparse");

const CLEAN: Table = Table("q,quiet n,dry-run f,force i,interactive d e,exclude: x X");

const STASH: Table =
    Table("p,patch S,staged k,keep-index q,quiet u,include-untracked a,all m,message: ,index");

/// Verbs that change nothing, whatever their options say, but for `--output`.
const READERS: &[&str] = &[
    "annotate",
    "blame",
    "cat-file",
    "check-attr",
    "check-ignore",
    "check-mailmap",
    "check-ref-format",
    "cherry",
    "column",
    "count-objects",
    "describe",
    "diff",
    "diff-files",
    "diff-index",
    "diff-pairs",
    "diff-tree",
    "fmt-merge-msg",
    "for-each-ref",
    "fsck",
    "get-tar-commit-id",
    "grep",
    "help",
    "log",
    "ls-files",
    "ls-remote",
    "ls-tree",
    "merge-base",
    "merge-tree",
    "name-rev",
    "patch-id",
    "range-diff",
    "rev-list",
    "rev-parse",
    "shortlog",
    "show",
    "show-branch",
    "show-index",
    "show-ref",
    "status",
    "stripspace",
    "upload-pack",
    "upload-archive",
    "var",
    "verify-commit",
    "verify-pack",
    "verify-tag",
    "version",
];

/// Verbs that change branches, tags, remotes or objects, or make a repository elsewhere.
const REFS: &[&str] = &[
    "branch",
    "bugreport",
    "clone",
    "commit-graph",
    "commit-tree",
    "credential",
    "diagnose",
    "fetch",
    "fetch-pack",
    "format-patch",
    "hash-object",
    "maintenance",
    "mktag",
    "mktree",
    "multi-pack-index",
    "notes",
    "pack-objects",
    "pack-refs",
    "push",
    "remote",
    "repack",
    "replace",
    "send-pack",
    "tag",
    "unpack-objects",
    "update-ref",
    "write-tree",
];

/// Verbs that may change any file.
const TREE: &[&str] = &[
    "am",
    "bisect",
    "checkout-index",
    "cherry-pick",
    "filter-branch",
    "merge",
    "merge-index",
    "merge-octopus",
    "merge-one-file",
    "merge-recursive",
    "merge-resolve",
    "pull",
    "read-tree",
    "rebase",
    "revert",
    "switch",
];

/// Why what is stashed is not an agent's to drop.
const STASHES: &str = "what is stashed has no owner of record";

/// Why ignored files are not an agent's to remove.
const IGNORED: &str = "files that git ignores have no owner of record";

/// Why what nothing points to is not an agent's to forget.
const LOOSE: &str = "what only the log of a branch still knows may be anybody's work";

impl Line {
    /// Reads the words behind the program's name.
    pub fn parse(words: &[String]) -> Self {
        let mut globals = Vec::new();
        // With another set of programs, nothing need be what it is called.
        let mut own_programs = true;
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if !word.starts_with('-') {
                let deed = if own_programs { deed(word, rest.as_slice()) } else { Deed::Unknown };
                return Self { globals, verb: word.clone(), deed };
            }
            globals.push(word.clone());
            let with_value =
                GLOBAL_FLAGS.iter().any(|flag| flag.ends_with('=') && word.starts_with(flag));
            if word.starts_with("--exec-path=") {
                own_programs = false;
            } else if GLOBAL_PRINTS.contains(&word.as_str()) {
                return Self { globals, verb: String::new(), deed: Deed::Reads };
            } else if GLOBAL_VALUES.contains(&word.as_str()) {
                globals.extend(rest.next().cloned());
            } else if !with_value && !GLOBAL_FLAGS.contains(&word.as_str()) {
                return Self { globals, verb: word.clone(), deed: Deed::Unknown };
            }
        }
        Self { globals, verb: String::new(), deed: Deed::Reads }
    }

    /// Whether it may remove what git ignores, or nobody knows that it does not.
    pub fn reaches_ignored(&self) -> bool {
        matches!(self.deed, Deed::NeedsPerson(IGNORED) | Deed::Unknown)
    }

    /// Whether it changes nothing but the repository that it works with. Some agents keep one of
    /// their own beside the tree, to see what their commands have changed.
    pub fn stays_in_its_repository(&self) -> bool {
        matches!(self.deed, Deed::Stages(_) | Deed::Commits(_)) || self.verb == "update-index"
    }

    /// The command in short, for people: `git` and the verb.
    pub fn name(&self) -> String {
        let shown: String = self.verb.chars().take(40).collect();
        format!("git {shown}")
    }
}

fn deed(verb: &str, args: &[String]) -> Deed {
    if let [only] = args
        && (only == "-h" || only == "--help")
    {
        return Deed::Reads;
    }
    if READERS.contains(&verb) {
        return output(args);
    }
    if REFS.contains(&verb) {
        return Deed::ChangesRefs;
    }
    if TREE.contains(&verb) {
        return tree(verb, args);
    }
    let first = args.iter().find(|arg| !arg.starts_with('-')).map_or("", String::as_str);
    let parsed = match verb {
        "add" | "stage" => ADD.parse(args).as_ref().map(add),
        "commit" => COMMIT.parse(args).as_ref().map(commit),
        "checkout" => CHECKOUT.parse(args).as_ref().map(checkout),
        "restore" => RESTORE.parse(args).as_ref().map(restore),
        "reset" => RESET.parse(args).as_ref().map(reset),
        "rm" => REMOVE.parse(args).as_ref().map(remove),
        "mv" => MOVE.parse(args).as_ref().map(moved),
        "clean" => CLEAN.parse(args).as_ref().map(clean),
        "stash" => Some(stash(args)),
        "archive" => Some(output_as(args, &["-o", "--output"])),
        "config" => Some(config(args)),
        "symbolic-ref" => Some(symbolic_ref(args)),
        "reflog" => Some(match first {
            "expire" | "delete" | "drop" => Deed::NeedsPerson(LOOSE),
            _ => Deed::Reads,
        }),
        "prune" => Some(Deed::NeedsPerson(LOOSE)),
        "gc" if args.iter().any(|arg| arg.starts_with("--p")) => Some(Deed::NeedsPerson(LOOSE)),
        "gc" => Some(Deed::ChangesRefs),
        // Elsewhere than is usual, the repository of everybody would move there.
        "init" if !args.iter().any(|arg| arg.starts_with("--s")) => Some(Deed::ChangesRefs),
        "worktree" => Some(worktree(first, args)),
        "bundle" => Some(match (first, args) {
            ("verify" | "list-heads", _) => Deed::Reads,
            ("create", _) => behind_verb(args).map_or(Deed::Unknown, Deed::WritesFile),
            _ => Deed::Unknown,
        }),
        "submodule" => Some(match first {
            "" | "status" | "summary" => Deed::Reads,
            _ => Deed::ChangesTree(Reach::Everything),
        }),
        "sparse-checkout" => Some(match first {
            "list" | "check-rules" => Deed::Reads,
            _ => Deed::ChangesTree(Reach::Everything),
        }),
        "apply" => Some(apply(args)),
        "update-index" => Some(update_index(args)),
        _ => None,
    };
    parsed.unwrap_or(Deed::Unknown)
}

/// A verb that prints, to a file if it is told so.
fn output(args: &[String]) -> Deed {
    let options = args.iter().take_while(|arg| *arg != "--");
    let unclear = |arg: &&String| {
        let name = arg.split('=').next().unwrap_or_default();
        // Shorter ones are not clear to git either.
        name.len() > 4 && "--output".starts_with(name) && name != "--output"
    };
    if options.clone().any(|arg| unclear(&arg)) {
        return Deed::Unknown;
    }
    output_as(args, &["--output"])
}

fn output_as(args: &[String], names: &[&str]) -> Deed {
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            break;
        }
        for name in names {
            if arg == name {
                return rest.next().map_or(Deed::Unknown, |file| Deed::WritesFile(file.clone()));
            }
            let attached = match name.len() {
                2 => arg.strip_prefix(name),
                _ => arg.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')),
            };
            if let Some(file) = attached.filter(|_| !arg.starts_with("--") || name.len() > 2) {
                return Deed::WritesFile(file.to_owned());
            }
        }
    }
    Deed::Reads
}

fn tree(verb: &str, args: &[String]) -> Deed {
    const BEGIN: &[&str] = &["merge", "rebase", "cherry-pick", "revert", "am"];
    const END: &[&str] = &["--abort", "--continue", "--skip", "--quit"];
    const BISECT: &[&str] = &["log", "terms", "view", "visualize"];
    let first = args.first().map_or("", String::as_str);
    let alone = args.len() == 1;
    if BEGIN.contains(&verb) && alone && END.contains(&first) {
        return Deed::ChangesTree(Reach::Begun);
    }
    let shows = alone && first.starts_with("--show-current-patch");
    if shows || (verb == "bisect" && BISECT.contains(&first)) {
        return Deed::Reads;
    }
    Deed::ChangesTree(Reach::Everything)
}

fn add(parsed: &Parsed) -> Deed {
    if parsed.has(&["dry-run", "refresh"]) {
        return Deed::Reads;
    }
    if parsed.has(&["interactive", "edit"]) {
        return Deed::Unknown;
    }
    let words = parsed.all_words();
    let tracked = parsed.has(&["update", "renormalize"]);
    let scope = match (words.is_empty(), tracked) {
        (false, false) => Scope::Matching(words),
        (false, true) => Scope::TrackedMatching(words),
        (true, true) => Scope::Tracked,
        (true, false) if parsed.has(&["all", "no-ignore-removal"]) => Scope::All,
        (true, false) if parsed.has(&["patch"]) => Scope::Tracked,
        // git says that nothing is specified.
        (true, false) => return Deed::Reads,
    };
    let options = parsed.but(&["all", "no-all", "update", "ignore-removal", "no-ignore-removal"]);
    Deed::Stages(Stages { way: Way::In, scope, options })
}

fn commit(parsed: &Parsed) -> Deed {
    if parsed.has(&["dry-run", "short", "porcelain", "long", "null"]) {
        return Deed::Reads;
    }
    if parsed.has(&["patch", "interactive"]) {
        return Deed::Unknown;
    }
    let words = parsed.all_words();
    let what = match (words.is_empty(), parsed.has(&["all"])) {
        (true, true) => Content::Tracked,
        // git refuses both together.
        (false, true) => return Deed::Unknown,
        (true, false) => Content::Staged,
        (false, false) if parsed.has(&["include"]) => Content::Also(words),
        (false, false) => Content::Only(words),
    };
    let options = parsed.but(&["all", "no-all", "include", "no-include", "only", "no-only"]);
    Deed::Commits(Commits { what, amend: parsed.has(&["amend"]), options })
}

fn checkout(parsed: &Parsed) -> Deed {
    let whole = Deed::ChangesTree(Reach::Everything);
    let branches = ["b", "B", "orphan", "detach", "track", "l", "recurse-submodules"];
    if parsed.has(&branches) {
        return whole;
    }
    match (&parsed.behind, parsed.words.as_slice()) {
        (Some(files), [] | [_]) if !files.is_empty() => {
            Deed::ChangesPaths(Paths::matching(files.clone()))
        }
        (None, [only]) if !may_be_revision(only) => {
            Deed::ChangesPaths(Paths::matching(vec![only.clone()]))
        }
        // The first may be a revision; then it matches no file.
        (None, files) if files.len() > 1 => Deed::ChangesPaths(Paths::matching(files.to_vec())),
        _ => whole,
    }
}

/// Whether a word can name a branch or a commit.
fn may_be_revision(word: &str) -> bool {
    !(word.starts_with(['.', '/', ':']) || word.ends_with('/') || word.contains(['*', '?', '[']))
}

fn restore(parsed: &Parsed) -> Deed {
    let words = parsed.all_words();
    if parsed.has(&["recurse-submodules"]) {
        return Deed::ChangesTree(Reach::Everything);
    }
    if parsed.has(&["staged"]) && !parsed.has(&["worktree"]) {
        if parsed.has(&["source", "patch"]) || words.is_empty() {
            return Deed::Unknown;
        }
        let scope = Scope::TrackedMatching(words);
        return Deed::Stages(Stages { way: Way::Out, scope, options: Vec::new() });
    }
    Deed::ChangesPaths(Paths::matching(words))
}

fn reset(parsed: &Parsed) -> Deed {
    if parsed.has(&["hard", "merge", "keep", "recurse-submodules"]) {
        return Deed::ChangesTree(Reach::Everything);
    }
    if parsed.has(&["soft"]) {
        return Deed::ChangesRefs;
    }
    if parsed.has(&["patch"]) {
        return Deed::Unknown;
    }
    let out = |scope| Deed::Stages(Stages { way: Way::Out, scope, options: Vec::new() });
    match (&parsed.behind, parsed.words.as_slice()) {
        (Some(files), _) if !files.is_empty() => out(Scope::TrackedMatching(files.clone())),
        (_, []) => out(Scope::Tracked),
        (_, [only]) if only == "HEAD" || only == "@" => out(Scope::Tracked),
        (None, [only]) if !may_be_revision(only) => out(Scope::TrackedMatching(vec![only.clone()])),
        // Another commit: the branch moves, the files stay. Or a file, and it leaves the index.
        (_, [_]) => Deed::ChangesRefs,
        (_, [_, files @ ..]) => out(Scope::TrackedMatching(files.to_vec())),
    }
}

fn remove(parsed: &Parsed) -> Deed {
    if parsed.has(&["dry-run"]) {
        return Deed::Reads;
    }
    Deed::ChangesPaths(Paths::matching(parsed.all_words()))
}

fn moved(parsed: &Parsed) -> Deed {
    if parsed.has(&["dry-run"]) {
        return Deed::Reads;
    }
    let mut words = parsed.all_words();
    let target = words.pop();
    Deed::ChangesPaths(Paths { patterns: words, target })
}

fn clean(parsed: &Parsed) -> Deed {
    if parsed.has(&["dry-run"]) {
        return Deed::Reads;
    }
    if parsed.has(&["x", "X"]) {
        return Deed::NeedsPerson(IGNORED);
    }
    let words = parsed.all_words();
    if words.is_empty() {
        Deed::ChangesTree(Reach::Untracked)
    } else {
        Deed::ChangesPaths(Paths::matching(words))
    }
}

fn stash(args: &[String]) -> Deed {
    let whole = Deed::ChangesTree(Reach::Everything);
    let (verb, rest) = match args {
        [verb, rest @ ..] if !verb.starts_with('-') => (verb.as_str(), rest),
        _ => ("push", args),
    };
    match verb {
        "list" | "show" => output(rest),
        "create" | "store" => Deed::ChangesRefs,
        "drop" | "clear" => Deed::NeedsPerson(STASHES),
        "push" => match STASH.parse(rest) {
            Some(parsed) if parsed.has(&["all"]) => Deed::NeedsPerson(IGNORED),
            Some(parsed) => match parsed.all_words() {
                words if words.is_empty() => whole,
                words => Deed::ChangesPaths(Paths::matching(words)),
            },
            None => Deed::Unknown,
        },
        "save" | "pop" | "apply" | "branch" => whole,
        _ => Deed::Unknown,
    }
}

fn config(args: &[String]) -> Deed {
    let asks = |arg: &String| {
        arg.starts_with("--get") || arg.starts_with("--list") || arg == "-l" || arg == "--name-only"
    };
    let first = args.iter().find(|arg| !arg.starts_with('-')).map_or("", String::as_str);
    if args.iter().any(asks) || matches!(first, "get" | "list") {
        return Deed::Reads;
    }
    let file = output_as(args, &["-f", "--file"]);
    if file == Deed::Reads { Deed::ChangesRefs } else { file }
}

fn symbolic_ref(args: &[String]) -> Deed {
    let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    match names.as_slice() {
        [] | [_] if !args.iter().any(|arg| arg.starts_with("-d") || arg.starts_with("--d")) => {
            Deed::Reads
        }
        // It is a switch of branches that leaves the files behind.
        _ if names.iter().any(|name| *name == "HEAD") => Deed::ChangesTree(Reach::Everything),
        _ => Deed::Unknown,
    }
}

fn worktree(first: &str, args: &[String]) -> Deed {
    let forced = args.iter().any(|arg| arg.starts_with("-f") || arg.starts_with("--f"));
    match first {
        "list" => Deed::Reads,
        "remove" if forced => Deed::NeedsPerson("what is in that work tree has no owner of record"),
        "add" | "lock" | "unlock" | "move" | "prune" | "remove" | "repair" => Deed::ChangesRefs,
        _ => Deed::Unknown,
    }
}

fn apply(args: &[String]) -> Deed {
    let looks = ["--check", "--stat", "--numstat", "--summary"];
    let only_looks = args.iter().any(|arg| looks.contains(&arg.as_str()))
        && !args.iter().any(|arg| arg.starts_with("--a"));
    if only_looks { Deed::Reads } else { Deed::ChangesTree(Reach::Everything) }
}

fn update_index(args: &[String]) -> Deed {
    // Flags that hide a change from `status` would hide it from us too.
    let harmless = ["--refresh", "--really-refresh", "-q"];
    let reads = args.iter().all(|arg| harmless.contains(&arg.as_str()));
    if reads { Deed::Reads } else { Deed::Unknown }
}

/// The first plain word behind a sub-verb.
fn behind_verb(args: &[String]) -> Option<String> {
    args.iter().filter(|arg| !arg.starts_with('-')).nth(1).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the command line does, in a word or two.
    fn told(line: &str) -> String {
        let words: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
        match Line::parse(&words).deed {
            Deed::Reads => "reads".to_owned(),
            Deed::ChangesRefs => "refs".to_owned(),
            Deed::ChangesTree(Reach::Everything) => "tree".to_owned(),
            Deed::ChangesTree(Reach::Untracked) => "tree, untracked".to_owned(),
            Deed::ChangesTree(Reach::Begun) => "tree, begun".to_owned(),
            Deed::NeedsPerson(_) => "person".to_owned(),
            Deed::Unknown => "unknown".to_owned(),
            Deed::WritesFile(file) => format!("writes {file}"),
            Deed::ChangesPaths(Paths { patterns, target: None }) => {
                format!("paths {}", patterns.join(" "))
            }
            Deed::ChangesPaths(Paths { patterns, target: Some(target) }) => {
                format!("paths {} > {target}", patterns.join(" "))
            }
            Deed::Stages(Stages { way, scope, options }) => {
                let scope = match scope {
                    Scope::All => "all".to_owned(),
                    Scope::Tracked => "tracked".to_owned(),
                    Scope::Matching(patterns) => patterns.join(" "),
                    Scope::TrackedMatching(patterns) => format!("tracked {}", patterns.join(" ")),
                };
                let way = if way == Way::In { "in" } else { "out" };
                format!("{way} {scope} [{}]", options.join(" "))
            }
            Deed::Commits(Commits { what, amend, options }) => {
                let what = match what {
                    Content::Staged => "staged".to_owned(),
                    Content::Tracked => "tracked".to_owned(),
                    Content::Only(patterns) => format!("only {}", patterns.join(" ")),
                    Content::Also(patterns) => format!("also {}", patterns.join(" ")),
                };
                let amend = if amend { " amend" } else { "" };
                format!("commits {what}{amend} [{}]", options.join(" "))
            }
        }
    }

    #[track_caller]
    fn check(table: &[(&str, &str)]) {
        for (line, expected) in table {
            assert_eq!(told(line), *expected, "git {line}");
        }
    }

    #[test]
    fn reading_is_told_from_writing() {
        check(&[
            ("", "reads"),
            ("--version", "reads"),
            ("-C sub --no-pager -c a.b=c status -s", "reads"),
            ("--git-dir=x --work-tree y log", "reads"),
            ("--git-dir", "reads"),
            ("reset --help", "reads"),
            ("reset -h", "reads"),
            ("reset -h --hard", "unknown"),
            ("diff --stat HEAD~1 -- src", "reads"),
            ("diff --output=src/a.rs", "writes src/a.rs"),
            ("log --output src/a.rs", "writes src/a.rs"),
            ("diff --output-indicator-new=x", "reads"),
            ("diff --outp=src/a.rs", "unknown"),
            ("diff -- --output=x", "reads"),
            ("archive -o a.tar HEAD", "writes a.tar"),
            ("archive -oa.tar HEAD", "writes a.tar"),
            ("archive HEAD", "reads"),
            ("bundle create x.bundle HEAD", "writes x.bundle"),
            ("config --get user.name", "reads"),
            ("config user.name x", "refs"),
            ("config --file .gitmodules a b", "writes .gitmodules"),
            ("fetch", "refs"),
            ("push origin main", "refs"),
            ("branch -D x", "refs"),
            ("tag v1", "refs"),
            ("symbolic-ref HEAD", "reads"),
            ("symbolic-ref HEAD refs/heads/x", "tree"),
            ("symbolic-ref -d HEAD", "tree"),
            ("reflog", "reads"),
            ("reflog expire --all", "person"),
            ("gc --prune=now", "person"),
            ("gc", "refs"),
            ("init x", "refs"),
            ("init --separate-git-dir=/x", "unknown"),
            ("fast-export --export-marks=b.rs HEAD", "unknown"),
            ("worktree add ../x", "refs"),
            ("worktree remove --force x", "person"),
            ("submodule status", "reads"),
            ("submodule foreach rm", "tree"),
            ("apply --check x.patch", "reads"),
            ("apply --stat --apply x.patch", "tree"),
            ("update-index --refresh", "reads"),
            ("update-index --skip-worktree x", "unknown"),
            ("bisect log", "reads"),
        ]);
    }

    #[test]
    fn staging_says_which_files() {
        check(&[
            ("add .", "in . []"),
            ("add -A", "in all []"),
            ("add -Av", "in all [-v]"),
            ("add -A src", "in src []"),
            ("add -u", "in tracked []"),
            ("add -u src", "in tracked src []"),
            ("add -f -- -A", "in -A [-f]"),
            ("add", "reads"),
            ("add -n .", "reads"),
            ("add -p", "in tracked [-p]"),
            ("add -i", "unknown"),
            ("add --pathspec-from-file=x", "unknown"),
            ("stage x", "in x []"),
            ("reset", "out tracked []"),
            ("reset -q HEAD", "out tracked []"),
            ("reset HEAD a b", "out tracked a b []"),
            ("reset -- a", "out tracked a []"),
            ("reset ./a", "out tracked ./a []"),
            ("reset HEAD~1", "refs"),
            ("reset --soft HEAD~1", "refs"),
            ("restore --staged a", "out tracked a []"),
            ("restore -S .", "out tracked . []"),
            ("restore -S -s HEAD~3 .", "unknown"),
        ]);
    }

    #[test]
    fn commits_say_what_goes_into_them() {
        check(&[
            ("commit", "commits staged []"),
            ("commit -m words", "commits staged [-m words]"),
            ("commit -am words", "commits tracked [-m words]"),
            ("commit -qamwords", "commits tracked [-q -mwords]"),
            ("commit --al --me words", "unknown"),
            ("commit --all --message words", "commits tracked [--message words]"),
            ("commit -m w a b", "commits only a b [-m w]"),
            ("commit -o a -m w", "commits only a [-m w]"),
            ("commit -m w -- -a", "commits only -a [-m w]"),
            ("commit -i a -m w", "commits also a [-m w]"),
            ("commit -a b", "unknown"),
            ("commit --amend --no-edit", "commits staged amend [--amend --no-edit]"),
            ("commit -Skey -s", "commits staged [-Skey -s]"),
            ("commit --dry-run", "reads"),
            ("commit -p", "unknown"),
            ("commit --pathspec-from-file x", "unknown"),
            ("commit --new-option", "unknown"),
        ]);
    }

    #[test]
    fn changes_of_files_name_them_or_count_as_all() {
        check(&[
            ("checkout -- a b", "paths a b"),
            ("checkout HEAD~2 -- a", "paths a"),
            ("checkout .", "paths ."),
            ("checkout ./a", "paths ./a"),
            ("checkout a b", "paths a b"),
            ("checkout a", "tree"),
            ("checkout -f", "tree"),
            ("checkout --", "tree"),
            ("checkout -b x", "tree"),
            ("checkout -bx", "tree"),
            ("checkout --det", "tree"),
            ("checkout x y -- z", "tree"),
            ("checkout --pathspec-from-file=x", "unknown"),
            ("restore a", "paths a"),
            ("restore -SW a", "paths a"),
            ("restore --sou=HEAD .", "paths ."),
            ("rm -r --cached a", "paths a"),
            ("rm -n a", "reads"),
            ("mv a b c", "paths a b > c"),
            ("clean -fd", "tree, untracked"),
            ("clean -fd src", "paths src"),
            ("clean -fdx", "person"),
            ("clean -n", "reads"),
            ("stash", "tree"),
            ("stash -u", "tree"),
            ("stash -a", "person"),
            ("stash push -- a", "paths a"),
            ("stash -- a", "paths a"),
            ("stash pop", "tree"),
            ("stash list", "reads"),
            ("stash clear", "person"),
            ("stash whatever", "unknown"),
            ("reset --hard", "tree"),
            ("reset --h", "tree"),
            ("reset --har HEAD~1", "tree"),
            ("reset --keep x", "tree"),
            ("switch x", "tree"),
            ("pull", "tree"),
            ("rebase -i x", "tree"),
            ("merge x", "tree"),
            ("merge --abort", "tree, begun"),
            ("rebase --continue", "tree, begun"),
            ("rebase --continue x", "tree"),
            ("cherry-pick x", "tree"),
            ("read-tree HEAD", "tree"),
        ]);
    }

    #[test]
    fn what_is_not_known_or_means_to_deceive_counts_as_the_worst() {
        check(&[
            ("st", "unknown"),
            ("-c alias.x='!rm -rf .' x", "unknown"),
            ("--config-env=alias.x=Y x", "unknown"),
            ("--exec-path=/tmp status", "unknown"),
            ("--exec-path", "reads"),
            ("--new-global status", "unknown"),
            ("-Csub status", "unknown"),
            ("-c status reset --hard", "tree"),
            ("-C status reset --hard", "tree"),
            ("--git-dir status reset --hard", "tree"),
            ("whatchanged", "unknown"),
            ("difftool", "unknown"),
            ("lfs pull", "unknown"),
            ("rerere", "unknown"),
            ("Status", "unknown"),
            ("./status", "unknown"),
        ]);
        // A word of two words is one word.
        let words =
            ["-c".to_owned(), "a status".to_owned(), "reset".to_owned(), "--hard".to_owned()];
        assert_eq!(Line::parse(&words).deed, Deed::ChangesTree(Reach::Everything));
    }
}

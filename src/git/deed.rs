//! What a command line of git does to a tree that several share.

/// The effect of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Nothing changes.
    Reads,
    /// The index changes for some files.
    Stages(Stages),
    /// A commit is made.
    Commits(Commits),
    /// Files change, and only these.
    ChangesPaths(Paths),
    /// A file is written that git was told to write, as by `--output`.
    WritesFile(String),
    /// Any file may change.
    ChangesTree(Reach),
    /// Branches, tags, remotes, settings or objects change; no file does.
    ChangesRefs,
    /// Something goes that has no owner of record, for this reason.
    NeedsPerson(&'static str),
    /// It is not known what it does.
    Unknown,
}

/// Which files an effect on the tree may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Every file.
    Everything,
    /// Files that git does not track.
    Untracked,
    /// What a merge or the like has changed that is to be ended or taken back.
    Begun,
}

/// A change of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stages {
    /// Whether files get into it or out of it.
    pub way: Way,
    /// Which files are meant.
    pub scope: Scope,
    /// The options that are passed on when it is narrowed.
    pub options: Vec<String>,
}

/// Into the index or out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// `add`.
    In,
    /// `reset`, `restore --staged`.
    Out,
}

/// Which files a verb means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All that have changed, new ones too.
    All,
    /// All that have changed and that git tracks.
    Tracked,
    /// What these patterns match.
    Matching(Vec<String>),
    /// What these patterns match and git tracks.
    TrackedMatching(Vec<String>),
}

impl Scope {
    /// The patterns, none of them if everything is meant.
    pub fn patterns(&self) -> &[String] {
        match self {
            Self::All | Self::Tracked => &[],
            Self::Matching(patterns) | Self::TrackedMatching(patterns) => patterns,
        }
    }

    /// Whether new files are meant too.
    pub fn takes_new(&self) -> bool {
        match self {
            Self::All | Self::Matching(_) => true,
            Self::Tracked | Self::TrackedMatching(_) => false,
        }
    }
}

/// A commit that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commits {
    /// What goes into it.
    pub what: Content,
    /// Whether it takes the place of the last one.
    pub amend: bool,
    /// The options that are passed on; which files are meant is said otherwise.
    pub options: Vec<String>,
}

/// What goes into a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// What is staged.
    Staged,
    /// All tracked files as they are.
    Tracked,
    /// What these patterns match, as it is, and nothing else.
    Only(Vec<String>),
    /// What is staged, and what these patterns match.
    Also(Vec<String>),
}

impl Content {
    /// The patterns, if there are any.
    pub fn patterns(&self) -> &[String] {
        match self {
            Self::Staged | Self::Tracked => &[],
            Self::Only(patterns) | Self::Also(patterns) => patterns,
        }
    }
}

/// Files that change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// What these patterns match; all files without any.
    pub patterns: Vec<String>,
    /// The name that `mv` gives: of a file, or of a folder for what is moved.
    pub target: Option<String>,
}

impl Paths {
    /// What `patterns` match.
    pub fn matching(patterns: Vec<String>) -> Self {
        Self { patterns, target: None }
    }
}

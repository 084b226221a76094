//! The bench file: which agents to open, in which layout (`benchdog --bench FILE`).
//!
//! Pure. The person names the file, so what it says is the person's word: it may name programs.
//! What it leaves open is as the settings wish a new agent. What is wrong is said with line and
//! column, and then nothing is opened.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::problem::{Origin, Problem, Spot};
use super::settings::NewAgent;
use crate::model::agent::{AgentSpec, Backend, GuardWish};
use crate::model::permission::PermissionMode;

/// Agents that one file may open.
pub const AGENTS: usize = 64;

/// Splits in one another that a layout may have.
const DEPTH: usize = 8;

/// What a bench file declares.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bench {
    /// How the panes lie.
    pub layout: Layout,
    /// The agents, in the order of the file.
    pub agents: Vec<AgentSpec>,
}

/// How the panes lie.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// All of the same size.
    #[default]
    Even,
    /// The first at the left, the others above one another at the right.
    MainLeft,
    /// The first at the top, the others side by side below.
    MainTop,
    /// As written.
    Tree(Tree),
}

/// A pane, or a split with more of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Tree {
    /// The pane of the agent with this name.
    Pane(String),
    /// Several beside or above one another.
    Split(Split),
}

/// Panes beside or above one another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Which way they lie.
    pub split: Direction,
    /// From left to right, or from top to bottom.
    pub parts: Vec<Tree>,
    /// How much room each gets, in any unit; empty: the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<u16>,
}

/// Which way the parts of a split lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Beside one another.
    Columns,
    /// Above one another.
    Rows,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBench {
    #[serde(default)]
    layout: Option<Spanned<toml::Value>>,
    #[serde(default)]
    agent: Vec<Spanned<RawAgent>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAgent {
    name: Option<Spanned<String>>,
    backend: Option<Spanned<String>>,
    #[serde(default)]
    command: Vec<String>,
    prompt: Option<String>,
    model: Option<String>,
    permission_mode: Option<Spanned<String>>,
    #[serde(default)]
    allowed_tools: Vec<String>,
    #[serde(default)]
    disallowed_tools: Vec<String>,
    max_turns: Option<u32>,
    max_budget_usd: Option<Spanned<f64>>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<Spanned<String>>,
    guard: Option<Spanned<String>>,
}

/// Reads `text`, which people know as `file`; an agent is like `usual` where the file says nothing.
/// Every problem is fatal.
pub fn parse(text: &str, file: &str, usual: &NewAgent) -> Result<Bench, Vec<Problem>> {
    let mut reader = Reader { text, file, usual, problems: Vec::new() };
    let raw: RawBench = match toml::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            let at = error.span().map(|span| span.start);
            reader.wrong(at, error.message().replace('\n', ", "));
            return Err(reader.problems);
        }
    };
    let bench = reader.bench(raw);
    if reader.problems.is_empty() { Ok(bench) } else { Err(reader.problems) }
}

/// Reads the name of a back end, or says why there is none.
pub fn backend(raw: &str) -> Result<Backend, String> {
    match raw {
        "claude" => Ok(Backend::Claude),
        "script" => Ok(Backend::Script),
        "pty" => Err("the back end `pty` is not built yet; there are claude and script".to_owned()),
        _ if raw.starts_with("acp:") => {
            Err(format!("the back end `{raw}` is not built yet; there are claude and script"))
        }
        _ => Err(format!("there is no back end `{raw}`; there are claude and script")),
    }
}

/// Reads the name of a permission mode, or says which there are.
pub fn permission_mode(raw: &str) -> Result<PermissionMode, String> {
    PermissionMode::parse(raw).ok_or_else(|| {
        let names = PermissionMode::ALL.map(PermissionMode::as_str).join(", ");
        format!("there is no permission mode `{raw}`; there are {names}")
    })
}

/// Reads how an agent is guarded, or says which ways there are.
fn guard_wish(raw: &str) -> Result<GuardWish, String> {
    GuardWish::ALL.into_iter().find(|wish| wish.as_str() == raw).ok_or_else(|| {
        let names = GuardWish::ALL.map(GuardWish::as_str).join(", ");
        format!("there is no guard `{raw}`; there are {names}")
    })
}

/// Accepts a name for an agent: short, and safe in paths, shells and on the screen.
pub fn agent_name(raw: &str) -> Result<&str, String> {
    let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    match raw {
        "user" | "external" | "all" => Err(format!("`{raw}` is a reserved name")),
        _ if raw.is_empty() || raw.chars().count() > 32 => {
            Err("the name of an agent has 1 to 32 characters".to_owned())
        }
        _ if !raw.chars().all(good) || raw.starts_with(['-', '.']) => {
            Err(format!("`{raw}` is no name for an agent: letters, digits, `-`, `_` and `.` only"))
        }
        _ => Ok(raw),
    }
}

struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    usual: &'a NewAgent,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn wrong(&mut self, at: Option<usize>, message: impl Into<String>) {
        let spot = at.map(|at| Spot::of(self.text, at));
        let origin = Origin::File { file: self.file.to_owned(), spot };
        self.problems.push(Problem::fatal(origin, message));
    }

    /// The value that `read` makes of a text, or a problem at its place.
    fn read<T>(
        &mut self,
        raw: &Spanned<String>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        match read(raw.get_ref()) {
            Ok(value) => Some(value),
            Err(message) => {
                self.wrong(Some(raw.span().start), message);
                None
            }
        }
    }

    fn bench(&mut self, raw: RawBench) -> Bench {
        let mut agents: Vec<AgentSpec> = Vec::new();
        if raw.agent.is_empty() {
            self.wrong(None, "there is no [[agent]] in this bench file");
        }
        for agent in raw.agent {
            let at = agent.span().start;
            if agents.len() == AGENTS {
                self.wrong(Some(at), format!("there are more than {AGENTS} agents"));
                break;
            }
            let name_at = agent.get_ref().name.as_ref().map(|name| name.span().start);
            let spec = self.agent(agent.into_inner());
            if !spec.name.is_empty() && agents.iter().any(|other| other.name == spec.name) {
                self.wrong(name_at, format!("there are two agents `{}`", spec.name));
            }
            agents.push(spec);
        }
        let layout = raw.layout.map(|layout| self.layout(&layout, &agents)).unwrap_or_default();
        Bench { layout, agents }
    }

    fn agent(&mut self, raw: RawAgent) -> AgentSpec {
        let name =
            raw.name.and_then(|name| self.read(&name, |raw| agent_name(raw).map(str::to_owned)));
        let driver = raw.backend.and_then(|raw| self.read(&raw, backend));
        let mode = raw.permission_mode.and_then(|raw| self.read(&raw, permission_mode));
        let cwd = raw.cwd.and_then(|raw| self.read(&raw, inside));
        let guard = raw.guard.and_then(|raw| self.read(&raw, guard_wish));
        let budget = raw.max_budget_usd.map(|budget| {
            let usd = *budget.get_ref();
            if !(usd.is_finite() && usd > 0.0) {
                self.wrong(Some(budget.span().start), "max_budget_usd must be more than 0");
            }
            usd
        });
        AgentSpec {
            name: name.unwrap_or_default(),
            backend: driver.unwrap_or(self.usual.backend),
            command: raw.command,
            prompt: raw.prompt.filter(|prompt| !prompt.trim().is_empty()),
            model: raw.model.filter(|model| !model.is_empty()),
            permission_mode: mode.unwrap_or(self.usual.permission_mode),
            allowed_tools: raw.allowed_tools,
            disallowed_tools: raw.disallowed_tools,
            max_turns: raw.max_turns.filter(|turns| *turns > 0),
            max_budget_usd: budget,
            env: raw.env,
            cwd,
            guard: guard.unwrap_or(self.usual.guard),
            unattended: false,
        }
    }

    fn layout(&mut self, raw: &Spanned<toml::Value>, agents: &[AgentSpec]) -> Layout {
        let at = Some(raw.span().start);
        if let Some(name) = raw.get_ref().as_str() {
            return match name {
                "even" => Layout::Even,
                "main-left" => Layout::MainLeft,
                "main-top" => Layout::MainTop,
                _ => {
                    let known = "even, main-left, main-top or a split";
                    self.wrong(at, format!("there is no layout `{name}`; there are {known}"));
                    Layout::Even
                }
            };
        }
        let split = match Split::deserialize(raw.get_ref().clone()) {
            Ok(split) => split,
            Err(error) => {
                let example = r#"{ split = "columns", parts = ["blue", "red"], shares = [2, 1] }"#;
                let why = error.message().replace('\n', ", ");
                self.wrong(at, format!("the layout is not of the form {example}: {why}"));
                return Layout::Even;
            }
        };
        let mut named = Vec::new();
        if let Err(message) = check_split(&split, 1, &mut named) {
            self.wrong(at, message);
        }
        for (place, name) in named.iter().enumerate() {
            if !agents.iter().any(|agent| agent.name == *name) {
                self.wrong(at, format!("the layout names `{name}`, which is no agent here"));
            } else if named[..place].contains(name) {
                self.wrong(at, format!("the layout names `{name}` twice"));
            }
        }
        Layout::Tree(Tree::Split(split))
    }
}

/// Checks the shape of a split and collects the names in it.
fn check_split<'a>(split: &'a Split, depth: usize, named: &mut Vec<&'a str>) -> Result<(), String> {
    if depth > DEPTH {
        return Err(format!("the layout has more than {DEPTH} splits in one another"));
    }
    if split.parts.is_empty() {
        return Err("a split of the layout has no parts".to_owned());
    }
    if !split.shares.is_empty()
        && (split.shares.len() != split.parts.len() || split.shares.contains(&0))
    {
        return Err("a split needs one share, more than 0, for each of its parts".to_owned());
    }
    for part in &split.parts {
        match part {
            Tree::Pane(name) => named.push(name),
            Tree::Split(split) => check_split(split, depth + 1, named)?,
        }
    }
    Ok(())
}

/// Accepts a folder that stays inside the workspace.
fn inside(raw: &str) -> Result<String, String> {
    let stays = Path::new(raw)
        .components()
        .all(|part| matches!(part, Component::CurDir | Component::Normal(_)));
    match stays && !raw.is_empty() {
        true => Ok(raw.to_owned()),
        false => Err(format!("`{raw}` does not stay inside the workspace")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the settings wish of a new agent.
    fn usual() -> NewAgent {
        NewAgent {
            backend: Backend::Claude,
            model: String::new(),
            permission_mode: PermissionMode::Default,
            allowed_tools: Vec::new(),
            disallowed_tools: Vec::new(),
            guard: GuardWish::Auto,
        }
    }

    fn wrong(text: &str) -> String {
        let problems = parse(text, "b.toml", &usual()).expect_err("problems");
        problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_whole_bench_is_read() {
        let bench = parse(
            r#"
            layout = "main-left"
            [[agent]]
            name = "blue"
            backend = "claude"
            command = ["claude", "--debug"]
            prompt = "go"
            model = "sonnet"
            permission_mode = "acceptEdits"
            allowed_tools = ["Read"]
            disallowed_tools = ["Bash"]
            max_turns = 30
            max_budget_usd = 2.0
            env = { KEY = "value" }
            cwd = "."
            guard = "off"
            [[agent]]
            name = "red"
            backend = "script"
            "#,
            "b.toml",
            &usual(),
        )
        .expect("a bench");
        assert_eq!(bench.layout, Layout::MainLeft);
        let [blue, red] = &bench.agents[..] else { panic!("{bench:?}") };
        assert_eq!(blue.command, ["claude", "--debug"]);
        assert_eq!(blue.permission_mode, PermissionMode::AcceptEdits);
        assert_eq!(blue.guard, GuardWish::Off);
        assert_eq!(blue.env.get("KEY").map(String::as_str), Some("value"));
        assert_eq!((blue.max_turns, blue.max_budget_usd), (Some(30), Some(2.0)));
        assert_eq!(
            *red,
            AgentSpec { name: "red".into(), backend: Backend::Script, ..AgentSpec::default() }
        );
    }

    #[test]
    fn what_a_file_leaves_open_is_as_the_settings_wish() {
        let usual =
            NewAgent { backend: Backend::Script, permission_mode: PermissionMode::Plan, ..usual() };
        let text = "[[agent]]\n[[agent]]\npermission_mode = 'acceptEdits'\nbackend = 'claude'\n";
        let bench = parse(text, "b.toml", &usual).expect("a bench");
        let got: Vec<_> =
            bench.agents.iter().map(|agent| (agent.backend, agent.permission_mode)).collect();
        let expected = [
            (Backend::Script, PermissionMode::Plan),
            (Backend::Claude, PermissionMode::AcceptEdits),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn a_split_tree_names_agents() {
        let agents = "[[agent]]\nname = \"a\"\n[[agent]]\nname = \"b\"\n[[agent]]\nname = \"c\"\n";
        let layout = r#"layout = { split = "columns", shares = [2, 1], parts = ["a", { split = "rows", parts = ["b", "c"] }] }"#;
        let bench = parse(&format!("{layout}\n{agents}"), "b.toml", &usual()).expect("a bench");
        let Layout::Tree(tree) = bench.layout else { panic!("a tree") };
        assert_eq!(
            serde_json::to_value(&tree).expect("json"),
            serde_json::json!({"split": "columns", "shares": [2, 1], "parts": ["a", {"split": "rows", "parts": ["b", "c"]}]})
        );
    }

    #[test]
    fn each_error_has_its_line_and_column() {
        for (text, said) in [
            ("", "b.toml: there is no [[agent]] in this bench file"),
            ("[[agent]]\nname = \n", "b.toml:2:8: "),
            ("[[agent]]\nnmae = \"a\"\n", "b.toml:2:1: unknown field `nmae`"),
            ("[[agent]]\nmax_turns = -1\n", "b.toml:2:13: "),
            ("[[agent]]\nname = \"a b\"\n", "b.toml:2:8: `a b` is no name for an agent"),
            ("[[agent]]\nname = \"user\"\n", "b.toml:2:8: `user` is a reserved name"),
            (
                "[[agent]]\nbackend = \"acp:x\"\n",
                "b.toml:2:11: the back end `acp:x` is not built yet",
            ),
            ("[[agent]]\nbackend = \"x\"\n", "b.toml:2:11: there is no back end `x`"),
            (
                "[[agent]]\npermission_mode = \"all\"\n",
                "b.toml:2:19: there is no permission mode `all`",
            ),
            ("[[agent]]\nguard = \"on\"\n", "b.toml:2:9: there is no guard `on`"),
            ("[[agent]]\ncwd = \"../x\"\n", "b.toml:2:7: `../x` does not stay inside"),
            (
                "[[agent]]\nmax_budget_usd = 0.0\n",
                "b.toml:2:18: max_budget_usd must be more than 0",
            ),
            (
                "[[agent]]\nname = \"a\"\n[[agent]]\nname = \"a\"\n",
                "b.toml:4:8: there are two agents `a`",
            ),
            ("layout = \"odd\"\n[[agent]]\n", "b.toml:1:10: there is no layout `odd`"),
            (
                "layout = { split = \"rows\", parts = [\"z\"] }\n[[agent]]\n",
                "b.toml:1:10: the layout names `z`",
            ),
            (
                "layout = { split = \"rows\", parts = [] }\n[[agent]]\n",
                "b.toml:1:10: a split of the layout has no parts",
            ),
            ("layout = { splitt = 1 }\n[[agent]]\n", "b.toml:1:10: the layout is not of the form"),
        ] {
            let told = wrong(text);
            assert!(told.starts_with(said), "{text:?} gave {told:?}");
        }
    }

    #[test]
    fn all_errors_of_a_file_are_told_at_once() {
        let told = wrong("[[agent]]\nname = \"-\"\nbackend = \"x\"\ncwd = \"/\"\n");
        assert_eq!(told.lines().count(), 3, "{told}");
    }
}

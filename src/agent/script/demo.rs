//! What the demo is made of: a small project, and three agents that work in it.
//!
//! The three share two files on purpose. Whatever order they come in, each one's edits fit on top
//! of the others', and the project still builds.

/// One agent of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Player {
    /// Its name.
    pub name: &'static str,
    /// Its script, as a TOML text.
    pub script: &'static str,
    /// What it is told first.
    pub prompt: &'static str,
}

/// The agents, in the order of their panes.
pub const PLAYERS: [Player; 3] = [
    Player {
        name: "blue",
        script: include_str!("../../../assets/demo/blue.toml"),
        prompt: "Make every token know where it stands in the source, and let errors point there.",
    },
    Player {
        name: "red",
        script: include_str!("../../../assets/demo/red.toml"),
        prompt: "Add a power operator: 2 ^ 3. It groups to the right.",
    },
    Player {
        name: "green",
        script: include_str!("../../../assets/demo/green.toml"),
        prompt: "Document the tokens, and link the page from the README.",
    },
];

/// The files of the project: path and content.
pub fn files() -> &'static [(&'static str, &'static str)] {
    &[
        ("Cargo.toml", include_str!("../../../assets/demo/workspace/Cargo.toml.txt")),
        ("README.md", include_str!("../../../assets/demo/workspace/README.md")),
        ("CHANGELOG.md", include_str!("../../../assets/demo/workspace/CHANGELOG.md")),
        (".gitignore", "target/\nCargo.lock\n"),
        ("src/lib.rs", include_str!("../../../assets/demo/workspace/src/lib.rs")),
        ("src/error.rs", include_str!("../../../assets/demo/workspace/src/error.rs")),
        ("src/lex.rs", include_str!("../../../assets/demo/workspace/src/lex.rs")),
        ("src/parse.rs", include_str!("../../../assets/demo/workspace/src/parse.rs")),
        ("src/eval.rs", include_str!("../../../assets/demo/workspace/src/eval.rs")),
        ("docs/grammar.md", include_str!("../../../assets/demo/workspace/docs/grammar.md")),
        ("tests/evaluate.rs", include_str!("../../../assets/demo/workspace/tests/evaluate.rs")),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::program::Program;
    use super::*;

    #[test]
    fn every_player_has_a_script_that_answers_its_prompt() {
        for player in PLAYERS {
            let program = Program::parse(player.name, player.script).unwrap();
            assert_eq!(program.name, player.name);
            let answer = program.answer(player.prompt, &mut 0).unwrap();
            assert!(answer.steps.len() > 20, "{}", player.name);
        }
    }
}

//! The demo's agents on the demo's project, one after the other in every order.

use benchdog::agent::script::demo::{PLAYERS, files};

use crate::script_agent::HOOKS;
use crate::support::bench_process::Bench;
use crate::support::host::Host;
use crate::support::workspace::Workspace;

/// Lets the agents work in this order; returns how often the person was asked.
fn play(bench: &Bench, order: [usize; 3]) -> usize {
    let mut asked = 0;
    for player in order.map(|at| PLAYERS[at]) {
        let script = bench.script(player.name, player.script);
        let mut host = Host::start(bench.command(&["agent-script", script.to_str().unwrap()]));
        host.initialize(HOOKS);
        host.prompt(player.prompt);
        let result = host.finish(|request| {
            let request = &request["request"];
            let asks = request["subtype"] == "can_use_tool";
            asked += usize::from(asks);
            // The tests of the project would be built by a compiler that need not be here.
            asks.then(|| serde_json::json!({ "behavior": "deny", "message": "not now" }))
        });
        assert_eq!(result["is_error"], false, "{result}");
        let failed: Vec<_> =
            host.results().into_iter().filter(|(text, bad)| *bad && text != "not now").collect();
        assert!(failed.is_empty(), "{}: {failed:#?}", player.name);
        let answer = host.turn("who are you?");
        assert!(answer["result"].as_str().unwrap().contains(player.name), "{answer}");
    }
    asked
}

#[test]
fn in_every_order_the_edits_fit_on_top_of_each_other() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let bench = Bench::in_workspace(Workspace::with(files()));
        assert_eq!(play(&bench, order), 1, "the person is asked once");
        for (file, words) in [
            (
                "src/lex.rs",
                &["pub span: Span", "Kind::Caret", "docs/tokens.md", "span: Span {"][..],
            ),
            ("src/parse.rs", &["fn power", "fn place", "self.place(self.next - 1)", "Power,"]),
            ("src/eval.rs", &["left.powf(right)"]),
            ("CHANGELOG.md", &["a `Span`", "power operator", "tokens are documented", "`.5`"]),
            ("docs/tokens.md", &["`Caret`"]),
            ("docs/grammar.md", &["power    ="]),
            ("README.md", &["`^`", "docs/tokens.md"]),
            ("tests/evaluate.rs", &["powers_group", "points_at_the_letter"]),
        ] {
            let text = bench.workspace.read(file);
            for word in words {
                assert!(text.contains(word), "{order:?}: no {word} in {file}:\n{text}");
            }
        }
    }
}

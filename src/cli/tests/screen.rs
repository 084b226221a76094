//! Commands that open the screen.

use super::*;

#[test]
fn the_screen_needs_a_terminal() {
    for args in [&[][..], &["attach"], &["resume"], &["demo"], &["--bench", "x"]] {
        let ran = scene().run(args);
        assert_eq!(ran.code, 2, "{args:?}");
        assert!(ran.err.starts_with("the screen needs a terminal"), "{args:?} {}", ran.err);
    }
}

/// Runs with a terminal and an engine of its own.
fn with_screen(
    prepare: impl Fn(&mut Scene),
    args: &[&str],
) -> (Ran, Vec<(String, Opening)>, Vec<Command>) {
    let engine = busy();
    let parts = FakeParts { engine: Some(engine.clone()), ..FakeParts::default() };
    let mut scene = Scene { can_draw: true, ..Scene::new(parts) };
    prepare(&mut scene);
    let ran = scene.run(args);
    let root = scene.dir.path().canonicalize().expect("a folder");
    let shown = std::mem::take(&mut *scene.parts.shown.lock().expect("no panic"));
    let shown = shown
        .into_iter()
        .map(|(workspace, opening)| {
            let below = workspace.strip_prefix(&root).expect("below the scene");
            (below.display().to_string(), opening)
        })
        .collect();
    let quiet = |command: &Command| matches!(command, Command::Subscribe);
    (ran, shown, engine.heard().into_iter().filter(|command| !quiet(command)).collect())
}

#[test]
fn the_workbench_opens_on_the_repository_and_ends_with_the_screen() {
    let (ran, shown, heard) = with_screen(|_| {}, &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(shown, [("work".to_owned(), Opening::Bench(None))]);
    assert_eq!(heard, [Command::Shutdown]);
    let (_, shown, _) = with_screen(|_| {}, &["."]);
    assert_eq!(shown, [("work/src".to_owned(), Opening::Bench(None))]);
}

#[test]
fn a_bench_file_starts_its_agents_in_its_layout() {
    let write = |text: &'static str| {
        move |scene: &mut Scene| {
            std::fs::write(scene.workspace().join("src/b.toml"), text).expect("a file");
        }
    };
    let text = "layout = \"main-top\"\n[[agent]]\nname = \"a\"\n[[agent]]\nname = \"b\"\n";
    let (ran, shown, heard) = with_screen(write(text), &["--bench", "b.toml"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(shown[0].1, Opening::Bench(Some(json!("main-top"))));
    let names: Vec<&str> = heard
        .iter()
        .filter_map(|command| match command {
            Command::StartAgent { spec } => Some(spec.name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["a", "b"]);
    let text = "[[agent]]\nname = 3\n";
    let (ran, shown, _) = with_screen(write(text), &["--bench", "b.toml"]);
    assert_eq!((ran.code, shown.len()), (1, 0));
    assert!(ran.err.starts_with("b.toml:2:8: "), "{}", ran.err);
}

#[test]
fn resume_goes_straight_into_the_session_that_is_meant() {
    let store = |scene: &mut Scene| {
        let here = scene.workspace().display().to_string();
        let other = scene.dir.path().join("other");
        std::fs::create_dir(&other).expect("a folder");
        let other = other.canonicalize().expect("a folder").display().to_string();
        scene.parts.stored =
            vec![hit("0192-aaaa1", "lexer", &here), hit("0192-bbbb2", "docs", &other)];
        let mut dead = hit("0192-cccc3", "gone", "/does/not/exist");
        dead.open = true;
        scene.parts.stored.push(dead);
    };
    let resumed =
        |id: &str| Command::ResumeSession { session: id.into(), fork: false, from_history: false };
    let opened = |place: &str| (place.to_owned(), Opening::Agent(AgentId(1)));
    for (args, place, id) in [
        (&["resume", "aaaa1"][..], "work", "0192-aaaa1"),
        (&["resume", "--last"], "work", "0192-aaaa1"),
        // A session of another workspace goes on there.
        (&["resume", "0192-bbbb2"], "other", "0192-bbbb2"),
    ] {
        let (ran, shown, heard) = with_screen(store, args);
        assert_eq!(ran.code, 0, "{args:?} {}", ran.err);
        assert_eq!(shown, [opened(place)], "{args:?}");
        assert_eq!(heard[0], resumed(id), "{args:?}");
    }
    for (args, query, all) in [
        (&["resume"][..], "", false),
        (&["resume", "lexer", "spans"], "lexer spans", false),
        (&["resume", "--all", "0192"], "0192", true),
    ] {
        let (ran, shown, _) = with_screen(store, args);
        assert_eq!(ran.code, 0, "{args:?} {}", ran.err);
        let picker = Opening::Picker { query: query.to_owned(), all };
        assert_eq!(shown, [("work".to_owned(), picker)], "{args:?}");
    }
    let (ran, shown, _) = with_screen(store, &["resume", "cccc3"]);
    assert_eq!((ran.code, shown.len()), (3, 0), "{}", ran.err);
    let (ran, _, _) = with_screen(store, &["resume", "--fork", "cccc3"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("the workspace of `gone` is gone"), "{}", ran.err);
}

#[test]
fn the_demo_gets_a_folder_of_its_own() {
    let (ran, shown, heard) = with_screen(
        |scene| {
            let agents = vec![AgentSpec { name: "ada".into(), ..AgentSpec::default() }];
            scene.parts.demo = Some(Bench { layout: Layout::Even, agents });
        },
        &["demo"],
    );
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(shown[0].0.starts_with("home/cache/demo/"), "{shown:?}");
    assert!(matches!(&heard[0], Command::StartAgent { spec } if spec.name == "ada"));
}

#[test]
fn attach_opens_the_screen_on_the_running_engine() {
    let engine = busy();
    let scene = Scene { can_draw: true, ..scene() };
    let ran = scene.run_against(&engine, &["attach"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(engine.heard(), [Command::Subscribe]);
    let ran = scene.run_against(&engine, &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.starts_with("this is the running engine of process "), "{}", ran.err);
    assert!(!engine.heard().contains(&Command::Shutdown), "it is not ours to end");
}

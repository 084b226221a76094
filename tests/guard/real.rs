//! The real users of the guard: programs that know nothing of it and must not notice it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use benchdog::guard::fence;
use benchdog::guard::request::Outcome;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::field::{Field, Others};
use crate::kernel::{as_ordinary_user, as_ordinary_user_with, has, kernel_asks};
use crate::script::workspace;
use crate::support::claude_cli;
use crate::support::host::Host;
use crate::support::model_api::{ModelApi, text, tool};
use crate::support::workspace::Workspace;

const GIT: &str = "
set -e
git init -q -b main; git config gc.auto 0
printf 'target/\\n' > .gitignore
git add -A; git commit -qm one; git status --short
echo two >> src/held.txt; git status --short; git diff --stat; git commit -qam two
git switch -qc side; echo x > side.txt; git add side.txt; git commit -qm side
git switch -q main; echo y > main.txt; git add main.txt; git commit -qm main
git merge -q --no-edit side; git rm -q main.txt; git commit -qm gone
git mv mine.txt moved.txt; git commit -qm moved; echo z >> moved.txt; git stash -q; git stash pop -q
git checkout -q -- moved.txt; git reset -q --hard HEAD~1; git clean -fdq; git tag -am t t
git worktree add -q $OUT/tree side; git -C $OUT/tree log --format=%s; git worktree remove $OUT/tree
git rebase -q --onto main~1 main~1 side; git switch -q main; git gc -q; git fsck --no-dangling
git log --format=%s --all --topo-order; git status --short --branch
git clone -q . $OUT/clone; git clone -q . copy; git -C copy log -1 --format=%s; rm -rf copy";

const PYTHON: &str = "
set -e
mkdir pkg; echo 'x = 1' > pkg/__init__.py; echo 'import pkg; print(pkg.x)' > main.py
python3 main.py; python3 -m compileall -q pkg; python3 -m venv --without-pip venv
venv/bin/python -c 'print(1)'; rm -r venv
exec python3 -c \"
import os, shutil, sqlite3, tempfile, zipfile, pathlib, logging.handlers, multiprocessing, mmap
shutil.copytree('pkg', 'copy'); shutil.rmtree('copy'); shutil.make_archive('pkg', 'gztar', 'pkg')
for mode in 'delete', 'wal':
    base = sqlite3.connect(mode); base.execute('pragma journal_mode=' + mode)
    base.execute('create table t(a)')
    base.executemany('insert into t values(?)', [(n,) for n in range(50)]); base.commit()
    print(base.execute('select sum(a) from t').fetchone()); base.close()
with tempfile.NamedTemporaryFile(dir='.') as file:
    file.write(b'x'); file.flush(); print(os.path.getsize(file.name))
with tempfile.TemporaryFile(dir='.') as file:
    file.write(b'mapped'); file.flush(); mmap.mmap(file.fileno(), 0)[0] = 77
    file.seek(0); print(file.read())
with zipfile.ZipFile('a.zip', 'w') as zip: zip.write('main.py')
handler = logging.handlers.RotatingFileHandler('log', maxBytes=9, backupCount=2)
for n in range(5): handler.emit(logging.makeLogRecord({'msg': f'line {n}'}))
pathlib.Path('main.py').rename('other.py'); os.replace('other.py', 'main.py')
with multiprocessing.Pool(2) as pool: print(pool.map(abs, [-1, -2]))
\"";

const NODE: &str = "
set -e
mkdir dep; echo '{\"name\":\"dep\",\"version\":\"1.0.0\",\"bin\":{\"dep\":\"d.js\"}}' > dep/package.json
printf '#!/usr/bin/env node\\nconsole.log(\"dep\")\\n' > dep/d.js
echo '{\"name\":\"app\",\"version\":\"1.0.0\",\"scripts\":{\"build\":\"dep && node build.js\"}}' > package.json
cat > build.js <<'END'
const fs = require('fs'), p = fs.promises;
(async () => {
  await p.mkdir('dist/a/b', { recursive: true }); await p.cp('dep', 'dist/dep', { recursive: true });
  await p.writeFile('dist/a/x', 'x'); await p.appendFile('dist/a/x', 'y');
  await p.rename('dist/a/x', 'dist/a/z'); await p.copyFile('dist/a/z', 'dist/a/c');
  await p.symlink('z', 'dist/a/l'); await p.chmod('dist/a/c', 0o600); await p.utimes('dist/a/c', 1, 2);
  await p.truncate('dist/a/c', 1); const file = await p.open('dist/a/c', 'r+');
  await file.write('Q', 0); await file.close(); console.log(await p.readFile('dist/a/c', 'utf8'));
  const out = fs.createWriteStream('dist/stream'); for (let n = 0; n < 500; n++) out.write('line\\n');
  await new Promise(done => out.end(done)); await p.rm('dist/dep', { recursive: true });
  await p.mkdtemp('dist/tmp').then(name => p.rmdir(name));
  await Promise.all([...Array(60).keys()].map(n => p.writeFile(`dist/${n}`, `${n}`)));
  console.log((await p.readdir('dist')).length);
})();
END
npm pack --silent ./dep; npm install --offline --no-audit --no-fund --silent ./dep-1.0.0.tgz
npm run --silent build; npm install --offline --no-audit --no-fund --silent ./dep
npm ls --parseable | wc -l; rm -r node_modules; npm ci --offline --no-audit --no-fund --silent
rm -r dist; npm run --silent build";

const CARGO: &str = "
set -e
export CARGO_NET_OFFLINE=true CARGO_TERM_QUIET=true
cargo init -q --vcs none --name app --lib .; cargo new -q --vcs none --bin tool
printf '[workspace]\\nmembers = [\"tool\"]\\n' >> Cargo.toml
printf 'app = { path = \"..\" }\\n' >> tool/Cargo.toml
cat > build.rs <<'END'
fn main() {
    let out = std::path::PathBuf::from(std::env::var(\"OUT_DIR\").unwrap());
    std::fs::write(out.join(\"made.rs\"), \"pub const MADE: u32 = 7;\").unwrap();
    println!(\"cargo::rerun-if-changed=build.rs\");
}
END
echo 'include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));' > src/lib.rs
echo '#[test] fn made() { assert_eq!(MADE, 7); }' >> src/lib.rs
echo 'fn main() { println!(\"{}\", app::MADE); }' > tool/src/main.rs
cargo build; cargo run -p tool; cargo test --lib > $OUT/tests; touch src/lib.rs; cargo run -p tool
cargo clean";

/// Where Cargo is that builds these tests; its own folders may be closed to others.
fn cargo_environment(script: &str) -> String {
    let bin = Path::new(env!("CARGO")).parent().unwrap().display();
    format!("export PATH={bin}:$PATH CARGO_HOME=$OUT/cargo; {script}")
}

/// Everything in a workspace but what differs from run to run.
fn tree(field: &Field) -> Vec<String> {
    let list = "find . -path ./.git/objects -prune -o -path ./.git/logs -prune -o \
        -name '*.pyc' -prune -o -printf '%p %y %m %l\\n' | sort";
    field.bare(list).text.lines().map(str::to_owned).collect()
}

/// Runs a script without and with the guard; nothing may differ.
fn same(script: &str) {
    same_with_free(&[], script);
}

fn same_with_free(free: &[&str], script: &str) {
    let run = |others: Option<&Arc<Others>>| {
        let field = Field::new();
        for folder in free {
            std::fs::create_dir(field.root().join(folder)).unwrap();
        }
        let ended = match others {
            Some(others) => field.guarded_but(free, script, others),
            None => field.bare(script),
        };
        let base = field.root().parent().unwrap().to_str().unwrap().to_owned();
        (ended.code, ended.text.replace(&base, "BASE"), tree(&field))
    };
    let bare = run(None);
    assert_eq!(bare.0, Some(0), "without the guard: {}", bare.1);
    let others = Arc::new(Others::default());
    assert_eq!(run(Some(&others)), bare);
    others.all_ended();
}

#[test]
fn git_works() {
    if kernel_asks() && has("git") {
        same(GIT);
    }
}

#[test]
fn python_works() {
    if kernel_asks() && has("python3") {
        same(PYTHON);
    }
}

#[test]
fn node_and_npm_work() {
    if kernel_asks() && has("npm") {
        same(NODE);
    }
}

#[test]
fn cargo_works() {
    if kernel_asks() {
        same(&cargo_environment(CARGO));
    }
}

#[test]
fn cargo_works_with_a_build_folder_of_its_own() {
    if kernel_asks() {
        same_with_free(&["target"], &cargo_environment(CARGO));
    }
}

#[test]
fn git_works_for_an_ordinary_user() {
    as_ordinary_user("real::git_works");
}

#[test]
fn python_works_for_an_ordinary_user() {
    as_ordinary_user("real::python_works");
}

#[test]
fn node_and_npm_work_for_an_ordinary_user() {
    as_ordinary_user("real::node_and_npm_work");
}

/// As the program starts agents: from a thread that does nothing else, in a session of their own,
/// and such that they die with that thread.
#[test]
fn an_agent_can_be_started_from_an_asynchronous_program() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let others = Arc::new(Others::default());
    let (fence, gate) = fence::prepare(&workspace(&field)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let script =
        "read -r line; echo $line > new; rm mine.txt; (echo deep > src/deep) & wait; cat new";
    let mut command = tokio::process::Command::new("/bin/bash");
    command.args(["-c", script]).current_dir(field.root()).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let (ready, child) = tokio::sync::oneshot::channel();
    let (end, ends) = std::sync::mpsc::channel::<()>();
    let forks = std::thread::spawn(move || {
        let _inside = handle.enter();
        // SAFETY: bare system calls only; `enter` is made for this place.
        unsafe {
            command.pre_exec(move || {
                rustix::process::setsid()?;
                rustix::process::set_parent_process_death_signal(Some(
                    rustix::process::Signal::KILL,
                ))?;
                fence.enter()
            });
        }
        ready.send(fence::start(|| command.spawn())).unwrap();
        let _ = ends.recv();
    });
    let text = runtime.block_on(async {
        let mut child = child.await.unwrap().unwrap();
        let supervisor = gate.supervise("async", others.clone()).unwrap();
        child.stdin.take().unwrap().write_all(b"hello\n").await.unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
        assert!(child.wait().await.unwrap().success());
        tokio::task::spawn_blocking(move || supervisor.wait()).await.unwrap();
        text
    });
    drop(end);
    forks.join().unwrap();
    assert_eq!(text, "hello\n");
    assert!(!field.root().join("mine.txt").exists());
    let log = others.log.lock().unwrap();
    assert!(log.iter().all(|(_, outcome)| *outcome == Some(Outcome::Done)), "{log:?}");
    assert_eq!(log.len(), 3);
}

fn claude() -> Option<&'static Path> {
    kernel_asks().then(claude_cli::find).flatten()
}

fn claude_as_ordinary_user(test: &str) {
    if let Some(program) = claude() {
        as_ordinary_user_with(test, &[("BENCHDOG_TEST_CLAUDE", program)]);
    }
}

/// A turn of the real agent behind the guard: each tool, and what the model reads of it.
fn turn(others: &Arc<Others>, steps: impl FnOnce(&Workspace) -> Vec<Value>) -> Option<Turn> {
    let program = claude()?;
    let files = Workspace::with(&[("src/a.rs", "fn a() {}\n"), ("src/b.rs", "fn b() {}\n")]);
    let files = fence::start(|| files.git());
    let home = tempfile::tempdir().unwrap();
    let mut steps = steps(&files);
    steps.push(text("That is all."));
    let api = ModelApi::start(&json!({ "turn": steps }));
    let mut command = claude_cli::command(program, &files, home.path(), api.url());
    command.args(["--permission-mode", "bypassPermissions"]);
    let ground = benchdog::guard::ground::Workspace::open(files.path(), &[]).unwrap();
    let (fence, gate) = fence::prepare(&ground).unwrap();
    // SAFETY: `enter` is made for this place.
    unsafe { command.pre_exec(move || fence.enter()) };
    let mut host = fence::start(|| Host::start(command));
    let supervisor = gate.supervise("claude", others.clone()).unwrap();
    host.initialize(&[]);
    let result = host.turn("[[script:turn]] go");
    assert_eq!(result["result"], "That is all.", "{result}");
    let results = host.results();
    host.close();
    let (code, errors) = host.wait_exit();
    assert_eq!(code, Some(0), "{errors}");
    supervisor.wait();
    others.all_ended();
    assert_eq!(results.len(), api.of_script("turn").len() - 1, "{results:?}");
    Some(Turn { files, results })
}

struct Turn {
    files: Workspace,
    results: Vec<(String, bool)>,
}

fn bash(command: &str) -> Value {
    tool("Bash", &json!({ "command": command, "description": "a command" }))
}

const COMMIT: &str =
    "git add -A && git -c user.name=a -c user.email=a@b commit -qm agent && git status --short";

#[test]
fn the_real_agent_works_when_the_files_are_free() {
    let others = Arc::new(Others::default());
    let turn = turn(&others, |files| {
        let a = files.at("src/a.rs");
        vec![
            tool("Write", &json!({ "file_path": files.at("new.txt"), "content": "new\n" })),
            tool(
                "Write",
                &json!({ "file_path": files.at("deep/er/new.txt"), "content": "deep\n" }),
            ),
            tool("Read", &json!({ "file_path": a })),
            tool(
                "Edit",
                &json!({ "file_path": a, "old_string": "fn a", "new_string": "pub fn a" }),
            ),
            tool("Write", &json!({ "file_path": a, "content": "pub fn a() { b() }\n" })),
            bash("echo shell > shell.txt && cat shell.txt"),
            bash("python3 -c \"open('python.txt', 'w').write('python')\" && cat python.txt"),
            bash("sed -i s/b/c/ src/b.rs && cat src/b.rs"),
            bash("git status --short"),
            bash(COMMIT),
            bash("git log --format=%s && rm -r deep && mkdir other && mv new.txt other/"),
        ]
    });
    let Some(Turn { files, results }) = turn else { return };
    let errors: Vec<_> = results.iter().filter(|(_, error)| *error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let says = |index: usize, text: &str| {
        assert!(results[index].0.contains(text), "{index}: {}", results[index].0);
    };
    says(5, "shell");
    says(6, "python");
    says(7, "fn c() {}");
    says(8, "?? new.txt");
    says(10, "agent");
    assert_eq!(files.read("src/a.rs"), "pub fn a() { b() }\n");
    assert_eq!(files.read("other/new.txt"), "new\n");
    assert!(!files.has("deep") && files.has("python.txt"));
}

#[test]
fn the_real_agent_is_told_when_a_file_is_held() {
    let others = Arc::new(Others::default());
    let turn = turn(&others, |files| {
        others.hold(files.path(), "src/a.rs");
        let a = files.at("src/a.rs");
        vec![
            tool("Read", &json!({ "file_path": a })),
            tool("Edit", &json!({ "file_path": a, "old_string": "fn a", "new_string": "fn x" })),
            tool("Write", &json!({ "file_path": a, "content": "x" })),
            bash("echo x > src/a.rs"),
            bash("python3 -c \"open('src/a.rs', 'w')\""),
            bash("sed -i s/a/x/ src/a.rs"),
            bash("rm -rf src"),
            bash("ls src; echo free > src/new.rs; cat src/new.rs"),
        ]
    });
    let Some(Turn { files, results }) = turn else { return };
    assert_eq!(files.read("src/a.rs"), "fn a() {}\n");
    for (text, error) in &results[1..7] {
        assert!(*error && text.to_lowercase().contains("busy"), "{text}");
    }
    assert!(results[7].0.contains("free") && !results[7].1, "{results:?}");
}

#[test]
fn the_real_agent_works_for_an_ordinary_user() {
    claude_as_ordinary_user("real::the_real_agent_works_when_the_files_are_free");
}

#[test]
fn the_real_agent_is_told_as_an_ordinary_user() {
    claude_as_ordinary_user("real::the_real_agent_is_told_when_a_file_is_held");
}

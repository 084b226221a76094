//! A stage and parts for tests: whole commands run without a process, a terminal or an engine.

use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::main_with;
use super::parts::{Engine, Opening, Parts, Stored};
use super::setup::Setup;
use super::stage::{Breaks, Stage};
use crate::config::bench::Bench;
use crate::config::environment::Environment;
use crate::config::folders::{Folders, private_folder};
use crate::control::fake::{FakeEngine, Served};
use crate::engine::event::{ToClient, ToEngine};
use crate::engine::link::Link;
use crate::model::agent::{AgentSpec, Backend};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{ItemId, SessionId};
use crate::model::review::{Answer, ChangesPage, Question};
use crate::model::session::{SessionHit, SessionQuery, SessionRow, TranscriptPage};
use crate::model::time::Wall;
use crate::model::usage::Usage;

/// Bytes that somebody wrote.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was written, as text.
pub(crate) fn said(written: &Written) -> String {
    String::from_utf8(written.0.lock().expect("no panic").clone()).expect("UTF-8")
}

/// A stage without a terminal, and what is written on it.
pub(crate) fn stage() -> (Stage, Written, Written) {
    let (out, err) = (Written::default(), Written::default());
    let stage = Stage {
        out: Box::new(out.clone()),
        err: Box::new(err.clone()),
        input: Box::new(Cursor::new(Vec::new())),
        out_is_terminal: false,
        err_is_terminal: false,
        can_draw: false,
        size: None,
        environment: Environment::default(),
        folder: PathBuf::from("/"),
        clock: || Wall(10_000_000),
        breaks: Breaks::Wish(Arc::new(Notify::new())),
        log: false,
    };
    (stage, out, err)
}

/// A stored session.
pub(crate) fn hit(id: &str, title: &str, workspace: &str) -> SessionHit {
    SessionHit {
        row: SessionRow {
            id: id.into(),
            backend_session_id: Some("b".to_owned()),
            title: title.to_owned(),
            workspace: workspace.to_owned(),
            cwd: workspace.to_owned(),
            branch: "main".to_owned(),
            spec: AgentSpec::default(),
            backend: Backend::Claude,
            agent: "blue".to_owned(),
            started_at: Wall(0),
            updated_at: Wall(2_800_000),
            turns: 3,
            messages: 9,
            usage: Usage { cost_usd: 1.5, ..Usage::default() },
            last_state: "idle".to_owned(),
            forked_from: None,
        },
        open: false,
        resumable: true,
        obstacle: None,
        elsewhere: None,
        snippet: None,
        more: 0,
    }
}

/// What ran.
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Where commands run: a home, a workspace, and what there is besides.
pub(crate) struct Scene {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) parts: FakeParts,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) input: &'static str,
    pub(crate) can_draw: bool,
    pub(crate) wish: Arc<Notify>,
}

/// Parts that remember how they were used.
#[derive(Default)]
pub(crate) struct FakeParts {
    pub(crate) engine: Option<FakeEngine>,
    pub(crate) never_ends: bool,
    pub(crate) stored: Vec<SessionHit>,
    pub(crate) page: TranscriptPage,
    pub(crate) demo: Option<Bench>,
    pub(crate) shown: Mutex<Vec<(PathBuf, Opening)>>,
}

struct FakeHistory(Vec<SessionHit>, TranscriptPage);

impl Stored for FakeHistory {
    fn sessions(&self, query: &SessionQuery) -> Result<Vec<SessionHit>, Failure> {
        let fits = |hit: &&SessionHit| {
            query.workspace.as_ref().is_none_or(|workspace| *workspace == hit.row.workspace)
                && query.text.as_ref().is_none_or(|text| hit.row.title.contains(text))
        };
        let limit = if query.limit == 0 { usize::MAX } else { query.limit };
        Ok(self.0.iter().filter(fits).take(limit).cloned().collect())
    }

    fn transcript(
        &self,
        _: &SessionId,
        _: Option<ItemId>,
        _: usize,
    ) -> Result<TranscriptPage, Failure> {
        Ok(self.1.clone())
    }

    fn review(&self, _: &Path, _: &Question) -> Result<Answer, Failure> {
        Ok(Answer::Changes(ChangesPage::default()))
    }
}

impl Parts for FakeParts {
    fn start_engine(&self, _: &Setup) -> Result<Engine, Failure> {
        let engine = self
            .engine
            .clone()
            .ok_or_else(|| Failure::new(FailureKind::Failed, "there is no engine"))?;
        let ended = engine.ended.clone();
        Ok(Engine {
            connect: Arc::new(move || engine.connect()),
            ended: match self.never_ends {
                true => Box::pin(std::future::pending()),
                false => Box::pin(async move {
                    ended.cancelled().await;
                    Ok(())
                }),
            },
        })
    }

    fn open_screen<'a>(
        &'a self,
        setup: &'a Setup,
        mut link: Link,
        opening: Opening,
        _attached: bool,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        self.shown.lock().expect("no panic").push((setup.place.workspace.clone(), opening));
        Box::pin(async move {
            let command = crate::engine::command::Command::Subscribe;
            let _sent = link.commands.send(ToEngine { id: 1, command }).await;
            // It stays until it was answered, as a proof that the link works.
            while let Some(message) = link.events.recv().await {
                if matches!(message, ToClient::Reply { id: 1, .. }) {
                    return Ok(());
                }
            }
            Err(Failure::new(FailureKind::Failed, "the link is dead"))
        })
    }

    fn history(&self, _: &Setup) -> Result<Box<dyn Stored>, Failure> {
        Ok(Box::new(FakeHistory(self.stored.clone(), self.page.clone())))
    }

    fn check_history(&self, _: &Path) -> Option<Result<String, String>> {
        Some(Ok("in order".to_owned()))
    }

    fn prepare_demo(&self, _: Option<&Path>, folder: &Path) -> Result<Bench, Failure> {
        std::fs::write(folder.join("seed"), "").expect("a file");
        self.demo.clone().ok_or_else(|| Failure::new(FailureKind::Failed, "no demo"))
    }

    fn agent_script(&self, arguments: &[String]) -> Result<u8, Failure> {
        Ok(u8::try_from(arguments.len()).expect("few"))
    }

    fn key_table(&self) -> Result<String, Failure> {
        Ok("prefix s  split\n".to_owned())
    }

    fn guard(&self) -> Result<(), String> {
        Err("there is no Landlock".to_owned())
    }
}

impl Scene {
    pub(crate) fn new(parts: FakeParts) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(dir.path().join("work/src")).expect("a folder");
        std::fs::create_dir_all(dir.path().join("work/.git")).expect("a folder");
        Self {
            dir,
            parts,
            variables: Vec::new(),
            input: "",
            can_draw: false,
            wish: Arc::new(Notify::new()),
        }
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.dir.path().join("work").canonicalize().expect("a folder")
    }

    pub(crate) fn folders(&self) -> Folders {
        Folders::below(&self.dir.path().join("home"))
    }

    /// Serves `engine` on the workspace's socket; needs a runtime around.
    pub(crate) fn serve(&self, engine: &FakeEngine) -> Served {
        let (folders, workspace) = (self.folders(), self.workspace());
        folders.create().expect("folders");
        let socket = folders.socket(&workspace);
        private_folder(socket.parent().expect("a folder")).expect("a folder");
        engine.serve(&folders.lock_file(&workspace), &workspace, &socket)
    }

    /// Runs a command line below the workspace.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let (mut stage, out, err) = stage();
        let home = self.dir.path().join("home").display().to_string();
        let own = [("BENCHDOG_HOME".to_owned(), home)];
        stage.environment = own.into_iter().chain(self.variables.clone()).collect();
        stage.folder = self.workspace().join("src");
        stage.input = Box::new(Cursor::new(self.input.as_bytes()));
        stage.can_draw = self.can_draw;
        stage.breaks = Breaks::Wish(Arc::clone(&self.wish));
        let line = ["benchdog"].into_iter().chain(args.iter().copied());
        let code = main_with(line, stage, &self.parts);
        Ran { code, out: said(&out), err: said(&err) }
    }

    /// Runs a command line against `engine`, which is in another runtime as it would be in another
    /// process.
    pub(crate) fn run_against(&self, engine: &FakeEngine, args: &[&str]) -> Ran {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let served = {
            let _inside = runtime.enter();
            self.serve(engine)
        };
        let ran = self.run(args);
        runtime.block_on(served.end());
        ran
    }
}

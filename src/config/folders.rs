//! Where benchdog keeps things on this machine.
//!
//! The platform's folders, unless `BENCHDOG_HOME` is set: then everything lies below that one.
//! Paths only; nothing is created here but by [`private_folder`].

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use directories::ProjectDirs;

use super::environment::Environment;
use crate::model::failure::{Failure, FailureKind};
use crate::model::path::Hash;

/// The longest path of a socket that all platforms take (macOS: 104 bytes with the final zero).
pub const SOCKET_PATH_BYTES: usize = 103;

/// Where sockets are when nothing else is short enough or private.
const SHORT_FOLDER: &str = "/tmp";

/// The folders of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// Settings.
    pub config: PathBuf,
    /// The history and installed programs.
    pub data: PathBuf,
    /// Logs and locks.
    pub state: PathBuf,
    /// What can be made again.
    pub cache: PathBuf,
    /// Sockets; `None`: the platform has no folder for them.
    pub runtime: Option<PathBuf>,
}

impl Folders {
    /// The folders for this environment.
    pub fn find(environment: &Environment) -> Result<Self, Failure> {
        if let Some(home) = environment.get("BENCHDOG_HOME") {
            let home = std::path::absolute(home).map_err(|error| {
                Failure::new(FailureKind::Config, format!("BENCHDOG_HOME is no folder: {home}"))
                    .cause(error)
            })?;
            return Ok(Self::below(&home));
        }
        let Some(dirs) = ProjectDirs::from("", "", "benchdog") else {
            return Err(Failure::new(FailureKind::Config, "there is no home folder")
                .hint("set HOME, or BENCHDOG_HOME to a folder for everything of benchdog"));
        };
        Ok(Self {
            config: dirs.config_dir().to_owned(),
            data: dirs.data_dir().to_owned(),
            // macOS has no folder for state.
            state: dirs
                .state_dir()
                .map_or_else(|| dirs.data_local_dir().join("state"), Path::to_owned),
            cache: dirs.cache_dir().to_owned(),
            runtime: dirs.runtime_dir().map(Path::to_owned),
        })
    }

    /// Everything below one folder.
    pub fn below(home: &Path) -> Self {
        Self {
            config: home.join("config"),
            data: home.join("data"),
            state: home.join("state"),
            cache: home.join("cache"),
            runtime: Some(home.join("run")),
        }
    }

    /// The person's settings.
    pub fn settings_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The log.
    pub fn log_file(&self) -> PathBuf {
        self.state.join("benchdog.log")
    }

    /// The file that an engine of this workspace keeps locked.
    pub fn lock_file(&self, workspace: &Path) -> PathBuf {
        self.state.join("engines").join(format!("{}.lock", short_name(workspace)))
    }

    /// The folder with the `git` of the agents of this workspace.
    pub fn git_folder(&self, workspace: &Path) -> PathBuf {
        self.state.join("git").join(short_name(workspace))
    }

    /// The lock file that belongs to a [`Folders::git_folder`].
    pub fn lock_file_beside(git_folder: &Path) -> Option<PathBuf> {
        let name = git_folder.file_name()?.to_str()?;
        let state = git_folder.parent()?.parent()?;
        Some(state.join("engines").join(format!("{name}.lock")))
    }

    /// The socket of the engine of this workspace. Its folder must be private.
    pub fn socket(&self, workspace: &Path) -> PathBuf {
        let name = format!("{}.sock", short_name(workspace));
        let here = self.runtime.as_ref().map(|runtime| runtime.join(&name));
        if let Some(here) = here
            && here.as_os_str().len() <= SOCKET_PATH_BYTES
        {
            return here;
        }
        // The state folder goes into the name, so that two homes do not meet.
        let name = format!("{}.sock", short_name(&self.state.join(name)));
        let user = rustix::process::geteuid().as_raw();
        Path::new(SHORT_FOLDER).join(format!("benchdog-{user}")).join(name)
    }

    /// Where `benchdog install` puts programs.
    pub fn programs(&self) -> PathBuf {
        self.data.join("programs")
    }

    /// The folders that exist and that no agent may write in.
    pub fn closed(&self) -> Vec<PathBuf> {
        let own = [&self.config, &self.data, &self.state];
        own.into_iter().filter(|folder| folder.is_dir()).cloned().collect()
    }

    /// Creates the folders for settings, data and state, for the person only.
    pub fn create(&self) -> Result<(), Failure> {
        for folder in [&self.config, &self.data, &self.state, &self.state.join("engines")] {
            create_private(folder).map_err(|error| {
                let message = format!("the folder {} cannot be created", folder.display());
                Failure::new(FailureKind::Failed, message)
                    .hint("BENCHDOG_HOME names another place for everything of benchdog")
                    .cause(error)
            })?;
        }
        Ok(())
    }
}

/// Creates `folder` for the person only, or accepts it if nobody else can enter it.
pub fn private_folder(folder: &Path) -> Result<(), Failure> {
    let broken = |why: &str| {
        Failure::new(FailureKind::Failed, format!("{} {why}", folder.display()))
            .hint("remove it, or set BENCHDOG_HOME or XDG_RUNTIME_DIR to another place")
    };
    create_private(folder).map_err(|error| broken("cannot be created").cause(error))?;
    let found = fs::symlink_metadata(folder).map_err(|error| broken("is gone").cause(error))?;
    if !found.is_dir() {
        return Err(broken("is not a folder"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(broken("belongs to somebody else"));
    }
    if found.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .map_err(|error| broken("is open to others").cause(error))?;
    }
    Ok(())
}

fn create_private(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// A short name that no other path has.
fn short_name(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut name = Hash::of(path.as_os_str().as_bytes()).to_hex();
    name.truncate(16);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_variable_moves_everything() {
        let environment = [("BENCHDOG_HOME", "/b")].into_iter().collect();
        let folders = Folders::find(&environment).expect("folders");
        assert_eq!(folders, Folders::below(Path::new("/b")));
        assert_eq!(folders.settings_file(), Path::new("/b/config/config.toml"));
        assert_eq!(folders.log_file(), Path::new("/b/state/benchdog.log"));
        assert!(folders.socket(Path::new("/w")).starts_with("/b/run"));
    }

    #[test]
    fn each_workspace_has_its_own_socket_and_lock() {
        let folders = Folders::below(Path::new("/b"));
        let (one, two) = (Path::new("/w/one"), Path::new("/w/two"));
        assert_ne!(folders.socket(one), folders.socket(two));
        assert_ne!(folders.lock_file(one), folders.lock_file(two));
        assert_eq!(folders.socket(one), folders.socket(one));
    }

    #[test]
    fn a_socket_path_is_short_however_deep_the_folders_are() {
        let deep = |name: &str| Folders::below(&Path::new("/").join(name.repeat(60)));
        let workspace = Path::new("/w");
        let one = deep("a/").socket(workspace);
        assert!(one.as_os_str().len() <= SOCKET_PATH_BYTES, "{}", one.display());
        assert_ne!(one, deep("b/").socket(workspace));
        let without = Folders { runtime: None, ..Folders::below(Path::new("/b")) };
        assert!(without.socket(workspace).starts_with("/tmp"));
    }

    #[test]
    fn a_private_folder_is_closed_to_others() {
        let dir = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode();
        let fresh = dir.path().join("a/b");
        private_folder(&fresh).expect("created");
        assert_eq!(mode(&fresh) & 0o777, 0o700);
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).expect("opened");
        private_folder(&fresh).expect("closed again");
        assert_eq!(mode(&fresh) & 0o777, 0o700);
    }

    #[test]
    fn a_link_in_the_place_of_a_private_folder_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).expect("a link");
        let failure = private_folder(&link).expect_err("refused");
        assert!(failure.message.ends_with("is not a folder"), "{failure}");
    }
}

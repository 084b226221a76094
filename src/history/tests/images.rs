//! Before-images: what is kept at the door, and what a restart makes of the folder.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::history::contents::Contents;
use crate::history::images::{Deed, ImageName, Images, Point};
use crate::history::read::{ChangeQuery, Scope};
use crate::model::change::{Change, ChangeKind};
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};

/// A workspace, its folder of images and its history.
struct Site {
    place: Place,
    folder: PathBuf,
    root: PathBuf,
}

impl Site {
    fn new() -> Self {
        let place = Place::new();
        drop(place.open());
        let root = place.folder.path().canonicalize().unwrap().join("tree");
        fs::create_dir(&root).unwrap();
        Self { folder: place.folder.path().join("images"), place, root }
    }

    fn images(&self) -> Images {
        Images::open(&self.folder).unwrap()
    }

    fn put(&self, file: &str, text: &str) -> PathBuf {
        let full = self.root.join(file);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(&full, text).unwrap();
        full
    }

    fn left(&self) -> usize {
        // Besides the file of which notes are names.
        fs::read_dir(&self.folder).unwrap().count() - 1
    }

    fn keep(&self, image: &ImageName) {
        keep(&self.images(), &self.root, image, &mut |_| Ok(())).unwrap();
    }

    /// What an engine does at start: reads the folder, stores what it tells, and empties it.
    /// `stored` is called before the images go.
    fn restart(&self, mut stored: impl FnMut() -> io::Result<()>) -> io::Result<()> {
        let images = self.images();
        let scan = images.scan()?;
        assert_eq!(scan.nameless, [""; 0]);
        let contents = Contents::beside(&self.place.path());
        let adopted = images.adopt(&scan.images, &self.root, &contents).unwrap();
        let store = self.place.open();
        let records = adopted.iter().flat_map(|adopted| adopted.records.clone()).collect();
        store.blocking_queue(records).unwrap();
        store.flush().wait().unwrap();
        assert_eq!(store.health().rejected, 0);
        stored()?;
        adopted.iter().try_for_each(|adopted| images.forget(&adopted.image))
    }

    /// The changes that are stored, oldest first.
    fn changes(&self) -> Vec<Change> {
        let query = ChangeQuery { scope: Scope::All, before: None, limit: usize::MAX };
        let workspace = self.root.to_str().unwrap();
        let mut changes = self.place.read().changes(workspace, &query).unwrap().changes;
        changes.reverse();
        changes
    }

    fn kept(&self, hash: Option<crate::model::change::Image>) -> Option<String> {
        let bytes = self.place.read().blob(hash?.hash).unwrap()?;
        Some(String::from_utf8(bytes).unwrap())
    }
}

/// Keeps an image as the door does: the folder is open, the victim a name in it.
fn keep(
    images: &Images,
    root: &Path,
    image: &ImageName,
    at: &mut dyn FnMut(Point) -> io::Result<()>,
) -> io::Result<()> {
    let full = image.path.below(root);
    let dir = File::open(full.parent().unwrap()).unwrap();
    images.keep_until(image, dir.as_fd(), OsStr::new(image.path.name()), at)
}

fn image(serial: u64, deed: Deed, file: &str) -> ImageName {
    let path = WorkPath::parse(file).unwrap();
    let owner = Owner::Session(id("red"), None);
    ImageName { serial, at: Wall(50), deed, owner, path }
}

/// Where a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// While the image is made.
    At(Point),
    /// The process has done what it wanted to.
    Done,
    /// A restart has stored the change and not yet removed the image.
    Stored,
}

const STOPS: [Stop; 6] = [
    Stop::At(Point::Told),
    Stop::At(Point::Begun),
    Stop::At(Point::Copied),
    Stop::At(Point::Kept),
    Stop::Done,
    Stop::Stored,
];

/// A deed on a file, and whether it was done when the run ended.
fn run(site: &Site, image: &ImageName, stop: Stop, deed: impl Fn(&Path)) -> bool {
    let kept = keep(&site.images(), &site.root, image, &mut |at| match stop {
        Stop::At(point) if point == at => Err(ErrorKind::Interrupted.into()),
        Stop::At(_) | Stop::Done | Stop::Stored => Ok(()),
    });
    if kept.is_err() {
        return false;
    }
    deed(&image.path.below(&site.root));
    if stop == Stop::Stored {
        let crash = site.restart(|| Err(ErrorKind::Interrupted.into()));
        assert!(crash.is_err());
        assert!(site.left() > 0);
    }
    true
}

#[test]
fn whenever_it_crashes_a_deed_that_was_done_is_a_change_and_no_other() {
    type Act = (Deed, fn(&Path), ChangeKind);
    let acts: [Act; 4] = [
        (Deed::Unnamed, |full| fs::remove_file(full).unwrap(), ChangeKind::Deleted),
        (
            Deed::Unnamed,
            |full| {
                fs::write(full.with_extension("new"), "new").unwrap();
                fs::rename(full.with_extension("new"), full).unwrap();
            },
            ChangeKind::Edited,
        ),
        (Deed::Rewritten, |full| fs::write(full, "new").unwrap(), ChangeKind::Edited),
        (Deed::Rewritten, |full| fs::write(full, "").unwrap(), ChangeKind::Edited),
    ];
    let long = format!("{0}/{0}/{0}/a.rs", "ä".repeat(40));
    let mut done_runs = 0;
    for file in ["src/a.rs", &long] {
        for (deed, act, kind) in acts {
            for stop in STOPS {
                let site = Site::new();
                site.put(file, "old");
                let image = image(3, deed, file);
                let done = run(&site, &image, stop, act);
                site.restart(|| Ok(())).unwrap();
                let changes = site.changes();
                let what = format!("{deed:?} of {file}, {stop:?}: {changes:?}");
                assert_eq!(changes.len(), usize::from(done), "{what}");
                if let [change] = &changes[..] {
                    done_runs += 1;
                    assert_eq!((change.kind(), change.serial), (kind, Some(3)), "{what}");
                    assert_eq!((&change.path, &change.owner), (&image.path, &image.owner));
                    assert_eq!(site.kept(change.before).as_deref(), Some("old"), "{what}");
                    let on_disk = fs::read_to_string(image.path.below(&site.root)).ok();
                    assert_eq!(site.kept(change.after), on_disk, "{what}");
                } else {
                    let text = fs::read_to_string(image.path.below(&site.root)).unwrap();
                    assert_eq!(text, "old", "{what}");
                }
                // Companions go with the next look.
                site.restart(|| Ok(())).unwrap();
                assert_eq!(site.left(), 0, "{what}");
                assert_eq!(site.changes(), changes, "{what}");
            }
        }
    }
    // The last two stops come after the deed; some others are never reached.
    assert!(done_runs >= 2 * 4 * 2, "{done_runs}");
}

#[test]
fn a_crash_while_contents_are_taken_in_loses_no_image() {
    let site = Site::new();
    let full = site.put("a", "old");
    site.keep(&image(1, Deed::Unnamed, "a"));
    fs::remove_file(full).unwrap();
    let images = site.images();
    let scan = images.scan().unwrap();
    let contents = Contents::beside(&site.place.path());
    let adopted = images.adopt_until(&scan.images, &site.root, &contents, &mut |at| {
        assert_eq!(at, Point::Taken);
        Err(ErrorKind::Interrupted.into())
    });
    assert!(adopted.is_err());
    site.restart(|| Ok(())).unwrap();
    assert_eq!(site.changes().len(), 1);
}

#[test]
fn deeds_on_one_file_follow_one_another() {
    let site = Site::new();
    let full = site.put("a", "one");
    for (serial, deed, text) in
        [(1, Deed::Rewritten, "two"), (2, Deed::Unnamed, "three"), (3, Deed::Rewritten, "four")]
    {
        site.keep(&image(serial, deed, "a"));
        if deed == Deed::Unnamed {
            fs::remove_file(&full).unwrap();
        }
        fs::write(&full, text).unwrap();
    }
    site.restart(|| Ok(())).unwrap();
    let steps: Vec<_> = site
        .changes()
        .iter()
        .map(|change| (site.kept(change.before).unwrap(), site.kept(change.after).unwrap()))
        .collect();
    let step = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(steps, [step("one", "two"), step("two", "three"), step("three", "four")]);
}

#[test]
fn a_victim_that_loses_its_name_is_linked_and_one_that_is_rewritten_copied() {
    let site = Site::new();
    let full = site.put("run.sh", "#!/bin/sh\n");
    fs::set_permissions(&full, fs::Permissions::from_mode(0o750)).unwrap();
    let meta = full.metadata().unwrap();
    for (serial, deed, same) in [(1, Deed::Unnamed, true), (2, Deed::Rewritten, false)] {
        let image = image(serial, deed, "run.sh");
        site.keep(&image);
        let kept = site.folder.join(image.to_file_name().unwrap()).metadata().unwrap();
        assert_eq!(kept.ino() == meta.ino(), same, "{deed:?}");
        assert_eq!(kept.mode(), meta.mode());
    }
}

#[test]
fn links_are_kept_as_links_and_what_has_no_content_is_refused() {
    let site = Site::new();
    symlink("nowhere", site.root.join("l")).unwrap();
    site.keep(&image(1, Deed::Unnamed, "l"));
    fs::remove_file(site.root.join("l")).unwrap();
    site.restart(|| Ok(())).unwrap();
    let changes = site.changes();
    let image_of = changes[0].before.unwrap();
    assert_eq!(image_of.hash, Hash::of(b"nowhere"));
    assert_eq!(image_of.mode.unwrap() & 0o170_000, 0o120_000);
    fs::create_dir(site.root.join("d")).unwrap();
    for deed in [Deed::Unnamed, Deed::Rewritten] {
        let kept = keep(&site.images(), &site.root, &image(2, deed, "d"), &mut |_| Ok(()));
        assert!(kept.is_err(), "{deed:?}");
    }
    let missing = image(3, Deed::Unnamed, "gone");
    let kept = keep(&site.images(), &site.root, &missing, &mut |_| Ok(()));
    assert_eq!(kept.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(site.left(), 0);
}

#[test]
fn a_secret_is_known_by_its_hash_only() {
    let site = Site::new();
    let full = site.put(".env", "KEY=1");
    site.keep(&image(1, Deed::Unnamed, ".env"));
    fs::remove_file(full).unwrap();
    site.restart(|| Ok(())).unwrap();
    let changes = site.changes();
    assert_eq!(changes[0].before.unwrap().hash, Hash::of(b"KEY=1"));
    assert_eq!(site.kept(changes[0].before), None);
    assert_eq!(site.left(), 0);
}

#[test]
fn a_scan_leaves_alone_what_is_not_its_own_and_says_what_it_cannot_place() {
    let site = Site::new();
    let images = site.images();
    fs::write(site.folder.join("notes.txt"), "mine").unwrap();
    let long = format!("{0}/{0}/{0}/a.rs", "ä".repeat(40));
    site.put(&long, "old");
    let lost = image(9, Deed::Unnamed, &long);
    site.keep(&lost);
    fs::remove_file(site.folder.join(lost.companion().unwrap())).unwrap();
    site.put("b", "b");
    site.keep(&image(4, Deed::Unnamed, "b"));
    let scan = images.scan().unwrap();
    assert_eq!(scan.images, [image(4, Deed::Unnamed, "b")]);
    assert_eq!(scan.nameless, [lost.to_file_name().unwrap()]);
    assert_eq!(scan.last_serial, Some(9), "its number must not be used again");
    assert_eq!(site.left(), 3);
}

#[test]
fn what_has_no_content_to_be_kept_is_a_change_all_the_same() {
    let chmod = |full: &Path, mode| fs::set_permissions(full, fs::Permissions::from_mode(mode));
    for done in [false, true] {
        let site = Site::new();
        let images = site.images();
        let (new, script) = (site.root.join("new"), site.put("run.sh", "#!/bin/sh\n"));
        let secret = site.put(".env", "KEY=1");
        chmod(&script, 0o644).unwrap();
        images.note(&image(1, Deed::Made, "new")).unwrap();
        images.note_mode(&image(2, Deed::Moded, "run.sh"), 0o644).unwrap();
        images.note(&image(3, Deed::Withheld, ".env")).unwrap();
        if done {
            fs::write(&new, "new").unwrap();
            chmod(&script, 0o755).unwrap();
            fs::write(secret, "KEY=2").unwrap();
        }
        site.restart(|| Ok(())).unwrap();
        assert_eq!(site.left(), 0);
        let changes = site.changes();
        if !done {
            // Of a secret nobody can tell whether it was changed.
            assert_eq!(changes.len(), 1, "{changes:?}");
            continue;
        }
        let [made, moded, withheld] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!(
            (made.kind(), site.kept(made.after).as_deref()),
            (ChangeKind::Created, Some("new"))
        );
        assert_eq!(moded.only_modes(), Some((0o100_644, 0o100_755)));
        assert_eq!(site.kept(moded.before).as_deref(), Some("#!/bin/sh\n"));
        assert_eq!(withheld.before, Some(Hash::UNSEEN.into()));
        assert_eq!(withheld.after.unwrap().hash, Hash::of(b"KEY=2"));
        assert_eq!(site.kept(withheld.after), None);
    }
}

#[test]
fn what_was_removed_and_made_anew_is_two_steps() {
    let site = Site::new();
    let full = site.put("a", "old");
    site.keep(&image(1, Deed::Unnamed, "a"));
    fs::remove_file(&full).unwrap();
    site.images().note(&image(2, Deed::Made, "a")).unwrap();
    fs::write(&full, "new").unwrap();
    site.restart(|| Ok(())).unwrap();
    let kinds: Vec<_> = site.changes().iter().map(Change::kind).collect();
    assert_eq!(kinds, [ChangeKind::Deleted, ChangeKind::Created]);
}

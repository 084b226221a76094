//! Verbs of git that change the whole tree, and some that change a file.

use super::{Way, way};

/// A branch with another text, and one commit more on this one.
const REPOSITORY: &str = "git init -qb main . && git add -A && git commit -qm one && \
    git switch -qc other && echo other > $F && git commit -qam other && git switch -q main && \
    echo more > more.txt && git add more.txt && git commit -qm two";
/// The file is not known to git.
const UNTRACKED: &str = "git init -qb main . && git add mine.txt && git commit -qm one";
pub(crate) const VERBS: &[Way] = &[
    way("git stash", "git stash -q").after(REPOSITORY).asks(),
    way("git stash -u", "git stash -qu").after(UNTRACKED).asks(),
    way("git clean -fdx", "git clean -qfdx").after(UNTRACKED).asks(),
    way("git reset --hard", "git reset -q --hard").after(REPOSITORY).asks(),
    way("git reset --hard of a commit", "git reset -q --hard HEAD~1").after(REPOSITORY).asks(),
    way("git reset --merge", "git add -A; git reset -q --merge").after(REPOSITORY).asks(),
    way("git checkout -f", "git checkout -qf other").after(REPOSITORY).asks(),
    way("git checkout -- .", "git checkout -q -- .").after(REPOSITORY).asks(),
    way("git checkout of a commit's file", "git checkout -q other -- $F").after(REPOSITORY).asks(),
    way("git switch --discard-changes", "git switch -q --discard-changes other").after(REPOSITORY).asks(),
    way("git restore", "git restore .").after(REPOSITORY).asks(),
    way("git rebase after a commit", "git commit -qam x; git rebase -q other -X ours").after(REPOSITORY).asks(),
    way("git merge after a commit", "git commit -qam x; git merge -q other -X theirs --no-edit").after(REPOSITORY).asks(),
    way("git rm -f", "git rm -qf $F").after(REPOSITORY).asks(),
    way("git mv -f", "git mv -f mine.txt $F").after(REPOSITORY).asks(),
    way("git apply", "git diff main other -- $F > p; git stash list; git show other:$F > n; git diff --no-index --no-color $F n | sed 's,b/n,b/src/f.txt,;s,+++ .*,+++ b/src/f.txt,' | git apply").after(REPOSITORY).asks(),
    way("git revert after a commit", "git commit -qam x; git revert --no-edit HEAD").after(REPOSITORY).asks(),
    way("git read-tree", "git read-tree -u --reset other").after(REPOSITORY).asks(),
    way("git checkout-index", "git checkout-index -qfa").after(REPOSITORY).asks(),
    way("/usr/bin/git", "/usr/bin/git reset -q --hard").needs(&["/usr/bin/git"]).after(REPOSITORY).asks(),
    way("/usr/bin/git clean", "/usr/bin/git clean -qfdx").needs(&["/usr/bin/git"]).after(UNTRACKED).asks(),
    way("/usr/bin/git stash -u", "/usr/bin/git stash -qu").needs(&["/usr/bin/git"]).after(UNTRACKED).asks(),
    way("git of another name", "cp /usr/bin/git $OUT/tig; $OUT/tig reset -q --hard").needs(&["/usr/bin/git"]).after(REPOSITORY),
    way("git from elsewhere", "w=$PWD; cd / && git -C $w reset -q --hard").after(REPOSITORY).asks(),
    way("libgit2", "python3 -c \"
import pygit2
pygit2.Repository('.').checkout_head(strategy=pygit2.GIT_CHECKOUT_FORCE)\"").needs(&["pygit2"]).after(REPOSITORY),
];

//! Programs of every kind that write a file.

use super::{Way, way};

pub(crate) const PROGRAMS: &[Way] = &[
    // the shell
    way("redirect", "echo x > $F"),
    way("redirect clobber", "set -C; echo x >| $F"),
    way("redirect absolute", "echo x > $ABS"),
    way("redirect with detours", "echo x > src/..//./src///f.txt"),
    way("redirect from its folder", "cd src && echo x > ../$F"),
    way("redirect append", "echo red >> $F").keeps(),
    way("redirect of a daemon", "(setsid bash -c 'echo x > $F; touch $OUT/end' &); until test -e $OUT/end; do :; done"),
    way("redirect in place", "echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 1<> $F"),
    way("tee", "echo x | tee $F"),
    way("tee -a", "echo red | tee -a $F").keeps(),
    way("a glob that meets it", "for f in src/f*; do echo x > $f; done"),
    way("xargs over many", "ls src/*.txt | xargs -n1 sh -c 'echo x > $0'"),
    // tools
    way("sed -i", "sed -i 's/.*/x/' $F"),
    way("sed -i with backup", "sed -i.bak 's/.*/x/' $F"),
    way("sed -i of two files, one unseen", "sed -i 's/.*/x/' src/mine.txt $F"),
    way("perl -i", "perl -i -pe 's/.*/x/' $F").needs(&["perl"]),
    way("perl rename", "perl -e 'rename q(mine.txt), $ENV{F} or die'").needs(&["perl"]),
    way("awk", "awk 'BEGIN { print \"x\" > ENVIRON[\"F\"] }'").needs(&["awk"]),
    way("ed", "printf '%s\\n' ',d' w q | ed -s $F").needs(&["ed"]),
    way("vim", "vim -es -u NONE -c '%d' -c wq $F").needs(&["vim"]),
    way("dd", "dd if=mine.txt of=$F status=none"),
    way("dd in place", "dd if=/dev/zero bs=60 count=1 of=$F conv=notrunc status=none"),
    way("truncate to nothing", "truncate -s 0 $F"),
    way("truncate shorter", "truncate -s 12 $F"),
    way("fallocate punch", "fallocate -p -o 0 -l 4096 $F").needs(&["fallocate"]),
    way("cp", "cp mine.txt $F"),
    way("cp --remove-destination", "cp --remove-destination mine.txt $F"),
    way("cp -a of a tree", "cp -a $OUT/t/. .").after("mkdir -p $OUT/t/src; echo x > $OUT/t/src/f.txt"),
    way("a copy, changed, moved back", "cp $F copy; echo x > copy; mv copy $F"),
    way("mv", "mv mine.txt $F"),
    way("mv from outside", "echo x > $OUT/new; mv $OUT/new $F"),
    way("mv away", "mv $F src/else.txt"),
    way("mv away to outside", "mv $F $OUT/else.txt"),
    way("mv of its folder", "mv src else").moves(),
    way("mv of its folder, then rm", "mv src else; rm -rf else; test -e else && mv else src"),
    way("mv of its folder, then writing there", "mv src else; echo x > else/f.txt; mv else src"),
    way("install", "install -m 600 mine.txt $F"),
    way("ln -f", "ln -f mine.txt $F"),
    way("ln -sf", "ln -sf ../mine.txt $F"),
    way("rm", "rm -f $F"),
    way("rm -r of its folder", "rm -rf src"),
    way("find -delete", "find . -name f.txt -delete"),
    way("shred", "shred -u $F"),
    way("sort -o", "echo b | sort -o $F -"),
    way("gzip", "gzip $F"),
    way("rsync", "rsync -a $OUT/t/ src/").needs(&["rsync"]).after("mkdir -p $OUT/t; echo x > $OUT/t/f.txt"),
    way("patch", "printf -- '--- a/src/f.txt\\n+++ b/src/f.txt\\n@@ -1,5 +1 @@\\n-// first\\n-// second\\n-// blue'\"'\"'s line\\n-// third\\n-fn  main( ) { }\\n+x\\n' | patch -sp1").needs(&["patch"]),
    way("split", "cd src && printf x | split - f.txt -a 1 && mv f.txta f.txt"),
    way("cc -o", "echo 'int main;' > m.c && cc -o $F m.c").needs(&["cc"]),
    way("curl", "curl -so $F file://$ABS.other").needs(&["curl"]).after("echo x > $ABS.other"),
    way("flock around a write", "flock lock sh -c 'echo x > $F'").needs(&["flock"]),
    // archives
    way("tar", "tar xf $OUT/a.tar").after("mkdir -p $OUT/t/src; echo x > $OUT/t/src/f.txt; tar cf $OUT/a.tar -C $OUT/t src"),
    way("tar --overwrite", "tar xf $OUT/a.tar --overwrite").after("mkdir -p $OUT/t/src; echo x > $OUT/t/src/f.txt; tar cf $OUT/a.tar -C $OUT/t src/f.txt"),
    way("unzip", "unzip -oq $OUT/a.zip").needs(&["zip", "unzip"]).after("mkdir -p $OUT/t/src; echo x > $OUT/t/src/f.txt; cd $OUT/t && zip -q $OUT/a.zip src/f.txt"),
    // languages
    way("python write", "python3 -c \"open('$F','w').write('x')\"").needs(&["python3"]),
    way("python save by rename", "python3 -c \"
import os,tempfile
f,n=tempfile.mkstemp(dir='src'); os.write(f,b'x'); os.rename(n,'$F')\"").needs(&["python3"]),
    way("python rmtree", "python3 -c \"import shutil; shutil.rmtree('src')\"").needs(&["python3"]),
    way("python append", "python3 -c \"open('$F','a').write('red')\"").needs(&["python3"]).keeps(),
    way("python mmap", "python3 -c \"
import mmap
f=open('$F','r+b'); m=mmap.mmap(f.fileno(),0); m[:]=b'x'*len(m); m.flush()\"").needs(&["python3"]),
    way("python folder descriptor", "python3 -c \"
import os
d=os.open('src',os.O_RDONLY); os.write(os.open('f.txt',os.O_WRONLY|os.O_TRUNC,dir_fd=d),b'x')\"").needs(&["python3"]),
    way("python nameless file linked over it", "python3 -c \"
import ctypes,os
f=os.open('src',os.O_TMPFILE|os.O_WRONLY,0o644); os.write(f,b'x')
ctypes.CDLL(None).linkat(-100,f'/proc/self/fd/{f}'.encode(),-100,b't',0x400); os.rename('t','$F')\"").needs(&["python3"]),
    way("python exchange of names", "python3 -c \"import ctypes; ctypes.CDLL(None).syscall(316,-100,b'mine.txt',-100,b'$F',2)\"").needs(&["python3"]),
    way("node write", "node -e \"require('fs').writeFileSync('$F','x')\"").needs(&["node"]),
    way("node rename", "node -e \"require('fs').renameSync('mine.txt','$F')\"").needs(&["node"]),
    // formatters, generators, lock files, snapshots
    Way {
        blues: "// second\n/* blue's line */\n",
        ..way("rustfmt", "rustfmt --edition 2024 $F").needs(&["rustfmt"]).rewrites()
    },
    way("make", "make -sB").needs(&["make"]).after("printf 'src/f.txt: mine.txt\\n\\tcp mine.txt src/f.txt\\n' > Makefile"),
    Way {
        file: "package-lock.json",
        text: "{\"name\":\"p\",\"lockfileVersion\":3,\"requires\":true,\"packages\":{\"\":{\"name\":\"p\"}}}",
        piece: "\"requires\":true",
        blues: "\"requires\":true,\"packages2\":\"blue's line\"",
        ..way("npm and its lock file", "npm install --offline --package-lock-only --no-audit --no-fund --silent")
            .needs(&["npm"])
            .after("echo '{\"name\":\"p\",\"version\":\"2.0.0\"}' > package.json")
            .rewrites()
    },
    Way {
        file: "t.snap",
        ..way("a test that renews its snapshot", "UPDATE=1 python3 t.py").needs(&["python3"]).after(
            "printf 'import os\\nif os.environ.get(\"UPDATE\"): open(\"t.snap\",\"w\").write(\"new\")\\n' > t.py")
    },
    // links
    way("through a symlink", "ln -s $F s && echo x > s"),
    way("through a symlink outside", "ln -s $ABS $OUT/s && echo x > $OUT/s"),
    way("through a folder symlink", "ln -s src d && echo x > d/f.txt"),
    way("through a chain of symlinks", "ln -s src d; ln -s d e; ln -s e/f.txt f; echo x > f"),
    way("through a hard link", "ln $F h && echo x > h"),
    way("/proc/self/cwd", "echo x > /proc/self/cwd/$F"),
    way("/proc/self/fd", "exec 3<$F; echo x > /proc/self/fd/3"),
    way("/dev/fd of a folder", "exec 3<src; echo x > /dev/fd/3/f.txt"),
    // who has been refused and tries again
    way("refused, then by another program", "echo x > $F || cp mine.txt $F || python3 -c \"open('$F','w')\" || mv mine.txt $F"),
    way("refused, then after chmod", "echo x > $F || { chmod 777 $F; echo x > $F; }"),
    way("refused, then without its name", "echo x > $F || { rm -f $F; echo x > $F; }"),
    way("refused, then as build output", "echo x > $F || { echo src > .gitignore; echo x > $F; }"),
];

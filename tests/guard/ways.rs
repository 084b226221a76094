//! Ways to write a file that somebody else holds, as a table.
//!
//! Each is a script for `bash` in the workspace. `$H` is the file, `$ABS` its full path, `$OUT` a
//! folder outside that is writable. What it needs beside a plain system is named; where that is
//! missing the row proves nothing and is counted apart.

/// Whether a way works for somebody to whom the file is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Free {
    Works,
    /// It is lost with the guard, on purpose, and why.
    Lost(&'static str),
}

/// One way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub name: &'static str,
    pub script: &'static str,
    /// Run before, without the guard.
    pub prepare: &'static str,
    /// A process beside, without the guard, that lives as long as the script. It says it is ready
    /// by making `$OUT/ready`.
    pub beside: &'static str,
    pub free: Free,
}

const fn way(name: &'static str, script: &'static str) -> Way {
    Way { name, script, prepare: "", beside: "", free: Free::Works }
}

impl Way {
    const fn after(self, prepare: &'static str) -> Self {
        Self { prepare, ..self }
    }

    const fn beside(self, beside: &'static str) -> Self {
        Self { beside, ..self }
    }

    const fn lost(self, why: &'static str) -> Self {
        Self { free: Free::Lost(why), ..self }
    }
}

const GIT: &str = "git init -q . && git add -A && git commit -qm one && \
    git branch other && echo two >> src/held.txt && git commit -qam two && \
    git switch -q other && git switch -q - && touch -d 2020-01-01 src/held.txt";
/// The file as it was before is what must not change: `GIT` ends with the second version.
const GIT_DIRTY: &str =
    "git init -q . && git add -A && git commit -qm one && echo dirty >> src/held.txt";
const HOLDER: &str =
    "exec 7>>src/held.txt; echo $BASHPID > $OUT/pid; touch $OUT/ready; exec sleep 60";
const BORDER: &str = "the border of the workspace is like that of a file system";
const OUTSIDE: &str = "processes outside the agent's own tree are out of reach";

pub(crate) const WAYS: &[Way] = &[
    // the shell
    way("redirect", "echo x > $H"),
    way("redirect append", "echo x >> $H"),
    way("redirect read and write", "echo xx 1<> $H"),
    way("redirect clobber", "set -C; echo x >| $H"),
    way("redirect absolute", "echo x > $ABS"),
    way("redirect from its folder", "cd src && echo x > held.txt"),
    way("redirect with detours", "echo x > src/..//./src///held.txt"),
    way("redirect of a daemon", "(setsid bash -c 'echo x > $H' &) ; sleep 0.3"),
    way("tee", "echo x | tee $H"),
    way("tee append", "echo x | tee -a $H"),
    // tools
    way("sed -i", "sed -i s/original/x/ $H"),
    way("sed -i with backup", "sed -i.bak s/original/x/ $H"),
    way("perl -i", "perl -i -pe s/original/x/ $H"),
    way("perl in place", "perl -e 'open F, q(+<), $ENV{H} or die; print F q(x)'"),
    way("awk", "awk 'BEGIN { print \"x\" > ENVIRON[\"H\"] }'"),
    way("ed", "printf '%s\\n' 's/original/x/' w q | ed -s $H"),
    way("vim", "vim -es -u NONE -c 's/original/x/' -c wq $H"),
    way("dd", "dd if=mine.txt of=$H"),
    way("dd in place", "dd if=mine.txt of=$H conv=notrunc"),
    way("truncate shorter", "truncate -s 0 $H"),
    way("truncate longer", "truncate -s 100 $H"),
    way("fallocate", "fallocate -l 4096 $H"),
    way("fallocate punch", "fallocate -p -o 0 -l 4 $H"),
    way("cp", "cp mine.txt $H"),
    way("cp --force", "cp --force --remove-destination mine.txt $H"),
    way("cp keeping all", "cp -a mine.txt $H"),
    way("mv", "mv mine.txt $H"),
    way("mv from outside", "echo x > $OUT/new; mv $OUT/new $H"),
    way("mv away", "mv $H src/else.txt"),
    way("mv away to outside", "mv $H $OUT/else.txt"),
    way("mv the folder", "mv src else"),
    way("mv a folder over it", "mkdir -p new/src; rm -rf src && mv new/src src"),
    way("install", "install -m 600 mine.txt $H"),
    way("ln -f", "ln -f mine.txt $H"),
    way("ln -sf", "ln -sf ../mine.txt $H"),
    way("rm", "rm -f $H"),
    way("unlink", "unlink $H"),
    way("rm -r", "rm -rf src"),
    way("rm -r of all", "cd .. && rm -rf ws"),
    way("shred", "shred -u $H"),
    way("find -delete", "find . -name held.txt -delete"),
    way("find -exec", "find . -name held.txt -exec sh -c 'echo x > \"$1\"' - {} ';'"),
    way("sort -o", "echo b | sort -o $H -"),
    way("split", "cd src && printf x | split - held.txt -a 1 --additional-suffix= && mv held.txta held.txt"),
    way("gzip", "gzip $H"),
    way("tar", "tar xf $OUT/a.tar").after("echo x > $OUT/x; mkdir -p $OUT/t/src; cp $OUT/x $OUT/t/src/held.txt; tar cf $OUT/a.tar -C $OUT/t src"),
    way("tar --overwrite", "tar xf $OUT/a.tar --overwrite").after("echo x > $OUT/x; mkdir -p $OUT/t/src; cp $OUT/x $OUT/t/src/held.txt; tar cf $OUT/a.tar -C $OUT/t src/held.txt"),
    way("tar --unlink-first", "tar xf $OUT/a.tar -U").after("mkdir -p $OUT/t/src; echo x > $OUT/t/src/held.txt; tar cf $OUT/a.tar -C $OUT/t src/held.txt"),
    way("unzip", "unzip -oq $OUT/a.zip").after("mkdir -p $OUT/t/src; echo x > $OUT/t/src/held.txt; cd $OUT/t && zip -q $OUT/a.zip src/held.txt"),
    way("cpio", "cd src && echo held.txt | cpio -oO $OUT/c && echo x > $OUT/held.txt && cpio -idu < $OUT/c").lost("not measured"),
    way("rsync", "rsync -a --inplace $OUT/t/ src/").after("mkdir -p $OUT/t; echo xxxxxxxxxx > $OUT/t/held.txt"),
    way("patch", "printf -- '--- a/src/held.txt\\n+++ b/src/held.txt\\n@@ -1 +1 @@\\n-original\\n+x\\n' | patch -p1"),
    way("curl", "curl -so $H file://$WS/mine.txt"),
    way("cc -o", "echo 'int main;' > m.c && cc -o $H m.c"),
    way("script", "script -qc 'echo x' $H"),
    way("flock a write", "exec 5>>$H; flock 5 sh -c 'echo x >&5'"),
    way("xargs", "echo $H | xargs -I@ sh -c 'echo x > @'"),
    // languages
    way("python write", "python3 -c \"open('$H','w').write('x')\""),
    way("python replace", "python3 -c \"import os; os.replace('mine.txt','$H')\""),
    way("python rmtree", "python3 -c \"import shutil; shutil.rmtree('src')\""),
    way("python move", "python3 -c \"import shutil; shutil.move('mine.txt','$H')\""),
    way("python folder descriptor", "python3 -c \"import os; d=os.open('src',os.O_RDONLY); os.write(os.open('held.txt',os.O_WRONLY,dir_fd=d),b'x')\""),
    way("python mmap", "python3 -c \"import mmap; f=open('$H','r+b'); m=mmap.mmap(f.fileno(),0); m[0:1]=b'x'; m.flush()\""),
    way("python read-only truncate", "python3 -c \"import os; os.open('$H',os.O_RDONLY|os.O_TRUNC)\""),
    way("python copy_file_range", "python3 -c \"import os; os.copy_file_range(os.open('mine.txt',0),os.open('$H',os.O_WRONLY),5)\""),
    way("python sendfile", "python3 -c \"import os; os.sendfile(os.open('$H',os.O_WRONLY),os.open('mine.txt',0),0,5)\""),
    way("python os.truncate", "python3 -c \"import os; os.truncate('$H',3)\""),
    way("python atomic write", "python3 -c \"import os,tempfile; f,n=tempfile.mkstemp(dir='src'); os.write(f,b'x'); os.rename(n,'$H')\""),
    way("node write", "node -e \"require('fs').writeFileSync('$H','x')\""),
    way("node rename", "node -e \"require('fs').renameSync('mine.txt','$H')\""),
    way("node promises", "node -e \"require('fs').promises.appendFile('$H','x')\""),
    way("perl rename", "perl -e 'rename q(mine.txt), $ENV{H} or die'"),
    // links
    way("through a symlink", "ln -s src/held.txt s && echo x > s"),
    way("through a symlink outside", "ln -s $ABS $OUT/s && echo x > $OUT/s"),
    way("through a folder symlink", "ln -s src d && echo x > d/held.txt"),
    way("through a chain of symlinks", "ln -s src d; ln -s d e; ln -s e/held.txt f; echo x > f"),
    way("through a hard link", "ln $H h && echo x > h"),
    way("through a hard link outside", "ln $H $OUT/h && echo x > $OUT/h").lost(BORDER),
    way("through an old hard link", "echo x > old").after("ln src/held.txt old"),
    // processes and descriptors
    way("/proc/self/root", "echo x > /proc/self/root$ABS"),
    way("/proc/self/cwd", "echo x > /proc/self/cwd/$H"),
    way("/proc/PID/cwd", "echo x > /proc/$$/cwd/$H"),
    way("/proc/PID/root of a parent", "p=$$; (bash -c \"echo x > /proc/$p/root$ABS\"; :)").lost("another process's links are left to the kernel"),
    way("/proc/self/fd", "exec 3<$H; echo x > /proc/self/fd/3"),
    way("/dev/fd", "exec 3<$H; echo x > /dev/fd/3"),
    way("/dev/fd of a folder", "exec 3<src; echo x > /dev/fd/3/held.txt"),
    way("/dev/stdin", "bash -c 'echo x > /dev/stdin' < $H"),
    way("a symlink to /proc/self/fd", "ln -s /proc/self/fd f; exec 3<$H; echo x > f/3").lost("links into /proc are left to the kernel"),
    way("O_PATH and reopen", "python3 -c \"import os; f=os.open('$H',os.O_PATH); os.write(os.open(f'/proc/self/fd/{f}',os.O_WRONLY),b'x')\""),
    way("reopened after its name is gone", "exec 3<old; rm old; echo x > /proc/self/fd/3").after("ln src/held.txt old"),
    way("a descriptor passed on", "python3 -c \"
import os,socket
a,b=socket.socketpair()
if os.fork()==0:
    socket.send_fds(a,[b'.'],[os.open('$H',os.O_RDONLY)]); os._exit(0)
f=socket.recv_fds(b,1,1)[1][0]
os.write(os.open(f'/proc/self/fd/{f}',os.O_WRONLY),b'x')\""),
    way("a nameless file linked over it", "python3 -c \"
import ctypes,os
f=os.open('src',os.O_TMPFILE|os.O_WRONLY,0o644); os.write(f,b'x')
os.unlink('$H')
ctypes.CDLL(None).linkat(-100,f'/proc/self/fd/{f}'.encode(),-100,b'$H',0x400)\""),
    way("a nameless file renamed over it", "python3 -c \"
import ctypes,os
f=os.open('.',os.O_TMPFILE|os.O_WRONLY,0o644); os.write(f,b'x')
ctypes.CDLL(None).linkat(-100,f'/proc/self/fd/{f}'.encode(),-100,b't',0x400); os.rename('t','$H')\""),
    way("a program in memory", "python3 -c \"
import os
f=os.memfd_create('p'); os.write(f,open('/bin/dd','rb').read())
os.execv(f'/proc/self/fd/{f}',['dd','if=mine.txt','of=$H'])\""),
    way("a copied program", "cp /bin/dd $OUT/dd && $OUT/dd if=mine.txt of=$H"),
    way("by the loader", "/lib64/ld-linux-x86-64.so.2 /bin/dd if=mine.txt of=$H"),
    // raw calls
    way("openat2", "python3 -c \"
import ctypes,os,struct
c=ctypes.CDLL(None,use_errno=True)
f=c.syscall(437,-100,b'$H',struct.pack('QQQ',os.O_WRONLY,0,0),24)
os.write(f,b'x')\""),
    way("openat2 with a larger size", "python3 -c \"
import ctypes,os,struct
c=ctypes.CDLL(None,use_errno=True)
f=c.syscall(437,-100,b'$H',struct.pack('QQQQ',os.O_WRONLY,0,0,0),32)
os.write(f,b'x')\""),
    way("openat2 in a root", "python3 -c \"
import ctypes,os,struct
c=ctypes.CDLL(None,use_errno=True)
d=os.open('src',os.O_PATH)
f=c.syscall(437,d,b'/../held.txt',struct.pack('QQQ',os.O_WRONLY,0,0x10),24)
os.write(f,b'x')\""),
    way("openat2 beneath through a symlink", "ln -s held.txt src/s; python3 -c \"
import ctypes,os,struct
c=ctypes.CDLL(None,use_errno=True)
d=os.open('src',os.O_PATH)
f=c.syscall(437,d,b's',struct.pack('QQQ',os.O_WRONLY,0,0x08),24)
os.write(f,b'x')\""),
    way("creat", "python3 -c \"import ctypes; f=ctypes.CDLL(None).syscall(85,b'$H',0o644)\""),
    way("exchange", "python3 -c \"import ctypes; ctypes.CDLL(None).syscall(316,-100,b'mine.txt',-100,b'$H',2)\""),
    way("exchange of folders", "mkdir new; python3 -c \"import ctypes; ctypes.CDLL(None).syscall(316,-100,b'new',-100,b'src',2)\""),
    way("open by handle", "python3 -c \"
import ctypes,os
c=ctypes.CDLL(None,use_errno=True)
h=(ctypes.c_char*136)(); ctypes.cast(h,ctypes.POINTER(ctypes.c_uint))[0]=128
m=ctypes.c_int()
assert c.syscall(303,-100,b'$H',h,ctypes.byref(m),0)==0
d=os.open('.',os.O_RDONLY)
f=c.syscall(304,d,h,os.O_WRONLY)
os.write(f,b'x')\"").lost("handles are not opened for writing"),
    way("io_uring", IO_URING).lost("io_uring is off"),
    way("int 0x80", INT80).lost("the 32-bit way ends the process"),
    way("x32", "python3 -c \"import ctypes; ctypes.CDLL(None).syscall(0x40000000+85,b'$H',0o644)\"").lost("x32 is off"),
    way("utime of the past", "python3 -c \"import ctypes; ctypes.CDLL(None).syscall(132,b'$H',0)\""),
    // metadata
    way("chmod", "chmod 600 $H"),
    way("chmod by descriptor", "python3 -c \"import os; os.fchmod(os.open('$H',0),0o600)\""),
    way("fchmodat2", "python3 -c \"import ctypes; ctypes.CDLL(None).syscall(452,-100,b'$H',0o600,0)\""),
    way("chown", "chown :$(id -G | tr ' ' '\\n' | tail -1) $H; chown 1:1 $H"),
    way("touch", "touch -d 2001-01-01 $H"),
    way("touch by descriptor", "python3 -c \"import os; os.utime(os.open('$H',0),(1,1))\""),
    way("setxattr", "python3 -c \"import os; os.setxattr('$H','user.x',b'y')\""),
    way("setxattr by descriptor", "python3 -c \"import os; os.setxattr(os.open('$H',0),'user.x',b'y')\""),
    way("removexattr", "python3 -c \"import os; os.removexattr('$H','user.z')\"").after("python3 -c \"import os; os.setxattr('src/held.txt','user.z',b'y')\""),
    // other rights, roots and spaces
    way("unshare -U", "unshare -U bash -c 'echo x > $H'"),
    way("unshare -r", "unshare -r bash -c 'echo x > $H'"),
    way("unshare with mounts", "unshare -rm bash -c 'mkdir $OUT/m; mount --bind src $OUT/m && echo x > $OUT/m/held.txt'").lost("mounts are off"),
    way("mount --bind", "mkdir $OUT/m; mount --bind src $OUT/m && echo x > $OUT/m/held.txt; umount $OUT/m").lost("mounts are off"),
    way("open_tree", "python3 -c \"
import ctypes,os
c=ctypes.CDLL(None,use_errno=True)
t=c.syscall(428,-100,b'src',1)
os.write(os.open('held.txt',os.O_WRONLY,dir_fd=t),b'x')\"").lost("mounts are off"),
    way("overlay", "mkdir $OUT/w $OUT/l $OUT/m; mount -t overlay o -o lowerdir=$OUT/l,upperdir=src,workdir=$OUT/w $OUT/m && echo x > $OUT/m/held.txt; umount $OUT/m").lost("mounts are off"),
    way("a mount that is there", "echo x > $OUT/m/held.txt").beside("mkdir $OUT/m; mount --bind src $OUT/m && touch $OUT/ready; trap 'umount -l $OUT/m' EXIT; sleep 60 & wait"),
    way("chroot", "python3 -c \"import os; os.chroot('.'); open('/src/held.txt','w')\"").lost("a process with another root is left to the wall"),
    way("setpriv", "setpriv --reuid 65534 --clear-groups bash -c 'echo x > $H'").after("chmod 666 src/held.txt"),
    way("setns", "nsenter -t $(cat $OUT/pid) -m bash -c \"echo x > $ABS\"").beside("exec unshare -m bash -c 'echo $BASHPID > $OUT/pid; touch $OUT/ready; exec sleep 60'").lost("setns is off"),
    way("descriptors of a stranger", "echo x >> /proc/$(cat $OUT/pid)/fd/7").beside(HOLDER).lost(OUTSIDE),
    way("pidfd_getfd", "python3 -c \"
import ctypes,os
p=os.pidfd_open(int(open('$OUT/pid').read()))
f=ctypes.CDLL(None).syscall(438,p,7,0)
os.write(f,b'x')\"").beside(HOLDER).lost(OUTSIDE),
    way("gdb", "gdb -p $(cat $OUT/pid) -batch -ex 'call (long)write(7,\"x\",1)'").beside(HOLDER).lost(OUTSIDE),
    way("memory of a stranger", MEMORY).beside(STRANGER).lost(OUTSIDE),
    way("TIOCSTI", "python3 -c \"
import fcntl,os,time
t=os.open(open('$OUT/tty').read(),os.O_RDWR|os.O_NOCTTY)
for c in 'echo x > $ABS\\n': fcntl.ioctl(t,0x5412,c.encode())
time.sleep(0.5)\"").beside(TERMINAL).lost("bytes cannot be pushed into a terminal"),
    way("losetup", "l=$(losetup -f --show $H) && echo x > $l; sync; losetup -d $l").after("truncate -s 4096 src/held.txt"),
    way("swapon", "truncate -s 1M $H; mkswap $H"),
    // git
    way("git checkout", "git checkout -q other").after(GIT),
    way("git switch -f", "git switch -qf other").after(GIT),
    way("git checkout --", "git checkout -q HEAD~1 -- src/held.txt").after(GIT),
    way("git restore", "git restore src/held.txt").after(GIT_DIRTY),
    way("git reset --hard", "git reset -q --hard HEAD~1").after(GIT),
    way("git stash", "git stash -q").after(GIT_DIRTY),
    way("git clean", "git clean -qfdx").after("git init -q ."),
    way("git rm", "git rm -qf src/held.txt").after(GIT),
    way("git mv", "git mv src/held.txt src/else.txt").after(GIT),
    way("git apply", "git diff HEAD HEAD~1 | git apply").after(GIT),
    way("git revert", "git revert --no-edit HEAD").after(GIT),
    way("git rebase", "git rebase -q HEAD~1 --exec 'git reset -q --hard HEAD~1'").after(GIT),
    way("git read-tree", "git read-tree -u --reset HEAD~1").after(GIT),
    way("git worktree of the same folder", "git --work-tree=src show HEAD~1:src/held.txt > $H").after(GIT),
];

const IO_URING: &str = "python3 -c \"
import ctypes,mmap,os,struct
c=ctypes.CDLL(None,use_errno=True)
p=bytearray(120); b=(ctypes.c_char*120).from_buffer(p)
r=c.syscall(425,4,b)
assert r>=0
sq=struct.unpack_from('10I',p,40); cq=struct.unpack_from('10I',p,80)
ring=mmap.mmap(r,4096*4,flags=mmap.MAP_SHARED,offset=0)
sqes=mmap.mmap(r,4096,flags=mmap.MAP_SHARED,offset=0x10000000)
path=ctypes.create_string_buffer(b'$ABS')
struct.pack_into('BBHiQQIIQ',sqes,0,18,0,0,-100,0,ctypes.addressof(path),0o644,os.O_WRONLY|os.O_TRUNC,1)
struct.pack_into('I',ring,sq[6],0)
struct.pack_into('I',ring,sq[1],1)
c.syscall(426,r,1,1,1,0,0)\"";

const INT80: &str = "python3 -c \"
import ctypes,mmap
m=mmap.mmap(-1,8192,flags=mmap.MAP_PRIVATE|mmap.MAP_ANONYMOUS|0x40,prot=7)
a=ctypes.addressof(ctypes.c_char.from_buffer(m))
m[4096:4096+len(b'$ABS')+1]=b'$ABS'+bytes(1)
code=b'\\x53\\xb8\\x08\\x00\\x00\\x00\\xbb'+(a+4096).to_bytes(4,'little')+b'\\xb9\\xa4\\x01\\x00\\x00\\xcd\\x80\\x5b\\xc3'
m[0:len(code)]=code
ctypes.CFUNCTYPE(ctypes.c_int)(a)()\"";

/// A process that waits in a loop for a byte of its memory to change, and then writes.
const STRANGER: &str = "exec python3 -c \"
import ctypes,os,time
b=ctypes.create_string_buffer(b'n')
open(os.environ['OUT']+'/pid','w').write(f'{os.getpid()} {ctypes.addressof(b)}')
open(os.environ['OUT']+'/ready','w')
while b.raw[0:1]==b'n': time.sleep(0.01)
open(os.environ['ABS'],'w').write('x')
time.sleep(60)\"";

const MEMORY: &str = "python3 -c \"
import time
p,a=open('$OUT/pid').read().split()
f=open(f'/proc/{p}/mem','r+b',buffering=0); f.seek(int(a)); f.write(b'y')
time.sleep(0.5)\"";

/// A shell at a terminal of its own.
const TERMINAL: &str = "exec python3 -c \"
import os,pty
p,f=pty.fork()
if p==0: os.execv('/bin/sh',['sh'])
os.read(f,100)
t=os.readlink(f'/proc/{p}/fd/0')
open(os.environ['OUT']+'/tty','w').write(t)
open(os.environ['OUT']+'/ready','w')
while os.read(f,1000): pass\"";

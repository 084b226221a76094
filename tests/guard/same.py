# Calls whose results must not depend on whether the guard stands by. Prints one line for each.
import ctypes, errno, fcntl, os, socket, stat, struct, sys, threading

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
AT = -100
OUT = os.environ["OUT"]


def call(*args):
    result = libc.syscall(*args)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def show(name, act):
    try:
        result = act()
    except OSError as error:
        result = errno.errorcode.get(error.errno, error.errno)
    print(f"{name}: {result}", flush=True)


def opened(path, flags, mode=0o666, **more):
    """What an open gives: access, flags, whether it is closed on exec, and the file's mode."""
    file = os.open(path, flags, mode, **more)
    try:
        info = os.fstat(file)
        status = fcntl.fcntl(file, fcntl.F_GETFL)
        keeps = fcntl.fcntl(file, fcntl.F_GETFD)
        return f"{status:o} {keeps} {info.st_mode:o} {info.st_uid}:{info.st_gid} {info.st_size}"
    finally:
        os.close(file)


def how(path, flags, mode=0, ways=0, size=24, extra=b"", folder=AT):
    block = struct.pack("QQQ", flags, mode, ways) + extra
    file = call(437, folder, path, block, size)
    os.close(file)
    return "opened"


def mode(path):
    info = os.lstat(path)
    return f"{info.st_mode:o} {info.st_uid}:{info.st_gid}"


W, R, RW, C = os.O_WRONLY, os.O_RDONLY, os.O_RDWR, os.O_CREAT
X, T, A = os.O_EXCL, os.O_TRUNC, os.O_APPEND
LONG = "n" * 300

# opening
os.umask(0o027)
show("create", lambda: opened("a", W | C))
show("create again", lambda: opened("a", W | C))
show("exclusive", lambda: opened("a", W | C | X))
show("exclusive new", lambda: opened("b", W | C | X, 0o7777))
show("no mode", lambda: opened("c", RW | C, 0))
show("unreadable again", lambda: opened("c", R | C))
show("append", lambda: opened("a", W | A))
show("nonblock", lambda: opened("a", W | os.O_NONBLOCK))
show("sync", lambda: opened("a", RW | os.O_SYNC | os.O_NOATIME))
show("inherit", lambda: call(257, AT, b"a", W) > 0)
show("both access bits", lambda: os.close(call(257, AT, b"a", 3)))
show("missing", lambda: opened("nothing", W))
show("missing folder", lambda: opened("nothing/x", W | C))
show("file as folder", lambda: opened("a/x", W | C))
show("folder", lambda: opened("src", W))
show("folder create", lambda: opened("src", R | C))
show("create with slash", lambda: opened("new/", W | C))
show("file with slash", lambda: opened("a/", W))
show("folder with slash", lambda: opened("src/", RW))
show("create a folder", lambda: opened("newdir", R | C | os.O_DIRECTORY))
show("dot", lambda: opened(".", W))
show("dots", lambda: opened("src/..", W | C))
show("empty", lambda: opened("", W | C))
show("long name", lambda: opened(LONG, W | C))
show("long path", lambda: opened("./" * 2500 + "a", W))
show("path at the limit", lambda: opened("./" * 2047 + "a", W))
show("bad pointer", lambda: call(257, AT, 8, W))
show("bad descriptor", lambda: call(257, 999, b"a", W))
show("descriptor of a file", lambda: opened("x", W | C, dir_fd=os.open("a", R)))
show("negative descriptor", lambda: call(257, -5, b"a", W))
show("absolute with bad descriptor", lambda: os.close(call(257, 999, os.path.abspath("a").encode(), W)))
os.symlink("a", "toa")
os.symlink("nowhere", "dangling")
os.symlink("loop", "loop")
os.symlink("src", "tosrc")
show("through link", lambda: opened("toa", W))
show("not through link", lambda: opened("toa", W | os.O_NOFOLLOW))
show("exclusive link", lambda: opened("dangling", W | C | X))
show("create through dangling", lambda: opened("dangling", W | C))
show("created there", lambda: mode("nowhere"))
show("loop", lambda: opened("loop", W))
show("read a loop creating", lambda: opened("loop", R | C))
show("link with slash", lambda: opened("toa/", W))
show("linked folder", lambda: opened("tosrc", W))
show("in linked folder", lambda: opened("tosrc/in", W | C))
show("truncate reading", lambda: opened("a", R | T))
show("cut", lambda: (open("a", "w").write("12345"), opened("a", W | T))[1])
show("tmpfile", lambda: opened(".", RW | os.O_TMPFILE, 0o640))
show("tmpfile reading", lambda: opened(".", R | os.O_TMPFILE))
show("tmpfile in a file", lambda: opened("a", RW | os.O_TMPFILE))
show("read only file", lambda: (os.chmod("c", 0o444), opened("c", W))[1])
show("running program", lambda: opened("/proc/self/exe", W) if False else None)
show("device", lambda: opened("/dev/null", W))
show("full", lambda: os.write(os.open("/dev/full", W), b"x"))

# openat2
show("how", lambda: how(b"a", W))
show("how creating", lambda: how(b"h1", W | C, 0o600))
show("how mode without create", lambda: how(b"a", W, 0o600))
show("how wrong mode", lambda: how(b"h2", W | C, 0o100600))
show("how unknown flag", lambda: how(b"a", W | 1 << 40))
show("how unknown way", lambda: how(b"a", W, 0, 1 << 20))
show("how too small", lambda: how(b"a", W, size=16))
show("how larger", lambda: how(b"a", W, size=32, extra=bytes(8)))
show("how larger and set", lambda: how(b"a", W, size=32, extra=b"\1" + bytes(7)))
show("how beneath", lambda: how(b"../a", W, 0, 8, folder=os.open("src", R)))
show("how beneath absolute", lambda: how(os.path.abspath("a").encode(), W, 0, 8))
show("how in root", lambda: how(b"/../../held.txt", W, 0, 0x10, folder=os.open("src", R)))
show("how no links", lambda: how(b"toa", W, 0, 4))
show("how no links in the way", lambda: how(b"tosrc/in", W, 0, 4))
show("how bad pointer", lambda: call(437, AT, b"a", 8, 24))
show("how path only", lambda: how(b"a", os.O_PATH))

# making and removing
show("mkdir", lambda: (os.mkdir("d", 0o2777), mode("d")))
show("mkdir again", lambda: os.mkdir("d"))
show("mkdir slash", lambda: (os.mkdir("d2/"), mode("d2")))
show("mkdir file", lambda: os.mkdir("a"))
show("mkdir link", lambda: os.mkdir("toa"))
show("mkdir dot", lambda: os.mkdir("."))
show("mkdir missing", lambda: os.mkdir("no/d"))
show("mkdir long", lambda: os.mkdir(LONG))
show("set group folder", lambda: (os.chmod("d", 0o2770), os.mkdir("d/e"), opened("d/f", W | C), mode("d/e"))[2:])
show("rmdir full", lambda: os.rmdir("d"))
show("rmdir file", lambda: os.rmdir("a"))
show("rmdir missing", lambda: os.rmdir("no"))
show("rmdir dot", lambda: os.rmdir("d/."))
show("rmdir dots", lambda: os.rmdir("d/e/.."))
show("rmdir slash", lambda: os.rmdir("d/e/"))
show("rmdir link", lambda: os.rmdir("tosrc"))
show("unlink folder", lambda: os.unlink("d"))
show("unlink missing", lambda: os.unlink("no"))
show("unlink slash", lambda: os.unlink("a/"))
show("unlink dot", lambda: os.unlink("."))
show("unlink wrong flags", lambda: call(263, AT, b"a", 0x8000))
show("unlink link", lambda: os.unlink("tosrc"))
show("unlink bad pointer", lambda: call(87, 8))
show("mknod file", lambda: (os.mknod("m", 0o666), mode("m")))
show("mknod again", lambda: os.mknod("m"))
show("mkfifo", lambda: (os.mkfifo("p", 0o666), mode("p")))
show("mknod socket", lambda: (os.mknod("s", stat.S_IFSOCK | 0o600), mode("s")))
show("mknod folder", lambda: os.mknod("md", stat.S_IFDIR))
show("open socket", lambda: opened("s", W) if False else None)
show("symlink", lambda: (os.symlink("x" * 50, "y"), os.readlink("y")))
show("symlink again", lambda: os.symlink("x", "y"))
show("symlink empty", lambda: os.symlink("", "z"))
show("symlink slash", lambda: os.symlink("x", "zz/"))
show("symlink long", lambda: os.symlink("x" * 5000, "z"))

# renaming
for name in "r1", "r2", "r3":
    open(name, "w").write(name)
os.mkdir("rd1"), os.mkdir("rd2"), os.mkdir("rd2/x")
show("rename", lambda: (os.rename("r1", "r4"), open("r4").read()))
show("rename missing", lambda: os.rename("r1", "r5"))
show("rename over", lambda: (os.rename("r4", "r2"), open("r2").read()))
show("rename same", lambda: os.rename("r2", "r2"))
show("rename noreplace", lambda: call(316, AT, b"r2", AT, b"r3", 1))
show("rename noreplace new", lambda: call(316, AT, b"r2", AT, b"r6", 1))
show("rename exchange", lambda: (call(316, AT, b"r6", AT, b"r3", 2), open("r3").read()))
show("rename exchange missing", lambda: call(316, AT, b"r6", AT, b"r9", 2))
show("rename both", lambda: call(316, AT, b"r6", AT, b"r3", 3))
show("rename unknown", lambda: call(316, AT, b"r6", AT, b"r3", 8))
show("rename file to folder", lambda: os.rename("r3", "rd1"))
show("rename folder to file", lambda: os.rename("rd1", "r3"))
show("rename folder to full", lambda: os.rename("rd1", "rd2"))
show("rename folder into itself", lambda: os.rename("rd2", "rd2/x/y"))
show("rename folder slash", lambda: os.rename("rd1/", "rd3/"))
show("rename file slash", lambda: os.rename("r3/", "r7"))
show("rename file to slash", lambda: os.rename("r3", "r7/"))
show("rename dot", lambda: os.rename(".", "r7"))
show("rename to long", lambda: os.rename("r3", LONG))
show("rename link", lambda: (os.rename("y", "yy"), os.readlink("yy")))

# linking
show("link", lambda: (os.link("r3", "l1"), os.stat("l1").st_nlink))
show("link again", lambda: os.link("r3", "l1"))
show("link missing", lambda: os.link("no", "l2"))
show("link folder", lambda: os.link("rd2", "l2"))
show("link symlink", lambda: (call(86, b"yy", b"l3"), stat.S_ISLNK(os.lstat("l3").st_mode)))
show("link following", lambda: (call(265, AT, b"toa", AT, b"l4", 0x400), stat.S_ISREG(os.lstat("l4").st_mode)))
show("link wrong flags", lambda: call(265, AT, b"a", AT, b"l5", 0x1))
show("link slash", lambda: os.link("r3", "l6/"))


def nameless():
    file = os.open("rd2", os.O_TMPFILE | W, 0o640)
    os.write(file, b"nameless")
    call(265, AT, f"/proc/self/fd/{file}".encode(), AT, b"n1", 0x400)
    return open("n1").read(), mode("n1")


def nameless_empty():
    file = os.open("rd2", os.O_TMPFILE | W, 0o640)
    call(265, file, b"", AT, b"n2", 0x1000)
    return mode("n2")


show("nameless", nameless)
show("nameless by empty path", nameless_empty)
show("nameless exclusive", lambda: call(265, AT, f"/proc/self/fd/{os.open('.', os.O_TMPFILE | W | X)}".encode(), AT, b"n3", 0x400))

# lengths
show("truncate", lambda: (os.truncate("r3", 2), os.stat("r3").st_size))
show("truncate longer", lambda: (os.truncate("r3", 9000), os.stat("r3").st_size))
show("truncate negative", lambda: os.truncate("r3", -1))
show("truncate folder", lambda: os.truncate("rd2", 0))
show("truncate missing", lambda: os.truncate("no", 0))
show("truncate pipe", lambda: os.truncate("p", 0))
show("truncate link", lambda: os.truncate("toa", 7))
show("truncate slash", lambda: os.truncate("r3/", 0))

# metadata
show("chmod", lambda: (os.chmod("r3", 0o604), mode("r3")))
show("chmod missing", lambda: os.chmod("no", 0o600))
show("chmod link", lambda: (os.chmod("toa", 0o611), mode("a")))
show("chmod slash", lambda: os.chmod("r3/", 0o600))
show("chmod dot", lambda: (os.chmod("rd2/.", 0o701), mode("rd2")))
show("chmod set id", lambda: (os.chmod("r3", 0o6755), mode("r3")))
show("fchmod", lambda: (os.fchmod(os.open("r3", R), 0o640), mode("r3")))
show("fchmod bad", lambda: os.fchmod(999, 0o640))
show("fchmodat2 empty", lambda: (call(452, os.open("r3", os.O_PATH), b"", 0o650, 0x1000), mode("r3")))
show("fchmodat2 link", lambda: call(452, AT, b"toa", 0o600, 0x100))
show("fchmod pipe", lambda: os.fchmod(os.pipe()[1], 0o600))
show("chown to self", lambda: os.chown("r3", os.getuid(), os.getgid()))
show("chown nothing", lambda: os.chown("r3", -1, -1))
show("chown to other", lambda: (os.chown("r3", 7, 8), mode("r3")))
show("lchown", lambda: (os.lchown("toa", os.getuid(), os.getgid()), mode("toa")))
show("fchownat empty", lambda: call(260, os.open("r3", R), b"", -1, -1, 0x1000))
show("utime", lambda: (os.utime("r3", (5, 6)), os.stat("r3").st_mtime))
show("utime ns", lambda: (os.utime("r3", ns=(5, 123456789)), os.stat("r3").st_mtime_ns))
show("utime link", lambda: (os.utime("toa", (1, 2), follow_symlinks=False), os.lstat("toa").st_mtime))
show("utime descriptor", lambda: (os.utime(os.open("r3", R), (5, 9)), os.stat("r3").st_mtime))
show("utime missing", lambda: os.utime("no"))
show("utime wrong", lambda: call(280, AT, b"r3", struct.pack("qqqq", 1, 2_000_000_000, 1, 0), 0))
show("utime omit", lambda: (call(280, AT, b"r3", struct.pack("qqqq", 1, 0x3FFFFFFE, 77, 0), 0), os.stat("r3").st_mtime))
show("utimes", lambda: (call(235, b"r3", struct.pack("qqqq", 1, 0, 33, 500000)), os.stat("r3").st_mtime))
show("utimes wrong", lambda: call(235, b"r3", struct.pack("qqqq", 1, 1000000, 33, 0)))
show("utime old", lambda: (call(132, b"r3", struct.pack("qq", 1, 44)), os.stat("r3").st_mtime))
show("xattr", lambda: (os.setxattr("r3", "user.a", b"v"), os.getxattr("r3", "user.a")))
show("xattr create", lambda: os.setxattr("r3", "user.a", b"v", os.XATTR_CREATE))
show("xattr replace", lambda: os.setxattr("r3", "user.b", b"v", os.XATTR_REPLACE))
show("xattr empty", lambda: (os.setxattr("r3", "user.e", b""), os.getxattr("r3", "user.e")))
show("xattr wrong name", lambda: os.setxattr("r3", "nothing", b"v"))
show("xattr long name", lambda: os.setxattr("r3", "user." + LONG, b"v"))
show("xattr link", lambda: os.setxattr("toa", "user.a", b"v", follow_symlinks=False))
show("xattr descriptor", lambda: (os.setxattr(os.open("r3", R), "user.f", b"w"), os.getxattr("r3", "user.f")))
show("xattr bad descriptor", lambda: call(190, 999, b"user.a", b"v", 1, 0))
show("xattr remove", lambda: (os.removexattr("r3", "user.a"), sorted(os.listxattr("r3"))))
show("xattr remove missing", lambda: os.removexattr("r3", "user.a"))

# pipes
os.mkfifo("f")
show("pipe without reader", lambda: opened("f", W | os.O_NONBLOCK))
show("pipe both ways", lambda: opened("f", RW))
show("pipe both ways nonblock", lambda: opened("f", RW | os.O_NONBLOCK))


def piped(read_first):
    said = []

    def reader():
        with open("f") as file:
            said.append(file.read())

    thread = threading.Thread(target=reader)
    if read_first:
        thread.start()
        file = os.open("f", W)
    else:
        timer = threading.Timer(0.1, thread.start)
        timer.start()
        file = os.open("f", W)
        timer.join()
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    os.write(file, b"hello")
    os.close(file)
    thread.join()
    return said, f"{flags:o}"


show("pipe", lambda: piped(True))
show("pipe, reader later", lambda: piped(False))

# descriptors, folders, places
d = os.open("rd2", os.O_PATH)
show("pinned create", lambda: opened(f"/proc/self/fd/{d}/t1", W | C | X | os.O_NOFOLLOW))
show("pinned rename", lambda: (os.rename(f"/proc/self/fd/{d}/t1", f"/proc/self/fd/{d}/t2"), sorted(os.listdir("rd2"))))
show("pinned by pid", lambda: opened(f"/proc/{os.getpid()}/fd/{d}/t3", W | C))
show("pinned by thread", lambda: opened(f"/proc/thread-self/fd/{d}/t4", W | C))
show("pinned dev", lambda: opened(f"/dev/fd/{d}/t5", W | C))
show("pinned cwd", lambda: opened("/proc/self/cwd/t6", W | C))
show("reopen", lambda: opened(f"/proc/self/fd/{os.open('a', R)}", RW | A))
show("reopen path only", lambda: opened(f"/proc/self/fd/{os.open('a', os.O_PATH)}", RW))
show("reopen cut", lambda: (open("a", "w").write("123"), opened(f"/proc/self/fd/{os.open('a', R)}", W | T))[1])


def nameless_again():
    file = os.open("gone", W | C)
    os.unlink("gone")
    return opened(f"/proc/self/fd/{file}", RW)


show("reopen nameless", nameless_again)
show("reopen missing", lambda: opened("/proc/self/fd/998", W))
show("reopen stdout", lambda: (open("/dev/stdout", "a").close()))
show("reopen exclusive", lambda: opened(f"/proc/self/fd/{os.open('a', R)}", W | C | X))
show("removed folder", lambda: (os.mkdir("gd"), os.chdir("gd"), os.rmdir("../gd"), opened("x", W | C)))
os.chdir(os.environ["WS"])
show("outside", lambda: opened(OUT + "/o1", W | C))
show("outside rename", lambda: os.rename(OUT + "/o1", OUT + "/o2"))
show("beside, new", lambda: (opened("../beside", W | C), os.unlink("../beside"))[0])
show("beside, folder", lambda: (os.mkdir("../bd"), opened("../bd/x", W | C), os.rename("../bd/x", "../bd/y"), os.unlink("../bd/y"), os.rmdir("../bd"))[1])
show("socket", lambda: (socket.socket(socket.AF_UNIX).bind("sock"), mode("sock")))
show("socket again", lambda: socket.socket(socket.AF_UNIX).bind("sock"))
show("socket abstract", lambda: socket.socket(socket.AF_UNIX).bind(b"\0x" + os.urandom(8)))
show("socket inet", lambda: socket.socket().bind(("127.0.0.1", 0)))


def masks():
    found = []
    for mask in 0o077, 0o002, 0o022:
        os.umask(mask)
        opened(f"mask{mask}", W | C)
        found.append(mode(f"mask{mask}"))
        if os.fork() == 0:
            opened(f"child{mask}", W | C)
            os.umask(0o007)
            opened(f"child2{mask}", W | C)
            os._exit(0)
        os.wait()
        found += [mode(f"child{mask}"), mode(f"child2{mask}")]
    return found


show("masks", masks)


def acl():
    """A folder with default permissions: the mask does not count in it."""
    os.mkdir("acl")
    entries = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, bits, 0xFFFFFFFF) for tag, bits in ((1, 7), (4, 6), (0x20, 6)))
    os.setxattr("acl", "system.posix_acl_default", entries)
    os.umask(0o077)
    opened("acl/x", W | C), os.mkdir("acl/d")
    return mode("acl/x"), mode("acl/d")


show("default permissions", acl)
os.umask(0o022)


def threads():
    """Several threads that write at once."""
    bad = []

    def work(number):
        for index in range(50):
            name = f"th{number}-{index}"
            try:
                opened(name, W | C)
                os.rename(name, name + "x")
                os.unlink(name + "x")
            except OSError as error:
                bad.append(error)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return bad


show("threads", threads)


def limit():
    import resource
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(int(n) for n in os.listdir("/proc/self/fd")) + 1, hard))
    try:
        while True:
            held.append(os.open("a", W))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for file in held:
            os.close(file)


show("too many files", limit)


def fresh_program():
    """A program that has just been written can be run at once."""
    for index in range(40):
        with open("/bin/true", "rb") as source:
            data = source.read()
        file = os.open(f"prog{index}", W | C | X, 0o755)
        os.write(file, data)
        os.close(file)
        if os.spawnv(os.P_WAIT, f"./prog{index}", ["true"]) != 0:
            return "busy"
        os.unlink(f"prog{index}")
    return "ran"


show("fresh program", fresh_program)


def other_user():
    """A process that gives up being root writes as who it then is."""
    found = []
    os.chmod(".", 0o777)
    os.mkdir("private", 0o700)
    if os.fork() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        show("dropped create", lambda: opened("theirs", W | C))
        show("dropped write", lambda: opened("a", W))
        show("dropped unlink", lambda: os.unlink("private/x"))
        show("dropped create in private", lambda: opened("private/x", W | C))
        show("dropped chmod", lambda: os.chmod("a", 0o777))
        show("dropped own chmod", lambda: os.chmod("theirs", 0o600))
        show("dropped mkdir", lambda: (os.mkdir("theirdir"), mode("theirdir")))
        sys.stdout.flush()
        os._exit(0)
    os.wait()
    os.seteuid(65534)
    show("effective create", lambda: opened("effective", W | C))
    show("effective write", lambda: opened("a", W))
    os.seteuid(0)
    show("again create", lambda: opened("again", W | C))
    return "end"


if os.getuid() == 0:
    show("other user", other_user)

for folder, _, files in sorted(os.walk(".")):
    for name in sorted(files):
        info = os.lstat(os.path.join(folder, name))
        print(folder, name, f"{info.st_mode:o}", f"{info.st_uid}:{info.st_gid}", info.st_nlink, info.st_size)

"""One writer of many: small writes, one after the other, by one process that lives long.

Who saves whole files looks at a few before it changes the first one, by a tool of the bench, for
which it asks on its output, and keeps what it read then, as an editor does, until a save is refused.
"""

import errno
import json
import os
import random
import sys
import tempfile
import time

name, means, folder, log, files, quota, turn, ahead = sys.argv[1:]
book = open(log, "a", buffering=1)


def now():
    return time.time_ns() // 1_000_000


def look(path):
    print("look", path, flush=True)
    if sys.stdin.readline() != "ok\n":
        return None
    with open(path) as file:
        return file.read()


def append(path, _, line):
    with open(path, "a") as file:
        file.write(line)


def rename(path, text, line):
    descriptor, new = tempfile.mkstemp(dir=folder, prefix=".")
    try:
        with open(descriptor, "w") as file:
            file.write(text + line)
        os.replace(new, path)
    except OSError:
        os.unlink(new)
        raise


def in_place(path, text, line):
    with open(path, "r+") as file:
        file.write(text + line)
        file.truncate()


def save(path, looked, text):
    """Some lines, one after the other, until one is refused."""
    global done
    for _ in range(min(random.randint(1, 12), quota - done)):
        marker = f"@{name}:{turn}.{done}:{random.getrandbits(32):08x}"
        end, why, begun = "acknowledged", "", now()
        try:
            write(path, text, marker + "\n")
        except OSError as error:
            end = "refused" if error.errno == errno.EBUSY else "failed"
            why = str(error)
        entry = {"marker": marker, "path": path, "end": end, "why": why}
        book.write(json.dumps(entry | {"looked": looked, "from": begun, "to": now()}) + "\n")
        if end != "acknowledged":
            return
        text += marker + "\n"
        looked = looked and begun
        done += 1


write = {"append": append, "rename": rename, "in place": in_place}[means]
done, files, quota = 0, int(files), int(quota)
print("ready", flush=True)
sys.stdin.readline()
while done < quota:
    chosen = [f"{folder}/part{file}.txt" for file in random.sample(range(files), int(ahead))]
    if means == "append":
        chosen = [(path, 0, "") for path in chosen]
    else:
        chosen = [(path, now(), look(path)) for path in chosen]
    for path, looked, text in chosen:
        if text is not None:
            save(path, looked, text)

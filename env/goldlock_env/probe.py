# -*- coding: utf-8 -*-
"""Look at the interpreter that runs this file and print what is seen, as JSON between two markers.

This file is data: it is handed to the interpreter that is to be examined and is never imported. Its
syntax is valid on Python 2.7 and 3.4 to 3.14, it needs the standard library only, and it imports late,
because most of a quick look is start-up. Options: ``--artifact PATH`` (again and again), ``--no-hash``,
``--hold`` (stay alive afterwards, as a container's first process), ``--root FOLDER`` (look at the operating
system whose files lie there, and at the environment in its proc/1/environ, instead of this interpreter's). Exit codes: 0 printed, 1 could not,
2 unknown option. The form of the JSON is in tables.py, that of the markers in framing.py.
"""

import sys

if sys.version_info < (2, 7) or (3, 0) <= sys.version_info < (3, 4):
    sys.stderr.write(
        "goldlock: the probe needs Python 2.7 or 3.4 and later, this is %s\n" % sys.version.split()[0]
    )
    sys.exit(1)
# Looking must not change the subject: no __pycache__ is written by what is imported from here on.
sys.dont_write_bytecode = True
# `python -c` puts the current folder first: a json.py that lies there is not the standard library's.
if sys.path and sys.path[0] == "":
    del sys.path[0]

import errno
import os
import re
import stat
import time

VERSION = 1
LONGEST_TEXT = 4096
LARGEST_RECORD = 64 * 1024 * 1024
SMALL_FILE = 1024 * 1024
BATCH_FILES = 48
BATCH_BYTES = 4 * 1024 * 1024
MOST_WORKERS = 32
MOST_ARTIFACTS = 50000
BLAS_SECONDS = 30.0
BLAS_OUTPUT = 65536
# Cores that hashing leaves to the subject.
SPARED = 0
# Folder that is looked at as the root of a file system; empty for the real one.
ROOT = ""
NOT_NAMED_IN_RECORD_DIGEST = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
WITHOUT_HASH_BY_RULE = ("RECORD", "RECORD.jws", "RECORD.p7s")

NUMERIC_VARIABLE = re.compile(
    r"(?:OMP|GOMP|MKL|OPENBLAS|GOTO|BLIS|FLEXIBLAS|VECLIB|NUMEXPR|NUMBA|TF|ONEDNN|DNNL|NPY|NUMPY|KMP|MALLOC"
    r"|XLA|CUBLAS|CUDNN|ATEN|TORCH|SKLEARN|JOBLIB)_[A-Za-z0-9_]+"
    r"|XLA_FLAGS|CUDA_VISIBLE_DEVICES|NVIDIA_VISIBLE_DEVICES|NVIDIA_TF32_OVERRIDE|PYTHONHASHSEED|PYTHONOPTIMIZE"
    r"|LD_PRELOAD|LD_LIBRARY_PATH|GLIBC_TUNABLES"
)
# Terraform shares the prefix TF_ with TensorFlow, and puts credentials into it.
SECRET_VARIABLE = re.compile(
    r"TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|KEY|TF_VAR_|TF_CLI_|TF_CLOUD_|TF_REATTACH|TF_ENCRYPTION|TF_HTTP_|TF_CONFIG",
    re.IGNORECASE,
)

# What the x86-64 psABI asks of each level, in the kernel's spelling.
LEVELS = (
    ("x86-64-v2", "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"),
    ("x86-64-v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"),
    ("x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
)
DISPATCH_FEATURES = frozenset(
    (
        "avx_vnni avx512_vnni avx512_bf16 avx512_fp16 avx512ifma avx512vbmi avx512_vbmi2 avx512_bitalg"
        " avx512_vpopcntdq amx_tile amx_int8 amx_bf16 amx_fp16 sha_ni vaes vpclmulqdq gfni fma4 xop"
        " asimd asimdhp asimddp asimdfhm sve sve2 bf16 i8mm svebf16 svei8mm fphp"
    ).split()
)

# Runs in a process of its own: importing somebody's NumPy may print, hang or crash.
BLAS_CHILD = r"""
import sys
if sys.path and sys.path[0] == "":
    del sys.path[0]
import os
answer = os.dup(1)
os.dup2(2, 1)
import ctypes, json, numpy
try:
    from numpy._core import _multiarray_umath as umath
except ImportError:
    from numpy.core import _multiarray_umath as umath
features = getattr(umath, "__cpu_features__", {})
dispatch = getattr(umath, "__cpu_dispatch__", list(features))
seen = {"simd": sorted(name for name in dispatch if features.get(name))}
paths = []
with open("/proc/self/maps", "rb") as maps:
    for line in maps:
        parts = line.decode("utf-8", "replace").split(None, 5)
        if len(parts) == 6 and parts[5].strip() not in paths:
            paths.append(parts[5].strip())
def first(*words):
    for word in words:
        for path in paths:
            if word in os.path.basename(path).lower() and ".so" in os.path.basename(path):
                return path
path = first("openblas", "mkl_rt", "mkl_core", "blis", "flexiblas", "libcblas", "libblas")
if path:
    blas = {"library": os.path.basename(path)}
    library = ctypes.CDLL(path)
    def ask(name, kind):
        for before in ("", "scipy_"):
            for after in ("", "64_", "_64", "64"):
                function = getattr(library, before + name + after, None)
                if function is not None:
                    function.argtypes, function.restype = [], kind
                    return function()
    for key, name in (("kernel", "openblas_get_corename"), ("version", "openblas_get_config")):
        value = ask(name, ctypes.c_char_p)
        if value:
            blas[key] = " ".join(value.decode("ascii", "replace").split())
    threads = ask("openblas_get_num_threads", ctypes.c_int)
    if threads is not None:
        blas["threads"] = threads
    if "version" in blas and "kernel" in blas:
        # OpenBLAS repeats the kernel in its configuration; here each has a key of its own.
        blas["version"] = " ".join(word for word in blas["version"].split() if word != blas["kernel"])
    seen["blas"] = blas
os.write(answer, b"\ngoldlock-blas:" + json.dumps(seen).encode("ascii") + b"\n")
os._exit(0)
"""


def text(value):
    """Any string as text that fits: a longer one becomes its digest, so that two stay apart."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if len(value) > LONGEST_TEXT:
        import hashlib

        digest = hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
        return "sha256:%s (%d characters)" % (digest, len(value))
    return value


def why(error):
    """One line on an exception."""
    if isinstance(error, EnvironmentError) and error.errno is not None:
        return text(os.strerror(error.errno).lower())
    return text("%s: %s" % (type(error).__name__, error))[:500]


def as_bytes(path):
    """A path as the bytes the system knows it by, whatever the locale."""
    if isinstance(path, bytes):
        return path
    if sys.version_info[0] == 2:
        return path.encode("utf-8")
    return os.fsencode(path)  # novm - not reached on Python 2


def read_regular(path, limit):
    """Bytes of a regular file of at most ``limit`` bytes; nothing else is ever opened."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("not a regular file")
    if found.st_size > limit:
        raise ValueError("larger than %d bytes" % limit)
    # Files of /proc have the size 0: read to the end, not to the size.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        parts, left = [], limit
        while left > 0:
            part = os.read(handle, min(left, 1 << 20))
            if not part:
                break
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    finally:
        os.close(handle)


def read_text(path, limit=8 * 1024 * 1024):
    """Text of a regular file, or None when there is no such file."""
    try:
        return read_regular(path, limit).decode("utf-8", "replace")
    except EnvironmentError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise


# Hashing. A job is (kind, path as bytes, argument, estimated size). Kinds:
# RECORDED  argument (algorithm, hash as RECORD writes it): answers only when the file differs
# PLAIN     answers with its sha256 and size
# BYTECODE  argument: stems of sources, or None for the one file; answers with its unchecked bytecode
RECORDED, PLAIN, BYTECODE = 0, 1, 2


class Hasher(object):
    """Hashes files; one object for each process, because the buffer is reused."""

    def __init__(self):
        import binascii
        import hashlib
        import io

        self.new = hashlib.new
        self.sha256 = hashlib.sha256
        self.b2a = binascii.b2a_base64
        self.open_large = io.FileIO
        self.buffer = None
        self.flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)

    def digest(self, path, algorithm="sha256", head=None):
        """Digest and size of a regular file; None when ``head`` refuses its first 16 bytes."""
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("not a regular file")
        size = found.st_size
        handle = os.open(path, self.flags)
        try:
            if head is not None and not head(os.read(handle, 16)):
                return None
            if head is not None:
                os.lseek(handle, 0, os.SEEK_SET)
            if size <= SMALL_FILE:
                content = os.read(handle, size + 1)
                while len(content) < size:
                    part = os.read(handle, size - len(content))
                    if not part:
                        break
                    content += part
                total = self.sha256(content) if algorithm == "sha256" else self.new(algorithm, content)
                return total.digest(), len(content)
            return self._large(handle, algorithm, size)
        finally:
            os.close(handle)

    def _large(self, handle, algorithm, size):
        if self.buffer is None:
            # Small enough for the second-level cache, large enough to make calls rare.
            self.buffer = bytearray(256 * 1024)
        buffer, view = self.buffer, memoryview(self.buffer)
        total, seen = self.new(algorithm), 0
        stream = self.open_large(handle, "rb", closefd=False)
        while seen <= size:
            count = stream.readinto(buffer)
            if not count:
                break
            total.update(view[:count])
            seen += count
        return total.digest(), seen

    def run(self, job):
        """None when a recorded file is as recorded; else a list: what, and its values."""
        kind, path, argument = job[0], job[1], job[2]
        try:
            if kind == RECORDED:
                digest = self.digest(path, argument[0])[0]
                written = self.b2a(digest).strip().rstrip(b"=").replace(b"+", b"-").replace(b"/", b"_")
                if written.decode("ascii") == argument[1]:
                    return None
                return ["altered", hexadecimal(digest)]
            if kind == PLAIN:
                digest, size = self.digest(path)
                return ["digest", hexadecimal(digest), size]
            return ["bytecode", self._bytecode(path, argument)]
        except ValueError:
            return ["missing"]
        except EnvironmentError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
                return ["missing"]
            return ["unread", why(error)]

    def _bytecode(self, path, stems):
        if stems is None:
            # Bytecode without a source is run as it is, whatever its flags say.
            return [["", hexadecimal(self.digest(path)[0])]]
        found, tag = [], ("." + cache_tag() + ".").encode("ascii")
        try:
            names = os.listdir(path)
        except EnvironmentError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                return found
            raise
        for name in sorted(names):
            at = name.find(tag)
            if at > 0 and name.endswith(b".pyc") and name[:at] in stems:
                got = self.digest(path + b"/" + name, "sha256", runs_unchecked)
                if got is not None:
                    found.append([name.decode("utf-8", "replace"), hexadecimal(got[0])])
        return found


def cache_tag():
    """What the interpreter's bytecode is called: cpython-38. None before 3.3."""
    return getattr(getattr(sys, "implementation", None), "cache_tag", None)


def runs_unchecked(head):
    """Whether bytecode with this head is run without a look at its source (PEP 552: flags 0b01)."""
    return len(head) == 16 and head[4:8] == b"\x01\x00\x00\x00"


def hexadecimal(digest):
    import binascii

    return binascii.hexlify(digest).decode("ascii")


def usable_cores():
    """CPUs this process may run on."""
    try:
        return max(1, len(os.sched_getaffinity(0)))  # novm - Python 2 lands in the except
    except (AttributeError, OSError):
        try:
            return max(1, os.sysconf("SC_NPROCESSORS_ONLN"))
        except (AttributeError, ValueError, OSError):
            return 1


def batches_of(jobs):
    """Indexes of jobs in groups that are worth handing out, the heaviest first."""
    order = sorted(range(len(jobs)), key=lambda index: -jobs[index][3])
    # 4 bytes announce a batch, and all announcements must fit into a pipe (64 KiB) beforehand.
    most = max(BATCH_FILES, len(jobs) // 8000)
    batches, batch, weight = [], [], 0
    for index in order:
        batch.append(index)
        weight += jobs[index][3]
        if len(batch) >= most or (weight >= BATCH_BYTES and len(jobs) < 8000 * BATCH_FILES):
            batches.append(batch)
            batch, weight = [], 0
    if batch:
        batches.append(batch)
    return batches


def hash_all(jobs):
    """Answers by index of job, on all cores: forked workers take batches from one pipe, first come."""
    answers = {}
    batches = batches_of(jobs)
    undone = set(range(len(batches)))
    cores = min(max(1, usable_cores() - SPARED), MOST_WORKERS, len(batches))
    if cores > 1 and hasattr(os, "fork") and len(batches) <= 16000:
        try:
            forked(jobs, batches, cores, answers, undone)
        except (EnvironmentError, ValueError):
            pass
    if undone:
        # No fork here, or a worker died: what is left is done in this process.
        hasher = Hasher()
        for number in sorted(undone):
            for index in batches[number]:
                answer = hasher.run(jobs[index])
                if answer is not None:
                    answers[index] = answer
    return answers


def forked(jobs, batches, cores, answers, undone):
    import gc
    import json
    import select
    import struct

    Hasher()  # its imports happen once, before the fork
    take, offer = os.pipe()
    numbers = struct.Struct("<I")
    os.write(offer, b"".join(numbers.pack(number) for number in range(len(batches))))
    os.close(offer)
    gc.disable()
    readers, workers = {}, []
    try:
        for _ in range(cores):
            mine, theirs = os.pipe()
            try:
                worker = os.fork()
            except OSError:
                # A limit on processes: fewer workers then.
                os.close(mine)
                os.close(theirs)
                break
            if worker == 0:
                work(jobs, batches, take, theirs, numbers, json.dumps)
            os.close(theirs)
            readers[mine] = []
            workers.append(worker)
        os.close(take)
        open_ends = list(readers)
        while open_ends:
            for end in select.select(open_ends, [], [])[0]:
                part = os.read(end, 65536)
                if part:
                    readers[end].append(part)
                else:
                    open_ends.remove(end)
    finally:
        for worker in workers:
            os.waitpid(worker, 0)
        gc.enable()
    for end in readers:
        os.close(end)
        # A worker that died mid-line leaves a last line that is not whole: its batch stays undone.
        for line in b"".join(readers[end]).split(b"\n")[:-1]:
            number, found = json.loads(line.decode("ascii"))
            for index, answer in found:
                answers[index] = answer
            undone.discard(number)


def work(jobs, batches, take, give, numbers, dumps):
    """A worker's life. Never returns: a forked child must not run its parent's code."""
    status = 1
    try:
        hasher = Hasher()
        while True:
            announced = os.read(take, 4)
            if len(announced) < 4:
                break
            number = numbers.unpack(announced)[0]
            found = []
            for index in batches[number]:
                answer = hasher.run(jobs[index])
                if answer is not None:
                    found.append([index, answer])
            write_all(give, (dumps([number, found]) + "\n").encode("ascii"))
        status = 0
    finally:
        os._exit(status)


def write_all(handle, content):
    while content:
        content = content[os.write(handle, content) :]


# The layers.


def python_layer(jobs, fill):
    layer = {
        "implementation": getattr(getattr(sys, "implementation", None), "name", None)
        or ("pypy" if "__pypy__" in sys.builtin_module_names else "cpython"),
        "version": "%d.%d.%d" % sys.version_info[:3],
        "platform": "linux" if sys.platform.startswith("linux") else sys.platform,
        "build": text(" ".join(sys.version.split())),
        "abi": abi(),
    }
    if sys.version_info[3] != "final":
        layer["version"] += {"alpha": "a", "beta": "b", "candidate": "rc"}[sys.version_info[3]] + str(
            sys.version_info[4]
        )
    if sys.executable:
        layer["executable"] = text(sys.executable)
        plain(jobs, fill, layer, "executable-sha256", sys.executable)
    for path in mapped_libraries():
        if os.path.basename(path).startswith("libpython%d." % sys.version_info[0]):
            plain(jobs, fill, layer, "library-sha256", path)
            break
    return layer


def plain(jobs, fill, layer, key, path):
    def keep(answer):
        if answer[0] == "digest":
            layer[key] = "sha256:" + answer[1]

    fill[len(jobs)] = keep
    jobs.append((PLAIN, as_bytes(path), None, BATCH_BYTES))


def abi():
    """SOABI. Python 2 has none: PEP 425's tag for it is put together by hand."""
    if sys.version_info[0] == 2:
        return "cp27m" + ("u" if sys.maxunicode > 0xFFFF else "")
    import sysconfig

    value = sysconfig.get_config_var("SOABI")
    return text(value) if value else None


def mapped_libraries():
    try:
        lines = read_regular("/proc/self/maps", 8 * 1024 * 1024).decode("utf-8", "replace").split("\n")
    except (EnvironmentError, ValueError):
        return []
    paths = set()
    for line in lines:
        parts = line.split(None, 5)
        if len(parts) == 6 and parts[5].startswith("/"):
            paths.add(parts[5])
    return sorted(paths)


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def packages_layer(jobs, fill, hashing):
    """Distributions in the order of sys.path: the first of a name is the one that is imported."""
    found, shadowed, seen, unread, links = {}, [], set(), [], set()
    standard = os.path.realpath(os.path.dirname(os.__file__))
    for entry in sys.path:
        folder = os.path.realpath(entry or os.curdir)
        if folder in seen:
            continue
        seen.add(folder)
        try:
            candidates = (
                zipped_egg(folder) if os.path.isfile(folder) else listed(folder, links, folder == standard)
            )
        except EnvironmentError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                unread.append("%s (%s)" % (entry, why(error)))
            continue
        for name, version, place in candidates:
            key = normalised(name)
            if key in found:
                shadowed.append(clean({"name": text(key), "version": version}))
                continue
            found[key] = package = {"name": text(key), "version": version}
            if place is None:
                package["unknown"] = "a zipped egg has no RECORD"
            else:
                distribution(package, folder, place, jobs, fill, hashing)
    for key in links:
        if key in found:
            found[key]["editable"] = True
            found[key]["unknown"] = "an editable install: no RECORD covers its source"
    layer = {"hashed": hashing, "distributions": [clean(found[key]) for key in sorted(found)]}
    if shadowed:
        layer["shadowed"] = shadowed
    if unread:
        layer["unknown"] = text("could not be read: " + ", ".join(unread))
    return layer


def clean(table):
    """Without the keys that nobody knows a value for."""
    for key in [key for key in table if table[key] is None]:
        del table[key]
    return table


def listed(folder, links, standard):
    """(name, version, metadata's entry) of each distribution that lies in a folder of sys.path."""
    found = []
    if folder.endswith(".egg") and os.path.isdir(os.path.join(folder, "EGG-INFO")):
        found.append(identity(folder, "EGG-INFO", os.path.basename(folder)))
    for entry in sorted(os.listdir(folder)):
        # pip renames what it uninstalls to ~name, and leaves it when it is stopped.
        if entry.startswith("~"):
            continue
        lower = entry.lower()
        if lower.endswith(".egg-link"):
            links.add(normalised(entry[: -len(".egg-link")]))
        elif lower.endswith((".dist-info", ".egg-info")):
            one = identity(folder, entry, entry)
            # Python 2.7 registers two modules of its own standard library as distributions.
            if one and not (standard and one[0] in ("wsgiref", "argparse", "Python")):
                found.append(one)
    return [one for one in found if one]


def identity(folder, entry, label):
    """Name and version by METADATA or PKG-INFO, else by the name of the folder."""
    place = os.path.join(folder, entry)
    headers = None
    for part in ("METADATA", "PKG-INFO", None):
        try:
            headers = read_text(os.path.join(place, part) if part else place, 4 * 1024 * 1024)
        except (EnvironmentError, ValueError):
            headers = None
        if headers is not None:
            break
    name, version = header(headers, "name"), header(headers, "version")
    if not name:
        parts = label.rsplit(".", 1)[0].split("-")
        name = parts[0]
        version = version or (parts[1] if len(parts) > 1 else None)
    return (text(name), text(version) if version else None, entry) if name else None


def header(headers, name):
    for line in (headers or "").split("\n"):
        if not line.strip():
            break
        key, _, value = line.partition(":")
        if key.strip().lower() == name:
            return value.strip() or None
    return None


def zipped_egg(path):
    if not path.lower().endswith(".egg"):
        return []
    import zipfile

    try:
        archive = zipfile.ZipFile(path)
        try:
            if archive.getinfo("EGG-INFO/PKG-INFO").file_size > 4 * 1024 * 1024:
                return []
            headers = archive.read("EGG-INFO/PKG-INFO").decode("utf-8", "replace")
        finally:
            archive.close()
    except (zipfile.BadZipfile, KeyError, RuntimeError, ValueError):
        return []
    name, version = header(headers, "name"), header(headers, "version")
    return [(text(name), text(version) if version else None, None)] if name else []


def distribution(package, folder, entry, jobs, fill, hashing):
    """Read a distribution's RECORD, digest its canonical form, and plan the hashing of its files."""
    place = os.path.join(folder, entry)
    try:
        # Read as CSV here: importlib.metadata drops lines whose file is not there.
        rows = read_record(os.path.join(place, "RECORD"))
    except EnvironmentError as error:
        absent = error.errno in (errno.ENOENT, errno.ENOTDIR)
        package["unknown"] = "no RECORD" if absent else "RECORD could not be read: " + why(error)
        return
    except Exception as error:  # csv.Error, UnicodeDecodeError, ValueError: whatever is in that file
        package["unknown"] = "RECORD is malformed: " + why(error)
        return
    if editable(place):
        package["editable"] = True
        package["unknown"] = "an editable install: RECORD does not cover its source"
    own = text(entry) + "/"
    lines, sources, bytecode, planned = set(), {}, [], []
    unhashed, outside = 0, 0
    for row in rows:
        path = row[0]
        stated = row[1] if len(row) > 1 else ""
        size = row[2] if len(row) > 2 else ""
        if path[:1] == "/" or ".." in path or "//" in path or "./" in path or "\\" in path:
            path, inside = contained(path, folder)
            if path is None:
                outside += 1
                continue
        else:
            inside = True
        if path.endswith(".pyc"):
            if inside and "__pycache__/" not in path:
                bytecode.append(path)
            continue
        base = path[len(own) :] if path.startswith(own) else None
        if inside and base not in NOT_NAMED_IN_RECORD_DIGEST:
            lines.add("%s,%s,%s\n" % (path, stated, size))
        if path.endswith(".py") and inside:
            parent, _, module = path.rpartition("/")
            sources.setdefault(parent, set()).add(module[:-3].encode("utf-8"))
        algorithm, _, value = stated.partition("=")
        if algorithm in ("sha256", "sha384", "sha512") and value:
            planned.append((path, algorithm, value, size))
        elif base not in WITHOUT_HASH_BY_RULE:
            unhashed += 1
    import hashlib

    package["record-sha256"] = "sha256:" + hashlib.sha256("".join(sorted(lines)).encode("utf-8")).hexdigest()
    if unhashed:
        package["unhashed"] = unhashed
    if hashing:
        plan_hashing(package, as_bytes(folder), planned, sources, bytecode, jobs, fill)


def read_record(path):
    import csv

    content = read_regular(path, LARGEST_RECORD)
    if sys.version_info[0] == 2:
        rows = [[cell.decode("utf-8") for cell in row] for row in csv.reader(content.splitlines()) if row]
    else:
        import io

        rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8"), newline="")) if row]
    if any(len(row[0]) > LONGEST_TEXT or "\0" in row[0] for row in rows):
        raise ValueError("a path that is none")
    return rows


def contained(path, folder):
    """(path, whether it lies in the site folder); (None, False) when it climbs out of the prefix."""
    flat = os.path.normpath(path.replace("\\", "/") if os.sep == "\\" else path)
    if not flat.startswith(("..", "/")):
        return flat, True
    target = os.path.normpath(os.path.join(text(folder), flat))
    prefix = text(os.path.realpath(sys.prefix)).rstrip("/") + "/"
    return (flat, False) if target.startswith(prefix) and len(prefix) > 1 else (None, False)


def editable(place):
    try:
        content = read_text(os.path.join(place, "direct_url.json"), 65536)
        if content is None:
            return False
        import json

        return json.loads(content).get("dir_info", {}).get("editable") is True
    except (EnvironmentError, ValueError, AttributeError):
        return False


def plan_hashing(package, folder, planned, sources, bytecode, jobs, fill):
    package["files"] = len(planned)
    unread, compiled = [], []

    def file_keeper(path, algorithm, value):
        def keep(answer):
            if answer[0] == "altered":
                expected = expected_digest(algorithm, value)
                if expected is None:
                    # A hash that is no hash vouches for nothing.
                    package["files"] -= 1
                    package["unhashed"] = package.get("unhashed", 0) + 1
                else:
                    actual = algorithm + ":" + answer[1]
                    package.setdefault("altered", []).append(
                        {"path": path, "expected": expected, "actual": actual}
                    )
            elif answer[0] == "missing":
                package.setdefault("missing", []).append(path)
            else:
                package["files"] -= 1
                unread.append("%s (%s)" % (path, answer[1]))

        return keep

    def bytecode_keeper(parent):
        def keep(answer):
            if answer[0] == "bytecode":
                for name, digest in answer[1]:
                    compiled.append(
                        (parent + "/" + name if name else parent).lstrip("/") + "," + digest + "\n"
                    )
            elif answer[0] == "unread":
                unread.append("%s (%s)" % (parent, answer[1]))

        return keep

    for path, algorithm, value, size in planned:
        fill[len(jobs)] = file_keeper(path, algorithm, value)
        # RECORD's own size is guess enough to spread the work.
        weight = (int(size) if size.isdigit() and len(size) < 16 else 0) + 8192
        jobs.append((RECORDED, folder + b"/" + path.encode("utf-8"), (algorithm, value), weight))
    # PEP 552's unchecked bytecode came with 3.7; before, every .pyc is checked against its source.
    if sys.version_info >= (3, 7) and cache_tag():
        for parent in sorted(sources):
            cache = (parent + "/" if parent else "") + "__pycache__"
            fill[len(jobs)] = bytecode_keeper(cache)
            weight = 16384 * len(sources[parent])
            jobs.append((BYTECODE, folder + b"/" + cache.encode("utf-8"), sources[parent], weight))
        for path in sorted(bytecode):
            fill[len(jobs)] = bytecode_keeper(path)
            jobs.append((BYTECODE, folder + b"/" + path.encode("utf-8"), None, 16384))

    def finish(_):
        import hashlib

        if compiled:
            content = "".join(sorted(compiled)).encode("utf-8")
            package["bytecode-sha256"] = "sha256:" + hashlib.sha256(content).hexdigest()
        if unread:
            first = ", ".join(sorted(unread)[:3])
            note = "%d could not be read: %s%s" % (len(unread), first, ", ..." if len(unread) > 3 else "")
            package["unknown"] = text("; ".join(part for part in (package.get("unknown"), note) if part))

    fill.setdefault("last", []).append(finish)


def expected_digest(algorithm, value):
    import binascii

    try:
        digest = binascii.a2b_base64(value.replace("-", "+").replace("_", "/").encode("ascii") + b"==")
    except (ValueError, UnicodeError):
        return None
    size = {"sha256": 32, "sha384": 48, "sha512": 64}[algorithm]
    return algorithm + ":" + hexadecimal(digest) if len(digest) == size else None


def os_layer():
    layer = {"distribution": distribution_name(), "libc": libc()}
    packages, reason = os_packages()
    if reason:
        layer["packages-unknown"] = reason
    else:
        layer["packages"] = packages
        if layer["libc"] is None and "musl" in packages:
            layer["libc"] = "musl " + packages["musl"].partition("-")[0]
        elif ROOT and "libc6" in packages:
            layer["libc"] = "glibc " + packages["libc6"].partition("-")[0]
    return clean(layer)


def distribution_name():
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        content = read_text(ROOT + path, 65536)
        if content is not None:
            values = {}
            for line in content.split("\n"):
                key, _, value = line.strip().partition("=")
                values[key] = value.strip("\"'")
            return text(
                " ".join(part for part in (values.get("ID", "linux"), values.get("VERSION_ID")) if part)
            )
    return None


def libc():
    if ROOT:
        return None
    try:
        value = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        value = None
    return text(value) if value else None


def os_packages():
    """Name to version, and why not. dpkg's status (split into files by distroless images), apk's list."""
    content = read_text(ROOT + "/var/lib/dpkg/status", 64 * 1024 * 1024)
    folder = ROOT + "/var/lib/dpkg/status.d"
    if content is None and os.path.isdir(folder):
        names = [name for name in sorted(os.listdir(folder)) if not name.endswith(".md5sums")]
        content = "\n\n".join(read_text(os.path.join(folder, name)) or "" for name in names)
    if content is not None:
        return dpkg_packages(content), None
    for path in ("/lib/apk/db/installed", "/usr/lib/apk/db/installed"):
        content = read_text(ROOT + path, 64 * 1024 * 1024)
        if content is not None:
            stanzas = [
                dict(line.split(":", 1) for line in part.split("\n") if ":" in line)
                for part in stanza(content)
            ]
            return dict(
                (text(one["P"]), text(one["V"])) for one in stanzas if "P" in one and "V" in one
            ), None
    for path in ("/var/lib/rpm", "/usr/lib/sysimage/rpm"):
        if os.path.isdir(ROOT + path):
            return None, "an rpm database, which only rpm itself can read"
    return None, "no package database that the probe can read (dpkg, apk)"


def dpkg_packages(content):
    packages = {}
    for part in stanza(content):
        fields = dict(
            line.split(": ", 1)
            for line in part.split("\n")
            if line.startswith(("Package: ", "Status: ", "Version: ", "Architecture: "))
        )
        installed = fields.get("Status", "install ok installed").split()[-1] == "installed"
        if installed and "Package" in fields and "Version" in fields:
            name = fields["Package"].strip()
            if name in packages:
                # A second architecture of the same package (Multi-Arch: same).
                name += ":" + fields.get("Architecture", "other").strip()
            packages[text(name)] = text(fields["Version"].strip())
    return packages


def stanza(content):
    return content.split("\n\n")


def numerics_layer(blas):
    variables, environment = {}, environment_of_root() if ROOT else os.environ
    for name in environment:
        if full_match(NUMERIC_VARIABLE, name) and not SECRET_VARIABLE.search(name):
            variables[text(name)] = text(environment[name])
    layer = {"environment": variables}
    if blas is not None:
        layer.update(blas.collect())
    return layer


def environment_of_root():
    content = read_text(ROOT + "/proc/1/environ") or ""
    return dict(entry.split("=", 1) for entry in content.split("\0") if "=" in entry)


def full_match(pattern, value):
    found = pattern.match(value)
    return found is not None and found.end() == len(value)


def numpy_is_there():
    """Whether the interpreter would find a NumPy, without running any of it."""
    return any(os.path.exists(os.path.join(entry, "numpy", "__init__.py")) for entry in sys.path)


class BlasQuestion(object):
    """The process that imports NumPy. It is asked while files are hashed, and never waited for without end."""

    def __init__(self):
        self.reason, self.pid, self.end = "", None, None
        if not sys.executable or not hasattr(os, "fork"):
            self.reason = (
                "the interpreter does not know its own path" if not sys.executable else "no fork here"
            )
            return
        self.deadline = time.time() + BLAS_SECONDS
        command = [sys.executable, "-B"]
        command += ["-E"] if sys.flags.ignore_environment else []
        command += ["-s"] if sys.flags.no_user_site else []
        command += ["-c", BLAS_CHILD]
        try:
            self.end, theirs = os.pipe()
            self.pid = os.fork()
        except OSError as error:
            self.reason = "no process could be started: " + why(error)
            return
        if self.pid == 0:
            try:
                os.setsid()
                nothing = os.open(os.devnull, os.O_RDWR)
                os.dup2(nothing, 0)
                os.dup2(nothing, 2)
                os.dup2(theirs, 1)
                close_others()
                os.execv(command[0], command)
            finally:
                os._exit(127)
        os.close(theirs)

    def collect(self):
        """The answer as keys of the layer, or the reason why there is none."""
        if self.pid is None:
            return {"blas-unknown": self.reason}
        import json
        import select

        parts, size = [], 0
        self.deadline = max(self.deadline, time.time() + 5.0)
        while size < BLAS_OUTPUT:
            left = self.deadline - time.time()
            if left <= 0 or not select.select([self.end], [], [], left)[0]:
                self.reason = "importing NumPy took more than %d seconds" % BLAS_SECONDS
                break
            part = os.read(self.end, 4096)
            if not part:
                break
            parts.append(part)
            size += len(part)
            if b"\ngoldlock-blas:" in b"".join(parts[-2:]) and part.endswith(b"\n"):
                break
        status = self._stop()
        for line in b"".join(parts).split(b"\n"):
            if line.startswith(b"goldlock-blas:"):
                try:
                    return json.loads(line[len(b"goldlock-blas:") :].decode("ascii"))
                except ValueError:
                    break
        if not self.reason:
            self.reason = "NumPy could not be asked: " + status
        return {"blas-unknown": self.reason}

    def _stop(self):
        import signal

        os.close(self.end)
        status = self._ended(1.0 if not self.reason else 0.0)
        # Its group too: a child of its own may live on.
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except OSError:
            pass
        return status or self._ended(5.0) or "it does not end"

    def _ended(self, seconds):
        until = time.time() + seconds
        while True:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except OSError:
                return "its process is gone"
            if pid:
                if os.WIFSIGNALED(status):
                    return "its import was ended by signal %d" % os.WTERMSIG(status)
                return "its import ended with exit code %d" % os.WEXITSTATUS(status)
            if time.time() >= until:
                return ""
            time.sleep(0.002)


def close_others():
    """Python 2 hands every open file to what it starts; a hanging child must not keep our output open."""
    if sys.version_info[0] == 2:
        os.closerange(3, 256)


def host_layer():
    system = os.uname()
    layer = {"architecture": text(system[4]), "kernel": text(system[2]), "cores": usable_cores()}
    try:
        content = read_text("/proc/cpuinfo") or ""
    except (EnvironmentError, ValueError):
        content = ""
    flags = set()
    for line in content.split("\n"):
        key, _, value = line.partition(":")
        key = key.strip()
        if key in ("model name", "Processor", "cpu model") and "cpu-model" not in layer:
            layer["cpu-model"] = text(" ".join(value.split()))
        elif key in ("flags", "Features") and not flags:
            flags = set(value.split())
    if layer["architecture"] in ("x86_64", "AMD64", "amd64") and flags:
        level = "x86-64-v1"
        for name, needed in LEVELS:
            if not flags.issuperset(needed.split()):
                break
            level = name
        layer["cpu-level"] = level
    features = sorted(DISPATCH_FEATURES & flags)
    if features:
        layer["cpu-features"] = [text(feature) for feature in features]
    return layer


def artifacts_layer(asked, jobs, fill):
    layer = {"files": []}
    unreadable, missing = {}, set()

    def keeper(path):
        def keep(answer):
            if answer[0] == "digest":
                layer["files"].append({"path": path, "sha256": "sha256:" + answer[1], "size": answer[2]})
            elif answer[0] == "missing":
                missing.add(path)
            else:
                unreadable[path] = answer[1]

        return keep

    names = {}
    for one in asked:
        for path in artifact_files(one, unreadable):
            names[text(path)] = path
        if not os.path.lexists(one):
            missing.add(text(one))
    if len(names) > MOST_ARTIFACTS:
        raise ValueError("more than %d artifact files" % MOST_ARTIFACTS)
    for name in sorted(names):
        try:
            found = os.stat(names[name])
        except EnvironmentError as error:
            unreadable[name] = why(error)
            continue
        if not stat.S_ISREG(found.st_mode):
            unreadable[name] = "not a regular file"
            continue
        fill[len(jobs)] = keeper(name)
        jobs.append((PLAIN, as_bytes(names[name]), None, found.st_size + 8192))

    def finish(_):
        layer["files"].sort(key=lambda file: file["path"])
        if missing:
            layer["missing"] = sorted(missing)
        if unreadable:
            layer["unreadable"] = unreadable

    fill.setdefault("last", []).append(finish)
    return layer


def artifact_files(path, unreadable):
    """A file itself; of a folder, the files at any depth below it."""
    if not os.path.isdir(path):
        return [path] if os.path.lexists(path) else []

    def refused(error):
        unreadable[text(error.filename or path)] = why(error)

    found = []
    for folder, folders, files in os.walk(path, onerror=refused):
        folders.sort()
        found += [os.path.join(folder, name) for name in files]
        if len(found) > MOST_ARTIFACTS:
            break
    return found


def look(artifacts, hashing):
    """The whole snapshot."""
    jobs, fill, unknown = [], {}, {}
    snapshot = {"snapshot-version": VERSION}

    def layer(name, function, *arguments):
        try:
            snapshot[name] = function(*arguments)
        except Exception as error:  # one layer that cannot be looked at must not take the others along
            unknown[name] = why(error)

    # Asked first: NumPy loads while the rest is read.
    blas = BlasQuestion() if numpy_is_there() else None
    layer("python", python_layer, jobs, fill)
    layer("packages", packages_layer, jobs, fill, hashing)
    layer("os", os_layer)
    layer("host", host_layer)
    if artifacts:
        layer("artifacts", artifacts_layer, artifacts, jobs, fill)
    answers = hash_all(jobs)
    for index in sorted(answers):
        fill[index](answers[index])
    for finish in fill.get("last", ()):
        finish(None)
    layer("numerics", numerics_layer, blas)
    if "python" in snapshot:
        clean(snapshot["python"])
    unknown["image"] = "only the engine knows it"
    snapshot["unknown"] = unknown
    return snapshot


def look_at_root():
    """What a file system and an environment say without an interpreter, and this machine."""
    snapshot, unknown = {"snapshot-version": VERSION}, {}
    for name in ("python", "packages", "image", "artifacts"):
        unknown[name] = "not looked at in a file system alone"
    for name, function, arguments in (
        ("os", os_layer, ()),
        ("host", host_layer, ()),
        ("numerics", numerics_layer, (None,)),
    ):
        try:
            snapshot[name] = function(*arguments)
        except Exception as error:  # as in look
            unknown[name] = why(error)
    snapshot["unknown"] = unknown
    return snapshot


def hold():
    """Stay: reap what is orphaned to us as first process, and end at once when told to."""
    import signal

    def reap(*_):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except OSError:
            pass

    def leave(*_):
        os._exit(0)

    # The first process of a container gets only those signals that it handles.
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGCHLD, reap)
    reap()
    while True:
        signal.pause()


def give_way():
    """The subject is asked while we look: its answer comes first, and one core stays free for it."""
    global SPARED
    SPARED = 1
    schedule = getattr(os, "sched_setscheduler", None)
    try:
        if schedule:
            schedule(0, getattr(os, "SCHED_IDLE"), getattr(os, "sched_param")(0))
            return
    except (AttributeError, EnvironmentError):
        pass
    if hasattr(os, "nice"):
        os.nice(19)


def main(arguments):
    global ROOT
    artifacts, hashing, holding = [], True, False
    rest = list(arguments)
    while rest:
        option = rest.pop(0)
        if option == "--artifact" and rest:
            artifacts.append(rest.pop(0))
        elif option == "--no-hash":
            hashing = False
        elif option == "--hold":
            holding = True
        elif option == "--root" and rest:
            ROOT = rest.pop(0).rstrip("/")
        else:
            sys.stderr.write("goldlock: the probe has no option %r\n" % option)
            return 2
    import hashlib
    import json

    if holding:
        give_way()
    # Whatever prints while we look goes to stderr; only the snapshot goes out.
    answer = os.dup(1)
    os.dup2(2, 1)
    seen = look_at_root() if ROOT else look(artifacts, hashing)
    content = json.dumps(seen, sort_keys=True, separators=(",", ":")).encode("ascii")
    begin = "\n==goldlock-probe:%d begin %d %s==\n" % (
        VERSION,
        len(content),
        hashlib.sha256(content).hexdigest(),
    )
    write_all(answer, begin.encode("ascii") + content + b"\n==goldlock-probe:1 end==\n")
    os.close(answer)
    if holding:
        hold()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

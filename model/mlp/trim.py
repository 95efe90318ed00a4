"""Remove from an environment what only developers of its packages use: `python trim.py SITE_PACKAGES`.

Run while the predict image is built. Each package's RECORD is rewritten to list what is still there, and
TRIMMED.txt in its dist-info folder says what is not, so that what is installed can still be checked.
Source of the format: PyPA, "Recording installed projects".
"""

from __future__ import annotations

import base64
import csv
import fnmatch
import hashlib
import io
import sys
from pathlib import Path
from typing import Dict, List, Tuple

# Package, then patterns over the paths in its RECORD; `*` also matches `/`.
DEVELOPMENT_ONLY: Dict[str, Tuple[str, ...]] = {
    "h5py": ("h5py/tests/*",),
    "numpy": (
        "numpy/tests/*",
        "numpy/*/tests/*",
        "numpy/core/include/*",
        "numpy/core/lib/*",
        "numpy/random/lib/*",
        "numpy/random/_examples/*",
    ),
    # C++ headers, for those who write operations of their own.
    "tensorflow_cpu": ("tensorflow/include/*", "tensorflow/xla_aot_runtime_src/*"),
}


def trim(site: Path, package: str, patterns: Tuple[str, ...]) -> int:
    """Remove the package's files that match; their size in bytes.

    A package without one dist-info folder, and a pattern that matches nothing, end the build: the list
    would be out of date.
    """
    (info,) = site.glob(f"{package}-*.dist-info")
    record = info / "RECORD"
    rows = list(csv.reader(io.StringIO(record.read_text(encoding="utf-8"), newline="")))
    kept: List[List[str]] = []
    used = set()
    size = 0
    for row in rows:
        matching = [pattern for pattern in patterns if fnmatch.fnmatchcase(row[0], pattern)]
        if not matching:
            kept.append(row)
            continue
        used.update(matching)
        path = site / row[0]
        size += path.stat().st_size
        path.unlink()
        for folder in path.parents:
            if folder == site or any(folder.iterdir()):
                break
            folder.rmdir()
    if used != set(patterns):
        sys.exit(f"trim: {package}: nothing matches {', '.join(sorted(set(patterns) - used))}")
    note = "Removed from this installation, because no prediction uses it:\n" + "".join(
        f"{pattern}\n" for pattern in sorted(patterns)
    )
    (info / "TRIMMED.txt").write_text(note, encoding="utf-8")
    checksum = base64.urlsafe_b64encode(hashlib.sha256(note.encode()).digest()).rstrip(b"=").decode()
    kept.append([f"{info.name}/TRIMMED.txt", f"sha256={checksum}", str(len(note.encode()))])
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted(kept))
    record.write_text(text.getvalue(), encoding="utf-8")
    return size


def main(site: Path) -> None:
    for package, patterns in sorted(DEVELOPMENT_ONLY.items()):
        print(f"trim: {package}: {trim(site, package, patterns) / 1e6:.1f} MB removed", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

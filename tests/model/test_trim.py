import base64
import csv
import hashlib
from pathlib import Path

import pytest
from model.mlp import trim


def install(site: Path, files: dict[str, bytes]) -> None:
    info = "thing-1.0.dist-info"
    rows = [[f"{info}/RECORD", "", ""]]
    for name, data in files.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        checksum = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append([name, f"sha256={checksum}", str(len(data))])
    (site / info).mkdir()
    with (site / info / "RECORD").open("w", newline="", encoding="utf-8") as record:
        csv.writer(record).writerows(rows)


def test_record_lists_what_is_left_and_nothing_else(tmp_path: Path) -> None:
    install(tmp_path, {"thing/a.py": b"a", "thing/include/x/y.h": b"12345", "thing/include/z.h": b"67"})
    assert trim.trim(tmp_path, "thing", ("thing/include/*",)) == 7
    assert not (tmp_path / "thing" / "include").exists()
    with (tmp_path / "thing-1.0.dist-info" / "RECORD").open(newline="", encoding="utf-8") as record:
        rows = {row[0]: row[1:] for row in csv.reader(record)}
    assert set(rows) == {"thing/a.py", "thing-1.0.dist-info/RECORD", "thing-1.0.dist-info/TRIMMED.txt"}
    for name, (checksum, size) in rows.items():
        data = (tmp_path / name).read_bytes()
        if checksum:
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (checksum, size) == (f"sha256={expected}", str(len(data)))
    assert "thing/include/*" in (tmp_path / "thing-1.0.dist-info" / "TRIMMED.txt").read_text(encoding="utf-8")


def test_a_pattern_that_matches_nothing_ends_the_build(tmp_path: Path) -> None:
    install(tmp_path, {"thing/a.py": b"a"})
    with pytest.raises(SystemExit, match=r"thing: nothing matches thing/gone/\*"):
        trim.trim(tmp_path, "thing", ("thing/gone/*",))

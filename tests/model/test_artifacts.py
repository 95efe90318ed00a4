import json
from pathlib import Path

import pytest
from model import artifacts


def test_reads_what_was_written(tmp_path: Path) -> None:
    artifacts.write(tmp_path / "new", {"model.h5": b"weights"}, {"seed": 1})
    assert artifacts.read(tmp_path / "new" / "model.h5") == b"weights"
    assert artifacts.digests(tmp_path / "new") == {"model.h5": artifacts.digest(b"weights")}


def test_the_same_artifacts_give_the_same_manifest(tmp_path: Path) -> None:
    for name in ("one", "two"):
        artifacts.write(tmp_path / name, {"b": b"2", "a": b"1"}, artifacts.provenance(["numpy"], ["PATH"]))
    one, two = ((tmp_path / name / "manifest.json").read_bytes() for name in ("one", "two"))
    assert one == two


def test_refuses_a_file_with_one_bit_changed_and_names_it(tmp_path: Path) -> None:
    artifacts.write(tmp_path, {"model.h5": b"weights"}, {})
    (tmp_path / "model.h5").write_bytes(b"weighus")
    with pytest.raises(artifacts.ArtifactError, match=r"model\.h5: its SHA-256 is .*; refused"):
        artifacts.read(tmp_path / "model.h5")


def test_refuses_a_file_that_the_manifest_does_not_name(tmp_path: Path) -> None:
    artifacts.write(tmp_path, {"model.h5": b"weights"}, {})
    (tmp_path / "other.h5").write_bytes(b"weights")
    with pytest.raises(artifacts.ArtifactError, match=r"other\.h5: not in manifest\.json"):
        artifacts.read(tmp_path / "other.h5")


def test_refuses_an_absent_file(tmp_path: Path) -> None:
    artifacts.write(tmp_path, {"model.h5": b"weights"}, {})
    (tmp_path / "model.h5").unlink()
    with pytest.raises(artifacts.ArtifactError, match=r"model\.h5: cannot be read"):
        artifacts.read(tmp_path / "model.h5")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"artifacts": 1}', '{"artifacts": {"model.h5": 1}}', '{"artifacts": null}']
)
def test_refuses_what_is_no_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(artifacts.ArtifactError, match="not a manifest"):
        artifacts.digests(tmp_path)


def test_refuses_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(artifacts.ArtifactError, match="no manifest"):
        artifacts.read(tmp_path / "model.h5")


@pytest.mark.parametrize(
    ("folder", "names"),
    [("mlp", {"model.h5", "standardize.json"}), ("pipeline", {"model.joblib"})],
)
def test_the_recorded_artifacts_match_their_manifests(folder: str, names: set[str]) -> None:
    recorded = Path(artifacts.__file__).parent / folder / "artifacts"
    assert set(artifacts.digests(recorded)) == names
    for name in names:
        artifacts.read(recorded / name)
    provenance = json.loads((recorded / "manifest.json").read_text(encoding="utf-8"))["provenance"]
    assert provenance["python"].startswith("3.8.")

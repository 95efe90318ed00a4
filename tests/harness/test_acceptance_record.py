"""The acceptance record: an in-toto test result that both sides can read, sign, and render again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.harness import reports
from tests.harness.packs import packed, silent

from goldlock.cli import cli
from goldlock.delivery import acceptance, receiving, signing
from goldlock.delivery.manifest import RefusedError
from goldlock.errors import ConfigurationError
from goldlock.report import FailOn, Report
from goldlock.results import Rung
from goldlock_env.findings import Finding, Layer, Severity, Status

LAYERS = (Layer.PYTHON, Layer.PACKAGES, Layer.OS)


def found(severity: Severity, layer: Layer = Layer.PACKAGES, status: Status = Status.CHANGED) -> Finding:
    return Finding(layer=layer, key="x", expected="1", actual="2", status=status, severity=severity, note="")


def a_report(*findings: Finding, rung: Rung = Rung.IDENTICAL, fail_on: FailOn = FailOn.ERROR) -> Report:
    case = reports.case(reports.table(reports.column(rung, "label")))
    return reports.report(case, findings=findings, layers=LAYERS, fail_on=fail_on)


def statement(report: Report, folder: Path) -> dict[str, object]:
    target, _ = packed(folder)
    with receiving.opened(target, None, silent) as received:
        document = json.loads(acceptance.record(report, received))
    assert isinstance(document, dict)
    return document


def test_it_is_an_in_toto_test_result(tmp_path: Path) -> None:
    """Field names as in in-toto/attestation, spec/predicates/test-result.md and spec/v1/statement.md."""
    document = statement(a_report(), tmp_path)
    assert set(document) == {"_type", "subject", "predicateType", "predicate"}
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    predicate = document["predicate"]
    assert isinstance(predicate, dict)
    standard = {"result", "configuration", "passedTests", "warnedTests", "failedTests"}
    assert {key for key in predicate if ":" not in key} == standard
    whole = hashlib.sha256((tmp_path / "mini.goldlock").read_bytes()).hexdigest()
    assert document["subject"][0] == {"name": "mini.goldlock", "digest": {"sha256": whole}}  # type: ignore[index]
    assert {each["name"] for each in predicate["configuration"]} >= {
        "goldlock-pack.json",
        "goldlock.toml",
        "goldlock.lock",
        "goldens/mlp/golden.toml",
    }


@pytest.mark.parametrize(
    ("report", "result", "name", "where"),
    [
        (a_report(), "PASSED", "case/batch/label", "passedTests"),
        (a_report(found(Severity.INFO)), "PASSED", "layer/packages", "passedTests"),
        (a_report(found(Severity.WARNING)), "WARNED", "layer/packages", "warnedTests"),
        (a_report(found(Severity.ERROR, status=Status.UNKNOWN)), "WARNED", "layer/packages", "warnedTests"),
        (a_report(found(Severity.ERROR)), "FAILED", "layer/packages", "failedTests"),
        (
            a_report(found(Severity.WARNING), fail_on=FailOn.WARNING),
            "FAILED",
            "layer/packages",
            "failedTests",
        ),
        (a_report(rung=Rung.DRIFTED), "FAILED", "case/batch/label", "failedTests"),
    ],
)
def test_what_passed_warned_and_failed(
    report: Report, result: str, name: str, where: str, tmp_path: Path
) -> None:
    predicate = statement(report, tmp_path)["predicate"]
    assert isinstance(predicate, dict)
    assert predicate["result"] == result
    listed = {key: predicate[key] for key in ("passedTests", "warnedTests", "failedTests")}
    assert [key for key, names in listed.items() if name in names] == [where]
    assert sum(map(len, listed.values())) == len(LAYERS) + 2


def test_the_report_comes_back_whole_and_a_signature_is_checked(tmp_path: Path) -> None:
    report = a_report(found(Severity.WARNING))
    content = json.dumps(statement(report, tmp_path)).encode()
    plain, signed = tmp_path / "plain.json", tmp_path / "signed.json"
    plain.write_bytes(content)
    for name in ("client", "other"):
        signing.generate(tmp_path / name, None)
    signed.write_bytes(signing.sign(content, signing.private_key(tmp_path / "client.key", None)))
    client, other = ((signing.public_key(tmp_path / f"{n}.pub"), f"{n}.pub") for n in ("client", "other"))
    read = acceptance.read(signed, client)
    assert read is not None
    assert (read.findings, read.cases, read.notes[:-1]) == (report.findings, report.cases, report.notes)
    unchecked = acceptance.read(signed, None)
    assert unchecked is not None
    assert "was not checked" in unchecked.notes[-1]
    for path, key, said in ((signed, other, "another key"), (plain, client, "is not signed")):
        with pytest.raises(RefusedError, match=said):
            acceptance.read(path, key)
    signed.write_bytes(signed.read_bytes().replace(b'"payload": "e', b'"payload": "f'))
    with pytest.raises(RefusedError, match="its signature is wrong"):
        acceptance.read(signed, client)


def test_it_says_which_file_was_checked_so_that_the_sender_can_compare(tmp_path: Path) -> None:
    path = tmp_path / "accepted.json"
    path.write_text(json.dumps(statement(a_report(), tmp_path)))
    whole = hashlib.sha256((tmp_path / "mini.goldlock").read_bytes()).hexdigest()
    read = acceptance.read(path, None)
    assert read is not None
    assert read.notes[0].startswith(f"an acceptance record of mini.goldlock, sha256:{whole}")
    assert read.notes[0].endswith("the pack is unsigned: who made it was not checked")


@pytest.mark.parametrize("kind", ["text", "json", "html", "junit", "sarif", "markdown"])
def test_report_renders_it_in_every_format(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "accepted.json"
    path.write_text(json.dumps(statement(a_report(found(Severity.WARNING)), tmp_path)))
    done = CliRunner().invoke(cli, ["report", str(path), "--format", kind])
    assert done.exit_code == 0, done.output
    assert "packages" in done.output


@pytest.mark.parametrize("content", ['{"_type": "x"}', '{"_type": "x", "predicate": {}}'])
def test_another_statement_is_no_record(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="no acceptance record"):
        acceptance.read(path, None)
    path.write_text("[]")
    assert acceptance.read(path, None) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verify", "--key", "x.pub"], "--key cannot be used here"),
        (["verify", "--record", "x.json"], "--record cannot be used here"),
        (["verify", "--rm-image"], "--rm-image cannot be used here"),
        (["verify", "x.goldlock", "--image", "y"], "--image cannot be used here"),
        (["verify", "x.goldlock", "-c", "y"], "--config cannot be used here"),
        (["verify", "x.goldlock", "--sign-with", "y"], "--sign-with cannot be used here"),
        (["verify", "x.goldlock"], "there is no file x.goldlock"),
        (["pack", "-o", "x.tar"], "a pack's name ends in .goldlock"),
    ],
)
def test_options_that_mean_nothing_are_told(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "goldlock.toml").write_text('[subject]\nname = "mini"\nimage = "mini:latest"\n')
    with pytest.raises(ConfigurationError) as caught:
        cli.main(arguments, standalone_mode=False)
    assert said in caught.value.message

"""Whatever is changed in a pack is refused, by name, before an engine sees any of it or a file is written."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.harness.packs import config_of, digest, packed, silent

from goldlock import ustar
from goldlock.cli import cli
from goldlock.delivery import configuration, manifest, receiving, signing
from goldlock.delivery.checking import checked, signature_name
from goldlock.delivery.manifest import NAME, Manifest, RefusedError
from goldlock.images import contents, layout

Members = list[tuple[str, bytes]]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two pairs of keys."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("vendor", "other"):
        signing.generate(folder / name, None)
    return folder


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Path:
    """A signed pack. Do not change it."""
    return packed(tmp_path_factory.mktemp("pack"), key=signing.private_key(keys / "vendor.key", None))[0]


def members_of(content: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return [(each.name, archive.extractfile(each).read()) for each in archive]  # type: ignore[union-attr]


def written(members: Members) -> bytes:
    return b"".join(ustar.member(*each) for each in members) + ustar.END


def sealed(members: Members, **changes: object) -> bytes:
    """The pack that somebody makes who changed members and knows how a pack is made; it is unsigned."""
    content = {name: each for name, each in members if name != NAME and not name.startswith("signature")}
    old = msgspec.json.decode(dict(members)[NAME], type=Manifest)
    listed = tuple(
        manifest.Member(name=name, size=len(each), sha256=digest(each)) for name, each in content.items()
    )
    text = manifest.dumps(msgspec.structs.replace(old, members=listed, **changes))
    return written([(NAME, text), *content.items()])


def refusal(content: bytes, folder: Path, key: Path | None = None) -> str:
    """What is said of a file; goldlock.toml is looked at, too."""
    path = folder / "changed.goldlock"
    path.write_bytes(content)
    known = None if key is None else (signing.public_key(key), key.name)
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    with pytest.raises(RefusedError) as caught, receiving.opened(path, known, silent) as received:
        receiving.unpack(received, unpacked)
    assert caught.value.exit_code == 3
    assert caught.value.message.startswith("changed.goldlock: ")
    return caught.value.message


def test_an_unchanged_pack_passes(pack: Path, keys: Path, tmp_path: Path) -> None:
    with receiving.opened(pack, (signing.public_key(keys / "vendor.pub"), "vendor.pub"), silent) as received:
        config = receiving.unpack(received, tmp_path)
    assert received.authorship == ""
    assert config.resolve(config.case[0].golden) == tmp_path / "goldens" / "mlp"
    assert written(members_of(pack.read_bytes())) == pack.read_bytes()


def places(content: bytes) -> list[int]:
    """Every byte of the first two headers, each field of the others, padding, end, and some of all the rest."""
    headers = [i for i in range(0, len(content), 512) if content[i + 257 : i + 262] == b"ustar"]
    every = {at for start in headers[:2] for at in range(start, start + 512)}
    fields = (0, 99, 100, 108, 116, 124, 135, 136, 148, 155, 156, 157, 257, 263, 265, 297, 329, 337, 345, 511)
    some = {start + at for start in headers for at in fields}
    before_headers = {start - 1 for start in headers if start}
    return sorted(every | some | before_headers | set(range(0, len(content), 211)) | {len(content) - 1})


def test_a_changed_byte_anywhere_is_refused(pack: Path, tmp_path: Path) -> None:
    """Without any key, which signatures need."""
    content = pack.read_bytes()
    path = tmp_path / "changed.goldlock"
    path.write_bytes(content)
    passed = []
    with path.open("r+b", buffering=0) as file:
        for at in places(content):
            os.pwrite(file.fileno(), bytes([content[at] ^ 1 << at % 8]), at)
            try:
                checked(file.fileno(), "changed")
                passed.append(at)
            except RefusedError:
                pass
            os.pwrite(file.fileno(), content[at : at + 1], at)
    assert passed == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_changes_are_refused(
    pack: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(pack.read_bytes())
    places = data.draw(
        st.dictionaries(st.integers(0, len(content) - 1), st.integers(1, 255), min_size=1, max_size=9)
    )
    for at, bits in places.items():
        content[at] ^= bits
    cut = data.draw(st.integers(0, 2000))
    path = tmp_path_factory.getbasetemp() / "any.goldlock"
    path.write_bytes(content[: len(content) - cut])
    with pytest.raises(RefusedError), receiving.opened(path, None, silent):
        pass


def add(name: str, content: bytes = b"more") -> Callable[[Members], bytes]:
    return lambda members: written([*members, (name, content)])


def special(kind: bytes, name: str, link: str = "") -> Callable[[Members], bytes]:
    def made(members: Members) -> bytes:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        return written(members)[: -len(ustar.END)] + member.tobuf(tarfile.USTAR_FORMAT) + ustar.END

    return made


def replaced(name: str, change: Callable[[bytes], bytes]) -> Callable[[Members], bytes]:
    return lambda members: written([(n, change(c) if n == name else c) for n, c in members])


def claiming(name: str, size: int) -> Callable[[Members], bytes]:
    """A member whose header says another size than there is."""

    def made(members: Members) -> bytes:
        whole = b""
        for each, content in members:
            part = ustar.member(each, content)
            whole += ustar.header(each, size) + part[512:] if each == name else part
        return whole + ustar.END

    return made


def listing(name: str) -> Callable[[Members], bytes]:
    """A pack whose manifest lists that member, with everything that belongs to it right."""

    def made(members: Members) -> bytes:
        first = [each for each in members if not each[0].startswith(("image/", "sbom"))]
        rest = [each for each in members if each[0].startswith(("image/", "sbom"))]
        return sealed([*first, (name, b"x"), *rest])

    return made


def deep(members: Members) -> bytes:
    return written([(NAME, b"[" * 200_000 + b"]" * 200_000), *members[1:]])


def many(members: Members) -> bytes:
    more = [(f"goldens/mlp/{number:06}", b"") for number in range(manifest.MEMBERS + 1)]
    return sealed(
        [each for each in members if each[0] < "h"] + more + [each for each in members if each[0] > "h"]
    )


def config_with(old: str, new: str) -> Callable[[Members], bytes]:
    def made(members: Members) -> bytes:
        return sealed(
            [(n, c.replace(old.encode(), new.encode()) if n == "goldlock.toml" else c) for n, c in members]
        )

    return made


def without(start: str) -> Callable[[Members], bytes]:
    return lambda members: written([each for each in members if not each[0].startswith(start)])


def other_image(members: Members) -> bytes:
    """An image whose layer is another one, in a pack that is consistent otherwise."""
    changed = []
    for name, content in members:
        is_layer = name.startswith("image/blobs") and content.startswith(b"layer")
        changed.append((name, content.replace(b"layer", b"LAYER") if is_layer else content))
    return sealed(changed)


def compressed_layer(members: Members) -> bytes:
    """An image of one layer, right in every digest, which an engine would uncompress to see what it is."""
    old = msgspec.json.decode(dict(members)[NAME], type=Manifest)
    layer = gzip.compress(bytes(1 << 20), mtime=0)
    image = contents.Image(
        names=(), config=config_of([layer]), platform="linux/amd64", diff_ids=(digest(layer),), layers=(None,)
    )
    files = layout.documents(image, {digest(layer): len(layer)}, old.image.reference)
    files |= {layout.blob_path(digest(layer)): layer}
    renamed = [
        (name, c.replace(old.image.config_id.encode(), image.config_id.encode())) for name, c in members
    ]
    kept = [each for each in renamed if not each[0].startswith("image/")]
    inside = {f"image/{name}": content for name, content in files.items()}
    packed_image = msgspec.structs.replace(old.image, config_id=image.config_id)
    ordered = [(name, inside[name]) for name in manifest.ordered(inside)]
    return sealed(
        [*((n, dict(members)[n]) if n == NAME else (n, c) for n, c in kept), *ordered], image=packed_image
    )


def _place(member: tuple[str, bytes]) -> int:
    """Within the image's blobs, which are sorted; everything else stays where it is."""
    return int(member[0].rpartition("/")[2][:8], 16) if member[0].startswith("image/blobs/") else -1


TABLE: dict[str, tuple[Callable[[Members], bytes], str]] = {
    "a member too many": (add("extra.txt"), "holds 'extra.txt', a member too many"),
    "a member twice": (lambda m: written([*m, m[2]]), "goldlock.toml is there twice"),
    "the manifest twice": (lambda m: written([m[0], *m]), f"{NAME} is there twice"),
    "a member missing": (lambda m: written(m[:3] + m[4:]), "goldlock.lock is missing"),
    "the last member missing": (lambda m: written(m[:-1]), "is missing"),
    "two members changed places": (
        lambda m: written([m[0], m[1], m[3], m[2], *m[4:]]),
        "goldlock.toml is missing",
    ),
    "a path that climbs out": (add("../../etc/cron.d/x"), "a path that climbs out of the pack"),
    "an absolute path": (add("/etc/passwd"), "an absolute path"),
    "a symbolic link": (special(tarfile.SYMTYPE, "goldens/x", "/etc/passwd"), "'goldens/x' is a link"),
    "a hard link": (special(tarfile.LNKTYPE, "goldens/x", "goldlock.toml"), "'goldens/x' is a link"),
    "a device": (special(tarfile.CHRTYPE, "goldens/null"), "'goldens/null' is a device"),
    "a block device": (special(tarfile.BLKTYPE, "goldens/sda"), "'goldens/sda' is a device"),
    "a pipe": (special(tarfile.FIFOTYPE, "goldens/pipe"), "'goldens/pipe' is a pipe"),
    "a folder": (special(tarfile.DIRTYPE, "goldens"), "'goldens/' is a folder"),
    "an extended header": (special(tarfile.XHDTYPE, "././@PaxHeader"), "'././@PaxHeader'"),
    "a member of a huge size": (
        claiming("goldlock.lock", 1 << 62),
        "goldlock.lock claims 4,611,686,018,427,387,904",
    ),
    "a manifest of a huge size": (claiming(NAME, 1 << 40), f"{NAME} claims 1,099,511,627,776 bytes"),
    "a manifest of no size": (claiming(NAME, 0), f"{NAME} claims 0 bytes"),
    "a deep manifest": (deep, f"{NAME} cannot be read"),
    "a manifest of too many members": (many, "lists 2"),
    "another manifest": (
        replaced(NAME, lambda c: c.replace(b'"mini"', b'"Mini"')),
        "its pack-id does not fit",
    ),
    "a manifest in another form": (
        replaced(NAME, lambda c: json.dumps(json.loads(c)).encode()),
        "it is not as goldlock writes it",
    ),
    "a manifest of another version": (
        replaced(NAME, lambda c: c.replace(b'"1.0"', b'"9.0"', 1)),
        "is a pack of version 9.0",
    ),
    "a manifest that climbs out": (listing("goldens/../../x"), "a path that climbs out of the pack"),
    "a manifest with an absolute path": (listing("/etc/passwd"), "an absolute path"),
    "a manifest with a strange name": (listing("goldens/mlp/\n"), "which does not belong into a pack"),
    "a changed lock": (
        replaced("goldlock.lock", lambda c: c.replace(b"3.8.18", b"3.8.19")),
        "goldlock.lock was changed",
    ),
    "a longer lock": (replaced("goldlock.lock", lambda c: c + b"#"), "goldlock.lock claims"),
    "bytes behind the end": (lambda m: written(m) + bytes(512), "has 512 bytes behind its end"),
    "cut off": (lambda m: written(m)[:-600], "is cut off"),
    "cut off in a header": (lambda m: written(m)[:700], "is cut off"),
    "gzip": (lambda m: gzip.compress(written(m)), "is compressed (gzip)"),
    "not a pack": (lambda _: b"hello", "is not a pack"),
    "nothing": (lambda _: b"", "is not a pack"),
    "another archive": (lambda m: written(m[2:]), "is not a pack"),
    "another image": (other_image, "its image is not the one"),
    "a layer that grows when it is loaded": (
        compressed_layer,
        "is compressed (gzip), and no layer of a pack is",
    ),
    "an image of more layers": (
        lambda m: sealed(sorted([*m, ("image/blobs/sha256/" + digest(b"x")[7:], b"x")], key=_place)),
        "its image is not the one",
    ),
    "inputs from elsewhere": (
        config_with("goldens/mlp/inputs.csv", "/etc/passwd.csv"),
        "its goldlock.toml is not one that `goldlock pack` writes",
    ),
    "a golden from elsewhere": (
        config_with('golden = "goldens/mlp"', 'golden = "../goldens/mlp"'),
        "its goldlock.toml is not one that `goldlock pack` writes",
    ),
    "a command for this machine": (
        config_with("[[case]]", '[subject.local]\npython = "3.8"\nrequirements = ["x"]\n\n[[case]]'),
        "its goldlock.toml is not one that `goldlock pack` writes",
    ),
    "a configuration that is none": (
        config_with("[subject]", "[subjects]"),
        "its goldlock.toml cannot be used",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_each_tampering_is_refused_by_name(name: str, pack: Path, tmp_path: Path) -> None:
    tamper, said = TABLE[name]
    assert said in refusal(tamper(members_of(pack.read_bytes())), tmp_path)


def resigned(members: Members, keys: Path, key: str, change: Callable[[bytes], bytes] = bytes) -> bytes:
    envelope = next(content for name, content in members if name.startswith("signature"))
    signed = signing.read(envelope, "")
    made = signing.sign(change(signed.payload), signing.private_key(keys / key, None))
    rest = [each for each in members if not each[0].startswith("signature")]
    return written([rest[0], (signature_name(made), made), *rest[1:]])


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda m, _keys: without("signature")(m), "is not signed, and a signature was demanded"),
        (lambda m, keys: resigned(m, keys, "other.key"), "is signed with another key"),
        (
            lambda m, keys: resigned(
                m, keys, "vendor.key", lambda payload: payload.replace(b"mini", b"Mini")
            ),
            "its signature is one for another pack",
        ),
        (lambda m, _keys: sealed(m), "is not signed, and a signature was demanded"),
    ],
    ids=["stripped", "another key", "of another pack", "made anew"],
)
def test_a_signature_that_is_not_right_is_refused(
    tamper: Callable[[Members, Path], bytes], said: str, pack: Path, keys: Path, tmp_path: Path
) -> None:
    content = tamper(members_of(pack.read_bytes()), keys)
    assert said in refusal(content, tmp_path, keys / "vendor.pub")


def test_a_forged_signature_under_the_right_key_id_is_refused(pack: Path, keys: Path, tmp_path: Path) -> None:
    members = members_of(pack.read_bytes())
    envelope = json.loads(next(content for name, content in members if name.startswith("signature")))
    envelope["signatures"][0]["sig"] = "A" * 86 + "=="
    forged = json.dumps(envelope, indent=2, sort_keys=True).encode() + b"\n"
    content = written([members[0], (signature_name(forged), forged), *members[2:]])
    assert "its signature is wrong" in refusal(content, tmp_path, keys / "vendor.pub")


def test_a_signature_in_another_form_is_refused_without_a_key(pack: Path, tmp_path: Path) -> None:
    members = members_of(pack.read_bytes())
    envelope = json.dumps(json.loads(members[1][1])).encode()
    content = written([members[0], (signature_name(envelope), envelope), *members[2:]])
    assert "its signature is not as goldlock writes it" in refusal(content, tmp_path)


def test_a_key_id_that_is_none_is_refused_and_never_shown(pack: Path, tmp_path: Path) -> None:
    """It goes into a note where nobody gave a key."""
    members = members_of(pack.read_bytes())
    envelope = json.loads(members[1][1])
    envelope["signatures"][0]["keyid"] = "\x1b[2J\x1b[H all is well"
    forged = signing._canonical(envelope)
    content = written([members[0], (signature_name(forged), forged), *members[2:]])
    assert "its signature is not as goldlock writes it" in refusal(content, tmp_path)


def test_the_command_line_ends_with_3_and_writes_nothing(
    pack: Path, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No engine can be reached here: one that was asked for would be missed in the message."""
    changed = tmp_path / "changed.goldlock"
    content = bytearray(pack.read_bytes())
    content[-2000] ^= 1
    changed.write_bytes(content)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with pytest.raises(RefusedError, match="changed or damaged"):
        cli.main(["verify", str(changed), "--key", str(keys / "vendor.pub")], standalone_mode=False)
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changed.goldlock", "temporary"]


def test_a_pack_is_not_for_the_local_engine(pack: Path) -> None:
    with pytest.raises(Exception, match="the local engine cannot run"):
        cli.main(["verify", str(pack), "--engine", "local"], standalone_mode=False)


def test_a_configuration_is_read_as_it_was_packed(pack: Path) -> None:
    text = dict(members_of(pack.read_bytes()))["goldlock.toml"].decode()
    image = msgspec.json.decode(dict(members_of(pack.read_bytes()))[NAME], type=Manifest).image.config_id
    config = configuration.unpacked(text, Path("/x/goldlock.toml"), image, "pack")
    assert config.subject.image == image
    assert configuration.packed(config, image, {"mlp": "inputs.csv"}) == text

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from recommender import checkpoint
from recommender.errors import CheckpointError

TENSORS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b.weight": np.array([np.pi], np.float32),
}
MANIFEST = {"genres": ["R&B", "Ωμέγα"], "rate": 0.1, "nothing": None, "deep": {"x": [1, 2]}}
SHAPES = {"a": (2, 3), "b.weight": (1,)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a b.safetensors"
    checkpoint.save(path, "genre", TENSORS, MANIFEST)
    return path


def write_header(path: Path, header: str | None, tensors: Any = TENSORS) -> None:
    metadata = None if header is None else {"recommender": header}
    path.write_bytes(safetensors.numpy.save(tensors, metadata=metadata))


def test_what_is_saved_comes_back(path: Path) -> None:
    tensors, manifest = checkpoint.load(path, "genre")
    assert manifest == MANIFEST == checkpoint.load_manifest(path, "genre")
    assert tensors.keys() == TENSORS.keys()
    for name, expected in TENSORS.items():
        assert tensors[name].dtype == np.float32
        np.testing.assert_array_equal(tensors[name], expected)


def test_anybody_can_read_it(path: Path) -> None:
    with safetensors.safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["recommender"])
    digest = header.pop("digest")
    assert header == {"kind": "genre", "manifest": MANIFEST, "version": 2}
    blank = path.read_bytes().replace(digest.encode(), b"0" * 64)
    assert digest == hashlib.sha256(blank).hexdigest()


def test_strided_tensors_keep_their_values(tmp_path: Path) -> None:
    strided = TENSORS["a"].T[::2]
    checkpoint.save(tmp_path / "a", "genre", {"a": strided}, None)
    tensors, manifest = checkpoint.load(tmp_path / "a", "genre")
    np.testing.assert_array_equal(tensors["a"], strided)
    assert manifest is None


def test_same_content_same_bytes(path: Path, tmp_path: Path) -> None:
    backwards = dict(reversed(TENSORS.items()))
    checkpoint.save(tmp_path / "b", "genre", backwards, dict(reversed(MANIFEST.items())))
    assert (tmp_path / "b").read_bytes() == path.read_bytes()


def test_any_numbers_and_any_shape(tmp_path: Path) -> None:
    tensors: dict[str, NDArray[Any]] = {
        "bytes": np.frombuffer(b"\x00estimator\xff", np.uint8),
        "step": np.array(3.0, np.float32),
        "halves": np.array([[0.5], [0.25]], np.float16),
        "counts": np.arange(3, dtype=np.int64),
        "nothing": np.zeros((0, 3), np.float32),
    }
    checkpoint.save(tmp_path / "a", "genre", tensors, None)
    found, _ = checkpoint.load(tmp_path / "a", "genre")
    assert found.keys() == tensors.keys()
    for name, expected in tensors.items():
        assert (found[name].dtype, found[name].shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found[name], expected)
    found["counts"][0] = 7  # writable, as torch wants it


def test_the_first_version_had_no_digest(path: Path) -> None:
    header = {"version": 1, "kind": "genre", "manifest": MANIFEST}
    write_header(path, json.dumps(header, sort_keys=True))
    tensors, manifest = checkpoint.load(path, "genre")
    assert manifest == MANIFEST == checkpoint.load_manifest(path, "genre")
    np.testing.assert_array_equal(tensors["a"], TENSORS["a"])


@pytest.mark.parametrize(
    "manifest",
    [
        {"digest": "0" * 64, "version": 2},
        ["0" * 64, "0" * 128, '"digest": "' + "0" * 64],
        {"0" * 64: {9: 1, 10: 2}},
        float("nan"),
    ],
)
def test_manifests_that_look_like_the_digest(path: Path, manifest: Any) -> None:
    checkpoint.save(path, "genre", {"0" * 64: TENSORS["a"]}, manifest)
    tensors, found = checkpoint.load(path, "genre")
    assert json.dumps(found) == json.dumps(manifest)
    np.testing.assert_array_equal(tensors["0" * 64], TENSORS["a"])


# Files that are refused ---------------------------------------------------------------------------


def refused(path: Path, message: str, kind: str = "genre") -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        checkpoint.load(path, kind)
    assert str(path) in str(caught.value)


def test_another_kind(path: Path) -> None:
    refused(path, "holds a genre, but a profile is needed", kind="profile")


@pytest.mark.parametrize("version", [3, 0, None, "1"])
def test_another_version(path: Path, version: object) -> None:
    write_header(path, json.dumps({"version": version, "kind": "genre", "manifest": {}}))
    refused(path, f"has format version {version}, this program reads up to 2")


@pytest.mark.parametrize("header", [None, "null", "[1]", '"text"', "{", "\ud7ff"])
def test_a_file_of_another_program(path: Path, header: str | None) -> None:
    write_header(path, header)
    refused(path, "not written by this program|not a readable safetensors file")


def test_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "a", "there is no such file")
    refused(tmp_path / "a/b", "there is no such file|not a readable")


def test_a_folder(tmp_path: Path) -> None:
    refused(tmp_path, "not a readable safetensors file")


def test_every_truncation(path: Path) -> None:
    content = path.read_bytes()
    for n in range(len(content)):
        path.write_bytes(content[:n])
        refused(path, "not a readable safetensors file|damaged")


def test_every_changed_byte(path: Path) -> None:
    content = path.read_bytes()
    for i, byte in enumerate(content):
        # Among them what JSON would overlook: other blanks, and other ways to write a number.
        for other in {byte ^ 1, byte ^ 0x20, byte ^ 0xFF, *b"\t1e"} - {byte}:
            path.write_bytes(content[:i] + bytes([other]) + content[i + 1 :])
            with pytest.raises(CheckpointError):
                checkpoint.load(path, "genre")


def test_every_cut_and_what_is_appended(path: Path) -> None:
    content = path.read_bytes()
    for n in range(0, len(content), 7):
        path.write_bytes(content[:n] + content[n + 1 :])
        refused(path, "damaged|not a readable|not written by|there is no|holds a|format version")
    path.write_bytes(content + b"\0")
    refused(path, "not a readable safetensors file|damaged")


def test_a_later_version_cannot_pass_for_the_first(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'\\"version\\": 2', b'\\"version\\": 1'))
    refused(path, "damaged")


@pytest.mark.parametrize("digest", ["", "0" * 64, None, 3, "x"])
def test_a_digest_that_is_none(path: Path, digest: object) -> None:
    header = {"version": 2, "kind": "genre", "manifest": {}, "digest": digest}
    write_header(path, json.dumps(header))
    refused(path, "damaged .its digest does not fit")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" * 9, b"\x80\x04" + b"x" * 99, b"\xff" * 64])
def test_no_safetensors(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, "not a readable safetensors file")


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3"])
def test_numbers_that_numpy_does_not_know(path: Path, dtype: str) -> None:
    size = 4 if dtype == "BF16" else 2
    metadata = {"recommender": json.dumps({"version": 1, "kind": "genre", "manifest": {}})}
    tensor = {"dtype": dtype, "shape": [2], "data_offsets": [0, size]}
    header = json.dumps({"__metadata__": metadata, "a": tensor}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    refused(path, "damaged")


def changed(**tensors: Any) -> dict[str, NDArray[np.float32]]:
    return {**TENSORS, **tensors}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a": TENSORS["a"]}, r"'b\.weight' are missing"),
        (changed(a=TENSORS["a"].T), r"'a' has shape \(3, 2\) .* but \(2, 3\)"),
        (changed(a=TENSORS["a"].ravel()), r"'a' has shape \(6,\)"),
        (changed(a=TENSORS["a"].astype(np.float64)), "float64"),
        (changed(a=TENSORS["a"].astype(np.float16)), "float16"),
        (changed(a=np.full((2, 3), np.nan, np.float32)), "'a' holds values that are not finite"),
        (changed(a=np.full((2, 3), -np.inf, np.float32)), "'a' holds values that are not finite"),
        (changed(c=TENSORS["a"]), "not expected here: 'c'"),
    ],
)
def test_weights_that_do_not_fit(
    tensors: dict[str, NDArray[np.float32]], message: str, tmp_path: Path
) -> None:
    checkpoint.check_shapes(tmp_path, TENSORS, SHAPES)
    with pytest.raises(CheckpointError, match=message) as caught:
        checkpoint.check_shapes(tmp_path, tensors, SHAPES)
    assert str(tmp_path) in str(caught.value)


# Writing ------------------------------------------------------------------------------------------


def test_a_failure_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def no_room(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(path, "genre", {"a": TENSORS["a"]}, None)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_what_json_cannot_hold_is_not_written(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(TypeError):
        checkpoint.save(path, "genre", TENSORS, {"a": object()})
    assert path.read_bytes() == before

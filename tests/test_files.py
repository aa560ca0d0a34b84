import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from recommender.files import write_atomically


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_permissions_are_those_of_the_umask_or_of_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"new")
    assert mode(path) == 0o640
    for old in (0o600, 0o664, 0o444):
        path.chmod(old)
        write_atomically(path, b"newer")
        assert mode(path) == old
    assert path.read_bytes() == b"newer"


def test_links_stay_and_their_target_is_written(tmp_path: Path) -> None:
    target, link = tmp_path / "deep/target", tmp_path / "link"
    target.parent.mkdir()
    link.symlink_to("deep/target")
    for content in (b"first", b"second"):  # the link points to nothing, then to a file
        write_atomically(link, content)
        assert target.read_bytes() == content
    assert link.is_symlink()
    assert list(target.parent.iterdir()) == [target]


def test_a_pipe_stays_one(tmp_path: Path) -> None:
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    listener = threading.Thread(target=lambda: heard.append(pipe.read_bytes()), daemon=True)
    listener.start()
    write_atomically(pipe, b"content")
    listener.join(10)
    assert heard == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("piped", [False, True])
def test_standard_output_has_a_name(tmp_path: Path, piped: bool) -> None:
    code = "from pathlib import Path; from recommender.files import write_atomically as w\n"
    code += "w(Path('/proc/self/fd/1'), b'content')"
    command = [sys.executable, "-c", code]
    if piped:
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    else:
        with open(tmp_path / "out", "wb") as out:
            subprocess.run(command, check=True, stdout=out)
        found = (tmp_path / "out").read_bytes()
    assert found == b"content"


def test_any_name_can_be_written(tmp_path: Path) -> None:
    names = ["x" * 255, "\udcff", "-rf", ".hidden", "ä" * 127]
    for name in names:
        write_atomically(tmp_path / name, b"content")
        assert (tmp_path / name).read_bytes() == b"content"
    assert len(list(tmp_path.iterdir())) == len(names)


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise error

    path = tmp_path / "a"
    path.write_bytes(b"old")
    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error)):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_errors_name_the_file_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "gone/a", tmp_path / "file/a", tmp_path):
        with pytest.raises(OSError, match=re.escape(f"'{path}'")) as caught:
            write_atomically(path, b"")
        assert caught.value.filename == str(path)

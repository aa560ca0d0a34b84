"""The command ``recommender serve``."""

import contextlib
import re
import signal
import socket
import subprocess
from http.client import HTTPConnection
from pathlib import Path

import pytest

import commands
from commands import COMMAND
from recommender.library import Library


def test_it_serves_until_it_is_interrupted(home: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--no-browser"], stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stderr is not None
            line = server.stderr.readline()
            assert str(home) in line
            found = re.search(r"http://127\.0\.0\.1:([0-9]+)/", line)
            assert found is not None
            with contextlib.closing(HTTPConnection("127.0.0.1", int(found[1]))) as connection:
                connection.request("GET", "/api/v1/status")
                assert str(home).encode() in connection.getresponse().read()
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 0
            assert server.stderr.read() == ""
        finally:
            server.kill()


def test_before_anything_was_scanned_the_demo_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = tmp_path / "demo/home"
    Library.open(demo / "library.db").close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECOMMENDER_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def first_lines(n: int) -> str:
        with subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", "--no-browser"], stderr=subprocess.PIPE, text=True
        ) as server:
            assert server.stderr is not None
            lines = "".join(server.stderr.readline() for _ in range(n))
            server.kill()
        return lines

    said = first_lines(2)
    assert "the demo's, in demo/home" in said
    assert f"Serving {demo} at" in said
    Library.open(tmp_path / "data/recommender/library.db").close()
    assert f"Serving {tmp_path / 'data/recommender'} at" in first_lines(1)


def test_others_need_a_token(home: Path) -> None:
    answer = commands.run("serve", "--host", "0.0.0.0", "--port", "0", "--no-browser")
    assert answer.code == 2
    assert "--token" in answer.err
    assert not (home / "jobs").exists()


@pytest.mark.usefixtures("home")
def test_taken_ports_are_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = commands.run("serve", "--port", port, "--no-browser")
    assert answer.code == 2
    assert f"127.0.0.1:{port}" in answer.err
    assert "--port" in answer.err


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe"])
def test_password_files_of_no_use(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    answer = commands.run("serve", "--password-file", path, "--no-browser")
    assert answer.code == 2
    assert str(path) in answer.err.replace("\n", "")


@pytest.mark.usefixtures("home")
def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fastapi.py").write_text("raise ImportError('not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    answer = commands.run("serve", "--no-browser")
    assert answer.code == 2
    assert "pip install 'recommender[web]'" in answer.err.replace("\n", " ")

"""Many at once, over the network: listeners, scans, and clients that hold on to what they have."""

import contextlib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sounds
from kills import members
from test_analysis import noise, write_wav
from web_process import API, Got, Server

N_LISTENERS = 20


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Music in four formats, of which browsers play two."""
    folder = tmp_path / "music"
    for n, name in enumerate(("a.flac", "b.wav", "c.aiff", "d.wv")):
        sounds.tone(folder / name, 20.0, hz=300 + 100 * n, layout="stereo")
    return folder


@pytest.fixture
def server(home: Path, music: Path) -> Iterator[Server]:
    """A server over these four, which have been scanned."""
    with Server(home) as server:
        job = server.ask(f"{API}/library/scans", "POST", {"paths": [str(music)]}).json
        assert list(server.follow(job["id"]))[-1]["state"] == "done"
        yield server


def test_twenty_listeners_while_a_scan_runs(server: Server, music: Path, tmp_path: Path) -> None:
    tracks = server.ask(f"{API}/tracks").json["items"]
    assert [Path(track["path"]).name for track in tracks] == ["a.flac", "b.wav", "c.aiff", "d.wv"]
    for i in range(30):
        write_wav(tmp_path / f"more/{i:02}.wav", noise(20, seed=i))
    job = server.ask(f"{API}/library/scans", "POST", {"paths": [str(tmp_path / "more")]}).json

    def listen(n: int) -> list[Got]:
        """Hear a track from the beginning, then from somewhere in it, as players do."""
        address = f"{API}/tracks/{tracks[n % 4]['id']}/audio"
        whole = server.ask(address, headers={"Range": "bytes=0-"})
        start = len(whole.body) // 3 + n
        later = server.ask(address, headers={"Range": f"bytes={start}-"})
        assert later.headers["content-range"].startswith(f"bytes {start}-")
        assert len(later.body) == len(whole.body) - start
        if n % 4 < 2:
            content = (music / Path(tracks[n % 4]["path"]).name).read_bytes()
            assert (whole.body, later.body) == (content, content[start:])
        return [whole, later]

    def look(_: int) -> list[Got]:
        pages = ("/library", "/profiles", f"{API}/tracks?q=a", f"{API}/library", f"{API}/jobs")
        return [server.ask(page) for page in pages]

    with ThreadPoolExecutor(N_LISTENERS + 2) as pool:
        heard = pool.map(listen, range(N_LISTENERS))
        seen = pool.map(look, range(6))
        assert {got.status for answers in heard for got in answers} == {206}
        assert {got.status for answers in seen for got in answers} == {200}
    last = list(server.follow(job["id"]))[-1]
    assert (last["state"], last["result"]["n_analysed"]) == ("done", 30)


def hold(server: Server, *lines: str, n: int) -> list[socket.socket]:
    """Open connections, say something on each, and do not read the answer."""
    held = []
    for _ in range(n):
        held.append(socket.create_connection(("127.0.0.1", server.port), timeout=60))
        held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        held[-1].sendall("".join(f"{line}\r\n" for line in lines).encode())
    return held


def test_clients_that_hold_on_do_not_stop_others(server: Server, tmp_path: Path) -> None:
    # Long enough that no socket takes all of it: each encoder has to wait for its listener.
    sounds.tone(tmp_path / "long/e.aiff", 900.0, sr=8_000)
    job = server.ask(f"{API}/library/scans", "POST", {"paths": [str(tmp_path / "long")]}).json
    assert list(server.follow(job["id"]))[-1]["state"] == "done"
    found = server.ask(f"{API}/tracks").json["items"]
    tracks = {Path(track["path"]).name: track["id"] for track in found}
    host = f"Host: 127.0.0.1:{server.port}"
    with contextlib.ExitStack() as stack:
        for lines in (
            ("GET / HTTP/1.1", host),  # a head without an end
            ("POST /api/v1/profiles HTTP/1.1", host, "Content-Length: 99", ""),  # nor a body
            (f"GET {API}/tracks/{tracks['b.wav']}/audio HTTP/1.1", host, ""),
            (f"GET {API}/tracks/{tracks['e.aiff']}/audio HTTP/1.1", host, ""),
        ):
            for connection in hold(server, *lines, n=20):
                stack.enter_context(connection)
        # So many encoders wait for their listeners; there is room for some more.
        server.wait_for(lambda: n_encoders(server) == 20)
        for path in ("/library", f"{API}/status", f"{API}/tracks/{tracks['d.wv']}/audio"):
            assert server.ask(path).status == 200
    server.wait_for(lambda: n_encoders(server) == 0)
    assert server.ask("/library").status == 200


def n_encoders(server: Server) -> int:
    """How many processes of the server encode."""
    n = 0
    for pid in members(server.pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            n += b"libmp3lame" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return n


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n X: folded\r\nContent-Length: -5\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST /api/v1/profiles HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /api/v1/profiles HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked, identity\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /static/../../../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET ../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


def test_garbage_is_refused(home: Path) -> None:
    with Server(home) as server:
        for sent in GARBAGE:
            with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
                with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                    connection.sendall(sent)
                    connection.shutdown(socket.SHUT_WR)
                answer = b""
                with contextlib.suppress(ConnectionResetError):
                    while part := connection.recv(65536):
                        answer += part
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), (sent[:80], answer[:200])
            assert b"root:" not in answer
        assert server.ask("/library").status == 200

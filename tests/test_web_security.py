"""What attackers try at the server, each of which is refused."""

import hmac
import itertools
import json
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi import FastAPI, Request

import sounds
import web_home
from recommender.audio import Tags
from recommender.errors import ParameterError
from recommender.library import Library
from recommender.web import files, limits, login, security
from recommender.web.app import create_app
from recommender.web.limits import BodyLimit, Buckets, Limit
from recommender.web.login import Door
from recommender.web.settings import Settings
from web_asking import HOST, OWN, Reply, ask, lifespan, remember

SECRET = "do not read this"
TOKEN = "correct horse"
API = "/api/v1"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of music that is scanned, and a secret beside it."""
    folder = tmp_path / "music"
    sounds.tone(folder / "song.wav", 0.5)
    (tmp_path / "secret").mkdir()
    sounds.tone(tmp_path / "secret/secret.wav", 0.5, hz=300)
    (tmp_path / "secret/secret.txt").write_text(SECRET)
    return folder


@pytest.fixture
def app(home: Path, root: Path) -> FastAPI:
    assert remember(home, root / "song.wav", 0.5, root=root) == [1]
    return create_app(home)


@pytest.fixture
def guarded(home: Path) -> FastAPI:
    """The application where others can reach it, behind a token."""
    return create_app(Settings(home=home, host="0.0.0.0", token=TOKEN))


def refused(reply: Reply, *statuses: int) -> None:
    """Check that a request was refused in good form, and nothing given away."""
    assert reply.status in (statuses or range(400, 500)), reply
    if reply.headers["content-type"] == "application/problem+json":
        assert reply.json["status"] == reply.status
    else:  # a page that does not exist
        assert (reply.status, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert SECRET.encode() not in reply.body
    assert b"root:" not in reply.body
    protected(reply)


def protected(reply: Reply) -> None:
    """Check the headers that every answer has."""
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy.replace("style-src 'unsafe-inline'; img-src data:", "")
    assert "http" not in policy
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in reply.headers


# Paths --------------------------------------------------------------------------------------------

UP = [
    "..",
    "%2e%2e",
    "%2E.",
    ".%2e",
    "%252e%252e",
    "..%00",
    "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae",
    "%uff0e%uff0e",
    "..;",
    ".../...",
    "....//",
]
SLASHES = ["/", "%2f", "%5c", "\\", "%252f", "%c0%af", "//", "/./"]
PLACES = [
    "/static/",
    f"{API}/tracks/",
    f"{API}/tracks/1/audio/",
    f"{API}/profiles/",
    f"{API}/jobs/",
    "/",
]
WALKS = [
    f"{place}{(up + slash) * 12}etc{slash}passwd"
    for place, (up, slash) in zip(
        itertools.cycle(PLACES), itertools.product(UP, SLASHES), strict=False
    )
]
OTHER_PATHS = [
    "/static//etc/passwd",
    "/static/%2fetc/passwd",
    "//etc/passwd",
    "/static/file:///etc/passwd",
    "/etc/passwd",
    "/static/C:%5cWindows%5cwin.ini",
    "/static/css%00.css",
    "/static/..%c1%9c..%c1%9cetc/passwd",
    f"/static/{'a' * 300}",
    f"/static/{'a/' * 5000}",
    f"{API}/tracks/1%00/audio",
    f"{API}/tracks/../../../etc/passwd/audio",
    f"{API}/tracks/0/audio",
    f"{API}/tracks/-1/audio",
    f"{API}/tracks/1.5/audio",
    f"{API}/tracks/1e0/audio",
    f"{API}/tracks/0x1/audio",
    f"{API}/tracks/%20%201x/audio",
    f"{API}/tracks/9223372036854775808/audio",
    f"{API}/tracks/{'9' * 4000}/audio",
    f"{API}/tracks/1;ls/audio",
    f"{API}/tracks/1'OR'1'='1/audio",
    f"{API}/tracks/%d9%a1x/audio",
    f"{API}/tracks/.../audio",
    f"{API}/tracks/2/audio",
    f"{API}/tracks/2/spectrogram.png",
    f"{API}/tracks/secret.wav/audio",
    f"{API}/tracks/%2fetc%2fpasswd/spectrogram.png",
    f"{API}/profiles/..",
    f"{API}/profiles/../library",
    f"{API}/profiles/..%2flibrary",
    f"{API}/profiles/%2e%2e%2flibrary",
    f"{API}/profiles/nobody/export",
    f"{API}/profiles/{'n' * 5000}",
    f"{API}/profiles/%00",
    f"{API}/profiles/a%0d%0aSet-Cookie:%20a=b",
    f"{API}/profiles/%ff%fe",
    f"{API}/jobs/..%2f..%2flibrary.db",
    f"{API}/jobs/{'f' * 5000}/events",
    f"{API}/evaluations/..%2flibrary?format=html",
    f"{API}/evaluations/%2e%2e?format=html",
    "/profiles/..%2f..%2f",
    "/ranking/%2e%2e%2f%2e%2e%2f",
    "/tracks/..",
    "/%0d%0aSet-Cookie:a=b",
    "/login/../../etc/passwd",
]


@pytest.mark.parametrize("target", WALKS + OTHER_PATHS, ids=lambda t: quote(t[:80], safe="/"))
def test_no_path_leads_out(app: FastAPI, target: str) -> None:
    refused(ask(app, target))


@pytest.mark.parametrize(
    "place",
    [
        "/etc",
        "/",
        "/proc/self",
        "{secret}",
        "{root}/../secret",
        "{root}/..",
        "relative",
        "",
        "/etc\0",
        "~",
        "/" + "a" * 300,
        "/" + "a/" * 3000,
        "{root}%2f..%2f..",
        "\\\\server\\share",
        "file:///etc",
        "{link}",
    ],
)
def test_only_folders_of_music_are_listed(
    app: FastAPI, root: Path, tmp_path: Path, place: str
) -> None:
    (root / "link").symlink_to(tmp_path / "secret")
    text = place.format(secret=tmp_path / "secret", root=root, link=root / "link")
    reply = ask(app, f"{API}/library/folders?under={quote(text, safe='')}")
    assert reply.status < 500
    listed = reply.json["folders"] if reply.status == 200 else []
    assert {folder["path"] for folder in listed} <= {
        str(parent) for parent in [root, *root.parents]
    }
    for name in (b"passwd", b"secret.wav", b"fd"):
        assert name not in reply.body.replace(quote(text).encode(), b"")
    protected(reply)


# Links that lead elsewhere ------------------------------------------------------------------------


def hear(app: FastAPI, track_id: int = 1) -> Reply:
    reply = ask(app, f"{API}/tracks/{track_id}/audio")
    picture = ask(app, f"{API}/tracks/{track_id}/spectrogram.png")
    assert reply.status == picture.status
    return reply


def test_a_file_that_became_a_link(app: FastAPI, root: Path, tmp_path: Path) -> None:
    assert hear(app).status == 200
    (root / "song.wav").unlink()
    (root / "song.wav").symlink_to(tmp_path / "secret/secret.wav")
    refused(hear(app), 403)


def test_a_folder_that_became_a_link(home: Path, root: Path, tmp_path: Path) -> None:
    sounds.tone(root / "deep/er/secret.wav", 0.5)
    (track_id,) = remember(home, root / "deep/er/secret.wav", 0.5, root=root)
    app = create_app(home)
    assert hear(app, track_id).status == 200
    (root / "deep/er").rename(tmp_path / "moved")
    (root / "deep/er").symlink_to(tmp_path / "secret")
    refused(hear(app, track_id), 403)


def test_a_root_that_became_a_link(app: FastAPI, root: Path, tmp_path: Path) -> None:
    root.rename(tmp_path / "moved")
    root.symlink_to(tmp_path / "moved")
    refused(hear(app), 403)


def test_links_within_the_folders_are_followed(home: Path, root: Path) -> None:
    (root / "link.wav").symlink_to("song.wav")
    (track_id,) = remember(home, root / "link.wav", 0.5, root=root)
    assert hear(create_app(home), track_id).body == (root / "song.wav").read_bytes()


def test_links_to_what_the_library_holds_are_followed(home: Path, root: Path) -> None:
    """Also of music that was not scanned as a folder of the library."""
    (root / "link.wav").symlink_to("song.wav")
    (track_id,) = remember(home, root / "link.wav", 0.5)
    refused(hear(create_app(home), track_id), 403)
    remember(home, root / "song.wav", 0.5)
    assert hear(create_app(home), track_id).status == 200


def test_what_is_no_file(app: FastAPI, root: Path) -> None:
    path = root / "song.wav"
    path.unlink()
    refused(hear(app), 404)
    os.mkfifo(path)  # opening it would wait for ever
    refused(hear(app), 403)
    path.unlink()
    path.mkdir()
    refused(hear(app), 403)
    path.rmdir()
    path.symlink_to("/dev/zero")
    refused(hear(app), 403)
    path.unlink()
    path.symlink_to("song.wav")  # a loop
    refused(hear(app), 403)


def test_what_may_not_be_read(app: FastAPI, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "_open_exactly", no)
    refused(hear(app), 403)
    assert (root / "song.wav").exists()


def test_a_link_that_is_set_at_the_last_moment(
    app: FastAPI, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was judged is what is opened, whatever became of its name in between."""
    judge = files.resolved
    path = root / "song.wav"

    def swap_file() -> None:
        path.unlink()
        path.symlink_to(tmp_path / "secret/secret.wav")

    def swap_folder() -> None:
        (tmp_path / "secret/song.wav").write_text(SECRET)
        root.rename(tmp_path / "moved")
        root.symlink_to(tmp_path / "secret")

    for swap in (swap_file, swap_folder):

        def judge_and_swap(library: Library, name: bytes, swap: Callable[[], None] = swap) -> bytes:
            real = judge(library, name)
            swap()
            return real

        path.unlink()
        sounds.tone(path, 0.5)
        monkeypatch.setattr(files, "resolved", judge_and_swap)
        refused(ask(app, f"{API}/tracks/1/audio"), 403)


def test_missing_files_of_other_places_do_not_matter(home: Path, root: Path) -> None:
    """A recording in two files is heard from the one that is there."""
    (track_id,) = remember(home, root / "song.wav", 0.5, root=root)
    with Library.open(home / "library.db") as library:
        library._rows(
            """INSERT INTO files SELECT ?, number, start_s, end_s, track_id, size, mtime_ns, file_s,
            sheet, artist, title, album, genre, warning, NULL FROM files""",
            (os.fsencode(root / "a.wav"),),
        )
    assert hear(create_app(home), track_id).status == 200


# Names of the server ------------------------------------------------------------------------------

FOREIGN_HOSTS = [
    "evil.example",
    "evil.example:8765",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example.",
    "localhost.",
    "127.0.0.1.",
    "127.0.0.1.nip.io:8765",
    "10.0.0.1:8765",
    "192.168.1.2",
    "0.0.0.0:8765",
    "0",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "169.254.169.254",
    "[::]",
    "[fe80::1]",
    "[::ffff:10.0.0.1]",
    "[127.0.0.1]",
    "[::1",
    "::1",
    "[::1%25eth0]",
    "user@127.0.0.1",
    "127.0.0.1@evil.example",
    "127.0.0.1#evil.example",
    "127.0.0.1/evil.example",
    "127.0.0.1:8765:8765",
    "127.0.0.1:port",
    "127.0.0.1:-1",
    "127.0.0.1:999999",
    "127.0.0.1 evil.example",
    "127.0.0.1,evil.example",
    "127.0.0.1\tevil",
    "loc\xe4lhost",
    "xn--localhost",
    "LOCALHOST.EVIL.EXAMPLE",
    "*",
    "",
    " ",
    "http://127.0.0.1:8765",
    "a" * 300,
]


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_other_names_are_refused(app: FastAPI, host: str) -> None:
    for target in ("/", f"{API}/status", f"{API}/tracks/1/audio", "/static/css/app.css"):
        refused(ask(app, target, headers={"host": host}), 400, 421)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("host", HOST), ("host", HOST)],
        [("host", "evil.example"), ("host", HOST)],
        [("host", "evil.example"), ("x-forwarded-host", HOST)],
        [("host", "evil.example"), ("forwarded", f"host={HOST}")],
        [("host", "evil.example"), ("x-host", HOST)],
        [("host", HOST), ("content-length", "-1")],
        [("host", HOST), ("content-length", "1e3")],
        [("host", HOST), ("content-length", "9" * 40)],
        [("host", HOST), ("content-length", "0x10")],
        [("host", HOST), ("content-length", "1"), ("content-length", "a")],
    ],
)
def test_headers_that_contradict(app: FastAPI, headers: list[tuple[str, str]]) -> None:
    refused(ask(app, f"{API}/status", headers=headers), 400, 421)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", HOST, "localhost", "LocalHost:80", "[::1]:8765", "127.0.0.2"]
)
def test_own_names(app: FastAPI, host: str) -> None:
    assert ask(app, f"{API}/status", headers={"host": host}).status == 200


@pytest.mark.parametrize("host", ["192.168.1.2:8765", "[fd00::1]", "127.0.0.1", "Box.local", "box"])
def test_own_names_in_a_network(
    guarded: FastAPI, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number leads to one machine only, whatever a name server says."""
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    headers = {"host": host, "authorization": f"Bearer {TOKEN}"}
    assert ask(guarded, f"{API}/status", headers=headers).status == 200
    refused(ask(guarded, f"{API}/status", headers={**headers, "host": "evil.example"}), 421)
    refused(ask(guarded, f"{API}/status", headers={**headers, "host": "box.evil.example"}), 421)


# Other sites --------------------------------------------------------------------------------------

ORIGINS = [
    "http://evil.example",
    "https://evil.example",
    "null",
    "",
    "file://",
    "http://127.0.0.1",
    "http://127.0.0.1:8766",
    "http://localhost:8765",
    "http://127.0.0.1:8765.evil.example",
    "http://evil.example/127.0.0.1:8765",
    "http://user@127.0.0.1:8765",
    "http://127.0.0.1:8765/",
    "http://127.0.0.1:8765 http://evil.example",
    "chrome-extension://abcdef",
    "moz-extension://abcdef",
    "ftp://127.0.0.1:8765",
    "//127.0.0.1:8765",
]
JSON = {"content-type": "application/json"}
UNSAFE = [
    ("POST", "/library/scans", b'{"paths": ["/"]}'),
    ("POST", "/profiles", b'{"name": "x", "tracks": [1]}'),
    ("POST", "/profiles/x/feedback", b'{"like": [1]}'),
    ("DELETE", "/profiles/x", b""),
    ("DELETE", "/jobs/1", b""),
]


@pytest.mark.parametrize("origin", ORIGINS)
def test_pages_of_other_sites_change_nothing(app: FastAPI, origin: str) -> None:
    for method, path, body in UNSAFE:
        reply = ask(app, API + path, method, {**OWN, **JSON, "origin": origin}, body)
        refused(reply, 403)
    refused(ask(app, f"{API}/status", headers={**OWN, "origin": origin}), 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "", "SAME-ORIGIN", "x"])
def test_browsers_say_where_requests_come_from(app: FastAPI, site: str) -> None:
    for method, path, body in UNSAFE:
        refused(ask(app, API + path, method, {**OWN, **JSON, "sec-fetch-site": site}, body), 403)
        lie = {**OWN, **JSON, "sec-fetch-site": site, "origin": f"http://{HOST}"}
        refused(ask(app, API + path, method, lie, body), 403)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "x"])
@pytest.mark.parametrize(
    ("mode", "dest"),
    [
        ("no-cors", "image"),
        ("no-cors", "audio"),
        ("no-cors", "script"),
        ("no-cors", "style"),
        ("cors", "empty"),
        ("navigate", "iframe"),
        ("navigate", "embed"),
        ("navigate", "object"),
        ("websocket", "websocket"),
    ],
)
def test_other_sites_embed_nothing(app: FastAPI, site: str, mode: str, dest: str) -> None:
    sent = {**OWN, "sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
    for path in ("/", f"{API}/tracks/1/audio", f"{API}/status", f"{API}/tracks/1/spectrogram.png"):
        refused(ask(app, path, headers=sent), 403)


def test_links_from_other_sites_lead_to_pages(app: FastAPI) -> None:
    visit = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    assert ask(app, "/library", headers={**OWN, **visit}).status in (200, 404)  # never refused
    refused(ask(app, f"{API}/status", headers={**OWN, **visit}), 403)
    refused(ask(app, "/logout", "POST", {**OWN, **visit}), 403)


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "", "TEXT/PLAIN; charset=utf-8"]
)
def test_simple_forms_need_a_proof(app: FastAPI, kind: str) -> None:
    """What a form of another site can send, where a browser says nothing about itself."""
    body = b'{"paths": ["/"], "x": "="}'
    sent = {**OWN, "content-type": kind, "content-length": str(len(body))}
    refused(ask(app, f"{API}/library/scans", "POST", sent, body), 415)
    chunked = {**OWN, "content-type": kind, "transfer-encoding": "chunked"}
    refused(ask(app, f"{API}/library/scans", "POST", chunked, body), 415)


@pytest.mark.parametrize(
    "referer",
    [
        "http://evil.example/",
        "https://127.0.0.1:8765.evil.example/",
        "about:blank",
        "http://evil.example/?http://127.0.0.1:8765/",
    ],
)
def test_old_browsers_say_it_otherwise(app: FastAPI, referer: str) -> None:
    sent = {**OWN, **JSON, "referer": referer}
    refused(ask(app, f"{API}/profiles/x/undo", "POST", sent), 403)


@pytest.mark.parametrize(
    "proof",
    [
        {},
        {"origin": f"http://{HOST}"},
        {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "same-origin"},
        {"referer": f"http://{HOST}/library"},
    ],
)
def test_own_pages_and_programs_may(app: FastAPI, proof: dict[str, str]) -> None:
    sent = {**OWN, **JSON, **proof}
    reply = ask(app, f"{API}/profiles/nobody/undo", "POST", sent)
    assert reply.status == 404, reply  # let through, but there is no such profile


def test_nobody_else_is_told_what_is_allowed(app: FastAPI) -> None:
    asked = {
        "origin": "http://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-private-network": "true",
    }
    reply = ask(app, f"{API}/profiles", "OPTIONS", {**OWN, **asked})
    refused(reply, 403)
    assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "PUT", "DEBUG"])
def test_other_methods(app: FastAPI, method: str) -> None:
    refused(ask(app, f"{API}/status", method), 405)


# Tokens -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "box", "example.org", ""])
def test_other_addresses_need_a_token(home: Path, host: str) -> None:
    with pytest.raises(ParameterError, match="token"):
        create_app(Settings(home=home, host=host))
    create_app(Settings(home=home, host=host, token=TOKEN))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.53"])
def test_this_machine_needs_none(home: Path, host: str) -> None:
    create_app(Settings(home=home, host=host))


def test_short_tokens_are_refused(home: Path) -> None:
    with pytest.raises(ParameterError, match="guessed"):
        create_app(Settings(home=home, token="1234567"))


OUTSIDE = {"host": "192.168.1.2:8765"}


@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": "Bearer "},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"authorization": f"Bearer {TOKEN.upper()}"},
        {"authorization": "Bearer \xff\xfe"},
        {"cookie": f"recommender-8765={TOKEN}"},
        {"cookie": "recommender-8765="},
        {"cookie": "recommender-8765=.."},
        {"cookie": "recommender-8765=ffffffffff.0.0"},
        {"cookie": "recommender-8765=\xff"},
        {"cookie": "recommender-8765=" + "a" * 5000},
        {"cookie": "recommender-8765=x.y.z; recommender-8765=x"},
        {"x-token": TOKEN},
    ],
)
def test_nothing_is_given_without_the_token(guarded: FastAPI, shown: dict[str, str]) -> None:
    for target in (f"{API}/status", f"{API}/tracks", f"{API}/openapi.json", "/library", "/nowhere"):
        reply = ask(guarded, target, headers={**OUTSIDE, **shown})
        refused(reply, 401)
        assert reply.headers["www-authenticate"] == "Bearer"
    refused(ask(guarded, f"{API}/status?token={quote(TOKEN)}", headers=OUTSIDE), 401)
    page = ask(guarded, "/ranking/a?x=1&y=2", headers={**OUTSIDE, **shown, "accept": "text/html"})
    assert (page.status, page.headers["location"]) == (
        303,
        "/login?next=%2Franking%2Fa%3Fx%3D1%26y%3D2",
    )


def log_in(app: FastAPI, token: str, target: str = "/library", client: str = "10.0.0.1") -> Reply:
    form = f"token={quote(token)}&next={quote(target, safe='')}".encode()
    sent = {
        **OUTSIDE,
        "content-type": "application/x-www-form-urlencoded",
        "origin": f"http://{OUTSIDE['host']}",
    }
    return ask(app, "/login", "POST", sent, form, client=client)


def test_the_token_opens(guarded: FastAPI, home: Path) -> None:
    reply = log_in(guarded, TOKEN)
    assert (reply.status, reply.headers["location"]) == (303, "/library")
    cookie, *attributes = reply.headers["set-cookie"].split("; ")
    assert {a.lower() for a in attributes} >= {"httponly", "samesite=strict", "path=/"}
    assert TOKEN not in cookie
    status = {**OUTSIDE, "cookie": cookie}
    assert ask(guarded, f"{API}/status", headers=status).status == 200
    bearer = {**OUTSIDE, "authorization": f"bearer {TOKEN}"}
    assert ask(guarded, f"{API}/status", headers=bearer).status == 200
    # It outlasts the server, but not the token.
    again = create_app(Settings(home=home, host="0.0.0.0", token=TOKEN))
    assert ask(again, f"{API}/status", headers=status).status == 200
    other = create_app(Settings(home=home, host="0.0.0.0", token=TOKEN + "!"))
    refused(ask(other, f"{API}/status", headers=status), 401)


def test_cookies_end() -> None:
    now = 1e9
    door = Door(TOKEN, 8765, clock=lambda: now)
    cookie = door.cookie()
    assert door.admits(cookie)
    assert cookie != door.cookie()
    for i in range(len(cookie)):
        changed = cookie[:i] + ("0" if cookie[i] != "0" else "1") + cookie[i + 1 :]
        assert not door.admits(changed)
    now += login.VALID_S + 1
    assert not door.admits(cookie)


def test_logging_out(guarded: FastAPI) -> None:
    sent = {**OUTSIDE, "authorization": f"Bearer {TOKEN}", "origin": f"http://{OUTSIDE['host']}"}
    reply = ask(guarded, "/logout", "POST", sent)
    assert reply.status == 303
    assert 'recommender-8765=""' in reply.headers["set-cookie"]


TARGETS = [
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "javascript:alert(1)",
    "/a\r\nSet-Cookie: a=b",
    "/\t/evil.example",
    "",
    "evil",
    "///evil.example",
    "/é",
]


@pytest.mark.parametrize("target", TARGETS)
def test_logging_in_leads_nowhere_else(guarded: FastAPI, target: str) -> None:
    for token in (TOKEN, "wrong token"):
        reply = log_in(guarded, token, target)
        assert reply.headers["location"] in ("/", "/login?failed=1&next=%2F")
        assert "evil" not in str(reply.all_headers)


def test_other_sites_cannot_log_anybody_in(guarded: FastAPI) -> None:
    sent = {**OUTSIDE, "content-type": "application/x-www-form-urlencoded"}
    form = f"token={quote(TOKEN)}".encode()
    foreign = {**sent, "origin": "http://evil.example"}
    refused(ask(guarded, "/login", "POST", foreign, form), 403)
    refused(ask(guarded, "/login", "POST", {**sent, "content-length": "20"}, form), 415)


def test_guessing_is_slowed_down(guarded: FastAPI) -> None:
    """The tenth guess is the last for a while, also for those who know the token then."""
    for _ in range(10):
        assert log_in(guarded, "wrong guess").headers["location"].startswith("/login?failed=1")
    late = log_in(guarded, TOKEN)
    refused(late, 429)
    assert 1 <= int(late.headers["retry-after"]) <= 12
    assert log_in(guarded, TOKEN, client="10.0.0.2").status == 303  # others may


def test_guessing_programs_are_slowed_down(guarded: FastAPI) -> None:
    def guess(token: str) -> int:
        sent = {**OUTSIDE, "authorization": f"Bearer {token}"}
        return ask(guarded, f"{API}/status", headers=sent, client="10.0.0.3").status

    assert [guess(TOKEN) for _ in range(12)] == [200] * 12
    assert [guess("wrong guess") for _ in range(10)] == [401] * 10
    assert guess("wrong guess") == 429
    assert guess(TOKEN) == 429


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return a == b

    monkeypatch.setattr(hmac, "compare_digest", compare)
    door = Door(TOKEN, 1)
    assert [door.opens(guess) for guess in ("", "x", TOKEN, "\udcff" * 999)] == [
        False,
        False,
        True,
        False,
    ]
    assert set(compared) == {(32, 32)}  # digests: not even the length can be told


def test_nothing_secret_is_logged(guarded: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    cookie = log_in(guarded, TOKEN).headers["set-cookie"].partition(";")[0]
    log_in(guarded, "wrong guess")
    ask(guarded, f"{API}/status", headers={**OUTSIDE, "cookie": cookie, "origin": "http://x"})
    ask(guarded, f"{API}/status", headers={**OUTSIDE, "authorization": f"Bearer {TOKEN}x"})
    ask(guarded, "/a%0d%0aforged line", headers={**OUTSIDE, "authorization": f"Bearer {TOKEN}"})
    assert "another site" in caplog.text
    for secret in (TOKEN, "wrong guess", cookie.partition("=")[2]):
        assert secret not in caplog.text
    assert TOKEN not in repr(guarded.state.settings) + repr(guarded.user_middleware)
    assert all("\n" not in record.getMessage() for record in caplog.records)


# How much -----------------------------------------------------------------------------------------

SMALL = BodyLimit(n_bytes=100, total_s=5.0, pause_s=5.0)


def test_bodies_that_are_announced_too_large(app: FastAPI) -> None:
    for path, limit in (
        ("/library/scans", 8 << 20),
        ("/profiles/upload", 16 << 20),
        ("/playlists", 16 << 20),
        ("/predict", 256 << 20),
    ):
        sent = {**OWN, **JSON, "content-length": str(limit + 1)}
        reply = ask(app, API + path, "POST", sent, b"")
        refused(reply, 413)
        assert f"{limit >> 20} MiB" in reply.json["detail"]
    refused(ask(app, "/login", "POST", {**OWN, **JSON, "content-length": "4097"}), 413)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/library/scans", "application/json"),
        ("/predict", "multipart/form-data; boundary=x"),
        ("/profiles/upload", "multipart/form-data; boundary=x"),
        ("/playlists", "multipart/form-data; boundary=x"),
    ],
)
def test_bodies_that_turn_out_too_large(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, path: str, kind: str
) -> None:
    monkeypatch.setattr(limits, "PLAIN", SMALL)
    monkeypatch.setattr(limits, "BODIES", ())
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    n_read = 0

    def endless() -> Iterator[bytes]:
        nonlocal n_read
        for part in [head, *[b"a" * 10] * 100]:
            n_read += 1
            yield part

    sent = {**OWN, "content-type": kind, "transfer-encoding": "chunked"}
    refused(ask(app, API + path, "POST", sent, endless()), 413)


def test_bodies_that_come_too_slowly(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = {**OWN, **JSON, "transfer-encoding": "chunked"}
    dribble = [b"[" for _ in range(100)]
    for slow in (
        BodyLimit(n_bytes=100, pause_s=0.05, total_s=9.0),
        BodyLimit(n_bytes=100, pause_s=9.0, total_s=0.5),
    ):
        monkeypatch.setattr(limits, "PLAIN", slow)
        reply = ask(app, f"{API}/library/scans", "POST", sent, dribble, pause_s=0.2)
        refused(reply, 408)
        assert reply.headers["connection"] == "close"


def test_answers_are_not_cut_short_by_limits(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What listens for the end of the connection may do so for as long as it takes."""
    monkeypatch.setattr(limits, "PLAIN", BodyLimit(n_bytes=1, total_s=0.05, pause_s=0.05))
    app = create_app(home)

    @app.get("/slow")
    async def slow(request: Request) -> int:
        import asyncio

        await asyncio.sleep(0.2)
        return int(await request.is_disconnected())

    assert ask(app, "/slow").body == b"0"


def test_buckets_fill_up_again() -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    limit = Limit(calls="x", burst=2, per_s=0.5, at_once=1)
    assert [buckets.take(limit, "a") for _ in range(3)] == [0, 0, 2.0]
    assert buckets.take(limit, "b") == 0
    now = 1.0
    assert buckets.take(limit, "a") == 1.0
    now = 2.0
    assert [buckets.take(limit, "a") for _ in range(2)] == [0, 2.0]
    now = 1e6
    assert [buckets.take(limit, "a") for _ in range(3)] == [0, 0, 2.0]
    buckets.give(limit, "a")
    assert buckets.take(limit, "a") == 0


def test_buckets_of_very_many_clients_are_few() -> None:
    buckets = Buckets(lambda: 0.0)
    limit = Limit(calls="x", burst=1, per_s=1, at_once=1)
    for i in range(Buckets.N_CLIENTS + 10):
        assert buckets.take(limit, str(i)) == 0
    assert len(buckets._levels[limit]) == Buckets.N_CLIENTS
    assert buckets.take(limit, str(i)) == 1


def test_so_many_at_once() -> None:
    buckets = Buckets()
    limit = Limit(calls="x", burst=1, per_s=1, at_once=2)
    assert [buckets.enter(limit) for _ in range(3)] == [True, True, False]
    buckets.leave(limit)
    assert buckets.enter(limit)


def test_clients() -> None:
    assert limits.client_of("10.0.0.1") == "10.0.0.1"
    assert limits.client_of("fd00::1") == limits.client_of("fd00::ffff") != limits.client_of("::1")
    assert limits.client_of(None) == limits.client_of(None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/predict"),
        ("POST", f"{API}/predict"),
        ("POST", f"{API}/evaluations"),
        ("GET", f"{API}/profiles/my name/quality"),
        ("HEAD", f"{API}/tracks/1/audio"),
        ("GET", f"{API}/jobs/0a/events"),
    ],
)
def test_what_costs_much_is_counted(method: str, path: str) -> None:
    limit = limits.limit_of(method, path)
    assert limit is not None
    assert limit.at_once < limits.ANY.at_once
    assert limits.limit_of("GET", f"{API}/status") is None


def test_expensive_calls_are_limited(app: FastAPI) -> None:
    statuses = [ask(app, f"{API}/profiles/nobody/quality").status for _ in range(12)]
    assert statuses == [404] * 10 + [429] * 2


def test_followers_of_jobs_are_limited(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who follow without end hold a place each, and give it back."""
    limit = limits.limit_of("GET", f"{API}/jobs/1/events")
    assert limit is not None
    buckets = Buckets()
    monkeypatch.setattr(security, "Buckets", lambda: buckets)
    app = create_app(home)
    for _ in range(limit.at_once + 1):
        assert ask(app, f"{API}/jobs/1/events").status == 404
    for _ in range(limit.at_once):
        assert buckets.enter(limit)
    refused(ask(app, f"{API}/jobs/1/events"), 429)
    buckets.leave(limit)
    assert ask(app, f"{API}/jobs/1/events").status == 404


# What browsers are told ---------------------------------------------------------------------------


def test_every_answer_is_protected(app: FastAPI) -> None:
    for target in (
        "/",
        "/library",
        f"{API}/status",
        "/nowhere",
        f"{API}/openapi.json",
        "/static/no",
    ):
        protected(ask(app, target))


def test_defects_are_protected_too(home: Path) -> None:
    app = create_app(home)

    @app.get("/defect")
    def defect() -> None:
        raise ZeroDivisionError(SECRET)

    with pytest.raises(ZeroDivisionError):
        ask(app, "/defect")
    replies = []

    async def outer(scope: object, receive: object, send: object) -> None:
        try:
            await app(scope, receive, send)  # type: ignore[arg-type]
        except ZeroDivisionError:
            replies.append(1)

    reply = ask(outer, "/defect")  # type: ignore[arg-type]
    refused(reply, 500)
    assert replies


def test_reports_run_no_scripts(home: Path) -> None:
    """They are pages with styles of their own, and so have a policy of their own."""
    job = {
        "id": "0a",
        "kind": "evaluation",
        "arguments": {},
        "state": "done",
        "created_at": "2026-01-01T00:00:00Z",
        "result": {"n": 1},
    }
    (home / "jobs").mkdir(parents=True)
    (home / "jobs/0a.json").write_text(json.dumps(job))
    (home / "jobs/0a.html").write_text("<style>p { color: red }</style>")
    app = create_app(home)
    with lifespan(app):
        reply = ask(app, f"{API}/evaluations/0a?format=html")
    assert (reply.status, reply.body) == (200, b"<style>p { color: red }</style>")
    assert reply.headers["content-security-policy"].endswith("; sandbox")
    protected(reply)


XSS = '<script>alert("1")</script><img src=x onerror=alert(1)>'


def test_tags_are_escaped_everywhere(home: Path, root: Path) -> None:
    path = sounds.tone(root / "<img src=x onerror=alert(2)>" / "'\"><svg onload=alert(3)>.wav", 0.5)
    tags = Tags(title=XSS, artist=XSS, album=XSS, genre=XSS)
    (track_id,) = remember(home, path, 0.5, tags=tags, root=root)
    with Library.open(home / "library.db") as library:
        library.record_failure(root / "<script>alert(4)</script>.mp3", XSS)
    app = create_app(home)
    pages = (
        "/",
        "/library",
        "/profiles",
        "/genre",
        "/map",
        f"/tracks/{track_id}",
        f"/library?q={quote(XSS)}",
        f"/nowhere/{quote(XSS, safe='')}",
    )
    with lifespan(app):
        for page in pages:
            reply = ask(app, page, headers={**OWN, "accept": "text/html"})
            assert reply.status < 500
            for raw in (b"<script>alert", b"<img src=x", b"<svg onload"):
                assert raw not in reply.body, page
            protected(reply)
        reply = ask(app, f"{API}/tracks/{track_id}")
        assert reply.headers["content-type"] == "application/json"
        assert reply.json["title"] == XSS


# What programs send ------------------------------------------------------------------------------

NASTY = [
    "/" + "a" * 300,
    "/" + "a/" * 2000,
    "/a\0b",
    "\0",
    "../../etc",
    "~root",
    "/\udcff",
    "/\ud800",
    "file:///etc/passwd",
    "http://evil.example/a.mp3",
    "\\\\evil.example\\share",
    "-i",
    "/dev/fd/0x",
    "/proc/self/no",
    "$(touch /tmp/x)",
    "%s%n",
    "'; DROP TABLE files; --",
    "{{7*7}}",
    "\u202e/cte/",
]


@pytest.mark.parametrize("text", NASTY, ids=lambda text: repr(text[:20]))
def test_no_text_is_too_strange(app: FastAPI, text: str) -> None:
    """Whatever stands where a path or a name should, it is refused and nothing breaks."""
    bodies = [
        ("/library/scans", {"paths": [text]}),
        ("/profiles", {"name": "a", "folders": [text]}),
        ("/profiles", {"name": text, "tracks": [1]}),
        ("/evaluations", {"folders": [text]}),
        ("/genres", {"name": "a", "folder": text}),
        ("/genres", {"name": text}),
        (f"/profiles/{quote(text, safe='', errors='surrogatepass')}/feedback", {"like": [1]}),
    ]
    with lifespan(app):
        for path, content in bodies:
            body = json.dumps(content).encode()
            refused(ask(app, API + path, "POST", {**OWN, **JSON}, body))
        assert ask(app, f"{API}/jobs").json == []
        for query in (
            "tracks?q=",
            "tracks?folder=",
            "library/folders?under=",
            "library/map?profile=",
        ):
            value = quote(text, safe="", errors="surrogatepass")
            assert ask(app, f"{API}/{query}{value}").status < 500


UPLOADS = [
    "../../../etc/cron.d/x",
    "/etc/cron.d/x",
    "..\\..\\x",
    "x." + "a" * 300,
    "x.mp3\0.sh",
    "a" * 5000,
    "",
    ".",
    "-i.mp3",
    "x.m3u8",
    "x.ffconcat",
    "\udcff.mp3",
]


@pytest.mark.parametrize("name", UPLOADS, ids=lambda name: repr(name[:20]))
def test_names_of_uploads_mean_nothing(
    home: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    web_home.fill(home, 4)
    app = create_app(home)
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    sent = {**OWN, "content-type": "multipart/form-data; boundary=x"}
    for content in (
        b"no music",
        b"#EXTM3U\n/etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
    ):
        body = head.encode("utf-8", "surrogateescape") + content + b"\r\n--x--\r\n"
        reply = ask(app, f"{API}/predict", "POST", sent, body)
        refused(reply)
        assert str(scratch).encode() not in reply.body
        form = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nmine\r\n' + body
        refused(ask(app, f"{API}/profiles/upload", "POST", sent, form))
        refused(ask(app, f"{API}/playlists", "POST", sent, body))
    assert list(scratch.iterdir()) == []

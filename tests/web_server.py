"""A real server in a process of its own, and a real browser before it."""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

import web_home
from commands import COMMAND
from recommender.library import Library
from sounds import make

CHROMIUM = "chromium"
PHONE = (375, 812)


@contextlib.contextmanager
def serving(home: Path, *words: str) -> Iterator[str]:
    """Serve a home at a free port; give the address."""
    log = home / "serve.log"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", "--no-browser", *words],
            stdout=file,
            stderr=file,
            env={**os.environ, "RECOMMENDER_HOME": str(home)},
        )
    try:
        yield _address(log, process)
    finally:
        process.terminate()
        process.wait(60)
    assert "Traceback" not in (told := log.read_text()), told


def _address(log: Path, process: "subprocess.Popen[bytes]") -> str:
    """Wait until a server tells where it is."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if found := re.search(r"http://\S+:\d+", log.read_text()):
            return found[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise TimeoutError(log.read_text())


def playable_home(home: Path, n_tracks: int = 60) -> Path:
    """Fill a library whose files can be played; return the folder they lie in."""
    music = web_home.fill(home, n_tracks)
    sound = make(home.parent / "sound.ogg", "sine=frequency=330:sample_rate=44100:duration=20")
    with Library.open(home / "library.db") as library:
        rows = library._rows("SELECT path FROM files")
    for (path,) in rows:
        shutil.copyfile(sound, os.fsdecode(path))
    return music


@contextlib.contextmanager
def playwright() -> Iterator[Playwright]:
    """Start what drives the browser."""
    with sync_playwright() as found:
        yield found


def launch(found: Playwright) -> Browser:
    """Start the system's Chromium."""
    path = shutil.which(CHROMIUM)
    if path is None:
        pytest.skip("needs Chromium")
    # Without a sandbox, since the tests may run as root in a container.
    return found.chromium.launch(executable_path=path, args=["--no-sandbox"])


class Watched:
    """What goes wrong in a page: errors of scripts, refusals by the Content-Security-Policy."""

    def __init__(self, page: Page) -> None:
        self.wrong: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: object) -> None:
        kind, text = getattr(message, "type", ""), getattr(message, "text", "")
        if kind in ("error", "warning"):
            self.wrong.append(f"{text} ({getattr(message, 'location', '')})")


def place(page: Page) -> float:
    """Where the player is, in seconds."""
    found: float = page.evaluate("document.querySelector('music-player audio').currentTime")
    return found


def wait_until_heard(page: Page, seconds: float = 0.3) -> None:
    """Wait until the sound has really gone on."""
    start = place(page)
    page.wait_for_function(
        "past => document.querySelector('music-player audio').currentTime > past",
        arg=start + seconds,
    )

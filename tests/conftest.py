import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Home folder of library and profiles, for this process and for its children."""
    folder = tmp_path / "home"
    monkeypatch.setenv("RECOMMENDER_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def audio() -> Path:
    """Folder of real music."""
    named = os.environ.get("RECOMMENDER_TEST_AUDIO")
    if not named:
        pytest.skip("needs real music: set RECOMMENDER_TEST_AUDIO to a folder of it")
    folder = Path(named).resolve()
    if not folder.is_dir():
        pytest.fail(f"RECOMMENDER_TEST_AUDIO: {folder} is not a folder")
    return folder


@pytest.fixture(scope="session")
def bound() -> list[str]:
    """Words before a command by which permissions bind it, even where root runs the tests."""
    if os.geteuid() != 0:
        return []
    caps = "-dac_override,-dac_read_search"
    words = ["setpriv", f"--bounding-set={caps}", f"--inh-caps={caps}", "--"]
    try:
        subprocess.run([*words, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("permissions do not bind root, and there is no setpriv that would change that")
    return words


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """The system's Chromium; for a module, since asyncio is of no use beside it."""
    import web_server  # what drives browsers is loaded where one is needed

    with web_server.playwright() as found:
        browser = web_server.launch(found)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: "Browser") -> "Iterator[BrowserContext]":
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    yield context
    context.close()


@pytest.fixture
def page(context: "BrowserContext") -> "Iterator[Page]":
    """A page in which nothing may go wrong unseen."""
    import web_server

    page = context.new_page()
    page.set_default_timeout(20_000)
    watched = web_server.Watched(page)
    yield page
    assert watched.wrong == []

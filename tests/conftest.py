import os
import subprocess
from pathlib import Path

import pytest


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

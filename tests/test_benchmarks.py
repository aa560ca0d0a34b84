"""That the comparison with peers runs and tells the truth about what it could not run."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sounds
from peers import measuring, processes
from peers.groups import Memory, goals
from peers.measuring import Result, Seat, Taken, take_turns
from peers.rows import Row, per_second, row, spread

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks read /proc")

BENCH = Path(__file__).parents[1] / "benchmarks" / "bench_peers.py"

# Packages that are found before any that are installed.
STAND_INS = {
    "librosa": "raise ModuleNotFoundError('no librosa', name='librosa')",
    "kaldi_native_fbank": "raise RuntimeError('broken package')",
    "audioflux": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Folder with the results of a quick run on tiny files, and the JSON of it."""
    folder = tmp_path_factory.mktemp("bench")
    for i in range(2):
        sounds.tone(folder / "music" / f"{i}.wav", 3.0, hz=300 + 100 * i, layout="stereo")
    for name, code in STAND_INS.items():
        (folder / "stand-ins" / name).mkdir(parents=True)
        (folder / "stand-ins" / name / "__init__.py").write_text(code)
    names = {"--audio": "music", "--cache": "cache", "--output": "docs"}
    folders = [f"{option}={folder / name}" for option, name in names.items()]
    done = subprocess.run(
        [
            sys.executable,
            BENCH,
            "--quick",
            "--only",
            "project",
            "librosa",
            "kaldi",
            "Flux",
            *folders,
        ],
        env={**os.environ, "PYTHONPATH": str(folder / "stand-ins")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "docs", json.loads((folder / "docs" / "benchmarks.json").read_text())


def test_what_runs_is_measured(run: tuple[Path, dict[str, Any]]) -> None:
    _, report = run
    for group in ("mel", "files"):
        (ours,) = (one for one in report[group] if one["name"] == "this project")
        assert ours["why_not"] == ""
        assert ours["cpu_ms"]["q1"] > 0 and ours["wall_ms"]["q1"] > 0 and ours["per_s"] > 0
        assert ours["cpu_ratio"]["median"] == 1.0
    assert len(report["scan"]) == 4
    assert all(one["cpu_ms"]["median"] > 0 for one in report["scan"])
    assert all(0 < one["pss_mb"] <= one["rss_mb"] for one in report["memory"])
    assert report["bar"]["cpu_ratio"]["median"] > 0
    assert report["machine"]["kernels of this project"] in ("avx512", "avx2", "baseline")
    assert report["versions"]["recommender"]


def test_what_does_not_run_is_told(run: tuple[Path, dict[str, Any]]) -> None:
    _, report = run
    why = {one["name"]: one["why_not"] for one in report["mel"]}
    assert why["librosa"] == "absent: librosa is not installed"
    assert why["kaldi-native-fbank"] == "failed: RuntimeError: broken package"
    assert why["audioFlux"] == "failed: killed by SIGSEGV"
    assert not any("librosa" in goal["what"] for goal in report["goals"])


def test_table_and_chart_are_written(run: tuple[Path, dict[str, Any]]) -> None:
    folder, report = run
    text = (folder / "benchmarks.md").read_text()
    for one in (*report["mel"], *report["files"], *report["scan"]):
        assert one["name"] in text and one["why_not"] in text
    assert str(folder.parent) not in text + json.dumps(report)
    image = (folder / "benchmarks.png").read_bytes()
    assert image.startswith(b"\x89PNG") and len(image) > 10_000  # an empty one has 1 kB


def test_needs_a_folder_of_music() -> None:
    env = {name: value for name, value in os.environ.items() if name != "RECOMMENDER_TEST_AUDIO"}
    done = subprocess.run([sys.executable, BENCH], env=env, capture_output=True, text=True)
    assert done.returncode == 2 and "--audio" in done.stderr


def test_a_contender_that_hangs_is_ended_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "audioflux.py").write_text(
        "import pathlib, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '1000'])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\n"
        "time.sleep(1000)"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(measuring, "TIMEOUT_S", 3.0)
    monkeypatch.setattr(measuring, "GRACE_S", 0.1)
    core = min(os.sched_getaffinity(0))
    (result,) = take_turns([Seat(key="mel: audioFlux", copies=((core,),))], [[tmp_path]])
    assert result.error == "no answer within 3 s" and not result.taken
    child = Path("/proc", (tmp_path / "pid").read_text())
    for _ in range(100):  # who inherits it may take a moment to notice that it is dead
        if not child.exists() or "Z" in (child / "stat").read_text().rpartition(")")[2]:
            return
        time.sleep(0.1)
    pytest.fail("its child still runs")


def test_cpu_time_of_children_counts_while_they_live_and_once() -> None:
    busy = (
        "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\n"
        "sys.stdin.read()"
    )
    before = processes.children_cpu_s()
    with subprocess.Popen(
        [sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.1)  # until it sleeps, too
        living = processes.children_cpu_s() - before
    ended = processes.children_cpu_s() - before
    assert living >= 0.3
    assert living <= ended < 1.5 * living  # what it took to end, but not all of it again


def test_memory_counts_descendants() -> None:
    held = "import sys; x = b'1' * 50_000_000; print(flush=True); sys.stdin.read()"
    own_rss, own_pss = processes.memory_bytes(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        rss, pss = processes.memory_bytes(os.getpid())
        assert child.pid in processes.tree(os.getpid())
    assert rss - own_rss > 45_000_000 and pss - own_pss > 45_000_000
    assert own_pss <= own_rss


def taken(*walls: float, core: int = 0) -> list[Taken]:
    return [Taken(path=Path("a"), core=core, cpu_s=wall / 2, wall_s=wall) for wall in walls]


def test_spread_and_ratios() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 8.0, 3.0]
    found = spread(values)
    expected = np.percentile(values, [25, 50, 75])
    np.testing.assert_allclose([found.q1, found.median, found.q3], expected, rtol=1e-15)
    assert spread([3.0]).q1 == spread([3.0]).q3 == 3.0

    # The ratio is that of the same turns: 2, 2 and 1, not that of the medians.
    ours, theirs = Result(taken=taken(1, 10, 4)), Result(taken=taken(2, 20, 4))
    one = row("a", "", theirs, ours)
    assert one.wall_ratio is not None and one.wall_ratio.median == 2.0
    assert one.wall_ms is not None and one.wall_ms.median == 4_000.0
    assert one.cpu_ms is not None and one.cpu_ms.median == 2_000.0


def test_throughput_is_the_sum_over_cores() -> None:
    # One core does two tracks in a second each, the other one in half a second.
    assert per_second([*taken(1, 1, core=0), *taken(0.5, core=1)]) == 3.0


def test_goals_that_are_missed_are_told() -> None:
    def measured(name: str, ratio: float) -> Row:
        return Row(name=name, cpu_ratio=spread([ratio]), wall_ratio=spread([ratio]))

    memory = Memory(name="tracks", jobs=1, rss_mb=300, pss_mb=250, wall_s=1, allowed_mb=210)
    found = goals(
        [measured("librosa", 12.0), measured("torch.stft + matrix", 5.0)],
        [measured("PyAV + NumPy mean, decoding only", 0.8), measured("bliss-audio", 2.5)],
        [],
        [memory],
        None,
    )
    assert [goal.reached for goal in found] == [True, False, False, True, False]
    assert found[2].measured == 1.25

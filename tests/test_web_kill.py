"""``kill -9`` of the server while it works: nothing is lost, and the work can go on."""

from pathlib import Path

import pytest

from kills import check_integrity, contents
from recommender import profile as profiles
from test_analysis import noise, write_wav
from web_process import API, Server


def write_music(folder: Path, n: int) -> Path:
    for i in range(n):
        write_wav(folder / f"{i % 2}/{i:02}.wav", noise(20, seed=i))
    return folder


def check_interrupted(home: Path, job_id: str, server: Server) -> None:
    """Check a job that was under way when its server was killed."""
    job = server.job(job_id)
    assert job["state"] == "interrupted"
    check_integrity(home / "library.db")


def finish(server: Server, job_id: str) -> dict[str, object]:
    """Go on with a job, to its end."""
    answer = server.ask(f"{API}/jobs/{job_id}/resume", "POST")
    assert answer.status in (200, 202), answer
    last = list(server.follow(job_id))[-1]
    assert last["state"] == "done", last
    result: dict[str, object] = last["result"]
    return result


def test_killed_during_a_scan(home: Path, tmp_path: Path) -> None:
    music = write_music(tmp_path / "music", 40)
    with Server(home) as server:
        job = server.ask(f"{API}/library/scans", "POST", {"paths": [str(music)]}).json
        n_told = 0
        for now in server.follow(job["id"]):
            n_told = now["progress"]["done"]
            if n_told >= 5:
                break
        server.kill()
    assert 5 <= n_told < 40
    kept = contents(home / "library.db")
    # What was told to be done is written; at most what was under way comes on top.
    assert n_told <= len(kept["features"]) < 40
    with Server(home) as server:
        check_interrupted(home, job["id"], server)
        result = finish(server, job["id"])
        assert result["n_seen"] == 40
        assert result["n_analysed"] == 40 - len(kept["features"])
        assert server.ask(f"{API}/library").json["n_tracks"] == 40
    after = contents(home / "library.db")
    assert kept["features"] <= after["features"]
    assert kept["files"] <= after["files"]


@pytest.mark.parametrize("moment", ["at once", "while it learns"])
def test_killed_during_training(home: Path, tmp_path: Path, moment: str) -> None:
    music = write_music(tmp_path / "music", 16)
    with Server(home) as server:
        scan = server.ask(f"{API}/library/scans", "POST", {"paths": [str(music)]}).json
        assert list(server.follow(scan["id"]))[-1]["state"] == "done"
        wanted = {"name": "first", "folders": [str(music / "0")]}
        assert server.ask(f"{API}/profiles", "POST", wanted).status == 201
        before = contents(home / "library.db")
        # Another preprocessor: its features come first, then training.
        wanted = {"name": "second", "folders": [str(music / "1")], "recipe": "thesis"}
        answer = server.ask(f"{API}/profiles", "POST", wanted)
        assert answer.status == 202
        job_id = answer.json["id"]
        if moment == "while it learns":
            for now in server.follow(job_id):
                if now["progress"]["done"] == now["progress"]["total"] == 8:
                    break
        server.kill()
    assert profiles.names(home) == ["first"]
    first = profiles.load(profiles.path_of("first", home))
    kept = contents(home / "library.db")
    for table in ("files", "features", "tracks", "roots"):
        assert before[table] <= kept[table]
    with Server(home) as server:
        check_interrupted(home, job_id, server)
        assert server.ask(f"{API}/profiles/first").status == 200
        # Whoever is quick has analysed some before the end.
        n_new = len(kept["features"] - before["features"])
        assert finish(server, job_id)["n_analysed"] == 8 - n_new
        assert n_new == 8 or moment == "at once"
        assert [profile["name"] for profile in server.ask(f"{API}/profiles").json] == [
            "first",
            "second",
        ]
    second = profiles.load(profiles.path_of("second", home))
    assert len(second.liked) == 8
    assert {ref.content_hash for ref in second.liked}.isdisjoint(
        ref.content_hash for ref in first.liked
    )

"""Jobs: one at a time, followed, cancelled, resumed, and never lost."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from recommender import profile as profiles
from recommender.errors import RecommenderError
from recommender.library import Library
from recommender.web import jobs as web_jobs
from recommender.web.jobs import ENDED, BusyError, Jobs
from recommender.web.schemas import Job
from sounds import noise, tone
from web_home import API, fill, like_folder, put, served

PATIENCE_S = 120.0  # under load


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def ended(jobs: Jobs, job: Job) -> Job:
    until(lambda: state(jobs, job) in ENDED)
    found = jobs.get(job.id)
    assert found is not None
    return found


def state(jobs: Jobs, job: Job) -> str:
    found = jobs.get(job.id)
    assert found is not None
    return found.state


def script(folder: Path, body: str) -> tuple[str, ...]:
    """A program that does a job; `task` is what it is told."""
    path = folder / "worker.py"
    begin = "import json, sys, time\ntask = json.loads(sys.stdin.buffer.readline())\n"
    path.write_text(begin + textwrap.dedent(body))
    return (sys.executable, str(path))


ECHO = """
print(json.dumps({"done": 1, "total": 2, "text": "half"}), flush=True)
print(json.dumps({"result": task["arguments"]}), flush=True)
"""
LONG = """
print(json.dumps({"done": 1, "total": 2, "text": "half"}), flush=True)
time.sleep(1000)
"""


def test_a_job_is_done(tmp_path: Path) -> None:
    with Jobs(tmp_path, script(tmp_path, ECHO)) as jobs:
        job = ended(jobs, jobs.submit("scan", {"paths": ["/a"]}))
    assert (job.state, job.result, job.error) == ("done", {"paths": ["/a"]}, None)
    assert job.progress.text == "half"
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.created_at <= job.started_at <= job.finished_at


def test_jobs_are_done_in_turn(tmp_path: Path) -> None:
    log = tmp_path / "log"
    body = f"""
    with open({str(log)!r}, "a") as log:
        log.write(f"begin {{task['arguments']['n']}}\\n"); log.flush()
        time.sleep(0.05)
        log.write(f"end {{task['arguments']['n']}}\\n")
    print(json.dumps({{"result": {{}}}}))
    """
    with Jobs(tmp_path, script(tmp_path, body)) as jobs:
        given = [jobs.submit("scan", {"n": n}) for n in range(3)]
        for job in given:
            ended(jobs, job)
        assert [job.id for job in jobs.all()] == [job.id for job in reversed(given)]
    assert log.read_text().split("\n") == [
        f"{what} {n}" for n in range(3) for what in ("begin", "end")
    ] + [""]


def test_the_same_job_is_queued_once(tmp_path: Path) -> None:
    with Jobs(tmp_path, script(tmp_path, LONG)) as jobs:
        first = jobs.submit("scan", {"paths": None})
        assert jobs.submit("scan", {"paths": None}).id == first.id
        assert jobs.submit("scan", {"paths": []}).id != first.id
        assert jobs.submit("profile", {"paths": None}).id != first.id


def test_the_queue_has_an_end(tmp_path: Path) -> None:
    with Jobs(tmp_path, script(tmp_path, LONG)) as jobs:
        running = jobs.submit("scan", {"n": -1})
        until(lambda: state(jobs, running) == "running")
        for n in range(web_jobs.MOST_QUEUED):
            jobs.submit("scan", {"n": n})
        with pytest.raises(BusyError, match="wait already"):
            jobs.submit("scan", {"n": 1000})


def test_cancelling(tmp_path: Path) -> None:
    with Jobs(tmp_path, script(tmp_path, LONG)) as jobs:
        running, waiting = jobs.submit("scan", {"n": 1}), jobs.submit("scan", {"n": 2})
        until(lambda: state(jobs, running) == "running")
        jobs.cancel(waiting.id)
        assert state(jobs, waiting) == "cancelled"
        jobs.cancel(running.id)
        assert ended(jobs, running).state == "cancelled"
        assert jobs.cancel("nobody") is None
        until(lambda: getattr(jobs.get(running.id), "finished_at", None) is not None)
        again = jobs.resume(running.id)
        assert again is not None
        assert again.id == running.id
        until(lambda: state(jobs, running) == "running")
        jobs.cancel(running.id)


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: None)
print(json.dumps({"done": 1, "total": 2, "text": ""}), flush=True)
time.sleep(1)
"""


def test_what_was_just_cancelled_goes_on_once_it_has_ended(tmp_path: Path) -> None:
    with Jobs(tmp_path, script(tmp_path, STUBBORN + ECHO)) as jobs:
        job = jobs.submit("scan", {"n": 1})
        until(lambda: (found := jobs.get(job.id)) is not None and found.progress.done == 1)
        jobs.cancel(job.id)
        again = jobs.resume(job.id)
        assert again is not None
        assert again.state == "queued"
        jobs.cancel(job.id)
        assert state(jobs, job) == "cancelled"
        jobs.resume(job.id)
        assert ended(jobs, job).result == {"n": 1}


def test_failures_are_told(tmp_path: Path) -> None:
    body = """print(json.dumps({"error": "/a: is no folder; name one"}))"""
    with Jobs(tmp_path, script(tmp_path, body)) as jobs:
        job = ended(jobs, jobs.submit("scan", {}))
    assert (job.state, job.error) == ("failed", "/a: is no folder; name one")


@pytest.mark.parametrize(
    ("body", "error"),
    [("sys.exit(3)", "code 3"), ("import os; os.kill(os.getpid(), 9)", "SIGKILL")],
)
def test_work_that_ends_without_a_word_has_failed(tmp_path: Path, body: str, error: str) -> None:
    with Jobs(tmp_path, script(tmp_path, body)) as jobs:
        job = ended(jobs, jobs.submit("scan", {}))
        assert job.state == "failed"
        assert error in str(job.error)
        assert ended(jobs, jobs.submit("scan", {"next": True})).state == "failed"


def test_what_was_under_way_is_interrupted_by_the_end(tmp_path: Path) -> None:
    with Jobs(tmp_path, script(tmp_path, LONG)) as jobs:
        running, waiting = jobs.submit("scan", {"n": 1}), jobs.submit("scan", {"n": 2})
        until(lambda: state(jobs, running) == "running")
    with Jobs(tmp_path, script(tmp_path, ECHO)) as jobs:
        assert {job.id: job.state for job in jobs.all()} == {
            running.id: "interrupted",
            waiting.id: "interrupted",
        }
        jobs.resume(running.id)
        assert ended(jobs, running).result == {"n": 1}
        assert state(jobs, waiting) == "interrupted"


SERVER = """
import json, sys, time
from pathlib import Path
from recommender.web.jobs import Jobs
home, command = json.loads(sys.argv[1])
with Jobs(Path(home), command) as jobs:
    job = jobs.submit("scan", {"n": 1})
    while jobs.get(job.id).progress.done == 0:
        time.sleep(0.01)
    print(jobs._running[1].pid, flush=True)
    time.sleep(1000)
"""


def test_kill_loses_no_job(tmp_path: Path) -> None:
    """`kill -9` of the server: its worker ends by itself, and the job can be resumed."""
    body = """
    print(json.dumps({"done": 1, "total": 2, "text": ""}), flush=True)
    sys.stdin.read()  # until the server is gone
    """
    given = json.dumps([str(tmp_path), script(tmp_path, body)])
    with subprocess.Popen([sys.executable, "-c", SERVER, given], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        worker = int(server.stdout.readline())
        server.send_signal(signal.SIGKILL)
    until(lambda: not _lives(worker))
    with Jobs(tmp_path, script(tmp_path, ECHO)) as jobs:
        (job,) = jobs.all()
        assert job.state == "interrupted"
        jobs.resume(job.id)
        assert ended(jobs, job).state == "done"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # of a zombie nobody waits for there is nothing to fear
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_one_server_for_a_home(tmp_path: Path) -> None:
    with Jobs(tmp_path), pytest.raises(RecommenderError, match="another server"), Jobs(tmp_path):
        pass
    with Jobs(tmp_path):
        pass


def test_old_jobs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_jobs, "N_KEPT", 2)
    with Jobs(tmp_path, script(tmp_path, ECHO)) as jobs:
        given = [ended(jobs, jobs.submit("scan", {"n": n})) for n in range(4)]
        assert [job.arguments["n"] for job in jobs.all()] == [3, 2]
        assert jobs.get(given[0].id) is None
    assert len(list((tmp_path / "jobs").glob("*.json"))) == 2


def test_damaged_jobs_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "a.json").write_text("{")
    with Jobs(tmp_path) as jobs:
        assert jobs.all() == []
    assert "a.json" in caplog.text


# The work itself, and what the API tells of it ----------------------------------------------------


def follow(client: TestClient, job_id: str) -> list[tuple[str, Any]]:
    """Read the events of a job until they end."""
    with client.stream("GET", f"{API}/jobs/{job_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = "".join(answer.iter_text())
    found = []
    for event in text.strip().split("\n\n"):
        if not event.startswith(":"):
            name, data = event.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_scanning(tmp_path: Path) -> None:
    home, music = tmp_path / "home", tmp_path / "music"
    for n in range(3):
        noise(music / f"{n}.wav", 9.0 + n)
    (music / "text.mp3").write_text("no music")
    with served(home) as client:
        answer = client.post(f"{API}/library/scans", json={"paths": [str(music)]})
        assert answer.status_code == 202, answer.text
        events = follow(client, answer.json()["id"])
        assert [name for name, _ in events[-2:]] == ["progress", "end"]
        assert {name for name, _ in events[:-1]} == {"progress"}
        job = events[-1][1]
        assert job["state"] == "done", job
        assert (job["result"]["n_analysed"], job["result"]["n_failures"]) == (3, 1)
        assert job["progress"]["done"] == job["progress"]["total"] == 4
        assert client.get(f"{API}/jobs/{job['id']}").json() == job
        assert client.get(f"{API}/jobs").json() == [job]
        assert client.get(f"{API}/tracks").json()["total"] == 3
        status = client.get(f"{API}/library").json()
        assert [root["path"] for root in status["roots"]] == [str(music)]
        # Again, of what was scanned before: nothing is to be done.
        job = client.post(f"{API}/library/scans", json={}).json()
        assert follow(client, job["id"])[-1][1]["result"]["n_unchanged"] == 4 - 1
        for path in ("", "/events", "/resume"):
            method = "POST" if path == "/resume" else "GET"
            assert client.request(method, f"{API}/jobs/nobody{path}").status_code == 404
        assert client.delete(f"{API}/jobs/nobody").status_code == 404


def test_profile_of_music_that_is_new(tmp_path: Path) -> None:
    home, music = tmp_path / "home", tmp_path / "new"
    fill(home)
    for n in range(2):
        tone(music / f"{n}.wav", hz=300.0 + 100 * n)
    with served(home) as client:
        wanted = {"name": "new", "folders": [str(music)]}
        answer = client.post(f"{API}/profiles", json=wanted)
        assert answer.status_code == 202, answer.text
        job = follow(client, answer.json()["id"])[-1][1]
        assert job["state"] == "done", job
        assert job["result"]["profile"]["n_liked"] == 2
        assert client.get(f"{API}/profiles/new").json()["n_liked"] == 2


def test_profiles_learn_again_after_a_scan(tmp_path: Path) -> None:
    """If they knew too little other music, and there is more now."""
    home = tmp_path / "home"
    music = fill(home, 16)
    like_folder(home, music / "metal")
    path = profiles.path_of("mine", home)
    assert profiles.load(path).negatives == "library and shipped pool"
    with Library.open(home / "library.db") as library, library.batch():
        for n in range(16, 80):
            put(library, music, n)
    noise(tmp_path / "new" / "a.wav")
    with served(home) as client:
        job = client.post(f"{API}/library/scans", json={"paths": [str(tmp_path / "new")]}).json()
        job = follow(client, job["id"])[-1][1]
    assert job["result"]["learned_again"] == ["mine"]
    assert profiles.load(path).negatives == "library"
    assert profiles.load(path).n_negative_tracks == 81 - 2


def test_evaluation(tmp_path: Path) -> None:
    home = tmp_path / "home"
    music = fill(home)
    with served(home) as client:
        wanted = {"folders": [str(music / "metal"), str(music / "folk")], "seeds": 2}
        job = client.post(f"{API}/evaluations", json=wanted).json()
        place = f"{API}/evaluations/{job['id']}"
        done = follow(client, job["id"])[-1][1]
        assert done["state"] == "done", done
        report = client.get(place).json()
        assert [playlist["name"] for playlist in report["playlists"]] == ["metal", "folk"]
        assert report["metrics"]["profile"]["auc"]["value"] > 0.9  # the kinds lie apart
        page = client.get(place, params={"format": "html"})
        assert page.headers["content-type"].startswith("text/html")
        assert "Evaluation" in page.text
        assert client.get(f"{API}/evaluations/nobody").status_code == 404
        job = client.post(f"{API}/evaluations", json={"folders": [str(tmp_path)]}).json()
        done = follow(client, job["id"])[-1][1]
        assert done["state"] == "failed"
        assert client.get(f"{API}/evaluations/{job['id']}").status_code == 409


def test_genres_of_tags(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    home = tmp_path / "home"
    fill(home, 120)
    with served(home) as client:
        job = client.post(f"{API}/genres", json={"name": "mine"}).json()
        done = follow(client, job["id"])[-1][1]
        assert done["state"] == "done", done
        assert done["result"]["accuracy"] > 0.9  # the kinds lie apart
        (model,) = client.get(f"{API}/genres").json()["models"]
        assert model["genres"] == ["ambient", "folk", "metal", "techno"]
        # Of a track: from its features, no file is there.
        for track in client.get(f"{API}/tracks", params={"limit": 4}).json()["items"]:
            found = client.get(f"{API}/tracks/{track['id']}/genres").json()
            assert found["genre"] == track["genre"].casefold()
            assert sum(share["share"] for share in found["shares"]) == pytest.approx(1)
        # Of a file: any genre, but one for each piece.
        path = tone(tmp_path / "a.wav", 20.0)
        for place in ("/predict", f"{API}/predict"):
            answer = client.post(place, files={"file": ("a.wav", path.read_bytes())})
            assert answer.status_code == 200, answer.text
            assert answer.json()["duration_s"] == pytest.approx(20.0)
            assert [span["start_s"] for span in answer.json()["over_time"]] == [0.0, 8.0]
        upload = {"file": ("a.mp3", b"no music")}
        answer = client.post(f"{API}/predict", files=upload)
        assert (answer.status_code, "upload-" in answer.text) == (422, False)
        answer = client.post(f"{API}/predict", files=upload, data={"model": "other"})
        assert answer.status_code == 404
        answer = client.post(f"{API}/genres", json={"name": "mine"})
        assert answer.status_code == 409


def test_genres_of_folders(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    music = tmp_path / "music"
    for n in range(4):
        tone(music / "tones" / f"{n}.wav", hz=200.0 + 50 * n)
        noise(music / "noises" / f"{n}.wav", 9.0 + n)
    with served(tmp_path / "home") as client:
        wanted = {"name": "two", "folder": str(music)}
        job = client.post(f"{API}/genres", json=wanted).json()
        done = follow(client, job["id"])[-1][1]
        assert done["state"] == "done", done
        assert done["result"]["genres"] == ["noises", "tones"]
        answer = client.post(f"{API}/genres", json={"name": "x", "folder": "/nowhere"})
        assert answer.status_code == 422
    assert not list((tmp_path / "home/genres").glob("*.cache"))


def test_long_uploads_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recommender.web import predicting

    home = tmp_path / "home"
    fill(home)
    monkeypatch.setattr(predicting, "LONGEST_S", 5.0)
    monkeypatch.setattr(predicting, "find", lambda *_: ("any", None))
    with served(home) as client:
        path = tone(tmp_path / "a.wav", 9.0)
        answer = client.post(f"{API}/predict", files={"file": ("a.wav", path.read_bytes())})
    assert answer.status_code == 413

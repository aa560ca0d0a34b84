"""How soon pages answer while many listen and a scan runs.

    python benchmarks/web_load.py --audio ~/Music

A library of many tracks is made up below a temporary folder, and some real ones are scanned into
it. Then listeners hear these at the pace of players, half of them transcoded; a scan analyses more
music; and pages are asked for, one after the other.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import bench_rescan
from recommender.audio import find_audio
from recommender.library import Library

API = "/api/v1"
_STEP_BYTES = 16 << 10
_AHEAD_S = 10.0  # players read so much at once, and then as it is played


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audio", type=Path, required=True, help="folder of real music")
    parser.add_argument("--listeners", type=int, default=20)
    parser.add_argument("--tracks", type=int, default=10_000, help="in the library, made up")
    parser.add_argument("--heard", type=int, default=40, help="real tracks that are listened to")
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    music = [str(path.resolve()) for path in find_audio([arguments.audio])]
    heard, more = music[: arguments.heard], music[arguments.heard :][:1000]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        with Library.open(folder / "home/library.db") as library:
            bench_rescan.fill(library, folder / "many", arguments.tracks, 5)
        with serving(folder / "home") as port:
            finish(port, scan(port, heard))
            found = ask(port, f"{API}/tracks?folder={Path(heard[0]).parent}&limit=1000")[1]
            durations_s = {track["id"]: track["duration_s"] for track in found["items"]}
            ids = list(durations_s)
            made = ask(port, f"{API}/profiles", {"name": "mine", "tracks": ids[:15]})
            assert made[0] == 201, made
            pages = [
                "/ranking/mine",
                "/library",
                "/profiles",
                "/profiles/mine",
                f"/tracks/{ids[0]}?profile=mine",
                f"{API}/profiles/mine/ranking?limit=100",
                f"{API}/tracks?q=album",
            ]
            times: dict[str, list[float]] = {page: [] for page in pages}
            for page in pages:  # the first time of all
                ask(port, page)
            quiet = [ask(port, page)[2] for page in pages for _ in range(5)]
            end = time.monotonic() + arguments.seconds
            errors: list[str] = []
            threads = [
                threading.Thread(target=listen, args=(port, durations_s, n, end, errors))
                for n in range(arguments.listeners)
            ]
            job = scan(port, more)
            for thread in threads:
                thread.start()
            while time.monotonic() < end:
                for page in pages:
                    status, _, seconds = ask(port, page)
                    times[page].append(seconds)
                    if status != 200:
                        errors.append(f"{page}: {status}")
                    time.sleep(0.1)
            state = ask(port, f"{API}/jobs/{job}")[1]
            for thread in threads:
                thread.join()
            ask(port, f"{API}/jobs/{job}", method="DELETE")
    every = np.concatenate([times[page] for page in pages])
    print(f"{arguments.listeners} listeners, {os.cpu_count()} processors, {len(every)} pages")
    print(f"scan: {state['state']}, {state['progress']['done']} of {state['progress']['total']}")
    print(f"errors: {len(errors)} {errors[:5]}")
    print(f"without listeners and scan: 95 % of pages within {np.quantile(quiet, 0.95):.3f} s")
    print(f"{'':45} {'median':>7} {'95 %':>7} {'longest':>7}  (s)")
    for page in [*pages, "all"]:
        found = every if page == "all" else np.array(times[page])
        print(
            f"{page:45} {np.median(found):7.3f} {np.quantile(found, 0.95):7.3f} {found.max():7.3f}"
        )


def listen(port: int, durations_s: dict[int, float], n: int, end: float, errors: list[str]) -> None:
    """Hear tracks from anywhere in them, at the pace of a player."""
    lot = random.Random(n)
    query = "?format=mp3" if n % 2 else ""
    while time.monotonic() < end:
        track_id = lot.choice(list(durations_s))
        path = f"{API}/tracks/{track_id}/audio{query}"
        with contextlib.closing(connect(port)) as connection:
            connection.request("GET", path, headers={"Range": f"bytes={lot.randrange(99_999)}-"})
            answer = connection.getresponse()
            if answer.status != 206:
                errors.append(f"{path}: {answer.status} {answer.read(300)!r}")
                time.sleep(1)
                continue
            bytes_s = int(answer.headers["Content-Range"].partition("/")[2]) / durations_s[track_id]
            n_left, n_read, since = int(answer.headers["Content-Length"]), 0, time.monotonic()
            while time.monotonic() < end:
                part = answer.read(min(_STEP_BYTES, n_left))
                n_left -= len(part)
                n_read += len(part)
                ahead_s = 0.0 if n_left == 0 else _AHEAD_S
                wait_s = since + n_read / bytes_s - ahead_s - time.monotonic()
                time.sleep(max(0.0, min(wait_s, end - time.monotonic())))
                if n_left == 0:
                    break
                if not part:
                    errors.append(f"{path}: ended early")
                    break


def scan(port: int, paths: list[str]) -> str:
    """Begin a scan; return the job's id."""
    status, job, _ = ask(port, f"{API}/library/scans", {"paths": paths})
    assert status == 202, job
    return str(job["id"])


def finish(port: int, job_id: str) -> None:
    """Wait for a job."""
    while (job := ask(port, f"{API}/jobs/{job_id}")[1])["state"] in ("queued", "running"):
        time.sleep(0.2)
    assert job["state"] == "done", job


def ask(
    port: int, path: str, content: object = None, *, method: str | None = None
) -> tuple[int, Any, float]:
    """Ask for something; return the status, what was answered as JSON, and the seconds it took."""
    since = time.monotonic()
    body = None if content is None else json.dumps(content)
    headers = {"Content-Type": "application/json"} if body else {}
    with contextlib.closing(connect(port)) as connection:
        connection.request(method or ("POST" if body else "GET"), path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
    seconds = time.monotonic() - since
    is_json = "json" in answer.headers["Content-Type"]
    return answer.status, json.loads(text) if is_json else None, seconds


def connect(port: int) -> http.client.HTTPConnection:
    """Connect to the server."""
    return http.client.HTTPConnection("127.0.0.1", port, timeout=120)


@contextlib.contextmanager
def serving(home: Path) -> Iterator[int]:
    """Serve a home; give the port."""
    log = home / "serve.log"
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "recommender", "serve", "--port", "0", "--no-browser"],
            stdout=file,
            stderr=file,
            env={**os.environ, "RECOMMENDER_HOME": str(home)},
        )
    try:
        while (found := re.search(r"http://[^ /]+:(\d+)/", log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        time.sleep(2)
        yield int(found[1])
    finally:
        process.terminate()
        process.wait(60)
        print(log.read_text()[-2000:], file=sys.stderr)


if __name__ == "__main__":
    main()

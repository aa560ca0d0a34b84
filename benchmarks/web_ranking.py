"""How soon the page shows a ranking: at first, again, and after something was liked.

    python benchmarks/web_ranking.py HOME [HOME ...]

HOME holds a large library and the profile "bench", as benchmarks/scale.py leaves them. A server of
its own is started for each; seconds are those of the answers, of the API and of the page itself.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from recommender.library import Library

N_LIKES = 5


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("homes", type=Path, nargs="+", metavar="HOME")
    print("| tracks | first page, nothing computed | again | the page itself | like, to new page |")
    print("|---:|---:|---:|---:|---:|")
    for home in parser.parse_args().homes:
        print("| " + " | ".join(measure(home)) + " |", flush=True)


def measure(home: Path) -> list[str]:
    """Measure one library."""
    with Library.open(home / "library.db") as library:
        library._rows("DELETE FROM scores")
        ((n_tracks,),) = library._rows("SELECT count(*) FROM tracks")
    command = [sys.executable, "-m", "recommender", "serve", "--port", "0", "--no-browser"]
    env = {**os.environ, "RECOMMENDER_HOME": str(home)}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            found = re.search(r"http://[^ /]+", server.stderr.readline())
            assert found is not None
            address = found[0]
            ranking = f"{address}/api/v1/profiles/bench/ranking?limit=50"
            first, page = timed(ranking)
            again, _ = timed(ranking)
            itself, _ = timed(f"{address}/ranking/bench")
            likes = []
            for item in json.loads(page)["items"][:N_LIKES]:
                feedback = {"like": [item["id"]], "dislike": [], "forget": []}
                begun = time.perf_counter()
                timed(f"{address}/api/v1/profiles/bench/feedback", feedback)
                timed(ranking)
                likes.append(time.perf_counter() - begun)
            for _ in likes:
                timed(f"{address}/api/v1/profiles/bench/undo", {})
        finally:
            server.kill()
    seconds = [first, again, itself, statistics.median(likes)]
    return [f"{n_tracks:,}", *(f"{s:.2f} s" for s in seconds)]


def timed(url: str, body: Any = None) -> tuple[float, bytes]:
    """Ask, and tell how long the answer took."""
    data = None if body is None else json.dumps(body).encode()
    origin = "/".join(url.split("/")[:3])
    headers = {"Content-Type": "application/json", "Origin": origin}
    begun = time.perf_counter()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
        content = answer.read()
    return time.perf_counter() - begun, content


if __name__ == "__main__":
    main()

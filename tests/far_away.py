"""Work on a cluster, as a program: Ray's threads stay out of the process of the tests.

It joins the cluster at the address that it is given. Each line that it reads names one of the
functions here, and its arguments; it writes a line as soon as each shard is done, and the answer
last. All is JSON.
"""

import dataclasses
import functools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender import (
    analysis,
    cluster,
    dataset,
    distributed,
    preprocessor,
    profile,
    ranking,
)
from recommender.dataset import DatasetParams
from recommender.library import Library
from recommender.parameters import RECIPES, SpectrogramParams
from recommender.preprocessor import Preprocessor
from recommender.profile import Profile

Samples = NDArray[np.int16]


@dataclasses.dataclass(frozen=True)
class Extractor:
    """Takes its time, and dies of silence."""

    network: Preprocessor
    wait_s: float
    dies: bool

    @property
    def params(self) -> SpectrogramParams:
        return self.network.params

    @property
    def fingerprint(self) -> str:
        return self.network.fingerprint

    @property
    def window_length(self) -> int:
        return self.network.window_length

    def transform(self, y: Samples) -> NDArray[np.float32]:
        return self.network.transform(y)

    def stream(self, blocks: Iterable[Samples]) -> Iterator[NDArray[np.float32]]:
        time.sleep(self.wait_s)
        return self.network.stream(map(self._listen, blocks))

    def _listen(self, y: Samples) -> Samples:
        if self.dies and not y.any():
            os.kill(os.getpid(), signal.SIGKILL)
        return y


class SlowProfile(Profile):
    def joint_scores(self, *arguments: Any) -> NDArray[np.float64]:
        time.sleep(0.3)
        return super().joint_scores(*arguments)


def tell(done: int, total: int) -> None:
    print(json.dumps([done, total]), flush=True)


def extract(
    paths: list[str], out: str, *, wait_s: float, dies: bool, retry: bool
) -> dict[str, int]:
    shards = distributed.extract(
        paths,
        out,
        Extractor(preprocessor.load(), wait_s, dies),
        retry_failed=retry,
        files_per_shard=3,
        on_shard=tell,
    )
    return shards.counts


def score(place: str, profiles: list[str], top: int) -> dict[str, Any]:
    loaded = [profile.load(Path(name)) for name in profiles]
    slow = {each.name: SlowProfile(**vars(each)) for each in loaded}
    found = distributed.score(distributed.open_shards(place), slow, top=top, on_shard=tell)
    return {name: [vars(each) for each in best] for name, best in found.items()}


def train(playlists: dict[str, list[str]], source: str, out: str) -> dict[str, Any]:
    recipe, fingerprint = RECIPES["default"], preprocessor.load().fingerprint
    if not source.endswith(".db"):
        shards = distributed.open_shards(source)
        trained = distributed.train(playlists, shards, recipe, fingerprint, out)
        return vars(trained)
    with Library.open(Path(source)) as library:
        return vars(distributed.train(playlists, library, recipe, fingerprint, out))


def scan(music: str, database: str, *, wait_s: float, dies: bool) -> list[list[str]]:
    extractor = Extractor(preprocessor.load(), wait_s, dies)
    with Library.open(Path(database)) as library:
        report = analysis.scan(
            library,
            [Path(music)],
            extractor,
            jobs=1,
            on_progress=lambda p: tell(p.n_done, p.n_total),
            hand_out=functools.partial(distributed.Nodes, address=None, jobs=1),
        )
    return [[str(path), reason] for path, reason in report.failures]


def rank(database: str, profiles: list[str]) -> list[list[object]]:
    first, second = (profile.load(Path(name)) for name in profiles)
    with Library.open(Path(database)) as library, distributed.scoring_nodes() as run:
        found = ranking.rank(first, library, [], blend=[(second, 0.5)], duplicates=True, run=run)
    return [[str(each.path), each.score] for each in found]


def build(music: str, out: str) -> int:
    params = DatasetParams(kind="tracks", spectrogram=SpectrogramParams())
    report = dataset.build(
        Path(music),
        Path(out),
        params,
        decode=distributed.decode,
        on_track=lambda done, total, _: tell(done, total),
    )
    return report.n_tracks


FUNCTIONS: dict[str, Callable[..., object]] = {
    each.__name__: each for each in (extract, score, train, scan, rank, build)
}

if __name__ == "__main__":
    (address,) = sys.argv[1:]
    with cluster.session(address, jobs=1):
        for line in sys.stdin:
            what, arguments = json.loads(line)
            answer = FUNCTIONS[what](**arguments)
            print(json.dumps(["answer", answer]), flush=True)

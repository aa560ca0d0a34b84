"""Make the shipped pool of negatives: features of synthesised pieces in all styles of the demo.

    python scripts/make_negative_pool.py

To be run again whenever a shipped preprocessor changes, since the pool carries its fingerprint.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recommender import preprocessor
from recommender.demo.styles import STYLES, synthesise
from recommender.parameters import SHIPPED
from recommender.profile.negatives import save_pool

WEIGHTS = Path(__file__).parent.parent / "src" / "recommender" / "weights"
N_ARTISTS = 8  # of each style; seeds of one hundred share an artist's sound
DURATION_S = 17.0  # two fragments
FIRST_SEED = 500_000  # far from the demo's own


def main() -> None:
    """Synthesise, analyse with every shipped preprocessor, write."""
    pieces = [(style, FIRST_SEED + 100 * i) for i in range(N_ARTISTS) for style in sorted(STYLES)]
    with ThreadPoolExecutor(2) as pool:
        signals = list(pool.map(lambda piece: mono(*piece), pieces))
    for name in SHIPPED:
        network = preprocessor.load(name)
        tracks = [network.transform(y).astype(np.float16) for y in signals]
        path = WEIGHTS / f"negatives-{name}.safetensors"
        provenance = {"music": f"synthesised, {len(STYLES)} styles", "seed": FIRST_SEED}
        save_pool(path, tracks, network.fingerprint, provenance)
        print(f"{path.name}: {len(tracks)} tracks, {path.stat().st_size / 1e3:.0f} kB")


def mono(style: str, seed: int) -> NDArray[np.int16]:
    """Compose a piece and mix it down."""
    y = synthesise(style, seed, DURATION_S).mean(axis=1)
    return np.asarray(np.rint(y * 32767), np.int16)


if __name__ == "__main__":
    main()

"""Pieces of music in any of the styles, by number."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from recommender.demo import effects, loud_styles, quiet_styles
from recommender.demo.synthesis import Samples
from recommender.errors import ParameterError

_COMPOSERS: dict[str, Callable[[Generator, Generator, float], Samples]] = {
    "ambient": quiet_styles.ambient,
    "waltz": quiet_styles.waltz,
    "folk": quiet_styles.folk,
    "reggae": quiet_styles.reggae,
    "techno": loud_styles.techno,
    "drum_and_bass": loud_styles.drum_and_bass,
    "chiptune": loud_styles.chiptune,
    "metal": loud_styles.metal,
}
STYLES: tuple[str, ...] = tuple(_COMPOSERS)


def synthesise(style: str, seed: int, duration_s: float) -> NDArray[np.float32]:
    """Compose and play a piece.

    Parameters
    ----------
    style : str
        One of `STYLES`.
    seed : int
        Not negative. Seeds of the same hundred share an artist's sound: 300 to 399 are pieces of
        one artist.
    duration_s : float
        Length in seconds, at least 4.

    Returns
    -------
    ndarray of float32, shape (n, 2)
        Stereo at 44.1 kHz, faded in and out, peak at most 0.9; the same for the same arguments.

    Raises
    ------
    ParameterError
        If the style is unknown, the seed negative or the duration too short.
    """
    if style not in _COMPOSERS:
        raise ParameterError(f"unknown style {style!r}; there are {', '.join(STYLES)}")
    if seed < 0 or not duration_s >= 4:
        raise ParameterError(f"need seed >= 0 and duration_s >= 4, not {seed} and {duration_s}")
    number = STYLES.index(style)
    rng = np.random.default_rng([2016, number, seed])
    sound = np.random.default_rng([2017, number, seed // 100])
    peak, loud = rng.uniform(0.5, 0.9), sound.uniform(0.6, 1.4)
    y = _COMPOSERS[style](rng, sound, duration_s)
    fade_in_s = 0.8 if style == "ambient" else 0.01
    y = effects.master(y, peak=peak, loud=loud, fade_in_s=fade_in_s, fade_out_s=1.8)
    return np.ascontiguousarray(y.T)

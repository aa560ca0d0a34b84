"""Nearness to what is liked, against nearness to other music, as a probability.

How near a fragment x is to music r_1, r_2, ... is the logarithm of a kernel density (Parzen, On
estimation of a probability density function and mode, 1962) with kernels ``exp(s * cos(x, r))``:
playlists of several tastes have a density of several hills, where a centroid would lie between
them. That of other music is subtracted, so that what is near to everything is not recommended to
everybody (Radovanović, Nanopoulos and Ivanović, Hubs in space, 2010). In deviations of the other
music's this is z.

If z were normal, with mean c for liked music and 0 for other, and the same deviation, the logit of
being liked would be ``c * z - c**2 / 2``. So it is here, with factors that were fitted to playlists
of other music, and with c told from the liked tracks, each hidden in turn: tracks that are alike
make a profile that is sure.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.parameters import NearnessParams
from recommender.profile.scaling import BATCH, filled, moments, scaled
from recommender.profile.tracks import Features, Named, choose, key_of, number_of

Floats = NDArray[np.float32]

NO_TRACK = -1
"""In the place of a key: of no track that is compared with."""

_SAME_COSINE = 0.98  # the same recording in another file is no other music
_USUAL_SPREAD, _USUAL_WEIGHT = 0.065, 5.0  # of nearness, and as how many tracks it counts


def learn(
    liked: Sequence[Named],
    others: Sequence[Named],
    disliked: Sequence[Named],
    pool: Sequence[Features],
    params: NearnessParams,
) -> dict[str, Floats]:
    """Choose what is compared with, and tell how to read the nearness to it.

    Parameters
    ----------
    liked, others, disliked : sequence of (TrackRef, ndarray)
    pool : sequence of ndarray
        Other music that is no file's. It tells how to read nearness, but is not compared with: what
        is shipped is not what a listener has.
    params : NearnessParams

    Returns
    -------
    dict of str to ndarray of float32
        ``liked`` and ``other``, fragments as rows of length 1, with the ``.key`` of their tracks
        and their ``.weight``; ``reading``: mean and deviation of nearness among other music, and
        the coherence; ``feature_mean`` and ``feature_std``.
    """

    def chosen(tracks: Sequence[Named], n_most: int) -> list[tuple[int, Features]]:
        names = [ref.content_hash for ref, _ in tracks]
        return [(_key(names[i]), tracks[i][1]) for i in choose(names, n_most, params.seed)]

    music = chosen(others, params.n_others)
    music += [(NO_TRACK, x) for x in pool]
    mean, std = moments([x for _, x in music], params.scaling)

    def unit(features: Features) -> Floats:
        return _unit(features, mean, std, params)

    n_each = min(params.n_per_track, params.n_liked // min(len(liked), params.n_liked))
    own = [(key, unit(_spread(x, n_each))) for key, x in chosen(liked, params.n_liked)]
    heard = [(key, unit(_spread(x, params.n_per_track))) for key, x in music]
    one_each = [(key, _one(key, x, params)) for key, x in heard if key != NO_TRACK]
    disliked_too = [
        (_key(ref.content_hash), unit(_spread(x, params.n_per_track))) for ref, x in disliked
    ]
    tensors = {
        "feature_mean": mean,
        "feature_std": std,
        **_compared("liked", own, [1.0] * len(own), len(mean)),
        **_compared(
            "other",
            one_each + disliked_too,
            [1.0] * len(one_each) + [params.disliked_weight] * len(disliked_too),
            len(mean),
        ),
    }
    return tensors | {"reading": _reading(tensors, own, heard, params)}


def scores(
    tensors: Mapping[str, Floats],
    params: NearnessParams,
    features: Features,
    keys: NDArray[np.integer],
) -> NDArray[np.float64]:
    """Score fragments.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        From `learn`.
    params : NearnessParams
    features : ndarray, shape (n, n_features)
    keys : ndarray of int, shape (n,)
        Of their tracks: none is compared with itself.

    Returns
    -------
    ndarray, shape (n,)
        Probabilities in [0, 1], if liked and other music were equally frequent.
    """
    mean, std, coherence = tensors["reading"].astype(np.float64)
    z = np.empty(len(features))
    for start in range(0, len(features), BATCH):
        rows = slice(start, start + BATCH)
        x = _unit(features[rows], tensors["feature_mean"], tensors["feature_std"], params)
        n = len(x)
        some = np.concatenate([keys[rows], np.full(BATCH - n, NO_TRACK)])
        z[rows] = (_nearness(tensors, filled(x), some, params)[:n] - mean) / std
    slope = params.slope + params.slope_by_coherence * coherence
    logits = slope * z - params.offset_by_coherence * coherence**2
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30.0, 30.0))))


def _nearness(
    tensors: Mapping[str, Floats], x: Floats, keys: NDArray[np.integer], params: NearnessParams
) -> NDArray[np.float64]:
    """How much nearer fragments are to what is liked than to other music, shape ``(n,)``."""
    kernels = np.exp(params.liked_sharpness * (x @ tensors["liked"].T))
    liked = _density(kernels, tensors["liked.weight"], tensors["liked.key"], keys)
    if np.isnan(liked).any():  # the only liked track can be compared with itself alone
        alone = kernels @ tensors["liked.weight"] / tensors["liked.weight"].sum()
        liked = np.where(np.isnan(liked), alone, liked)
    other = _otherness(tensors, x, keys, params)
    return np.asarray(np.log(liked) / params.liked_sharpness - params.other_weight * other)


def _otherness(
    tensors: Mapping[str, Floats], x: Floats, keys: NDArray[np.integer], params: NearnessParams
) -> NDArray[np.float64]:
    """How near fragments are to other music, shape ``(n,)``; 0 if there is none."""
    cosines = x @ tensors["other"].T
    kernels = np.exp(params.other_sharpness * cosines) * (cosines < _SAME_COSINE)
    other = _density(kernels, tensors["other.weight"], tensors["other.key"], keys)
    return np.asarray(np.log(np.where(np.isnan(other), 1.0, other) + 1e-9) / params.other_sharpness)


def _density(
    kernels: Floats, weights: Floats, theirs: Floats, keys: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Weighted mean of each row over what is of another track; NaN if nothing is."""
    own = keys[:, None] == theirs
    # Of all rows at once: a product of another shape would be rounded otherwise.
    sums = np.asarray(np.where(own, np.float32(0), kernels) @ weights, np.float64)
    total = weights.sum(dtype=np.float64) - own @ weights.astype(np.float64)
    return np.asarray(np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0))


def _reading(
    tensors: Mapping[str, Floats],
    own: Sequence[tuple[int, Floats]],
    heard: Sequence[tuple[int, Floats]],
    params: NearnessParams,
) -> Floats:
    """Mean and deviation of nearness over other tracks, and the coherence of the liked ones."""
    x, keys = _joined(heard)
    starts = _starts(heard)
    other = params.other_weight * _otherness(tensors, x, keys, params)
    kernels = np.exp(params.liked_sharpness * (x @ tensors["liked"].T)) * tensors["liked.weight"]
    of_tracks = np.add.reduceat(kernels.astype(np.float64), _starts(own), axis=1)
    total = of_tracks.sum(1, keepdims=True)

    def moments_of(densities: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean and deviation of each column of densities of what is liked."""
        values = np.log(densities) / params.liked_sharpness - other[:, None]
        return _moments(np.add.reduceat(values, starts) / np.diff([*starts, len(x)])[:, None])

    mean, std = moments_of(total / len(own))[:, 0]
    if len(own) == 1:
        return np.array([mean, std, params.usual_coherence], np.float32)
    # Each liked track hidden: what remains is a difference of sums over the same kernels.
    means, stds = moments_of((total - of_tracks) / (len(own) - 1))
    mine, mine_keys = _joined(own)
    hidden = np.add.reduceat(_nearness(tensors, mine, mine_keys, params), _starts(own))
    distances = (hidden / [len(x) for _, x in own] - means) / stds
    n = len(own)
    coherence = (distances.sum() + params.usual_weight * params.usual_coherence) / (
        n + params.usual_weight
    )
    return np.array([mean, std, max(coherence, 0.0)], np.float32)


def _starts(tracks: Sequence[tuple[int, Floats]]) -> NDArray[np.int64]:
    """Where the fragments of each track begin among those of all."""
    return np.cumsum([0, *(len(x) for _, x in tracks[:-1])])


def _joined(tracks: Sequence[tuple[int, Floats]]) -> tuple[Floats, NDArray[np.int64]]:
    """Fragments of all tracks, and the key of each."""
    lengths = [len(x) for _, x in tracks]
    keys = np.repeat(np.array([key for key, _ in tracks], np.int64), lengths)
    return np.concatenate([x for _, x in tracks]), keys


def _moments(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean and deviation of each column over tracks, which few tracks hardly tell."""
    squares = np.square(means - means.mean(0)).sum(0) + _USUAL_WEIGHT * _USUAL_SPREAD**2
    return np.array([means.mean(0), np.sqrt(squares / (len(means) + _USUAL_WEIGHT))])


def _compared(
    name: str, tracks: Sequence[tuple[int, Floats]], weights: Sequence[float], n_features: int
) -> dict[str, Floats]:
    """Put fragments together, of no track perhaps; those of a track share its weight."""
    lengths = [len(x) for _, x in tracks]
    shares = [weight / n for weight, n in zip(weights, lengths, strict=True)]
    return {
        name: np.concatenate([x for _, x in tracks] or [np.empty((0, n_features), np.float32)]),
        f"{name}.key": np.repeat([key for key, _ in tracks], lengths).astype(np.float32),
        f"{name}.weight": np.repeat(shares, lengths).astype(np.float32),
    }


def _one(key: int, x: Floats, params: NearnessParams) -> Floats:
    """Draw a fragment of a track, the same whatever else there is."""
    return x[[np.random.default_rng([params.seed, key]).integers(len(x))]]


def _spread(features: Features, n_most: int) -> Features:
    """Take at most so many fragments, evenly spread over the track."""
    n = min(len(features), n_most)
    return features[(np.arange(n) * len(features)) // n]


def _key(content_hash: str) -> int:
    return key_of(number_of(content_hash))


def _unit(features: Features, mean: Floats, std: Floats, params: NearnessParams) -> Floats:
    x = scaled(features, mean, std, params.scaling)
    return x / np.float32(np.sqrt(x.shape[1]))

"""Trained models on music that they have not been trained on."""

import dataclasses

import numpy as np

from recommender.errors import DatasetError
from recommender.genres import metrics
from recommender.genres.material import Material
from recommender.genres.model import GenreModel
from recommender.genres.runs import Run, told
from recommender.genres.sources import Collection, LabelledTrack
from recommender.parameters import fingerprint


def unheard(model: GenreModel, collection: Collection) -> tuple[Collection, int, int]:
    """Leave out what a model cannot be tested with.

    Returns
    -------
    collection : Collection
        Of tracks whose genres the model knows, by artists that it was not trained on.
    n_heard, n_unknown : int
        How many tracks it was trained on, or knows the artist of; how many are of other genres.

    Raises
    ------
    DatasetError
        If nothing is left.
    """
    known = [track for track in collection.tracks if track.genre in model.genres]
    heard = set(model.provenance.get("heard", ()))
    new = tuple(track for track in known if not heard & marks(track))
    n_heard, n_unknown = len(known) - len(new), len(collection.tracks) - len(known)
    if not new:
        raise DatasetError(
            f"{collection.name}: nothing is left to test with: the network was trained on"
            f" {n_heard} of the {len(collection.tracks)} tracks or on their artists, and"
            f" {n_unknown} are of genres that it does not know"
        )
    return dataclasses.replace(collection, tracks=new), n_heard, n_unknown


def examine(model: GenreModel, material: Material) -> Run:
    """Test a trained model on all tracks of a collection; see `unheard`.

    Raises
    ------
    DatasetError
        If no track can be used.
    """
    chosen = np.flatnonzero(material.usable)
    if len(chosen) == 0:
        raise DatasetError(f"{material.collection.name}: none of the files could be used")
    index = {genre: i for i, genre in enumerate(model.genres)}
    y = np.array([index[material.collection.tracks[i].genre] for i in chosen], np.int64)
    trained = model.provenance
    return told(
        material,
        model,
        metrics.scores(y, model.shares(material.x[chosen])),
        split=("artist", "Tracks that the system was not trained on, nor on their artists."),
        counts=(int(trained.get("n_training", 0)), int(trained.get("n_validation", 0)), len(y)),
        history=(),
        settings={},
        seed=int(trained.get("seed", 0)),
        training_s=0.0,
    )


def marks(track: LabelledTrack) -> set[str]:
    """Names by which a track is known again, its artist's if that is known; they are hashes."""
    if track.artist_known:
        return {fingerprint("artist", track.group)}
    try:
        size = track.path.stat().st_size
    except OSError:
        size = -1
    return {fingerprint("group", track.group), fingerprint("file", track.path.name, size)}

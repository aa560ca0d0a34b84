"""The report of a run, with pictures of what the system hears and has learned."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from recommender.cli.console import say, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from recommender.genres.material import Material
    from recommender.genres.model import GenreModel
    from recommender.genres.runs import Run


def write_report(
    path: Path, run: "Run", material: "Material", model: "GenreModel | None" = None
) -> None:
    """Write the report, with what of its pictures the system has."""
    import numpy as np

    from recommender import reports
    from recommender.genres import inputs

    params = material.system.inputs
    # What has no time or frequency to be drawn is stood for by mel pictures.
    is_vector = params.kind in ("handmade", "features")
    examples: dict[str, NDArray[Any]] = {}
    for i in np.flatnonzero(material.usable):
        track = material.collection.tracks[i]
        if track.genre not in examples:
            if is_vector:
                found = inputs.pieces(track.path, inputs.MEL_22K)
                examples[track.genre] = found[len(found) // 2]
            else:
                piece = material.x[i, material.n_pieces // 2]
                examples[track.genre] = piece.astype(np.float32)
    reports.write_run(
        path,
        run,
        kind="handmade" if params.kind == "features" else params.kind,
        spectrogram=inputs.MEL_22K.spectrogram if is_vector else params.spectrogram,
        examples=dict(sorted(examples.items())),
        kernels=_kernels(model) if model is not None else None,
        som=(
            model.classifier.counts.astype(np.int64)
            if model is not None and model.kind == "map"
            else None
        ),
    )
    say(f"Report in {shown(path)}")


def _kernels(
    model: "GenreModel",
) -> "tuple[NDArray[np.float32], NDArray[np.float32]] | None":
    """Weights of the first two convolutions over time, if there are two."""
    from torch import nn

    if model.kind != "network":
        return None
    layers = [m for m in model.classifier.modules() if isinstance(m, nn.Conv1d)]
    if len(layers) < 2:
        return None
    first, second = (layer.weight.detach().numpy() for layer in layers[:2])
    return first, second

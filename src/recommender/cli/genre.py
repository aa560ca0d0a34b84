"""``recommender genre``: train a genre network on your own folders, use it, cut it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from recommender.cli.console import (
    N_JOBS,
    Jobs,
    Json,
    RecipeName,
    answer_json,
    check_folder,
    list_problems,
    progress,
    say,
    shown,
)
from recommender.parameters import RECIPES

app = typer.Typer(help="Genre networks: train one on genre folders, predict with it, cut it.")

_BAR_WIDTH = 30


@app.command("train", epilog="Example: recommender genre train ~/Music/genres -o mine.safetensors")
def train(
    music_dir: Annotated[
        Path, typer.Argument(metavar="MUSIC_DIR", help="A folder of genre folders.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the network goes.")
    ],
    recipe: Annotated[RecipeName, typer.Option(help="Kind of spectrogram.")] = "default",
    epochs: Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many.")] = None,
    fragments_per_track: Annotated[
        int, typer.Option(min=1, metavar="N", help="At random offsets.")
    ] = 6,
    validation: Annotated[
        float,
        typer.Option(
            min=0.05, max=0.5, metavar="SHARE", help="Share of the tracks that is held out."
        ),
    ] = 0.2,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Chooses offsets and held-out artists.")
    ] = 0,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Train the thesis's genre network; artists are never in both training and validation."""
    import dataclasses

    import numpy as np

    from recommender import genres
    from recommender.errors import DatasetError

    check_folder(output)
    params = RECIPES[recipe].spectrogram
    tracks = genres.find_tracks(music_dir)
    with progress("Spectrograms") as step:
        x, failures = genres.load_fragments(
            [track.path for track in tracks],
            params,
            k=fragments_per_track,
            seed=seed,
            jobs=jobs,
            on_track=lambda done, total: step(done, total, ""),
        )
    list_problems("These could not be used:", failures)
    failed = {path for path, _ in failures}
    good = np.array([track.path not in failed for track in tracks])
    held_out = genres.split(tracks, validation, seed)
    names = sorted({track.genre for track in tracks})
    y = np.array([names.index(track.genre) for track in tracks], np.int64)
    everything = genres.FragmentSet(x=x, y=y)
    training_set = everything.subset(np.flatnonzero(good & ~held_out))
    validation_set = everything.subset(np.flatnonzero(good & held_out))
    if len(training_set.y) == 0 or len(validation_set.y) == 0:
        raise DatasetError(
            f"{music_dir}: there are too few artists to hold some out; add music or change --seed"
        )
    training = dataclasses.replace(genres.TRAINING, seed=seed)
    if epochs is not None:
        training = dataclasses.replace(training, epochs=epochs)
    with progress("Training") as step:
        model = genres.train(
            training_set,
            validation_set,
            genres=names,
            params=params,
            training_params=training,
            standardise=recipe == "default",
            provenance={"n_tracks": len(training_set.y), "seed": seed},
            on_epoch=lambda e: step(e.number, e.n_epochs, f"loss {e.loss:.3f}"),
        )
    guessed = genres.track_shares(model.network, validation_set.x).argmax(1)
    accuracy = float((guessed == validation_set.y).mean())
    genres.save(output, model)
    say(
        f"{accuracy:.1%} of {len(validation_set.y)} held-out tracks of other artists are right"
        f" (trained on {len(training_set.y)}, {len(names)} genres). Network in {shown(output)}"
    )
    if as_json:
        answer_json(
            {
                "accuracy": accuracy,
                "n_training": len(training_set.y),
                "n_validation": len(validation_set.y),
                "genres": names,
                "output": str(output),
            }
        )
    raise typer.Exit(1 if failures else 0)


@app.command("predict", epilog="Example: recommender genre predict song.mp3 -n mine.safetensors")
def predict(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Audio files.")],
    network: Annotated[
        Path, typer.Option("--network", "-n", metavar="FILE", help="From `genre train`.")
    ],
    as_json: Json = False,
) -> None:
    """Tell the genre shares of files, each the mean over its fragments."""
    from recommender import genres
    from recommender.errors import AudioDecodeError

    model = genres.load(network)
    answers, failures = [], []
    for path in files:
        try:
            shares = genres.predict(path, model)
        except AudioDecodeError as error:
            failures.append((path, str(error)))
            continue
        mean = shares.mean(0)
        answers.append(
            {
                "path": str(path),
                "genre": model.genres[int(mean.argmax())],
                "shares": dict(zip(model.genres, mean.round(4).tolist(), strict=True)),
                "n_fragments": len(shares),
            }
        )
        if not as_json:
            _print_shares(path, model.genres, mean.tolist())
    if as_json:
        answer_json(answers)
    list_problems("These could not be used:", failures)
    raise typer.Exit(1 if failures else 0)


@app.command("cut", epilog="Example: recommender genre cut mine.safetensors -o pre.safetensors")
def cut(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="From `genre train`.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the result goes.")
    ],
) -> None:
    """Keep the convolutions alone: a preprocessor for `profile build --preprocessor`."""
    from recommender import genres, preprocessor

    check_folder(output)
    genres.cut(genres.load(network), output)
    result = preprocessor.load(output)
    say(f"{result.n_features} features a fragment; fingerprint {result.fingerprint}")
    say(f"Kept in {shown(output)}; use it with `profile build --preprocessor`")


def _print_shares(path: Path, names: Sequence[str], shares: Sequence[float]) -> None:
    typer.echo(shown(path))
    for share, name in sorted(zip(shares, names, strict=True), reverse=True):
        bar = "█" * round(share * _BAR_WIDTH)
        typer.echo(f"  {shown(name):16} {share:6.1%} {bar}")

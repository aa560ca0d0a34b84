"""``recommender genre train`` and ``cut``."""

from pathlib import Path
from typing import Annotated

import typer

from recommender.cli.console import (
    N_JOBS,
    Jobs,
    Json,
    ShippedName,
    answer_json,
    check_folder,
    progress,
    say,
    shown,
)
from recommender.cli.genre import options
from recommender.cli.genre.options import (
    BatchSize,
    Cache,
    ClassWeights,
    Embedding,
    Epochs,
    FmaSubset,
    LayerPrecision,
    LayoutKind,
    LearningRate,
    MinTracks,
    Music,
    Patience,
    Report,
    Settings,
    SplitKind,
)
from recommender.cli.genre.reporting import write_report

EXAMPLES = """Examples:

recommender genre train ~/Music/genres -o mine.safetensors

recommender genre train ~/Music/gtzan -o cnn.safetensors --network cnn1d-mfcc --report cnn.html"""

CUT_EXAMPLE = "Example: recommender genre cut mine.safetensors -o pre.safetensors"

_MUSIC = "The music"
_RECIPES = {"default": "thesis-log", "thesis": "thesis"}


def train(
    music: Music,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the network goes.")
    ],
    network: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="What to train, see `genre networks`; by default thesis-log."
        ),
    ] = None,
    recipe: Annotated[
        ShippedName | None,
        typer.Option(help="The thesis's network on this spectrogram: thesis-log, or thesis."),
    ] = None,
    kind: LayoutKind = "auto",
    subset: FmaSubset = "small",
    min_tracks: MinTracks = 1,
    split: Annotated[
        SplitKind,
        typer.Option(
            help="Kept apart are artists, the set's own parts, or nothing (leaky: an illusion).",
            rich_help_panel=_MUSIC,
        ),
    ] = "artist",
    validation: Annotated[
        float,
        typer.Option(
            min=0.05,
            max=0.5,
            metavar="SHARE",
            help="Share of the tracks that says when to stop.",
            rich_help_panel=_MUSIC,
        ),
    ] = 0.1,
    test: Annotated[
        float,
        typer.Option(
            min=0.05,
            max=0.5,
            metavar="SHARE",
            help="Share of the tracks to test on.",
            rich_help_panel=_MUSIC,
        ),
    ] = 0.2,
    fragments_per_track: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="How many pieces of each track it hears.",
            rich_help_panel=_MUSIC,
        ),
    ] = None,
    embedding: Embedding = None,
    cache: Cache = None,
    settings: Settings = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    patience: Patience = None,
    class_weights: ClassWeights = False,
    precision: LayerPrecision = None,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Of the split and of all chance.")
    ] = 0,
    report: Report = None,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Train a network on labelled music, and test it on artists that it has not heard.

    All that options leave open is as it was published. A training that was interrupted goes on
    where it stopped when the same command is given again.
    """
    from recommender import genres
    from recommender.errors import ParameterError
    from recommender.genres import adapting, material, running

    check_folder(output)
    if report is not None:
        check_folder(report)
    if network is not None and recipe is not None:
        raise ParameterError(
            f"--network {network} and --recipe {recipe} exclude each other; --recipe says which"
            " spectrogram the thesis's network hears, and nothing else"
        )
    found = adapting.read_settings(settings) if settings is not None else None
    name = network or (found.network if found else _RECIPES[recipe or "default"])
    system = options.choose(
        name,
        settings=found,
        embedding=embedding,
        fragments_per_track=fragments_per_track,
        class_weights=class_weights,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        patience=patience,
        precision=precision,
    )
    collection = options.open_music(music, kind, subset, min_tracks)
    parts = material.part(collection, system, split, validation=validation, test=test, seed=seed)
    heard = options.listen(collection, system, seed=seed, jobs=jobs, cache=cache)
    state = output.with_name(f"{output.name}.state")
    if state.exists():
        say(f"Going on with the training in {shown(state)}")
    with progress("Training") as step:
        run, model = running.run(
            heard,
            parts,
            seed=seed,
            class_weights=class_weights,
            jobs=jobs,
            on_epoch=lambda e: step(e.number, e.n_epochs, options.describe(e)),
            state=state,
        )
    genres.save(output, model)
    state.unlink(missing_ok=True)
    say(options.sentence(run))
    say(run.split_description)
    say(f"Network in {shown(output)}")
    if report is not None:
        write_report(report, run, heard, model)
    if as_json:
        answer_json({**options.as_json(run), "output": str(output)})
    raise typer.Exit(1 if heard.failures else 0)


def cut(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="From `genre train`.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the result goes.")
    ],
) -> None:
    """Keep the thesis network's convolutions: a preprocessor for `profile build --preprocessor`."""
    from recommender import genres, preprocessor

    check_folder(output)
    genres.cut(genres.load(network), output)
    result = preprocessor.load(output)
    say(f"{result.n_features} features a fragment; fingerprint {result.fingerprint}")
    say(f"Kept in {shown(output)}; use it with `profile build --preprocessor`")

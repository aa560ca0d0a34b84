"""Options that several genre commands have, and what they do first: find music, listen to it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recommender.cli.console import counted, list_problems, progress, say, shown

if TYPE_CHECKING:
    from recommender.genres.adapting import Settings as FoundSettings
    from recommender.genres.material import Material
    from recommender.genres.runs import Run
    from recommender.genres.sources import Collection
    from recommender.genres.systems import System
    from recommender.training import Epoch

Kind = Literal["auto", "gtzan", "fma", "folders", "csv"]
Subset = Literal["small", "medium", "large", "full"]
SplitKind = Literal["artist", "own", "leaky"]
Precision = Literal["float32", "bfloat16"]

_MUSIC = "The music"
_TRAINING = "Training"

Music = Annotated[
    Path,
    typer.Argument(
        metavar="MUSIC", help="Genre folders, GTZAN, FMA, or a CSV file of clips and genres."
    ),
]
LayoutKind = Annotated[
    Kind,
    typer.Option("--kind", help="How MUSIC is laid out; auto finds out.", rich_help_panel=_MUSIC),
]
FmaSubset = Annotated[
    Subset,
    typer.Option(
        "--subset", help="Which part of FMA; of no use for other music.", rich_help_panel=_MUSIC
    ),
]
MinTracks = Annotated[
    int,
    typer.Option(
        min=1, metavar="N", help="Leave out genres with fewer tracks.", rich_help_panel=_MUSIC
    ),
]
Embedding = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Frozen network that patch-… hears: a preprocessor, or an ONNX file with its .json.",
        rich_help_panel=_MUSIC,
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Keep there what the system hears, so that a second run starts at once.",
        rich_help_panel=_MUSIC,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="At most so many; fewer if it stops early.",
        rich_help_panel=_TRAINING,
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Pieces in a batch.", rich_help_panel=_TRAINING),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        min=1e-8, metavar="RATE", help="Instead of the published one.", rich_help_panel=_TRAINING
    ),
]
Patience = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="It stops after so many epochs without better validation.",
        rich_help_panel=_TRAINING,
    ),
]
ClassWeights = Annotated[
    bool,
    typer.Option(
        "--class-weights/--no-class-weights",
        help="Each genre counts the same, however many tracks it has.",
        rich_help_panel=_TRAINING,
    ),
]
LayerPrecision = Annotated[
    Precision | None,
    typer.Option(
        "--precision",
        help="bfloat16 trains 2-D convolutions faster on CPUs that compute with it.",
        rich_help_panel=_TRAINING,
    ),
]
Settings = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Network, hyperparameters and training from `genre tune`.",
        rich_help_panel=_TRAINING,
    ),
]
Report = Annotated[
    Path | None, typer.Option(metavar="FILE.html", help="Also write a report to look at.")
]


def choose(
    name: str,
    *,
    embedding: str | None = None,
    settings: "FoundSettings | None" = None,
    fragments_per_track: int | None = None,
    class_weights: bool = False,
    **training: Any,
) -> "System":
    """Take a system by its name, with what options change; ``None`` changes nothing.

    Raises
    ------
    ParameterError
        If there is no such system, a library of its own is missing, or options do not belong to
        it.
    """
    from recommender.genres import adapting

    system = adapting.find(name)
    if settings is not None:
        system = adapting.with_settings(system, settings)
    if embedding is not None:
        system = adapting.with_embedding(system, embedding)
    if fragments_per_track is not None:
        system = adapting.with_pieces(system, fragments_per_track)
    chosen = {field: value for field, value in training.items() if value is not None}
    if chosen:
        system = adapting.with_training(system, **chosen)
    adapting.check(system, class_weights=class_weights)
    return system


def open_music(music: Path, kind: Kind, subset: Subset, min_tracks: int) -> "Collection":
    """List the labelled tracks, and say what was found and what left out."""
    from recommender.genres import sources

    with progress("Reading tags", keep=False):
        collection = sources.read(music, kind=kind, subset=subset, min_tracks=min_tracks)
    n_tracks, n_genres = len(collection.tracks), len(collection.genres)
    say(f"{shown(collection.name)}: {counted(n_tracks, 'track')} of {n_genres} genres")
    list_problems("Left out:", collection.skipped, "yellow")
    return collection


def listen(
    collection: "Collection", system: "System", *, seed: int, jobs: int, cache: Path | None
) -> "Material":
    """Compute what a system hears, with a progress bar and a list of problems."""
    from recommender.genres import material

    with progress("Listening") as step:
        found = material.prepare(
            collection,
            system,
            seed=seed,
            jobs=jobs,
            cache=cache,
            on_track=lambda done, total: step(done, total, ""),
        )
    list_problems("These could not be used:", found.failures)
    return found


def describe(epoch: "Epoch") -> str:
    """Say how an epoch went, in the few words that fit beside a bar."""

    def both(loss: float | None, accuracy: float | None) -> str:
        words = [] if loss is None else [f"loss {loss:.2f}"]
        return " ".join(words if accuracy is None else [*words, f"{accuracy:.0%}"])

    here = both(epoch.loss, epoch.accuracy)
    there = both(epoch.validation_loss, epoch.validation_accuracy)
    return f"{here}, held out {there.removeprefix('loss ')}" if there else here


def as_json(run: "Run") -> dict[str, Any]:
    """What a run gave, as plain values."""
    return {
        "network": run.system,
        "collection": run.collection,
        "genres": run.genres,
        "split": run.split_kind,
        "split_description": run.split_description,
        "n_training": run.n_training,
        "n_validation": run.n_validation,
        "n_test": run.n_test,
        "accuracy": run.scores.accuracy,
        "macro_f1": run.scores.macro_f1,
        "by_genre": [
            {"genre": genre, "precision": p, "recall": r, "f1": f1, "n_tracks": n}
            for genre, p, r, f1, n in zip(
                run.genres,
                run.scores.precision,
                run.scores.recall,
                run.scores.f1,
                run.scores.support,
                strict=True,
            )
        ],
        "confusion": run.scores.confusion.tolist(),
        "epochs": len(run.history),
        "training_s": round(run.training_s, 3),
        "n_parameters": run.n_parameters,
        "seed": run.seed,
        "n_failures": len(run.failures),
    }


def sentence(run: "Run") -> str:
    """Say how a test went."""
    what = "test piece" if run.split_kind == "leaky" else "test track"
    epochs = f" in {counted(len(run.history), 'epoch')}" if run.history else ""
    return (
        f"{run.system}: {run.scores.accuracy:.1%} of {counted(run.n_test, what)} are right,"
        f" macro F1 {run.scores.macro_f1:.3f} ({len(run.genres)} genres,"
        f" trained on {run.n_training}{epochs})"
    )

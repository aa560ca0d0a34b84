"""``recommender genre evaluate``: test a trained network, or cross-validate one by its name."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recommender.cli.console import (
    N_JOBS,
    Jobs,
    Json,
    answer_json,
    check_folder,
    counted,
    progress,
    say,
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
)
from recommender.cli.genre.reporting import write_report

if TYPE_CHECKING:
    from recommender.genres.material import Material
    from recommender.genres.runs import Run

EXAMPLES = """Examples:

recommender genre evaluate mine.safetensors ~/Music/others

recommender genre evaluate svc ~/Music/genres --folds 5"""


def evaluate(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="File from `genre train`, or a name.")
    ],
    music: Music,
    folds: Annotated[
        int | None,
        typer.Option(
            min=3, metavar="N", help="Parts of the cross-validation of a name; 5 by default."
        ),
    ] = None,
    kind: LayoutKind = "auto",
    subset: FmaSubset = "small",
    min_tracks: MinTracks = 1,
    embedding: Embedding = None,
    cache: Cache = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    patience: Patience = None,
    class_weights: ClassWeights = False,
    precision: LayerPrecision = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Of folds and all chance.")] = 0,
    report: Report = None,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Test a trained network on tracks that it has not heard, or cross-validate one by its name.

    A file is tested on all tracks but those that it was trained on and others of their artists. A
    name, as in `genre networks`, is trained and tested once a fold, and no artist is on both sides.
    """
    from recommender.errors import ParameterError
    from recommender.genres import SYSTEMS

    if report is not None:
        check_folder(report)
    training: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "patience": patience,
        "precision": precision,
    }
    if network not in SYSTEMS:
        given = [name for name, value in training.items() if value is not None]
        given += ["folds"] * (folds is not None) + ["embedding"] * (embedding is not None)
        if given or class_weights:
            what = given[0].replace("_", "-") if given else "class-weights"
            raise ParameterError(f"--{what} needs the name of a network, not the file {network}")
        answer, failed = _test(
            Path(network), music, kind, subset, min_tracks, seed, jobs, cache, report
        )
    else:
        if report is not None:
            raise ParameterError("a cross-validation has no report; train the network to get one")
        system = options.choose(
            network, embedding=embedding, class_weights=class_weights, **training
        )
        collection = options.open_music(music, kind, subset, min_tracks)
        answer, failed = _cross_validate(
            options.listen(collection, system, seed=seed, jobs=jobs, cache=cache),
            folds or 5,
            seed,
            class_weights,
            jobs,
        )
    if as_json:
        answer_json(answer)
    raise typer.Exit(1 if failed else 0)


def _test(
    path: Path,
    music: Path,
    kind: options.Kind,
    subset: options.Subset,
    min_tracks: int,
    seed: int,
    jobs: int,
    cache: Path | None,
    report: Path | None,
) -> tuple[dict[str, Any], bool]:
    from recommender import genres
    from recommender.errors import ParameterError
    from recommender.genres import examining

    if not path.exists():
        raise ParameterError(
            f"{path}: there is no such file, nor a network of this name; see `genre networks`"
        )
    model = genres.load(path)
    everything = options.open_music(music, kind, subset, min_tracks)
    collection, n_heard, n_unknown = examining.unheard(model, everything)
    if n_heard:
        say(f"{counted(n_heard, 'track')} left out: the network knows them, or their artists")
    if n_unknown:
        say(f"{counted(n_unknown, 'track')} left out: of genres that the network does not know")
    material = options.listen(collection, model.system, seed=seed, jobs=jobs, cache=cache)
    run = examining.examine(model, material)
    say(options.sentence(run))
    if report is not None:
        write_report(report, run, material, model)
    answer = {**options.as_json(run), "n_heard": n_heard, "n_unknown_genre": n_unknown}
    return answer, bool(material.failures)


def _cross_validate(
    material: "Material", n_folds: int, seed: int, class_weights: bool, jobs: int
) -> tuple[dict[str, Any], bool]:
    import numpy as np

    from recommender.genres import running

    runs: list[Run] = []
    with progress("Training") as step:
        for run in running.cross_validate(
            material,
            n_folds=n_folds,
            seed=seed,
            class_weights=class_weights,
            jobs=jobs,
            on_epoch=lambda fold, e: step(
                e.number,
                e.n_epochs,
                f"fold {fold + 1}: {options.describe(e).removeprefix('loss ')}",
            ),
        ):
            say(f"Fold {len(runs) + 1}: {options.sentence(run)}")
            runs.append(run)
    say(runs[0].split_description.partition(". ")[2])  # without the number of the fold
    accuracy = np.array([run.scores.accuracy for run in runs])
    macro_f1 = np.array([run.scores.macro_f1 for run in runs])
    say(
        f"{material.system.name}: accuracy {accuracy.mean():.1%} ± {accuracy.std(ddof=1):.1%},"
        f" macro F1 {macro_f1.mean():.3f} ± {macro_f1.std(ddof=1):.3f} over {len(runs)} folds"
    )
    return {
        "network": material.system.name,
        "n_folds": len(runs),
        "accuracy": float(accuracy.mean()),
        "accuracy_std": float(accuracy.std(ddof=1)),
        "macro_f1": float(macro_f1.mean()),
        "macro_f1_std": float(macro_f1.std(ddof=1)),
        "folds": [options.as_json(run) for run in runs],
    }, bool(material.failures)

"""``recommender genre tune``: search hyperparameters."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recommender.cli.console import (
    N_JOBS,
    Json,
    answer_json,
    check_folder,
    counted,
    progress,
    say,
    shown,
)
from recommender.cli.engine import RayAddress
from recommender.cli.genre import options
from recommender.cli.genre.options import Cache, Embedding, FmaSubset, LayoutKind, MinTracks, Music

if TYPE_CHECKING:
    from recommender.genres.tuning import Trial

EXAMPLE = """Example: recommender genre tune ~/Music/genres -o best.json

recommender genre train ~/Music/genres -o tuned.safetensors --settings best.json"""


def tune(
    music: Music,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the settings go, as JSON.")
    ],
    network: Annotated[
        str, typer.Option(metavar="NAME", help="See `genre networks`.")
    ] = "patch-lstm",
    trials: Annotated[
        int, typer.Option(min=1, metavar="N", help="Random configurations to try.")
    ] = 200,
    epochs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of a trial, at most.")
    ] = None,
    kind: LayoutKind = "auto",
    subset: FmaSubset = "small",
    min_tracks: MinTracks = 1,
    embedding: Embedding = None,
    cache: Cache = None,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Of the split, the search and the trainings.")
    ] = 0,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, metavar="N", help="Trials at the same time.")
    ] = N_JOBS,
    engine: Annotated[Literal["ray"], typer.Option(help="Ray, on one machine or many.")] = "ray",
    ray_address: RayAddress = None,
    as_json: Json = False,
) -> None:
    """Search the best settings of a network at random; what does not promise is stopped early.

    Networks learn from the tracks that `genre train` trains on with the same --seed, and are judged
    by those that stop its training; its test tracks stay unheard. Of patch-lstm the whole published
    space is searched, of others the learning rate and the size of batches. Ctrl-C ends the search
    and keeps the best so far; a new search begins anew.
    """
    from recommender.errors import ParameterError
    from recommender.genres import material, tuning

    del engine  # there is no other that searches
    check_folder(output)
    system = options.choose(network, embedding=embedding, epochs=epochs)
    if system.training is None:
        raise ParameterError(f"{network} is not trained by epochs: there is nothing to search")
    collection = options.open_music(music, kind, subset, min_tracks)
    parts = material.part(collection, system, "artist", seed=seed)
    heard = options.listen(collection, system, seed=seed, jobs=jobs, cache=cache)
    ended: list[Trial] = []
    n_ended = 0
    with progress("Searching") as step:

        def on_trial(trial: "Trial | None") -> None:
            nonlocal n_ended
            n_ended += 1
            if trial is not None:
                ended.append(trial)
            best = max(ended, key=lambda t: t.score, default=None)
            step(n_ended, trials, f"best: {best.accuracy:.0%}" if best else "")

        try:
            tuning.search(
                system,
                heard.part(parts.training, "artist"),
                heard.part(parts.validation, "artist"),
                genres=collection.genres,
                n_trials=trials,
                jobs=jobs,
                address=ray_address,
                seed=seed,
                on_trial=on_trial,
            )
        finally:
            if ended:
                answer = _write(output, network, ended, seed)
                _tell(output, answer, n_ended)
    if as_json:
        answer_json(answer)
    raise typer.Exit(1 if heard.failures else 0)


def _write(output: Path, network: str, ended: "Sequence[Trial]", seed: int) -> dict[str, Any]:
    import json

    from recommender.errors import ParameterError
    from recommender.files import write_atomically

    ranked = sorted(ended, key=lambda trial: -trial.score)
    answer = {
        "network": network,
        "settings": ranked[0].settings,
        "training": ranked[0].training,
        "score": ranked[0].score,
        "validation_accuracy": ranked[0].accuracy,
        "seed": seed,
        "n_trials": len(ranked),
        "trials": [dataclasses.asdict(trial) for trial in ranked],
    }
    try:
        write_atomically(output, (json.dumps(answer, indent=2) + "\n").encode())
    except OSError as error:
        raise ParameterError(f"{output}: cannot be written ({error.strerror})") from None
    return answer


def _tell(output: Path, answer: dict[str, Any], n_ended: int) -> None:
    say(
        f"{counted(n_ended, 'trial')}; the best has {answer['validation_accuracy']:.1%} of the"
        f" validation tracks right: {_text(answer['settings'] | answer['training'])}"
    )
    say(f"Settings in {shown(output)}; use them with `genre train --settings`")


def _text(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )

"""``recommender genre predict``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recommender.cli.console import (
    Json,
    answer_json,
    check_folder,
    list_problems,
    progress,
    say,
    shown,
)

if TYPE_CHECKING:
    from recommender.reports import Prediction

EXAMPLES = """Examples:

recommender genre predict song.mp3 -n mine.safetensors

recommender genre predict song.mp3 other.flac -n mine.safetensors --plot genres.html"""

_BAR_WIDTH = 30
_MOST_BARS = 12
_PAGES = (".html", ".htm")


def predict(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Audio files.")],
    network: Annotated[
        Path, typer.Option("--network", "-n", metavar="FILE", help="From `genre train`.")
    ],
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Charts: a page (.html), or a picture of one file (.png …)."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell the genre shares of files, each the mean over its pieces; charts show them over time."""
    from recommender import genres, plots
    from recommender.audio import read_tags
    from recommender.errors import AudioDecodeError, ParameterError
    from recommender.reports import Prediction

    if plot is not None:
        check_folder(plot)
        if plot.suffix.lower() not in _PAGES:
            plots.check_suffix(plot)
            if len(files) > 1:
                raise ParameterError(f"{plot}: a picture shows one file; a page (.html) shows many")
    model = genres.load(network)
    found: list[Prediction] = []
    failures: list[tuple[Path, str]] = []
    with progress("Listening", keep=False) as step:
        for n, path in enumerate(files, 1):
            try:
                shares = model.predict(path)
            except AudioDecodeError as error:
                failures.append((path, str(error)))
            else:
                piece_s = model.piece_duration_s or read_tags(path).duration_s or 0.0
                found.append(_prediction(path, model.genres, shares, piece_s))
            step(n, len(files), path.name)
    if as_json:
        answer_json([_as_json(prediction) for prediction in found])
    else:
        for prediction in found:
            _print_shares(prediction)
    list_problems("These could not be used:", failures)
    if plot is not None and found:
        _draw(plot, found, str(network), failures)
    raise typer.Exit(1 if failures else 0)


def _prediction(path: Path, genres: tuple[str, ...], shares: Any, piece_s: float) -> "Prediction":
    import numpy as np

    from recommender.reports import Prediction

    return Prediction(
        name=str(path),
        genres=genres,
        times_s=np.arange(len(shares), dtype=np.float64) * piece_s,
        shares=shares,
        piece_s=piece_s,
    )


def _as_json(prediction: "Prediction") -> dict[str, Any]:
    mean = prediction.shares.mean(0)
    return {
        "path": prediction.name,
        "genre": prediction.ranking[0][0],
        "shares": dict(zip(prediction.genres, mean.round(4).tolist(), strict=True)),
        "n_fragments": len(prediction.shares),
        "piece_s": round(prediction.piece_s, 3),
        "over_time": [
            {"start_s": round(start_s, 3), "shares": row.round(4).tolist()}
            for start_s, row in zip(prediction.times_s.tolist(), prediction.shares, strict=True)
        ],
    }


def _print_shares(prediction: "Prediction") -> None:
    typer.echo(shown(prediction.name))
    ranking = prediction.ranking
    for name, share in ranking[:_MOST_BARS]:
        bar = "█" * round(share * _BAR_WIDTH)
        typer.echo(f"  {shown(name):16} {share:6.1%} {bar}")
    if len(ranking) > _MOST_BARS:
        typer.echo(f"  … and {len(ranking) - _MOST_BARS} more")


def _draw(
    plot: Path,
    found: "Sequence[Prediction]",
    network: str,
    failures: Sequence[tuple[Path, str]],
) -> None:
    from recommender import plots, reports

    if plot.suffix.lower() in _PAGES:
        reasons = [(str(path), reason.removeprefix(f"{path}: ")) for path, reason in failures]
        reports.write_prediction(plot, found, network=network, failures=reasons)
    else:
        (one,) = found
        figure = plots.prediction(
            Path(one.name).name, one.times_s, one.shares, one.genres, duration_s=one.piece_s
        )
        plots.save(figure, plot)
    say(f"Charts in {shown(plot)}")

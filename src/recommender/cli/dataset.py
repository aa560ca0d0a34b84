"""``recommender dataset``: job three."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recommender.cli.console import (
    N_JOBS,
    Jobs,
    Json,
    answer_json,
    list_problems,
    progress,
    say,
    shown,
)
from recommender.parameters import SPECTROGRAMS

if TYPE_CHECKING:
    from recommender.dataset import Dataset

app = typer.Typer(help="Regenerate the spectrogram dataset, and look into it.")

_N_PICTURED = 6
_PICTURES = (".png", ".svg", ".pdf")


@app.command("build", epilog="Example: recommender dataset build ~/Music/genres out --kind genres")
def build(
    music_dir: Annotated[Path, typer.Argument(help="Folder of music, or of genre folders.")],
    out_dir: Annotated[Path, typer.Argument(help="Where the dataset goes.")],
    kind: Annotated[
        Literal["tracks", "genres"],
        typer.Option(help="A file a track with all fragments, or a file a genre folder."),
    ] = "tracks",
    recipe: Annotated[
        Literal["default", "thesis", "listing"], typer.Option(help="Kind of spectrogram.")
    ] = "default",
    fragments_per_track: Annotated[
        int, typer.Option(min=1, help="At random offsets, with --kind genres.")
    ] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the offsets.")] = 0,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Turn music into fragments of mel-spectrogram; interrupted, it goes on where it stopped."""
    from recommender import dataset

    params = dataset.DatasetParams(
        kind=kind,
        spectrogram=SPECTROGRAMS[recipe],
        fragments_per_track=fragments_per_track,
        seed=seed,
    )
    with progress("Spectrograms") as step:
        report = dataset.build(music_dir, out_dir, params, jobs=jobs, on_track=step)
    failures = [(music_dir / source, reason) for source, reason in report.failures]
    list_problems("These could not be used:", failures)
    say(
        f"{report.n_fragments} fragments of {report.n_tracks} tracks in {report.n_files} files in"
        f" {shown(out_dir)} ({report.n_reused} tracks were there already)"
    )
    if as_json:
        answer_json(dataclasses.asdict(report))
    raise typer.Exit(1 if report.failures else 0)


@app.command("info", epilog="Example: recommender dataset info out --plot fragments.png")
def info(
    out_dir: Annotated[Path, typer.Argument(help="A dataset.")],
    plot: Annotated[
        Path | None, typer.Option(help="Draw fragments into this PNG, SVG or PDF.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Describe a dataset, check that its files are whole, and draw some of its fragments."""
    from recommender import dataset

    found = dataset.read(out_dir)
    summary = _summary(found)
    if plot is not None:
        _draw(found, plot)
    if as_json:
        answer_json(summary)
        return
    for key, value in summary.items():
        typer.echo(f"{key:20} {shown(value)}")
    if plot is not None:
        say(f"Picture in {shown(plot)}")


def _summary(found: "Dataset") -> dict[str, object]:
    from recommender.parameters import fingerprint

    durations = Counter(file.name for file in found.files)
    for file in found.files:
        found.load(file)  # raises if it is not whole
    spectrogram = found.params.spectrogram
    n_fragments = sum(file.count for file in found.files)
    return {
        "kind": found.params.kind,
        "files": len(durations),
        "tracks": sum(len(file.pieces) for file in found.files),
        "fragments": n_fragments,
        "fragment": f"{spectrogram.n_frames} frames x {spectrogram.n_mels} bands, float32",
        "fragment_seconds": spectrogram.fragment_duration_s,
        "hours": round(n_fragments * spectrogram.fragment_duration_s / 3600, 2),
        "megabytes": round(n_fragments * found.params.fragment_bytes / 1e6, 1),
        "spectrogram": f"{spectrogram.mel} filterbank to {spectrogram.fmax:g} Hz,"
        f" {spectrogram.window} window, {spectrogram.compression} scale",
        "seed": found.params.seed,
        "fingerprint": fingerprint(found.params),
        "failures": len(found.failures),
    }


def _draw(found: "Dataset", path: Path) -> None:
    import numpy as np

    from recommender import plots
    from recommender.errors import DatasetError, ParameterError

    if path.suffix.lower() not in _PICTURES:
        raise ParameterError(f"{path}: end the picture's name in {', '.join(_PICTURES)}")
    files = [file for file in found.files if file.count]
    if not files:
        raise DatasetError(f"{found.folder}: there is nothing to draw")
    chosen = [files[i * len(files) // _N_PICTURED] for i in range(min(_N_PICTURED, len(files)))]
    if len(files) >= _N_PICTURED:
        chosen = [files[i * len(files) // _N_PICTURED] for i in range(_N_PICTURED)]
    fragments = np.stack([found.load(file)[file.count // 2] for file in chosen])
    titles = [shown(Path(file.name).stem)[:40] for file in chosen]
    plots.save_fragments(path, fragments, titles, found.params.spectrogram)

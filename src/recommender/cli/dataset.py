"""``recommender dataset``: job three."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recommender.cli.console import (
    N_JOBS,
    Jobs,
    Json,
    answer_json,
    check_folder,
    counted,
    list_problems,
    progress,
    say,
    shown,
)
from recommender.cli.engine import Engine, RayAddress, decoding
from recommender.parameters import SPECTROGRAMS

if TYPE_CHECKING:
    from recommender.dataset import Dataset

app = typer.Typer(help="Regenerate the spectrogram dataset, and look into it.")

_N_PICTURED = 6


@app.command("build", epilog="Example: recommender dataset build ~/Music/genres out --kind genres")
def build(
    music_dir: Annotated[
        Path, typer.Argument(metavar="MUSIC_DIR", help="Folder of music, or of genre folders.")
    ],
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="Where the dataset goes.")],
    kind: Annotated[
        Literal["tracks", "genres"],
        typer.Option(help="A file a track with all fragments, or a file a genre folder."),
    ] = "tracks",
    recipe: Annotated[
        Literal["default", "thesis", "listing"], typer.Option(help="Kind of spectrogram.")
    ] = "default",
    fragments_per_track: Annotated[
        int, typer.Option(min=1, metavar="N", help="At random offsets, with --kind genres.")
    ] = 5,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Chooses the offsets.")] = 0,
    jobs: Jobs = N_JOBS,
    engine: Engine = "local",
    ray_address: RayAddress = None,
    as_json: Json = False,
) -> None:
    """Turn music into fragments of mel-spectrogram; interrupted, it goes on where it stopped.

    With --engine ray the machines of a cluster do the work, for which both folders have to have the
    same paths everywhere.
    """
    from recommender import dataset

    params = dataset.DatasetParams(
        kind=kind,
        spectrogram=SPECTROGRAMS[recipe],
        fragments_per_track=fragments_per_track,
        seed=seed,
    )
    with progress("Spectrograms") as step:
        report = dataset.build(
            music_dir,
            out_dir,
            params,
            jobs=jobs,
            decode=decoding(engine, ray_address),
            on_track=step,
        )
    failures = [(music_dir / source, reason) for source, reason in report.failures]
    list_problems("These could not be used:", failures)
    say(
        f"{counted(report.n_fragments, 'fragment')} of {counted(report.n_tracks, 'track')} in"
        f" {counted(report.n_files, 'file')} in {shown(out_dir)} ({report.n_reused} tracks were"
        " there already)"
    )
    if as_json:
        answer_json(dataclasses.asdict(report))
    raise typer.Exit(1 if report.failures else 0)


@app.command("info", epilog="Example: recommender dataset info out --plot fragments.png")
def info(
    out_dir: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="A dataset.")],
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw fragments into this PNG, SVG or PDF."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Describe a dataset, check that its files are whole, and draw some of its fragments."""
    from recommender import dataset

    if plot is not None:
        from recommender import plots

        plots.check_suffix(plot)
        check_folder(plot)
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

    for file in found.files:
        found.load(file)  # raises if it is not whole
    spectrogram = found.params.spectrogram
    n_fragments = sum(file.count for file in found.files)
    return {
        "kind": found.params.kind,
        "files": len(found.files),
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
    from recommender.errors import DatasetError

    files = [file for file in found.files if file.count]
    if not files:
        raise DatasetError(f"{found.folder}: there is nothing to draw")
    n = min(_N_PICTURED, len(files))
    chosen = [files[i * len(files) // n] for i in range(n)]
    fragments = np.stack([found.load(file)[file.count // 2] for file in chosen])
    titles = [shown(Path(file.name).stem)[:40] for file in chosen]
    plots.save_fragments(path, fragments, titles, found.params.spectrogram)

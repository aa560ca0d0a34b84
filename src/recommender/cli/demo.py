"""``recommender demo``: all three jobs, on music that it makes itself."""

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recommender.cli.console import N_JOBS, Jobs, progress, say, shown

if TYPE_CHECKING:
    from recommender.demo.music import Music


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for all that it makes.")
    ] = Path("demo"),
    jobs: Jobs = N_JOBS,
) -> None:
    """Synthesise music, then do all three jobs on it, end to end.

    Everything goes into one folder, the profile and the library too: your own are not touched. A
    second run finds what is there already.
    """
    from recommender.demo import music

    say("Making the music: a listener's playlist and a library, synthesised, in eight styles")
    with progress("Composing") as step:
        made = music.write_music(out, jobs=jobs, on_piece=lambda n, total: step(n, total, ""))
    liked = " and ".join(made.liked_styles)
    n_liked = len(list(made.playlist.iterdir()))
    say(
        f"{made.n_pieces} pieces. The playlist holds {n_liked}, {liked};"
        " the library holds all styles, the liked ones by other artists"
    )

    home, ranking = out / "home", out / "ranking.json"
    before = os.environ.get("RECOMMENDER_HOME")
    os.environ["RECOMMENDER_HOME"] = str(home)
    try:
        _run("dataset", "build", made.library, out / "dataset", "--kind", "genres", "-j", jobs)
        _run("dataset", "info", out / "dataset", "--plot", out / "fragments.png")
        _run("profile", "build", "listener", made.playlist, "--library", made.library, "-j", jobs)
        _run("rank", "listener", made.library, "-j", jobs)
        _run("rank", "listener", made.library, "-j", jobs, "-o", ranking)
        _run("rank", "listener", made.library, "--share", 0.2, "-j", jobs, "-o", out / "best.m3u8")
    finally:
        if before is None:
            del os.environ["RECOMMENDER_HOME"]
        else:
            os.environ["RECOMMENDER_HOME"] = before

    say()
    scores = _scores_by_style(json.loads(ranking.read_bytes()), made)
    say("Mean score by style (* = in the playlist):")
    for style, score in sorted(scores.items(), key=lambda item: -item[1]):
        mark = "*" if style in made.liked_styles else " "
        say(f"  {mark} {style:16} {score:.2f} {'█' * round(30 * score)}")
    say(f"Everything is in {shown(out)}: playlist, library, dataset, ranking.json, best.m3u8;")
    say(f"to go on with its profile, set RECOMMENDER_HOME={shown(home)};")
    say("`recommender serve` then shows it in a browser, and lets you hear it")
    best = sorted(scores, key=lambda style: -scores[style])[: len(made.liked_styles)]
    if set(best) != set(made.liked_styles):
        say(f"The liked styles did not come out on top, but {' and '.join(best)}: this is an error")
        raise typer.Exit(1)
    say(f"The liked styles, {liked}, came out on top.")


def _run(*words: object) -> None:
    """Print a command as one would type it, and do it."""
    from recommender.cli import app

    arguments = [str(word) for word in words]
    say(f"\n$ recommender {shown(shlex.join(arguments))}")
    if code := app(arguments, standalone_mode=False):
        raise typer.Exit(code)


def _scores_by_style(ranked: Sequence[dict[str, Any]], made: "Music") -> dict[str, float]:
    by_path = {row["path"]: row["score"] for row in ranked}
    scores = {}
    for style, paths in made.styles.items():
        of_style = [by_path[str(path.absolute())] for path in paths]
        scores[style] = sum(of_style) / len(of_style)
    return scores

"""``recommender explain``: why a track has its score."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recommender.cli.console import (
    Json,
    analyse,
    answer_json,
    check_folder,
    open_library,
    progress,
    say,
    shown,
)

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from recommender.library import Library, Track
    from recommender.parameters import SpectrogramParams
    from recommender.preprocessor import Preprocessor
    from recommender.ranking.explaining import Explanation, Without

EXAMPLES = """Examples:

recommender explain mine ~/Music/song.mp3

recommender explain mine ~/Music/song.mp3 --html why.html"""

_PAGES = (".html", ".htm")


def explain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the profile.")],
    path: Annotated[Path, typer.Argument(metavar="TRACK", help="Audio file.")],
    part: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Which of the file's parts, if it has several."),
    ] = None,
    without: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Also learn anew without the N liked tracks nearest to it; 0: do not.",
        ),
    ] = 3,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with players (.html).")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the score over time (.png …).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Explain the score of a track: which fragments make it, and what they sound like.

    The best fragments are shown beside the liked tracks that are nearest to them, the worst beside
    other music. A file that is new is analysed first. Nothing is changed.
    """
    from recommender import preprocessor
    from recommender.cli.explanation import as_answer, as_text
    from recommender.cli.profile import POOL_NOTE, open_profile
    from recommender.library import home
    from recommender.ranking.explaining import explain as explain_track
    from recommender.ranking.explaining import learn_without

    _check_names(html, plot)
    _, profile = open_profile(name)
    network = preprocessor.find(profile.fingerprint, home())
    with open_library() as catalogue:
        track = _find(catalogue, network, path, part)
        with progress("Comparing", keep=False) as step:
            found = explain_track(
                profile,
                catalogue,
                track,
                network.params.fragment_duration_s,
                on_track=lambda done, total: step(done, total, ""),
            )
        missed = None
        if without:
            with progress("Learning anew", keep=False) as step:
                step(0, 1, "")
                missed = learn_without(profile, catalogue, found, without)
    if as_json:
        answer_json(as_answer(name, found, missed))
    else:
        typer.echo("\n".join(as_text(found, missed)))
    notes = [f"Note: {POOL_NOTE}"] if profile.negatives != "library" else []
    if html is not None or plot is not None:
        notes += _write(found, missed, name, network.params, html, plot, notes)
    for note in notes:
        say(shown(note))


def _find(library: "Library", network: "Preprocessor", path: Path, part: int | None) -> "Track":
    """Find a track by its file, which is analysed first if it is new or has changed."""
    from recommender.errors import ParameterError

    if path.is_dir():
        raise ParameterError(f"{path}: is a folder; name one of its tracks")
    if not _is_current(library, network.fingerprint, path):
        report = analyse(library, [path], network, 1, "Analysing", quiet=True)
        if report.failures:
            raise typer.Exit(1)
    tracks = sorted(
        library.tracks(network.fingerprint, [path]), key=lambda track: track.start_s or 0.0
    )
    if not tracks:
        raise ParameterError(f"{path}: is no track that can be explained; name an audio file")
    if part is not None and part > len(tracks):
        raise ParameterError(f"{path}: has {len(tracks)} parts, not {part}; see --part")
    if part is None and len(tracks) > 1:
        raise ParameterError(
            f"{path}: has {len(tracks)} parts; choose one with --part, from 1 to {len(tracks)}"
        )
    return tracks[(part or 1) - 1]


def _is_current(library: "Library", fingerprint: str, path: Path) -> bool:
    """Tell whether a file is analysed, however it is divided, and unchanged since."""
    real = Path(os.path.realpath(path))
    state = library.states(fingerprint, [real], fast=True).get(str(real))
    if state is None or not any(state.sections.values()):
        return False
    try:
        stat = real.stat()
    except OSError:  # on a drive that is not there: what is known of it will do
        return True
    return (state.size, state.mtime_ns) == (stat.st_size, stat.st_mtime_ns)


def _check_names(html: Path | None, plot: Path | None) -> None:
    from recommender.errors import ParameterError

    for output in (html, plot):
        if output is not None:
            check_folder(output)
    if html is not None and html.suffix.lower() not in _PAGES:
        raise ParameterError(f"{html}: a page is called .html")
    if plot is not None:
        from recommender import plots  # takes a while

        plots.check_suffix(plot)


def _write(
    explanation: "Explanation",
    without: "Without | None",
    profile: str,
    params: "SpectrogramParams",
    html: Path | None,
    plot: Path | None,
    notes: list[str],
) -> list[str]:
    """Write the page and the picture; return what is to be noted about them."""
    from recommender import plots, reports
    from recommender.errors import AudioDecodeError
    from recommender.ranking.listening import mel_spectrogram
    from recommender.ranking.telling import name_of

    sound, problems = None, []
    try:
        sound = mel_spectrogram(explanation.track, params)
    except AudioDecodeError as error:
        problems.append(f"Note: no spectrogram is shown: {error}")
    if plot is not None:
        plots.save(_draw(explanation, sound, params, name_of(explanation.track)), plot)
        say(f"Picture in {shown(plot)}")
    if html is not None:
        reports.write_explanation(
            html,
            explanation,
            profile=profile,
            picture=_draw(explanation, sound, params),
            without=without,
            notes=notes + problems,
        )
        say(f"Page in {shown(html)}")
    return problems


def _draw(
    explanation: "Explanation",
    sound: "NDArray[np.float32] | None",
    params: "SpectrogramParams",
    title: str | None = None,
) -> "Figure":
    import numpy as np

    from recommender import plots

    fragments, begin_s = explanation.fragments, explanation.track.start_s or 0.0
    return plots.score_over_time(
        np.array([fragment.start_s for fragment in fragments]),
        np.array([fragment.end_s for fragment in fragments]),
        explanation.scores,
        score=explanation.score,
        track_s=(begin_s, max(begin_s + explanation.track.duration_s, fragments[-1].end_s)),
        best=list(explanation.best),
        worst=list(explanation.worst),
        spectrogram=sound,
        params=params,
        title=title,
    )

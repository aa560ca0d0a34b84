"""The jobs: what they do, as the command line does it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from recommender import analysis
from recommender import preprocessor as preprocessors
from recommender import profile as profiles
from recommender.errors import CheckpointError, ParameterError
from recommender.library import is_away
from recommender.parameters import RECIPES
from recommender.web import making, schemas
from recommender.web.browsing import Browser
from recommender.web.texts import path_of, shown

Step = Callable[[int, int, str], None]
Values = dict[str, Any]


def scan(home: Path, arguments: Values, page: Path, step: Step) -> Values:
    """Bring the library up to date with folders; all that were scanned before, if none is named.

    Profiles that knew too little other music learn again.
    """
    del page
    with Browser.of(home) as library:
        away: list[Path] = []
        if arguments["paths"] is None:
            roots = [root.path for root in library.roots()]
            if not roots:
                raise ParameterError("no folder was scanned yet; name one")
            away = [root for root in roots if is_away(root)]
            named = [root for root in roots if root not in away]
        else:
            named = [path_of(text) for text in arguments["paths"]]
        report = analyse(
            library,
            named,
            preprocessors.load("default"),
            step,
            again=away,
            as_roots=True,
            fast=arguments["fast"],
            retry_failed=arguments["retry"],
        )
        learned = _learn_again(library, home)
    return {
        **_figures(report),
        "away": [shown(path) for path in away],
        "learned_again": learned,
    }


def profile(home: Path, arguments: Values, page: Path, step: Step) -> Values:
    """Analyse folders, then make a profile."""
    del page
    wanted = schemas.ProfileRequest(**arguments)
    network = preprocessors.load(RECIPES[wanted.recipe].preprocessor)
    with Browser.of(home) as library:
        report = analyse(library, schemas.paths_of(wanted.folders), network, step)
        made = making.make(library, home, wanted)
    return {**_figures(report), "profile": making.summary(wanted.name, made).model_dump()}


def analyse(
    library: Browser,
    paths: Sequence[Path],
    network: preprocessors.Preprocessor,
    step: Step,
    **options: Any,
) -> analysis.ScanReport:
    """Scan, and tell how far it is."""

    def on_progress(p: analysis.Progress) -> None:
        step(p.n_done, p.n_total, p.path.name if p.path else "")

    return analysis.scan(library, paths, network, jobs=n_jobs(), on_progress=on_progress, **options)


def n_jobs() -> int:
    """How many processors there are for this."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _learn_again(library: Browser, home: Path) -> list[str]:
    names = []
    for name in profiles.names(home):
        path = profiles.path_of(name, home)
        try:
            before = profiles.load(path)
        except CheckpointError:  # its page says so
            continue
        # Who says meanwhile what they like has their profile learn from all this already.
        if profiles.should_relearn(library, before) and profiles.refresh(
            path, profiles.rebuild(library, before), before=before
        ):
            names.append(name)
    return names


def _figures(report: analysis.ScanReport) -> Values:
    names = (
        "n_seen n_unchanged n_known n_analysed n_skipped n_new n_moved n_copied n_retagged"
        " n_replaced n_gone n_away n_returned n_outdated"
    )
    return {
        **{name: getattr(report, name) for name in names.split()},
        "n_failures": len(report.failures),
        "n_warnings": len(report.warnings),
        "left_out": [shown(folder) for folder in report.left_out],
    }


def evaluation(home: Path, arguments: Values, page: Path, step: Step) -> Values:
    """See below."""
    from recommender.web import evaluating

    return evaluating.evaluate(home, arguments, page, step)


def genres(home: Path, arguments: Values, page: Path, step: Step) -> Values:
    """See below."""
    from recommender.web import training

    return training.train(home, arguments, page, step)


KINDS: Final[dict[str, Callable[[Path, Values, Path, Step], Values]]] = {
    "scan": scan,
    "profile": profile,
    "evaluation": evaluation,
    "genres": genres,
}

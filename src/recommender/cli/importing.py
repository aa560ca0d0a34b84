"""``recommender library extract`` and ``import``: shards, made on many machines or few."""

from pathlib import Path
from typing import Annotated

import typer

from recommender.cli.console import (
    N_JOBS,
    Fast,
    Jobs,
    Json,
    MaxDuration,
    Preprocessor,
    Sections,
    ShippedName,
    answer_json,
    counted,
    in_seconds,
    list_problems,
    open_library,
    progress,
    say,
    shown,
)
from recommender.cli.engine import RayAddress

EXTRACT_EXAMPLES = """Examples:

recommender library extract ~/Music -o shards

recommender library extract s3://archive/music -o s3://archive/shards --ray-address auto"""

IMPORT_EXAMPLES = """Examples:

recommender library import shards

recommender library import s3://archive/shards --map s3://archive/music=/mnt/music"""


def extract(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="Folders or files, by path or URL.")
    ],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="SHARDS", help="Folder for them, by path or URL."),
    ],
    recipe: Annotated[ShippedName, typer.Option(help="Whose features to compute.")] = "default",
    preprocessor: Preprocessor = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try files again that failed and have not changed.")
    ] = False,
    fast: Fast = False,
    max_duration: MaxDuration = None,
    sections: Sections = None,
    jobs: Jobs = N_JOBS,
    ray_address: RayAddress = None,
    as_json: Json = False,
) -> None:
    """Analyse music into a folder of shards, on all machines of a Ray cluster, or on this one.

    Paths have to be the same on all machines. URLs are those of object storage and the like; a file
    is copied to the machine that works on it, and deleted there. A second run does what is missing.
    """
    from recommender import preprocessor as preprocessors
    from recommender.analysis import Options
    from recommender.distributed import extract
    from recommender.errors import DistributedError

    network = preprocessors.load(preprocessor or recipe)
    options = Options(
        fast=fast, max_duration_s=in_seconds(max_duration), section_s=in_seconds(sections)
    )
    with progress("Extracting") as step:
        try:
            shards = extract(
                paths,
                output,
                network,
                options=options,
                address=ray_address,
                jobs=jobs,
                retry_failed=retry,
                on_shard=lambda done, total: step(done, total, ""),
            )
        except OSError as error:
            raise DistributedError(f"{output}: cannot be written ({error})") from None
    counts = shards.counts
    say(
        f"{counted(counts['n_files'], 'file')} in {counted(len(shards.shards), 'shard')} in"
        f" {shown(output)}"
        + (f", {counts['n_failed']} could not be used" if counts["n_failed"] else "")
    )
    if as_json:
        answer_json({"n_shards": len(shards.shards), **counts})
    raise typer.Exit(1 if counts["n_failed"] else 0)


def import_shards(
    place: Annotated[
        str, typer.Argument(metavar="SHARDS", help="Folder of shards, by path or URL.")
    ],
    moved: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="OLD=NEW",
            help="What the shards call OLD, a folder or URL, is NEW on this machine.",
        ),
    ] = None,
    preprocessor: Preprocessor = None,
    as_json: Json = False,
) -> None:
    """Take shards into the library of this machine, as if their music had been scanned here.

    What the library has already stays; an interrupted import goes on where it stopped.
    """
    from recommender import preprocessor as preprocessors
    from recommender.distributed import import_shards, open_shards
    from recommender.library import home

    places = dict(map(_pair, moved or []))
    shards = open_shards(place)
    if preprocessor is not None:
        network = preprocessors.load(preprocessor)
    else:
        network = preprocessors.find(shards.origin.fingerprint, home())
    with open_library() as library, progress("Importing") as step:
        found = import_shards(
            library,
            shards,
            network,
            moved=places,
            on_shard=lambda done, total: step(done, total, ""),
        )
        if preprocessor is not None:
            preprocessors.keep(preprocessor, network, home())
    say(f"{counted(found.n_files, 'file')}: {found.n_known} known already")
    list_problems("These could not be used:", found.failures)
    if as_json:
        answer_json(
            {
                "n_files": found.n_files,
                "n_known": found.n_known,
                "n_skipped": found.n_skipped,
                "failures": [{"path": str(p), "reason": r} for p, r in found.failures],
            }
        )
    raise typer.Exit(1 if found.failures else 0)


def _pair(text: str) -> tuple[str, str]:
    from recommender.errors import ParameterError

    old, equals, new = text.rpartition("=")
    if not (old and equals and new):
        raise ParameterError(f"--map {text}: give OLD=NEW, such as s3://archive/music=~/Music")
    return old, str(Path(new).expanduser().absolute())

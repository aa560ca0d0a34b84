"""``recommender profile``: job one."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recommender.cli import feedback, showing
from recommender.cli.console import (
    N_JOBS,
    Fast,
    Jobs,
    Json,
    MaxDuration,
    Preprocessor,
    RecipeName,
    Sections,
    analyse,
    answer_json,
    counted,
    in_seconds,
    open_library,
    progress,
    say,
    shown,
)
from recommender.parameters import RECIPES

if TYPE_CHECKING:
    from recommender.profile import Profile, ProfileEpoch

app = typer.Typer(help="Build a profile from a playlist that you love, and look after profiles.")

_EXAMPLES = """Examples:

recommender profile build mine ~/Music/playlist --library ~/Music

recommender profile build mine best.m3u8 ~/Music/Nina --dislike ~/Music/Christmas"""

POOL_NOTE = "until you rank at least 20 other tracks, scores only order, and run high"

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the profile.")]


@app.command("build", epilog=_EXAMPLES)
def build(
    name: Name,
    playlist: Annotated[
        list[Path],
        typer.Argument(
            metavar="PLAYLIST", help="Folders, M3U, M3U8, XSPF or PLS files, or tracks."
        ),
    ],
    library: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH",
            help="Other music, analysed first if it is new: what the playlist differs"
            " from. All that was ever analysed counts in any case.",
        ),
    ] = None,
    dislike: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Folders, playlists or tracks that you do not like."),
    ] = None,
    recipe: Annotated[
        RecipeName,
        typer.Option(
            help="The best that was measured, the best dense network, or the thesis's own."
        ),
    ] = "default",
    epochs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Of recipe network or thesis, instead of its own."),
    ] = None,
    preprocessor: Preprocessor = None,
    fast: Fast = False,
    max_duration: MaxDuration = None,
    sections: Sections = None,
    jobs: Jobs = N_JOBS,
    as_json: Json = False,
) -> None:
    """Listen to a playlist and learn what it likes; files that are new are analysed first.

    A file with a CUE sheet beside it counts as the tracks that the sheet names. Of a playlist that
    `rank` wrote, tracks that are parts of files count as such, if --sections is as it was there.
    """
    from recommender import preprocessor as preprocessors
    from recommender import profile as profiles
    from recommender.errors import ProfileError
    from recommender.library import home

    path = profiles.path_of(name, home())
    network = preprocessors.load(preprocessor or RECIPES[recipe].preprocessor)
    chosen = RECIPES[recipe].suited(whitened=network.fusion is not None)
    if epochs is not None:
        chosen = chosen.with_epochs(epochs)
    bring = functools.partial(
        analyse, fast=fast, max_duration=max_duration, sections=sections, quiet=True
    )
    liked, notes = profiles.find_liked(playlist)
    disliked, more_notes = profiles.find_liked(dislike or [])
    for note in notes + more_notes:
        say(f"Note: {shown(note)}")
    with open_library() as catalogue:
        paths = [entry.path for entry in [*liked, *disliked]]
        report = bring(catalogue, paths, network, jobs, "Analysing the playlist")
        failed = bool(report.failures)
        if library:
            report = bring(catalogue, library, network, jobs, "Analysing other music")
            failed |= bool(report.failures)
        choose = functools.partial(profiles.tracks_of, catalogue, network.fingerprint)
        longest_s = in_seconds(max_duration)
        tracks, notes = choose(liked, max_duration_s=longest_s)
        disliked_tracks, more_notes = choose(disliked, max_duration_s=longest_s)
        for note in notes + more_notes:
            say(f"Note: {shown(note)}")
        if not tracks:
            where = ", ".join(str(path) for path in playlist)
            raise ProfileError(
                f"{where}: no track there that can be used; name music that you like"
            )
        with progress("Learning") as step:
            profile = profiles.build(
                catalogue,
                name,
                chosen,
                network.fingerprint,
                tracks,
                disliked=disliked_tracks,
                on_epoch=lambda epoch: step(epoch.number, epoch.n_epochs, describe(epoch)),
            )
    if preprocessor is not None:
        preprocessors.keep(preprocessor, network, home())
    is_new = not path.exists()
    profiles.replace(path, profile)
    _tell(profile, path)
    if not is_new:
        say(f"Back to the profile that had this name with `recommender profile undo {name}`")
    if as_json:
        answer_json(summary(profile, path))
    raise typer.Exit(1 if failed else 0)


@app.command("list")
def list_profiles(as_json: Json = False) -> None:
    """List the profiles."""
    from recommender import profile as profiles
    from recommender.library import home

    found = profiles.names(home())
    if as_json:
        answer_json(found)
    elif found:
        typer.echo("\n".join(found))
    else:
        say("There are no profiles yet; make one with `recommender profile build NAME PLAYLIST`.")


app.command("show")(showing.show)
app.command("like", epilog=feedback.LIKE_EXAMPLE)(feedback.like)
app.command("dislike", epilog=feedback.DISLIKE_EXAMPLE)(feedback.dislike)
app.command("forget", epilog=feedback.FORGET_EXAMPLE)(feedback.forget)
app.command("undo")(feedback.undo)


@app.command("delete")
def delete(name: Name) -> None:
    """Delete a profile, its earlier versions too; the music and its analysis stay."""
    from recommender import profile as profiles

    path = find(name)
    profiles.delete(path)
    say(f"Deleted {shown(path)}")


def open_profile(name: str) -> tuple[Path, "Profile"]:
    """Load a profile by its name; also return where it is.

    Raises
    ------
    ProfileError
        If there is none of this name.
    CheckpointError
        If it is damaged.
    """
    from recommender import profile as profiles

    path = find(name)
    return path, profiles.load(path)


def find(name: str) -> Path:
    """Tell where the profile of this name is; raises `ProfileError` if there is none."""
    from recommender import profile as profiles
    from recommender.errors import ProfileError
    from recommender.library import home

    path = profiles.path_of(name, home())
    if not path.exists():
        others = ", ".join(profiles.names(home()))
        raise ProfileError(
            f"there is no profile {name!r}; "
            + (f"there are: {others}" if others else "make one with `recommender profile build`")
        )
    return path


def qualified(profile: "Profile") -> str:
    """Say what the scores of the liked tracks are worth."""
    if profile.history or len(profile.liked) == 1:
        return "which it learned from"
    return "none compared with itself"


def describe(epoch: "ProfileEpoch") -> str:
    """Say in a few words how an epoch went."""
    return f"loss {epoch.loss:.3f}  liked {epoch.liked_score:.2f}  others {epoch.other_score:.2f}"


def _tell(profile: "Profile", path: Path) -> None:
    heard_others = profile.negatives != "shipped pool"
    say(
        f"Profile {profile.name!r} learned from {counted(len(profile.liked), 'liked track')}"
        f" against {counted(profile.n_negative_tracks, 'other')}: mean score of the liked tracks"
        f" {profile.liked_score:.2f} ({qualified(profile)})"
        + (f", of the others {profile.other_score:.2f}" if heard_others else "")
    )
    if profile.negatives != "library":
        say(
            "Note: there is little other music in your library, so the shipped pool of"
            f" synthesised music stood in ({profile.negatives}); {POOL_NOTE}. The profile learns"
            " anew by itself when you rank a larger library"
        )
    say(f"Kept in {shown(path)}")


def summary(profile: "Profile", path: Path) -> dict[str, object]:
    """Tell in plain values what a profile was made from, and how its training went."""
    return {
        "name": profile.name,
        "recipe": profile.recipe,
        "path": str(path),
        "created": profile.created,
        "fingerprint": profile.fingerprint,
        "n_liked": len(profile.liked),
        "n_disliked": len(profile.disliked),
        "n_others": profile.n_negative_tracks,
        "others_from": profile.negatives,
        "epochs": profile.history[-1].number if profile.history else None,
        "loss": round(profile.history[-1].loss, 4) if profile.history else None,
        "liked_score": round(profile.liked_score, 4),
        "other_score": (
            None if profile.negatives == "shipped pool" else round(profile.other_score, 4)
        ),
    }

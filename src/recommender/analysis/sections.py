"""How a file is divided: its CUE sheet's tracks, equal parts of a long mix, or not at all."""

import hashlib
import math
from dataclasses import dataclass

from recommender import audio
from recommender.errors import ParameterError
from recommender.library import WHOLE, Section

_GRID_HZ = 44_100  # sections begin and end on whole samples at this rate
_SHORTEST_S = 1.0  # a shorter track of a sheet is a slip of the ripper, or lies beyond the end


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a scan leaves out, divides and shortens.

    Parameters
    ----------
    fast : bool
        Analyse new recordings from a few windows; features of whole recordings are used as well.
    max_duration_s : float, optional
        Leave out longer files; of a CUE sheet's tracks each counts by itself.
    section_s : float, optional
        Divide longer files without a CUE sheet into parts of about this length.

    Raises
    ------
    ParameterError
        If a length is not positive.
    """

    fast: bool = False
    max_duration_s: float | None = None
    section_s: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("max_duration_s", self.max_duration_s), ("section_s", self.section_s)):
            if value is not None and not 0 < value < math.inf:
                raise ParameterError(f"{name} must be positive, not {value}")
        if self.section_s is not None and self.section_s < _SHORTEST_S:
            raise ParameterError(
                f"section_s must be at least {_SHORTEST_S:g}, not {self.section_s}"
            )


@dataclass(frozen=True, kw_only=True)
class Division:
    """The sections of a file.

    Attributes
    ----------
    sections : tuple of Section
        All of them, in their order; at least one.
    skipped : tuple of (Section, str)
        Those that are too long, and by what they exceed.
    warning : str or None
        What is wrong with the sheet although it is used.
    """

    sections: tuple[Section, ...]
    skipped: tuple[tuple[Section, str], ...] = ()
    warning: str | None = None

    @property
    def kept(self) -> tuple[Section, ...]:
        """The sections that are not left out."""
        skipped = {section for section, _ in self.skipped}
        return tuple(section for section in self.sections if section not in skipped)


def divide(file_s: float | None, image: audio.Image | None, options: Options) -> Division:
    """Divide a file of this length; one of unknown length only by its sheet."""
    end_of_file_s = 0.0 if file_s is None else file_s
    longest_s = math.inf if options.max_duration_s is None else options.max_duration_s
    reason = f"longer than {longest_s / 60:g} min"
    if image is None:
        if end_of_file_s > longest_s:
            return Division(sections=(WHOLE,), skipped=((WHOLE, reason),))
        return Division(sections=_parts(file_s, options.section_s))
    sections, warning = _tracks(file_s, image)
    skipped = []
    for section in sections:
        end_s = end_of_file_s if section.end_s is None else section.end_s
        if end_s - (section.start_s or 0.0) > longest_s:
            skipped.append((section, f"track {section.number} of the CUE sheet is {reason}"))
    return Division(sections=sections, skipped=tuple(skipped), warning=warning)


def section_hash(content_hash: str, section: Section) -> str:
    """Identity of a section's sound: that of its file and where it lies in it."""
    if section == WHOLE:
        return content_hash
    start, end = bounds(section, _GRID_HZ)
    text = f"{content_hash} {start} {'' if end is None else end}"
    return hashlib.sha256(text.encode()).hexdigest()


def section_tags(tags: audio.Tags, section: Section, image: audio.Image | None) -> audio.Tags:
    """Tags of a section: the sheet's, and the file's where those of the album are meant."""
    if image is None or section == WHOLE:
        return tags
    track = image.tracks[section.number - 1]
    return audio.Tags(
        artist=track.performer or tags.artist,
        title=track.title,
        album=image.album or tags.album,
        genre=tags.genre,
        duration_s=tags.duration_s,
    )


def bounds(section: Section, sr: int) -> tuple[int, int | None]:
    """First sample of a section, and the one after its last; ``None``: the end of the file."""
    end_s = section.end_s
    return round((section.start_s or 0.0) * sr), None if end_s is None else round(end_s * sr)


def _tracks(file_s: float | None, image: audio.Image) -> tuple[tuple[Section, ...], str | None]:
    end_of_file_s = math.inf if file_s is None else file_s
    found: list[Section] = []
    for number, track in enumerate(image.tracks, start=1):
        # A track that ends beyond the file ends with it, whatever its length is there.
        end_s = end_of_file_s if track.end_s is None else min(track.end_s, end_of_file_s)
        if end_s - track.start_s >= _SHORTEST_S:
            found.append(Section(number=number, start_s=track.start_s, end_s=track.end_s))
    if not found:
        return (WHOLE,), f"{image.sheet.name} does not fit: its tracks lie beyond the file's end"
    if missing := len(image.tracks) - len(found):
        what = "1 track" if missing == 1 else f"{missing} tracks"
        return tuple(found), f"{image.sheet.name}: {what} too short, or beyond the file's end"
    return tuple(found), None


def _parts(file_s: float | None, section_s: float | None) -> tuple[Section, ...]:
    """Cut at multiples of a length; what is left at the end is half of one to one and a half."""
    n = 1 if file_s is None or section_s is None else math.floor(file_s / section_s + 0.5)
    if n < 2:
        return (WHOLE,)
    assert section_s is not None
    cuts = [round(i * section_s * _GRID_HZ) / _GRID_HZ for i in range(n)]
    return tuple(
        Section(number=i, start_s=start_s, end_s=end_s)
        for i, (start_s, end_s) in enumerate(zip(cuts, [*cuts[1:], None], strict=True), start=1)
    )

"""Parts of an answer, and answers that a browser has already (RFC 9110, sections 13 and 14)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate

from recommender.web.problems import Problem

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Version:
    """What tells one version of a thing from another.

    Attributes
    ----------
    tag : str
        Strong entity tag, with its quotes.
    modified_s : float
        Seconds since 1970.
    """

    tag: str
    modified_s: float

    @property
    def headers(self) -> dict[str, str]:
        """What an answer says of it; browsers ask each time whether it is still the same."""
        return {
            "ETag": self.tag,
            "Last-Modified": formatdate(self.modified_s, usegmt=True),
            "Cache-Control": "private, no-cache",
        }

    def is_known(self, headers: Mapping[str, str]) -> bool:
        """Tell whether a request says that it has this version: 304."""
        if (tags := headers.get("if-none-match")) is None:
            return headers.get("if-modified-since") == self.headers["Last-Modified"]
        known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        return bool(known & {self.tag, "*"})


def part_of(headers: Mapping[str, str], size: int, version: Version) -> tuple[int, int] | None:
    """Read which part of a thing a request asks for.

    Parameters
    ----------
    headers : mapping
        Of the request, with names in small letters.
    size : int
        In bytes.
    version : Version

    Returns
    -------
    (int, int) or None
        First byte and the one after the last; ``None``: all, also where several parts or none that
        makes sense are asked for, and where the request is about another version.

    Raises
    ------
    Problem
        416 if it begins beyond the end.
    """
    found = _RANGE.fullmatch(headers.get("range", ""))
    if found is None or found[1] == found[2] == "":
        return None
    if headers.get("if-range", version.tag) not in (version.tag, version.headers["Last-Modified"]):
        return None
    if found[1] == "":
        start, end = max(0, size - int(found[2])), size
    else:
        start = int(found[1])
        end = size if found[2] == "" else min(size, int(found[2]) + 1)
        if found[2] and int(found[2]) < start:
            return None
    if start >= end:
        raise Problem(
            416, f"there are {size} bytes only", headers={"Content-Range": f"bytes */{size}"}
        )
    return start, end

"""Names of files as text, there and back, and in headers."""

import os
import re
from pathlib import Path
from urllib.parse import quote

_ESCAPED = re.compile(rb"\\x([89a-f][0-9a-f])")

_LONGEST, _LONGEST_PART = 4096, 255  # in bytes; no file system of today takes more


def shown(value: object) -> str:
    r"""Text that can be encoded: bytes that are not UTF-8 look like ``\xff``."""
    text = str(value)
    try:
        return os.fsencode(text).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return text.encode("utf-8", "backslashreplace").decode()


def path_of(text: str) -> Path:
    """Return the path that `shown` made a text of.

    Raises
    ------
    ValueError
        If it cannot be one.
    """
    if not os.path.isabs(text) or "\0" in text:  # noqa: PTH117
        raise ValueError("must be an absolute path")
    if os.path.lexists(text):
        return Path(text)
    plain = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), os.fsencode(text))
    if len(plain) >= _LONGEST or max(map(len, plain.split(b"/"))) > _LONGEST_PART:
        raise ValueError("is longer than any path")
    return Path(os.fsdecode(plain))


def disposition(name: str, *, inline: bool = False) -> str:
    """Return a Content-Disposition header for a file of any name (RFC 6266, RFC 8187)."""
    kind = "inline" if inline else "attachment"
    name = "".join(c if c.isprintable() and c not in '/\\"' else "_" for c in name)[:150]
    name = name.strip(" .") or "file"
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace("%", "_")
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"

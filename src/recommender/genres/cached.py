"""Arrays that are kept on disk because they took long to compute, as .npy files."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.files import write_atomically


def read(path: Path, like: NDArray[Any]) -> NDArray[Any] | None:
    """Read an array of this shape and type; ``None`` if there is none, or if it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    # The header is known beforehand: there is no need to parse what may be damaged.
    header = _header(like)
    if not content.startswith(header) or len(content) != len(header) + like.nbytes:
        return None
    return np.frombuffer(content, like.dtype, offset=len(header)).reshape(like.shape)


def write(path: Path, array: NDArray[Any]) -> None:
    """Keep an array; folders are made.

    Raises
    ------
    OSError
        If there is no room or no permission.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _header(array) + array.tobytes())


def _header(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    fields = np.lib.format.header_data_from_array_1_0(np.empty(array.shape, array.dtype))
    np.lib.format.write_array_header_1_0(file, fields)
    return file.getvalue()

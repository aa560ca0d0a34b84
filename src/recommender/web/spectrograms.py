"""Pictures of what there is to hear: the mel-spectrogram of a track, as wide as it is long."""

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

import matplotlib as mpl
import numpy as np
from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath
from numpy.typing import NDArray
from PIL import Image

from recommender import spectrogram
from recommender.analysis.listening import listen
from recommender.errors import AudioDecodeError
from recommender.library import WHOLE, Section
from recommender.parameters import SHIPPED, SpectrogramParams
from recommender.plots.style import fewer_columns
from recommender.web.browsing import Found
from recommender.web.common import files_of, library_of
from recommender.web.files import open_first, resolved
from recommender.web.problems import Problem
from recommender.web.ranges import Version
from recommender.web.schemas import Id

router = APIRouter(tags=["tracks"])

Theme = Literal["light", "dark"]

MOST_COLUMNS: Final = 1600
LONGEST_S: Final = 60.0
"""How long hearing a track for its picture may take; more than an hour of music needs."""

_MOST_BYTES = 32 << 20  # of pictures that are kept in memory: some 400
# Levels relative to full scale, so that soft parts look soft.
_PARAMS = replace(SHIPPED["default"], reference="absolute")
_COLOUR_MAPS: dict[Theme, str] = {"light": "magma_r", "dark": "magma"}
_N_COLOURS = 64
_WAIT_S = 60.0

_pictures: OrderedDict[tuple[str, Theme], bytes] = OrderedDict()
_lock = threading.Lock()
_turns = threading.BoundedSemaphore(2)  # decoding needs a processor each


@router.get(
    "/tracks/{track_id}/spectrogram.png",
    response_class=Response,
    summary="See a track",
    responses={
        200: {
            "description": "The picture.",
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        },
        304: {"description": "It has not changed."},
    },
)
def picture(
    request: Request,
    track_id: Annotated[Id, InPath()],
    theme: Annotated[Theme, Query(description="Colours for this background.")] = "light",
) -> Response:
    """Draw the mel-spectrogram of a track, without axes.

    From left to right is the whole length of the track, from bottom to top the mel scale, one row
    of pixels a band.
    """
    with library_of(request) as library:
        found = files_of(library, track_id)
        i, file = open_first(library, [one.path for one in found])
        with file:
            state = os.fstat(file.fileno())
        track, path = found[i], Path(os.fsdecode(resolved(library, found[i].path)))
    key = f"{track_id}-{state.st_mtime_ns:x}-{state.st_size:x}"
    version = Version(tag=f'"{key}-{theme}"', modified_s=state.st_mtime)
    if version.is_known(request.headers):
        return Response(status_code=304, headers=version.headers)
    if (png := _kept(key, theme)) is None:
        if not _turns.acquire(timeout=_WAIT_S):
            raise Problem(429, "too many pictures are being made", headers={"Retry-After": "10"})
        try:
            png = _kept(key, theme)  # perhaps made meanwhile
            if png is None:
                png = _keep(key, theme, draw(path, track, theme))
        finally:
            _turns.release()
    return Response(png, media_type="image/png", headers=version.headers)


def draw(path: Path, track: Found, theme: Theme) -> bytes:
    """Decode a track and draw it, as a PNG file.

    Raises
    ------
    Problem
        422 if it cannot be decoded, or not in time.
    """
    fragment_s = _PARAMS.fragment_duration_s
    n_fragments = track.duration_s / fragment_s
    per_fragment = max(1, min(_PARAMS.n_frames, int(MOST_COLUMNS / max(1.0, n_fragments))))
    section = WHOLE
    if track.start_s is not None:
        section = Section(number=1, start_s=track.start_s, end_s=track.end_s)
    stop = threading.Event()
    timer = threading.Timer(LONGEST_S, stop.set)
    timer.start()
    try:
        heard = listen(path, [section], _Columns(per_fragment=per_fragment), stop)
    except AudioDecodeError as error:
        raise Problem(422, str(error)) from None
    except CancelledError:
        raise Problem(422, f"hearing this track takes longer than {LONGEST_S:g} s") from None
    finally:
        timer.cancel()
    if section not in heard.features:
        raise Problem(422, f"{path}: is not what it was; scan its folder again")
    n_columns = max(1, round(per_fragment * n_fragments))
    x = heard.features[section][:n_columns].astype(np.float64)
    return as_png(fewer_columns(x.T, MOST_COLUMNS), theme)


def as_png(x: NDArray[np.float64], theme: Theme) -> bytes:
    """Draw levels, the first row at the bottom.

    Parameters
    ----------
    x : ndarray, shape (n_rows, n_columns)
        In [-1, 1]; the highest of them gets the strongest colour.
    theme : {"light", "dark"}
        What is lowest is almost as bright or as dark as this background.
    """
    levels = np.clip((x + 1) / max(x.max() + 1, 1e-6), 0, 1)
    steps = np.minimum((levels * _N_COLOURS).astype(np.uint8), _N_COLOURS - 1)
    image = Image.fromarray(np.ascontiguousarray(steps[::-1]), "P")
    colours = mpl.colormaps[_COLOUR_MAPS[theme]](np.linspace(0, 1, _N_COLOURS))[:, :3]
    image.putpalette((colours * 255).round().astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Takes means over neighbouring frames as features, `per_fragment` of them."""

    per_fragment: int
    params: SpectrogramParams = _PARAMS
    fingerprint: str = ""

    @property
    def window_length(self) -> int:
        return self.params.window_length

    def transform(self, y: NDArray[np.int16], /) -> NDArray[np.float32]:
        return self._means(spectrogram.transform(y, self.params))

    def stream(self, blocks: Iterable[NDArray[np.int16]], /) -> Iterator[NDArray[np.float32]]:
        for fragments in spectrogram.stream(self._filled_up(blocks), self.params):
            yield self._means(fragments)

    def _means(self, fragments: NDArray[np.float32]) -> NDArray[np.float32]:
        edges = np.linspace(0, fragments.shape[1], self.per_fragment, endpoint=False).astype(int)
        widths = np.diff(np.append(edges, fragments.shape[1]))
        means = np.add.reduceat(fragments, edges, axis=1) / widths[:, None]
        return means.reshape(-1, fragments.shape[2]).astype(np.float32)

    def _filled_up(self, blocks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
        """Let silence follow, so that no end is left out."""
        n = 0
        for block in blocks:
            n += block.size
            yield block
        if n and (n_missing := -n % self.params.fragment_length):
            yield np.zeros(n_missing, np.int16)


def _kept(key: str, theme: Theme) -> bytes | None:
    with _lock:
        if (png := _pictures.get((key, theme))) is not None:
            _pictures.move_to_end((key, theme))
        return png


def _keep(key: str, theme: Theme, png: bytes) -> bytes:
    """Keep a picture, in place of those that were asked for long ago."""
    with _lock:
        _pictures[key, theme] = png
        while sum(map(len, _pictures.values())) > _MOST_BYTES:
            _pictures.popitem(last=False)
    return png

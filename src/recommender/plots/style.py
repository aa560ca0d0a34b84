"""How all charts look; they are saved as files, or put into a page whose colours they follow."""

import base64
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from recommender.plots.fragments import check_suffix

# On white; the two of the series are Okabe and Ito's blue and a darker vermillion, which differ
# without colour vision too.
INK = "#1d2125"
MUTED = "#5a626a"
LINE = "#d5d9de"
FIRST = "#0072b2"
SECOND = "#b84a00"

_IN_A_PAGE = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
}
_FONT = "DejaVu Sans"  # comes with matplotlib
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_PLACES = {"d", "x", "y", "width", "height"}
_PNG = "data:image/png;base64,"
_NO_DATE = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the style of this project; a character that the font lacks becomes a box."""
    with (
        mpl.rc_context(
            {
                "axes.edgecolor": MUTED,
                "axes.facecolor": "none",
                "axes.grid": False,
                "axes.labelcolor": MUTED,
                "axes.linewidth": 0.8,
                "axes.spines.right": False,
                "axes.spines.top": False,
                "figure.facecolor": "none",
                "font.family": "sans-serif",
                "font.sans-serif": [_FONT],
                "font.size": 10,
                "grid.color": LINE,
                "grid.linewidth": 0.8,
                "image.composite_image": False,
                "legend.frameon": False,
                "svg.fonttype": "none",
                "svg.hashsalt": "recommender",
                "text.color": INK,
                "text.parse_math": False,  # names may have dollar signs
                "xtick.color": MUTED,
                "ytick.color": MUTED,
            }
        ),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def save(figure: Figure, path: Path) -> None:
    """Write a figure on white into a PNG, SVG or PDF, as the suffix says; no date is kept.

    Raises
    ------
    ParameterError
        If the suffix is another.
    """
    check_suffix(path)
    with drawing():
        figure.savefig(path, dpi=150, facecolor="white", metadata=_NO_DATE[path.suffix.lower()])


def inline(figure: Figure, name: str, label: str) -> str:
    """Turn a figure into an ``<svg>`` element that takes text and colours from its page.

    The page defines the custom properties ``--sans``, ``--muted``, ``--line``, ``--first`` and
    ``--second``.

    Parameters
    ----------
    figure : Figure
    name : str
        Unique within the page: all ids begin with it.
    label : str
        What the picture shows, for those who do not see it.
    """
    buffer = io.BytesIO()
    with drawing():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}style", f"{_SVG}metadata") or (
                child.tag.startswith("{") and not child.tag.startswith(_SVG)
            ):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        _adopt(element, name)
    width, height = figure.get_size_inches() * 72
    root.attrib.clear()
    root.attrib |= {
        "viewBox": f"0 0 {width:g} {height:g}",
        "role": "img",
        "aria-label": label,
        "style": f"aspect-ratio: {width:g} / {height:g}",
    }
    return ElementTree.tostring(root, encoding="unicode")


def _adopt(element: ElementTree.Element, name: str) -> None:
    """Make one element of a figure a part of the page."""
    attributes = element.attrib
    if "id" in attributes:
        attributes["id"] = f"{name}-{attributes['id']}"
    if "clip-path" in attributes:
        attributes["clip-path"] = attributes["clip-path"].replace("url(#", f"url(#{name}-")
    if (link := attributes.pop(_HREF, None)) is not None:
        attributes["href"] = f"#{name}-{link[1:]}" if link.startswith("#") else _fewer_bytes(link)
    for place in _PLACES & attributes.keys():
        attributes[place] = re.sub(r"-?\d+\.\d+", _rounded, attributes[place])
    if element.tag != "text":
        element.text = None
    element.tail = None  # line ends and indents
    if "style" in attributes:
        style = attributes["style"]
        for colour, adaptive in _IN_A_PAGE.items():
            style = style.replace(colour, adaptive)
        attributes["style"] = re.sub(rf"'{_FONT}'[^;]*", "var(--sans)", style)


def _rounded(number: re.Match[str]) -> str:
    """Round to hundredths of a point: finer than any screen."""
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _fewer_bytes(link: str) -> str:
    """Encode a picture of at most 256 colours with a palette: less than half as long."""
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(link.removeprefix(_PNG)))))
    colours, which = np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0, return_inverse=True)
    if len(colours) > 256:
        return link
    image = Image.fromarray(which.reshape(pixels.shape[:2]).astype(np.uint8), "P")
    image.putpalette(colours.tobytes(), "RGBA" if pixels.shape[-1] == 4 else "RGB")
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return _PNG + base64.b64encode(buffer.getvalue()).decode()


def fewer_columns(x: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Means over blocks of neighbouring columns, so that at most `n` of them are left."""
    step = -(-x.shape[1] // n)
    starts = np.arange(0, x.shape[1], step)
    widths = np.diff(np.append(starts, x.shape[1]))
    return np.asarray(np.add.reduceat(x, starts, axis=1) / widths, np.float64)

"""Templates to a file: every value is escaped, and a page carries all that it shows."""

import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from recommender import plots
from recommender.errors import ParameterError
from recommender.files import write_atomically

_TEMPLATES = Path(__file__).parent / "templates"


def write(path: Path, template: str, **values: Any) -> None:
    """Render a template into a file, whole or not at all.

    Raises
    ------
    ParameterError
        If the file cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": duration,
        "inline": inline,
        "percent": percent,
        "thousands": "{:,}".format,
    }
    page = environment.get_template(template).render(**values)
    try:
        # File names may hold bytes that are no characters.
        write_atomically(path, page.encode("utf-8", "replace"))
    except OSError as error:
        raise ParameterError(
            f"{path}: the report cannot be written ({error.strerror}); name another file"
        ) from None


def inline(figure: Any, name: str, label: str) -> Markup:
    """Put a figure into the page; what it shows is text, which the figure escapes."""
    return Markup(plots.inline(figure, name, label))


def percent(share: float) -> str:
    """Return a share as text: ``45.8 %``, never parted; unknown is ``none``."""
    return "none" if math.isnan(share) else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def duration(seconds: float) -> str:
    """Return a duration as text: ``8.4 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"

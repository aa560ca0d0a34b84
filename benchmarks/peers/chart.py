"""A chart of CPU times: this project's bars in blue, all others in grey; medians and quartiles."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from peers.rows import Row

# Blue and grey, each lighter where something is decoded only: they differ in lightness too. A
# background of its own keeps the chart readable on dark pages.
_OURS, _OTHERS = ("#0072B2", "#80b9d9"), ("#8c8c8c", "#c8c8c8")
_PAPER, _INK = "#ffffff", "#222222"
_ROW_IN, _WIDTH_IN = 0.32, 8.0


def draw(mel: Sequence[Row], files: Sequence[Row], path: Path) -> None:
    """Write a panel for each group that was measured."""
    panels = [
        (title, sorted(measured, key=_cpu_ms))
        for title, rows in (
            ("Samples to mel-spectrogram: CPU ms a track, one core", mel),
            ("File to mel-spectrogram: CPU ms a track, one core", files),
        )
        if (measured := [row for row in rows if row.cpu_ms])
    ]
    n_rows = [len(rows) + 2 for _, rows in panels] or [1]
    figure = Figure(figsize=(_WIDTH_IN, _ROW_IN * (sum(n_rows) + 1)), facecolor=_PAPER)
    figure.set_layout_engine("constrained")
    if panels:
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=n_rows)[:, 0]
        for (title, rows), ax in zip(panels, axes, strict=True):
            _bars(ax, rows)
            ax.set_title(title, loc="left", fontsize=10, color=_INK)
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _bars(ax: Axes, rows: Sequence[Row]) -> None:
    longest = max(map(_cpu_ms, rows))
    for y, row in enumerate(rows):
        assert row.cpu_ms is not None
        median, q1, q3 = row.cpu_ms.median, row.cpu_ms.q1, row.cpu_ms.q3
        ax.barh(
            y,
            median,
            xerr=[[median - q1], [q3 - median]],
            color=_colour(row.name),
            error_kw={"ecolor": _INK, "elinewidth": 1, "capsize": 2},
        )
        text = f"{median:.0f}" if median >= 20 else f"{median:.1f}"
        ax.text(q3 + longest / 80, y, text, va="center", fontsize=8, color=_INK)
    ax.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=8, color=_INK)
    for label, row in zip(ax.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row.name.startswith("this project") else "normal")
    ax.set_xlim(0, 1.12 * longest)
    ax.invert_yaxis()
    ax.set_facecolor(_PAPER)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=8, colors=_INK)


def _colour(name: str) -> str:
    whole, decoding_only = _OURS if name.startswith("this project") else _OTHERS
    return decoding_only if name.endswith("decoding only") else whole


def _cpu_ms(row: Row) -> float:
    return row.cpu_ms.median if row.cpu_ms else 0.0

"""docs/scaling.md: its projections are what the model makes of the measured figures."""

import json
from pathlib import Path

import cost_model

DOCS = Path(__file__).parent.parent / "docs"


def test_the_tables_are_those_of_the_model() -> None:
    page = (DOCS / "scaling.md").read_text(encoding="utf-8").splitlines()
    for line in cost_model.tables(cost_model.read()):
        assert line in page


def test_the_model_multiplies() -> None:
    costs = cost_model.Costs(
        analysis_s=0.36,
        fast_s=0.1,
        stored_bytes=9000.0,
        exact_s=1e-4,
        pruned_s=1e-6,
        profile_s=0.36,
    )
    lines = list(cost_model.tables(costs))
    cells = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in lines if line}
    assert [cell.strip() for cell in cells["analysis, core hours"]] == ["100", "1,000", "10,000"]
    assert [cell.strip() for cell in cells["features"]] == ["9 GB", "90 GB", "900 GB"]
    assert cells["1 M profiles, core hours"][0].strip() == "100"
    assert cells["exact ranking of one listener, one core"][0].strip() == "100 s"


def test_what_has_to_hold_was_measured() -> None:
    """The figures in the page are those of the file."""
    figures = json.loads((DOCS / "scaling.json").read_text(encoding="utf-8"))
    page = (DOCS / "scaling.md").read_text(encoding="utf-8")
    for sizes in figures["ranking"]:
        for key in ("pruned", "remembered", "exact"):
            if sizes[key] is not None:
                assert f"{sizes[key]['seconds']:.1f} s" in page
    for row in figures["storage"]:
        assert f"| `{row['recipe']}` | {row['format']} | {row['bytes']:,.0f} |" in page

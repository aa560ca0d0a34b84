"""The OpenAPI document against the server: whatever is sent, no answer is a server's error."""

import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

schemathesis = pytest.importorskip("schemathesis")
uvicorn = pytest.importorskip("uvicorn")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from schemathesis import GenerationMode, checks  # noqa: E402

from recommender.web import limits  # noqa: E402
from recommender.web.app import create_app  # noqa: E402
from web_home import API, fill, like_folder  # noqa: E402

N_EXAMPLES = 30
KNOWN = {"name": "mine", "track_id": 7, "job_id": "0123456789abcdef"}
NEGATIVE = GenerationMode.NEGATIVE
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
NO_WORK = """import sys; print('{"result": {}}')"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("schema") / "home"
    fill(home, 40)
    (home / "jobs").mkdir()
    done = {"kind": "evaluation", "arguments": {}, "state": "done", "result": {}}
    job = {"id": KNOWN["job_id"], "created_at": "2025-05-01T09:30:00Z", **done}
    (home / "jobs" / f"{KNOWN['job_id']}.json").write_text(json.dumps(job))
    return home


@pytest.fixture(scope="module")
def api(home: Path) -> Iterator[Any]:
    app = create_app(home)
    # Whatever folders are made up, nothing is scanned.
    app.state.jobs._command = (sys.executable, "-c", NO_WORK)
    with pytest.MonkeyPatch.context() as patch, app.state.jobs:
        patch.setattr(limits, "LIMITS", ())
        patch.setattr(limits, "ANY", limits.Limit(calls=".*", burst=10**9, per_s=1e9, at_once=99))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        listener = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        port = listener.getsockname()[1]
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}{API}/openapi.json")
        server.should_exit = True
        thread.join()


OPERATIONS = [
    (method, path)
    for path, methods in create_app(Path("/nowhere")).openapi()["paths"].items()
    for method in methods
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda text: text)
def test_no_server_errors(api: Any, home: Path, method: str, path: str) -> None:
    operation = api[path][method]
    like_folder(home, home.parent / "music/metal")  # it may have been deleted

    @settings(
        max_examples=N_EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy() | operation.as_strategy(generation_mode=NEGATIVE),
        is_known=st.booleans(),
    )
    def ask(case: Any, is_known: bool) -> None:
        if is_known:  # nobody finds them by chance
            names = case.path_parameters or {}
            names.update({name: KNOWN[name] for name in names if name in KNOWN})
            if "profile" in (case.query or {}):
                case.query["profile"] = KNOWN["name"]
        case.call_and_validate(checks=CHECKS)

    ask()


def test_all_operations_are_tried() -> None:
    assert len(OPERATIONS) >= 30

"""``recommender serve``: the web page."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recommender.cli.console import say, shown

if TYPE_CHECKING:
    import socket

EXAMPLES = """Examples:

recommender serve

recommender serve --host 0.0.0.0 --password-file ~/.recommender-password"""

_BACKLOG = 128
_DEMO = Path("demo/home")  # where `recommender demo` leaves its library, if not told otherwise


def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; others need a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="0: any that is free.")
    ] = 8765,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN", help="What has to be entered; other users may see it in `ps`."
        ),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The same, from the first line of a file."),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open the page in a browser.")
    ] = False,
) -> None:
    """Open the library in a browser: rankings to listen to and judge, and why they are so.

    Before anything of yours was scanned it shows what `recommender demo` left in this folder.

    Listens to this computer alone. Any other address needs a token: whoever reaches the page can
    hear the music and change profiles. Ctrl-C ends it; what was under way can be resumed.
    """
    from recommender.errors import ParameterError
    from recommender.extras import need
    from recommender.library import Library, home

    for module in ("fastapi", "python_multipart", "uvicorn"):
        need(module, "web")
    if token is not None and password_file is not None:
        raise ParameterError("--token and --password-file exclude each other")
    if password_file is not None:
        token = _first_line(password_file)
    with _listening(host, port) as listener:
        port = listener.getsockname()[1]
        folder = home()
        if "RECOMMENDER_HOME" not in os.environ and not (folder / "library.db").exists():
            demo = _DEMO.absolute()
            if (demo / "library.db").exists():
                say(f"There is no library of yours yet: this is the demo's, in {shown(_DEMO)}")
                folder = demo
                os.environ["RECOMMENDER_HOME"] = str(demo)  # for the processes that do the work
        Library.open(folder / "library.db").close()  # brought up to date before anybody asks
        _run(listener, folder, host, port, token, open_page=not no_browser)


def _run(
    listener: "socket.socket",
    folder: Path,
    host: str,
    port: int,
    token: str | None,
    *,
    open_page: bool,
) -> None:
    import contextlib
    import threading
    import webbrowser

    import uvicorn

    from recommender.web.app import create_app
    from recommender.web.settings import Settings

    app = create_app(Settings(home=folder, host=host, port=port, token=token))
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,  # whoever follows a job would keep it from ending
    )
    url = f"http://{_shown_host(host)}:{port}/"
    say(f"Serving {shown(folder)} at {url} (Ctrl-C ends it)")
    if open_page:
        threading.Timer(1.0, webbrowser.open, [url]).start()
    with contextlib.suppress(KeyboardInterrupt):  # the way to end it
        uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> "socket.socket":
    import socket

    from recommender.errors import ParameterError

    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)  # whoever comes early waits
    except OSError as error:
        raise ParameterError(
            f"{host}:{port}: cannot be listened at ({error.strerror}); choose another --port or"
            " --host"
        ) from None
    return listener


def _shown_host(host: str) -> str:
    """Where a browser on this machine finds it."""
    if host in ("0.0.0.0", "::", ""):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _first_line(path: Path) -> str:
    from recommender.errors import ParameterError

    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: cannot be read ({error})") from None
    if not lines or not lines[0].strip():
        raise ParameterError(f"{path}: is empty; write a password into its first line")
    return lines[0].strip()

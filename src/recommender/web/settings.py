"""What a server is told when it starts."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a server is told when it starts.

    Attributes
    ----------
    home : Path
        Folder of the library and the profiles.
    host : str
        Address that it listens at.
    port : int
    token : str or None
        What has to be known to be let in; ``None``: nothing, which is for this machine alone.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = field(default=None, repr=False)

    @property
    def library(self) -> Path:
        """The database of the library."""
        return self.home / "library.db"

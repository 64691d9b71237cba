"""The folders of the data that survives a restart, and the source of the profile key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class DataFolders:
    """The folders that a bridge writes to."""

    config: Path
    """Keys, records, and the folders of the following properties."""
    profiles: Path
    """The captured logins."""
    files: Path
    """The files that clients upload."""

    @property
    def trace_work(self) -> Path:
        """Return the folder of Playwright's files for traces while the browser runs."""
        return self.config / "run" / "traces"

    @property
    def site_files(self) -> Path:
        """Return the folder of the operator's own site files."""
        return self.config / "sites"

    @property
    def browsers(self) -> Path:
        """Return the folder of the browser folders of accounts whose login cannot be copied."""
        return self.config / "browsers"


@dataclass(frozen=True, slots=True)
class ProfileKeySource:
    """The source of the profile key."""

    text: SecretStr | None
    """The key itself; None: it is in the file."""
    file: Path
    is_made: bool
    """Whether a missing file is created, because it is the bridge's own and not named by the operator."""

"""Where the bridge keeps what survives a restart, and where the key to its profiles comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class DataFolders:
    """The folders that a bridge writes to."""

    config: Path
    """Keys, records, and what the following properties name."""
    profiles: Path
    """The captured logins."""
    files: Path
    """The files that clients have stored."""

    @property
    def trace_work(self) -> Path:
        """Return where Playwright keeps what goes into a trace, as long as the browser runs."""
        return self.config / "run" / "traces"

    @property
    def site_files(self) -> Path:
        """Return where the operator's own site files are."""
        return self.config / "sites"

    @property
    def browsers(self) -> Path:
        """Return where the accounts whose login no copy holds have their browsers' folders."""
        return self.config / "browsers"


@dataclass(frozen=True, slots=True)
class ProfileKeySource:
    """Where the key to the profiles comes from."""

    text: SecretStr | None
    """The key itself; None: it is in the file."""
    file: Path
    is_made: bool
    """Whether a file that is missing is made: it is the bridge's own, and not one that the operator names."""

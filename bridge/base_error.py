"""The base class of the bridge's errors; `bridge/errors.py` has the classes."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final, Self


class BridgeError(Exception):
    """Something went wrong in the bridge itself; the base of all its errors.

    `message` is safe to show to a client. `param` names the offending request field, `retry_after` is in seconds,
    `until` is when the account is expected back. `sent` is true once the prompt may have reached the site; such a chat
    is sent again only if the site is known to have refused it. `bundle` names the diagnostic bundle that was written.

    Several tasks may hold the same error (a lost page is raised to its chat and to its account's supervisor), so a
    raised error never changes: `replace` returns a copy.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    kind: ClassVar[str] = "server_error"

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        until: datetime | None = None,
        sent: bool = False,
    ) -> None:
        super().__init__(message)
        self.message: Final = message
        self.param: Final = param
        self.retry_after: Final = retry_after
        self.until: Final = until
        self.sent: Final = sent
        self.bundle: Final = ""

    def replace(
        self, *, message: str = "", retry_after: float | None = None, sent: bool = False, bundle: str = ""
    ) -> Self:
        """Return a copy of the error, of the same class, with the given fields replaced."""
        # not by `__init__`, as a subclass may build its message from other arguments
        copy = type(self).__new__(type(self))
        copy.__dict__.update(
            self.__dict__,
            message=message or self.message,
            retry_after=self.retry_after if retry_after is None else retry_after,
            sent=sent or self.sent,
            bundle=bundle or self.bundle,
        )
        copy.args = (copy.message,)
        return copy

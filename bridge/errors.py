"""Everything that can go wrong, written down once; each class says the HTTP status and the code that a client gets.

    BridgeError           the bridge itself failed
    +- RequestError       the client asked for something impossible
    |  +- UnknownModel, UnknownConversation, UnknownFile, UnknownAccount, NotThere, AccountConflict, BodyTooLarge
    |  +- FileTooLarge, FileRejected, ContextTooLong, ThreadNotHeld, PermissionDenied, AuthenticationError
    +- PoolError          no account to spare: PoolFull, PoolTimeout, KeyLimitReached, NoAccount
    +- SiteError          the website did not play along
    |  +- LoginRequired (TokenRefused), HumanNeeded, Muted, RateLimited, SiteBusy
    |  +- SiteTimeout (SendTimeout), NetworkError, SiteChanged (StalePage), NoAnswer, JsonInvalid
    +- BrowserError, StorageError, SetupError, ChatCancelled, ClusterUnavailable (LeaseLost, NodeLost)

A class exists only where code treats it differently. What each means is in `bridge/pool/error_policy.py`.
"""

from __future__ import annotations

from bridge.base_error import BridgeError as BridgeError


class RequestError(BridgeError):
    """The client asked for something that cannot be done; asking again the same way will not help."""

    status = 400
    code = "invalid_request_error"
    kind = "invalid_request_error"


class UnknownModel(RequestError):
    """No site of this bridge serves a model of that name."""

    status = 404
    code = "model_not_found"


class UnknownConversation(RequestError):
    """No account here has that conversation, or it has gone on since."""

    status = 404
    code = "conversation_not_found"


class UnknownFile(RequestError):
    """No file of that id is kept here, or its time is over."""

    status = 404
    code = "file_not_found"


class UnknownAccount(RequestError):
    """There is no account of that name in the pool."""

    status = 404
    code = "account_not_found"


class AccountConflict(RequestError):
    """The account's state, or the name of another account, does not allow that."""

    status = 409
    code = "account_conflict"


class NotThere(RequestError):
    """What the operator asked for is not there: a key, a chat, or what was kept of one."""

    status = 404
    code = "not_found"


class PreviousResponseNotFound(NotThere):
    """The response to go on from is not there; clients that know this code send their whole history."""

    code = "previous_response_not_found"


class BodyTooLarge(RequestError):
    """The body of a request is larger than is read here, in bytes or in values."""

    status = 413
    code = "request_too_large"


class FileTooLarge(RequestError):
    """A file is larger than the settings allow."""

    status = 413
    code = "file_too_large"


class FileRejected(RequestError):
    """The site does not take a file, or cannot read it; the account is none the worse for it."""

    status = 422
    code = "file_rejected"


class ContextTooLong(RequestError):
    """The prompt or the conversation is longer than the site takes."""

    code = "context_length_exceeded"


class ThreadNotHeld(RequestError):
    """The client wants its conversation held for it; its SDK sends the whole history once it has this code."""

    code = "thread_unsupported_request"


class AuthenticationError(RequestError):
    """The request carries no API key, or one that is not known here."""

    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"


class TooManyAttempts(AuthenticationError):
    """Too many unknown keys came from that address; a known one is let in all the same."""

    status = 429
    code = "too_many_attempts"


class PermissionDenied(RequestError):
    """The request comes from a place that may not use the bridge."""

    status = 403
    code = "permission_denied"
    kind = "permission_error"


class PoolError(BridgeError):
    """No account could take the chat; nothing was sent."""

    status = 503
    code = "overloaded"


class PoolFull(PoolError):
    """The queue is at its limit."""

    status = 429
    code = "queue_full"
    kind = "rate_limit_error"


class PoolTimeout(PoolError):
    """The chat waited in the queue as long as it may."""

    code = "queue_timeout"


class KeyLimitReached(PoolError):
    """The key has reached a limit that the operator set; the message names it."""

    status = 429
    code = "rate_limit_exceeded"
    kind = "rate_limit_error"


class NoAccount(PoolError):
    """No account can serve now; the message says which, why and until when."""

    code = "no_account"


class ChatCancelled(BridgeError):
    """The operator has ended the chat."""

    status = 403
    code = "cancelled_by_operator"
    kind = "permission_error"


class SiteError(BridgeError):
    """The website refused, or answered in a way that gives no answer."""

    status = 502
    code = "site_error"


class NoAnswer(SiteError):
    """The model ended after thinking; a call of a tool may stand there."""


class LoginRequired(SiteError):
    """The account is not signed in any more."""

    status = 503
    code = "login_required"


class TokenRefused(LoginRequired):
    """The login token that a client sent is not signed in, or not any more."""

    status = 401
    code = "invalid_user_token"
    kind = "authentication_error"


class HumanNeeded(SiteError):
    """The site asks for a human; only the operator can go on."""

    status = 503
    code = "human_needed"


class Muted(SiteError):
    """The site has muted the account, until the time it names."""

    status = 403
    code = "account_muted"


class RateLimited(SiteError):
    """The site says that messages come too often."""

    status = 429
    code = "rate_limited"
    kind = "rate_limit_error"


class SiteBusy(SiteError):
    """The site's servers are busy."""

    status = 503
    code = "site_busy"


class SiteTimeout(SiteError):
    """The site did not answer in time."""

    status = 504
    code = "site_timeout"


class SendTimeout(SiteTimeout):
    """The page was at work on the prompt for as long as it may, and has sent nothing; the account is none the worse."""


class NetworkError(SiteError):
    """The site, or the network on the way to it, is down; nothing that an account could help."""

    code = "network_error"


class SiteChanged(SiteError):
    """The page or the wire format is not what the driver knows; the message says what exactly."""

    code = "site_changed"


class StalePage(SiteChanged):
    """The site did not accept the page's own request, as it does where the page is older than the site."""


class JsonInvalid(SiteError):
    """The answer is no JSON, or does not fit the schema that the client gave."""

    code = "json_invalid"


class BrowserError(BridgeError):
    """The browser, its page or its connection failed."""

    status = 502
    code = "browser_error"


class ClusterUnavailable(BridgeError):
    """What the nodes share cannot be reached now."""

    status = 503
    code = "cluster_unavailable"


class LeaseLost(ClusterUnavailable):
    """Another node may own the account by now, so that nothing more is done with it here."""

    code = "lease_lost"


class NodeLost(ClusterUnavailable):
    """The node that had the chat does not answer any more."""

    code = "node_lost"


class StorageError(BridgeError):
    """The bridge's own disk is full, or fails; no account is the worse for it."""

    status = 507
    code = "storage_error"


class SetupError(BridgeError):
    """This machine or its settings need a hand; the message says what to do."""

    code = "setup_error"

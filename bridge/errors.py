"""All errors of the bridge; each class has the HTTP status and the code that a client gets.

    BridgeError           the bridge itself failed
    +- RequestError       the client asked for something impossible
    |  +- UnknownModel, UnknownConversation, UnknownFile, UnknownAccount, NotThere, AccountConflict, BodyTooLarge
    |  +- FileTooLarge, FileRejected, ContextTooLong, ThreadNotHeld, PermissionDenied, AuthenticationError
    +- PoolError          no account to spare: PoolFull, PoolTimeout, KeyLimitReached, NoAccount
    +- SiteError          the website refused, changed or failed
    |  +- LoginRequired (TokenRefused), HumanNeeded, Muted, RateLimited, SiteBusy
    |  +- SiteTimeout (SendTimeout), NetworkError, SiteChanged (StalePage), NoAnswer, JsonInvalid
    +- BrowserError, StorageError, SetupError, ChatCancelled, ClusterUnavailable (LeaseLost, NodeLost)

A class exists only if code treats it differently. `bridge/pool/error_policy.py` has the effect of each.
"""

from __future__ import annotations

from bridge.base_error import BridgeError as BridgeError


class RequestError(BridgeError):
    """The client asked for something that cannot be done; the same request will fail again."""

    status = 400
    code = "invalid_request_error"
    kind = "invalid_request_error"


class UnknownModel(RequestError):
    """No site of this bridge serves a model of that name."""

    status = 404
    code = "model_not_found"


class UnknownConversation(RequestError):
    """No account here has that conversation, or it has continued since."""

    status = 404
    code = "conversation_not_found"


class UnknownFile(RequestError):
    """There is no file with that id, or it has expired."""

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
    """The requested object does not exist: a key, a chat, or its stored texts."""

    status = 404
    code = "not_found"


class PreviousResponseNotFound(NotThere):
    """The previous response does not exist; clients that know this code send their whole history."""

    code = "previous_response_not_found"


class BodyTooLarge(RequestError):
    """The body of a request exceeds the limit of bytes or values."""

    status = 413
    code = "request_too_large"


class FileTooLarge(RequestError):
    """A file is larger than the settings allow."""

    status = 413
    code = "file_too_large"


class FileRejected(RequestError):
    """The site does not accept a file, or cannot read it; this does not affect the account."""

    status = 422
    code = "file_rejected"


class ContextTooLong(RequestError):
    """The prompt or the conversation is longer than the site accepts."""

    code = "context_length_exceeded"


class ThreadNotHeld(RequestError):
    """The client wants the server to keep its conversation; its SDK sends the whole history after this code."""

    code = "thread_unsupported_request"


class AuthenticationError(RequestError):
    """The request has no API key, or an unknown one."""

    status = 401
    code = "invalid_api_key"
    kind = "authentication_error"


class TooManyAttempts(AuthenticationError):
    """Too many unknown keys came from that address; known keys are still accepted."""

    status = 429
    code = "too_many_attempts"


class PermissionDenied(RequestError):
    """The caller may not do that, or may not use the bridge from there."""

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
    """The chat has waited in the queue for the longest time allowed."""

    code = "queue_timeout"


class KeyLimitReached(PoolError):
    """The key has reached a limit that the operator set; the message names it."""

    status = 429
    code = "rate_limit_exceeded"
    kind = "rate_limit_error"


class NoAccount(PoolError):
    """No account can answer now; the message names the accounts, the reasons and until when."""

    code = "no_account"


class ChatCancelled(BridgeError):
    """The operator has ended the chat."""

    status = 403
    code = "cancelled_by_operator"
    kind = "permission_error"


class SiteError(BridgeError):
    """The website refused, or its response has no usable answer."""

    status = 502
    code = "site_error"


class NoAnswer(SiteError):
    """The model ended after thinking, which may contain a tool call."""


class LoginRequired(SiteError):
    """The account is no longer signed in."""

    status = 503
    code = "login_required"


class TokenRefused(LoginRequired):
    """The login token that a client sent is invalid or has expired."""

    status = 401
    code = "invalid_user_token"
    kind = "authentication_error"


class HumanNeeded(SiteError):
    """The site asks for a human check, which only the operator can solve."""

    status = 503
    code = "human_needed"


class Muted(SiteError):
    """The site has muted the account until the time that it names."""

    status = 403
    code = "account_muted"


class RateLimited(SiteError):
    """The site refuses messages as too frequent."""

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
    """The page worked on the prompt until the time limit and sent nothing; this does not affect the account."""


class NetworkError(SiteError):
    """The site or the network is down; no account can help."""

    code = "network_error"


class SiteChanged(SiteError):
    """The page or the wire format is not as the driver expects; the message names the difference."""

    code = "site_changed"


class StalePage(SiteChanged):
    """The site did not accept the page's own request, probably because the page is outdated."""


class JsonInvalid(SiteError):
    """The answer is not JSON, or does not fit the client's schema."""

    code = "json_invalid"


class BrowserError(BridgeError):
    """The browser, its page or its connection failed."""

    status = 502
    code = "browser_error"


class ClusterUnavailable(BridgeError):
    """The nodes' shared Redis cannot be used now."""

    status = 503
    code = "cluster_unavailable"


class LeaseLost(ClusterUnavailable):
    """Another node may have the account by now, so this one no longer uses it."""

    code = "lease_lost"


class NodeLost(ClusterUnavailable):
    """The node that had the chat no longer answers."""

    code = "node_lost"


class StorageError(BridgeError):
    """The bridge's own disk is full or fails; this does not affect accounts."""

    status = 507
    code = "storage_error"


class SetupError(BridgeError):
    """The operator must fix this machine or the settings; the message says what to do."""

    code = "setup_error"

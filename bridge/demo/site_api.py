"""The site's other calls: sign-in, settings, conversations and challenges."""

from __future__ import annotations

import base64
import re
from dataclasses import asdict

from aiohttp import web

from bridge.demo.accounts import Account
from bridge.demo.backend import BACKEND
from bridge.demo.checks import SESSION_COOKIE, check_client, check_device, signed_in
from bridge.demo.envelope import biz_refusal, read_body, success
from bridge.demo.patches import Json
from bridge.demo.site_conversations import Conversation
from bridge.demo.site_settings import DemoSettings

COMPLETION = "/api/v0/chat/completion"
EDIT = "/api/v0/chat/edit_message"
UPLOAD = "/api/v0/file/upload_file"

_DEVICE_ID = re.compile(r"B[A-Za-z0-9+/=]{88}")


async def login(request: web.Request) -> web.Response:
    """Sign in with e-mail and password from the page."""
    check_client(request)
    body = await read_body(request, password=str, device_id=str, os=str)
    if not _DEVICE_ID.fullmatch(body["device_id"]):
        raise biz_refusal(11, "RISK_DEVICE_DETECTED")
    account = request.app[BACKEND].account_with_email(body.get("email"))
    if account is None or account.password != body["password"]:
        raise biz_refusal(2, "PASSWORD_OR_USER_NAME_IS_WRONG")
    token, cookie = account.sign_in()
    if request.app[BACKEND].settings.device_key:
        account.device_keys[token] = base64.b64decode(body["device_key"])
    response = success({"code": 0, "msg": "", "user": user_json(account, token)})
    response.set_cookie(SESSION_COOKIE, cookie, httponly=True, samesite="Lax", path="/")
    return response


async def current_user(request: web.Request) -> web.Response:
    """Return the user who is signed in."""
    check_client(request)
    account = signed_in(request)
    check_device(request, account)
    return success(user_json(account, request.headers["authorization"].partition(" ")[2]))


async def logout(request: web.Request) -> web.Response:
    """End this session."""
    check_client(request)
    signed_in(request).sign_out(request.headers["authorization"].partition(" ")[2])
    response = success()
    response.del_cookie(SESSION_COOKIE, path="/")
    return response


def user_json(account: Account, token: str) -> Json:
    """Return a user as the page reads it."""
    return {
        "id": account.id,
        "token": token,
        "email": account.email,
        "mobile_number": "",
        "area_code": "",
        "status": 0,
        "id_profile": {"provider": "EMAIL", "id": account.id, "name": account.name, "email": account.email},
        "id_profiles": [],
        "chat": {"is_muted": int(account.mute_until is not None), "mute_until": account.mute_until},
        "has_legacy_chat_history": False,
        "need_birthday": False,
    }


async def client_settings(request: web.Request) -> web.Response:
    """Return the page's settings of one scope."""
    check_client(request)
    if not request.query.get("scope"):
        raise biz_refusal(2, "INVALID_PARAM")
    return success({"settings": {name: {"id": 1, "value": v} for name, v in _settings(request).items()}})


def _settings(request: web.Request) -> dict[str, Json]:
    settings = request.app[BACKEND].settings
    if request.query["scope"] == "banner":
        return {"page_faults": signed_in(request).board.on_page()}
    if request.query["scope"] == "model":
        return {"model_configs": [_model_config(name, settings) for name in settings.models]}
    return {
        "sse_auto_resume_timeout": int(settings.auto_resume * 1000),
        "completion_request_timeout_ms": 60_000,
        "pow_prefetch": True,
        "search_state_on_launch": "on",
        "allow_file_with_search": True,
    }


def _model_config(name: str, settings: DemoSettings) -> Json:
    files = {
        "token_limit": 890_880,
        "max_input_file_count": settings.max_files,
        "max_upload_file_size": settings.max_file_size,
    }
    return {
        "model_type": name,
        "enabled": True,
        "switchable": True,
        "input_character_limit": settings.input_character_limit,
        "file_feature": None if name == "expert" else files,
        "think_feature": {},
        "search_feature": {} if name == "default" else None,
    }


async def user_settings(request: web.Request) -> web.Response:
    """Return the user's settings, which are empty."""
    check_client(request)
    signed_in(request)
    return success({"settings": {}})


async def hif_query(request: web.Request) -> web.Response:
    """Issue the token that completions must carry."""
    hif = request.app[BACKEND].hif
    response = success({"value": hif.issue()})
    response.headers["x-hif-ttl"] = f"{hif.ttl:g}"
    return response


async def create_session(request: web.Request) -> web.Response:
    """Create a conversation."""
    check_client(request)
    account = signed_in(request)
    await read_body(request)
    conversation = account.add_conversation()
    return success({"chat_session": conversation.to_json(), "ttl_seconds": 259_200})


async def list_sessions(request: web.Request) -> web.Response:
    """List the conversations that have messages, the newest first."""
    check_client(request)
    account = signed_in(request)
    known = [c for c in account.conversations.values() if c.messages]
    known.sort(key=lambda c: c.updated_at, reverse=True)
    return success({"chat_sessions": [c.to_json() for c in known[:100]], "has_more": len(known) > 100})


async def delete_session(request: web.Request) -> web.Response:
    """Delete one conversation."""
    account, conversation, _ = await named_conversation(request)
    del account.conversations[conversation.id]
    return success()


async def delete_all_sessions(request: web.Request) -> web.Response:
    """Delete all conversations."""
    check_client(request)
    signed_in(request).conversations.clear()
    return success()


async def update_title(request: web.Request) -> web.Response:
    """Rename one conversation."""
    _, conversation, body = await named_conversation(request, title=str)
    if not conversation.messages:
        raise biz_refusal(5, "EMPTY_CHAT_SESSION")
    conversation.title = body["title"]
    return success({"chat_session_updated_at": conversation.updated_at, "title": conversation.title})


async def history(request: web.Request) -> web.Response:
    """Return all messages of one conversation."""
    check_client(request)
    account = signed_in(request)
    conversation = find_conversation(account, request.query.get("chat_session_id", ""))
    messages = [{"files": [], **message} for message in conversation.messages.values()]
    return success(
        {
            "chat_session": conversation.to_json(),
            "chat_messages": messages,
            "cache_control": "REPLACE",
            "route_id": None,
        }
    )


async def create_challenge(request: web.Request) -> web.Response:
    """Issue a proof-of-work challenge."""
    check_client(request)
    account = signed_in(request)
    body = await read_body(request, target_path=str)
    if body["target_path"] not in (COMPLETION, EDIT, UPLOAD):
        raise biz_refusal(2, "INVALID_TARGET_PATH")
    challenge = request.app[BACKEND].challenges.issue(account.name, body["target_path"])
    return success({"challenge": asdict(challenge)})


def find_conversation(account: Account, conversation_id: str) -> Conversation:
    """Return a conversation of this account, or refuse."""
    conversation = account.conversations.get(conversation_id)
    if conversation is None:
        raise biz_refusal(1, "invalid chat session id")
    return conversation


async def named_conversation(
    request: web.Request, **wanted: type | tuple[type, ...]
) -> tuple[Account, Conversation, Json]:
    """Return the account, conversation and body of a call about one conversation."""
    check_client(request)
    account = signed_in(request)
    body = await read_body(request, chat_session_id=str, **wanted)
    return account, find_conversation(account, body["chat_session_id"]), body


def routes() -> list[web.RouteDef]:
    """Return the routes of these calls."""
    v0 = "/api/v0"
    return [
        web.post(f"{v0}/users/login", login),
        web.get(f"{v0}/users/current", current_user),
        web.get(f"{v0}/users/settings", user_settings),
        web.post(f"{v0}/users/logout", logout),
        web.get(f"{v0}/client/settings", client_settings),
        web.post(f"{v0}/chat_session/create", create_session),
        web.get(f"{v0}/chat_session/fetch_page", list_sessions),
        web.post(f"{v0}/chat_session/delete", delete_session),
        web.post(f"{v0}/chat_session/delete_all", delete_all_sessions),
        web.post(f"{v0}/chat_session/update_title", update_title),
        web.get(f"{v0}/chat/history_messages", history),
        web.post(f"{v0}/chat/create_pow_challenge", create_challenge),
        web.get("/hif/query", hif_query),
    ]

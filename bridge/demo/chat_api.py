"""The calls that generate answers: completion, edit, regenerate, continue, resume and stop."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from aiohttp import web

from bridge.demo.accounts import Account, script_fault
from bridge.demo.answers import Answer, carry
from bridge.demo.backend import BACKEND
from bridge.demo.checks import check_client, check_completion, signed_in, strike
from bridge.demo.envelope import Refusal, biz_refusal, read_body, success
from bridge.demo.generation import Generation
from bridge.demo.patches import Json
from bridge.demo.script import Script
from bridge.demo.site_api import COMPLETION, EDIT, find_conversation, named_conversation
from bridge.demo.site_conversations import Conversation
from bridge.demo.turns import Turn
from bridge.demo.uploads import Upload

_SWITCHES = {"thinking_enabled": bool, "search_enabled": bool}


async def completion(request: web.Request) -> web.StreamResponse:
    """Answer the next prompt of a conversation."""
    wanted = {"chat_session_id": str, "parent_message_id": (int, type(None)), "prompt": str, "ref_file_ids": list}
    account, document = await _read(request, **wanted, **_SWITCHES)
    with _turn(request, account, "completion", document) as turn:
        conversation = _check(request, account, document, COMPLETION)
        parent = document["parent_message_id"]
        if conversation.current != parent:
            raise biz_refusal(26, "invalid message id")
        uploads = _uploads(request, account, document["ref_file_ids"])
        turn.files = tuple(upload.name for upload in uploads)
        script = _script(account, conversation, turn)
        if script.files:
            script = replace(script, text=json.dumps([upload.receipt() for upload in uploads]))
    if not conversation.messages:
        conversation.model_type = document.get("model_type") or "default"
    files = [upload.to_json() for upload in uploads]
    return await Answer(request, account, conversation, turn, script).to_new_prompt(parent, files)


async def edit_message(request: web.Request) -> web.StreamResponse:
    """Answer an edited version of an earlier prompt."""
    account, document = await _read(request, chat_session_id=str, message_id=int, prompt=str, **_SWITCHES)
    with _turn(request, account, "edit_message", document) as turn:
        conversation = _check(request, account, document, EDIT)
        edited = _message(conversation, document["message_id"], "USER")
        script = _script(account, conversation, turn)
    answer = Answer(request, account, conversation, turn, script)
    return await answer.to_new_prompt(edited["parent_id"], edited["files"])


async def regenerate(request: web.Request) -> web.StreamResponse:
    """Answer the same prompt again."""
    account, document = await _read(request, chat_session_id=str, child_message_id=int, **_SWITCHES)
    with _turn(request, account, "regenerate", document) as turn:
        conversation = _check(request, account, document, COMPLETION)
        child = _message(conversation, document["child_message_id"], "ASSISTANT")
        prompt = conversation.messages[child["parent_id"]]
        turn.prompt = prompt["fragments"][0]["content"]
        script = _script(account, conversation, turn)
    return await Answer(request, account, conversation, turn, script).to_old_prompt(prompt)


async def continue_answer(request: web.Request) -> web.StreamResponse:
    """Continue an incomplete answer."""
    account, document = await _read(request, chat_session_id=str, message_id=int)
    with _turn(request, account, "continue", document) as turn:
        strike(account, request.path)
        conversation = find_conversation(account, document["chat_session_id"])
        _check_free(account)
        message = _message(conversation, document["message_id"], "ASSISTANT")
        if message["message_id"] not in conversation.rests:
            raise biz_refusal(22, "invalid message status")
    return await Answer(request, account, conversation, turn, Script()).continued(message)


async def resume_stream(request: web.Request) -> web.StreamResponse:
    """Continue the stream of a running answer on a new connection."""
    account, document = await _read(request, chat_session_id=str, message_id=int)
    find_conversation(account, document["chat_session_id"])
    generation = account.generation
    if generation is None or not account.generating or not _is_about(generation, document):
        raise biz_refusal(22, "invalid message status")
    generation.turn.streams.append("resume_stream")
    return await carry(request, generation)


async def stop_stream(request: web.Request) -> web.Response:
    """Stop a running answer."""
    account, _, document = await named_conversation(request, message_id=int)
    generation = account.generation
    if generation is not None and _is_about(generation, document):
        generation.stop()
    return success()


async def _read(request: web.Request, **wanted: Any) -> tuple[Account, dict[str, Any]]:
    check_client(request)
    account = signed_in(request)
    return account, await read_body(request, **wanted)


@contextmanager
def _turn(request: web.Request, account: Account, kind: str, document: dict[str, Any]) -> Iterator[Turn]:
    """Record the request as a turn, including its refusal."""
    turn = account.open_turn(
        kind,
        prompt=document.get("prompt", ""),
        thinking_enabled=document.get("thinking_enabled", False),
        search_enabled=document.get("search_enabled", False),
        model_type=document.get("model_type"),
        conversation=document["chat_session_id"],
        parent=document.get("parent_message_id"),
        cookies=tuple(sorted(request.cookies)),
        streams=[request.path.rpartition("/")[2]],
    )
    try:
        yield turn
    except Refusal as refusal:
        turn.end(f"refused:{refusal.code}")
        raise


def _check(request: web.Request, account: Account, document: dict[str, Any], proven_path: str) -> Conversation:
    """Refuse a request that is not from the page, or that the account may not make now."""
    strike(account, request.path)
    check_completion(request, account, proven_path)
    if account.mute_until is not None:
        raise biz_refusal(5, "user is muted", {"is_muted": 1, "mute_until": account.mute_until})
    conversation = find_conversation(account, document["chat_session_id"])
    _check_free(account)
    return conversation


def _script(account: Account, conversation: Conversation, turn: Turn) -> Script:
    """Return the script of this turn, or raise the refusal that it asks for."""
    script = account.next_script(turn.prompt, conversation)
    switch = script_fault(script)
    if switch is not None and switch.fault.reply is not None:
        raise switch.fault.reply(switch.params)
    return script


def _check_free(account: Account) -> None:
    if account.generating:
        raise biz_refusal(9, "another message is being generated")


def _is_about(generation: Generation, document: Json) -> bool:
    conversation, message = generation.turn.conversation, generation.message["message_id"]
    return bool((conversation, message) == (document["chat_session_id"], document["message_id"]))


def _message(conversation: Conversation, message_id: int, role: str) -> dict[str, Json]:
    message = conversation.messages.get(message_id)
    if message is None or message["role"] != role:
        raise biz_refusal(26, "invalid message id")
    return message


def _uploads(request: web.Request, account: Account, file_ids: list[Any]) -> Sequence[Upload]:
    """Return the files of a prompt, or refuse if there are too many, or one is unknown or not processed."""
    uploads = [account.files[file_id] for file_id in file_ids if file_id in account.files]
    is_read = all(upload.status == "SUCCESS" for upload in uploads)
    if len(uploads) != len(file_ids) or len(file_ids) > request.app[BACKEND].settings.max_files or not is_read:
        raise biz_refusal(2, "INVALID_PARAM")
    return uploads


def routes() -> list[web.RouteDef]:
    """Return the routes of the calls that generate answers."""
    return [
        web.post(COMPLETION, completion),
        web.post(COMPLETION.replace("v0", "v1"), completion),  # used by the fault `moved_completion`
        web.post(EDIT, edit_message),
        web.post("/api/v0/chat/regenerate", regenerate),
        web.post("/api/v0/chat/continue", continue_answer),
        web.post("/api/v0/chat/resume_stream", resume_stream),
        web.post("/api/v0/chat/stop_stream", stop_stream),
    ]

"""Recognizes the buttons that are certainly a moved control; no I/O.

Likelihood is not enough: each label of a button must be, as a whole, one that pages use for that control, and none of
its names may mention anything else. A label in a language that is not listed here, or a second button with the same
label, leaves the control unfound, because a wrong click may delete, pay, share, or end the login.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from bridge.origins import origin_of
from bridge.sites.learning.observation import Button, Element

NEAR = 160
"""Pixels from the text box within which its buttons are."""
KEYS = re.compile(r"\b(ctrl|control|cmd|command|shift|alt|option|enter|return|esc|press|key)\b(?: [a-z]$)?")
"""Names of keys, which labels may include besides the name of the control."""


def _labels(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


ITS = r"(?: (?:a|an|the|your|my|this))?"
SEND = _labels(
    rf"arrow upward|(?:send|submit)(?:{ITS} (?:message|prompt|question|query|chat|chat message|input|text))?(?: now)?",
    r"(?:(?:nachricht|frage|eingabe|prompt) )?(?:senden|absenden|abschicken)",
    r"envoyer(?: (?:le|un|votre|mon))?(?: (?:message|prompt))?",
    r"enviar(?: (?:el|o|un|uma|tu|su|sua))?(?: (?:mensaje|mensagem|prompt|pregunta|pergunta))?",
    r"invia(?: (?:il|un))?(?: (?:messaggio|prompt))?",
    r"(?:bericht )?(?:verzenden|versturen)|verstuur|wyślij(?: wiadomość)?|skicka(?: meddelande)?|(?:mesajı? )?gönder",
    r"отправить(?: (?:сообщение|запрос|вопрос))?",
    r"发 ?送(?:消息|信息|问题)?|提交(?:问题)?|傳送(?:訊息)?|送出|送信(?:する)?|メッセージを送信(?:する)?",
    r"(?:메시지 )?(?:보내기|전송)",
)
STOP = _labels(
    r"stop|(?:stop|cancel|abort|interrupt)(?: (?:the|this))?"
    r" (?:generating|generation|response|responding|answer|answering|streaming|output|reply)",
    r"(?:(?:generierung|antwort|ausgabe) )?(?:stoppen|anhalten)|(?:generierung|antwort|ausgabe) abbrechen",
    r"arrêter(?: (?:la|de) (?:génération|réponse|générer))?",
    r"detener(?: (?:la )?(?:generación|respuesta))?|parar(?: (?:a )?(?:geração|resposta))?|interrompi(?: generazione)?",
    r"остановить(?: (?:генерацию|ответ))?",
    r"停止(?:生成|回答|输出|響應|响应|する)?|中止|生成を停止(?:する)?|(?:생성 )?중지",
)
NEW_CHAT = _labels(
    r"(?:start )?(?:a )?new (?:chat|conversation|thread|session|topic|task)",
    r"neuer chat|neue unterhaltung|neues gespräch|nieuwe chat|nouveau chat|nouvelle (?:discussion|conversation)",
    r"nuevo chat|nueva (?:conversación|charla)|novo chat|nova conversa|nuova (?:chat|conversazione)|новый чат",
    r"(?:开启)?新(?:建)?(?:对话|會話|会话|聊天|對話)|新しいチャット|新規チャット|새 ?(?:채팅|대화)",
)
SWITCHES = {
    "thinking": _labels(
        r"(?:deep|extended )? ?(?:think|thinking|reason|reasoning)(?: r1)?|nachdenken|denken|raisonner|réflexion"
        r"|razonar|pensar|рассуждение|(?:深度|深入)?思考(?: r1)?|推理|推論|생각|추론"
    ),
    "search": _labels(
        r"(?:(?:web|online|internet) )?search|search(?: the)? (?:web|internet)|web|internet|websuche",
        r"recherche(?: sur le)? web|búsqueda web|buscar en la web|pesquisa web|ricerca web|поиск в интернете",
        r"(?:联网|聯網|智能)?(?:搜索|搜尋)|联网|ウェブ検索|웹 ?검색",
    ),
}
"""The labels of a page's switches."""
GLYPHS = {
    "send": re.compile("[↑➤→⏎▶►✈⬆↵➔➝➢📨\N{VARIATION SELECTOR-16}]+"),
    "stop": re.compile("[■◼⏹⬛\N{VARIATION SELECTOR-16}]+"),
}
ICON = re.compile("[\ue000-\uf8ff]")
"""Characters of icon fonts."""
SIGNS = {
    "send": re.compile(r"\b(?:send|submit|paper ?plane|arrow up)\b"),
    "stop": re.compile(r"\bstop\b"),
}
"""Words that the ids, classes or icon of a button without a label must contain."""
OTHER_PURPOSES = re.compile(
    r"\b(?:delete|remove|clear|trash|erase|discard|reset|undo|log ?(?:in|out|off)|sign ?(?:in|out|up|off)|pay\w*|buy\w*"
    r"|purchase|checkout|billing|subscri\w*|upgrade|premium|pricing|shar\w*|publish|export|download|invite|report"
    r"|feedback|rat(?:e|ing)|vote|like|dislike|copy|attach\w*|upload\w*|files?|voice|mic\w*|record\w*|audio|speech|call"
    r"|images?|photo|camera|tools?|models?|close|menu|settings?|profile|print|e?mail|newsletter|search|rename|edit|retry"
    r"|regenerate|enhance|improve|translate|draft|save)\b"
)
"""Words for other purposes of a button, in the names that its authors gave it."""
NAMES = ("id", "name", "data-testid", "data-test", "data-test-id", "data-icon", "data-action")


def words(text: str) -> str:
    """Return a text in lower case, with its words separated by one space, also in names like `sendButton_x`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return " ".join(re.sub(r"[^\w]|_", " ", spaced).lower().split())


def sends(button: Button) -> bool:
    """Tell whether a button says that it sends the text in the box beside it."""
    return _is_beside(button) and not _has_other_purpose(button) and (_says(button, SEND, "send") or _submits(button))


def stops(button: Button) -> bool:
    """Tell whether a button beside the text box says that it stops the answer."""
    return _is_beside(button) and not _has_other_purpose(button) and _says(button, STOP, "stop")


def begins_chat(button: Button, origin: str) -> bool:
    """Tell whether a button, or a link to the site itself, says that it begins a new chat."""
    if not button.is_on or not button.is_plain or _has_other_purpose(button):
        return False
    is_own = origin_of(button.link) == origin if button.link else _is_button(button.element)
    return is_own and _says(button, NEW_CHAT)


def is_switch(button: Button, name: str) -> bool:
    """Tell whether a button beside the text box says that it is the switch with that name."""
    return _is_beside(button) and not _has_other_purpose(button, but=name) and _says(button, SWITCHES[name])


def is_specific(selector: str, kind: str = "") -> bool:
    """Tell whether a selector names what makes a button the control, so that it never matches another by chance."""
    is_exact = selector.startswith("#") or any(
        one in selector for one in ("[data-test", "[aria-label=", "[title=", ":text-is(")
    )
    return is_exact or (kind in SIGNS and SIGNS[kind].search(words(selector)) is not None)


def _is_beside(button: Button) -> bool:
    """Tell whether it is an enabled button of the text box, and not a link."""
    is_own = button.is_beside and button.distance <= NEAR and button.is_plain
    return is_own and button.is_on and not button.link and _is_button(button.element)


def _is_button(element: Element) -> bool:
    return element.tag in ("button", "input") or element.attributes.get("role") == "button"


def _has_other_purpose(button: Button, but: str = "") -> bool:
    """Tell whether one of a button's own names mentions another purpose."""
    found = {match.group() for match in OTHER_PURPOSES.finditer(words(" ".join(_names(button.element))))}
    return bool(found - {but})


def _names(element: Element) -> Iterable[str]:
    given = (element.attributes.get(name, "") for name in NAMES)
    return (element.id, *element.classes, *given, element.drawing if element.drawing.startswith("name:") else "")


def _submits(button: Button) -> bool:
    """Tell whether a button without any label sends the form of the text box."""
    is_submit = button.element.attributes.get("type") == "submit" and not button.labels
    return is_submit and any(one.tag == "form" for one in button.element.above)


def _says(button: Button, labels: re.Pattern[str], kind: str = "") -> bool:
    """Tell whether all labels of a button are of a kind; without labels, its glyphs or its names must be."""
    shown = [ICON.sub("", "".join(label.split())) for label in button.labels]
    glyphs = [one for one in shown if one and not any(map(str.isalpha, one))]
    if glyphs and not (kind in GLYPHS and all(map(GLYPHS[kind].fullmatch, glyphs))):
        return False
    if spoken := {words(KEYS.sub(" ", words(label))) for label in button.labels if any(map(str.isalpha, label))}:
        return all(map(labels.fullmatch, spoken))
    return bool(glyphs) or (kind in SIGNS and SIGNS[kind].search(words(" ".join(_names(button.element)))) is not None)

"""Finds the text boxes of a page, and those of them that may be for prompts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from playwright.async_api import ElementHandle

from bridge.sites.learning.observation import Element
from bridge.sites.learning.page_watch import PageWatch

WIDE = 250
"""Pixels; a narrower form field is for a name or a word."""
OTHER_NAME = re.compile(
    r"search|filter|feedback|comment|rename|e-?mail|phone|passw|captcha|user-?name|login|搜索|反馈|评论", re.IGNORECASE
)
OTHER_LABEL = re.compile(
    r"\s*(search|filter|find|e-?mail|phone|user|your name|rename|title|搜索|搜尋|查找|邮箱|手机|such|busc|recherch"
    r"|cerca|поиск)"
    r"|.*(feedback|captcha|passwor|opinion|review|rating|report|suggest|instruction|system prompt|persona|support"
    r"|contact|invite|coupon|反馈|评价|验证码|密码)",
    re.IGNORECASE | re.DOTALL,
)
"""Beginnings and parts of labels of fields that are not for prompts; a composer's label may mention a search, too."""
PROMPT_LABEL = re.compile(
    r"\bask\b|message|prompt|chat|question|type (here|something)|say something|how can i (help|assist)|help you"
    r"|\bfrag|nachricht|wie kann ich|pregunt|mensaje|mensagem|pergunt|demande|posez|comment puis-je|chiedi|messaggio"
    r"|消息|输入|提问|问题|尽管问|有问题|聊|帮你|帮您|訊息|輸入|メッセージ|質問|聞いて|메시지|질문|물어|сообщени|спрос|вопрос",
    re.IGNORECASE,
)
"""Words in the labels of text boxes for prompts."""


class TextBox(NamedTuple):
    """A text box; the caller must dispose of its handle (`held`)."""

    handle: ElementHandle
    element: Element
    is_large: bool
    labels: tuple[str, ...] = ()
    is_elsewhere: bool = False
    """Whether it is in a dialog or a search, or shares a form with other fields."""

    @property
    def takes_prompts(self) -> bool:
        """Tell whether its labels say that it is for prompts, and nothing says that it is for something else."""
        is_other = not self.is_large or self.is_elsewhere or is_for_something_else(self.element, self.labels)
        return not is_other and any(map(PROMPT_LABEL.search, self.labels))


async def text_boxes(watch: PageWatch) -> list[TextBox]:
    """Return the visible text boxes, the likeliest for prompts first: large ones, and of those the lowest."""
    ranked = []
    for number, handle in enumerate(await watch.elements("editables")):
        said = await watch.described(handle)
        place = await handle.bounding_box() or {"y": 0, "width": 0, "height": 0}
        is_large = said.tag != "input" or place["width"] > WIDE
        fitness = is_large and "search" not in said.attributes.get("role", ""), place["y"] + place["height"]
        labels = tuple(map(str, await watch.ask("labels", handle) or ()))
        is_elsewhere = bool(await watch.ask("isElsewhere", handle))
        ranked.append((fitness, number, TextBox(handle, said, is_large, labels, is_elsewhere)))
    return [box for *_, box in sorted(ranked, key=lambda one: one[:2], reverse=True)]


def is_for_something_else(element: Element, labels: Sequence[str] = ()) -> bool:
    """Tell whether the names or labels of a text box say that it is not for prompts."""
    attributes = element.attributes
    named = (element.id, *element.classes, *(attributes.get(name, "") for name in ("role", "type", "name")))
    return any(map(OTHER_NAME.search, named)) or any(map(OTHER_LABEL.match, labels))

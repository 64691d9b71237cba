"""Stand-ins for other chat sites: each imitates the known page and protocol with its pitfalls; may import demo.

A stand-in is one file here, which parses requests and encodes the frames of answers, and one script in
`static/standins/`, which is the page. Everything else is shared.
"""

from bridge.demo.standins.chatglm import ChatGlm
from bridge.demo.standins.doubao import Doubao
from bridge.demo.standins.emohaa import Emohaa
from bridge.demo.standins.jimeng import Jimeng
from bridge.demo.standins.kimi import Kimi
from bridge.demo.standins.metaso import Metaso
from bridge.demo.standins.minimax import MiniMax
from bridge.demo.standins.qianwen import Qianwen
from bridge.demo.standins.qwen import Qwen
from bridge.demo.standins.spark import Spark
from bridge.demo.standins.standin_site import StandIn
from bridge.demo.standins.standin_wire import Wire
from bridge.demo.standins.stepfun import StepFun
from bridge.demo.standins.zai import Zai

_WIRES = (Kimi, Qwen, Qianwen, Zai, ChatGlm, StepFun, Doubao, Metaso, MiniMax, Spark, Emohaa, Jimeng)
STAND_INS: dict[str, type[Wire]] = {wire.name: wire for wire in _WIRES}

__all__ = ["STAND_INS", "StandIn", "Wire"]

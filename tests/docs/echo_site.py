"""A chat site of one page that says what it was told: what the example of a driver is tried on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

PAGE = """<!doctype html><title>Echo</title><div id="said"></div><textarea></textarea><script>
const box = document.querySelector("textarea"), said = document.getElementById("said");
const conversation = location.pathname.startsWith("/c/") ? location.pathname.slice(3) : crypto.randomUUID();
box.addEventListener("keydown", async (event) => {
  if (event.key !== "Enter" || event.shiftKey || !box.value) return;
  event.preventDefault();
  const prompt = box.value, leave = new AbortController();
  box.value = "";
  const stop = Object.assign(document.createElement("button"), { id: "stop", textContent: "Stop" });
  stop.onclick = () => leave.abort();
  document.body.append(stop);
  try {
    const body = JSON.stringify({ conversation, prompt });
    const response = await fetch("/api/chat", { method: "POST", body, signal: leave.signal });
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) said.append(text);
  } catch { said.append("It did not work."); }
  stop.remove();
});
</script>"""
SIGN_IN = '<!doctype html><title>Echo</title><a id="sign-in" href="/login">Sign in</a>'


@dataclass
class EchoSite:
    """What the site knows: the prompts of each conversation."""

    url: str = ""
    conversations: dict[str, list[str]] = field(default_factory=dict)
    is_busy: bool = False
    is_signed_in: bool = True

    async def page(self, request: web.Request) -> web.Response:
        """Show a new chat, or a conversation."""
        known = request.match_info.get("id")
        if known is not None and known not in self.conversations:
            return web.Response(status=404)
        return web.Response(text=PAGE if self.is_signed_in else SIGN_IN, content_type="text/html")

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a prompt, in two pieces that are cut inside of a character."""
        if self.is_busy:
            return web.Response(status=429)
        body = await request.json()
        prompts = self.conversations.setdefault(body["conversation"], [])
        prompts.append(body["prompt"])
        response = web.StreamResponse(headers={"x-message": str(len(prompts))})
        response.content_type = "text/plain"
        await response.prepare(request)
        answer = f"You said — {body['prompt']}".encode()
        await response.write(answer[:10])
        await response.write(answer[10:])
        return response


@asynccontextmanager
async def echo_site() -> AsyncGenerator[EchoSite]:
    """Run the site on a free port of this machine."""
    site, app = EchoSite(), web.Application()
    app.router.add_get("/", site.page)
    app.router.add_get("/c/{id}", site.page)
    app.router.add_post("/api/chat", site.chat)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield site
    finally:
        await runner.cleanup()

"""`bridge demo`: the bridge on the built-in demo site."""

from __future__ import annotations

from typing import Annotated

import typer

from bridge.cli.options import console, flag, given_only, load, run


def demo(
    context: typer.Context,
    once: Annotated[bool, flag("--once", help="Show one chat, then exit.")] = False,
    site: Annotated[str, typer.Option(help="Site to imitate: deepseek, kimi, qwen, ...")] = "deepseek",
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Try the bridge on a built-in chat site; no account needed."""
    from bridge.cli.demo_tour import run_demo

    run(run_demo(load(context, server=given_only(port=port)), console, port, site, once=once))

"""The proof of work is the real one, in the site and in the page."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import bridge.demo.pow
from bridge.demo.pow import Challenge, Challenges, deepseek_hash

VECTORS = {
    "": "e594808bc5b7151ac160c6d39a02e0a8e261ed588578403099e3561dc40c26b3",
    "testsalt_1700000000_42": "d4a2ea58c89e40887c933484868380c6f803eaa8dc53a3b9df8e431b921a4f09",
    "testsalt_1700000000_100000": "abea2f35796b65486e9be1b36f7878c66cab021e96faa473fdf4decd31f9ba30",
    "abc123salt_1700000000_12345": "74b3b7452745b70e85eb32ee7f0a9ec0381d42dd5137b695da915e104fc390e1",
}
RECORDED = Challenge(
    challenge="48b8ca19d8015666f108b66d01d647269db9ab5d69d60fcd07ddbaa5b9c391e6",
    salt="ca4cac59aed9c714506b",
    signature="0" * 64,
    difficulty=144_000,
    expire_at=1787047163088,
    expire_after=300_000,
    target_path="/api/v0/chat/completion",
)
PATH, SCRIPT = "/api/v0/chat/completion", Path(bridge.demo.pow.__file__).parent / "static" / "deepseek_hash.js"


@pytest.mark.parametrize(("text", "digest"), VECTORS.items())
def test_the_site_computes_the_known_digests(text: str, digest: str) -> None:
    assert deepseek_hash(text.encode()) == digest


def test_the_site_accepts_the_recorded_solution_and_no_other() -> None:
    assert RECORDED.solved_by(32012)
    assert not RECORDED.solved_by(32011)
    assert not RECORDED.solved_by("32012")


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("node") is None, reason="node runs the page's script")
def test_the_page_computes_the_known_digests_and_finds_the_recorded_solution() -> None:
    module = "data:text/javascript;base64," + base64.b64encode(SCRIPT.read_bytes()).decode()
    work = json.dumps({"texts": [*VECTORS, "x" * 136, "é" * 200], "challenge": asdict(RECORDED)})
    program = f"""
        const {{ deepseekHash, solve }} = await import({json.dumps(module)});
        const {{ texts, challenge }} = {work};
        console.log(JSON.stringify([texts.map(deepseekHash), solve(challenge)]));
    """
    ran = subprocess.run(
        ["node", "--input-type=module", "-e", program], capture_output=True, text=True, timeout=30, check=True
    )
    digests, answer = json.loads(ran.stdout)
    assert digests == [*VECTORS.values(), deepseek_hash(b"x" * 136), deepseek_hash("é".encode() * 200)]
    assert answer == 32012


def _header(challenge: Challenge, **changes: object) -> str:
    answer = next(n for n in range(challenge.difficulty) if challenge.solved_by(n))
    fields = {k: v for k, v in asdict(challenge).items() if k in ("algorithm", "challenge", "salt", "signature")}
    return _encode({**fields, "answer": answer, "target_path": challenge.target_path, **changes})


def _encode(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def test_a_proof_counts_once() -> None:
    challenges = Challenges(difficulty=20, ttl=60)
    header = _header(challenges.issue("alice", PATH))
    assert challenges.accept("alice", PATH, header)
    assert not challenges.accept("alice", PATH, header)


@pytest.mark.parametrize("change", [{"answer": 99}, {"salt": "00"}, {"signature": "00"}, {"target_path": "/other"}])
def test_a_changed_proof_is_refused(change: dict[str, object]) -> None:
    challenges = Challenges(difficulty=20, ttl=60)
    assert not challenges.accept("alice", PATH, _header(challenges.issue("alice", PATH), **change))


def test_a_proof_of_somebody_else_or_for_another_path_is_refused() -> None:
    challenges = Challenges(difficulty=20, ttl=60)
    assert not challenges.accept("bob", PATH, _header(challenges.issue("alice", PATH)))
    assert not challenges.accept("alice", "/other", _header(challenges.issue("alice", PATH)))


def test_an_expired_proof_is_refused() -> None:
    challenges = Challenges(difficulty=20, ttl=-1)
    assert not challenges.accept("alice", PATH, _header(challenges.issue("alice", PATH)))


@pytest.mark.parametrize("header", ["", "%%%", _encode([1]), _encode({"signature": []})])
def test_a_header_that_is_no_proof_is_refused(header: str) -> None:
    assert not Challenges(difficulty=20, ttl=60).accept("alice", PATH, header)


def test_a_solution_outside_the_difficulty_is_refused() -> None:
    assert not replace(RECORDED, difficulty=32012).solved_by(32012)

"""Which node should have which account: evenly, the same for all who compute it, and with few moves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cluster.placement import Place, misplaced, ranking, targets, wait_of

ACCOUNTS = [f"account{number}" for number in range(200)]
PLACES = [Place(f"node{number}", 40) for number in range(10)]


@pytest.mark.parametrize(
    ("accounts", "nodes", "most"), [(2, 2, 1), (3, 3, 1), (4, 3, 2), (5, 3, 2), (10, 3, 4), (200, 10, 25)]
)
def test_no_node_has_much_more_than_its_share(accounts: int, nodes: int, most: int) -> None:
    counts = Counter(targets(ACCOUNTS[:accounts], PLACES[:nodes]).values())
    assert sum(counts.values()) == accounts
    assert max(counts.values()) <= most


def test_a_node_of_twice_the_capacity_gets_twice_as_many() -> None:
    counts = Counter(targets(ACCOUNTS, [Place("large", 200), Place("small", 100)]).values())
    assert counts["large"] == pytest.approx(2 * counts["small"], rel=0.4)


@given(st.permutations(PLACES), st.permutations(ACCOUNTS[:40]))
def test_all_nodes_compute_the_same_in_whatever_order_they_see_the_others(
    places: list[Place], names: list[str]
) -> None:
    held = [replace(place, held=frozenset(names[:number])) for number, place in enumerate(places)]
    assert targets(names, held) == targets(ACCOUNTS[:40], PLACES)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(0, 120))
def test_every_account_has_a_place_as_long_as_there_is_room(capacities: list[int], number: int) -> None:
    names = [f"account{one}" for one in range(number)]
    places = [Place(f"node{one}", capacity) for one, capacity in enumerate(capacities)]
    found = targets(names, places)
    assert len(found) == min(number, sum(capacities))
    assert all(count <= capacities[int(node[4:])] for node, count in Counter(found.values()).items())


def test_few_accounts_move_when_a_node_leaves_or_joins() -> None:
    before = targets(ACCOUNTS, PLACES)
    fewer, more = targets(ACCOUNTS, PLACES[1:]), targets(ACCOUNTS, [*PLACES, Place("new", 40)])
    own = sum(node == "node0" for node in before.values())
    assert sum(before[name] != fewer[name] for name in ACCOUNTS) <= 2 * own
    assert sum(before[name] != more[name] for name in ACCOUNTS) <= 2 * len(ACCOUNTS) / len(PLACES)


def test_accounts_that_cannot_move_take_of_the_capacity_of_their_node() -> None:
    full = Place("full", 3, held=frozenset({"bound0", "bound1", "bound2"}))
    assert set(targets(ACCOUNTS[:4], [full, Place("free", 10)]).values()) == {"free"}


def test_a_node_that_drains_gets_none_and_gives_back_all() -> None:
    places = [replace(PLACES[0], is_draining=True, held=frozenset(ACCOUNTS[:3])), *PLACES[1:]]
    assert "node0" not in targets(ACCOUNTS, places).values()
    assert misplaced(places[0], targets(ACCOUNTS, places), places) == sorted(ACCOUNTS[:3])
    assert targets(ACCOUNTS, [places[0]]) == {}


def test_an_account_that_cannot_be_opened_on_a_node_should_be_on_another_one_and_stay_there() -> None:
    name = ACCOUNTS[0]
    first = targets([name], PLACES)[name]
    places = [replace(place, unfit=frozenset({name})) if place.node == first else place for place in PLACES]
    second = targets([name], places)[name]
    assert second != first
    assert first not in ranking(name, second, places)
    holder = replace(next(place for place in places if place.node == second), held=frozenset({name}))
    assert misplaced(holder, targets([name], places), places) == []


def test_its_target_takes_a_free_account_at_once_and_the_others_wait_in_their_order() -> None:
    name = ACCOUNTS[0]
    target = targets([name], PLACES)[name]
    ranked = ranking(name, target, PLACES)
    assert ranked[0] == target
    assert [wait_of(node, ranked) for node in ranked] == [0.0, 1.0, 2.0, *[3.0] * 7]
    full = [replace(place, held=frozenset(ACCOUNTS[1:41])) if place.node == target else place for place in PLACES]
    assert wait_of(target, ranking(name, target, full)) is None


def test_what_is_where_it_should_be_does_not_move() -> None:
    found = targets(ACCOUNTS, PLACES)
    places = [
        replace(place, held=frozenset(name for name, node in found.items() if node == place.node)) for place in PLACES
    ]
    assert [misplaced(place, targets(ACCOUNTS, places), places) for place in places] == [[]] * len(places)


def test_what_its_target_has_no_room_for_stays_where_it_is() -> None:
    accounts = ACCOUNTS[:4]
    wanted = {accounts[0]: "two", accounts[1]: "two", accounts[2]: "one", accounts[3]: "one"}
    one, two = Place("one", 2, frozenset(accounts[:2])), Place("two", 2, frozenset(accounts[2:]))
    assert misplaced(one, wanted, [one, two]) == misplaced(two, wanted, [one, two]) == []
    roomy = replace(two, capacity=3)
    assert misplaced(one, wanted, [one, roomy]) == [accounts[0]]
    assert misplaced(one, wanted, [one, replace(roomy, is_draining=True)]) == []

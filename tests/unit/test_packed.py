"""Ids and texts in one piece of memory: they come out as they went in, and are found again."""

import copy
import pickle
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from der_core.packed import Ids, Places, Texts

ZEROS, ONES = UUID(int=0), UUID(int=2**128 - 1)
SOME = [UUID(int=number) for number in (7, 2**64, 2**64 + 7, 2**127)]

# Such that high halves, low halves and places in the table meet.
CLOSE = st.builds(lambda high, low: UUID(int=high << 64 | low), st.integers(0, 3), st.integers(0, 3))
IDS = st.lists(st.sampled_from([ZEROS, ONES]) | CLOSE | st.uuids(), unique=True, max_size=30)


@given(IDS)
def test_ids_come_out_as_they_went_in(ids: list[UUID]) -> None:
    packed = Ids.of(ids)
    assert [*packed] == ids
    assert [packed[place] for place in range(len(packed))] == ids
    assert packed[1:-1] == tuple(ids[1:-1])
    assert [*packed.at(range(len(ids) - 1, -1, -1))] == ids[::-1]
    assert [UUID(bytes=each) for each in packed.each()] == ids
    assert len(packed.packed) == 16 * len(ids)


@given(st.uuids())
def test_an_id_that_comes_out_is_a_uuid_like_any_other(asset_id: UUID) -> None:
    (made,) = Ids.of([asset_id])
    assert (made, hash(made), str(made), made.is_safe) == (
        asset_id,
        hash(asset_id),
        str(asset_id),
        asset_id.is_safe,
    )
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == asset_id  # noqa: S301 - our own


@given(IDS, IDS)
def test_ids_are_the_same_only_in_the_same_order(one: list[UUID], other: list[UUID]) -> None:
    assert (Ids.of(one) == Ids.of(other)) == (one == other)
    assert len({Ids.of(one), Ids.of(one), Ids.of(other)}) == 1 + (one != other)


@given(IDS, IDS)
def test_an_id_is_found_where_it_is_and_only_there(ids: list[UUID], others: list[UUID]) -> None:
    packed = Ids.of(ids)
    places = Places(packed)
    expected = {asset_id: place for place, asset_id in enumerate(ids)}
    assert dict(places) == expected
    for asset_id in [*others, ZEROS, ONES, *SOME]:
        assert places.get(asset_id) == expected.get(asset_id)
        assert (asset_id in places) == (asset_id in packed) == (asset_id in expected)


@pytest.mark.parametrize("sites", [1, 4])
def test_ids_that_count_up_do_not_stand_in_each_others_way(sites: int) -> None:
    first = [2**100 + site * 7_001 for site in range(sites)]  # twice as many places and one, but for one site
    ids = Ids.of(
        UUID(int=number) for number in sorted({each + step for each in first for step in range(1_000)})
    )
    places = Places(ids)
    table = [*places._table]
    rows = "".join("-" if place < 0 else "x" for place in table).split("-")
    assert sum(place >= 0 for place in table) == len(ids)
    assert max(map(len, rows)) < 100


def test_what_is_no_id_of_them_is_not_among_them() -> None:
    packed = Ids.of(SOME)
    assert str(SOME[0]) not in packed
    assert UUID(bytes=packed.packed[8:24]) not in packed  # there, but across two of them
    with pytest.raises(KeyError):
        Places(packed)[ONES]
    with pytest.raises(IndexError):
        packed[4]


@given(IDS)
def test_ids_as_texts_are_in_their_canonical_form(ids: list[UUID]) -> None:
    assert Ids.of(ids).texts() == [str(each) for each in ids]


@given(IDS)
def test_ids_are_written_as_their_texts(ids: list[UUID]) -> None:
    assert Ids.of(ids).written_as(Ids.of(ids).texts())


CHANGES: list[Callable[[list[str]], list[str]]] = [
    lambda texts: texts[:-1],
    lambda texts: [*texts, ""],
    lambda texts: [*texts, texts[0]],
    lambda texts: texts[::-1],
    lambda texts: ["\n".join(texts[:2]), *texts[2:]],
    lambda texts: ["\n".join(texts[:2]), *texts[2:], ""],
    lambda texts: [texts[0][:-1], texts[0][-1] + texts[1], *texts[2:]],
    lambda texts: [texts[0] + texts[1][0], texts[1][1:], *texts[2:]],
    lambda texts: [texts[0].upper(), *texts[1:]],
    lambda texts: [texts[0].replace("-", ""), *texts[1:]],
    lambda texts: [texts[0].replace("-", "", 1) + "-", *texts[1:]],
    lambda texts: [*texts[:-1], texts[-1].replace("-", "", 1) + "-"],
    lambda texts: [*texts[:-1], texts[-1] + "-"],
    lambda texts: [*texts[:-1], texts[-1] + "\n"],
    lambda texts: [f"{{{texts[0]}}}", *texts[1:]],
    lambda texts: [f" {texts[0]}", *texts[1:]],
    lambda texts: [f"urn:uuid:{texts[0]}", *texts[1:]],
    lambda texts: [texts[0].replace("a", "\N{FULLWIDTH LATIN SMALL LETTER A}"), *texts[1:]],
    lambda _texts: [],
]


@pytest.mark.parametrize("change", CHANGES)
def test_ids_are_not_written_in_any_other_way(change: Callable[[list[str]], list[str]]) -> None:
    ids = [UUID(f"{n}bcdefab-cdef-abcd-efab-cdefabcdefab") for n in range(3)]
    texts = [str(each) for each in ids]
    assert Ids.of(ids).written_as(texts)
    assert not Ids.of(ids).written_as(change(texts))


@given(st.data(), IDS.filter(bool))
def test_ids_are_not_written_with_another_character(data: st.DataObject, ids: list[UUID]) -> None:
    texts = [str(each) for each in ids]
    text, at = data.draw(st.integers(0, len(ids) - 1)), data.draw(st.integers(0, 35))
    character = data.draw(st.sampled_from("0af-A\n ") | st.characters())
    changed = texts[text][:at] + character + texts[text][at + data.draw(st.integers(0, 1)) :]
    assert Ids.of(ids).written_as([*texts[:text], changed, *texts[text + 1 :]]) == (changed == texts[text])


@given(st.lists(st.text(st.characters())))
def test_texts_come_out_as_they_went_in(texts: list[str]) -> None:
    packed = Texts()
    for count, text in enumerate(texts):
        assert len(packed) == count
        packed.append(text)
    assert [*packed] == texts
    assert [packed[place] for place in range(len(packed))] == packed.at(range(len(packed))) == texts

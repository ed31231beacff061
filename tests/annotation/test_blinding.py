import string

from hypothesis import given
from hypothesis import strategies as st

from annotation.blinding import pseudonym, seal, unseal

keys = st.text(string.hexdigits, min_size=8)
names = st.lists(st.text(max_size=80), max_size=3).map(tuple)


@given(keys, st.text(), names)
def test_what_is_sealed_is_found_again(key, nonce, models):
    assert unseal(key, nonce, seal(key, nonce, models)) == models


@given(keys, keys, st.text(), names)
def test_another_key_opens_nothing(key, other, nonce, models):
    if key != other:
        assert unseal(other, nonce, seal(key, nonce, models)) is None


def test_sealed_names_are_not_readable_and_differ_between_tasks():
    first, second = (seal("key", nonce, ("base", "finetune")) for nonce in ("task 1", "task 2"))
    assert first != second
    assert b"base" not in bytes.fromhex(first)
    assert unseal("key", "task 1", second) is None


def test_text_that_was_never_sealed_is_no_error():
    assert unseal("key", "task", "") is None
    assert unseal("key", "task", "not hexadecimal") is None
    assert unseal("key", "task", "00" * 40) is None


def test_a_pseudonym_is_of_the_person_and_the_key():
    assert pseudonym("key", "Ann@Example.org ") == pseudonym("key", "ann@example.org")
    assert pseudonym("key", "ann@example.org") != pseudonym("key", "bob@example.org")
    assert pseudonym("key", "ann@example.org") != pseudonym("another key", "ann@example.org")
    assert "ann" not in pseudonym("key", "ann@example.org")

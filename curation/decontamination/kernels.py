"""The inner loops over UTF-8 bytes: words, and where evaluation items stand among them. Compiled by Numba.

Every run of four words is looked up: first in a Bloom filter that fits a core's cache, then in a hash table. A hit is
laid against the item, word by word to both sides, over words that differ as long as more agree (the X-drop of BLAST,
Altschul et al. 1990). So one mechanism finds the runs of 13 words of GPT-3 and texts in which words were replaced, and
what it says of an item is true, not estimated. Matches of one item that stand close together are a *chain*; a chain
counts from `min_words` on, so that common phrases here and there never add up to an item.

A text of any length is looked at in blocks; `curation.decontamination.word_kernel` makes its words.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from curation.compilation import inlined, kernel, piece
from curation.copying import copy
from curation.decontamination.word_kernel import (
    BLOCK,
    PRIME,
    Block,
    Bytes,
    Characters,
    Hashes,
    Int32s,
    Ints,
    block_of,
    mixed,
    words,
)

SEED: Final = 4
AHEAD: Final = 1 << 11
"""Words on either side that a match at the edge of a block may still extend to."""
DROP: Final = 3
"""How far the balance of equal and different words may fall behind its best before a match ends."""
_FIELDS: Final = 11
_SEEN, _DIAGONAL, _LOOKED, _CHAIN, _CHAIN_END, _CHAINED, _CHAIN_RUN, _FIRST, _END, _FOUND, _RUN = range(_FIELDS)
"""Of each item: the text it was seen in, its last diagonal there and how far that was looked at; its chain, the word
where that ends, its words that count, its longest run and its bytes; words and longest run of all its chains."""
_32, _58 = np.uint64(32), np.uint64(58)
_1, _63 = np.uint64(1), np.uint64(63)


class Index(NamedTuple):
    """What items are found by. Item i is words[bounds[i] : bounds[i + 1]].

    weights: 1 for each word that counts. whole: 1 for items that must be there word by word. Seed s stands in the items
    post_items[starts[s] : starts[s + 1]], at those post_places. table and bloom lead from a seed's hash to its place.
    """

    words: Hashes
    bounds: Ints
    weights: Bytes
    whole: Bytes
    seeds: Hashes
    starts: Ints
    post_items: Int32s
    post_places: Int32s
    table: Int32s
    bloom: Hashes


@inlined
def seed_at(hashes: Hashes, i: int) -> np.uint64:
    """The hash of the run of four words from word i on."""
    state = mixed(hashes[i] + hashes[i + 1] * PRIME)
    state = mixed(state + hashes[i + 2] * PRIME)
    return mixed(state + hashes[i + 3] * PRIME)


@kernel
def seeds_of(item_words: Hashes, bounds: Ints, seeds: Hashes, items: Int32s, places: Int32s) -> int:
    """Write the seeds of every item with the item and the place in it; how many there are."""
    n = 0
    for item in range(len(bounds) - 1):
        for i in range(bounds[item], bounds[item + 1] - SEED + 1):
            seeds[n] = seed_at(item_words, i)
            items[n], places[n] = item, i - bounds[item]
            n += 1
    return n


@kernel
def fill_table(seeds: Hashes, table: Int32s, bloom: Hashes) -> None:
    """Put distinct seeds into an open hash table (place + 1, 0 where free) and into a Bloom filter of two bits in a word."""
    slot_mask, bloom_mask = np.uint64(len(table) - 1), np.uint64(len(bloom) - 1)
    for place in range(len(seeds)):
        seed = seeds[place]
        slot = seed & slot_mask
        while table[slot] != 0:
            slot = (slot + _1) & slot_mask
        table[slot] = place + 1
        bloom[(seed >> _32) & bloom_mask] |= (_1 << (seed & _63)) | (_1 << (seed >> _58))


@inlined
def may_be_seed(seed: np.uint64, bloom: Hashes) -> bool:
    """False for nearly all that is no seed."""
    bits = (_1 << (seed & _63)) | (_1 << (seed >> _58))
    return bool(bloom[(seed >> _32) & np.uint64(len(bloom) - 1)] & bits == bits)


@piece
def seed_place(seed: np.uint64, seeds: Hashes, table: Int32s) -> int:
    """The place of a seed among `seeds`, -1 when it is none of them."""
    slot_mask = np.uint64(len(table) - 1)
    slot = seed & slot_mask
    while table[slot] != 0:
        if seeds[table[slot] - 1] == seed:
            return int(table[slot]) - 1
        slot = (slot + _1) & slot_mask
    return -1


@piece
def reach(hashes: Hashes, i: int, n: int, item_words: Hashes, at: int, last: int, step: int) -> int:
    """How many words from (i, at) on, in direction `step`, a match extends; its last word is one that agrees."""
    length = best_length = balance = best = 0
    while 0 <= i < n and at != last and best - balance <= DROP:
        length += 1
        if hashes[i] == item_words[at]:
            balance += 1
            if balance >= best:
                best, best_length = balance, length
        else:
            balance -= 1
        i += step
        at += step
    return best_length


@piece
def longest_run(hashes: Hashes, i: int, item_words: Hashes, at: int, length: int) -> int:
    """The longest run of equal words of a match."""
    longest = run = 0
    for k in range(length):
        run = run + 1 if hashes[i + k] == item_words[at + k] else 0
        longest = max(longest, run)
    return longest


@piece
def looks_like_json(data: Bytes, start: int, stop: int) -> bool:
    """Whether a text is written as an object, or as a list of objects, of JSON without blanks."""
    if stop - start < 4 or (data[stop - 1] != 125 and data[stop - 1] != 93):
        return False
    at = start + 1 if data[start] == 91 else start
    return bool(data[at] == 123 and data[at + 1] == 34)


@piece
def added(rows: Ints, n: int, first: int, second: int, third: int, fourth: int) -> int:
    """Write a row behind n others, where there is room; how many there would be then."""
    if n < len(rows):
        rows[n, 0], rows[n, 1], rows[n, 2], rows[n, 3] = first, second, third, fourth
    return n + 1


@piece
def carry(block: Block, n: int, held: int) -> None:
    """Move the last words of a block to its front."""
    copy(block.hashes, n - held, n, block.hashes, 0)
    copy(block.firsts, n - held, n, block.firsts, 0)
    copy(block.ends, n - held, n, block.ends, 0)


class Texts(NamedTuple):
    """Texts one after the other: text i is data[offsets[i] : offsets[i + 1]]."""

    data: Bytes
    offsets: Ints


class Chaining(NamedTuple):
    """So many words may lie between two matches of a chain, and from so many of an item's words on it is one."""

    gap: int
    min_words: int


class Found(NamedTuple):
    """What was found: the number of words of each text; matches (row, item, words, longest run) and spans (row, item, first
    byte, end), by row, as many as there is room for."""

    counts: Ints
    matches: Ints
    spans: Ints


class Room(NamedTuple):
    """What a search keeps, all of it zeros at first: of each item its fields, and which were touched in this text; of each word
    of an item the chain and the text that it was last in; and how many texts, chains and touched items there were."""

    state: Ints
    touched: Ints
    in_chain: Ints
    in_text: Ints
    begun: Ints


_TEXTS, _CHAINS, _TOUCHED = range(3)


@piece
def begin_text(own: Ints, item: int, room: Room) -> None:
    """Note that an item is touched in this text, and forget what it had in earlier ones."""
    for field in range(_FIELDS):
        own[field] = 0
    own[_SEEN], own[_LOOKED] = room.begun[_TEXTS], -1
    room.touched[room.begun[_TOUCHED]] = item
    room.begun[_TOUCHED] += 1


@piece
def begin_chain(own: Ints, room: Room, first: int, end: int) -> None:
    """Begin a chain of an item with a match at these bytes."""
    room.begun[_CHAINS] += 1
    own[_CHAIN], own[_CHAINED], own[_CHAIN_RUN], own[_CHAIN_END] = room.begun[_CHAINS], 0, 0, -1
    own[_FIRST], own[_END] = first, end


@piece
def join_chain(
    own: Ints, index: Index, block: Block, i: int, at: int, length: int, run: int, last: int, in_chain: Ints
) -> None:
    """Add a match of words i… with an item's words at… to the item's chain; it ends before the text's word `last`."""
    own[_CHAIN_END], own[_CHAIN_RUN] = max(own[_CHAIN_END], last), max(own[_CHAIN_RUN], run)
    own[_FIRST] = min(own[_FIRST], block.firsts[i])
    own[_END] = max(own[_END], block.ends[i + length - 1])
    for k in range(length):
        if block.hashes[i + k] == index.words[at + k] and in_chain[at + k] != own[_CHAIN]:
            in_chain[at + k] = own[_CHAIN]
            own[_CHAINED] += index.weights[at + k]


@piece
def end_chain(own: Ints, item: int, index: Index, min_words: int, room: Room) -> bool:
    """Count the item's words that its chain holds and no earlier one of the text; False for a chain that is none."""
    if own[_CHAIN] == 0 or own[_CHAINED] < min_words:
        return False
    own[_RUN] = max(own[_RUN], own[_CHAIN_RUN])
    for at in range(index.bounds[item], index.bounds[item + 1]):
        if room.in_chain[at] == own[_CHAIN] and room.in_text[at] != own[_SEEN]:
            room.in_text[at] = own[_SEEN]
            own[_FOUND] += index.weights[at]
    return True


def room_for(index: Index) -> Room:
    """What a search for these items keeps."""
    items = len(index.bounds) - 1
    sizes = ((items, _FIELDS), (items,), index.words.shape, index.words.shape, (3,))
    return Room(*(np.zeros(size, np.int64) for size in sizes))


def found_in(texts: Texts, characters: Characters, index: Index, chaining: Chaining, counts: Ints) -> tuple[Ints, Ints]:
    """Find items in texts: matches and spans, as `Found` has them. `counts` receives the number of words of each text."""
    room, block = room_for(index), block_of(BLOCK + 2 * AHEAD)
    found = Found(counts, np.empty((1024, 4), np.int64), np.empty((1024, 4), np.int64))
    row = n_matches = n_spans = 0
    while True:
        row, n_matches, n_spans, more_matches, more_spans = search(
            texts, row, characters, index, chaining, room, block, found, n_matches, n_spans
        )
        if row == len(counts):
            return found.matches[:n_matches], found.spans[:n_spans]
        found = Found(counts, _with_room(found.matches, more_matches), _with_room(found.spans, more_spans))


def _with_room(rows: Ints, wanted: int) -> Ints:
    return rows if wanted <= len(rows) else np.concatenate([rows, np.empty((max(wanted, 2 * len(rows)), 4), np.int64)])


@kernel
def search(
    texts: Texts,
    row: int,
    characters: Characters,
    index: Index,
    chaining: Chaining,
    room: Room,
    block: Block,
    found: Found,
    n_matches: int,
    n_spans: int,
) -> tuple[int, int, int, int, int]:
    """Find items in texts from `row` on, and write what was found behind so many matches and spans. The row after the last, or
    the one for which there must be more room; the matches and spans before it; and for how many there must be room."""
    while row < len(found.counts):
        room.begun[_TEXTS] += 1
        room.begun[_TOUCHED] = 0
        all_spans = search_in(texts, row, characters, index, chaining, room, block, found, n_spans)
        all_matches, all_spans = end_text(row, index, chaining, room, found, n_matches, all_spans)
        if all_matches > len(found.matches) or all_spans > len(found.spans):
            return row, n_matches, n_spans, all_matches, all_spans
        n_matches, n_spans = all_matches, all_spans
        row += 1
    return row, n_matches, n_spans, 0, 0


@piece
def search_in(
    texts: Texts,
    row: int,
    characters: Characters,
    index: Index,
    chaining: Chaining,
    room: Room,
    block: Block,
    found: Found,
    n_spans: int,
) -> int:
    """Look for items in one text, block by block, and write the spans of chains that ended; how many spans there would be then,
    had there been room."""
    position, stop = texts.offsets[row], texts.offsets[row + 1]
    begin = position
    escaped = looks_like_json(texts.data, begin, stop)
    n = base = searched = 0
    final = False
    while not final:
        held = min(n, 2 * AHEAD)
        base += n - held
        carry(block, n, held)
        position, n = words(texts.data, position, begin, stop, escaped, characters, block, held)
        final = position >= stop
        upto = n - SEED + 1 if final else n - AHEAD
        for i in range(searched - base, upto):
            seed = seed_at(block.hashes, i)
            place = seed_place(seed, index.seeds, index.table) if may_be_seed(seed, index.bloom) else -1
            if place < 0:
                continue
            for posting in range(index.starts[place], index.starts[place + 1]):
                item = index.post_items[posting]
                at = index.bounds[item] + index.post_places[posting]
                n_spans = lay(i, n, base, item, at, row, index, chaining, room, block, found, n_spans)
        searched = max(searched, base + upto)
    found.counts[row] = base + n
    return n_spans


@piece
def lay(
    i: int,
    n: int,
    base: int,
    item: int,
    at: int,
    row: int,
    index: Index,
    chaining: Chaining,
    room: Room,
    block: Block,
    found: Found,
    n_spans: int,
) -> int:
    """Lay a block of n words, the text's from `base` on, against an item, word i to the item's word `at`, unless they lay so
    before; the match joins the item's chain, or begins one. How many spans there would be then."""
    own = room.state[item]
    if own[_SEEN] != room.begun[_TEXTS]:
        begin_text(own, item, room)
    if own[_DIAGONAL] == base + i - at and base + i + SEED <= own[_LOOKED]:
        return n_spans
    right = SEED + reach(block.hashes, i + SEED, n, index.words, at + SEED, index.bounds[item + 1], 1)
    left = reach(block.hashes, i - 1, n, index.words, at - 1, index.bounds[item] - 1, -1)
    own[_DIAGONAL], own[_LOOKED] = base + i - at, base + i + right
    run = longest_run(block.hashes, i - left, index.words, at - left, left + right)
    if index.whole[item] and run < index.bounds[item + 1] - index.bounds[item]:
        return n_spans
    if own[_CHAIN] == 0 or base + i - left > own[_CHAIN_END] + chaining.gap:
        if end_chain(own, item, index, chaining.min_words, room):
            n_spans = added(found.spans, n_spans, row, item, own[_FIRST], own[_END])
        begin_chain(own, room, block.firsts[i - left], block.ends[i + right - 1])
    join_chain(own, index, block, i - left, at - left, left + right, run, base + i + right, room.in_chain)
    return n_spans


@piece
def end_text(
    row: int, index: Index, chaining: Chaining, room: Room, found: Found, n_matches: int, n_spans: int
) -> tuple[int, int]:
    """End the chains of a text, and write what was found of each item; how many matches and spans there would be then."""
    for k in range(room.begun[_TOUCHED]):
        item = room.touched[k]
        own = room.state[item]
        if end_chain(own, item, index, chaining.min_words, room):
            n_spans = added(found.spans, n_spans, row, item, own[_FIRST], own[_END])
        if own[_FOUND] > 0:
            n_matches = added(found.matches, n_matches, row, item, own[_FOUND], own[_RUN])
    return n_matches, n_spans

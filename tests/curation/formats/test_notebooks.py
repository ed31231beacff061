"""Notebooks: words, code and printed results come out in order; broken ones say so."""

from __future__ import annotations

import json

import pytest

from curation.formats import ReadingSettings, Unreadable, read_items

BOOK = {
    "nbformat": 4,
    "metadata": {"language_info": {"name": "python"}},
    "cells": [
        {"cell_type": "markdown", "source": ["# Title\n", "Words."]},
        {
            "cell_type": "code",
            "source": "print('```')",
            "outputs": [
                {"output_type": "stream", "text": ["one\n"]},
                {"output_type": "display_data", "data": {"image/png": "aGk=", "text/plain": "<Figure>"}},
            ],
        },
    ],
}


def test_words_code_and_results_in_order():
    (item,) = read_items(json.dumps(BOOK).encode(), "a.ipynb", ReadingSettings())
    fences = ["````python\nprint('```')\n````", "```\none\n```", "```\n<Figure>\n```"]
    assert item.text == "\n\n".join(["# Title\nWords.", *fences])
    assert json.loads(item.metadata) == {"programming_language": "python"}


@pytest.mark.parametrize(
    "data", [b'{"cells": [', b"[" * 10_000, b"[1]", b'{"cells": 3}', b'{"n": ' + b"9" * 5000 + b"}"]
)
def test_broken_notebooks_say_so(data):
    with pytest.raises(Unreadable) as caught:
        list(read_items(data, "a.ipynb", ReadingSettings()))
    assert caught.value.error == "malformed notebook"
    assert caught.value.detail

"""`headwater try`: one text, each contestant's answer."""

import pytest

from evaluation.inference import GenerationSettings
from evaluation.prompts import Prompt
from evaluation.trying import Contestant, try_prompt
from tests.evaluation.lively_model import make_lively_model

SETTINGS = GenerationSettings(max_new_tokens=6, precision="float32", threads=1)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return str(make_lively_model(tmp_path_factory.mktemp("model")))


def test_each_contestant_answers_in_the_order_given(base):
    prompt = Prompt("loud", ({"role": "user", "content": "The quick brown fox: {{input}}"},), "d")
    asked = [Contestant("plain", base), Contestant("prompted", base, prompt=prompt), Contestant("again", base)]
    told = []
    found = try_prompt("def f(x): return x", asked, SETTINGS, lambda *said: told.append(said))
    assert told == [(place, 3, "models", each.name) for place, each in enumerate(asked)]
    assert [name for name, _ in found] == ["plain", "prompted", "again"]
    assert found[0][1] == found[2][1] != found[1][1]


def test_what_cannot_be_answered_is_told(base):
    with pytest.raises(ValueError, match="the text is empty"):
        try_prompt(" \n", [Contestant("a", base)], SETTINGS)
    with pytest.raises(ValueError, match="a: too long"):
        try_prompt("word " * 2000, [Contestant("a", base)], SETTINGS)

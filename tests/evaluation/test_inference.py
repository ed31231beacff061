"""Answers and likelihoods of a tiny model: what the definition says, in any batch, with every failure in its row."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal
from transformers import AutoModelForCausalLM, AutoTokenizer

from evaluation import batches as batching
from evaluation.encoding import encode, end_of_turn
from evaluation.inference import OUTPUTS, AnswerJob, GenerationSettings, answer, run
from evaluation.loading import LoadingError, load_model
from records import MESSAGES, silent
from tests.evaluation.lively_model import make_lively_model

EXACT = GenerationSettings(max_new_tokens=12, precision="float32", threads=1)
SCHEMA = dict.fromkeys(("sample_id", "purpose", "prompt", "reference", "want"), pl.String()) | {"messages": MESSAGES}
SHARED = "Write the docstring of this function. Return the number of items in the list."


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_lively_model(tmp_path_factory.mktemp("model"))


def question(name, text, reference="Return it.", want="both", prompt="plain", **more):
    messages = [{"role": "user", "content": text}]
    row = {"sample_id": name, "purpose": "test", "prompt": prompt, "reference": reference, "want": want}
    return row | {"messages": messages} | more


QUESTIONS = [
    question(
        f"s{n}", f"{SHARED}\n\n" + "def f(x):\n    return x\n" * (n % 4) + str(n), "Return the number " * (n % 3) + "7"
    )
    for n in range(11)
]


def ask(base, tmp_path, rows, settings=EXACT, adapter=None, progress=silent):
    samples, out = tmp_path / "samples.parquet", tmp_path / "out.parquet"
    pl.DataFrame(rows, schema=SCHEMA).write_parquet(samples)
    job = AnswerJob(str(base), None if adapter is None else str(adapter), str(samples), str(out), settings)
    facts = run(job, progress)
    json.dumps([facts, asdict(job)])
    table = pl.read_parquet(out)
    assert dict(table.schema) == OUTPUTS
    assert not Path(f"{out}.partial").exists()
    return table


def by_name(table):
    return {row["sample_id"]: row for row in table.iter_rows(named=True)}


def prompt_of(row, tokenizer):
    return tokenizer.apply_chat_template(
        row["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=False
    )


def plain_nll(base, row):
    """The definition, with nothing clever: one forward pass over prompt and reference."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(base).eval(), AutoTokenizer.from_pretrained(base)
    prompt, reference = prompt_of(row, tokenizer), tokenizer(row["reference"], return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        scores = model(torch.cat([prompt, reference], dim=1)).logits.log_softmax(-1)[0]
    start = prompt.shape[1] - 1
    ids = [*reference[0].tolist(), tokenizer.eos_token_id]
    losses = [-scores[start + place, token].item() for place, token in enumerate(ids)]
    return sum(losses[:-1]), losses[-1], len(losses) - 1


def test_likelihood_is_what_its_definition_says(base, tmp_path):
    found = by_name(ask(base, tmp_path, QUESTIONS))
    for row in QUESTIONS:
        nll, end_nll, tokens = plain_nll(base, row)
        got = found[row["sample_id"]]
        assert got["tokens"] == tokens
        assert got["nll"] == pytest.approx(nll, abs=1e-3)
        assert got["end_nll"] == pytest.approx(end_nll, abs=1e-3)
        assert got["reference_bytes"] == len(row["reference"].encode())


def test_greedy_answers_are_those_of_transformers(base, tmp_path):
    model, tokenizer = AutoModelForCausalLM.from_pretrained(base).eval(), AutoTokenizer.from_pretrained(base)
    found = by_name(ask(base, tmp_path, QUESTIONS))
    for row in QUESTIONS:
        prompt = prompt_of(row, tokenizer)
        whole = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False)
        expected = tokenizer.decode(whole[0, prompt.shape[1] :], skip_special_tokens=True).strip()
        assert found[row["sample_id"]]["output"] == expected
    assert len({row["output"] for row in found.values()}) == len(QUESTIONS)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch_rows": 1},
        {"batch_rows": 3},
        {"batch_tokens": 1},
        {"share_prefix": False},
        {"batch_rows": 1, "share_prefix": False},
    ],
)
@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_no_batch_changes_an_answer_or_a_likelihood(base, tmp_path, changes, temperature):
    settings = replace(EXACT, temperature=temperature)
    usual, other = (
        ask(base, tmp_path, QUESTIONS, settings),
        ask(base, tmp_path, QUESTIONS, replace(settings, **changes)),
    )
    assert_frame_equal(usual.drop("seconds"), other.drop("seconds"), abs_tol=1e-3)


def test_long_rows_take_another_attention_and_the_same_answer(base, tmp_path, monkeypatch):
    usual = ask(base, tmp_path, QUESTIONS)
    monkeypatch.setattr(batching, "EAGER_LENGTH", 0)
    assert_frame_equal(usual.drop("seconds"), ask(base, tmp_path, QUESTIONS).drop("seconds"), abs_tol=1e-3)


def test_the_order_of_samples_changes_nothing_at_all(base, tmp_path):
    usual, other = ask(base, tmp_path, QUESTIONS), ask(base, tmp_path, QUESTIONS[::-1])
    assert usual.drop("seconds").equals(other.drop("seconds"))


def test_draws_follow_the_seed(base, tmp_path):
    hot = replace(EXACT, temperature=1.5)
    first = ask(base, tmp_path, QUESTIONS, hot)["output"]
    assert first.equals(ask(base, tmp_path, QUESTIONS, hot)["output"])
    assert not first.equals(ask(base, tmp_path, QUESTIONS, replace(hot, seed=1))["output"])


def test_each_row_gets_what_it_wants(base, tmp_path):
    rows = [question(want, SHARED + want, want=want) for want in ("generate", "likelihood", "both")]
    found = by_name(ask(base, tmp_path, rows))
    have = {name: (row["output"] is not None, row["nll"] is not None) for name, row in found.items()}
    assert have == {"generate": (True, False), "likelihood": (False, True), "both": (True, True)}
    assert all(row["error"] is None and row["seconds"] > 0 for row in found.values())


def test_a_sample_that_cannot_be_asked_fails_alone(base, tmp_path):
    rows = [
        question("fine", SHARED),
        question("long", "word " * 2000),
        question("no reference", SHARED + "!", reference=None),
        question("empty reference", SHARED + "?", reference="", want="likelihood"),
        question("unreferenced answer", SHARED, reference=None, want="generate"),
    ]
    seen = []
    found = by_name(ask(base, tmp_path, rows, progress=lambda done, total=None, unit="": seen.append((done, total))))
    assert found["long"]["error"] == "too long: prompt and answer exceed the context of 1024 tokens"
    for name in ("no reference", "empty reference"):
        assert "no reference" in found[name]["error"]
        assert (found[name]["output"], found[name]["nll"]) == (None, None)
    assert found["fine"]["error"] is None
    assert found["unreferenced answer"]["output"] is not None
    assert seen[-1] == (2, 2)


def test_a_shorter_context_can_be_set(base, tmp_path):
    found = ask(base, tmp_path, [question("a", SHARED)], replace(EXACT, context=20))
    assert "20 tokens" in found["error"].item()


def test_a_model_that_gives_no_numbers_is_an_error_in_each_row(base, tmp_path):
    broken = AutoModelForCausalLM.from_pretrained(base)
    broken.model.norm.weight.data.fill_(math.nan)
    broken.save_pretrained(tmp_path / "broken")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "broken")
    rows = [question(want, SHARED, want=want) for want in ("generate", "likelihood", "both")]
    table = ask(tmp_path / "broken", tmp_path, rows)
    assert table["error"].str.contains("finite").all()
    assert table.select("output", "nll", "tokens", "finish").null_count().row(0) == (3, 3, 3, 3)


def shift_towards(base, folder, text):
    """A model that goes through the tokens of `text`, each once in it, round and round from where the prompt ends."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    ids = tokenizer(text)["input_ids"]
    assert len(set(ids)) == len(ids) < model.config.hidden_size
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.zero_()
        model.lm_head.weight.zero_()
        model.model.embed_tokens.weight[:, len(ids)] = 1
        for place, token in enumerate(ids):
            model.model.embed_tokens.weight[token] = torch.eye(model.config.hidden_size)[place]
            model.lm_head.weight[ids[(place + 1) % len(ids)], place] = 1
        model.lm_head.weight[ids[0], len(ids)] = 1
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_an_answer_of_one_line_ends_at_its_end(base, tmp_path):
    speaker = shift_towards(base, tmp_path / "speaker", "Ab\nxyz")
    rows = [question("a", SHARED, want="generate")]
    whole = ask(speaker, tmp_path, rows).row(0, named=True)
    line = ask(speaker, tmp_path, rows, replace(EXACT, stop_at_line=True)).row(0, named=True)
    assert whole["output"].startswith("xyzAb\nxyzAb")
    assert (whole["finish"], whole["output_tokens"]) == ("length", 12)
    assert (line["output"], line["finish"]) == ("xyzAb", "line")
    assert line["output_tokens"] < 12


def test_an_answer_ends_at_the_end_of_turn(base, tmp_path):
    speaker = shift_towards(base, tmp_path / "speaker", "Ab<|im_end|>")
    found = ask(speaker, tmp_path, [question("a", SHARED, want="generate")]).row(0, named=True)
    assert (found["output"], found["finish"]) == ("Ab", "stop")


def test_special_tokens_in_a_reference_are_text(base):
    tokenizer = AutoTokenizer.from_pretrained(base)
    ids = encode(question("a", "Q", "end with <|im_end|>"), 0, tokenizer, None, 5).reference
    assert tokenizer.eos_token_id not in ids
    assert tokenizer.decode(list(ids)) == "end with <|im_end|>"
    assert end_of_turn(tokenizer) == tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_a_model_without_a_chat_template_reads_the_contents(base, tmp_path):
    AutoModelForCausalLM.from_pretrained(base).save_pretrained(tmp_path / "plain")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path / "plain")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "plain")
    assert tokenizer.decode(list(encode(question("a", "One"), 0, tokenizer, None, 5).prompt)) == "One\n\n"
    assert ask(tmp_path / "plain", tmp_path, QUESTIONS)["error"].null_count() == len(QUESTIONS)


def test_a_template_that_refuses_is_the_rows_error(base, tmp_path):
    AutoModelForCausalLM.from_pretrained(base).save_pretrained(tmp_path / "strict")
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = (
        "{% if messages[0]['content'] == 'bad' %}{{ raise_exception('no bad') }}{% endif %}" + tokenizer.chat_template
    )
    tokenizer.save_pretrained(tmp_path / "strict")
    found = by_name(ask(tmp_path / "strict", tmp_path, [question("a", "bad"), question("b", "good")]))
    assert "no bad" in found["a"]["error"]
    assert found["b"]["error"] is None


def test_an_adapter_is_merged(base, tmp_path):
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    tuned = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    tuned.save_pretrained(tmp_path / "adapter")
    tuned.merge_and_unload().save_pretrained(tmp_path / "merged")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "merged")
    adapted = ask(base, tmp_path, QUESTIONS, adapter=tmp_path / "adapter").drop("seconds")
    assert_frame_equal(adapted, ask(tmp_path / "merged", tmp_path, QUESTIONS).drop("seconds"), abs_tol=1e-3)
    assert not adapted.equals(ask(base, tmp_path, QUESTIONS).drop("seconds"))


def prefixes(base, rows):
    loaded = load_model(str(base), None, "float32", threads=1)
    questions = [encode(row, place, loaded.tokenizer, None, 5) for place, row in enumerate(rows)]
    with torch.inference_mode():
        made = list(batching.batches(questions, loaded, rows=4, tokens=10_000, share_prefix=True))
    assert sorted(q.place for batch in made for q in batch.questions) == list(range(len(rows)))
    return {q.name.split()[0]: batch.prefix.length for batch in made for q in batch.questions}


def test_few_shot_questions_share_their_examples_and_others_what_they_have(base):
    few = [question(f"few{n}", f"{'def add(first, second): ' * 5} {n}") for n in range(20)]
    other = [question(f"other{n}", f"Guess {n}") for n in range(5)]
    found = prefixes(base, few + other)
    assert found["few0"] > found["other0"]
    assert len({found[f"few{n}"] for n in range(20)}) == 1


def test_one_question_alone_and_equal_questions_are_asked(base, tmp_path):
    assert ask(base, tmp_path, [question("a", SHARED)])["error"].null_count() == 1
    same = ask(base, tmp_path, [question(f"s{n}", SHARED) for n in range(9)])
    assert same["output"].n_unique() == 1
    assert ask(base, tmp_path, []).is_empty()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([question("a", "x", want="everything")], "want: 'everything' is none of"),
        ([question("a", "x"), question("a", "y")], "stands twice"),
    ],
)
def test_a_wrong_samples_file_is_told(base, tmp_path, rows, told):
    with pytest.raises(ValueError, match=told):
        ask(base, tmp_path, rows)


def test_a_missing_column_is_named(base, tmp_path):
    pl.DataFrame({"sample_id": ["a"]}).write_parquet(tmp_path / "samples.parquet")
    with pytest.raises(ValueError, match="no column purpose, messages"):
        run(AnswerJob(str(base), None, str(tmp_path / "samples.parquet"), str(tmp_path / "out.parquet"), EXACT), silent)


def test_a_folder_that_is_no_model_is_told(base, tmp_path):
    with pytest.raises(LoadingError, match=r"base .*nowhere: no config.json"):
        load_model(str(tmp_path / "nowhere"))
    with pytest.raises(LoadingError, match=r"adapter .*: no adapter_config.json"):
        load_model(str(base), str(base))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(LoadingError, match="cannot load it"):
        load_model(str(tmp_path))


@pytest.mark.parametrize("wrong", [{"batch_rows": 0}, {"max_new_tokens": 0}, {"temperature": -1.0}, {"context": -1}])
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValueError, match=r"must be at least 1|cannot be negative"):
        GenerationSettings(**wrong)


def test_options_are_weighed_where_the_answer_begins(base, tmp_path):
    """The definition: -ln p of each letter right after the prompt."""
    rows = [question(f"s{n}", f"{n}: which?\nA) x\nB) y\nC) z", want="generate") for n in range(3)]
    table = pl.DataFrame(rows, schema=SCHEMA).with_columns(options=pl.Series([3, 0, 3]))
    found = answer(load_model(str(base), precision="float32"), table, EXACT, silent)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(base).eval(), AutoTokenizer.from_pretrained(base)
    for place in (0, 2):
        with torch.inference_mode():
            surprises = -model(prompt_of(rows[place], tokenizer)).logits[0, -1].log_softmax(-1)
        expected = [surprises[tokenizer(letter)["input_ids"][0]].item() for letter in "ABC"]
        assert found["option_nll"][place].to_list() == pytest.approx(expected, abs=1e-3)
    assert found["option_nll"][1] is None


def test_what_was_answered_before_a_death_lies_in_parts(base, tmp_path):
    named = pl.DataFrame(QUESTIONS, schema=SCHEMA).with_columns(asked=pl.col("sample_id"))
    samples, out, parts = tmp_path / "samples.parquet", tmp_path / "out.parquet", tmp_path / "parts"
    named.write_parquet(samples)
    job = AnswerJob(str(base), None, str(samples), str(out), replace(EXACT, batch_rows=4), str(parts))

    def dies(done, total=None, unit="rows", beside=""):
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job, dies)
    assert not out.exists()
    left = pl.concat([pl.read_parquet(path) for path in parts.glob("*.parquet")])
    assert 8 <= left.height < len(QUESTIONS)
    run(job, silent)
    whole = pl.read_parquet(out).join(left.select("sample_id"), on="sample_id", how="semi")
    assert_frame_equal(whole.sort("sample_id").drop("seconds"), left.sort("sample_id").drop("asked", "seconds"))


def test_quantised_weights_answer_nearly_as_the_others(base, tmp_path):
    whole, small = ask(base, tmp_path, QUESTIONS), ask(base, tmp_path, QUESTIONS, replace(EXACT, precision="int8"))
    assert small["error"].null_count() == len(QUESTIONS)
    nearness = ((small["nll"] - whole["nll"]) / whole["tokens"]).abs()
    assert 0 < nearness.max() < 1.0, "it is another model, and not far away"

"""datatrove's filters of Gopher (quality, repetition), C4 and FineWeb, with their defaults.

    datatrove_run.py CORPUS ANSWER spacy|space|same chain|each|amended

`chain`: one after the other, a dropped document goes no further, as its pipelines have it. `each`: every filter on every
document, and its reason, for the comparison of decisions. `amended`: those, and the reasons under each of the amendments
below alone, which are what its code would have to do to be as Headwater. Words are those of its own tokenizer (spaCy), what white space parts, or ours.
"""

import contextlib
import re
import sys
from itertools import accumulate
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    c4_filters,
    gopher_quality_filter,
    gopher_repetition_filter,
)
from datatrove.utils.word_tokenizers import WordTokenizer

from tests.curation.plain_words import QUOTES, TERMINALS, WIDE, piece_length, sentences_of, words_of

FILTERS = (GopherQualityFilter, GopherRepetitionFilter, C4QualityFilter, FineWebQualityFilter)
SCHEMA = pa.schema(
    {
        "doc_id": pa.string(),
        "reasons": pa.list_(pa.string()),
        "amended": pa.list_(pa.struct({"amendment": pa.string(), "reasons": pa.list_(pa.string())})),
    }
)
FIRST_UNSPACED = "\u0e00"


class Spaces(WordTokenizer):
    """Words are what white space parts."""

    def word_tokenize(self, text):
        return text.split()

    def sent_tokenize(self, text):
        return sentences_of(text)

    def span_tokenize(self, text):
        ends = list(accumulate(map(len, sentences_of(text))))
        return list(zip([0, *ends], ends, strict=False))


class Same(Spaces):
    """Words as Headwater has them."""

    def word_tokenize(self, text):
        return text.split() if max(text, default="") < FIRST_UNSPACED else words_of(text)


class NoLettersOrDigits:
    """The set of all characters that are neither."""

    def __contains__(self, char):
        return not char.isalnum()


def apart(words, n):
    """datatrove's find_all_duplicate, with a separator between the words of an n-gram."""
    seen, repeated, at = set(), 0, 0
    while at < len(words) - n + 1:
        run = tuple(words[at : at + n])
        if run in seen:
            repeated += sum(map(len, run))
            at += n
        else:
            seen.add(run)
            at += 1
    return repeated


def lowered(text, language):
    return ["".join(char.lower() if char.isascii() else char for char in word) for word in language.word_tokenize(text)]


class AtTheEnd:
    """Citations at a line's end alone."""

    pattern = re.compile(r"(\[\d*]|\[edit]|\[citation needed])+$")

    def sub(self, new, line):
        return self.pattern.sub(new, line)


class Full:
    """Paragraphs that hold more than white space."""

    def split(self, text):
        return [paragraph for paragraph in re.split(r"\n{2,}", text) if paragraph.strip()]


class Unstripped:
    """Paragraphs of the text as it stands, and not of what is left when white space at its ends is stripped."""

    def __init__(self, text):
        self.text = text

    def split(self, stripped):
        return Full().split(self.text.strip("\n"))


def of_pieces(text):
    """Whether most words are pieces, of scripts without spaces."""
    words = words_of(text)
    return 2 * sum(piece_length(word[0]) > 0 for word in words) > len(words)


def amendments(text, filters):
    """What datatrove's code would have to do to be as Headwater: patches, or another text."""
    of_quality, of_repetition, of_lines, _ = filters
    ends = mock.patch.object(c4_filters, "END_PUNCTUATION", tuple(TERMINALS + WIDE + QUOTES))
    patches = {
        "runs of words are told apart by their words (theirs are joined without a separator)": [
            mock.patch.object(gopher_repetition_filter, "find_all_duplicate", apart)
        ],
        "stop words count in any case (theirs in lower case alone)": [
            mock.patch.object(gopher_quality_filter, "split_into_words", lowered)
        ],
        "a word has a letter or a digit (theirs: a sign that is not in a list)": [
            mock.patch.object(gopher_quality_filter, "PUNCTUATION_SET", NoLettersOrDigits())
        ],
        "marks that end sentences are Unicode's (theirs are five of ASCII)": [ends],
        "citations count at a line's end alone": [mock.patch.object(c4_filters, "CITATION_REGEX", AtTheEnd())],
        "a paragraph is more than white space": [mock.patch.object(of_repetition, "paragraph_exp", Full())],
        "white space at a text's ends is part of it (theirs is stripped first)": [
            mock.patch.object(of_repetition, "paragraph_exp", Unstripped(text))
        ],
        "a line's words are pieces too, in scripts without spaces": [
            ends,
            mock.patch.object(of_lines, "min_words_per_line", -1),
        ],
    }
    if of_pieces(text):
        limits = ("min_avg_word_length", "max_avg_word_length", "max_non_alpha_words_ratio", "min_stop_words")
        patches["no limits on words themselves in scripts without spaces"] = [
            mock.patch.object(of_quality, limit, None) for limit in limits
        ]
    yield from ((name, text, each) for name, each in patches.items())
    yield "white space at a line's end is no part of it", "\n".join(line.rstrip() for line in text.split("\n")), []
    yield "line feeds at a text's ends part no lines", text.strip("\n"), []
    yield "lines end where Unicode ends them (theirs at line feeds)", "\n".join(text.splitlines()), []


def reasons(filters, text):
    """Why each filter drops the text; "" where it does not."""
    said = [each.filter(Document(text=text, id="")) for each in filters]
    return [each[1] if isinstance(each, tuple) else "" for each in said]


def amended(filters, text):
    """The reasons under each amendment alone, and under all together."""
    each = list(amendments(text, filters))
    together = "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
    patches_of_all = {id(patch): patch for _, _, patches in each for patch in patches}
    every = ("several of these together", together, list(patches_of_all.values()))
    for name, changed, patches in (*each, every):
        with contextlib.ExitStack() as stack:
            for patch in patches:
                stack.enter_context(patch)
            yield {"amendment": name, "reasons": reasons(filters, changed)}


def main(corpus, answer, words, mode):
    tokenizer = {"spacy": "eng", "space": Spaces("en"), "same": Same("en")}[words]
    filters = [each(language=tokenizer) for each in FILTERS]
    table = pq.read_table(corpus)
    ids, texts = table["content_digest"].to_pylist(), table["text"].to_pylist()
    if mode == "chain":
        stream = (Document(text=text, id=name) for name, text in zip(ids, texts, strict=True))
        for each in filters:
            stream = each.run(stream)
        pq.write_table(pa.table({"doc_id": [document.id for document in stream]}), answer)
        return
    said = [list(amended(filters, text)) if mode == "amended" else [] for text in texts]
    pq.write_table(pa.table([ids, [reasons(filters, text) for text in texts], said], schema=SCHEMA), answer)


if __name__ == "__main__":
    main(*sys.argv[1:])

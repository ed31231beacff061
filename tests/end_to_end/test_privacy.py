"""Privacy switched on: placeholders in the corpus, books that balance, values nowhere but in what was read."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import polars as pl
import pytest

from curation.privacy import PERSONAL_DATA
from pipelines.workspace import Workspace
from tests.end_to_end.workspaces import build, computed, edit, heads, headwater

PASSWORD, ADDRESS, NUMBER = "tr0ub4dor&3x", "ann.lee@mail.example.org", "+49 30 1234567"
LETTER = f"Dear Bob, write to {ADDRESS} or call {NUMBER}. Yours, Ann\n\nPS: again: {ADDRESS}."
CONFIG = (
    f'The service reads its settings from a file.\npassword = "{PASSWORD}"\nIt runs on 81.2.69.142 since the spring.'
)
CLEAN = "The harbour was dug by hand, and the stones for its walls came down the river on rafts of oak."


def letter() -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = ADDRESS, "bob@mail.example.org", f"Ask {ADDRESS}"
    message.set_content(LETTER)
    return message.as_bytes()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    house = tmp_path / "house"
    assert headwater("init", house).code == 0
    (house / "data").mkdir(exist_ok=True)
    (house / "data" / "letter.eml").write_bytes(letter())
    (house / "data" / "config.txt").write_text(CONFIG)
    (house / "data" / "clean.txt").write_text(CLEAN)
    edit(house, lambda text: text + "\nprivacy: on\n")
    return house


def run(root: Path) -> pl.DataFrame:
    """Make the corpus, and read it by file; the books balance."""
    build(root, "corpus")
    for name in ("verdicts", "corpus"):
        books = Workspace(root).store.head(name).books
        assert books.taken == books.kept + sum(books.dropped.values()) + sum(books.failed.values()) == 3
    return Workspace(root).store.scan("corpus").collect().sort("locator")


def texts(rows: pl.DataFrame) -> dict[str, str]:
    return dict(rows.select("locator", "text").iter_rows())


def test_placeholders_rules_and_kinds(root: Path) -> None:
    rows = run(root)
    said = texts(rows)
    assert said["letter.eml"].rstrip() == (
        "Dear Bob, write to <EMAIL_1> or call <PHONE_1>. Yours, Ann\n\nPS: again: <EMAIL_1>."
    )
    assert said["config.txt"].splitlines()[1:] == ['password = "<SECRET_1>"', "It runs on <IP_1> since the spring."]
    assert said["clean.txt"] == CLEAN
    assert dict(rows.select("locator", "title").iter_rows())["letter.eml"] is None
    head = Workspace(root).store.head("personal_data")
    assert head.notes["found: emails"] == 2 and head.notes["found: secrets"] == 1
    found = Workspace(root).store.scan("personal_data").collect()
    assert found.drop("error").columns == PERSONAL_DATA.names()
    assert PASSWORD not in str(found.to_dicts()) and ADDRESS not in str(found.to_dicts())

    before = heads(root)
    edit(root, lambda text: text.replace("privacy: on", "privacy: {redact: [email]}"))
    edit(root, lambda text: text.replace("rules: []", "rules: [privacy]"))
    said = texts(run(root))
    assert set(said) == {"letter.eml", "clean.txt"}
    assert NUMBER in said["letter.eml"] and ADDRESS not in said["letter.eml"]
    verdicts = Workspace(root).store.scan("verdicts").collect()
    assert verdicts["rule"].drop_nulls().to_list() == ["privacy.max_secrets"]
    assert computed(before, heads(root)) == ["corpus", "verdicts"]


def test_what_the_commands_show_is_masked_and_no_log_has_it(root: Path) -> None:
    done = headwater("run", "funnel", "-w", root)
    assert done.code == 0 and PASSWORD not in done.out + done.err and ADDRESS not in done.out + done.err
    for name in ("letter.eml", "config.txt"):
        told = headwater("explain", name, "-w", root)
        assert told.code == 0, told.err
        for value in (PASSWORD, ADDRESS, NUMBER, "81.2.69.142"):
            assert value not in told.out, told.out
    assert "xxx.xxx@xxxx.xxxxxxx.xxx" in headwater("explain", "letter.eml", "-w", root).out
    told = headwater("whatif", "gopher.min_words=900", "-w", root)
    assert told.code == 0 and ADDRESS not in told.out and PASSWORD not in told.out
    pages = list((root / ".headwater" / "reports").rglob("*.html"))
    assert len(pages) == 1 and "xxx.xxx@xxxx.xxxxxxx.xxx" in pages[0].read_text()
    for place in ("dagster", "logs", "inventories", "reports"):
        for path in (root / ".headwater" / place).rglob("*"):
            if path.is_file():
                held = path.read_bytes()
                assert PASSWORD.encode() not in held and ADDRESS.encode() not in held, path

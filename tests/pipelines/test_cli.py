"""The command line as a person meets it: a process in a fresh workspace, on a small folder with poison in it."""

from __future__ import annotations

import json
import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets import STAGES
from pipelines.cli import app
from pipelines.graph import build_graph
from pipelines.running import plan
from pipelines.settings_file import load_config
from pipelines.templates import TEMPLATES
from pipelines.workspace import VARIABLE, Workspace, WorkspaceError, find_workspace
from tests.forked_commands import HEADWATER, Done, environment, from_scratch, run


def headwater(*words: object, folder: Path | None = None, scratch: bool = False, **variables: str) -> Done:
    """Run the command in another folder than the project's; from scratch, or forked from a process that has its modules."""
    around, given = {**environment(), **variables}, list(map(str, words))
    if scratch:
        return from_scratch([str(HEADWATER), *given], folder or "/", around)
    return run(given, folder or "/", around)


def fill(folder: Path) -> None:
    """Five texts of which one is a copy and one is empty; a file that cannot be read, and one that can in part."""
    for number in range(3):
        (folder / f"{number}.txt").write_text(
            f"Text number {number}: the river {number} runs to the sea {number} of the north."
        )
    (folder / "copy.txt").write_text((folder / "1.txt").read_text())
    (folder / "empty.txt").touch()
    (folder / "poison.pdf").write_bytes(b"%PDF-1.4 and then nothing")
    (folder / "records.jsonl").write_text(json.dumps({"text": "A record of its own."}) + "\n{broken\n")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that was made and run by the command."""
    root = tmp_path_factory.mktemp("home") / "corpus"
    made = headwater("init", root, scratch=True)
    assert made.returncode == 0 and f"next: headwater run -w {root}" in made.stdout, made.stderr
    fill(root / "data")
    ran = headwater("run", "-w", root, scratch=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (root / "first-run.txt").write_text(ran.stdout)
    return root


def row(text: str, name: str) -> list[str]:
    """The cells of a printed table's row."""
    line = next(line for line in text.splitlines() if re.match(rf"(│ )?{name} ", line)).strip("│ ")
    return [cell.strip() for cell in (line.split("│") if "│" in line else re.split(" {2,}", line))]


def test_the_first_run_ends_with_the_books_the_reasons_and_what_to_type_next(corpus: Path) -> None:
    said = (corpus / "first-run.txt").read_text()
    assert row(said, "documents")[1:6] == ["files", "7", "6", "0", "1"]
    assert row(said, "verdicts")[1:6] == ["documents", "6", "4", "2", "0"]
    assert row(said, "corpus")[1:6] == ["documents", "6", "4", "2", "0"]
    reasons = said.split("Top reasons")[1].split("Next:")[0]
    assert re.search(r"1 +documents: malformed PDF", reasons)
    assert reasons.count("malformed PDF") == 1
    assert f"headwater table corpus -w {corpus}" in said.split("Next:")[1]
    assert f"headwater report --open -w {corpus}" in said.split("Next:")[1]
    unread = rf"headwater table failures -w {corpus} +what could not be read, and why \(2\)"
    assert re.search(unread, said.split("Next:")[1]), "a file, and a record of a file that was read"
    for name in ("documents", "signatures", "quality", "duplicates", "verdicts", "corpus"):
        assert re.search(rf"✓ {name} +\d", said), "a line for each stage as it ends"


def test_the_second_run_finds_nothing_to_do(corpus: Path) -> None:
    again = headwater("run", "-w", corpus)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("Nothing to do: all 8 assets are up to date.")
    assert row(again.stdout, "corpus")[6] == "unchanged" and "✓" not in again.stdout


def test_what_is_in_the_tables(corpus: Path) -> None:
    store = Workspace(corpus).store
    texts = store.scan("corpus").collect()
    assert sorted(texts["locator"]) == ["0.txt", "1.txt", "2.txt", "records.jsonl#L1"]
    failures = {(row["locator"], row["error"]) for row in store.scan("failures").collect().iter_rows(named=True)}
    assert failures == {("poison.pdf", "malformed PDF"), ("records.jsonl#L2", "malformed JSON")}
    verdicts = store.scan("verdicts").collect()
    assert sorted(verdicts["rule"].drop_nulls()) == ["duplicate", "empty"] and verdicts.height == 6


@dataclass(frozen=True)
class Partly:
    """The workspace, moved to another place, with a further text that was read and compared, and no more."""

    root: Path
    before: str
    """What `headwater status` said."""
    ran: Done

    def copy(self, folder: Path) -> Path:
        return shutil.copytree(self.root, folder / "moved")


@pytest.fixture(scope="module")
def partly(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Partly:
    root = shutil.copytree(corpus, tmp_path_factory.mktemp("partly") / "moved")
    (root / "data" / "extra.txt").write_text("One text more, which nobody has seen before.")
    before = headwater("status", "-w", root).stdout
    return Partly(root, before, headwater("run", "duplicates", "-w", root))


def test_what_is_out_of_date_runs_and_the_older_version_can_still_be_read(corpus: Path, partly: Partly) -> None:
    root, ran = partly.root, partly.ran
    assert row(partly.before, "documents")[3] == "out of date: source_data changed"
    assert row(partly.before, "corpus")[3].startswith("out of date: below")
    assert ran.returncode == 0, ran.stderr
    assert "✓ documents" in ran.stdout and "✓ quality" not in ran.stdout
    said = headwater("status", "-w", root).stdout
    assert row(said, "documents")[2:] == ["7", "fresh"] and row(said, "failures")[2:] == ["2", "fresh"]
    assert row(said, "quality")[3] == "out of date: documents changed"
    before, now = (Workspace(each).store.head("documents") for each in (corpus, root))
    assert before is not None and now is not None and now.rows == before.rows + 1
    listed = headwater("table", "documents", "--versions", "-w", root).stdout
    assert row(listed, str(now.number))[1:] == [now.version[:12], "7", "1", "0"]
    assert row(listed, str(before.number))[1] == before.version[:12]
    for version in (before.version[:8], str(before.number)):
        shown = headwater("table", "documents", "--version", version, "-w", root).stdout
        assert shown.startswith(f"documents {before.version[:12]}: 6 rows") and "extra.txt" not in shown


def test_force_computes_the_named_asset_again_and_changes_nothing(corpus: Path) -> None:
    before = Workspace(corpus).store.head("verdicts")
    ran = headwater("run", "verdicts", "--force", "-w", corpus)
    assert ran.returncode == 0, ran.stderr
    assert "✓ verdicts" in ran.stdout and "✓ documents" not in ran.stdout and "and different" not in ran.stderr
    assert Workspace(corpus).store.head("verdicts") == before and waiting(corpus) == []


def test_a_table_is_printed(corpus: Path) -> None:
    shown = headwater("table", "corpus", "--limit", 2, "-w", corpus).stdout
    assert ": 4 rows" in shown and shown.count(" data ") == 2


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_table_is_written(corpus: Path, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"verdicts.{ending}"
    said = headwater("table", "verdicts", "-o", path, "-w", corpus)
    assert said.stdout == f"wrote 6 rows to {path}\n", said.stderr
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson}[ending](path)
    expected = Workspace(corpus).store.scan("verdicts").collect()
    if ending == "csv":
        read = read.with_columns(pl.col("rules").str.json_decode(pl.List(pl.String)))
    assert (
        read.select("doc_id", "verdict", "rules")
        .sort("doc_id")
        .equals(expected.select("doc_id", "verdict", "rules").sort("doc_id"))
    )


WRONG = {
    "a table that is misspelt": (["table", "verdict"], "there is no table 'verdict'; did you mean verdicts?"),
    "a table that is not there": (["table", "nope"], "there is no table 'nope'; there are: corpus, documents"),
    "a table that a command writes": (["table", "tombstones"], "no table tombstones: nothing was taken back yet"),
    "a version that is not there": (["table", "corpus", "--version", "zz"], "--versions` lists them"),
    "an ending that is none": (["table", "corpus", "-o", "x.txt"], "end the name in one of .parquet, .csv, .jsonl"),
    "a folder that is not there": (["table", "corpus", "-o", "/absent/x.csv"], "/absent/x.csv"),
    "a file where a folder should be": (["table", "corpus", "-o", "/dev/null/x.csv"], "/dev/null/x.csv"),
    "an asset that is not there": (["run", "nope"], "there is no asset 'nope' in this workspace; there are: corpus"),
    "no release": (
        ["export", "instructions", "-o", "absent"],
        "dataset 'instructions' has no release yet; `headwater run` makes one",
    ),
    "no model": (["try", "Why?"], "there is no model yet"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_error_is_one_clear_sentence(corpus: Path, tmp_path: Path, case: str) -> None:
    words, expected = WRONG[case]
    assert_clear(headwater(*words, "-w", corpus, folder=tmp_path), expected)
    assert list(tmp_path.iterdir()) == []


def assert_clear(said: Done, expected: str) -> None:
    assert said.returncode == 1, said.stdout
    assert said.stderr.startswith("error: ") and expected in said.stderr
    assert "Traceback" not in said.stderr + said.stdout and said.stdout == ""


def test_up_says_that_a_port_is_taken_or_none(corpus: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        taken = held.getsockname()[1]
        said = headwater("up", "--no-label-studio", "--port", taken, "-w", corpus)
        assert_clear(said, f"Port {taken} of 127.0.0.1 is taken")
        assert said.stderr.endswith("free it, or name another.\n")
    none = headwater("up", "--no-label-studio", "--port", 99999, "-w", corpus)
    assert none.returncode == 2 and "Traceback" not in none.stderr and "65535" in none.stderr


def test_init_says_what_is_wrong(corpus: Path, tmp_path: Path) -> None:
    before = (corpus / "headwater.yaml").read_text()
    for name in ("100%", "a[1]", "any*", "what?", "a#b"):
        assert_clear(headwater("init", tmp_path / name), "choose one without that sign")
        assert not (tmp_path / name).exists()
    assert_clear(headwater("init", corpus), "exists already; edit it, or name another folder")
    assert (corpus / "headwater.yaml").read_text() == before
    assert_clear(
        headwater("init", tmp_path / "new", "--template", "poem"), "there are corpus, completion, chat, qa, docstrings"
    )
    assert_clear(headwater("init", tmp_path / "new", "--code", tmp_path / "absent"), "there is no such folder")
    assert not (tmp_path / "new").exists()


def test_a_wrong_setting_is_named_by_its_path(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "headwater.yaml").write_text("sources:\n  - {name: a, path: b, pth: c}\n")
    for command in ("run", "status"):
        assert_clear(headwater(command, "-w", tmp_path), "sources[0].pth: there is no such setting")


def waiting(root: Path) -> list[str]:
    """What a run would run."""
    workspace = Workspace(root)
    return [node.name for node in plan(workspace, build_graph(STAGES, workspace.config)).nodes]


def test_a_run_that_fails_names_the_asset_and_the_error_and_exits_1(partly: Partly, tmp_path: Path) -> None:
    """Here by a disc that refuses; what was done before stays done."""
    root = partly.copy(tmp_path)
    blocked = root / ".headwater" / "store" / "tables" / "verdicts"
    shutil.rmtree(blocked)
    blocked.write_text("a file where a folder belongs")
    said = headwater("run", "-w", root)
    assert said.returncode == 1
    assert "✗ verdicts: " in said.stderr and "assets failed; mend it and run again" in said.stderr
    assert "Traceback" not in said.stderr and "✓ quality" in said.stdout
    blocked.unlink()
    assert waiting(root) == ["verdicts", "corpus", "funnel"]


@pytest.mark.parametrize("template", TEMPLATES)
def test_init_writes_a_commented_file_that_is_valid(tmp_path: Path, template: str) -> None:
    root = tmp_path / "deep" / template
    said = headwater("init", root, "--template", template)
    assert said.returncode == 0, said.stderr
    text = (root / "headwater.yaml").read_text()
    assert text.startswith("# Headwater") and "{{" not in text
    config = load_config(root / "headwater.yaml")
    assert all((root / prompt).is_file() for prompt in config.prompts)
    status = headwater("status", "-w", root)
    assert status.returncode == 0 and "never made" in status.stdout, status.stderr


def test_init_code_is_the_docstrings_task_on_one_s_own_repository(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert headwater("init", tmp_path / "new", "--code", tmp_path / "mine").returncode == 0
    config = load_config(tmp_path / "new" / "headwater.yaml")
    assert [source.path for source in config.sources] == [str(tmp_path / "mine")]
    assert config.task is not None and config.task.recipe == "docstrings"


def test_which_workspace_is_meant(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is named, else the nearest one upwards, else that of the environment."""
    other, deep = tmp_path / "other", corpus / "data" / "deep"
    other.mkdir()
    (other / "headwater.yaml").write_text("sources: [{name: other, path: .}]\n")
    deep.mkdir(exist_ok=True)
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(WorkspaceError, match=f"in {tmp_path} or above it.*headwater init"):
        find_workspace(start=tmp_path)
    monkeypatch.setenv(VARIABLE, str(other))
    assert find_workspace(start=tmp_path).root == other
    assert find_workspace(start=deep).root == corpus
    assert find_workspace(other, start=deep).root == other
    with pytest.raises(WorkspaceError, match="holds no headwater"):
        find_workspace(tmp_path, start=deep)
    deep.rmdir()


def test_the_commands_find_the_workspace_too(corpus: Path, tmp_path: Path) -> None:
    shown = headwater("table", "corpus", folder=corpus / "data").stdout
    assert shown == headwater("table", "corpus", folder=tmp_path, **{VARIABLE: str(corpus)}).stdout
    assert shown == headwater("table", "corpus", "-w", ".", folder=corpus, **{VARIABLE: str(tmp_path)}).stdout
    assert ": 4 rows" in shown
    assert_clear(headwater("status", folder=tmp_path), "`headwater init DIR` makes a workspace")
    assert_clear(
        headwater("status", folder=tmp_path, **{VARIABLE: str(tmp_path)}), f"{tmp_path} holds no headwater.yaml"
    )


def test_every_command_and_option_is_explained() -> None:
    runner = CliRunner(env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    commands = dict(re.findall(r"(?m)^│ (\w+) +(\S.*?) +│$", runner.invoke(app, ["--help"]).output))
    expected = {
        "init",
        "run",
        "up",
        "status",
        "table",
        "explain",
        "trace",
        "whatif",
        "report",
        "diff",
        "tag",
        "export",
        "forget",
        "promote",
        "try",
        "annotators",
    }
    assert expected == set(commands) and all(len(said) > 10 for said in commands.values())
    for words in [[name] for name in expected - {"annotators"}] + [["annotators", "add"], ["annotators", "password"]]:
        text = runner.invoke(app, [*words, "--help"]).output
        options = re.findall(r"(?m)^│ +(--[\w-]+)", text)
        assert options and ("--workspace" in text or words == ["init"])
        for option in options:
            assert re.search(rf"{option}\b[^\n]*[a-z]{{2,}} [a-z]", text), (words, option)

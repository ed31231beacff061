"""What a person sees and does, in a real browser on a real server."""

import polars as pl
from playwright.sync_api import expect

from annotation import client as api
from annotation.labels import pull
from annotation.settings import ProjectSettings
from annotation.sync import synchronise
from tests.annotation.building import project_id, tasks
from tests.label_studio import choice, choose_by_key, chromium, open_labelling, sign_in, skip, submit

HOSTILE = (
    '<script>window.ran = "script"</script><img src="x" onerror="window.ran = \'image\'">'
    '<b onclick="window.ran = 1">bold</b> $output_b {{prompt_text}} javascript:void(0)\n    indented & <i>more</i>'
)
MARKUP = "# Not a <b>heading</b>\n| a | b |"


def test_an_annotator_signs_in_and_labels_by_mouse_and_by_keyboard(studio, client, secret):
    desired = tasks(4).with_columns(
        prompt_text=pl.lit(HOSTILE), output_a=pl.format("{} {}", "output_a", pl.lit(HOSTILE)), output_b=pl.lit(MARKUP)
    )
    guidelines = "Prefer the <b>shorter</b> one.\nSecond line."
    report = synchronise(client, desired, [ProjectSettings(guidelines=guidelines)], secret)
    email, password = api.add_annotator(client, "annotator@example.org")
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        sign_in(page, studio.url, email, password)
        open_labelling(page, report.addresses["preference"])

        expect(page.locator(".guidelines")).to_contain_text("Prefer the <b>shorter</b> one.")
        shown = page.locator(".question").inner_text()
        assert shown.strip() == HOSTILE.replace("\r", "")
        assert page.locator(".headwater script, .headwater img, .headwater b, .headwater i").count() == 0
        assert page.locator(".drafts").inner_text().count(HOSTILE.splitlines()[0]) == 1
        expect(page.locator(".drafts h1")).to_have_text("Not a <b>heading</b>")
        expect(page.locator(".drafts h1 em")).to_have_count(0)

        choice(page, "A is clearly better").click()
        submit(page)
        choose_by_key(page, "6", "Both are bad")
        submit(page, keyboard=True)
        choose_by_key(page, "7", "Cannot answer")
        choose_by_key(page, "k", "It is private")
        page.get_by_placeholder("A few words").fill("A name.")
        page.keyboard.press("Shift+Enter")
        submit(page)
        skip(page)
        assert page.evaluate("window.ran") is None

    labels = pull(client, desired, secret)
    assert labels["annotator"].n_unique() == 1 and email not in labels.write_csv()
    by_task = {task["data"]["task_digest"]: task["id"] for task in api.tasks(client, project_id(report))}
    in_order = sorted(labels.iter_rows(named=True), key=lambda label: by_task[label["task_digest"]])
    assert [label["value"] for label in in_order] == ["a", "both_bad", "cannot_answer", None]
    assert [label["status"] for label in in_order] == ["submitted", "submitted", "submitted", "skipped"]
    assert [label["note"] for label in in_order] == [None, None, "A name.", None]
    assert [label["why"] for label in in_order] == [None, None, "private", None]
    assert all(label["lead_time"] > 0 for label in in_order)

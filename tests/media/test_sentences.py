"""Words become utterances: nothing is lost or doubled, and they end at natural places."""

from hypothesis import given
from hypothesis import strategies as st

from mmerc.media.sentences import _LONGEST, Word, split_sentences
from mmerc.media.speaker_turns import UNKNOWN_SPEAKER, Turn


def words_of(text, *, start=0.0, each=0.3, gaps=None):
    """Words of ``each`` seconds, ``gaps[i]`` seconds of silence before word i."""
    words, time = [], start
    for number, word in enumerate(text.split()):
        time += (gaps or {}).get(number, 0.0)
        words.append(Word(text=word, start=round(time, 3), end=round(time + each, 3)))
        time += each
    return words


def texts(words, turns=()):
    return [sentence.text for sentence in split_sentences(words, turns)]


def test_utterances_end_with_sentences():
    words = words_of("I waited for an hour. Nobody came to the door. Why?", gaps={5: 0.2, 10: 1.0})
    assert texts(words) == ["I waited for an hour.", "Nobody came to the door.", "Why?"]


def test_sentence_with_a_pause_is_not_split():
    words = words_of("I thought that you were gone for good", gaps={3: 1.5})
    assert texts(words) == ["I thought that you were gone for good"]


def test_long_pause_or_pause_after_a_comma_ends_an_utterance():
    assert texts(words_of("so it went on and on", gaps={3: 2.5})) == ["so it went", "on and on"]
    assert texts(words_of("well if so, then we go now", gaps={3: 0.8})) == [
        "well if so,",
        "then we go now",
    ]


def test_very_short_sentence_joins_its_neighbour():
    assert texts(words_of("Yes. I know that very well.")) == ["Yes. I know that very well."]
    assert texts(words_of("Yes. I know that very well.", gaps={1: 1.0})) == [
        "Yes.",
        "I know that very well.",
    ]


def test_abbreviation_or_lower_case_word_does_not_end_a_sentence():
    assert texts(words_of("I saw Mr. Jones at the 3. floor today, really")) == [
        "I saw Mr. Jones at the 3. floor today, really"
    ]


def test_speaker_change_ends_an_utterance_mid_sentence():
    words = words_of("do you want to come no I do not")
    turns = [Turn(speaker="A", start=0.0, end=1.5), Turn(speaker="B", start=1.5, end=2.7)]
    sentences = split_sentences(words, turns)
    assert [(s.speaker, s.text) for s in sentences] == [
        ("A", "do you want to come"),
        ("B", "no I do not"),
    ]


def test_speaker_change_shorter_than_a_word_is_ignored():
    words = words_of("I never said that I would", each=0.25)
    turns = [
        Turn(speaker="A", start=0.0, end=0.5),
        Turn(speaker="B", start=0.5, end=0.75),
        Turn(speaker="A", start=0.75, end=1.5),
    ]
    (sentence,) = split_sentences(words, turns)
    assert sentence.speaker == "A"


def test_word_outside_every_turn_goes_to_the_nearest_one():
    turns = [Turn(speaker="A", start=0.4, end=2.0)]
    assert split_sentences(words_of("oh dear me", each=0.2), turns)[0].speaker == "A"
    far = words_of("hello", start=9.0)
    assert split_sentences(far, turns)[0].speaker == UNKNOWN_SPEAKER


def test_too_long_utterance_is_split_at_its_longest_pause():
    words = words_of(" ".join(["and"] * 50), each=0.25, gaps={24: 0.3})
    assert [len(text.split()) for text in texts(words)] == [24, 26]


TIMES = st.floats(0, 100, allow_nan=False).map(lambda x: round(x, 2))
WORDS = st.lists(
    st.builds(
        lambda text, start, length: Word(text=text, start=start, end=start + length),
        st.sampled_from(["oh", "No.", "yes,", "Why?", "it’s", "Mr.", "so…"]),
        TIMES,
        st.floats(0.01, 3),
    ),
    max_size=60,
)
TURNS = st.lists(
    st.builds(
        lambda speaker, start, length: Turn(speaker=speaker, start=start, end=start + length),
        st.sampled_from("ABC"),
        TIMES,
        st.floats(0.1, 20),
    ),
    max_size=10,
)


@given(words=WORDS, turns=TURNS)
def test_every_word_is_in_exactly_one_utterance_in_order(words, turns):
    sentences = split_sentences(words, turns)
    ordered = sorted(words, key=lambda word: word.start)
    spoken = [word for sentence in sentences for word in sentence.words]
    assert sorted(spoken, key=lambda word: word.start) == ordered
    assert len(spoken) == len(words)
    for sentence in sentences:
        assert sentence.end - sentence.start <= _LONGEST or len(sentence.words) == 1


def test_positions_of_doubtful_words():
    spoken = [("an", 0.4), ("ant", 0.5), ("and", 0.9), ("an", 0.1), ("!", 0.1)]
    words = [
        Word(text=text, start=n, end=n + 0.9, probability=p) for n, (text, p) in enumerate(spoken)
    ]
    (sentence,) = split_sentences(words)
    assert sentence.text == "an ant and an !"
    assert sentence.doubtful == ((0, 2), (11, 13))
    assert [sentence.text[a:b] for a, b in sentence.doubtful] == ["an", "an"]


def owners(words, *turns):
    """Speaker of the sentence that contains each word."""
    who = [Turn(speaker=name, start=start, end=end) for name, start, end in turns]
    return [s.speaker for s in split_sentences(words, who) for _ in s.words]


def test_overlapping_turns_share_their_words():
    words = words_of("one two three four five six seven eight nine ten", each=0.5)
    assert owners(words, ("A", 0, 3.5), ("B", 1.5, 5)) == ["A"] * 5 + ["B"] * 5
    assert owners(words, ("B", 1.5, 5), ("A", 0, 3.5)) == ["A"] * 5 + ["B"] * 5


def test_turn_inside_another_gets_none_of_its_words():
    words = words_of("one two three four five six seven eight nine ten", each=0.5)
    assert owners(words, ("A", 0, 5), ("B", 1.5, 3)) == ["A"] * 10
    assert owners(words, ("A", 0, 5), ("B", 0, 5)) == ["A"] * 10

"""Language and length of the negatives."""

from syneg_data.audit import language, lengths
from syneg_data.audit.language import measure as languages

ENGLISH = "The patients who were treated with vitamin D had fewer fractures than those who were given nothing at all."
GERMAN = "Die Patienten, die mit Vitamin D behandelt wurden, hatten weniger Knochenbrüche als die anderen Patienten."
FRENCH = "Les patients qui ont reçu de la vitamine D avaient moins de fractures que ceux qui n'ont rien reçu du tout."


def test_negatives_in_another_language(subject_of):
    rows = [("q one", "p", [ENGLISH, GERMAN], [ENGLISH + " Indeed."]), ("q two", "p", [FRENCH, "IL-2 CD4"], [])]
    written, mined = languages(subject_of(rows))
    assert (written.name, written.value, written.n) == ("other_language_synthetic", 0.6667, 3)
    assert written.sentence == (
        "2 of 3 (66.7 %) written negatives are in another language than en (de: 1, fr: 1). Of 1 more the language is "
        "not certain: too short, or formulae and names."
    )
    assert (mined.value, mined.n) == (0.0, 1)
    written, mined = languages(subject_of(rows, language=("de", "en")))
    assert (written.value, mined.value) == (0.3333, 0.0)
    assert "than de or en (fr: 1)" in written.sentence


def test_texts_of_no_certain_language_give_no_figure(subject_of):
    written, mined = languages(subject_of([("q", "p", ["CD4 x"], [])]))
    assert (written.value, written.sentence) == (None, "The language of no written negative is certain.")
    assert mined.sentence == "No negative is mined."


def test_words_and_ratios(subject_of):
    rows = [
        (f"query {i}", "p " * 20 + f"p{i}", ["w " * 9 + f"w{i}"], ["m " * 39 + f"m{i}", "m " * 41 + f"n{i}"])
        for i in range(10)
    ]
    found = {m.name: m for m in lengths.measure(subject_of(rows))}
    assert {name: (m.value, m.n) for name, m in found.items()} == {
        "words_positive": (21.0, 10),
        "words_synthetic": (10.0, 10),
        "words_mined": (40.0, 20),
        "length_ratio_synthetic": (0.476, 10),
        "length_ratio_mined": (1.905, 20),
    }
    assert found["words_synthetic"].sentence == "Half of the 10 written negatives have at most 10 words."
    assert found["length_ratio_synthetic"].sentence == (
        "The typical written negative has 0.48 times the words of the positive that it stands beside."
    )


def test_without_texts_there_is_nothing_to_measure(subject_of):
    assert all(m.value is None for m in lengths.measure(subject_of([])))
    assert lengths.details(subject_of([])) == {"lengths": {}}


def test_histograms_count_every_text_once_on_common_edges(subject_of):
    rows = [(f"q {i}", "p " * 30 + str(i), ["w " * i + "x"], []) for i in range(60)]
    rows.append(("q long", "p", ["w " * 500], []))
    found = lengths.details(subject_of(rows))["lengths"]
    assert sorted(found) == ["positive", "synthetic"]
    assert {source: sum(part["counts"]) for source, part in found.items()} == {"positive": 61, "synthetic": 61}
    edges = found["synthetic"]["edges"]
    assert edges == found["positive"]["edges"]
    assert len(edges) == len(found["synthetic"]["counts"]) + 1
    assert found["synthetic"]["counts"][:2] == [edges[1] - 1, edges[1]]
    assert found["synthetic"]["counts"][-1] == 1


def test_names_are_those_of_the_measures(subject_of):
    for module in (language, lengths):
        assert tuple(m.name for m in module.measure(subject_of([]))) == module.NAMES

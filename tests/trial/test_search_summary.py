"""What a search says of itself, in words and as JSON."""

import json
from dataclasses import replace

from pipeline.trial import ModelGain, SearchSummary, SmallerNetwork

GAIN = ModelGain(n_first=4, n_later=47, first=3, gained=0.0123, is_beyond_noise=True)
GAINED = SearchSummary(
    n_trials=51,
    n_settings=40,
    best=45,
    origin="search",
    at_ends=("width 512",),
    noise=0.0063,
    last_gain=31,
    tied=(31, 17),
    smaller=SmallerNetwork(number=17, n_parameters=52_000, instead_of=203_000),
    gain=GAIN,
)
USUAL = replace(GAINED, best=1, origin="usual", gain=replace(GAIN, gained=0.0))
FOUND_NONE = "the 47 trials that the model suggested found none better"
TRY = "try more trials, or a wider space (at an end now: width 512)"


def test_search_that_gained_says_how_much_since_when_and_which_network_is_smaller() -> None:
    assert GAINED.warning is None
    gained, since, tied = GAINED.sentences
    assert gained == (
        "the 47 trials that the model suggested gained 0.012 in val_loss on the first 4, "
        "beyond noise (0.0063 between seeds)"
    )
    assert since == "nothing gained beyond noise since trial 31"
    assert tied == (
        "2 of 39 other settings cannot be told from the best; the smallest, trial 17, "
        "has 52,000 parameters instead of 203,000"
    )


def test_gain_within_noise_is_called_so() -> None:
    within = replace(GAINED, gain=replace(GAIN, is_beyond_noise=False))
    assert within.warning is None
    assert "on the first 4, within noise (0.0063 between seeds)" in within.sentences[0]


def test_usual_setting_that_is_still_the_best_is_a_good_default() -> None:
    assert USUAL.warning == (
        f"the usual setting (trial 1) is still the best of 51, a good default; {FOUND_NONE}: {TRY}"
    )
    assert len(USUAL.sentences) == 2


def test_setting_of_the_study_file_that_is_still_the_best_is_named_as_the_users_own() -> None:
    of_file = replace(USUAL, best=0, origin="file")
    assert of_file.warning is not None
    assert of_file.warning.startswith(
        "the study file's own setting (trial 0) is still the best of 51; the 47 trials"
    )


def test_other_first_trial_that_is_the_best_is_warned_of() -> None:
    other = replace(USUAL, best=3, origin="search", at_ends=())
    assert other.warning == (
        f"the best of 51, trial 3, is one of the first 4; {FOUND_NONE}: "
        "try more trials, or a wider space"
    )


def test_search_without_a_model_says_only_what_is_tied() -> None:
    plain = replace(GAINED, gain=None, smaller=None, tied=(), n_settings=2)
    assert plain.warning is None
    assert plain.sentences == (
        "nothing gained beyond noise since trial 31",
        "the best can be told from the 1 other setting",
    )


def test_json_holds_all_that_the_words_say() -> None:
    told = json.loads(json.dumps(GAINED.as_json()))
    assert told["gain"] == {
        "first_design": {"trials": 4, "best": 3},
        "model_trials": 47,
        "gained": 0.0123,
        "beyond_noise": True,
    }
    assert (told["best"], told["noise"], told["last_gain"]) == (45, 0.0063, 31)
    assert (told["tied"], told["smallest"]) == ([31, 17], {"number": 17, "n_parameters": 52_000})
    assert (told["warning"], told["at_ends"]) == (None, ["width 512"])
    assert told["why"] == list(GAINED.sentences)
    assert USUAL.as_json()["warning"] == USUAL.warning
    assert replace(GAINED, gain=None, smaller=None).as_json()["gain"] is None

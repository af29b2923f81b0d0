import pytest

from layers.base import read_parameters

KNOWN = {"k": 5, "sigma": 5.0, "average": False, "prior": str}


@pytest.mark.parametrize(
    "text, expected",
    [
        ('{"prior": "a.npy"}', {"k": 5, "sigma": 5.0, "average": False, "prior": "a.npy"}),
        (
            '{"prior": "", "sigma": 2, "average": true, "k": 7}',
            {"k": 7, "sigma": 2.0, "average": True, "prior": ""},
        ),
    ],
)
def test_parameters_are_read_and_defaults_filled_in(text, expected):
    got = read_parameters(text, KNOWN)
    assert got == expected
    assert [type(value) for value in got.values()] == [int, float, bool, str]


def test_no_text_gives_the_defaults():
    assert read_parameters("", {"k": 5}) == {"k": 5}


@pytest.mark.parametrize(
    "text, message",
    [
        ("k: 5", "param_str is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[5]", "param_str: expected a JSON object, got [5]"),
        ('{"K": 5}', 'param_str: unknown "K", expected k, sigma, average, prior'),
        ("{}", 'param_str: "prior" is missing'),
        ('{"prior": 1}', 'param_str: "prior": expected str, got 1'),
        ('{"prior": "", "k": 2.5}', 'param_str: "k": expected int, got 2.5'),
        ('{"prior": "", "k": true}', 'param_str: "k": expected int, got True'),
        ('{"prior": "", "sigma": "5"}', "param_str: \"sigma\": expected float, got '5'"),
    ],
)
def test_errors(text, message):
    with pytest.raises(ValueError) as error:
        read_parameters(text, KNOWN)
    assert str(error.value) == message


def test_layers_without_parameters_say_so():
    with pytest.raises(ValueError, match='^param_str: unknown "k", expected no parameters$'):
        read_parameters('{"k": 5}', {})


@pytest.mark.parametrize(
    "layer, shapes, param_str, message",
    [
        (
            "BGRToLab",
            [(2, 1, 3, 4)],
            "",
            "BGRToLab: expected a bottom of shape (N, 3, H, W), got (2, 1, 3, 4)",
        ),
        ("BGRToLab", [(2, 3, 4, 5), (2, 3, 4, 5)], "", "BGRToLab: expected 1 bottoms, got 2"),
        ("SoftEncode", [(2, 2, 3, 4)], '{"k": 0}', "SoftEncode: k: expected 1 to 313 pairs, got 0"),
        (
            "ABSubsample",
            [(3, 2, 6, 8)],
            '{"average": true}',
            "ABSubsample: ab: 6x8 pixels do not divide into blocks of 4x4",
        ),
        (
            "ClassRebalance",
            [(2, 313, 3, 4)],
            '{"prior": "no_such_file.npy"}',
            'ClassRebalance: resource "no_such_file.npy" is not in . or ',
        ),
        (
            "KLLoss",
            [(2, 5, 3, 4), (2, 5, 3, 4), (2, 3, 4)],
            "",
            "KLLoss: weights: expected (2, 1, 3, 4), got (2, 3, 4)",
        ),
        (
            "KLLoss",
            [(2, 5, 3, 4), (2, 5, 3, 4)],
            '{"normalization": "VALID"}',
            'KLLoss: normalization: expected one of FULL, BATCH_SIZE, NONE, got "VALID"',
        ),
    ],
)
def test_a_net_names_the_layer_that_is_wrong(python_net, layer, shapes, param_str, message):
    with pytest.raises(Exception) as error:
        python_net("layers", layer, *shapes, param_str=param_str)
    assert message in str(error.value)

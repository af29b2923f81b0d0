"""Which layers a net has, and where blobs are split."""

import pytest

from caffe import graph, prototxt
from caffe.proto import caffe_pb2


def net(text):
    return prototxt.parse(text, caffe_pb2.NetParameter)


RULES = """
layer { name: "always" type: "Silence" }
layer { name: "train" type: "Silence" include { phase: TRAIN } }
layer { name: "deploy" type: "Silence"
  include { stage: "deploy" } include { phase: TRAIN min_level: 2 } }
layer { name: "both" type: "Silence" include { stage: "deploy" stage: "x" } }
layer { name: "notdeploy" type: "Silence" exclude { stage: "deploy" } exclude { max_level: -1 } }
layer { name: "not_stage" type: "Silence" include { not_stage: "deploy" } }
"""


@pytest.mark.parametrize(
    "state, names",
    [
        ("phase: TRAIN", "always train notdeploy not_stage"),
        ("phase: TEST", "always notdeploy not_stage"),
        ("phase: TEST level: -1", "always not_stage"),
        ("phase: TRAIN level: 2", "always train deploy notdeploy not_stage"),
        ('phase: TEST stage: "deploy"', "always deploy"),
        ('phase: TEST stage: "x" stage: "deploy"', "always deploy both"),
    ],
)
def test_filter_net(state, names):
    kept, indices = graph.filter_net(net(f"state {{ {state} }} {RULES}"))
    assert [layer.name for layer in kept.layer] == names.split()
    assert [RULES.split("layer {")[i + 1].split('"')[1] for i in indices] == names.split()


def test_include_and_exclude_together_are_refused():
    text = 'layer { name: "a" type: "X" } layer { name: "b" include { } exclude { } }'
    with pytest.raises(graph.LayerError, match="both include and exclude") as caught:
        graph.filter_net(net(text))
    assert caught.value.index == 1


def split_rows(text):
    split, indices = graph.insert_splits(net(text))
    rows = [f"{x.name} {','.join(x.bottom)}>{','.join(x.top)}" for x in split.layer]
    return rows, indices, [list(x.loss_weight) for x in split.layer]


def test_a_blob_with_one_user_is_not_split():
    rows, indices, _ = split_rows(
        'layer { name: "d" top: "x" } layer { name: "r" bottom: "x" top: "y" }'
    )
    assert rows == ["d >x", "r x>y"] and indices == [0, 1]


def test_a_split_comes_after_the_last_in_place_producer():
    rows, indices, _ = split_rows(
        'layer { name: "d" top: "x" } layer { name: "r" bottom: "x" top: "x" }'
        'layer { name: "a" bottom: "x" top: "a" } layer { name: "b" bottom: "x" top: "b" }'
    )
    assert rows == [
        "d >x",
        "r x>x",
        "x_r_0_split x>x_r_0_split_0,x_r_0_split_1",
        "a x_r_0_split_0>a",
        "b x_r_0_split_1>b",
    ]
    assert indices == [0, 1, None, 2, 3]


def test_one_layer_may_use_a_blob_twice():
    rows, _, _ = split_rows(
        'layer { name: "d" top: "x" } layer { name: "e" bottom: "x" bottom: "x" top: "e" }'
    )
    assert rows[1:] == [
        "x_d_0_split x>x_d_0_split_0,x_d_0_split_1",
        "e x_d_0_split_0,x_d_0_split_1>e",
    ]


def test_a_loss_weight_moves_to_the_first_top_of_the_split():
    rows, _, weights = split_rows(
        'layer { name: "f" top: "x" loss_weight: 0.5 } layer { name: "r" bottom: "x" top: "r" }'
    )
    assert rows == ["f >x", "x_f_0_split x>x_f_0_split_0,x_f_0_split_1", "r x_f_0_split_1>r"]
    assert weights == [[], [0.5, 0.0], []]


def test_a_bottom_that_nobody_makes():
    with pytest.raises(
        graph.LayerError, match='bottom 1 "y" is made by no layer before it'
    ) as caught:
        graph.insert_splits(
            net('layer { name: "d" top: "x" } layer { name: "e" bottom: "x" bottom: "y" }')
        )
    assert caught.value.index == 1

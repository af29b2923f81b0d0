"""LSTM, RNN and LSTMUnit against loops, the state between passes, and what they refuse."""

import numpy as np
import pytest
from single_layer import build, forward, gradients, normal, randomise, refusal

T, N, INPUTS, STATICS, D = 5, 2, 3, 4, 6
X, STATIC = normal(T, N, INPUTS), normal(N, STATICS, seed=1)
CONT = np.array([[0, 1], [1, 1], [1, 0], [0, 1], [1, 1]], "float64")
H, CELL = normal(1, N, D, seed=2), normal(1, N, D, seed=3)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(x, cont, static, h, c, w_x, b, w_s, w_h):
    outputs = []
    for t in range(len(x)):
        keep = cont[t][:, None]
        i, f, o, g = np.split(x[t] @ w_x.T + b + static @ w_s.T + (keep * h) @ w_h.T, 4, 1)
        c = sigmoid(f) * keep * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs), h[None], c[None]


def rnn(x, cont, static, h, w_x, b, w_s, w_h, w_o, b_o):
    outputs = []
    for t in range(len(x)):
        h = np.tanh(x[t] @ w_x.T + b + static @ w_s.T + (cont[t][:, None] * h) @ w_h.T)
        outputs.append(np.tanh(h @ w_o.T + b_o))
    return np.stack(outputs), h[None]


def text(kind, expose):
    exposed = "true" if expose else "false"
    return f'type: "{kind}" recurrent_param {{ num_output: {D} expose_hidden: {exposed} }}'


def test_lstm_with_given_state():
    bottoms = X, CONT, STATIC, H, CELL
    layer, tops = build(text("LSTM", True), *[x.shape for x in bottoms], tops=3)
    assert tops == [(T, N, D), (1, N, D), (1, N, D)]
    blobs = randomise(layer)
    assert [w.shape for w in blobs] == [(4 * D, INPUTS), (4 * D,), (4 * D, STATICS), (4 * D, D)]
    for found, expected in zip(forward(layer, *bottoms), lstm(*bottoms[:3], H[0], CELL[0], *blobs)):
        np.testing.assert_allclose(found, expected)


def test_rnn_with_given_state():
    bottoms = X, CONT, STATIC, H
    layer, tops = build(text("RNN", True), *[x.shape for x in bottoms], tops=2)
    assert tops == [(T, N, D), (1, N, D)]
    blobs = randomise(layer)
    assert [w.shape for w in blobs] == [(D, INPUTS), (D,), (D, STATICS), (D, D), (D, D), (D,)]
    for found, expected in zip(forward(layer, *bottoms), rnn(*bottoms[:3], H[0], *blobs)):
        np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_state_goes_on_into_the_next_pass(kind):
    layer, tops = build(text(kind, False), X.shape, CONT.shape)
    assert tops == [(T, N, D)] and len(layer.blobs) == (3 if kind == "LSTM" else 5)
    randomise(layer)
    cont = np.ones((T, N))
    (whole,) = forward(layer, X, cont)
    layer._state = None
    parts = [forward(layer, X[:2], cont[:2])[0], forward(layer, X[2:], cont[2:])[0]]
    np.testing.assert_allclose(np.concatenate(parts), whole)
    begun_anew = np.concatenate([np.zeros((1, N)), cont[1:]])
    np.testing.assert_allclose(forward(layer, X, begun_anew)[0], whole)


def test_state_is_dropped_when_the_streams_change():
    layer, _ = build(text("RNN", False), X.shape, CONT.shape)
    randomise(layer)
    (fresh,) = forward(layer, X[:, :1], np.ones((T, 1)))
    forward(layer, X, np.ones((T, N)))
    np.testing.assert_array_equal(forward(layer, X[:, :1], np.ones((T, 1)))[0], fresh)


def test_marks_cut_the_gradient_between_sequences():
    layer, _ = build(text("LSTM", False), X.shape, CONT.shape)
    randomise(layer)
    diff = np.zeros((T, N, D))
    diff[4] = 1
    gradient, nothing = gradients(layer, [X, CONT], diff)
    reached = abs(gradient).sum(2) > 0
    # Stream 0 began its last sequence at step 3, stream 1 at step 2.
    np.testing.assert_array_equal(reached.T, [[0, 0, 0, 1, 1], [0, 0, 1, 1, 1]])
    assert nothing is None


def test_exposed_states_pass_no_gradient():
    bottoms = X, np.ones((T, N)), H, CELL
    layer, _ = build(text("LSTM", True), *[x.shape for x in bottoms], tops=3)
    randomise(layer)
    found = gradients(layer, bottoms, np.ones((T, N, D)))
    assert abs(found[0]).min() > 0 and found[2] is None and found[3] is None
    assert layer.no_gradient_bottoms == (1, 2, 3)


def test_lstm_unit():
    gates, cont = normal(1, N, 4 * D, seed=4), np.array([[0.0, 1]])
    layer, tops = build('type: "LSTMUnit"', CELL.shape, gates.shape, cont.shape, tops=2)
    assert tops == [(1, N, D)] * 2
    i, f, o, g = np.split(gates, 4, 2)
    expected = sigmoid(f) * cont[..., None] * CELL + sigmoid(i) * np.tanh(g)
    c, h = forward(layer, CELL, gates, cont)
    np.testing.assert_allclose(c, expected)
    np.testing.assert_allclose(h, sigmoid(o) * np.tanh(expected))


@pytest.mark.parametrize(
    "layer, bottoms, tops, message",
    [
        ('type: "LSTM"', [X.shape, CONT.shape], 1, "num_output is 0, expected at least 1"),
        (text("LSTM", False), [X.shape], 1, "has 1 bottom(s), expected 2 to 3"),
        (text("LSTM", True), [X.shape, CONT.shape], 3, "has 2 bottom(s), expected 4 to 5"),
        (
            text("LSTM", True),
            [X.shape, CONT.shape, H.shape, H.shape],
            1,
            "has 1 top(s), expected 3",
        ),
        (
            text("RNN", False),
            [X.shape, (N, T)],
            1,
            "bottom 1 is (2, 5), expected (5, 2), as bottom 0 begins",
        ),
        (
            text("RNN", False),
            [X.shape, CONT.shape, (4, 3)],
            1,
            "bottom 2 is (4, 3), expected 2 streams",
        ),
        (
            text("RNN", True),
            [X.shape, CONT.shape, (1, N, 5)],
            2,
            "bottom 2 is (1, 2, 5), expected (1, 2, 6)",
        ),
        (
            'type: "LSTMUnit"',
            [H.shape, (1, N, D), (1, N)],
            2,
            "bottom 1 is (1, 2, 6), expected (1, 2, 24)",
        ),
    ],
)
def test_refused(layer, bottoms, tops, message):
    assert refusal(layer, *bottoms, tops=tops) == message

"""Solvers: rates, updates against plain loops, the order of a training, what is refused."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import caffe
from caffe import context, log, prototxt, solver, solver_types
from caffe.learning_rate import POLICIES, learning_rate
from caffe.proto import caffe_pb2
from caffe.solver_param import LEGACY_TYPES
from caffe.solver_types import SOLVERS, pieces

NET = """
name: "tiny"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "t" type: "Input" top: "t" input_param { shape { dim: 4 dim: 2 } } }
layer {
  name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0.5 }
  inner_product_param { num_output: 2 weight_filler { type: "gaussian" std: 0.5 } }
}
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" }
"""
SOLVER = """
net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 6 random_seed: 3
solver_mode: CPU snapshot_after_train: false
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with the tiny net."""
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)
    return tmp_path


@pytest.fixture
def logged(monkeypatch, capsys):
    """A function that gives the texts that were logged since its last call."""
    monkeypatch.setitem(log._state, "level", log.INFO)

    def texts():
        lines = capsys.readouterr().err.splitlines()
        return [line.partition("] ")[2] for line in lines if "] " in line]

    return texts


def make(text, name="solver.prototxt"):
    """The solver of a text, its inputs filled."""
    Path(name).write_text(text)
    made = caffe.get_solver(name)
    for net in (made.net, *made.test_nets):
        feed(net)
    return made


def feed(net, seed=11):
    draw = np.random.default_rng(seed)
    for name in ("data", "t"):
        net.blobs[name].data[...] = draw.normal(size=net.blobs[name].data.shape)


def weights(made):
    return made.net.params["ip"][0].data


# -- rates -----------------------------------------------------------------------------------------

RATES = {
    'lr_policy: "fixed"': lambda i: 0.2,
    'lr_policy: "step" gamma: 0.5 stepsize: 3': lambda i: 0.2 * 0.5 ** (i // 3),
    'lr_policy: "exp" gamma: 0.9': lambda i: 0.2 * 0.9**i,
    'lr_policy: "inv" gamma: 0.1 power: 0.75': lambda i: 0.2 * (1 + 0.1 * i) ** -0.75,
    'lr_policy: "multistep" gamma: 0.5 stepvalue: 2 stepvalue: 5': lambda i: (
        0.2 * 0.5 ** ((i >= 2) + (i >= 5))
    ),
    'lr_policy: "poly" power: 0.5 max_iter: 10': lambda i: 0.2 * math.sqrt(max(0, 1 - i / 10)),
    'lr_policy: "sigmoid" gamma: 0.8 stepsize: 4': lambda i: 0.2 / (1 + math.exp(-0.8 * (i - 4))),
}


def solver_param(text):
    return prototxt.parse("base_lr: 0.2 " + text, caffe_pb2.SolverParameter)


@pytest.mark.parametrize("policy", RATES)
def test_rate(policy):
    param, step = solver_param(policy), 0
    for iteration in range(13):
        rate, step = learning_rate(param, iteration, step)
        assert rate == pytest.approx(RATES[policy](iteration), rel=1e-6)


def test_every_policy_is_tested():
    assert {policy.split('"')[1] for policy in RATES} == set(POLICIES)


def test_rates_are_float32():
    rate, _ = learning_rate(solver_param('lr_policy: "fixed"'), 0, 0)
    assert rate == float(np.float32(0.2))


def test_multistep_passes_one_value_per_evaluation(logged):
    param = solver_param('lr_policy: "multistep" gamma: 0.5 stepvalue: 2 stepvalue: 5')
    assert learning_rate(param, 7, 0)[1] == 1
    assert learning_rate(param, 7, 1)[1] == 2
    assert learning_rate(param, 7, 2)[1] == 2
    assert logged() == [
        "MultiStep Status: Iteration 7, step = 1",
        "MultiStep Status: Iteration 7, step = 2",
    ]


def test_a_far_sigmoid_is_zero():
    param = solver_param('lr_policy: "sigmoid" gamma: 9 stepsize: 1000')
    assert learning_rate(param, 0, 0)[0] == 0


@pytest.mark.parametrize("power", ["-3e38", "-1"])
def test_a_rate_beyond_all_numbers_is_infinite(power):
    param = solver_param(f'lr_policy: "poly" max_iter: 4 power: {power}')
    assert learning_rate(param, 4, 0)[0] == math.inf


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            'lr_policy: "cosine"',
            'lr_policy is "cosine", expected one of '
            "fixed, step, exp, inv, multistep, poly, sigmoid",
        ),
        (
            "",
            'lr_policy is "", expected one of fixed, step, exp, inv, multistep, poly, sigmoid',
        ),
        ('lr_policy: "step"', 'stepsize is 0, lr_policy "step" expects more than 0'),
        ('lr_policy: "sigmoid"', 'stepsize is 0, lr_policy "sigmoid" expects more than 0'),
        ('lr_policy: "poly"', 'max_iter is 0, lr_policy "poly" expects more than 0'),
        (
            'lr_policy: "sigmoid" stepsize: 2 gamma: -1',
            'gamma is -1, lr_policy "sigmoid" expects 0 or more',
        ),
    ],
)
def test_policies_that_are_refused(policy, message):
    with pytest.raises(caffe.CaffeError) as error:
        learning_rate(solver_param(policy), 0, 0)
    assert str(error.value) == message


# -- updates ---------------------------------------------------------------------------------------


def naive_update(kind, p, w, g, past, rate, t):
    """One element's update, history in and out, in plain numbers."""
    mu, delta = p["momentum"], p["delta"]
    if kind == "SGD":
        v = mu * past[0] + rate * g
        return w - v, [v]
    if kind == "Nesterov":
        v = mu * past[0] + rate * g
        return w - ((1 + mu) * v - mu * past[0]), [v]
    if kind == "AdaGrad":
        h = past[0] + g * g
        return w - rate * g / (math.sqrt(h) + delta), [h]
    if kind == "RMSProp":
        h = p["rms_decay"] * past[0] + (1 - p["rms_decay"]) * g * g
        return w - rate * g / (math.sqrt(h) + delta), [h]
    if kind == "AdaDelta":
        h = mu * past[0] + (1 - mu) * g * g
        u = g * math.sqrt((past[1] + delta) / (h + delta))
        return w - rate * u, [h, mu * past[1] + (1 - mu) * u * u]
    m = mu * past[0] + (1 - mu) * g
    v = p["momentum2"] * past[1] + (1 - p["momentum2"]) * g * g
    correction = math.sqrt(1 - p["momentum2"] ** t) / (1 - mu**t)
    return w - rate * correction * m / (math.sqrt(v) + delta), [m, v]


def naive_step(kind, p, parameters, gradients, histories, multipliers, t):
    """One update of lists of arrays, in loops over their elements."""
    norm = math.sqrt(sum(float(x) ** 2 for g in gradients for x in g.ravel()))
    scale = p["clip"] / norm if 0 <= p["clip"] < norm else 1.0
    for w, g, past, (lr_mult, decay_mult) in zip(parameters, gradients, histories, multipliers):
        for index in np.ndindex(w.shape):
            value = float(g[index]) * scale / p["iter_size"]
            decay = p["decay"] * decay_mult
            value += decay * (np.sign(w[index]) if p["L1"] else w[index])
            rate = p["rate"] * lr_mult
            w[index], past[index] = naive_update(kind, p, w[index], value, past[index], rate, t)


VARIANTS = {
    "plain": ("", {}),
    "L2": ("weight_decay: 0.1", {"decay": 0.1}),
    "L1": ('weight_decay: 0.1 regularization_type: "L1"', {"decay": 0.1, "L1": True}),
    "clip": ("clip_gradients: 0.5 weight_decay: 0.1", {"clip": 0.5, "decay": 0.1}),
    "no clip": ("clip_gradients: 50", {"clip": 50}),
    "iter_size": (
        "iter_size: 3 weight_decay: 0.1 clip_gradients: 0.7",
        {"iter_size": 3, "decay": 0.1, "clip": 0.7},
    ),
}
OPTIONS = {
    "SGD": ("momentum: 0.9", {"momentum": 0.9}),
    "Nesterov": ("momentum: 0.8", {"momentum": 0.8}),
    "AdaGrad": ("delta: 1e-3", {"delta": 1e-3}),
    "RMSProp": ("rms_decay: 0.9 delta: 1e-3", {"rms_decay": 0.9, "delta": 1e-3}),
    "AdaDelta": ("momentum: 0.95 delta: 1e-2", {"momentum": 0.95, "delta": 1e-2}),
    "Adam": (
        "momentum: 0.9 momentum2: 0.99 delta: 1e-3",
        {"momentum": 0.9, "momentum2": 0.99, "delta": 1e-3},
    ),
}


def updates_as_loops_do(kind, variant):
    (options, p), (more, q) = OPTIONS[kind], VARIANTS[variant]
    p = {"momentum": 0, "delta": 1e-8, "decay": 0, "clip": -1, "iter_size": 1, "L1": False} | p | q
    p["rate"] = 0.1
    made = make(f'{SOLVER} type: "{kind}" {options} {more}')
    draw = np.random.default_rng(5)
    blobs = list(made.net.params["ip"])
    expected = [blob.data.astype(np.float64) for blob in blobs]
    kept = made.histories
    histories = [{i: [0.0] * kept for i in np.ndindex(w.shape)} for w in expected]
    for t in (1, 2, 3):
        gradients = [draw.normal(size=w.shape).astype(np.float32) for w in expected]
        for blob, gradient in zip(blobs, gradients):
            blob.diff[...] = gradient
        before = [blob.data.copy() for blob in blobs]
        made.apply_update()
        naive_step(kind, p, expected, gradients, histories, [(1, 1), (2, 0.5)], t)
        assert made.iter == t
        for blob, wanted, old in zip(blobs, expected, before):
            np.testing.assert_allclose(blob.data, wanted, rtol=2e-5, atol=2e-6)
            np.testing.assert_allclose(blob.diff, old - blob.data, atol=1e-6)
    flat = [[past[i][k] for i in past] for k in range(kept) for past in histories]
    for tensor, wanted in zip(made.history(), flat):
        np.testing.assert_allclose(tensor.cpu().numpy().ravel(), wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", OPTIONS)
def test_update_is_that_of_plain_loops(kind, variant, folder):
    updates_as_loops_do(kind, variant)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", OPTIONS)
def test_update_on_the_gpu_is_that_of_plain_loops(kind, folder):
    caffe.set_mode_gpu()
    try:
        updates_as_loops_do(kind, "iter_size")
    finally:
        caffe.set_mode_cpu()


def test_all_types_are_tested():
    assert set(OPTIONS) == set(SOLVERS) == set(LEGACY_TYPES)


def test_the_numpy_view_of_a_parameter_follows_the_update(folder):
    made = make(SOLVER)
    view = weights(made)
    before = view.copy()
    made.net.params["ip"][0].diff[...] = 1
    made.apply_update()
    np.testing.assert_allclose(view, before - np.float32(0.1), rtol=1e-6)


def test_clipping_is_logged(folder, logged):
    made = make(SOLVER + "clip_gradients: 0.5")
    for blob in made.net.params["ip"]:
        blob.diff[...] = 1
    logged()
    made.apply_update()
    norm = math.sqrt(8)
    assert logged() == [
        f"Gradient clipping: scaling down gradients (L2 norm {norm:g} > 0.5) "
        f"by scale factor {0.5 / norm:g}"
    ]


def test_a_net_without_parameters_trains(folder):
    text = NET.replace("InnerProduct", "Reduction").replace("dim: 4 dim: 2", "dim: 4")
    before, _, after = text.partition("  param {")
    rest = after.partition("\n}\n")[2]
    Path("net.prototxt").write_text(f"{before} reduction_param {{ axis: 1 }} }} {rest}")
    made = make(SOLVER + "clip_gradients: 1")
    made.step(2)
    assert made.iter == 2


# -- the course of a training ----------------------------------------------------------------------


def test_step_trains_and_counts(folder):
    made = make(SOLVER)
    losses = []
    for _ in range(3):
        made.step(2)
        losses.append(float(made.net.blobs["loss"].data))
    assert made.iter == 6
    assert losses[0] > losses[1] > losses[2] > 0


def test_losses_are_not_waited_for_until_they_are_shown(folder, monkeypatch):
    made, asked = make(SOLVER + "iter_size: 3"), []
    mean = solver._mean
    monkeypatch.setattr(solver, "_mean", lambda losses: asked.append(losses) or mean(losses))
    made.step(4)
    assert not asked
    expected = np.float64(made.net.blobs["loss"].data)
    assert len(made._losses[-1]) == 3 and float(made._losses[-1][-1]) == expected
    assert made._smoothed_loss > 0 and len(asked) == 1


def test_iter_size_averages_the_gradients_of_its_batches(folder):
    one, three = make(SOLVER), make(SOLVER + "iter_size: 3", "three.prototxt")
    assert np.array_equal(weights(one), weights(three))
    one.step(2)
    three.step(2)
    np.testing.assert_allclose(weights(three), weights(one), rtol=1e-5)


def test_gradients_do_not_add_up_over_iterations(folder):
    made = make(SOLVER)
    made.param.base_lr = 0
    made.step(1)
    first = made.net.params["ip"][0].diff.copy()
    made.step(1)
    assert np.array_equal(made.net.params["ip"][0].diff, first)


def test_callbacks_are_around_the_gradients(folder):
    made = make(SOLVER)
    calls = []

    def on_start():
        calls.append(("start", made.iter, float(np.abs(made.net.params["ip"][0].diff).sum())))

    def on_gradients_ready():
        calls.append(("ready", made.iter, made.net.params["ip"][0].diff.any()))

    made.add_callback(on_start, on_gradients_ready)
    made.step(2)
    assert calls == [("start", 0, 0.0), ("ready", 0, True), ("start", 1, 0.0), ("ready", 1, True)]


def test_a_callback_may_change_the_gradients(folder):
    made = make(SOLVER)
    before = [blob.data.copy() for blob in made.net.params["ip"]]

    def erase():
        for blob in made.net.params["ip"]:
            blob.diff[...] = 0

    made.add_callback(lambda: None, erase)
    made.step(1)
    for blob, old in zip(made.net.params["ip"], before):
        assert np.array_equal(blob.data, old)


def test_random_seed_repeats_the_fillers(folder):
    assert np.array_equal(weights(make(SOLVER)), weights(make(SOLVER)))
    other = make(SOLVER.replace("random_seed: 3", "random_seed: 4"))
    assert not np.array_equal(weights(make(SOLVER)), weights(other))


def test_the_seed_of_a_solver_depends_on_its_rank(folder):
    first = weights(make(SOLVER))
    context.set_solver_rank(1)
    try:
        assert not np.array_equal(first, weights(make(SOLVER)))
    finally:
        context.set_solver_rank(0)


def test_display_shows_smoothed_loss_outputs_and_rate(folder, logged):
    made = make(SOLVER + "display: 2 average_loss: 2")
    logged()
    made.step(3)
    lines = logged()
    assert [line.partition(" (")[0] for line in lines] == [
        "Iteration 0",
        lines[1].partition(" (")[0],
        "Iteration 0, lr = 0.1",
        "Iteration 2",
        lines[4].partition(" (")[0],
        "Iteration 2, lr = 0.1",
    ]
    loss = float(made.net.blobs["loss"].data)
    assert lines[4] == f"    Train net output #0: loss = {loss:g} (* 1 = {loss:g} loss)"
    smoothed = float(lines[3].rpartition("loss = ")[2])
    assert smoothed > loss


def test_solve_ends_with_a_forward_for_the_last_loss(folder, logged):
    made = make(SOLVER + "display: 3")
    logged()
    made.solve()
    loss = float(made.net.blobs["loss"].data)
    assert logged()[-2:] == [f"Iteration 6, loss = {loss:g}", "Optimization Done."]


def test_solve_goes_on_to_max_iter_only_once(folder):
    made = make(SOLVER)
    made.step(4)
    made.solve()
    assert made.iter == 6
    before = weights(made).copy()
    made.solve()
    assert made.iter == 6
    assert np.array_equal(weights(made), before)


# -- tests on the way ------------------------------------------------------------------------------

TESTS = SOLVER + "test_iter: 2 test_interval: 2 "


def iterations_tested(lines):
    return [line for line in lines if line.endswith(")") and "Testing net" in line]


def test_testing_happens_at_multiples_of_its_interval(folder, logged):
    made = make(TESTS)
    logged()
    made.solve()
    expected = [f"Iteration {i}, Testing net (#0)" for i in (0, 2, 4, 6)]
    assert iterations_tested(logged()) == expected


def test_a_test_of_no_batches_has_no_loss(folder, logged):
    made = make(TESTS.replace("test_iter: 2", "test_iter: 0") + "test_compute_loss: true")
    made.step(1)
    assert "Test loss: nan" in logged()


def test_initial_test_can_be_left_out(folder, logged):
    made = make(TESTS + "test_initialization: false")
    logged()
    made.step(3)
    assert iterations_tested(logged()) == ["Iteration 2, Testing net (#0)"]


def test_several_test_nets_each_with_its_state_and_batches(folder, logged):
    test_only = NET.replace("loss", "cost") + (
        'layer { name: "x" type: "Power" bottom: "ip" top: "x" include { stage: "more" } }'
    )
    Path("test.prototxt").write_text(test_only)
    made = make(
        SOLVER
        + 'test_net: "test.prototxt" test_iter: 2 test_iter: 3 test_interval: 4 '
        + 'test_state { stage: "more" } test_state { stage: "less" } test_compute_loss: true'
    )
    assert [net.outputs for net in made.test_nets] == [["cost", "x"], ["loss"]]
    logged()
    made.step(1)
    lines = logged()
    assert lines[0] == "Iteration 0, Testing net (#0)"
    assert lines[1].startswith("Test loss: ")
    cost = float(lines[1].rpartition(" ")[2])
    assert lines[2] == f"    Test net output #0: cost = {cost:g} (* 1 = {cost:g} loss)"
    assert [line.split(" = ")[0] for line in lines[3:11]] == [
        f"    Test net output #{i}: x" for i in range(1, 9)
    ]
    assert lines[11] == "Iteration 0, Testing net (#1)"
    assert len(lines) == 14


def test_test_nets_share_the_parameters_when_they_are_tested(folder):
    made = make(TESTS + "test_initialization: false")
    test_weights = made.test_nets[0].params["ip"][0]
    made.step(2)
    assert not np.array_equal(test_weights.data, weights(made))
    made.step(1)
    assert np.array_equal(test_weights.data, weights(made))


def test_share_weights(folder):
    made = make(SOLVER)
    other = caffe.Net("net.prototxt", caffe.TEST)
    made.share_weights(other)
    made.step(1)
    assert np.array_equal(other.params["ip"][0].data, weights(made))


def test_mean_of_the_batches_is_reported(folder, logged):
    made = make(TESTS)
    net, given = made.test_nets[0], []

    def vary(index):
        if index == 0:
            feed(net, seed=len(given))
        if net._layer_names[index] == "loss":
            given.append(float(net.blobs["loss"].data))

    net.before_forward(lambda i: vary(i) if i == 0 else None)
    net.after_forward(lambda i: vary(i) if i else None)
    logged()
    made.step(1)
    assert len(given) == 2 and given[0] != given[1]
    mean = float(logged()[1].split(" = ")[1].split(" ")[0])
    assert mean == pytest.approx(sum(given) / 2, rel=1e-5)


# -- requests --------------------------------------------------------------------------------------


def test_stop_ends_after_the_iteration_with_a_snapshot(folder, logged):
    made = make(SOLVER.replace("false", "true"))
    made.requested_action = lambda: solver.Action.STOP if made.iter == 3 else solver.Action.NONE
    logged()
    made.solve()
    assert made.iter == 3
    assert Path("solver_iter_3.solverstate").exists()
    assert logged()[-1] == "Optimization stopped early."


def test_snapshot_request_goes_on(folder):
    made = make(SOLVER)
    made.requested_action = lambda: solver.Action.SNAPSHOT if made.iter == 2 else solver.Action.NONE
    made.solve()
    assert made.iter == 6
    assert [p.name for p in Path().glob("*.solverstate")] == ["solver_iter_2.solverstate"]


def test_stop_during_a_test_ends_it(folder, logged):
    made = make(TESTS)
    asked = []

    def stop_at_the_second_batch():
        asked.append(made.iter)
        return solver.Action.STOP if len(asked) == 2 else solver.Action.NONE

    made.requested_action = stop_at_the_second_batch
    logged()
    made.solve()
    assert made.iter == 0
    assert logged()[-2:] == ["Test interrupted.", "Optimization stopped early."]


# -- construction ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OPTIONS)
def test_class_of_the_type(kind, folder):
    made = make(SOLVER + f'type: "{kind}"')
    names = [c.__name__ for c in type(made).__mro__]
    own = [] if kind == "SGD" else [f"{kind}Solver"]
    assert names == [*own, "SGDSolver", "Solver", "instance", "object"]
    assert type(made) is getattr(caffe, f"{kind}Solver")


@pytest.mark.parametrize(("number", "kind"), list(enumerate(LEGACY_TYPES)))
def test_old_solver_type_is_upgraded(number, kind, folder, logged):
    name = caffe_pb2.SolverParameter.SolverType.Name(number)
    made = make(SOLVER + f"solver_type: {name}")
    assert made.type == kind
    assert made.param.type == kind and not made.param.HasField("solver_type")
    assert logged()[:3] == [
        "Attempting to upgrade input file specified using deprecated 'solver_type' field "
        "(enum)': solver.prototxt",
        "Successfully upgraded file specified using deprecated 'solver_type' field (enum) to "
        "'type' field (string).",
        "Note that future Caffe releases will only support 'type' field (string) for a solver's "
        "type.",
    ]


def test_prefix_is_the_solvers_name_unless_given(folder, logged):
    assert make(SOLVER, "mine.prototxt").param.snapshot_prefix == "mine"
    assert logged()[0] == "snapshot_prefix was not specified and is set to mine"
    assert make(SOLVER + 'snapshot_prefix: "x"').param.snapshot_prefix == "x"
    Path("kept").mkdir()
    assert make(SOLVER + 'snapshot_prefix: "kept"').param.snapshot_prefix == "kept/solver"


def test_net_param_inside_the_solver(folder):
    inner = " ".join(NET.split("\n"))
    made = make(SOLVER.replace('net: "net.prototxt"', f"net_param {{ {inner} }}"))
    made.step(1)
    assert made.net.name == "tiny"


def test_train_state_and_weights(folder):
    source = make(SOLVER)
    source.net.save("start.caffemodel")
    Path("net.prototxt").write_text(
        NET + 'layer { name: "x" type: "Power" bottom: "ip" top: "x" include { stage: "s" } }'
    )
    made = make(
        SOLVER.replace("random_seed: 3", "random_seed: 9")
        + 'train_state { stage: "s" level: 2 } weights: "start.caffemodel" test_iter: 1 '
        "test_interval: 5"
    )
    assert "x" in made.net.blobs and "x" not in made.test_nets[0].blobs
    assert np.array_equal(weights(made), weights(source))
    assert np.array_equal(made.test_nets[0].params["ip"][0].data, weights(source))


def test_parameters_can_be_changed_while_training(folder):
    made = make(SOLVER)
    made.param.base_lr = 0.5
    assert made.lr == 0.5
    assert (made.param.max_iter, made.param.display, made.param.layer_wise_reduce) == (6, 0, True)


REFUSED = {
    'type: "AdamW"': (
        'type is "AdamW", expected one of AdaDelta, AdaGrad, Adam, Nesterov, RMSProp, SGD'
    ),
    'type: "SGD" solver_type: ADAM': "has both type and the old solver_type, expected type alone",
    'type: "AdaGrad" momentum: 0.9': "momentum is 0.9, AdaGrad expects none",
    'type: "RMSProp" momentum: 0.9': "momentum is 0.9, RMSProp expects none",
    'type: "RMSProp" rms_decay: 1': "rms_decay is 1, expected at least 0 and less than 1",
    'type: "Adam" momentum: 1': "momentum is 1, expected more than -1 and less than 1",
    'type: "Adam" momentum: -1': "momentum is -1, expected more than -1 and less than 1",
    'type: "Adam" momentum2: 2': "momentum2 is 2, expected at least 0 and less than 1",
    'type: "Adam" momentum2: -0.5': "momentum2 is -0.5, expected at least 0 and less than 1",
    'snapshot: 1 snapshot_prefix: "a\\0b"': (
        r'snapshot_prefix "a\x00b": embedded null byte, '
        "expected a place in a folder that exists and can be written to"
    ),
    "average_loss: 0": "average_loss is 0, expected 1 or more",
    "iter_size: 0": "iter_size is 0, expected 1 or more",
    "test_iter: 1": "test_interval is 0, expected more than 0 to test",
    'test_net: "net.prototxt" test_interval: 1': (
        "test_iter is given 0 times, expected 1, once per test net"
    ),
    "test_iter: 1 test_interval: 1 test_state { } test_state { }": (
        "test_state is given 2 times, expected 0 or 1, once per test net"
    ),
    'train_net: "net.prototxt"': (
        "found train_net, net, expected one train net: net, net_param, train_net or train_net_param"
    ),
    'weights: "gone.caffemodel"': "weights: gone.caffemodel: no such file",
}


@pytest.mark.parametrize("text", REFUSED)
def test_solvers_that_are_refused(text, folder):
    with pytest.raises(caffe.CaffeError) as error:
        make(SOLVER + text)
    assert str(error.value) == "solver.prototxt: " + REFUSED[text]


def test_a_solver_needs_a_net(folder):
    with pytest.raises(caffe.CaffeError) as error:
        make(SOLVER.replace('net: "net.prototxt"', ""))
    assert str(error.value) == (
        "solver.prototxt: found none, expected one train net: "
        "net, net_param, train_net or train_net_param"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"fixed"',
            '"cosine"',
            'lr_policy is "cosine", expected one of '
            "fixed, step, exp, inv, multistep, poly, sigmoid",
        ),
        (
            "max_iter",
            'weight_decay: 0.1 regularization_type: "L3" max_iter',
            'regularization_type is "L3", expected "L1" or "L2"',
        ),
    ],
)
def test_wrong_updates_are_refused_before_the_first_forward(old, new, message, folder):
    made = make(SOLVER.replace(old, new))
    made.net.before_forward(lambda i: pytest.fail("a layer ran"))
    with pytest.raises(caffe.CaffeError) as error:
        made.step(1)
    assert str(error.value) == f"solver.prototxt: {message}"


def test_pieces_are_views_of_all_numbers_in_their_order(monkeypatch):
    monkeypatch.setattr(solver_types, "PIECE", 5)
    shapes = [(2, 3), (), (0, 4), (7, 5), (1,), (4,), (3,)]
    lists = [[torch.randn(shape) for shape in shapes] for _ in range(3)]
    flat = [torch.cat([tensor.flatten() for tensor in tensors]) for tensors in lists]
    batches = list(pieces(lists))
    for number, expected in enumerate(flat):
        got = [view for batch in batches for view in batch[number]]
        torch.testing.assert_close(torch.cat(got), expected, rtol=0, atol=0)
    assert max(sum(view.numel() for view in batch[0]) for batch in batches) == 5
    batches[0][1][0].zero_()
    assert not lists[1][0][:1].any()

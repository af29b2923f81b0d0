"""Filters from data: the mathematics against naive forms, and what nets are like afterwards."""

import itertools

import numpy as np
import pytest
from magic_nets import NETS, plain_net, residual_net, write_data, write_net

import caffe
from caffe import layers as L
from colorization.magic_init import MagicInitError, magic_init, steps
from colorization.magic_init.filter_layer import FILTER_TYPES, FilterLayer, gather
from colorization.magic_init.filters import (
    filters,
    image_unevenness,
    principal_components,
    spherical_kmeans,
)
from colorization.magic_init.method import SETTLED, choose_layers, layer_messages
from colorization.magic_init.rates import free_scales, rescale
from colorization.magic_init.steps import steps_of

HELD_OUT_BATCHES = 40
PREDICTIONS = ("pred_313", "pred")


def generator(seed=3):
    return np.random.default_rng(seed)


def normal(*shape, seed=3):
    return generator(seed).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("magic")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def train(folder):
    """The path of the train net of a kind."""
    return {
        kind: write_net(folder / f"{kind}.prototxt", build(str(folder / "train_lmdb")))
        for kind, build in NETS.items()
    }


@pytest.fixture(scope="module")
def initialised(folder, train):
    """The model and summary of a kind of net and a method, each made once."""
    made = {}

    def get(kind, method="kmeans", iterations=10, **options):
        key = (kind, method, iterations, *options.items())
        if key not in made:
            path = folder / f"{len(made)}.caffemodel"
            made[key] = path, magic_init(train[kind], path, method, iterations, **options)
        return made[key]

    return get


def held_out_net(folder, kind, model, phase=caffe.TRAIN):
    path = write_net(folder / f"held_{kind}.prototxt", NETS[kind](str(folder / "held_out_lmdb")))
    caffe.set_random_seed(99)
    return caffe.Net(str(path), str(model), phase)


def filter_layers(net):
    types = (layer.type for layer in net.layers)
    return [name for name, kind in zip(net.top_names, types) if kind in FILTER_TYPES]


def outputs(net, batches=HELD_OUT_BATCHES):
    """The values (units, all) of each layer with filters, as the layer itself gives them."""
    names, values = list(net.top_names), {}
    for _ in range(batches):
        start = names[0]
        for name in filter_layers(net):
            net.forward(start=start, end=name)
            y = net.blobs[net.top_names[name][0]].data
            rows = y.reshape(*y.shape[:2], -1).transpose(1, 0, 2).reshape(y.shape[1], -1)
            values.setdefault(name, []).append(rows.astype(np.float64))
            start = names[min(names.index(name) + 1, len(names) - 1)]
    return {name: np.concatenate(parts, 1) for name, parts in values.items()}


def parameters(path, train):
    net = caffe.Net(str(train), str(path), caffe.TRAIN)
    return {
        (name, i): blob.data.copy()
        for name, blobs in net.params.items()
        for i, blob in enumerate(blobs)
    }


# -- mathematics -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(200, 7), (60, 90), (3, 11)])
def test_principal_components_are_those_of_the_covariance(shape):
    P, D = shape
    X = normal(*shape) @ np.diag(0.7 ** np.arange(D)).astype(np.float32) @ normal(D, D, seed=4)
    X -= X.mean(axis=0)
    variances, components = principal_components(X, min(5, P - 1), generator())
    expected = np.linalg.eigvalsh(X.T.astype(float) @ X / P)[::-1][: min(5, P - 1)]
    np.testing.assert_allclose(variances, expected, rtol=0.02)
    projected = X @ components.T
    np.testing.assert_allclose(projected.T @ projected / P, np.diag(variances), atol=0.01)
    np.testing.assert_allclose(components @ components.T, np.eye(len(variances)), atol=1e-3)


def test_principal_components_leave_out_what_does_not_vary():
    X = normal(50, 3) @ normal(3, 8, seed=4)
    X -= X.mean(axis=0)
    assert len(principal_components(X, 8, generator())[0]) == 3


def test_gather_against_a_loop():
    x = normal(3, 4, 6, 7)
    items = np.array([0, 2, 1, 2, 0])
    starts = [np.array([-1, 0, 3, 5, 2]), np.array([6, -2, 0, 1, 4])]
    taps = [np.array([0, 2, 4]), np.array([0, 1])]
    expected = np.zeros((5, 4, 3, 2), np.float32)
    for p, c, i, j in itertools.product(range(5), range(4), range(3), range(2)):
        row, column = starts[0][p] + taps[0][i], starts[1][p] + taps[1][j]
        if 0 <= row < 6 and 0 <= column < 7:
            expected[p, c, i, j] = x[items[p], c, row, column]
    np.testing.assert_array_equal(gather(x, items, starts, taps), expected)


def test_spherical_kmeans_moves_axes_towards_the_data():
    centres = normal(4, 9, seed=5)
    which = generator().integers(4, size=300)
    signs = generator(6).choice([-1, 1], (300, 1))
    z = (signs * centres[which] + 0.2 * normal(300, 9)).astype(np.float32)
    axes = spherical_kmeans(z, 6, generator())
    np.testing.assert_allclose(np.linalg.norm(axes, axis=1), 1, rtol=1e-5)
    start = normal(6, 9)
    start /= np.linalg.norm(start, axis=1, keepdims=True)

    def nearness(u):
        return np.abs(z @ u.T).max(axis=1).mean()

    assert nearness(axes) > 1.3 * nearness(start)


def test_unevenness_over_images():
    images = np.repeat([4, 7], 3)
    y = np.array([[2, 1, 1], [-2, 1, 3], [2, 1, 1], [0, 1, 1], [0, -1, 3], [0, 1, 1]], np.float32)
    np.testing.assert_allclose(image_unevenness(y, images), [1, 0, 0], atol=1e-6)
    many = np.repeat(np.arange(40), 100)
    assert image_unevenness(normal(4000, 5), many).max() < 0.1
    louder = normal(4000, 5) * np.where(many < 20, 1, 3)[:, None]
    np.testing.assert_allclose(image_unevenness(louder, many), 0.8, atol=0.1)
    assert not image_unevenness(normal(6, 5), np.arange(6)).any()


def test_pca_filters_give_uncorrelated_units():
    patches = normal(400, 6) @ normal(6, 6, seed=4)
    made = filters(patches, np.zeros(400, int), 4, "pca", generator())
    correlation = np.corrcoef((patches @ made.T).T)
    np.testing.assert_allclose(correlation, np.eye(4), atol=0.01)


@pytest.mark.parametrize("method", ["kmeans", "pca"])
def test_more_filters_than_the_windows_have_values(method):
    patches = normal(400, 3) @ normal(3, 5, seed=4)
    made = filters(patches, np.repeat(np.arange(4), 100), 11, method, generator())
    assert made.shape == (11, 5)
    assert (np.std(patches @ made.T, axis=0) > 0.1).all()
    assert np.linalg.matrix_rank(made, tol=1e-3) == 3


@pytest.mark.parametrize(
    ("layer", "fields"),
    [
        ("Convolution", dict(kernel_size=3, stride=2, pad=1)),
        ("Convolution", dict(kernel_h=2, kernel_w=3, pad_h=0, pad_w=2, stride_h=1, stride_w=3)),
        ("Convolution", dict(kernel_size=[3, 2], dilation=[2, 1], group=2)),
        ("Deconvolution", dict(kernel_size=4, stride=2, pad=1)),
        ("Deconvolution", dict(kernel_size=3, stride=2, group=2)),
        ("Deconvolution", dict(kernel_h=5, kernel_w=2, pad_h=2, pad_w=0, stride_h=3, stride_w=1)),
        ("Deconvolution", dict(kernel_size=3, dilation=2, pad=1)),
    ],
)
def test_a_layer_applies_its_filters_to_the_windows(folder, layer, fields):
    """The output at each place is the filters times one of the windows that they are made from."""
    net = caffe.NetSpec()
    net.x = L.DummyData(shape=dict(dim=[2, 4, 6, 7]), data_filler=dict(type="gaussian"))
    fields = dict(num_output=10, bias_term=False, **fields)
    net.y = getattr(L, layer)(net.x, convolution_param=fields)
    built = caffe.Net(str(write_net(folder / "one.prototxt", net)), caffe.TRAIN)
    it = FilterLayer(built.params["y"], net.to_proto().layer[1])
    top = built.blobs["y"].data.shape[2:]
    starts, taps = it._windows(top)
    group = fields.get("group", 1)
    made = normal(10, 4 // group, *map(len, taps))
    for g in range(group):
        it._store(g, made[g * 10 // group : (g + 1) * 10 // group])
    built.forward()
    x, y = built.blobs["x"].data, built.blobs["y"].data
    for item, *place in itertools.product(range(2), *map(range, top)):
        here, seen = zip(*(seen_along(it, a, o, starts[a], taps[a]) for a, o in enumerate(place)))
        window = gather(x, np.array([item]), here, taps)[0] * np.ix_(*seen)[0] * np.ix_(*seen)[1]
        pairs = made.reshape(group, 10 // group, -1), window.reshape(group, -1)
        expected = np.einsum("gkd,gd->gk", *pairs).ravel()
        np.testing.assert_allclose(y[(item, slice(None), *place)], expected, atol=1e-4)


def seen_along(layer, axis, output, starts, taps):
    """The window of an output along an axis, and which of its taps the kernel has elements for."""
    kernel, stride, pad, dilation = layer._geometry(axis, 2)
    if layer.type == "Convolution":
        return starts[[output]], np.ones(len(taps))
    offset = output + pad - dilation * np.arange(kernel)
    inputs = offset[offset % stride == 0] // stride
    start = starts[starts == (output + pad) // stride]
    return start, np.isin(start + taps, inputs).astype(float)


# -- nets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["kmeans", "pca", "random"])
@pytest.mark.parametrize("kind", NETS)
def test_units_have_deviation_1_and_mean_0_on_held_out_data(folder, initialised, kind, method):
    model, summary = initialised(kind, method)
    net = held_out_net(folder, kind, model)
    values = outputs(net)
    assert list(values) == summary.layers == filter_layers(net)
    assert sum(map(len, values.values())) == summary.units
    for name, y in values.items():
        np.testing.assert_allclose(y.std(axis=1), 1, atol=0.1, err_msg=name)
        if len(net.params[name]) == 2 and name not in PREDICTIONS:
            np.testing.assert_allclose(y.mean(axis=1), 0, atol=0.1, err_msg=name)


def test_predictions_begin_at_the_constant_of_least_loss(folder, initialised):
    """The mean target, which is found here on the held-out data."""
    for kind, target in (("plain", "target_313"), ("residual", "target_ab")):
        model, _ = initialised(kind, beta=0.4)
        net, sums = held_out_net(folder, kind, model), []
        for _ in range(HELD_OUT_BATCHES):
            net.forward()
            predicted = net.blobs[net.bottom_names["loss"][0]].data.mean(axis=(0, 2, 3))
            sums.append((predicted, net.blobs[target].data.mean(axis=(0, 2, 3))))
        predicted, mean = np.mean(sums, axis=0)
        if kind == "plain":
            predicted = np.exp(predicted) / np.exp(predicted).sum()
            assert abs(predicted - mean).sum() / 2 < 0.1 < abs(1 / 313 - mean).sum() / 2 - 0.1
        else:
            np.testing.assert_allclose(predicted, mean, atol=2)  # of about 5


def test_units_have_the_mean_that_is_asked_for(folder, initialised):
    model, _ = initialised("plain", beta=0.4)
    for name, y in outputs(held_out_net(folder, "plain", model)).items():
        if name not in PREDICTIONS:
            np.testing.assert_allclose(y.mean(axis=1), 0.4, atol=0.1, err_msg=name)
        np.testing.assert_allclose(y.std(axis=1), 1, atol=0.1, err_msg=name)


def test_methods_differ_and_only_filters_change(initialised, train):
    models = [initialised("plain", method)[0] for method in ("kmeans", "pca", "random")]
    first, second, third = (parameters(path, train["plain"]) for path in models)
    for name in ("conv1_1", "conv2_2", "conv8_1", "pred_313"):
        for one, other in ((first, second), (second, third), (first, third)):
            difference = one[name, 0] - other[name, 0]
            assert np.linalg.norm(difference) > 0.5 * np.linalg.norm(one[name, 0])


def test_pca_units_of_the_first_layer_are_uncorrelated(folder, initialised):
    model, _ = initialised("residual", "pca")
    values = outputs(held_out_net(folder, "residual", model))["conv0"]
    np.testing.assert_allclose(np.corrcoef(values), np.eye(5), atol=0.1)


def test_the_seed_decides(folder, train, initialised):
    first, _ = initialised("residual", iterations=2)
    for seed, same in ((1, True), (2, False)):
        again = folder / "again.caffemodel"
        magic_init(train["residual"], again, iterations=2, seed=seed)
        one, other = (parameters(path, train["residual"]) for path in (first, again))
        assert one.keys() == other.keys()
        equal = [np.array_equal(one[key], other[key]) for key in one if key[0] == "branch2a"]
        assert equal == [same, same]
        assert all(np.array_equal(one[key], other[key]) for key in one) is same


def test_rounds_see_more_data(initialised, monkeypatch):
    monkeypatch.setattr(steps, "MEMORY", 4_000_000)
    before = initialised("plain", iterations=0)[1].images
    assert 5 < before < 64 * 5
    assert initialised("plain", iterations=3)[1].images == before + 3 * 65


def test_one_batch_is_enough_where_memory_is_short(folder, train, monkeypatch):
    monkeypatch.setattr(steps, "MEMORY", 1)
    assert magic_init(train["plain"], folder / "short.caffemodel", iterations=0).images == 5


def test_statistics_of_batch_norm_fit_the_new_filters(folder, initialised):
    """With them the net in TEST, which uses them, behaves as the net in TRAIN."""
    for kind in NETS:
        model, _ = initialised(kind)
        for name, y in outputs(held_out_net(folder, kind, model, caffe.TEST)).items():
            np.testing.assert_allclose(y.std(axis=1), 1, atol=0.3, err_msg=name)


def test_rounds_even_out_rates_where_scales_are_free(initialised, train):
    model, summary = initialised("residual")
    assert 1 <= len(summary.evened) <= 10
    assert summary.evened[0].after < 0.9 * summary.evened[0].before
    assert summary.evened[0].change > SETTLED > summary.evened[-1].change
    gamma = parameters(model, train["residual"])["branch3_scale", 0]
    assert abs(np.log(gamma[0])) > SETTLED
    np.testing.assert_array_equal(gamma, gamma[0])
    assert initialised("plain")[1].evened == []


def scales_of(path):
    net = caffe.Net(str(path), caffe.TRAIN)
    steps, messages = steps_of(net), layer_messages(path)
    chosen = choose_layers(net, steps, messages, str(path), "all")
    return net, chosen, free_scales(net, steps, messages, chosen)


def test_scales_are_free_only_behind_scale_layers_and_before_filters(train):
    assert scales_of(train["plain"])[2] == []
    assert scales_of(train["residual"])[2] == [
        (["branch2b_scale", "branch1_scale", "branch3_scale"], ["branch3", "conv5"]),
        (["conv6_scale"], ["pred"]),
    ]


def test_a_free_scale_changes_the_rates_behind_it_alone(train):
    """By its square; the net computes the same."""
    net, chosen, scales = scales_of(train["residual"])

    def run():
        for blobs in net.params.values():
            for blob in blobs:
                blob.diff[...] = 0
        net.forward(start="lab")
        net.backward()
        return net.blobs["pred"].data.copy(), {name: it.rate() for name, it in chosen.items()}

    net.forward()
    before, rates = run()
    rescale(net, chosen, scales[0], 3.0)
    after, changed = run()
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-4)
    for name, rate in rates.items():
        expected = 9 if name in scales[0].readers else 1
        np.testing.assert_allclose(changed[name] / rate, expected, rtol=1e-3, err_msg=name)


def test_only_layers_of_zeros_are_changed_if_asked(folder, train):
    """The start has statistics of a BatchNorm before the layer of zeros, and of one behind it."""
    net = caffe.Net(str(train["residual"]), caffe.TRAIN)
    for _ in range(3):
        net.forward()
    net.params["conv5"][0].data[...] = 0
    net.params["conv5"][1].data[...] = 0.7
    net.save(str(folder / "start.caffemodel"))
    start = parameters(folder / "start.caffemodel", train["residual"])
    path = folder / "zero.caffemodel"
    summary = magic_init(
        train["residual"], path, layers="zero", weights=folder / "start.caffemodel"
    )
    assert (summary.layers, summary.units, summary.evened) == (["conv5"], 7, [])
    result = parameters(path, train["residual"])
    changed = {key for key in start if not np.array_equal(start[key], result[key])}
    assert {name for name, _ in changed} == {"conv5", "conv6_bn"}
    y = outputs(held_out_net(folder, "residual", path))["conv5"]
    np.testing.assert_allclose(y.std(axis=1), 1, atol=0.1)


def test_inner_products_groups_and_shared_weights(folder):
    net = caffe.NetSpec()
    shape = dict(dim=[16, 4, 6, 7])
    net.x, net.z = L.DummyData(shape=[shape, shape], data_filler=dict(type="gaussian"), ntop=2)
    shared = dict(num_output=6, kernel_size=3, group=2, param=[dict(name="w"), dict(name="b")])
    net.one, net.other = L.Convolution(net.x, **shared), L.Convolution(net.z, **shared)
    net.joined = L.Concat(net.one, net.other)
    net.pooled = L.Pooling(net.joined, kernel_size=2, stride=2)
    net.flipped = L.InnerProduct(net.pooled, num_output=5, transpose=True)
    net.sigmoid = L.Sigmoid(net.flipped)
    net.last = L.InnerProduct(net.sigmoid, num_output=3, axis=-1)
    net.loss = L.Reduction(net.last, loss_weight=1)
    path = write_net(folder / "dense.prototxt", net)
    summary = magic_init(path, folder / "dense.caffemodel")
    assert summary.layers == ["one", "flipped", "last"]
    built = caffe.Net(str(path), str(folder / "dense.caffemodel"), caffe.TRAIN)
    np.testing.assert_array_equal(built.params["one"][0].data, built.params["other"][0].data)
    for name, y in outputs(built).items():
        np.testing.assert_allclose(y.std(axis=1), 1, atol=0.1, err_msg=name)
        np.testing.assert_allclose(y.mean(axis=1), 0, atol=0.1, err_msg=name)


# -- errors ----------------------------------------------------------------------------------------


def one_layer(folder, layer, filler="gaussian", **fields):
    net = caffe.NetSpec()
    net.x = L.DummyData(shape=dict(dim=[2, 3, 4, 5]), data_filler=dict(type=filler))
    net.y = getattr(L, layer)(net.x, **fields)
    return write_net(folder / "error.prototxt", net)


def error_of(path, **options):
    output = path.with_name("never.caffemodel")
    with pytest.raises(MagicInitError) as caught:
        magic_init(path, output, **options)
    assert not output.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_errors_name_file_and_cause(folder):
    path = one_layer(folder, "ReLU")
    expected = "no layer of the types Convolution, Deconvolution, InnerProduct"
    assert error_of(path) == f"{path}: {expected}"
    path = one_layer(folder, "InnerProduct", num_output=7, weight_filler=dict(type="xavier"))
    assert error_of(path, layers="zero") == f"{path}: no layer has weights that are all zero"
    path = one_layer(folder, "InnerProduct", "constant", num_output=7)
    assert error_of(path) == 'layer "y": its input does not vary over the data'
    path = one_layer(folder, "Convolution", num_output=7, kernel_size=1, axis=2)
    assert error_of(path) == 'layer "y" has axis 2, expected channels on axis 1'
    assert error_of(path, method="ica") == 'method "ica": expected one of kmeans, pca, random'
    assert error_of(path, layers="some") == 'layers "some": expected one of all, zero'


def test_errors_of_nets_without_data(folder):
    net = caffe.NetSpec()
    net.data_l = L.Input(shape=dict(dim=[1, 1, 8, 9]))
    net.y = L.Convolution(net.data_l, num_output=2, kernel_size=3)
    path = write_net(folder / "deploy.prototxt", net)
    assert error_of(path) == f"{path}: input data_l: expected a train net, which reads its data"
    path = write_net(folder / "no_data.prototxt", plain_net(str(folder / "absent_lmdb")))
    assert f"{folder / 'absent_lmdb'}" in error_of(path)
    path = write_net(folder / "weights.prototxt", residual_net(str(folder / "train_lmdb")))
    assert "absent.caffemodel" in error_of(path, weights=folder / "absent.caffemodel")
    assert "absent.prototxt" in error_of(folder / "absent.prototxt")
    with pytest.raises(MagicInitError, match="is a folder, expected the name of a file"):
        magic_init(path, folder)

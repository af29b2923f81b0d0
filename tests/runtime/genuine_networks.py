"""Networks that Caffe's users know, written anew from the figures of their papers.

Each function gives the net at any width: `width` scales the numbers of channels and units inside.
"""

from caffe import NetSpec
from caffe import layers as L
from caffe import params as P

GAUSSIAN = dict(type="gaussian", std=0.01)
XAVIER = dict(type="xavier")
ZERO = dict(type="constant")


def _inputs(n, **shapes):
    """Adds an Input layer for each blob."""
    for name, dims in shapes.items():
        n[name] = L.Input(shape=dict(dim=list(dims)))


def _convolved(bottom, units, kernel, filler=XAVIER, **settings):
    return L.Convolution(
        bottom, num_output=units, kernel_size=kernel, weight_filler=filler, **settings
    )


def _max_pooled(bottom, kernel, stride, **settings):
    return L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=kernel, stride=stride, **settings)


def _dense(bottom, units, filler=XAVIER, **settings):
    return L.InnerProduct(bottom, num_output=units, weight_filler=filler, **settings)


def lenet(batch=64, width=1.0):
    """LeNet in Caffe's variant (LeCun et al. 1998): digits of 28x28, two stages, 500 units."""
    n = NetSpec()
    _inputs(n, data=(batch, 1, 28, 28), label=(batch,))
    n.conv1 = _convolved(n.data, round(20 * width), 5)
    n.pool1 = _max_pooled(n.conv1, 2, 2)
    n.conv2 = _convolved(n.pool1, round(50 * width), 5)
    n.pool2 = _max_pooled(n.conv2, 2, 2)
    n.ip1 = _dense(n.pool2, round(500 * width))
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.ip2 = _dense(n.relu1, 10)
    n.loss = L.SoftmaxWithLoss(n.ip2, n.label)
    return n.to_proto()


def cifar10_quick(batch=100, width=1.0):
    """The quick CIFAR-10 net (Krizhevsky's cuda-convnet): MAX pooling, then AVE pooling twice."""
    n = NetSpec()
    _inputs(n, data=(batch, 3, 32, 32), label=(batch,))
    n.conv1 = _convolved(n.data, round(32 * width), 5, pad=2)
    n.pool1 = _max_pooled(n.conv1, 3, 2)
    n.relu1 = L.ReLU(n.pool1, in_place=True)
    n.conv2 = _convolved(n.relu1, round(32 * width), 5, pad=2)
    n.relu2 = L.ReLU(n.conv2, in_place=True)
    n.pool2 = L.Pooling(n.relu2, pool=P.Pooling.AVE, kernel_size=3, stride=2)
    n.conv3 = _convolved(n.pool2, round(64 * width), 5, pad=2)
    n.relu3 = L.ReLU(n.conv3, in_place=True)
    n.pool3 = L.Pooling(n.relu3, pool=P.Pooling.AVE, kernel_size=3, stride=2)
    n.ip1 = _dense(n.pool3, round(64 * width))
    n.ip2 = _dense(n.ip1, 10)
    n.loss = L.SoftmaxWithLoss(n.ip2, n.label)
    return n.to_proto()


def alexnet(batch=256, width=1.0, size=227, filler=GAUSSIAN):
    """AlexNet (Krizhevsky et al. 2012): two groups, normalisation, then pooling; dropout."""
    n = NetSpec()
    _inputs(n, data=(batch, 3, size, size), label=(batch,))
    bottom = n.data
    for stage, (units, kernel, settings) in enumerate(
        [
            (96, 11, dict(stride=4)),
            (256, 5, dict(pad=2, group=2)),
            (384, 3, dict(pad=1)),
            (384, 3, dict(pad=1, group=2)),
            (256, 3, dict(pad=1, group=2)),
        ],
        1,
    ):
        bottom = n[f"conv{stage}"] = _convolved(
            bottom, round(units * width), kernel, filler, **settings
        )
        bottom = n[f"relu{stage}"] = L.ReLU(bottom, in_place=True)
        if stage < 3:
            bottom = n[f"norm{stage}"] = L.LRN(bottom, local_size=5, alpha=1e-4, beta=0.75)
        if stage not in (3, 4):
            bottom = n[f"pool{stage}"] = _max_pooled(bottom, 3, 2)
    for stage in (6, 7):
        bottom = n[f"fc{stage}"] = _dense(bottom, round(4096 * width), filler)
        bottom = n[f"relu{stage}"] = L.ReLU(bottom, in_place=True)
        bottom = n[f"drop{stage}"] = L.Dropout(bottom, dropout_ratio=0.5, in_place=True)
    n.fc8 = _dense(bottom, 1000, filler)
    n.loss = L.SoftmaxWithLoss(n.fc8, n.label)
    return n.to_proto()


def inception_3a(batch=32, width=1.0, size=28):
    """The first inception block of GoogLeNet (Szegedy et al. 2015, table 1), and a classifier."""
    n = NetSpec()
    _inputs(n, data=(batch, round(192 * width), size, size), label=(batch,))

    def branch(bottom, name, units, kernel):
        top = n[name] = _convolved(bottom, round(units * width), kernel, pad=kernel // 2)
        n[f"{name}_relu"] = L.ReLU(top, in_place=True)
        return n[f"{name}_relu"]

    one = branch(n.data, "1x1", 64, 1)
    three = branch(branch(n.data, "3x3_reduce", 96, 1), "3x3", 128, 3)
    five = branch(branch(n.data, "5x5_reduce", 16, 1), "5x5", 32, 5)
    n.pool = _max_pooled(n.data, 3, 1, pad=1)
    n.output = L.Concat(one, three, five, branch(n.pool, "pool_proj", 32, 1))
    n.mean = L.Pooling(n.output, pool=P.Pooling.AVE, global_pooling=True)
    n.classifier = _dense(n.mean, 1000)
    n.loss = L.SoftmaxWithLoss(n.classifier, n.label)
    return n.to_proto()


def siamese(batch=64, width=1.0):
    """Two LeNets that share their parameters, compared by a contrastive loss (Hadsell et al. 2006).

    `pair` holds two digits as channels; `same` is 1 where they are of one class.
    """
    n = NetSpec()
    _inputs(n, pair=(batch, 2, 28, 28), same=(batch,))
    n.data, n.data_p = L.Slice(n.pair, slice_point=1, ntop=2)
    features = []
    for suffix in ("", "_p"):

        def shared(name):
            given = dict(lr_mult=1, name=f"{name}_w"), dict(lr_mult=2, name=f"{name}_b")
            return dict(param=list(given), bias_filler=ZERO)

        conv1 = _convolved(n[f"data{suffix}"], round(20 * width), 5, **shared("conv1"))
        n[f"conv1{suffix}"] = conv1
        n[f"pool1{suffix}"] = _max_pooled(conv1, 2, 2)
        conv2 = _convolved(n[f"pool1{suffix}"], round(50 * width), 5, **shared("conv2"))
        n[f"conv2{suffix}"] = conv2
        n[f"pool2{suffix}"] = _max_pooled(conv2, 2, 2)
        ip1 = n[f"ip1{suffix}"] = _dense(n[f"pool2{suffix}"], round(500 * width), **shared("ip1"))
        relu = n[f"relu1{suffix}"] = L.ReLU(ip1, in_place=True)
        ip2 = n[f"ip2{suffix}"] = _dense(relu, 10, **shared("ip2"))
        feat = n[f"feat{suffix}"] = _dense(ip2, 2, **shared("feat"))
        features.append(feat)
    n.loss = L.ContrastiveLoss(*features, n.same, margin=1)
    return n.to_proto()


def captioner(streams=100, steps=20, words=8801, width=1.0, filler=GAUSSIAN):
    """An image captioner (Donahue et al. 2015): words and an image's features into one LSTM.

    `target` -1 is ignored; `cont` is 0 where a sentence begins.
    """
    n, units = NetSpec(), round(1000 * width)
    _inputs(n, cont=(steps, streams), sentence=(steps, streams), target=(steps, streams))
    _inputs(n, features=(streams, round(4096 * width)))
    n.embedded = L.Embed(
        n.sentence, input_dim=words, num_output=units, bias_term=False, weight_filler=filler
    )
    recurrent = dict(num_output=units, weight_filler=filler)
    n.lstm = L.LSTM(n.embedded, n.cont, n.features, recurrent_param=recurrent)
    n.predict = _dense(n.lstm, words, filler, axis=2)
    n.loss = L.SoftmaxWithLoss(
        n.predict, n.target, softmax_param=dict(axis=2), loss_param=dict(ignore_label=-1)
    )
    return n.to_proto()

import json

import numpy as np

from colorization.histogram import Q, soft_encode
from colorization.rebalancing import class_weights, save_prior


def test_weights_come_from_the_prior_in_the_working_directory(module, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    prior = rng.dirichlet(np.full(Q, 0.3))
    save_prior("film_train_priors.npy", prior)
    P = soft_encode(rng.uniform(-90, 90, (3, 2, 5, 7)).astype(np.float32))
    param_str = json.dumps({"prior": "film_train_priors.npy", "lambda": 0.25})
    got = run(module, "ClassRebalance", P, param_str=param_str)
    expected = class_weights(prior, 0.25)[P.argmax(axis=1)][:, None]
    np.testing.assert_allclose(got, expected, rtol=1e-6)

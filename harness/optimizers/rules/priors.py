"""Priors from the literature about hyperparameters, by name: their usual values, and which way to change them after a verdict.

The numbers are taken from the sources named next to them; they are not fitted to any task. A hyperparameter is recognised by its name
(`learning_rate`, `sgd.lr`, `word_dropout`). If the name is unknown, it is recognised by a description that begins with the usual term
("step size of the optimizer"). A hyperparameter that is not recognised has no prior and no role.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from harness.space import Config, Space, Value
from harness.space.hyperparameter import Choice, Hyperparameter
from harness.tcs.analysis.verdict import Verdict


class Role(Enum):
    """The effect of a larger value on a training (Goodfellow, Bengio and Courville 2016, table 11.1; Bengio 2012, section 3)."""

    RATE = "longer steps"
    BATCH = "fewer and calmer steps"
    CAPACITY = "a larger model"
    REGULARISER = "a more constrained model"
    OTHER = "something else"


@dataclass(frozen=True, slots=True)
class Prior:
    """The usual values of a hyperparameter: around `centre`, with a `spread` that is a factor when `log` is True, else a difference.

    For a choice, `favoured` lists the levels that the literature recommends, and the other numbers are ignored.
    """

    role: Role
    centre: float = 0.0
    spread: float = 1.0
    log: bool = True
    favoured: tuple[Value, ...] = ()

    def agreement(self, value: Value) -> float:
        """Return how well a value agrees with the prior: 1 at the centre, 0 one spread away, -1 from about 1.4 spreads on."""
        if self.favoured:
            return 1.0 if value in self.favoured else -1.0
        if isinstance(value, str | bool):
            return 0.0
        if self.log:
            distance = math.log(max(float(value), 1e-300) / self.centre) / math.log(self.spread)
        else:
            distance = (float(value) - self.centre) / self.spread
        return 1.0 - min(2.0, distance * distance)


_SGD = Prior(Role.RATE, 3e-2, 10)  # between 0.01 (Bengio 2012) and 0.1 (He et al. 2016)
_ADAM = Prior(Role.RATE, 1e-3, 10)  # Kingma and Ba 2015
_RATES: Mapping[str, Prior] = {
    "sgd": _SGD,
    "momentum": _SGD,
    "nesterov": _SGD,
    "adam": _ADAM,
    "adamw": _ADAM,
    "nadam": _ADAM,
    "radam": _ADAM,
    "adamax": _ADAM,
    "rmsprop": _ADAM,  # Tieleman and Hinton 2012
    "adagrad": Prior(Role.RATE, 1e-2, 10),  # the defaults of PyTorch and TensorFlow are 0.01 and 0.001
    "adadelta": Prior(Role.RATE, 1.0, 10),  # Zeiler 2012
}
_ANY_RATE = Prior(Role.RATE, 5e-3, 30)  # update rule unknown: between SGD and Adam
_SHRINKAGE = Prior(Role.RATE, 0.1, 3)  # the learning rate of boosted trees: Friedman 2001

# usual name -> (other names, prior)
_KNOWN: Mapping[str, tuple[str, Prior]] = {
    "learning_rate": ("lr learn_rate step_size stepsize eta eta0", _ANY_RATE),
    "shrinkage": ("", _SHRINKAGE),
    # 5e-4 in Krizhevsky et al. 2012, 1e-4 in He et al. 2016, 1e-2 (decoupled) in Loshchilov and Hutter 2019
    "weight_decay": ("wd l2 l2_reg l2_penalty weight_penalty", Prior(Role.REGULARISER, 5e-4, 10)),
    # 0.5 in hidden layers, 0.2 at the input: Srivastava et al. 2014
    "dropout": ("dropout_rate drop_rate drop_prob dropout_prob", Prior(Role.REGULARISER, 0.35, 0.2, log=False)),
    "label_smoothing": ("smoothing", Prior(Role.REGULARISER, 0.1, 0.1, log=False)),  # Szegedy et al. 2016
    "momentum": ("", Prior(Role.OTHER, 0.9, 0.1, log=False)),  # Sutskever et al. 2013
    "beta1": ("beta_1 adam_beta1", Prior(Role.OTHER, 0.9, 0.1, log=False)),  # Kingma and Ba 2015
    "beta2": ("beta_2 adam_beta2", Prior(Role.OTHER, 0.999, 0.01, log=False)),  # Kingma and Ba 2015
    "batch_size": ("batch minibatch_size mini_batch_size", Prior(Role.BATCH, 32, 2)),  # Bengio 2012; Masters and Luschi 2018
    # a layer that is too wide does little harm when regularised: Bengio 2012
    "hidden_size": ("hidden_units hidden_dim num_units n_units units width n_hidden hidden", Prior(Role.CAPACITY, 128, 3)),
    "num_filters": ("filters n_filters channels num_channels", Prior(Role.CAPACITY, 32, 3)),  # Simonyan and Zisserman 2015: 64
    "num_layers": ("layers n_layers depth hidden_layers num_hidden_layers", Prior(Role.CAPACITY, 2, 1, log=False)),
    "embedding_size": ("embedding_dim embed_dim emb_dim factors n_factors", Prior(Role.CAPACITY, 32, 3)),  # Cheng et al. 2016
    # Krizhevsky et al. 2012: 0.01; Rendle 2012: 0.1
    "init_scale": ("init_std init_stdev initial_scale", Prior(Role.OTHER, 3e-2, 4)),
    "clip_norm": ("max_norm max_grad_norm grad_clip gradient_clip", Prior(Role.OTHER, 1.0, 5)),  # Pascanu et al. 2013
    # trees with 4 to 8 leaves: Hastie, Tibshirani and Friedman 2009, section 10.11
    "max_depth": ("tree_depth", Prior(Role.CAPACITY, 3, 2, log=False)),
    "min_samples_leaf": ("min_child_samples min_child_weight min_data_in_leaf", Prior(Role.REGULARISER, 5, 4)),  # Breiman 2001
    "subsample": ("bagging_fraction row_sample", Prior(Role.OTHER, 0.6, 0.25, log=False)),  # Friedman 2002: about one half
    "max_features": ("colsample colsample_bytree feature_fraction", Prior(Role.OTHER, 0.4, 0.3, log=False)),  # Breiman 2001: 1/3
    "n_estimators": ("num_trees n_trees num_boost_round", Prior(Role.CAPACITY, 300, 3)),  # Friedman 2001
    "optimizer": ("optim solver update_rule", Prior(Role.OTHER, favoured=("adam", "adamw"))),  # Kingma and Ba 2015
    "activation": ("nonlinearity act", Prior(Role.OTHER, favoured=("relu", "leaky_relu", "elu"))),  # Glorot et al. 2011
    "normalization": ("norm normalisation", Prior(Role.OTHER, favoured=("batch", "layer"))),  # Ioffe and Szegedy 2015
    "schedule": ("lr_schedule scheduler", Prior(Role.OTHER, favoured=("cosine",))),  # Loshchilov and Hutter 2017
    "nesterov": ("", Prior(Role.OTHER, favoured=(True,))),  # Sutskever et al. 2013
}
_USUAL: Mapping[str, str] = {name: usual for usual, (others, _) in _KNOWN.items() for name in (usual, *others.split())}

# The remedy for each verdict on the incumbent's training: hyperparameters of which role should rise (+1) or fall (-1).
_REMEDIES: Mapping[Verdict, Mapping[Role, int]] = {
    Verdict.OVERFITTING: {Role.REGULARISER: 1, Role.CAPACITY: -1},
    Verdict.UNDERFITTING: {Role.REGULARISER: -1, Role.CAPACITY: 1, Role.RATE: 1},
    Verdict.STILL_IMPROVING: {Role.RATE: 1, Role.BATCH: -1},
    Verdict.UNSTABLE: {Role.RATE: -1, Role.BATCH: 1},
    Verdict.DIVERGED: {Role.RATE: -1, Role.BATCH: 1},
}


class Priors:
    """The priors for the hyperparameters of one space. `Priors.none()` has no prior for any of them."""

    def __init__(self, space: Space) -> None:
        self._usual = {hp.name: usual for hp in space if (usual := usual_name(hp))}
        rules = [name for name, usual in self._usual.items() if usual == "optimizer"]
        self._update_rule = rules[0] if rules else None
        self._trees = bool({"max_depth", "n_estimators", "min_samples_leaf"} & set(self._usual.values()))

    @classmethod
    def none(cls) -> Priors:
        """Return priors without entries, for anonymous names."""
        priors = cls.__new__(cls)
        priors._usual, priors._update_rule, priors._trees = {}, None, False
        return priors

    def agreement(self, hp: Hyperparameter, value: Value, config: Config) -> float | None:
        """Return in [-1, 1] how well a value agrees with its prior (1: the recommended value); None where there is no prior.

        The prior of a learning rate depends on the update rule in `config`.
        """
        prior = self._prior_of(hp, config)
        if prior is None or (prior.favoured and not set(prior.favoured) & _levels(hp)):
            return None
        return prior.agreement(value)

    def context(self, hp: Hyperparameter, config: Config) -> Value | None:
        """Return the value in `config` on which the prior of `hp` depends; None when it depends on none."""
        if self._usual.get(hp.name) != "learning_rate" or self._update_rule is None:
            return None
        return config.get(self._update_rule)

    def role(self, hp: Hyperparameter) -> Role | None:
        """Return the role of a hyperparameter; None when it is not recognised."""
        usual = self._usual.get(hp.name)
        return _KNOWN[usual][1].role if usual else None

    def remedy(self, verdict: Verdict | None, hp: Hyperparameter) -> int:
        """Return +1 or -1 when the remedy for a verdict is a higher or a lower position on the hyperparameter's scale, else 0."""
        role = self.role(hp)
        wanted = _REMEDIES.get(verdict, {}).get(role, 0) if verdict and role else 0
        return -wanted if _falls(hp) else wanted

    def _prior_of(self, hp: Hyperparameter, config: Config) -> Prior | None:
        usual = self._usual.get(hp.name)
        if usual is None:
            return None
        if usual == "learning_rate":
            rule = str(self.context(hp, config)).lower()
            return _RATES.get(rule, _SHRINKAGE if self._trees else _ANY_RATE)
        return _KNOWN[usual][1]


def usual_name(hp: Hyperparameter) -> str | None:
    """Return the usual name of a hyperparameter; None when neither its name nor the beginning of its description is known."""
    words = re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", hp.name).lower())
    for start in range(len(words)):
        # Take the longest known ending: `word_dropout` is a dropout, `sgd.lr` a learning rate, `beta_1` the first beta.
        ending = words[start:]
        for joined in ("_".join(ending), "".join(ending)):
            if joined in _USUAL:
                return _USUAL[joined]
    described = "_".join(re.findall(r"[a-z0-9]+", hp.meaning.lower()))
    terms = [name for name in _USUAL if "_" in name and f"{described}_".startswith(f"{name}_")]
    return _USUAL[max(terms, key=len)] if terms else None


def _falls(hp: Hyperparameter) -> bool:
    """Say whether the levels are listed from the highest number to the lowest, so that a higher number has a lower position."""
    numbers = [choice for choice in hp.choices if isinstance(choice, int | float)] if isinstance(hp, Choice) and hp.ordered else []
    return len(numbers) > 1 and numbers[0] > numbers[-1]


def _levels(hp: Hyperparameter) -> set[Value]:
    return set(hp.choices) if isinstance(hp, Choice) else set()

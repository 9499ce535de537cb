"""What an arm does, in plain words. They are made from the settings in its manifests, so that records of any age have them.

This is the only module of the report that knows the methods of the harness, and nothing is computed from its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.report.analysis.arms import Arm
from harness.report.analysis.families import lacks
from harness.report.study_data import mapping

# What an LLM is shown, after "that".
READS = {
    "tcs": "reads the summary of the trials (TCS)",
    "raw": "reads the raw log of every trial",
    "scores": "reads configurations and scores only",
    "blind": "reads its own past proposals and no result",
    "shuffled": "reads a summary with shuffled outcomes",
    "published": "reads the published summary, as two agents with hidden rules after them",
    "opro": "reads scores from worst to best, and no task (OPRO)",
    "llambo": "names candidates for a target score and predicts the score of each (LLAMBO)",
}
# What completes a table of trials instead of answering a question.
COMPLETES = {
    "scores": "completes the next line of a table of trials",
    "shuffled": "completes the next line of a table of trials with shuffled scores",
}
GP, TPE = "Optuna's Gaussian process", "Optuna's TPE"
PRIOR_GP = "Optuna's Gaussian process with a prior at the default (piBO)"
_OWN = "harness.optimizers."
# The tuners of the harness by their dotted paths.
TUNERS = {
    f"{_OWN}{path}": words
    for path, words in {
        "sobol.Sobol": "quasi-random search (Sobol points)",
        "tpe.TPE": TPE,
        "optuna_gp.OptunaGP": GP,
        "skopt_gp.SkoptGP": "scikit-optimize's Gaussian process",
        "skopt_rf.SkoptRF": "scikit-optimize's random forest",
        "smac_hpo.SmacHPO": "SMAC3's random forest with local search",
        "cma_es.CmaEs": "CMA-ES from the default configuration",
        "local_search.LocalSearch": "local search: small changes to the best configuration so far",
        "pibo.pibo.PiBO": PRIOR_GP,
        "hybrid.rules_gp.RulesGP": f"{{startup}} for {{length}}, then {GP}",
        "hybrid.rules_pibo.RulesPiBO": f"{{startup}} for {{length}}, then {PRIOR_GP}",
        "selector.select_first.SelectFirst": "the first of {candidates} that other methods propose, without an LLM",
        "selector.select_random.SelectRandom": "a random choice among {candidates} that other methods propose, without an LLM",
        "published.agent.Published": "the published system's hidden rules without an LLM",
    }.items()
}
RULES = "fixed rules that read the summary"
FOREIGN = "a tuner from outside this harness"
NOT_STARTED = "not started"
# Of an agent that does not propose every trial: the optimizer that takes turns with it.
PARTNERS = {"tpe": TPE, "optuna_gp": GP, "random": "random search"}
# The tuner whose start-up trials are drawn from its prior, not uniformly.
_PRIOR = f"{_OWN}pibo.pibo.PiBO"


def plain(arm: Arm) -> str:
    """Return what the arm does as a short noun phrase, without its start: `fixed rules that read the summary`."""
    match arm.role:
        case "":
            return NOT_STARTED
        case "llm":
            return f"{_llm(arm)}{_turns(arm)}{_hidden(arm)}"
        case "rules":
            return _rules(arm)
        case "random":
            return "random search"
        case "default":
            return "the default configuration alone, without a search"
    return _tuner(arm)


def described(arm: Arm) -> str:
    """Return the same with what comes before: given trials, the default configuration, start-up trials."""
    text = plain(arm)
    if arm.role in ("", "default"):
        return text
    if arm.all_startup and arm.method != _PRIOR:
        return f"{text}; but all {arm.budget} trials are its start-up trials, so it is random search under another name"
    before = [*(["given trials"] if arm.given else []), *(["the default configuration"] if arm.start == "default" else [])]
    # Given trials count as start-up trials, and their number may differ from task to task.
    drawn = 0 if arm.given else arm.startup_trials - (arm.start == "default")
    if drawn > 0:
        before.append(_many(drawn, "draw") + " from its prior" if arm.method == _PRIOR else _many(drawn, "random trial"))
    return f"{text}, after {' and '.join(before)}" if before else text


def _llm(arm: Arm) -> str:
    """Name the LLM and what it does."""
    name = arm.llm or arm.model
    agent = mapping(arm.setting.get("agent"))
    reads = READS.get(arm.context, "reads a context of its own")
    if agent.get("form") == "table":
        reads = COMPLETES.get(arm.context, reads)
    if arm.method.startswith(f"{_OWN}selector."):
        reads = f"chooses among {_candidates(arm)} that other methods propose, and {reads}"
    if isinstance(samples := _options(arm).get("samples"), int) and samples > 1:
        reads += f", with {samples} answers a trial"
    kind = "small LLM" if arm.small_llm else "LLM"
    return f"the {kind} {name}, which {reads}" if name else f"an LLM that {reads}"


def _turns(arm: Arm) -> str:
    """Say which trials an LLM proposes that takes turns with an optimizer."""
    options = _options(arm)
    match mapping(arm.setting.get("agent")).get("turns"):
        case "tcs_gp":
            return f", for {_length(options)}, then {GP}"
        case "llm_share":
            partner = PARTNERS.get(str(options.get("optimizer")), "an optimizer")
            share = options.get("share")
            part = f"on {100 * share:.0f} % of the trials" if isinstance(share, int | float) else "on some trials"
            return f", {part}, and {partner} on the others"
    return ""


def _hidden(arm: Arm) -> str:
    """Say what of the task was hidden from an LLM."""
    names = mapping(arm.setting.get("agent")).get("names") == "anonymous"
    parts = [
        *(["the names of the hyperparameters"] if names else []),
        *(["what is known of the task"] if arm.setting.get("renamed") else []),
    ]
    return f", without {' and '.join(parts)}" if parts else ""


def _rules(arm: Arm) -> str:
    missing = lacks(arm)
    text = "fixed rules that read a summary with shuffled outcomes" if "outcomes" in missing else RULES
    text += " and a Gaussian process's expectation" if _options(arm).get("surrogate") is True else ""
    return f"{text}, without knowledge of hyperparameters by name" if "names" in missing else text


def _tuner(arm: Arm) -> str:
    options = _options(arm)
    startup = "random draws" if options.get("startup") == "random" else "fixed rules"
    text = TUNERS.get(arm.method, FOREIGN)
    text = text.format(startup=startup, length=_length(options), candidates=_candidates(arm))
    return f"{text} with a joint model for each branch of the space" if options.get("group") is True else text


def _length(options: Mapping[str, Any]) -> str:
    """Say for how many trials the first of two methods proposes."""
    length = options.get("startup_length")
    return f"the first {length} trials" if isinstance(length, int) and length > 1 else "the first trials"


def _candidates(arm: Arm) -> str:
    count = _options(arm).get("candidates")
    return f"{count} candidates" if isinstance(count, int) else "a few candidates"


def _options(arm: Arm) -> Mapping[str, Any]:
    return mapping(mapping(arm.setting.get("optimizer")).get("options"))


def _many(count: int, name: str) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"

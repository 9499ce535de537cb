"""Arms in plain words, for those who have read nothing else: `fixed rules that read the summary (rules+default)`."""

from __future__ import annotations

from harness.report.analysis.arms import Arm
from harness.report.analysis.families import lacks
from harness.report.render.document import listed
from harness.report.render.escape import cut
from harness.report.study_data import mapping

SUMMARY_NOTE = "The summary: what the Trajectory Context Summarizer (TCS) computes from the trials so far and says in words."
RULES, LIBRARY, OTHER, LLM = "rules", "library", "other", "llm"
# In the order in which the lead speaks of them; each with what several of them are called.
GROUPS = {
    RULES: "sets of fixed rules that read the summary",
    LIBRARY: "library tuners",
    OTHER: "other methods without an LLM",
    LLM: "LLM arms",
}
LIBRARIES = {
    "harness.optimizers.tpe.TPE": "Optuna's TPE",
    "harness.optimizers.optuna_gp.OptunaGP": "Optuna's GP",
    "harness.optimizers.skopt_gp.SkoptGP": "scikit-optimize's GP",
    "harness.optimizers.skopt_rf.SkoptRF": "scikit-optimize's random forest",
    "harness.optimizers.smac_hpo.SmacHPO": "SMAC",
    "harness.optimizers.cma_es.CmaEs": "CMA-ES",
}
OWN = {
    "harness.optimizers.sobol.Sobol": "Sobol's sequence",
    "harness.optimizers.local_search.LocalSearch": "local search",
    "harness.optimizers.pibo.pibo.PiBO": "a GP with a prior at the default",
    "harness.optimizers.hybrid.rules_gp.RulesGP": "the rules, then Optuna's GP",
    "harness.optimizers.hybrid.rules_pibo.RulesPiBO": "the rules, then a GP with a prior at the default",
    "harness.optimizers.published.agent.Published": "the published system's hidden rules",
}
SHOWN = {
    "tcs": "with the summary",
    "raw": "with the raw logs",
    "scores": "with configurations and scores alone",
    "blind": "with its own proposals alone",
    "shuffled": "with a summary of shuffled outcomes",
    "published": "in the published system",
    "opro": "asked as in OPRO",
    "llambo": "asked as in LLAMBO",
}
# Of an LLM that does not propose every trial.
TURNS = {"tcs_gp": ", for the first trials, then Optuna's GP", "llm_share": ", in turns with an optimizer"}
LONGEST_MODEL = 40


def group_of(arm: Arm) -> str:
    """Return the group in which the lead counts an arm, a key of GROUPS; empty for a control, which is no method to be recommended.

    Controls: random search and the default, rules that lack names or outcomes, and tuners whose whole budget is random start-up.
    """
    if arm.role == "llm":
        return LLM
    if arm.role == "rules":
        return "" if lacks(arm) else RULES
    if arm.role != "tuner" or arm.all_startup:
        return ""
    return LIBRARY if arm.method in LIBRARIES else OTHER


def phrase(arm: Arm, name: str) -> str:
    """Return an arm in plain words, with its name (and the marks behind it) in brackets; the name alone where no plain words are known."""
    words = _words(arm)
    return f"{words} ({name})" if words else name


def _words(arm: Arm) -> str:
    if arm.role == "llm":
        shown = SHOWN.get(arm.context, f"shown {cut(arm.context, LONGEST_MODEL)}" if arm.context else "")
        turns = TURNS.get(str(mapping(arm.setting.get("agent")).get("turns")), "")
        chooses = ", which chooses among candidates," if arm.method.endswith(".Selector") else ""
        others = f", answered by {listed(arm.answered.others, 2)}" if arm.answered.others else ""
        return f"{cut(arm.llm or arm.model, LONGEST_MODEL)}{chooses} {shown}".strip() + turns + others
    if arm.role == "rules":
        return "fixed rules that read the summary"
    return LIBRARIES.get(arm.method) or OWN.get(arm.method, "")


def is_plural(arm: Arm) -> bool:
    """Say whether the words of an arm take a verb in the plural."""
    return arm.role == "rules"

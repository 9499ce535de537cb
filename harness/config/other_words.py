"""What other tools call a setting of the harness's. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import near

_WORDS = {
    "budget": "n_trials trials num_trials max_trials n_iter num_iter max_iter iterations n_calls max_evals evals evaluations num_samples",
    "optimizer.startup_trials": "startup n_startup n_startup_trials startup_trials n_initial_points n_random_starts n_init initial_trials",
    "optimizer": "method tuner sampler algorithm algo searcher",
    "task": "dataset data problem benchmark",
    "seed": "random_state random_seed rng",
    "seeds": "n_seeds num_seeds repeats n_repeats repetitions n_runs",
    "limits.trial_seconds": "timeout time_limit trial_timeout max_seconds",
    "limits.trial_memory_mb": "memory memory_limit memory_mb",
    "hydra/launcher=joblib hydra.launcher.n_jobs": "n_jobs num_jobs jobs workers n_workers num_workers parallel",
    "out": "output output_dir out_dir outdir log_dir results results_dir save_dir",
    "study": "study_name experiment_name exp_name exp run_name project_name",
    "tracking": "wandb tracker logger wandb_mode",
    "progress": "verbose verbosity quiet progress_bar",
    "llm.model": "model model_name llm_model",
    "llm.key_env": "api_key key token",
    "llm.base_url": "url host server endpoint api_base",
    "llm.max_tokens": "max_new_tokens n_predict num_predict max_completion_tokens",
    "llm.num_ctx": "n_ctx context_length max_model_len ctx",
    "select.source": "select.from",
    "select.candidates": "select.k select.count",
    "task.params.epochs": "epochs n_epochs num_epochs max_epochs",
}
_TUNED = {"lr": "learning_rate", "bs": "batch_size", "wd": "weight_decay"}
_OURS = {word: ours for ours, words in _WORDS.items() for word in words.split()}


def meant(key: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for a key that there is not, or the list of the first names of those that there are.

    It may be another tool's word for a setting, the last part of one, or nearly one.
    """
    names = set(known)
    word = key.lower().replace("-", "_")
    last = word.rpartition(".")[2]
    ours = _OURS.get(last if word.startswith(("optimizer.", "llm.")) else word, "")
    if ours and (not names or "=" in ours or ours in names):
        return f"; did you mean '{ours}'?"
    tuned = f"task.space.{_TUNED.get(word, word)}"
    if tuned in names:
        return f"; the methods tune it: its range is {tuned}.low and {tuned}.high"
    if inside := sorted(name for name in names if name.rpartition(".")[2] == word and "." in name)[:3]:
        listed = "' or '".join(inside)
        return f"; did you mean '{listed}'?"
    hint = near(key, names)
    return hint if "mean" in hint else near("", [name for name in names if "." not in name])

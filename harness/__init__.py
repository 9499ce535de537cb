"""A benchmark harness for hyperparameter tuners: classical methods, small local LLMs with expert blocks, GPT baselines.

Read `harness/run/loop.py` first: it is the whole life of a trial. These are the public names, `from harness import ...`; what is not
here may change without notice.

A task of your own:

    Task              the contract: a space, a card, and a `train` that yields epochs
    TaskCard          what an expert who is asked for advice would be told of the task
    NeedsData         what a task's class has besides, when its data must be fetched first
    Simulated         what a task has besides, when it gives recorded trainings: how long they took
    Reference         what scores a task can give, for validation and for test, and where that is from
    Scale             the median of random trials and the best known score
    Epoch             one row of a training curve: validation score, and what else was measured
    Space             the hyperparameters that may be tuned, with ranges, scales, defaults and conditions
    Hyperparameter    one axis of a space: a Number or a Choice
    Number            an axis of numbers, float or integer, linear or logarithmic
    Choice            an axis of choices, ordered or not
    Config            one assignment of values: a dict from name to Value
    Value             one value of a configuration: a str, int, float or bool
    Readiness         what `python -m harness.doctor` says of a task or an LLM
    tasks_from        a module: a task out of an estimator, a training loop, a command or an Optuna objective
    keyed_random      a random generator that depends on (seed, purpose, number) alone
    keyed_seed        the same as an integer

A method of your own:

    Optimizer         the contract: `propose(trajectory)` returns a Proposal
    Trajectory        the trials so far, without their test scores
    Trial             number, proposal and outcome
    Proposal          a configuration and where it came from
    Outcome           what one training returned: status, curve, scores, seconds, error
    Status            how a training ended: ok, diverged, crashed or timeout
    DefaultFirst      a wrapper: the default configuration as trial 1, the rest by another method
    Exhausted         raised by a method that has nothing left to propose, and by a Tuner whose budget is spent

Tuning what you train yourself:

    Tuner             ask and tell: `ask()` gives a configuration, `tell(config, result)` says what its training gave
    ExpertBlockSampler  the same methods as a sampler for Optuna

An LLM backend of your own:

    Backend           the contract: `complete(request)` returns a Reply
    LlmSettings       what a file of conf/llm says; a backend is built from it
    Request           one question to a model, with everything that decides the answer
    Reply             what came back
    Message           one turn of a request
    ReplyFormat       how a reply is held to its JSON schema
    ModelFacts        what answered: model, server, digest
    BackendError      the base of what a backend may raise
    BackendUnavailable  the server stays down: the cell stops, a later launch resumes it
    NotReady          a key, a model, a file or a package is missing
    BadRequest        the server refuses the request; trying again cannot help
    TransportFault    a call that may be tried again
    TruncatedPrompt   the prompt and the window do not fit

An expert block of your own:

    Block             the contract: (space, trajectory, budget) gives a Section
    Section           the facts of one block, which shows itself as a View
    View              a section as it is shown: facts, notes and tables
    Detail            how much a view holds
    Level             its four steps
    Table             rows under columns
    Assignments       a configuration in a view
    Points            tried values with their scores in a view
    Phrase            a phrase in a view, with the same as data
    Summary           what the blocks made of a trajectory
    summarize         let the blocks read a trajectory
    render            write a summary as text, JSON or Markdown, within a bound of tokens
    Format            text, json or markdown

The results of a study:

    load              read a study, a packed one, or one cell: typed trials, and a pandas frame with a row per trial
    Results           what `load` returns
    TrialRow          one of its trials, with task, arm, seed, tokens and price

Errors, each one line for the user:

    HarnessError      the base
    SettingsError     a setting, task, space or range that makes no sense
    InvalidConfig     a configuration that its space refuses
    near              "; did you mean 'x'?" for an error's text

`harness.tasks` holds the tasks that come with the harness, `harness.testing` the test suites for each of the four contracts.
"""

__version__ = "0.1.0"

__all__ = [
    "Assignments",
    "Backend",
    "BackendError",
    "BackendUnavailable",
    "BadRequest",
    "Block",
    "Choice",
    "Config",
    "DefaultFirst",
    "Detail",
    "Epoch",
    "Exhausted",
    "ExpertBlockSampler",
    "Format",
    "HarnessError",
    "Hyperparameter",
    "InvalidConfig",
    "Level",
    "LlmSettings",
    "Message",
    "ModelFacts",
    "NeedsData",
    "NotReady",
    "Number",
    "Optimizer",
    "Outcome",
    "Phrase",
    "Points",
    "Proposal",
    "Readiness",
    "Reference",
    "Reply",
    "ReplyFormat",
    "Request",
    "Results",
    "Scale",
    "Section",
    "SettingsError",
    "Simulated",
    "Space",
    "Status",
    "Summary",
    "Table",
    "Task",
    "TaskCard",
    "Trajectory",
    "TransportFault",
    "Trial",
    "TrialRow",
    "TruncatedPrompt",
    "Tuner",
    "Value",
    "View",
    "keyed_random",
    "keyed_seed",
    "load",
    "near",
    "render",
    "summarize",
    "tasks_from",
]

TYPE_CHECKING = False  # type checkers take it for true; the one of `typing` costs 7 ms
if TYPE_CHECKING:
    from harness import tasks_from
    from harness.errors import Exhausted, HarnessError, InvalidConfig, SettingsError, near
    from harness.llm.backend import Backend, Message, ModelFacts, Reply, ReplyFormat, Request
    from harness.llm.errors import BackendError, BackendUnavailable, BadRequest, NotReady, TransportFault, TruncatedPrompt
    from harness.llm.settings import LlmSettings
    from harness.optimizer import DefaultFirst, Optimizer
    from harness.readiness import Readiness
    from harness.report.analysis.trial_table import TrialRow
    from harness.report.results import Results, load
    from harness.seeding import keyed_random, keyed_seed
    from harness.space import Choice, Config, Hyperparameter, Number, Space, Value
    from harness.task import NeedsData, Reference, Scale, Simulated, Task, TaskCard
    from harness.tcs.summarizer import Summary, summarize
    from harness.tcs.view.render import Format, render
    from harness.tcs.view.section import Assignments, Block, Detail, Level, Phrase, Points, Section, Table, View
    from harness.trial import Epoch, Outcome, Proposal, Status, Trajectory, Trial
    from harness.tuner.sampler import ExpertBlockSampler
    from harness.tuner.tuner import Tuner
else:
    # The same again, since `import harness` must cost nothing: a name's module is imported when the name is first used.
    _HOMES = {
        "harness.errors": "Exhausted HarnessError InvalidConfig SettingsError near",
        "harness.llm.backend": "Backend Message ModelFacts Reply ReplyFormat Request",
        "harness.llm.errors": "BackendError BackendUnavailable BadRequest NotReady TransportFault TruncatedPrompt",
        "harness.llm.settings": "LlmSettings",
        "harness.optimizer": "DefaultFirst Optimizer",
        "harness.readiness": "Readiness",
        "harness.report.analysis.trial_table": "TrialRow",
        "harness.report.results": "Results load",
        "harness.seeding": "keyed_random keyed_seed",
        "harness.space": "Choice Config Hyperparameter Number Space Value",
        "harness.task": "NeedsData Reference Scale Simulated Task TaskCard",
        "harness.tcs.summarizer": "Summary summarize",
        "harness.tcs.view.render": "Format render",
        "harness.tcs.view.section": "Assignments Block Detail Level Phrase Points Section Table View",
        "harness.trial": "Epoch Outcome Proposal Status Trajectory Trial",
        "harness.tuner.sampler": "ExpertBlockSampler",
        "harness.tuner.tuner": "Tuner",
    }
    _HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

    def __getattr__(name):
        from importlib import import_module  # noqa: PLC0415

        if name == "tasks_from":
            return import_module("harness.tasks_from")
        if name not in _HOME:
            raise AttributeError(f"module 'harness' has no attribute '{name}'")
        value = globals()[name] = getattr(import_module(_HOME[name]), name)
        return value

    def __dir__():
        return sorted({*globals(), *__all__})

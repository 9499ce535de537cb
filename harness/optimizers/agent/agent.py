"""The analysis agent: an optimizer made of a context and a backend.

    trajectory -> context -> prompt -> backend -> parse -> validate -> configuration

When a reply cannot be used, the agent asks again and says exactly why. After `attempts` calls without a usable reply it proposes a random
draw, marked `source=fallback`. The backend handles transport errors; they never lead to a draw.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from harness import tcs
from harness.errors import SettingsError, near
from harness.llm.asking import Asking, LlmOptimizer
from harness.llm.backend import ABORTED, Backend, Message, Reply, Request
from harness.llm.build import takes_grammars
from harness.llm.errors import TruncatedPrompt
from harness.llm.truncation import kept_for_reply, prompt_token_range, rounded, token_range
from harness.optimizers._untried import untried
from harness.optimizers.agent.context import SUMMARISED, TABLE_CONTEXTS, Context
from harness.optimizers.agent.exchange import Exchange
from harness.optimizers.agent.names import Names
from harness.optimizers.agent.prompt import (
    ANALYSES,
    form_explained,
    form_text,
    load_prompts,
    opening,
    score_name,
    space_text,
)
from harness.optimizers.agent.reply import (
    Answer,
    BadReply,
    Kind,
    parse_reply,
    refuse_aborted,
    refuse_repeat,
    strip_thinking,
)
from harness.optimizers.agent.reply_schema import reply_schema
from harness.optimizers.agent.table_form import TableForm
from harness.space import Config, Space
from harness.space.levels import level_space
from harness.task import TaskCard
from harness.trial import Objective, Proposal, Trajectory

ANALYSIS_WORDS = 150
# How much of an unusable reply is shown to the model again. A reply can be megabytes long; the prompt must stay short.
ECHO_CHARACTERS = 4_000
# The same for a reply that became a loop: a model that sees its own loop continues it.
ECHO_OF_A_LOOP = 200
LONGER_FIGURES = 4 / 3


class Agent(LlmOptimizer):
    """Propose the configurations that a language model proposes.

    The same replies give the same configurations: apart from the replies, a proposal is a function of (space, seed, trajectory). A live
    model may reply differently in another run, although each call has its own seed; recorded replies repeat exactly.

    The settings in `asking`:

    - calls: "one" (analysis and proposal in one call) or "two" (first an analyzer, then an optimizer).
    - names: "real" or "anonymous".
    - attempts: the number of calls for a proposal, at least 1, before a random draw replaces it.
    - prompt: the version of the templates.
    - analysis: "none", "after" or "before": whether and where the model explains its configuration; None: as the version does.
    - values: "free", or "levels": each number is one of a list (`harness.space.levels`), fallback draws included.
    - form: "json", or "table": the model completes the next line of a table of trials (`table_form.py`); always with levels.
    - context, blocks, format, log_every: what the model is shown; see `context.py`.

    `budget` is the number of trials. `context`: what the model is shown, in the place of what `asking` says. Raises SettingsError.
    """

    # 2: the seed depends on the task; 3: a draft in a cut-off reply is no proposal; 4: arms draw their fallbacks apart
    versions: ClassVar[Mapping[str, int]] = {"agent": 4}

    def __init__(  # noqa: PLR0913 - the contract of LlmOptimizer
        self,
        space: Space,
        seed: int,
        *,
        asking: Asking,
        card: TaskCard,
        budget: int,
        backend: Backend,
        context: Context | None = None,
    ) -> None:
        check_asking(asking)
        self._space = space
        self._seed = seed
        self._card = card
        self._asking = asking
        self._budget = budget
        self._backend = backend
        self._context = context or context_of(asking)
        self._prompts = load_prompts(asking.prompt)
        self._names = Names.of(space, asking.names)
        self._allowed = level_space(self._names.space) if _has_levels(asking) else self._names.space
        self._analysis = _analysis(asking)
        self._schema = reply_schema(self._allowed, self._analysis, self._prompts.manner.longest_analysis)
        self._table = TableForm(self._allowed) if asking.form == "table" else None

    @classmethod
    def identity(cls, asking: Asking, card: TaskCard) -> dict[str, object]:
        check_asking(asking)
        # What has no choice, or the value of the time before it was a setting, is left out.
        chosen = {
            "log_every": asking.log_every if asking.context == "raw" else None,
            "analysis": _analysis(asking) if asking.form == "json" and asking.prompt != "v1" else None,
            "values": asking.values if asking.values != "free" and asking.form == "json" else None,
            "form": asking.form if asking.form != "json" else None,
        }
        return {
            "agent": {
                "context": asking.context,
                "calls": asking.calls,
                "names": asking.names,
                "attempts": asking.attempts,
                "prompt": asking.prompt,
                "prompt_hash": load_prompts(asking.prompt).hash,
                **{name: value for name, value in chosen.items() if value is not None},
            },
            "card": card.to_mapping(),
            "llm": asking.llm.identity(),
            **({"tcs": {"blocks": list(asking.blocks), "format": asking.format}} if _summarises(asking) else {}),
        }

    @classmethod
    def versions_with(cls, asking: Asking) -> dict[str, int]:
        return {**cls.versions, **({"tcs": tcs.VERSION} if _summarises(asking) else {})}

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Ask the model for the next configuration. Raises BackendError when the model cannot be reached."""
        shown = self._names.trajectory(trajectory)
        exchange = Exchange(shown, self._seed, self._asking.llm, self._backend)
        analysis = ""
        if self._table:
            text, question = self._table_question(exchange, self._table)
        else:
            text, analysis, question = self._json_question(exchange)
        messages = question
        for attempt in range(1, self._asking.attempts + 1):
            reply = self._ask(exchange, messages, "optimizer" if self._asking.calls == "two" else "agent")
            try:
                answer = self._judge(exchange, reply)
            except BadReply as bad:
                exchange.refuse(bad)
                messages = self._again(question, reply, bad)
                continue
            source = "llm" if attempt == 1 else f"llm-retry-{attempt - 1}"
            note = self._note(exchange, text, "\n\n".join(filter(None, (analysis, answer.analysis))))
            return Proposal(self._names.real_config(answer.config), source, note)
        return Proposal(self._draw(trajectory), "fallback", self._note(exchange, text, analysis))

    def _table_question(self, exchange: Exchange, table: TableForm) -> tuple[str, list[Message]]:
        """Return the lines about the trials, and the text to complete."""
        shown = self._context.outcomes(exchange.shown, self._seed)
        rows = table.rows(shown, shown.objective)
        text = self._prompts.fill("table", title=self._card.title, score=score_name(self._card, shown.objective), rows=rows)
        return rows, [Message("user", text)]

    def _json_question(self, exchange: Exchange) -> tuple[str, str, list[Message]]:
        """Return the text about the trials, the analysis of a first call, if there is one, and the question."""
        of_nothing = self._prompts.manner.summary_of_nothing
        text = self._context.text(
            self._names.space, exchange.shown, budget=self._budget, seed=self._seed, summary_of_nothing=of_nothing
        )
        system, task = self._opening(exchange.trial, text, exchange.shown.objective)
        analysis = ""
        if self._asking.calls == "two":
            analysis = self._analyse(exchange, [system, task])
            ask = self._prompts.fill("decide", analysis=analysis, **self._form(exchange.trial))
        else:
            ask = self._prompts.fill("propose", **self._form(exchange.trial))
        return text, analysis, [system, Message("user", f"{task.content}\n\n{ask}")]

    def _again(self, question: list[Message], reply: Reply, bad: BadReply) -> list[Message]:
        """Return the messages after a bad reply. A model that completes a table is told nothing: it draws anew."""
        if self._table:
            return question
        if self._prompts.manner.echoes:
            retry = self._prompts.fill("retry", complaint=str(bad))
            return [*question, Message("assistant", _echo(reply) or "(empty)"), Message("user", retry)]
        system, asked = question
        return [system, Message("user", f"{asked.content}\n\n{self._prompts.fill('retry', complaint=bad.short)}")]

    def _opening(self, number: int, context: str, objective: Objective) -> list[Message]:
        space = space_text(self._names.space, levels=self._asking.values == "levels")
        return opening(self._prompts, self._card, space, objective, number=number, budget=self._budget, context=context)

    def _form(self, number: int) -> dict[str, object]:
        """Return what the templates may say of the form of an answer: an example in version 1, dots and an explanation in version 2."""
        space = self._names.space
        example = json.dumps(space.default(), ensure_ascii=False)
        dots = {"form": form_text(space, self._analysis), "explain": form_explained(space, self._analysis)}
        return {"number": number, "words": ANALYSIS_WORDS, "example": example, **dots}

    def _analyse(self, exchange: Exchange, opening: list[Message]) -> str:
        question = self._prompts.fill("analyse", words=ANALYSIS_WORDS)
        asked = [opening[0], Message("user", f"{opening[1].content}\n\n{question}")]
        reply = self._ask(exchange, asked, "analyzer")
        text = _echo(reply)
        if reply.finish_reason == ABORTED:
            problem = "the analysis repeated itself without end and was broken off"
            exchange.replies[-1] |= {"problem": problem, "kind": str(Kind.ABORTED)}
        elif not text:
            cut_off = exchange.limit_of(reply)
            problem = f"the analysis was empty{f': cut off at {cut_off}' if cut_off else ''}"
            exchange.replies[-1] |= {"problem": problem, "kind": str(Kind.UNPARSED)}
        return text or "(none was given)"

    def _ask(self, exchange: Exchange, messages: list[Message], role: str) -> Reply:
        request = exchange.request(messages, None if role == "analyzer" or self._table else self._schema)
        if self._table:
            request = replace(request, grammar=self._table.grammar(exchange.shown), raw=True)
        try:
            return exchange.send(request, role)
        except TruncatedPrompt as error:
            advice = self._what_fits(request, error.window_tokens, exchange.shown)
            if advice:
                raise error.advised(advice) from error
            raise

    def _what_fits(self, request: Request, window_tokens: int | None, shown: Trajectory) -> str:
        """Say with which step between epochs, and with which window, the raw logs of all trials of the budget fit.

        Other contexts have no such step, and get no advice. A trial to come counts as long as the longest so far, and a third more: its
        figures may have more digits.
        """
        longest = max((len(trial.outcome.curve) for trial in shown), default=0)
        if self._context.kind != "raw" or not window_tokens or not longest:
            return ""
        asked, reply = prompt_token_range(request)[1], kept_for_reply(request)
        denser = max(1.0, window_tokens / asked)  # a server that refuses what should fit counts more tokens than were estimated
        to_come = max(0, self._budget - 1 - len(shown))

        def logs(every: int) -> list[int]:
            text = replace(self._context, log_every=every).text(self._names.space, shown, budget=self._budget, seed=self._seed)
            return [token_range(log)[1] for log in text.split("\n\n")]

        rest = asked - sum(logs(self._context.log_every))

        def needed(every: int) -> float:
            found = logs(every)
            return denser * (rest + sum(found) + to_come * LONGER_FIGURES * max(found)) + reply

        steps = range(self._context.log_every + 1, longest + 1)
        place = bisect_left(steps, True, key=lambda every: needed(every) <= window_tokens)
        whole = rounded(needed(self._context.log_every))
        step = (
            f", or in this window with agent.log_every={steps[place]}" if place < len(steps) else "; no agent.log_every is enough"
        )
        return f"All {self._budget} trials should fit with llm.num_ctx={whole}{step}"

    def _judge(self, exchange: Exchange, reply: Reply) -> Answer:
        refuse_aborted(reply.finish_reason)
        if self._table:
            answer, digits = self._table.read(reply.text), None
        else:
            answer = parse_reply(reply.text, self._allowed, cut_off=exchange.limit_of(reply), thought=bool(reply.thinking))
            digits = self._prompts.manner.digits
        refuse_repeat(answer.config, exchange.shown, digits)
        return answer

    def _note(self, exchange: Exchange, context: str, analysis: str) -> dict[str, object]:
        prompt = {"version": self._prompts.version, "hash": self._prompts.hash}
        return {"analysis": analysis, "context": context, "prompt": prompt, **exchange.note()}

    def _draw(self, trajectory: Trajectory) -> Config:
        space = level_space(self._space) if _has_levels(self._asking) else self._space
        return untried(space, trajectory, self._seed, self.identity(self._asking, self._card))


_KNOWN: Mapping[str, tuple[str, ...]] = {
    "calls": ("one", "two"),
    "names": ("real", "anonymous"),
    "values": ("free", "levels"),
    "form": ("json", "table"),
}


def check_asking(asking: Asking) -> None:
    """Raise SettingsError for settings of `agent.*` that make no sense."""
    for name, known in _KNOWN.items():
        value = getattr(asking, name)
        if value not in known:
            raise SettingsError(f"agent.{name}={value}: no such choice{near(value, known)}")
    if asking.attempts < 1:
        raise SettingsError(f"agent.attempts={asking.attempts}: must be 1 or more")
    _analysis(asking)
    if asking.form == "table":
        _check_table(asking)


def _check_table(asking: Asking) -> None:
    if asking.context not in TABLE_CONTEXTS:
        raise SettingsError(
            f"agent.form=table: a table shows configurations and scores, so its context is scores or shuffled, not {asking.context}"
        )
    for name, value, needed in (("calls", asking.calls, "one"), ("names", asking.names, "real"), ("prompt", asking.prompt, "v2")):
        if value != needed:
            raise SettingsError(f"agent.form=table: works with agent.{name}={needed} only, not {value}")
    if not takes_grammars(asking.llm):
        raise SettingsError(
            f"agent.form=table: needs a model in the process, which a grammar holds to the line (llm=smollm2, or llm=llama_cpp "
            f"llm.path=FILE.gguf); llm={asking.llm.name} takes no grammar"
        )
    if asking.analysis not in (None, "none"):
        raise SettingsError(f"agent.form=table: a line of a table holds no analysis; leave out agent.analysis={asking.analysis}")


def _analysis(asking: Asking) -> str:
    """Return where the analysis stands in a reply. Raises SettingsError."""
    manner = load_prompts(asking.prompt).manner
    if asking.analysis is None:
        return manner.analysis
    if asking.analysis not in ANALYSES:
        raise SettingsError(f"agent.analysis={asking.analysis}: no such choice{near(asking.analysis, ANALYSES)}")
    if asking.prompt == "v1" and asking.analysis != manner.analysis:
        raise SettingsError(f"agent.analysis={asking.analysis}: the words of agent.prompt=v1 ask for the analysis first; use v2")
    return asking.analysis


def _has_levels(asking: Asking) -> bool:
    return asking.values == "levels" or asking.form == "table"


def _summarises(asking: Asking) -> bool:
    return asking.context in SUMMARISED and asking.form == "json"


def context_of(asking: Asking) -> Context:
    """Return what a model is shown with these settings. Raises SettingsError."""
    digits = load_prompts(asking.prompt).manner.digits
    return Context(asking.context, asking.blocks, asking.format, asking.log_every, digits)


def _echo(reply: Reply) -> str:
    """Return the part of a reply that is shown to the model again: its end, where the answer should be; of a loop, its beginning."""
    text = strip_thinking(reply.text)
    return text[:ECHO_OF_A_LOOP] if reply.finish_reason == ABORTED else text[-ECHO_CHARACTERS:]

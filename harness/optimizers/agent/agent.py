"""The analysis agent: an optimizer made of a context and a backend.

    trajectory -> context -> prompt -> backend -> parse -> validate -> configuration

When a reply cannot be used, the agent sends the model a message that says exactly why, and asks again. After `attempts` calls without a
usable reply it proposes a random draw, marked `source=fallback`. The backend handles transport errors; they never lead to a draw.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from harness import tcs
from harness.errors import Exhausted, SettingsError, near
from harness.llm.asking import Asking, LlmOptimizer
from harness.llm.backend import ABORTED, Backend, Message, Reply, Request
from harness.llm.errors import TruncatedPrompt
from harness.llm.truncation import kept_for_reply, prompt_token_range, rounded, token_range
from harness.optimizers.agent.context import SUMMARISED, Context
from harness.optimizers.agent.names import Names
from harness.optimizers.agent.prompt import card_text, example_config, load_prompts, space_text, system_text
from harness.optimizers.agent.reply import Answer, BadReply, Kind, parse_reply, refuse_aborted, refuse_repeat, strip_thinking
from harness.optimizers.agent.reply_schema import reply_schema
from harness.seeding import keyed_random, keyed_seed
from harness.space import Config, Space
from harness.task import TaskCard
from harness.trial import Objective, Proposal, Trajectory

ANALYSIS_WORDS = 150
# How much of an unusable reply is shown to the model again. A reply can be megabytes long; the prompt must stay short.
ECHO_CHARACTERS = 4_000
# The same for a reply that became a loop: a model that sees its own loop continues it.
ECHO_OF_A_LOOP = 200
DRAWS = 1_000
LONGER_FIGURES = 4 / 3


@dataclass
class _Exchange:
    """The calls of one trial. `replies` records for each call its number, its role, and the problem of its reply, if any."""

    trial: int
    shown: Trajectory
    replies: list[dict[str, object]] = field(default_factory=list)
    last: Reply | None = None


class Agent(LlmOptimizer):
    """Propose the configurations that a language model proposes.

    The same replies give the same configurations: apart from the replies, a proposal is a function of (space, seed, trajectory). A live
    model may reply differently in another run, although each call has its own seed; recorded replies repeat exactly.

    The settings in `asking`:

    - calls: "one" (analysis and proposal in one call) or "two" (first an analyzer, then an optimizer).
    - names: "real" or "anonymous".
    - attempts: the number of calls for a proposal, at least 1, before a random draw replaces it.
    - prompt: the version of the templates.
    - context, blocks, format, log_every: what the model is shown; see `context.py`.

    `budget` is the number of trials. Raises SettingsError.
    """

    versions: ClassVar[Mapping[str, int]] = {
        "agent": 3
    }  # 2: the seed depends on the task; 3: a draft in a cut-off reply is no proposal

    def __init__(self, space: Space, seed: int, *, asking: Asking, card: TaskCard, budget: int, backend: Backend) -> None:
        _check(asking)
        self._space = space
        self._seed = seed
        self._card = card
        self._asking = asking
        self._budget = budget
        self._backend = backend
        self._context = _context(asking)
        self._prompts = load_prompts(asking.prompt)
        self._names = Names.anonymous(space) if asking.names == "anonymous" else Names.real(space)
        self._schema = reply_schema(self._names.space)

    @classmethod
    def identity(cls, asking: Asking, card: TaskCard) -> dict[str, object]:
        _check(asking)
        summarised = _context(asking).kind in SUMMARISED
        return {
            "agent": {
                "context": asking.context,
                "calls": asking.calls,
                "names": asking.names,
                "attempts": asking.attempts,
                "prompt": asking.prompt,
                "prompt_hash": load_prompts(asking.prompt).hash,
                **({"log_every": asking.log_every} if asking.context == "raw" else {}),
            },
            "card": card.to_mapping(),
            "llm": asking.llm.identity(),
            **({"tcs": {"blocks": list(asking.blocks), "format": asking.format}} if summarised else {}),
        }

    @classmethod
    def versions_with(cls, asking: Asking) -> dict[str, int]:
        return {**cls.versions, **({"tcs": tcs.VERSION} if asking.context in SUMMARISED else {})}

    def propose(self, trajectory: Trajectory) -> Proposal:
        """Ask the model for the next configuration. Raises BackendError when the model cannot be reached."""
        shown = self._names.trajectory(trajectory)
        text = self._context.text(self._names.space, shown, budget=self._budget, seed=self._seed)
        exchange = _Exchange(len(trajectory) + 1, shown)
        messages = self._opening(exchange.trial, text, trajectory.objective)
        analysis = ""
        if self._asking.calls == "two":
            analysis = self._analyse(exchange, messages)
            decide = self._prompts.fill("decide", analysis=analysis, **self._form(exchange.trial))
            messages = [messages[0], Message("user", f"{messages[1].content}\n\n{decide}")]
        else:
            propose = self._prompts.fill("propose", words=ANALYSIS_WORDS, **self._form(exchange.trial))
            messages = [messages[0], Message("user", f"{messages[1].content}\n\n{propose}")]
        for attempt in range(1, self._asking.attempts + 1):
            reply = self._ask(exchange, messages, "optimizer" if self._asking.calls == "two" else "agent")
            try:
                answer = self._judge(reply, shown)
            except BadReply as bad:
                exchange.replies[-1] |= {"problem": str(bad), "kind": str(bad.kind), "why": bad.why}
                echo = _echo(reply) or "(empty)"
                retry = self._prompts.fill("retry", complaint=str(bad))
                messages = [*messages[:2], Message("assistant", echo), Message("user", retry)]
                continue
            source = "llm" if attempt == 1 else f"llm-retry-{attempt - 1}"
            note = self._note(exchange, text, "\n\n".join(filter(None, (analysis, answer.analysis))))
            return Proposal(self._names.real_config(answer.config), source, note)
        return Proposal(self._draw(trajectory), "fallback", self._note(exchange, text, analysis))

    def _opening(self, number: int, context: str, objective: Objective) -> list[Message]:
        task = self._prompts.fill(
            "task",
            card=card_text(self._card, objective),
            space=space_text(self._names.space),
            number=number,
            budget=self._budget,
            context=context,
        )
        return [Message("system", system_text(self._prompts, objective)), Message("user", task)]

    def _form(self, number: int) -> dict[str, object]:
        return {"number": number, "example": example_config(self._names.space)}

    def _analyse(self, exchange: _Exchange, opening: list[Message]) -> str:
        question = self._prompts.fill("analyse", words=ANALYSIS_WORDS)
        asked = [opening[0], Message("user", f"{opening[1].content}\n\n{question}")]
        reply = self._ask(exchange, asked, "analyzer")
        text = _echo(reply)
        if reply.finish_reason == ABORTED:
            problem = "the analysis repeated itself without end and was broken off"
            exchange.replies[-1] |= {"problem": problem, "kind": str(Kind.ABORTED)}
        elif not text:
            cut_off = self._limit_of(reply)
            problem = f"the analysis was empty{f': cut off at {cut_off}' if cut_off else ''}"
            exchange.replies[-1] |= {"problem": problem, "kind": str(Kind.UNPARSED)}
        return text or "(none was given)"

    def _ask(self, exchange: _Exchange, messages: list[Message], role: str) -> Reply:
        call = len(exchange.replies) + 1
        schema = None if role == "analyzer" else self._schema
        seed = keyed_seed(self._seed, "llm", exchange.trial * 1_000 + call, bits=31)
        request = self._asking.llm.request(messages, schema=schema, seed=seed, trial=exchange.trial, call=call)
        try:
            reply = self._backend.complete(request)
        except TruncatedPrompt as error:
            advice = self._what_fits(request, error.window_tokens, exchange.shown)
            if advice:
                raise error.advised(advice) from error
            raise
        exchange.replies.append({"call": call, "role": role, "problem": None})
        exchange.last = reply
        return reply

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

    def _judge(self, reply: Reply, shown: Trajectory) -> Answer:
        refuse_aborted(reply.finish_reason)
        answer = parse_reply(reply.text, self._names.space, cut_off=self._limit_of(reply), thought=bool(reply.thinking))
        refuse_repeat(answer.config, shown)
        return answer

    def _limit_of(self, reply: Reply) -> str:
        """Return the limit at which the server cut a reply off, in words; nothing for a whole one."""
        if reply.finish_reason != "length":
            return ""
        asked, used = self._asking.llm.max_tokens, reply.completion_tokens
        return (
            f"the token limit of {asked} (llm.max_tokens)" if asked else f"the server's token limit{f' of {used}' if used else ''}"
        )

    def _note(self, exchange: _Exchange, context: str, analysis: str) -> dict[str, object]:
        facts = exchange.last.facts.to_dict() if exchange.last else {}
        prompt = {"version": self._prompts.version, "hash": self._prompts.hash}
        return {"analysis": analysis, "context": context, "prompt": prompt, "replies": exchange.replies, "model": facts}

    def _draw(self, trajectory: Trajectory) -> Config:
        """Draw a configuration that was not tried yet. Raises Exhausted when a thousand draws find none."""
        tried = [trial.config for trial in trajectory]
        rng = keyed_random(self._seed, "fallback", len(trajectory) + 1)
        for _ in range(DRAWS):
            config = self._space.sample(rng)
            if config not in tried:
                return config
        raise Exhausted


def _check(asking: Asking) -> None:
    for name, value, known in (("calls", asking.calls, ("one", "two")), ("names", asking.names, ("real", "anonymous"))):
        if value not in known:
            raise SettingsError(f"agent.{name}={value}: no such choice{near(value, known)}")
    if asking.attempts < 1:
        raise SettingsError(f"agent.attempts={asking.attempts}: must be 1 or more")


def _context(asking: Asking) -> Context:
    return Context(asking.context, asking.blocks, asking.format, asking.log_every)


def _echo(reply: Reply) -> str:
    """Return the part of a reply that is shown to the model again: its end, where the answer should be; of a loop, its beginning."""
    text = strip_thinking(reply.text)
    return text[:ECHO_OF_A_LOOP] if reply.finish_reason == ABORTED else text[-ECHO_CHARACTERS:]

"""What the doctor prints: a line per task, LLM and device, in the width of the terminal, and the commands in full below it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.doctor.next_steps import Step
from harness.readiness import Readiness

_NAME, _STATE = 20, 10
_INDENT = "    "
_LEAST_WIDTH = 60


def show(findings: Sequence[tuple[str, Readiness]], remarks: Mapping[str, str] | None = None) -> None:
    """Print the findings, group by group, with the commands that help below their lines. `remarks` stand behind the names of groups."""
    from rich.console import Console  # noqa: PLC0415

    console = Console(soft_wrap=True, highlight=False, markup=False)
    last, said = "", set[str]()
    for group, found in findings:
        if group != last:
            remark = (remarks or {}).get(group, "")
            console.print(f"\n{group}" if last else group, style="bold", end="")
            console.print(f" ({remark})" if remark else "")
            last, said = group, set()
        width = max(console.width, _LEAST_WIDTH)
        first, *rest = _row(found, width)
        name, state, text = first[:_NAME], first[_NAME : _NAME + _STATE], first[_NAME + _STATE :]
        console.print(name, end="")
        console.print(state, style="green" if found.ready else "yellow", end="")
        console.print(text)
        for line in rest:
            console.print(line)
        for line in _folded(found.warning, width):
            console.print(line, style="yellow")
        # The rows of a group may need the same command first, such as `ollama serve`: once is enough.
        for command in dict.fromkeys(found.commands):
            if command not in said and command not in found.reason:
                for line in command_lines(command, width):
                    console.print(line, style="cyan")
        said.update(command for command in found.commands if command.startswith("$"))


def show_next(steps: Iterable[Step]) -> None:
    """Print what to run next."""
    from rich.console import Console  # noqa: PLC0415

    console = Console(soft_wrap=True, highlight=False, markup=False)
    width = max(console.width, _LEAST_WIDTH)
    console.print("\nwhat to run next, here and now", style="bold")
    for step in steps:
        for line in command_lines(f"$ {step.command}", width, indent="  "):
            console.print(line, style="cyan")
        for line in _folded(f"{step.gives}; {step.takes}", width):
            console.print(line)


def _row(found: Readiness, width: int) -> Iterator[str]:
    """Yield the lines of a finding: name, state and the first words of the reason, then the rest of them."""
    head = f"  {found.name} ".ljust(_NAME) + f"{found.state} ".ljust(_STATE)
    if len(head) > _NAME + _STATE:  # a long name has a line of its own
        yield f"  {found.name}"
        head = " " * _NAME + f"{found.state} ".ljust(_STATE)
    first, *rest = textwrap.wrap(found.reason, width - _NAME - _STATE, break_on_hyphens=False) or [""]
    yield head + first
    yield from (" " * (_NAME + _STATE) + line for line in rest)


def _folded(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False)


def command_lines(command: str, width: int, indent: str = _INDENT) -> list[str]:
    """Return a command in lines that fit, so that it can be copied: a shell's goes on behind a backslash."""
    if not command.startswith("$"):
        return textwrap.wrap(command, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    lines = [indent]
    for word in command.split(" "):
        if len(lines[-1]) + len(word) + 3 > width and lines[-1].strip(" $"):
            lines.append(f"{indent}    ")
        lines[-1] += word if lines[-1].isspace() else f" {word}"
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]

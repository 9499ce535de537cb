"""Parts of tests, for the harness and for users: contract suites, servers that behave like LLM services, and studies with known answers.

`contracts` needs pytest, `contracts.block` and `trajectories` need hypothesis; the rest needs neither. README.md shows one example each.
"""

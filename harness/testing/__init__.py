"""What tests are made of, ours and a user's: contract suites, servers that behave like LLM services, and studies with known answers.

`contracts` needs pytest, `contracts.block` and `trajectories` need hypothesis; the rest needs neither. README.md shows one example each.
"""

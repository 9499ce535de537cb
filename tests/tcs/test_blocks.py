"""Each block holds to the contract; a new block adds three lines here."""

from __future__ import annotations

import pytest

from harness.tcs import BLOCKS
from harness.testing.contracts.block import BlockContract


@pytest.mark.parametrize("name", BLOCKS)
def test_every_block_is_tested_against_the_contract(name: str) -> None:
    assert any(contract.name == name and contract.block is BLOCKS[name] for contract in BlockContract.__subclasses__())


class TestStatus(BlockContract):
    name = "status"
    block = staticmethod(BLOCKS[name])


class TestLastTrial(BlockContract):
    name = "last_trial"
    block = staticmethod(BLOCKS[name])


class TestCurves(BlockContract):
    name = "curves"
    block = staticmethod(BLOCKS[name])


class TestParameters(BlockContract):
    name = "parameters"
    block = staticmethod(BLOCKS[name])


class TestChanges(BlockContract):
    name = "changes"
    block = staticmethod(BLOCKS[name])


class TestFailures(BlockContract):
    name = "failures"
    block = staticmethod(BLOCKS[name])


class TestPhase(BlockContract):
    name = "phase"
    block = staticmethod(BLOCKS[name])


class TestSurrogate(BlockContract):
    name = "surrogate"
    block = staticmethod(BLOCKS[name])
